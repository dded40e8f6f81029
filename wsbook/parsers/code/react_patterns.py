"""Effects and state of React components that hold a socket. Knows React's rules, not what a socket carries.

These need names compared with names (setMessages with messages), which the table of patterns cannot say.
Source: react.dev, useEffect and useState.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["react_patterns"]

_OPENS = re.compile(
    r"new\s+(?:window\.)?(?:\w*WebSocket|SockJS|PartySocket|EventSource|Client)\s*\(|(?<![\w.])io(?:\.connect)?\s*\(|HubConnectionBuilder"
    r"|(?<![\w.])(?:create|open|make|init)\w*(?:Socket|WebSocket|WS|Client|Connection|Stream)\w*\s*\("
)
_MAKES = re.compile(
    r"(?:const|let)\s+(\w+)\s*=\s*(?:await\s+)?(?:new\s+)?[\w.]+\([\s\S]{0,4000}?return\s*(?:\(\)\s*=>|function\s*\(\))[\s\S]{0,200}?\b\1\.(?:close|disconnect|stop)\("
)
"""An effect that makes something and whose clean-up closes it: a connection, whatever makes it is called."""
_LISTENS = re.compile(
    r"(?i)(?<![\w.])\w*(?:socket|\bws|hub|connection|channel|pusher|stomp\w*|bus)(?:\.current)?[?!]?\.(?:on|addEventListener|addListener|bind|listen)\("
)
_CLOSES = re.compile(
    r"\breturn\b[\s\S]*?(?:close|disconnect|deactivate|stop|destroy|terminate|dispose|cleanup|unsubscribe|teardown|remove)"
)
_FUNCTIONS = ("arrow_function", "function_expression", "function")
_MAX_EFFECTS = 50
_MAX_CALLS = 5_000
_EFFECTS = ("useEffect", "useLayoutEffect", "React.useEffect")


def react_patterns(code: Code, root: "SgNode") -> Iterator[PatternFacts]:
    """Yield the defects of one piece of code; nothing when it uses no React hook."""
    if "useEffect" not in code.text and "useState" not in code.text:
        return
    effects = [call for call in root.find_all(kind="call_expression") if _is_effect(call)]
    opening = [effect for effect in effects if _OPENS.search(effect.text()) or _MAKES.search(effect.text())]
    for effect in opening[:_MAX_EFFECTS]:
        yield from _effect(effect, code, root)
    for effect in [e for e in effects if e not in opening][:_MAX_EFFECTS]:
        yield from _listening(effect, code)
    yield from _stale(root, code)


def _listening(effect: "SgNode", code: Code) -> Iterator[PatternFacts]:
    """An effect that adds handlers to a socket from outside has to take them away again."""
    body = (_arguments(effect) or [effect])[0].text()
    if _LISTENS.search(body) and not re.search(r"\breturn\b|\.off\(|remove\w*Listener|\bonce\b|\bsignal\b", body):
        yield pattern_fact("react.listener-without-cleanup", effect, code)


def _arguments(call: "SgNode") -> "list[SgNode]":
    arguments = call.field("arguments")
    return [c for c in arguments.children() if c.is_named() and c.kind() != "comment"] if arguments is not None else []


def _effect(effect: "SgNode", code: Code, root: "SgNode") -> Iterator[PatternFacts]:
    body, *rest = _arguments(effect) or [effect]
    if not rest:
        yield pattern_fact("react.effect-without-deps", effect, code)
        return
    if not _CLOSES.search(body.text()) and not re.search(r"\b(?:ref|Ref)\w*\.current\s*(?:\)|\?\?|\|\|)?", body.text()):
        yield pattern_fact("react.effect-without-cleanup", effect, code)
    names = [c.text() for c in rest[0].children() if c.is_named()]
    made = _MAKES.search(effect.text()) is not None and re.search(r"(?i)wss?://|socket|\bws\b|dial|live|feed|realtime", effect.text())
    known = _OPENS.search(effect.text()) is not None or bool(made)
    if any(_changes(name, body.text(), root, known=known) for name in names):
        yield pattern_fact("react.effect-unstable-deps", rest[0], code)


def _changes(name: str, body: str, root: "SgNode", *, known: bool) -> bool:
    """Whether a dependency changes with every message (the effect sets it) or with every render (made anew in the component).

    known: the effect is known to open a connection, not only to make something that it closes.
    """
    if re.match(r"[\[{(]|(?:async\s*)?\(|new\s", name):
        return True
    if re.search(r"\.(?:map|filter|slice|concat|split)\([\s\S]*\)$|^Object\.\w+\(", name):
        return "join(" not in name
    if not re.fullmatch(r"\w+", name):
        return False
    later = body if known else "\n".join(re.findall(r"=>\s*[^;\n]*|function[^}]*", body))
    if re.search(rf"\bset{re.escape(name[0].upper() + name[1:])}\s*\(", later):
        return True
    for declaration in root.find_all(kind="variable_declarator") if known else ():
        declared, value = declaration.field("name"), declaration.field("value")
        if declared is not None and value is not None and declared.text() == name and value.kind() in ("object", "array", *_FUNCTIONS):
            return _in_component(declaration) or not any(
                _in_component(call) for call in root.find_all(kind="call_expression") if _is_effect(call)
            )
    return False


def _in_component(node: "SgNode") -> bool:
    return any(a.kind() in (*_FUNCTIONS, "function_declaration") for a in node.ancestors())


def _is_effect(call: "SgNode") -> bool:
    function = call.field("function")
    return function is not None and function.text() in _EFFECTS


_STATE = re.compile(r"const\s*\[\s*(\w+)\s*,\s*(\w+)\s*\]\s*=\s*(?:React\.)?useState")


def _stale(root: "SgNode", code: Code) -> Iterator[PatternFacts]:
    states = {setter: state for state, setter in _STATE.findall(code.text)}
    for call in root.find_all(kind="call_expression")[:_MAX_CALLS]:
        function, arguments = call.field("function"), _arguments(call)
        setter = function.text() if function is not None else ""
        state = states.get(setter) or (setter[3].lower() + setter[4:] if re.match(r"set[A-Z]\w*$", setter) and not states else "")
        if not state or len(arguments) != 1 or arguments[0].kind() in _FUNCTIONS:
            continue
        if re.search(rf"(?:(?<![\w.])|(?<=\.\.\.)){re.escape(state)}(?!\w)", arguments[0].text()) and _in_old_handler(call, state):
            yield pattern_fact("react.stale-state", call, code)


def _in_old_handler(call: "SgNode", state: str) -> bool:
    """Whether the call runs in a message handler made by an effect that does not run again when the state changes."""
    handler = False
    for ancestor in call.ancestors():
        text = ancestor.text()[:200]
        if re.match(
            r"[\w.?!]+\.(?:onmessage\s*=|addEventListener\(\s*[\"']message|on\(|subscribe\(|bind\(|listen\()|\s*on[mM]essage\s*[:(]", text
        ):
            handler = True
        if handler and ancestor.kind() == "call_expression" and text.startswith(_EFFECTS):
            dependencies = _arguments(ancestor)[1:]
            return bool(dependencies) and state not in [c.text() for c in dependencies[0].children()]
    return False
