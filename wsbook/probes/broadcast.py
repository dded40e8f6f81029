"""Who receives a broadcast: N subscribers, M marked messages, and the sequence numbers that each of them saw.

This module must not know why somebody missed a message: the pattern over instances, order and time is judged elsewhere.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import ONE_BROKEN, Attempt
from wsbook.facts import BroadcastFacts, Headers, Sender, Subscriber, UpgradeFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.endings import close_all, ending_of, why_not_open
from wsbook.probes.instances import named_by, signals_of
from wsbook.probes.joining import join
from wsbook.probes.keeping import Keeping
from wsbook.probes.marker import find_markers, marker, run_marker
from wsbook.probes.publish import Publisher, SocketPublisher, publisher_for, what_is_missing
from wsbook.probes.upgrade import open_socket
from wsbook.secret import resolve
from wsbook.target import Trigger

__all__ = ["probe_broadcast"]

MOST_SUBSCRIBERS, MOST_OWNED, MOST_MESSAGES = 16, 500, 1000
_EACH, _MOST_EACH = 2, 32
"""Messages that each subscriber sends where all of them do, and those of all together."""
_SPACING_S, _SETTLE_S, _REPEATS_S = 0.02, 1.5, 0.1
_GREETING = 16_384
Progress = Callable[[str, float], None]


class _Listener:
    """One open subscriber and the sequence numbers that reached it."""

    def __init__(self, keeping: Keeping, came: Sequence[str | bytes], headers: Headers, place: str, run: str) -> None:
        self.socket, self.place, self._headers, self._run = keeping.socket, place, headers, run
        self._keeping = keeping
        self.order: list[int] = []
        self.greeting = next((data[:_GREETING] for data in came if isinstance(data, str)), None)
        self.told = False

    @property
    def signals(self) -> dict[str, str]:
        """What may identify the process at the other end; a greeting is what came before anything was published."""
        return dict(signals_of(self._headers, self.greeting))

    async def listen(self) -> None:
        """Read until the socket ends; a flood is read but only sequence numbers are kept."""
        while (data := await self.socket.receive(60.0)) is not None or self.socket.ended == "open":
            if data is None:
                continue
            found = find_markers(data, self._run)
            if len(self.order) < 10 * MOST_MESSAGES:
                self.order += found
            if not self.told and self.greeting is None and isinstance(data, str):
                self.greeting = data[:_GREETING]
            if not found:
                await self._keeping.hear(data)

    def result(self, index: int, messages: int, sign: str) -> Subscriber:
        """Return who missed, doubled or disordered what. sign: what identifies instances."""
        times = Counter(number for number in self.order if number < messages)
        first = list(times)
        highest, late = -1, 0
        for number in first:
            late += number < highest
            highest = max(highest, number)
        return Subscriber(
            index=index,
            instance=self.signals.get(sign, ""),
            received=len(first),
            missed=tuple(number for number in range(messages) if number not in times),
            duplicated=tuple(sorted(number for number, often in times.items() if often > 1)),
            reordered=late,
            least_copies=min(times.values(), default=1),
            most_copies=max(times.values(), default=1),
            place=self.place,
            ended=ending_of(self.socket),
        )


class _Turn(Struct, kw_only=True):
    """One message to publish: by whom, and what the answer of a trigger said."""

    publisher: Publisher
    subscriber: int | None
    headers: Headers = ()

    def sender(self, listeners: Sequence[_Listener], sign: str) -> Sender:
        signals = signals_of(self.headers) if self.subscriber is None else listeners[self.subscriber].signals
        return Sender(subscriber=self.subscriber, instance=signals.get(sign, ""))


async def probe_broadcast(
    attempt: Attempt,
    *,
    subscribers: int,
    messages: int,
    trigger: Trigger | None,
    message: str,
    step: str,
    hops: Sequence[Attempt] = (),
    sources: Sequence[str] = (),
    subscribe: str = "",
    owned: bool = False,
    break_one: bool = False,
    from_each: bool = False,
    on_progress: Progress | None = None,
) -> Observation:
    """Open the subscribers, publish marked messages, and return who received which.

    trigger, else message sent on the first subscriber's socket, publishes; ``{marker}`` in it is replaced. subscribe: text that every
    subscriber sends first. hops: one more subscriber at each of these places. sources: every other subscriber comes from these addresses
    of ours. break_one: in the middle of the others a further subscriber joins and breaks off without a close frame before the first
    message. from_each: the message is sent by every subscriber in turn, after those of a trigger. At most 16 subscribers and 1,000
    messages; 500 subscribers when owned.
    """
    changed = (*attempt.changed, ONE_BROKEN) if break_one else attempt.changed
    source = Source(step=step, probe="broadcast", hop=attempt.hop, changed=changed)
    if missing := what_is_missing(trigger, message):
        return not_run(source, Reason.NOT_GIVEN, missing)
    count = max(1, min(subscribers, MOST_OWNED if owned else MOST_SUBSCRIBERS))
    say = on_progress or (lambda text, fraction: None)
    begin, run, messages = time.monotonic(), run_marker(), max(1, min(messages, MOST_MESSAGES))
    say(f"opening {count} subscribers", 0.0)
    places = [*_from(attempt, count, sources), *hops]
    async with _listeners(attempt, places, count // 2 if break_one else -1, run, step) as (listeners, failure):
        if not listeners:
            return observed(source, None, duration_s=time.monotonic() - begin, failure=failure)
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(publisher_for(trigger, "", attempt, step=step, anew=True)) if trigger else None
            await _subscribe(listeners, subscribe)
            turns = list(_turns(listeners, opened, message, messages, from_each))
            published, said = await _publish(turns, run, listeners, say)
        facts = _facts(listeners, published)
    return observed(source, facts, duration_s=time.monotonic() - begin, failure=said or failure)


def _facts(listeners: Sequence[_Listener], turns: Sequence[_Turn]) -> BroadcastFacts:
    sign = named_by([listener.signals for listener in listeners])
    results = tuple(listener.result(index, len(turns), sign) for index, listener in enumerate(listeners))
    first = turns[0].subscriber if turns else 0
    return BroadcastFacts(
        messages=len(turns),
        subscribers=results,
        publisher=first,
        publisher_instance="" if first is None else results[first].instance,
        senders=tuple(turn.sender(listeners, sign) for turn in turns),
        known_by=sign,
    )


def _from(attempt: Attempt, count: int, sources: Sequence[str]) -> Iterator[Attempt]:
    """Yield the attempts of the subscribers at the endpoint: every other one from another address of ours."""
    others = cycle(sources)
    for number in range(count):
        yield replace(attempt, source=next(others)) if sources and number % 2 else attempt


@asynccontextmanager
async def _listeners(
    attempt: Attempt, places: Sequence[Attempt], break_at: int, run: str, step: str
) -> AsyncIterator[tuple[list[_Listener], Failure | None]]:
    """Yield the subscribers that opened, in order and reading, and why another did not open."""
    listeners: list[_Listener] = []
    failure: Failure | None = None
    tasks: list[asyncio.Task[None]] = []
    try:
        for number, place in enumerate(places):
            if number == break_at:
                await _break_off(attempt, step)
            seen, socket = await open_socket(replace(place, first_message_s=0.0), step=step)
            if socket is None:
                failure = why_not_open(seen)
                continue
            headers = seen.facts.headers if isinstance(seen.facts, UpgradeFacts) else ()
            listener = _Listener(*await join(socket), headers, place.hop, run)
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


def _turns(listeners: Sequence[_Listener], trigger: Publisher | None, message: str, messages: int, from_each: bool) -> Iterator[_Turn]:
    """Yield who publishes each message, in order."""
    if trigger is not None:
        yield from (_Turn(publisher=trigger, subscriber=None) for _ in range(messages))
    if not message or (trigger is not None and not from_each):
        return
    count = len(listeners) if from_each else 1
    total = min(max(messages, _EACH * count), MOST_MESSAGES) if trigger is None else min(_EACH * count, _MOST_EACH)
    senders = [SocketPublisher(listener.socket, message) for listener in listeners[:count]]
    yield from (_Turn(publisher=senders[number % count], subscriber=number % count) for number in range(total))


async def _subscribe(listeners: Sequence[_Listener], text: str) -> None:
    if text:
        await asyncio.gather(*(listener.socket.send(resolve(text)) for listener in listeners))
        await asyncio.sleep(0.2)  # no dialect-free way tells when a subscription is in force
    for listener in listeners:
        listener.told = True


async def _publish(turns: Sequence[_Turn], run: str, listeners: Sequence[_Listener], say: Progress) -> tuple[list[_Turn], Failure | None]:
    """Publish everything and wait until all received all, or nothing new came for a while.

    Return the turns whose message left (a trigger that was refused did leave) and the first failure. Nothing more is sent by a publisher
    whose message did not leave.
    """
    failure: Failure | None = None
    left: list[_Turn] = []
    mute: set[int | None] = set()
    for number, turn in enumerate(turns):
        if turn.subscriber in mute:
            continue
        published = await turn.publisher.publish(marker(run, len(left)))
        failure, turn.headers = failure or published.failure, published.headers
        if published.failure is not None and published.status is None:
            mute.add(turn.subscriber)
            continue
        left.append(turn)
        say(f"published {number + 1} of {len(turns)}", 0.2 + 0.5 * (number + 1) / len(turns))
        await asyncio.sleep(_SPACING_S)
    await _settle(listeners, len(left))
    return left, failure


async def _settle(listeners: Sequence[_Listener], messages: int) -> None:
    quiet_from, before = time.monotonic(), -1
    while time.monotonic() - quiet_from < _SETTLE_S and not all(len(set(listener.order)) >= messages for listener in listeners):
        await asyncio.sleep(_SPACING_S)
        if (total := sum(len(listener.order) for listener in listeners)) != before:
            quiet_from, before = time.monotonic(), total
    await asyncio.sleep(_REPEATS_S)  # repeated deliveries come after the first
