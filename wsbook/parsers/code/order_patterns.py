"""What comes before what in a page: listeners after waiting, snapshots before subscriptions, answers that overtake each other.

Knows the order of statements and of what promises continue with; no library, but for how sockets are made.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.opening_patterns import dials_again
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import OPEN_EVENTS, Flow, arguments_of, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["order_patterns"]

_MADE = re.compile(
    r"(?:const|let|var)\s+(\w+)\s*(?::[^=\n]{1,60})?=\s*(?:new\s+(?:[\w.]+\.)?(?:\w*WebSocket|EventSource|PartySocket)\s*\(|(?<![\w.])io(?:\.connect)?\s*\()"
)
_LIFE = frozenset(("open", "close", "error", "connect", "disconnect", "connect_error", "reconnect", "reconnect_attempt", "connected"))
_ATTACH = re.compile(r"\.(?:on|once|addEventListener|addListener)$")
_PAUSED = re.compile(r"autoConnect\s*:\s*false|\.pause\(|startClosed\s*:\s*true|\.connect\(\s*\)|\bonAny\(")
_OF_OPENING = re.compile(r"(?i)connect|open|ready|start|established")
_CONTINUES = re.compile(r"^(?:then|done|finally|always|requestIdleCallback|setTimeout|nextTick|ready|whenReady)$")
_REQUEST = re.compile(
    r"(?<![\w.])(?:fetch|\$fetch|ofetch|ky)\s*\(|\baxios\b|\$\.(?:get|getJSON|ajax)\s*\(|\b(?:\w*[hH]ttp\w*|api|\w+Api|client)\.(?:get|query|list|load|fetch)\w*\s*[(<]"
)
_NO_STATE = re.compile(
    r"(?i)ticket(?!s)|token|login|config|session|\bauth|prefs|settings|negotiat|method\s*:\s*['\"](?!get)|\bpost\b|endpoint|\bme\b|/user\b|csrf"
)
_SUBSCRIBES = re.compile(
    r"new\s+(?:[\w.]+\.)?(?:\w*WebSocket|EventSource|PartySocket)\s*\(|(?<![\w.])(?:io|openStream|subscribe\w*|connect\w*Socket|openSocket)\s*\("
    r"|\b\w*(?i:live|\brt|realtime|updates|events|push|link|socket|\bws|hub|stomp|channel|realtime|feed|client|conn\w*|stream|bus|cable|centrifuge|echo|pusher|io)\.(?:subscribe|join|follow|watch|listen|channel|private)\s*\("
    r"|\.newSubscription\(|\bsub\w*\.subscribe\(\s*\)"
    r"|\.(?:emit|invoke|send|push|perform)\(\s*(?:JSON\.stringify\(\s*\{[^}]{0,60}?)?['\"`](?:[\w-]*[.:/_-])*(?i:subscribe|sub|join|watch|follow|enter|listen)\w*"
)
_RESUMES = re.compile(
    r"(?i)\b(?:last)?_?(?:seq|version|rev|revision|generation|epoch|cursor|offset)\w*\b|buffer|held|since|last_?(?:event)?_?id|\bafter\b|resume|snapshot_?version|pending\.|queue\.(?:push|shift|length)|queued|replay"
)
_IN_ORDER = re.compile(
    r"(?i)queue|chain\b|\btail\b|mutex|serial|\block|concatMap|switchMap|\bseq\b|\brev\b|version|abort|generation|latest|stale|invalidate|ignore|\bgen\b"
    r"|updated_?at|newest|debounce|throttle"
)
_BATCHES = re.compile(
    r"requestAnimationFrame|requestIdleCallback|throttle|debounce|auditTime|bufferTime|sampleTime|setInterval|startTransition|(?i:batch|flush|coalesc)"
)
_NO_MESSAGE = _LIFE | frozenset(
    (
        *("click", "change", "submit", "input", "load", "resize", "scroll", "keydown", "keyup", "focus", "blur", "mounted", "end", "abort"),
        *("visibilitychange", "online", "offline", "pageshow", "pagehide", "domcontentloaded", "beforeunload", "select", "drop"),
    )
)
_DRAWS = re.compile(
    r"(?i:\b\w*(?:chart|graph|plot|series|canvas|map|grid|table)\w*(?:\.current)?[!?]*)\.(?:update|draw|render|redraw|setOption|setData|refresh\w*)\s*\("
    r"|(?:local|session)Storage\.setItem\([^;]{0,80}JSON\.stringify\(|\.innerHTML\s*=[^;]{0,200}\.map\("
    r"|\.selectAll\([^)]*\)\.data\(|(?<![\w.])(?:re)?(?:draw|render)(?:All|Everything|Table|List|Chart|Board)\s*\("
)
_ADDS = re.compile(
    r"\.(?:append|appendChild|prepend|insertBefore|insertAdjacent\w+|insertRow)\s*\(|\.(?:innerHTML|textContent|innerText|value)\s*\+="
)
_LAYOUT = re.compile(r"scrollHeight|offsetHeight|offsetWidth|getBoundingClientRect|scrollIntoView|getComputedStyle|clientHeight")
_COPIES = re.compile(r"\.\.\.[\s\S]{0,200}\.sort\(|\.sort\([\s\S]{0,200}\.\.\.|toSorted\(")
_BUSY = re.compile(r"if\s*\(\s*((?:this\.)?#?\w+)\s*\)\s*\{?\s*return\b")
_NOTED = re.compile(
    r"(?i)^(?:this\.|self\.|\w+\.)?#?_?(?:cursor|checkpoint|(?:last|latest|newest|max|highest)_?(?:event|msg|message|seen|received)?_?(?:id|seq|ts|offset|cursor|number|version|rev))$"
)
_MAX = 60


def order_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield the defects of one piece of frontend code."""
    yield from _listens_late(code, flow)
    yield from _snapshot_first(code, flow)
    yield from _overtaken(code, flow)
    yield from _stays_busy(code, flow)
    yield from _drawn_each_time(code, flow)
    yield from _noted_in_vain(code, flow)


def _within(inner: "SgNode", outer: "SgNode") -> bool:
    a, b = inner.range(), outer.range()
    return b.start.index <= a.start.index and a.end.index <= b.end.index


def _attaches(flow: Flow, name: str) -> "list[SgNode]":
    """Return where messages of a socket get a handler."""
    found = []
    for last in ("on", "once", "addEventListener", "addListener"):
        for call in flow.named.get(last, []):
            given = arguments_of(call)
            if called(call) == f"{name}.{last}" and len(given) > 1 and given[0].text().strip("\"'`").lower() not in _LIFE:
                found.append(call)
    for node in flow.root.find_all(kind="assignment_expression"):
        left = node.field("left")
        if left is not None and left.text() == f"{name}.onmessage":
            found.append(node)
    return sorted(found, key=lambda node: node.range().start.index)


def _listens_late(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A socket is made, something else is waited for, and only then messages get their first handler."""
    for declaration in flow.root.find_all(kind="lexical_declaration")[:_MAX]:
        made = _MADE.match(declaration.text()[:200])
        if made is None or _PAUSED.search(flow.text):
            continue
        attached = [node for node in _attaches(flow, made[1]) if node.range().start.index > declaration.range().end.index]
        if attached and (_awaited_between(flow, declaration, attached[0]) or _continued(flow, declaration, attached[0])):
            yield pattern_fact("order.listens-late", attached[0], code)
            return


def _awaited_between(flow: Flow, first: "SgNode", second: "SgNode") -> bool:
    """Tell whether the function of both waits in between for something that is not the opening itself."""
    around = flow.function_around(first)
    if flow.function_around(second) != around:
        return False
    for node in (around or flow.root).find_all(kind="await_expression")[:_MAX]:
        between = first.range().end.index <= node.range().start.index and node.range().end.index <= second.range().start.index
        if between and flow.function_around(node) == around and not _OF_OPENING.search(node.text()):
            return True
    return False


def _continued(flow: Flow, made: "SgNode", attached: "SgNode") -> bool:
    """Tell whether a handler is attached in what follows a promise or a timer, outside of which the socket was made."""
    around = flow.function_around(attached)
    call = around.parent() if around is not None else None
    call = call.parent() if call is not None and call.kind() == "arguments" else None
    if around is None or call is None or call.kind() != "call_expression" or _within(made, around):
        return False
    name = called(call)
    return _CONTINUES.match(last_name(name)) is not None and not _OF_OPENING.search(
        call.text()[: max(0, around.range().start.index - call.range().start.index)]
    )


def _snapshot_first(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """The state is asked for, and updates only once it is there: what happens in between is in neither."""
    if _RESUMES.search(flow.text):
        return
    for body in [flow.root, *(one for bodies in flow.functions.values() for one in bodies), *_callbacks(flow)]:
        if _fetches_then_subscribes(flow, body) and not _refetched_elsewhere(flow, body):
            yield pattern_fact("order.snapshot-first", body, code)
            return
    yield from _after_query(code, flow)


def _callbacks(flow: Flow) -> "list[SgNode]":
    return [one for call in flow.calls for one in arguments_of(call) if one.kind() in FUNCTIONS][:400]


def _fetches_then_subscribes(flow: Flow, body: "SgNode") -> bool:
    for node in body.find_all(kind="await_expression")[:_MAX]:
        statement = next((a for a in node.ancestors() if a.kind() in ("lexical_declaration", "expression_statement")), node)
        if not _is_own(flow, node, body) or not _REQUEST.search(node.text()) or _NO_STATE.search(statement.text()[:300]):
            continue
        rest = body.text()[node.range().end.index - body.range().start.index :]
        before = body.text()[: node.range().start.index - body.range().start.index]
        if (
            not _SUBSCRIBES.search(before)
            and (asked := _SUBSCRIBES.search(rest))
            and not _uses(statement.text(), rest[asked.start() :][:160])
        ):
            return True
    return _then_subscribes(flow, body)


def _is_own(flow: Flow, node: "SgNode", body: "SgNode") -> bool:
    """Tell whether a node runs with a function, or the whole file, itself and not with one within it."""
    around = flow.function_around(node)
    return around is None if body == flow.root else around == body


def _then_subscribes(flow: Flow, body: "SgNode") -> bool:
    """The same with a promise: what it continues with subscribes."""
    for call in [one for one in body.find_all(kind="call_expression") if last_name(called(one)) in ("then", "done", "subscribe")][:_MAX]:
        function, given = call.field("function"), arguments_of(call)
        if function is None or not given or given[0].kind() not in FUNCTIONS or not _is_own(flow, call, body):
            continue
        asked = _REQUEST.search(function.text()[:300])
        found = _SUBSCRIBES.search(given[0].text())
        if asked and found and not _NO_STATE.search(function.text()[:300]) and not _SUBSCRIBES.search(function.text()):
            parameters = (given[0].field("parameters") or given[0].field("parameter") or given[0]).text()[:80]
            if not _uses(f"const {parameters} =", given[0].text()[found.start() :][:120]):
                return True
    return _calls_back(flow, body)


def _calls_back(flow: Flow, body: "SgNode") -> bool:
    """The same with a function that is called with the answer, as jQuery takes it."""
    for call in [one for name in ("get", "getJSON", "ajax") for one in flow.named.get(name, [])][:_MAX]:
        given = [one for one in arguments_of(call) if one.kind() in FUNCTIONS]
        if not re.match(r"(?:\$|jQuery|axios|superagent|request)\.", called(call)) or not given or not _is_own(flow, call, body):
            continue
        found = _SUBSCRIBES.search(given[-1].text())
        if found and not _NO_STATE.search(call.text()[:120]) and not _uses(f"const {given[-1].text()[:60].partition(')')[0]} =", found[0]):
            return True
    return False


def _uses(statement: str, opening: str) -> bool:
    """Tell whether an opening takes what was fetched: then it cannot come first. Its callbacks may use anything."""
    names = re.findall(r"\w+", statement.partition("=")[0])
    own = re.split(r"=>|\bfunction\b|;", opening)[0]
    return any(re.search(rf"(?<![\w.]){re.escape(name)}\b", own) for name in names if name not in ("const", "let", "var", "await", "this"))


def _refetched_elsewhere(flow: Flow, body: "SgNode") -> bool:
    """Tell whether an opening fetches by other code than the one at hand."""
    return any(
        _REQUEST.search(part.text()) and not _within(body, part) and not _within(part, body)
        for handler in flow.of(OPEN_EVENTS)[:_MAX]
        for part in flow.reach(handler.body)
    )


def _after_query(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """An effect or a watcher subscribes once a query has its data."""
    queried = re.findall(
        r"const\s*\{([^}]{1,200})\}\s*=\s*(?:await\s+)?(?:use\w*(?:Query|SWR|Fetch|AsyncData|Request|Async)|createQuery)\w*\s*[(<]",
        flow.text,
    )
    names = {name for one in queried for name in re.findall(r"\w+(?=\s*(?:,|$|=))", one)}
    for call in [one for name in ("useEffect", "watch", "watchEffect") for one in flow.named.get(name, [])][:_MAX] if names else ():
        given = arguments_of(call)
        body = next((one for one in given if one.kind() in FUNCTIONS), None)
        if body is None or not _SUBSCRIBES.search(body.text()):
            continue
        guard = re.search(
            r"if\s*\(\s*!\s*(\w+)(?:\.value)?[^)]*\)\s*\{?\s*return|if\s*\(\s*(\w*(?:[lL]oading|[pP]ending|[fF]etching))\b[^)]*\)\s*\{?\s*return",
            body.text()[:300],
        )
        watched = last_name(called(call)) == "watch" and given[0].text() in names
        if watched or (guard and (guard[1] or guard[2]) in names):
            yield pattern_fact("order.snapshot-first", call, code)
            return


def _overtaken(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Each message asks for something of its own, and writes the answer whenever that comes."""
    for handler in flow.handlers[:_MAX]:
        body = flow.meant(handler.body)
        parameters = (body.field("parameters") or body.field("parameter")) if body.kind() in FUNCTIONS else None
        if handler.event in _NO_MESSAGE or parameters is None or _IN_ORDER.search(body.text()) or _IN_ORDER.search(handler.event):
            continue
        names = re.findall(r"\w+", re.sub(r":\s*[^,)}=]+", "", parameters.text()))
        for made in re.findall(r"(?:const|let)\s+([^=;]{1,80})=([^;]{1,120})", body.text()):
            if any(re.search(rf"\b{re.escape(name)}\b", made[1]) for name in names):
                names += re.findall(r"\w+", made[0])
        request = re.search(
            r"(?:await|return)?\s*(?<![\w.])(?:fetch|\$fetch|ofetch|axios(?:\.get)?|api\.\w+|\$\.get\w*)\s*\(([^;]{0,200})", body.text()
        )
        request = request or re.search(
            r"=\s*await\s+(?![\w.]*(?:sleep|delay|wait|tick|nextTick|save|send|emit|ack|invoke|update|put|post|confirm|play|refresh|load|reload)\w*\()"
            r"[\w.]+\(([^;]{0,200})",
            body.text(),
        )
        if request is None or not any(re.search(rf"\b{re.escape(name)}\b", request[1]) for name in names):
            continue
        rest = body.text()[request.end(1) :] + request[1]
        if ("await" in request[0] or ".then(" in rest) and not re.search(r"(?i)\bmethod\s*:\s*['\"](?!get)|notify|beacon|ack", request[1]):
            yield pattern_fact("order.answers-overtake", handler.node, code)
            return


def _stays_busy(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A flag is set, messages are parsed, the flag is taken back: an exception in between leaves it set for ever."""
    for bodies in flow.functions.values():
        for body in bodies[:3]:
            text = body.text()
            guard = _BUSY.search(text[:300])
            if guard is None or re.search(r"\bfinally\b|\.finally\(", text):
                continue
            flag = re.escape(guard[1])
            held = re.search(rf"(?<![\w.]){flag}\s*=\s*true\b([\s\S]*?)(?<![\w.]){flag}\s*=\s*false\b", text)
            if held and re.search(r"JSON\.parse\(|decode\w*\(|parse\w*\(", held[1]) and not re.search(r"\btry\b", held[1]):
                yield pattern_fact("order.stays-busy", body, code)
                return


def _drawn_each_time(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    if _BATCHES.search(code.text):
        return
    given = [(one.node, flow.meant(one.body)) for one in flow.handlers[:_MAX] if one.event not in _NO_MESSAGE]
    fed = [call for name in ("subscribe", "listen", "follow", "tail") for call in flow.named.get(name, [])][:_MAX]
    given += [(call, flow.meant(one)) for call in fed for one in arguments_of(call)[:1]]
    for node, body in given:
        if body.kind() not in FUNCTIONS:
            continue
        if (
            len(_DRAWS.findall(body.text())) > 1
            or "selectAll(" in body.text()
            or re.search(r"Storage\.setItem\([^;]{0,80}JSON\.stringify\(", body.text())
        ):
            yield pattern_fact("order.work-for-each", node, code)
            return
        if _ADDS.search(body.text()) and _LAYOUT.search(body.text()):
            yield pattern_fact("order.layout-for-each", node, code)
            return
    for call in flow.calls:
        arguments = arguments_of(call)
        copied = re.match(r"(?:this\.)?set[A-Z]\w*$", called(call)) and arguments and _COPIES.search(arguments[0].text())
        if copied and _is_given_to_a_feed(call):
            yield pattern_fact("order.list-copied-for-each", call, code)
            return


def _is_given_to_a_feed(call: "SgNode") -> bool:
    """Tell whether a call stands in a function that an effect gives to something: it runs for each of what comes."""
    functions = 0
    for ancestor in call.ancestors():
        functions += ancestor.kind() in FUNCTIONS
        if ancestor.kind() == "call_expression" and last_name(called(ancestor)) == "useEffect":
            return functions > 1
    return False


def _noted_in_vain(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """The number of the last message is kept, and nobody reads it: what a reconnect missed is never asked for."""
    if not dials_again(code, flow):
        return
    for node in flow.root.find_all(kind="assignment_expression")[:400]:
        left = node.field("left")
        if left is None or not _NOTED.match(left.text()) or "Storage" in left.text():
            continue
        name = re.escape(last_name(left.text()))
        rest = re.sub(rf"\b(?:[\w]+\.)*#?{name}\s*=(?!=)\s*[^;\n]*", "", flow.text)
        rest = re.sub(rf"(?:let|var|private|public)?\s*#?{name}\s*[?!]?\s*:\s*[^,;}}\n]*", "", rest)
        if not re.search(rf"\b{name}\b", re.sub(rf"(?:let|var)\s+[^;\n]*\b{name}\s*;", "", rest)):
            yield pattern_fact("order.noted-in-vain", node, code)
            return
