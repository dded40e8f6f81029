"""One door for every artifact: finds out what it is and calls the parser. Must not know what any format looks like."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.observation import Observation, Reason, Source, not_run
from wsbook.parsers.detect import HEAD_BYTES, KINDS, detect_kind
from wsbook.parsers.lines import LineReader, decode, is_folder, read_data, read_head, split_lines
from wsbook.parsers.pasted import split_pasted
from wsbook.parsers.words import SHORT_CHARS, parse_words

if TYPE_CHECKING:
    from wsbook.parsers.logs.access_line import Format

__all__ = ["STEPS", "files_below", "read_artifact", "read_text", "read_words"]

STEPS = {
    "backend_log": "1.4",
    "access_log": "1.4",
    "browser_console": "1.2",
    "har": "1.2",
    "http_dump": "1.2",
    "frontend_source": "",
    "backend_source": "",
}
"""Step that an artifact belongs to; "" leaves it to the parser; configurations belong to 2.2."""
PASTED_CHARS = 64_000
"""A longer text was not put together by hand."""
_PLAIN = frozenset(("", ".txt", ".md", ".markdown"))
"""Suffixes of files that somebody may have pasted together."""
FILES = 2_000
FOLDER_BYTES = 2 * 2**30
SKIPPED = frozenset((".git", "node_modules", "__pycache__", ".venv", "venv", "dist-packages", "site-packages", ".hg", ".svn"))
SOURCES = {"frontend_source": "frontend", "backend_source": "backend"}
LOGS = frozenset(("backend_log", "access_log"))
LINES = LOGS | {"browser_console", "http_dump"}
"""Kinds that are read line by line."""
FORMAT_BYTES = 2**20
CONFIG_BYTES = 16 * 2**20
_NO_VERSIONS: Mapping[str, str] = MappingProxyType({})
LARGE_BYTES, LARGE_HEAD_BYTES = 4 * 2**20, 2**14
"""Only logs and recordings are large, and their first lines tell which of them."""


def _line_parser(kind: str) -> Callable[..., list[Observation]]:
    """Return the parser of a kind in LINES; only what is needed is imported."""
    if kind == "access_log":
        from wsbook.parsers.logs.access_log import parse_access_log

        return parse_access_log
    if kind == "backend_log":
        from wsbook.parsers.logs.backend_log import parse_backend_log

        return parse_backend_log
    if kind == "browser_console":
        from wsbook.parsers.console import parse_console

        return parse_console
    from wsbook.parsers.recordings.http_dump import parse_http_dump

    return parse_http_dump


def _parse_har(data: bytes, artifact: str, step: str) -> list[Observation]:
    from wsbook.parsers.recordings.har import parse_har

    return parse_har(data, artifact=artifact, step=step)


def _check(kind: str) -> None:
    if kind and kind not in KINDS:
        raise UsageError(f"kind {kind!r} is not one of {', '.join(KINDS)}")


class _Served(Struct, frozen=True, kw_only=True):
    """The endpoint that a configuration is read for. path, host: "" unknown; port: 0 unknown. folder: includes stay inside, "" none.

    versions: of programs by their names.
    """

    path: str = ""
    host: str = ""
    port: int = 0
    folder: str = ""
    versions: Mapping[str, str] = _NO_VERSIONS


def _parse_parts(parts: Iterable[tuple[str, str]], artifact: str, step: str, served: _Served | None = None) -> list[Observation]:
    """Return what the parts of a text tell. parts: (kind, text). step: "" takes that of each kind."""
    return [seen for own, part in parts for seen in _parse_text(part, own, artifact, step or STEPS.get(own, "2.2"), served)]


def _parse_text(text: str, kind: str, artifact: str, step: str, served: _Served | None = None) -> list[Observation]:
    if kind == "har":
        looks_json = text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")
        return (
            _parse_har(text.encode(), artifact, step)
            if looks_json and '"log"' in text[:200]
            else _line_parser("http_dump")(split_lines(text), artifact=artifact, step=step)
        )
    if kind in LINES:
        return _line_parser(kind)(split_lines(text), artifact=artifact, step=step)
    if kind in SOURCES:
        from wsbook.parsers.code.sources import parse_source_text

        return parse_source_text(text, artifact=artifact, side=SOURCES[kind], step=step)
    from wsbook.parsers import proxies

    if kind not in proxies.KINDS:
        source = Source(step=step, probe="read", artifact=artifact)
        return [not_run(source, Reason.UNREADABLE, f"{artifact}: wsbook does not read configurations of {kind} yet")]
    served = served or _Served()
    return proxies.parse_config(
        text,
        kind=kind,
        artifact=artifact,
        step=step,
        endpoint_path=served.path,
        endpoint_host=served.host,
        endpoint_port=served.port,
        folder=served.folder,
        version=served.versions.get(proxies.KINDS[kind][0], ""),
    )


def read_text(text: str, kind: str = "", artifact: str = "pasted text", step: str = "") -> list[Observation]:
    """Return what a pasted text holds. kind: "" detects it. step: "" means the one that the kind belongs to.

    Raises:
        UsageError: kind is unknown.
        UnreadableInputError: the text is not what kind says, or no kind fits.
    """
    _check(kind)
    found = kind or detect_kind(artifact if artifact != "pasted text" else "", text.encode("utf-8", "replace"))
    if not found:
        raise UnreadableInputError(f"{artifact}: cannot tell what this is; name its kind with --kind")
    words = parse_words(text, artifact=artifact) if found in STEPS else []
    parts = [(found, text)] if kind or len(text) > PASTED_CHARS else split_pasted(text, found)
    return [*_parse_parts(parts, artifact, step), *words]


def read_artifact(
    path: str,
    *,
    kind: str = "",
    step: str = "",
    endpoint_path: str = "",
    endpoint_host: str = "",
    endpoint_port: int = 0,
    configs: Sequence[str] = (),
    versions: Mapping[str, str] = _NO_VERSIONS,
) -> list[Observation]:
    """Return what a file, or every file of a folder, holds. kind: "" detects it for each file. endpoint_path, endpoint_host: of the
    WebSocket, "" unknown; endpoint_port: 0 unknown. configs: files of proxies, whose log formats are then known. versions: of programs that
    are known to run, by their name in small letters: defaults change between them.

    Includes of a configuration are followed inside its folder, or the folder that is given, and what was included is not read again.

    A folder of source code is read as one. In a folder, files that cannot be read become NOT_RUN observations; links are not followed, and
    at most 2,000 files of together 2 GiB are read.

    Raises:
        UsageError: kind is unknown.
        UnreadableInputError: the file is missing, binary, broken, or of no known kind.
    """
    _check(kind)
    place = Path(path)
    folder = place if is_folder(place) else place.parent
    served = _Served(path=endpoint_path, host=endpoint_host, port=endpoint_port, folder=str(folder), versions=versions)
    if folder != place:
        return _read_file(place, kind, step, served, configs)
    if kind in SOURCES:
        return _read_sources(path, kind, step)
    found: dict[str, list[Observation]] = {}
    files = list(files_below(place))
    together, read = _read_together(files, step)
    for file in files:
        if file in together:
            continue
        try:
            found[str(file)] = _read_file(file, kind, step, served, configs)
        except UnreadableInputError as error:
            found[str(file)] = [not_run(Source(step=step or "1.4", probe="read", artifact=str(file)), Reason.UNREADABLE, str(error))]
    return [*_whole(found), *read]


def _read_together(files: Sequence[Path], step: str) -> tuple[frozenset[Path], list[Observation]]:
    """Return the files that need not be read alone, and what they hold as one: code, beside what starts it and what it needs.

    A configuration that also tells how the code is started is read here too, and stays one. Code whose side nobody can tell goes
    with the rest.
    """
    from wsbook.parsers.code.source_files import belongs_to_code

    kinds = {file: _kind_in_folder(file) for file in files}
    sides = {side: [file for file, kind in kinds.items() if kind == name] for name, side in SOURCES.items()}
    given = [side for side, own in sides.items() if any(belongs_to_code(file) == "code" for file in own)]
    beside = [file for file in files if belongs_to_code(file) == "beside"]
    nameless = [file for file, kind in kinds.items() if not kind and belongs_to_code(file) == "code"]
    if not given and nameless and (beside or any(b"ocket" in read_head(file) or b"ws" in read_head(file) for file in nameless)):
        given = ["backend"]
    if not given:
        return frozenset(), []
    rest = [file for file, kind in kinds.items() if not kind and belongs_to_code(file) == "code"] if len(given) == 1 else []
    from wsbook.parsers.code.sources import parse_sources

    read = list[Observation]()
    own = {side: [file for file in sides[side] if file not in beside] for side in given}
    for side in given:
        paths = [str(file) for file in (*own[side], *rest, *beside)]
        others = [str(file) for other in given if other != side for file in own[other]]
        read += parse_sources(paths, side=side, step=step, beside=others)
    alone = {file for file in beside if kinds[file] not in ("", *SOURCES)}
    return frozenset({*(file for side in given for file in own[side]), *rest, *beside} - alone), read


def _kind_in_folder(file: Path) -> str:
    return detect_kind(str(file), read_head(file, LARGE_HEAD_BYTES)) if file.stat().st_size < CONFIG_BYTES else ""


def _whole(found: dict[str, list[Observation]]) -> list[Observation]:
    """Return the observations of all files but those that another one includes."""
    included = {seen.source.artifact for file, all_seen in found.items() for seen in all_seen if seen.source.artifact != file}
    return [seen for file, all_seen in found.items() if file not in included for seen in all_seen]


def read_words(path: str, *, kind: str = "") -> list[Observation]:
    """Return what the words of a fragment speak for; nothing for a folder, a configuration, a long text, and what is no text."""
    place = Path(path)
    if is_folder(place):
        return []
    head = read_head(place)
    if len(head) > 4 * SHORT_CHARS or (kind or detect_kind(path, head)) not in STEPS:
        return []
    with suppress(UnreadableInputError):  # whoever reads the artifact itself says so
        return parse_words(decode(head), artifact=path)
    return []


def _read_sources(path: str, kind: str, step: str) -> list[Observation]:
    from wsbook.parsers.code.sources import parse_sources

    return parse_sources([path], side=SOURCES[kind], step=step)


def _read_file(path: Path, kind: str, step: str, served: _Served, configs: Sequence[str] = ()) -> list[Observation]:
    artifact = str(path)
    large = path.is_file() and path.stat().st_size > LARGE_BYTES
    head = read_head(path, LARGE_HEAD_BYTES if large else HEAD_BYTES)
    known = _log_formats(head, configs)
    given = kind
    kind = kind or ("access_log" if _fits(head, known) or (large and _tells_requests(head)) else detect_kind(artifact, head))
    if not kind:
        decode(read_head(path), artifact)
        raise UnreadableInputError(f"{artifact}: cannot tell what this is; name its kind with --kind")
    if not given and path.suffix.lower() in _PLAIN and path.is_file() and path.stat().st_size <= PASTED_CHARS:
        parts = list(split_pasted(decode(head, artifact), kind))
        if len(parts) > 1:
            return _parse_parts(parts, artifact, step, served)
    step = step or STEPS.get(kind, "2.2")
    if kind == "har" and read_head(path, 512).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return _parse_har(read_data(path), artifact, step)
    if kind in LINES:
        return _read_lines(path, kind, artifact, step, {"paths": (served.path,), "known": known} if kind in LOGS else {})
    text = decode(read_data(path, limit_bytes=CONFIG_BYTES), artifact)
    return _parse_text(text, kind, artifact, step, served)


def _log_formats(head: bytes, configs: Sequence[str]) -> tuple["Format", ...]:
    """Return the notations that configurations, or a log's own first lines, declare."""
    texts = [head[:FORMAT_BYTES]] if b"log_format" in head or b"LogFormat" in head or b"log-format" in head else []
    for config in configs:
        with suppress(UnreadableInputError):  # step 2.2 reads it and says so
            texts.append(read_head(config, FORMAT_BYTES))
    if not texts:
        return ()
    from wsbook.parsers.logs.log_format import find_formats

    return find_formats(text.decode("utf-8", "replace") for text in texts)


def _fits(head: bytes, known: Sequence["Format"]) -> bool:
    """Tell whether most of the first lines of a file are in one of these notations."""
    if not known:
        return False
    lines = [line for line in head.decode("utf-8", "replace").splitlines()[:-1][:40] if line.strip()]
    return sum(any(form.pattern.search(line[:4096]) for form in known) for line in lines) * 2 > len(lines)


def _tells_requests(head: bytes) -> bool:
    """Tell whether nearly all of the first lines of a file are requests: then nothing else need be considered."""
    from wsbook.parsers.logs.access_line import read_line

    lines = [line for line in head.decode("utf-8", "replace").splitlines()[:-1][:40] if line.strip()]
    return len(lines) > 9 and sum(read_line(line) is not None for line in lines) >= 0.95 * len(lines)


def _read_lines(path: Path, kind: str, artifact: str, step: str, more: dict[str, Any]) -> list[Observation]:
    reader = LineReader(path)
    result = _line_parser(kind)(reader, artifact=artifact, step=step, **more)
    if reader.truncated:
        message = f"{artifact} holds more than {reader.limit_bytes // 2**30} GiB of text; the rest was not read"
        result.append(not_run(Source(step=step, probe="read", artifact=artifact), Reason.TOO_LARGE, message))
    return result


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the regular files below a folder in order, at most 2,000 of together 2 GiB; links and dependency folders are left out."""
    count = size = 0
    for root, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not (Path(root) / name).is_symlink())
        for name in sorted(names):
            file = Path(root) / name
            if file.is_symlink() or not file.is_file():
                continue
            count += 1
            size += file.stat().st_size
            if count > FILES or size > FOLDER_BYTES:
                return
            yield file
