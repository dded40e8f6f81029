"""The sections of report.html in their order. Every text passes markup; nothing here reads a file."""

from collections.abc import Iterable
from datetime import datetime
from textwrap import dedent

from wsbook import markup
from wsbook.causes import causes
from wsbook.chain import Link
from wsbook.describe import describe
from wsbook.finding import PROVEN, Finding, Proof, StepVerdict, Verdict
from wsbook.observation import Observation, Outcome
from wsbook.report.notebooks import code_cells, plot_html, table_html
from wsbook.report.story import Story
from wsbook.steps import PHASES
from wsbook.words import MARKS, cap, duration_text, instant_text, quantity

__all__ = ["body", "remedy_parts"]

_TABLE = "application/vnd.wsbook.table+json"
_ROWS = 400
_PROOFS = 4


def _class(verdict: Verdict) -> str:
    return verdict.value.replace(" ", "-")


def _marked(verdict: Verdict, words: str) -> str:
    mark = markup.element("span", MARKS[verdict], class_="mark", aria_hidden="true")
    return markup.element("span", f"{mark} {markup.text(words)}", class_=_class(verdict))


def _section(title: str, content: str, name: str, extra: str = "") -> str:
    return markup.element("section", markup.element("h2", markup.text(title)) + content, id=name, class_=extra or name)


def _fold(summary: str, content: str, **values: str) -> str:
    inside = markup.element("div", content, class_="inside")
    return markup.element("details", markup.element("summary", summary) + inside, **{"class_": "fold", **values})


def _chain(links: Iterable[Link]) -> str:
    items = []
    for index, link in enumerate(links):
        mark = markup.element("span", MARKS[link.verdict], class_="mark", title=link.verdict.value)
        inner = (
            (mark if index else "")
            + markup.element("b", markup.text(link.name))
            + markup.element("span", markup.text(link.detail), class_="soft")
        )
        state = " broken" if link.broken else ""
        items.append(markup.element("li", inner, class_=f"{_class(link.verdict)}{state}"))
    return markup.element("ol", "".join(items), class_="chain", aria_label="the way from the page to the application")


def _header(story: "Story", sentence: str) -> str:
    worst = Verdict.FAULT if any(root.verdict is Verdict.FAULT for root in story.roots) else Verdict.CLEAR
    made = str(story.environment.get("made_at", ""))
    facts = [made, f"{len(story.observations)} observations"]
    facts += [f"took {duration_text(float(story.run['duration_s']))}"] if isinstance(story.run.get("duration_s"), int | float) else []
    told = markup.element("p", f"told: {markup.text(cap(story.target.symptom, 300))}") if story.target.symptom else ""
    undone = (
        ""
        if story.run.get("complete", True)
        else markup.element("p", _marked(Verdict.UNKNOWN, "not complete: cells of the notebooks failed, see the end"))
    )
    return markup.element(
        "header",
        markup.element("h1", markup.text(story.target.url or "files only"))
        + markup.element("p", markup.text(" · ".join(filter(None, facts))), class_="soft")
        + markup.element("p", _marked(worst, sentence), class_="lead")
        + told
        + undone
        + _chain(story.links),
    )


def remedy_parts(remedy: str) -> list[tuple[str, str]]:
    """Return the remedy in order as ("words" | "snippet", text); lines that are indented or begin with + or - are a snippet."""
    parts: list[tuple[str, list[str]]] = []
    for line in remedy.strip("\n").splitlines():
        kind = "snippet" if line[:1] in ("+", "-", " ", "\t", "@") and line.strip() else "words"
        if not parts or (line.strip() and parts[-1][0] != kind):
            parts.append((kind, []))
        parts[-1][1].append(line)
    return [(kind, dedent("\n".join(lines)).strip("\n")) for kind, lines in parts]


def _diff(snippet: str) -> str:
    """Return a snippet whose added and removed lines are marked.

    What the copy button takes is the whole of a unified diff, which patch understands, and else the new lines alone.
    """
    lines = snippet.splitlines()
    shown = "".join(
        markup.element("span", markup.text(line) + "\n", class_={"+": "add", "-": "del"}.get(line[:1], ""))
        if line[:1] in "+-" and line
        else markup.text(line) + "\n"
        for line in lines
    )
    new = "\n".join(line[1:].removeprefix(" ") if line[:1] == "+" else line for line in lines if line[:1] != "-")
    copied = snippet if snippet.startswith("--- ") else new
    return markup.element("div", markup.element("pre", shown, data_copy=copied), class_="diff")


def _proofs(proofs: tuple[Proof, ...]) -> str:
    """Return the evidence as a list; what comes after the first few folds away."""
    items = [
        markup.element(
            "li", markup.text(proof.text) + (" " + markup.element("span", markup.text(proof.where), class_="soft") if proof.where else "")
        )
        for proof in dict.fromkeys(Proof(text=proof.text, where=proof.where) for proof in proofs)
    ]
    first, rest = items[:_PROOFS], items[_PROOFS:]
    more = _fold(f"{len(rest)} more", markup.element("ul", "".join(rest))) if rest else ""
    return (markup.element("ul", "".join(first)) if first else "") + more


def _fix(remedy: str) -> str:
    return "".join(_diff(text) if kind == "snippet" else markup.element("p", markup.text(text)) for kind, text in remedy_parts(remedy))


def _card(finding: Finding, consequences: list[str]) -> str:
    entry = causes().get(finding.cause)
    proven = finding.verdict is Verdict.FAULT and finding.confidence >= PROVEN
    check = markup.text(finding.check)
    fields = [
        ("symptom", markup.text(finding.summary)),
        ("cause", markup.text(entry.meaning) if entry else ""),
        ("proof", _proofs(finding.proofs)),
        ("fix", _fix(finding.remedy)),
        ("check", check if not check or check.endswith(".") else markup.element("code", check)),
        ("explains", markup.text(", ".join(consequences))),
        ("see", markup.text(finding.reference)),
    ]
    rows = "".join(markup.element("dt", name) + markup.element("dd", value) for name, value in fields if value)
    head = markup.element("h3", _marked(finding.verdict, entry.title if entry else finding.cause))
    state = f"{finding.confidence:.0%} sure" if proven else f"candidate, {finding.confidence:.0%} sure"
    under = markup.element("p", markup.text(f"{finding.cause} · {state} · step {finding.step}"), class_="soft")
    style = "card" if proven else "card candidate"
    return markup.element("article", head + under + markup.element("dl", rows), class_=style, id=f"cause-{finding.cause}")


def _roots(story: "Story") -> str:
    cards = [_card(root, [f.cause for f in story.findings if root.cause in f.explained_by]) for root in story.roots]
    return _section(
        "Root causes" if len(cards) != 1 else "Root cause", "".join(cards) or markup.element("p", "No root cause was found."), "roots"
    )


def _findings(findings: list[Finding]) -> str:
    items = "".join(
        markup.element(
            "li",
            _marked(f.verdict, f"{f.cause}: {f.summary}")
            + (markup.text(f" explained by {', '.join(f.explained_by)}") if f.explained_by else ""),
        )
        for f in findings
    )
    return markup.element("h3", "Findings") + markup.element("ul", items) if items else ""


def _observations(observations: list[Observation], *, with_step: bool) -> str:
    columns = ["time (UTC)", *(["step"] if with_step else []), "where", "took", "seen"]
    rows = [
        [
            instant_text(o.observed_at),
            *([o.source.step] if with_step else []),
            cap(o.source.where, 80),
            duration_text(o.duration_s),
            describe(o, 400),
        ]
        for o in observations[:_ROWS]
    ]
    more = (
        markup.element("p", f"{len(observations) - _ROWS} more in observations.jsonl", class_="soft") if len(observations) > _ROWS else ""
    )
    return markup.element("div", markup.table(columns, rows), class_="scroll") + more


def _evidence(story: "Story", step: str) -> str:
    outputs = story.outputs.get(step, [])
    plots = "".join(plot_html(output.data) for output in outputs if output.view.startswith("plot"))
    tables = "".join(table_html(output.data.get(_TABLE)) for output in outputs if output.view.startswith("table"))
    seen = [observation for observation in story.observations if observation.source.step == step]
    every = (
        _fold(quantity(len(seen), "observation"), _observations(seen, with_step=False))
        if seen
        else markup.element("p", "Nothing was observed.")
    )
    return plots + tables + _findings([finding for finding in story.findings if finding.step == step]) + every


def _step(story: "Story", verdict: StepVerdict) -> str:
    cells = [
        markup.element("span", markup.element("b", markup.text(verdict.step)) + " " + markup.text(verdict.title)),
        _marked(verdict.verdict, verdict.verdict.value),
        markup.element("span", markup.text(cap(verdict.summary, 300))),
    ]
    return _fold("".join(cells), _evidence(story, verdict.step), id=f"step-{verdict.step}", class_="step")


def _steps(story: "Story") -> str:
    parts, phase = [], ""
    for verdict in story.steps:
        name = PHASES.get(verdict.step[:1], "Triage")
        if name != phase:
            parts.append(markup.element("h3", markup.text(f"{verdict.step[:1]} {name}")))
            phase = name
        parts.append(_step(story, verdict))
    return _section("The steps", "".join(parts), "steps")


def _strip(observations: list[Observation]) -> str:
    """Return a picture of when each step looked: time to the right, a row for each step."""
    looked = [o for o in observations if o.outcome is not Outcome.NOT_RUN]
    if not looked:
        return ""
    begin = min(o.observed_at.timestamp() - o.duration_s for o in looked)
    span = max(max(o.observed_at.timestamp() for o in looked) - begin, 0.001)
    rows = list(dict.fromkeys(sorted(o.source.step for o in looked)))
    if span > 3600:  # artifacts carry their own instants; a strip of hours would hide the run
        return ""
    parts = []
    for index, step in enumerate(rows):
        below = 19 + index * 18
        parts.append(f'<text x="0" y="{below - 5}">{markup.text(step)}</text><line x1="34" x2="880" y1="{below}" y2="{below}"/>')
    for o in looked:
        left = 34 + 846 * (o.observed_at.timestamp() - o.duration_s - begin) / span
        colour = "#D55E00" if o.outcome is Outcome.FAILED else "#0072B2"
        width = max(2.0, 846 * o.duration_s / span)
        title = markup.element("title", markup.text(f"{o.source.where}: {describe(o, 120)}"))
        place = markup.attributes(x=f"{left:.1f}", y=str(5 + rows.index(o.source.step) * 18), width=f"{width:.1f}", height="9")
        parts.append(f'<rect{place} fill="{colour}" fill-opacity="0.65">{title}</rect>')
    height = len(rows) * 18 + 22
    parts.append(f'<text x="34" y="{height - 4}">0 s</text><text x="880" y="{height - 4}" text-anchor="end">{duration_text(span)}</text>')
    return f'<svg class="timeline" viewBox="0 0 880 {height}" role="img" aria-label="when each step looked">{"".join(parts)}</svg>'


def _timeline(story: "Story") -> str:
    ordered = sorted(story.observations, key=lambda o: o.observed_at)
    zone = datetime.now().astimezone().strftime("%z")
    note = markup.element("p", f"Times are UTC; local time where the report was made is UTC{zone[:3]}:{zone[3:]}.", class_="soft")
    return _section(
        "Everything in order of time",
        note + _strip(ordered) + _fold(quantity(len(ordered), "observation"), _observations(ordered, with_step=True)),
        "time",
    )


def _not_looked(story: "Story") -> str:
    rows = [
        [
            o.source.step,
            cap(o.source.where, 60),
            o.failure.reason.value if o.failure else "",
            cap(o.failure.message, 300) if o.failure else "",
        ]
        for o in story.observations
        if o.outcome is Outcome.NOT_RUN
    ]
    table = markup.element("div", markup.table(["step", "what", "why", "what would help"], rows), class_="scroll")
    return _section("What was not looked at", table if rows else markup.element("p", "Everything was looked at."), "not-looked")


def _made(story: "Story") -> str:
    made = story.environment
    rows = [[name, str(value)] for name, value in made.items() if isinstance(value, str | int | float) and str(value)]
    packages = made.get("packages")
    rows += [[name, str(version)] for name, version in packages.items()] if isinstance(packages, dict) else []
    spent = story.run.get("spent_s")
    rows += [[f"time of {name}", f"{value} s"] for name, value in spent.items()] if isinstance(spent, dict) else []
    command = str(made.get("command") or "")
    again = markup.element("p", "Repeat it with:") + markup.preformatted(command) if command else ""
    return _section("How it was made", again + markup.element("div", markup.table(["what", "value"], rows), class_="scroll"), "made")


def _notebooks(story: "Story") -> str:
    parts = [_fold(markup.text(f"{name}.ipynb"), code_cells(content)) for name, content in story.notebooks.items()]
    return _section("The executed notebooks", "".join(parts) or markup.element("p", "No notebook was executed."), "notebooks")


def body(story: "Story", sentence: str) -> str:
    """Return everything inside the page's body but the scripts."""
    parts = [_header(story, sentence), _roots(story), _steps(story), _timeline(story), _not_looked(story), _made(story), _notebooks(story)]
    return markup.element("main", "".join(parts))
