"""Edits of nginx configuration text, statement by statement, in the file's own layout. Knows where statements stand, not what they mean."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from wsbook.facts import Change, Fix
from wsbook.parsers.proxies.artifact import MAX_DEPTH
from wsbook.parsers.proxies.fixing import make_fix
from wsbook.parsers.proxies.nginx_tree import Directive

__all__ = ["Editor", "Span", "find_spans"]

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>\#[^\n]*)|(?P<mark>[{};])|(?P<word>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\\.|\$\{|(?<=\$\{)[^}]*\}|[^\s{};\\])+)""",
    re.VERBOSE | re.DOTALL,
)
_MAX_TOKENS = 200_000


class Span(Struct, kw_only=True):
    """Where one statement stands in a text: start and end are offsets, end behind its semicolon or brace; opened, closed: of its block
    behind the opening and before the closing brace, None without one."""

    words: tuple[str, ...]
    line: int
    start: int
    end: int = 0
    opened: int | None = None
    closed: int | None = None
    inner: "list[Span]" = []  # noqa: RUF012 - msgspec copies it

    def every(self) -> "Iterator[Span]":
        """Yield it and all statements inside."""
        yield self
        for span in self.inner:
            yield from span.every()


def find_spans(text: str) -> list[Span]:
    """Return the statements of a file; an empty list when its blocks are not closed as they are opened, or it is too large."""
    top = Span(words=(), line=0, start=0)
    stack, words, start, line, last, count = [top], [], 0, 1, 0, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", last, match.start())
        last = match.start()
        count += 1
        if match.lastgroup == "word":
            start = match.start() if not words else start
            words.append((_plain(match[0]), line))
        elif match.lastgroup == "mark" and match[0] == "}":
            if len(stack) == 1 or words:
                return []
            closed = stack.pop()
            closed.closed, closed.end = match.start(), match.end()
        elif match.lastgroup == "mark" and words:
            span = Span(words=tuple(w for w, _ in words), line=words[0][1], start=start, end=match.end(), inner=[])
            stack[-1].inner.append(span)
            if match[0] == "{":
                span.opened = match.end()
                stack.append(span)
            words = []
        if count > _MAX_TOKENS or len(stack) > MAX_DEPTH + 1:
            return []
    return top.inner if len(stack) == 1 else []


def _plain(word: str) -> str:
    return re.sub(r"\\(.)", lambda m: m[1] if m[1] in "\"'\\ " else m[0], word[1:-1]) if word[0] in "\"'" and len(word) > 1 else word


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
        words = (directive.name, *directive.args)
        same_line = [span for span in self._spans[directive.file] if span.line == directive.line and span.words[:1] == words[:1]]
        return next((span for span in same_line if span.words == words), same_line[0] if len(same_line) == 1 else None)

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
        after: dict[str, str] = {}
        for file, start, end, text in sorted(self._edits, key=lambda edit: (edit[1], edit[2]), reverse=True):
            before = after.get(file, self._texts[file])
            after[file] = before[:start] + text + before[end:]
        changes = [change for file, text in sorted(after.items()) for change in _changes(file, self._texts[file], text)]
        return make_fix(causes, changes, self._texts) if changes else None


def _changes(file: str, before: str, after: str) -> Iterator[Change]:
    old, new = before.split("\n"), after.split("\n")
    for tag, begin, end, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield Change(file=file, line=begin + 1, removed=end - begin, added=tuple(new[first:last]))
