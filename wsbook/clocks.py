"""How far another clock is ahead of ours, from instants that it named between two of ours. Pure; must not know whose clock it is.

Cristian's method (Distributed Computing 3, 1989): what was stamped between our sending and our receiving bounds the offset from both
sides, however unequal the two ways are; many such bounds are intersected. Clocks drift apart by up to 100 ppm or so (RFC 5905 section 4
assumes 15 ppm of a disciplined one), which is allowed for.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

__all__ = ["Offset", "Pair", "estimate_offset", "read_grain"]

ORDINARY_DRIFT, MOST_DRIFT = 1e-4, 5e-3
"""Of a clock that runs by itself, in s per s, and of one that can still be called a clock."""
_ZONE_S = 900.0
"""Time zones differ by whole quarters of an hour; a stamp that names no day or year is wrong by whole days."""
_ROUNDS = 60


class Pair(Struct, frozen=True, kw_only=True):
    """One instant of another clock, in s of any axis: stamp was taken after sent and before received of ours, and cut off to grain_s."""

    sent: float
    stamp: float
    received: float
    grain_s: float = 0.0

    @property
    def least(self) -> float:
        """The least offset that this allows."""
        return self.stamp - self.received

    @property
    def most(self) -> float:
        """The greatest offset that this allows."""
        return self.stamp + self.grain_s - self.sent

    @property
    def middle(self) -> float:
        """The middle between our two readings."""
        return (self.sent + self.received) / 2


class Offset(Struct, frozen=True, kw_only=True):
    """Another clock minus ours: within offset_s +- error_s at the reading at of ours. drift: how much faster it runs, in s per s; 0.0
    when the pairs show none. steady: whether one clock explains all pairs; False, it was set meanwhile, or there are several.
    zone_s: what was taken off as time zone, or for want of a date."""

    offset_s: float
    error_s: float
    pairs: int
    at: float
    drift: float = 0.0
    steady: bool = True
    zone_s: float = 0.0

    def ours(self, stamp: float) -> float:
        """Return the reading of our clock at which the other showed stamp."""
        rough = stamp - self.zone_s - self.offset_s
        return rough - self.drift * (rough - self.at)


def estimate_offset(pairs: Iterable[Pair], *, zones: bool = False) -> Offset | None:
    """Return the offset that the pairs allow, None without any.

    Where no offset fits all, a drift is looked for; where none fits, the answer is as wide as the pairs together. zones: stamps may be of
    an unnamed time zone or lack their date, so whole quarters of an hour say nothing; clocks that are further off cannot be told.
    """
    known = [pair for pair in pairs if pair.received >= pair.sent]
    if not known:
        return None
    zone_s = _zone(known) if zones else 0.0
    bounds = [(pair.middle, pair.least - zone_s, pair.most - zone_s) for pair in known]
    at = (min(pair.sent for pair in known) + max(pair.received for pair in known)) / 2
    span_s = max(abs(middle - at) for middle, _, _ in bounds)
    low, high = _bounds(bounds, at, 0.0)
    if low <= high:
        return _offset(low, high, ORDINARY_DRIFT * span_s, len(known), at, zone_s=zone_s)
    if (slopes := _slopes(bounds, at)) is not None:
        ends = [_bounds(bounds, at, slope) for slope in _between(*slopes)]
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        return _offset(low, high, 0.0, len(known), at, drift=sum(slopes) / 2, zone_s=zone_s)
    low, high = min(least for _, least, _ in bounds), max(most for _, _, most in bounds)
    return _offset(low, high, 0.0, len(known), at, steady=False, zone_s=zone_s)


def _zone(pairs: Sequence[Pair]) -> float:
    rough = min(pairs, key=lambda pair: pair.most - pair.least)
    return round((rough.least + rough.most) / 2 / _ZONE_S) * _ZONE_S


def _offset(low: float, high: float, more_s: float, pairs: int, at: float, **how: float | bool) -> Offset:
    return Offset(offset_s=(low + high) / 2, error_s=(high - low) / 2 + more_s, pairs=pairs, at=at, **how)  # type: ignore[arg-type]


def _bounds(bounds: Sequence[tuple[float, float, float]], at: float, drift: float) -> tuple[float, float]:
    """Return the least and greatest offset at an instant that all bounds allow to a clock with this drift; crossed when there is none."""
    low = max(least - drift * (middle - at) for middle, least, _ in bounds)
    return low, min(most - drift * (middle - at) for middle, _, most in bounds)


def _slopes(bounds: Sequence[tuple[float, float, float]], at: float) -> tuple[float, float] | None:
    """Return the least and greatest drift that fit all bounds, None when none does.

    The room that a drift leaves is concave in it, so the best is found by dividing, and the two ends by halving beside it.
    """

    def room(drift: float) -> float:
        low, high = _bounds(bounds, at, drift)
        return high - low

    left, right = -MOST_DRIFT, MOST_DRIFT
    for _ in range(2 * _ROUNDS):
        third = (right - left) / 3
        left, right = (left + third, right) if room(left + third) < room(right - third) else (left, right - third)
    best = (left + right) / 2
    if room(best) < 0:
        return None
    return _edge(room, best, -MOST_DRIFT), _edge(room, best, MOST_DRIFT)


def _between(least: float, most: float) -> list[float]:
    return [least + (most - least) * part / _ROUNDS for part in range(_ROUNDS + 1)]


def _edge(room: Callable[[float], float], inside: float, outside: float) -> float:
    if room(outside) >= 0:
        return outside
    for _ in range(_ROUNDS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if room(middle) >= 0 else (inside, middle)
    return inside


def read_grain(stamps: Iterable[float]) -> float:
    """Return the unit to which stamps seem to be cut off, in s: 1, 0.1, 0.01, 0.001 or 0.0; one stamp alone may look coarser than it is."""
    found = [abs(stamp) for stamp in stamps]
    for grain, scale in ((1.0, 1), (0.1, 10), (0.01, 100), (0.001, 1000)):
        if all(abs(stamp * scale - round(stamp * scale)) < scale * 4e-6 for stamp in found):
            return grain
    return 0.0
