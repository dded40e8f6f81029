"""Clients that are no browsers: where Python, Go, Java, Kotlin, Dart, C# and Swift programs dial. Applies the table of dials."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from wsbook.facts import EndpointFacts
from wsbook.parsers.endpoints import endpoint_fact
from wsbook.parsers.literals import ANY, Constants
from wsbook.parsers.pattern_table import dials
from wsbook.parsers.source_files import Code
from wsbook.parsers.values import UNKNOWN, Value

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["find_program_dials"]

_URL = re.compile(r"(?:wss?|https?)://|\*.")
_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+|\\\([^)]*\)|\{\w*\}")


def find_program_dials(parsed: "Iterable[tuple[Code, SgNode]]", codes: Iterable[Code]) -> Iterator[EndpointFacts]:
    """Yield what programs dial: parsed languages by the table's patterns, the others by its expressions."""
    trees = list(parsed)
    constants = Constants(trees)
    for code, root in trees:
        for dial in dials():
            if code.language not in dial.languages or (dial.needs and not re.search(dial.needs, code.text)):
                continue
            seen: set[int] = set()
            for match in (match for pattern in dial.patterns for match in root.find_all(pattern=pattern)):
                url = match.get_match("URL")
                if url is None or hash(match) in seen:
                    continue
                seen.add(hash(match))
                text = constants.text(url, code)
                if _URL.match(text) or (text == ANY and url.kind() in ("identifier", "attribute", "selector_expression")):
                    line = match.range().start.line + code.line
                    yield _fact(dial.library, text, code, match.text(), line, dial.suffix)
    for code in codes:
        for dial in dials():
            if dial.texts and code.language in dial.languages and (not dial.needs or re.search(dial.needs, code.text)):
                yield from _searched(dial.library, dial.texts, code)


def _searched(library: str, texts: Iterable[str], code: Code) -> Iterator[EndpointFacts]:
    for match in (match for pattern in texts for match in re.finditer(pattern, code.text[:500_000])):
        line = code.text.count("\n", 0, match.start()) + code.line
        yield _fact(library, _VARIABLE.sub(ANY, match["url"]), code, match[0], line, "")


def _fact(library: str, text: str, code: Code, expression: str, line: int, suffix: str) -> EndpointFacts:
    value = Value(text=text.replace(ANY, UNKNOWN))
    return endpoint_fact(library, value, suffix, page=None, file=code.artifact, line=line, expression=expression)
