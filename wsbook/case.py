"""What a notebook holds: target, record and budget; looks, reads and judges. Displays nothing."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from wsbook.errors import UsageError
from wsbook.evidence import Evidence
from wsbook.finding import Finding, StepVerdict, Verdict
from wsbook.found_hops import with_found_hops
from wsbook.observation import Failure, Observation, Outcome, Reason, Source
from wsbook.parameters import redactor_of, require_files, target_from
from wsbook.record import Record
from wsbook.rules import judge
from wsbook.rules.verdicts import judge_triage
from wsbook.steps import STEPS, Step
from wsbook.target import Budget, Target

if TYPE_CHECKING:
    from wsbook.lab import Lab

__all__ = ["Case", "Judgement", "StepResult"]

SCHEMA = "wsbook.findings/1"

_END_S = 3.0
"""A step that is stopped closes its connections meanwhile."""


class StepResult(Struct, frozen=True, kw_only=True):
    """One step: what it saw, what was found of it, and its verdict."""

    step: str
    title: str
    observations: tuple[Observation, ...]
    findings: tuple[Finding, ...]
    verdict: StepVerdict
    duration_s: float = 0.0


class Judgement(Struct, frozen=True, kw_only=True):
    """The whole investigation judged: findings ranked, root causes first, and the verdict of every step."""

    target: Target
    findings: tuple[Finding, ...]
    steps: tuple[StepVerdict, ...]

    @property
    def root_causes(self) -> tuple[str, ...]:
        """Slugs of the root causes, surest first."""
        return tuple(finding.cause for finding in self.findings if finding.root)

    @property
    def faulty(self) -> bool:
        """Whether any fault was found."""
        return any(finding.verdict is Verdict.FAULT for finding in self.findings)

    def document(self) -> dict[str, Any]:
        """Return the content of findings.json (data/findings.schema.json)."""
        return {
            "schema": SCHEMA,
            "target": to_builtins(self.target),
            "root_causes": list(self.root_causes),
            "steps": {step.step: {"title": step.title, "verdict": step.verdict.value, "summary": step.summary} for step in self.steps},
            "findings": to_builtins(self.findings),
        }


class Case:
    """One investigation: a target, everything observed about it, and the judgement on it.

    record None keeps observations in memory only. foreign: the target was read from a record, which somebody else may have written.
    """

    foreign = False

    def __init__(self, target: Target, budget: Budget, record: Record | None = None, lab: "Lab | None" = None) -> None:
        self.target = target
        self.budget = budget
        self.record = record
        self._lab = lab
        self._seen: list[Observation] = record.observations() if record else []
        self._durations: dict[str, float] = record.done() if record else {}
        self._redactor = record.redactor if record else redactor_of(target)
        self._looks: dict[str, _Look] = {}

    @classmethod
    def open(cls, *, record: str = "", budget: str = "quick", fault: str = "", command: str = "", **parameters: Any) -> "Case":
        """Open the case of a target; without an endpoint and artifacts the bundled lab is started and is the target.

        record: folder to keep everything in; "" keeps it in memory. A folder that already holds this target is continued.
        fault: slug of a fault that the lab shall have.

        Raises:
            UsageError: a parameter cannot be used.
        """
        limits = Budget.named(budget)
        given = {name: value for name, value in parameters.items() if value}
        folder = Path(record) if record else None
        lab = None
        if not set(given) - {"symptom", "owned"}:
            if folder is not None and (folder / "target.toml").exists() and not fault:
                return cls.resume(folder)
            from wsbook.lab import start_lab

            lab = start_lab(fault)
            target = replace(lab.target(), symptom=str(given.get("symptom", "")))
        elif fault:
            raise UsageError("fault belongs to the lab; leave the endpoint out")
        else:
            target = target_from(given)
            require_files(target)
            target = with_found_hops(target)
        redactor = redactor_of(target)
        return cls(target, limits, Record.create(folder, target, redactor, budget=budget, command=command) if folder else None, lab)

    @classmethod
    def resume(cls, folder: Path) -> "Case":
        """Open the case of an existing record, with what it has seen. A command that stands in it as trigger is not started.

        Raises:
            UsageError: the folder is no record, or a secret that it refers to is not set.
        """
        record = Record(folder)
        target = record.target()
        record.redactor = redactor_of(target)
        case = cls(target, Budget.named(record.budget()), record)
        case.foreign = True
        return case

    @property
    def evidence(self) -> Evidence:
        """Everything observed so far."""
        return Evidence(self.target, self._seen)

    def varied(self, target: Target, budget: Budget, *, keep: bool = True) -> "Case":
        """Return the case of another target, on the same lab and in memory only: nothing is recorded because somebody tries something.

        keep: with everything that was seen of this one. The two are one lab's: only one of them is to be closed.

        Raises:
            SecretMissingError: a secret that the target refers to is not set.
        """
        case = Case(target, budget, lab=self._lab)
        case.foreign = self.foreign and target.trigger == self.target.trigger
        if keep:
            case._seen, case._durations = list(self._seen), dict(self._durations)
        return case

    def add(self, *observations: Observation) -> None:
        """Keep observations, redacted, with ids; in the record too."""
        for seen in observations:
            numbered = replace(seen, id=f"{seen.source.step}-{1 + sum(o.source.step == seen.source.step for o in self._seen)}")
            self._seen.append(self.record.add(numbered) if self.record else self._redactor.value(numbered))

    def progress(self, text: str, fraction: float) -> None:
        """Outside of a step nobody is told."""

    def begin(self, *steps: str) -> None:
        """Start steps that mostly wait, beside those that run before them; run() then waits for what is left of them.

        A step that was looked at before is left alone. Needs a running event loop.
        """
        for step in steps:
            if step not in self._durations and step not in self._looks:
                self._looks[step] = _Look(self, _known(step))

    async def settled(self, step: str) -> None:
        """Wait until a step that was begun has been looked at; a step that was not begun is not waited for."""
        if step in self._looks:
            await asyncio.wait([self._looks[step].task])

    async def run(self, step: str, on_progress: Callable[[str, float], None] | None = None) -> StepResult:
        """Look at what a step looks at, and judge it. What it saw before is replaced. A bug of ours is an observation too.

        Cancelled, it leaves what the step saw before.

        Raises:
            UsageError: no such step.
        """
        before, duration_s = [seen for seen in self._seen if seen.source.step == step], self._durations.get(step)
        look = self._looks.get(step) or _Look(self, _known(step))
        look.on_progress = on_progress
        try:
            await look.task
        except asyncio.CancelledError:
            await look.end()
            if duration_s is not None:
                self._restore(step, before, duration_s)
            raise
        finally:
            look.task.cancel()
            self._looks.pop(step, None)
        return self.result(step)

    def _restore(self, step: str, seen: list[Observation], duration_s: float) -> None:
        """Put back what a step had seen."""
        self.forget(step)
        self._seen += [self.record.add(one) for one in seen] if self.record else seen
        self.finish(step, duration_s)

    async def abandon(self) -> None:
        """Stop the steps that were begun beside others and are not needed any more; they count as not looked at."""
        for step, look in list(self._looks.items()):
            await look.end()
            self._looks.pop(step, None)
            self.forget(step)

    @property
    def begun(self) -> dict[str, float]:
        """The steps that are being looked at → for how many seconds already."""
        return {step: time.monotonic() - look.started for step, look in self._looks.items()}

    @property
    def looked(self) -> tuple[str, ...]:
        """The steps that have been run, now or in the record."""
        return tuple(self._durations)

    def forget(self, step: str) -> None:
        """Note that a step is looked at from here on: what it saw before no longer counts."""
        self._seen = [seen for seen in self._seen if seen.source.step != step]
        if self.record:
            self.record.begin(step)

    def finish(self, step: str, duration_s: float) -> None:
        """Note that a step has been looked at."""
        self._durations[step] = duration_s
        self._looks.pop(step, None)
        if self.record:
            self.record.finish(step, duration_s)

    def done(self, step: str) -> bool:
        """Whether a step has been run, now or in the record."""
        return step in self._durations

    def result(self, step: str) -> StepResult:
        """Return a step as judged from everything observed so far, without looking again."""
        judgement = self.judge()
        triage = judge_triage(self.evidence, judgement.findings)
        return StepResult(
            step=step,
            title=STEPS[step].title,
            observations=tuple(seen for seen in self._seen if seen.source.step == step),
            findings=tuple(finding for finding in judgement.findings if finding.step == step),
            verdict=next((verdict for verdict in judgement.steps if verdict.step == step), triage),
            duration_s=self._durations.get(step, 0.0),
        )

    def judge(self) -> Judgement:
        """Judge everything observed so far; in a record findings.json is written too."""
        findings, steps = judge(self.evidence)
        judgement = Judgement(target=self._redactor.value(self.target), findings=findings, steps=steps)
        if self.record:
            self.record.write_json("findings.json", judgement.document())
        return judgement

    def close(self) -> None:
        """Stop the lab if this case started it, and what still looks."""
        for look in self._looks.values():
            look.task.cancel()
        if self._lab is not None:
            self._lab.stop()

    def __enter__(self) -> "Case":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Look:
    """One step being looked at: what it needs of the case, with progress of its own."""

    def __init__(self, case: Case, step: Step) -> None:
        self._case, self._step = case, step
        self.target, self.budget = _distrusted(case.target) if case.foreign else case.target, case.budget
        self.on_progress: Callable[[str, float], None] | None = None
        self._ended = False
        self.started = time.monotonic()
        self.task = asyncio.ensure_future(self._look())

    @property
    def evidence(self) -> Evidence:
        return self._case.evidence

    def add(self, *observations: Observation) -> None:
        if not self._ended:
            self._case.add(*observations)

    async def end(self) -> None:
        """Stop looking; what is seen from here on does not count."""
        self.task.cancel()
        await asyncio.wait([self.task], timeout=_END_S)
        self._ended = True

    def progress(self, text: str, fraction: float) -> None:
        if self.on_progress and not self._ended:
            self.on_progress(f"{self._step.number} {text}", fraction)

    async def settled(self, step: str) -> None:
        await self._case.settled(step)

    async def _look(self) -> None:
        self._case.forget(self._step.number)
        try:
            await self._step.look(self)
        except Exception as error:
            self.add(_bug(self._step.number, error))
        self._case.finish(self._step.number, time.monotonic() - self.started)


def _known(step: str) -> Step:
    if step not in STEPS:
        raise UsageError(f"there is no step {step!r}; the steps are {', '.join(STEPS)}")
    return STEPS[step]


def _distrusted(target: Target) -> Target:
    return replace(target, trigger=replace(target.trigger, foreign=True)) if target.trigger is not None else target


def _bug(step: str, error: Exception) -> Observation:
    """Return the observation that wsbook itself failed, with the place in its own code."""
    import traceback
    from datetime import UTC, datetime

    place = traceback.extract_tb(error.__traceback__)[-1]
    message = f"{type(error).__name__}: {str(error)[:300]} ({Path(place.filename).name}:{place.lineno})"
    reason = Reason.UNREADABLE if type(error).__name__ == "UnreadableInputError" else Reason.OUR_BUG
    return Observation(
        source=Source(step=step, probe="step"),
        observed_at=datetime.now(UTC),
        outcome=Outcome.FAILED,
        failure=Failure(stage="", reason=reason, message=message),
    )
