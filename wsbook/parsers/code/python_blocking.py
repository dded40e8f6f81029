"""Where a Python backend waits or computes on its event loop: calls that block, in what runs on the loop and in what that calls."""

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.python_flow import Function, PythonFile, PythonFlow, is_async_statement, own_nodes, text_of

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["blocking_patterns"]

_MAX_FACTS = 12
_ONCE = re.compile(
    r"(?i)^_*(?:main|run|serve|start|startup|shutdown|stop|close|cleanup|teardown|lifespan|init|setup|prepare|configure"
    r"|create|make|build|migrate"
    r"|on_?(?:startup|shutdown)|before_server\w*|after_server\w*|__aenter__|__aexit__)(?:_(?!message|client|session|room)\w*)?$"
)
"""Names of functions that run when a program starts or ends: nobody is connected then."""

_ELSEWHERE = re.compile(r"sync_to_async|run_in_|threadpool|@\w+\.(?:task|job)\b|shared_task|\bwraps\b")
"""Decorators that take a function off the loop."""

_ON_LOOP = re.compile(r"WebSocketHandler|SockJSConnection")
_COMPUTES = re.compile(r"\brange\(\s*(?:\d[\d_]{6,}|10\s*\*\*\s*(?:[6-9]|\d\d))|\bwhile\s+time\.(?:time|monotonic|perf_counter)\(\)\s*<")


class _Client(Struct, frozen=True):
    made: str
    methods: str
    needs: str = ""
    unless: str = ""
    without: str = ""


class _Table(Struct, frozen=True):
    calls: tuple[str, ...]
    short: tuple[str, ...]
    client: tuple[_Client, ...]


class _Found(NamedTuple):
    pattern: str
    node: "SgNode"


@cache
def _table() -> _Table:
    return convert(read_table("parsers/code/blocking.toml")["python"], _Table)


@cache
def _names(short: bool) -> re.Pattern[str]:
    return re.compile("|".join(_table().short if short else _table().calls))


def blocking_patterns(flow: PythonFlow) -> Iterator[PatternFacts]:
    """Yield the blocking calls of everything that runs on an event loop."""
    count = 0
    for file in flow.files:
        for function in file.functions:
            if not _runs_on_loop(function):
                continue
            for found in _in_function(flow, function):
                yield pattern_fact(found.pattern, found.node, file.code)
                count += 1
                if count >= _MAX_FACTS:
                    return


def _runs_on_loop(function: Function) -> bool:
    """Tell whether a function runs on an event loop by itself: a coroutine, a method of Tornado, a plain handler of an async server."""
    if function.is_async:
        return True
    if _ON_LOOP.search(function.bases):
        return function.name != "__init__"
    around = function.node.parent()
    if around is None or around.kind() != "decorated_definition":
        return False
    event = re.match(r"@(\w+)\.(?:event\b|on\()", around.text()[:200])
    return event is not None and function.file.assigned.get(event[1], "").endswith("AsyncServer")


def _in_function(flow: PythonFlow, function: Function) -> Iterator[_Found]:
    for call in own_nodes(function.body, "call"):
        if _is_awaited(call) or (_ONCE.match(function.name) and not _in_loop(call, function)):
            continue
        pattern = _blocks(function.file, call)
        if pattern:
            yield _Found(pattern, call)
        elif _reaches(flow, call, function, set()):
            yield _Found("py.blocking-helper", call)
    if not _ONCE.match(function.name):
        for kind in ("for_statement", "while_statement"):
            yield from (_Found("py.computing", loop) for loop in own_nodes(function.body, kind) if _computes(loop))
    yield from (_Found("py.blocking-loop", loop) for loop in own_nodes(function.body, "for_statement") if _waits(function.file, loop))


def _computes(loop: "SgNode") -> bool:
    head = loop.text()[:200].split("\n")[0]
    return _COMPUTES.search(head) is not None and "await " not in loop.text()


def _waits(file: PythonFile, loop: "SgNode") -> bool:
    """Tell whether a plain for goes through a blocking client itself; what it calls, as in ``pubsub.listen()``, is found as a call."""
    source = text_of(loop.field("right"))
    return (
        not loop.text().startswith("async ") and re.match(r"(?:kafka|confluent_kafka)\.", file.assigned.get(_last(source), "")) is not None
    )


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _is_awaited(call: "SgNode") -> bool:
    """Tell whether a call's own value is awaited, by await, async for or async with: then it is asynchronous, whatever its name."""
    parent = call.parent()
    while parent is not None and parent.kind() in ("parenthesized_expression", "with_item", "with_clause", "as_pattern"):
        parent = parent.parent()
    return parent is not None and (parent.kind() == "await" or is_async_statement(parent))


def _in_loop(node: "SgNode", function: Function) -> bool:
    top = function.node.range()
    for around in node.ancestors():
        if around.range() == top:
            return False
        if around.kind() in ("while_statement", "for_statement"):
            return True
    return False


def _blocks(file: PythonFile, call: "SgNode") -> str:
    """Return the pattern of a call that blocks by itself, "" when it does not."""
    name = file.called(call)
    if _names(short=False).fullmatch(name):
        return "py.blocking-call"
    if _names(short=True).fullmatch(name):
        return "py.blocking-shortly"
    base, _, method = text_of(call.field("function")).rpartition(".")
    made = _made(file, base)
    for client in _table().client if made else ():
        if (
            re.fullmatch(client.made, made)
            and re.fullmatch(client.methods, method)
            and (not client.needs or re.search(client.needs, file.text))
            and not (client.unless and re.search(client.unless, file.text))
            and not (client.without and re.search(client.without, text_of(call.field("arguments"))))
        ):
            return "py.blocking-call"
    return ""


def _made(file: PythonFile, base: str) -> str:
    """Return what the object was made with on which a method is called: of a variable, or of a call in front of the dot."""
    if base.endswith(")") and base.count("(") == 1:
        return file.resolved(base.partition("(")[0])
    plain = re.sub(r"\[[^\]]*\]|\([^()]*\)", "", base)
    parts = [part for part in plain.split(".") if part not in ("self", "cls", "")]
    return next((file.assigned[part] for part in reversed(parts) if part in file.assigned), "")


def _reaches(flow: PythonFlow, call: "SgNode", function: Function, seen: set[tuple[int, int]]) -> bool:
    """Tell whether a call runs a plain function of this backend that blocks, itself or further down. seen: those looked at already."""
    target = flow.target(call, function.file, function.owner)
    if target is None or target.is_async or "yield" in target.body.text():
        return False
    key = (id(target.file), target.node.range().start.index)
    if key in seen or _ELSEWHERE.search(_decorators(target)):
        return False
    seen.add(key)
    return any(
        _blocks(target.file, inner) == "py.blocking-call" or _reaches(flow, inner, target, seen) for inner in own_nodes(target.body, "call")
    )


def _decorators(function: Function) -> str:
    around = function.node.parent()
    if around is None or around.kind() != "decorated_definition":
        return ""
    return around.text()[: max(0, function.node.range().start.index - around.range().start.index)]
