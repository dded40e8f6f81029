"""What logs say: known texts, requests and how they ended, templates of unknown lines, our own attempts."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pandas as pd

from wsbook.facts import AccessFacts, LoggedAttemptFacts, SignatureFacts, TemplateFacts
from wsbook.observation import Observation
from wsbook.rules.terminations import explain_termination
from wsbook.views.tables.frames import frame, rows_of
from wsbook.words import cap, duration_text

__all__ = ["table_access", "table_logged", "table_signatures", "table_templates"]


def table_signatures(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the known texts that programs printed, the most telling first, what our own attempts provoked last."""
    found = sorted(
        rows_of(observations, SignatureFacts), key=lambda row: (bool(row[1].marks), -max((w for _, w in row[1].causes), default=0.0))
    )
    rows = [
        {
            "program": facts.program,
            "times": facts.count,
            "text": cap(facts.text, 140),
            "stands for": "our own attempt" if facts.marks else ", ".join(slug for slug, _ in facts.causes) or "context",
            "place": seen.source.where,
        }
        for seen, facts in found
    ]
    return frame(rows, ["program", "times", "text", "stands for", "place"])


def table_access(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return alike access-log lines: how many, what was asked and answered, how they ended, the longest duration."""
    rows = [
        {
            "program": facts.program,
            "lines": facts.count,
            "request": f"{facts.method} {cap(facts.path, 60)}".strip(),
            "status": facts.status,
            "upgrade asked": {None: "?", True: "yes", False: "no"}[facts.upgrade],
            "ended": _ended(facts),
            "longest": duration_text(max(facts.durations_s, default=None)),
            "ours": "yes" if facts.marked else "",
            "place": seen.source.where,
        }
        for seen, facts in rows_of(observations, AccessFacts)
    ]
    return frame(rows, ["program", "lines", "request", "status", "upgrade asked", "ended", "longest", "ours", "place"])


def _ended(facts: AccessFacts) -> str:
    words = explain_termination(facts)
    return f"{facts.termination}: {words}" if words and facts.termination else words or facts.termination


def table_templates(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return lines that nothing explains and that look like errors, the rarest first."""
    rows = [
        {"times": facts.count, "template": cap(facts.template, 100), "first": cap(facts.text, 140), "place": seen.source.where}
        for seen, facts in rows_of(observations, TemplateFacts)
    ]
    return frame(rows, ["times", "template", "first", "place"])


def table_logged(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return our own attempts beside their lines in each log; times in UTC."""
    rows = [
        {
            "attempt": f"{seen.source.hop}: {'; '.join(seen.source.changed) or 'unchanged'}",
            "began": datetime.fromtimestamp(facts.began, UTC).strftime("%H:%M:%S.%f")[:-3],
            "status": str(facts.status or "none"),
            "took": duration_text(facts.duration_s),
            "logged": str(facts.line.status) if facts.line else "not in this log",
            "log took": duration_text(facts.line.duration_s) if facts.line else "",
            "upstream": facts.line.upstream if facts.line else "",
            "place": seen.source.where,
        }
        for seen, facts in rows_of(observations, LoggedAttemptFacts)
    ]
    return frame(rows, ["attempt", "began", "status", "took", "logged", "log took", "upstream", "place"])
