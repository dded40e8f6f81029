"""The loop in numpy: sends what is due, reads what is there, and fills the account.

The seam: ``compiled.py`` has the same ``drive`` for the plans that suit it.
"""

import gc
import time
from collections.abc import Sequence
from functools import partial

import numpy as np

from wsbook.load_plan import LoadPlan
from wsbook.probes.generator.by_window import ByWindow
from wsbook.probes.generator.correlate import correlation_of
from wsbook.probes.generator.line import Line
from wsbook.probes.generator.mill import CLOSE, PONG, Mill, client_frame
from wsbook.probes.generator.outbox import Outbox
from wsbook.probes.generator.poll import READ, WRITE, new_poller, sharp_timers
from wsbook.probes.generator.progress import Progress, Watch
from wsbook.probes.generator.receive import Receiver
from wsbook.probes.generator.send import ByClock, Listening, Schedule
from wsbook.probes.generator.shape import echoed
from wsbook.probes.generator.tally import Numbers, Tally

__all__ = ["drive", "expected", "senders_of"]

_ROUND_MOST = 128
"""Connections read before it is looked whether something is due; a read costs some microseconds."""
_LOOK_NS, _TICK_NS, _SETTLE_NS = 20_000_000, 10_000_000, 250_000_000
_LAGS_MOST = 256
_HELD_BYTES, _SOME_BYTES, _SPARE_NS = 65_536, 16_384, 300_000
"""Received bytes that are accounted at once; and those that are when there is this long nothing else to do."""
_QUIET_NS, _STOPPED_NS = 500_000_000, 500_000_000
"""How long nothing comes, where it is not known what should, until nothing more is awaited; and how long is waited after a stop."""
_SECOND_COPY_NS, _SECOND_COPY_MOST_NS = 50_000_000, 500_000_000
"""How long to go on reading when everything came, for second copies: twice the longest latency, within these."""


def senders_of(lines: Sequence[Line], plan: LoadPlan) -> list[Line]:
    """Return the connections that send."""
    if plan.answered_by == "broadcast":
        return [line for line in lines if line.index < plan.publishers]
    return list(lines) if plan.rate or plan.window else []


def expected(tally: Tally) -> Numbers | None:
    """Return how many messages each connection should have got, by index; None when others than this run send them."""
    plan = tally.plan
    if plan.answered_by == "echo":
        return tally.offered
    if plan.answered_by == "sequence" or not plan.publishers:
        return None
    listening = np.arange(plan.connections) >= plan.publishers
    return listening * int(tally.offered[: plan.publishers].sum())


def drive(lines: Sequence[Line], plan: LoadPlan, tally: Tally, watch: Watch) -> Tally:
    """Carry out the sending, from tally.begin_ns for plan.seconds, wait for what is outstanding, and return the account.

    lines: open connections in the order of their indexes, which may leave some out. Message k of a rate is due at begin + k / rate and
    leaves on the sending connection k mod senders (all lines of an echo, the first plan.publishers of a broadcast), never early. A
    window keeps plan.window messages of each sending connection in flight. Numbers count from 0 per connection.

    Waiting ends when everything came, or after plan.drain_s. Connections are left open; line.ended and tally.ended say how those ended
    that did.
    """
    loop = _Loop(lines, plan, tally, watch)
    collected = gc.isenabled()
    gc.disable()  # a collection would make us late
    try:
        with sharp_timers():
            loop.run()
    finally:
        loop.close()
        if collected:
            gc.enable()
    return tally


class _Loop:
    def __init__(self, lines: Sequence[Line], plan: LoadPlan, tally: Tally, watch: Watch) -> None:
        self._plan, self._tally, self._watch = plan, tally, watch
        self._by_fd = {line.fd: line for line in lines}
        self._lines, self._open = list(lines), len(lines)
        self._senders = senders_of(lines, plan)
        self._sender_set = frozenset(self._senders)
        self._sending = len(self._senders)
        self._poller = new_poller()
        mill = Mill(bytes.fromhex(tally.run), plan.size_bytes, plan.template)
        self._outbox = Outbox(self._poller, mill.frame_bytes)
        self._sender = self._sender_of(mill)
        schedule = self._sender.schedule if isinstance(self._sender, ByClock) else None
        self._account = correlation_of(plan, tally, schedule.of if schedule else None, self._sender.offered)
        sequence = plan.answered_by == "sequence"
        self._receiver = Receiver(
            self._account,
            mill.run,
            None if sequence else echoed(mill.payload_bytes, mill.places[0], mill.text),
            wants_numbers=sequence,
            ended=self._end,
            pinged=lambda line, payload: self._outbox.control(line, client_frame(PONG, payload)),
            epoch_ns=tally.epoch_ns,
        )
        self._lags = list[int]()
        self._ticking = not isinstance(self._sender, ByClock)
        self._each_round = bool(plan.window) and plan.answered_by == "broadcast"
        self._tick_ns, self._look_ns, self._settled_ns, self._came = tally.begin_ns, 0, 0, (0, tally.begin_ns)
        self._until_ns = tally.begin_ns + round(plan.seconds * 1e9)
        self._phase, self._full_ns = "sending", 0
        for line in lines:
            self._poller.add(line.fd, READ)

    def _sender_of(self, mill: Mill) -> ByClock | ByWindow | Listening:
        if not self._senders:
            return Listening(self._tally)
        if self._plan.window:
            return ByWindow(self._plan, self._senders, mill, self._tally, self._outbox)
        schedule = Schedule(self._plan, self._senders, self._tally.begin_ns)
        return ByClock(self._plan, self._senders, mill, self._tally, self._outbox, schedule)

    def run(self) -> None:
        """Send, wait, and count."""
        cpu_s, begin_ns = time.thread_time(), time.monotonic_ns()
        sender = self._sender
        while True:
            now_ns = time.monotonic_ns()
            if self._ticking and now_ns >= self._tick_ns:
                self._tick(now_ns)
            if self._phase == "sending":
                sender.go(now_ns)
            if now_ns >= self._look_ns and self._look(now_ns):
                break
            ready = self._poller.now(_ROUND_MOST)
            if not ready:
                ready = self._wait()
            self._round(ready)
        self._receiver.check()
        self._settle(time.monotonic_ns())
        self._count_lags()
        self._tally.cpu_s, self._tally.wall_s = time.thread_time() - cpu_s, (time.monotonic_ns() - begin_ns) / 1e9
        self._sum_up()

    def _wait(self) -> list[tuple[int, int]]:
        """Do what can wait, then wait until something is ready or due."""
        now_ns = time.monotonic_ns()
        until_ns = min(self._look_ns, self._sender.next_ns if self._phase == "sending" else self._look_ns)
        if until_ns - now_ns > _SPARE_NS:
            if self._receiver.held > _SOME_BYTES:
                self._receiver.check()
                self._settle(now_ns)
            self._sender.prepare()
        self._poller.wait(until_ns, precise=self._sender.precise)
        return self._poller.now(_ROUND_MOST)

    def _round(self, ready: list[tuple[int, int]]) -> None:
        by_fd, receiver = self._by_fd, self._receiver
        for fd, events in ready:
            if events & WRITE and self._outbox.resume(by_fd[fd]):
                self._sender.resumed(by_fd[fd])
        receiver.read_all([by_fd[fd] for fd, events in ready if events != WRITE])
        if self._plan.window:
            receiver.check()
            answers, receiver.answers = receiver.answers, []
            self._sender.answered(answers)
        if receiver.held > _HELD_BYTES or self._each_round:
            receiver.check()
            self._settle(time.monotonic_ns())

    def _settle(self, now_ns: int) -> None:
        self._settled_ns = now_ns
        self._receiver.settle()
        self._sender.settled()

    def _tick(self, now_ns: int) -> None:
        """Note how late the ticks are that passed: the lag of a loop that has no due times."""
        passed = range(self._tick_ns, now_ns + 1, _TICK_NS)
        self._lags.extend(now_ns - tick_ns for tick_ns in passed)
        self._tick_ns = passed[-1] + _TICK_NS
        if len(self._lags) > _LAGS_MOST:
            self._count_lags()

    def _count_lags(self) -> None:
        self._tally.lags.record(np.array(self._lags, np.int64))
        self._lags.clear()

    def _look(self, now_ns: int) -> bool:
        """Fifty times a second: account what is old, tell, and find out whether it is over."""
        self._look_ns = now_ns + _LOOK_NS
        self._receiver.check()
        self._receiver.answers.clear()
        if self._phase != "sending" or now_ns - self._settled_ns > _SETTLE_NS:
            self._settle(now_ns)
        self._sender.look(now_ns)
        if self._plan.window:
            self._tally.mark(now_ns)
        self._watch.tell(now_ns, partial(self._progress, now_ns))
        stopped = self._watch.over(now_ns)
        if self._phase == "sending":
            out_of_senders = bool(self._senders) and not self._sending
            if stopped or now_ns >= self._until_ns or out_of_senders or not self._open:
                self._begin_waiting(now_ns, stopped)
            return False
        return self._is_over(now_ns)

    def _begin_waiting(self, now_ns: int, stopped: bool) -> None:
        tally = self._tally
        while not stopped and self._sender.go(now_ns):
            pass
        self._sender.finish(now_ns)
        self._phase, tally.end_ns = "waiting", min(now_ns, self._until_ns)
        drain_ns = round(self._plan.drain_s * 1e9)
        self._until_ns = now_ns + (min(drain_ns, _STOPPED_NS) if stopped else drain_ns)
        self._look_ns = now_ns

    def _is_over(self, now_ns: int) -> bool:
        self._look_ns = now_ns + _LOOK_NS // 4
        self._sum_up()
        if not self._open or now_ns >= self._until_ns:
            return True
        wanted, came = expected(self._tally), int(self._tally.received.sum())
        if came != self._came[0]:
            self._came = (came, now_ns)
        if wanted is None:
            return now_ns - self._came[1] >= (_QUIET_NS if self._plan.answered_by == "broadcast" else _SECOND_COPY_NS)
        alive = np.array([line.index for line in self._lines if line.ended == "open"], np.int64)
        if (wanted[alive] - self._tally.received[alive] > 0).any():
            self._full_ns = 0
            return False
        self._full_ns = self._full_ns or now_ns
        more_ns = 2 * (self._tally.latencies.max or 0.0)
        return now_ns - self._full_ns >= min(max(more_ns, _SECOND_COPY_NS), _SECOND_COPY_MOST_NS)

    def _sum_up(self) -> None:
        """Bring what the lines know into the account."""
        tally = self._tally
        for line in self._lines:
            if isinstance(self._sender, ByClock):
                tally.offered[line.index] = line.offered
            tally.sent[line.index] = tally.offered[line.index] - line.owed

    def _progress(self, now_ns: int) -> Progress:
        self._receiver.check()
        self._settle(now_ns)
        self._sum_up()
        tally = self._tally
        wanted = expected(tally)
        received = int(tally.received.sum())
        self._count_lags()
        p99, lag = tally.latencies.quantile(0.99), tally.lags.quantile(0.99)
        return Progress(
            phase=self._phase,
            at_s=max(0.0, (now_ns - tally.begin_ns) / 1e9),
            opened=self._open,
            sent=int(tally.sent.sum()),
            received=received,
            outstanding=0 if wanted is None else max(0, int(wanted.sum()) - received),
            p99_s=None if p99 is None else p99 / 1e9,
            lag_s=(lag or 0.0) / 1e9,
        )

    def _end(self, line: Line, how: str, code: int | None) -> None:
        """Note that a line ended; a close frame is answered (RFC 6455 section 5.5.1)."""
        if how == "close":
            echo = b"" if code in (None, 1005) else (code or 0).to_bytes(2, "big")
            self._outbox.control(line, client_frame(CLOSE, echo))
        line.ended, line.close_code = how, code
        self._tally.ended[line.index], self._tally.close_codes[line.index] = how, code
        self._poller.drop(line.fd)
        self._by_fd.pop(line.fd, None)
        self._open -= 1
        self._sending -= line in self._sender_set

    def close(self) -> None:
        """Give the poller back; the lines stay open."""
        self._poller.close()
