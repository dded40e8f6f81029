"""Everything observed on one axis of time: looks of probes, lines of logs, recordings, the browser, marked messages.

Pure: observations in, periods of lanes of events out. Must not know how it is drawn. What carries no instant (sources, configurations)
is named apart rather than placed at the time of reading.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import PurePath

from msgspec import Struct
from msgspec.structs import replace

from wsbook import facts as f
from wsbook.clocks import Offset, Pair, estimate_offset, read_grain
from wsbook.describe import describe, describe_facts
from wsbook.finding import STEP_TITLES
from wsbook.observation import Observation, Outcome, Source
from wsbook.words import cap, duration_text, quantity, size_text

__all__ = ["Event", "Lane", "Period", "Timeline", "timeline"]

APART_S = 1800.0
"""Silence after which something else begins: another day of a log, the run itself."""
_PERIODS, _LANES, _EVENTS, _FRAMES = 6, 24, 120, 50
_TEXT = 200
_SLACK_S = 0.1
"""A server writes its line a moment after the answer is here."""
_RECORDED = ("har", "http_dump")
_UNDATED_YEAR_S = 366 * 86_400.0
"""Instants of the first year of the epoch are times of day without a date."""
_OPCODES = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened, or several alike (count) told together.

    begin_s: epoch seconds by our own clock, as far as the other clock is known. where: file:line, or a place in words. observation: id of
    the observation that tells it, "" in records without. bad: a look that failed, a refusal, a text that stands for a cause.
    """

    begin_s: float
    what: str
    lasted_s: float = 0.0
    where: str = ""
    step: str = ""
    observation: str = ""
    count: int = 1
    bad: bool = False

    @property
    def end_s(self) -> float:
        """Epoch seconds of its end."""
        return self.begin_s + self.lasted_s

    @property
    def instant(self) -> datetime:
        """Its begin as an instant of time, UTC."""
        return datetime.fromtimestamp(self.begin_s, UTC)


class Lane(Struct, frozen=True, kw_only=True):
    """The events of one place in order. kind: probe, browser, message, log or recording. clock: what is known of its clock, "" ours."""

    name: str
    kind: str
    events: tuple[Event, ...]
    clock: str = ""


class Period(Struct, frozen=True, kw_only=True):
    """What lies together in time. ours: the investigation itself looked then."""

    begin_s: float
    end_s: float
    lanes: tuple[Lane, ...]
    ours: bool

    @property
    def dated(self) -> bool:
        """Whether its day is known."""
        return self.begin_s > _UNDATED_YEAR_S

    @property
    def count(self) -> int:
        """How many events it tells."""
        return sum(event.count for lane in self.lanes for event in lane.events)

    @property
    def ordered(self) -> list[tuple[Lane, Event]]:
        """The events of every lane in order of time."""
        return sorted(((lane, event) for lane in self.lanes for event in lane.events), key=lambda pair: pair[1].begin_s)


class Timeline(Struct, frozen=True, kw_only=True):
    """The periods in order of time, and the files that were read and carry no instants."""

    periods: tuple[Period, ...]
    undated: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many events it tells."""
        return sum(period.count for period in self.periods)


_Key = tuple[str, str]
"""Kind of a lane, and the step, file or place that it is of."""
_KINDS = ("probe", "browser", "message", "log", "recording")


def timeline(observations: Iterable[Observation]) -> Timeline:
    """Return everything that carries an instant, thousands of alike events told together, other days apart."""
    seen = [one for one in observations if one.outcome is not Outcome.NOT_RUN]
    clocks = _clocks(seen)
    placed: dict[_Key, list[Event]] = {}
    dated: set[str] = set()
    for one in seen:
        for key, event in _events(one):
            dated.add(one.source.artifact)
            placed.setdefault(key, []).append(_by_our_clock(event, clocks.get(key[1])))
    placed = {key: _once(events) for key, events in placed.items()}
    undated = dict.fromkeys(one.source.artifact for one in seen if one.source.artifact not in dated)
    spans = _spans([event for events in placed.values() for event in events])
    names = _names(key[1] for key in placed)
    periods = (_period(span, placed, names, clocks) for span in spans)
    return Timeline(periods=tuple(periods), undated=tuple(filter(None, undated)))


def _once(events: list[Event]) -> list[Event]:
    """Return the events, one line of a log that several known texts fit told once."""
    kept: dict[tuple[float, str, str], Event] = {}
    for event in events:
        key = (event.begin_s, event.what, event.where)
        kept[key] = replace(kept[key], bad=kept[key].bad or event.bad) if key in kept else event
    return list(kept.values())


def _events(seen: Observation) -> Iterator[tuple[_Key, Event]]:
    """Yield what one observation places on the axis of time."""
    source, facts = seen.source, seen.facts
    if source.artifact and source.probe not in _RECORDED:
        key = ("log", source.artifact)
        yield from ((key, event) for event in _of_log(seen) if event.begin_s > 0)
    elif source.artifact:
        key = ("recording", source.artifact)
        yield from ((key, event) for event in _of_recording(seen))
    elif isinstance(facts, f.TraceFacts):
        yield from ((("message", "4.1"), event) for event in _of_trace(seen, facts))
    elif source.probe == "browser":
        yield from ((("browser", source.hop or "browser"), event) for event in _of_browser(seen))
    else:
        yield ("probe", source.step), _look(seen)


def _event(seen: Observation, begin_s: float, what: str, lasted_s: float = 0.0, **more: bool | int) -> Event:
    return Event(
        begin_s=begin_s,
        what=cap(what, _TEXT),
        lasted_s=max(0.0, lasted_s),
        where=_where(seen.source),
        step=seen.source.step,
        observation=seen.id,
        **more,  # type: ignore[arg-type]
    )


def _where(source: Source) -> str:
    """Return the place within the lane: a file without its folders, which the lane names where they tell two files apart."""
    if source.artifact:
        name = PurePath(source.artifact).name
        return cap(f"{name}:{source.line}" if source.line else name, 80)
    return "" if source.probe == "browser" else cap(source.where, 160)


def _look(seen: Observation) -> Event:
    refused = isinstance(seen.facts, f.UpgradeFacts) and not seen.facts.accepted
    bad = refused or seen.outcome is Outcome.FAILED
    return _event(seen, seen.observed_at.timestamp(), describe(seen, _TEXT), seen.duration_s, bad=bad)


def _of_log(seen: Observation) -> Iterator[Event]:
    facts = seen.facts
    if isinstance(facts, f.SignatureFacts):
        bad = bool(facts.causes)
        yield from (_event(seen, at, facts.text, bad=bad) for at in facts.times)
    elif isinstance(facts, f.MarkedLineFacts) and facts.time is not None:
        lasted_s = facts.duration_s or 0.0
        yield _event(seen, facts.time - lasted_s, describe_facts(facts), lasted_s, bad=facts.status >= 400)
    elif isinstance(facts, f.AccessFacts) and not facts.marked:
        lasted = facts.durations_s if len(facts.durations_s) == len(facts.times) else (0.0,) * len(facts.times)
        what, bad = f"{facts.method} {facts.path} answered {facts.status}", facts.status >= 400
        yield from (_event(seen, at - took, what, took, bad=bad) for at, took in zip(facts.times, lasted, strict=True))
    elif isinstance(facts, f.ClosingsFacts):
        for at, age in zip(facts.times, facts.ages_s, strict=True):
            yield _event(seen, at, f"a connection closed after {duration_text(age)}" if age is not None else "a connection closed")


def _of_recording(seen: Observation) -> Iterator[Event]:
    facts, begin_s = seen.facts, seen.observed_at.timestamp()
    timed = seen.source.probe == "har" or begin_s < _UNDATED_YEAR_S
    if isinstance(facts, f.UpgradeFacts) and timed:
        yield _look(seen)
    elif isinstance(facts, f.SessionFacts) and timed:
        yield from _of_session(seen, facts, begin_s)
    elif isinstance(facts, f.RecordingFacts):
        for one in facts.companions:
            what = f"{quantity(one.count, 'request')} to {one.url}"
            yield _event(seen, one.first_s, what, one.last_s - one.first_s, count=one.count)
        for got in facts.snapshots:
            if got.at_s is not None:
                yield _event(seen, got.at_s, f"{got.url} answered {got.field} {got.number}")


def _of_browser(seen: Observation) -> Iterator[Event]:
    facts, begin_s = seen.facts, seen.observed_at.timestamp()
    if isinstance(facts, f.SessionFacts):
        yield from _of_session(seen, facts, begin_s)
        return
    yield _look(seen)
    if not isinstance(facts, f.PageFacts):
        return
    for at, (level, text) in zip(facts.console_times, facts.console, strict=False):
        yield _event(seen, at, f"console {level}: {text}", bad=level == "error")
    yield from (_event(seen, at, f"the page was {word}") for word, at in facts.lifecycle)
    yield from (_event(seen, at, "the document changed") for at in facts.change_times)


def _of_session(seen: Observation, facts: f.SessionFacts, begin_s: float) -> Iterator[Event]:
    known_s = facts.age_s if facts.age_s is not None else facts.frames[-1].at_s if facts.frames else seen.duration_s
    bad = bool(facts.error_text) or facts.ended not in ("close", "open", "unknown")
    yield _event(seen, begin_s, f"{facts.url}: {describe_facts(facts)}", known_s, bad=bad)
    if len(facts.frames) <= _FRAMES:
        for frame in facts.frames:
            text = f": {frame.text}" if frame.text else ""
            yield _event(
                seen, begin_s + frame.at_s, f"{frame.direction} {_OPCODES.get(frame.opcode, 'frame')} {size_text(frame.size_bytes)}{text}"
            )
        return
    width_s = max(known_s, facts.frames[-1].at_s) / _FRAMES or 1.0
    groups: dict[tuple[int, str], list[f.Frame]] = {}
    for frame in facts.frames:
        groups.setdefault((int(frame.at_s / width_s), frame.direction), []).append(frame)
    for (_, direction), frames in groups.items():
        what = f"{quantity(len(frames), 'frame')} {direction}, {size_text(sum(frame.size_bytes for frame in frames))}"
        yield _event(seen, begin_s + frames[0].at_s, what, frames[-1].at_s - frames[0].at_s, count=len(frames))


def _of_trace(seen: Observation, facts: f.TraceFacts) -> Iterator[Event]:
    begin_s = seen.observed_at.timestamp()
    for place in facts.places:
        if place.at_s is not None:
            error = f", ± {duration_text(place.error_s)}" if place.error_s else ""
            yield _event(seen, begin_s + place.at_s, f"{facts.marker} at {place.name}{error}")
    lost = [place.name for place in facts.places if place.at_s is None and place.kind != "log"]  # logs need not tell messages
    if lost:
        yield _event(seen, begin_s + (facts.watched_s or 0.0), f"{facts.marker} did not come to {', '.join(lost)}", bad=True)


def _clocks(observations: Sequence[Observation]) -> dict[str, Offset]:
    """Return how far the clock of a log is ahead of ours, by our own attempts in it, else by the marked messages of step 4.1."""
    pairs: dict[str, list[Pair]] = {}
    for seen in observations:
        facts = seen.facts
        if isinstance(facts, f.LoggedAttemptFacts) and facts.line is not None and facts.line.time is not None:
            lasted_s = max(facts.duration_s, facts.line.duration_s or 0.0) + _SLACK_S
            pairs.setdefault(seen.source.artifact, []).append(
                Pair(sent=facts.began, stamp=facts.line.time, received=facts.began + lasted_s)
            )
    found = {artifact: offset for artifact, some in pairs.items() if (offset := estimate_offset(_grained(some), zones=True))}
    logs = {seen.source.artifact for seen in observations if seen.source.artifact}
    for seen in observations:
        facts = seen.facts
        if isinstance(facts, f.ClockFacts):
            at = seen.observed_at.timestamp()
            offset = Offset(offset_s=facts.offset_s, error_s=facts.error_s, pairs=facts.pairs, at=at)
            found = {**{log: offset for log in logs if facts.place in (log, PurePath(log).name)}, **found}
    return found


def _grained(pairs: Sequence[Pair]) -> list[Pair]:
    grain_s = max(read_grain([pair.stamp for pair in pairs]), 1e-6)
    return [replace(pair, grain_s=grain_s) for pair in pairs]


def _is_off(offset: Offset) -> bool:
    """Tell whether a clock is surely another than ours; a zone counts."""
    return bool(offset.zone_s) or abs(offset.offset_s) > offset.error_s


def _by_our_clock(event: Event, offset: Offset | None) -> Event:
    return replace(event, begin_s=offset.ours(event.begin_s)) if offset is not None and _is_off(offset) else event


def _clock_words(key: _Key, offset: Offset | None) -> str:
    if key[0] not in ("log", "recording"):
        return ""
    if offset is None:
        return "its clock was not compared with ours"
    sure = f"± {duration_text(offset.error_s)} by {quantity(offset.pairs, 'comparison')}"
    if not _is_off(offset):
        return f"its clock agrees with ours, {sure}"
    off_s = offset.offset_s + offset.zone_s
    return f"its clock is {duration_text(abs(off_s))} {'ahead of' if off_s > 0 else 'behind'} ours, {sure}; moved by as much"


def _spans(events: Sequence[Event]) -> list[tuple[float, float]]:
    """Return (begin, end) of what lies together; where there are too many, the nearest are joined."""
    spans: list[list[float]] = []
    for event in sorted(events, key=lambda one: one.begin_s):
        if spans and event.begin_s - spans[-1][1] <= APART_S:
            spans[-1][1] = max(spans[-1][1], event.end_s)
        else:
            spans.append([event.begin_s, event.end_s])
    while len(spans) > _PERIODS:
        near = min(range(1, len(spans)), key=lambda index: spans[index][0] - spans[index - 1][1])
        spans[near - 1][1] = max(spans[near - 1][1], spans.pop(near)[1])
    return [(begin, end) for begin, end in spans]


def _period(span: tuple[float, float], placed: dict[_Key, list[Event]], names: dict[str, str], clocks: dict[str, Offset]) -> Period:
    begin_s, end_s = span
    lanes = []
    for key in sorted(placed, key=lambda one: (_KINDS.index(one[0]), one[1])):
        within = sorted((one for one in placed[key] if begin_s <= one.begin_s <= end_s), key=lambda one: one.begin_s)
        if within:
            clock = _clock_words(key, clocks.get(key[1]))
            lanes.append(Lane(name=_lane_name(key, names), kind=key[0], events=tuple(_together(within)), clock=clock))
    ours = any(lane.kind in ("probe", "browser", "message") for lane in lanes)
    return Period(begin_s=begin_s, end_s=end_s, lanes=tuple(lanes[:_LANES]), ours=ours)


def _lane_name(key: _Key, names: dict[str, str]) -> str:
    kind, place = key
    if kind == "probe":
        return f"{place} {STEP_TITLES.get(place, '')}".strip()
    return f"{place} marked messages" if kind == "message" else names[place]


def _names(places: Iterable[str]) -> dict[str, str]:
    """Return place → the shortest end of its path that no other has."""
    paths = {place: PurePath(place).parts or (place,) for place in places}
    found = {}
    for place, parts in paths.items():
        others = [other for one, other in paths.items() if one != place]
        length = next((n for n in range(1, len(parts)) if all(other[-n:] != parts[-n:] for other in others)), len(parts))
        found[place] = cap("/".join(parts[-length:]), 60)
    return found


def _together(events: list[Event]) -> list[Event]:
    """Return at most _EVENTS events: the same words nearby are told once, then whatever is nearby."""
    if len(events) <= _EVENTS:
        return events
    begin_s = events[0].begin_s
    width_s = (events[-1].begin_s - begin_s) / (_EVENTS // 2) or 1.0
    alike: dict[tuple[int, str], list[Event]] = {}
    for event in events:
        alike.setdefault((int((event.begin_s - begin_s) / width_s), event.what), []).append(event)
    joined = sorted((_join(group) for group in alike.values()), key=lambda one: one.begin_s)
    if len(joined) <= _EVENTS:
        return joined
    near: dict[int, list[Event]] = {}
    for event in joined:
        near.setdefault(int((event.begin_s - begin_s) / width_s), []).append(event)
    return [_join(group) for group in near.values()]


def _join(group: list[Event]) -> Event:
    if len(group) == 1:
        return group[0]
    told = next((event for event in group if event.bad), group[0])
    count, end_s = sum(event.count for event in group), max(event.end_s for event in group)
    same = all(event.what == told.what for event in group)
    words = f"{count:,} times: {told.what}" if same else f"{count:,} events, among them: {told.what}"
    first_s = group[0].begin_s
    return replace(told, begin_s=first_s, lasted_s=end_s - first_s, what=cap(words, _TEXT), count=count)
