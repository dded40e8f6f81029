"""Refusals that the request's own headers contradict: the answer misses what the request carries (areas F and H)."""

import re
from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import UpgradeFacts
from wsbook.finding import Finding
from wsbook.rules.make import fault, proof
from wsbook.rules.outcome import refusals, say

__all__ = ["judge_request"]

_COMPLAINS = re.compile(r"(?i)connection[^\n]{0,60}(?:upgrade|header)|upgrade[^\n]{0,40}(?:required|missing|header)|not a websocket")


def judge_request(evidence: Evidence) -> Iterator[Finding]:
    """Judge refusals that ask for Upgrade or Connection although both were sent, in a spelling that RFC 9110 section 7.6.1 allows."""
    for seen, facts in refusals(evidence):
        if facts.status not in (400, 426) or not _COMPLAINS.search(f"{facts.reason} {facts.body[:400]}"):
            continue
        spelling = _unusual(facts)
        if spelling:
            words = f"{say(seen, facts)}, although the request carries {spelling}: header tokens are compared literally"
            yield fault(
                "backend.upgrade-header-exact-compare", 0.9, words, proof(seen, f"{spelling} → {facts.status} {facts.reason}".strip())
            )


def _unusual(facts: UpgradeFacts) -> str:
    """Return the header lines of a complete upgrade request that are right but not spelled as most clients do, "" when there are none."""
    connection, upgrade = facts.request_header("connection") or "", facts.request_header("upgrade") or ""
    tokens = [token.strip() for token in connection.split(",")]
    if "upgrade" not in [token.lower() for token in tokens] or upgrade.strip().lower() != "websocket":
        return ""
    lines = []
    if tokens != ["Upgrade"]:
        lines.append(f"Connection: {connection[:60]}")
    if upgrade.strip() != "websocket":
        lines.append(f"Upgrade: {upgrade[:40]}")
    return ", ".join(lines)
