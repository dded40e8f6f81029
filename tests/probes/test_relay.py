"""The relay: what a client and a server see of each command, and what the relay saw of them."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from wsbook.errors import UsageError
from wsbook.lab.certificates import write_certificate
from wsbook.probes.relay import Ending, Relay, open_relay
from wsbook.probes.relay_line import drop

SOON_S = 5.0


class Server:
    """Echoes; remembers how many upgrades it saw and how its sockets ended."""

    def __init__(self) -> None:
        self.port = 0
        self.sockets: list[ServerConnection] = []
        self.requests = 0

    async def session(self, socket_: ServerConnection) -> None:
        self.sockets.append(socket_)
        with contextlib.suppress(ConnectionClosed):
            async for message in socket_:
                await socket_.send(message)

    def note(self, *_: object) -> None:
        self.requests += 1


@contextlib.asynccontextmanager
async def relayed(context: ssl.SSLContext | None = None, ending: Ending | None = None) -> AsyncIterator[tuple[Server, Relay]]:
    server = Server()
    async with serve(server.session, "127.0.0.1", 0, process_request=server.note, ssl=context, close_timeout=1) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        async with open_relay("127.0.0.1", server.port, ending=ending) as relay:
            yield server, relay


def dial(relay: Relay, path: str = "/ws", host: str = "127.0.0.1") -> connect:
    return connect(
        f"ws://{host}:{relay.port}{path}", proxy=None, open_timeout=SOON_S, close_timeout=1, ping_interval=None, compression=None
    )


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def echoes(client: ClientConnection, text: str = "hello") -> bool:
    await client.send(text)
    async with asyncio.timeout(SOON_S):
        return await client.recv() == text


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 900_000])
async def test_everything_passes(size: int) -> None:
    async with relayed() as (_, relay), dial(relay, "/ws?token=secret") as client:
        assert await echoes(client, "x" * size)
        (line,) = relay.lines
        assert (line.kind, line.path, line.treated, line.status, line.open) == ("upgrade", "/ws", "passed", 101, True)


async def test_the_ipv6_loopback_is_served_too() -> None:
    async with relayed() as (_, relay):
        try:
            socket.create_connection(("::1", relay.port), 1).close()
        except OSError:
            pytest.skip("no IPv6 here")
        async with dial(relay, host="[::1]") as client:
            assert await echoes(client)


async def test_what_is_refused_does_not_reach_the_target_and_is_seen() -> None:
    async with relayed() as (server, relay):
        relay.refuse()
        begin = time.monotonic()
        with pytest.raises((OSError, InvalidMessage)):
            await dial(relay, "/live")
        (line,) = relay.lines
        assert (line.kind, line.path, line.treated) == ("upgrade", "/live", "refused")
        assert begin <= line.at <= time.monotonic()
        assert server.requests == 0
        relay.recover()
        async with dial(relay) as client:
            assert await echoes(client)


@pytest.mark.parametrize(("how", "error"), [("rst", ConnectionResetError), ("fin", type(None))])
async def test_a_cut_is_seen_at_both_ends(how: str, error: type) -> None:
    async with relayed() as (server, relay), dial(relay) as client:
        assert await echoes(client)
        assert relay.cut(how) == 1
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is None
        assert isinstance(closed.value.__cause__, error) or error is type(None)
        await until(lambda: server.sockets[0].close_code == 1006)
        assert relay.lines[0].cut_at is not None and not relay.lines[0].open
        assert relay.lines[0].client_ended_at is None


async def test_a_stall_holds_everything_and_lets_it_go_in_order() -> None:
    async with relayed() as (_, relay), dial(relay) as client:
        relay.stall()
        await client.send("one")
        await client.send("two")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.recv()
        relay.recover()
        assert [await client.recv(), await client.recv()] == ["one", "two"]


@pytest.mark.parametrize("direction", ["outward", "inward"])
async def test_one_direction_stalls(direction: str) -> None:
    async with relayed() as (server, relay), dial(relay) as client:
        relay.stall(direction)
        await client.send("one")
        await server.sockets[0].send("news")
        if direction == "outward":
            assert await client.recv() == "news"
            relay.recover()
            assert await client.recv() == "one"
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.recv()
            relay.recover()
            assert {await client.recv(), await client.recv()} == {"one", "news"}


async def test_only_present_connections_may_be_forgotten() -> None:
    async with relayed() as (_, relay), dial(relay) as client:
        relay.stall(new=False)
        await client.send("lost")
        async with dial(relay) as other:
            assert await echoes(other)
        relay.recover()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.recv()
        client.transport.abort()
        await until(lambda: relay.lines[0].client_ended_at is not None)


async def test_a_new_connection_waits_while_all_stalls() -> None:
    async with relayed() as (server, relay):
        relay.stall()
        dialling = asyncio.ensure_future(dial(relay).__aenter__())
        await until(lambda: bool(relay.lines) and relay.lines[0].treated == "stalled")
        assert server.requests == 0
        relay.recover()
        client = await dialling
        assert await echoes(client) and relay.lines[0].treated == "passed"
        await client.close()


async def test_who_gives_up_while_all_stalls_is_seen() -> None:
    async with relayed() as (server, relay):
        relay.stall()
        dialling = asyncio.ensure_future(dial(relay).__aenter__())
        await until(lambda: bool(relay.lines) and relay.lines[0].treated == "stalled")
        dialling.cancel()
        await until(lambda: relay.lines[0].client_ended_at is not None and relay.lines[0].ended_at is not None)
        assert server.requests == 0


@pytest.mark.parametrize("code", [1001, 1008, 1012, 4401])
async def test_a_close_frame_of_ours_is_the_servers(code: int) -> None:
    async with relayed() as (server, relay), dial(relay) as client:
        assert await echoes(client)
        assert relay.close(code, "bye") == 1
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None and (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "bye")
        await until(lambda: server.sockets[0].close_code == code)


async def test_a_close_frame_waits_for_the_end_of_a_frame() -> None:
    async with relayed() as (server, relay), dial(relay) as client:
        relay.throttle(200_000)
        sending = asyncio.ensure_future(server.sockets[0].send(b"x" * 100_000))
        await until(lambda: relay.lines[0].from_target_at is not None and relay.lines[0].status == 101)
        await asyncio.sleep(0.05)
        relay.close(1001)
        assert len(await client.recv()) == 100_000
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001
        await sending


async def test_upgrades_are_answered_while_other_requests_pass() -> None:
    async with relayed() as (server, relay):
        relay.answer(503, lambda path: path.startswith("/poll"))
        with pytest.raises(InvalidStatus) as refused:
            await dial(relay)
        assert refused.value.response.status_code == 503
        assert server.requests == 0
        assert [await plain(relay, path) for path in ("/other", "/poll/1")] == [426, 503]
        assert [line.treated for line in relay.lines] == ["answered 503", "passed", "answered 503"]
        assert [line.upgrade for line in relay.lines] == [True, False, False]


async def plain(relay: Relay, path: str) -> int:
    """Return the status of a request that is no upgrade; the connection has to end by itself."""
    reader, writer = await asyncio.open_connection(relay.host, relay.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: keep-alive\r\n\r\n".encode())
    async with asyncio.timeout(SOON_S):
        answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


async def test_a_delay_and_a_limit_slow_everything() -> None:
    async with relayed() as (_, relay), dial(relay) as client:
        relay.delay(0.1)
        begin = time.monotonic()
        assert await echoes(client)
        assert time.monotonic() - begin >= 0.19
        relay.delay(0.0)
        relay.throttle(100_000)
        begin = time.monotonic()
        assert await echoes(client, "x" * 20_000)
        assert time.monotonic() - begin >= 0.15


async def test_tls_passes_untouched_and_cannot_be_answered(tmp_path: Path) -> None:
    ca_file, server_side = certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=ca_file)
    async with relayed(server_side) as (server, relay):
        url = f"wss://localhost:{relay.port}/ws"
        async with connect(url, ssl=trusted, proxy=None) as client:
            assert await echoes(client)
            assert (relay.lines[0].kind, relay.lines[0].upgrade, relay.lines[0].path) == ("tls", None, "")
            assert relay.close(1001) == 0
            relay.cut("rst")
            with pytest.raises(ConnectionClosed):
                await client.recv()
        relay.answer(503)
        with pytest.raises(OSError):
            await connect(url, ssl=trusted, proxy=None)
        assert server.requests == 1 and relay.lines[1].treated == "refused"


async def test_tls_that_ends_here_can(tmp_path: Path) -> None:
    ca_file, server_side = certificate(tmp_path / "target")
    own_ca, outer = certificate(tmp_path / "relay")
    ending = Ending(outer=outer, inner=ssl.create_default_context(cafile=ca_file), server_name="localhost")
    async with relayed(server_side, ending) as (_, relay):
        url, trusted = f"wss://localhost:{relay.port}/ws", ssl.create_default_context(cafile=own_ca)
        async with connect(url, ssl=trusted, proxy=None) as client:
            assert await echoes(client) and relay.lines[0].upgrade
            assert relay.close(1001) == 1
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001
        relay.answer(403)
        with pytest.raises(InvalidStatus):
            await connect(url, ssl=trusted, proxy=None)


async def test_what_is_closed_already_can_be_dropped(tmp_path: Path) -> None:
    ca_file, server_side = certificate(tmp_path)
    async with serve(lambda socket_: socket_.wait_closed(), "127.0.0.1", 0, ssl=server_side) as listening:
        port = listening.sockets[0].getsockname()[1]
        trusted = ssl.create_default_context(cafile=ca_file)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted, server_hostname="localhost")
        for _ in range(2):
            writer.transport.close()
        drop(writer, reset=True)
        assert writer.transport.is_closing()


def certificate(folder: Path) -> tuple[str, ssl.SSLContext]:
    ca_file = write_certificate("valid", folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return ca_file, context


async def test_a_target_that_is_not_there_is_told() -> None:
    async with open_relay("127.0.0.1", 1) as relay:
        with pytest.raises((OSError, InvalidMessage)):
            await dial(relay)
        assert [line.treated for line in relay.lines] == ["unreached"]


async def test_silence_and_nonsense_are_told_apart() -> None:
    async with relayed() as (_, relay):
        silent = await asyncio.open_connection(relay.host, relay.port)
        speaking = await asyncio.open_connection(relay.host, relay.port)
        speaking[1].write(b"\x00\x01nonsense\r\n\r\n")
        await until(lambda: [line.kind for line in relay.lines] == ["silent", "other"])
        for _, writer in (silent, speaking):
            writer.close()


@pytest.mark.parametrize("ask", [lambda r: r.cut("slowly"), lambda r: r.stall("sideways"), lambda r: r.answer(101)])
async def test_commands_that_make_no_sense_are_our_callers_mistake(ask: Callable[[Relay], object]) -> None:
    async with open_relay("127.0.0.1", 1) as relay:
        with pytest.raises(UsageError):
            ask(relay)


async def test_nothing_is_left_when_the_block_is_cancelled() -> None:
    opened: list[Relay] = []

    async def hold() -> None:
        async with relayed() as (_, relay), dial(relay):
            opened.append(relay)
            await asyncio.Future()

    task = asyncio.ensure_future(hold())
    await until(lambda: bool(opened) and bool(opened[0].lines) and opened[0].lines[0].open)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert all(line.ended_at is not None for line in opened[0].lines)
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", opened[0].port)
