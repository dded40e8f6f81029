"""What the terminal shows: chain, twelve steps, root causes. Plain text when the output is no terminal. Judges nothing."""

import os
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from wsbook.causes import cause
from wsbook.chain import chain, chain_text
from wsbook.finding import Finding, StepVerdict, Verdict
from wsbook.observation import Observation
from wsbook.rules.inquiry import rivals
from wsbook.steps import PHASES
from wsbook.target import Target
from wsbook.words import MARKS, cap, duration_text, plain

__all__ = ["show_causes", "show_head", "show_outcome", "show_steps"]

_STYLES = {
    Verdict.CLEAR: "#009E73",
    Verdict.FAULT: "bold #D55E00",
    Verdict.UNKNOWN: "#999999",
    Verdict.SKIPPED: "#999999",
    Verdict.NOT_APPLICABLE: "#999999",
}


_GUESS = 0.3
"""Below this a candidate is a guess, and not worth a card."""


def show_head(console: Console, target: Target, observations: Iterable[Observation], budget: str, seconds: float) -> None:
    """Print target, budget, duration, and the chain from page to application."""
    name = target.url or "artifacts"
    console.print()
    console.print(Text.assemble(("wsbook", "bold"), f"  {cap(name, 100)}", (f"   {budget} · {duration_text(seconds)}", "#999999")))
    links = chain(target, observations)
    if len(links) > 1:
        console.print(Text(f"\n  {chain_text(links, MARKS)}"))


def show_steps(console: Console, steps: Iterable[StepVerdict]) -> None:
    """Print the twelve steps under their phases."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column(width=28, no_wrap=True)
    table.add_column(width=17, no_wrap=True)
    table.add_column(overflow="fold")
    phase = ""
    for step in steps:
        if step.step[0] != phase:
            phase = step.step[0]
            table.add_row(Text(f"{phase} {PHASES[phase]}", style="bold", overflow="ignore"), "", "")
        verdict = Text(f"{MARKS[step.verdict]} {step.verdict.value}", style=_STYLES[step.verdict])
        table.add_row(f"  {step.step} {escape(step.title)}", verdict, Text(cap(step.summary, 160)))
    console.print()
    console.print(table)


_COMMAND = 4_000
"""The longest command that is printed whole."""


def show_causes(console: Console, findings: Iterable[Finding], limit: int = 3) -> None:
    """Print the root causes as cards: summary, proof, fix, check."""
    roots = [finding for finding in findings if finding.root]
    if all(finding.verdict is Verdict.UNKNOWN and finding.confidence < _GUESS for finding in roots):
        console.print("\nNo fault was found.")
        if roots:
            console.print(Text(f"Merely possible, by words alone: {_named(roots[:limit])}"))
            _show_rivals(console, roots)
        return
    for index, finding in enumerate(roots[:limit]):
        word = "Root cause" if finding.verdict is Verdict.FAULT else "Candidate"
        console.print(Text.assemble("\n", (f"{word}   {finding.cause}", "bold"), f"   {finding.confidence:.0%}"))
        console.print(Text(f"  {cap(finding.summary, 240)}"))
        for number, proof in enumerate(finding.proofs[: 3 if index == 0 else 1]):
            where = f"{proof.where}: " if proof.where else ""
            console.print(Text(f"  {'proof   ' if number == 0 else '        '}{cap(_from_here(where + proof.text), 200)}"))
        _block(console, "fix", finding.remedy)
        _block(console, "check", finding.check, _COMMAND)
    if len(roots) > limit:
        console.print(Text(f"\nAlso possible: {_named(roots[limit : limit + 6])}"))
    _show_rivals(console, roots)


def _show_rivals(console: Console, roots: Iterable[Finding], limit: int = 4) -> None:
    """Print which candidates cannot be told apart with what is at hand, each with the test that separates it."""
    close = rivals(roots)[:limit]
    if close:
        console.print(Text("\nThese cannot be told apart with the evidence at hand. What separates them:"))
    for finding in close:
        console.print(Text(f"  {finding.cause} {finding.confidence:.0%}: {cap(cause(finding.cause).test, 300)}"))


def _from_here(text: str) -> str:
    """Return a text with paths below the current folder relative to it, so that a change can be applied as it is printed."""
    here = Path.cwd()
    return text if here == here.parent else text.replace(f"{here}{os.sep}", "")


def _named(findings: Iterable[Finding]) -> str:
    return ", ".join(f"{finding.cause} {finding.confidence:.0%}" for finding in findings)


def _block(console: Console, title: str, text: str, limit: int = 400) -> None:
    """Print at most thirty lines; commands and lines of a change are not broken where the window ends, so that they can be copied."""
    changing = False
    for number, line in enumerate(text.strip().splitlines()[:30]):
        changing = changing or line.startswith("--- ")
        shown = _from_here(plain(line.expandtabs(4)).rstrip())  # a change of a file is nothing without its indentation
        cut = shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
        console.print(Text(f"  {title if number == 0 else '':<8}{cut}"), soft_wrap=changing or limit == _COMMAND)


def show_outcome(console: Console, place: str, onward: str = "") -> None:
    """Print where the record is, and what a person may do next."""
    console.print(Text.assemble(("\nrecord", "bold"), f"  {place}"), soft_wrap=True)
    if onward:
        console.print(Text.assemble(("next", "bold"), f"    {onward}"), soft_wrap=True)
