"""HAProxy configuration text to sections with their lines and defaults. Knows the grammar, not what a keyword means.

Source: HAProxy configuration manual, chapters 2.2 (quoting) and 4 (proxies): an unnamed defaults section replaces the one before it.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import Artifact

__all__ = ["Line", "Section", "parse_sections"]

_KEYWORDS = frozenset(
    (
        *("global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist", "cache", "mailers", "program"),
        *("ring", "http-errors", "fcgi-app", "log-forward"),
    )
)
_WORD = re.compile(r"""(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s#"'\\]|["'\\])+|#.*""")
_MAX_SECTIONS = 2_000
_MAX_LINES = 2_000
"""Lines of one section that are kept."""


class Line(Struct, frozen=True, kw_only=True):
    """One line: its words without quotes, and its number."""

    words: tuple[str, ...]
    number: int

    def starts(self, *words: str) -> bool:
        """Whether the line begins with these words."""
        return self.words[: len(words)] == words

    @property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(self.words)


class Section(Struct, frozen=True, kw_only=True):
    """One section. defaults: lines of the defaults section in force, () when there is none."""

    kind: str
    name: str
    number: int
    lines: tuple[Line, ...]
    defaults: tuple[Line, ...] = ()

    def all(self, *words: str) -> list[Line]:
        """Return the section's own lines that begin with these words."""
        return [line for line in self.lines if line.starts(*words)]

    def last(self, *words: str) -> Line | None:
        """Return the line in force: the section's last one, else that of its defaults."""
        for lines in (self.lines, self.defaults):
            for line in reversed(lines):
                if line.starts(*words):
                    return line
        return None


def _lines(text: str) -> Iterator[Line]:
    for number, raw in enumerate(text.splitlines(), 1):
        words = [w for w in _WORD.findall(raw[:4000]) if w]
        end = next((i for i, w in enumerate(words) if w.startswith("#")), len(words))
        if end:
            yield Line(words=tuple(_unquoted(w) for w in words[:end]), number=number)


def _unquoted(word: str) -> str:
    """Take quotes away; a backslash goes only before what it protects, so that \\1 in an expression stays."""
    return re.sub(r"""\"((?:\\.|[^"\\])*)\"|'([^']*)'|\\([ #"'\\])""", lambda m: m[1] or m[2] or m[3] or "", word)


def parse_sections(artifact: Artifact) -> list[Section]:
    """Return the sections in order.

    Raises:
        UnreadableInputError: no section keyword at the start of any line, or more than 2,000 sections.
    """
    groups: list[list[Line]] = []
    for line in _lines(artifact.text):
        if line.words[0] in _KEYWORDS:
            groups.append([line])
        elif groups:
            groups[-1].append(line)
    if not groups or len(groups) > _MAX_SECTIONS:
        raise UnreadableInputError(f"{artifact.name}: no HAProxy configuration: it has {len(groups):,} sections")
    return _resolved(groups)


def _resolved(groups: list[list[Line]]) -> list[Section]:
    current: tuple[Line, ...] = ()
    named: dict[str, tuple[Line, ...]] = {}
    found = []
    for head, *body in groups:
        kind, name = head.words[0], head.words[1] if len(head.words) > 1 else ""
        parent = head.words[head.words.index("from") + 1] if "from" in head.words[:-1] else ""
        inherited = named.get(parent, () if parent else current)
        if kind == "defaults":
            current = tuple([*(named.get(parent, ()) if parent else ()), *body][-500:])
            named[name] = current
            continue
        found.append(Section(kind=kind, name=name, number=head.number, lines=tuple(body[:_MAX_LINES]), defaults=inherited))
    return found if found or not current else [Section(kind="defaults", name="", number=groups[0][0].number, lines=current)]
