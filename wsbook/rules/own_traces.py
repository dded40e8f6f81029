"""Which lines of a log are only the echo of our own experiments: an experiment is meant to be refused, and proves nothing by it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import floor
from typing import NamedTuple

from wsbook.attempt import LATE_S
from wsbook.evidence import Evidence
from wsbook.facts import AffinityFacts, DialectFacts, FramingFacts, Http2Facts, SizeFacts, TlsScanFacts, UpgradeFacts
from wsbook.observation import Observation, Outcome
from wsbook.signs import find_marks
from wsbook.wire.origins import FOREIGN

__all__ = ["BY_ODD_MESSAGES", "attempt_marks", "names_our_origin", "only_ours", "provoked", "without_ours"]

_ROUNDED_S = 0.02
"""What a log's fraction of a second may have been cut off by."""

_ODD_PROBES = frozenset({"echo", "framing", "size", "compression", "dialect", "affinity"})
"""Probes that send what an application does not expect."""

BY_ODD_MESSAGES = frozenset({"backend.exception-in-handler", "message.format-mismatch"})
"""What a handler's traceback stands for: that of a text that it cannot parse, too, when the text was ours."""

_OTHER_VERSION = "EIO="
"""Names the steps of a dialect's client that ask for one version of several."""

_ZONE_S = 900.0
"""Logs that name no zone may be off by whole quarters of an hour."""


class _Span(NamedTuple):
    """An attempt of ours, from when to when. status: of its answer, None without one."""

    start: float
    end: float
    variant: bool
    status: int | None


def only_ours(evidence: Evidence) -> Callable[..., bool]:
    """Return the question whether lines of a log with these instants (epoch seconds), marks and HTTP status (0 unknown) are nothing but
    traces of our experiments.

    Marks, where every line has one, decide: lines of an unchanged attempt count as a user's, any others are ours, also those of earlier
    runs. Otherwise all of the instants must fall into our variants. No instants: not known to be ours. An instant that an unchanged
    attempt shares counts as that attempt's, unless it was variants alone that were answered with that status.
    """
    own = {mark for seen, facts in evidence.upgrades if not seen.source.changed for mark in attempt_marks(facts)}
    tried = [_span(seen) for seen in evidence.observations if isinstance(seen.facts, UpgradeFacts | TlsScanFacts | Http2Facts)]
    every = [*tried, *(_span(seen)._replace(variant=True) for seen in _odd(evidence))]

    def ours(times: Sequence[float], marks: Sequence[str] = (), status: int = 0) -> bool:
        if marks and tried:
            return own.isdisjoint(marks)
        alike = [one for one in every if one.status == status]
        return bool(times) and (_of_variants(times, every) or (status > 0 and _of_variants(times, alike)))

    return ours


def _span(seen: Observation) -> _Span:
    start, facts = seen.observed_at.timestamp(), seen.facts
    status = facts.status if isinstance(facts, UpgradeFacts) else None
    return _Span(start, start + seen.duration_s, bool(seen.source.changed) or not isinstance(facts, UpgradeFacts), status)


def _of_variants(times: Sequence[float], spans: Iterable[_Span]) -> bool:
    """Whether all of the instants fall into variants, and none into an attempt as users make it."""
    whole, kept = all(time == int(time) for time in times), tuple(spans)
    changed, unchanged = ([(one.start, one.end) for one in kept if one.variant is kind] for kind in (True, False))
    return all(_within(time, changed, whole) and not _within(time, unchanged, whole) for time in times)


def without_ours(evidence: Evidence) -> Callable[[Sequence[float]], tuple[float, ...]]:
    """Return a function that leaves out the instants (epoch seconds) at which an attempt of ours, of any kind, was on its way.

    A repetition of what a browser sent looks like the browser in a log, and comes when we choose; so do the requests of a dialect's client.
    """
    asked = (seen for seen in evidence.observations if isinstance(seen.facts, UpgradeFacts | DialectFacts | AffinityFacts))
    tried = [(seen.observed_at.timestamp(), seen.duration_s) for seen in asked if not seen.source.artifact]
    spans = [(start, start + duration) for start, duration in tried]

    def others(times: Sequence[float]) -> tuple[float, ...]:
        whole = all(time == int(time) for time in times)
        return tuple(time for time in times if not _within(time, spans, whole))

    return others if spans else tuple


def _odd(evidence: Evidence) -> Iterator[Observation]:
    return (seen for seen in evidence.observations if seen.source.probe in _ODD_PROBES and seen.outcome is not Outcome.NOT_RUN)


def provoked(evidence: Evidence) -> frozenset[str]:
    """Return the causes that our own messages may have left in a log: lines without an instant prove nothing about them."""
    refused = any(facts.refused_bytes is not None for _, facts in evidence.of(SizeFacts))
    ended = any(trial.ended for _, facts in evidence.of(FramingFacts) for trial in facts.trials)
    lost = any(facts.pairs_lost for _, facts in evidence.of(DialectFacts))
    lost = lost or any(talk.lost for _, facts in evidence.of(AffinityFacts) for talk in facts.conversations)
    versions = [step for _, facts in evidence.of(DialectFacts) for step in facts.steps if _OTHER_VERSION in step.name and not step.ok]
    left = {
        "frame.message-too-big": refused,
        "cluster.no-sticky-session": lost,
        "endpoint.protocol-library-mismatch": bool(versions),
        **dict.fromkeys(BY_ODD_MESSAGES, ended),
    }
    return frozenset(slug for slug, left_it in left.items() if left_it)


def names_our_origin(text: str) -> bool:
    """Tell whether a line names the Origin of a site that is none, which only our experiments send."""
    return FOREIGN.partition("://")[2] in text


def attempt_marks(facts: UpgradeFacts) -> tuple[str, ...]:
    """Return the marks that an attempt carried (wsbook/signs.py), () when it is none of ours."""
    return find_marks(f"{facts.request_header('user-agent') or ''} {facts.url}")


def _within(time: float, spans: Sequence[tuple[float, float]], whole: bool) -> bool:
    """Tell whether an instant lies in one of the spans, as the clock of the log shows them, give or take its zone."""
    if whole:
        return any((time - floor(start)) % _ZONE_S <= floor(end + LATE_S) - floor(start) for start, end in spans)
    return any((time - start + _ROUNDED_S) % _ZONE_S <= end + LATE_S - start + _ROUNDED_S for start, end in spans)
