"""End many sockets politely: a probe that breaks off leaves dead peers behind, which disturb the next look.

This module must not know what the sockets were for.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

__all__ = ["close_all"]

_CLOSE_S = 0.5


class _Closing(Protocol):
    async def close(self, code: int = 1000, reason: str = "", timeout_s: float = 1.0) -> None: ...

    def abort(self) -> None: ...


async def close_all(sockets: Sequence[_Closing]) -> None:
    """Do the closing handshake on all at once, half a second at most; what is left then, or when we are cancelled, is reset."""
    try:
        await asyncio.gather(*(socket.close(1000, "", _CLOSE_S) for socket in sockets))
    finally:
        for socket in sockets:
            socket.abort()
