"""Make the application emit one marked event: by a message on a socket, an HTTP request, a Redis channel, or a command.

Shared by the probes that follow messages. This module must not know who receives the event.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import Headers
from wsbook.observation import Failure, Observation, Reason
from wsbook.probes.connection import Socket
from wsbook.probes.endings import why_not_open
from wsbook.probes.joining import join
from wsbook.probes.marker import insert_marker
from wsbook.probes.upgrade import open_socket
from wsbook.secret import resolve
from wsbook.target import Trigger, parse_endpoint

__all__ = ["MutePublisher", "Published", "Publisher", "SocketPublisher", "publisher_for", "what_is_missing"]

_OF_A_RECORD = (
    "not run: the trigger is a command that stands in a record, which somebody else may have written; read it, then let "
    "'wsbook replay RECORD --run-command' start it"
)


class Published(Struct, frozen=True, kw_only=True):
    """One event that was set off.

    sent_at: time.perf_counter() just before it left. status, headers: of an HTTP trigger's answer, None and empty without one. answer:
    what came back, in words. receivers: to how many subscribers a broker gave it, None where it does not say.
    """

    sent_at: float
    answered_at: float | None = None
    status: int | None = None
    headers: Headers = ()
    failure: Failure | None = None
    answer: str = ""
    receivers: int | None = None


class Publisher(Protocol):
    """Something that emits the event with a given marker."""

    async def publish(self, mark: str) -> Published:
        """Set the event off and return how that went; what the peer does is no exception."""


class _Sender(Protocol):
    async def send(self, data: str, /) -> bool: ...


def what_is_missing(trigger: Trigger | None, message: str) -> str:
    """Return the sentence that says what has to be given before an event can be marked, "" when all is there."""
    if trigger is None and not message:
        return "not run: nothing sets off an update; give --trigger 'POST URL BODY' or --send TEXT, with {marker} where a text can stand"
    if trigger is not None and trigger.foreign and trigger.kind == "command":
        return _OF_A_RECORD
    place, text = "message", message
    if trigger is not None:
        in_url = trigger.kind == "http"
        place = {"http": "URL or body of the trigger", "command": "command"}.get(trigger.kind, "text of the trigger")
        text = f"{trigger.url} {trigger.body}" if in_url else trigger.body
    return "" if "{marker}" in text else f"not run: put {{marker}} into the {place}, so that the update can be recognised"


class SocketPublisher:
    """Publishes by sending the message on an open socket."""

    def __init__(self, socket: _Sender, message: str) -> None:
        self._socket, self._message = socket, message

    async def publish(self, mark: str) -> Published:
        """Send the message with the marker in it."""
        sent_at = time.perf_counter()
        if await self._socket.send(insert_marker(resolve(self._message), mark)):
            return Published(sent_at=sent_at)
        lost = Failure(stage="trigger", reason=Reason.CLOSED, message="the message could not be sent because the socket had ended")
        return Published(sent_at=sent_at, failure=lost)


class MutePublisher:
    """Publishes nothing: every event fails for the same reason."""

    def __init__(self, failure: Failure) -> None:
        self._failure = failure

    async def publish(self, mark: str) -> Published:
        """Return why nothing left."""
        return Published(sent_at=time.perf_counter(), failure=self._failure)


_PEACEFUL = frozenset({None, 1000, 1001, 1005, 1012, 1013})
"""Close codes that blame no message (RFC 6455 section 7.4.1); None: there was no close frame."""


class _OwnSocketPublisher:
    """Publishes on a socket of its own, which is opened again when it has ended; an async context manager."""

    def __init__(self, attempt: Attempt, message: str, step: str, on_end: Callable[[Observation], None]) -> None:
        self._attempt, self._message, self._step = replace(attempt, first_message_s=0.0), message, step
        self._on_end = on_end
        self._socket: Socket | None = None
        self.failure: Failure | None = None

    async def __aenter__(self) -> "_OwnSocketPublisher":
        await self._open()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._socket is not None:
            self._tell_end(self._socket)
            await self._socket.close(timeout_s=0.5)

    def _tell_end(self, socket: Socket) -> None:
        """Tell of a socket that the server ended for what was sent on it."""
        if socket.closed_by == "peer" and socket.close_code not in _PEACEFUL:
            self._on_end(socket.observation(self._step))

    async def _open(self) -> None:
        if self._socket is not None:
            self._tell_end(self._socket)
            await self._socket.hang_up()
        seen, self._socket = await open_socket(self._attempt, step=self._step)
        self.failure = why_not_open(seen) if self._socket is None else None
        if self._socket is not None:
            await join(self._socket)

    async def publish(self, mark: str) -> Published:
        """Send the message with the marker in it."""
        if self._socket is None or self._socket.ended != "open":
            await self._open()
        if self._socket is None:
            words = f"the socket that publishes did not open: {self.failure.message if self.failure else 'no reason'}"
            return Published(sent_at=time.perf_counter(), failure=Failure(stage="trigger", reason=Reason.CLOSED, message=words[:500]))
        return await SocketPublisher(self._socket, self._message).publish(mark)


@asynccontextmanager
async def publisher_for(
    trigger: Trigger | None,
    message: str,
    attempt: Attempt,
    *,
    step: str,
    anew: bool = False,
    spare: _Sender | None = None,
    on_end: Callable[[Observation], None] = lambda seen: None,
) -> AsyncIterator[Publisher]:
    """Yield what publishes: the trigger, whatever its kind, else the message on a socket of its own at the attempt's endpoint.

    anew: every HTTP request takes a new connection, so that a balancer decides anew. spare: an open socket that the message is sent on
    where it gets none of its own. A publisher that cannot publish is yielded all the same; each of its events then fails, in words.
    on_end: is told of a socket of its own that the server closed with a code that blames a message.
    """
    async with AsyncExitStack() as stack:
        publisher_on = partial(_OwnSocketPublisher, step=step, on_end=on_end)
        yield await _entered(stack, trigger, message, attempt, step, anew, spare, publisher_on)


async def _entered(
    stack: AsyncExitStack,
    trigger: Trigger | None,
    message: str,
    attempt: Attempt,
    step: str,
    anew: bool,
    spare: _Sender | None,
    publisher_on: Callable[[Attempt, str], _OwnSocketPublisher],
) -> Publisher:
    if trigger is None:
        own = await stack.enter_async_context(publisher_on(attempt, message))
        return SocketPublisher(spare, message) if own.failure is not None and spare is not None else own
    if trigger.kind == "socket":
        return await stack.enter_async_context(publisher_on(_elsewhere(trigger, attempt), trigger.body))
    if trigger.kind == "redis":
        from wsbook.probes.publish_redis import RedisPublisher

        return await stack.enter_async_context(RedisPublisher(trigger, attempt.ca_file))
    if trigger.kind == "command":
        from wsbook.probes.publish_command import CommandPublisher

        return (
            MutePublisher(Failure(stage="trigger", reason=Reason.NOT_PERMITTED, message=_OF_A_RECORD))
            if trigger.foreign
            else (CommandPublisher(trigger))
        )
    from wsbook.probes.publish_http import HttpPublisher

    return await stack.enter_async_context(HttpPublisher(trigger, attempt, anew=anew))


def _elsewhere(trigger: Trigger, attempt: Attempt) -> Attempt:
    """Return the attempt of a SEND trigger: headers and subprotocols go along only to the endpoint's own host and port."""
    place, own = parse_endpoint(trigger.url, ("ws", "wss")), attempt.endpoint
    there = Attempt(url=trigger.url, hop="trigger", ca_file=attempt.ca_file, verify=attempt.verify, timeout_s=attempt.timeout_s)
    if (place.host, place.port) != (own.host, own.port):
        return replace(there, via=attempt.via, origin=place.origin)
    return replace(there, via=attempt.via, origin=attempt.origin, headers=attempt.headers, subprotocols=attempt.subprotocols)
