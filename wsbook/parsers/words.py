"""What the words of a fragment speak for when nothing in it is known: worked cases that it resembles, and the vocabulary of symptoms.

A guess, never a measurement. Long texts are left alone: they use all words.
"""

from wsbook.facts import SymptomFacts, WordsFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.symptom import parse_symptom
from wsbook.precedents import resembling
from wsbook.symptoms import symptom_candidates

__all__ = ["SHORT_CHARS", "parse_words"]

SHORT_CHARS = 8_000
"""A text that is not longer is a fragment that somebody picked out."""
KEPT = 6
TOLD = 0.3
"""What the vocabulary of symptoms is worth beside worked cases."""


def parse_words(text: str, *, artifact: str, step: str = "0") -> list[Observation]:
    """Return one WordsFacts with at most six causes, nothing for a long text or one whose words say nothing."""
    if len(text) > SHORT_CHARS:
        return []
    told = parse_symptom(text, step=step).facts
    near = resembling(text, KEPT)
    scores = {one.cause: min(1.0, one.score) for one in near}
    for slug, score in symptom_candidates(told)[:KEPT] if isinstance(told, SymptomFacts) else ():
        scores[slug] = 1.0 - (1.0 - scores.get(slug, 0.0)) * (1.0 - TOLD * score)
    causes = tuple(sorted(scores.items(), key=lambda entry: (-entry[1], entry[0])))[:KEPT]
    facts = WordsFacts(causes=causes, shared=near[0].shared if near else ())
    return [observed(Source(step=step, probe="words", artifact=artifact), facts)] if causes else []
