"""Who dials, when and how often, and what goes out too early: two redials for one end, timers in place of events, unanswered beats."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import OPEN_EVENTS, OPENS, Flow, Handler, arguments_of, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["dialling_patterns"]

_NATIVE = re.compile(r"new\s+(?:window\.|globalThis\.|self\.)?WebSocket\s*\(")
_MAKES = re.compile(
    r"new\s+(?:[\w.]+\.)?(?:\w*WebSocket\w*|SockJS|Client|StompJs|HubConnectionBuilder|PartySocket|Pusher|Echo|Centrifuge|Socket)\s*\("
    r"|(?<![\w.])(?:io|webSocket)\s*\(|\bStomp\.(?:over|client)\("
)
"""Source that makes a connection, also with the libraries whose connections do not show by their name."""
_BY_ITSELF = re.compile(r"new\s+(?:ReconnectingWebSocket|PartySocket|RobustWebSocket)\s*\(|(?<![\w.])io(?:\.connect)?\s*\(")
_ONE_AT_A_TIME = re.compile(
    r"clear(?:Timeout|Interval)|remove\w*Listener|\.onclose\s*=\s*(?:null|undefined|\(\)\s*=>\s*\{\s*\})|\?\?=|\|\|=|\bonce\b|readyState"
    r"|\.(?:close|terminate|disconnect|deactivate|stop)\s*\(|(?i:if\s*\(\s*!?\s*[\w.#]*(?:timer|timeout|schedul|pending|connecting|retrying"
    r"|handle|done|settled|closed|socket|\bws|conn|client|sock|gen\w*|current)\b\w*)|!==?\s*(?:this\.)?#?\w*(?:ws|sock\w*|gen\w*|current)\b"
)
"""What keeps a second attempt away, or ends the first connection."""
_REPEATS = re.compile(r"(?:^|[.$])(?:subscribe|watch|onAuthStateChanged|onIdTokenChanged|addEventListener|useEffect|on|listen)$")
_OWN_STREAM = re.compile(r"(?i)socket|\bws|stream|messages|feed|client|conn|hub|\bio\b|http|fetch|\bapi|\.get\(|first\(|take\(1|\bonce\b")
_OWN_EVENT = re.compile(
    r"(?i)^[\"'`](?:re)?(?:open|close|error|message|connect\w*|disconnect\w*|load|DOMContentLoaded|ready|online|pageshow)[\"'`]$"
)
_BACKS_OFF = re.compile(r"(?i)random|\*\*|Math\.pow|backoff|Date\.now\(\)\s*[-<>]|next\w*at|\.close\s*\(|attempt|delay")
_SENT = re.compile(r"^(?:[\w.]*\.)?_?#?(\w*(?:ws|[sS]ock|[sS]ocket|conn|connection|link))(?:\.current)?[!?]*\.send$")
_BUFFERS = re.compile(r"ReconnectingWebSocket|PartySocket|RobustWebSocket|(?<![\w.])io(?:\.connect)?\s*\(|socket\.io|stomp|Sockette")
_KNOWS = re.compile(
    r"readyState|\bOPEN\b|\.connected\b|(?i:isOpen|isConnected|is_open|queue|pending|buffer|backlog|outbox|when_?open|wait_?for|opened|is_?ready)"
)
_REQUESTS = re.compile(
    r"(?<![\w.])(?:fetch|\$fetch|ofetch|axios|ky)\b|\$\.(?:get|post|getJSON|ajax)\b|\b(?:http|api|axios)\.\w+\(|import\("
)
_GOES_ON = re.compile(r"^(?:then|done|success|subscribe|finally|always)$")
_BEAT = re.compile(r"(?i)ping|beat|alive|pulse|[\"'`](?:.{0,2}|\\x\w+)[\"'`]|\bhb\b|\[\s*\]")
_LISTENS_FOR_LIFE = re.compile(
    r"(?i)Date\.now\(\)\s*-|performance\.now\(\)\s*-|last_?(?:pong|seen|rx|recv|received|heard|msg|message|beat|activity|alive|frame)|missed"
    r"|is_?alive|watch_?dog|dead_?line|pong_?time|await\w*pong|stale|silen|unanswered|outstanding|setTimeout\([^;]{0,200}?(?:\.close|terminate|dead|reconnect)"
)
_SLEEPS = re.compile(r"(?i)^(?:AppState|App|CapacitorApp|document|window)\.(?:addEventListener|addListener)$")
_WAKES = re.compile(r"^[\"'`](?:change|appStateChange|pageshow|resume|visibilitychange)[\"'`]$")
_SAYS_CLOSED = re.compile(
    r"readyState\s*(?:===?\s*(?:\w+\.)?(?:CLOSED|CLOSING|3|2)|!==?\s*(?:\w+\.)?(?:OPEN|1)|>=?\s*(?:\w+\.)?(?:CLOS\w+|[23]))\b"
)
_PROBES = re.compile(r"(?i)ping|probe|\.close\(|last_?\w*(?:seen|msg|message|heard|rx|pong)|Date\.now|terminate|\.send\(|hiddenAt|verify")
_FAST_MS = 3000
_MAX = 40


def dialling_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield the defects of one piece of frontend code."""
    yield from _retried_twice(code, flow)
    yield from _beside_the_library(code, flow)
    yield from _replaced(code, flow)
    yield from _polled(code, flow)
    yield from _woken(code, flow)
    yield from _asked_without_credential(code, flow)
    yield from _legacy_stomp(code, flow)
    if _NATIVE.search(code.text) or not _BUFFERS.search(code.text):
        yield from _sent_by_the_clock(code, flow)
        yield from _sent_when_something_else_is_there(code, flow)
    if _NATIVE.search(flow.text) and not _LISTENS_FOR_LIFE.search(flow.text):
        yield from _unanswered(code, flow)


def _retried_twice(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """An error is always followed by a close (WHATWG WebSockets, fail the connection): whoever dials for both has two connections."""
    if not _NATIVE.search(flow.text):
        return
    closing = [one for one in flow.of(frozenset(("close",))) if flow.opens(one.body)]
    for error in flow.of(frozenset(("error",)))[:_MAX]:
        twin = next((one for one in closing if one.owner == error.owner), None)
        if twin is None or not flow.opens(error.body):
            continue
        if not _ONE_AT_A_TIME.search(f"{_code(flow, error)}\n{_code(flow, twin)}"):
            yield pattern_fact("dial.retried-twice", error.node, code)
            return


def _code(flow: Flow, handler: Handler) -> str:
    """Return what a handler reaches, comments left out."""
    return re.sub(r"(?m)//.*$|/\*[\s\S]*?\*/", "", flow.reached_text(handler.body))


def _beside_the_library(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """The library dials again by itself, and the handler of the end makes another instance of it."""
    if re.search(r"reconnection\s*:\s*false|autoReconnect\s*:\s*false|maxRetries\s*:\s*0", flow.text):
        return
    for handler in flow.of(frozenset(("close", "disconnect", "connect_error")))[:_MAX]:
        text = _code(flow, handler)
        if _BY_ITSELF.search(text) and not re.search(r"\.(?:close|disconnect|removeAllListeners|destroy)\s*\(", text):
            yield pattern_fact("dial.beside-the-library", handler.node, code)
            return


def _replaced(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """What runs at each change of something else makes a new connection in the place of the old one, and nothing ends that."""
    for call in flow.calls:
        given, name = arguments_of(call), called(call)
        if not given or not _REPEATS.search(name) or _OWN_STREAM.search(name.rpartition(".")[0]):
            continue
        method = last_name(name)
        if method in ("on", "listen", "addEventListener") and (len(given) < 2 or _OWN_EVENT.match(given[0].text()[:60])):
            continue
        if method == "useEffect" and not (len(given) > 1 and re.search(r"\w", given[1].text())):
            continue
        for body in given[:2]:
            if body.kind() not in (*FUNCTIONS, "identifier", "member_expression"):
                continue
            made = next((part for part in flow.reach(body) if _assigns_connection(part)), None)
            text = _before_handlers(flow.reached_text(body))
            cleaned = method == "useEffect" and re.search(r"\breturn\b", body.text())
            if made is not None and not cleaned and not _ONE_AT_A_TIME.search(text) and "once" not in call.text()[-30:]:
                yield pattern_fact("dial.replaced-without-closing", made, code)
                return


def _assigns_connection(part: "SgNode") -> bool:
    """Tell whether a function puts a new connection into something that is older than its run."""
    for node in part.find_all(kind="assignment_expression")[:_MAX]:
        left, right = node.field("left"), node.field("right")
        if left is None or right is None or not _MAKES.match(right.text()[:80]):
            continue
        local = re.search(rf"(?:const|let|var)\s+{re.escape(left.text())}\b", part.text())
        if local is None:
            return True
    return False


def _before_handlers(text: str) -> str:
    """Leave out the handlers of the new connection: they run later."""
    return re.sub(
        r"(?:\.on\w+\s*=|\bon[A-Z]\w*\s*:)\s*(?:async\s*)?\(?[^)=]{0,80}\)?\s*=>\s*(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|[^;\n]+)", "", text
    )


def _polled(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    for call in flow.named.get("setInterval", [])[:_MAX]:
        given = arguments_of(call)
        if len(given) < 2 or not OPENS.search(text := flow.reached_text(given[0])) or _BACKS_OFF.search(_before_handlers(text)):
            continue
        delay = flow.meant(given[1]).text().replace("_", "")
        fast = re.fullmatch(r"\d{1,6}|\d\s*\*\s*1000|[1-3]e3", delay) is not None and _milliseconds(delay) <= _FAST_MS
        yield pattern_fact("dial.polled-fast" if fast else "dial.polled", call, code)
        return


def _milliseconds(text: str) -> float:
    first, _, second = text.partition("*")
    return float(first) * (float(second) if second.strip() else 1)


def _in_handler(flow: Flow, node: "SgNode", events: frozenset[str]) -> bool:
    return any(_within(node, part) for handler in flow.of(events)[:_MAX] for part in flow.reach(handler.body))


def _within(inner: "SgNode", outer: "SgNode") -> bool:
    a, b = inner.range(), outer.range()
    return b.start.index <= a.start.index and a.end.index <= b.end.index


_CLOCKS = ("setTimeout", "requestAnimationFrame", "requestIdleCallback", "queueMicrotask", "setImmediate", "nextTick")
_LATER = OPEN_EVENTS | frozenset(("message", "data", "close"))


def _sent_by_the_clock(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A timer stands where the open event should: enough on a fast line, too early on a slow one."""
    for call in [one for name in _CLOCKS for one in flow.named.get(name, [])][:_MAX]:
        given = arguments_of(call)
        if not given or _in_handler(flow, call, _LATER):
            continue
        body = flow.meant(given[0])
        sent = next((one for one in body.find_all(kind="call_expression") if _SENT.match(called(one))), None)
        tested = any(_KNOWS.search(test.text()[:200]) for test in call.ancestors() if test.kind() == "if_statement")
        if sent is None or tested or _KNOWS.search(body.text()) or not _is_made_here(flow, called(sent)):
            continue
        yield pattern_fact("dial.sent-by-the-clock", sent, code)
        return


def _is_made_here(flow: Flow, send: str) -> bool:
    """Tell whether the socket of a send is made or dialled in this code."""
    owner = re.sub(r"^(?:this|self)\.#?", "this.", re.sub(r"(?:\.current)?[!?]*\.send$", "", send))
    values = [value.text()[:120] for value in flow.values.get(owner, [])]
    if f"{owner}.current" in flow.root.text():
        values += [value.text()[:120] for value in flow.values.get(f"{owner}.current", [])]
    return any(_NATIVE.match(value) or re.match(r"(?!await)[\w.]*(?i:connect|open|dial)\w*\(", value) for value in values)


def _sent_when_something_else_is_there(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """An answer of another request says nothing about the socket: on some days it is there before the socket is open."""
    for last, calls in flow.named.items():
        for call in calls if _GOES_ON.match(last) else ():
            function = call.field("function")
            if function is None or not _REQUESTS.search(function.text()[:400]) or _in_handler(flow, call, _LATER):
                continue
            for body in arguments_of(call)[:1]:
                sent = next((one for one in body.find_all(kind="call_expression") if _SENT.match(called(one))), None)
                if sent is None or OPENS.search(body.text()) or _KNOWS.search(body.text()) or not _is_made_here(flow, called(sent)):
                    continue
                around = next((one for one in sent.ancestors() if one.kind() in FUNCTIONS), None)
                if around == body or around is None:
                    yield pattern_fact("dial.sent-with-another-answer", sent, code)
                    return


def _unanswered(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Beats go out, and nothing looks whether anything comes back."""
    for call in flow.named.get("setInterval", [])[:_MAX]:
        given = arguments_of(call)
        body = flow.meant(given[0]) if given else call
        sent = next((one for one in body.find_all(kind="call_expression") if re.search(r"\.send$", called(one))), None)
        if sent is not None and _BEAT.search(body.text()) and not re.search(r"\.(?:close|terminate)\s*\(", body.text()):
            yield pattern_fact("dial.beat-unanswered", call, code)
            return


def _woken(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """After a sleep the socket says OPEN although its connection is gone; who looks at readyState alone goes on with it."""
    for call in flow.calls:
        given = arguments_of(call)
        if len(given) < 2 or not _SLEEPS.match(called(call)) or not _WAKES.match(given[0].text()[:40]):
            continue
        text = flow.meant(given[1]).text()
        if _SAYS_CLOSED.search(text) and not _PROBES.search(text):
            yield pattern_fact("dial.trusts-state-after-sleep", call, code)
            return


def _legacy_stomp(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """The older interface of stompjs connects once: its reconnect_delay is 0 unless it is set (stompjs, CompatClient)."""
    if not re.search(r"\bStomp\.(?:over|client)\(", flow.text) or re.search(r"reconnect_?[dD]elay|onclose\s*=", flow.text):
        return
    for call in flow.named.get("connect", [])[:_MAX]:
        given = [one for one in arguments_of(call) if flow.meant(one).kind() in FUNCTIONS]
        around = flow.function_around(call)
        again = any(re.search(r"(?i)connect|retry|setTimeout|reload", flow.reached_text(one)) for one in given[1:])
        if given and not again and not (around is not None and "setTimeout" in around.text()):
            yield pattern_fact("dial.connects-once", call, code)
            return


_AUTHORISES = re.compile(r"(?:authEndpoint|endpoint)[\"']?\s*:\s*(?:[\"'`]https?://|`\$\{|[\w.]*(?i:api|base|backend)\w*\s*\+)")
_CREDENTIAL = re.compile(
    r"bearerToken|\bheaders|authorizer|customHandler|withCredentials|credentials|headersProvider|paramsProvider|csrfToken|\bauth\s*:\s*(?:\{|\w)"
)
_PRIVATE = re.compile(r"\.(?:private|encryptedPrivate|join)\(|subscribe\(\s*[\"'`](?:private|presence)-|echo/|useEcho|private-")


def _asked_without_credential(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Private channels are authorised by a request of the library's own: to another origin it takes no cookie and no header along."""
    if not _PRIVATE.search(flow.text):
        return
    for call in [*flow.named.get("Echo", []), *flow.named.get("Pusher", [])][:_MAX]:
        options = "\n".join(flow.meant(one).text() for one in arguments_of(call))
        if _AUTHORISES.search(options) and not _CREDENTIAL.search(re.sub(r"authEndpoint", "", options)) and "axios" not in flow.text:
            yield pattern_fact("dial.channels-without-credential", call, code)
            return
