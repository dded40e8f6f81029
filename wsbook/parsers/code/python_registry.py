"""Where a Python backend keeps its connections: who is added, who is taken out, and who goes through them meanwhile."""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.python_flow import Function, PythonFile, PythonFlow, own_nodes, start_of, text_of, within

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["Registries", "registry_patterns"]

_SOCKET = re.compile(r"(?i)^(?:\w*_)?(?:ws|websocket|socket|sock|client|conn|connection|peer|viewer|subscriber|player|member|q|queue)$")
_SOCKET_TYPE = re.compile(
    r"\b(?:WebSocket|Websocket|WebSocketServerProtocol|ServerConnection|WebSocketResponse|WebSocketConnection)\b(?!\w)"
)
_OWN_SOCKET = re.compile(r"WebSocketHandler|WebsocketConsumer|SockJSConnection|WebSocketEndpoint|Protocol\b|WebSocketApplication")
_COPIES = re.compile(r"^(?:list|tuple|set|frozenset|sorted|dict|copy\.copy|copy|\[\*|\(\*|\{\*|\{\*\*)\b|\.copy\(\)|^[\[({]\s*\*|\[:\]$")
_SENDS = re.compile(r"\bsend\w*\(|\bwrite_message\(|\bput\w*\(|\bemit\(|\bpush\w*\(|\bnotify\w*\(|\bdeliver\w*\(|\.write\(")
_WEAK = re.compile(r"\bWeak\w+")
_RECEIVES = re.compile(r"\.(?:receive\w*|recv\w*)\(")


class _Added(NamedTuple):
    name: str
    node: "SgNode"
    function: Function


class Registries:
    """The collections of connections of a backend, by the last part of their name."""

    def __init__(self, flow: PythonFlow) -> None:
        self.flow = flow
        self.added: dict[str, list[_Added]] = {}
        for file in flow.files:
            for function in file.functions:
                for one in _additions(function):
                    self.added.setdefault(one.name, []).append(one)

    def made(self, name: str) -> str:
        """Return the source of what a registry is made with and declared as, "" when it does not show."""
        found = re.findall(rf"(?m)\b{re.escape(name)}(?:[\"']\])?\s*((?::[^=\n]{{1,120}})?=(?!=)[^\n]{{0,120}})", self.flow.text)
        return " ".join(one.strip() for one in found[:4])

    @cached_property
    def shrinking(self) -> frozenset[str]:
        """Names of registries from which something is taken, wherever that is."""
        return frozenset(name for name in self.added if _removal_of(name).search(self.flow.text))

    @cached_property
    def taken_from_others(self) -> bool:
        """Whether connections are taken out of something whose name does not tell what it is."""
        names = "|".join(map(re.escape, self.added))
        owners = re.findall(r"(\w+)(?:\[[^\]\n]*\]|\([^)\n]*\))*\.(?:remove|discard|pop)\(\s*([\w.]*)", self.flow.text)
        return any(not re.fullmatch(names, owner) and _is_socket_name(argument) for owner, argument in owners)


def _is_socket_name(text: str) -> bool:
    return text == "self" or _SOCKET.match(text.rpartition(".")[2]) is not None


def _removal_of(name: str) -> re.Pattern[str]:
    within_it = r"(?:[\"']\])?(?:\[[^\]\n]{0,80}\]|\.(?:get|setdefault)\([^)\n]{0,80}\))*"
    named = rf"\b{re.escape(name)}{within_it}"
    return re.compile(
        rf"{named}\.(?:remove|discard|pop|popitem|clear|difference_update)\(|\bdel (?:\w+\.)*{re.escape(name)}\b"
        rf"|{named}\s*-=|{named}\s*=\s*[\[{{(][^\n]{{0,200}}\bfor\b|{named}\s*=\s*None|{named}\s*=\s*(?:list|set|dict)\((?:filter|\w+ for)"
    )


def _additions(function: Function) -> Iterator[_Added]:
    """Yield where a function puts a connection into something that outlives it."""
    body = function.body
    local = {
        text_of(node.field("left"))
        for node in own_nodes(body, "assignment")
        if re.match(r"(?:set|list|dict)\(|[\[{]", text_of(node.field("right")))
    }
    sockets = _sockets(function)
    for call in own_nodes(body, "call"):
        base, _, method = text_of(call.field("function")).rpartition(".")
        given = text_of(call.field("arguments")).strip("()").strip()
        if method in ("add", "append") and base not in local and (given in sockets or (sockets and _wraps(given, sockets))):
            yield _Added(_root(base), call, function)
    for node in own_nodes(body, "assignment"):
        left, right = node.field("left"), node.field("right")
        if left is None or right is None or left.kind() != "subscript":
            continue
        key = text_of(left.field("subscript"))
        if (right.text() in sockets or key in sockets) and _root(left.text()) not in local:
            yield _Added(_root(text_of(left.field("value"))), node, function)


def _wraps(given: str, sockets: set[str]) -> bool:
    """Tell whether what is added is made around a connection: ``Client(ws)``, ``(user, ws)``."""
    return re.search(rf"[(,]\s*(?:{'|'.join(map(re.escape, sockets))})\b", given) is not None


def _sockets(function: Function) -> set[str]:
    """Return the names that stand for a connection in a function: its parameters, and what it makes of WebSocket types."""
    found = {"self"} if _OWN_SOCKET.search(function.bases) else set[str]()
    parameters = function.node.field("parameters")
    for parameter in parameters.children() if parameters is not None else ():
        name, _, typed = parameter.text().partition("=")[0].partition(":")
        if _SOCKET.match(name.strip()) or (typed and _SOCKET_TYPE.search(typed)):
            found.add(name.strip())
    for node in own_nodes(function.body, "assignment"):
        name, right = text_of(node.field("left")), text_of(node.field("right"))
        if re.search(r"WebSocketResponse\(|_get_current_object\(\)|\bQueue\(", right) and name.isidentifier():
            found.add(name)
    return found


def _root(base: str) -> str:
    """Return the last name of what holds connections: ``self.rooms[room]`` → rooms, ``app["sockets"]`` → sockets."""
    keyed = re.search(r"(?:app|state|request\.app|config)\[\s*[\"']?(\w+)[\"']?\s*\]$", base)
    if keyed:
        return keyed[1]
    plain = re.split(r"\[|\.(?:setdefault|get|values|items|keys)\b|\(", base, maxsplit=1)[0]
    return plain.rpartition(".")[2]


# What is wrong with it


def registry_patterns(flow: PythonFlow, registries: Registries) -> Iterator[PatternFacts]:
    """Yield the defects in how connections are kept and gone through."""
    yield from _never_taken_out(registries)
    yield from _not_reached(registries)
    for file in flow.files:
        for function in file.functions:
            yield from _loops(registries, function)


def _never_taken_out(registries: Registries) -> Iterator[PatternFacts]:
    for name, added in registries.added.items():
        if name in registries.shrinking or registries.taken_from_others or _WEAK.search(registries.made(name)):
            continue
        if not _locally_made(added[0]) and any(_sends_to(registries, name, file) for file in registries.flow.files):
            yield pattern_fact("py.registry-never-shrinks", added[0].node, added[0].function.file.code)


def _sends_to(registries: Registries, name: str, file: PythonFile) -> bool:
    """Tell whether a file sends to what a registry holds: in a loop over it, or to one that is looked up."""
    for function in file.functions:
        for kind, field in (("for_statement", "right"), ("for_in_clause", "right")):
            for loop in own_nodes(function.body, kind):
                around = loop if kind == "for_statement" else loop.parent()
                inner = re.sub(r"^(?:list|tuple|set|sorted)\(", "", _followed(text_of(loop.field(field)), function))
                if _root(inner) == name and _SENDS.search(text_of(around)):
                    return True
    looked_up = rf"\b{re.escape(name)}(?:\[[^\]\n]*\]|\.get\([^)\n]*\))\.(?:send\w*|write_message|put\w*)\("
    return re.search(looked_up, file.text) is not None


def _locally_made(added: _Added) -> bool:
    """Tell whether a registry is made in the function that adds to it, or belongs to a single connection."""
    return any(text_of(node.field("left")) == added.name for node in own_nodes(added.function.body, "assignment"))


def _not_reached(registries: Registries) -> Iterator[PatternFacts]:
    """What takes a connection out stands behind a loop that only an exception ends."""
    for file in registries.flow.files:
        for function in file.functions:
            if not function.is_async or not _adds(registries, function):
                continue
            removals = _removals(registries, function)
            loop = _endless(function)
            if loop is not None and removals and all(_is_skipped(node, loop, function) for node in removals):
                yield pattern_fact("py.removal-not-reached", removals[0], file.code)


def _adds(registries: Registries, function: Function) -> bool:
    if any(one.function.node.range() == function.node.range() for found in registries.added.values() for one in found):
        return True
    added_by = {one.function.name for found in registries.added.values() for one in found}
    return any(text_of(call.field("function")).rpartition(".")[2] in added_by for call in own_nodes(function.body, "call"))


def _removals(registries: Registries, function: Function) -> "list[SgNode]":
    """Return the statements of a function that take a connection out, by themselves or through a function that does."""
    names = [_removal_of(name) for name in registries.shrinking]
    found = list["SgNode"]()
    for kind in ("call", "delete_statement", "augmented_assignment", "assignment"):
        for node in own_nodes(function.body, kind):
            text = node.text()[:300]
            if any(pattern.match(text[start.start() :]) for pattern in names for start in re.finditer(r"(?<![\w.])\w", text[:60])):
                found.append(node)
            elif kind == "call":
                target = registries.flow.target(node, function.file, function.owner)
                found += [node] if target is not None and any(pattern.search(target.body.text()) for pattern in names) else []
    return found


def _endless(function: Function) -> "SgNode | None":
    """Return the loop that receives until the connection ends and that only an exception leaves."""
    for loop in own_nodes(function.body, "while_statement"):
        text = loop.text()
        left = re.search(r"\b(?:break|return|except)\b|\b(?:ws|websocket)\.receive\(\)", text)
        if re.match(r"while\s+(?:True|1)\s*:", text) and _RECEIVES.search(text) and not left:
            return loop
    return None


def _is_skipped(node: "SgNode", loop: "SgNode", function: Function) -> bool:
    """Tell whether an exception out of the loop passes a statement by."""
    if start_of(node) < loop.range().end.index:
        return False
    for around in node.ancestors():
        if around.kind() in ("finally_clause", "except_clause", "with_statement"):
            return False
        if within(function.node, around):
            break
    tries = [around for around in loop.ancestors() if around.kind() == "try_statement" and within(around, function.node)]
    return not any("except" in around.text() or within(node, around) for around in tries)


def _loops(registries: Registries, function: Function) -> Iterator[PatternFacts]:
    """Go through the loops over connections: over the collection itself while others change it, or while the loop does."""
    for loop in own_nodes(function.body, "for_statement"):
        source = _followed(text_of(loop.field("right")), function)
        name = _root(source)
        if loop.text().startswith("async ") or name not in registries.added or _COPIES.search(source):
            continue
        kind = _kind(registries, name, source)
        body = loop.field("body")
        if body is None or kind in ("", "weak"):
            continue
        if (taken := _taken_inside(body, name)) is not None:
            yield pattern_fact("py.changed-in-its-loop" if kind != "list" else "py.list-shrinks-in-its-loop", taken, function.file.code)
        elif kind in ("set", "dict") and _SENDS.search(body.text()) and any(True for _ in own_nodes(body, "await")):
            yield pattern_fact("py.live-collection", loop, function.file.code)


def _followed(source: str, function: Function) -> str:
    """Return what a local name was made of, the source itself for anything else."""
    if not source.isidentifier():
        return source
    for node in own_nodes(function.body, "assignment"):
        if text_of(node.field("left")) == source:
            return text_of(node.field("right"))
    return source


def _kind(registries: Registries, name: str, source: str) -> str:
    """Return set, dict, list or weak for what a loop goes through, "" when it does not show."""
    made = registries.made(name)
    if _WEAK.search(made):
        return "weak"
    if re.search(r"\.(?:values|items|keys)\(\)$", source):
        return "dict"
    inner = re.search(rf"\b{re.escape(name)}(?:[\"']\])?(?:\[|\.(?:get|setdefault)\()", source) is not None and not re.search(
        rf"(?:app|state|config)\[\s*[\"']?{re.escape(name)}", source
    )
    if inner:
        shown = made + " ".join(
            re.findall(rf"\b{re.escape(name)}(?:\[[^\]\n]*\]\s*=|\.setdefault\([^)\n]*,)[^\n]{{0,40}}", registries.flow.text)
        )
        return _first(shown, (("set", r"\bset\b|Set\["), ("dict", r"dict\(dict|defaultdict\(dict"), ("list", r"\blist\b|List\[|\[\s*\]")))
    return _first(
        made,
        (
            ("set", r"=\s*(?:set\(|\{\s*\w)"),
            ("dict", r"=\s*(?:\{\s*\}|dict\(|(?:collections\.)?(?:defaultdict|OrderedDict)\()"),
            ("list", r"=\s*(?:\[|list\()"),
        ),
    )


def _first(text: str, rows: Iterable[tuple[str, str]]) -> str:
    return next((kind for kind, pattern in rows if re.search(pattern, text)), "")


def _taken_inside(body: "SgNode", name: str) -> "SgNode | None":
    """Return what a loop takes out of the collection that it goes through, None when it leaves at once after that."""
    pattern = re.compile(rf"(?:\w+\.)*{re.escape(name)}(?:\[[^\]\n]*\])?\.(?:remove|discard|pop)\(|del (?:\w+\.)*{re.escape(name)}\[")
    for kind in ("call", "delete_statement"):
        for node in own_nodes(body, kind):
            if pattern.match(node.text()[:200]) and not re.search(r"\b(?:break|return)\b", _rest_of_block(node)):
                return node
    return None


def _rest_of_block(node: "SgNode") -> str:
    statement = next((a for a in (node, *node.ancestors()) if (p := a.parent()) is not None and p.kind() == "block"), None)
    return "\n".join(one.text()[:200] for one in statement.next_all()) if statement is not None else ""
