"""The proxies' own check of a configuration, on a copy in a private folder. Nothing else is ever executed.

Knows commands, not grammars: whoever gives a text here has replaced what it would run, dial, and read or write elsewhere
(parsers/proxies/rehearsing/). What is forgotten meets confined.py.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from msgspec import Struct

from wsbook.programs import find_program

__all__ = ["TAKEN", "Validity", "adapt_caddy", "confined", "program_version", "run_command", "validate", "validating", "write_files"]

TIMEOUT_S = 5.0
TAKEN = "a port that was free has been taken meanwhile"
"""The complaint that another try answers."""
_OUTPUT_BYTES = 4_000_000
_COMPLAINT = 500
_NAME_CHARS = 200
_FILES = 100
_FILE_BYTES = 1_000_000
_NOWHERE = Path()
_NUMBER = re.compile(r"\d+\.\d+(?:\.\d+)*")
_IMPORT = re.compile(r"^[ \t]*import[ \t]+(?:\"([^\"\n]+)\"|`([^`\n]+)`|([^\s{]+))", re.MULTILINE)
_SNIPPET = re.compile(r"^[ \t]*\(([^)\s]+)\)[ \t]*\{", re.MULTILINE)
_READS_WHILE_ADAPTING = re.compile(r"^\s*(?:trusted_(?:ca|leaf)_cert_file|trust_pool\s+file|pem_file|verifier\s+leaf)\b", re.MULTILINE)


class Validity(Struct, frozen=True, kw_only=True):
    """What a proxy says of a configuration. accepted: None, it could not be asked. complaint: its words, capped, or why not."""

    program: str
    version: str
    accepted: bool | None
    complaint: str = ""


class _Output(Struct, frozen=True, kw_only=True):
    status: int | None
    text: str
    errors: str


def confined(argv: Iterable[str], folder: str, ports: Iterable[int] = ()) -> list[str]:
    """Return the command that starts argv so that it may touch the folder and dial and serve these ports only, and ends with us."""
    listed = ",".join(str(port) for port in ports)
    script = str(Path(__file__).with_name("confined.py"))
    return [sys.executable, "-I", "-S", script, folder, listed, str(os.getpid()), str(int(TIMEOUT_S)), *argv]


def environment(folder: str) -> dict[str, str]:
    """Return all that a confined program gets of an environment: nothing of ours."""
    return {"PATH": "/usr/bin:/bin", "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder, "TMPDIR": folder, "LC_ALL": "C"}


def write_files(folder: str, files: Mapping[str, str]) -> str:
    """Write files, by name below the folder, readable by us only; return the path of the first."""
    paths = [Path(folder, name) for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        if not path.resolve().is_relative_to(Path(folder).resolve()):
            raise ValueError(f"{path} is outside {folder}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        path.chmod(0o600)
    return str(paths[0])


def _check_command(name: str, program: str, folder: str, main: str) -> list[str]:
    return {
        "nginx": [program, "-t", "-p", folder, "-c", main, "-e", "stderr"],
        "haproxy": [program, "-c", "-f", main],
        "caddy": [program, "validate", "--config", main],
    }[name]


def run_command(name: str, folder: str, main: str) -> list[str]:
    """Return the command that serves a configuration as one process in the foreground.

    Raises:
        KeyError: wsbook starts no program of this name.
    """
    program = find_program(name) or name
    return {
        "nginx": [program, "-p", folder, "-c", main, "-e", f"{folder}/error.log"],
        "haproxy": [program, "-db", "-f", main],
        "caddy": [program, "run", "--config", main],
    }[name]


def _run(argv: list[str], folder: str, ports: Iterable[int] = ()) -> _Output:
    """Run a confined program to its end, or to ours; what it writes is capped."""
    with Path(folder, ".out").open("w+b") as out, Path(folder, ".err").open("w+b") as err:
        process = subprocess.Popen(
            confined(argv, folder, ports),
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        status: int | None = None
        try:
            status = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        err.seek(0)
        text, errors = (file.read(_OUTPUT_BYTES).decode("utf-8", "replace") for file in (out, err))
    return _Output(status=status, text=text, errors=errors)


@cache
def program_version(name: str) -> str:
    """Return the version of an installed proxy, "" when it does not tell or is not there."""
    program = find_program(name)
    if program is None:
        return ""
    with tempfile.TemporaryDirectory(prefix="wsbook-") as folder:
        said = _run([program, "version" if name == "caddy" else "-v"], folder)
    found = _NUMBER.search(said.text or said.errors)
    return found[0] if found else ""


def validating(name: str) -> bool:
    """Tell whether the program that checks these configurations is installed."""
    return name in ("nginx", "haproxy", "caddy") and find_program(name) is not None


def validate(name: str, files: Mapping[str, str], ports: Iterable[int] = ()) -> Validity:
    """Ask nginx, haproxy or caddy whether it accepts a configuration.

    files: the main one first; a name is a path below the private folder, which texts may call @folder@. ports: that it listens on.
    """
    program, version = find_program(name), program_version(name)
    if program is None:
        return Validity(program=name, version="", accepted=None, complaint=f"{name} is not installed")
    with tempfile.TemporaryDirectory(prefix="wsbook-") as folder:
        main = write_files(folder, {key: text.replace("@folder@", folder) for key, text in files.items()})
        said = _run(_check_command(name, program, folder, main), folder, ports)
        complaint = _complaint(said, folder)
    if said.status is None:
        return Validity(program=name, version=version, accepted=None, complaint=f"{name} did not answer within {TIMEOUT_S:g} s")
    if said.status != 0 and _TAKEN.search(complaint):
        return Validity(program=name, version=version, accepted=None, complaint=TAKEN)
    return Validity(program=name, version=version, accepted=said.status == 0, complaint="" if said.status == 0 else complaint)


_SERIOUS = re.compile(r"\[(?:emerg|ALERT|alert|crit)\]|^Error:|\"level\":\"error\"|: (?:error|fatal)", re.IGNORECASE)


_TAKEN = re.compile(r"address already in use|cannot bind socket", re.IGNORECASE)


def _complaint(said: _Output, folder: str) -> str:
    lines = [line.strip() for line in (said.errors + "\n" + said.text).replace(f"{folder}/", "").splitlines() if line.strip()]
    return " ".join(([line for line in lines if _SERIOUS.search(line)] or lines)[:2])[:_COMPLAINT]


def adapt_caddy(text: str, folder: str = "") -> str | None:
    """Return a Caddyfile as the JSON that caddy itself makes of it; None: not installed, refused by caddy, or it reads files elsewhere.

    folder: imports are followed inside it only; "" never. Placeholders of the environment are empty, whatever ours holds.
    """
    program = find_program("caddy")
    if program is None or _READS_WHILE_ADAPTING.search(text):
        return None
    files = {"Caddyfile": text}
    root = Path(folder).resolve() if folder else _NOWHERE
    if not _gather(text, root, root, files):
        return None
    with tempfile.TemporaryDirectory(prefix="wsbook-") as private:
        try:
            main = write_files(private, files)
        except (OSError, ValueError):
            return None
        said = _run([program, "adapt", "--config", main, "--adapter", "caddyfile"], private)
    return said.text if said.status == 0 and len(said.text) < _OUTPUT_BYTES else None


def _gather(text: str, base: Path, root: Path, files: dict[str, str]) -> bool:
    """Add the files that a text imports, relative to its own folder, to files; False when it names one outside the root."""
    snippets = set(_SNIPPET.findall("\n".join(files.values())))
    for match in _IMPORT.finditer(text):
        name = next(filter(None, match.groups()))
        if name in snippets or "{args" in name:
            continue
        if root == _NOWHERE or name.startswith(("/", "~", "{")) or ".." in Path(name).parts or "**" in name or len(name) > _NAME_CHARS:
            return False
        for path in sorted(base.glob(name))[:_FILES]:
            if not _take(path, root, files):
                return False
    return True


def _take(path: Path, root: Path, files: dict[str, str]) -> bool:
    key = str(path.relative_to(root))
    if key in files or not path.is_file():
        return True
    if len(files) > _FILES or not path.resolve().is_relative_to(root) or path.stat().st_size > _FILE_BYTES:
        return False
    files[key] = path.read_text(encoding="utf-8", errors="replace")
    return not _READS_WHILE_ADAPTING.search(files[key]) and _gather(files[key], path.parent, root, files)
