"""Which lines of a log are only the echo of our own experiments: an experiment is meant to be refused, and proves nothing by it."""

from collections.abc import Callable, Sequence

from wsbook.evidence import Evidence

__all__ = ["only_ours"]

_LATE_S = 0.3
"""A program may write its line this much later than the attempt ended."""
_ZONE_S = 900.0
"""Logs that name no zone may be off by whole quarters of an hour."""


def only_ours(evidence: Evidence) -> Callable[[Sequence[float]], bool]:
    """Return the question whether all of these instants (epoch seconds) fall into our variants and none anywhere else.

    No instants: not known to be ours. An instant that an unchanged attempt shares counts as that attempt's.
    """
    tried = [(seen.observed_at.timestamp(), seen.duration_s, bool(seen.source.changed)) for seen, _ in evidence.upgrades]
    changed = [(start, start + duration) for start, duration, variant in tried if variant]
    unchanged = [(start, start + duration) for start, duration, variant in tried if not variant]

    def ours(times: Sequence[float]) -> bool:
        whole = all(time == int(time) for time in times)
        return bool(times) and all(_within(time, changed, whole) and not _within(time, unchanged, whole) for time in times)

    return ours


def _within(time: float, spans: Sequence[tuple[float, float]], whole: bool) -> bool:
    """Tell whether an instant lies in one of the spans, give or take the resolution of its clock and its zone."""
    coarse = 1.0 if whole else 0.02
    return any((time - start + coarse) % _ZONE_S <= end - start + _LATE_S + coarse for start, end in spans)
