"""One page for the results of many targets: what is wrong with how many of them, and a link to each one's report. Reads nothing."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from importlib.resources import files

from msgspec import Struct

from wsbook import markup
from wsbook.causes import causes
from wsbook.finding import Verdict
from wsbook.report.plotlyjs import script_hash
from wsbook.words import MARKS, cap, duration_text, quantity

__all__ = ["FleetRow", "State", "counts_by_cause", "fleet_page", "fleet_sentence"]

_URL, _SUMMARY, _CAUSES, _BARS = 120, 240, 6, 15


class State(StrEnum):
    """How an investigation ended."""

    DONE = "done"
    LATE = "timed out"
    CRASHED = "crashed"
    BROKEN = "not completed"
    UNUSABLE = "not usable"


class FleetRow(Struct, frozen=True, kw_only=True):
    """One target of a fleet and what became of it.

    line: of the file that names it. key: names the target. causes: (slug, confidence) of root causes that are faults, surest first.
    steps: number → verdict. record: folder of its record, from the page's own; "" when there is none. problem: why it could not be
    completed. same_as: line with the same target, 0 when it is the first one.
    """

    line: int
    key: str
    url: str
    state: State
    verdict: Verdict
    causes: tuple[tuple[str, float], ...] = ()
    summary: str = ""
    problem: str = ""
    steps: dict[str, str] = {}
    seconds: float = 0.0
    record: str = ""
    same_as: int = 0


def counts_by_cause(rows: Sequence[FleetRow]) -> list[tuple[str, int]]:
    """Return how many targets have each root cause at first place, most first; rows that repeat a target do not count."""
    counts = Counter(row.causes[0][0] for row in rows if row.causes and not row.same_as)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def fleet_sentence(rows: Sequence[FleetRow]) -> str:
    """Return what was found in all, in one sentence."""
    own = [row for row in rows if not row.same_as]
    faulty = sum(row.verdict is Verdict.FAULT for row in own)
    clear = sum(row.verdict is Verdict.CLEAR for row in own)
    undone = sum(row.state is not State.DONE for row in own)
    parts = [f"{faulty:,} of {quantity(len(own), 'target')} {'has' if 1 in (faulty, len(own)) else 'have'} a fault"]
    parts += [f"{clear:,} {'is' if clear == 1 else 'are'} clear"]
    parts += [f"{len(own) - faulty - clear:,} could not be decided"] if faulty + clear < len(own) else []
    parts += [f"{undone:,} not completed"] if undone else []
    return ", ".join(parts)


def fleet_page(rows: Sequence[FleetRow], *, source: str = "", command: str = "", steps: Sequence[str] = (), total: int = 0) -> str:
    """Return the page: one file that asks nobody. total: targets of a fleet that still runs, 0 when rows are all of them."""
    style = "".join(files("wsbook.report").joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "fleet.css"))
    script = files("wsbook.report").joinpath("fleet.js").read_text(encoding="utf-8")
    policy = f"default-src 'none'; script-src {script_hash(script)}; style-src {script_hash(style)}; base-uri 'none'; form-action 'none'"
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<meta name="referrer" content="no-referrer"><title>{markup.text(f"wsbook fleet: {source}")}</title><style>{style}</style>'
    )
    body = markup.element("main", _header(rows, source, steps, total) + _by_cause(rows) + _targets(rows) + _made(command))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}<script>{script}</script></body></html>\n'


def _header(rows: Sequence[FleetRow], source: str, steps: Sequence[str], total: int) -> str:
    worst = Verdict.FAULT if any(row.verdict is Verdict.FAULT for row in rows) else Verdict.CLEAR
    worst = worst if rows else Verdict.UNKNOWN
    facts = [f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", f"steps {', '.join(steps)}" if steps else "all steps"]
    facts += [f"still running, {len(rows):,} of {total:,} rows are here"] if total > len(rows) else []
    return markup.element(
        "header",
        markup.element("h1", markup.text(f"Fleet {cap(source, 100)}"))
        + markup.element("p", markup.text(" · ".join(facts)), class_="soft")
        + markup.element("p", _marked(worst, fleet_sentence(rows)), class_="lead"),
    )


def _marked(verdict: Verdict, words: str) -> str:
    mark = markup.element("span", MARKS[verdict], class_="mark", aria_hidden="true")
    return markup.element("span", f"{mark} {markup.text(words)}", class_=verdict.value.replace(" ", "-"))


def _by_cause(rows: Sequence[FleetRow]) -> str:
    """Return the root causes with how many targets have them; a press shows these alone."""
    counts = counts_by_cause(rows)
    if not counts:
        return ""
    known, most = causes(), counts[0][1]
    items = []
    for slug, count in counts:
        title = known[slug].title if slug in known else ""
        bar = markup.element("meter", "", min="0", max=str(most), value=str(count), aria_hidden="true")
        words = markup.element("b", markup.text(slug)) + markup.element("span", markup.text(title), class_="soft")
        inside = markup.element("span", f"{count:,}", class_="count") + bar + markup.element("span", words, class_="words")
        items.append(markup.element("li", markup.element("button", inside, type="button", data_cause=slug, aria_pressed="false")))
    title = "Root causes" if len(counts) != 1 else "Root cause"
    note = markup.element("p", "Targets by their surest root cause.", class_="soft")
    bars = [markup.element("ol", "".join(part), class_="bars") for part in (items[:_BARS], items[_BARS:]) if part]
    more = markup.element("details", markup.element("summary", f"{len(items) - _BARS} more") + bars[1]) if bars[1:] else ""
    return markup.element("section", markup.element("h2", title) + note + bars[0] + more, id="causes")


_COLUMNS = (("verdict", "v"), ("target", "t"), ("root cause", "c"), ("what was found", "f"), ("took", "s"), ("line", "l"))
_ORDER = {Verdict.FAULT: 0, Verdict.UNKNOWN: 1, Verdict.CLEAR: 2}


def _targets(rows: Sequence[FleetRow]) -> str:
    heads = "".join(
        markup.element("th", markup.element("button", name, type="button"), scope="col", class_=kind, role="columnheader")
        for name, kind in _COLUMNS
    )
    ordered = sorted(rows, key=_worst_first)
    head = markup.element("thead", markup.element("tr", heads, role="row"), role="rowgroup")
    body = markup.element("tbody", "".join(map(_row, ordered)), role="rowgroup")  # roles, because rows that are grids are no table's
    table = markup.element("table", head + body, id="rows", role="table")
    find = '<label>Find <input type="search" id="find" autocomplete="off"></label>'
    chosen = '<output id="shown" aria-live="polite"></output> <button type="button" id="all" hidden>show all</button>'
    return markup.element(
        "section",
        markup.element("h2", "Targets") + markup.element("div", find + chosen, class_="filters", hidden="") + table,
        id="targets",
    )


def _worst_first(row: FleetRow) -> tuple[bool, int, float, int]:
    return bool(row.same_as), _ORDER.get(row.verdict, 1), -(row.causes[0][1] if row.causes else 0.0), row.line


def _row(row: FleetRow) -> str:
    verdict, words = (row.verdict, row.verdict.value) if row.state is State.DONE else (Verdict.UNKNOWN, row.state.value)
    if row.state is not State.DONE and row.verdict is Verdict.FAULT:
        verdict, words = Verdict.FAULT, f"fault, {row.state.value}"
    name = markup.text(cap(row.url or row.key, _URL))
    target = markup.element("a", name, href=f"{row.record}/report.html") if row.record else name
    same = f"the same as line {row.same_as}" if row.same_as else ""
    found = ". ".join(filter(None, (same, row.problem, row.summary)))
    cells = (
        ("v", f"{_ORDER.get(row.verdict, 1)}{row.state.value}", _marked(verdict, words)),
        ("t", "", target),
        ("c", "", "<br>".join(f"{markup.text(slug)} <small>{sure:.0%}</small>" for slug, sure in row.causes[:_CAUSES])),
        ("f", "", markup.text(cap(found, _SUMMARY))),
        ("s", f"{row.seconds:.2f}", markup.text(duration_text(row.seconds))),
        ("l", str(row.line), str(row.line)),
    )
    inside = "".join(
        markup.element("td", content, class_=kind, role="cell", **({"data_k": key} if key else {})) for kind, key, content in cells
    )
    return markup.element("tr", inside, role="row", **({"data_cause": row.causes[0][0]} if row.causes and not row.same_as else {}))


def _made(command: str) -> str:
    again = markup.element("p", "Repeat it with:") + markup.preformatted(command) if command else ""
    words = markup.element("a", "results.csv", href="results.csv") + " and results.jsonl hold the same; records/ has one folder a target."
    return markup.element("section", markup.element("h2", "How it was made") + markup.element("p", words) + again, id="made")
