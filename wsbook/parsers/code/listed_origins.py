"""Origins that a backend's source and settings name as let in. Read by their form, in any language; it must not know libraries.

A list that a check really uses may come from elsewhere: what is found here is to be tried, and proves nothing.
"""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.code.source_files import read_folder

__all__ = ["ListedOrigin", "find_listed", "listed_origins"]

_SPEAKS = re.compile(r"origin|\bcors\b|allowed.?hosts|trusted.?hosts", re.IGNORECASE)
_HOSTS = re.compile(r"(?:allowed|trusted).?hosts", re.IGNORECASE)
_URL = re.compile(r"\bhttps?://(?:\[[0-9a-fA-F:]+\]|[\w-]+(?:\.[\w-]+)*)(?::\d{1,5})?/?(?![\w.*{$/-])", re.IGNORECASE)
_NAME = re.compile(r"[\"']\.?([a-z0-9-]+(?:\.[a-z0-9-]+)+|localhost)[\"']")
_REACH = 6
"""Lines below the word that a list may go on for."""
_MOST, _LINE = 20, 2_000


class ListedOrigin(Struct, frozen=True, kw_only=True):
    """One origin and where it stands. From a list of hosts it comes with https."""

    origin: str
    file: str
    line: int

    @property
    def where(self) -> str:
        """file:line."""
        return f"{self.file}:{self.line}"


def listed_origins(paths: Iterable[str]) -> tuple[ListedOrigin, ...]:
    """Return the origins that the code, commands and settings below paths name near a word for such a list, each once; () unreadable."""
    try:
        folder = read_folder(paths)
    except UnreadableInputError:
        return ()
    found: dict[str, ListedOrigin] = {}
    for code in (*folder.codes, *folder.commands, *folder.manifests):
        for one in find_listed(code.text, code.artifact, code.line):
            found.setdefault(one.origin, one)
    for file in folder.env:
        text = "\n".join(f"{name}={value}" for name, value in file.variables.items())
        for one in find_listed(text, f"{file.folder}/{file.name}" if file.folder else file.name):
            found.setdefault(one.origin, one)
    return tuple(found.values())[:_MOST]


def find_listed(text: str, file: str, first_line: int = 1) -> Iterator[ListedOrigin]:
    """Yield the origins in lines that speak of origins or hosts, and in those right below."""
    left, hosts = 0, False
    for number, line in enumerate(text.splitlines(), start=first_line):
        shown = line[:_LINE]
        if _SPEAKS.search(shown):
            left, hosts = _REACH, bool(_HOSTS.search(shown))
        elif left:
            left -= 1
        else:
            continue
        for match in _URL.finditer(shown):
            yield ListedOrigin(origin=match[0], file=file, line=number)
        for match in _NAME.finditer(shown) if hosts else ():
            yield ListedOrigin(origin=f"https://{match[1]}", file=file, line=number)
        if left and re.match(r"\s*[\])}]", shown):
            left = 0
