"""Engine.IO and Socket.IO as their client goes about it: polling, namespace, upgrade; then WebSocket alone, and several sessions."""

from wsbook.probes.companion import Companion, Reply
from wsbook.probes.connection import Socket
from wsbook.probes.dialects.asking import Asking, resource
from wsbook.wire.dialects import engineio
from wsbook.wire.dialects.engineio import Open, Packet
from wsbook.wire.dialects.objects import number, parse_json, parse_object, word
from wsbook.wire.dialects.refusals import explain

__all__ = ["ask_engineio"]

_OWN = ("EIO", "transport", "sid", "t", "b64", "j")
_PATH = "/socket.io/"
_VERSIONS = ("4", "3")
_UNLIKELY_S = 0.4
"""To wait for a first packet where polling has met no server of this kind."""


def _path(asking: Asking) -> str:
    path = asking.attempt.endpoint.path
    return path if ".io" in path or "EIO" in asking.query() else _PATH


def _query(asking: Asking, version: str, transport: str, sid: str = "") -> dict[str, str]:
    return asking.query(*_OWN) | {"EIO": version, "transport": transport} | ({"sid": sid} if sid else {})


def _opened(text: str) -> tuple[Open | None, tuple[Packet, ...]]:
    packets = engineio.parse_payload(text)
    return next(filter(None, map(engineio.open_of, packets)), None), packets


def _refusal(reply: Reply) -> tuple[int | None, str]:
    """Return (code, words) of a refusal: a JSON object in Node, a JSON text in Python, anything from a proxy."""
    found = parse_object(reply.body)
    said = parse_json(reply.body)
    return number(found, "code"), word(found, "message") or (said if isinstance(said, str) else reply.body)[:200]


def _body(version: str, packet: str) -> str:
    return packet if version == "4" else f"{len(packet)}:{packet}"


async def ask_engineio(asking: Asking, pairs: int) -> None:
    """Do what a Socket.IO client does, with versions 4 and 3; pairs: sessions to begin in order to see whether they stick."""
    path = _path(asking)
    # One after the other: a cookie that binds to a server would otherwise be replaced by that of the other session.
    replies = [await asking.http("GET", path, _query(asking, version, "polling")) for version in _VERSIONS]
    opens = {version: opened for version, reply in zip(_VERSIONS, replies, strict=True) if (opened := _opened(reply.body)[0])}
    asking.versions = list(opens)
    for version, reply in zip(_VERSIONS, replies, strict=True):
        _note_handshake(asking, version, reply, opens)
    if opens:
        version = next(iter(opens))
        await _use(asking, path, version, opens[version])
        for other in list(opens)[1:]:
            await asking.http("POST", path, _query(asking, other, "polling", opens[other].sid), _body(other, engineio.CLOSE))
    await _websocket_only(asking, path, next(iter(opens), _VERSIONS[0]))
    if opens:
        await asking.stick(lambda client: _pair(asking, client, path, next(iter(opens))), pairs)


def _note_handshake(asking: Asking, version: str, reply: Reply, opens: dict[str, Open]) -> None:
    name = f"polling handshake, EIO={version}"
    opened = opens.get(version)
    if opened:
        asking.spoken = True
        asking.note_reply(name, True, reply, f"upgrades to {', '.join(opened.upgrades) or 'nothing'}")
        if version == next(iter(opens)):
            _announced(asking, opened)
        return
    code, words = _refusal(reply)
    explained = reply.status is not None and explain("engine.io", code=code, body=words) is not None
    asking.spoken = asking.spoken or (True if explained else False if reply.status is not None else None)
    asking.note_reply(name, None if opens else False, reply, f"HTTP {reply.status}: {words}", code)


def _announced(asking: Asking, opened: Open) -> None:
    asking.settings += [("upgrades", ", ".join(opened.upgrades))]
    asking.settings += [("pingInterval", f"{opened.ping_interval_s:g} s")] if opened.ping_interval_s is not None else []
    asking.settings += [("pingTimeout", f"{opened.ping_timeout_s:g} s")] if opened.ping_timeout_s is not None else []
    asking.settings += [("maxPayload", f"{opened.max_payload_bytes} B")] if opened.max_payload_bytes is not None else []


async def _use(asking: Asking, path: str, version: str, opened: Open) -> None:
    """Join the default namespace over polling, then move the session to a WebSocket."""
    query = _query(asking, version, "polling", opened.sid)
    if "engine.io" not in path:
        await _namespace(asking, path, query, version)
    if "websocket" not in opened.upgrades:
        asking.note("upgrade to WebSocket", None, "the server offers no upgrade: its transports leave WebSocket out")
        await asking.http("POST", path, query, _body(version, engineio.CLOSE))
        return
    name = "upgrade to WebSocket"
    url = asking.url(path, _query(asking, version, "websocket", opened.sid))
    socket = await asking.open(name, url, cookies=asking.companion.cookies)
    if socket is None:
        return
    await socket.send(engineio.PROBE)
    if await asking.hear(socket, lambda got: True if got == engineio.PROBED else None):
        await socket.send(engineio.UPGRADE)
        asking.note(name, True, "the probe was answered")
        await _heartbeat(asking, socket, version, opened)
    else:
        asking.note_silence(name, socket)
    await asking.close(socket)


async def _namespace(asking: Asking, path: str, query: dict[str, str], version: str) -> None:
    if version == "4":
        sent = await asking.http("POST", path, query, engineio.connect_packet())
        if sent.status != 200:
            code, words = _refusal(sent)
            asking.note_reply("namespace /", False, sent, f"HTTP {sent.status}: {words}", code)
            return
    reply = await asking.http("GET", path, query)
    packets = engineio.parse_payload(reply.body)
    joined = next((packet for packet in packets if packet.socketio in ("CONNECT", "CONNECT_ERROR")), None)
    if joined is None:
        asking.note_reply("namespace /", None, reply, "no answer to the request for the namespace")
    elif joined.socketio == "CONNECT_ERROR":
        asking.note_reply("namespace /", False, reply, joined.message or joined.data[:100])
    else:
        asking.note_reply("namespace /", True, reply, "joined")


async def _heartbeat(asking: Asking, socket: Socket, version: str, opened: Open) -> None:
    """See the heartbeat: version 3 answers ours at once, version 4 pings by itself once in its interval."""
    if version == "3":
        await socket.send(engineio.PING)
    elif opened.ping_interval_s is None or opened.ping_interval_s > asking.left_s - 0.5:
        return
    wanted, patience_s = ("pong", asking.wait_s) if version == "3" else ("ping", asking.left_s)

    def heard(got: str | bytes) -> bool | None:
        return True if isinstance(got, str) and engineio.parse_packet(got).kind == wanted else None

    found = await asking.hear(socket, heard, patience_s)
    asking.note("heartbeat", True if found else None, f"a {wanted} came" if found else f"no {wanted} within {patience_s:.1f} s")


async def _websocket_only(asking: Asking, path: str, version: str) -> None:
    """Begin a session without polling, as transports: ["websocket"] does."""
    name = "WebSocket without polling"
    socket = await asking.open(name, asking.url(path, _query(asking, version, "websocket")))
    if socket is None:
        return
    wait_s = asking.wait_s if asking.spoken else min(_UNLIKELY_S, asking.wait_s)

    def heard(got: str | bytes) -> Open | None:
        return engineio.open_of(engineio.parse_packet(got)) if isinstance(got, str) else None

    opened = await asking.hear(socket, heard, wait_s)
    if opened:
        asking.spoken = True
        asking.versions = asking.versions or [version]
        asking.note(name, True, "the session is open")
        await socket.send(engineio.CLOSE)
    else:
        asking.note_silence(name, socket)
    await asking.close(socket)


async def _pair(asking: Asking, client: Companion, path: str, version: str) -> bool | None:
    """Tell whether a session was known to the request that ends it; None when it did not begin."""
    begun = await client.ask("GET", resource(path, _query(asking, version, "polling")), timeout_s=max(0.05, asking.wait_s))
    opened, _ = _opened(begun.body)
    if opened is None:
        return None
    again = resource(path, _query(asking, version, "polling", opened.sid))
    ended = await client.ask("POST", again, _body(version, engineio.CLOSE), timeout_s=max(0.05, asking.wait_s))
    if ended.status is None or ended.status >= 500:
        return None
    code, words = _refusal(ended)
    known = explain("engine.io", code=code, body=words)
    return not (ended.status >= 400 and known is not None and any(slug == "cluster.no-sticky-session" for slug, _ in known.causes))
