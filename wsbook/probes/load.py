"""A ramp of message rates over an echoing endpoint, open loop: messages leave by the clock, not when the last answer came.

Latencies count from the intended instant of sending, so that a stall of the peer shows in every message that should have left during
it (coordinated omission). The generator watches itself: its own lateness is measured beside, and figures that it spoilt are void.

This module must not know what rate is good enough.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from itertools import count

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import LoadFacts, LoadRun
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.endings import close_all, why_not_open
from wsbook.probes.marker import find_markers, insert_marker, marker, run_marker
from wsbook.probes.socket import Socket
from wsbook.probes.upgrade import open_socket
from wsbook.secret import resolve

__all__ = ["probe_load"]

MOST_RATE, MOST_CONNECTIONS, MOST_BYTES = 50_000.0, 1000, 16_000_000
_ECHO_S, _QUIET_S, _DRAIN_S, _TICK_S = 1.0, 0.5, 5.0, 0.005
_LAG_S, _LAG_SHARE, _BUSY_SHARE = 0.02, 0.5, 0.9
"""A step is void when the generator's own lag is above _LAG_S and above this share of the 99th percentile, or when it had no
processor left."""

Progress = Callable[[str, float], None]

NO_ECHO = (
    "not run: the endpoint does not send messages back, so nothing can be counted; "
    "give --send with a text that it answers and {marker} where the answer repeats it"
)


class _Line:
    """One connection: what was meant to leave when, and what came back."""

    def __init__(self, socket: Socket, number: int) -> None:
        self.socket, self.number, self.run = socket, number, run_marker()
        self._numbers = count()
        self.first = asyncio.Event()
        self.clear()

    def clear(self) -> None:
        """Forget the last step; numbers go on, so that a late echo of it is not mistaken."""
        self.intended: dict[int, float] = {}
        self.arrived: Counter[int] = Counter()
        self.latencies: list[float] = []
        self.reordered, self._highest = 0, -1

    async def listen(self) -> None:
        """Read echoes until the socket ends."""
        while (data := await self.socket.receive(60.0)) is not None or self.socket.ended == "open":
            if data is not None:
                # the frame's own stamp, or that of one that came after it: a late read of ours adds nothing
                self._take(find_markers(data, self.run), self.socket.answered + self.socket.last_received_s)

    def _take(self, numbers: Sequence[int], at: float) -> None:
        for number in numbers:
            if number not in self.intended:
                continue
            self.first.set()
            self.arrived[number] += 1
            if self.arrived[number] == 1:
                self.latencies.append(max(0.0, at - self.intended[number]))
                self.reordered += number < self._highest
                self._highest = max(self._highest, number)

    async def send(self, make: Callable[[str], str], begin: float, interval_s: float, until: float) -> None:
        """Send by the clock from begin until the end; what is late is sent at once, and its latency counts from when it was due."""
        for turn in count():
            due = begin + turn * interval_s
            if due >= until or self.socket.ended != "open":
                return
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            number = next(self._numbers)
            data = make(marker(self.run, number))
            self.intended[number] = due
            if not await self.socket.send(data):
                del self.intended[number]
                return

    @property
    def outstanding(self) -> int:
        """How many messages have not come back."""
        return len(self.intended) - len(self.arrived)


def _message(template: str, size_bytes: int) -> Callable[[str], str]:
    """Return what makes a message of about size_bytes with a marker in it; a template is used as it is, ``{padding}`` filled."""
    text = resolve(template) if template else "{marker} {padding}"

    def make(mark: str) -> str:
        marked = insert_marker(text, mark)
        if "{padding}" not in marked:
            return marked
        return marked.replace("{padding}", "x" * max(0, size_bytes - len(marked.encode()) + len("{padding}")))

    return make


async def probe_load(
    attempt: Attempt,
    *,
    rates: Sequence[float],
    size_bytes: int,
    connections: int,
    seconds: float,
    step: str,
    template: str = "",
    owned: bool = False,
    on_progress: Progress | None = None,
) -> Observation:
    """Send at each rate (messages per second over all connections) for some seconds and count what comes back.

    template: a message that the endpoint answers, with ``{marker}`` where the answer repeats it and optionally ``{padding}``; empty
    sends plain text of size_bytes. owned: whether the target may be burdened; False refuses.
    """
    source = Source(step=step, probe="load", hop=attempt.hop, changed=attempt.changed)
    if not owned:
        return not_run(source, Reason.NOT_PERMITTED, "not run: load is sent only to loopback or with --i-own-this")
    if template and "{marker}" not in template:
        return not_run(source, Reason.NOT_GIVEN, "not run: put {marker} into the message, so that its answer can be recognised")
    begin, errors = time.perf_counter(), list[str]()
    make, say = _message(template, min(size_bytes, MOST_BYTES)), on_progress or (lambda text, fraction: None)
    async with AsyncExitStack() as stack:
        lines, failure = await _open(stack, attempt, min(max(1, connections), MOST_CONNECTIONS), step, errors)
        if not lines:
            return observed(source, None, duration_s=time.perf_counter() - begin, failure=failure)
        if not await _echoes(lines[0], make):
            return not_run(source, Reason.NOT_GIVEN, NO_ECHO)
        facts = await _ramp(lines, make, [min(rate, MOST_RATE) for rate in rates], size_bytes, seconds, errors, say)
    return observed(source, facts, duration_s=time.perf_counter() - begin)


async def _open(
    stack: AsyncExitStack, attempt: Attempt, connections: int, step: str, errors: list[str]
) -> tuple[list[_Line], Failure | None]:
    lines: list[_Line] = []
    tasks: list[asyncio.Task[None]] = []

    async def end() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await close_all([line.socket for line in lines])

    stack.push_async_callback(end)
    failure: Failure | None = None
    for number in range(connections):
        seen, socket = await open_socket(replace(attempt, first_message_s=0.0), step=step)
        if socket is None:
            failure = why_not_open(seen)
            errors.append(f"connection {number} did not open: {failure.message}"[:300])
            break
        lines.append(_Line(socket, number))
        tasks.append(asyncio.ensure_future(lines[-1].listen()))
    return lines, failure


async def _echoes(line: _Line, make: Callable[[str], str]) -> bool:
    """Send one message and tell whether it came back."""
    now = time.perf_counter()
    await line.send(make, now, 1.0, now + 0.5)
    with suppress(TimeoutError):
        await asyncio.wait_for(line.first.wait(), _ECHO_S)
    return line.first.is_set()


async def _ramp(
    lines: list[_Line],
    make: Callable[[str], str],
    rates: Sequence[float],
    size_bytes: int,
    seconds: float,
    errors: list[str],
    say: Progress,
) -> LoadFacts:
    steps: list[LoadRun] = []
    voids: list[str] = []
    for turn, rate in enumerate(rates):
        say(f"{rate:g} messages per second", turn / len(rates))
        alive = [line for line in lines if line.socket.ended == "open"]
        if not alive:
            errors.append(f"no connection was left before {rate:g} messages per second")
            break
        done, void = await _step(alive, make, rate, seconds)
        if void:  # once more: a machine that was busy for a moment is no reason to know nothing
            done, void = await _step([line for line in alive if line.socket.ended == "open"] or alive, make, rate, seconds)
        steps.append(done)
        voids += [void] if void else []
        errors += [_ended(line, rate) for line in alive if line.socket.ended != "open"][:20]
    return LoadFacts(runs=tuple(steps), void="; ".join(voids), errors=tuple(errors[:50]))


def _ended(line: _Line, rate: float) -> str:
    how = f"close code {line.socket.close_code}" if line.socket.close_code is not None else line.socket.ended
    return f"connection {line.number} ended ({how}) at {rate:g} messages per second"


async def _step(lines: list[_Line], make: Callable[[str], str], rate: float, seconds: float) -> tuple[LoadRun, str]:
    """Send at one rate, wait for the rest of the echoes, and return the figures and why they are void."""
    for line in lines:
        line.clear()
    lags: list[float] = []
    ticker = asyncio.ensure_future(_tick(lags))
    begin, busy_s = time.perf_counter() + 0.02, time.process_time()
    senders = [line.send(make, begin + turn / rate, len(lines) / rate, begin + seconds) for turn, line in enumerate(lines)]
    try:
        with suppress(TimeoutError):  # a peer that stopped reading: what did not leave shows as not sent
            await asyncio.wait_for(asyncio.gather(*senders), seconds + _DRAIN_S)
        took_s = time.perf_counter() - begin
        busy_s = time.process_time() - busy_s
        await _drain(lines)
    finally:
        ticker.cancel()
    figures = _figures(lines, make, rate, seconds, _quantile(sorted(lags), 0.99) or 0.0)
    return figures, _void(figures, busy_s / max(took_s, 1e-3))


async def _tick(lags: list[float]) -> None:
    """Note how late a short sleep ends: the lag that everything of ours in this loop has."""
    while True:
        due = time.perf_counter() + _TICK_S
        await asyncio.sleep(_TICK_S)
        lags.append(max(0.0, time.perf_counter() - due))


async def _drain(lines: list[_Line]) -> None:
    """Wait for outstanding echoes until none came for _QUIET_S, at most _DRAIN_S."""
    end = time.perf_counter() + _DRAIN_S
    quiet_from, before = time.perf_counter(), -1
    while (left := sum(line.outstanding for line in lines)) and time.perf_counter() < min(end, quiet_from + _QUIET_S):
        if left != before:
            quiet_from, before = time.perf_counter(), left
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.05)  # repeated echoes come after the first


def _figures(lines: list[_Line], make: Callable[[str], str], rate: float, seconds: float, lag_s: float) -> LoadRun:
    latencies = sorted(latency for line in lines for latency in line.latencies)
    sent, received = sum(len(line.intended) for line in lines), sum(len(line.arrived) for line in lines)
    return LoadRun(
        rate=rate,
        size_bytes=len(make(marker(lines[0].run, 0)).encode()),
        connections=len(lines),
        duration_s=seconds,
        sent=sent,
        received=received,
        lost=sent - received,
        duplicated=sum(times - 1 for line in lines for times in line.arrived.values()),
        reordered=sum(line.reordered for line in lines),
        p50_s=_quantile(latencies, 0.5),
        p99_s=_quantile(latencies, 0.99),
        max_s=latencies[-1] if latencies else None,
        lag_s=lag_s,
    )


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank quantile of an ordered sequence, None of an empty one."""
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _void(figures: LoadRun, busy_share: float) -> str:
    """Return why the figures of a step do not count, "" when they do."""
    if figures.lag_s > max(_LAG_S, _LAG_SHARE * (figures.p99_s or 0.0)):
        return f"at {figures.rate:g} messages per second the generator itself was {figures.lag_s * 1000:.0f} ms late"
    if busy_share > _BUSY_SHARE and figures.sent < 0.95 * figures.rate * figures.duration_s:
        return f"at {figures.rate:g} messages per second the generator used its whole processor and sent only {figures.sent} messages"
    return ""
