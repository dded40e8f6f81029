"""Edits of nginx configuration text, statement by statement, in the file's own layout. Knows where statements stand, not what they mean."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from msgspec import Struct

from wsbook.facts import Change, Fix
from wsbook.parsers.proxies.artifact import MAX_DEPTH
from wsbook.parsers.proxies.fixing import make_fix
from wsbook.parsers.proxies.nginx.lexer import Word, words
from wsbook.parsers.proxies.nginx.tree import Directive

__all__ = ["Editor", "Span", "find_spans"]

_MAX_WORDS = 200_000


class Span(Struct, kw_only=True):
    """Where one statement stands in a text: start and end are offsets, end behind its semicolon or brace; opened, closed: of its block
    behind the opening and before the closing brace, None without one."""

    words: tuple[str, ...]
    line: int
    start: int
    end: int = 0
    opened: int | None = None
    closed: int | None = None
    inner: "list[Span]" = []

    def every(self) -> "Iterator[Span]":
        """Yield it and all statements inside."""
        yield self
        for span in self.inner:
            yield from span.every()


@lru_cache(maxsize=16)
def find_spans(text: str) -> list[Span]:
    """Return the statements of a file; an empty list when its blocks are not closed as they are opened, or it is too large."""
    top = Span(words=(), line=0, start=0, inner=[])
    stack: list[Span] = [top]
    said: list[Word] = []
    for count, word in enumerate(words(text)):
        if not word.mark:
            said.append(word)
        elif word.text == "}":
            if len(stack) == 1 or said:
                return []
            block = stack.pop()
            block.closed, block.end = word.start, word.end
        elif said:
            span = Span(words=tuple(w.text for w in said), line=said[0].line, start=said[0].start, end=word.end, inner=[])
            stack[-1].inner.append(span)
            if word.text == "{":
                span.opened = word.end
                stack.append(span)
            said = []
        if count > _MAX_WORDS or len(stack) > MAX_DEPTH + 1:
            return []
    return top.inner if len(stack) == 1 else []


class Editor:
    """Collects edits of several files. texts: by file name, as they are. What cannot be found in them makes the whole edit fail."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._spans: dict[str, list[Span]] = {}
        self._edits: list[tuple[str, int, int, str]] = []
        self._failed = False

    def span(self, directive: Directive) -> Span | None:
        """Return where a directive stands; None when it cannot be told."""
        text = self._texts.get(directive.file)
        if text is None:
            return None
        if directive.file not in self._spans:
            self._spans[directive.file] = [span for top in find_spans(text) for span in top.every()]
        said = (directive.name, *directive.args)
        same_line = [span for span in self._spans[directive.file] if span.line == directive.line and span.words[:1] == said[:1]]
        return next((span for span in same_line if span.words == said), same_line[0] if len(same_line) == 1 else None)

    def _edit(self, directive: Directive, start: int, end: int, text: str) -> None:
        self._edits.append((directive.file, start, end, text))

    def replace(self, directive: Directive, statement: str) -> None:
        """Put another statement, without its semicolon, in the place of one without a block."""
        if (span := self.span(directive)) is None or span.opened is not None:
            self._failed = True
            return
        self._edit(directive, span.start, span.end, f"{statement};")

    def rename(self, block: Directive, head: str) -> None:
        """Write another head, up to the brace, before a block."""
        if (span := self.span(block)) is None or span.opened is None:
            self._failed = True
            return
        self._edit(block, span.start, span.opened, head + " {")

    def remove(self, directive: Directive) -> None:
        """Take a statement away, with its line when it stands there alone."""
        if (span := self.span(directive)) is None:
            self._failed = True
            return
        text = self._texts[directive.file]
        begin, stop = text.rfind("\n", 0, span.start) + 1, text.find("\n", span.end)
        stop = len(text) if stop < 0 else stop + 1
        alone = not text[begin : span.start].strip() and not text[span.end : stop].strip()
        self._edit(directive, *(begin, stop, "") if alone else (span.start, span.end, ""))

    def add(self, block: Directive, statements: Iterable[str], *, after: Directive | None = None) -> None:
        """Insert statements, without semicolons, into a block behind one of its statements; without one, at its beginning."""
        wanted = [statement if statement.endswith("}") else f"{statement};" for statement in statements]
        span = self.span(block)
        if span is None or span.opened is None or span.closed is None:
            self._failed = self._failed or bool(wanted)
            return
        place = self.span(after) if after is not None and after.file == block.file else None
        at = place.end if place is not None and place in span.inner else span.opened
        if wanted:
            self._edit(block, *self._laid_out(block.file, span, at, wanted))

    def _laid_out(self, file: str, span: Span, at: int, wanted: list[str]) -> tuple[int, int, str]:
        text = self._texts[file]
        newline = "\r\n" if "\r\n" in text else "\n"
        line_end = text.find("\n", at)
        line_end = len(text) if line_end < 0 else line_end
        rest = text[at:line_end].strip()
        if rest and not rest.startswith("#"):
            return at, at, "".join(f" {line}" for line in wanted)
        end = line_end - 1 if text[line_end - 1 : line_end] == "\r" else line_end
        indent = self._indent(text, span)
        lines = [newline + "\n".join(indent + part for part in line.split("\n")).replace("\n", newline) for line in wanted]
        return end, end, "".join(lines)

    def _indent(self, text: str, span: Span) -> str:
        for inner in span.inner:
            begin = text.rfind("\n", 0, inner.start) + 1
            if not text[begin : inner.start].strip():
                return text[begin : inner.start]
        begin = text.rfind("\n", 0, span.start) + 1
        outer = re.match(r"[ \t]*", text[begin:])
        return (outer[0] if outer else "") + ("\t" if "\n\t" in text else "    ")

    def text_of(self, directive: Directive) -> str:
        """Return a statement as it is written, without its semicolon; "" when it cannot be found."""
        span = self.span(directive)
        return self._texts[directive.file][span.start : span.end].rstrip("; \t\r\n") if span else ""

    def finish(self, *causes: str) -> Fix | None:
        """Return the edits as a fix; None when there are none, or one had no place."""
        if self._failed or not self._edits:
            return None
        changes: list[Change] = []
        for file in dict.fromkeys(edit[0] for edit in self._edits):
            changes += _changes(file, self._texts[file], [edit[1:] for edit in self._edits if edit[0] == file])
        return make_fix(causes, changes, self._texts) if changes else None


def _changes(file: str, text: str, edits: list[tuple[int, int, str]]) -> Iterator[Change]:
    """Yield the lines that edits touch as they are afterwards; edits that share a line are one change."""
    groups: list[list[tuple[int, int, str]]] = []
    stop = -1
    for edit in sorted(edits, key=lambda edit: edit[:2]):
        begin = text.rfind("\n", 0, edit[0]) + 1
        if begin >= stop:
            groups.append([])
        groups[-1].append(edit)
        found = text.find("\n", edit[1])
        stop = max(stop, len(text) + 1 if found < 0 else found + 1)
    for group in groups:
        yield from _change(file, text, group)


def _change(file: str, text: str, group: list[tuple[int, int, str]]) -> Iterator[Change]:
    begin, stop = text.rfind("\n", 0, group[0][0]) + 1, text.find("\n", max(end for _, end, _ in group))
    stop = len(text) if stop < 0 else stop
    new = text[begin:stop]
    for start, end, said in reversed(group):
        new = new[: start - begin] + said + new[end - begin :]
    old_lines, new_lines = text[begin:stop].split("\n"), new.split("\n")
    same = 0
    while same < min(len(old_lines), len(new_lines)) and old_lines[same] == new_lines[same]:
        same += 1
    tail = 0
    while tail < min(len(old_lines), len(new_lines)) - same and old_lines[-1 - tail] == new_lines[-1 - tail]:
        tail += 1
    removed, added = len(old_lines) - same - tail, new_lines[same : len(new_lines) - tail]
    if removed or added:
        yield Change(file=file, line=text.count("\n", 0, begin) + 1 + same, removed=removed, added=tuple(added))
