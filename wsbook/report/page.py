"""The sections of report.html in their order. Every text passes markup; nothing here reads a file."""

from collections.abc import Iterable

from wsbook import markup
from wsbook.chain import Link
from wsbook.finding import Verdict
from wsbook.observation import Outcome
from wsbook.report.cards import root_causes
from wsbook.report.notebooks import code_cells, count_plots
from wsbook.report.parts import fold, marked, scrolling, section, shown_observations, verdict_class
from wsbook.report.steps import step_table
from wsbook.report.story import Story
from wsbook.report.timeline import time_section
from wsbook.timeline import timeline
from wsbook.words import MARKS, cap, duration_text

__all__ = ["body"]

_CONTENTS = (
    ("roots", "Root causes"),
    ("steps", "Steps"),
    ("time", "In order of time"),
    ("not-looked", "Not looked at"),
    ("made", "How it was made"),
    ("notebooks", "Notebooks"),
)


def body(story: Story, sentence: str) -> str:
    """Return everything inside the page's body but the scripts."""
    steps = {seen.source.step for seen in story.observations}
    known = frozenset(seen.id for step in steps for seen in shown_observations(story.observations, step) if seen.id)
    parts = [
        root_causes(story.findings, known),
        step_table(story),
        time_section(timeline(story.observations), known),
        _not_looked(story),
        _made(story),
        _notebooks(story),
    ]
    return _header(story, sentence) + markup.element("main", "".join(parts))


def _header(story: Story, sentence: str) -> str:
    worst = Verdict.FAULT if any(root.verdict is Verdict.FAULT for root in story.roots) else Verdict.CLEAR
    made = str(story.environment.get("made_at", ""))
    facts = [made, f"{len(story.observations)} observations"]
    facts += [f"took {duration_text(float(story.run['duration_s']))}"] if isinstance(story.run.get("duration_s"), int | float) else []
    told = markup.element("p", f"told: {markup.text(cap(story.target.symptom, 300))}") if story.target.symptom else ""
    undone = (
        ""
        if story.run.get("complete", True)
        else markup.element("p", marked(Verdict.UNKNOWN, "not complete: cells of the notebooks failed, see the end"))
    )
    links = "".join(markup.element("li", markup.element("a", title, href=f"#{name}")) for name, title in _CONTENTS)
    return markup.element(
        "header",
        markup.element("h1", markup.text(story.target.url or "files only"))
        + markup.element("p", markup.text(" · ".join(filter(None, facts))), class_="soft")
        + markup.element("p", marked(worst, sentence), class_="lead")
        + told
        + undone
        + _chain(story.links)
        + markup.element("nav", markup.element("ul", links), aria_label="parts of the report"),
    )


def _chain(links: Iterable[Link]) -> str:
    items = []
    for index, link in enumerate(links):
        mark = markup.element("span", MARKS[link.verdict], class_="mark", title=link.verdict.value, aria_hidden="true")
        inner = (
            (mark if index else "")
            + markup.element("b", markup.text(link.name))
            + markup.element("span", markup.text(f"{link.verdict.value}: "), class_="unseen")
            + markup.element("span", markup.text(link.detail), class_="soft")
        )
        state = " broken" if link.broken else ""
        items.append(markup.element("li", inner, class_=f"{verdict_class(link.verdict)}{state}"))
    if not items:
        return ""
    return markup.element("ol", "".join(items), class_="chain", aria_label="the way from the page to the application")


def _not_looked(story: Story) -> str:
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
    rows = [list(row) for row in dict.fromkeys(map(tuple, rows))]
    table = scrolling(markup.table(["step", "what", "why", "what would help"], rows), "what was not looked at")
    return section("What was not looked at", table if rows else markup.element("p", "Everything was looked at."), "not-looked")


def _made(story: Story) -> str:
    made = story.environment
    rows = [[name, str(value)] for name, value in made.items() if isinstance(value, str | int | float) and str(value)]
    packages = made.get("packages")
    rows += [[name, str(version)] for name, version in packages.items()] if isinstance(packages, dict) else []
    spent = story.run.get("spent_s")
    rows += [[f"time of {name}", f"{value} s"] for name, value in spent.items()] if isinstance(spent, dict) else []
    command = str(made.get("command") or "")
    again = markup.element("p", "Repeat it with:") + markup.preformatted(command) if command else ""
    return section("How it was made", again + scrolling(markup.table(["what", "value"], rows), "versions and times"), "made")


def _notebooks(story: Story) -> str:
    parts = [fold(markup.text(f"{name}.ipynb"), code_cells(content)) for name, content in story.notebooks.items()]
    note = markup.element("p", markup.text(_pictures(story)), class_="soft") if parts else markup.element("p", "No notebook was executed.")
    return section("The executed notebooks", note + "".join(parts), "notebooks")


def _pictures(story: Story) -> str:
    """Say whether the notebooks' plots are seen where no script runs."""
    plots, still = count_plots(story.notebooks.values())
    if still == plots:
        return f"All {plots} plots have a still picture, for viewers that run no script." if plots else "They hold no plot."
    why = "; kaleido or a browser for it was missing" if not still else ""
    return f"{still} of {plots} plots have a still picture{why}. Where no script runs, the others are one sentence each."
