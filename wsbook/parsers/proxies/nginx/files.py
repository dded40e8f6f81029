"""The files of one nginx configuration: the text given, the parts of an ``nginx -T`` dump, and includes inside the folder, never others.

Source: nginx.org, ngx_core_module (include); names are relative to the folder of the main file (--conf-path).
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from wsbook.parsers.proxies.artifact import MAX_BYTES, Artifact

__all__ = ["Files"]

_MAX_FILES = 100
_MAX_NAME = 300
_DUMP = re.compile(r"^# configuration file (\S+):\s*$", re.MULTILINE)
_PREFIX = "/etc/nginx/"
_FORWARDED = """proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
"""
_PACKAGED = {
    "proxy_params": _FORWARDED,
    "conf.d/include/proxy.conf": _FORWARDED + "proxy_pass $forward_scheme://$server:$port$request_uri;\n",
}
"""What files do that come with a package, by name: of Debian and Ubuntu, and of Nginx Proxy Manager."""
_HARMLESS = re.compile(
    r"mime\.types|(?:fastcgi|uwsgi|scgi)[\w.-]*|modules-enabled/.*|options-ssl[\w.-]*|letsencrypt[\w.-]*|self-signed[\w.-]*"
    r"|(?:[\w.-]*[-_.])?(?:ssl|tls|gzip|charset|brotli)(?:[-_.][\w.-]*)?|include/(?:block-exploits|assets|letsencrypt[\w.-]*)\.conf"
)
"""Includes that hold neither servers, locations nor headers of proxies; that they are missing says nothing."""


class Files:
    """Gives the texts of one configuration by the names that includes use.

    main, text: of the file to begin with. texts: every file read so far, by the name that its directives carry. missing: includes of
    which nothing could be read and which may matter. changed: texts that take the place of those that are there.
    """

    def __init__(self, artifact: Artifact, changed: Mapping[str, str]) -> None:
        self._changed = changed
        self._parts, first = _split_dump(artifact)
        self.main = first or artifact.name
        self.text = changed.get(self.main, self._parts.get(first, artifact.text))
        self.texts = {self.main: self.text}
        self.missing = 0
        self._prefix = str(PurePosixPath(first).parent) + "/" if first.startswith("/") else _PREFIX
        self._folder = Path(artifact.folder).resolve() if artifact.folder else None
        self._left_bytes, self._left_files = MAX_BYTES, _MAX_FILES

    def included(self, pattern: str) -> list[tuple[str, str]] | None:
        """Return (name, text) of the files that an include names, in order; None when what it names cannot be read."""
        if self._left_files <= 0 or len(pattern) > _MAX_NAME:
            self.missing += 1
            return None
        self._left_files -= 1
        found = self._from_dump(pattern) if self._parts else self._from_folder(pattern)
        if found is None and (packaged := _PACKAGED.get(pattern.removeprefix(_PREFIX))):
            found = [(pattern, packaged)]
        if found is None and not _is_harmless(pattern):
            self.missing += 1
        found = found and [(name, self._changed.get(name, text)) for name, text in found]
        self.texts.update(found or ())
        return [] if found is None and _is_harmless(pattern) else found

    def _from_dump(self, pattern: str) -> list[tuple[str, str]] | None:
        """A dump holds every file that nginx read: a pattern that none of them fits named none."""
        full = pattern if pattern.startswith("/") else self._prefix + pattern
        found = [(name, text) for name, text in sorted(self._parts.items()) if _fits(name, full) or name == pattern]
        return found if found or "*" in pattern or "?" in pattern else None

    def _from_folder(self, pattern: str) -> list[tuple[str, str]] | None:
        if self._folder is None:
            return None
        relative = pattern.removeprefix(str(self._folder) + "/").removeprefix(_PREFIX).lstrip("/")
        parts = PurePosixPath(relative).parts
        if not relative or ".." in parts or "**" in relative:
            return None
        try:
            named = sorted(self._folder.glob(relative))
        except (OSError, ValueError):
            return None
        found = [(str(path), text) for path in named[:_MAX_FILES] if (text := self._read(path)) is not None]
        empty = "*" in parts[-1] and len(parts) > 1 and self._is_inside(self._folder.joinpath(*parts[:-1]))
        return found or ([] if empty and not named else None)

    def _is_inside(self, path: Path) -> bool:
        return self._folder is not None and path.exists() and path.resolve().is_relative_to(self._folder)

    def _read(self, path: Path) -> str | None:
        """Return the text of a file inside the folder; None for hidden files, links that lead out, and what is too much."""
        if path.name.startswith(".") or self._left_bytes <= 0 or self._left_files <= 0:
            return None
        try:
            if not self._is_inside(path) or not path.is_file():
                return None
            with path.open("rb") as file:
                data = file.read(self._left_bytes)
        except OSError:
            return None
        self._left_bytes -= len(data)
        self._left_files -= 1
        return None if b"\0" in data else data.decode("utf-8", "replace")


def _is_harmless(pattern: str) -> bool:
    if "[.]" in pattern:  # written so that the file may be missing
        return True
    path = PurePosixPath(pattern)
    return any(_HARMLESS.fullmatch(name) for name in (path.name, "/".join(path.parts[-2:])))


def _fits(name: str, pattern: str) -> bool:
    """Whether a path fits a pattern as glob(7) has it: an asterisk does not cross a slash."""
    names, patterns = name.split("/"), pattern.split("/")
    return len(names) == len(patterns) and all(fnmatchcase(n, p) for n, p in zip(names, patterns, strict=True))


def _split_dump(artifact: Artifact) -> tuple[dict[str, str], str]:
    """Return the parts of an ``nginx -T`` dump and the name of the main one; ({}, "") for a plain file."""
    marks = list(_DUMP.finditer(artifact.text))
    if not marks:
        return {}, ""
    ends = [m.start() for m in marks[1:]] + [len(artifact.text)]
    return {m[1]: artifact.text[m.end() + 1 : end] for m, end in zip(marks, ends, strict=True)}, marks[0][1]
