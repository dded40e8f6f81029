"""What frontend code does when its connection opens: whether it asks again, fetches what it missed, and adds handlers only once.

Knows both kinds of clients: those that dial again by themselves, and native sockets that the code replaces.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import CLOSE_EVENTS, OPEN_EVENTS, Flow, Handler, arguments_of, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["dials_again", "opening_patterns"]

_BY_ITSELF = re.compile(
    r"socket\.io-client|(?<![\w.])io\s*\(|ReconnectingWebSocket|PartySocket|RobustWebSocket|stompjs|\bStomp\.|phoenix|withAutomaticReconnect"
    r"|createConsumer|shouldReconnect|autoReconnect|laravel-echo|\bEcho\b|Pusher|mqtt|[cC]entrifug|Sockette|EventSource|retry(?:When|Backoff)?\s*\(|\becho\."
)
"""Clients that dial again without being told by this code."""

_SENDS = re.compile(r"(?i)^(?:send\w*|emit\w*|publish|invoke|next|perform|json)$")
_ASKED = re.compile(
    r"^(?:[\w-]*[.:/_-])*(?:re|auto|un)?(?i:subscribe|sub|join|watch|follow|enter|listen|register|track|observe|attach|want)"
    r"(?:[A-Z.:/_-]\w*)*$"
)
"""A name by which a message asks for updates: subscribe, room:join, JoinGroup, watch-order."""

_TELLS = re.compile(
    r"(?i)send|subscri|emit|join|publish|auth|flush|hello|handshake|register|\bsync|resync|invoke|queue|dispatch|identify|resolve|login|notify"
    r"|callback|handler|\.push\(|\.next\(|resume|restor|replay|perform|ask|announce|enter|start|forEach|watch|follow"
)
"""Words by which an open handler may well ask for what it wants."""

_TIED = re.compile(r"(?i)open|connect|ready|online|resub|restor|status|flush|rejoin|reattach|isLive")
_HANDLES = re.compile(r"^(?:on|addEventListener|addListener|bind|listen)$")
_UNDONE = re.compile(r"\.(?:off|remove\w*Listeners?|unbind|unlisten|stopListening)\s*\(|once\s*:\s*true|\bsignal\b|onclick\s*=")
_FETCHES = re.compile(
    r"(?<![\w.])(?:fetch|\$fetch|ofetch|ky|got)\s*\(|axios|\$\.(?:get|getJSON|ajax)\s*\(|\bhttp\w*\.(?:get|post|request)\b|\bapi\.\w+(?:\.\w+)?\s*\("
    r"|refetch|invalidate|\bmutate\s*\(|\breload\w*\s*\(|\brefresh\w*\s*\(|\bload\w*\s*\(|\bcatchUp|\bresync|emitWithAck|useQuery|useSWR"
)
_SNAPSHOT = re.compile(
    r"(?<![\w.])(?:fetch|\$fetch|ofetch)\s*\(|axios(?:\.get)?\s*\(|\$\.(?:get|getJSON|ajax)\s*\(|\bhttp\w*\.get\b|\bapi\.(?:get|list|load|fetch)\w*\s*\("
)
_RESUMES = re.compile(
    r"(?i)last_?(?:event|msg|message|seen)?_?(?:id|seq|offset|ts)\b|\bsince\b|[?&](?:after|from|since|cursor)=|\b(?:after|since|cursor|from_?seq)\s*:|resume"
    r"|recovered|replay|missed|catch_?up|re_?sync|checkpoint|backlog|snapshot"
)
_WRITES = re.compile(r"(?i)\bmethod\s*:\s*['\"](?!get)|\bpost\b|ticket|token|login|config|prefs|session")
_TEXTS = ("string", "template_string")
_MAX_ASKS = 40
_MAX_OPENED = 20


def opening_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield the defects of one piece of frontend code."""
    again = dials_again(code, flow)
    opened = flow.of(OPEN_EVENTS)[:_MAX_OPENED]
    opened = [handler for handler in opened if handler.body.kind() in FUNCTIONS or flow.reach(handler.body)[1:]]
    yield from _asked_once(code, flow, opened, again=again)
    if again:
        yield from _added_on_opening(code, flow, opened)
        yield from _nothing_fetched(code, flow, opened)


def dials_again(code: Code, flow: Flow) -> bool:
    """Tell whether a connection is replaced after its end, by the library or by this code."""
    told = [
        call
        for call in flow.calls
        if re.search(r"\.on$", called(call)) and re.match(r"on\(\s*['\"](?:re)?connect['\"]", call.text()[len(called(call)) - 2 :])
    ]
    return (
        bool(told)
        or _BY_ITSELF.search(code.text) is not None
        or any(flow.opens(handler.body) for handler in flow.of(CLOSE_EVENTS)[:_MAX_OPENED])
    )


# What is asked for


def _asks(flow: Flow) -> "list[SgNode]":
    """Return the calls that ask the server for a subscription."""
    calls = [call for call in flow.calls if _SENDS.match(last_name(called(call))) and not called(call).startswith(("this.emit", "res."))]
    return [call for call in calls if _names_request(call)][:_MAX_ASKS]


def _names_request(call: "SgNode") -> bool:
    """Tell whether a text of a call, alone or within JSON that is written as a text, names a request for updates."""
    texts = [
        node.text()[:201].strip("\"'`")
        for one in arguments_of(call)[:2]
        for kind in _TEXTS
        for node in ([one] if one.kind() == kind else one.find_all(kind=kind))
    ]
    names = [text for text in texts if re.fullmatch(r"[\w.:/-]{3,60}", text)]
    names += [name for text in texts if "{" in text for name in re.findall(r"[\"']([\w.:/-]{3,60})[\"']", text)[:8]]
    keys = [key.text() for one in arguments_of(call)[:1] for key in one.find_all(kind="property_identifier") if _is_key(key)]
    return any(_ASKED.match(name) for name in (*names, *keys))


def _is_key(node: "SgNode") -> bool:
    """Tell whether a name is the key of a pair: of a call's object, as in {subscribe: topics}."""
    parent = node.parent()
    return parent is not None and parent.kind() == "pair" and parent.field("key") == node


def _asked_once(code: Code, flow: Flow, opened: list[Handler], *, again: bool) -> Iterator[PatternFacts]:
    asks = _asks(flow) + [call for call in flow.calls if last_name(called(call)) == "subscribe" and re.search(r"(?i)stomp|mqtt", code.text)]
    within = [handler for handler in opened if any(_covers(flow, handler, ask) for ask in asks)]
    if within:
        guarded = next((ask for handler in within for ask in asks if _runs_once(flow, handler, ask)), None)
        free = any(not _runs_once(flow, handler, ask) for handler in within for ask in asks if _covers(flow, handler, ask))
        if again and guarded is not None and not free:
            yield pattern_fact("opening.asked-only-once", guarded, code)
        return
    if any(_TELLS.search(flow.reached_text(handler.body)) for handler in opened) or any(_is_tied(ask) for ask in asks):
        return
    if asks and not opened and not again and _is_shared(asks[0], flow):
        yield pattern_fact("opening.asked-where-it-is-shown", asks[0], code)
    elif asks and (opened or again) and not re.search(r"phoenix|createConsumer|onReconnect|reconnected", code.text):
        yield pattern_fact("opening.not-asked-again", (opened[0].node if opened else asks[0]), code)


def _is_shared(ask: "SgNode", flow: Flow) -> bool:
    """Tell whether a request goes through an emitter that comes from another module: Socket.IO's, which dials again by itself."""
    owner, _, method = called(ask).rpartition(".")
    imported = re.search(rf"import\s[^;]{{0,200}}\b{re.escape(owner)}\b|useContext|useSocket|inject\(", flow.text) if owner else None
    return method == "emit" and imported is not None and re.search(r"(?i)socket|\bio\b", owner) is not None


def _covers(flow: Flow, handler: Handler, ask: "SgNode") -> bool:
    return any(_is_inside(ask, part) for part in flow.reach(handler.body))


def _is_inside(inner: "SgNode", outer: "SgNode") -> bool:
    a, b = inner.range(), outer.range()
    return b.start.index <= a.start.index and a.end.index <= b.end.index


def _is_tied(ask: "SgNode") -> bool:
    """Tell whether a call stands in something that is named after the opening, or in an effect that depends on it."""
    for ancestor in ask.ancestors():
        kind = ancestor.kind()
        if kind == "call_expression":
            given = arguments_of(ancestor)
            if _TIED.search(called(ancestor)) or any(_TIED.search(one.text()[:200]) for one in given if one.kind() not in FUNCTIONS):
                return True
        elif kind in ("function_declaration", "method_definition", "variable_declarator", "pair"):
            name = ancestor.field("name") or ancestor.field("key")
            if name is not None and _TIED.search(name.text()):
                return True
    return False


def _runs_once(flow: Flow, handler: Handler, ask: "SgNode") -> bool:
    """Tell whether a handler asks in its first run alone: it is taken away then, or a flag that is never set back stands before."""
    if last_name(called(handler.node)) == "once" or re.search(r"once\s*:\s*true", handler.node.text()[-60:]):
        return True
    for ancestor in ask.ancestors():
        if (
            ancestor.kind() == "if_statement"
            and (test := ancestor.field("condition")) is not None
            and _is_first_time(flow, handler, test.text(), ends=False)
        ):
            return True
        for before in ancestor.prev_all() if ancestor.kind() == "expression_statement" else ():
            test = before.field("condition") if before.kind() == "if_statement" else None
            ends = before.field("consequence")
            if (
                test is not None
                and ends is not None
                and ends.text().strip("{} ;\n") == "return"
                and _is_first_time(flow, handler, test.text(), ends=True)
            ):
                return True
        if ancestor == handler.body:
            break
    return False


def _is_first_time(flow: Flow, handler: Handler, test: str, *, ends: bool) -> bool:
    """Tell whether a condition holds in the first run alone (ends: in all later ones), by a flag or a counter that is never set back.

    The handler itself has to change it: a flag that a clean-up sets says that the component has gone.
    """
    found = re.fullmatch(r"\(?\s*(!?)\s*([\w.#$]+?)(?:\s*(===?|<=?|>=?)\s*([01]))?\s*\)?", test)
    if found is None:
        return False
    name = re.sub(r"^(?:this|self)\.#?", "this.", found[2])
    values = flow.values.get(name, [])
    given = [value.text() for value in values]
    if found[3]:
        counted = re.search(rf"(?<![\w.]){re.escape(found[2])}\s*(?:\+\+|\+=)|\+\+\s*{re.escape(found[2])}\b", flow.root.text())
        return counted is not None and [value for value in given if re.fullmatch(r"\d+", value)] in ([], ["0"])
    first, later = ("false", "true") if bool(found[1]) != ends else ("true", "false")
    if found[2].endswith(".current"):
        given = [
            re.sub(r"^useRef\((\w*)\)$", r"\1", value) or "false"
            for value in [*(v.text() for v in flow.values.get(name[: -len(".current")], [])), *given]
        ]
    if values and not any(value.text() == later and _is_run_by(flow, handler, value) for value in values) and ".current" not in found[2]:
        return False
    return later in given and given.count(first) <= 1 and set(given) <= {"true", "false", "null", "undefined"}


def _is_run_by(flow: Flow, handler: Handler, node: "SgNode") -> bool:
    """Tell whether a node is reached by a handler, and not within a clean-up that it stands beside."""
    return any(_is_inside(node, part) for part in flow.reach(handler.body))


# Handlers that are added


def _added_on_opening(code: Code, flow: Flow, opened: list[Handler]) -> Iterator[PatternFacts]:
    """An open handler runs for each new connection; what it adds to an object that is older than the connection stays and adds up."""
    for handler in opened:
        if _UNDONE.search(flow.reached_text(handler.body)) or _runs_once(flow, handler, handler.node):
            continue
        for call in [call for part in flow.reach(handler.body) for call in part.find_all(kind="call_expression")]:
            given = arguments_of(call)
            owner = called(call).rpartition(".")[0]
            if (
                not owner
                or len(given) < 2
                or not _HANDLES.match(last_name(called(call)))
                or given[0].kind() not in ("string", "template_string")
            ):
                continue
            if given[0].text().strip("\"'`") in ("open", "close", "error") or not _is_older(flow, handler, call, owner):
                continue
            yield pattern_fact("opening.handler-added", call, code)
            return


def _is_older(flow: Flow, handler: Handler, call: "SgNode", owner: str) -> bool:
    """Tell whether an object exists before the connection whose opening a handler is told of, so that it keeps earlier handlers."""
    root = re.split(r"[.(\[]", owner)[0]
    if owner in ("event.target", "e.target", "this") or root in ("event", "e", "ev", "evt", "child_process") or "(" in owner:
        return False
    same = owner == handler.owner or root == handler.owner
    native = re.match(
        r"(?:\w+\.)*on\w+$|.*addEventListener$", (handler.node.field("left") or handler.node.field("function") or handler.node).text()[:120]
    )
    made = [around for around in call.ancestors() if around.kind() in FUNCTIONS]
    if (
        not (same and native is not None)
        and _BY_ITSELF.search(flow.root.text())
        and not re.search(r"new\s+(?:window\.)?WebSocket\(", flow.root.text())
    ):
        made = [around for around in made if _is_inside(around, handler.body)]  # what stands around is not run again
    if any(
        re.search(rf"(?:const|let|var)\s+\{{?[^;=]{{0,80}}\b{re.escape(root)}\b[^;=]{{0,80}}=(?!=)", around.text()) for around in made[:4]
    ):
        return False
    if any(re.search(rf"(?<![\w.]){re.escape(owner)}\s*=\s*(?:new\b|\w+\()", around.text()) for around in made[:4]):
        return False
    if any(
        (p := around.field("parameters") or around.field("parameter")) is not None and re.search(rf"\b{re.escape(root)}\b", p.text())
        for around in made[:4]
    ):
        return False
    return not (same and native is not None and not _BY_ITSELF.search(flow.root.text()))


# What was missed


def _nothing_fetched(code: Code, flow: Flow, opened: list[Handler]) -> Iterator[PatternFacts]:
    """The state is fetched once, the connection comes back by itself, and nothing fetches what came in between."""
    if _RESUMES.search(flow.text) or re.search(r"setInterval\([^)]{0,80}(?:fetch|load|refresh|poll)", flow.text):
        return
    fetched = [call for call in flow.calls if _SNAPSHOT.match(called(call) + "(") and not _WRITES.search(call.text()[:300])]
    if not fetched or any(_FETCHES.search(flow.reached_text(handler.body)) for handler in opened):
        return
    if any(_is_tied(call) for call in fetched):
        return
    yield pattern_fact("opening.nothing-fetched", fetched[0], code)
