"""Looking until one cause is sure: the step that separates the suspects at the least cost comes next. Judges nothing itself."""

import time
from collections.abc import Callable

from wsbook.case import Case, Judgement
from wsbook.facts import InquiryFacts, Look
from wsbook.observation import Source, observed
from wsbook.rules.inquiry import Choice, next_look, settled
from wsbook.steps import BESIDE

__all__ = ["find_cause", "next_choice"]

_SOURCE = Source(step="0", probe="inquiry")


def next_choice(case: Case, judged: Judgement | None = None) -> Choice | None:
    """Return the step that would separate the suspects at the least cost, None when there is nothing left to look at.

    judged: the case as it stands, where somebody has judged it already.
    """
    return next_look(case.evidence, (judged or case.judge()).findings, case.looked, case.budget.name, case.begun)


async def find_cause(case: Case, on_progress: Callable[[str, float], None] | None = None, *, limit_s: float | None = None) -> InquiryFacts:
    """Look at one step after the other until one cause is sure, and keep the order and its reasons among what was observed.

    Ends as well when nothing is left to look at, or after limit_s, by default the budget's time; a look that has begun is ended.
    What was begun beside and is not needed any more is stopped.
    """
    began, looks, sure = time.monotonic(), list[Look](), ""
    ends_at = began + (case.budget.total_s if limit_s is None else limit_s)
    if not case.done("0"):
        await case.run("0")
    judged = case.judge()
    while not sure:
        choice = next_choice(case, judged)
        if choice is None or time.monotonic() >= ends_at:
            break
        begun = time.monotonic()
        case.begin(*BESIDE.get(choice.step, ()))
        await case.run(choice.step, on_progress)
        ended, judged = time.monotonic(), case.judge()
        sure = _sure(case, judged)
        looks.append(
            Look(
                step=choice.step,
                share=choice.share,
                separates=choice.separates,
                began_s=round(begun - began, 3),
                took_s=round(ended - begun, 3),
                first=next(iter(judged.root_causes), ""),
            )
        )
    await case.abandon()
    facts = InquiryFacts(looks=tuple(looks), sure=sure)
    case.add(observed(_SOURCE, facts, duration_s=time.monotonic() - began))
    return facts


def _sure(case: Case, judged: Judgement) -> str:
    found = settled(case.evidence, judged.findings, case.looked)
    return found.cause if found else ""
