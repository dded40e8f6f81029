"""Many upgrades at once, and who is told to wait."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from observations import answer, findings, seen

from wsbook.attempt import CONNECTION_LIST, FOREIGN_ORIGIN, NO_EXTENSIONS, OTHER_CASE, RANDOM_PATH
from wsbook.facts import CycleFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LABELS = (FOREIGN_ORIGIN, RANDOM_PATH, NO_EXTENSIONS, CONNECTION_LIST, OTHER_CASE)


def burst(*statuses: int, labels: tuple[str, ...] = LABELS, retry: str = "") -> list[Observation]:
    headers = (("Retry-After", retry),) if retry else ()
    made = [answer(status, changed=label, headers=headers) for status, label in zip(statuses, labels, strict=False)]
    return [replace(one, observed_at=START + timedelta(seconds=0.001 * number)) for number, one in enumerate(made)]


@pytest.mark.parametrize(
    ("baseline", "variants", "confidence"),
    [
        (101, burst(403, 404, 503, 503, 503), 0.6),
        (101, burst(403, 404, 429, 429, 429), 0.75),
        (101, burst(503, 503, 503, 503, 503), 0.6),
        (101, burst(403, 404, 101, 503, 503), None),
        (101, burst(403, 503, 101, 503, 503), None),
        (101, burst(503, 404, 503, 101, 503), None),
        (101, burst(503, 503, 503, labels=(FOREIGN_ORIGIN, RANDOM_PATH, "no credentials")), None),
        (503, burst(503, 503, 503, 503, 503), None),
        (101, burst(403, 404, 101, 101, 101), None),
        (101, [], None),
    ],
)
def test_bursts(baseline: int, variants: list[Observation], confidence: float | None) -> None:
    told = [f for f in findings(answer(baseline), *variants) if f.verdict is Verdict.FAULT and "upgrades at once" in f.summary]
    assert [f.confidence for f in told if f.cause == "load.rate-limited"] == ([confidence] if confidence else [])


def test_the_numbers_are_told() -> None:
    first = findings(answer(101), *burst(403, 404, 503, 503, 503, retry="7"))[0]
    assert (first.cause, first.root) == ("load.rate-limited", True)
    assert first.summary == "of 5 upgrades at once the first 2 were answered, the other 3 got 503, retry after 7 s"


@pytest.mark.parametrize(
    ("paused", "left", "named"),
    [(None, None, "load.rate-limited"), (True, None, "load.rate-limited"), (False, True, "load.connection-cap")],
    ids=["nothing more known", "one more after a pause", "one more when one had left"],
)
def test_cycles_tell_whether_it_is_the_rate_or_the_number(paused: bool | None, left: bool | None, named: str) -> None:
    cycles = CycleFacts(
        warm_up=0, closed=1, hung_up=0, broken=0, at_once=4, connect_s=0.1, refused=1, after_pause=paused, after_leaving=left
    )
    told = findings(answer(101), *burst(403, 404, 503, 503, 503), seen(cycles, step="3.2", probe="cycles"))
    assert [one.cause for one in told if one.verdict is Verdict.FAULT and one.root] == [named]


def test_a_limit_of_rate_explains_the_503_of_its_proxy() -> None:
    body = "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>"
    told = seen(answer(503, body=body, headers=(("Server", "nginx/1.22.1"),)).facts, step="3.4", probe="idle")
    found = {one.cause: one for one in findings(answer(101), *burst(403, 404, 503, 503, 503), told)}
    assert [cause for cause, one in found.items() if one.root] == ["load.rate-limited"]
