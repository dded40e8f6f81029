"""What a page does with a message once it has it: state that is old, changed in place or drawn too often, work that overtakes itself."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import Flow, Handler, arguments_of, called
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["state_patterns"]

_STATE = re.compile(r"const\s*\[\s*(\w+)\s*,\s*(\w+)?\s*\]\s*=\s*(?:React\.)?use(?:State|Reducer)\b")
_STORE = re.compile(r"const\s*\{([^}]{1,300})\}\s*=\s*use(?!Ref|Effect|Callback|Memo)[A-Z]\w*\(")
_SELECTED = re.compile(r"const\s+(\w+)\s*=\s*use(?:Selector|Context|AtomValue|RecoilValue|Params|\w*Store|AppSelector)\w*(?:<[^>\n]*>)?\(")
_HOOKS = re.compile(r"^(?:React\.)?use(?:Effect|LayoutEffect|Callback)$")
_LIVE = re.compile(r"(?i)socket|\bws\b|\bon\(|onmessage|subscribe\(|\bstream|\bhub\b|channel|EventSource|live|feed")
_CHANGES_IN_PLACE = r"(?:\.(?:push|unshift|splice|pop|shift|sort|reverse|set|add|delete|clear)\(|\[[^\]]{1,60}\]\s*=(?!=)|\.\w+\s*=(?!=))"
_BATCHES = re.compile(r"requestAnimationFrame|throttle|debounce|auditTime|bufferTime|sampleTime|setInterval|(?i:batch|flush)")
_IN_ORDER = re.compile(r"(?i)queue|chain\s*=|\.then\(\s*\(\)\s*=>|mutex|serial|lock|concatMap|\bseq\b|\brev\w*\s*[<>]|version\s*[<>]")
_HANDLERS = frozenset(("message", "data", "event", "update", "publication"))


def state_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield the defects of one piece of frontend code."""
    yield from _stale_reads(code, flow)
    yield from _stale_copy(code, flow)
    yield from _same_reference(code, flow)
    yield from _out_of_order(code, flow)
    yield from _drawn_per_message(code, flow)
    yield from _snapshot_first(code, flow)


def _stale_reads(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A handler made by an effect or a callback reads a state that its dependencies leave out: it keeps the value of its first render."""
    states = {name for name, _ in _STATE.findall(code.text)} | _from_hooks(code.text)
    if "use" not in code.text or not _LIVE.search(code.text):
        return
    for hook in flow.calls:
        given = arguments_of(hook)
        if not _HOOKS.match(called(hook)) or len(given) != 2 or given[1].kind() != "array" or given[0].kind() not in FUNCTIONS:
            continue
        if "Effect" in called(hook) and not _LIVE.search(flow.reached_text(given[0])):
            continue
        left_out = states - set(re.findall(r"\w+", given[1].text()))
        read = next((name for name in sorted(left_out) if _read_by(flow, hook, given[0], name)), "")
        if read:
            yield pattern_fact("state.stale-read", hook, code)
            return
        if "Effect" in called(hook) and _calls_left_out(flow, hook, given[0], given[1].text()):
            yield pattern_fact("state.stale-callback", hook, code)
            return


def _stale_copy(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A handler builds a state from a copy of it that was taken before, outside of the handler, and is never taken again."""
    for handler in _messages(flow):
        for change in handler.body.find_all(kind="assignment_expression"):
            left, right = change.field("left"), change.field("right")
            if left is None or right is None:
                continue
            for name in dict.fromkeys(re.findall(r"(?<![\w.])(?:\.\.\.)?([A-Za-z_$]\w*)", right.text()[:400])):
                given = flow.values.get(name, [])
                if len(given) == 1 and given[0].text() == left.text() and not _within(given[0], handler.body):
                    yield pattern_fact("state.stale-copy", change, code)
                    return


def _from_hooks(text: str) -> set[str]:
    """Return the values that hooks of a store or a context give and that the code never calls."""
    several = [name for names in _STORE.findall(text) for name in re.findall(r"\w+(?=\s*(?:,|$))", names)]
    return {name for name in (*several, *_SELECTED.findall(text)) if not re.search(rf"\b{name}\s*\(|Ref$|^set[A-Z]|^dispatch$", text)}


def _calls_left_out(flow: Flow, hook: "SgNode", effect: "SgNode", dependencies: str) -> bool:
    """Tell whether a handler within an effect calls a function that the component was given and that the dependencies leave out."""
    around = flow.function_around(hook)
    parameters = around.field("parameters") if around is not None else None
    given = (
        set(re.findall(r"\b(on[A-Z]\w*|handle[A-Z]\w*|\w*[cC]allback|\w*[hH]andler|cb)\b", parameters.text()))
        if parameters is not None
        else set()
    )
    handlers = [node for kind in FUNCTIONS for node in effect.find_all(kind=kind)]
    left_out = given - set(re.findall(r"\w+", dependencies))
    handed = [one.text() for call in effect.find_all(kind="call_expression") for one in arguments_of(call)]
    return any(name in handed or re.search(rf"(?<![\w.]){name}\s*\(", node.text()) for name in left_out for node in handlers)


def _read_by(flow: Flow, hook: "SgNode", function: "SgNode", name: str) -> bool:
    """Tell whether a hook's function reads a state; for an effect that runs once, also whether a handler that it makes elsewhere does."""
    effect = "Effect" in called(hook)
    if _reads(function, name, nested=effect):
        return True
    once = effect and re.search(r",\s*\[\s*\]\s*\)$", hook.text()) is not None
    return once and any(_LIVE.search(part.text()) and _reads(part, name, nested=True) for part in flow.reach(function)[1:])


def _reads(function: "SgNode", name: str, *, nested: bool) -> bool:
    """Tell whether a function uses a name that it does not define itself. nested: only inside a function within it, which runs later."""
    for node in function.find_all(kind="identifier"):
        if node.text() != name:
            continue
        around = [ancestor for ancestor in node.ancestors() if ancestor.kind() in FUNCTIONS and _within(ancestor, function)]
        if nested and not any(ancestor.range() != function.range() for ancestor in around):
            continue
        if not any(_defines(ancestor, name) for ancestor in around):
            return True
    return any(node.text() == name and not nested for node in function.find_all(kind="shorthand_property_identifier"))


def _within(inner: "SgNode", outer: "SgNode") -> bool:
    a, b = inner.range(), outer.range()
    return b.start.index <= a.start.index and a.end.index <= b.end.index


def _defines(function: "SgNode", name: str) -> bool:
    parameters = function.field("parameters") or function.field("parameter")
    named = rf"(?<![\w.]){re.escape(name)}\b"
    if parameters is not None and re.search(named, parameters.text()):
        return True
    return bool(re.search(rf"(?:const|let|var)\s+(?:\{{[^}}]*?)?{named}", function.text()))


def _same_reference(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A state updater changes what it is given and returns it: the framework sees the same reference and draws nothing."""
    for call in flow.calls:
        given = arguments_of(call)
        if not re.match(r"(?:this\.)?set[A-Z]\w*$", called(call)) or len(given) != 1:
            continue
        if given[0].kind() == "arrow_function" and (name := _parameter(given[0])):
            body = given[0].text()
            if re.search(rf"\b{re.escape(name)}(?:\.\w+){{0,3}}{_CHANGES_IN_PLACE}", body) and re.search(
                rf"\breturn\s+{re.escape(name)}\s*[;}}\n]", body
            ):
                yield pattern_fact("state.changed-in-place", call, code)
                return
        elif given[0].kind() == "identifier" and _changed_before(call, given[0].text(), code.text):
            yield pattern_fact("state.changed-in-place", call, code)
            return
    yield from _without_setter(code, flow)
    yield from _svelte_in_place(code, flow)


def _without_setter(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A state whose setter nobody took is changed and shown: nothing tells the framework to draw."""
    for name in re.findall(r"const\s*\[\s*(\w+)\s*,?\s*\]\s*=\s*(?:React\.)?useState\b", flow.text):
        changed = next((call for call in flow.calls if re.match(rf"{name}\.(?:set|add|push|unshift|splice|delete)$", called(call))), None)
        if changed is not None and re.search(rf"\{{[^}}]*\b{name}(?:\.\w+\(\))?[^}}]*\.(?:map|size|length)\b", flow.text):
            yield pattern_fact("state.changed-in-place", changed, code)
            return


def _parameter(function: "SgNode") -> str:
    parameters = function.field("parameters") or function.field("parameter")
    found = re.fullmatch(r"\(?\s*(\w+)\s*(?::[^)]*)?\)?", parameters.text()) if parameters is not None else None
    return found[1] if found else ""


def _changed_before(call: "SgNode", name: str, text: str) -> bool:
    """Tell whether the very state is changed in place shortly before its setter is called with it."""
    if name not in {state for state, _ in _STATE.findall(text)}:
        return False
    before = text[max(0, call.range().start.index - 300) : call.range().start.index]
    return re.search(rf"\b{re.escape(name)}{_CHANGES_IN_PLACE}", before) is not None


def _svelte_in_place(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Svelte before 5 draws on assignments only; push and splice are none (svelte.dev, Reactivity)."""
    if not re.search(r"from ['\"]svelte['\"]|from ['\"]svelte/", code.text) or "$state" in code.text or "writable(" in code.text:
        return
    for name in re.findall(r"^\s*let\s+(\w+)\s*=\s*\[\]", code.text, re.MULTILINE):
        pushed = re.search(rf"\b{name}\.(?:push|unshift|splice)\(", code.text)
        if pushed and not re.search(rf"(?<!let )\b{name}\s*=(?!=)", code.text):
            call = next((c for c in flow.calls if re.match(rf"{name}\.(?:push|unshift|splice)$", called(c))), None)
            if call is not None:
                yield pattern_fact("state.changed-in-place", call, code)
                return


def _messages(flow: Flow) -> list[Handler]:
    return [handler for handler in flow.handlers if handler.event in _HANDLERS]


def _out_of_order(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """An asynchronous message handler may still wait for one message when the next one has been dealt with."""
    if _IN_ORDER.search(code.text):
        return
    for handler in _messages(flow):
        text = handler.body.text()
        waits = re.search(
            r"await\s+[^;]*?(?:arrayBuffer|\.decode\(\)|\.text\(|\.blob\(|Response\(|decompress|inflate|decrypt|digest|createImageBitmap|gunzip)",
            text,
        )
        if re.match(r"async\b", text) and waits:
            yield pattern_fact("state.overtaken", handler.node, code)
            return


def _drawn_per_message(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Change detection, or a chart, runs once for every message."""
    if _BATCHES.search(code.text):
        return
    for call in flow.calls:
        if re.search(r"\.(?:detectChanges|forceUpdate|\$forceUpdate|\$apply|\$digest)$", called(call)) and _in_subscription(flow, call):
            yield pattern_fact("state.drawn-per-message", call, code)
            return


def _in_subscription(flow: Flow, node: "SgNode") -> bool:
    bodies = [handler.body for handler in _messages(flow)]
    bodies += [given[0] for call in flow.calls if re.search(r"\.(?:subscribe|on)$", called(call)) and (given := arguments_of(call))]
    return any(_within(node, body) for body in bodies)


def _snapshot_first(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """The state is fetched before the stream is opened: what happens in between is in neither."""
    if re.search(r"(?i)\bseq\b|version|buffer|since|last_?(?:event)?_?id|cursor|\bafter\b|offset|revision|resume", code.text):
        return
    for function in [flow.root, *(body for bodies in flow.functions.values() for body in bodies)]:
        text = function.text()
        if function is flow.root and flow.functions and "function " in text:
            continue  # the order of functions in a file is not the order in which they run
        fetched = re.search(r"await\s+[^;]{0,120}?(?:\bfetch\s*\(|axios|\.get\()", text)
        opened = re.search(r"new\s+\w*(?:WebSocket|EventSource)\s*\(|\.subscribe\s*\(|\.emit\(\s*['\"](?:watch|subscribe|join)", text)
        if fetched and opened and fetched.start() < opened.start():
            yield pattern_fact("state.snapshot-before-subscription", function, code)
            return
