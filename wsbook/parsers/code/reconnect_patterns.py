"""What frontend code does after its socket has closed: whether it opens another one, when, and how often. Knows native sockets only.

Libraries that reconnect by themselves are judged by their options, in patterns.toml.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import CLOSE_EVENTS, OPENS, TIMERS, Flow, Handler, arguments_of, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["reconnect_patterns"]

_NATIVE = re.compile(r"new\s+(?:window\.|globalThis\.|self\.)?(?:WebSocket|SockJS)\s*\(")
_CLOSES = re.compile(r"(?i)(?:socket|\bws|connection)\w*[?!]?\.(?:onclose\s*=|addEventListener\(\s*['\"]close)")
_BY_LIBRARY = re.compile(
    r"(?i)reconnecting-?websocket|partysocket|robust-?websocket|sockette|useWebSocket|stomp|socket\.io|@microsoft/signalr|createClient"
)
_SERVER = re.compile(r"WebSocketServer|WebSocket\.Server|ws\.Server|createServer")
_SOMEWHERE = re.compile(
    r"(?i)^(?:\w+\.)*_?(?:\w*(?:reconnect|retry|backoff|schedule|dial|reload|offer|again|restart|refresh)\w*|connect|open|start|init|setup)\w*$"
)
"""A name that may stand for reconnecting, when the code of it is elsewhere."""
_REPORTS = re.compile(r"(?i)(?:emit|dispatch\w*|onclose|ondisconnect|callback|cb|handlers?|listeners?|resolve|reject|next|error)\w*$")
"""A name that hands the event on, so that somebody else may reconnect."""
_MESSAGES = frozenset(("message", "data"))
"""A page that closes the socket itself, once a message says that all is done, needs no other one."""
_OTHER_EVENTS = frozenset(("online", "visibilitychange", "focus", "pageshow", "resume", "click"))
_ASKS = re.compile(r"(?i)(?:this\.|self\.)?[\w.]*(?:token|ticket|auth|session|login|url|fetch|refresh|config|axios|http|get)\w*[\w.]*\(")
"""What is awaited before a connection and takes no more than an answer takes."""
_COUNTS = re.compile(r"(?i)(?:^|[.#_])(?:\w*(?:attempt|retr|tries|count|fail)\w*|n)$")
_LOCAL = re.compile(r"wss?://(?:localhost|127\.|\[::1\])")
_NEXT = ("queueMicrotask", "setImmediate", "nextTick")
"""What runs a function in the same or the next turn: no wait at all."""
_MAX_CLOSING = 40
_FEW = 10
"""Attempts up to which giving up is early: with doubling from half a second they last less than nine minutes."""


def reconnect_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield what is wrong with reconnecting; nothing for code without a native socket, on a server, or with a reconnecting library."""
    opened = [call for call in flow.calls if _NATIVE.match(call.text()[:60])]
    if not (opened or _CLOSES.search(code.text)) or _SERVER.search(code.text) or _BY_LIBRARY.search(code.text):
        return
    loop = next((one for one in _loops(flow) if OPENS.search(one.text())), None)
    if loop is not None:
        if not _PAUSES.search(loop.text()):
            yield pattern_fact("reconnect.immediate", loop, code)
        return
    closing = flow.of(CLOSE_EVENTS)
    reconnecting = [handler for handler in closing[:_MAX_CLOSING] if flow.opens(handler.body)]
    if not reconnecting:
        if opened and not _elsewhere(flow, [handler.body for handler in closing]):
            finite = any(re.search(r"\.close\s*\(", flow.reached_text(handler.body)) for handler in flow.of(_MESSAGES))
            local = finite or all(_LOCAL.search(call.text()[:200]) for call in opened)
            yield pattern_fact("reconnect.none" if closing and not local else "reconnect.not-shown", opened[0], code)
        return
    bodies = [handler.body for handler in reconnecting]
    if (credential := next((found for call in opened if (found := _kept_credential(flow, call))), None)) is not None:
        yield pattern_fact("reconnect.token-read-once", credential, code)
    yield from _by_code(code, flow, reconnecting)
    if any(_at_once(flow, body) for body in bodies):
        yield pattern_fact("reconnect.immediate", reconnecting[0].node, code)
        return
    timers = [timer for body in bodies for timer in _timers(flow, body)]
    if timers and all(_is_constant(flow, timer) for timer in timers):
        yield pattern_fact("reconnect.constant", timers[0], code)
    elif timers and (weakness := _weakness(flow, timers[0])):
        yield pattern_fact(weakness, timers[0], code)
    limit = next((found for body in bodies if (found := _limit(flow, body, code.text)) is not None), None)
    if limit is not None and not _other_trigger(flow):
        yield pattern_fact("reconnect.gives-up", limit, code)


_PAUSES = re.compile(r"(?i)setTimeout|sleep|delay|wait\w*\(|backoff|pause|jitter|timer|break\b|return\b")
"""What a loop that dials waits with, or ends at."""


def _loops(flow: Flow) -> "list[SgNode]":
    """Return the loops without an end of their own."""
    every = [one for kind in ("while_statement", "for_statement", "do_statement") for one in flow.root.find_all(kind=kind)[:_MAX_CLOSING]]
    return [one for one in every if re.match(r"while\s*\(\s*(?:true|1|!\s*[\w.]+)\s*\)|for\s*\(\s*;\s*;\s*\)|do\b", one.text())]


_CREDENTIAL = re.compile(r"(?i)token|jwt|bearer|ticket|credential")


def _kept_credential(flow: Flow, call: "SgNode") -> "SgNode | None":
    """Return the name in a new socket's arguments that holds a credential read before, outside of what runs for each attempt."""
    around = flow.function_around(call)
    if around is None:
        return None
    for name in [
        node for kind in ("identifier", "member_expression") for one in arguments_of(call) for node in (one, *one.find_all(kind=kind))
    ]:
        given = flow.values.get(re.sub(r"^(?:this|self)\.#?", "this.", name.text()), [])
        if name.kind() not in ("identifier", "member_expression") or len(given) != 1 or given[0].kind() in FUNCTIONS:
            continue
        text = given[0].text()[:400]
        if not (_CREDENTIAL.search(name.text()) or re.search(r"[?&]\w*(?i:token|jwt|ticket|auth)\w*=", text)) or re.search(
            r"useRef|\bref\(", text
        ):
            continue
        place, own = given[0].range(), around.range()
        if not own.start.index <= place.start.index < own.end.index:
            return call
    return None


def _elsewhere(flow: Flow, bodies: "list[SgNode]") -> bool:
    """Tell whether something other than the close handlers' own code may open the next socket."""
    if _other_trigger(flow) or any(flow.opens(call) for call in flow.calls if re.match(r"(?:\w+\.)?setInterval$", called(call))):
        return True
    if any(re.search(r"location\.(?:reload|href|assign|replace)|history\.go\(", flow.reached_text(body)) for body in bodies):
        return True
    names = [called(call) for body in bodies for part in flow.reach(body) for call in part.find_all(kind="call_expression")]
    handed = [body.text() for body in bodies if body.kind() in ("identifier", "member_expression")]
    return any((_SOMEWHERE.match(name) and last_name(name) not in flow.functions) or _REPORTS.search(name) for name in (*names, *handed))


def _other_trigger(flow: Flow) -> bool:
    return any(flow.opens(handler.body) for handler in flow.of(_OTHER_EVENTS))


def _timers(flow: Flow, body: "SgNode") -> "list[SgNode]":
    """Return the calls that wait and then open, among everything that a handler reaches."""
    calls = [call for part in flow.reach(body) for call in part.find_all(kind="call_expression") if TIMERS.match(called(call))]
    return [call for call in calls if (given := arguments_of(call)) and flow.opens(given[0])]


def _at_once(flow: Flow, body: "SgNode", depth: int = 0) -> bool:
    """Tell whether a socket is opened within the same turn of the event loop: no timer and no await lies before."""
    if depth > 4:
        return False
    if body.kind() in ("identifier", "member_expression"):
        return any(_at_once(flow, function, depth + 1) for function in flow.functions.get(last_name(body.text()), [])[:2])
    for call in (*body.find_all(kind="call_expression"), *body.find_all(kind="new_expression")):
        if _waits(call, body):
            continue
        if OPENS.match(call.text()[:60]):
            return True
        name = last_name(called(call))
        if name in _NEXT and any(one.kind() != "call_expression" and _at_once(flow, one, depth + 1) for one in arguments_of(call)[:1]):
            return True
        if any(_at_once(flow, function, depth + 1) for function in flow.functions.get(name, [])[:2]):
            return True
    return False


def _waits(call: "SgNode", body: "SgNode") -> bool:
    """Tell whether a call lies in the callback of a timer or a promise, in a handler of its own, or after something that takes time."""
    for ancestor in call.ancestors():
        if ancestor.range() == body.range():
            break
        if ancestor.kind() in ("arrow_function", "function_expression") or TIMERS.match(called(ancestor) or "-"):
            return True
    before = body.text()[: max(0, call.range().start.index - body.range().start.index)]
    return any(not _ASKS.match(awaited) for awaited in re.findall(r"await\s+([^;\n]{1,200})", before))


def _expression(flow: Flow, timer: "SgNode") -> "SgNode | None":
    """Return the expression of a timer's delay, a name and a local function of no arguments followed to what they are; None for none."""
    given = arguments_of(timer)
    if len(given) < 2:
        return None
    value = flow.meant(given[1])
    if value.kind() == "call_expression" and (bodies := flow.functions.get(last_name(called(value)), [])):
        return bodies[0]
    return value


def _is_constant(flow: Flow, timer: "SgNode") -> bool:
    """Tell whether the delay of a timer is the same every time, as far as its expression and the names in it tell."""
    value = _expression(flow, timer)
    if value is None:
        return last_name(called(timer)).startswith("set")
    source = value.text()
    if "random" in source or any(not called(call).startswith("Math.") for call in _calls_in(value)):
        return False
    return not any(_varies(name, flow) for name in _names_in(value))


def _calls_in(node: "SgNode") -> "list[SgNode]":
    return [*([node] if node.kind() == "call_expression" else []), *node.find_all(kind="call_expression")]


def _names_in(node: "SgNode") -> list[str]:
    """Return the names and dotted names within an expression, whole ones only."""
    names = [node] if node.kind() in ("identifier", "member_expression") else []
    names += [*node.find_all(kind="identifier"), *node.find_all(kind="member_expression")]
    texts = {name.text() for name in names}
    parts = {text.rpartition(".")[0] for text in texts} | {"Math"}
    return sorted(text for text in texts if text not in parts and not text.startswith("Math."))


def _varies(name: str, flow: Flow) -> bool:
    """Tell whether a name is changed after its definition, defined by something that changes, or not defined here at all."""
    named, text = re.escape(name), flow.root.text()
    if re.search(rf"(?<![\w.]){named}\s*(?:\+\+|--|[-+*/]=)|(?:\+\+|--)\s*{named}\b", text):
        return True
    given = flow.values.get(re.sub(r"^(?:this|self)\.#?", "this.", name), [])
    values = {value.text().strip() for value in given}
    if not given:
        return not re.search(rf"(?<![\w.#]){re.escape(last_name(name))}\s*:\s*-?[\d_.]+\b", text)
    return len(values) > 1 or any(value.kind() not in ("number", "binary_expression", "unary_expression") for value in given)


def _weakness(flow: Flow, timer: "SgNode") -> str:
    """Return what is missing from a delay: growth, a ceiling, or chance; "" for nothing, and where it does not show."""
    value = _expression(flow, timer)
    if value is not None and "Math.random" in value.text() and not any(_varies(name, flow) for name in _names_in(value)):
        return "reconnect.random-alone"
    if value is None or not re.search(r"\*\*|Math\.pow|<<|\*\s*(?:2|1\.5)\b", value.text()) or not _names_in(value):
        return ""
    if any(not called(call).startswith("Math.") for call in _calls_in(value)):
        return ""
    text = flow.root.text()
    if not re.search(r"Math\.min|[<>]=?\s*[\w.]*(?i:max|cap|limit|\d{4,})|(?i:max|cap|ceil)\w*\s*[<>]|clamp", text):
        return "reconnect.no-ceiling"
    return "" if re.search(r"(?i)random|jitter\w*\s*[(=*+]", text) else "reconnect.no-jitter"


_ABNORMAL = re.compile(r"\.?code\s*===?\s*(?:1001|1005|1006|1011|1012|1013|1014)\b")
_FATAL = re.compile(r"\b(?:1008|40[01]\d|44\d\d|49\d\d|401|403)\b")


def _by_code(code: Code, flow: Flow, reconnecting: "list[Handler]") -> Iterator[PatternFacts]:
    """Compare what a close handler does for certain close codes: an end that is no end, or one that is and is tried again."""
    for handler in reconnecting:
        body = flow.reach(handler.body)[0] if handler.body.kind() in FUNCTIONS else next(iter(flow.reach(handler.body)[1:]), handler.body)
        for test in body.find_all(kind="if_statement"):
            condition, then = test.field("condition"), test.field("consequence")
            if condition is None or then is None or not re.search(r"(?i)\bcode\b", condition.text()):
                continue
            ends = re.search(r"\breturn\b|\bthrow\b", then.text()) is not None
            if ends and _ABNORMAL.search(condition.text()) and not flow.opens(then) and test.field("alternative") is None:
                yield pattern_fact("reconnect.code-left-out", test, code)
                return
            told = _FATAL.search(condition.text()) and "!" not in condition.text()
            goes_on = test.field("alternative") is None and not re.search(r"=\s*(?:true|false|null|0)\b|clear|\bstop|close\(", then.text())
            if told and not ends and goes_on and not flow.opens(then) and flow.opens(body):
                yield pattern_fact("reconnect.fatal-code-tried-again", test, code)
                return


def _limit(flow: Flow, body: "SgNode", text: str) -> "SgNode | None":
    """Return the test that ends reconnecting after a few attempts, None when there is none."""
    for part in flow.reach(body):
        for test in part.find_all(kind="if_statement"):
            condition, then = test.field("condition"), test.field("consequence")
            found = (
                re.search(r"(?:\+\+)?([\w.#]+)(?:\+\+)?\s*(>=|>|===?|<=|<)\s*([\w.#]+)", condition.text())
                if condition is not None
                else None
            )
            if found is None or then is None or not _COUNTS.search(found[1]):
                continue
            ends = found[2] in (">=", ">", "==", "===") and re.match(r"\{?\s*(?:return|throw)|(?s:.{0,200}?)\breturn\b", then.text())
            guards = found[2] in ("<", "<=") and flow.opens(then) and test.field("alternative") is None
            if (ends or guards) and (number := _number(found[3], text)) is not None and number <= _FEW:
                return test
    return None


def _number(name: str, text: str) -> int | None:
    if name.isdigit():
        return int(name)
    found = re.search(rf"{re.escape(last_name(name))}\s*(?::\s*number\s*)?[=:]\s*(\d{{1,6}})\b", text)
    return int(found[1]) if found else None
