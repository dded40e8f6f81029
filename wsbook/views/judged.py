"""What is shown of a whole case as it stands: suspects, verdicts, root causes, everything in order of time. Judges nothing itself."""

from collections.abc import Mapping
from typing import Any

from wsbook.case import Case
from wsbook.causes import causes
from wsbook.chain import chain
from wsbook.finding import Finding, Verdict
from wsbook.inquiry import next_choice
from wsbook.rules.inquiry import settled
from wsbook.rules.inquiry import suspects as suspects_of
from wsbook.views import charts, charts_timeline, show, tables

__all__ = [
    "events",
    "findings",
    "looks",
    "next_look",
    "not_looked",
    "path",
    "root_cause_line",
    "root_causes",
    "steps",
    "suspected",
    "timeline",
    "verdicts",
]

Bundle = Mapping[str, Any]


def path(case: Case) -> Bundle:
    """The path of an update with the state of each place."""
    picture = charts.plot_chain(chain(case.target, case.evidence.observations))
    return show.bundle_picture(picture) if picture else show.bundle_line("no path is known: no endpoint was given")


def looks(case: Case) -> Bundle:
    """In which order an investigation looked that stopped at a sure cause."""
    return show.bundle_table(tables.table_looks(case.evidence.observations), "nothing is left to look at")


def suspected(case: Case) -> Bundle:
    """The likeliest suspects, each with its cheapest test."""
    shares = suspects_of(case.evidence, case.judge().findings, case.looked)
    return show.bundle_table(tables.table_suspects(shares), "nothing is suspected")


def next_look(case: Case) -> Bundle:
    """The step that is worth its time most, or the cause that is sure."""
    judged = case.judge()
    sure, choice = settled(case.evidence, judged.findings, case.looked), next_choice(case, judged)
    if sure or choice is None:
        return show.bundle_line(f"{sure.cause} is sure" if sure else "nothing is left to look at")
    return show.bundle_line(f"to look at next: step {choice.step}, about {choice.cost_s:g} s, decides {choice.share:.0%} of it")


def root_causes(case: Case) -> Bundle:
    """Each root cause as a card."""
    return show.bundle_cards([finding for finding in case.judge().findings if finding.root], _title)


def _title(finding: Finding) -> str:
    entry = causes().get(finding.cause)
    return entry.title if entry else ""


def root_cause_line(case: Case) -> Bundle:
    """The root causes on a line."""
    return show.bundle_line(f"root causes  {', '.join(case.judge().root_causes) or 'none'}")


def steps(case: Case) -> Bundle:
    """Verdict and sentence of every step."""
    return show.bundle_table(tables.table_steps(case.judge().steps), "no step was judged")


def verdicts(case: Case) -> Bundle:
    """The verdict of every step in words that only change with it."""
    judged = case.judge()
    return show.bundle_verdicts(judged.steps, judged.findings)


def findings(case: Case) -> Bundle:
    """Every fault with what explains it."""
    faults = [finding for finding in case.judge().findings if finding.verdict is Verdict.FAULT]
    return show.bundle_table(tables.table_findings(faults), "no fault was found")


def timeline(case: Case) -> Bundle:
    """Everything observed on one axis of time."""
    drawn = charts_timeline.plot_timeline(case.evidence.observations)
    return show.bundle_picture(drawn) if drawn else show.bundle_line("nothing was looked at")


def events(case: Case) -> Bundle:
    """Everything observed in order of time, a row each."""
    return show.bundle_table(tables.table_events(case.evidence.observations), "nothing was looked at")


def not_looked(case: Case) -> Bundle:
    """What was not looked at, why, and what to provide."""
    return show.bundle_table(tables.table_not_looked(case.evidence.observations), "everything was looked at")
