"""A timing shifts when it leaves the noise of the records, and only then."""

import math
import random
from datetime import UTC, datetime
from itertools import combinations
from statistics import median

import pytest
from msgspec.structs import replace

from wsbook.facts import EchoFacts, EchoTrial, LoadFacts, LoadRun, Moment, Place, TraceFacts, UpgradeFacts
from wsbook.observation import Observation, Outcome, Source, Stage, observed
from wsbook.shifts import Said, Timing, _arrangements, compare_timings, differs_by_rank, noise_of, shift_words, timings_of


def upgrade(*stages: tuple[str, float], accepted: bool = True, hop: str = "endpoint") -> Observation:
    timed = tuple(Stage(name=name, started_s=0.0, duration_s=duration_s, ok=True) for name, duration_s in stages)
    return observed(Source(step="1.3", probe="upgrade", hop=hop), UpgradeFacts(url="ws://h/", accepted=accepted), stages=timed)


def tls(*durations_ms: float) -> list[Observation]:
    return [upgrade(("tls", ms / 1e3)) for ms in durations_ms]


CALM = (3.1, 3.0, 3.2, 3.1, 2.9, 3.3)
NOISY = (1.0, 9.0, 3.0, 6.0, 2.0, 8.0)
CASES = [
    ("identical", CALM, CALM, Said.NOISE),
    ("slower", CALM, (9.8, 9.7, 9.9, 10.0, 9.6), Said.SLOWER),
    ("faster", (9.8, 9.7, 9.9, 10.0, 9.6), CALM, Said.FASTER),
    ("one outlier moves nothing", CALM, (3.0, 3.1, 3.2, 90.0, 3.1, 2.9), Said.NOISE),
    ("apart, and within the noise", NOISY, (3.0, 10.0, 5.0, 8.0, 4.0, 9.5), Said.NOISE),
    ("apart by order, and less than a tenth", (3.00, 3.01, 3.02, 3.00, 3.01), (3.1, 3.11, 3.12, 3.1, 3.11), Said.NOISE),
    ("below what a scheduler decides", (0.10, 0.11, 0.10, 0.12, 0.11), (0.4, 0.41, 0.4, 0.42, 0.41), Said.NOISE),
    ("few before", (3.1, 3.0), (9.8,) * 9, Said.FEW),
    ("four and four", (1.0, 1.1, 1.2, 1.3), (9.0, 9.1, 9.2, 9.3), Said.FEW),
    ("five and five", (1.0, 1.1, 1.2, 1.3, 1.4), (9.0, 9.1, 9.2, 9.3, 9.4), Said.SLOWER),
    ("nothing after", CALM, (), Said.BEFORE),
    ("nothing before", (), CALM, Said.AFTER),
    ("ties", (3.0,) * 8, (9.0,) * 8, Said.SLOWER),
    ("all the same", (3.0,) * 8, (3.0,) * 8, Said.NOISE),
]


@pytest.mark.parametrize(("before", "after", "said"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_a_shift_is_what_leaves_the_noise(before: tuple[float, ...], after: tuple[float, ...], said: Said) -> None:
    (shift,) = compare_timings(tls(*before), tls(*after))
    assert (shift.step, shift.what, shift.place) == ("1.3", "tls", "endpoint")
    assert shift.said is said
    assert (shift.before_count, shift.after_count) == (len(before), len(after))
    assert shift.before_s == pytest.approx(median(before) / 1e3) if before else shift.before_s is None


def test_records_without_timings_have_nothing_to_compare() -> None:
    assert compare_timings([], []) == ()


def test_two_records_of_one_distribution_hardly_ever_differ() -> None:
    chance = random.Random(7)
    told = [compare_timings(*(tls(*(chance.lognormvariate(1, 0.4) for _ in range(8))) for _ in range(2)))[0].said for _ in range(400)]
    assert sum(said is not Said.NOISE for said in told) <= 400 * 0.01


def test_a_doubled_time_is_found() -> None:
    chance = random.Random(7)

    def sample(scale: float) -> list[Observation]:
        return tls(*(scale * chance.lognormvariate(1, 0.15) for _ in range(8)))

    assert all(compare_timings(sample(1), sample(2))[0].said is Said.SLOWER for _ in range(50))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (3, 3), (4, 5)])
def test_the_orders_are_counted_as_by_hand(n: int, m: int) -> None:
    counts = [0] * (n * m + 1)
    for places in combinations(range(n + m), n):
        counts[sum(place - index for index, place in enumerate(places))] += 1
    assert _arrangements(n, m) == counts
    assert sum(counts) == math.comb(n + m, n)


def test_the_surest_order_has_the_probability_of_tables() -> None:
    assert differs_by_rank([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)
    assert differs_by_rank([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)
    assert differs_by_rank([1, 4, 6], [2, 3, 5]) == pytest.approx(1.0)
    exact, approximate = (differs_by_rank([float(i) for i in range(n)], [i + 7.5 for i in range(n)]) for n in (25, 26))
    assert exact == pytest.approx(approximate, rel=0.5)


def test_the_noise_ignores_outliers() -> None:
    assert noise_of([3.0, 3.1, 2.9, 3.0, 900.0]) == pytest.approx(0.1483, abs=0.001)
    assert noise_of([3.0]) == 0.0


def test_what_is_timed() -> None:
    source = Source(step="4.2", probe="load", hop="endpoint")
    trials = (EchoTrial(kind="text", size_bytes=5, ok=True, rtt_s=0.002), EchoTrial(kind="text", size_bytes=70_000, ok=True, rtt_s=0.2))
    places = (Place(name="app", at_s=0.01), Place(name="page", at_s=None))
    moments = (Moment(at_s=1.0, sent=9, received=9, p99_s=0.004), Moment(at_s=2.0, sent=9, received=0))
    run = LoadRun(rate=100.0, size_bytes=64, connections=2, duration_s=2.0, sent=9, received=9, lost=0, duplicated=0, reordered=0)
    seen = [
        upgrade(("tcp", 0.001), ("upgrade", 0.002)),
        upgrade(("tcp", 0.001), accepted=False),
        upgrade(("tcp", 0.003), hop="app"),
        observed(Source(step="1.3", probe="echo"), EchoFacts(url="ws://h/", echoes=True, trials=trials, ping_rtts_s=(0.001,))),
        observed(Source(step="4.1", probe="trace"), TraceFacts(marker="m", places=places)),
        observed(source, LoadFacts(runs=(_with(run, moments), _with(run, moments, void="the generator was busy")))),
        Observation(source=source, observed_at=datetime.now(UTC), outcome=Outcome.NOT_RUN),
    ]
    assert timings_of(seen) == {
        Timing(step="1.3", what="tcp", place="endpoint"): [0.001],
        Timing(step="1.3", what="upgrade", place="endpoint"): [0.002],
        Timing(step="1.3", what="tcp", place="app"): [0.003],
        Timing(step="1.3", what="echo", place="endpoint"): [0.002],
        Timing(step="1.3", what="ping", place="endpoint"): [0.001],
        Timing(step="4.1", what="event", place="app"): [0.01],
        Timing(step="4.2", what="load p99, 100/s of 64 B on 2", place="endpoint"): [0.004],
    }


def _with(run: LoadRun, moments: tuple[Moment, ...], void: str = "") -> LoadRun:
    return replace(run, moments=moments, void=void)


def test_a_hostile_record_costs_little() -> None:
    places = tuple(Place(name="app\x1b[31m", at_s=float(i)) for i in range(20_000))
    seen = [observed(Source(step="4.1" * 9, probe="trace"), TraceFacts(marker="m", places=(*places, Place(name="x", at_s=math.inf))))]
    (shift,) = compare_timings(seen, seen)
    assert shift.before_count == 1_000
    assert (shift.place, len(shift.step)) == ("app\\x1b[31m", 8)


def test_a_shift_in_words() -> None:
    (shift,) = compare_timings(tls(*CALM), tls(9.8, 9.7, 9.9, 10.0, 9.6))
    assert shift_words(shift) == "tls 3.1 ms → 9.8 ms, noise ±148 µs, slower"
