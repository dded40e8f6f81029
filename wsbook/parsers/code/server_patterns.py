"""Defects of a backend that show only when names, calls and blocks are followed, language by language. Knows which module reads which."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.go_contexts import context_patterns
from wsbook.parsers.code.go_flow import GoFile, writer_patterns
from wsbook.parsers.code.go_keeping import go_keeping_patterns
from wsbook.parsers.code.java_flow import java_patterns
from wsbook.parsers.code.node_handlers import node_handler_patterns
from wsbook.parsers.code.node_keeping import keeping_patterns
from wsbook.parsers.code.node_listening import listening_patterns
from wsbook.parsers.code.node_tasks import feeding_patterns
from wsbook.parsers.code.node_upgrades import upgrade_patterns
from wsbook.parsers.code.patterns import without_comments
from wsbook.parsers.code.producing import producing_patterns
from wsbook.parsers.code.project_patterns import several_run
from wsbook.parsers.code.python_blocking import blocking_patterns
from wsbook.parsers.code.python_connections import connection_patterns
from wsbook.parsers.code.python_flow import PythonFile, PythonFlow
from wsbook.parsers.code.python_handlers import handler_patterns
from wsbook.parsers.code.python_registry import Registries, registry_patterns
from wsbook.parsers.code.python_tasks import task_patterns
from wsbook.parsers.code.registry_keys import key_patterns
from wsbook.parsers.code.script_flow import Flow
from wsbook.parsers.code.size_limits import size_patterns
from wsbook.parsers.code.source_files import Code, Folder

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["server_patterns"]


_CONCERNS = re.compile(r"(?i)socket|\bws\b|\bwss\b|uWS|sockjs|upgrade|\bio\b|broadcast|clients|emit")


def server_patterns(parsed: "Iterable[tuple[Code, SgNode]]", folder: Folder) -> Iterator[PatternFacts]:
    """Yield the defects of a backend whose syntax is known. folder: what it was read from, with its manifests."""
    given = list(parsed)
    yield from _python([(code, root) for code, root in given if code.language == "python"])
    yield from _node([(code, root) for code, root in given if code.language in ("typescript", "tsx")], folder)
    yield from _go([GoFile(code, root, without_comments(root, code)) for code, root in given if code.language == "go"])
    yield from _java([(code, root) for code, root in given if code.language == "java"])
    for code, root in given:
        text = without_comments(root, code)
        yield from size_patterns(code, text)
        if code.language in ("typescript", "tsx", "python", "java"):
            yield from key_patterns(code, text)
    if several_run(folder):
        yield from producing_patterns(given, "\n".join(code.text for code in (*folder.codes, *folder.commands)))


def _python(given: "list[tuple[Code, SgNode]]") -> Iterator[PatternFacts]:
    flow = PythonFlow(PythonFile(code, root, without_comments(root, code)) for code, root in given)
    yield from blocking_patterns(flow)
    yield from registry_patterns(flow, Registries(flow))
    yield from task_patterns(flow)
    yield from handler_patterns(flow)
    yield from connection_patterns(flow)


def _node(given: "list[tuple[Code, SgNode]]", folder: Folder) -> Iterator[PatternFacts]:
    texts = [(code, root, without_comments(root, code)) for code, root in given]
    everything = "\n".join([text for _, _, text in texts] + [code.text for code in folder.manifests])
    for code, root, text in texts:
        if len(given) > 1 and not _CONCERNS.search(text):
            continue
        flow = Flow(root)
        yield from upgrade_patterns(code, flow, text)
        yield from keeping_patterns(code, flow, text, everything)
        yield from feeding_patterns(code, flow)
        yield from listening_patterns(code, flow)
        yield from node_handler_patterns(code, flow, text, everything)


def _java(given: "list[tuple[Code, SgNode]]") -> Iterator[PatternFacts]:
    texts = [(code, root, without_comments(root, code)) for code, root in given]
    everything = "\n".join(text for _, _, text in texts)
    for code, root, text in texts:
        yield from java_patterns(code, root, text, everything)


def _go(files: list[GoFile]) -> Iterator[PatternFacts]:
    everything = "\n".join(file.text for file in files)
    for file in files:
        yield from writer_patterns(file, everything)
        yield from go_keeping_patterns(file, everything)
        yield from context_patterns(file, everything)
