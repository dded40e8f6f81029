"""Interruptions of a page's socket, and what is said of it."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from observations import TARGET, findings, roots, seen

from wsbook.evidence import Evidence
from wsbook.facts import OutageFacts, PatternFacts, Redial
from wsbook.facts.reconnect import delays
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.rules.reconnect import judge_reconnect

URL = "ws://shop.test/ws"
FAULT, CLEAR, UNKNOWN = Verdict.FAULT, Verdict.CLEAR, Verdict.UNKNOWN


def dialled(*pauses: float, opened: bool = True) -> tuple[Redial, ...]:
    """Return attempts after these pauses, all refused at once but the last when opened."""
    found, at = [], 0.0
    for number, pause in enumerate(pauses, 1):
        at += pause
        last = opened and number == len(pauses)
        found.append(Redial(at_s=at, fate="opened" if last else "refused", ended_s=None if last else at))
    return tuple(found)


BACK = OutageFacts(
    url=URL,
    way="rst",
    answer="refuse",
    lasted_s=5.0,
    watched_s=10.0,
    noticed_s=0.01,
    redials=dialled(0.4, 0.9, 1.7, 3.2),
    reopened_s=6.2,
    pending_s=(),
    listened_s=1.2,
    said_before=('{"op":"subscribe"}',),
    said_after=('{"op":"subscribe"}',),
    heard_before=(("op=price", 5), ("op=said, published here", 4)),
    heard_after=(("op=price", 4), ("op=said, published here", 4)),
    runs_before=1.0,
    runs_after=1.0,
    open_before=1,
    open_sockets=1,
    published=(3, 4, 5),
    control_before=True,
    control_after=True,
)
"""A healthy page."""

AWAY = replace(
    BACK, redials=(), reopened_s=None, said_after=(), heard_after=(), runs_after=None, open_sockets=0, control_after=None, leapt_s=300.0
)
"""A page that stays away."""

BY_CLOCK = replace(BACK, reopened_s=None, pending_s=(12.0,), leapt_s=12.0, early_s=22.0, published=(4, 5))

STALL = replace(
    BACK,
    way="stall",
    answer="open",
    noticed_s=None,
    redials=(),
    reopened_s=None,
    published=(),
    watched_s=4.0,
    leapt_s=300.0,
    open_sockets=0,
)

UNHEARD = {"heard_before": (), "heard_after": (), "published": (), "control_before": None, "control_after": None}
STOOD_IN, STOOD_IN_AWAY = (replace(facts, stood_in=True, **UNHEARD) for facts in (BACK, AWAY))
"""The same pages, refused by their server: we took their sockets in its place."""

TURNED_AWAY = replace(
    AWAY, redials=(*dialled(0.4, 0.8, opened=False), *(Redial(at_s=at, fate="answered", status=401, ended_s=at) for at in (6.0, 8.5)))
)


def outage(facts: OutageFacts) -> Observation:
    return seen(facts, step="3.1", probe="reconnect", hop="browser")


def verdicts(cause: str, *facts: OutageFacts) -> list[Verdict]:
    return [one.verdict for one in judge_reconnect(Evidence(TARGET, map(outage, facts))) if one.cause == cause]


ROWS: list[tuple[str, str, Sequence[OutageFacts], Verdict | None]] = [
    ("came back", "client.no-reconnect", [BACK], CLEAR),
    ("loaded itself anew", "client.no-reconnect", [replace(AWAY, reloaded=True)], CLEAR),
    ("stays away", "client.no-reconnect", [AWAY], FAULT),
    ("stays away from a socket of ours", "client.no-reconnect", [STOOD_IN_AWAY], FAULT),
    ("came back to a socket of ours", "client.no-reconnect", [STOOD_IN], CLEAR),
    ("at once, to a socket of ours", "client.reconnect-no-backoff", [replace(STOOD_IN, redials=dialled(*[0.01] * 20))], FAULT),
    ("a socket of ours says nothing that could be missed", "client.no-resubscribe-after-reconnect", [STOOD_IN], UNKNOWN),
    ("nothing is published over a socket of ours", "client.no-catch-up-after-reconnect", [STOOD_IN], None),
    ("gave up", "client.no-reconnect", [replace(AWAY, redials=dialled(0.3, 0.6, 0.9, opened=False))], FAULT),
    ("comes back from a clean close only", "client.no-reconnect", [AWAY, replace(BACK, way="close", close_code=1001)], FAULT),
    ("would dial later", "client.no-reconnect", [replace(AWAY, pending_s=(12.0,), leapt_s=12.0, early_s=22.0)], CLEAR),
    ("a timer is left that was not let fire", "client.no-reconnect", [replace(AWAY, pending_s=(40.0,), leapt_s=None)], UNKNOWN),
    ("a worker may hold timers", "client.no-reconnect", [replace(AWAY, pending_s=None, leapt_s=None)], UNKNOWN),
    ("refused for good", "client.no-reconnect", [replace(AWAY, answer="403")], None),
    ("told to stay away", "client.no-reconnect", [replace(AWAY, way="close", answer="open", close_code=4401)], None),
    ("a stall is another question", "client.no-reconnect", [STALL], None),
    ("refused by the server after it was let in", "auth.token-expired-on-reconnect", [TURNED_AWAY], FAULT),
    ("refused by the server after it was let in", "client.no-reconnect", [TURNED_AWAY], None),
    ("refused by us only", "auth.token-expired-on-reconnect", [replace(TURNED_AWAY, answer="401", lasted_s=20.0)], None),
    ("let in again", "auth.token-expired-on-reconnect", [BACK], None),
    ("refused while it is restarted", "auth.token-expired-on-reconnect", [replace(TURNED_AWAY, reopened_s=9.0)], None),
    ("grows", "client.reconnect-no-backoff", [BACK], CLEAR),
    ("at once", "client.reconnect-no-backoff", [replace(BACK, redials=dialled(*[0.01] * 20))], FAULT),
    ("every tenth of a second", "client.reconnect-no-backoff", [replace(BACK, redials=dialled(*[0.2] * 20))], FAULT),
    ("in step", "client.reconnect-no-backoff", [replace(BACK, redials=dialled(3.0, 3.01, 3.0, 3.02))], FAULT),
    ("spread over one to two seconds", "client.reconnect-no-backoff", [replace(BACK, redials=dialled(1.1, 1.9, 1.3, 1.7, 1.2))], UNKNOWN),
    (
        "spread, for half a minute",
        "client.reconnect-no-backoff",
        [replace(BACK, redials=dialled(*[1.1, 1.9, 1.3, 1.7, 1.2] * 4), reopened_s=28.8)],
        FAULT,
    ),
    ("too few to tell", "client.reconnect-no-backoff", [replace(BACK, redials=dialled(4.0))], UNKNOWN),
    ("no attempt", "client.reconnect-no-backoff", [AWAY], None),
    ("after 403 at once", "client.reconnect-no-backoff", [replace(BACK, answer="403", redials=dialled(*[0.01] * 20))], FAULT),
    (
        "sent away each time, and back at once",
        "client.reconnect-no-backoff",
        [BACK, replace(BACK, way="close", answer="dismiss", close_code=1008, redials=dialled(*[0.4] * 9), lasted_s=9.0)],
        UNKNOWN,
    ),
    ("two sockets dial", "client.reconnect-no-backoff", [replace(BACK, open_before=2, redials=dialled(*[0.2] * 9))], None),
    ("subscribes again", "client.no-resubscribe-after-reconnect", [BACK], CLEAR),
    (
        "had heard what another interruption published",
        "client.no-resubscribe-after-reconnect",
        [BACK, replace(BACK, heard_before=(("op=said, published here", 4),), heard_after=(), control_before=None, control_after=None)],
        CLEAR,
    ),
    ("is back by its clock and catches up", "client.no-catch-up-after-reconnect", [BY_CLOCK], CLEAR),
    ("is back by its clock and does not", "client.no-catch-up-after-reconnect", [replace(BY_CLOCK, missed=(4, 5))], FAULT),
    ("would be back by its clock", "client.no-catch-up-after-reconnect", [replace(BY_CLOCK, open_sockets=0)], None),
    (
        "does not subscribe again",
        "client.no-resubscribe-after-reconnect",
        [replace(BACK, said_after=(), heard_after=(("op=said, published here", 4),))],
        FAULT,
    ),
    (
        "does not say it again and hears it all the same",
        "client.no-resubscribe-after-reconnect",
        [replace(BACK, said_after=())],
        CLEAR,
    ),
    (
        "does not say it again, and hears what is told to everybody",
        "client.no-resubscribe-after-reconnect",
        [replace(BACK, said_after=(), heard_before=(("op=said, published here", 4),), heard_after=(("op=said, published here", 4),))],
        UNKNOWN,
    ),
    (
        "says it again, and hears what is told to everybody",
        "client.no-resubscribe-after-reconnect",
        [replace(BACK, heard_before=(("op=said, published here", 4),), heard_after=(("op=said, published here", 4),))],
        CLEAR,
    ),
    (
        "hears nothing although it says the same",
        "client.no-resubscribe-after-reconnect",
        [replace(BACK, heard_after=(), control_after=False)],
        UNKNOWN,
    ),
    (
        "nothing came before",
        "client.no-resubscribe-after-reconnect",
        [replace(BACK, heard_before=(), heard_after=(), control_before=None, control_after=None)],
        UNKNOWN,
    ),
    ("did not come back", "client.no-resubscribe-after-reconnect", [AWAY], None),
    ("nothing missed", "client.no-catch-up-after-reconnect", [BACK], CLEAR),
    ("all missed", "client.no-catch-up-after-reconnect", [replace(BACK, missed=(3, 4, 5))], FAULT),
    ("deaf afterwards", "client.no-catch-up-after-reconnect", [replace(BACK, missed=(3, 4, 5), control_after=False)], UNKNOWN),
    ("nothing published", "client.no-catch-up-after-reconnect", [replace(BACK, published=())], None),
    ("one handler", "client.duplicate-listeners", [BACK], CLEAR),
    ("two handlers", "client.duplicate-listeners", [replace(BACK, runs_after=2.0)], FAULT),
    ("a function runs twice", "client.duplicate-listeners", [replace(BACK, repeated=(("onNews (app.js)", 1.0, 2.0),))], FAULT),
    ("no message came", "client.duplicate-listeners", [replace(BACK, runs_before=None)], None),
    ("one socket", "client.double-connect", [BACK], CLEAR),
    ("one more after the reconnect", "client.double-connect", [replace(BACK, open_sockets=2)], FAULT),
    ("two from the beginning", "client.double-connect", [replace(BACK, open_before=2, open_sockets=2)], FAULT),
    ("stays away", "client.double-connect", [AWAY], None),
    ("noticed", "heartbeat.none-half-open", [replace(STALL, noticed_s=3.0)], CLEAR),
    ("would be noticed", "heartbeat.none-half-open", [replace(STALL, early_s=15.0)], CLEAR),
    ("never noticed", "heartbeat.none-half-open", [STALL], FAULT),
    ("watched for long", "heartbeat.none-half-open", [replace(STALL, watched_s=90.0, leapt_s=None)], FAULT),
    ("not watched for long", "heartbeat.none-half-open", [replace(STALL, leapt_s=None)], UNKNOWN),
    ("nothing regular came", "heartbeat.none-half-open", [replace(STALL, heard_before=(("op=said, published here", 4),))], UNKNOWN),
    ("stays away from every loss", "heartbeat.none-half-open", [STALL, AWAY], UNKNOWN),
    ("no stall", "heartbeat.none-half-open", [BACK], None),
]


@pytest.mark.parametrize(("cause", "facts", "verdict"), [row[1:] for row in ROWS], ids=[f"{row[1]} {row[0]}" for row in ROWS])
def test_an_interruption_is_judged(cause: str, facts: Sequence[OutageFacts], verdict: Verdict | None) -> None:
    told = verdicts(cause, *facts)
    assert told[:1] == ([verdict] if verdict else [])
    assert FAULT not in told[1:]


def test_a_healthy_page_is_clear_with_figures() -> None:
    told: list[Finding] = list(judge_reconnect(Evidence(TARGET, [outage(BACK), outage(replace(STALL, early_s=15.0))])))
    assert {one.verdict for one in told} == {CLEAR}
    assert len({one.cause for one in told}) == 7
    spacing = next(one for one in told if one.cause == "client.reconnect-no-backoff")
    assert "growing by" in spacing.summary and "4 attempts in 6.2 s" in spacing.summary


def pattern(cause: str) -> Observation:
    facts = PatternFacts(pattern="page.some", cause=cause, ok=False, file="app.js", line=7, excerpt="setTimeout(connect, 1000)")
    return seen(facts, step="3.1", probe="source", hop="")


@pytest.mark.parametrize(("facts", "is_root"), [(BACK, False), (replace(BACK, redials=dialled(*[0.01] * 20)), True)])
def test_what_the_page_does_outranks_what_its_source_suggests(facts: OutageFacts, is_root: bool) -> None:
    cause = "client.reconnect-no-backoff"
    told = [one for one in findings(pattern(cause), outage(facts)) if one.cause == cause and one.verdict is not CLEAR]
    assert all(one.verdict is (FAULT if is_root else UNKNOWN) for one in told)
    assert (cause in roots(pattern(cause), outage(facts))) == is_root
    if is_root:
        assert {proof.where.partition(":")[0] for one in told for proof in one.evidence} >= {"app.js"}


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 30), max_size=6), st.integers(0, 2))
def test_pauses_count_from_the_end_of_the_attempt_before(pauses: list[int], lasts_s: int) -> None:
    at, redials = 0, []
    for pause in pauses:
        at += pause
        redials.append(Redial(at_s=at, fate="unanswered", ended_s=at + lasts_s))
        at += lasts_s
    assert delays(redials) == pytest.approx(tuple(pauses), abs=1e-6)


def test_who_was_never_greeted_by_its_server_is_judged_less_surely() -> None:
    judged = [findings(outage(facts)) for facts in (AWAY, STOOD_IN_AWAY)]
    real, stood_in = (next(one for one in found if one.cause == "client.no-reconnect") for found in judged)
    assert real.confidence > stood_in.confidence > 0.75
    assert "in the place of the server" in stood_in.summary and "in the place" not in real.summary
