"""Answers to the upgrade whose status and headers name their cause: answers.toml holds them, this module applies them."""

import re
from collections.abc import Iterator
from functools import cache

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.evidence import Evidence
from wsbook.facts import UpgradeFacts
from wsbook.finding import Finding
from wsbook.rules.make import fault, proof
from wsbook.rules.outcome import refusals

__all__ = ["NamedAnswer", "judge_answers", "named_answers"]


class NamedAnswer(Struct, frozen=True, kw_only=True):
    """One row of answers.toml; see there."""

    status: tuple[int, ...]
    cause: str
    confidence: float
    words: str
    source: str
    header: str = ""
    value: str = ""
    absent: str = ""

    def fits(self, facts: UpgradeFacts) -> bool:
        """Tell whether an answer is this one."""
        if facts.status not in self.status or (self.absent and facts.header(self.absent) is not None):
            return False
        found = facts.header(self.header) if self.header else ""
        return found is not None and bool(re.search(self.value, found, re.IGNORECASE))


@cache
def named_answers() -> tuple[NamedAnswer, ...]:
    """Return every row, in order."""
    table = read_table("rules/answers.toml")
    return tuple(convert(row, NamedAnswer) for row in table["answer"])


def judge_answers(evidence: Evidence) -> Iterator[Finding]:
    """Judge the refusals seen at the endpoint, in a browser or in a recording."""
    for seen, facts in refusals(evidence):
        for answer in named_answers():
            if answer.fits(facts):
                value = (facts.header(answer.header) or "")[:60] if answer.header else ""
                summary = f"refused with {facts.status}: {answer.words.replace('{value}', value)}"
                evident = proof(seen, f"{facts.status} {facts.reason} {f'{answer.header}: {value}' if value else ''}".strip())
                yield fault(answer.cause, answer.confidence, summary, evident)
