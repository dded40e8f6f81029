"""How far a run of the notebooks is, on a terminal or where none is. Runs nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from wsbook.runner import Progress as RunProgress
from wsbook.steps import STEPS

__all__ = ["progress_of"]


def _say(progress: RunProgress) -> str:
    title = f"{progress.step} {STEPS[progress.step].title}" if progress.step in STEPS else ""
    return f"{progress.notebook:<26} {title}".rstrip()


@contextmanager
def progress_of(console: Console) -> Iterator[Callable[[RunProgress], None]]:
    """Yield a function that shows how far the run is: a bar per notebook, or one line a step where the output is no terminal."""
    if not console.is_terminal:
        told: set[str] = set()

        def line(progress: RunProgress) -> None:
            text = _say(progress)
            if progress.step and text not in told:
                told.add(text)
                console.print(text, style="#999999", soft_wrap=True)

        yield line
        return
    with Progress(
        TextColumn("{task.description:<48.48}"), BarColumn(bar_width=24), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def move(progress: RunProgress) -> None:
            if progress.notebook not in tasks:
                tasks[progress.notebook] = bar.add_task(progress.notebook, total=progress.cells)
            bar.update(tasks[progress.notebook], description=_say(progress), completed=progress.cell)

        yield move
