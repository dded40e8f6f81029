"""What wsbook run takes from the target.toml of an investigation's folder. Judges and dials nothing."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from wsbook.errors import UsageError
from wsbook.folder import read_investigation
from wsbook.parameters import parameters_of
from wsbook.words import cap

__all__ = ["completed"]

_FILE = "target.toml"


def _names_something(parameters: dict[str, Any]) -> bool:
    return bool(set(parameters) - {"symptom", "owned"})


def completed(parameters: dict[str, Any], budget: str, target: Path | None, console: Console, *, lab: bool) -> tuple[dict[str, Any], str]:
    """Return parameters and budget with what target.toml says beneath them: what was typed wins.

    budget: "" when none was typed. target: the file or its folder; None means that of the current folder, when nothing to look at was
    typed. lab: a fault of the lab was asked for, so that no folder is looked at.

    Raises:
        UsageError: target is no investigation's; or the folder's was not asked for by name, and runs a command, as one that somebody
            else made may do. UnreadableInputError: it is broken.
    """
    if target is None and (lab or _names_something(parameters)):
        return parameters, budget or "quick"
    place = target or Path()
    folder = place.parent if place.name == _FILE else place
    found = read_investigation(folder)
    if found is None:
        if target is not None:
            raise UsageError(f"{target} is no {_FILE} of an investigation; wsbook new DIR makes one, wsbook replay runs a record again")
        return parameters, budget or "quick"
    trigger = found.target.trigger
    if target is None and trigger is not None and trigger.kind == "command" and "trigger" not in parameters:
        words = f"the {_FILE} of this folder runs a command on this machine: {cap(trigger.body, 300)}"
        raise UsageError(f"{words}; add --target {_FILE} if that is what you want")
    told = {name: value for name, value in parameters_of(found.target).items() if value}
    words = "the target is that of" if _names_something(told) else "the lab is investigated, since no target is named yet in"
    console.print(Text(f"{words} {(folder / _FILE).absolute()}", style="#999999"), soft_wrap=True)
    return told | parameters, budget or found.budget
