"""When a Node server begins to listen to a connection that it was given. Knows how connections are handed over, nothing of clients."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import Flow, arguments_of, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["listening_patterns"]

_HANDED_OVER = re.compile(r"(?:^|\.)(?:on|once|addListener)$")
_ROUTED = re.compile(r"\.(?:ws|get|route)$")
_OTHERS = re.compile(r"(?i)\bio\b|namespace|nsp|mongo|\bdb\b")
_KEEPS = re.compile(r"(?i)\.pause\(|queue|buffer|pending|backlog|\.once\(")
"""Whoever does one of these has thought of the messages that come meanwhile."""

_AT_ONCE = re.compile(
    r"(?:^|\.)(?:forEach|map|filter|reduce|some|every|entries|on|once|addListener|addEventListener|emit|run|cork|nextTick|queueMicrotask)$"
    r"|^Promise$"
)
"""Functions given to these run at once, or are handlers themselves."""


def listening_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield where a server waits before it listens for the messages of a connection: ws and its kin keep none (ws, issue 1322)."""
    for body in _given_a_connection(flow):
        name = _first_name(body)
        if not name or _KEEPS.search(body.text()):
            continue
        listens = [call for call in body.find_all(kind="call_expression")[:500] if _listens(call, name)]
        if listens and (all(_inside_callback(call, body) for call in listens) or _after_waiting(listens[0], body)):
            yield pattern_fact("node.listens-after-waiting", listens[0], code)


def _given_a_connection(flow: Flow) -> "Iterator[SgNode]":
    """Yield the functions that take a new connection: of ws, of express-ws, of Fastify's routes."""
    for call in flow.calls:
        given, name = arguments_of(call), called(call)
        event = given[0].text().strip("\"'`") if given else ""
        taken = _HANDED_OVER.search(name) and event == "connection" and not _OTHERS.search(name)
        options = "".join(one.text()[:200] for one in given[:2])
        routed = _ROUTED.search(name) and (name.endswith(".ws") or re.search(r"websocket\s*:\s*true", options))
        if (taken or routed) and given[-1].kind() in FUNCTIONS:
            yield given[-1]


def _first_name(body: "SgNode") -> str:
    parameters = body.field("parameters") or body.field("parameter")
    found = re.match(r"\(?\s*(\w+)", parameters.text()) if parameters is not None else None
    return found[1] if found else ""


def _listens(call: "SgNode", name: str) -> bool:
    owner, _, method = called(call).rpartition(".")
    given = arguments_of(call)
    return (
        owner in (name, f"{name}.socket")
        and last_name(method) in ("on", "addEventListener", "addListener")
        and bool(given)
        and given[0].text().strip("\"'`") == "message"
    )


def _inside_callback(call: "SgNode", body: "SgNode") -> bool:
    """Whether a call runs only when something that takes time calls back."""
    start = body.range().start.index
    for around in call.ancestors():
        if around.range().start.index <= start:
            return False
        if around.kind() not in FUNCTIONS or (parent := around.parent()) is None or parent.kind() != "arguments":
            continue
        outer = parent.parent()
        if outer is not None and not _AT_ONCE.search(called(outer)):
            return True
    return False


def _after_waiting(call: "SgNode", body: "SgNode") -> bool:
    """Whether the function itself awaits something before a call."""
    place, within = call.range().start.index, body.range().start.index
    return any(
        one.range().end.index < place and next((a for a in one.ancestors() if a.kind() in FUNCTIONS), body).range().start.index == within
        for one in body.find_all(kind="await_expression")[:200]
    )
