"""Questions that rules ask of the observations of one investigation. Pure; order is that of the record."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TypeVar

from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation
from wsbook.target import Target

__all__ = ["Evidence"]

F = TypeVar("F")


class Evidence:
    """The target and everything observed about it; later observations of the same question replace earlier ones for the reader
    only where a rule says so."""

    def __init__(self, target: Target, observations: Iterable[Observation]) -> None:
        self.target = target
        self.observations = tuple(observations)

    def of(self, kind: type[F], *, step: str = "", where: Callable[[Observation], bool] | None = None) -> Iterator[tuple[Observation, F]]:
        """Yield (observation, facts) of one type of facts, of one step if given, that satisfy where."""
        for seen in self.observations:
            if isinstance(seen.facts, kind) and (not step or seen.source.step == step) and (where is None or where(seen)):
                yield seen, seen.facts

    def first(self, kind: type[F], **conditions: str) -> tuple[Observation, F] | None:
        """Return the first of its kind, None when there is none."""
        return next(self.of(kind, step=conditions.get("step", "")), None)

    @cached_property
    def upgrades(self) -> tuple[tuple[Observation, UpgradeFacts], ...]:
        """Every opening handshake seen by anybody, answered or not."""
        return tuple(self.of(UpgradeFacts))

    def attempts(self, hop: str = "endpoint", *, changed: str | None = None, step: str = "") -> list[tuple[Observation, UpgradeFacts]]:
        """Return our own attempts at a hop. changed: None means baselines only, else those with this change."""
        return [
            (seen, facts)
            for seen, facts in self.upgrades
            if seen.source.hop == hop
            and seen.source.probe == "upgrade"
            and (not step or seen.source.step == step)
            and (not seen.source.changed if changed is None else changed in seen.source.changed)
        ]
