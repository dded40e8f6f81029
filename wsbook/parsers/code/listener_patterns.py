"""What frontend code listens to and subscribes: handlers that stay, names that differ, and what no reconnect restores."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import OPEN_EVENTS, OPENS, Flow, arguments_of, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["listener_patterns", "tables_of_types"]

_MOUNTS = re.compile(r"^(?:\w+\.)?(?:onMounted|onMount|onBeforeMount|useEffect|useLayoutEffect|onActivated|effect)$")
_MOUNT_METHODS = frozenset(("mounted", "created", "ngOnInit", "ngAfterViewInit", "connectedCallback", "componentDidMount", "activated"))
_LISTENS = re.compile(r"(?:^|\.)(?:on|addEventListener|addListener|bind|listen)$")
_REMOVES = re.compile(
    r"\.(?:off|removeListener|removeEventListener|removeAllListeners|unbind|unlisten|unsubscribe|leave|stopListening|dispose|destroy|teardown)\b"
    r"|\bAbortController\b|\bonCleanup\b|takeUntil|DestroyRef"
)
_JOINS = re.compile(r"(?i)^[\"'`](?:\w*(?:join|subscri|watch|follow|register|enter|addto|listen)\w*)[\"'`]$")
_FETCHES = re.compile(
    r"\bfetch\s*\(|axios|\$\.(?:get|getJSON|ajax)\s*\(|\bhttp\.get\b|\bapi\.\w*(?:\.\w+)?\s*\(|load\w*\s*\(|refetch|invalidateQueries"
)
_RESUMES = re.compile(
    r"(?i)last_?(?:event|msg|message)?_?(?:id|seq|offset|ts)|\bsince\b|[?&]after=|\bafter\s*:|resume|recovered|replay|missed|catch_?up|\bsync|cursor|checkpoint"
)
_RECONNECTS = re.compile(r"(?i)reconnect|\bio\s*\(|stompjs|setTimeout")
_ONCE = re.compile(r"^!|===?\s*(?:null|undefined|false|0)\b|\.size\s*===?\s*0|\.length\s*===?\s*0")
_GUARDED_SEND = re.compile(
    r"readyState|\bOPEN\b|isOpen|isConnected|\.connected\b|queue|pending|buffer|backlog|\bawait\b|once\b|waitFor|whenOpen|ready"
)
_TOLD = re.compile(
    r"(?m)(?://|#|\*)[^\n]{0,200}?\b(?:emit|publish|broadcast|trigger|SendAsync|push|event|type|send)\w*!?"
    r"[^'\"\n]{0,40}['\"]([\w .:/-]{3,60})['\"]"
)
"""Names that a comment says the other side sends."""
_SHORT = 3
"""Consonants up to which two names are alike by chance."""
_MAX_NAMES = 400


def listener_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield the defects of one piece of frontend code."""
    yield from _never_removed(code, flow)
    yield from _added_in_action(code, flow)
    yield from _names(code, flow)
    yield from _signalr_groups(code, flow)
    yield from _no_catch_up(code, flow)
    yield from _sent_too_early(code, flow)
    yield from _socket_per_caller(code, flow)


# Handlers that stay


def _mounted(flow: Flow) -> "Iterator[SgNode]":
    """Yield the functions that run when a component appears."""
    for call in flow.calls:
        given = arguments_of(call)
        if _MOUNTS.match(called(call)) and given and given[0].kind() in FUNCTIONS:
            yield given[0]
    for name in _MOUNT_METHODS & flow.functions.keys():
        yield from flow.functions[name]


def _imported(root: "SgNode") -> set[str]:
    """Return the names that come from other modules: what they stand for outlives a component."""
    statements = [node.text()[:500] for node in root.find_all(kind="import_statement")]
    required = [node.text()[:300] for node in root.find_all(kind="variable_declarator") if "require(" in node.text()[:300]]
    return {
        name for text in (*statements, *required) for name in re.findall(r"[A-Za-z_$][\w$]*", text.partition(" from ")[0].partition("=")[0])
    }


def _never_removed(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    if _REMOVES.search(code.text):
        return
    imported = _imported(flow.root)
    for body in _mounted(flow):
        for call in body.find_all(kind="call_expression"):
            name, parent = called(call), call.parent()
            used = parent is not None and parent.kind() in (
                "variable_declarator",
                "return_statement",
                "assignment_expression",
                "arguments",
                "array",
            )
            if _LISTENS.search(name) and name.split(".")[0] in imported and not used and len(arguments_of(call)) >= 2:
                yield pattern_fact("listener.never-removed", call, code)
                return


_ACTION = re.compile(
    r"(?i)^_?(?:on[A-Z_]?(?!mount|init|load)\w*(?:send|submit|click|change|press|select|input)\w*|(?:handle|send|submit|click|add|update|refresh|render|join|open|select)\w*)$"
)


def _added_in_action(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A function that runs for each action of the user listens anew every time."""
    if _REMOVES.search(code.text) or re.search(r"\.once\(|once:\s*true", code.text):
        return
    for name, bodies in flow.functions.items():
        for call in [c for body in bodies if _ACTION.match(name) for c in body.find_all(kind="call_expression")]:
            owner = called(call).rpartition(".")[0]
            made_here = (
                re.search(rf"(?:const|let|var)\s+{re.escape(owner)}\b\s*=", "\n".join(body.text() for body in bodies)) if owner else True
            )
            if (
                re.search(r"(?i)socket|\bws\b|hub|connection|channel|\bbus\b", owner)
                and re.search(r"\.on$", called(call))
                and not made_here
            ):
                yield pattern_fact("listener.added-in-action", call, code)
                return


# Names


def _names(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Compare the names of messages that are declared or sent with those that are handled: alike but for spelling is a mistake."""
    declared = set(re.findall(r"\b(?:type|event|kind|op|action|topic)\??\s*:\s*[\"']([\w.:/-]{3,60})[\"']", code.text)[:_MAX_NAMES])
    declared |= {
        given[0].text().strip("\"'`") for call in flow.calls if last_name(called(call)) == "emit" and (given := arguments_of(call))
    }
    declared |= set(_TOLD.findall(code.text)[:_MAX_NAMES])
    if not declared:
        return
    spelled, sounds = {_plain(name) for name in declared}, {_skeleton(name) for name in declared}
    for name, node in _handled(flow):
        if name.lstrip(".") in declared or name.startswith(("pusher:", "pusher_internal:", "phx_")):
            continue
        if _plain(name) in spelled:
            yield pattern_fact("listener.name-spelled-otherwise", node, code)
            return
        if len(_skeleton(name)) > _SHORT and _skeleton(name) in sounds:
            yield pattern_fact("listener.name-almost-alike", node, code)
            return


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _skeleton(name: str) -> str:
    """Return the consonants of a name, endings of plural and past left out: newMessage, new_msg and new-messages are alike."""
    stem = re.sub(r"(?<=\w{3})(?:es|ed|s|d|e)$", "", _plain(name))
    return re.sub(r"(.)\1+", r"\1", re.sub(r"[aeiou]", "", stem))


def _handled(flow: Flow) -> "Iterator[tuple[str, SgNode]]":
    for call in flow.calls:
        given = arguments_of(call)
        if re.search(r"(?:^|\.)(?:on|once|listen|bind)$", called(call)) and given and given[0].kind() == "string":
            yield given[0].text().strip("\"'"), call
    for case in flow.root.find_all(kind="switch_case")[:_MAX_NAMES]:
        value = case.field("value")
        if value is not None and value.kind() == "string":
            yield value.text().strip("\"'"), case
    for table in tables_of_types(flow):
        for pair in table.children():
            key = pair.field("key") or (pair.field("name") if pair.kind() == "method_definition" else None)
            if key is not None:
                yield key.text().strip("\"'"), pair


def tables_of_types(flow: Flow) -> "Iterator[SgNode]":
    """Yield object literals that are looked up by a message's type."""
    for access in flow.root.find_all(kind="subscript_expression")[:_MAX_NAMES]:
        index, owner = access.field("index"), access.field("object")
        if index is None or owner is None or not re.search(r"(?i)\.(?:type|event|kind|op|action|topic)$", index.text()):
            continue
        for declaration in flow.root.find_all(kind="variable_declarator"):
            name, value = declaration.field("name"), declaration.field("value")
            if name is not None and value is not None and name.text() == owner.text() and value.kind() == "object":
                yield value


# What a reconnect must restore


def _signalr_groups(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    restored = [handler for handler in flow.handlers if handler.event == "reconnected"]
    if not restored:
        return
    invokes = [
        call
        for call in flow.calls
        if re.search(r"\.(?:invoke|send)$", called(call)) and (g := arguments_of(call)) and _JOINS.match(g[0].text())
    ]
    if invokes and not any(re.search(r"\.(?:invoke|send)\s*\(", flow.reached_text(handler.body)) for handler in restored):
        yield pattern_fact("listener.groups-not-joined-again", restored[0].node, code)


def _no_catch_up(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A snapshot is fetched once, the connection comes back, and nothing asks for what was missed meanwhile."""
    opening = [handler for handler in flow.of(OPEN_EVENTS) if handler.event not in ("error", "ready")]
    if not opening or not _RECONNECTS.search(code.text) or _RESUMES.search(code.text):
        return
    fetches = [call for call in flow.calls if re.match(r"(?:window\.)?fetch$|axios(?:\.get)?$|\$\.(?:get|getJSON|ajax)$", called(call))]
    fetches = [call for call in fetches if not re.search(r"(?i)\bmethod\s*:\s*['\"](?!get)|\bpost\b", call.text()[:400])]
    if not fetches or any(_refetches(flow, handler.body) for handler in opening):
        return
    yield pattern_fact("listener.no-catch-up", fetches[0], code)


def _refetches(flow: Flow, body: "SgNode") -> bool:
    """Tell whether a handler fetches each time it runs; a fetch behind a test that holds only once does not count."""
    for part in flow.reach(body):
        for call in part.find_all(kind="call_expression"):
            if _FETCHES.match(called(call) + "(") and not any(_runs_once(ancestor) for ancestor in call.ancestors()):
                return True
    return False


def _runs_once(node: "SgNode") -> bool:
    condition = node.field("condition") if node.kind() == "if_statement" else None
    return condition is not None and _ONCE.search(condition.text().strip("() ")) is not None


def _sent_too_early(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A function that connects is followed by one that sends, and nothing waits in between."""
    names = {name for name, bodies in flow.functions.items() if any(_connects(body) for body in bodies)}
    sends = {name for name, bodies in flow.functions.items() if any(_sends(flow, body) for body in bodies)} - names
    if not names or not sends or not re.search(r"new\s+(?:window\.)?WebSocket\s*\(", code.text):
        return
    for call in flow.calls:
        if last_name(called(call)) in names and (late := _next_send(call, sends)) is not None:
            yield pattern_fact("listener.send-before-open", late, code)
            return


def _connects(body: "SgNode") -> bool:
    """Tell whether a function itself opens a native socket, and does not wait for its opening."""
    return bool(re.search(r"new\s+(?:window\.)?WebSocket\s*\(", body.text())) and not re.search(r"new\s+Promise|\bawait\b", body.text())


def _sends(flow: Flow, body: "SgNode") -> bool:
    calls = [
        call
        for call in body.find_all(kind="call_expression")
        if re.search(r"(?i)(?:ws|sock\w*|socket|connection)[?!]?\.send$", called(call))
    ]
    own = [call for call in calls if (around := flow.function_around(call)) is None or around.range() == body.range()]
    return bool(own) and not _GUARDED_SEND.search(body.text())


def _next_send(call: "SgNode", sends: set[str]) -> "SgNode | None":
    """Return the call after a statement in the same block that sends at once, None when something waits before it."""
    statement = next((a for a in call.ancestors() if (p := a.parent()) is not None and p.kind() in ("program", "statement_block")), None)
    if statement is None or "await " in statement.text():
        return None
    for sibling in statement.next_all():
        text = sibling.text()
        if sibling.kind() in ("function_declaration", "class_declaration", "export_statement", "return_statement") or "await " in text:
            return None
        for inner in sibling.find_all(kind="call_expression"):
            deferred = any(a.kind() in FUNCTIONS for a in inner.ancestors() if a.range().start.index >= sibling.range().start.index)
            if last_name(called(inner)) in sends and not deferred:
                return inner
    return None


def _socket_per_caller(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """An exported function opens a socket for each caller and gives nobody a way to close it."""
    for node in flow.root.find_all(kind="export_statement")[:100]:
        declaration = node.field("declaration")
        if declaration is None or declaration.kind() not in ("function_declaration", "lexical_declaration"):
            continue
        text = node.text()
        returned = re.findall(r"\n  return\s*(\{[^;]*?\});?\s*\n\}", text[-2000:])
        if (
            not OPENS.search(text)
            or not returned
            or re.search(r"(?i)close|stop|destroy|disconnect|dispose|end|off\b|socket|ws\b", returned[-1])
        ):
            continue
        if not re.search(r"(?i)\.close\s*\(|\.disconnect\s*\(|shared|singleton|refCount|Map\(\)|cache", code.text):
            yield pattern_fact("listener.socket-per-caller", node, code)
            return
