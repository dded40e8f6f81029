"""Who receives a broadcast: N subscribers, M marked messages, and the sequence numbers that each of them saw.

This module must not know why somebody missed a message: the pattern over instances, order and time is judged elsewhere.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec.structs import replace

from wsbook.attempt import ONE_BROKEN, Attempt
from wsbook.facts import BroadcastFacts, Subscriber, UpgradeFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.endings import close_all, why_not_open
from wsbook.probes.instances import instance_of
from wsbook.probes.marker import find_markers, marker, run_marker
from wsbook.probes.publish import Publisher, SocketPublisher, TriggerPublisher, what_is_missing
from wsbook.probes.socket import Socket
from wsbook.probes.upgrade import open_socket
from wsbook.secret import resolve
from wsbook.target import Trigger

__all__ = ["probe_broadcast"]

MOST_SUBSCRIBERS, MOST_OWNED, MOST_MESSAGES = 16, 500, 1000
"""The change that ``break_one`` makes against a plain broadcast."""

_SPACING_S, _SETTLE_S = 0.02, 1.5
Progress = Callable[[str, float], None]


class _Listener:
    """One open subscriber and the sequence numbers that reached it."""

    def __init__(self, socket: Socket, instance: str, run: str) -> None:
        self.socket, self.instance, self._run = socket, instance, run
        self.order: list[int] = []

    async def listen(self) -> None:
        """Read until the socket ends; a flood is read but only sequence numbers are kept."""
        while (data := await self.socket.receive(60.0)) is not None or self.socket.ended == "open":
            if data is not None and len(self.order) < 10 * MOST_MESSAGES:
                self.order += find_markers(data, self._run)

    def result(self, index: int, messages: int) -> Subscriber:
        """Return who missed, doubled or disordered what."""
        times = Counter(number for number in self.order if number < messages)
        first = list(times)
        highest, late = -1, 0
        for number in first:
            late += number < highest
            highest = max(highest, number)
        return Subscriber(
            index=index,
            instance=self.instance,
            received=len(first),
            missed=tuple(number for number in range(messages) if number not in times),
            duplicated=tuple(sorted(number for number, often in times.items() if often > 1)),
            reordered=late,
        )


async def probe_broadcast(
    attempt: Attempt,
    *,
    subscribers: int,
    messages: int,
    trigger: Trigger | None,
    message: str,
    step: str,
    hops: Sequence[Attempt] = (),
    subscribe: str = "",
    owned: bool = False,
    break_one: bool = False,
    on_progress: Progress | None = None,
) -> Observation:
    """Open the subscribers, publish marked messages, and return who received which.

    trigger, else message sent on the first subscriber's socket, publishes; ``{marker}`` in it is replaced. subscribe: text that every
    subscriber sends first. hops: one more subscriber at each of these places. break_one: in the middle of the others a further
    subscriber joins and breaks off without a close frame before the first message. At most 16 subscribers and 1,000 messages; 500
    subscribers when owned.
    """
    changed = (*attempt.changed, ONE_BROKEN) if break_one else attempt.changed
    source = Source(step=step, probe="broadcast", hop=attempt.hop, changed=changed)
    if missing := what_is_missing(trigger, message):
        return not_run(source, Reason.NOT_GIVEN, missing)
    count = max(1, min(subscribers, MOST_OWNED if owned else MOST_SUBSCRIBERS))
    say = on_progress or (lambda text, fraction: None)
    begin, run, messages = time.monotonic(), run_marker(), max(1, min(messages, MOST_MESSAGES))
    say(f"opening {count} subscribers", 0.0)
    async with _listeners(attempt, count, hops, run, step, break_one) as (listeners, failure):
        if not listeners:
            return observed(source, None, duration_s=time.monotonic() - begin, failure=failure)
        async with AsyncExitStack() as stack:
            publisher = await _publisher(stack, trigger, message, attempt, listeners[0].socket)
            await _subscribe(listeners, subscribe)
            published, said = await _publish(publisher, run, messages, listeners, say)
        results = tuple(listener.result(index, published) for index, listener in enumerate(listeners))
    facts = BroadcastFacts(
        messages=published,
        subscribers=results,
        publisher=None if trigger else 0,
        publisher_instance="" if trigger else results[0].instance,
    )
    return observed(source, facts, duration_s=time.monotonic() - begin, failure=said or failure)


@asynccontextmanager
async def _listeners(
    attempt: Attempt, count: int, hops: Sequence[Attempt], run: str, step: str, break_one: bool
) -> AsyncIterator[tuple[list[_Listener], Failure | None]]:
    """Yield the subscribers that opened, in order and reading, and why another did not open."""
    listeners: list[_Listener] = []
    failure: Failure | None = None
    tasks: list[asyncio.Task[None]] = []
    try:
        for number, place in enumerate([attempt] * count + list(hops)):
            if break_one and number == count // 2:
                await _break_off(attempt, step)
            seen, socket = await open_socket(replace(place, first_message_s=0.0), step=step)
            if socket is None:
                failure = why_not_open(seen)
                continue
            headers = seen.facts.headers if isinstance(seen.facts, UpgradeFacts) else ()
            listener = _Listener(socket, instance_of(headers) or (place.hop if number >= count else ""), run)
            listeners.append(listener)
            tasks.append(asyncio.ensure_future(listener.listen()))
        yield listeners, failure
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await close_all([listener.socket for listener in listeners])


async def _break_off(attempt: Attempt, step: str) -> None:
    _, socket = await open_socket(replace(attempt, first_message_s=0.0), step=step)
    if socket is not None:
        socket.abort()


async def _publisher(stack: AsyncExitStack, trigger: Trigger | None, message: str, attempt: Attempt, socket: Socket) -> Publisher:
    if trigger is None:
        return SocketPublisher(socket, message)
    return await stack.enter_async_context(TriggerPublisher(trigger, attempt))


async def _subscribe(listeners: Sequence[_Listener], text: str) -> None:
    if text:
        await asyncio.gather(*(listener.socket.send(resolve(text)) for listener in listeners))
        await asyncio.sleep(0.2)  # no dialect-free way tells when a subscription is in force


async def _publish(
    publisher: Publisher, run: str, messages: int, listeners: Sequence[_Listener], say: Progress
) -> tuple[int, Failure | None]:
    """Publish everything and wait until all received all, or nothing new came for a while.

    Return how many messages left (a trigger that was refused did leave) and the first failure. Nothing is sent after one that did not.
    """
    failure: Failure | None = None
    left = 0
    for number in range(messages):
        published = await publisher.publish(marker(run, number))
        failure = failure or published.failure
        if published.failure is not None and published.status is None:
            break
        left += 1
        say(f"published {number + 1} of {messages}", 0.2 + 0.5 * (number + 1) / messages)
        await asyncio.sleep(_SPACING_S)
    await _settle(listeners, left)
    return left, failure


async def _settle(listeners: Sequence[_Listener], messages: int) -> None:
    quiet_from, before = time.monotonic(), -1
    while time.monotonic() - quiet_from < _SETTLE_S and not all(len(set(listener.order)) >= messages for listener in listeners):
        await asyncio.sleep(0.05)
        if (total := sum(len(listener.order) for listener in listeners)) != before:
            quiet_from, before = time.monotonic(), total
    await asyncio.sleep(0.1)  # repeated deliveries come after the first
