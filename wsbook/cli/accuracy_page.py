"""The README's tables of accuracy, made from data/accuracy.json: how often the cause is named, by area, and what was missed."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import convert

from wsbook.accuracy import Reliability, certain
from wsbook.causes import AREAS
from wsbook.datafile import shipped_folder

__all__ = ["accuracy_page"]

_COLUMNS = "| | tried | cause first | in the first three | missed | median until the diagnosis |"
_MISSED = 12


def accuracy_page() -> str:
    """Return the section in Markdown.

    Raises:
        OSError: data/accuracy.json is not there; `wsbook bench --write data/accuracy.json` makes it.
    """
    document = json.loads((shipped_folder("data") / "accuracy.json").read_text(encoding="utf-8"))
    made = document["made"]
    parts = [_summary(document)]
    if "fault" in document:
        areas = document["fault"]["areas"]
        rows = [_row(AREAS[area], areas[area]) for area in AREAS if area in areas]
        parts.append("\n".join([_COLUMNS, "|---|--:|--:|--:|--:|--:|", *rows, _row("**all**", document["fault"]["all"])]))
    parts += list(_misses(document))
    parts.append(f"Measured {made['made_at'][:10]} with Python {made['python']} on {made['system']}, {made['cores']} cores, quick budget.")
    return "\n\n".join(parts)


def _summary(document: Mapping[str, Any]) -> str:
    lines = []
    if healthy := document.get("healthy"):
        alarms = f"{healthy['false_alarms'] or 'no'} false alarm{'s' if healthy['false_alarms'] != 1 else ''}"
        lines.append(f"- **{healthy['stacks']} healthy stacks**, {healthy['trials']} investigations: {alarms}.")
    if together := document.get("together"):
        lines.append(
            f"- **{together['trials']} combinations** of two and three faults: all named in {together['all_named']}, nothing else named in "
            f"{together['nothing_invented']}."
        )
    if short := document.get("until-sure"):
        score = short["all"]
        lines.append(
            f"- **`--until-sure`**, {score['trials']} faults: first in {score['first']}, after {score['median_s']:g} s in the median."
        )
    for kind, words in (("artifact", "alone"), ("told", "with what was told of them")):
        if kind in document:
            score, healthy = document[kind]["all"], document[kind].get("healthy")
            alarms = f"; {healthy['false_alarms'] or 'no'} false alarms in {healthy['trials']} healthy ones" if healthy else ""
            counts = f"first in {score['first']}, among three in {score['among_three']}"
            lines.append(f"- **{score['trials']} artifact samples**, {words}: {counts}{alarms}.")
    if "artifact" in document:
        lines.append("  The rules were written from these samples: that nothing was lost is all that they show.")
    true, said = certain(convert(document["reliability"], list[Reliability]))
    if said:
        lines.append(f"- **Confidence above 90 %**: {true} of {said} such findings were true.")
    return "\n".join(lines)


def _row(name: str, score: Mapping[str, Any]) -> str:
    missed = score["trials"] - score["among_three"]
    return f"| {name} | {score['trials']} | {score['first']} | {score['among_three']} | {missed} | {score['median_s']:.1f} s |"


def _misses(document: Mapping[str, Any]) -> Iterable[str]:
    """Yield what did not come first, each with what was named instead."""
    kinds = (
        ("fault", "Not first"),
        ("healthy", "False alarms"),
        ("together", "Not complete"),
        ("until-sure", "With `--until-sure` not first"),
    )
    for kind, words in kinds:
        missed = document.get(kind, {}).get("missed", {})
        told = [f"`{name}` (named {', '.join(named) or 'nothing'})" for name, named in list(missed.items())[:_MISSED]]
        if told:
            yield f"{words}: {'; '.join(told)}{' …' if len(missed) > _MISSED else ''}."
