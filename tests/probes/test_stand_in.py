"""The server in an endpoint's place: it takes whoever comes, and says nothing."""

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from wsbook.probes.relay import open_relay
from wsbook.probes.stand_in import open_stand_in


async def test_every_socket_is_taken_and_told_nothing() -> None:
    async with (
        open_stand_in() as port,
        connect(f"ws://127.0.0.1:{port}/any/path?q=1", proxy=None, subprotocols=[Subprotocol("v2"), Subprotocol("v1")]) as socket,
    ):
        assert (socket.subprotocol, socket.protocol.extensions) == ("v2", [])
        await socket.send("hello")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.2)
        await socket.close(1000)
        assert socket.close_code == 1000


async def test_a_relay_leads_upgrades_there_and_nothing_else() -> None:
    async with open_stand_in() as port, open_relay("127.0.0.1", 1) as relay:
        relay.stand_in(port)
        async with connect(f"ws://127.0.0.1:{relay.port}/ws", proxy=None, compression=None):
            relay.recover()
        async with connect(f"ws://127.0.0.1:{relay.port}/ws", proxy=None, compression=None):
            pass
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), 5.0)
        writer.close()
    assert [line.treated for line in relay.lines] == ["passed", "passed", "unreached"]
