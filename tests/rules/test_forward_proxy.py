"""Does a forward proxy let the socket pass, and what does it want?"""

import pytest
from observations import answer, failed, findings, roots, seen

from wsbook.attempt import NO_PROXY, THROUGH_PROXY
from wsbook.facts import ForwardProxyFacts, Tunnel
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation, Reason
from wsbook.target import parse_target

DIRECT = parse_target("wss://shop.test:8443/ws")
GIVEN = parse_target("wss://shop.test:8443/ws", forward_proxy="http://proxy.test:3128")
SLUG = "net.corporate-proxy-blocks"
OPEN = Tunnel(target="", status=200, outcome="tunnel")


def tunnel(status: int | None, outcome: str = "answered", schemes: tuple[str, ...] = ()) -> Tunnel:
    return Tunnel(target="", status=status, outcome="tunnel" if status == 200 else outcome, schemes=schemes)


def proxy(
    own: Tunnel | None, standard: Tunnel | None = None, *, source: str = "given", kind: str = "http", credentials: bool = False
) -> Observation:
    named = ((own, "shop.test:8443"), (standard, "shop.test:443"))
    tunnels = tuple(Tunnel(target=target, status=one.status, outcome=one.outcome, schemes=one.schemes) for one, target in named if one)
    facts = ForwardProxyFacts(
        proxy="http://proxy.test:3128",
        source=source,
        kind=kind,
        reached=bool(tunnels),
        tunnels=tunnels,
        with_credentials=credentials,
        detail="" if tunnels else "was refused",
    )
    return seen(facts, step="2.1", probe="forward-proxy", hop="")


BLOCKED = failed("proxy", Reason.PROXY_REFUSED)
GOOD = [answer(101, changed=NO_PROXY), answer(101, changed=THROUGH_PROXY)]
BAD = [answer(101, changed=NO_PROXY), answer(400, changed=THROUGH_PROXY)]
SHUT = [failed("tcp", Reason.TIMEOUT), failed("tcp", Reason.TIMEOUT, changed=NO_PROXY), answer(101, changed=THROUGH_PROXY)]
GIVEN_ROWS = [
    ("443 only", [BLOCKED, proxy(tunnel(403), OPEN)], Verdict.FAULT, "refuses CONNECT to port 8443 with 403 and allows it to port 443"),
    ("443 allowed, nobody there", [BLOCKED, proxy(tunnel(403), tunnel(503))], Verdict.FAULT, "and allows it to port 443"),
    ("reset on this port", [BLOCKED, proxy(tunnel(None, "connection reset"), OPEN)], Verdict.FAULT, "(connection reset) and allows"),
    ("this host", [BLOCKED, proxy(tunnel(403), tunnel(403))], Verdict.FAULT, "and to port 443 too: no tunnel to this host"),
    ("no CONNECT", [BLOCKED, proxy(tunnel(405), tunnel(405))], Verdict.FAULT, "does not know CONNECT"),
    ("Basic", [BLOCKED, proxy(tunnel(407, schemes=("Basic",)), tunnel(407))], Verdict.FAULT, "asks for credentials for CONNECT"),
    ("NTLM", [BLOCKED, proxy(tunnel(407, schemes=("NTLM",)), tunnel(407))], Verdict.FAULT, "browsers on the domain's machines answer"),
    ("wrong password", [BLOCKED, proxy(tunnel(407), credentials=True)], Verdict.FAULT, "does not accept our credentials"),
    ("silent", [failed("proxy", Reason.TIMEOUT), proxy(tunnel(None, "timeout"), tunnel(None, "timeout"))], Verdict.FAULT, "(timeout)"),
    ("not there", [failed("tcp", Reason.REFUSED), proxy(None)], Verdict.FAULT, "itself is not reached: was refused"),
    ("not through, direct works", [BLOCKED, proxy(tunnel(503), tunnel(503)), *GOOD], Verdict.FAULT, "which answers directly"),
    ("not through, nor directly", [BLOCKED, proxy(tunnel(503), tunnel(503))], Verdict.UNKNOWN, "does not get through"),
    ("passes", [answer(101), proxy(OPEN, OPEN), *GOOD], Verdict.CLEAR, "and the upgrade passes inside it"),
    ("spoilt inside", [answer(400), proxy(OPEN, OPEN), *BAD], Verdict.FAULT, "spoils what is said inside"),
    ("refused by everybody", [answer(400), proxy(OPEN), answer(400, changed=NO_PROXY), answer(400, changed=THROUGH_PROXY)], None, ""),
    ("SOCKS passes", [answer(101), proxy(OPEN, OPEN, kind="socks")], Verdict.CLEAR, "opens a tunnel"),
    (
        "SOCKS forbids",
        [BLOCKED, proxy(tunnel(None, "not allowed by its rules"), OPEN, kind="socks")],
        Verdict.FAULT,
        "and allows it to port",
    ),
    (
        "SOCKS wants a login",
        [BLOCKED, proxy(tunnel(None, "wants credentials"), kind="socks")],
        Verdict.FAULT,
        "wants credentials, as SOCKS 5",
    ),
    (
        "SOCKS is not through",
        [BLOCKED, proxy(tunnel(None, "not through: host unreachable"), kind="socks")],
        Verdict.UNKNOWN,
        "does not get",
    ),
    ("SOCKS 4", [answer(101), proxy(None, kind="socks")], Verdict.UNKNOWN, "was not asked"),
]
NAMED_ROWS = [
    (
        "blocked, direct works",
        [answer(101), proxy(tunnel(403), OPEN, source="HTTPS_PROXY"), *GOOD],
        Verdict.UNKNOWN,
        "HTTPS_PROXY names it",
    ),
    ("not there, direct works", [answer(101), proxy(None, source="HTTPS_PROXY"), *GOOD], Verdict.UNKNOWN, "HTTPS_PROXY names it"),
    ("blocked, direct fails", [SHUT[0], proxy(tunnel(403), OPEN, source="HTTPS_PROXY"), SHUT[1]], Verdict.FAULT, "refuses CONNECT"),
    ("the only way out", [*SHUT, proxy(OPEN, OPEN, source="HTTPS_PROXY")], Verdict.FAULT, "lets the socket out through"),
    ("SOCKS is the only way out", [SHUT[0], proxy(OPEN, source="ALL_PROXY", kind="socks")], Verdict.FAULT, "lets the socket out through"),
    ("both work", [answer(101), proxy(OPEN, OPEN, source="HTTPS_PROXY"), *GOOD], Verdict.CLEAR, "opens a tunnel"),
]


def found(observations: list[Observation], target: object) -> Finding | None:
    return next((one for one in findings(*observations, target=target) if one.cause == SLUG), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("observations", "target", "verdict", "words"),
    [(row[1], GIVEN, *row[2:]) for row in GIVEN_ROWS] + [(row[1], DIRECT, *row[2:]) for row in NAMED_ROWS],
    ids=[row[0] for row in GIVEN_ROWS] + [f"from the environment: {row[0]}" for row in NAMED_ROWS],
)
def test_proxies(observations: list[Observation], target: object, verdict: Verdict | None, words: str) -> None:
    one = found(observations, target)
    assert (one.verdict if one else None) is verdict
    assert words in (one.summary if one else "")


@pytest.mark.parametrize("observations", [row[1] for row in GIVEN_ROWS if row[2] is Verdict.FAULT])
def test_a_proxy_that_was_given_is_the_root(observations: list[Observation]) -> None:
    assert roots(*observations, target=GIVEN)[:1] == [SLUG]


def test_a_proxy_explains_that_there_is_no_direct_way() -> None:
    assert roots(*SHUT, proxy(OPEN, OPEN, source="HTTPS_PROXY"), target=DIRECT) == [SLUG]


def test_an_accepted_endpoint_has_no_root_cause_for_a_proxy_of_the_environment() -> None:
    assert roots(*NAMED_ROWS[0][1], target=DIRECT) == []


def test_a_plain_upgrade_that_loses_its_headers_is_a_possibility() -> None:
    target = parse_target("ws://shop.test/ws", forward_proxy="http://proxy.test:3128")
    facts = ForwardProxyFacts(
        proxy="http://proxy.test:3128", source="given", kind="http", reached=True, tunnels=(OPEN,), absolute=tunnel(426)
    )
    stripped = [
        one
        for one in findings(answer(101), seen(facts, step="2.1", probe="forward-proxy", hop=""), target=target)
        if "strips the upgrade" in one.summary
    ]
    assert [one.verdict for one in stripped] == [Verdict.UNKNOWN]


def test_the_check_asks_the_proxy() -> None:
    one = found(GIVEN_ROWS[0][1], GIVEN)
    assert one is not None
    assert one.check.splitlines() == [
        "wsbook run wss://shop.test:8443/ws --proxy http://proxy.test:3128 --steps 1.3,2.1",
        "curl -sv -o /dev/null --proxytunnel --proxy http://proxy.test:3128 https://shop.test:8443/",
    ]
