"""What was given, what was judged, and everything observed in order of time."""

from collections.abc import Iterable, Mapping

import pandas as pd

from wsbook.causes import cause
from wsbook.describe import describe
from wsbook.facts import InquiryFacts
from wsbook.finding import Finding, StepVerdict, Verdict
from wsbook.observation import Observation, Outcome
from wsbook.steps import PHASES
from wsbook.target import Target
from wsbook.timeline import timeline
from wsbook.views.tables.frames import frame
from wsbook.words import MARKS, cap, duration_text, instant_text

__all__ = [
    "table_events",
    "table_findings",
    "table_inputs",
    "table_looks",
    "table_not_looked",
    "table_seen",
    "table_steps",
    "table_suspects",
]


def table_inputs(target: Target, budget: str) -> pd.DataFrame:
    """Return what was given: input, value. Inputs that were not given are one row."""
    given = [("endpoint", target.url or "none: files only")]
    given += [("page", target.page_url), ("origin", target.expected_origin), ("subprotocols", ", ".join(target.subprotocols))]
    given += [("headers", ", ".join(name for name, _ in target.headers))]
    given += [(f"hop {hop.name}", hop.url) for hop in target.hops]
    given += [("forward proxy", target.forward_proxy), ("CA file", target.ca_file), ("frontend", ", ".join(target.frontend))]
    given += [("backend", ", ".join(target.backend)), ("configurations", ", ".join(target.configs)), ("logs", ", ".join(target.logs))]
    given += [("recording (HAR)", target.har), ("console", target.console), ("symptom", target.symptom), ("budget", budget)]
    given += [("trigger", target.trigger.words if target.trigger else ""), ("message", target.message)]
    missing = ", ".join(name for name, value in given if not value)
    rows = [{"input": name, "value": cap(value, 160)} for name, value in given if value]
    return frame([*rows, {"input": "not given", "value": missing}] if missing else rows, ["input", "value"])


def table_findings(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return findings in the order given: root causes first when they are ranked."""
    rows = [
        {
            "cause": finding.cause,
            "": f"{MARKS[finding.verdict]} {finding.verdict.value}" + (", root" if finding.root else ""),
            "sure": f"{finding.confidence:.0%}" if finding.verdict is Verdict.FAULT else "",
            "summary": cap(finding.summary, 200),
            "explained by": ", ".join(finding.explained_by),
        }
        for finding in findings
    ]
    return frame(rows, ["cause", "", "sure", "summary", "explained by"])


def table_steps(steps: Iterable[StepVerdict]) -> pd.DataFrame:
    """Return the verdict of each step in one sentence."""
    rows = [
        {
            "phase": PHASES.get(step.step[0], "Triage"),
            "step": f"{step.step} {step.title}",
            "verdict": f"{MARKS[step.verdict]} {step.verdict.value}",
            "summary": cap(step.summary, 200),
        }
        for step in steps
    ]
    return frame(rows, ["phase", "step", "verdict", "summary"])


def table_seen(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return what was looked at, one row for each look, in order of time (UTC)."""
    rows = [
        {
            "time (UTC)": instant_text(seen.observed_at),
            "step": seen.source.step,
            "where": cap(seen.source.where, 60),
            "took": duration_text(seen.duration_s),
            "seen": describe(seen, 160),
        }
        for seen in sorted(observations, key=lambda seen: seen.observed_at)
    ]
    return frame(rows, ["time (UTC)", "step", "where", "took", "seen"])


def table_events(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return every event of the timeline in its order (UTC, by our clock), probes, logs, recordings and the browser together."""
    rows = [
        {
            "time (UTC)": instant_text(event.instant, date=not period.ours),
            "lane": lane.name,
            "took": duration_text(event.lasted_s) if event.lasted_s else "",
            "what": f"✗ {event.what}" if event.bad else event.what,
            "where": event.where,
        }
        for period in timeline(observations).periods
        for lane, event in period.ordered
    ]
    return frame(rows, ["time (UTC)", "lane", "took", "what", "where"])


def table_not_looked(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return what was not looked at, why, and what to provide."""
    rows = [
        {
            "step": seen.source.step,
            "what": cap(seen.source.where, 60),
            "why": seen.failure.reason.value if seen.failure else "",
            "detail": cap(seen.failure.message if seen.failure else "", 200),
        }
        for seen in observations
        if seen.outcome is Outcome.NOT_RUN
    ]
    return frame(rows, ["step", "what", "why", "detail"])


_SHOWN = 0.005
"""A suspicion that rounds to nothing is not shown."""


def table_suspects(suspects: Mapping[str, float], limit: int = 6) -> pd.DataFrame:
    """Return the causes that are suspected most, each with its part of all suspicion, the step that finds it, and its cheapest test."""
    rows = [
        {"suspect": slug, "of all suspicion": f"{share:.0%}", "step": cause(slug).step, "cheapest test": cap(cause(slug).test, 240)}
        for slug, share in list(suspects.items())[:limit]
        if share >= _SHOWN
    ]
    return frame(rows, ["suspect", "of all suspicion", "step", "cheapest test"])


def table_looks(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the order of an investigation that stopped when a cause was sure: what each look was to separate, and what came first then."""
    looks = [look for seen in observations if isinstance(seen.facts, InquiryFacts) for look in seen.facts.looks]
    rows = [
        {
            "step": look.step,
            "of all suspicion": f"{look.share:.0%}",
            "to separate": ", ".join(look.separates),
            "took": duration_text(look.took_s),
            "first afterwards": look.first,
        }
        for look in looks
    ]
    return frame(rows, ["step", "of all suspicion", "to separate", "took", "first afterwards"])
