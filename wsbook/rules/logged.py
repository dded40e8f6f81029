"""Whether our own attempts reached the programs whose logs were given: found by their marks (step 1.4)."""

import re
from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import LoggedAttemptFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof, unknown

__all__ = ["judge_logged"]

_HOST = re.compile(r"^[a-z]+://[^/?]*")

Row = tuple[Observation, LoggedAttemptFacts]


def judge_logged(evidence: Evidence) -> Iterator[Finding]:
    """Judge refused attempts at the endpoint by what the logs on its way show of them.

    One that a log shows and another, written meanwhile, does not, was answered on the way; one that two logs show with different paths was
    rewritten on the way.
    """
    rows = [row for row in evidence.of(LoggedAttemptFacts) if row[0].source.hop == "endpoint" and not row[0].source.changed]
    refused = [row for row in rows if row[1].status not in (None, 101)]
    shown = [row for row in refused if row[1].line is not None]
    for seen, facts in refused:
        if facts.line is None:
            yield from _never_arrived(seen, facts, [row for row in shown if row[1].mark == facts.mark])
    yield from _rewritten(shown)


def _rewritten(shown: list[Row]) -> Iterator[Finding]:
    paths: dict[str, Row] = {}
    for row in shown:
        if row[1].line is not None and row[1].line.path:
            paths.setdefault(_bare(row[1].line.path), row)
    if len(paths) > 1:
        (one, first), (other, second) = list(paths.items())[:2]
        summary = f"our attempt, answered {first[1].status}, is {one} at {first[0].source.where} and {other} at {second[0].source.where}"
        proofs = [proof(seen, facts.line.text if facts.line else "") for seen, facts in (first, second)]
        yield fault("proxy.path-rewrite-wrong", 0.6, summary, *proofs)


def _bare(path: str) -> str:
    """Return a path without host and query, which programs log or leave out as they like."""
    return _HOST.sub("", path).partition("?")[0] or "/"


def _never_arrived(seen: Observation, facts: LoggedAttemptFacts, shown: list[Row]) -> Iterator[Finding]:
    words = f"our attempt, answered {facts.status}, is not in {seen.source.artifact}, which was written meanwhile"
    missing = proof(seen, words, seen.source.artifact)
    if not shown:
        yield unknown("proxy.ws-location-missing", 0.25, words, missing)
        return
    where = shown[0][0].source.where
    summary = f"{words}; {where} shows it: the request was answered there and never passed on"
    proofs = [missing, *(proof(row[0], row[1].line.text if row[1].line else "") for row in shown[:2])]
    yield fault("proxy.ws-location-missing", 0.5, summary, *proofs)
