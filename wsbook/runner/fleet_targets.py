"""The targets of a fleet: a CSV file, one row each, its columns the parameters that a notebook has. Dials nothing."""

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.parameters import redactor_of, require_files, target_from
from wsbook.redact import Redactor
from wsbook.target import Target, parse_endpoint

__all__ = ["COLUMNS", "MOST_ROWS", "Entry", "read_targets"]

COLUMNS = Target.__struct_fields__
MOST_ROWS = 100_000
_MOST_BYTES, _MOST_CELL = 64 * 1024 * 1024, 64 * 1024
_WHOLE = ("url", "frontend", "backend", "configs", "logs", "har", "console")
"""A row needs one of these: without any there is nothing to investigate."""
_YES, _NO = ("1", "yes", "true", "x"), ("", "0", "no", "false")


class Entry(Struct, frozen=True, kw_only=True):
    """One row. line: where it begins in the file, from 1. key: names the target, the same in every file that describes it alike.

    url: as it may be shown, without secrets. host: at whom only so many investigations look at a time, "" when nothing is dialled.
    same_as: line of an earlier row with the same target, 0 when there is none.
    """

    line: int
    key: str
    url: str
    host: str
    parameters: dict[str, str | bool]
    same_as: int = 0


def read_targets(path: Path, *, owned: bool = False, elsewhere: bool = False) -> tuple[Entry, ...]:
    """Return the targets of a CSV file, every one of which could be investigated.

    The separator is a comma, semicolon or tab, whichever the first line has most of; lists in a cell are separated by ';' or line breaks.
    owned: all targets are the user's own. elsewhere: files and secrets are looked up on another machine, and so not asked for here.

    Raises:
        UsageError: the file does not exist, has an unknown column, no row, or a row that cannot be used: the text names its line.
        UnreadableInputError: it is no CSV file in UTF-8, or far too large.
    """
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    for line, cells in _rows(path, _text(path)):
        try:
            entry = _entry(line, {**cells, **({"owned": "yes"} if owned else {})}, elsewhere)
        except UsageError as error:
            raise UsageError(f"{path} line {line}: {Redactor().text(str(error))}") from None
        entries.append(replace(entry, same_as=seen.get(entry.key, 0)))
        seen.setdefault(entry.key, line)
        if len(entries) > MOST_ROWS:
            raise UsageError(f"{path} has more than {MOST_ROWS:,} targets; split it")
    if not entries:
        raise UsageError(f"{path} names no target; write a line with the columns' names, such as url, and one line for each target")
    return tuple(entries)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UnreadableInputError(f"{path} is larger than {_MOST_BYTES >> 20} MiB; a list of targets is not")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnreadableInputError(f"{path} is not text in UTF-8: byte {error.start}") from error


def _rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, column → cell) of each row that has any, empty cells left out."""
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns: list[str] = []
    begins = 1
    try:
        for cells in reader:
            line, begins = begins, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = _columns(path, cells)
                continue
            yield line, _named(path, line, columns, cells)
    except csv.Error as error:
        raise UnreadableInputError(f"{path} line {begins} is no CSV: {error}") from None


def _columns(path: Path, cells: list[str]) -> list[str]:
    """Return the columns' names; their spelling may have blanks, capitals and hyphens."""
    names = [cell.strip().lower().replace("-", "_").replace(" ", "_") for cell in cells]
    while names and not names[-1]:
        names.pop()
    for name in names:
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(COLUMNS)}"
            raise UsageError(f"{path} has a column {name[:80]!r} that is no parameter; {hint}")
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(f"{path} has the column {twice!r} twice")
    return names


def _named(path: Path, line: int, columns: list[str], cells: list[str]) -> dict[str, str]:
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise UsageError(f"{path} line {line} has {len(cells)} cells and the file {len(columns)} columns; put a cell with commas in quotes")
    for name, cell in zip(columns, cells, strict=False):
        if len(cell) > _MOST_CELL or "\0" in cell:
            raise UsageError(f"{path} line {line}: {name} is longer than {_MOST_CELL:,} characters or holds a NUL")
    return {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}


def _entry(line: int, cells: Mapping[str, str], elsewhere: bool) -> Entry:
    parameters: dict[str, str | bool] = dict(cells)
    if "owned" in cells:
        word = cells["owned"].lower()
        if word not in _YES + _NO:
            raise UsageError(f"owned is {word[:40]!r}; write yes or no")
        parameters["owned"] = word in _YES
    if not set(parameters) & set(_WHOLE):
        raise UsageError(f"nothing to investigate; give one of {', '.join(_WHOLE)}")
    target = _checked(parameters, elsewhere)
    host = _host(target)
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:10]
    name = re.sub(r"[^a-z0-9.-]+", "-", host.lower()).strip(".-")[:60] or "artifacts"
    return Entry(line=line, key=f"{name}-{digest}", url=Redactor().text(target.url), host=host, parameters=parameters)


def _checked(parameters: Mapping[str, str | bool], elsewhere: bool) -> Target:
    """Return the target; secrets that are typed in clear do not stay in our environment, every worker seals its own."""
    before = set(os.environ)
    try:
        target = target_from(dict(parameters))
        if elsewhere and set(os.environ) - before:
            raise UsageError("a secret that is typed in clear would travel to other machines; export it there, and write ${env:NAME}")
        if target.trigger is not None and target.trigger.kind == "command":
            raise UsageError("a command that a file of targets holds is not started; give it to wsbook run, as --trigger")
        if not elsewhere:
            require_files(target)
            redactor_of(target)
        return target
    finally:
        for name in set(os.environ) - before:
            del os.environ[name]


def _host(target: Target) -> str:
    if target.endpoint:
        return target.endpoint.host
    return parse_endpoint(target.page_url.partition("#")[0]).host if target.page_url else ""
