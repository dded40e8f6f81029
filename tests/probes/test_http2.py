"""WebSockets over HTTP/2: against hypercorn, against peers that only claim it, and against peers that do not speak it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.settings
import pytest
import trustme
from hypercorn.asyncio import serve as hypercorn
from hypercorn.config import Config
from misbehaving import misbehaving, serving

from wsbook.attempt import Attempt
from wsbook.facts import Http2Facts
from wsbook.observation import Observation, Reason
from wsbook.probes.http2 import probe_http2
from wsbook.programs import free_ports

Tls = tuple[ssl.SSLContext, str]


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context, str(tmp_path / "ca.pem")


async def probe(url: str, **fields: Any) -> tuple[Observation, Http2Facts]:
    seen = await probe_http2(Attempt(**{"url": url, "timeout_s": 1.5, **fields}), step="1.3")
    assert isinstance(seen.facts, Http2Facts)
    return seen, seen.facts


async def app(scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Accept /ws with the header that it wants, refuse every other path."""
    await receive()
    if scope["type"] == "websocket":
        cookies = [value for name, value in scope["headers"] if name == b"cookie"]
        good = scope["path"] == "/ws" and cookies == [b"a=b"] and scope["subprotocols"] == ["chat"]
        await send({"type": "websocket.accept", "subprotocol": "chat"} if good else {"type": "websocket.close"})
        if good:
            await receive()


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[int]:
    port = free_ports(["server"])["server"]
    config, stop = Config(), asyncio.Event()
    config.bind = [f"127.0.0.1:{port}"]
    config.certfile, config.keyfile = str(folder / "cert.pem"), str(folder / "key.pem")
    config.accesslog = config.errorlog = None
    task = asyncio.create_task(hypercorn(app, config, shutdown_trigger=stop.wait))
    for _ in range(100):
        with contextlib.suppress(OSError):
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            break
        await asyncio.sleep(0.02)
    yield port
    stop.set()
    await task


async def test_a_real_server(tls: Tls, tmp_path: Path) -> None:
    async with running(tmp_path) as port:
        more = {"ca_file": tls[1], "headers": (("Cookie", "a=b"),), "subprotocols": ("chat",)}
        good = (await probe(f"wss://127.0.0.1:{port}/ws?x=1", **more))[1]
        bad = (await probe(f"wss://127.0.0.1:{port}/other", **more))[1]
    assert (good.spoken, good.extended_connect, good.status, good.ended) == (True, True, 200, "")
    assert ("sec-websocket-protocol", "chat") in good.headers
    assert (bad.extended_connect, bad.status) == (True, 403)


def peer(answer: Callable[[h2.connection.H2Connection], None], announce: bool = True) -> Any:
    """Return a server that speaks HTTP/2 and answers the first request as told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, validate_inbound_headers=False))
        announced = {h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: int(announce)}
        engine.local_settings = h2.settings.Settings(client=False, initial_values=announced)
        engine.initiate_connection()
        writer.write(engine.data_to_send())
        while data := await reader.read(65_536):
            for event in engine.receive_data(data):
                if type(event).__name__ == "RequestReceived":
                    answer(engine)
            writer.write(engine.data_to_send())

    return serve


def _refuse(engine: h2.connection.H2Connection) -> None:
    engine.send_headers(1, [(":status", "426")])
    engine.send_data(1, b"use HTTP/1.1", end_stream=True)


def _reset(engine: h2.connection.H2Connection) -> None:
    engine.reset_stream(1, 13)


def _leave(engine: h2.connection.H2Connection) -> None:
    engine.close_connection(2)


def _silent(engine: h2.connection.H2Connection) -> None:
    pass


@pytest.mark.parametrize(
    ("answer", "announce", "extended", "status", "ended"),
    [
        (_refuse, True, True, 426, ""),
        (_reset, True, True, None, "RST_STREAM HTTP_1_1_REQUIRED"),
        (_leave, True, True, None, "GOAWAY INTERNAL_ERROR"),
        (_silent, True, True, None, "timeout"),
        (_refuse, False, False, None, ""),
    ],
)
async def test_peers_that_announce_it(tls: Tls, answer: Any, announce: bool, extended: bool, status: int | None, ended: str) -> None:
    async with serving(peer(answer, announce), context=tls[0]) as port:
        _, facts = await probe(f"wss://127.0.0.1:{port}/ws", ca_file=tls[1], timeout_s=0.4)
    assert (facts.spoken, facts.extended_connect, facts.status) == (True, extended, status)
    assert ended in facts.ended and bool(ended) == bool(facts.ended)
    assert facts.body == ("use HTTP/1.1" if status else "")


async def test_prior_knowledge_on_a_plain_port() -> None:
    async with serving(peer(_refuse)) as port:
        _, spoken = await probe(f"ws://127.0.0.1:{port}/ws")
    async with misbehaving() as server:
        _, not_spoken = await probe(server.url("/good"))
    assert (spoken.spoken, spoken.status) == (True, 426)
    assert (not_spoken.spoken, not_spoken.extended_connect) == (False, None)


@pytest.mark.parametrize("protocols", [["http/1.1"], []])
async def test_a_listener_that_does_not_choose_it(tls: Tls, protocols: list[str]) -> None:
    context, ca_file = tls
    context.set_alpn_protocols(protocols or ["spdy/1"])
    async with misbehaving(context=context) as server:
        seen, facts = await probe(server.url("/good"), ca_file=ca_file)
        assert server.requests == []
    assert (facts.spoken, seen.failure) == (False, None)


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x00" * 100])
async def test_a_listener_that_chooses_it_and_speaks_something_else(tls: Tls, data: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(data)

    async with serving(serve, context=tls[0]) as port:
        _, facts = await probe(f"wss://127.0.0.1:{port}/ws", ca_file=tls[1])
    assert (facts.spoken, facts.extended_connect, facts.status) == (True, None, None)
    assert facts.ended


async def test_it_is_not_asked_where_the_certificate_is_not_accepted(tls: Tls) -> None:
    async with serving(peer(_refuse), context=tls[0]) as port:
        seen, facts = await probe(f"wss://127.0.0.1:{port}/ws")
    assert seen.failure is not None
    assert (seen.failure.reason, facts.spoken) == (Reason.CERTIFICATE, False)
