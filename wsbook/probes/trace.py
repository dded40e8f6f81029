"""Follow marked events from their trigger over broker, logs and sockets to the page that should show them.

One timeline, by this machine's time.perf_counter(): sockets by the kernel's stamps where it gives them, logs by their own stamps where
these are fine enough, else every 5 ms, the browser's marks by the system clock, which the browser shares. This module must not know where
an event was lost, only where it was seen.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import cached_property
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import BurstFacts, LogLine, PageEvent, Place, TraceFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.burden import may_burden, refused
from wsbook.probes.instances import named_by, signals_of
from wsbook.probes.marker import insert_marker, marker, run_marker
from wsbook.probes.publish import Published, Publisher, publisher_for, what_is_missing
from wsbook.probes.publish_redis import same_channel
from wsbook.probes.schema import SchemaError, check_messages
from wsbook.probes.trace_clock import with_clock
from wsbook.probes.trace_content import Alteration, alterations, message_of
from wsbook.probes.trace_log import Instant
from wsbook.probes.trace_places import Places, Watched, places_watched
from wsbook.probes.trace_said import said_meanwhile
from wsbook.probes.trace_watch import Run
from wsbook.target import Trigger, parse_endpoint

__all__ = ["probe_trace"]

_POLL_S, _QUIET_S = 0.01, 0.1
_FIRST_S, _LATER_S, _MARGIN_S = 2.0, 1.0, 0.25
"""How long the first event is waited for at most, and the others where the first did not come everywhere; and beside the slowest."""
_AFTER_S = 1.0
"""How long the last event is watched at least when it has not come everywhere."""
_SLOW_S, _TIMES_SLOW, _MOST_MORE_S = 0.4, 4.0, 6.0
"""From which delay of the first event on the events are slow; they get so many times it more time, at most so much."""
_LONGER = 1.5
"""What has not come after so many times the longest delay seen is not only late."""
_BURST_S, _BURST_FEWEST, _BURST_QUIET_S, _BURST_SHARE = 1.0, 10, 0.4, 0.4
_LANE_S, _MOST_LANES = 0.002, 8
_TEXT_CHARS = 1_000
_SCHEMES = ("http", "https", "ws", "wss", "redis", "rediss")
Progress = Callable[[str, float], None]


class _Event(Struct, kw_only=True):
    """One event that was set off, alone."""

    number: int
    published: Published
    page: PageEvent | None = None


async def probe_trace(
    attempt: Attempt,
    *,
    trigger: Trigger | None,
    message: str,
    hops: Sequence[Attempt],
    logs: Sequence[str],
    step: str,
    repeats: int = 5,
    burst: int = 0,
    budget_s: float,
    page_url: str = "",
    subscribe: str = "",
    broker: str = "",
    schema: str = "",
    selector: str = "",
    owned: bool = False,
    instant: Instant | None = None,
    on_progress: Progress | None = None,
) -> list[Observation]:
    """Set off marked events and return one observation of each: every place in path order, with times from the sending.

    Places are: trigger (and "trigger answered"), the broker's channel, each log, a subscriber at each hop, one at the endpoint, and with
    page_url the page's frame, handler, document and screen. Without trigger the message is sent on a socket of its own. A place that could
    not be watched has an observation of its own instead of an empty place.

    First come repeats events one by one, as many as fit; then burst events at once, where the target may be burdened, as one observation
    (BurstFacts); then what is known of other clocks (ClockFacts). broker: redis://host:port/channel; a trigger that publishes on a
    channel names it too. schema: file with the JSON Schema that messages at the sockets are held against. selector: part of the page that
    counts. instant: finds the instant that a line of a log names, as epoch s. budget_s bounds the events, which get up to 6 s more where
    the first of them is slow: only who waits for longer than others took can tell late from lost. Opening the places has limits of its own.
    """
    source = Source(step=step, probe="trace", hop=attempt.hop, changed=attempt.changed)
    if missing := what_is_missing(trigger, message):
        return [not_run(source, Reason.NOT_GIVEN, missing)]
    run, say = Run(marker=run_marker()), on_progress or (lambda text, fraction: None)
    say("opening the places to watch", 0.0)
    channel = broker or (trigger.url if trigger is not None and trigger.kind == "redis" else "")
    given = Watched(hops=hops, logs=logs, broker=channel, page_url=page_url, subscribe=subscribe, selector=selector, instant=instant)
    watched = places_watched(source, attempt, run, given)
    async with watched as places:
        tracer = _Tracer(source, run, places, trigger, message, say)
        if not places.sockets and trigger is None:
            return places.unwatched()
        spare = places.sockets[-1] if places.sockets else None
        closed = list[Observation]()
        publishing = publisher_for(trigger, message, attempt, step=step, spare=spare, on_end=closed.append)
        await tracer.follow(publishing, max(1, repeats), burst, budget_s, _may_burst(attempt, trigger, owned))
        found = await tracer.results(schema)
        none = not_run(source, Reason.TIMEOUT, f"nothing could be set off within {budget_s:g} s, nor was it refused")
        return [*(found or [none]), *closed[:1], *places.unwatched()]


def _may_burst(attempt: Attempt, trigger: Trigger | None, owned: bool) -> bool:
    url = re.sub(r"[{}]", "", trigger.url) if trigger is not None else ""
    return owned or (may_burden((attempt,), owned) and (not url or parse_endpoint(url, _SCHEMES).is_loopback))


class _Tracer:
    """The events of one run, followed through the places."""

    def __init__(self, source: Source, run: Run, places: Places, trigger: Trigger | None, message: str, say: Progress) -> None:
        self._source, self._run, self._places, self._say = source, run, places, say
        self._trigger, self._text = trigger, trigger.body or trigger.url if trigger else message
        self._events: list[_Event] = []
        self._burst: Observation | None = None
        self._end = 0.0

    async def follow(
        self, publishing: AbstractAsyncContextManager[Publisher], repeats: int, burst: int, budget_s: float, may_burst: bool
    ) -> None:
        """Set off everything within the time."""
        self._end, more_s = time.monotonic() + budget_s, _BURST_SHARE * budget_s if burst else 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(budget_s + _MARGIN_S) as limit, publishing as publisher:
                await self.singly(publisher, repeats, more_s, limit)
                await self.look_deeper(publisher)
                if burst:
                    await self.at_once(publisher, burst, self._end, may_burst)
                await self.linger(self._end)

    def _stretch(self, limit: asyncio.Timeout) -> None:
        """Give events that are slow the time that they need."""
        slowest_s, until = self._slowest_s or 0.0, limit.when()
        if slowest_s > _SLOW_S and until is not None:
            more_s = min(_MOST_MORE_S, _TIMES_SLOW * slowest_s)
            self._end += more_s
            limit.reschedule(until + more_s)

    @property
    def _slowest_s(self) -> float | None:
        """The longest way of an event to any place so far, None before the first."""
        if not self._events:
            return None
        return max((place.at_s for event in self._events for place in self._seen(event) if place.at_s is not None), default=0.0)

    async def singly(self, publisher: Publisher, repeats: int, more_s: float, limit: asyncio.Timeout) -> None:
        """Set off events one after the other, each when the one before has come as far as others did; as many as fit beside more_s."""
        for number in range(repeats):
            left_s = self._end - more_s - time.monotonic()
            if number and (left_s < self._patience_s(left_s) or self._fails()):
                return
            self._say(f"event {number + 1} of {repeats}", 0.1 + 0.6 * number / repeats)
            await self._one(publisher, left_s)
            if not number:
                self._stretch(limit)

    def _fails(self) -> bool:
        last = [event.published.failure for event in self._events[-2:]]
        return len(last) == 2 and None not in last

    async def _one(self, publisher: Publisher, left_s: float) -> None:
        wait_s = self._patience_s(left_s)
        event = _Event(number=self._run.set_off, published=await self._set_off(publisher, left_s))
        self._events.append(event)
        if (told := event.published).answered_at is not None:
            self._places.clocks.date("trigger", told.headers, told.sent_at, told.answered_at)
        await self._settle(event.number, wait_s)
        if self._places.page is not None:
            event.page = await self._places.page.event(marker(self._run.marker, event.number), min(_QUIET_S, wait_s))

    async def _set_off(self, publisher: Publisher, most_s: float) -> Published:
        number, begin = self._run.set_off, time.perf_counter()
        self._run.set_off += 1
        try:
            async with asyncio.timeout(max(0.2, most_s)):
                return await publisher.publish(marker(self._run.marker, number))
        except TimeoutError:
            words = f"the trigger had not ended after {time.perf_counter() - begin:.1f} s, when the time was over"
            return Published(sent_at=begin, failure=Failure(stage="trigger", reason=Reason.TIMEOUT, message=words))

    def _patience_s(self, left_s: float) -> float:
        """Return how long an event is waited for: longer than any before took to where it came."""
        slowest_s = self._slowest_s
        if slowest_s is None:
            return min(_FIRST_S, max(0.3, 0.4 * left_s))
        return max(min(_LATER_S, slowest_s * 2 + _MARGIN_S), slowest_s * _LONGER)

    def _seen(self, event: _Event) -> list[Place]:
        return self._places.of(event.number, event.published.sent_at)

    async def _settle(self, number: int, most_s: float) -> None:
        """Wait until every place but the logs saw the event and a moment passed without more, or most_s passed."""
        end = time.monotonic() + most_s
        while time.monotonic() < end:
            if all(place.count for place in self._places.of(number, 0.0) if place.kind not in ("log", "mark")):
                await asyncio.sleep(min(_QUIET_S, max(0.0, end - time.monotonic())))
                return
            await asyncio.sleep(_POLL_S)

    async def look_deeper(self, publisher: Publisher) -> None:
        """Set off one more event when the page gets them and shows none: this time the exceptions that it catches are watched too."""
        if self._places.page is None or not self._events:
            return
        kinds = {place.kind for event in self._events for place in self._seen(event) if place.count}
        if "frame" in kinds and not kinds & {"document", "screen"}:
            await self._places.page.look_deeper()
            await self._one(publisher, _LATER_S)

    async def at_once(self, publisher: Publisher, count: int, end: float, allowed: bool) -> None:
        """Set off many events in quick succession and note what each place saw of them."""
        if not allowed:
            self._burst = refused(self._source, "many events at once")
            return
        lanes = self._lanes()
        count = min(count, self._fitting(end) * lanes)
        if count < _BURST_FEWEST or self._fails():
            return
        self._say(f"{count} events at once", 0.8)
        first, begin, since, refusals = self._run.set_off, time.perf_counter(), time.time(), 0

        async def lane() -> None:
            nonlocal refusals
            while self._run.set_off - first < count and time.monotonic() < end:
                published = await self._set_off(publisher, end - time.monotonic())
                refusals += published.failure is not None

        await asyncio.gather(*(lane() for _ in range(lanes)))
        sent, took_s = self._run.set_off - first, time.perf_counter() - begin
        await self._all_there(first, sent, end)
        found = tuple(self._places.burst(first, sent, side_by_side=lanes > 1, since=since))
        watched_s = time.perf_counter() - begin
        facts = BurstFacts(sent=sent, took_s=took_s, places=found, refused=refusals, watched_s=watched_s, side_by_side=lanes)
        self._burst = observed(self._source, facts, duration_s=facts.watched_s)

    def _fitting(self, end: float) -> int:
        """Return how many events can be set off in the time of a burst, by how long single ones took to be taken."""
        return int(min(_BURST_S, 0.6 * (end - time.monotonic())) / max(1e-4, self._taken_s()))

    def _taken_s(self) -> float:
        took = [told.answered_at - told.sent_at for event in self._events if (told := event.published).answered_at is not None]
        return median(took) if took else 0.0

    def _lanes(self) -> int:
        """Return how many requests go side by side, so that a burst is dense where each takes its time; other triggers keep their order."""
        requests = self._trigger is not None and self._trigger.kind == "http"
        return min(_MOST_LANES, max(1, round(self._taken_s() / _LANE_S))) if requests else 1

    async def _all_there(self, first: int, count: int, end: float) -> None:
        """Wait until nothing new came anywhere for a while: where somebody lacks some, for longer than single events took to anywhere."""
        quiet_from, before, patience_s = time.monotonic(), -1, 0.0
        while time.monotonic() < end:
            total, now = self._places.sightings(), time.monotonic()
            if total != before:
                quiet_from, before, patience_s = now, total, 0.0
            elif now - quiet_from > (patience_s or _BURST_QUIET_S):
                if patience_s or self._places.complete(first, count):
                    return
                patience_s = max(_BURST_QUIET_S, _LONGER * (self._slowest_s or 0.0))
            await asyncio.sleep(_POLL_S)

    async def linger(self, end: float) -> None:
        """Watch the last single event while it has not come everywhere: for a second, or for longer than others took."""
        if not self._events:
            return
        last, least_s = self._events[-1], max(_AFTER_S, 2 * (self._slowest_s or 0.0))
        until = min(end, last.published.sent_at + least_s - time.perf_counter() + time.monotonic())
        while time.monotonic() < until:
            if all(place.count for place in self._seen(last) if place.kind != "log"):
                return
            await asyncio.sleep(_POLL_S)

    async def results(self, schema: str) -> list[Observation]:
        """Return everything that was seen."""
        watched_at = time.perf_counter()
        sent = {event.number: event.published.sent_at for event in self._events}
        stamped = {watch.name: self._places.clocks.log_places(watch, sent) for watch in self._places.watches if watch.kind == "log"}
        against, problem = await self._against(schema)
        said = said_meanwhile([watch for watch in self._places.watches if watch.kind == "log"], self._spans())
        found = [self._trace(event, stamped, against, said.get(event.number, ()), watched_at) for event in self._events]
        clocks = [
            observed(replace(self._source, probe="clock", hop=""), facts) for facts in self._places.clocks.facts(self._places.on_wire, sent)
        ]
        return [*found, *([self._burst] if self._burst else []), *clocks, *problem]

    def _spans(self) -> dict[int, tuple[float, float]]:
        """Return when each event was set off and answered; where nothing answers, its time is a second."""
        told = {event.number: event.published for event in self._events}
        ended = {number: one.sent_at + _AFTER_S if one.answered_at is None else one.answered_at for number, one in told.items()}
        return {number: (one.sent_at, ended[number]) for number, one in told.items()}

    async def _against(self, schema: str) -> tuple[dict[tuple[str, int], str], list[Observation]]:
        """Return (place, event) → what the schema refuses in its message, and why that is not known."""
        carried = {(watch.name, number): message_of(text) for watch in self._places.on_wire for number, text in watch.contents.items()}
        distinct = list(dict.fromkeys(carried.values()))
        if not schema or not distinct:
            return {}, []
        source = replace(self._source, hop="", artifact=schema)
        try:
            told = dict(zip(distinct, await check_messages(schema, distinct), strict=True))
        except SchemaError as error:
            return {}, [not_run(source, Reason.UNREADABLE, str(error))]
        late = [text for text in distinct if told[text] is None]
        words = f"{len(late)} of {len(distinct)} messages could not be held against the schema in time"
        return {key: told[text] or "" for key, text in carried.items()}, [not_run(source, Reason.TIMEOUT, words)] if late else []

    def _trace(
        self,
        event: _Event,
        stamped: dict[str, dict[int, tuple[float, float]]],
        against: dict[tuple[str, int], str],
        said: tuple[LogLine, ...],
        watched_at: float,
    ) -> Observation:
        number, told = event.number, event.published
        places = [with_clock(place, stamped.get(place.name, {}).get(number), told.sent_at) for place in self._seen(event)]
        mark = marker(self._run.marker, number)
        facts = TraceFacts(
            marker=mark,
            places=(*self._begin(told), *self._with_content(places, number, against)),
            repeats=len(self._events),
            number=number,
            trigger=self._trigger.kind if self._trigger else "message",
            text=insert_marker(self._text, mark)[:_TEXT_CHARS],
            watched_s=watched_at - told.sent_at,
            page=event.page,
            answer=told.answer[:_TEXT_CHARS],
            receivers=self._receivers(told),
            said=said,
        )
        return observed(self._source, facts, duration_s=watched_at - told.sent_at, failure=told.failure)

    def _begin(self, told: Published) -> Iterator[Place]:
        yield Place(name="trigger", kind="trigger", at_s=0.0, count=1)
        if told.answered_at is not None:
            instance = signals_of(told.headers).get(self._sign, "") if told.headers else ""
            yield Place(name="trigger answered", kind="answer", at_s=told.answered_at - told.sent_at, count=1, instance=instance)

    @cached_property
    def _sign(self) -> str:
        """What tells the processes behind the sockets and the trigger apart."""
        answers = [signals_of(event.published.headers) for event in self._events if event.published.headers]
        return named_by([*(watch.signals for watch in self._places.on_wire), *answers[:1]])

    def _with_content(self, places: Sequence[Place], number: int, against: dict[tuple[str, int], str]) -> Iterator[Place]:
        watches = {watch.name: watch for watch in self._places.on_wire}
        for place in places:
            watch = watches.get(place.name)
            if watch is None:
                signals = self._places.page.signals if self._places.page is not None and place.kind == "frame" else {}
                yield replace(place, instance=signals.get(self._sign, ""))
                continue
            change = self._altered[place.name].get(number)
            refusal = against.get((place.name, number), "")
            kept = replace(place, instance=watch.signals.get(self._sign, ""), against_schema=refusal)
            yield replace(kept, altered=change.words, reshaped=change.reshaped) if change else kept

    @cached_property
    def _altered(self) -> dict[str, dict[int, Alteration]]:
        """What each socket's messages have lost or changed on their way, event by event. A burst has contents too, and is not compared."""
        single = {event.number for event in self._events}
        contents = [{number: text for number, text in watch.contents.items() if number in single} for watch in self._places.on_wire]
        names = [watch.name for watch in self._places.on_wire]
        return dict(zip(names, alterations(contents), strict=True))

    def _receivers(self, told: Published) -> int | None:
        """Return who got a message of a broker beside us."""
        if told.receivers is None or self._trigger is None:
            return told.receivers
        ours = self._places.broker and same_channel(self._trigger.url, self._places.broker)
        return max(0, told.receivers - 1) if ours else told.receivers
