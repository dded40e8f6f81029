"""What is made in the README: the reference of the commands, from the commands themselves, and the accuracy, from data/accuracy.json.

python -m wsbook.cli.reference README.md            write both, each between its two markers
python -m wsbook.cli.reference README.md --check    exit 1 when one differs
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from wsbook.cli import app
from wsbook.cli.accuracy_page import accuracy_page

__all__ = ["reference", "replaced"]

BEGIN, END = "<!-- commands: made by python -m wsbook.cli.reference README.md -->", "<!-- end of commands -->"
ACCURACY_BEGIN, ACCURACY_END = "<!-- accuracy: made by python -m wsbook.cli.reference README.md -->", "<!-- end of accuracy -->"
_VALUES = {int: "N", float: "N", str: "TEXT"}
"""Type of an option's default → what stands for its value where the option names nothing; those without a default take a path."""


def _cell(text: str) -> str:
    """Return a text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _value(parameter: Any) -> str:
    """Return what stands for the parameter's value, "" for a switch."""
    if getattr(parameter, "is_flag", False):
        return ""
    return str(parameter.metavar or _VALUES.get(type(parameter.default), "PATH"))


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name.upper()).strip("[]") + ("…" if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    names = " / ".join((*parameter.opts, *parameter.secondary_opts))
    return f"`{_cell(f'{names} {_value(parameter)}'.rstrip())}`"


def _told(parameter: Any) -> str:
    """Return the help of a parameter, with the default where it has one that says something."""
    shown = parameter.default not in (None, "", 0, 0.0, False) and not getattr(parameter, "is_flag", False)
    return _cell(f"{parameter.help}{f' Default {parameter.default}.' if shown else ''}")


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    about = inspect.cleandoc(command.help).split("\n\n")
    usage = " ".join(filter(None, ("wsbook", name, *map(_argument, arguments), "[OPTIONS]" if options else "")))
    yield f"<details><summary><code>{usage.replace('<', '&lt;')}</code> {_cell(about[0])}</summary>\n"
    yield from (f"{' '.join(paragraph.split())}\n" for paragraph in about[1:])
    yield "| | |\n|---|---|"
    yield from (f"| `{_cell(_argument(parameter))}` | {_told(parameter)} |" for parameter in arguments)
    yield from (f"| {_option(parameter)} | {_told(parameter)} |" for parameter in options)
    yield "\n</details>\n"


def reference() -> str:
    """Return the reference as Markdown: one folded part a command, in groups as in wsbook --help."""
    group: Any = typer.main.get_command(app)
    lines: list[str] = []
    panel = ""
    for name, command in group.commands.items():
        if command.rich_help_panel != panel:
            panel = command.rich_help_panel
            lines.append(f"**{panel}**\n")
        lines += _command(name, command)
    return "\n".join(lines).strip()


def replaced(text: str) -> str:
    """Return a text with what is made between each pair of markers.

    Raises:
        ValueError: a marker is missing.
    """
    for (begin, end), make in _MADE.items():
        before, _, rest = text.partition(begin)
        _, marker, after = rest.partition(end)
        if not marker:
            raise ValueError(f"the text lacks the lines {begin} and {end}")
        text = f"{before}{begin}\n\n{make()}\n\n{end}{after}"
    return text


_MADE = {(BEGIN, END): reference, (ACCURACY_BEGIN, ACCURACY_END): accuracy_page}


def main(arguments: list[str]) -> int:
    """Write or check what is made in a file; return the exit code."""
    path = Path(arguments[0])
    text = path.read_text(encoding="utf-8")
    if "--check" not in arguments:
        path.write_text(replaced(text), encoding="utf-8")
        return 0
    if text == replaced(text):
        return 0
    print(f"what is made in {path} differs from its sources; run python -m wsbook.cli.reference {path}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
