"""An investigation's folder: target.toml beside the notebooks, and artifacts/ with what was given as files.

target.toml has the [target] table of a record's, secrets as references only. Paths below the folder are written relative to it,
so that it can be moved and shared. Knows nothing of notebooks or widgets.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomli_w
from msgspec import Struct, ValidationError, convert, to_builtins
from msgspec.structs import replace

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.redact import Redactor
from wsbook.target import Budget, Target
from wsbook.whole import write_atomically

__all__ = ["ARTIFACTS", "Investigation", "is_investigation", "read_investigation", "write_investigation"]

ARTIFACTS = "artifacts"
_FILE = "target.toml"
_SCHEMA = "wsbook.investigation/1"
_PATHS = ("ca_file", "frontend", "backend", "configs", "logs", "har", "console", "schema")


class Investigation(Struct, frozen=True, kw_only=True):
    """What target.toml says. target: paths absolute, url "" when nothing was given yet."""

    target: Target
    budget: str = "quick"


def _content(folder: Path) -> dict[str, Any]:
    """Return what target.toml holds; {} when there is none, or when it is that of a record."""
    file = folder / _FILE
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnreadableInputError(f"{file} cannot be read: {error}") from error
    return content if content.get("schema") == _SCHEMA else {}


def is_investigation(folder: Path) -> bool:
    """Tell whether a folder is one of an investigation, and no record.

    Raises:
        UnreadableInputError: its target.toml is broken.
    """
    return bool(_content(folder))


def _with_paths(target: Target, change: Callable[[str], str]) -> Target:
    """Return the target with every path changed."""
    changed: dict[str, Any] = {}
    for name in _PATHS:
        value = getattr(target, name)
        changed[name] = (value and change(value)) if isinstance(value, str) else tuple(change(path) for path in value)
    return replace(target, **changed)


def read_investigation(folder: Path) -> Investigation | None:
    """Return what is investigated in a folder; None when it is not one of an investigation.

    Raises:
        UnreadableInputError: target.toml is broken or describes no target. UsageError: it names a budget that is none.
    """
    content = _content(folder)
    if not content:
        return None
    try:
        target = convert({"url": "", **content.get("target", {})}, Target)
    except (ValidationError, TypeError) as error:
        raise UnreadableInputError(f"{folder / _FILE} does not describe a target: {error}") from error
    budget = Budget.named(str(content.get("budget", "quick"))).name
    return Investigation(target=_with_paths(target, lambda path: str(folder.absolute() / path)), budget=budget)


def _told(target: Target) -> dict[str, Any]:
    """Return what is given of a target, as TOML says it."""
    values: dict[str, Any] = to_builtins(target)
    return {name: value for name, value in values.items() if value or name == "url"}


def write_investigation(folder: Path, target: Target, *, budget: str = "quick", redactor: Redactor | None = None) -> Path:
    """Write target.toml of a folder, and return its path; what looks like a secret and is no reference is hidden.

    redactor: knows the values of the secrets in use.

    Raises:
        UsageError: it cannot be written, or target.toml there is that of a record.
    """
    file = folder / _FILE
    if file.exists() and not is_investigation(folder):
        raise UsageError(f"{file} belongs to a record; choose another folder")
    root = folder.absolute()

    def relative(path: str) -> str:
        whole = Path(path).absolute()
        return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(whole)

    hidden = (redactor or Redactor()).value(_with_paths(target, relative))
    content = {"schema": _SCHEMA, "budget": Budget.named(budget).name, "target": _told(hidden)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, tomli_w.dumps(content).encode())
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    return file
