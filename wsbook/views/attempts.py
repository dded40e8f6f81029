"""Attempts beside one another: their names, how they ended, and what each stage takes more or less than the baseline's. Draws nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from msgspec import Struct

from wsbook.describe import outcome_text
from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation, Stage
from wsbook.views.tables import answered_s, is_attempt
from wsbook.words import cap, duration_text

__all__ = [
    "Reference",
    "attempt_names",
    "attempts_of",
    "baseline_of",
    "difference_words",
    "differences",
    "durations_of",
    "end_s",
    "ending",
    "reference_of",
    "signed",
    "stages_of",
]

_LEAST_S, _LEAST_SHARE, _LEAST_OF_ALL = 0.001, 0.25, 0.03
"""What two attempts differ by from one second to the next on a quiet machine is below this: in s, of the stage, of the attempt."""
_ENOUGH = 4


def stages_of(seen: Observation) -> list[Stage]:
    """Return the stages to draw; a first message that did not come is waiting, not a stage."""
    return [stage for stage in seen.stages if stage.ok or stage.name != "first-message"]


def attempts_of(observations: Iterable[Observation]) -> list[Observation]:
    """Return the handshakes that have stages, in order."""
    return [seen for seen in observations if is_attempt(seen) and stages_of(seen)]


def baseline_of(tried: Sequence[Observation]) -> int:
    """Return the index of the first attempt that changes nothing; 0 when every one changes something."""
    return next((index for index, seen in enumerate(tried) if not seen.source.changed), 0)


def _name(seen: Observation, *, with_hop: bool) -> str:
    again = ", repeated" if seen.source.probe == "repeated" else ""
    words, place = ", ".join(seen.source.changed), f"{seen.source.hop or seen.source.probe}{again}"
    return cap(f"{place}: {words}" if words and with_hop else words or place, 44)


def attempt_names(tried: Sequence[Observation]) -> list[str]:
    """Return what each attempt is called beside the others: what it changes, with its place where there are several."""
    many = len({seen.source.hop for seen in tried}) > 1
    return [_name(seen, with_hop=many) for seen in tried]


def ending(seen: Observation) -> str:
    """Return how an attempt ended and after how long: ``400 refused, 3.1 ms``."""
    if isinstance(seen.facts, UpgradeFacts) and (seen.facts.status is not None or not seen.failure):
        words = outcome_text(seen.facts)
    else:
        words = seen.failure.reason.value if seen.failure else ""
    return f"{words}, {duration_text(answered_s(seen))}"


def end_s(seen: Observation) -> float:
    """Return when the last of an attempt's stages ended, in s since it began."""
    return max(stage.started_s + stage.duration_s for stage in stages_of(seen))


def differences(known: Mapping[str, float], other: Observation) -> dict[str, float]:
    """Return what each stage of an attempt takes more than is known of it, in s, the largest difference first.

    known: stage → duration in s. Stages that only it has are left out: the other did not get so far.
    """
    found = {stage.name: stage.duration_s - known.get(stage.name, 0.0) for stage in stages_of(other)}
    return dict(sorted(found.items(), key=lambda one: -abs(one[1])))


def durations_of(seen: Observation) -> dict[str, float]:
    """Return the duration of each stage of an attempt, in s."""
    return {stage.name: stage.duration_s for stage in stages_of(seen)}


class Reference(Struct, frozen=True, kw_only=True):
    """What attempts are held against: the usual duration of each stage, and how much it varies from one attempt to the next, in s."""

    durations_s: Mapping[str, float]
    noise_s: Mapping[str, float]

    def beyond(self, other: Observation) -> dict[str, float]:
        """Return the differences of an attempt that are more than noise, the largest first."""
        least_s = max(_LEAST_S, _LEAST_OF_ALL * end_s(other))
        return {
            name: delta
            for name, delta in differences(self.durations_s, other).items()
            if abs(delta) >= max(least_s, self.noise_s.get(name, 0.0), _LEAST_SHARE * self._longer_s(name, delta))
        }

    def _longer_s(self, name: str, delta: float) -> float:
        """Return the longer duration of the two that differ by delta."""
        return self.durations_s.get(name, 0.0) + max(0.0, delta)


def reference_of(tried: Sequence[Observation]) -> Reference:
    """Return what attempts are held against, the first of which is the baseline: its durations.

    Where most others differ from it, and there are enough of them to tell, it is the baseline that is unusual (the first attempt wakes
    a server up, fills a cache): the median then stands in its place, and the baseline itself has the difference. What varies anyway, by
    three times the median absolute deviation, is no difference.
    """
    durations = [durations_of(seen) for seen in tried]
    base = durations[0]
    if len(tried) <= _ENOUGH:
        return Reference(durations_s=base, noise_s={})
    usual = {name: median(one[name] for one in durations if name in one) for name in base}
    noise = {name: 3 * median(abs(one[name] - usual[name]) for one in durations if name in one) for name in base}
    first = Reference(durations_s=base, noise_s=noise)
    told = Counter(name for other in tried[1:] for name in first.beyond(other) if name in base)
    odd = {name: usual[name] for name, count in told.items() if count > (len(tried) - 1) / 2}
    return Reference(durations_s=base | odd, noise_s=noise)


def difference_words(reference: Reference, other: Observation, most: int) -> str:
    """Return the largest differences that are more than noise: ``+12.3 ms tls, −2.1 ms tcp``; "" when there is none."""
    return ", ".join([f"{signed(delta)} {name}" for name, delta in reference.beyond(other).items()][:most])


def signed(seconds: float) -> str:
    """Return a difference with its sign."""
    return f"{'+' if seconds >= 0 else '−'}{duration_text(abs(seconds))}"
