"""report.md: what belongs into a ticket, short. Peers' text stands in code spans and fences that it cannot end."""

import re

from wsbook.chain import chain_text
from wsbook.finding import Finding, Verdict
from wsbook.observation import Outcome
from wsbook.report.remedy import remedy_parts
from wsbook.report.story import Story
from wsbook.words import MARKS, cap, plain

__all__ = ["escaped", "fenced", "ticket"]

_SPECIAL = re.compile(r"([\\`*_\[\]#|~$])")


def escaped(text: str, limit: int = 400) -> str:
    """Return a text of anybody's on one line, without any meaning in Markdown or HTML."""
    quiet = _SPECIAL.sub(r"\\\1", cap(text, limit)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"(?i)\b(https?)://", r"\1&#58;//", quiet).replace("@", "@\u200b")


def fenced(text: str, language: str = "") -> str:
    """Return a text as a code block with a fence that is longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *(plain(line) for line in text.splitlines()), fence])


def _card(root: Finding) -> list[str]:
    lines = [f"### {MARKS[root.verdict]} {escaped(root.cause)} ({root.confidence:.0%})", "", escaped(root.summary), ""]
    lines += [f"- {escaped(proof.text)}" + (f" — {escaped(proof.where)}" if proof.where else "") for proof in root.proofs[:6]]
    lines += ["", "Fix:"] if root.remedy else []
    for kind, text in remedy_parts(root.remedy):
        lines += ["", fenced(text, "diff") if kind == "snippet" else escaped(text, 800)]
    lines += ["", "Check:", "", fenced(root.check)] if root.check else []
    return [*lines, ""]


def ticket(story: "Story", sentence: str) -> str:
    """Return the text of report.md."""
    lines = [f"# {escaped(story.target.url or 'files only')}", "", f"**{escaped(sentence)}**", ""]
    lines += [fenced(chain_text(story.links, MARKS)), ""] if story.links else []
    if story.roots:
        lines += ["## Root causes", ""] + [line for root in story.roots for line in _card(root)]
    lines += ["## Steps", "", "| step | verdict | summary |", "|---|---|---|"]
    lines += [f"| {s.step} {escaped(s.title)} | {MARKS[s.verdict]} {s.verdict.value} | {escaped(s.summary, 200)} |" for s in story.steps]
    missing = [o for o in story.observations if o.outcome is Outcome.NOT_RUN and o.failure]
    if missing:
        lines += ["", "## Not looked at", ""] + [f"- {o.source.step}: {escaped(o.failure.message, 200)}" for o in missing if o.failure]
    command = str(story.environment.get("command") or "")
    lines += ["", "## Repeat", "", fenced(command, "sh")] if command else []
    unknown = sum(step.verdict is Verdict.UNKNOWN for step in story.steps)
    counts = f"{len(story.observations)} observations, {unknown} of {len(story.steps)} steps undecided."
    lines += ["", f"{counts} Details: report.html in the same folder."]
    return "\n".join(lines) + "\n"
