"""report.md: what belongs into a ticket, short. Peers' text stands in code spans and fences that it cannot end."""

import re
from collections.abc import Sequence

from wsbook.causes import cause, causes
from wsbook.chain import chain_text
from wsbook.finding import Finding, Proof, Verdict
from wsbook.observation import Outcome
from wsbook.report.remedy import check_parts, remedy_parts
from wsbook.report.story import Story
from wsbook.rules.inquiry import rivals
from wsbook.words import MARKS, cap, plain, quantity

__all__ = ["escaped", "fenced", "ticket"]

_PROOFS = 4
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


def ticket(story: Story, sentence: str) -> str:
    """Return the text of report.md: the first screen holds verdict, path and root causes; the rest folds away where details can."""
    lines = [f"# {escaped(story.target.url or 'files only')}", "", f"**{escaped(sentence)}**", ""]
    lines += [fenced(chain_text(story.links, MARKS)), ""] if story.links else []
    surest, *others = story.roots or (None,)
    lines += _card(surest) if surest is not None else []
    if others:
        lines += _folded(quantity(len(others), "more root cause"), [line for root in others for line in _card(root)])
    lines += _rivals(story.roots)
    lines += _folded(_counts(story), _steps(story))
    lines += _folded("What was not looked at", _not_looked(story))
    command = str(story.environment.get("command") or "")
    lines += ["Repeat:", "", fenced(command, "sh"), ""] if command else []
    lines += [f"{quantity(len(story.observations), 'observation')}; details with plots and timeline: `report.html` in the same folder."]
    return "\n".join(lines) + "\n"


def _rivals(roots: Sequence[Finding]) -> list[str]:
    """Return which candidates cannot be told apart, each with the test that separates it."""
    tests = [f"- {escaped(one.cause)}, {one.confidence:.0%}: {escaped(cause(one.cause).test, 600)}" for one in rivals(roots)]
    return ["These cannot be told apart with the evidence at hand. What separates them:", "", *tests, ""] if tests else []


def _card(root: Finding) -> list[str]:
    entry = causes().get(root.cause)
    title = entry.title if entry else root.cause
    lines = [
        f"## {MARKS[root.verdict]} {escaped(title)}",
        "",
        f"{escaped(root.cause)}, {root.confidence:.0%} sure, step {escaped(root.step)}",
        "",
    ]
    lines += [f"**Symptom.** {escaped(root.summary)}", ""]
    lines += [f"**Cause.** {escaped(entry.meaning, 600)}", ""] if entry else []
    lines += ["**Proof.**", "", *(_proof(proof) for proof in root.proofs[:_PROOFS]), ""] if root.proofs else []
    lines += ["**Fix.**", ""] if root.remedy else []
    for kind, text in remedy_parts(root.remedy):
        lines += [fenced(text, "diff") if kind == "snippet" else escaped(text, 800), ""]
    lines += ["**Check.**", ""] if root.check else []
    for kind, text in check_parts(root.check):
        lines += [fenced(text, "sh") if kind == "command" else escaped(text, 800), ""]
    return lines


def _proof(proof: Proof) -> str:
    return f"- {escaped(proof.text, 240)}" + (f" ({escaped(proof.where, 160)})" if proof.where else "")


def _folded(summary: str, lines: list[str]) -> list[str]:
    """Return lines below a summary that folds them away; the blank lines let Markdown be read inside, where tags are not understood too."""
    return ["<details>", f"<summary>{escaped(summary)}</summary>", "", *lines, "", "</details>", ""] if lines else []


def _counts(story: Story) -> str:
    counts = [(verdict, sum(step.verdict is verdict for step in story.steps)) for verdict in Verdict]
    return f"{quantity(len(story.steps), 'step')}: {', '.join(f'{count} {verdict.value}' for verdict, count in counts if count)}"


def _steps(story: Story) -> list[str]:
    rows = [f"| {s.step} {escaped(s.title)} | {MARKS[s.verdict]} {s.verdict.value} | {escaped(s.summary, 200)} |" for s in story.steps]
    return ["| step | verdict | summary |", "|---|---|---|", *rows] if rows else []


def _not_looked(story: Story) -> list[str]:
    missing = (o for o in story.observations if o.outcome is Outcome.NOT_RUN and o.failure)
    return list(dict.fromkeys(f"- {o.source.step}: {escaped(o.failure.message, 200)}" for o in missing if o.failure))
