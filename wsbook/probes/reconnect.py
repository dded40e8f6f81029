"""Cut the socket of a page in every way, and see what the page does: when it notices, how it dials again, and what it then lacks.

The page runs unchanged in Chromium behind a relay (reconnect_bench.py). Each interruption is one observation. This module must not
know what a good page does.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import OutageFacts, Redial
from wsbook.facts.reconnect import is_final
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.browser import MISSING, browser_available
from wsbook.probes.browser_visit import BrowserError, BrowserMissingError
from wsbook.probes.marker import marker, run_marker
from wsbook.probes.publish import Publisher, publisher_for, what_is_missing
from wsbook.probes.reconnect_bench import Bench, Heard, open_bench
from wsbook.probes.reconnect_plans import Outage
from wsbook.probes.reconnect_runs import repeated
from wsbook.probes.relay import Line
from wsbook.secret import resolve
from wsbook.target import Trigger

__all__ = ["probe_outages"]

_LOAD_S, _OPEN_S, _LOOK_S, _SETTLE_S = 8.0, 6.0, 0.25, 0.5
_SPEAK_S = 2.5
"""How long a page that said something on its first connection is waited for on a new one: a busy machine is slow."""
_LEAP_S, _FATE_S = 300.0, 1.0
"""How far the clock of a page that has not come back is put forward, and how long the fate of what it dials then is waited for."""
_FEWEST, _PLENTY, _STORM, _REDIALS = 3, 8, 25, 200
"""Attempts after which the spacing is known: when waiting would take too long, after half of the time, at once; and kept."""
_CLOSE_CODES = {1001: "going away", 1008: "policy violation", 1012: "service restart"}

_NOTHING_OPEN = "not run: the page keeps no socket open: its own had ended before anything was interrupted"
Progress = Callable[[str, float], None]


async def probe_outages(
    page_url: str,
    url: str,
    outages: Sequence[Outage],
    *,
    step: str,
    ca_file: str = "",
    executable: str = "",
    publishing: Attempt | None = None,
    trigger: Trigger | None = None,
    message: str = "",
    stand_in: bool = False,
    on_progress: Progress | None = None,
) -> list[Observation]:
    """Interrupt the page's socket at url in each of these ways, one after the other, and return one observation for each.

    publishing: how the endpoint is reached beside the page, to publish with trigger, or with message, which holds {marker}; None
    publishes nothing. stand_in: where no attempt of the page is accepted, a silent server of our own accepts in the endpoint's place, so
    that it is seen all the same what the page does with a socket that ends; for pages that wait for no greeting.
    A page that opens its socket elsewhere is an observation that was not run, which names where.
    """
    source = Source(step=step, probe="reconnect", hop="browser")
    if not browser_available(executable):
        return [not_run(source, Reason.TOOL_MISSING, MISSING)]
    say = on_progress or (lambda text, fraction: None)
    run = _Run(source, url, say, stand_in=stand_in)
    say("starting the browser behind the relay", 0.0)
    try:
        async with AsyncExitStack() as stack:
            bench = await stack.enter_async_context(open_bench(page_url, url, ca_file=ca_file, executable=executable))
            run.publisher = await _publisher(stack, publishing, trigger, message, step)
            await run.all(bench, outages)
    except BrowserMissingError:
        return [not_run(source, Reason.TOOL_MISSING, MISSING)]
    except (BrowserError, TimeoutError, OSError) as error:
        words = str(error).partition("\n")[0][:300] or "it took too long"
        run.found.append(
            observed(source, None, failure=Failure(stage="start", reason=Reason.TOOL_MISSING, message=f"the browser: {words}"))
        )
    return run.found


async def _publisher(stack: AsyncExitStack, attempt: Attempt | None, trigger: Trigger | None, message: str, step: str) -> Publisher | None:
    if attempt is None or what_is_missing(trigger, message):
        return None
    return await stack.enter_async_context(publisher_for(trigger, message, attempt, step=step))


class _Run:
    """The interruptions of one page, one after the other."""

    def __init__(self, source: Source, url: str, say: Progress, *, stand_in: bool) -> None:
        self.found: list[Observation] = []
        self.publisher: Publisher | None = None
        self._source, self._url, self._say = source, resolve(url).partition("?")[0], say
        self._mark, self._sequence, self._number = run_marker(), 0, 0
        self._last: tuple[Heard, bool | None] | None = None
        self._publishes = False
        self._may_stand_in, self._stood_in = stand_in, False

    async def all(self, bench: Bench, outages: Sequence[Outage]) -> None:
        """Interrupt in each way; the page is loaded anew when it did not come back from the one before."""
        for number, outage in enumerate(outages):
            self._say(outage.shown, 0.1 + 0.9 * number / len(outages))
            begin = time.monotonic()
            failure = await self._ready(bench)
            if failure is not None:
                self.found.append(not_run(self._source, failure.reason, failure.message))
                return
            facts = await self._interrupt(bench, outage)
            if facts is None:
                self.found.append(not_run(self._source, Reason.SKIPPED, _NOTHING_OPEN))
                return
            self.found.append(observed(self._source, facts, duration_s=time.monotonic() - begin))

    async def _ready(self, bench: Bench) -> Failure | None:
        """See to it that the page holds an open socket through the relay; return why it does not."""
        if self._last is not None and bench.open_now():
            return None
        begin = time.monotonic()
        failure = await self._load(bench)
        if failure is None or not (self._may_stand_in and bench.page.loaded and bench.attempts(begin)):
            return failure
        self._may_stand_in, self._stood_in, self.publisher = False, True, None
        bench.stand_in()
        return await self._load(bench)

    async def _load(self, bench: Bench) -> Failure | None:
        bench.relay.recover()
        bench.relay.cut("fin")
        self._number, self._last, begin = 0, None, time.monotonic()
        await bench.page.goto(_LOAD_S)
        if not bench.page.loaded:
            return bench.page.failure
        end = time.monotonic() + _OPEN_S
        while not bench.opened(begin) and time.monotonic() < end:
            bench.take_others()
            await bench.relay.changed(_LOOK_S)
        return None if bench.opened(begin) else _no_socket(bench, self._url)

    async def _interrupt(self, bench: Bench, outage: Outage) -> OutageFacts | None:
        """Return what came of one interruption, None when the page has ended its socket before."""
        self._number += 1
        known = self._last if self._publishes == outage.publishes else None  # what is heard is compared with its like
        self._publishes = outage.publishes
        before, control = known or await self._listened(bench, outage)
        told, loads, open_before = len(bench.page.capture.console), bench.loads, bench.open_now()
        if not open_before:
            return None
        loss = time.monotonic()
        await self._lose(bench, outage)
        lost = await self._publish(3) if outage.answer != "open" and control else []
        await self._endure(bench, outage, loss)
        recovered = time.monotonic()
        bench.relay.recover()
        await self._return(bench, loss, recovered + outage.back_s)
        self._last = await self._after(bench, outage, loss, lost)
        end, attempts = time.monotonic(), bench.attempts(loss)
        facts = OutageFacts(
            url=self._url,
            stood_in=self._stood_in,
            way=outage.way,
            answer=outage.answer,
            close_code=outage.close_code,
            number=self._number,
            lasted_s=recovered - loss,
            watched_s=end - loss,
            noticed_s=_noticed([*bench.ended(loss), await bench.given_up(loss)], attempts, loss),
            redials=tuple(_redial(line, loss) for line in attempts[:_REDIALS]),
            reopened_s=_reopened(bench, loss, end) if self._last else None,
            reloaded=bench.loads > loads,
            pending_s=await bench.pending_s(loss) if self._last is None else (),
            listened_s=outage.listen_s,
            said_before=bench.said(0.0, loss),
            heard_before=before.kinds,
            runs_before=before.runs,
            open_before=open_before,
            published=tuple(lost),
            control_before=control,
            errors=bench.errors(told),
        )
        facts = self._compared(bench, outage, loss, facts, before, self._last)
        if self._last or facts.pending_s is None or is_final(outage.answer, outage.close_code):
            return facts
        facts = await self._leapt(bench, facts, end)
        if facts.early_s is None or outage.way == "stall":
            return facts
        late = await self._after(bench, outage, loss, lost)
        return self._compared(bench, outage, loss, facts, before, late) if late else facts

    def _compared(
        self, bench: Bench, outage: Outage, loss: float, facts: OutageFacts, before: Heard, new: tuple[Heard, bool | None] | None
    ) -> OutageFacts:
        """Return the facts with what came since the loss, and on the new connection if there is one."""
        after, again = new or (None, None)
        return replace(
            facts,
            said_after=bench.said(loss),
            heard_after=after.kinds if after else (),
            runs_after=after.runs if after else None,
            repeated=repeated(before.counts, after.counts) if after else (),
            open_sockets=bench.open_now(loss if outage.way == "stall" else 0.0),
            missed=tuple(number for number in facts.published if not bench.seen(marker(self._mark, number))),
            control_after=again,
        )

    async def _leapt(self, bench: Bench, facts: OutageFacts, since: float) -> OutageFacts:
        """Return the facts with what the page does when its clock is put forward; only a page that has not come back is asked so."""

        async def moved() -> bool:
            return bool(bench.attempts(since)) or await bench.given_up(since) is not None

        leapt_s = await bench.leap(_LEAP_S, moved)
        if not await moved():
            await bench.relay.changed(_LOOK_S)
        if not await moved():
            return replace(facts, leapt_s=leapt_s)
        begin = time.monotonic()
        while not any(map(_decided, bench.attempts(since))) and time.monotonic() - begin < _FATE_S:
            await bench.relay.changed(_LOOK_S)
        later = [replace(_redial(line, since - facts.watched_s), at_s=facts.watched_s + leapt_s) for line in bench.attempts(since)[:1]]
        return replace(facts, leapt_s=leapt_s, early_s=facts.watched_s + leapt_s, redials=(*facts.redials, *later)[:_REDIALS])

    async def _lose(self, bench: Bench, outage: Outage) -> None:
        """Let the socket end in the given way, with what new attempts shall get already set."""
        relay = bench.relay
        if outage.answer == "refuse":
            relay.refuse()
        elif outage.answer == "stall":
            relay.stall()
        elif outage.answer == "dismiss":
            relay.dismiss(outage.close_code or 1008)
        elif outage.answer.isdigit():
            relay.answer(int(outage.answer), bench.concerned)
        if outage.way == "stall":
            relay.stall(new=outage.answer == "stall")
        elif outage.way == "close":
            code = outage.close_code or 1001
            relay.close(code, _CLOSE_CODES.get(code, ""))
        else:
            relay.cut(outage.way)

    async def _endure(self, bench: Bench, outage: Outage, loss: float) -> None:
        """Wait until the interruption has lasted long enough to show what the page does."""
        end = loss + outage.most_s
        while (now := time.monotonic()) < end:
            count = len(bench.attempts(loss))
            if count >= _STORM or (count >= _PLENTY and now - loss > outage.most_s / 2):
                return
            if bench.opened(loss) and outage.answer != "dismiss":
                return
            if count >= _FEWEST and await self._waits_longer(bench, loss, end + outage.back_s):
                return
            await bench.relay.changed(min(_LOOK_S, end - now))

    async def _waits_longer(self, bench: Bench, loss: float, end: float) -> bool:
        """Whether the page, should it wait twice as long again after its next attempt, would come back after the end only."""
        if bench.attempts(loss)[-1].ended_at is None:
            return False
        pending = await bench.pending_s(loss)
        return pending is not None and bool(pending) and time.monotonic() + 3 * pending[0] > end

    async def _return(self, bench: Bench, loss: float, end: float) -> None:
        while not bench.open_now(loss) and (now := time.monotonic()) < end:
            await bench.relay.changed(min(_LOOK_S, end - now))

    async def _after(self, bench: Bench, outage: Outage, loss: float, lost: Sequence[int]) -> tuple[Heard, bool | None] | None:
        """Return what is heard on the new connection, and whether what is published then arrives; None without a connection.

        A page that asks again, or fetches what it missed, has done so before it is listened to.
        """
        if not bench.open_now(loss):
            return None
        end = time.monotonic() + _SPEAK_S
        while self._busy(bench, loss, lost) and (left := end - time.monotonic()) > 0:
            await bench.relay.changed(min(_LOOK_S, left))
        await asyncio.sleep(_SETTLE_S)
        return await self._listened(bench, outage)

    def _busy(self, bench: Bench, loss: float, lost: Sequence[int]) -> bool:
        """Whether the page may still be about to say what it said before, or to get what was published while it was away."""
        silent = bool(bench.said(0.0, loss)) and not bench.said(loss)
        return silent or not all(bench.seen(marker(self._mark, number)) for number in lost)

    async def _listened(self, bench: Bench, outage: Outage) -> tuple[Heard, bool | None]:
        published: list[int] = []

        async def publish(count: int) -> None:
            published.extend(await self._publish(count))

        heard = await bench.listen(outage.listen_s, publish)
        return heard, self._arrived(bench, published)

    async def _publish(self, count: int) -> list[int]:
        """Set off so many marked messages, and return the numbers of those that were taken; none where nothing is to be published."""
        done = []
        for _ in range(count if self.publisher and self._publishes else 0):
            self._sequence += 1
            published = await self.publisher.publish(marker(self._mark, self._sequence)) if self.publisher else None
            if published is not None and published.failure is None:
                done.append(self._sequence)
        return done

    def _arrived(self, bench: Bench, numbers: Sequence[int]) -> bool | None:
        """Whether the page got these; None when nothing was published."""
        return all(bench.seen(marker(self._mark, number)) for number in numbers) if numbers else None


def _no_socket(bench: Bench, url: str) -> Failure:
    others = bench.elsewhere()
    words = f"it opened {others[0]}" if others else "it opened none that was accepted"
    return Failure(
        stage="page", reason=Reason.SKIPPED, message=f"not run: the page opened no socket to {url} within {_OPEN_S:g} s; {words}"
    )


def _decided(line: Line) -> bool:
    return line.status is not None or line.ended_at is not None


def _reopened(bench: Bench, loss: float, end: float) -> float | None:
    """Return after how long a connection opened that was still open at the end."""
    times = [line.answered_at for line in bench.opened(loss) if line.answered_at is not None and (line.open or line.answered_at < end)]
    return min(times) - loss if times else None


def _noticed(told: Sequence[float | None], attempts: Sequence[Line], loss: float) -> float | None:
    times = [*(at for at in told if at is not None and at >= loss - 0.1), *(line.at for line in attempts)]
    return max(0.0, min(times) - loss) if times else None


def _redial(line: Line, loss: float) -> Redial:
    fate = "refused" if line.treated in ("refused", "unreached", "full") else "unanswered"
    if line.status is not None or line.treated.startswith("answered"):
        fate = "opened" if line.status == 101 else "answered"
    status = line.status if line.status not in (None, 101) else None
    if line.treated.startswith("answered"):
        status = int(line.treated.split()[1])
    ends = (line.ended_at, line.client_ended_at, line.target_ended_at)
    ended = min((at for at in ends if at is not None), default=None) if fate != "opened" else None
    return Redial(at_s=line.at - loss, fate=fate, status=status, ended_s=ended - loss if ended is not None else None)
