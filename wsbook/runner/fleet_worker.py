"""Investigates one target after the other in a process of its own, so that one that hangs or crashes takes nothing with it.

A job is one line of JSON on standard input, its answer one line on standard output. When standard input closes in the middle of a job
whoever asked is gone, and the process ends itself and everything that it started.
"""

import asyncio
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import DecodeError, Struct
from msgspec.json import decode, encode

from wsbook.case import Case
from wsbook.errors import WsbookError
from wsbook.finding import Verdict
from wsbook.parameters import parameters_of, redactor_of, require_files, target_from
from wsbook.record import Record
from wsbook.redact import Redactor
from wsbook.report import read_story, verdict_sentence, write_report
from wsbook.report.fleet import State
from wsbook.secret import SEALED
from wsbook.steps import STEPS
from wsbook.target import Budget, Target
from wsbook.words import cap

__all__ = ["Answer", "Job", "answer_job", "chosen_steps"]

_ALONGSIDE = "3.4"
"""Mostly waits: begun with the first step of its phase, and settled in its turn."""
_ENVIRON = frozenset(os.environ)


class Job(Struct, frozen=True, kw_only=True):
    """One target to investigate into a record folder. steps: () for all. saving: judge what the record holds, and look at nothing."""

    record: str
    parameters: dict[str, str | bool]
    budget: str = "quick"
    steps: tuple[str, ...] = ()
    notebooks: bool = False
    command: str = ""
    saving: bool = False


class Answer(Struct, frozen=True, kw_only=True):
    """What was found. causes: (slug, confidence) of root causes that are faults, surest first. steps: number → verdict.

    problem: why it could not be completed, "" when it was.
    """

    state: State = State.DONE

    verdict: Verdict = Verdict.UNKNOWN
    causes: tuple[tuple[str, float], ...] = ()
    summary: str = ""
    steps: dict[str, str] = {}
    problem: str = ""


def chosen_steps(steps: Sequence[str], symptom: object) -> tuple[str, ...]:
    """Return the steps to take, in order: all of them for (); what somebody told is heard in every choice."""
    return tuple(step for step in STEPS if not steps or step in steps or (step == "0" and symptom))


def answer_job(job: Job) -> Answer:
    """Investigate one target into its record, and write its report. What a step finds broken in wsbook itself is an observation."""
    folder = Path(job.record)
    try:
        target = target_from(dict(job.parameters))
        require_files(target)
        redactor = redactor_of(target)
        Record.create(folder, target, redactor, budget=job.budget, command=job.command)
        problem = "" if job.saving else (_through_notebooks if job.notebooks else _through_steps)(job, folder, target, redactor)
        if job.notebooks or job.saving:
            Case.resume(folder).judge()
        write_report(folder)
        return _told(folder, chosen_steps(job.steps, target.symptom), problem)
    except WsbookError as error:
        return Answer(state=State.UNUSABLE, problem=cap(Redactor().text(str(error)), 300))
    finally:
        _forget_secrets()


def _forget_secrets() -> None:
    """Drop what was sealed for the target before, so that the same target has the same references in whichever worker."""
    for name in set(os.environ) - _ENVIRON:
        if name.startswith(SEALED):
            del os.environ[name]


def _through_steps(job: Job, folder: Path, target: Target, redactor: Redactor) -> str:
    with Case(target, Budget.named(job.budget), Record(folder, redactor)) as case:
        asyncio.run(_look(case, chosen_steps(job.steps, target.symptom)))
        case.judge()
    return ""


async def _look(case: Case, steps: Sequence[str]) -> None:
    """Take the steps that the record does not hold yet."""
    left = [step for step in steps if not case.done(step)]
    for step in left:
        if step[0] == _ALONGSIDE[0] and _ALONGSIDE in left:
            case.begin(_ALONGSIDE)
            await asyncio.sleep(0)
        await case.run(step)


def _through_notebooks(job: Job, folder: Path, target: Target, redactor: Redactor) -> str:
    from wsbook.runner.execute import run_notebooks

    parameters = {**parameters_of(target), "budget": job.budget}
    steps = chosen_steps(job.steps, target.symptom) if job.steps else ()
    summary = run_notebooks(parameters, record=folder, steps=steps)
    return redactor.text("; ".join(f"{run.name}: {run.problem}" for run in summary.notebooks if run.failed_cells))


def _told(folder: Path, steps: Sequence[str], problem: str) -> Answer:
    story = read_story(folder)
    faults = [root for root in story.roots if root.verdict is Verdict.FAULT]
    verdicts = {step.step: step.verdict for step in story.steps if step.step in steps}
    return Answer(
        state=State.BROKEN if problem else State.DONE,
        verdict=_overall(bool(faults), set(verdicts.values())),
        causes=tuple((root.cause, round(root.confidence, 3)) for root in faults[:10]),
        summary=cap(faults[0].summary if faults else verdict_sentence(story), 300),
        steps={step: verdict.value for step, verdict in verdicts.items()},
        problem=cap(problem, 300),
    )


def _overall(faulty: bool, verdicts: set[Verdict]) -> Verdict:
    """Return the verdict on a target: clear only when some step is clear and none was left undecided."""
    if faulty:
        return Verdict.FAULT
    return Verdict.CLEAR if Verdict.CLEAR in verdicts and Verdict.UNKNOWN not in verdicts else Verdict.UNKNOWN


def _listen(lines: "queue.Queue[bytes]", idle: threading.Event) -> None:
    """Pass jobs on; when no more can come and one is being done, end with everything that it started.

    Reads the descriptor itself: a buffered reader that a thread waits in cannot be torn down when the main thread fails.
    """
    rest = b""
    while piece := os.read(0, 1 << 16):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            lines.put(line)
    if not idle.is_set() and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    lines.put(b"")


def serve(out: BinaryIO, answer: Callable[[Job], Answer] = answer_job) -> None:
    """Answer jobs until standard input closes."""
    lines: queue.Queue[bytes] = queue.Queue()
    idle = threading.Event()
    idle.set()
    threading.Thread(target=_listen, args=(lines, idle), daemon=True).start()
    while line := lines.get():
        idle.clear()
        try:
            said = answer(decode(line, type=Job))
        except DecodeError as error:
            said = Answer(state=State.UNUSABLE, problem=f"not a job: {error}")
        out.write(encode(said) + b"\n")
        out.flush()
        idle.set()


def main() -> None:
    """Serve; what anybody prints goes to standard error, so that answers stay answers."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # 2-3 s of import, python-jsonschema/jsonschema#1428
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(answers)


if __name__ == "__main__":
    main()
