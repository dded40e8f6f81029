"""From a plan to its figures: connect, choose the loop, drive, add up."""

from collections.abc import Callable

from wsbook.facts.load import LoadRun
from wsbook.load_plan import LoadPlan
from wsbook.probes.generator.progress import Progress

__all__ = ["run_plan"]


def run_plan(plan: LoadPlan, *, on_progress: Callable[[Progress], None] | None = None, stop: Callable[[], bool] | None = None) -> LoadRun:
    """Carry out one run in this thread and return its figures.

    on_progress: told about twice a second. stop: asked about fifty times a second; True ends the run with what was counted so far.

    A compiled loop stands in ``compiled.py``: ``suits(plan, lines) -> str`` says why it cannot carry out a plan ("" it can),
    ``prepare(say)`` compiles before the run begins, and ``drive`` is the loop.

    Raises:
        UsageError: the plan cannot be carried out here.
    """
    raise NotImplementedError
