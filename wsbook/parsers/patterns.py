"""Applies the source patterns of patterns.toml to parsed code. Knows how a pattern is matched and guarded, not what any of them is about."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.pattern_table import SourcePattern, source_patterns
from wsbook.parsers.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["Parsed", "find_patterns"]

Parsed = tuple[Code, "SgNode"]
"""A piece of code and its syntax tree."""

_MAX_MATCHES = 50
_COMMENTS = {"python": ("comment",), "java": ("line_comment", "block_comment")}


def find_patterns(parsed: Iterable[Parsed], commands: Iterable[Code], *, side: str) -> Iterator[tuple[str, PatternFacts]]:
    """Yield (step, facts) of every pattern of a side that matches, guarded or not."""
    pieces = [(code, root, _without_comments(root, code)) for code, root in parsed]
    everything = "\n".join([text for _, _, text in pieces] + [c.text for c in commands])
    for code, root, text in pieces:
        for pattern in _for_language(side, code.language):
            for facts in _apply(pattern, code, root, text, everything):
                yield pattern.step, facts


@cache
def _for_language(side: str, language: str) -> tuple[SourcePattern, ...]:
    names = {language, "script" if language in ("typescript", "tsx") else language}
    return tuple(p for p in source_patterns() if p.side in (side, "both") and names & set(p.languages))


def _without_comments(root: "SgNode", code: Code) -> str:
    """Return the text with comments blanked, offsets kept."""
    text = list(root.text())
    for kind in _COMMENTS.get(code.language, ("comment",)):
        for node in root.find_all(kind=kind):
            span = node.range()
            for index in range(span.start.index, min(span.end.index, len(text))):
                if text[index] != "\n":
                    text[index] = " "
    return "".join(text)


def _apply(pattern: SourcePattern, code: Code, root: "SgNode", text: str, everything: str) -> Iterator[PatternFacts]:
    if not all(_regex(need)(text) for need in pattern.needs):
        return
    matches = root.find_all(pattern.config)[:_MAX_MATCHES]
    if len(matches) < pattern.at_least:
        return
    elsewhere = any(_regex(guard)(everything) for guard in pattern.elsewhere)
    for match in matches[:1] if pattern.at_least > 1 else matches:
        healthy = elsewhere or any(_regex(guard)(_around(match, pattern, text)) for guard in pattern.unless)
        yield _fact(pattern, code, match, ok=healthy)


def _around(match: "SgNode", pattern: SourcePattern, text: str) -> str:
    if not pattern.around:
        return text
    node = next((n for n in (match, *match.ancestors()) if n.kind() in pattern.around), None)
    return text[node.range().start.index : node.range().end.index] if node is not None else text


@cache
def _regex(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern).search


def _fact(pattern: SourcePattern, code: Code, match: "SgNode", *, ok: bool) -> PatternFacts:
    return PatternFacts(
        pattern=pattern.id,
        cause=pattern.cause,
        ok=ok,
        file=code.artifact,
        line=match.range().start.line + code.line,
        excerpt=re.sub(r"\s+", " ", match.text()[:400])[:200],
        weight=pattern.weight,
    )
