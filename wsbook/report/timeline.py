"""The timeline as a section of report.html: strips of lanes over one axis, and a table of every event that the lanes filter.

The strips and the filter need no script: hidden rows are the style sheet's work. A script adds the zoom.
"""

from datetime import UTC, datetime

from wsbook import markup
from wsbook.report.parts import evidence_link, fold, scrolling, section
from wsbook.timeline import Event, Lane, Period, Timeline
from wsbook.words import cap, duration_text, instant_text, quantity

__all__ = ["time_section"]

_LANES = 24
"""As many lanes as report.css can filter."""
_WIDTH = 1000
_KINDS = {
    "probe": "our probes",
    "browser": "the browser",
    "message": "marked messages",
    "log": "a log",
    "recording": "a recording",
}
_COLUMNS = ("time (UTC)", "after", "lane", "took", "what", "where")


def time_section(times: Timeline, known: frozenset[str]) -> str:
    """Return the section. known: ids of observations that the page has."""
    zone = datetime.now().astimezone().strftime("%z")
    lanes = len({lane.name for period in times.periods for lane in period.lanes})
    words = f"{quantity(times.count, 'event')} in {quantity(lanes, 'lane')}" if times.count else "Nothing was looked at."
    note = f"{words}. Times are UTC; local time where the report was made is UTC{zone[:3]}:{zone[3:]}." if times.count else words
    parts = [_period(period, number, known, len(times.periods) > 1) for number, period in enumerate(times.periods)]
    files = ", ".join(times.undated[:12]) + (f" and {len(times.undated) - 12} more" if len(times.undated) > 12 else "")
    undated = f"Read, and without any instant: {files}." if times.undated else ""
    end = markup.element("p", markup.text(undated), class_="soft") if undated else ""
    return section("Everything in order of time", markup.element("p", markup.text(note), class_="soft") + "".join(parts) + end, "time")


def _period(period: Period, number: int, known: frozenset[str], titled: bool) -> str:
    lanes = period.lanes[:_LANES]
    head = markup.element("h3", markup.text(_title(period))) if titled else ""
    names = [_named(lane, period, number, index) for index, lane in enumerate(lanes)]
    legend = markup.element("legend", "Lanes; a lane without its tick is left out of the table.", class_="soft")
    strips = markup.element("fieldset", legend + "".join(names) + _axis(period), class_="lanes")
    clocks = [f"{lane.name}: {lane.clock}." for lane in lanes if lane.clock]
    told = markup.element("ul", "".join(markup.element("li", markup.text(words)) for words in clocks), class_="soft") if clocks else ""
    folded = fold(quantity(len(clocks), "other clock"), told) if clocks else ""
    table = fold(f"{quantity(period.count, 'event')} in order of time", scrolling(_table(period, known), "events in order of time"))
    values = {"data_begin": f"{period.begin_s:.6f}", "data_span": f"{_span(period):.6f}"}
    return markup.element("div", head + strips + folded + table, class_="period", **values)


def _title(period: Period) -> str:
    if not period.dated:
        return "At a time of day without a date"
    begin, end = _instant(period.begin_s), _instant(period.end_s)
    until = f"{end:%H:%M:%S}" if end.date() == begin.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    return f"{begin:%Y-%m-%d %H:%M:%S} to {until}" + ("" if period.ours else ", before or after the investigation")


def _instant(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def _after(at_s: float, period: Period) -> str:
    """Return how long after the begin of the period this is."""
    return f"+{duration_text(at_s - period.begin_s)}" if at_s - period.begin_s >= 1e-6 else "+0 s"


def _span(period: Period) -> float:
    return max(period.end_s - period.begin_s, 0.001)


def _named(lane: Lane, period: Period, number: int, index: int) -> str:
    """Return one lane: its name with the tick that keeps it in the table, and its strip."""
    box = f'<input type="checkbox" checked{markup.attributes(class_=f"lane-{index}", id=f"lane-{number}-{index}")}>'
    words = markup.element("span", markup.text(lane.name), title=_KINDS[lane.kind])
    count = markup.element("span", f"{sum(event.count for event in lane.events):,}", class_="soft")
    label = markup.element("label", f"{box} {words} {count}", for_=f"lane-{number}-{index}")
    return markup.element("div", label + _strip(lane, period), class_=f"lane {lane.kind}")


def _strip(lane: Lane, period: Period) -> str:
    begin_s, scale = period.begin_s, _WIDTH / _span(period)
    bars = []
    for event in lane.events:
        width = max(event.lasted_s * scale, 0.01)  # what has no width is not drawn, nor is its outline
        place = {"x": f"{(event.begin_s - begin_s) * scale:.2f}", "width": f"{width:.2f}"}
        title = markup.element("title", markup.text(f"{_after(event.begin_s, period)} {_what(event)}"))
        bars.append(markup.element("rect", title, **place, **({"class_": "bad"} if event.bad else {})))
    bad = sum(event.bad for event in lane.events)
    first, last = (_after(lane.events[index].begin_s, period) for index in (0, -1))
    words = f"{lane.name}: {quantity(len(lane.events), 'mark')} from {first} to {last}"
    words += f", {bad} of them refused, failed or an error" if bad else ""
    view = markup.attributes(viewBox=f"0 0 {_WIDTH} 12", preserveAspectRatio="none", role="img", aria_label=words)
    return f"<svg{view}>{''.join(bars)}</svg>"


def _what(event: Event) -> str:
    return cap(event.what, 120) + (f" ({duration_text(event.lasted_s)})" if event.lasted_s else "")


def _axis(period: Period) -> str:
    """Return the ends and the middle of the axis; a script that zooms writes them anew."""
    ticks = (_after(period.begin_s + part * _span(period), period) for part in (0.0, 0.5, 1.0))
    inside = "".join(markup.element("span", markup.text(tick)) for tick in ticks)
    return markup.element("div", markup.element("span", inside, class_="ticks"), class_="axis")


def _table(period: Period, known: frozenset[str]) -> str:
    head = "".join(markup.element("th", markup.text(name), scope="col") for name in _COLUMNS)
    numbers = {lane.name: index for index, lane in enumerate(period.lanes)}
    rows = "".join(_row(lane, numbers[lane.name], event, period, known) for lane, event in period.ordered)
    return markup.element("table", f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>", class_="wsbook events")


def _row(lane: Lane, number: int, event: Event, period: Period, known: frozenset[str]) -> str:
    mark = markup.element("span", "✗", class_="mark bad", title="refused, failed or an error") + " " if event.bad else ""
    cells = (
        markup.text(instant_text(event.instant)),
        markup.text(_after(event.begin_s, period)),
        markup.text(lane.name),
        markup.text(duration_text(event.lasted_s)) if event.lasted_s else "",
        mark + markup.text(event.what),
        evidence_link(event.observation, event.where or f"step {event.step}", known),
    )
    return markup.element("tr", "".join(markup.element("td", cell) for cell in cells), class_=f"in-{number}")
