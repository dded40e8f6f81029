"""Dialects that need nothing but a socket: GraphQL, STOMP, Phoenix, Action Cable, MQTT."""

import asyncio
import secrets

from wsbook.probes.connection import Socket
from wsbook.probes.dialects.asking import Asking
from wsbook.wire.dialects import graphql, small, sockjs, stomp

__all__ = ["ask_actioncable", "ask_graphql", "ask_mqtt", "ask_phoenix", "ask_stomp"]


def _own_url(asking: Asking) -> str:
    return asking.attempt.url


# GraphQL


async def ask_graphql(asking: Asking, pairs: int) -> None:
    """Initialise with each of the two protocols, side by side; versions are those that acknowledge."""
    await asyncio.gather(_initialise(asking, graphql.TRANSPORT), _initialise(asking, graphql.LEGACY))
    if asking.versions:
        asking.spoken = True


async def _initialise(asking: Asking, protocol: str) -> None:
    name = f"connection_init, {protocol}"
    socket = await asking.open(name, _own_url(asking), (protocol,))
    if socket is None:
        return
    if socket.subprotocol != protocol:
        asking.note(name, None, f"the server selects {socket.subprotocol or 'no subprotocol'}")
        await asking.close(socket)
        return
    await socket.send(graphql.INIT)

    def heard(got: str | bytes) -> graphql.Message | None:
        message = graphql.parse_message(got) if isinstance(got, str) else graphql.Message(kind="")
        return message if message.kind in ("ack", "refused") else None

    message = await asking.hear(socket, heard)
    if message is None:
        asking.note_silence(name, socket)
        asking.spoken = asking.spoken or (True if 4400 <= (socket.close_code or 0) < 4500 else None)
    else:
        asking.spoken = True
        asking.versions += [protocol] if message.kind == "ack" else []
        asking.note(name, message.kind == "ack", message.text or message.type)
    await asking.close(socket)


# STOMP


async def ask_stomp(asking: Asking, pairs: int) -> None:
    """Send CONNECT with heart-beats; over the raw WebSocket where the endpoint is a SockJS one, and without a subprotocol if need be."""
    offered = tuple(name for name in asking.attempt.subprotocols if name.endswith(".stomp")) or stomp.SUBPROTOCOLS
    socket = await asking.open("upgrade", _own_url(asking), offered)
    if socket is None:
        raw = f"{sockjs.base_path(asking.attempt.endpoint.path)}/websocket"
        socket = await asking.open("upgrade, raw WebSocket of SockJS", asking.url(raw, asking.query()), offered)
    if socket is None:
        return
    await socket.send(stomp.connect_frame(asking.attempt.endpoint.host))

    def heard(got: str | bytes) -> stomp.Frame | None:
        frame = stomp.parse_frame(got if isinstance(got, str) else got.decode("utf-8", "replace"))
        return frame if frame.command in ("CONNECTED", "ERROR") else None

    frame = await asking.hear(socket, heard)
    if frame is None:
        asking.note_silence("CONNECT", socket)
    else:
        _note_frame(asking, frame)
        await socket.send("DISCONNECT\n\n\x00")
    await asking.close(socket)


def _note_frame(asking: Asking, frame: stomp.Frame) -> None:
    asking.spoken = True
    if frame.command == "ERROR":
        asking.note("CONNECT", False, f"{frame.header('message')} {frame.body}".strip() or "ERROR")
        return
    asking.versions = [frame.header("version") or "1.0"]
    asking.note("CONNECT", True, f"CONNECTED {asking.versions[0]} by {frame.header('server') or 'an unnamed server'}")
    beats = stomp.beats(frame.header("heart-beat"))
    shown = "none" if beats is None else f"{beats[0]} ms from the server, {beats[1]} ms wanted from clients"
    asking.settings.append(("heart-beat", "0,0" if beats == (0, 0) else shown))


# One message each


async def ask_phoenix(asking: Asking, pairs: int) -> None:
    """Send the heartbeat that every Phoenix socket answers, without joining a topic."""
    version = asking.query().get("vsn", "2.0.0")
    path = asking.attempt.endpoint.path.rstrip("/")
    path = path if path.endswith("/websocket") else f"{path}/websocket"
    socket = await asking.open("heartbeat", asking.url(path, asking.query("vsn") | {"vsn": version}))
    if socket is None:
        return
    await socket.send(small.phoenix_heartbeat(version))
    status = await asking.hear(socket, lambda got: (small.phoenix_reply(got) or None) if isinstance(got, str) else None)
    if status is None:
        asking.note_silence("heartbeat", socket)
    else:
        asking.spoken, asking.versions = True, [version]
        asking.note("heartbeat", status == "ok", f"phx_reply {status}")
    await asking.close(socket)


async def ask_actioncable(asking: Asking, pairs: int) -> None:
    """Wait for the welcome."""
    socket = await asking.open("welcome", _own_url(asking), (small.ACTION_CABLE, "actioncable-unsupported"))
    if socket is None:
        return
    said = await asking.hear(
        socket, lambda got: (small.welcome(got) if any(small.welcome(got)) else None) if isinstance(got, str) else None
    )
    if said is None:
        asking.note_silence("welcome", socket)
    else:
        asking.spoken = True
        asking.note("welcome", said[0] != "disconnect", " ".join(filter(None, said)))
        asking.versions = [socket.subprotocol] if socket.subprotocol else []
    await asking.close(socket)


async def ask_mqtt(asking: Asking, pairs: int) -> None:
    """Send CONNECT of MQTT 3.1.1 without a user."""
    socket = await asking.open("CONNECT", _own_url(asking), (small.MQTT,))
    if socket is None:
        return
    await socket.send(small.mqtt_connect(f"wsbook{secrets.token_hex(4)}"))
    code = await _return_code(asking, socket)
    if code is None:
        asking.note_silence("CONNECT", socket)
    else:
        asking.spoken, asking.versions = True, ["3.1.1"] if code != 1 else []
        asking.note("CONNECT", code == 0, f"CONNACK {code}", code=code)
        await socket.send(b"\xe0\x00")
    await asking.close(socket)


async def _return_code(asking: Asking, socket: Socket) -> int | None:
    return await asking.hear(socket, lambda got: small.mqtt_return_code(got) if isinstance(got, bytes) else None)
