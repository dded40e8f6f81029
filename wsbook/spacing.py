"""How a client spaces its attempts to connect again: none, immediate, constant, linear or exponential; with jitter; with a cap.

The delays before the attempts are held against shapes of growth. Under a shape each delay is a base times the shape's factor, drawn
evenly from a band, and the less room the band needs the likelier is the shape. A kind of growth is as likely as its shapes are on
average, so that one with more of them to choose from has to explain more. Which spacing is good is judged elsewhere.
"""

from collections.abc import Iterator, Sequence
from math import exp, log

from msgspec import Struct

__all__ = ["IMMEDIATE_S", "Spacing", "classify", "good_backoff"]

IMMEDIATE_S = 0.1
"""Up to this a delay is none: what a browser and the event loop need by themselves."""

_NOISE_S, _NOISE = 0.03, 0.03
"""Timers are late by so many seconds, and by this share of the delay."""
_FACTORS = (1.3, 1.5, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0)
_KINDS = {"constant": 0.0, "linear": -1.0, "exponential": 0.0}
"""How usual each kind of growth is, as a logarithm."""
_FEWEST = 4
"""Delays below which linear and exponential growth are not told apart."""
_MOST = 60


class Spacing(Struct, frozen=True, kw_only=True):
    """The spacing of a client's attempts.

    kind: none (no attempt), single (one attempt, which says nothing of those to come), immediate, constant, linear, exponential, or
    growing where few attempts leave open how. first_s: the delay before the first attempt. base_s, factor: of the shape, at the middle
    of the band; factor is added per attempt as a multiple of base_s when linear, multiplied when exponential, None otherwise. cap_s:
    where growth ended, None when it did not. jitter: half of the band's width as a share of its middle, 0 where noise explains it.
    """

    kind: str
    attempts: int
    first_s: float | None = None
    base_s: float | None = None
    factor: float | None = None
    cap_s: float | None = None
    jitter: float = 0.0

    @property
    def grows(self) -> bool:
        """Whether the client waits longer the longer the outage lasts."""
        return self.kind in ("linear", "exponential", "growing")


class _Shape(Struct, frozen=True):
    kind: str
    factors: tuple[float, ...]
    factor: float | None = None
    capped: bool = False


class _Fit(Struct, frozen=True):
    shape: _Shape
    score: float  # logarithm of the likelihood
    low: float
    high: float


def classify(delays_s: Sequence[float]) -> Spacing:
    """Return the spacing of attempts that were made after these delays: each from the failure before it, the first from the loss."""
    delays = [max(0.0, delay) for delay in delays_s[:_MOST]]
    count = len(delays_s)
    if not delays:
        return Spacing(kind="none", attempts=0)
    if _immediate(delays):
        return Spacing(kind="immediate", attempts=count, first_s=delays[0], base_s=_median(delays))
    rest = delays[1:] if len(delays) > 1 and delays[0] <= IMMEDIATE_S else delays  # many try once at once, and wait only then
    if len(rest) == 1:
        return Spacing(kind="single", attempts=count, first_s=delays[0], base_s=rest[0])
    fits = [_fit(shape, rest) for shape in _shapes(len(rest))]
    kind = max(_KINDS, key=lambda kind: _KINDS[kind] + _likelihood(_groups(fits, kind)))
    group = max(_groups(fits, kind), key=lambda group: _mean([fit.score for fit in group]))
    return _described(max(group, key=lambda fit: fit.score), rest, delays[0], count)


def good_backoff(attempts: int, *, base_s: float = 1.0, factor: float = 2.0, cap_s: float = 30.0) -> list[tuple[float, float]]:
    """Return (shortest, longest) delay before each attempt of a client with full-range jitter between half and all of the backoff.

    Growth by two up to half a minute is what browsers' and vendors' client libraries have in common (AWS, "Exponential Backoff And
    Jitter"; RFC 6455 section 7.2.3 asks for growing, randomised delays).
    """
    longest = [min(cap_s, base_s * factor**number) for number in range(attempts)]
    return [(delay / 2, delay) for delay in longest]


def _immediate(delays: Sequence[float]) -> bool:
    """Whether the client itself waits for nothing; a browser slows down those that fail often, so that late delays do not count."""
    early = delays[:8]
    return max(early[: max(2, len(early) // 2)]) <= IMMEDIATE_S and _median(early) <= IMMEDIATE_S


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _shapes(count: int) -> Iterator[_Shape]:
    yield _Shape("constant", (1.0,) * count)
    yield from _growing("linear", 1.0, [1.0 + number for number in range(count)])
    for factor in _FACTORS:
        yield from _growing("exponential", factor, [factor**number for number in range(count)])


def _growing(kind: str, factor: float, factors: list[float]) -> Iterator[_Shape]:
    """Yield a growing shape without a cap, and with one after each step but the last."""
    yield _Shape(kind, tuple(factors), factor)
    for cap in factors[2:-1]:
        yield _Shape(kind, tuple(min(value, cap) for value in factors), factor, capped=True)


def _fit(shape: _Shape, delays: Sequence[float]) -> _Fit:
    """Return the narrowest band of bases that explains the delays, and how likely it makes them."""
    bases = [delay / factor for delay, factor in zip(delays, shape.factors, strict=True)]
    low, high = min(bases), max(bases)
    noise = max(_NOISE * high, _NOISE_S / _median(shape.factors))
    likelihood = -sum(map(log, shape.factors)) - len(delays) * log(high - low + noise)
    return _Fit(shape, likelihood, low, high)


def _groups(fits: Sequence[_Fit], kind: str) -> list[list[_Fit]]:
    """Return the fits of a kind without a cap and those with one, as far as there are any."""
    groups = [[fit for fit in fits if fit.shape.kind == kind and fit.shape.capped == capped] for capped in (False, True)]
    return [group for group in groups if group]


def _likelihood(groups: Sequence[Sequence[_Fit]]) -> float:
    return _mean([_mean([fit.score for fit in group]) for group in groups])


def _mean(scores: Sequence[float]) -> float:
    """Return the logarithm of the mean of what the scores are logarithms of."""
    best = max(scores)
    return best + log(sum(exp(score - best) for score in scores) / len(scores))


def _described(fit: _Fit, delays: Sequence[float], first_s: float, count: int) -> Spacing:
    shape, middle = fit.shape, (fit.low + fit.high) / 2
    noise_s = max(_noise(middle * factor) / factor for factor in shape.factors)
    width = (fit.high - fit.low) / 2
    grown = shape.kind != "constant"
    return Spacing(
        kind="growing" if grown and len(delays) < _FEWEST else shape.kind,
        attempts=count,
        first_s=first_s,
        base_s=middle,
        factor=shape.factor,
        cap_s=middle * max(shape.factors) if shape.capped else None,
        jitter=width / middle if width > noise_s else 0.0,
    )


def _noise(delay_s: float) -> float:
    return _NOISE_S + _NOISE * delay_s
