"""ASP.NET Core SignalR as its client goes about it: negotiate, connect, handshake."""

import re

from wsbook.probes.companion import Companion, Reply
from wsbook.probes.connection import Socket
from wsbook.probes.dialects.asking import Asking, resource
from wsbook.wire.dialects import signalr
from wsbook.wire.dialects.refusals import explain
from wsbook.wire.dialects.signalr import Negotiated, Record

__all__ = ["ask_signalr"]

_VERSION = {"negotiateVersion": "1"}


def _base(asking: Asking) -> str:
    return re.sub(r"/negotiate/?$", "", asking.attempt.endpoint.path)


async def ask_signalr(asking: Asking, pairs: int) -> None:
    """Negotiate, connect with what was negotiated and shake hands; without negotiation when that fails."""
    base = _base(asking)
    reply = await asking.http("POST", f"{base.rstrip('/')}/negotiate", asking.query("id") | _VERSION)
    found = signalr.parse_negotiation(reply.body) if reply.status == 200 else None
    _note_negotiation(asking, reply, found)
    if found is not None and (found.url or found.error):
        return
    token = found.token if found else ""
    await _connect(asking, base, "connect and handshake" if token else "handshake without negotiation", token)
    if token:
        await asking.stick(lambda client: _pair(asking, client, base), pairs)


def _note_negotiation(asking: Asking, reply: Reply, found: Negotiated | None) -> None:
    if found is None:
        asking.spoken = None if reply.status is None else False
        asking.note_reply("negotiate", False, reply, f"HTTP {reply.status}: {reply.body[:120]}")
        return
    asking.spoken = True
    if found.error:
        asking.note_reply("negotiate", False, reply, found.error)
    elif found.url:
        asking.note_reply("negotiate", True, reply, f"the server sends its clients to {found.url.partition('?')[0]}")
    else:
        asking.settings += [("transports", ", ".join(found.transports)), ("negotiateVersion", str(found.version))]
        offered = "WebSockets" in found.transports
        words = f"transports {', '.join(found.transports) or 'none'}"
        asking.note_reply("negotiate", True if offered else None, reply, words if offered else f"{words}: WebSockets are switched off")


async def _connect(asking: Asking, base: str, name: str, token: str) -> None:
    query = asking.query("id") | ({"id": token} if token else {})
    socket = await asking.open(name, asking.url(base, query), cookies=asking.companion.cookies)
    if socket is None:
        return
    await socket.send(signalr.HANDSHAKE)
    record = await asking.hear(socket, _first_record)
    if record is None:
        asking.note_silence(name, socket)
    elif record.error or record.kind == "close":
        asking.spoken = True
        asking.note(name, False, record.error or "the hub closes the connection at once")
    else:
        asking.spoken, asking.versions = True, ["json 1"]
        await _after(asking, name, socket)
    await asking.close(socket)


def _first_record(got: str | bytes) -> Record | None:
    return next((record for record in signalr.parse_records(got) if record.kind), None) if isinstance(got, str) else None


async def _after(asking: Asking, name: str, socket: Socket) -> None:
    """See whether the hub closes right after the handshake, as one does whose connect handler refuses."""

    def closing(got: str | bytes) -> Record | None:
        records = signalr.parse_records(got) if isinstance(got, str) else ()
        return next((record for record in records if record.kind == "close"), None)

    record = await asking.hear(socket, closing, min(0.1, asking.wait_s))
    if record is not None:
        asking.note(name, False, record.error or "the hub closes the connection after the handshake")
    else:
        asking.note(name, True, "the hub accepts the handshake")


async def _pair(asking: Asking, client: Companion, base: str) -> bool | None:
    """Tell whether a negotiated connection was known to the request that ends it; None when negotiation failed."""
    query, wait_s = asking.query("id"), max(0.05, asking.wait_s)
    begun = await client.ask("POST", resource(f"{base.rstrip('/')}/negotiate", query | _VERSION), timeout_s=wait_s)
    found = signalr.parse_negotiation(begun.body) if begun.status == 200 else None
    if found is None or not found.token:
        return None
    ended = await client.ask("DELETE", resource(base, query | {"id": found.token}), timeout_s=wait_s)
    known = explain("signalr", status=ended.status, body=ended.body)
    return None if ended.status is None or ended.status >= 500 else known is None or known.id != "signalr-session"
