"""Where commands print for a person: standard output, or standard error beside machine-readable output."""

from rich.console import Console

__all__ = ["make_console"]


def make_console(machine: bool = False) -> Console:
    """Return the console, wide where it is no terminal. machine: whether standard output belongs to a program."""
    console = Console(stderr=machine, highlight=False)
    if not console.is_terminal:
        console.width = 140
    return console
