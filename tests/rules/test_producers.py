"""The way is whole and nothing comes by itself: only where somebody misses updates does that tell of whoever should send them."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from observations import TARGET, seen

from wsbook.evidence import Evidence
from wsbook.facts import OutageFacts, PatternFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.parsers.symptom import parse_symptom
from wsbook.rules.producers import judge_producers

DIED, SILENT = "backend.background-task-died", "message.never-published"
MISSED = parse_symptom("connected, but no updates come any more", step="0")
OTHER = parse_symptom("403 on the websocket", step="0")
LOOP = seen(
    PatternFacts(
        pattern="py.feeding-loop-dies", cause=DIED, ok=False, file="/srv/feed.py", line=12, excerpt="async for quote in quotes():"
    ),
    step="3.2",
    probe="sources",
    hop="",
)
QUIET = OutageFacts(
    way="rst",
    answer="refuse",
    lasted_s=3.0,
    watched_s=11.0,
    url="ws://shop.test/ws",
    said_before=('{"action":"subscribe","channel":"quotes"}',),
    heard_before=(("action=subscribed", 1), ("type=note, published here", 3)),
    heard_after=(("type=note, published here", 3),),
    control_before=True,
    control_after=True,
)


def outage(facts: OutageFacts) -> Observation:
    return seen(facts, step="3.1", probe="reconnect", hop="browser")


@pytest.mark.parametrize(
    ("facts", "more", "expected"),
    [
        (QUIET, (MISSED, LOOP), {DIED: Verdict.FAULT, SILENT: Verdict.UNKNOWN}),
        (QUIET, (MISSED,), {DIED: Verdict.UNKNOWN, SILENT: Verdict.UNKNOWN}),
        (replace(QUIET, said_before=()), (MISSED, LOOP), {DIED: Verdict.FAULT, SILENT: Verdict.UNKNOWN}),
        (QUIET, (LOOP,), {}),  # nobody misses anything
        (QUIET, (OTHER, LOOP), {}),
        (replace(QUIET, heard_before=(("quote", 6), *QUIET.heard_before)), (MISSED, LOOP), {}),
        (replace(QUIET, heard_after=(("quote", 2),)), (MISSED, LOOP), {}),
        (replace(QUIET, control_before=False), (MISSED, LOOP), {}),  # the way itself is broken
        (replace(QUIET, control_before=None), (MISSED, LOOP), {}),
        (replace(QUIET, watched_s=4.0), (MISSED, LOOP), {}),
        (replace(QUIET, stood_in=True), (MISSED, LOOP), {}),
    ],
)
def test_who_feeds_a_silent_page(facts: OutageFacts, more: Sequence[Observation], expected: dict[str, Verdict]) -> None:
    found = list(judge_producers(Evidence(TARGET, [*more, outage(facts)])))
    assert {one.cause: one.verdict for one in found} == expected


def test_a_loop_is_shown_with_its_place() -> None:
    (died, _) = judge_producers(Evidence(TARGET, [MISSED, LOOP, outage(QUIET)]))
    assert "feed.py" in died.summary and '"channel":"quotes"' in died.summary
    assert died.evidence[1].where == "/srv/feed.py:12"
