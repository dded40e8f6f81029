"""The steps as a table that folds open to their evidence: plots, tables, findings, every observation."""

from wsbook import markup
from wsbook.finding import StepVerdict
from wsbook.report.cards import finding_list
from wsbook.report.notebooks import plot_html, table_html
from wsbook.report.parts import fold, marked, observation_table, section, shown_observations
from wsbook.report.story import Story
from wsbook.steps import PHASES
from wsbook.words import cap, quantity

__all__ = ["step_table"]

_TABLE = "application/vnd.wsbook.table+json"


def step_table(story: Story) -> str:
    """Return the section of the steps in their phases."""
    parts, phase = [], ""
    for verdict in story.steps:
        name = PHASES.get(verdict.step[:1], "Triage")
        if name != phase:
            parts.append(markup.element("h3", markup.text(f"{verdict.step[:1]} {name}")))
            phase = name
        parts.append(_step(story, verdict))
    return section("The steps", "".join(parts) or markup.element("p", "No step was judged."), "steps")


def _step(story: Story, verdict: StepVerdict) -> str:
    cells = [
        markup.element("span", markup.element("b", markup.text(verdict.step)) + " " + markup.text(verdict.title)),
        marked(verdict.verdict, verdict.verdict.value),
        markup.element("span", markup.text(cap(verdict.summary, 300))),
    ]
    return fold("".join(cells), _evidence(story, verdict.step), id=f"step-{verdict.step}", class_="step")


def _evidence(story: Story, step: str) -> str:
    outputs = story.outputs.get(step, [])
    plots = "".join(plot_html(output.data) for output in outputs if output.view.startswith("plot"))
    tables = "".join(table_html(output.data.get(_TABLE), output.view) for output in outputs if output.view.startswith("table"))
    findings = [finding for finding in story.findings if finding.step == step]
    found = markup.element("h4", "Findings") + finding_list(findings) if findings else ""
    shown = shown_observations(story.observations, step)
    total = sum(seen.source.step == step for seen in story.observations)
    every = fold(quantity(total, "observation"), observation_table(shown, total)) if shown else markup.element("p", "Nothing was observed.")
    return plots + tables + found + every
