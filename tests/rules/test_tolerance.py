"""Spellings, versions and sizes that a server must take, and answers that name their cause."""

import pytest
from msgspec.structs import replace
from observations import TARGET, answer, failed, findings, roots

from wsbook.attempt import CONNECTION_LIST, LARGE_COOKIE, NO_CREDENTIALS, NO_EXTENSIONS, OTHER_CASE, OTHER_VERSION, THE_ENDPOINTS_HOST
from wsbook.causes import causes
from wsbook.finding import Severity, Verdict
from wsbook.observation import Observation, Reason
from wsbook.rules.answers import named_answers

EXACT = "backend.upgrade-header-exact-compare"


def verdict(slug: str, *observations: Observation) -> Verdict | None:
    found = [finding for finding in findings(*observations) if finding.cause == slug]
    order = (Verdict.FAULT, Verdict.UNKNOWN, Verdict.CLEAR)
    return next((one for one in order if any(finding.verdict is one for finding in found)), None)


@pytest.mark.parametrize("label", [CONNECTION_LIST, OTHER_CASE])
@pytest.mark.parametrize(
    ("plain", "variant", "expected"),
    [
        (101, 400, Verdict.FAULT),
        (101, 426, Verdict.FAULT),
        (400, 101, Verdict.FAULT),
        (101, 101, Verdict.CLEAR),
        (101, 429, None),
        (101, 503, None),
        (400, 400, None),
        (101, 0, None),
    ],
)
def test_spelling(label: str, plain: int, variant: int, expected: Verdict | None) -> None:
    varied = failed("upgrade", Reason.TIMEOUT, changed=label) if variant == 0 else answer(variant, changed=label)
    assert verdict(EXACT, answer(plain), varied) is expected


def test_a_server_that_refuses_every_tenth_attempt_minds_no_spelling() -> None:
    tried = [answer(101), answer(403, changed=CONNECTION_LIST, body="slow down")]
    assert verdict(EXACT, *tried, answer(101, changed=NO_EXTENSIONS)) is Verdict.FAULT
    assert verdict(EXACT, *tried, answer(403, changed=NO_EXTENSIONS, body="slow down")) is None


def test_spelling_without_evidence() -> None:
    assert verdict(EXACT, answer(101)) is None


def test_the_proxy_writes_what_the_application_does_not_take() -> None:
    inner = [answer(101, hop="app"), answer(400, hop="app", changed=OTHER_CASE, body="bad request")]
    assert roots(answer(400, body="bad request"), *inner)[0] == EXACT
    assert verdict(EXACT, answer(101), *inner) is Verdict.UNKNOWN
    assert roots(answer(101), answer(400, changed=OTHER_CASE), *inner)[0] == EXACT


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (answer(426, changed=OTHER_VERSION, headers=(("Sec-WebSocket-Version", "13"),)), Verdict.CLEAR),
        (answer(400, changed=OTHER_VERSION, headers=(("Sec-WebSocket-Version", "13, 8"),)), Verdict.CLEAR),
        (answer(400, changed=OTHER_VERSION), Verdict.UNKNOWN),
        (answer(101, changed=OTHER_VERSION), Verdict.UNKNOWN),
        (answer(503, changed=OTHER_VERSION), None),
    ],
)
def test_another_version_is_never_an_error(variant: Observation, expected: Verdict | None) -> None:
    told = [f for f in findings(answer(101), variant) if "version 99" in f.summary]
    assert [finding.verdict for finding in told] == ([expected] if expected else [])
    assert all(finding.severity is Severity.INFO and not finding.root for finding in told)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [(431, Verdict.UNKNOWN), (400, Verdict.UNKNOWN), (494, Verdict.UNKNOWN), (101, Verdict.CLEAR), (503, None), (None, None)],
)
def test_many_cookies(variant: int | None, expected: Verdict | None) -> None:
    tried = [answer(variant, changed=LARGE_COOKIE)] if variant else []
    assert verdict("handshake.headers-too-large", answer(101), *tried) is expected


def test_the_size_is_proven_without_cookies() -> None:
    large = answer(431)
    sure = {len(more): findings(large, *more)[0].confidence for more in ([], [answer(101, changed=NO_CREDENTIALS)])}
    assert sure == {0: 0.85, 1: 0.95}


ANSWERS = [
    (answer(407), "net.corporate-proxy-blocks"),
    (answer(511), "net.corporate-proxy-blocks"),
    (answer(403, headers=(("CF-Mitigated", "challenge"), ("Server", "cloudflare"))), "proxy.security-layer-blocks"),
    (answer(405, headers=(("x-amzn-waf-action", "captcha"),)), "proxy.security-layer-blocks"),
    (answer(464), "proxy.h2-to-upstream"),
    (answer(522, headers=(("Server", "cloudflare"),)), "proxy.upstream-unreachable"),
    (answer(496), "tls.client-cert-requested"),
    (answer(403, headers=(("server", "envoy"),)), "proxy.websocket-support-disabled"),
    (answer(405, headers=(("Allow", "POST, OPTIONS"),)), "handshake.invalid-exchange"),
]


@pytest.mark.parametrize(("observation", "slug"), ANSWERS, ids=[slug for _, slug in ANSWERS])
def test_answers_that_name_their_cause(observation: Observation, slug: str) -> None:
    assert roots(observation)[0] == slug


@pytest.mark.parametrize(
    "observation",
    [
        answer(403),
        answer(403, headers=(("cf-ray", "1"),)),
        answer(403, headers=(("server", "envoy"), ("x-envoy-upstream-service-time", "3"))),
        answer(101, headers=(("cf-mitigated", "challenge"),)),
        answer(503),
    ],
)
def test_answers_that_do_not(observation: Observation) -> None:
    named = {row.cause for row in named_answers()}
    assert not [
        f for f in findings(observation) if f.cause in named and f.verdict is Verdict.FAULT and f.summary.startswith("refused with")
    ]


def test_rows_name_causes_and_sources() -> None:
    assert {row.cause for row in named_answers()} <= set(causes())
    assert all(row.source.startswith("https://") and 0 < row.confidence < 1 for row in named_answers())
    assert TARGET.url


def test_a_spelling_tried_together_with_what_the_application_needs_proves_nothing() -> None:
    both = answer(101, hop="app", changed=OTHER_CASE)
    both = replace(both, source=replace(both.source, changed=(THE_ENDPOINTS_HOST, OTHER_CASE)))
    assert verdict(EXACT, answer(403), answer(403, hop="app"), answer(101, hop="app", changed=THE_ENDPOINTS_HOST), both) is None
