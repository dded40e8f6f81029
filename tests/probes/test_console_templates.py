"""The console's ready messages, sent to the real servers of their dialects."""

import asyncio
from collections.abc import Mapping

import pytest
from dialect_servers import needs_node, node

from wsbook.attempt import Attempt
from wsbook.probes.console_session import ConsoleSession
from wsbook.wire.dialects.templates import open_places, templates
from wsbook.wire.typed import typed_message

SOCKET_IO = "/socket.io/?EIO=4&transport=websocket"
TRIALS = [
    ("socket.io", SOCKET_IO, (), "join the main namespace", {}, '40{"sid":'),
    ("socket.io", SOCKET_IO, (), "join a namespace with credentials", {"namespace": "closed", "token": "x"}, "44/closed,"),
    ("sockjs", "/echo/000/session/websocket", (), "message", {"text": "hello"}, 'a["hello"]'),
    ("graphql", "/graphql", ("graphql-transport-ws",), "connection_init", {}, '{"type":"connection_ack"'),
]


def filled(name: str, places: Mapping[str, str]) -> str | bytes:
    (template,) = [one for one in templates() if one.name == name]
    content = template.content
    for place, value in places.items():
        content = content.replace(f"‹{place}›", value)
    assert open_places(content) == ()
    return typed_message(content, template.form, template.ending)


async def answered(session: ConsoleSession, begin: str) -> None:
    async with asyncio.timeout(5):
        while not any(row.direction == "received" and row.text.startswith(begin) for row in session.ring.kept):
            session.changed.clear()
            await session.changed.wait()


@needs_node("socket.io", "sockjs", "graphql-ws", "graphql", "ws")
@pytest.mark.parametrize(
    ("kind", "path", "subprotocols", "name", "places", "answer"),
    TRIALS,
    ids=[f"{trial[0]}: {trial[3]}" for trial in TRIALS],
)
async def test_the_real_server_answers_as_it_is_told(
    kind: str, path: str, subprotocols: tuple[str, ...], name: str, places: dict[str, str], answer: str
) -> None:
    async with node(kind) as port:
        session = ConsoleSession(Attempt(url=f"ws://127.0.0.1:{port}{path}", subprotocols=subprotocols), answers=True)
        await session.open()
        assert session.state == "open"
        assert await session.send(filled(name, places))
        await answered(session, answer)
        await session.close()
        session.abort()
