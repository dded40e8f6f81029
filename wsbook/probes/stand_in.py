"""A server in an endpoint's place, on loopback: takes every socket, reads, and says nothing. Must not know of pages and relays."""

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

__all__ = ["open_stand_in"]

_QUIET = logging.Logger("stand-in", level=logging.CRITICAL)


def _first(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return offered[0] if offered else None


async def _hear(socket: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for _ in socket:
            continue


@contextlib.asynccontextmanager
async def open_stand_in() -> AsyncIterator[int]:
    """Yield the port where upgrades to any path are accepted, with the first subprotocol that is offered and no extension."""
    async with serve(
        _hear, "127.0.0.1", 0, select_subprotocol=_first, compression=None, ping_interval=None, close_timeout=1.0, logger=_QUIET
    ) as server:
        yield next(iter(server.sockets)).getsockname()[1]
