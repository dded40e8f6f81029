"""Edits of one file's lines that keep its indentation and line ends, as Changes. Knows no product."""

import re
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache

from msgspec import Struct

from wsbook.facts import Change, Fix
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.fixing import make_fix

__all__ = ["Edits", "edits_of", "joined"]

_MAX_FIXES = 60


class Edits(Struct, frozen=True, kw_only=True, dict=True):
    """One file that can be changed: its name and its text as it is. No more than 60 fixes are made for one."""

    file: str
    text: str

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    @cached_property
    def _end(self) -> str:
        return "\r" if "\r\n" in self.text else ""

    @cached_property
    def _made(self) -> dict[tuple[str, tuple[Change, ...]], Fix]:
        return {}

    def line(self, number: int) -> str:
        """Return a line without its end; "" beyond the file."""
        return self._lines[number - 1].rstrip("\r") if 0 < number <= len(self._lines) else ""

    def indent(self, number: int) -> str:
        """Return the blanks before a line's first word."""
        return re.match(r"[ \t]*", self.line(number))[0]  # type: ignore[index]

    def _ended(self, lines: Iterable[str]) -> tuple[str, ...]:
        return tuple(line + self._end for line in lines)

    def insert(self, before: int, *lines: str, like: int = 0) -> Change:
        """Put lines before a line, indented like another one, or as they are with 0."""
        indent = self.indent(like) if like else ""
        return Change(file=self.file, line=before, added=self._ended(indent + line for line in lines))

    def remove(self, number: int, count: int = 1) -> Change:
        """Take lines away."""
        return Change(file=self.file, line=number, removed=count)

    def put(self, number: int, *lines: str, count: int = 1) -> Change:
        """Put lines, which bring their indentation, in the place of others."""
        return Change(file=self.file, line=number, removed=count, added=self._ended(lines))

    def edited(self, number: int, change: Callable[[str], str]) -> Change | None:
        """Replace a line by what a function makes of it; None when it makes no difference."""
        old = self.line(number)
        new = change(old)
        return self.put(number, new) if new != old else None

    def fix(self, cause: str, *changes: Change | None) -> Fix | None:
        """Return a fix for one cause; None when nothing would change. Two changes of the same lines are none."""
        kept = tuple(c for c in changes if c is not None)
        places = [c.line + n for c in kept for n in range(max(1, c.removed)) if c.removed]
        key = (cause, kept)
        if kept and len(places) == len(set(places)) and key not in self._made and len(self._made) < _MAX_FIXES:
            self._made[key] = make_fix([cause], kept, {self.file: self.text})
        return self._made.get(key)


@lru_cache(maxsize=2)
def edits_of(artifact: Artifact) -> Edits:
    """Return the edits of an artifact, the same ones each time, so that a fix that many routes share is made once."""
    return Edits(file=artifact.name, text=artifact.text)


def joined(fixes: Iterable[Fix | None]) -> tuple[Fix, ...]:
    """Return the fixes that there are, each once."""
    return tuple(dict.fromkeys(fix for fix in fixes if fix is not None))
