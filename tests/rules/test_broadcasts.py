"""Who misses what across instances, by what their buses do."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from observations import findings, roots, seen

from wsbook.attempt import ONE_BROKEN
from wsbook.facts import AffinityFacts, BroadcastFacts, BurstFacts, BurstPlace, OutageFacts, RouteFacts, Sender, Subscriber, Visit
from wsbook.facts.reconnect import OURS
from wsbook.finding import Finding, Verdict
from wsbook.observation import Failure, Observation, Reason

NO_BUS, HALF, EACH, TWICE, LOST = (
    "cluster.no-pubsub-across-workers",
    "cluster.pubsub-misconfigured",
    "cluster.every-instance-publishes",
    "message.duplicated",
    "message.lost",
)
DEAD = "backend.exception-kills-broadcast"
Copies = Callable[[int, int, int, int], int]
"""(sender's index, its instance, receiver's index, its instance) → copies."""


def broadcast(
    places: str,
    copies: Copies,
    *,
    how: str = "each",
    named: bool = True,
    names: str = "",
    rounds: int = 2,
    publishes: str = "",
    changed: str = "",
) -> Observation:
    """Return what a broadcast to subscribers at these instances gives.

    names: what each subscriber's instance is called, where that is not the process itself. how: each subscriber sends, one (the first
    does), or trigger: at the instances of publishes, in turn; "known trigger" tells which.
    """
    places_sent = list(enumerate(places)) * rounds if how == "each" else [(0, places[0])] * 8
    if "trigger" in how:
        places_sent = [(-1, place) for place in (publishes or "".join(sorted(set(places)))) * 2]
    got = [[int(copies(by, ord(at), one, ord(place))) for by, at in places_sent] for one, place in enumerate(places)]
    subscribers = tuple(
        Subscriber(
            index=one,
            instance=names[one] if names else place if named else "",
            received=sum(map(bool, got[one])),
            missed=tuple(number for number, count in enumerate(got[one]) if not count),
            duplicated=tuple(number for number, count in enumerate(got[one]) if count > 1),
            least_copies=min(filter(None, got[one]), default=1),
            most_copies=max(max(got[one]), 1),
        )
        for one, place in enumerate(places)
    )
    tells = named and not names and how != "trigger"
    senders = tuple(Sender(subscriber=by if by >= 0 else None, instance=at if tells else "") for by, at in places_sent)
    facts = BroadcastFacts(messages=len(senders), subscribers=subscribers, publisher=senders[0].subscriber, senders=senders)
    return seen(facts, step="3.2", probe="broadcast", changed=changed)


def faults(*observations: Observation) -> list[Finding]:
    return [found for found in findings(*observations) if found.verdict is Verdict.FAULT]


def all_hear(by: int, at: int, one: int, place: int) -> int:
    return 1


def others_hear(by: int, at: int, one: int, place: int) -> int:
    return by != one


def own_instance(by: int, at: int, one: int, place: int) -> int:
    return at == place


def only_sender(by: int, at: int, one: int, place: int) -> int:
    return by == one


def c_is_off(by: int, at: int, one: int, place: int) -> int:
    return at == place or ord("c") not in (at, place)


def b_is_deaf(by: int, at: int, one: int, place: int) -> int:
    return at == place or place != ord("b")


def third_is_deaf(by: int, at: int, one: int, place: int) -> int:
    return one != 2


def third_misses_some(by: int, at: int, one: int, place: int) -> int:
    return one != 2 or by % 2


def without_own_instance(by: int, at: int, one: int, place: int) -> int:
    return at == place and by != one


def two_copies(by: int, at: int, one: int, place: int) -> int:
    return 2


def two_at_home(by: int, at: int, one: int, place: int) -> int:
    return 2 if at == place else 1


ROWS: list[tuple[str, Observation, str, float]] = [
    ("everybody hears everybody", broadcast("ababab", all_hear), "", 0),
    ("the sender is left out", broadcast("ababab", others_hear), "", 0),
    ("the only sender is left out", broadcast("ababab", others_hear, how="one"), "", 0),
    ("a sender is left out, and there is no bus", broadcast("ababab", without_own_instance), NO_BUS, 0.95),
    ("no bus between two", broadcast("ababab", own_instance), NO_BUS, 0.95),
    ("no bus between four", broadcast("abcdabcd", own_instance), NO_BUS, 0.95),
    ("no bus, one sends", broadcast("ababab", own_instance, how="one"), NO_BUS, 0.95),
    ("no bus, a trigger in turns", broadcast("ababab", own_instance, how="trigger"), NO_BUS, 0.95),
    ("no bus, a trigger at one", broadcast("ababab", own_instance, how="trigger", publishes="a"), NO_BUS, 0.88),
    ("no bus, a trigger that names itself", broadcast("ababab", own_instance, how="known trigger"), NO_BUS, 0.95),
    ("no bus, no names", broadcast("ababab", own_instance, named=False), NO_BUS, 0.85),
    ("no bus, no names, a trigger", broadcast("ababab", own_instance, named=False, how="trigger"), NO_BUS, 0.85),
    ("all at one, a trigger at both", broadcast("aaaa", own_instance, how="known trigger", publishes="ab"), NO_BUS, 0.9),
    ("all at one, an unknown trigger misses", broadcast("aaaa", own_instance, how="trigger", publishes="ab"), LOST, 0.6),
    ("no bus between workers of one host", broadcast("ababab", own_instance, names="hhhhhh"), NO_BUS, 0.85),
    ("no bus between workers of two hosts", broadcast("abcdabcdabcd", own_instance, names="hhiihhiihhii"), NO_BUS, 0.85),
    ("no bus between workers, a trigger", broadcast("ababab", own_instance, names="hhhhhh", how="trigger"), NO_BUS, 0.85),
    ("one of three is off the bus", broadcast("abcabc", c_is_off), HALF, 0.93),
    ("one of three is off, one subscriber there", broadcast("ababc", c_is_off), HALF, 0.75),
    ("one of three is off, a trigger", broadcast("abcabc", c_is_off, how="trigger"), HALF, 0.85),
    ("one of three is off, a trigger that names itself", broadcast("abcabc", c_is_off, how="known trigger"), HALF, 0.93),
    ("one of two hears nothing", broadcast("ababab", b_is_deaf), HALF, 0.93),
    ("one of two hears nothing, a trigger", broadcast("ababab", b_is_deaf, how="trigger"), HALF, 0.85),
    ("an echo", broadcast("ababab", only_sender), "", 0),
    ("an echo, one sends", broadcast("ababab", only_sender, how="one"), "", 0),
    ("an echo, no names", broadcast("ababab", only_sender, named=False), "", 0),
    ("each alone on its instance", broadcast("abc", own_instance), "", 0),
    ("one connection is deaf", broadcast("ababab", third_is_deaf), "backend.exception-kills-broadcast", 0.5),
    ("one connection is deaf, no names", broadcast("ababab", third_is_deaf, named=False), "backend.exception-kills-broadcast", 0.5),
    ("here and there", broadcast("ababab", third_misses_some), LOST, 0.7),
    ("two copies, two instances", broadcast("ababab", two_copies), EACH, 0.93),
    ("two copies, no names", broadcast("ababab", two_copies, named=False), EACH, 0.6),
    ("two copies, one instance", broadcast("aaaa", two_copies), TWICE, 0.75),
    ("two copies, three instances", broadcast("abcabc", two_copies), TWICE, 0.75),
    ("two copies at home", broadcast("ababab", two_at_home), TWICE, 0.85),
]


@pytest.mark.parametrize(("observation", "cause", "sure"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_broadcasts(observation: Observation, cause: str, sure: float) -> None:
    found = faults(observation)
    assert (found[0].cause, found[0].confidence) == (cause, sure) if cause else found == []


@pytest.mark.parametrize(
    ("observation", "words"),
    [
        (broadcast("abcabc", c_is_off), "c is cut off: it hears none of the others, and they do not hear it"),
        (broadcast("ababab", b_is_deaf), "nothing passes from a to b"),
        (broadcast("abcabc", b_is_deaf), "b hears none of the others"),
    ],
)
def test_who_is_off_the_bus_is_said(observation: Observation, words: str) -> None:
    assert words in faults(observation)[0].summary


def test_all_that_could_be_seen_is_clear_and_says_where() -> None:
    words = {found.cause: found.summary for found in findings(broadcast("ababab", all_hear)) if found.verdict is Verdict.CLEAR}
    assert "on 2 instances (a, b)" in words[NO_BUS]
    assert "chance of 9%" in words[NO_BUS]


def _others(names: str) -> Observation:
    visits = tuple(
        Visit(series="plain" if n < 4 else "source", place="endpoint", accepted=True, instance=name) for n, name in enumerate(names)
    )
    return seen(AffinityFacts(url="u", known_by="header x-instance", visits=visits), step="2.2", probe="affinity")


def _route(servers: int) -> Observation:
    facts = RouteFacts(product="nginx", file="nginx.conf", line=1, matcher="/", serves=True, servers=servers, balance="hash")
    return seen(facts, step="2.2", probe="nginx")


@pytest.mark.parametrize(
    ("more", "verdict"),
    [((), Verdict.CLEAR), ((_others("aaaaaa"),), Verdict.CLEAR), ((_others("aaaab"),), Verdict.UNKNOWN), ((_route(2),), Verdict.UNKNOWN)],
)
def test_one_instance_says_nothing_of_others(more: tuple[Observation, ...], verdict: Verdict) -> None:
    found = {one.cause: one for one in findings(broadcast("aaaa", all_hear), *more)}
    assert found[NO_BUS].verdict is verdict


def test_nobody_heard_it_and_later_everybody_did() -> None:
    nothing = broadcast("ababab", lambda by, at, one, place: 0, how="trigger")
    later, broken = broadcast("ababab", all_hear, how="trigger"), broadcast("ababab", third_is_deaf, changed=ONE_BROKEN, how="trigger")
    assert faults(nothing) == []
    assert faults(nothing, later) == []
    assert [found.cause for found in faults(nothing, later, broken)] == ["backend.exception-kills-broadcast"]


@pytest.mark.parametrize("stands_in_the_way", [lambda by, at, one, place: place != ord("b"), lambda by, at, one, place: one not in (1, 3)])
def test_some_heard_nothing_and_later_everybody_did(stands_in_the_way: Copies) -> None:
    """Instances that are not connected to one another stay so; what stood in the way of a loop is forgotten."""
    earlier, later = broadcast("ababab", stands_in_the_way, how="trigger"), broadcast("ababab", all_hear, how="trigger")
    broken = broadcast("ababab", third_is_deaf, changed=ONE_BROKEN, how="trigger")
    assert faults(earlier, later) == []
    assert max((found.confidence, found.cause) for found in findings(earlier, later) if found.verdict is Verdict.UNKNOWN) == (0.4, DEAD)
    assert [found.cause for found in faults(earlier, later, broken)] == [DEAD]


def test_those_who_still_hear_nothing_are_judged_once() -> None:
    deaf = broadcast("ababab", lambda by, at, one, place: place != ord("b"), how="known trigger")
    assert [found.cause for found in faults(deaf, deaf)] == [found.cause for found in faults(deaf)] == [HALF]
    assert DEAD not in {found.cause for found in findings(deaf, deaf)}


def test_a_broken_subscriber_and_a_sender_that_is_left_out() -> None:
    assert faults(broadcast("ababab", others_hear), broadcast("ababab", others_hear, how="one", changed=ONE_BROKEN)) == []


def test_old_records_have_one_publisher() -> None:
    new = broadcast("ababab", own_instance, how="one")
    assert isinstance(new.facts, BroadcastFacts)
    old = replace(new, facts=replace(new.facts, senders=(), publisher_instance="a"))
    assert faults(old)[0].cause == NO_BUS


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("the trigger was answered with HTTP 500", "backend.exception-kills-broadcast"),
        ("the trigger was answered with HTTP 502", ""),
        ("the trigger was answered with HTTP 403", ""),
    ],
)
def test_an_application_that_fails_while_it_publishes(words: str, expected: str) -> None:
    """Sockets that broke off before stand in the way: some subscribers or all of them get nothing, and the trigger says 500."""
    refused = Failure(stage="trigger", reason=Reason.MALFORMED, message=words)
    for copies in (lambda by, at, one, place: 0, lambda by, at, one, place: one < 2):
        observation = replace(broadcast("aaaa", copies, how="trigger", named=False), failure=refused)
        named = [one.cause for one in faults(observation) if one.verdict is Verdict.FAULT]
        assert ("backend.exception-kills-broadcast" in named[:1]) == bool(expected)


@pytest.mark.parametrize(
    ("heard", "control", "expected"), [(OURS, False, Verdict.FAULT), (OURS, True, Verdict.UNKNOWN), ("", False, Verdict.UNKNOWN)]
)
def test_whoever_sends_has_stopped(heard: str, control: bool, expected: Verdict) -> None:
    page = OutageFacts(
        way="rst", answer="refuse", lasted_s=4.0, watched_s=9.0, heard_before=((f"type=news{heard}", 1),), control_before=control
    )
    nobody = broadcast("aaa", lambda by, at, one, place: 0, how="trigger", named=False)
    found = findings(seen(page, step="3.1", probe="reconnect", hop="browser"), nobody)
    assert [one.verdict for one in found if one.cause == "backend.background-task-died"] == [expected]


def subscriber(index: int, instance: str, missed: tuple[int, ...], messages: int = 4, doubled: tuple[int, ...] = ()) -> Subscriber:
    return Subscriber(index=index, instance=instance, received=messages - len(missed), missed=missed, duplicated=doubled)


EVEN, ODD, ALL = (0, 2), (1, 3), (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("subscribers", "changed", "causes"),
    [
        ([subscriber(i, "ab"[i % 2], ()) for i in range(4)], "", []),
        ([subscriber(i, "ab"[i % 2], (EVEN, ODD)[i % 2]) for i in range(4)], "", [NO_BUS]),
        ([subscriber(i, "", (EVEN, ODD)[i % 2]) for i in range(6)], "", [NO_BUS]),
        ([subscriber(i, "ab"[i % 2], ((), ALL)[i % 2]) for i in range(4)], "", [NO_BUS]),
        ([subscriber(0, "a", (1,)), subscriber(1, "a", ()), subscriber(2, "a", (2,))], "", [LOST]),
        ([subscriber(0, "a", (), doubled=(1,)), subscriber(1, "a", ())], "", [TWICE]),
        ([subscriber(0, "a", ALL), subscriber(1, "a", ALL)], "", []),
        ([subscriber(0, "a", ()), subscriber(1, "a", ())], ONE_BROKEN, []),
        ([subscriber(0, "a", (2, 3))], ONE_BROKEN, ["backend.exception-kills-broadcast"]),
    ],
    ids=["all", "half each", "half each, no names", "one instance only", "here and there", "twice", "nobody", "broken, all", "broken, one"],
)
def test_subscribers_without_senders(subscribers: list[Subscriber], changed: str, causes: list[str]) -> None:
    told = seen(BroadcastFacts(messages=4, subscribers=tuple(subscribers)), step="3.2", probe="broadcast", changed=changed)
    assert roots(told) == causes


@pytest.mark.parametrize(("missed", "causes"), [((2, 3), []), (ALL, []), ((0, 1, 2), [LOST])], ids=["behind", "all", "and some before"])
def test_a_socket_that_ended_misses_nothing_behind_its_end(missed: tuple[int, ...], causes: list[str]) -> None:
    others = [subscriber(number, "a", ()) for number in (0, 1)]
    third = [replace(subscriber(2, "a", missed), ended=ended) for ended in ("close", "")]
    told, open_ = (seen(BroadcastFacts(messages=4, subscribers=(*others, one)), step="3.2", probe="broadcast") for one in third)
    assert roots(told) == causes
    assert roots(open_) != []
    assert all(one.verdict is not Verdict.CLEAR for one in findings(told) if one.cause == NO_BUS)


@pytest.mark.parametrize(
    ("ended", "causes"),
    [
        ("close 1011 by them", ["backend.exception-in-handler"]),
        ("close 1011 keepalive ping timeout by them", []),
        ("close 1001 idle for too long by them", []),
        ("rst", []),
    ],
)
def test_subscribers_that_all_end_are_no_whole_broadcast(ended: str, causes: list[str]) -> None:
    gone = tuple(replace(subscriber(number, "a", ALL), ended=ended) for number in range(4))
    told = [
        seen(BroadcastFacts(messages=4, subscribers=gone), step="3.2", probe="broadcast", changed=changed) for changed in ("", ONE_BROKEN)
    ]
    assert roots(*told) == causes
    assert all(one.verdict is not Verdict.CLEAR for one in findings(*told) if one.evidence)


@pytest.mark.parametrize(
    ("missed", "lost", "verdict"),
    [((3,), 0, Verdict.FAULT), ((3,), 20, Verdict.UNKNOWN), ((0, 1, 2, 3), 20, Verdict.FAULT), ((1, 2, 3), 20, Verdict.FAULT)],
)
def test_what_is_lost_under_load_is_no_broken_loop(missed: tuple[int, ...], lost: int, verdict: Verdict) -> None:
    """A queue that is full drops later messages; a loop breaks at the first ones."""
    some = tuple(subscriber(number, "a", missed) for number in range(3))
    broken = seen(BroadcastFacts(messages=4, subscribers=some), step="3.2", probe="broadcast", changed=ONE_BROKEN)
    whole = seen(BroadcastFacts(messages=4, subscribers=tuple(subscriber(n, "a", ()) for n in range(3))), step="3.2", probe="broadcast")
    place = BurstPlace(name="app", kind="hop", received=50 - lost, missing=tuple(range(5, 5 + lost)))
    burst = seen(BurstFacts(sent=50, took_s=0.1, places=(place,), watched_s=2.0), step="4.1", probe="trace")
    (judged,) = [one for one in findings(whole, broken, burst) if one.cause == "backend.exception-kills-broadcast"]
    assert judged.verdict is verdict


def test_one_of_many_that_is_closed_for_an_error_is_not_the_handler() -> None:
    others = tuple(subscriber(number, "a", ()) for number in range(3))
    gone = replace(subscriber(3, "a", ALL), ended="close 1011 by them")
    assert roots(seen(BroadcastFacts(messages=4, subscribers=(*others, gone)), step="3.2", probe="broadcast")) == []


@pytest.mark.parametrize(
    ("endpoint", "direct", "causes"),
    [
        ("ab", "ab", [LOST]),
        ("..", "..", [LOST]),
        ("aa", "a", [LOST]),
        ("bb", "a", [NO_BUS]),
        ("..", ".", [NO_BUS]),
    ],
)
def test_what_is_lost_before_the_endpoint_is_no_matter_of_instances(endpoint: str, direct: str, causes: list[str]) -> None:
    names = [(name, "endpoint", ALL) for name in endpoint] + [(name, f"app-{i}", ()) for i, name in enumerate(direct)]
    told = [replace(subscriber(i, name.strip("."), missed), place=place) for i, (name, place, missed) in enumerate(names)]
    assert roots(seen(BroadcastFacts(messages=4, subscribers=tuple(told)), step="3.2", probe="broadcast"))[:1] == causes


@pytest.mark.parametrize(
    ("missed", "instances", "causes"),
    [
        ((3,), "ab", [LOST]),
        ((1, 2), "ab", [LOST]),
        ((0, 1), "ab", ["backend.exception-kills-broadcast"]),
        (ALL, "ab", ["backend.exception-kills-broadcast"]),
        ((3,), "aa", ["backend.exception-kills-broadcast"]),
        ((), "ab", []),
    ],
    ids=["the last, everywhere", "some, everywhere", "the first ones", "all", "one instance", "none"],
)
def test_what_is_lost_everywhere_is_not_lost_over_a_broken_subscriber(missed: tuple[int, ...], instances: str, causes: list[str]) -> None:
    told = tuple(subscriber(i, instances[i % 2], missed) for i in range(6))
    assert roots(seen(BroadcastFacts(messages=4, subscribers=told), step="3.2", probe="broadcast", changed=ONE_BROKEN)) == causes
