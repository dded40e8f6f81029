"""What a record tells, read once for page and ticket alike. Judges only when the record holds no judgement yet."""

from pathlib import Path
from typing import Any

from msgspec import Struct, ValidationError, convert

from wsbook.chain import Link, chain
from wsbook.errors import UnreadableInputError
from wsbook.evidence import Evidence
from wsbook.finding import NOT_RUN, PROVEN, Finding, StepVerdict, Verdict
from wsbook.observation import Observation
from wsbook.record import Record
from wsbook.report.notebooks import Output, outputs_by_step, read_notebook
from wsbook.target import Target
from wsbook.words import quantity

__all__ = ["Story", "read_story", "verdict_sentence"]


class Story(Struct, frozen=True, kw_only=True):
    """Everything that a report tells, read once: for the page and for the ticket alike."""

    target: Target
    findings: tuple[Finding, ...]
    steps: tuple[StepVerdict, ...]
    observations: tuple[Observation, ...]
    links: tuple[Link, ...]
    environment: dict[str, Any]
    run: dict[str, Any]
    notebooks: dict[str, dict[str, Any]]
    outputs: dict[str, list[Output]]

    @property
    def roots(self) -> tuple[Finding, ...]:
        """The root causes, surest first."""
        return tuple(finding for finding in self.findings if finding.root)


def _judged(record: Record, target: Target, observations: list[Observation]) -> tuple[tuple[Finding, ...], tuple[StepVerdict, ...]]:
    stored = record.read_json("findings.json")
    if stored is None or _is_behind(stored, record):
        from wsbook.rules import judge

        return judge(Evidence(target, observations))
    try:
        findings = convert(stored["findings"], tuple[Finding, ...])
        steps = tuple(convert({"step": step, "title": "", **said}, StepVerdict) for step, said in stored["steps"].items())
    except (KeyError, AttributeError, TypeError, ValidationError) as error:
        raise UnreadableInputError(f"{record.folder / 'findings.json'} is not of the schema wsbook.findings/1: {error}") from error
    return findings, steps


def _is_behind(stored: Any, record: Record) -> bool:
    """Whether a killed run has finished steps that its stored judgement knows nothing of."""
    said = stored.get("steps") if isinstance(stored, dict) else None
    return isinstance(said, dict) and any(
        isinstance(said.get(step), dict) and said[step].get("summary") == NOT_RUN for step in record.done()
    )


def read_story(folder: Path) -> Story:
    """Return what a record tells.

    Raises:
        UsageError: the folder is no record. UnreadableInputError: a file of it is broken.
    """
    record = Record(folder)
    target, observations = record.target(), record.observations()
    findings, steps = _judged(record, target, observations)
    notebooks = {path.stem: content for path in sorted(folder.glob("[0-9]*.ipynb")) if (content := read_notebook(path)) is not None}
    return Story(
        target=target,
        findings=findings,
        steps=steps,
        observations=tuple(observations),
        links=chain(target, observations),
        environment=record.read_json("environment.json") or {},
        run=record.read_json("run.json") or {},
        notebooks=notebooks,
        outputs=outputs_by_step(list(notebooks.values())),
    )


def verdict_sentence(story: Story) -> str:
    """Return what the investigation says as a whole, in one sentence."""
    from wsbook.causes import causes

    faults = [root for root in story.roots if root.verdict is Verdict.FAULT]
    if faults:
        first = causes()[faults[0].cause].title if faults[0].cause in causes() else faults[0].cause
        proven = sum(root.confidence >= PROVEN for root in faults[1:])
        others = [quantity(proven, "more root cause")] if proven else []
        others += [quantity(len(faults) - 1 - proven, "candidate")] if len(faults) - 1 - proven else []
        return f"{first} ({faults[0].confidence:.0%} sure)" + "".join(f", and {words}" for words in others)
    counts = {verdict: sum(step.verdict is verdict for step in story.steps) for verdict in Verdict}
    open_ones = counts[Verdict.UNKNOWN] + counts[Verdict.SKIPPED]
    return f"no fault was found: {counts[Verdict.CLEAR]} steps are clear, {open_ones} could not be decided"
