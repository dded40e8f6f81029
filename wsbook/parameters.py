"""A target as the parameters of a notebook, texts all of them, and back. Secrets typed in clear become references on the way."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wsbook.errors import UsageError
from wsbook.redact import Redactor, seal, seal_header, seal_protocols
from wsbook.target import Target, parse_target

__all__ = ["files_of", "header_lines", "parameters_of", "redactor_of", "require_files", "target_from"]


def _split(text: str) -> list[str]:
    return [part.strip() for line in text.splitlines() for part in line.split(";") if part.strip()]


def _plainly(text: str) -> str:
    return seal(text, os.environ)


def _list(text: str) -> list[str]:
    return _split(_plainly(text))


def header_lines(text: str) -> list[str]:
    """Return the header lines in a text; a semicolon separates them only before the name of another: a cookie has its own."""
    lines = [line for part in text.splitlines() for line in re.split(r";\s*(?=[\w-]+\s*:)", part)]
    return [line.strip().removesuffix(";") for line in lines if line.strip()]


def _headers(text: str) -> list[str]:
    return [seal_header(line, os.environ) for line in header_lines(text)]


def _protocols(text: str) -> list[str]:
    return _split(seal_protocols(re.sub(r"[;\n]", ",", text), os.environ).replace(",", ";"))


_SEALED: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("hops", "frontend", "backend", "configs", "logs"), _list),
    "headers": _headers,
    "subprotocols": _protocols,
}
"""Parameter → what makes its value of a text, with the secrets in it moved into the environment; the others are one text."""


def target_from(parameters: dict[str, Any]) -> Target:
    """Return the target described by notebook parameters: texts, lists separated by ';' or line breaks.

    Secrets typed in clear are moved into the process environment and stand in the target as references.

    Raises:
        UsageError: a parameter cannot be used.
    """
    known: dict[str, Any] = {}
    for name, value in parameters.items():
        if name not in Target.__struct_fields__ and name != "trigger":
            raise UsageError(f"unknown parameter {name!r}")
        if name == "owned":
            known[name] = bool(value)
        else:
            known[name] = _SEALED.get(name, _plainly)(str(value))
    return parse_target(known.pop("url", ""), **known)


def parameters_of(target: Target) -> dict[str, Any]:
    """Return the notebook parameters that describe a target: the inverse of target_from."""

    def text(name: str) -> Any:
        value = getattr(target, name)
        if name == "owned":
            return value
        if name == "trigger":
            return value.words if value else ""
        if name == "headers":
            return "\n".join(f"{key}: {content}" for key, content in value)
        if name == "hops":
            return "; ".join(f"{hop.name}={hop.url}" for hop in value)
        return value if isinstance(value, str) else "; ".join(value)

    return {name: text(name) for name in Target.__struct_fields__}


def redactor_of(target: Target) -> Redactor:
    """Return the redactor that knows the secrets that a target refers to."""
    return Redactor.of(str(value) for value in parameters_of(target).values())


def files_of(target: Target) -> tuple[str, ...]:
    """Return the paths of every file and folder that a target names."""
    single = (target.har, target.console, target.ca_file, target.schema)
    return tuple(filter(None, (*single, *target.frontend, *target.backend, *target.configs, *target.logs)))


def require_files(target: Target) -> None:
    """Raise for the first file or folder of the target that is not there.

    Raises:
        UsageError: it does not exist.
    """
    for path in files_of(target):
        if not Path(path).exists():
            raise UsageError(f"{path} does not exist")
