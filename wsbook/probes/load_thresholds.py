"""Demands on the figures of a load, such as "p99 < 50 ms": read from words, and held against runs. No I/O.

This module must not know how a load is made, nor what a good value is.
"""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from msgspec import Struct

from wsbook.errors import UsageError
from wsbook.facts import Knee, LoadRun, Threshold, Watched
from wsbook.words import duration_text, size_text

__all__ = ["Demand", "judge_demands", "parse_demand", "parse_seconds"]

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_SHARES = {"%": 0.01, "": 1.0}
_COUNTS = {"": 1.0}
_RATES = {"/s": 1.0, "": 1.0}
_SIZES = {"B": 1.0, "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3}
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "==": operator.eq}
_DEMAND = re.compile(r"\s*([a-z][a-z0-9. -]*?)\s*(<=|>=|==|<|>|=)\s*(\d+(?:\.\d*)?|\.\d+)\s*([%/A-Za-zµμ]*)\s*\Z")
_DURATION = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-zµμ]*)\s*\Z")
_NEVER = float("inf")


def _percentile(of: Callable[[LoadRun], float | None]) -> Callable[[LoadRun], float | None]:
    """Return a latency, infinite where messages left and nothing came back: nobody waited so long."""
    return lambda run: _NEVER if run.sent and not run.received and run.answered_by != "sequence" else of(run)


def _loss(run: LoadRun) -> float | None:
    expected = run.received + run.lost
    return run.lost / expected if expected else None


def _busy(server: Watched) -> list[float]:
    """Return the shares of one processor that a server used between its readings."""
    told = [(one.at_s, one.cpu_s) for one in server.samples if one.cpu_s is not None]
    return [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(told) if after[0] > before[0]]


def _cpu(run: LoadRun) -> float | None:
    return max((share for server in run.servers for share in _busy(server)), default=None)


def _memory(run: LoadRun) -> float | None:
    told = (one.memory_bytes for server in run.servers for one in server.samples)
    return max((value for value in told if value is not None), default=None)


def _ended(run: LoadRun) -> float:
    return sum(count for _, count in run.ended)


class _Measure(Struct, frozen=True, kw_only=True):
    """One figure: its units, and how it is read from a run."""

    units: dict[str, float]
    of: Callable[[LoadRun], float | None]


def _measure(units: dict[str, float], of: Callable[[LoadRun], float | None]) -> _Measure:
    return _Measure(units=units, of=of)


_MEASURES = {
    "p50": _measure(_SECONDS, _percentile(lambda run: run.p50_s)),
    "p90": _measure(_SECONDS, _percentile(lambda run: run.p90_s)),
    "p99": _measure(_SECONDS, _percentile(lambda run: run.p99_s)),
    "p99.9": _measure(_SECONDS, _percentile(lambda run: run.p999_s)),
    "max": _measure(_SECONDS, _percentile(lambda run: run.max_s)),
    "connect p50": _measure(_SECONDS, lambda run: run.connect_p50_s),
    "connect p99": _measure(_SECONDS, lambda run: run.connect_p99_s),
    "loss": _measure(_SHARES, _loss),
    "lost": _measure(_COUNTS, lambda run: run.lost),
    "duplicated": _measure(_COUNTS, lambda run: run.duplicated),
    "reordered": _measure(_COUNTS, lambda run: run.reordered),
    "unsent": _measure(_COUNTS, lambda run: run.unsent),
    "foreign": _measure(_COUNTS, lambda run: run.foreign),
    "sent": _measure(_COUNTS, lambda run: run.sent),
    "received": _measure(_COUNTS, lambda run: run.received),
    "opened": _measure(_COUNTS, lambda run: run.opened),
    "refused": _measure(_COUNTS, lambda run: max(0, run.asked - run.opened)),
    "ended": _measure(_COUNTS, _ended),
    "rate": _measure(_RATES, lambda run: run.received / run.duration_s if run.duration_s else None),
    "cpu": _measure(_SHARES, _cpu),
    "memory": _measure(_SIZES, _memory),
    "knee": _measure(_RATES, lambda run: None),
}
"""What can be demanded. rate: messages that were received, per second; cpu: of one processor; knee: the rate that a search found."""


class Demand(Struct, frozen=True, kw_only=True):
    """One demand. limit: in s, B, messages, messages per second, or a share 0..1."""

    text: str
    measure: str
    sign: str
    limit: float

    def holds(self, value: float) -> bool:
        """Tell whether one value meets the demand."""
        return bool(_COMPARE[self.sign](value, self.limit))


def parse_seconds(text: str) -> float:
    """Return a duration such as "50ms", "1.5 s" or "2" (s) in s.

    Raises:
        UsageError: it is none.
    """
    match = _DURATION.match(text)
    unit = match[2] or "s" if match else ""
    if match is None or unit not in _SECONDS:
        raise UsageError(f"{text[:60]!r} is no duration; write 50ms, 1.5s or 2")
    return float(match[1]) * _SECONDS[unit]


def parse_demand(text: str) -> Demand:
    """Return the demand written as ``p99 < 50 ms`` or ``loss <= 0.1 %``.

    Raises:
        UsageError: no such figure or unit, or another form.
    """
    match = _DEMAND.match(text)
    if match is None:
        raise UsageError(f"threshold {text[:80]!r} is not of the form 'p99 < 50 ms'")
    name, sign, number, unit = " ".join(match[1].split()), match[2], match[3], match[4]
    if name not in _MEASURES:
        raise UsageError(f"threshold {text[:80]!r} names no figure; the figures are {', '.join(_MEASURES)}")
    units = _MEASURES[name].units
    if unit not in units:
        shown = ", ".join(one or "none" for one in units if one not in ("μs", "ns"))
        raise UsageError(f"threshold {text[:80]!r} needs a unit of {name}: {shown}")
    return Demand(text=" ".join(text.split()), measure=name, sign=sign, limit=float(number) * units[unit])


def judge_demands(demands: Iterable[Demand], runs: Sequence[LoadRun], knee: Knee | None) -> tuple[Threshold, ...]:
    """Hold every demand against all runs that count; the knee against what was found.

    holds is None where no run counts, or none tells this figure.
    """
    counted = [run for run in runs if not run.void]
    return tuple(_judge(demand, counted, knee) for demand in demands)


def _judge(demand: Demand, runs: Sequence[LoadRun], knee: Knee | None) -> Threshold:
    if demand.measure == "knee":
        values = [knee.rate] if knee else []
    else:
        values = [value for run in runs if (value := _MEASURES[demand.measure].of(run)) is not None]
    if not values:
        return Threshold(text=demand.text, value="not known", holds=None)
    worst = _worst(demand, values)
    return Threshold(text=demand.text, value=_shown(demand.measure, worst), holds=demand.holds(worst))


def _worst(demand: Demand, values: Sequence[float]) -> float:
    if demand.sign in ("<", "<="):
        return max(values)
    if demand.sign in (">", ">="):
        return min(values)
    return max(values, key=lambda value: abs(value - demand.limit))


def _shown(measure: str, value: float) -> str:
    if value == _NEVER:
        return "nothing came back"
    units = _MEASURES[measure].units
    if units is _SECONDS:
        return duration_text(value)
    if units is _SHARES:
        return f"{value * 100:.3g} %"
    if units is _SIZES:
        return size_text(int(value))
    return f"{value:,.6g}{'/s' if units is _RATES else ''}"
