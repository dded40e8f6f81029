"""Subscribers beside one that misbehaves: it stops reading, or it sends as fast as it may. Do the others still get theirs, and when?

Messages are made large, so that they fill the buffers between the server and the one that reads nothing. Nothing is compressed. This
module must not know how late is too late.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import ONE_FLOODS, ONE_READS_NOTHING, Attempt
from wsbook.facts import CrowdFacts, Neighbour, UpgradeFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.burden import may_burden, refused
from wsbook.probes.endings import close_all, ending_of, why_not_open
from wsbook.probes.instances import Signals, named_by, signals_of
from wsbook.probes.marker import find_markers, insert_marker, marker, run_marker
from wsbook.probes.publish import Publisher, SocketPublisher, publisher_for, what_is_missing
from wsbook.probes.socket import Socket
from wsbook.probes.upgrade import open_socket
from wsbook.probes.watching import Watch, watching
from wsbook.secret import resolve
from wsbook.target import Trigger

__all__ = ["KINDS", "probe_crowd"]

KINDS = {"reads nothing": ONE_READS_NOTHING, "floods": ONE_FLOODS}
"""How the odd subscriber behaves → how the look is called."""
MOST_SUBSCRIBERS, MOST_BYTES, MOST_FLOOD, MOST_RATE = 16, 64_000_000, 2_000, 500.0
_POSTED, _SENT, _AS_GIVEN = (49_152, 4_096, 0), (4_096, 0), (0,)
"""Sizes that messages are made, by HTTP and on a socket, where limits are tighter: the first that arrives counts; 0 changes nothing."""
_BEFORE, _MOST_DURING, _OUTSTANDING = 6, 2_000, 16
"""Messages while all behave, at most while one does not, and how many of those may be on their way to the others: a server that is only
asked too much at once must not look like one that waits for somebody."""
_SMALL_BYTES, _LARGE_BYTES = 65_536, 4_194_304
_ARRIVE_S, _STUCK_S, _RESUMED_S, _SUBSCRIBED_S, _POLL_S = 1.0, 1.0, 3.0, 0.2, 0.02
_CALM_S, _TAKEN_S = 0.05, 1.5
"""Distance between messages while nothing is to be filled, and how long the application may take to accept one."""

Progress = Callable[[str, float], None]


class _Member:
    """One subscriber: when each marked message reached it."""

    def __init__(self, socket: Socket, signals: Signals, run: str) -> None:
        self.socket, self.signals, self._run = socket, signals, run
        self.at: dict[int, float] = {}

    async def listen(self) -> None:
        """Read until the socket ends."""
        while (data := await self.socket.receive(60.0)) is not None or self.socket.ended == "open":
            if data is not None:
                at = self.socket.answered + self.socket.last_received_s
                for number in find_markers(data, self._run):
                    self.at.setdefault(number, at)


class _Run:
    """One run: who listens, and when each message left."""

    def __init__(self, members: list[_Member], odd: _Member, publisher: Publisher, run: str) -> None:
        self.members, self.odd, self.publisher, self.run = members, odd, publisher, run
        self.sent: list[float] = []
        self.padding = 0
        self.failure: Failure | None = None

    async def publish(self) -> bool:
        """Publish the next message; False when it did not leave, or was not taken in time."""
        mark = marker(self.run, len(self.sent))
        text = f"{mark} {'x' * (self.padding - len(mark) - 1)}" if self.padding else mark
        left = time.perf_counter()
        try:
            async with asyncio.timeout(_TAKEN_S):
                done = await self.publisher.publish(text)
        except TimeoutError:
            self.sent.append(left)
            return False
        if done.failure is not None:
            self.failure = self.failure or done.failure
            return False
        self.sent.append(done.sent_at)
        return True

    async def arrived(self, first: int, timeout_s: float, outstanding: int = 0) -> bool:
        """Wait until every member has all from first on but the newest so many, or nothing new came for timeout_s."""
        quiet_from, before, goal = time.perf_counter(), -1, len(self.sent) - outstanding
        while not all(number in one.at for one in self.members for number in range(max(first, goal - 1 if outstanding else 0), goal)):
            if time.perf_counter() - quiet_from > timeout_s:
                return False
            await asyncio.sleep(_POLL_S if not outstanding else 0.1 * _POLL_S)
            if (total := sum(len(one.at) for one in self.members)) != before:
                quiet_from, before = time.perf_counter(), total
        return True

    def took(self, one: _Member, numbers: range) -> tuple[float | None, ...]:
        """Return how long each message took to reach a member, None never."""
        return tuple(round(max(0.0, one.at[number] - self.sent[number]), 4) if number in one.at else None for number in numbers)


class _Act(Struct, kw_only=True):
    """How the odd subscriber behaves, and for how long. flood: the text it floods with, the marker not yet filled in."""

    kind: str
    flood: str
    volume_bytes: int
    seconds: float
    rate: float
    hold_s: float


async def probe_crowd(
    attempt: Attempt,
    *,
    kind: str,
    step: str,
    trigger: Trigger | None,
    message: str,
    subscribe: str = "",
    subscribers: int = 3,
    volume_bytes: int = 6_000_000,
    seconds: float = 2.0,
    rate: float = 100.0,
    hold_s: float = 0.0,
    watched: Sequence[Attempt] = (),
    metrics: str = "",
    owned: bool = False,
    on_progress: Progress | None = None,
) -> Observation:
    """Publish to the subscribers and one more, first while all behave, then while the odd one does as kind says, and let it go.

    kind: of KINDS. trigger, message, subscribe: as in probe_broadcast(); the odd one floods with subscribe, else with message.
    volume_bytes: what is published while the odd one reads nothing, in at most seconds; hold_s: how much longer it reads nothing.
    rate: messages a second of a flood of these seconds. At most 16 subscribers, 64 MB, 2,000 messages and 500 a second.
    """
    attempt = replace(attempt, extensions=(), first_message_s=0.0)
    source = Source(step=step, probe="crowd", hop=attempt.hop, changed=(*attempt.changed, KINDS[kind]))
    if not may_burden((attempt,), owned):
        return refused(source, "a subscriber that misbehaves, and the messages around it,")
    if missing := _missing(kind, trigger, message, subscribe):
        return not_run(source, Reason.NOT_GIVEN, missing)
    begin, mark, count = time.perf_counter(), run_marker(), max(2, min(subscribers, MOST_SUBSCRIBERS))
    volume_bytes, rate = min(volume_bytes, MOST_BYTES), min(rate, MOST_RATE)
    act = _Act(kind=kind, flood=subscribe or message, volume_bytes=volume_bytes, seconds=seconds, rate=rate, hold_s=hold_s)
    async with AsyncExitStack() as stack:
        watch = await stack.enter_async_context(watching((attempt, *watched), metrics, attempt.ca_file))
        members, failure = await stack.enter_async_context(_members(attempt, count + 1, mark, step))
        if len(members) <= count:
            return observed(source, None, duration_s=time.perf_counter() - begin, failure=failure)
        odd = members.pop(1)
        publisher: Publisher = SocketPublisher(members[0].socket, message)
        if trigger is not None:
            publisher = await stack.enter_async_context(publisher_for(trigger, "", attempt, step=step))
        run = _Run(members, odd, publisher, mark)
        await _subscribe([*members, odd], subscribe)
        if on_progress:
            on_progress(f"{count} subscribers, and one that {kind}", 0.1)
        if not await _fit(run, _AS_GIVEN if kind == "floods" else _POSTED if trigger else _SENT):
            return not_run(source, Reason.SKIPPED, "not run: what is published reaches nobody, so nobody can be held up")
        facts = await _observe(run, watch, act)
    return observed(source, facts, duration_s=time.perf_counter() - begin, failure=run.failure if not facts.sent_s else None)


def _missing(kind: str, trigger: Trigger | None, message: str, subscribe: str) -> str:
    if kind == "floods" and not (subscribe or message):
        return "not run: a flood needs a message that clients may send; give --send TEXT"
    return what_is_missing(trigger, message)


async def _observe(run: _Run, watch: Watch, act: _Act) -> CrowdFacts:
    """Publish while all behave, then while the odd one does not."""
    await watch.sample(0, len(run.members) + 1)
    first = len(run.sent)
    for _ in range(_BEFORE):
        await run.publish()
        await asyncio.sleep(_CALM_S)
    await run.arrived(first, _ARRIVE_S)
    middle = len(run.sent)
    released, odd_sent = await (_starve if act.kind == "reads nothing" else _flood)(run, watch, act)
    await watch.sample(0, len(run.members) + 1)
    return _facts(act.kind, run, first, middle, released, odd_sent, watch)


@asynccontextmanager
async def _members(attempt: Attempt, count: int, run: str, step: str) -> AsyncIterator[tuple[list[_Member], Failure | None]]:
    """Yield the subscribers that opened, listening, and why another did not."""
    opened: list[_Member] = []
    tasks: list[asyncio.Task[None]] = []
    failure: Failure | None = None
    try:
        for _ in range(count):
            seen, socket = await open_socket(attempt, step=step)
            if socket is None:
                failure = why_not_open(seen)
                break
            headers = seen.facts.headers if isinstance(seen.facts, UpgradeFacts) else ()
            opened.append(_Member(socket, signals_of(headers), run))
            tasks.append(asyncio.ensure_future(opened[-1].listen()))
        yield list(opened), failure
    finally:
        for one in opened:
            one.socket.resume()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await close_all([one.socket for one in opened])


async def _subscribe(members: Sequence[_Member], text: str) -> None:
    if text:
        await asyncio.gather(*(one.socket.send(resolve(text)) for one in members))
        await asyncio.sleep(_SUBSCRIBED_S)


async def _fit(run: _Run, sizes: Sequence[int]) -> bool:
    """Find the first size of message that reaches somebody; tell whether there is one."""
    for size in sizes:
        run.padding, number = size, len(run.sent)
        if not await run.publish():
            continue
        await run.arrived(number, _ARRIVE_S)
        if any(number in one.at for one in run.members):
            return True
    return False


async def _starve(run: _Run, watch: Watch, act: _Act) -> tuple[float, int]:
    """Publish until the volume is reached while the odd one reads nothing; return when it read again, and 0."""
    run.odd.socket.limit_buffer(_SMALL_BYTES)
    run.odd.socket.pause()
    first, end = len(run.sent), time.perf_counter() + act.seconds
    count = min(_MOST_DURING, max(_BEFORE, act.volume_bytes // max(run.padding, 200)))
    while len(run.sent) - first < count and time.perf_counter() < end:
        if not await run.publish() or not await run.arrived(first, _STUCK_S, outstanding=_OUTSTANDING):
            break
    await run.arrived(first, _STUCK_S)
    await asyncio.sleep(act.hold_s)
    await watch.sample(0, len(run.members) + 1)
    released = time.perf_counter()
    run.odd.socket.limit_buffer(_LARGE_BYTES)
    run.odd.socket.resume()
    await run.arrived(first, _STUCK_S)
    await _caught_up(run)
    return released, 0


async def _caught_up(run: _Run) -> None:
    """Wait until the odd one has the last message, has ended, or gets nothing more: a sender that met a closed window asks rarely."""
    quiet_from, before = time.perf_counter(), -1
    while run.odd.socket.ended == "open" and len(run.sent) - 1 not in run.odd.at:
        if time.perf_counter() - quiet_from > _RESUMED_S:
            return
        await asyncio.sleep(_POLL_S)
        if len(run.odd.at) != before:
            quiet_from, before = time.perf_counter(), len(run.odd.at)


async def _flood(run: _Run, watch: Watch, act: _Act) -> tuple[float, int]:
    """Publish calmly while the odd one sends by the clock; return when it stopped, and how many it sent."""
    first, begin, sent = len(run.sent), time.perf_counter(), 0
    other = run_marker()

    async def send() -> None:
        nonlocal sent
        while sent < min(MOST_FLOOD, act.seconds * act.rate) and run.odd.socket.ended == "open":
            if not await run.odd.socket.send(insert_marker(resolve(act.flood), marker(other, sent))):
                return
            sent += 1
            await asyncio.sleep(max(0.0, begin + sent / act.rate - time.perf_counter()))

    sending = asyncio.ensure_future(send())
    try:
        while not sending.done() and time.perf_counter() < begin + act.seconds + 1.0:
            if not await run.publish():
                break
            await asyncio.sleep(2 * _CALM_S)
        await watch.sample(0, len(run.members) + 1)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    released = time.perf_counter()
    await run.arrived(first, _STUCK_S)
    return released, sent


def _facts(kind: str, run: _Run, first: int, middle: int, released: float, odd_sent: int, watch: Watch) -> CrowdFacts:
    sign = named_by([one.signals for one in run.members])
    before, during = range(first, middle), range(middle, len(run.sent))
    start = run.sent[middle] if len(run.sent) > middle else released
    socket = run.odd.socket
    return CrowdFacts(
        kind=kind,
        size_bytes=run.padding or len(run.run) + 4,
        padded=run.padding > 0,
        neighbours=tuple(
            Neighbour(
                index=index,
                instance=one.signals.get(sign, ""),
                before=run.took(one, before),
                during=run.took(one, during),
                ended=ending_of(one.socket),
            )
            for index, one in enumerate(run.members)
        ),
        sent_s=tuple(round(run.sent[number] - start, 4) for number in during),
        released_s=round(released - start, 4),
        odd_sent=odd_sent,
        odd_got=sum(number in run.odd.at for number in during),
        odd_caught_up=len(run.sent) - 1 in run.odd.at,
        odd_ended=socket.ended,
        odd_code=socket.close_code,
        servers=watch.results(),
    )
