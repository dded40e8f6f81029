"""What components leave behind: sockets and handlers that outlive them, and effects that end their own connection.

Knows React, Vue, Svelte, Angular, custom elements and Stimulus by the names of what they call on appearance and removal.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import OPENS, Flow, arguments_of, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["component_patterns", "factory_patterns"]

_MOUNTS = re.compile(
    r"^(?:\w+\.)?(?:onMounted|onBeforeMount|onMount|onActivated|useEffect|useLayoutEffect|\$effect|watchEffect|createEffect|ionViewDidEnter)$"
)
_EFFECTS = re.compile(r"^(?:React\.)?use(?:Layout)?Effect$")
_MOUNT_METHODS = (
    "mounted",
    "created",
    "ngOnInit",
    "ngAfterViewInit",
    "connectedCallback",
    "componentDidMount",
    "activated",
    "ionViewWillEnter",
)
_LEAVES = re.compile(
    r"^(?:\w+\.)?(?:onUnmounted|onBeforeUnmount|onScopeDispose|onDeactivated|onDestroy|onCleanup|onBeforeRouteLeave|tryOnScopeDispose)$"
)
_LEAVE_METHODS = (
    *("beforeDestroy", "destroyed", "unmounted", "beforeUnmount", "ngOnDestroy", "disconnectedCallback", "componentWillUnmount"),
    *("deactivated", "ionViewWillLeave", "disconnect", "dispose", "destroy", "teardown"),
)
_CLOSES = re.compile(
    r"(?i)(?:close|disconnect|deactivate|stop|destroy|terminate|dispose|cleanup|clean_up|unsubscribe|teardown|complete|end|abort|leave|release|unmount|shutdown|kill|off)\w*\s*[?(.!]|=>\s*\w*(?:close|stop|dispose|un\w+)\w*\s*$"
)
_TAKES_AWAY = re.compile(
    r"\.(?:off|remove\w*Listeners?|unbind|unlisten|stopListening|unsubscribe|close|disconnect|stop|destroy|dispose|leave\w*|abort|cleanup|remove|complete|un\w+)\s*[?(.]"
    r"|(?<![\w.])(?:off\w*|un\w+|stop\w*|cleanup\w*|dispose\w*|remove\w*|detach\w*|teardown\w*)\s*(?:\?\.)?\("
)
_HANDLES = re.compile(r"^(?:on|addEventListener|addListener|bind|listen)$")
_SOCKET = re.compile(
    r"(?i)socket|\bws\b|\bhub|connection|channel|\bbus\b|echo|pusher|stomp|live|realtime|feed|stream|cable|emitter|events|client"
)
_SHARED = re.compile(
    r"readyState|\?\?=|\|\|=|if\s*\(\s*!?\s*[\w.]*(?i:socket|ws|conn|client|hub|link|open|active|connected)\w*(?:\.current)?\s*(?:[)&|]|===|!==|==|!=)|\.close\s*\(|\.disconnect\s*\(|terminate\(|singleton"
)
_MAX_MOUNTED = 40
_MAX_BODIES = 200
_TRIGGERS = frozenset(("online", "visibilitychange", "focus", "pageshow", "resume"))
_TRIGGER_CALLS = re.compile(r"(?i)^(?:AppState|NetInfo)\.(?:addEventListener|addListener)$|^App\.addListener$")


def component_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield the defects of one piece of frontend code."""
    for call, body in islice(_mounted(flow), _MAX_MOUNTED):
        yield from _left_behind(code, flow, call, body)
    yield from _every_render(code, flow)
    yield from _reads_and_writes(code, flow)
    yield from _subscription(code, flow)
    yield from _per_action(code, flow)
    yield from _dialled_again(code, flow)
    yield from _not_reactive(code, flow)


def _mounted(flow: Flow) -> "Iterator[tuple[SgNode, SgNode]]":
    """Yield what runs when a component appears: the call or method, and its function."""
    for call in flow.calls:
        given = arguments_of(call)
        if given and _MOUNTS.match(called(call)) and (body := flow.meant(given[0])).kind() in FUNCTIONS:
            yield call, body
    stimulus = ("connect",) if re.search(r"@hotwired/stimulus|extends\s+\w*Controller\b", flow.text) else ()
    for name in (*_MOUNT_METHODS, *stimulus):
        yield from ((body, body) for body in flow.functions.get(name, []))


def _cleanup(flow: Flow, body: "SgNode") -> str | None:
    """Return the source of what undoes a function that ran on appearance, None where nothing does."""
    texts = []
    for statement in body.find_all(kind="return_statement"):
        value = next((child for child in statement.children() if child.is_named()), None)
        if value is not None and flow.function_around(statement) == body:
            texts.append(
                flow.reached_text(flow.meant(value)) if value.kind() != "identifier" or flow.meant(value) != value else f"{value.text()}()"
            )
    own = body.field("body")
    if own is not None and own.kind() not in ("statement_block", "parenthesized_expression"):
        texts.append(f"off({own.text()})")  # an arrow function that returns what takes the handler away
    for call in [one for last, found in flow.named.items() if _LEAVES.match(last) for one in found[:_MAX_MOUNTED]]:
        texts += [flow.reached_text(one) + f" {one.text()}()" for one in arguments_of(call)[:1]]
    texts += [flow.reached_text(left) for name in _LEAVE_METHODS for left in flow.functions.get(name, [])]
    return "\n".join(texts) if texts else None


def _left_behind(code: Code, flow: Flow, call: "SgNode", body: "SgNode") -> Iterator[PatternFacts]:
    """Compare what a component makes on appearance with what it undoes; an effect of React with no clean-up at all is judged elsewhere."""
    cleanup = _cleanup(flow, body)
    own = flow.reach(body)
    text = "\n".join(part.text() for part in own)
    if cleanup is None:
        if not _EFFECTS.match(called(call) or "-") and OPENS.search(text) and not _CLOSES.search(flow.text) and not _SHARED.search(text):
            yield pattern_fact("component.never-leaves", call, code)
        return
    if OPENS.search(text) and not _CLOSES.search(cleanup) and not re.search(r"\?\?=|\|\|=|singleton|shared", text):
        yield pattern_fact("component.socket-stays", call, code)
        return
    if _TAKES_AWAY.search(cleanup) or OPENS.search(text):
        return
    for inner in [c for part in own for c in part.find_all(kind="call_expression")]:
        owner, given = called(inner).rpartition(".")[0], arguments_of(inner)
        root = re.split(r"[.(?!]", owner)[0]
        if len(given) < 2 or not owner or not _HANDLES.match(last_name(called(inner))) or not _SOCKET.search(owner) or root == "this":
            continue
        if (taken := inner.parent()) is not None and taken.kind() in ("assignment_expression", "variable_declarator", "arguments", "array"):
            continue  # what it returned, and is kept, takes the handler away
        if not any(re.search(rf"(?:const|let|var)\s+{re.escape(root)}\b", part.text()) for part in own):
            yield pattern_fact("component.listener-stays", inner, code)
            return


def _effects(flow: Flow) -> "Iterator[tuple[SgNode, SgNode, list[SgNode]]]":
    for call in flow.calls:
        given = arguments_of(call)
        if given and _EFFECTS.match(called(call)) and given[0].kind() in FUNCTIONS:
            yield call, given[0], given[1:]


def _every_render(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    for call, body, dependencies in islice(_effects(flow), _MAX_MOUNTED):
        connects = re.search(
            r"(?i)(?:socket|hub|client|connection|ws)\w*(?:\.current)?\.(?:connect|start|activate|open)\(\s*\)", body.text()
        )
        if not dependencies and connects and (cleanup := _cleanup(flow, body)) and _CLOSES.search(cleanup):
            yield pattern_fact("component.connects-on-every-render", call, code)
            return


def _reads_and_writes(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Svelte's effects run again for each state that they read (svelte.dev, $effect)."""
    if "$state" not in code.text:
        return
    states = set(re.findall(r"let\s+(\w+)\s*(?::[^=\n]{1,120})?=\s*\$state\b", code.text))
    for call, body in islice(_mounted(flow), _MAX_MOUNTED):
        if called(call) != "$effect" or not flow.opens(body):
            continue
        inner = [part.text() for kind in FUNCTIONS for part in body.find_all(kind=kind) if part.range() != body.range()]
        own = body.text()
        for text in sorted(inner, key=len, reverse=True):
            own = own.replace(text, "")
        text = re.sub(r"untrack\([^;]*\)", "", own)
        read = [name for name in states if re.search(rf"(?<![\w.]){name}\b(?!\s*=[^=])", text)]
        if any(re.search(rf"(?<![\w.]){name}(?:\s*=(?!=)|\.(?:push|unshift|splice|set|add)\()", "\n".join(inner)) for name in read):
            yield pattern_fact("component.effect-reads-what-it-writes", call, code)
            return


def _subscription(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A subscription of Action Cable lives as long as its consumer (Rails guides, Action Cable)."""
    if re.search(r"\.unsubscribe\s*\(|subscriptions\.remove|consumer\.disconnect|\.remove\(\s*\w*ubscription", code.text):
        return
    for call in flow.calls:
        if not re.search(r"\.subscriptions\.create$", called(call)):
            continue
        around = flow.function_around(call)
        name = around.field("name") if around is not None else None
        mounted = name is not None and name.text() in ("connect", "initialize", *_MOUNT_METHODS)
        in_effect = any(
            _MOUNTS.match(called(a) or "-") or re.match(r"document\.addEventListener\(\s*['\"]turbo", a.text()[:60])
            for a in call.ancestors()
        )
        if mounted or in_effect:
            yield pattern_fact("component.subscription-stays", call, code)
            return


_ACTION = re.compile(r"(?i)^_?(?:on|handle|toggle|submit|click|send|select|add|say|ask|request|show|refresh)(?:[A-Z_]\w*)?$")


def _per_action(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A function that runs for each action of the user adds a handler that it does not take away."""
    for name, bodies in [pair for pair in flow.functions.items() if _ACTION.match(pair[0])][:_MAX_BODIES]:
        for body in bodies[:3] if _ACTION.match(name) and not re.search(r"(?i)connect|message|open|mount|init|event|socket", name) else ():
            if re.search(r"\.off\(|remove\w*Listener|once\b|signal|unsub", body.text()):
                continue
            for call in body.find_all(kind="call_expression"):
                owner, given = called(call).rpartition(".")[0], arguments_of(call)
                if len(given) < 2 or not _HANDLES.match(last_name(called(call))) or given[0].kind() != "string":
                    continue
                used = re.search(rf"(?<![\w.]){re.escape(owner)}(?:\.\w+\([^()]*\))*\.(?:emit|send)\(", code.text) if owner else None
                named = re.search(r"(?i)socket|\bws\b|\bhub$|stomp|channel|\bbus$", owner)
                root = re.split(r"[.(]", owner)[0]
                if (
                    (named or used)
                    and root != "this"
                    and not _is_parameter(call, root)
                    and not re.search(rf"(?:const|let|var)\s+{re.escape(root)}\b", body.text())
                ):
                    yield pattern_fact("component.listener-per-action", call, code)
                    return


def _is_parameter(node: "SgNode", name: str) -> bool:
    """Tell whether a name is what an enclosing function was given."""
    given = [around.field("parameters") or around.field("parameter") for around in node.ancestors() if around.kind() in FUNCTIONS]
    return any(re.search(rf"\b{re.escape(name)}\b", one.text()) for one in given if one is not None)


def factory_patterns(scripts: "list[tuple[Code, Flow]]") -> Iterator[PatternFacts]:
    """Yield the exported functions that make a new connection for each caller, where several places of other files call them."""
    for code, flow in scripts:
        for name, bodies in flow.functions.items():
            body = bodies[0]
            if len(bodies) > 1 or not re.search(r"(?:return|=>)\s*(?:new\s+\w*WebSocket\(|io\(|new SockJS\()", body.text()):
                continue
            if not re.search(rf"export\s+(?:default\s+)?(?:async\s+)?(?:function|const)\s+{re.escape(name)}\b", code.text):
                continue
            calls = [call for other, there in scripts if other is not code for call in there.named.get(name, [])]
            if len(calls) > 1:
                yield pattern_fact("component.factory-of-sockets", body, code)


def _dialled_again(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A page that comes back dials again, and the connection that it has may well be alive."""
    bodies = [(handler.node, handler.body) for handler in flow.of(_TRIGGERS)]
    bodies += [(call, given[-1]) for call in flow.calls if _TRIGGER_CALLS.match(called(call)) and (given := arguments_of(call))]
    for node, body in bodies[:_MAX_MOUNTED]:
        if OPENS.search(flow.reached_text(body)) and not _SHARED.search(_before_handlers(flow, body)):
            yield pattern_fact("component.dialled-without-closing", node, code)
            return


def _before_handlers(flow: Flow, body: "SgNode") -> str:
    """Return what a function reaches, the handlers of the new connection left out: they run later."""
    text = flow.reached_text(body)
    return re.sub(
        r"\.on(?:close|error|message|open)\s*=\s*(?:async\s*)?\([^)]*\)\s*=>\s*(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|[^;]+;)", "", text
    )


def _not_reactive(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """In the runes of Svelte 5 a plain variable is not watched (svelte.dev, $state)."""
    if "$state" not in code.text and "$effect" not in code.text and "$props" not in code.text:
        return
    for name in re.findall(
        r"^\s{0,4}let\s+(\w+)\s*(?::[^=\n]{1,120})?=\s*(?:\[\]|\{\}|null|''|\"\"|0|false|new Map\(\))\s*;", code.text, re.MULTILINE
    ):
        changed = re.search(rf"(?<![\w.]){name}(?:\s*=(?!=)|\.(?:push|unshift|set|splice)\()", code.text)
        message = next(
            (
                h
                for h in flow.handlers
                if h.event in ("message", "data")
                and re.search(rf"(?<![\w.]){name}(?:\s*=(?!=)|\.(?:push|unshift|set|splice)\()", flow.reached_text(h.body))
            ),
            None,
        )
        if changed and message is not None:
            yield pattern_fact("component.not-reactive", message.node, code)
            return
