"""Our own attempts beside their lines in logs. Knows observations, and when each log was last written."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from wsbook.facts import AccessFacts, LoggedAttemptFacts, MarkedLineFacts, UpgradeFacts
from wsbook.observation import Observation, Source, observed
from wsbook.rules.own_traces import attempt_marks
from wsbook.signs import PROBE

__all__ = ["logged_attempts", "written_at"]

_AGENTS = ("Mozilla/", f"{PROBE}/", "curl/")
"""Who names itself in a log that prints user agents."""


def written_at(paths: Iterable[str]) -> dict[str, float]:
    """Return when each of these files was last written, in epoch seconds; what is no file is left out."""
    return {path: Path(path).stat().st_mtime for path in paths if Path(path).is_file()}


def logged_attempts(
    tried: Iterable[tuple[Observation, UpgradeFacts]], seen: Iterable[Observation], written: Mapping[str, float]
) -> Iterator[Observation]:
    """Yield each attempt with its line in each log, and unchanged attempts that a log should show and does not.

    A log that shows other attempts at the same hop is that of one instance among several: what is missing there went to another.
    seen: what was read of the logs. written: epoch seconds of each log's last change.
    """
    read = tuple(seen)
    attempts = [(entry, facts, attempt_marks(facts)) for entry, facts in tried if entry.source.probe == "upgrade"]
    for artifact, changed_at in written.items():
        lines = {
            one.facts.mark: (one, one.facts) for one in read if one.source.artifact == artifact and isinstance(one.facts, MarkedLineFacts)
        }
        agents = any(_names_agents(one) for one in read if one.source.artifact == artifact)
        reached = {entry.source.hop for entry, _, marks in attempts if not lines.keys().isdisjoint(marks)}
        for entry, facts, marks in attempts:
            found = next((lines[mark] for mark in marks if mark in lines), None)
            due = agents and entry.source.hop not in reached and not entry.source.changed and facts.status is not None
            if marks and (found or (due and changed_at >= _end(entry))):
                yield _logged(entry, facts, marks[0], artifact, found)


def _end(entry: Observation) -> float:
    return entry.observed_at.timestamp() + entry.duration_s


def _names_agents(seen: Observation) -> bool:
    return isinstance(seen.facts, AccessFacts) and any(agent in seen.facts.text for agent in _AGENTS)


def _logged(
    entry: Observation, facts: UpgradeFacts, mark: str, artifact: str, found: tuple[Observation, MarkedLineFacts] | None
) -> Observation:
    number = found[0].source.line if found else 0
    source = Source(
        step="1.4", probe="logged", hop=entry.source.hop, changed=entry.source.changed, artifact=artifact, line=number, line_end=number
    )
    told = LoggedAttemptFacts(
        mark=mark,
        began=entry.observed_at.timestamp(),
        status=facts.status,
        duration_s=entry.duration_s,
        line=found[1] if found else None,
    )
    return observed(source, told)
