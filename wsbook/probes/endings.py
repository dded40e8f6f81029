"""How sockets end, or never begin, in probes that need many.

A probe that breaks off leaves dead peers behind, which disturb the next look; so sockets are closed politely.

This module must not know what the sockets were for.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from wsbook.facts import UpgradeFacts
from wsbook.observation import Failure, Observation, Outcome, Reason, Source, not_run

__all__ = ["close_all", "ending_of", "how_ended", "why_no_socket", "why_not_open"]

_CLOSE_S = 0.5


class _Closing(Protocol):
    async def close(self, code: int | None = 1000, reason: str = "", timeout_s: float = 1.0) -> None: ...

    def abort(self) -> None: ...


class _Ended(Protocol):
    ended: str
    close_code: int | None
    close_reason: str
    closed_by: str


def ending_of(socket: _Ended) -> str:
    """Return how a socket's connection ended, with code, reason and who closed it; "" while it is open."""
    if socket.ended == "open":
        return ""
    code = "" if socket.close_code is None else str(socket.close_code)
    return " ".join(filter(None, (socket.ended, code, socket.close_reason, socket.closed_by and f"by {socket.closed_by}")))


def how_ended(socket: _Ended) -> str:
    """Return how a socket's connection ended, in words."""
    code = f" {socket.close_code} {socket.close_reason}".rstrip() if socket.close_code is not None else ""
    return f"the connection ended ({socket.ended}{code})"


def why_not_open(seen: Observation) -> Failure:
    """Return why an attempt gave no socket; an answer that accepts nothing is a failure only for those who need the socket."""
    if seen.failure is not None:
        return seen.failure
    status = seen.facts.status if isinstance(seen.facts, UpgradeFacts) else None
    answer = f"answered with HTTP {status}" if status is not None and status != 101 else "not accepted"
    return Failure(stage="upgrade", reason=Reason.CLOSED, message=f"there was no socket to look at: the upgrade was {answer}")


def why_no_socket(source: Source, seen: Observation) -> Observation:
    """Return that a probe did not run because this attempt of its own gave no socket."""
    why = seen.failure.message if seen.outcome is not Outcome.ANSWERED and seen.failure else "the upgrade was not accepted"
    return not_run(source, Reason.SKIPPED, f"no messages were sent: {why}")


async def close_all(sockets: Sequence[_Closing]) -> None:
    """Do the closing handshake on all at once, half a second at most; what is left then, or when we are cancelled, is reset."""
    try:
        await asyncio.gather(*(socket.close(1000, "", _CLOSE_S) for socket in sockets))
    finally:
        for socket in sockets:
            socket.abort()
