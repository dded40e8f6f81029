"""What feeds the clients of a Python backend: loops that one exception ends for good, coroutines that nobody awaits."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.python_flow import Function, PythonFile, PythonFlow, own_nodes, text_of, within

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["task_patterns"]

_STARTS = re.compile(
    r"(?:\w+\.)*(?:create_task|ensure_future|start_background_task|add_background_task|spawn_callback|start_soon|add_task"
    r"|Thread|spawn|spawn_later)$"
)
_TELLS = re.compile(
    r"(?i)\b\w*(?:broadcast|emit|publish|notify|fan_?out|send_all|send_to|send_group|group_send|push_all|push_to|announce|tell)\w*\("
)
_TO_EACH = re.compile(r"\bfor\s[^\n]{1,80}\bin\b[^\n]{0,200}(?:\n[^\n]{0,200}){0,3}?\s*[^\n]{0,200}(?:send\w*|put_nowait|write_message)\(")
"""What tells many: the name says so, or a loop sends to each."""

_FAILS = re.compile(
    r"(?:json|orjson|ujson|msgpack|pickle)\.(?:loads?|unpackb?)$|(?:requests|httpx|aiohttp)\."
    r"|\.(?:json|raise_for_status|model_validate\w*|parse_\w+|fetch\w*|execute|executemany|recv|receive\w*|readexactly|xread\w*|blpop|brpop"
    r"|get_message|poll|getone|consume|connect|subscribe|request|query|scalars?|listen|objects\.\w+)$|^(?:int|float|open|Decimal)$"
)
_READS_NUMBER = re.compile(r"(?:int|float|Decimal)$")
_A_NUMBER = re.compile(r"(?:time|math|random|statistics|datetime|loop|asyncio)\.|(?:len|round|sum|min|max|abs|monotonic|perf_counter)\(")
_CLIENT_GET = re.compile(r"(?i)(?:session|client|http\w*|api|redis|cache|r|c|conn|db|pool)\.(?:get|post|put|publish|hget|hgetall|head)$")
_SOCKET_PARAMETER = re.compile(r"(?i)\b(?:ws|websocket|socket|sid)\b|WebSocket")
_RECEIVING = re.compile(r"(?i)\b(?:ws|websocket|websocket_\w+|self)\.(?:receive\w*|recv|iter_\w+)\(|\bin\s+(?:ws|websocket|self\.ws)\s*:")
_NARROW = re.compile(
    r"except\s*\(?\s*(?:\w+\.)*(?:CancelledError|StopAsyncIteration|KeyboardInterrupt|TimeoutError"
    r"|QueueEmpty)[\s\w.,]*\)?\s*(?:as \w+)?\s*:"
)
_LEAVES = re.compile(r"\n\s+(?:break|return\b[^\n]*|raise\b[^\n]*)\s*$")


def task_patterns(flow: PythonFlow) -> Iterator[PatternFacts]:
    """Yield the loops that end quietly, and the coroutines that never run."""
    for file in flow.files:
        for function in _started(flow, file):
            loop = _feeding(function)
            if loop is not None and (node := _ends_it(flow, function, loop)) is not None:
                yield pattern_fact("py.feeding-loop-dies", node, function.file.code)
    for file in flow.files:
        for function in file.functions:
            if function.is_async:
                yield from (pattern_fact("py.never-awaited", node, file.code) for node in _never_awaited(flow, function))


def _started(flow: PythonFlow, file: PythonFile) -> Iterator[Function]:
    """Yield the functions that are started to run beside everything else, with nobody who starts them again."""
    if re.search(r"add_done_callback|supervis|restart", file.text):
        return
    for call in file.root.find_all(kind="call")[:2_000]:
        if not _STARTS.match(file.called(call)) or _in_group(call):
            continue
        given = call.field("arguments")
        for argument in given.children() if given is not None else ():
            started = argument.field("value") if argument.kind() == "keyword_argument" else argument
            target = _named(flow, file, started, call) if started is not None else None
            if target is not None:
                yield target
                break


def _named(flow: PythonFlow, file: PythonFile, node: "SgNode", call: "SgNode") -> Function | None:
    around = file.function_around(call)
    owner = around.owner if around is not None else ""
    if node.kind() == "call":
        return flow.target(node, file, owner)
    name = node.text().rpartition(".")[2]
    if node.kind() not in ("identifier", "attribute"):
        return None
    return next(
        (one for other in flow.files for one in other.functions if one.name == name and (other is file or name in file.imports)), None
    )


def _in_group(call: "SgNode") -> bool:
    """Tell whether a task group holds the task: then its exception is raised where the group ends."""
    name = text_of(call.field("function")).rpartition(".")[0]
    return (
        any(a.kind() == "with_statement" and re.search(rf"as\s+{re.escape(name)}\s*[:,)]", a.text()[:300]) for a in call.ancestors())
        if name
        else False
    )


def _feeding(function: Function) -> "SgNode | None":
    """Return the outermost loop of a function that goes on for ever and tells somebody; None for one that serves a single connection."""
    if _SOCKET_PARAMETER.search(function.parameters) or re.search(r"(?i)socket|connection|session|client|peer", function.owner):
        return None
    around = [a for a in function.node.ancestors() if a.kind() == "function_definition"]
    if any(_SOCKET_PARAMETER.search(text_of(one.field("parameters"))) for one in around):
        return None
    loops = [
        loop
        for kind in ("while_statement", "for_statement")
        for loop in own_nodes(function.body, kind)
        if re.match(r"while\s+(?:True|1|not\b|self\.\w*running|running)|async for\b", loop.text())
        and (_TELLS.search(loop.text()) or _TO_EACH.search(loop.text()[10:]))
    ]
    outer = [loop for loop in loops if not any(within(loop, other) and loop.range() != other.range() for other in loops)]
    loop = min(outer, key=lambda one: one.range().start.index, default=None)
    return None if loop is None or _RECEIVING.search(loop.text()) else loop


def _ends_it(flow: PythonFlow, function: Function, loop: "SgNode") -> "SgNode | None":
    """Return what can end a loop: a call that fails now and then and that nothing in the loop guards, or a guard that leaves the loop."""
    for clause in own_nodes(loop, "except_clause"):
        if _LEAVES.search(clause.text()) and not _NARROW.match(clause.text()) and _outermost_try(clause, loop):
            return clause
    if loop.text().startswith("async for") and not _guards_whole(loop, function):
        source = text_of(loop.field("right"))
        if re.search(r"listen\(\)|\.messages\b|consumer|iterator\(|\.stream\(", source):
            return loop
    for call in own_nodes(loop, "call"):
        if not _is_guarded(call, loop) and _may_fail(flow, function, call):
            return call
    return None


def _outermost_try(clause: "SgNode", loop: "SgNode") -> bool:
    """Tell whether a clause guards the loop's body itself, not one client of an inner loop."""
    for around in clause.ancestors():
        if around.range() == loop.range():
            return True
        if around.kind() in ("for_statement", "while_statement", "function_definition"):
            return False
    return False


def _guards_whole(loop: "SgNode", function: Function) -> bool:
    """Tell whether an outer loop with a guard starts this one again."""
    return any(a.kind() == "while_statement" and "try" in a.text() for a in loop.ancestors() if within(a, function.node))


def _is_guarded(node: "SgNode", loop: "SgNode") -> bool:
    """Tell whether an exception of a node is caught without leaving the loop."""
    for around in node.ancestors():
        if around.range() == loop.range():
            return False
        if around.kind() == "try_statement":
            body = around.field("body")
            if (
                body is not None
                and within(node, body)
                and any(not _NARROW.match(c.text()) for c in around.children() if c.kind() == "except_clause")
            ):
                return True
        if around.kind() == "with_statement" and re.search(r"suppress\(", around.text()[:200]):
            return True
    return False


def _may_fail(flow: PythonFlow, function: Function, call: "SgNode") -> bool:
    name = function.file.called(call)
    if _FAILS.search(name):
        return _fails(name, call)
    if _CLIENT_GET.search(name):
        return "await " in text_of(call.parent()) or not re.search(r"\.get$", name)
    target = flow.target(call, function.file, function.owner)
    if target is None or target.node.range() == function.node.range():
        return False
    if re.search(r"\btry\b|suppress\(|return_exceptions", target.body.text()):
        return False
    return any(_fails(target.file.called(inner), inner) or _sends_to_one(inner) for inner in own_nodes(target.body, "call"))


def _fails(name: str, call: "SgNode") -> bool:
    """Tell whether a call fails now and then; a number is read from what came from elsewhere, not from what is one already."""
    if not _FAILS.search(name):
        return False
    if not _READS_NUMBER.match(name):
        return True
    given = text_of(call.field("arguments")).removeprefix("(").strip()
    counted = any(inner.kind() == "binary_operator" for inner in (call.field("arguments") or call).children())
    return not counted and re.match(r"[a-z_]\w*[\[(.]", given) is not None and not _A_NUMBER.match(given)


def _sends_to_one(call: "SgNode") -> bool:
    """Tell whether a call sends to a single connection and is awaited: it raises when that one is gone."""
    parent = call.parent()
    return (
        parent is not None
        and parent.kind() == "await"
        and re.search(r"(?i)\b(?:ws|websocket|client|conn|connection|socket|peer|c|s)\.send\w*$", text_of(call.field("function")))
        is not None
    )


def _never_awaited(flow: PythonFlow, function: Function) -> "Iterator[SgNode]":
    """Yield the calls of coroutines whose result nobody takes: they never run."""
    for statement in own_nodes(function.body, "expression_statement"):
        call = next(iter(statement.children()), None)
        if call is None or call.kind() != "call":
            continue
        target = flow.target(call, function.file, function.owner)
        base = text_of(call.field("function"))
        ours = re.match(r"(?:self\.|cls\.)?\w+$", base) is not None or _TELLS.search(f"{base}(") is not None
        runs = target is not None and target.is_async and "yield" not in target.body.text() and not _wrapped(target)
        if (ours and runs) or _KNOWN_COROUTINES.fullmatch(base) or _of_async_server(function, base):
            yield call


_KNOWN_COROUTINES = re.compile(
    r"(?:ws|websocket)\.(?:send_text|send_json|send_bytes|send_str|accept)|self\.channel_layer\.(?:group_\w+|send)"
)


def _of_async_server(function: Function, base: str) -> bool:
    """Tell whether a call is one of python-socketio's asynchronous server that tells somebody."""
    owner, _, name = base.partition(".")
    return name in ("emit", "send", "enter_room") and function.file.assigned.get(owner, "").endswith("AsyncServer")


def _wrapped(function: Function) -> bool:
    """Tell whether a decorator stands between: what is called then may start a task, as Celery's and others do."""
    around = function.node.parent()
    return (
        around is not None and around.kind() == "decorated_definition" and not around.text().startswith(("@staticmethod", "@classmethod"))
    )
