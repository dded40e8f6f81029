"""HAProxy configuration text to sections with their lines and defaults. Knows the grammar, not what a keyword means.

Source: HAProxy configuration manual, chapters 2.2 (quoting) and 4 (proxies): an unnamed defaults section replaces the one before it.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import Artifact, text_inside

__all__ = ["Line", "Section", "parse_sections"]

_KEYWORDS = frozenset(
    (
        *("global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist", "cache", "mailers", "program"),
        *("ring", "http-errors", "fcgi-app", "log-forward"),
    )
)
_WORD = re.compile(r"""(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s#"'\\]|["'\\])+|#.*""")
_MAX_SECTIONS = 2_000
_MAX_FILES = 100
_MAX_RULES = 100
_MAX_LINES = 2_000
"""Lines of one section that are kept."""


class Line(Struct, frozen=True, kw_only=True):
    """One line: its words without quotes, its number, and its file."""

    words: tuple[str, ...]
    number: int
    file: str = ""

    def starts(self, *words: str) -> bool:
        """Whether the line begins with these words."""
        return self.words[: len(words)] == words

    @property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(self.words)


class Section(Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """One section. number: its first line. defaults: lines of the defaults section in force, () when there is none."""

    kind: str
    name: str
    number: int
    file: str
    lines: tuple[Line, ...]
    defaults: tuple[Line, ...] = ()

    @cached_property
    def _own(self) -> dict[str, list[Line]]:
        return _by_word(self.lines)

    @cached_property
    def _whole(self) -> dict[str, list[Line]]:
        return _by_word((*self.defaults, *self.lines))

    def all(self, *words: str) -> list[Line]:
        """Return the section's own lines that begin with these words."""
        return [line for line in self._own.get(words[0], ()) if line.starts(*words)]

    def every(self, *words: str) -> list[Line]:
        """Return the section's own lines that begin with these words, after those of its defaults; 100 at most."""
        return [line for line in self._whole.get(words[0], ()) if line.starts(*words)][:_MAX_RULES]

    def last(self, *words: str) -> Line | None:
        """Return the line in force: the section's last one, else that of its defaults."""
        return next((line for line in reversed(self._whole.get(words[0], ())) if line.starts(*words)), None)


def _by_word(lines: Sequence[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.words[0], []).append(line)
    return found


def _lines(text: str, file: str) -> Iterator[Line]:
    for number, raw in enumerate(text.split("\n"), 1):
        words = [w for w in _WORD.findall(raw[:4000]) if w]
        end = next((i for i, w in enumerate(words) if w.startswith("#")), len(words))
        if end:
            yield Line(words=tuple(_unquoted(w) for w in words[:end]), number=number, file=file)


def _unquoted(word: str) -> str:
    """Take quotes away; a backslash goes only before what it protects, so that \\1 in an expression stays."""
    return re.sub(r"""\"((?:\\.|[^"\\])*)\"|'([^']*)'|\\([ #"'\\])""", lambda m: m[1] or m[2] or m[3] or "", word)


def parse_sections(artifact: Artifact) -> list[Section]:
    """Return the sections in order, those of the artifact first alone, and with the files beside it where it is not complete.

    Several files make one configuration (``-f``, or a folder): when one names backends that it does not have, or has no defaults, the
    others of the folder are read with it in the order of their names, as HAProxy does.

    Raises:
        UnreadableInputError: no section keyword at the start of any line, or more than 2,000 sections.
    """
    groups = _groups(artifact.text, artifact.name)
    if not groups or len(groups) > _MAX_SECTIONS:
        raise UnreadableInputError(f"{artifact.name}: no HAProxy configuration: it has {len(groups):,} sections")
    if artifact.folder and _incomplete(groups):
        own = Path(artifact.name).name
        texts = {**_siblings(artifact), own: artifact.text}
        files = {own: artifact.name}
        groups = [group for name in sorted(texts) for group in _groups(texts[name], files.get(name, str(Path(artifact.folder) / name)))]
    return _resolved(groups[:_MAX_SECTIONS])


def _groups(text: str, file: str) -> list[list[Line]]:
    groups: list[list[Line]] = []
    for line in _lines(text, file):
        if line.words[0] in _KEYWORDS:
            groups.append([line])
        elif groups:
            groups[-1].append(line)
    return groups


def _incomplete(groups: list[list[Line]]) -> bool:
    kinds = {head.words[0] for head, *_ in groups}
    names = {head.words[1] for head, *_ in groups if head.words[0] in ("backend", "listen") and len(head.words) > 1}
    wanted = {
        line.words[1] for _, *body in groups for line in body if line.words[0] in ("use_backend", "default_backend") and line.words[1:]
    }
    return "defaults" not in kinds or bool(wanted - names) or (kinds & {"frontend", "listen"} == set())


def _siblings(artifact: Artifact) -> dict[str, str]:
    """Return the texts of the other HAProxy files of the folder by name; links that leave it are not followed."""
    found: dict[str, str] = {}
    for path in sorted(Path(artifact.folder).glob("*.cfg"))[:_MAX_FILES]:
        text = text_inside(artifact.folder, path)
        if text and _groups(text, path.name):
            found[path.name] = text
    return found


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
        lines = tuple(body[:_MAX_LINES])
        found.append(Section(kind=kind, name=name, number=head.number, file=head.file, lines=lines, defaults=inherited))
    first = groups[0][0]
    alone = [Section(kind="defaults", name="", number=first.number, file=first.file, lines=current)] if current else []
    return found if any(s.kind in ("frontend", "listen", "backend") for s in found) else [*found, *alone]
