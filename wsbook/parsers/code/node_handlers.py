"""What a Node backend does in its handlers: work that keeps the loop, Buffers taken for text, news before its commit, timers on sockets."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import Flow, Handler, arguments_of, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["node_handler_patterns"]

_HEAVY = re.compile(
    r"(?:^|\.)(?:execSync|spawnSync|execFileSync|pbkdf2Sync|scryptSync|hashSync|compareSync|genSaltSync|gzipSync|deflateSync|brotliCompressSync"
    r"|generateKeyPairSync|readFileSync|writeFileSync|appendFileSync|readdirSync|copyFileSync|cpSync|rmSync)$|^Atomics\.wait$|^deasync"
)
_BUSY = re.compile(r"while\s*\(\s*(?:Date\.now\(\)|performance\.now\(\)|new Date\(\)|process\.hrtime)[^)]{0,60}[<>]")
_LONG = re.compile(r"for\s*\([^;]*;[^;]*<=?\s*(?:1e(?:[89]|\d\d)|[\d_]{9,})\s*;")
_ROUTES = re.compile(r"\.(?:get|post|put|patch|delete|use|all|ws|route|handle|SubscribeMessage)$")
_TIMED = re.compile(r"^(?:setInterval|cron\.schedule|schedule\.scheduleJob)$")
_AS_TEXT = r"\.(?:startsWith|endsWith|split|trim|toLowerCase|toUpperCase|match|replace|charAt|substring)\("
_CONNECTION = re.compile(r"(?i)^(?:\w*(?:ws|socket|sock|client|conn|connection|peer)|s|c|a|upstream)$")
_TRANSACTION = re.compile(r"(?:\.|^)(?:transaction|\$transaction|withTransaction|inTransaction|tx)$")
_TELLS = re.compile(r"(?:\.|^)(?:emit|publish|broadcast\w*|send|notify\w*|push\w*|announce\w*)$")
_SERVER_FILE = re.compile(
    r"WebSocketServer|WebSocket\.Server|ws\.Server|socket\.io|uWebSockets|sockjs|express-ws|@fastify/websocket|WebSocketGateway|Bun\.serve|handleUpgrade|\bwss\b|\bio\.on\("
)


def node_handler_patterns(code: Code, flow: Flow, text: str, everything: str) -> Iterator[PatternFacts]:
    """Yield the defects of one file. text: its code without comments; everything: that of all files and manifests."""
    if _SERVER_FILE.search(everything):
        yield from _blocking(code, flow)
    yield from _buffers(code, flow, text, everything)
    yield from _in_transaction(code, flow)
    yield from _guard_of_requests(code, flow, text)
    yield from _each_instance(code, flow, text, everything)


# Work on the loop


def _blocking(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    seen = set[int]()
    for body in _served(flow):
        for part in flow.reach(body):
            for call in [one for one in part.find_all(kind="call_expression")[:3_000] if _HEAVY.search(called(one))]:
                if call.range().start.index not in seen:
                    seen.add(call.range().start.index)
                    yield pattern_fact("node.blocking-call", call, code)
            if (loop := _computing(part)) is not None and loop.range().start.index not in seen:
                seen.add(loop.range().start.index)
                yield pattern_fact("node.computing", loop, code)


def _served(flow: Flow) -> "Iterator[SgNode]":
    """Yield the functions that run while clients are connected: of events, of routes, of timers, methods of gateways."""
    for handler in flow.handlers:
        if handler.event not in ("listening", "exit", "sigterm", "sigint"):
            yield handler.body
    for call in flow.calls:
        given = arguments_of(call)
        if _TIMED.match(called(call)) or _ROUTES.search(called(call)):
            yield from (one for one in given if one.kind() in FUNCTIONS)
    for node in flow.root.find_all(kind="method_definition")[:2_000]:
        before = node.prev()
        if before is not None and re.match(r"@(?:SubscribeMessage|Interval|Cron|OnEvent|MessagePattern)\b", before.text()):
            yield node


def _computing(part: "SgNode") -> "SgNode | None":
    for kind, pattern in (("while_statement", _BUSY), ("for_statement", _LONG)):
        for loop in part.find_all(kind=kind)[:200]:
            if pattern.match(loop.text()[:300]) and "await " not in loop.text():
                return loop
    return None


# Messages


def _buffers(code: Code, flow: Flow, text: str, everything: str) -> Iterator[PatternFacts]:
    """Since ws 8 a message is a Buffer (ws, release notes of 8.0.0)."""
    older = re.search(r"[\"']ws[\"']\s*:\s*[\"'][\^~]?[0-7]\.", everything)
    if older or not re.search(r"from\s+['\"]ws['\"]|require\(\s*['\"]ws['\"]\s*\)|\bwss\b", text):
        return
    for handler in flow.of(frozenset(("message",))):
        name = _first_parameter(handler)
        if (
            not name
            or not _CONNECTION.match(last_name(handler.owner))
            or re.search(rf"\b{name}\s*=\s*(?:String\(|{name}\.toString|`)|:\s*string\b", handler.body.text()[:400])
        ):
            continue
        body, named = handler.body.text(), rf"(?<![\w.]){re.escape(name)}"
        if re.search(
            rf"{named}\s*===?\s*['\"`]|['\"`]\s*===?\s*{named}\b(?!\.)|{named}{_AS_TEXT}|switch\s*\(\s*{re.escape(name)}\s*\)", body
        ):
            yield pattern_fact("node.buffer-taken-for-text", handler.node, code)
        elif re.search(rf"\.send\(\s*{re.escape(name)}\s*\)", flow.reached_text(handler.body)):
            shown = re.search(rf"JSON\.parse\(\s*{re.escape(name)}\b", body) or _page_expects_text(everything)
            yield pattern_fact("node.buffer-passed-on" if shown else "send.relayed-as-it-came", handler.node, code)


def _page_expects_text(everything: str) -> bool:
    """Tell whether a page in the same project parses what it gets as text."""
    return re.search(r"JSON\.parse\(\s*\w+\.data\s*\)", everything) is not None and not re.search(
        r"binaryType|instanceof Blob|\.arrayBuffer\(|\.text\(\)|FileReader", everything
    )


def _first_parameter(handler: Handler) -> str:
    """Return the name of the message in a handler that takes nothing else, "" otherwise."""
    parameters = handler.body.field("parameters") or handler.body.field("parameter")
    found = re.fullmatch(r"\(?\s*(\w+)\s*(?::[^,)]*)?,?\s*\)?", parameters.text()) if parameters is not None else None
    return found[1] if found else ""


# Order, and timers


def _in_transaction(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    for call in flow.calls:
        if not _TRANSACTION.search(called(call)):
            continue
        for body in [one for one in arguments_of(call) if one.kind() in FUNCTIONS]:
            told = next(
                (inner for inner in body.find_all(kind="call_expression") if _TELLS.search(called(inner)) and _is_own(inner, body)), None
            )
            if told is not None and not re.search(r"afterCommit|executionPromise|on\(\s*['\"]commit", body.text()):
                yield pattern_fact("node.told-in-transaction", told, code)
                return
    yield from _before_commit(code, flow)


_TOLD = re.compile(r"\b(?:io|socket|wss|nsp|server|bus|redis|pub)\b[\w.()'\"`$:{}-]{0,80}\.(?:emit|publish)\(|\bbroadcast\w*\(")
_BEGUN = re.compile(r"BEGIN|[tT]ransaction|\.(?:insert|update|save|query)\(")


def _before_commit(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    for function in [one for bodies in flow.functions.values() for one in bodies]:
        text = function.text()
        commit, told = re.search(r"\.commit\(\)|query\(\s*['\"`]COMMIT", text), _TOLD.search(text)
        if commit and told and told.start() < commit.start() and _BEGUN.search(text[: told.start()]):
            other_way = re.search(r"\b(?:return|catch|else)\b", text[told.start() : commit.start()])
            if not other_way:
                yield pattern_fact("node.told-in-transaction", function, code)
                return


def _is_own(inner: "SgNode", body: "SgNode") -> bool:
    around = next((a for a in inner.ancestors() if a.kind() in FUNCTIONS), None)
    return around is not None and around.range() == body.range()


def _guard_of_requests(code: Code, flow: Flow, text: str) -> Iterator[PatternFacts]:
    """A timer that is armed for each TCP connection and ends it, whatever it has become."""
    for handler in flow.of(frozenset(("connection", "secureconnection"))):
        made = (
            re.search(rf"\b{re.escape(last_name(handler.owner))}\s*(?::[^=\n]+)?=\s*[\w.]*createS(?:ecureS)?erver\(", text)
            if handler.owner
            else None
        )
        name = _first_parameter(handler)
        if not made or not name:
            continue
        armed = re.search(
            rf"setTimeout\(\s*(?:function\s*)?(?:\(\)\s*=>)?[^;]{{0,80}}\b{re.escape(name)}\.(?:destroy|end)\(", handler.body.text()
        )
        if armed and not re.search(r"on(?:ce)?\(\s*['\"]upgrade['\"][\s\S]{0,300}?clearTimeout", text):
            yield pattern_fact("node.timer-on-the-socket", handler.node, code)


_ADAPTED = re.compile(
    r"createAdapter|createShardedAdapter|RedisIoAdapter|redis-adapter|redis-streams-adapter|redisAdapter\(|setupPrimary|emitter"
)
_FANS_OUT = re.compile(
    r"\bio(?:\.of\([^)]*\))?(?:\.(?:to|in|except)\([^;]{0,120}?\))*\.emit\(|\b(?:this\.)?(?:\w+\.)?(?:server|nsp)(?:\.(?:to|in)\([^;]{0,120}?\))*\.emit\("
)
_ALONE = re.compile(r"(?i)leader|redlock|\block\b|isPrimary|isMaster|NODE_APP_INSTANCE|advisory|SETNX|\.local\b|POD_NAME|ordinal")
_HEARD_BY_ALL = re.compile(
    r"(?:^|\.)(?:on|subscribe|psubscribe|pSubscribe|watch|listen|schedule|scheduleJob|consume)$|^setInterval$|^cron\.schedule$"
)
_HEARD_BY_ONE = re.compile(r"(?i)socket|^ws|client\.on|\bio\.|nsp|httpServer|process|server\.on")


def _each_instance(code: Code, flow: Flow, text: str, everything: str) -> Iterator[PatternFacts]:
    """What every instance hears or does by itself goes through the adapter to the sockets of all."""
    if not _ADAPTED.search(everything) or _ALONE.search(text):
        return
    for call in flow.calls:
        name, given = called(call), arguments_of(call)
        if not _HEARD_BY_ALL.search(name) or _HEARD_BY_ONE.search(name.rpartition(".")[0]) or not given:
            continue
        if given[0].text().strip("'\"`").lower() in (
            "connection",
            "connect",
            "error",
            "disconnect",
            "close",
            "upgrade",
            "message" if "worker" in name else "-",
        ):
            continue
        if any(one.kind() in FUNCTIONS and _FANS_OUT.search(one.text()) for one in given) and not _is_queue(text, name):
            yield pattern_fact("node.each-instance-tells-all", call, code)
            return


def _is_queue(text: str, name: str) -> bool:
    """Tell whether consumers share what comes: each entry of a named queue or group goes to one of them."""
    shared = re.search(r"groupId\s*:\s*['\"`](?![^'\"`]*\$\{)|assertQueue\(\s*['\"`]\w|new Worker\(|xReadGroup|queue\s*:\s*['\"`]\w", text)
    return shared is not None and re.search(r"consume$|run$|\.on$|subscribe$", name) is not None
