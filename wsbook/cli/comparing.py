"""wsbook compare: what changed between two records, in findings, steps and timings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, ValidationError, convert, to_builtins
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wsbook.difference import Difference, difference
from wsbook.errors import UnreadableInputError, UsageError
from wsbook.finding import STEP_TITLES, Finding, StepVerdict, Verdict
from wsbook.observation import Observation
from wsbook.record import Record
from wsbook.shifts import Said, Shift, compare_timings
from wsbook.target import Target
from wsbook.words import MARKS, cap, duration_text, quantity

__all__ = [
    "Comparison",
    "Judged",
    "compare_records",
    "comparison",
    "comparison_document",
    "read_judged",
    "show_comparison",
    "show_difference",
    "show_timings",
]

_GOOD, _BAD, _SOFT = "#009E73", "#D55E00", "#999999"
_SHIFT_STYLES = {Said.SLOWER: _BAD, Said.FASTER: _GOOD}


class Judged(Struct, frozen=True, kw_only=True):
    """What a record holds that can be compared."""

    target: Target
    lab: str
    findings: tuple[Finding, ...]
    steps: tuple[StepVerdict, ...]
    observations: tuple[Observation, ...]

    @property
    def name(self) -> str:
        """What was investigated, in words that do not change from run to run."""
        return f"the lab, {cap(self.lab, 60)}" if self.lab else cap(self.target.url, 100) or "artifacts"


class Comparison(Struct, frozen=True, kw_only=True):
    """Two records compared. targets: the names of both when they differ, () when they are the same."""

    targets: tuple[str, ...]
    difference: Difference
    timings: tuple[Shift, ...]


def read_judged(folder: Path) -> Judged:
    """Return what a record says.

    Raises:
        UsageError: the folder is no record, or holds no judgement. UnreadableInputError: a file of it is broken.
    """
    record = Record(folder)
    target = record.target()
    document = record.read_json("findings.json")
    if document is None:
        raise UsageError(f"{folder} holds no findings.json; finish it first with: wsbook run --out {folder}")
    try:
        findings = convert(document["findings"], tuple[Finding, ...])
        steps = tuple(
            convert({"title": STEP_TITLES.get(step, ""), **said, "step": step}, StepVerdict) for step, said in document["steps"].items()
        )
    except (KeyError, AttributeError, TypeError, ValidationError) as error:
        raise UnreadableInputError(f"{folder / 'findings.json'} is not of the schema wsbook.findings/1: {error}") from error
    return Judged(target=target, lab=record.lab(), findings=findings, steps=steps, observations=tuple(record.observations()))


def _verdict(step: str, said: Any) -> StepVerdict:
    return convert({"title": STEP_TITLES.get(step, ""), **said, "step": step}, StepVerdict)


def comparison(before: Judged, after: Judged) -> Comparison:
    """Return what differs between two records."""
    return Comparison(
        targets=() if before.name == after.name else (before.name, after.name),
        difference=difference((before.findings, before.steps), (after.findings, after.steps)),
        timings=compare_timings(before.observations, after.observations),
    )


def compare_records(before: Path, after: Path) -> Comparison:
    """Return what differs between two record folders.

    Raises:
        UsageError: one of them is no record, or holds no judgement. UnreadableInputError: a file of one is broken.
    """
    return comparison(read_judged(before), read_judged(after))


def comparison_document(compared: Comparison) -> dict[str, Any]:
    """Return a comparison for JSON; of findings their cause, verdict, confidence and sentence."""

    def brief(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
        names = ("cause", "step", "verdict", "confidence", "root", "summary")
        return [to_builtins({name: getattr(finding, name) for name in names}) for finding in findings]

    found = compared.difference
    return {
        "schema": "wsbook.comparison/1",
        "targets": list(compared.targets),
        "steps": {step: list(pair) for step, pair in found.steps.items()},
        "gone": list(found.gone),
        "new": list(found.new),
        "appeared": brief(found.appeared),
        "vanished": brief(found.vanished),
        "changed": to_builtins(found.changed),
        "timings": to_builtins(compared.timings),
    }


def show_comparison(console: Console, compared: Comparison) -> None:
    """Print everything that differs between two records."""
    if compared.targets:
        console.print(Text(f"The records are of different targets: {' and '.join(compared.targets)}."))
    show_difference(console, compared.difference)
    show_timings(console, compared.timings)


def _mark(verdict: str) -> str:
    known = verdict in set(Verdict)
    return f"{MARKS[Verdict(verdict)]} {verdict}" if known else "– not judged"


def show_difference(console: Console, found: Difference) -> None:
    """Print which steps, root causes and faults differ, a line each."""
    if not found.any:
        console.print("\nNothing that was found has changed.")
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column(width=28, no_wrap=True)
    table.add_column(overflow="fold")
    for label, words in _lines(found):
        table.add_row(f"  {label}", words)
    console.print()
    console.print(table)


def _lines(found: Difference) -> Iterator[tuple[str, Text]]:
    for step, (before, after) in found.steps.items():
        yield f"{cap(step, 8)} {STEP_TITLES.get(step, '')}", Text(f"{_mark(before)} → {_mark(after)}", style=_style_of(after))
    for name, style, causes in (("gone", _GOOD, found.gone), ("new", _BAD, found.new)):
        yield from ((f"root cause {name}", Text(cap(cause, 80), style=style)) for cause in causes)
    for name, findings, roots in (("vanished", found.vanished, found.gone), ("appeared", found.appeared, found.new)):
        for finding in findings:  # of a root cause that was named already only the sentence is new
            title = "" if finding.cause in roots else f"{cap(finding.cause, 60)}  "
            yield name, Text.assemble(title, (cap(finding.summary, 240), _SOFT))
    for change in found.changed:
        pair = f"{cap(change.before, 200)} → {cap(change.after, 200)}"
        yield f"{change.what} changed", Text.assemble(f"{cap(change.cause, 60)}  ", (pair, _SOFT))


def _style_of(verdict: str) -> str:
    return {"clear": _GOOD, "fault": _BAD}.get(verdict, _SOFT)


def show_timings(console: Console, shifts: tuple[Shift, ...]) -> None:
    """Print the timings that shifted, and how many did not, could not be told, or stand in one record only."""
    moved = [shift for shift in shifts if shift.said in _SHIFT_STYLES]
    counts = {said: sum(shift.said is said for shift in shifts) for said in Said}
    rest = [f"{quantity(counts[said], 'timing')} {said.value}" for said in Said if counts[said] and said not in _SHIFT_STYLES]
    if not shifts:
        return
    console.print()
    if moved:
        console.print(_timings_table(moved))
    console.print(Text(f"  {'' if moved else 'No timing shifted: '}{'; '.join(rest)}", style=_SOFT))


def _timings_table(shifts: list[Shift]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1), collapse_padding=True)
    for justify in ("left", "left", "right", "right", "left", "left"):
        table.add_column(justify=justify, no_wrap=True)
    scale = max(max(shift.before_s or 0.0, shift.after_s or 0.0) for shift in shifts) or 1.0
    for shift in shifts:
        table.add_row(
            f"  {shift.step} {shift.what} at {shift.place}",
            Text(_whisker(shift, scale)),
            duration_text(shift.before_s),
            f"→ {duration_text(shift.after_s)}",
            Text(f"noise ±{duration_text(shift.noise_s)}", style=_SOFT),
            Text(shift.said.value, style=_SHIFT_STYLES[shift.said]),
        )
    return table


_WIDTH = 28


def _whisker(shift: Shift, scale: float) -> str:
    """Return both medians on one line, ○ before and ● after, the noise around the first as a bar."""
    before, after, noise = (value or 0.0 for value in (shift.before_s, shift.after_s, shift.noise_s))

    def place(value_s: float) -> int:
        return min(_WIDTH - 1, max(0, round(value_s / scale * (_WIDTH - 1))))

    line = [" "] * _WIDTH
    for index in range(place(before - noise), place(before + noise) + 1):
        line[index] = "─"
    line[place(before)] = "○"
    line[place(after)] = "●"
    return "".join(line)
