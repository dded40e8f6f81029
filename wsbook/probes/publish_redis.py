"""A Redis channel: publish on it, and listen to it. It must not know what the messages mean.

Speaks through the package redis (extra "redis"), which is imported only here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from wsbook.observation import Failure, Reason
from wsbook.probes.marker import insert_marker
from wsbook.probes.publish import Published
from wsbook.secret import resolve
from wsbook.target import Trigger, parse_endpoint

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["MISSING", "Channel", "RedisPublisher", "channel_of", "listening", "redis_failure", "same_channel"]

MISSING = "not run: Redis is spoken with the package redis; pip install 'wsbook[redis]'"
_ANSWER_S = 3.0
_SCHEMES = ("redis", "rediss")


def channel_of(url: str) -> str:
    """Return the channel that redis://host:port/channel names: all of the path, percent-encoding undone."""
    endpoint = parse_endpoint(resolve(url), _SCHEMES)
    return unquote(endpoint.resource.removeprefix("/"))


def same_channel(one: str, other: str) -> bool:
    """Tell whether two URLs name the same channel of the same broker."""
    ends = [parse_endpoint(resolve(url), _SCHEMES) for url in (one, other)]
    return channel_of(one) == channel_of(other) and (ends[0].host, ends[0].port) == (ends[1].host, ends[1].port)


def _client(url: str, ca_file: str) -> "Redis":
    """Return a client that tries once.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    endpoint = parse_endpoint(resolve(url), _SCHEMES)
    user, _, password = endpoint.userinfo.partition(":")
    secure: dict[str, Any] = {"ssl": True, "ssl_ca_certs": ca_file or None} if endpoint.scheme == "rediss" else {}
    return Redis(
        host=endpoint.host,
        port=endpoint.port,
        username=unquote(user) or None,
        password=unquote(password) or None,
        socket_timeout=_ANSWER_S,
        socket_connect_timeout=_ANSWER_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        **secure,
    )


def redis_failure(error: Exception, stage: str) -> Failure:
    """Return in words what went wrong between us and the broker."""
    if isinstance(error, ModuleNotFoundError):
        return Failure(stage=stage, reason=Reason.TOOL_MISSING, message=MISSING)
    from redis import exceptions

    kinds = (
        (TimeoutError, Reason.TIMEOUT),
        (exceptions.TimeoutError, Reason.TIMEOUT),
        (exceptions.ConnectionError, Reason.REFUSED),
        (OSError, Reason.REFUSED),
    )
    reason = next((reason for kind, reason in kinds if isinstance(error, kind)), Reason.MALFORMED)
    return Failure(stage=stage, reason=reason, message=f"the Redis broker: {str(error)[:300] or type(error).__name__}")


def _troubles() -> tuple[type[Exception], ...]:
    try:
        from redis.exceptions import RedisError
    except ModuleNotFoundError:
        return (ModuleNotFoundError,)
    return (RedisError, OSError, TimeoutError)


class RedisPublisher:
    """Publishes with PUBLISH; an async context manager.

    The broker answers to how many subscribers it gave the message (https://redis.io/docs/latest/commands/publish/), ours among them.
    """

    def __init__(self, trigger: Trigger, ca_file: str = "") -> None:
        self._trigger, self._ca_file = trigger, ca_file
        self._channel = channel_of(trigger.url)
        self._client: Redis | None = None
        self._failure: Failure | None = None

    async def __aenter__(self) -> "RedisPublisher":
        try:
            self._client = _client(self._trigger.url, self._ca_file)
            async with asyncio.timeout(_ANSWER_S):
                await self._client.initialize()
                await self._client.ping()  # connects now, so that the first message is timed as the others
        except _troubles() as error:
            self._failure = redis_failure(error, "trigger")
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def publish(self, mark: str) -> Published:
        """Publish the text with the marker in it."""
        text, sent_at = insert_marker(resolve(self._trigger.body), mark), time.perf_counter()
        if self._client is None:
            return Published(sent_at=sent_at, failure=self._failure)
        try:
            async with asyncio.timeout(_ANSWER_S):
                receivers = int(await self._client.publish(self._channel, text))
        except _troubles() as error:
            return Published(sent_at=sent_at, failure=redis_failure(error, "trigger"))
        words = f"given to {receivers} {'subscriber' if receivers == 1 else 'subscribers'}"
        return Published(sent_at=sent_at, answered_at=time.perf_counter(), answer=words, receivers=receivers)


class Channel:
    """A channel that is listened to. failure: why it is not, or no longer; None while all is well."""

    def __init__(self) -> None:
        self.failure: Failure | None = None

    async def take_all(self, pubsub: Any, take: Callable[[bytes, float], None]) -> None:
        """Pass on every message, until the broker is gone."""
        try:
            while True:
                told = await pubsub.get_message(ignore_subscribe_messages=True, timeout=60.0)
                if told is not None and isinstance(told.get("data"), bytes):
                    take(told["data"], time.perf_counter())
        except _troubles() as error:
            self.failure = redis_failure(error, "broker")


@asynccontextmanager
async def listening(url: str, take: Callable[[bytes, float], None], ca_file: str = "") -> AsyncIterator[Channel]:
    """Call take with each message of the channel and the reading of time.perf_counter(), from the broker's confirmation on.

    A channel with * is a pattern (PSUBSCRIBE).
    """
    async with AsyncExitStack() as stack:
        channel = Channel()
        try:
            client = await stack.enter_async_context(_client(url, ca_file))
            pubsub = await stack.enter_async_context(client.pubsub())
            async with asyncio.timeout(_ANSWER_S):
                await client.ping()  # says what is wrong with user and password
                name = channel_of(url)
                await (pubsub.psubscribe if "*" in name else pubsub.subscribe)(name)
                await pubsub.get_message(timeout=_ANSWER_S)
            task = asyncio.ensure_future(channel.take_all(pubsub, take))
            stack.push_async_callback(_stopped, task)
        except _troubles() as error:
            channel.failure = redis_failure(error, "broker")
        yield channel


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
