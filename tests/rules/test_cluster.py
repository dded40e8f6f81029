"""Does a client stay at its instance, must it, and does every instance answer."""

import pytest
from observations import answer, findings, roots, seen, verdicts

from wsbook.facts import AffinityFacts, Conversation, DialectFacts, DialectStep, RouteFacts, UpgradeFacts, Visit
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.rules.cluster import spread_of

SLUG = "cluster.no-sticky-session"


def visits(series: str, names: str, status: int = 502) -> tuple[Visit, ...]:
    """Return one visit for each letter; "-" is refused with the status, "?" accepted by nobody known, a capital letter refused by name."""
    return tuple(
        Visit(
            series=series,
            place="endpoint",
            accepted=name == "?" or name.islower(),
            instance=name.lower().strip("?-"),
            status=101 if name == "?" or name.islower() else status or None,
            source=f"127.1.1.{number}" if series == "source" else "",
        )
        for number, name in enumerate(names)
    )


def talk(series: str, lost: int, requests: int = 4, upgraded: bool | None = None, dialect: str = "engine.io") -> Conversation:
    said = "Session ID unknown" if lost else ""
    return Conversation(dialect=dialect, series=series, requests=requests, lost=lost, upgraded=upgraded, said=said)


def affinity(
    plain: str,
    cookie: str = "",
    source: str = "",
    direct: str = "",
    *,
    talks: tuple[Conversation, ...] = (),
    status: int = 502,
    bound: str = "",
) -> Observation:
    made = (*visits("plain", plain, status), *visits("cookie", cookie), *visits("source", source), *visits("direct", direct))
    known_by = "header x-instance" if any(visit.instance for visit in made) else ""
    facts = AffinityFacts(
        url="ws://shop.test/ws",
        known_by=known_by,
        visits=made,
        conversations=talks,
        cookies=(bound,) if bound else (),
        bound=(bound,) if bound else (),
    )
    return seen(facts, step="2.2", probe="affinity")


def route(balance: str, servers: int = 2) -> Observation:
    facts = RouteFacts(product="nginx", file="nginx.conf", line=7, matcher="/ws", serves=True, balance=balance, servers=servers)
    return seen(facts, step="2.2", probe="nginx")


def said(observation: Observation, *more: Observation) -> dict[str, Finding]:
    return {found.cause: found for found in findings(observation, *more)}


@pytest.mark.parametrize(
    ("plain", "cookie", "source", "direct", "kind"),
    [
        ("abababab", "", "", "", "none"),
        ("abababab", "babababa", "", "", "none"),
        ("abcdabcd", "aaaaaaaa", "", "", "cookie"),
        ("abcdabcd", "aa", "", "", "none"),  # two that agree are too few
        ("aaaaaaaa", "", "abba", "", "source"),
        ("aaaaaaaa", "aaaa", "aaaa", "", "one"),
        ("aaaaaaaa", "", "", "ab", "one"),
        ("a", "", "", "", "unknown"),
        ("????????", "", "", "", "unknown"),
        ("a???????", "", "", "", "unknown"),
        ("--------", "", "", "", "unknown"),
    ],
)
def test_how_connections_spread(plain: str, cookie: str, source: str, direct: str, kind: str) -> None:
    assert spread_of(affinity(plain, cookie, source, direct).facts).kind == kind  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("plain", "cookie", "source", "direct", "chance"),
    [
        ("abababab", "aaaaaaaa", "", "", 1 / 128),
        ("aaaaaaaa", "", "abcd", "", 1 / 4**7),
        ("aaaa", "", "", "ab", 1 / 8),
        ("aaaaaaaa", "", "", "", 1),
        ("abababab", "", "", "", 1),
    ],
)
def test_how_likely_it_is_chance(plain: str, cookie: str, source: str, direct: str, chance: float) -> None:
    assert spread_of(affinity(plain, cookie, source, direct).facts).chance == pytest.approx(chance)  # type: ignore[arg-type]


SESSIONS = [
    ("a request of four is lost", affinity("abab", talks=(talk("cookie", 1), talk("plain", 2))), Verdict.FAULT, 0.95),
    ("all are lost", affinity("abab", talks=(talk("cookie", 4), talk("plain", 4))), Verdict.FAULT, 0.85),
    ("the upgrade alone is lost", affinity("abab", talks=(talk("cookie", 0, upgraded=False),)), Verdict.FAULT, 0.95),
    ("none is lost", affinity("aaaa", talks=(talk("cookie", 0, upgraded=True), talk("plain", 0))), Verdict.CLEAR, 0.9),
    ("those without the cookie are", affinity("abab", talks=(talk("cookie", 0), talk("plain", 2)), bound="lb"), Verdict.CLEAR, 0.8),
    ("too few to say", affinity("abab", talks=(talk("cookie", 0, requests=2),)), None, 0),
    ("a plain socket may go anywhere", affinity("abababab"), Verdict.CLEAR, 0.85),
    ("a plain socket stays", affinity("abababab", "aaaaaaaa", bound="SERVERID"), Verdict.CLEAR, 0.85),
    ("nothing tells", affinity("????????"), None, 0),
]


@pytest.mark.parametrize(("observation", "verdict", "sure"), [row[1:] for row in SESSIONS], ids=[row[0] for row in SESSIONS])
def test_sessions(observation: Observation, verdict: Verdict | None, sure: float) -> None:
    found = said(observation).get(SLUG)
    assert (found.verdict if found else None, found.confidence if found else 0) == (verdict, sure)


def test_a_lost_session_shows_where_the_file_says_how_it_balances() -> None:
    found = said(affinity("abab", talks=(talk("cookie", 2),)), route("roundrobin"))[SLUG]
    assert any(proof.where == "nginx.conf:7" for proof in found.evidence)


@pytest.mark.parametrize(("query", "verdict"), [("", Verdict.CLEAR), ("&sid=abc", Verdict.FAULT)])
def test_a_lost_session_matters_to_clients_that_poll(query: str, verdict: Verdict) -> None:
    opened = UpgradeFacts(url=f"ws://shop.test/socket.io/?EIO=4&transport=websocket{query}", accepted=True, status=101)
    found = said(affinity("abab", talks=(talk("cookie", 2),)), seen(opened, step="1.2", probe="browser"))[SLUG]
    assert found.verdict is verdict


def test_sessions_that_could_not_be_held_are_in_doubt() -> None:
    assert said(affinity("abababab"), spoken(polling=True))[SLUG].verdict is Verdict.UNKNOWN


def test_a_server_of_websockets_alone_has_no_sessions() -> None:
    assert said(affinity("abababab"), spoken(polling=False))[SLUG].verdict is Verdict.CLEAR


def spoken(polling: bool) -> Observation:
    steps = (DialectStep(name="polling handshake, EIO=4", ok=polling), DialectStep(name="WebSocket without polling", ok=True))
    facts = DialectFacts(url="ws://shop.test/socket.io/", dialect="engine.io", spoken=True, steps=steps)
    return seen(facts, step="1.3", probe="dialect")


def test_a_network_that_fails_says_little_of_servers() -> None:
    lost = Visit(series="plain", place="endpoint", accepted=False, stage="tcp", error="got no answer")
    good = visits("plain", "a")[0]
    facts = AffinityFacts(url="u", known_by="header x-instance", visits=(good, lost) * 3)
    assert said(seen(facts, step="2.2", probe="affinity"))["proxy.upstream-unreachable"].verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("balance", "plain", "doubt"),
    [("hash", "abababab", True), ("cookie", "abababab", True), ("hash", "aaaaaaaa", False), ("roundrobin", "abababab", False)],
)
def test_the_file_says_that_a_client_stays(balance: str, plain: str, doubt: bool) -> None:
    found = [one for one in findings(affinity(plain), route(balance)) if one.cause == SLUG and one.verdict is Verdict.UNKNOWN]
    assert bool(found) is doubt
    assert not roots(affinity(plain), route(balance))


@pytest.mark.parametrize(
    ("source", "direct", "balance", "doubt"),
    [("aaaa", "aabb", "hash", True), ("aaaa", "aa", "hash", False), ("aaba", "aabb", "hash", False), ("aaaa", "aabb", "first", False)],
)
def test_a_balancer_that_sees_one_address(source: str, direct: str, balance: str, doubt: bool) -> None:
    assert ("proxy.forwarded-headers-wrong" in said(affinity("aaaaaa", "", source, direct), route(balance))) is doubt


@pytest.mark.parametrize(
    ("plain", "status", "direct", "causes"),
    [
        ("a-a-a-a-", 502, "", ["proxy.upstream-unreachable"]),
        ("?-?-?-?-", 503, "", ["proxy.upstream-unreachable"]),
        ("a-a-a-a-", 0, "", ["proxy.upstream-unreachable"]),
        ("aBaBaBaB", 500, "", ["backend.exception-in-handler"]),
        ("aBaBaBaB", 404, "", ["endpoint.wrong-path"]),
        ("aaaaa---", 503, "", []),  # what fills up
        ("aaaa-a--a-", 503, "", []),  # and empties slowly
        ("aa-aa-aa-", 503, "", ["proxy.upstream-unreachable"]),  # one of three
        ("a-a-a-a-", 429, "", []),
        ("aaaaaaa-", 502, "", []),  # once is chance
        ("--------", 502, "", []),  # said by others
        ("aAaAaaAa", 500, "", []),  # the same instance, now and then
    ],
)
def test_some_handshakes_are_refused(plain: str, status: int, direct: str, causes: list[str]) -> None:
    assert roots(answer(101), affinity(plain, status=status)) == causes


def test_the_dead_server_is_named() -> None:
    dead = Visit(series="direct", place="app-b", accepted=False)
    observation = affinity("a-a-a-a-")
    facts = observation.facts
    assert isinstance(facts, AffinityFacts)
    found = said(seen(AffinityFacts(url="u", known_by="header x-instance", visits=(*facts.visits, dead)), step="2.2", probe="affinity"))
    assert "app-b does not answer" in found["proxy.upstream-unreachable"].summary


@pytest.mark.parametrize(("observation", "verdict"), [(affinity("????"), "not applicable"), (affinity("abababab"), "clear")])
def test_what_step_2_2_says(observation: Observation, verdict: str) -> None:
    assert verdicts(observation)["2.2"] == verdict
