"""How frontend code sends and receives: what it parses, when it listens and sends. Knows a browser's socket, no framework."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import OPENS, Flow, arguments_of, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["message_patterns"]

_NATIVE_EVENTS = frozenset(("open", "message", "error", "close"))
_MESSAGES = frozenset(("message", "data", "publication", "text", "frame", "received", "websocketmessage"))
_NATIVE = re.compile(
    r"^new\s+(?:window\.|globalThis\.)?(?:WebSocket|ReconnectingWebSocket|ReconnectingWebsocket|PartySocket|RobustWebSocket)\s*\("
)
_PARSES = re.compile(r"^(?:JSON\.parse|\$\.parseJSON|jQuery\.parseJSON|angular\.fromJson)$")
_OF_MESSAGE = re.compile(
    r"(?i)\.data\b|\.body\b|\bdata\b|\bmessage\b|\bmsg\b|\braw\b|\btext\b|\bevent\b|\bframe\b|payload|\be\b|\bev\b|\bm\b|\bevt\b|\bpacket\b|\bbody\b|\bs\b|\bchunk\b|\bstring\b"
)
_NAMES_SOCKET = re.compile(r"WebSocket|SockJS|[sS]tomp|onmessage|webSocket|['\"]message['\"]|EventSource|mqtt")
_STARTS = re.compile(r"(?:^|\.)(?:start|connect|open|activate|dial|init)\w*$")
_SENT = re.compile(r"^(?:[\w.]*\.)?_?#?(?:\w*(?:ws|[sS]ock|[sS]ocket|conn|connection))(?:\.current)?[!?]?\.send$")
_KNOWS_STATE = re.compile(
    r"readyState|\bOPEN\b|(?i:isOpen|isConnected|is_open|queue|pending|buffer|backlog|outbox|waiting|ready|whenOpen|waitFor)|\.connected\b|\bawait\b|\bonce\b"
)
_MAX_CALLS = 40
_BATCHES = re.compile(
    r"requestAnimationFrame|requestIdleCallback|throttle|debounce|auditTime|bufferTime|sampleTime|setInterval|startTransition|(?i:batch|flush|coalesc)"
)


def message_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield the defects of one piece of frontend code."""
    yield from _parsed(code, flow)
    yield from _after_start(code, flow)
    yield from _waits_for_data(code, flow)
    yield from _overtaken(code, flow)
    yield from _no_event(code, flow)
    yield from _sent_early(code, flow)
    yield from _one_by_one(code, flow)
    yield from _same_state(code, flow)


def _parsed(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """What a message holds is parsed, and nothing on the way from the handler to there catches an exception."""
    if not _NAMES_SOCKET.search(code.text):
        return
    for call in [call for name in ("parse", "parseJSON", "fromJson") for call in flow.named.get(name, [])][:_MAX_CALLS]:
        if not _PARSES.match(called(call)) or not (given := arguments_of(call)) or not _OF_MESSAGE.search(given[0].text()):
            continue
        if _is_guarded(flow, call) or re.search(r"Storage|getItem|textContent|innerHTML|dataset|cookie", given[0].text()):
            continue
        operator = next(
            (
                a
                for a in call.ancestors()
                if a.kind() == "call_expression" and re.match(r"(?:map|tap|filter|switchMap|concatMap|mergeMap|scan)$", called(a))
            ),
            None,
        )
        piped = operator is not None and any(re.search(r"\.pipe$", called(a)) for a in operator.ancestors())
        if piped and re.search(r"rxjs|webSocket\(", code.text) and not re.search(r"catchError|retry", code.text):
            yield pattern_fact("message.parse-ends-the-stream", call, code)
            return
        if _is_handled(flow, call):
            yield pattern_fact("message.parsed-unguarded", call, code)
            return


_GUARDS = re.compile(r"(?i)safe|guard|try|protect")
"""A wrapper that catches, by its name."""


def _is_guarded(flow: Flow, node: "SgNode", depth: int = 0) -> bool:
    """Tell whether a node, or every call of the named function that it stands in, lies within try, or a promise that is caught."""
    for ancestor in node.ancestors():
        if ancestor.kind() == "try_statement":
            body = ancestor.field("body")
            if body is not None and _within(node, body):
                return True
        if ancestor.kind() == "call_expression" and re.search(r"\.catch$", called(ancestor)):
            return True
        if ancestor.kind() in FUNCTIONS and depth < 3 and (name := _name_of(ancestor)):
            calls = list(flow.named.get(name, []))
            guards = [call for last, found in flow.named.items() if _GUARDS.search(last) for call in found]
            calls += [call for call in guards if any(one.text() == name for one in arguments_of(call))]
            return bool(calls) and all(_is_guarded(flow, call, depth + 1) or _GUARDS.search(called(call)) for call in calls)
    return False


def _within(inner: "SgNode", outer: "SgNode") -> bool:
    a, b = inner.range(), outer.range()
    return b.start.index <= a.start.index and a.end.index <= b.end.index


def _name_of(function: "SgNode") -> str:
    name, parent = function.field("name"), function.parent()
    if name is None and parent is not None and parent.kind() in ("variable_declarator", "public_field_definition"):
        name = parent.field("name")
    return last_name(name.text()) if name is not None else ""


def _is_handled(flow: Flow, call: "SgNode") -> bool:
    """Tell whether a message handler reaches a call; what a subscription or a watcher of messages is given counts as one."""
    bodies = [handler.body for handler in flow.handlers if handler.event in _MESSAGES][:_MAX_CALLS]
    for other in [one for name in ("subscribe", "watch", "useEffect", "handle") for one in flow.named.get(name, [])][:_MAX_CALLS]:
        bodies += [one for one in arguments_of(other) if one.kind() in (*FUNCTIONS, "identifier", "member_expression")]
    return any(_within(call, part) for body in bodies for part in flow.reach(body))


def _after_start(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A handler is added in what follows the start of a connection by a promise, and none before."""
    for call in flow.calls:
        function = call.field("function")
        started = function.field("object") if function is not None and last_name(called(call)) == "then" else None
        given = arguments_of(call)
        if started is None or started.kind() != "call_expression" or not _STARTS.search(called(started)) or not given:
            continue
        owner = called(started).rpartition(".")[0] or _started_by(flow, last_name(called(started)))
        if not owner:
            continue
        for inner in given[0].find_all(kind="call_expression"):
            event = arguments_of(inner)
            if (
                called(inner) == f"{owner}.on"
                and len(event) > 1
                and event[0].kind() == "string"
                and not re.search(r"re_?connect", event[0].text())
            ):
                yield pattern_fact("message.handler-after-start", inner, code)
                return


def _started_by(flow: Flow, name: str) -> str:
    """Return what a local function starts, "" for nothing."""
    text = "\n".join(body.text() for body in flow.functions.get(name, []))
    found = re.search(r"await\s+([\w.]+)\.(?:start|connect)\(", text)
    return found[1] if found else ""


def _waits_for_data(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """An effect adds the handler of messages once a state is there that a request fills, to a socket that was opened before."""
    for call in flow.named.get("useEffect", [])[:_MAX_CALLS]:
        given = arguments_of(call)
        if len(given) != 2 or given[0].kind() not in FUNCTIONS:
            continue
        text = given[0].text()
        guard = re.search(r"if\s*\(([^)]*!\s*\w+[^)]*)\)\s*\{?\s*return", text[:200])
        if guard is None or OPENS.search(text) or not re.search(r"addEventListener\(\s*['\"]message|\.onmessage\s*=|\.on\(", text):
            continue
        for name in re.findall(r"!\s*(\w+)", guard[1]):
            setter = f"set{name[:1].upper()}{name[1:]}"
            fetched = re.search(
                rf"(?:\bfetch|axios|api\w*)\b[^;]{{0,200}}\b{setter}\b|\.then\(\s*(?:\(?\w*\)?\s*=>\s*)?{setter}\b|{setter}\(\s*await\b",
                code.text,
            )
            if fetched and not re.search(rf"(?<![\w.]){re.escape(name)}(?:\.current)?\.(?:on|addEventListener|onmessage)\b", text):
                yield pattern_fact("message.handler-waits-for-data", call, code)
                return


_TAKES = re.compile(r"(?i)(?:^|\.)(?:open|dial|connect|listen|tail|stream|subscribe|follow|on\w*|addEventListener|watch)\w*$")


def _overtaken(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A handler that is given to what delivers messages awaits in one branch and writes in another."""
    if re.search(r"(?i)queue|chain\s*=|\.then\(\s*\(\)\s*=>|mutex|serial|\block|concatMap|\bseq\b|version|generation|abort", code.text):
        return
    for call in flow.calls:
        for body in (
            [one for one in arguments_of(call) if one.kind() in FUNCTIONS and one.text().startswith("async")]
            if _TAKES.search(called(call))
            else ()
        ):
            parameters = body.field("parameters") or body.field("parameter")
            if (
                parameters is None
                or not re.search(r"\w", parameters.text())
                or re.search(r"['\"](?:re)?connect|['\"]open", call.text()[:80])
            ):
                continue
            awaited = re.search(
                r"await\s+(?:new Promise|[\w.]*(?:decode|arrayBuffer|text|blob|decrypt|decompress|inflate|load|"
                r"fetch|createImageBitmap|render|import)\w*\()",
                body.text(),
            )
            tests = [(test.field("consequence"), test.field("alternative")) for test in body.find_all(kind="if_statement")]
            branch = any(then is not None and other is not None and "await " in then.text() for then, other in tests)
            if awaited and branch:
                yield pattern_fact("message.overtaken", call, code)
                return


def _no_event(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    for call in flow.calls:
        given, owner = arguments_of(call), call.field("function")
        owner = owner.field("object") if owner is not None and last_name(called(call)) == "addEventListener" else None
        if owner is None or not given or given[0].kind() != "string" or given[0].text().strip("\"'") in _NATIVE_EVENTS:
            continue
        meant = flow.meant(owner)
        if meant.kind() == "new_expression" and _NATIVE.match(meant.text()[:80]):
            yield pattern_fact("message.no-event-of-sockets", call, code)
            return


def _sent_early(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A native socket is opened by a call and sent through in a later statement of the same block, or a sender looks at no state."""
    if not re.search(r"new\s+(?:window\.)?WebSocket\s*\(", code.text):
        return
    openers = {
        name for name, bodies in flow.functions.items() if any(OPENS.search(body.text()) and not _waits_itself(body) for body in bodies)
    }
    senders = {name for name, bodies in flow.functions.items() if any(_sends_itself(flow, body) for body in bodies)}
    for bodies in flow.functions.values():
        for body in bodies:
            if (late := _sent_by_another(flow, body, senders)) is not None:
                yield pattern_fact("message.sent-before-opening", late, code)
                return
    for call in flow.calls:
        if last_name(called(call)) in openers and (late := _sent_after(call)) is not None:
            yield pattern_fact("message.sent-before-opening", late, code)
            return
    for name, bodies in flow.functions.items():
        for body in bodies:
            if not re.match(r"(?i)_?(?:send|emit|publish|request|post)\w*$", name) or not _sends_itself(flow, body):
                continue
            sent = next(call for call in body.find_all(kind="call_expression") if _SENT.match(called(call)))
            if not _KNOWS_STATE.search("\n".join(c.text()[:200] for c in flow.named.get(name, []))):
                yield pattern_fact("message.sent-in-any-state", sent, code)
                return


def _sends_itself(flow: Flow, body: "SgNode") -> bool:
    """Tell whether a function sends at once, whatever the state of the socket."""
    sends = [call for call in body.find_all(kind="call_expression") if _SENT.match(called(call)) and flow.function_around(call) == body]
    return bool(sends) and not _KNOWS_STATE.search(body.text()) and not OPENS.search(body.text())


def _sent_by_another(flow: Flow, body: "SgNode", senders: set[str]) -> "SgNode | None":
    """Return the call of a sender that follows the making of a socket among the statements of one function."""
    block = body.field("body")
    made = False
    for statement in block.children() if block is not None and block.kind() == "statement_block" else ():
        if "await " in statement.text():
            return None
        inner = next((child for child in statement.children() if child.kind() in ("call_expression", "assignment_expression")), None)
        if made and inner is not None and inner.kind() == "call_expression" and last_name(called(inner)) in senders:
            return inner
        made = made or (
            statement.kind() in ("expression_statement", "lexical_declaration")
            and re.search(r"=\s*new\s+(?:window\.)?WebSocket\s*\(", statement.text()[:200]) is not None
        )
    return None


def _waits_itself(body: "SgNode") -> bool:
    return re.search(r"new\s+Promise|\bawait\b", body.text()) is not None


def _sent_after(call: "SgNode") -> "SgNode | None":
    """Return the send that follows a statement in its block at once, None when something waits in between."""
    statement = next((a for a in call.ancestors() if (p := a.parent()) is not None and p.kind() in ("program", "statement_block")), None)
    if statement is None or statement.kind() not in ("expression_statement", "lexical_declaration") or "await " in statement.text():
        return None
    for sibling in statement.next_all():
        if sibling.kind() == "expression_statement":
            if "await " in sibling.text():
                return None
            inner = next((child for child in sibling.children() if child.kind() == "call_expression"), None)
            if inner is not None and _SENT.match(called(inner)):
                return inner
    return None


def _one_by_one(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    if _BATCHES.search(code.text):
        return
    for handler in [one for one in flow.handlers if one.event in _MESSAGES][:_MAX_CALLS]:
        for part in flow.reach(handler.body):
            call = next((c for c in part.find_all(kind="call_expression") if re.search(r"(?:^|\.)(?:dispatch|commit)$", called(c))), None)
            if call is not None:
                yield pattern_fact("message.stored-one-by-one", call, code)
                return


def _same_state(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A reducer gives its first parameter another name, changes it and returns it (react.dev, useReducer; immer copies)."""
    if not re.search(r"useReducer|createStore|combineReducers|configureStore", code.text) or re.search(
        r"immer|createSlice|createReducer|produce\(", code.text
    ):
        return
    for call in flow.calls:
        if not re.search(r"(?:^|\.)useReducer$", called(call)) or not (given := arguments_of(call)):
            continue
        body = flow.meant(given[0])
        parameters = body.field("parameters") if body.kind() in FUNCTIONS else None
        names = re.findall(r"\w+", parameters.text()) if parameters is not None else []
        if not names:
            continue
        state = re.escape(names[0])
        same = {names[0], *re.findall(rf"(?:const|let|var)\s+(\w+)\s*=\s*{state}\s*[;\n]", body.text())}
        for name in same:
            changed = re.search(
                rf"(?<![\w.]){name}(?:\.\w+)?(?:\[[^\]\n]{{1,60}}\]|\.\w+)\s*[-+]?=(?!=)|(?<![\w.]){name}(?:\.\w+)*\.(?:push|unshift|splice|set|add|delete|sort)\(",
                body.text(),
            )
            if changed and re.search(rf"\breturn\s+{name}\s*[;}}\n]", body.text()):
                yield pattern_fact("message.state-returned-unchanged", call, code)
                return
