"""Texts of one artifact that mean more together than each by itself; which they are stands in together.toml."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.evidence import Evidence
from wsbook.facts import SignatureFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof
from wsbook.rules.own_traces import only_ours

__all__ = ["judge_together"]

Row = tuple[Observation, SignatureFacts]


class _Together(Struct, frozen=True, kw_only=True):
    """all: for each part the ids of signatures of which one suffices. ordered: first lines in this order. causes: (slug, probability).
    gap: how far apart the captured numbers n of the first and the last part may lie, with at least one number between; 0 asks nothing.
    """

    all: tuple[tuple[str, ...], ...]
    causes: tuple[tuple[str, float], ...]
    note: str
    ordered: bool = False
    gap: int = 0


@cache
def _known() -> tuple[_Together, ...]:
    table = read_table("rules/together.toml")
    return convert(table["together"], tuple[_Together, ...])


def judge_together(evidence: Evidence) -> Iterator[Finding]:
    """Judge the texts of each artifact together; lines that only our own experiments left do not count."""
    ours = only_ours(evidence)
    artifacts: dict[str, dict[str, Row]] = {}
    for seen, facts in evidence.of(SignatureFacts):
        if not ours(facts.times, facts.marks):
            artifacts.setdefault(seen.source.artifact, {}).setdefault(facts.signature, (seen, facts))
    for found in artifacts.values():
        for entry in _known():
            parts = [_first(found, ids) for ids in entry.all]
            rows = [row for row in parts if row is not None]
            if len(rows) == len(parts) and (not entry.ordered or _in_order(rows)) and (not entry.gap or _apart(rows, entry.gap)):
                yield from _found(entry, rows)


def _first(found: dict[str, Row], ids: tuple[str, ...]) -> Row | None:
    return min((found[name] for name in ids if name in found), key=lambda row: row[0].source.line, default=None)


def _in_order(rows: list[Row]) -> bool:
    lines = [seen.source.line for seen, _ in rows]
    return all(before < after for before, after in pairwise(lines))


def _apart(rows: list[Row], most: int) -> bool:
    low, high = (int(dict(rows[place][1].captures).get("n", "0")) for place in (0, -1))
    return 0 < low < high - 1 and high - low <= most


def _found(entry: _Together, rows: list[Row]) -> Iterator[Finding]:
    quoted = "; ".join(f"“{facts.text[:60]}”" for _, facts in rows)
    for slug, weight in entry.causes:
        yield fault(slug, weight, f"{entry.note}: {quoted}", *(proof(seen, facts.text) for seen, facts in rows))
