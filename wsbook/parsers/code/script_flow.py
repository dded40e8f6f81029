"""Who handles what, and what a handler reaches, in one piece of JavaScript or TypeScript. Knows no library and no defect.

A handler is found however it is attached: ``ws.onclose = f``, ``addEventListener("close", f)``, ``on("close", f)``, ``hub.onclose(f)``,
``{ onClose: f }`` or a method of that name. What it reaches is its own code and that of the local functions it calls or passes on.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from wsbook.parsers.code.scope import FUNCTIONS

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["CLOSE_EVENTS", "OPENS", "OPEN_EVENTS", "TIMERS", "Flow", "Handler", "arguments_of", "called", "last_name"]

OPENS = re.compile(
    r"new\s+(?:window\.|globalThis\.|self\.)?(?:\w*WebSocket|W3CWebSocket|SockJS|PartySocket|EventSource)\s*\(|(?<![\w.])io(?:\.connect)?\s*\("
)
"""Source that opens a connection."""

_BY_NAME = re.compile(
    r"(?i)(?<!\w)(?:re)?(?:connect|dial)(?:socket|websocket|ws)?\s*\(|(?:open|init|setup|create|start)_?(?:socket|websocket|ws)\s*\("
)
"""Names that open a connection where the piece of code at hand does not show how."""

TIMERS = re.compile(
    r"^(?:\w+\.)*(?:set(?:Timeout|Interval|Immediate)|requestAnimationFrame|\w*(?:sleep|delay|wait|debounce|throttle|backoff|schedule)\w*)$",
    re.IGNORECASE,
)
CLOSE_EVENTS = frozenset(
    ("close", "closed", "disconnect", "disconnected", "error", "websocketclose", "connection_lost", "end", "socketclosed")
)
OPEN_EVENTS = frozenset(("open", "opened", "connect", "connected", "reconnect", "reconnected", "welcome", "ready"))

_ATTACH = re.compile(r"(?:addEventListener|on|once|addListener|listen|bind|subscribe)$")
_NAMED = re.compile(r"^on([a-zA-Z]\w*)$")
_DECLARES = (
    ("variable_declarator", "name", "value"),
    ("assignment_expression", "left", "right"),
    ("public_field_definition", "name", "value"),
)
_FOREIGN = frozenset(("close", "send", "open", "on", "off", "emit", "push", "get", "set", "add", "delete", "then", "catch"))
"""Methods that sockets and collections have too: called on anything but ``this`` they are not the local function of that name."""

_MAX_NODES = 20_000
_MAX_REACHED = 60


class Handler(NamedTuple):
    """One handler: event in lower case without "on"; owner: source of the object; body: the function or the name that stands for it."""

    event: str
    owner: str
    body: "SgNode"
    node: "SgNode"


def last_name(text: str) -> str:
    """Return the last part of a dotted name, without ``#``, ``?`` and ``!``."""
    return re.sub(r"[?!]", "", text)[-200:].rpartition(".")[2].lstrip("#")


def called(call: "SgNode") -> str:
    """Return the source of what a call or construction names, white space removed, at most 200 characters."""
    node = call.field("function") or call.field("constructor")
    return re.sub(r"\s+", "", node.text()[-200:]) if node is not None else ""


def arguments_of(call: "SgNode") -> "list[SgNode]":
    """Return the arguments of a call, comments left out."""
    found = call.field("arguments")
    return [child for child in found.children() if child.is_named() and child.kind() != "comment"] if found is not None else []


def _string(node: "SgNode") -> str:
    return node.text().strip("\"'`") if node.kind() in ("string", "template_string") else ""


class Flow:
    """The functions, handlers and calls of one piece of code."""

    def __init__(self, root: "SgNode") -> None:
        self.root = root
        self.calls = [*root.find_all(kind="call_expression"), *root.find_all(kind="new_expression")][:_MAX_NODES]
        self.functions = _functions(root)

    @cached_property
    def handlers(self) -> tuple[Handler, ...]:
        """Every handler, in no particular order."""
        return tuple(
            found
            for found in (*self._assigned(), *self._attached(), *self._keyed())
            if found.body.kind() in (*FUNCTIONS, "identifier", "member_expression")
        )

    def of(self, events: frozenset[str]) -> list[Handler]:
        """Return the handlers of these events."""
        return [handler for handler in self.handlers if handler.event in events]

    def _assigned(self) -> Iterator[Handler]:
        for node in self.root.find_all(kind="assignment_expression")[:_MAX_NODES]:
            left, right = node.field("left"), node.field("right")
            if left is not None and right is not None and (named := _NAMED.match(last_name(left.text()))):
                yield Handler(named[1].lower(), left.text().rpartition(".")[0], right, node)

    def _attached(self) -> Iterator[Handler]:
        for call in self.calls:
            name, given = called(call), arguments_of(call)
            method, owner = last_name(name), name.rpartition(".")[0]
            if owner and len(given) >= 2 and _ATTACH.match(method) and (event := _string(given[0])):
                yield Handler(event.lower(), owner, given[1], call)
            elif owner and given and (named := _NAMED.match(method)):
                yield Handler(named[1].lower(), owner, given[0], call)

    def _keyed(self) -> Iterator[Handler]:
        for kind, key, value in (("pair", "key", "value"), ("method_definition", "name", "")):
            for node in self.root.find_all(kind=kind)[:_MAX_NODES]:
                name, body = node.field(key), node.field(value) if value else node
                if name is not None and body is not None and (named := _NAMED.match(name.text().strip("\"'"))):
                    yield Handler(named[1].lower(), "", body, node)

    def reach(self, node: "SgNode") -> "list[SgNode]":
        """Return a node and the bodies of the local functions that it calls or passes on, at most 60."""
        found, waiting, names = list["SgNode"](), [node], set[str]()
        while waiting and len(found) < _MAX_REACHED:
            current = waiting.pop(0)
            found.append(current)
            for name in self._mentioned(current) - names:
                names.add(name)
                waiting += self.functions[name][:3]
        return found

    def reached_text(self, node: "SgNode") -> str:
        """Return the source of everything that a node reaches."""
        return "\n".join(part.text() for part in self.reach(node))

    def opens(self, node: "SgNode") -> bool:
        """Tell whether a node reaches the opening of a connection; by names alone where nothing in the code opens one."""
        return (OPENS if self._shows_how else _BY_NAME).search(self.reached_text(node)) is not None

    @cached_property
    def _shows_how(self) -> bool:
        return OPENS.search(self.root.text()) is not None

    def _mentioned(self, node: "SgNode") -> set[str]:
        """Return the names of local functions that are called or passed as an argument inside a node; a bare name stands for itself."""
        if node.kind() in ("identifier", "member_expression"):
            return {last_name(node.text())} & self.functions.keys()
        names = set[str]()
        for call in [*node.find_all(kind="call_expression"), *([node] if node.kind() == "call_expression" else [])]:
            owner, _, method = called(call).rpartition(".")
            if owner in ("", "this", "self", "that") or last_name(method) not in _FOREIGN or f"{owner}.{method}" in self.values:
                names.add(last_name(method))
            names.update(last_name(given.text()) for given in arguments_of(call) if given.kind() in ("identifier", "member_expression"))
        return names & self.functions.keys()

    @cached_property
    def named(self) -> "dict[str, list[SgNode]]":
        """The calls of each last name."""
        found: dict[str, list[SgNode]] = {}
        for call in self.calls:
            found.setdefault(last_name(called(call)), []).append(call)
        return found

    @cached_property
    def values(self) -> "dict[str, list[SgNode]]":
        """What each name, or field of this, is declared as or assigned."""
        found: dict[str, list[SgNode]] = {}
        for kind, key, value in _DECLARES:
            for node in self.root.find_all(kind=kind)[:_MAX_NODES]:
                name, given = node.field(key), node.field(value)
                if name is not None and given is not None:
                    found.setdefault(re.sub(r"^(?:this|self)\.#?", "this.", name.text()[:200]), []).append(given)
        return found

    def meant(self, node: "SgNode") -> "SgNode":
        """Return what a name was given where that happens once, wrappers such as useCallback left out; anything else is itself."""
        for _ in range(4):
            if node.kind() not in ("identifier", "member_expression"):
                break
            given = self.values.get(re.sub(r"^(?:this|self)\.#?", "this.", node.text()[:200]), [])
            if len(given) != 1:
                functions = self.functions.get(last_name(node.text()), [])
                return functions[0] if not given and len(functions) == 1 else node
            node = _function_in(given[0]) or given[0]
        return node

    @cached_property
    def text(self) -> str:
        """The source, comments blanked: what somebody writes about the code is no part of it."""
        text = self.root.text()
        for node in self.root.find_all(kind="comment")[:_MAX_NODES]:
            place = node.range()
            blank = " " * (place.end.index - place.start.index)
            text = text[: place.start.index] + blank + text[place.end.index :]
        return text

    def function_around(self, node: "SgNode") -> "SgNode | None":
        """Return the nearest function around a node, None at the top."""
        return next((ancestor for ancestor in node.ancestors() if ancestor.kind() in FUNCTIONS), None)


def _functions(root: "SgNode") -> "dict[str, list[SgNode]]":
    found: dict[str, list[SgNode]] = {}
    for kind, key, value in (
        ("function_declaration", "name", ""),
        ("method_definition", "name", ""),
        ("variable_declarator", "name", "value"),
        ("assignment_expression", "left", "right"),
        ("public_field_definition", "name", "value"),
        ("pair", "key", "value"),
    ):
        for node in root.find_all(kind=kind)[:_MAX_NODES]:
            name, body = node.field(key), node.field(value) if value else node
            if name is not None and body is not None and (body := _function_in(body)) is not None:
                found.setdefault(last_name(name.text()), []).append(body)
    return found


def _function_in(node: "SgNode") -> "SgNode | None":
    """Return the function that a node is, or that a wrapper such as useCallback or debounce is given."""
    if node.kind() in FUNCTIONS:
        return node
    given = arguments_of(node) if node.kind() == "call_expression" else []
    return given[0] if given and given[0].kind() in FUNCTIONS else None
