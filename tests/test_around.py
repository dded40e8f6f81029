"""Steps 1.3 and 2.2 against the lab: what lies below and around the upgrade is named as the root cause, by measuring alone."""

from types import ModuleType

import pytest
from conftest import needs
from msgspec.structs import replace
from observations import answer, failed

from wsbook.attempt import Attempt
from wsbook.case import Case
from wsbook.facts import Http2Facts, RedirectFacts, TlsScanFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation, Reason, Source, Stage, not_run
from wsbook.probes import addresses, experiment, http2, redirects, tls_scan, upgrade
from wsbook.steps.around import look_around
from wsbook.target import Budget, parse_target


class Look:
    """A step's surroundings, reduced to what look_around() asks of them."""

    def __init__(self, budget: str) -> None:
        self.target = parse_target("")
        self.budget = Budget.named(budget)
        self.found: list[Observation] = []

    def add(self, *observations: Observation) -> None:
        self.found += observations

    def progress(self, text: str, fraction: float) -> None:
        assert text and 0 <= fraction <= 1


PROBES = {
    "addresses": (addresses, "probe_addresses"),
    "redirects": (redirects, "follow_redirects"),
    "upgrade": (upgrade, "probe_upgrade"),
    "http2": (http2, "probe_http2"),
    "scan": (tls_scan, "probe_tls_scan"),
    "certificate": (tls_scan, "probe_certificate"),
}
assert experiment.large_cookie  # imported before a probe is replaced: it keeps the real one


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Attempt]]:
    """Return what every probe was asked for, in order; none of them dials."""
    calls: list[tuple[str, Attempt]] = []

    def replace_probe(name: str, module: ModuleType, function: str) -> None:
        async def probe(attempt: Attempt, *_: object, step: str, **__: object) -> list[Observation] | Observation:
            calls.append((name, attempt))
            source = Source(step=step, probe=name)
            return [] if name in ("addresses", "redirects") else not_run(source, Reason.SKIPPED, "a test")

        monkeypatch.setattr(module, function, probe)

    for name, (module, function) in PROBES.items():
        replace_probe(name, module, function)
    return calls


WSS, OWN_PORT, WS = "wss://shop.test/ws", "wss://shop.test:8443/ws", "ws://shop.test/ws"
LOGIN = (("Location", "/login"),)


@pytest.mark.parametrize(
    ("budget", "seen", "expected"),
    [
        ("quick", answer(101, url=WSS), {"scan", "http2"}),
        ("quick", answer(101, url=OWN_PORT), {"scan", "http2", "certificate"}),
        ("quick", answer(101, url="wss://localhost:8443/ws"), {"scan", "http2"}),
        ("quick", answer(101, url=WS), set()),
        ("standard", answer(101, url=WS), {"http2"}),
        ("thorough", answer(101, url=WSS), {"scan", "http2", "upgrade"}),
        ("quick", answer(302, url=WS, headers=LOGIN), {"upgrade"}),
        ("quick", failed("tls", Reason.CERTIFICATE, url=WSS), {"scan"}),
        ("quick", failed("tls", Reason.TLS_ALERT, url=WSS), {"scan", "http2"}),
        ("quick", failed("tcp", Reason.REFUSED, url=OWN_PORT), set()),
        ("standard", failed("resolve", Reason.NAME_NOT_FOUND, url=WS), set()),
    ],
)
async def test_what_is_looked_at(asked: list[tuple[str, Attempt]], budget: str, seen: Observation, expected: set[str]) -> None:
    look = Look(budget)
    await look_around(look, Attempt(url=seen.facts.url), seen)  # type: ignore[arg-type, union-attr]
    assert {name for name, _ in asked} == {"addresses", "redirects"} | expected
    assert len(look.found) == len(expected)
    beside = [attempt.url for name, attempt in asked if name == "certificate"]
    assert beside == (["wss://shop.test/ws"] if "certificate" in expected else [])


async def test_a_distant_endpoint_gets_its_time(asked: list[tuple[str, Attempt]]) -> None:
    near = answer(101, url=WS)
    far = replace(near, stages=(Stage(name="upgrade", started_s=0.6, duration_s=0.4, ok=True),))
    for seen in (near, far):
        await look_around(Look("quick"), Attempt(url=WS, timeout_s=5.0), seen)  # type: ignore[arg-type]
    assert [attempt.timeout_s for name, attempt in asked if name == "addresses"] == [1.5, 3.0]


FAULTS = [
    "tls.version-or-cipher-mismatch",
    "tls.client-cert-requested",
    "tls.sni-missing",
    "tls.alpn-h2-negotiated",
    "proxy.forwarded-headers-wrong",
    "backend.upgrade-header-exact-compare",
    "handshake.redirected",
]


@needs("nginx", "haproxy")
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_fault_comes_first(fault: str) -> None:
    with Case.open(fault=fault) as case:
        for step in ("1.3", "2.2"):
            await case.run(step)
        judgement = case.judge()
    roots = [finding for finding in judgement.findings if finding.root and finding.verdict is Verdict.FAULT]
    assert [finding.cause for finding in roots][:1] == [fault]
    assert roots[0].confidence >= 0.7


async def test_cookies_that_are_too_large() -> None:
    with Case.open() as lab, Case.open(url=lab.target.url, headers=f"Cookie: session={'x' * 9_000}") as case:
        await case.run("1.3")
        first = next(finding for finding in case.judge().findings if finding.root)
    assert (first.cause, first.confidence) == ("handshake.headers-too-large", 0.95)
    assert "the request has 9" in first.summary


async def test_a_healthy_listener_is_clear() -> None:
    with Case.open(fault="endpoint.plain-to-tls-port") as case:
        healthy = case.target.url.replace("ws://", "wss://")
        with Case.open(url=healthy, ca_file=case.target.ca_file) as other:
            await other.run("1.3")
            evidence, judgement = other.evidence, other.judge()
    assert [finding.cause for finding in judgement.findings if finding.verdict is Verdict.FAULT] == []
    clear = {finding.cause for finding in judgement.findings if finding.verdict is Verdict.CLEAR}
    assert clear >= {
        "tls.cert-expired",
        "tls.version-or-cipher-mismatch",
        "tls.client-cert-requested",
        "tls.sni-missing",
        "tls.alpn-h2-negotiated",
        "backend.upgrade-header-exact-compare",
    }
    assert evidence.first(TlsScanFacts) and evidence.first(Http2Facts) and not evidence.first(RedirectFacts)
