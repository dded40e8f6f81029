"""Defects of a backend that show only when names, calls and blocks are followed, language by language. Knows which module reads which."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import without_comments
from wsbook.parsers.code.python_blocking import blocking_patterns
from wsbook.parsers.code.python_flow import PythonFile, PythonFlow
from wsbook.parsers.code.python_handlers import handler_patterns
from wsbook.parsers.code.python_registry import Registries, registry_patterns
from wsbook.parsers.code.python_tasks import task_patterns
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["server_patterns"]


def server_patterns(parsed: "Iterable[tuple[Code, SgNode]]") -> Iterator[PatternFacts]:
    """Yield the defects of a backend whose syntax is known."""
    given = list(parsed)
    yield from _python([(code, root) for code, root in given if code.language == "python"])


def _python(given: "list[tuple[Code, SgNode]]") -> Iterator[PatternFacts]:
    flow = PythonFlow(PythonFile(code, root, without_comments(root, code)) for code, root in given)
    yield from blocking_patterns(flow)
    yield from registry_patterns(flow, Registries(flow))
    yield from task_patterns(flow)
    yield from handler_patterns(flow)
