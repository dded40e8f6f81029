"""What a Java backend does with its sessions: which threads send, what holds them, and what one exception ends."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["java_patterns"]

_SENDS = re.compile(r"\.(?:sendMessage|sendText|sendBinary|sendObject)\(")
_TAKES_TURNS = re.compile(
    r"synchronized|ConcurrentWebSocketSessionDecorator|\bLock\b|Semaphore|BlockingQueue|\.lock\(\)|Sinks\.|newSingleThread"
)
_SUBMITS = re.compile(r"^(?:submit|execute|runAsync|supplyAsync|schedule|forEach|invokeAll)$")
_HANDLES = re.compile(r"@OnMessage\b|\b(?:handleTextMessage|handleMessage|handleBinaryMessage|onMessage)\s*\(")
_SESSION = r"(?:WebSocketSession|Session|WebSocket|Channel|ServerWebSocket|WsContext|ClientSession|Client|Connection)"
_BLOCKS = re.compile(
    r"\bThread\.sleep\(|\.join\(\)|\.block(?:First|Last|Optional)?\(|\bFuture\b[^;]*\.get\(|\.toCompletableFuture\(\)\.get\(|DriverManager\.getConnection|\bjdbcTemplate\."
    r"|\brestTemplate\.|HttpURLConnection|\.executeQuery\(|HttpClient[^;]{0,80}\.send\(|Files\.(?:readAll|write|lines)|\bpasswordEncoder\.|BCrypt\.\w+\(|Jsoup\.connect"
)
_LOOPS = re.compile(r"SimpleChannelInboundHandler|ChannelInboundHandlerAdapter|ChannelDuplexHandler|AbstractVerticle|VerticleBase")


def java_patterns(code: Code, root: "SgNode", text: str, everything: str) -> Iterator[PatternFacts]:
    """Yield the defects of one file. text: the code without comments; everything: that of all files."""
    methods = root.find_all(kind="method_declaration")[:5_000]
    if re.search(r"(?i)websocket|\bSession\b|stomp|convertAndSend", everything):
        yield from _several_threads(code, root, methods, text)
        yield from _plain_collection(code, root, text)
        yield from _never_taken_out(code, root, text, everything)
        yield from _try_around(code, methods)
        yield from _in_transaction(code, methods)
    yield from _timer(code, root, methods)
    yield from _on_the_loop(code, root, methods, text)


def _named(call: "SgNode") -> str:
    name = call.field("name")
    return name.text() if name is not None else ""


def _several_threads(code: Code, root: "SgNode", methods: "list[SgNode]", text: str) -> Iterator[PatternFacts]:
    """A session takes one sender at a time (Jakarta WebSocket; Spring, WebSocketSession)."""
    if _TAKES_TURNS.search(text) or re.search(r"\bMono<|\bFlux<|io\.vertx|io\.netty|io\.javalin", text):
        return
    for call in root.find_all(kind="method_invocation")[:3_000]:
        pooled = _SUBMITS.match(_named(call)) and (_named(call) != "forEach" or "parallelStream" in call.text()[:200])
        if pooled and re.search(r"->", call.text()) and _SENDS.search(call.text()):
            yield pattern_fact("java.several-threads-send", call, code)
            return
    handlers = [method for method in methods if _HANDLES.search(method.text()[:300])]
    calls = "\n".join(handler.text() for handler in handlers)
    for method in methods:
        loop = next((one for one in method.find_all(kind="enhanced_for_statement") if _SENDS.search(one.text())), None)
        if loop is None or "getAsyncRemote" in loop.text():
            continue
        own = any(method.range() == handler.range() for handler in handlers)
        if own or re.search(rf"(?<![\w ]){re.escape(_named(method))}\(|[;{{]\s*{re.escape(_named(method))}\(", calls):
            yield pattern_fact("java.each-handler-sends-to-all", loop, code)
            return


def _fields(root: "SgNode") -> "Iterator[tuple[str, str, SgNode]]":
    """Yield (name, declaration, node) of the fields of a file."""
    for node in root.find_all(kind="field_declaration")[:1_000]:
        name = re.search(r"(\w+)\s*(?:=|;)", node.text())
        if name:
            yield name[1], node.text(), node


def _plain_collection(code: Code, root: "SgNode", text: str) -> Iterator[PatternFacts]:
    """Handlers of several connections run at once, and the plain collections may not be changed while they are gone through."""
    if re.search(r"\bsynchronized\b|\.lock\(\)|io\.vertx|EventLoop", text):
        return
    for name, declaration, node in _fields(root):
        plain = re.search(r"new\s+(?:Linked)?(?:HashMap|HashSet|ArrayList|LinkedList|TreeMap)\s*<", declaration)
        if not plain or not re.search(rf"\b{_SESSION}\b", declaration) or "synchronized" in declaration:
            continue
        n = re.escape(name)
        changed = re.search(rf"\b{n}\.(?:add|put|remove)\(", text)
        gone_through = re.search(
            rf":\s*(?:this\.)?{n}(?:\.(?:values|keySet|entrySet)\(\))?\s*\)|\b{n}(?:\.values\(\))?\.(?:forEach|stream)\(", text
        )
        if changed and gone_through:
            yield pattern_fact("java.plain-collection", node, code)
            return


def _never_taken_out(code: Code, root: "SgNode", text: str, everything: str) -> Iterator[PatternFacts]:
    for name, declaration, node in _fields(root):
        n = re.escape(name)
        if not re.search(rf"\b{_SESSION}\b[^=]*>", declaration) or re.search(r"Weak|Cache|expire", declaration):
            continue
        added = re.search(rf"\b{n}\.(?:add|put|putIfAbsent)\(|\b{n}\.computeIfAbsent\([^;]*\.add\(", text)
        taken = re.search(
            rf"\b{n}\.(?:remove\w*|clear|values\(\)\.remove\w*|entrySet\(\)\.remove\w*|compute\w*\([^;]*remove)\(?|\b{n}\.get\([^)]*\)\.remove|\.remove(?:If)?\(",
            everything,
        )
        if added and not taken and _SENDS.search(everything):
            yield pattern_fact("java.registry-never-shrinks", node, code)
            return


def _try_around(code: Code, methods: "list[SgNode]") -> Iterator[PatternFacts]:
    """A loop that sends to each, guarded as a whole only."""
    for method in methods:
        for loop in method.find_all(kind="enhanced_for_statement")[:50]:
            around = next((a for a in loop.ancestors() if a.kind() == "try_statement"), None)
            caught = around is not None and around.range().start.index > method.range().start.index and "catch" in around.text()
            if caught and _SENDS.search(loop.text()) and not re.search(r"\btry\b|getAsyncRemote|\.thenAccept|\.forEach", loop.text()):
                yield pattern_fact("java.try-around-the-loop", loop, code)
                return


def _in_transaction(code: Code, methods: "list[SgNode]") -> Iterator[PatternFacts]:
    for method in methods:
        text = method.text()
        if re.match(r"(?:@\w+(?:\([^)]*\))?\s*)*@Transactional\b(?![^\n]*readOnly\s*=\s*true)", text) and not re.search(
            r"afterCommit|TransactionSynchronization", text
        ):
            call = next(
                (
                    one
                    for one in method.find_all(kind="method_invocation")
                    if re.match(r"convertAndSend\w*|sendMessage|broadcast\w*|sendToUser$", _named(one))
                ),
                None,
            )
            if call is not None:
                yield pattern_fact("java.told-in-transaction", call, code)
                return


def _timer(code: Code, root: "SgNode", methods: "list[SgNode]") -> Iterator[PatternFacts]:
    """A task that throws is not run again (Java, ScheduledExecutorService; TimerTask ends its whole timer)."""
    named = {_named(method): method for method in methods}
    for call in root.find_all(kind="method_invocation")[:3_000]:
        if not re.match(r"scheduleAtFixedRate|scheduleWithFixedDelay", _named(call)):
            continue
        given = call.field("arguments")
        task = next((child for child in given.children() if child.is_named()), None) if given is not None else None
        if task is None or re.search(r"\btry\b|\bsafe\w*\(|\bguard\w*\(", task.text()):
            continue
        reference = re.search(r"::(\w+)$", task.text()) or re.search(r"->\s*\{?\s*(?:this\.)?(\w+)\(\)", task.text())
        body = named.get(reference[1]) if reference else None
        runs = body.text() if body is not None else task.text() if "->" in task.text() or "{" in task.text() else ""
        tells = re.search(r"(?i)publish|send|broadcast|emit|notify|push", runs) is not None
        if tells and not re.search(r"\btry\b|(?i:\bping\w*\()", runs):
            yield pattern_fact("java.timer-ends", call, code)
            return


def _on_the_loop(code: Code, root: "SgNode", methods: "list[SgNode]", text: str) -> Iterator[PatternFacts]:
    for method in methods:
        body = method.text()
        around = next((a.text()[:400] for a in method.ancestors() if a.kind() == "class_declaration"), "")
        on_loop = _LOOPS.search(around.split("{")[0]) and re.search(
            r"\b(?:channelRead0?|userEventTriggered|channelActive|handle|start|on\w+)\s*\(", body[:200]
        )
        reactive = re.search(r"\bMono<Void>\s+handle\s*\(", body[:300])
        found = (
            _BLOCKS.search(body) if on_loop else re.search(r"\.block(?:First|Last|Optional)?\(|Thread\.sleep\(", body) if reactive else None
        )
        if found and not re.search(r"executeBlocking|Schedulers\.boundedElastic|subscribeOn|\.submit\(|runAsync|virtualThread", body):
            yield pattern_fact("java.blocks-the-loop", method, code)
            return
