"""SockJS as its client goes about it: /info, then each transport."""

import asyncio
import secrets

from wsbook.probes.companion import Companion
from wsbook.probes.dialects.asking import Asking
from wsbook.wire.dialects import sockjs
from wsbook.wire.dialects.sockjs import Info

__all__ = ["ask_sockjs"]


def _session(base: str, transport: str) -> str:
    return f"{base}/{secrets.randbelow(1000):03d}/{secrets.token_hex(4)}/{transport}"


async def ask_sockjs(asking: Asking, pairs: int) -> None:
    """Ask for /info twice, then open each transport once; pairs: XHR sessions to begin, to see whether they stick."""
    base, query = sockjs.base_path(asking.attempt.endpoint.path), asking.query()
    first = await asking.http("GET", f"{base}/info", query)
    info = sockjs.parse_info(first.body) if first.status == 200 else None
    if info is None:
        asking.spoken = None if first.status is None else False
        asking.note_reply("/info", False, first, f"HTTP {first.status}: {first.body[:120]}")
        return
    asking.spoken = True
    asking.note_reply("/info", True, first, f"websocket {info.websocket}, cookie_needed {info.cookie_needed}")
    again = await asking.http("GET", f"{base}/info", query)
    _announced(asking, info, sockjs.parse_info(again.body))
    await asyncio.gather(_websocket(asking, base), _raw(asking, base), _xhr(asking, base), _eventsource(asking, base))
    await asking.stick(lambda client: _pair(asking, client, base), pairs)


def _announced(asking: Asking, info: Info, again: Info | None) -> None:
    asking.settings += [("websocket", str(info.websocket).lower()), ("cookie_needed", str(info.cookie_needed).lower())]
    if info.entropy is not None and again is not None and info.entropy == again.entropy:
        asking.settings.append(("entropy", "twice the same: /info comes from a cache"))


async def _websocket(asking: Asking, base: str) -> None:
    name = "transport websocket"
    socket = await asking.open(name, asking.url(_session(base, "websocket"), asking.query()))
    if socket is None:
        return
    frame = await asking.hear(socket, lambda got: sockjs.parse_frame(got) if isinstance(got, str) else None)
    if frame is None:
        asking.note_silence(name, socket)
    else:
        said = f"{frame.code} {frame.reason}".strip() if frame.kind == "close" else frame.kind or "no frame of SockJS"
        asking.note(name, frame.kind == "open", f"the first frame is {said}", code=frame.code)
    await asking.close(socket)


async def _raw(asking: Asking, base: str) -> None:
    """Open the raw WebSocket that SockJS serves beside its sessions."""
    socket = await asking.open("raw /websocket", asking.url(f"{base}/websocket", asking.query()))
    if socket is not None:
        asking.note("raw /websocket", True, "it opens")
        await asking.close(socket)


async def _xhr(asking: Asking, base: str) -> None:
    reply = await asking.http("POST", _session(base, "xhr"), asking.query(), until="o\n")
    opened = reply.status == 200 and reply.body.startswith("o")
    asking.note_reply("transport xhr", opened, reply, "it opens" if opened else f"HTTP {reply.status}: {reply.body[:100]}")


async def _eventsource(asking: Asking, base: str) -> None:
    reply = await asking.http("GET", _session(base, "eventsource"), asking.query(), until="data: o")
    opened = "event-stream" in reply.content_type and "data: o" in reply.body
    late = "the stream begins and brings nothing: it is held back on its way" if reply.status == 200 and not opened else ""
    asking.note_reply("transport eventsource", opened, reply, "it opens" if opened else late or f"HTTP {reply.status}: {reply.body[:100]}")


async def _pair(asking: Asking, client: Companion, base: str) -> bool | None:
    """Tell whether an XHR session was known to the request after it; None when it did not begin."""
    session = _session(base, "xhr")
    begun = await client.ask("POST", session, timeout_s=max(0.05, asking.wait_s), until="o\n")
    if begun.status != 200 or not begun.body.startswith("o"):
        return None
    sent = await client.ask("POST", f"{session}_send", "[]", timeout_s=max(0.05, asking.wait_s))
    return None if sent.status is None or sent.status >= 500 else sent.status != 404
