"""Applies the source patterns of patterns/*.toml to code. Knows how a pattern is matched and guarded, not what one is about."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from wsbook.facts import PatternFacts
from wsbook.literals import ways_to_match
from wsbook.parsers.code.source_files import Code
from wsbook.parsers.pattern_table import SourcePattern, entry, pattern_found, shared_rules, source_patterns

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["Read", "find_patterns", "pattern_fact", "without_comments"]

Read = tuple[Code, "SgNode | None"]
"""A piece of code and its syntax tree, None where the language's syntax is not known: only expressions are searched in it."""

_MAX_MATCHES = 50
_MAX_STATEMENTS = 600
_SUBJECT = re.compile(
    r"(?i)socket|\bws\b|sockjs|stomp|signalr|hub|echo|readyState|onmessage|onopen|broadcast|clients|connection|channel|subscri|upgrade"
    r"|async def|\bio\b|onclose|connected|uvicorn|ping_?(?:interval|timeout)|ResponseWriter|258EAFA5|0x81|createProxy|PostToConnection"
    r"|event-stream|EventSource"
)
"""A file without any of these words has nothing to do with live updates and is not searched."""

_LONG_LINE = re.compile(r"^(.{2000}).+$", re.MULTILINE)

_LINE_COMMENT = re.compile(r"(?m)^[ \t]*(?://|#(?!\[)).*$|(?<=[ \t])(?://|# ).*$")
"""Comments of the languages that are not parsed; ``#[`` is an attribute."""

_COMMENTS = {"python": ("comment",), "java": ("line_comment", "block_comment")}


def find_patterns(read: Iterable[Read], commands: Iterable[Code], *, side: str) -> Iterator[PatternFacts]:
    """Yield the facts of every pattern of a side that matches, guarded or not. A piece that comes alone is about the subject."""
    given = list(read)
    everything = _Searched("\n".join([code.text for code, _ in given] + [c.text for c in commands]))
    pieces = [(code, root) for code, root in given if len(given) == 1 or _SUBJECT.search(code.text)]
    for code, root in pieces:
        text = _Searched(without_comments(root, code))
        crowded = root is not None and _is_crowded(root, code)
        for pattern in _for_language(side, code.language):
            if all(everything.has(need) for need in pattern.somewhere):
                yield from _apply(pattern, code, root, text, everything, crowded=crowded)


class _Searched:
    """A text that many expressions are searched in: what they all ask for is looked up once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._folded = text.lower()
        self._held: dict[str, bool] = {}
        self._found: dict[str, bool] = {}

    @cached_property
    def short(self) -> str:
        """The text with its lines cut: longer ones are minified."""
        return _LONG_LINE.sub(r"\1", self.text)

    def may_match(self, expression: str) -> bool:
        """Tell whether the literals are there without which an expression cannot match."""
        return any(all(self._holds(literal) for literal in way) for way in _ways(expression))

    def _holds(self, literal: str) -> bool:
        if literal not in self._held:
            self._held[literal] = literal in self._folded
        return self._held[literal]

    def has(self, expression: str) -> bool:
        """Tell whether an expression matches somewhere."""
        if expression not in self._found:
            self._found[expression] = self.may_match(expression) and _regex(expression)(self.text) is not None
        return self._found[expression]


def _is_crowded(root: "SgNode", code: Code) -> bool:
    """Whether a block has so many statements that rules about what follows what, which look at all pairs, would take long."""
    blocks = [root, *root.find_all(kind="statement_block")] if code.language in ("typescript", "tsx") else [root]
    return any(len(block.children()) > _MAX_STATEMENTS for block in blocks)


@cache
def _for_language(side: str, language: str) -> tuple[SourcePattern, ...]:
    names = {language, "script" if language in ("typescript", "tsx") else language, "any"}
    return tuple(p for p in source_patterns() if p.side in (side, "both") and names & set(p.languages))


def without_comments(root: "SgNode | None", code: Code) -> str:
    """Return the text with comments blanked, offsets kept. ``#{`` opens a map of Erlang, which is read as if it were Python."""
    if root is None:
        return _LINE_COMMENT.sub(lambda found: " " * len(found[0]), code.text)
    text = list(root.text())
    for kind in _COMMENTS.get(code.language, ("comment",)):
        for node in root.find_all(kind=kind):
            span = node.range()
            if text[span.start.index : span.start.index + 2] == ["#", "{"]:
                continue
            for index in range(span.start.index, min(span.end.index, len(text))):
                if text[index] != "\n":
                    text[index] = " "
    return "".join(text)


def _apply(
    pattern: SourcePattern, code: Code, root: "SgNode | None", text: _Searched, everything: _Searched, *, crowded: bool
) -> Iterator[PatternFacts]:
    if not all(text.has(need) for need in pattern.needs):
        return
    if pattern.text:
        yield from _apply_text(pattern, code, text, everything)
        return
    if root is None or (crowded and "follows" in str(pattern.rule)):
        return
    matches = root.find_all(_config_of(pattern.id, code.language))[:_MAX_MATCHES]
    if len(matches) < pattern.at_least:
        return
    elsewhere = any(everything.has(guard) for guard in pattern.elsewhere)
    for match in matches[:1] if pattern.at_least > 1 else matches:
        healthy = elsewhere or any(_regex(guard)(_around(match, pattern, text.text)) for guard in pattern.unless)
        yield pattern_found(pattern, code.artifact, match.range().start.line + code.line, match.text(), ok=healthy)


def _apply_text(pattern: SourcePattern, code: Code, searched: _Searched, everything: _Searched) -> Iterator[PatternFacts]:
    """Yield the facts of a pattern that is an expression; its guards look at the whole file, both with lines cut."""
    if not searched.may_match(pattern.text):
        return
    text = searched.short
    found = list(islice(re.finditer(pattern.text, text), _MAX_MATCHES))
    if len(found) < pattern.at_least:
        return
    healthy = any(_regex(guard)(text) for guard in pattern.unless) or any(everything.has(guard) for guard in pattern.elsewhere)
    for match in found[:1] if pattern.at_least > 1 else found:
        yield pattern_found(pattern, code.artifact, text.count("\n", 0, match.start()) + code.line, match[0], ok=healthy)


@cache
def _config_of(pattern_id: str, language: str) -> Any:
    """Return what ast-grep reads, with the shared rules that are used and no other: each one costs a millisecond per file."""
    shared = shared_rules("script" if language in ("typescript", "tsx") else language)
    pattern = next(p for p in source_patterns() if p.id == pattern_id)
    used: dict[str, Any] = {}
    waiting = [*_matched_names(pattern.rule)]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = shared[name]
            waiting += _matched_names(shared[name])
    given = {"rule": pattern.rule, "constraints": pattern.constraints, "utils": used}
    return {key: value for key, value in given.items() if value}


def _matched_names(rule: object) -> list[str]:
    """Return the names of shared rules that a rule refers to."""
    if isinstance(rule, list):
        return [name for part in rule for name in _matched_names(part)]
    if not isinstance(rule, dict):
        return []
    own = [rule["matches"]] if isinstance(rule.get("matches"), str) else []
    return own + [name for part in rule.values() for name in _matched_names(part)]


def _around(match: "SgNode", pattern: SourcePattern, text: str) -> str:
    if not pattern.around:
        return text
    node = next((n for n in (match, *match.ancestors()) if n.kind() in pattern.around), None)
    return text[node.range().start.index : node.range().end.index] if node is not None else text


@cache
def _ways(expression: str) -> tuple[tuple[str, ...], ...]:
    """Return, for each alternative of an expression, texts in lower case without which it cannot match: finding those is cheap."""
    return ways_to_match(expression, str.lower)


@cache
def _regex(pattern: str) -> Callable[[str], "re.Match[str] | None"]:
    return re.compile(pattern).search


def pattern_fact(pattern: str, node: "SgNode", code: Code) -> PatternFacts:
    """Return the fact that a defect of the table's [config] part was found at a node. Its id is a constant of our code."""
    return pattern_found(entry(pattern), code.artifact, node.range().start.line + code.line, node.text())
