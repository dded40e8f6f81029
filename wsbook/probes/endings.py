"""How sockets end, or never begin, in probes that need many.

A probe that breaks off leaves dead peers behind, which disturb the next look; so sockets are closed politely.

This module must not know what the sockets were for.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from wsbook.facts import UpgradeFacts
from wsbook.observation import Failure, Observation, Reason

__all__ = ["close_all", "why_not_open"]

_CLOSE_S = 0.5


class _Closing(Protocol):
    async def close(self, code: int = 1000, reason: str = "", timeout_s: float = 1.0) -> None: ...

    def abort(self) -> None: ...


def why_not_open(seen: Observation) -> Failure:
    """Return why an attempt gave no socket; an answer that accepts nothing is a failure only for those who need the socket."""
    if seen.failure is not None:
        return seen.failure
    status = seen.facts.status if isinstance(seen.facts, UpgradeFacts) else None
    answer = f"answered with HTTP {status}" if status is not None and status != 101 else "not accepted"
    return Failure(stage="upgrade", reason=Reason.CLOSED, message=f"there was no socket to look at: the upgrade was {answer}")


async def close_all(sockets: Sequence[_Closing]) -> None:
    """Do the closing handshake on all at once, half a second at most; what is left then, or when we are cancelled, is reset."""
    try:
        await asyncio.gather(*(socket.close(1000, "", _CLOSE_S) for socket in sockets))
    finally:
        for socket in sockets:
            socket.abort()
