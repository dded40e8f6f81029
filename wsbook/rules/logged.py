"""Whether our own attempts reached the programs whose logs were given: found by their marks (step 1.4)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import LoggedAttemptFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof, unknown

__all__ = ["judge_logged"]

Row = tuple[Observation, LoggedAttemptFacts]


def judge_logged(evidence: Evidence) -> Iterator[Finding]:
    """A refused attempt at the endpoint that one log shows and another, written meanwhile, does not, was answered on the way."""
    rows = [row for row in evidence.of(LoggedAttemptFacts) if row[0].source.hop == "endpoint" and not row[0].source.changed]
    refused = [row for row in rows if row[1].status not in (None, 101)]
    shown = [row for row in refused if row[1].line is not None]
    for seen, facts in refused:
        if facts.line is None:
            yield from _never_arrived(seen, facts, [row for row in shown if row[1].mark == facts.mark])


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
