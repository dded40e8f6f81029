"""A subscriber's first words: what its dialect's client says before a server gives it anything. It must not know what is published.

Socket.IO 4 gives nothing to a socket that has not joined a namespace, and closes one that speaks before it has
(https://socket.io/docs/v4/socket-io-protocol/#connection-to-a-namespace).
"""

from wsbook.probes.connection import Socket
from wsbook.probes.keeping import Keeping
from wsbook.secret import resolve
from wsbook.wire.dialects.detect import recognise
from wsbook.wire.heartbeats import manner_of

__all__ = ["first_words", "join"]

_ANSWER_S = 0.5
"""For each of the two messages that a server of such a dialect says by itself, and only at a URL that names the dialect."""


def first_words(resource: str) -> tuple[str, ...]:
    """Return what the client of the dialect that this path and query name says after the server's first message."""
    clue = next(iter(recognise(resource)), None)
    return manner_of(clue.dialect, resource).after_first if clue is not None else ()


async def join(socket: Socket, subscribe: str = "") -> tuple[Keeping, list[str | bytes]]:
    """Say what a client says first, then subscribe; return who answers heartbeats on this socket, and what has come meanwhile.

    Whoever reads the socket gives each message to the keeping's hear(). At a URL that names no dialect nothing is waited for.
    """
    said = resolve(subscribe) if subscribe else ""
    keeping, came = Keeping(socket, own=said), list[str | bytes]()
    if words := first_words(socket.attempt.endpoint.resource):
        for _ in range(2 if not any(map(said.startswith, words)) else 1):
            message = await socket.receive(_ANSWER_S)
            if message is None:
                break
            came.append(message)
            await keeping.hear(message)
            if not keeping.dialect:
                break
    if said:
        await socket.send(said)
    return keeping, came
