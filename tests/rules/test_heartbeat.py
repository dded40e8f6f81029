"""The peer's heartbeats, the direction that counts, limits of age, and who keeps whom alive."""

import pytest
from observations import answer, beats, findings, roots, rung, seen

from wsbook.facts import EchoFacts, Frame, HalfOpenFacts, PatternFacts, RouteFacts, SessionFacts, Setting
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.rules.beats_in_code import seconds_in

HALF_OPEN, TOO_SHORT = "heartbeat.none-half-open", "heartbeat.timeout-too-short"
ONE_SIDED, TOO_SLOW = "heartbeat.one-direction-only", "heartbeat.absent-or-too-slow"
LIFE, OWN_TIMER = "proxy.max-lifetime", "backend.request-timeout-on-socket"


def route(product: str, idle: str, *, life: str = "", serves: bool | None = True) -> Observation:
    lifetime = Setting(value=life, file="proxy.conf", line=9) if life else None
    idle_s = Setting(value=idle, file="proxy.conf", line=7) if idle else None
    facts = RouteFacts(product=product, file="proxy.conf", line=3, matcher="/ws", serves=serves, idle_s=idle_s, lifetime_s=lifetime)
    return seen(facts, step="2.2", probe="config", hop="")


def told(*observations: Observation) -> dict[str, Verdict]:
    """Return the verdict of every cause, faults before others."""
    order = [Verdict.CLEAR, Verdict.UNKNOWN, Verdict.FAULT]
    return {one.cause: one.verdict for one in sorted(_own(*observations), key=lambda one: order.index(one.verdict))}


def _own(*observations: Observation) -> list[Finding]:
    return [one for one in findings(*observations) if one.verdict in (Verdict.FAULT, Verdict.UNKNOWN, Verdict.CLEAR)]


ANSWERED = beats(kind="ping", beats=5, first_s=4.0, interval_s=4.0, age_s=21.0)


def mute(patience_s: float | None, **more: object) -> Observation:
    known = {"kind": "ping", "beats": 1, "first_s": 4.0, "age_s": 4.0 + (patience_s or 17.0), "patience_s": patience_s}
    ended = {"ended": "close", "closed_by": "peer", "close_code": 1011, "close_reason": "keepalive ping timeout"} if patience_s else {}
    return beats(answered=False, **{**known, **ended, **more})


@pytest.mark.parametrize(
    ("observations", "cause", "verdict"),
    [
        ([ANSWERED, mute(4.0)], HALF_OPEN, Verdict.CLEAR),
        ([ANSWERED, mute(20.0, age_s=20.9)], HALF_OPEN, None),
        ([ANSWERED, mute(None, beats=5)], HALF_OPEN, Verdict.UNKNOWN),
        ([ANSWERED, mute(None, beats=2)], HALF_OPEN, None),
        ([beats(age_s=78.0), beats(answered=False, age_s=78.0)], HALF_OPEN, Verdict.UNKNOWN),
        ([beats(age_s=21.0), beats(answered=False, age_s=21.0)], HALF_OPEN, None),
        ([ANSWERED, mute(0.3)], TOO_SHORT, Verdict.FAULT),
        ([ANSWERED, mute(1.0)], TOO_SHORT, Verdict.UNKNOWN),
        ([ANSWERED, mute(5.0)], TOO_SHORT, Verdict.CLEAR),
        ([ANSWERED], TOO_SHORT, None),
        ([beats(age_s=4.3), mute(0.3)], TOO_SHORT, None),
        ([beats(dialect="engine.io", announced_s=25.0, announced_patience_s=0.5, age_s=21.0)], TOO_SHORT, Verdict.FAULT),
        ([beats(dialect="engine.io", announced_s=25.0, announced_patience_s=20.0, age_s=21.0)], TOO_SHORT, Verdict.CLEAR),
        ([beats(dialect="stomp", announced_s=10.0, announced_wanted_s=0.0, age_s=21.0)], ONE_SIDED, Verdict.UNKNOWN),
        ([beats(dialect="stomp", announced_s=10.0, announced_wanted_s=10.0, age_s=21.0)], ONE_SIDED, None),
        ([], HALF_OPEN, None),
    ],
    ids=[
        "noticed",
        "the limit ends both",
        "pings and does not mind",
        "too few pings to tell",
        "no heartbeat for long",
        "no heartbeat yet",
        "patience of a blink",
        "a patience of a second is short",
        "patience",
        "nobody stayed mute",
        "the one that answers ended with it",
        "announced: too short",
        "announced: long enough",
        "one side beats",
        "both sides beat",
        "nothing heard",
    ],
)
def test_what_the_server_does_for_a_silent_client(observations: list[Observation], cause: str, verdict: Verdict | None) -> None:
    assert told(*observations).get(cause) is verdict


def test_a_patience_of_few_round_trips_is_too_short() -> None:
    far = seen(EchoFacts(url="ws://shop.test/ws", echoes=True, pings_sent=1, ping_rtts_s=(0.8,)), probe="echo")
    assert told(far, ANSWERED, mute(2.0))[TOO_SHORT] is Verdict.FAULT
    assert told(ANSWERED, mute(2.0))[TOO_SHORT] is Verdict.UNKNOWN


EVERY_60 = beats(dialect="engine.io", kind="engine.io", announced_s=60.0, age_s=21.0)


@pytest.mark.parametrize(
    ("observations", "verdict"),
    [
        ([EVERY_60, route("nginx", "60")], Verdict.FAULT),
        ([EVERY_60, route("nginx", "30")], Verdict.FAULT),
        ([EVERY_60, route("nginx", "3600")], Verdict.CLEAR),
        ([EVERY_60, route("nginx", "60", serves=None)], Verdict.CLEAR),
        ([beats(kind="ping", beats=1, first_s=20.0, age_s=21.0), route("nginx", "60")], Verdict.CLEAR),
        ([EVERY_60, route("nginx", "10")], Verdict.CLEAR),
        ([beats(age_s=21.0), route("nginx", "60")], Verdict.CLEAR),
    ],
    ids=["equal", "slower", "sooner", "another route", "only known to be rarer", "that limit does not hold here", "no heartbeat known"],
)
def test_a_heartbeat_against_a_configured_limit(observations: list[Observation], verdict: Verdict) -> None:
    assert told(rung("endpoint", 21.0), *observations)[TOO_SLOW] is verdict


DIES = [rung("endpoint", 21.0, 6.0, age_s=6.0), rung("endpoint", 2.0)]
APP = [rung("app", 21.0, age_s=21.0)]


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        ([*DIES, *APP, beats("app", kind="ping", beats=3, first_s=6.0, interval_s=6.0, age_s=21.0), route("nginx", "6")], TOO_SLOW),
        (
            [*DIES, *APP, beats("app", kind="ping", beats=2, first_s=7.0, interval_s=7.0, age_s=21.0), route("nginx", "6")],
            "proxy.idle-timeout-nginx",
        ),
        ([*DIES, *APP, beats("app", kind="ping", beats=1, first_s=20.0, age_s=21.0), route("nginx", "6")], "proxy.idle-timeout-nginx"),
        ([*DIES, *APP, route("nginx", "6")], "proxy.idle-timeout-nginx"),
    ],
    ids=["equal: a race", "a little later", "much later", "no heartbeat"],
)
def test_a_heartbeat_that_races_the_limit_is_the_mistake(observations: list[Observation], expected: str) -> None:
    assert roots(*observations)[0] == expected


def kinds(*died: str, age_s: float = 6.0, speaks_s: float | None = 0.5) -> list[Observation]:
    """Return a ladder at the endpoint on which these kinds of traffic end at one age and the others live."""
    made = []
    for traffic in ("client", "ping", "pong", "listen"):
        lived = age_s if traffic in died else None
        interval = None if traffic == "listen" else 0.5
        spoken = {"peer_every_s": speaks_s} if traffic == "listen" else {}
        made.append(rung("endpoint", 21.0, lived, traffic=traffic, age_s=age_s if lived else 21.0, interval_s=interval, **spoken))
    return made


@pytest.mark.parametrize(
    ("observations", "cause", "verdict"),
    [
        ([*DIES, *APP, *kinds("listen")], ONE_SIDED, Verdict.FAULT),
        ([*DIES, *APP, *kinds("listen", "pong")], ONE_SIDED, Verdict.FAULT),
        ([*DIES, *APP, *kinds("pong")], ONE_SIDED, Verdict.UNKNOWN),
        ([*DIES, *APP, *kinds()], ONE_SIDED, Verdict.CLEAR),
        ([*DIES, *APP], ONE_SIDED, None),
        ([*DIES, *APP, *kinds("client", "ping", "pong", "listen")], ONE_SIDED, None),
        ([*DIES, *APP, *kinds("client", "ping", "pong", "listen")], LIFE, Verdict.FAULT),
        ([*DIES, rung("app", 21.0, 6.0, traffic="ping", age_s=6.0), *kinds("client", "ping", "pong", "listen")], OWN_TIMER, Verdict.FAULT),
        ([*DIES, *kinds("ping", "pong", "listen")], TOO_SLOW, Verdict.FAULT),
        ([*DIES, *kinds("ping", "pong", "listen")], LIFE, None),
        ([*DIES, *kinds("ping", "pong")], TOO_SLOW, Verdict.UNKNOWN),
        ([*DIES, *APP, *kinds("listen", speaks_s=None)], ONE_SIDED, Verdict.CLEAR),
    ],
    ids=[
        "the server's traffic does not count",
        "both directions have to speak",
        "the client's traffic does not count",
        "either side saves it",
        "no other traffic was tried",
        "nothing saves it",
        "a limit of age",
        "a limit of age at the application",
        "messages alone save it: the application's own limit",
        "which is no limit of age",
        "a first message is awaited",
        "the server had nothing to say",
    ],
)
def test_which_traffic_saves_a_socket(observations: list[Observation], cause: str, verdict: Verdict | None) -> None:
    assert told(*observations).get(cause) is verdict


LATE = {"traffic": "client", "delay_s": 6.0, "interval_s": 0.5}


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (rung("endpoint", 15.0, 9.0, age_s=9.0, **LATE), LIFE),
        (rung("endpoint", 15.0, age_s=15.0, **LATE), None),
        (rung("endpoint", 15.0, 3.0, age_s=3.0, **LATE), "lifecycle.restart-drops"),
    ],
    ids=["dies at the same age", "grows older", "dies in the same moment"],
)
def test_a_socket_opened_later_tells_an_age_from_a_moment(late: Observation, expected: str | None) -> None:
    from datetime import timedelta

    from msgspec.structs import replace

    others = [rung("endpoint", 21.0, 9.0, age_s=9.0), *kinds("client", "ping", "pong", "listen", age_s=9.0)]
    late = replace(late, observed_at=others[0].observed_at + timedelta(seconds=6))
    found = [cause for cause in roots(answer(101), *others, *APP, late) if cause in (LIFE, "lifecycle.restart-drops")]
    assert found[:1] == ([expected] if expected else [])


def test_rungs_that_share_a_connection_contradict_no_limit_of_age() -> None:
    """A short silence that an age cut short says nothing of silence."""
    shared = [rung("endpoint", 2.0, age_s=2.1), rung("endpoint", 2.9, age_s=5.0), rung("endpoint", 4.2, 0.9, age_s=6.0)]
    assert roots(rung("endpoint", 21.0, 6.0, age_s=6.0), *shared, *kinds("client", "ping", "pong", "listen"), *APP)[0] == LIFE


def test_the_configured_limit_of_age_is_named() -> None:
    found = [
        one for one in _own(*DIES, *APP, *kinds("client", "ping", "pong", "listen"), route("caddy", "", life="6")) if one.cause == LIFE
    ]
    assert "caddy" in found[0].summary and any(proof.where == "proxy.conf:9" for proof in found[0].evidence)


def test_an_application_that_says_why_it_ends_a_socket_is_no_timer() -> None:
    closed = {"ended": "close", "close_code": 4401, "close_reason": "login first"}
    ladder = [
        rung("endpoint", 21.0, 5.0, age_s=5.0, **closed),
        rung("endpoint", 21.0, 5.0, traffic="ping", age_s=5.0, interval_s=0.5, **closed),
    ]
    assert roots(*ladder) == []
    assert told(*ladder)[OWN_TIMER] is Verdict.UNKNOWN


@pytest.mark.parametrize(("code", "cause"), [(1011, OWN_TIMER), (1001, LIFE), (None, LIFE)])
def test_a_server_error_at_one_age_is_the_application_s_whoever_stands_before_it(code: int | None, cause: str) -> None:
    closed = {"ended": "close" if code else "fin", "close_code": code, "age_s": 13.0}
    ladder = [rung("endpoint", 21.0, 13.0, **closed), rung("endpoint", 21.0, 13.0, traffic="ping", interval_s=0.5, **closed)]
    assert roots(*ladder, route("nginx", "3600"))[:1] == [cause]


def test_a_death_without_a_sign_lies_between_two_rungs() -> None:
    ladder = [rung("endpoint", 6.1), rung("endpoint", 8.8, 8.8, ended="silence"), rung("endpoint", 21.0, 21.0, ended="rst"), *APP]
    (found,) = [one for one in _own(*ladder) if one.cause == "proxy.idle-timeout-silent"]
    assert found.verdict is Verdict.FAULT and "6.1 to 8.8 s" in found.summary


def test_a_server_that_speaks_leaves_no_silence_to_try() -> None:
    spoken = rung("endpoint", 21.0, traffic="server", age_s=21.0, peer_every_s=0.5)
    (found,) = [one for one in _own(spoken, rung("endpoint", 0.5)) if one.cause == TOO_SLOW]
    assert found.verdict is Verdict.CLEAR and "speaks every 0.5 s" in found.summary


@pytest.mark.parametrize(("limit", "interval"), [(3.0, "1.5 s"), (20.0, "10 s"), (90.0, "25 s")])
def test_the_advised_interval_is_at_most_half_of_the_limit(limit: float, interval: str) -> None:
    (found,) = [one for one in _own(rung("endpoint", 99.0, limit, age_s=limit), *APP) if one.cause == "proxy.idle-timeout"]
    assert f"at least every {interval} (at most half of the shortest limit, {limit:g} s)" in found.remedy


def in_code(excerpt: str, file: str = "server.py") -> Observation:
    facts = PatternFacts(pattern="py.heartbeat-slow", cause=TOO_SLOW, ok=False, file=file, line=12, excerpt=excerpt, weight=0.6)
    return seen(facts, step="3.2", probe="source", hop="")


@pytest.mark.parametrize(
    ("excerpt", "milliseconds", "seconds"),
    [
        ("ping_interval=60", False, 60.0),
        ("ws_ping_interval = 90.5", False, 90.5),
        ("pingInterval: 60_000", True, 60.0),
        ("setInterval(() => ws.ping(), 60 * 1000)", True, 60.0),
        ("const HEARTBEAT = 2 * 60 * 1000;", True, 120.0),
        ("ping_interval=None", False, None),
        ("setInterval(beat, INTERVAL)", True, None),
        ("", True, None),
    ],
)
def test_the_interval_that_code_sets(excerpt: str, milliseconds: bool, seconds: float | None) -> None:
    assert seconds_in(excerpt, milliseconds=milliseconds) == seconds


@pytest.mark.parametrize(
    ("observations", "words"),
    [
        ([in_code("ping_interval=60"), route("nginx", "60")], "they race"),
        ([in_code("ping_interval=90"), route("nginx", "60")], "it comes too late"),
        ([in_code("pingInterval: 60_000", "server.js"), route("haproxy", "50")], "it comes too late"),
        ([in_code("ping_interval=60"), route("nginx", "3600")], ""),
        ([in_code("ping_interval=60")], ""),
        ([in_code("ping_interval=60"), route("nginx", "60"), beats(kind="ping", beats=3, first_s=5.0, interval_s=5.0, age_s=21.0)], ""),
    ],
    ids=["equal", "slower", "in milliseconds", "the limit is long", "no limit is known", "another heartbeat was heard"],
)
def test_an_interval_in_code_against_a_configured_limit(observations: list[Observation], words: str) -> None:
    found = [one for one in _own(*observations) if one.cause == TOO_SLOW and one.verdict is Verdict.FAULT and "of silence:" in one.summary]
    assert len(found) == bool(words)
    assert all(words in one.summary and len({proof.where for proof in one.evidence}) >= 2 for one in found)


def page(every_s: float, text: str = '{"type":"ping"}') -> Observation:
    frames = [Frame(at_s=every_s * number, direction="sent", opcode=1, size_bytes=len(text), text=text) for number in range(1, 5)]
    return seen(SessionFacts(url="ws://shop.test/ws", frames=tuple(frames), frame_count=4, ended="open"), step="1.2", probe="browser")


@pytest.mark.parametrize(
    ("watched", "expected"),
    [
        (page(2.0), []),
        (page(5.5), ["proxy.idle-timeout-nginx"]),
        (page(2.0, '{"type":"move","x":1}'), ["proxy.idle-timeout-nginx"]),
    ],
    ids=["in time", "hardly in time", "no heartbeat"],
)
def test_a_page_that_beats_in_time_is_spared(watched: Observation, expected: list[str]) -> None:
    assert roots(watched, *DIES, *APP, route("nginx", "6")) == expected


def test_a_busy_machine_that_notices_late_confuses_no_limit_of_age() -> None:
    """As measured under load: the socket opened later was seen to end 0.75 s late, short silences were cut by the age."""
    shared = [rung("endpoint", 2.9, 1.64, age_s=5.0), rung("endpoint", 6.1, 1.77, age_s=5.01), rung("endpoint", 2.0, age_s=3.4)]
    late = rung("endpoint", 14.7, 5.75, traffic="client", delay_s=6.3, interval_s=0.4, age_s=5.75)
    ladder = [rung("endpoint", 21.0, 4.67, age_s=5.01), *shared, late, *kinds("client", "ping", "pong", "listen", age_s=5.02)]
    assert roots(*ladder, *APP)[:1] == [LIFE]


def test_silences_that_no_one_limit_explains_are_named_so() -> None:
    ladder = [rung("endpoint", 21.0, 9.0, age_s=9.0), rung("endpoint", 12.0, 4.0, age_s=9.0), *kinds()]
    (found,) = [one for one in _own(*ladder) if one.cause == "proxy.idle-timeout"]
    assert found.verdict is Verdict.UNKNOWN and "4 to 9 s" in found.summary


@pytest.mark.parametrize(
    ("noticed_s", "watched_s", "others", "verdict"),
    [
        (4.0, 4.0, [], Verdict.CLEAR),
        (4.0, 4.0, [*DIES, *APP], Verdict.CLEAR),
        (6.0, 6.0, [*DIES, *APP], None),
        (4.7, 4.7, [beats(age_s=5.0), *kinds("client", "ping", "pong", "listen", age_s=5.0)], None),
        (None, 78.0, [], Verdict.UNKNOWN),
        (None, 21.0, [], None),
    ],
    ids=["noticed", "before the limit", "the limit ended it", "its age ended it", "kept for long", "kept so far"],
)
def test_a_dead_connection(noticed_s: float | None, watched_s: float, others: list[Observation], verdict: Verdict | None) -> None:
    dead = seen(HalfOpenFacts(watched_s=watched_s, noticed_s=noticed_s), step="3.4", probe="half-open")
    assert told(dead, *others).get(HALF_OPEN) is verdict


def test_an_application_that_counts_messages_is_not_taken_for_a_restart() -> None:
    """Who said something once lives a little longer, who goes on saying something lives on."""
    shared = [rung("endpoint", 2.0, age_s=2.1), rung("endpoint", 2.9, 1.9, age_s=4.0, close_code=1001, ended="close")]
    silent = rung("endpoint", 21.0, 4.0, age_s=4.0, close_code=1001, ended="close")
    talking = kinds("ping", "pong", "listen", age_s=4.1, speaks_s=None)
    assert roots(silent, *shared, *talking)[:1] == [TOO_SLOW]


def test_reloads_at_equal_intervals_are_no_limit_of_age() -> None:
    """One socket was opened later by about the interval of the reloads, and was cut at the same age as the first ones by the next."""
    from datetime import timedelta

    from msgspec.structs import replace

    first = kinds("client", "ping", "pong", "listen", age_s=4.7)
    begin = first[0].observed_at
    chatty = {"traffic": "client", "interval_s": 0.4}
    resonant = replace(rung("endpoint", 14.7, 4.68, age_s=4.68, delay_s=6.3, **chatty), observed_at=begin + timedelta(seconds=6.0))
    other = replace(rung("endpoint", 18.3, 1.97, age_s=1.97, delay_s=2.7, **chatty), observed_at=begin + timedelta(seconds=2.7))
    assert roots(answer(101), *first, *APP, resonant, other)[:1] == ["lifecycle.restart-drops"]


@pytest.mark.parametrize(
    ("code", "reason", "verdict"),
    [
        (4000, "idle", Verdict.FAULT),
        (1008, "no activity", Verdict.FAULT),
        (4408, "Connection initialisation timeout", None),
        (4401, "log in", None),
    ],
)
def test_a_server_that_says_that_it_heard_nothing(code: int, reason: str, verdict: Verdict | None) -> None:
    """Where no harmless message is known, pings are all that could be tried; the close frame tells what they did not change."""
    closed = {"ended": "close", "close_code": code, "close_reason": reason, "age_s": 6.0}
    dead = [rung("endpoint", 21.0, 6.0, traffic=kind, **closed) for kind in ("none", "ping", "listen")]
    assert told(*dead).get(TOO_SLOW) is verdict
