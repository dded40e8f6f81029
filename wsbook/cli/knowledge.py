"""How the catalogue of causes and the equipment are printed."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wsbook.causes import Cause, causes
from wsbook.cli.equipment import Tool
from wsbook.finding import Finding
from wsbook.symptoms import symptoms
from wsbook.words import cap

__all__ = ["show_candidates", "show_catalogue", "show_equipment", "show_symptoms"]

_PARTS = {"meaning": "what it means", "evidence": "how it is told", "remedy": "the fix", "test": "the cheapest test"}


def show_catalogue(console: Console, chosen: Sequence[Cause]) -> None:
    """Print one cause in full, or several as a list."""
    if len(chosen) == 1:
        _show_cause(console, chosen[0])
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for entry in chosen:
        table.add_row(entry.slug, entry.step, Text(entry.title))
    console.print(table)
    console.print(f"\n{len(chosen)} causes; wsbook causes SLUG tells what one means", style="#999999")


def _show_cause(console: Console, entry: Cause) -> None:
    console.print(Text.assemble((entry.slug, "bold"), f"  {entry.title}"))
    console.print(Text(f"found by step {entry.step}"), style="#999999")
    for name, title in _PARTS.items():
        console.print(Text.assemble("\n", (title, "bold"), "\n", getattr(entry, name).strip()))
    for number, reference in enumerate(entry.references):
        console.print(Text(("\n" if number == 0 else "") + reference), style="#999999", soft_wrap=True)


def show_symptoms(console: Console) -> None:
    """Print the symptoms of the field, each with the three causes that it stands for most often."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    for one in symptoms().values():
        likely = sorted(one.candidates, key=lambda candidate: -candidate.prior)[:3]
        table.add_row(Text.assemble((one.title, "bold"), "\n", (", ".join(candidate.cause for candidate in likely), "#999999")))
    console.print(table)
    console.print(f"\n{len(symptoms())} symptoms; wsbook symptoms WORDS ranks the causes of yours", style="#999999")


def show_candidates(console: Console, said: str, found: Sequence[Finding]) -> None:
    """Print the causes that words may stand for, each with its cheapest test."""
    if not found:
        console.print(Text(f"nothing is known of “{cap(said, 100)}”; a status, a close code, an age, or who is concerned would help"))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for one in found:
        title = causes()[one.cause].title if one.cause in causes() else ""
        table.add_row(f"{one.confidence:.0%}", Text.assemble((one.cause, "bold"), f"  {title}\n", (one.check, "#999999")))
    console.print(table)
    console.print("\ntold, not measured: wsbook run with --symptom looks, and what it measures outranks this", style="#999999")


def show_equipment(console: Console, tools: Sequence[Tool]) -> None:
    """Print each tool with its place, or with how to get it, and what it enables; one sentence sums it up."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(3):
        table.add_column()
    for tool in tools:
        mark = Text("✓", style="#009E73") if tool.found else Text("–", style="#999999")
        state = Text(tool.found) if tool.found else Text(f"missing; {tool.install}")
        table.add_row(mark, tool.name, Text.assemble(state, "\n", (tool.enables, "#999999")))
    console.print(table)
    missing = [tool.name for tool in tools if not tool.found]
    without = f"not installed: {', '.join(missing)}; the steps run without them and say what they could not look at"
    words = without if missing else "nothing is missing"
    console.print(f"\n{len(tools) - len(missing)} of {len(tools)} are there; {words}", markup=False)
