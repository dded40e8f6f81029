"""Names of events and types of messages, as one side sends them and the other handles them. Needs the code of both sides.

A name that is handled and that nobody sends is a defect only where everything that is sent is known: where the other side's code is
here, and sends no name that is computed.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from wsbook.facts import PatternFacts
from wsbook.parsers.code.listener_patterns import tables_of_types
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.script_flow import Flow, arguments_of, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["is_server", "name_patterns"]

_SERVER = re.compile(
    r"WebSocketServer|WebSocket\.Server|new Server\(|socketio\(|require\(['\"]socket\.io['\"]\)|from ['\"]socket\.io['\"]"
    r"|createServer\(|express\(|fastify"
    r"|\.on\(\s*['\"]connection['\"]|@WebSocketGateway|@SubscribeMessage|useServer\(|Bun\.serve|uWS\.|wss\.clients|\bio\.(?:to|of|emit|in)\("
)
_SERVER_PATH = re.compile(r"(?i)(?:^|/)(?:server|backend|api|functions|gateway|channels?|consumers?)(?:/|\.\w+$)")
_BROWSER = re.compile(
    r"new\s+(?:window\.)?(?:WebSocket|ReconnectingWebSocket|SockJS)\s*\(|socket\.io-client|\bdocument\."
    r"|from ['\"]react|from ['\"]vue|@microsoft/signalr|stompjs"
)
_KEYS = r"(?:type|event|kind|op|action|cmd|command|topic|msgType|messageType|eventType|event_type|t|name|method)"
_SENT = (
    re.compile(r"(?:emit|broadcast|publish|push|SendAsync|SendCoreAsync|sendEvent|emit_to)\w*!?\s*\(([^;{\n]{1,160})"),
    re.compile(r"\btrigger\w*!?\s*\(\s*[^;{,]{0,120}(,[^;{,]{1,120})"),
    re.compile(r"broadcastAs\(\)[^{]{0,40}\{[^}]{0,60}?return\s+(['\"][^'\"\n]{1,60}['\"])"),
)
_FILLED = re.compile(r"\b[fF]([\"'])(?:(?!\1)[^\n]){0,120}\1|`[^`\n]{0,120}\$\{[^`\n]{0,120}`")
"""Texts with something filled in, as names of channels are."""

_KEYED = re.compile(rf"(?<![\w.])[\"']?({_KEYS})[\"']?\s*(?:=>|:|=(?!=))\s*[\"'`]([\w.:/-]{{2,60}})[\"'`]")
_COMPUTED = re.compile(r"(?<![\w.])[\"']?(?:type|event|kind|op|action)[\"']?\s*:\s*(?!string|number|str\b|\w+\s*[|;])[A-Za-z_$]")
_LITERAL = re.compile(r"[\"'`]([\w.:/-]{2,60})[\"'`]")
_OWN = frozenset(
    (
        *(
            "connect",
            "connection",
            "disconnect",
            "disconnecting",
            "connect_error",
            "connect_failed",
            "error",
            "open",
            "close",
            "message",
            "reconnect",
        ),
        *(
            "reconnect_attempt",
            "reconnecting",
            "reconnect_error",
            "reconnect_failed",
            "ping",
            "pong",
            "data",
            "upgrade",
            "connected",
            "disconnected",
        ),
        *("end", "timeout", "drain", "finish", "exit", "online", "offline", "click", "submit", "change", "load", "resize", "new_namespace"),
    )
)
_LIBRARY = re.compile(r"^(?:pusher|pusher_internal|phx_|client-|engine|\$)")
_SHORT = 3
_MAX_NAMES = 300


class Side(Struct, frozen=True, kw_only=True):
    """What one side sends. names: of events; keyed: type of a message → fields that hold it; is_open: some names are computed."""

    names: frozenset[str]
    keyed: dict[str, set[str]]
    is_open: bool
    is_keyed_open: bool = False

    @property
    def every(self) -> set[str]:
        return {*self.names, *self.keyed}


def is_server(code: Code, known: frozenset[str] = frozenset()) -> bool:
    """Tell whether a file belongs to a server; scripts of a browser and of Node look alike but for what they use.

    known: artifacts that were given as the server's code.
    """
    if code.artifact in known:
        return True
    if code.language not in ("typescript", "tsx", "html"):
        return code.language in ("python", "go", "java", "php", "ruby", "elixir", "csharp", "rust", "kotlin")
    if _SERVER.search(code.text):
        return True
    return _SERVER_PATH.search(code.artifact.replace("\\", "/")) is not None and not _BROWSER.search(code.text)


def name_patterns(
    scripts: "list[tuple[Code, Flow]]", others: Iterable[Code], known: frozenset[str] = frozenset()
) -> Iterator[PatternFacts]:
    """Yield the names that one side handles and the other spells otherwise or never sends.

    scripts: files that are parsed, each with its flow; others: all other code; known: artifacts that were given as the server's code.
    """
    servers = [(code, flow) for code, flow in scripts if is_server(code, known)]
    pages = [pair for pair in scripts if pair not in servers]
    foreign = [code for code in others if is_server(code, known)]
    if not pages or not (servers or foreign):
        return
    sent = _sent([code for code, _ in servers] + foreign, [flow for _, flow in servers])
    handled = {name for _, flow in pages for name, _, _ in _handled(flow)}
    for code, flow in pages:
        yield from _unheard(code, flow, sent, handled)
    asked = _sent([code for code, _ in pages], [flow for _, flow in pages])
    answered = {name for _, flow in servers for name, _, _ in _handled(flow)}
    for code, flow in servers:
        yield from _unheard(code, flow, asked, answered, near_only=True)


def _sent(codes: list[Code], flows: list[Flow]) -> Side:
    names, keyed, is_open = set[str](), dict[str, set[str]](), False
    computed = any(_COMPUTED.search(code.text) for code in codes)
    for code in codes:
        text = _FILLED.sub('""', code.text)
        for expression in _SENT:
            for found in list(expression.finditer(text))[:_MAX_NAMES]:
                names.update(_LITERAL.findall(found[1].split(",")[0] if found[1].lstrip()[:1] in "'\"`" else found[1])[:8])
        for key, value in _KEYED.findall(code.text)[:_MAX_NAMES]:
            keyed.setdefault(value, set()).add(key)
    for flow in flows:
        for call in flow.calls:
            given = arguments_of(call)
            if last_name(called(call)) == "emit" and given and given[0].kind() in ("identifier", "member_expression", "call_expression"):
                is_open = is_open or flow.meant(given[0]).kind() != "string"
        for values in flow.values.values():
            names.update(value.text().strip("\"'`") for value in values if value.kind() == "string" and len(value.text()) < 60)
    return Side(names=frozenset(names), keyed=keyed, is_open=is_open, is_keyed_open=computed)


def _handled(flow: Flow) -> "Iterator[tuple[str, str, SgNode]]":
    """Yield each name that is handled, the field that it is looked for in ("" an event of its own), and where."""
    for call in flow.calls:
        given = arguments_of(call)
        if (
            len(given) > 1
            and re.search(r"(?:^|\.)(?:on|once|listen|bind|subscribe|onmessage)$", called(call))
            and given[0].kind() == "string"
        ):
            yield given[0].text().strip("\"'"), "", call
    for table in tables_of_types(flow):
        for entry in table.children():
            label = entry.field("key") or (entry.field("name") if entry.kind() == "method_definition" else None)
            if label is not None:
                yield label.text().strip("\"'"), "", entry
    for switch in flow.root.find_all(kind="switch_statement")[:50]:
        value = switch.field("value")
        key = re.search(rf"\.({_KEYS})\s*\)?$|^\(?\s*({_KEYS})\s*\)?$", value.text()) if value is not None else None
        for case in switch.find_all(kind="switch_case"):
            label = case.field("value")
            if key is not None and label is not None and label.kind() == "string":
                yield label.text().strip("\"'"), key[1] or key[2], case
    for test in flow.root.find_all(kind="binary_expression")[: _MAX_NAMES * 4]:
        found = re.fullmatch(rf"[\w.?]*?\b({_KEYS})\s*===?\s*[\"']([\w.:/-]{{2,60}})[\"']", test.text()[:160])
        if found:
            yield found[2], found[1], test


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _skeleton(name: str) -> str:
    """Return the consonants of a name's words, endings of plural and past left out: order:updated and orders:update are alike."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).lower())
    stem = "".join(re.sub(r"(?<=\w{3})(?:es|ed|s|d|e)$", "", word) for word in words)
    return re.sub(r"(.)\1+", r"\1", re.sub(r"[aeiou]", "", stem))


def _unheard(code: Code, flow: Flow, sent: Side, handled: set[str], *, near_only: bool = False) -> Iterator[PatternFacts]:
    """Yield the handlers of one file that nobody reaches; each name once."""
    every = sent.every
    if not every:
        return
    spare = {name for name in every if name not in handled and name not in _OWN}
    plain, sounds = {_plain(name) for name in spare}, {_skeleton(name) for name in spare}
    seen = set[str]()
    for name, key, node in _handled(flow):
        bare = name.lstrip(".")
        if bare in seen or name in _OWN or _LIBRARY.match(name):
            continue
        seen.add(bare)
        fields = sent.keyed.get(name, set())
        if key and fields and key not in fields and name not in sent.names and not near_only:
            yield pattern_fact("names.other-field", node, code)
        elif bare in every or (re.fullmatch(r"[A-Z]\w*", name) and any(_plain(name) == _plain(one) for one in handled - {name})):
            continue
        elif _plain(name) in plain or (len(_skeleton(name)) > _SHORT and _skeleton(name) in sounds) or _is_part(name, spare):
            yield pattern_fact("names.nobody-emits", node, code)
        elif not near_only and not (sent.is_keyed_open if key else sent.is_open) and _is_alone(name, _meant_for(sent, spare, key)):
            yield pattern_fact("names.other-name", node, code)


def _is_part(name: str, spare: set[str]) -> bool:
    """Tell whether a name and a spare one differ by what stands before the last separator alone: report.progress and progress."""
    return any(
        one != name and re.split(r"[.:/]", one)[-1] == re.split(r"[.:/]", name)[-1] and (one in name or name in one) for one in spare
    )


def _meant_for(sent: Side, spare: set[str], key: str) -> set[str]:
    """Return the spare names of the same kind: types in the same field, or events."""
    return {one for one in spare if (key in sent.keyed.get(one, set()) if key else one in sent.names)}


def _is_alone(name: str, spare: set[str]) -> bool:
    """Tell whether a spare name shares a word with a name, so that it is likely meant for it."""
    words = set(re.findall(r"[a-z]{3,}", re.sub(r"([A-Z])", r" \1", name).lower()))
    return any(words & set(re.findall(r"[a-z]{3,}", re.sub(r"([A-Z])", r" \1", one).lower())) for one in spare)
