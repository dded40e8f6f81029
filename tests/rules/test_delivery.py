"""Who gets which message."""

import pytest
from msgspec.structs import replace
from observations import findings, roots, seen

from wsbook.attempt import ONE_BROKEN
from wsbook.facts import BroadcastFacts, LoadFacts, LoadRun, Place, Subscriber, TraceFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation


def subscriber(index: int, instance: str, missed: tuple[int, ...], messages: int = 4, doubled: tuple[int, ...] = ()) -> Subscriber:
    return Subscriber(index=index, instance=instance, received=messages - len(missed), missed=missed, duplicated=doubled)


def broadcast(*subscribers: Subscriber, changed: str = "") -> Observation:
    return seen(BroadcastFacts(messages=4, subscribers=subscribers), step="3.2", probe="broadcast", changed=changed)


def page(frame: float | None, handler: float | None, document: float | None, watched_s: float = 1.0) -> Observation:
    names = ("trigger", "endpoint", "page frame", "page handler", "page document", "page screen")
    places = tuple(Place(name=name, at_s=at) for name, at in zip(names, (0.0, 0.1, frame, handler, document, document), strict=True))
    return replace(seen(TraceFacts(marker="m", places=places), step="4.1", probe="trace"), duration_s=watched_s)


def load(lost: int = 0, doubled: int = 0, moved: int = 0, void: str = "") -> Observation:
    one = LoadRun(
        rate=100,
        size_bytes=64,
        connections=2,
        duration_s=1,
        sent=100,
        received=100 - lost,
        lost=lost,
        duplicated=doubled,
        reordered=moved,
        p99_s=0.01,
    )
    return seen(LoadFacts(runs=(one,), void=void), step="4.2", probe="load")


def trace(*times: float | None, watched_s: float = 1.0) -> Observation:
    places = tuple(
        Place(name=name, at_s=at, count=at is not None) for name, at in zip(("trigger", "log a", "app", "endpoint"), times, strict=True)
    )
    return replace(seen(TraceFacts(marker="m", places=places), step="4.1", probe="trace"), duration_s=watched_s)


EVEN, ODD, ALL = (0, 2), (1, 3), (0, 1, 2, 3)

ROWS: list[tuple[str, Observation, list[str]]] = [
    ("everybody gets everything", broadcast(*(subscriber(i, "ab"[i % 2], ()) for i in range(4))), []),
    ("one half each", broadcast(*(subscriber(i, "ab"[i % 2], (EVEN, ODD)[i % 2]) for i in range(4))), ["cluster.no-pubsub-across-workers"]),
    (
        "one half each, no names",
        broadcast(*(subscriber(i, "", (EVEN, ODD)[i % 2]) for i in range(6))),
        ["cluster.no-pubsub-across-workers"],
    ),
    (
        "one publisher, its instance only",
        broadcast(*(subscriber(i, "ab"[i % 2], ((), ALL)[i % 2]) for i in range(4))),
        ["cluster.no-pubsub-across-workers"],
    ),
    ("here and there", broadcast(subscriber(0, "a", (1,)), subscriber(1, "a", ()), subscriber(2, "a", (2,))), ["message.lost"]),
    ("some twice", broadcast(subscriber(0, "a", (), doubled=(1,)), subscriber(1, "a", ())), ["message.duplicated"]),
    ("nobody gets anything", broadcast(subscriber(0, "a", ALL), subscriber(1, "a", ALL)), []),
    ("one broke off, the others have all", broadcast(subscriber(0, "a", ()), subscriber(1, "a", ()), changed=ONE_BROKEN), []),
    ("one broke off, one misses", broadcast(subscriber(0, "a", (2, 3)), changed=ONE_BROKEN), ["backend.exception-kills-broadcast"]),
    ("rendered", page(0.1, 0.1, 0.11), []),
    ("not rendered", page(0.1, 0.1, None), ["client.not-rendered"]),
    ("not rendered yet, when watching ended", page(0.1, 0.7, None), []),
    ("no handler", page(0.1, None, None), ["client.listener-attached-late"]),
    ("the page has no such socket", page(None, None, None), []),
    ("load without loss", load(), []),
    ("load with loss", load(lost=3), ["message.lost"]),
    ("load with duplicates", load(doubled=3), ["message.duplicated"]),
    ("load out of order", load(moved=3), ["message.out-of-order"]),
    ("a void run says nothing", load(lost=50, void="the generator was late"), []),
    ("a message arrives, the log is silent", trace(0.0, None, 0.1, 0.1), []),
    ("a message is lost at the proxy", trace(0.0, 0.1, 0.1, None), ["message.lost"]),
    ("a message is still on its way to the proxy", trace(0.0, 0.1, 0.1, None, watched_s=0.3), []),
]


@pytest.mark.parametrize(("observation", "causes"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_delivery(observation: Observation, causes: list[str]) -> None:
    assert roots(observation) == causes


def test_nothing_received_is_unknown_with_candidates() -> None:
    found = findings(broadcast(subscriber(0, "a", ALL)))
    assert {finding.verdict for finding in found} == {Verdict.UNKNOWN}
