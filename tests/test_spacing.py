"""The classifier of retries against simulated clients: strategies, jitter, caps, late timers, few and many attempts."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.spacing import Spacing, classify, good_backoff

Client = Callable[[random.Random, int], list[float]]
JITTERS = ((0.5, 1.0), (0.75, 1.25), (0.0, 1.0), (0.5, 1.5))


def _base(dice: random.Random) -> float:
    return dice.choice([0.5, 1.0, 1.0, 2.0, 3.0, 5.0])


def _shaped(shape: Callable[[random.Random, int], list[float]], jitter: bool) -> Client:
    def client(dice: random.Random, attempts: int) -> list[float]:
        base, band = _base(dice), dice.choice(JITTERS) if jitter else (1.0, 1.0)
        return [base * factor * dice.uniform(*band) for factor in shape(dice, attempts)]

    return client


def _exponential(dice: random.Random, attempts: int) -> list[float]:
    factor = dice.choice([1.5, 2.0, 2.0, 2.0, 3.0])
    return [factor**number for number in range(attempts)]


def _capped(dice: random.Random, attempts: int) -> list[float]:
    whole = _exponential(dice, attempts)
    cap = whole[dice.randint(3, max(3, attempts - 2))]
    return [min(value, cap) for value in whole]


CLIENTS: dict[str, tuple[str, Client]] = {
    "none": ("none", lambda dice, attempts: []),
    "at once": ("immediate", lambda dice, attempts: [dice.uniform(0, 0.02) for _ in range(attempts)]),
    "constant": ("constant", _shaped(lambda dice, attempts: [1.0] * attempts, jitter=False)),
    "constant, jitter": ("constant", _shaped(lambda dice, attempts: [1.0] * attempts, jitter=True)),
    "linear": ("linear", _shaped(lambda dice, attempts: [1.0 + n for n in range(attempts)], jitter=False)),
    "exponential": ("exponential", _shaped(_exponential, jitter=False)),
    "exponential, jitter": ("exponential", _shaped(_exponential, jitter=True)),
    "exponential, cap": ("exponential", _shaped(_capped, jitter=False)),
    "exponential, cap, jitter": ("exponential", _shaped(_capped, jitter=True)),
}


def _seen(dice: random.Random, client: Client, attempts: int) -> list[float]:
    """Return a client's delays as they are measured: timers are a little late, now and then by 30 ms."""
    return [delay + abs(dice.gauss(0, 0.01)) + (0.03 if dice.random() < 0.1 else 0.0) for delay in client(dice, attempts)]


def _outcomes(clients: int, fewest: int, most: int, right: Callable[[Spacing, str, str], bool]) -> dict[str, float]:
    dice, good = random.Random(20), Counter[str]()
    for name, (kind, client) in CLIENTS.items():
        for _ in range(clients):
            spacing = classify(_seen(dice, client, dice.randint(fewest, most)))
            good[name] += right(spacing, kind, name)
    return {name: good[name] / clients for name in CLIENTS}


def test_simulated_clients_are_classed() -> None:
    found = _outcomes(150, 6, 12, lambda spacing, kind, name: spacing.kind == kind)
    assert sum(found.values()) / len(found) >= 0.95
    assert min(found.values()) >= 0.85, found


def test_jitter_and_caps_are_seen() -> None:
    jitter = _outcomes(100, 6, 12, lambda spacing, kind, name: (spacing.jitter > 0) == ("jitter" in name))
    assert min(jitter.values()) >= 0.97, jitter
    steady = _outcomes(100, 6, 12, lambda spacing, kind, name: "jitter" in name or (spacing.cap_s is not None) == ("cap" in name))
    assert min(steady.values()) >= 0.97, steady


def test_growth_shows_after_few_attempts() -> None:
    """In a short outage a client makes few attempts; whether it waits longer each time is what matters."""
    growing = ("linear", "exponential")
    found = _outcomes(150, 4, 5, lambda spacing, kind, name: spacing.grows == (kind in growing))
    assert sum(found.values()) / len(found) >= 0.93, found


@pytest.mark.parametrize(
    ("delays", "kind", "first_s", "factor", "cap_s"),
    [
        ([], "none", None, None, None),
        ([3.0], "single", 3.0, None, None),
        ([0.0, 2.0], "single", 0.0, None, None),
        ([0.004, 0.003], "immediate", 0.004, None, None),
        # A browser slows down a page whose sockets keep failing.
        ([0.003, 0.004, 0.002, 0.004, 0.003, 0.3, 0.9, 2.2, 4.1, 3.7], "immediate", 0.003, None, None),
        ([3.01, 3.0, 3.02, 3.01], "constant", 3.01, None, None),
        ([0.0, 2.0, 10.0], "growing", 0.0, None, None),  # SignalR: 0, 2, 10 and 30 s
        ([0.0, 1.0, 1.0, 1.01], "constant", 0.0, None, None),
        ([1.0, 2.0, 4.0, 8.0, 16.0], "exponential", 1.0, 2.0, None),
        ([1.0, 2.0, 3.0, 4.0, 5.0], "linear", 1.0, 1.0, None),
        ([1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0], "exponential", 1.0, 2.0, 8.0),
    ],
)
def test_known_sequences(delays: list[float], kind: str, first_s: float | None, factor: float | None, cap_s: float | None) -> None:
    spacing = classify(delays)
    assert (spacing.kind, spacing.attempts, spacing.first_s) == (kind, len(delays), first_s)
    if factor is not None:
        assert spacing.factor == factor
    assert spacing.cap_s == (pytest.approx(cap_s, rel=0.1) if cap_s else cap_s)


@given(st.lists(st.floats(0, 1e6, allow_nan=False), max_size=80))
def test_any_delays_are_classed(delays: list[float]) -> None:
    spacing = classify(delays)
    assert spacing.attempts == len(delays) and spacing.jitter >= 0
    assert (spacing.kind == "none") == (not delays)


@given(st.integers(2, 12), st.floats(0.2, 20))
def test_a_longer_unit_changes_no_kind(attempts: int, base_s: float) -> None:
    assert classify([base_s * 2**n for n in range(attempts)]).grows
    assert classify([max(0.2, base_s)] * attempts).kind == ("constant" if attempts > 1 else "single")


def test_a_good_backoff_grows_to_its_cap() -> None:
    bands = good_backoff(8)
    assert bands[0] == (0.5, 1.0) and bands[-1] == (15.0, 30.0)
    assert all(low * 2 == high for low, high in bands)
