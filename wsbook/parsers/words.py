"""What the words of a fragment speak for when nothing in it is known: the vocabulary of symptoms.toml, read as if it were told.

A guess, never a measurement. Long texts are left alone: they use all words.
"""

from pathlib import Path

from wsbook.errors import UnreadableInputError
from wsbook.facts import SymptomFacts, WordsFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.lines import decode, read_head
from wsbook.parsers.symptom import parse_symptom
from wsbook.symptoms import symptom_candidates

__all__ = ["SHORT_CHARS", "parse_words", "read_words"]

SHORT_CHARS = 4_000
"""A text that is not longer is a fragment that somebody picked out."""
KEPT = 6


def parse_words(text: str, *, artifact: str, step: str = "0") -> list[Observation]:
    """Return one WordsFacts with at most six causes, nothing for a long text or one whose words say nothing."""
    told = parse_symptom(text, step=step).facts if len(text) <= SHORT_CHARS else None
    causes = symptom_candidates(told)[:KEPT] if isinstance(told, SymptomFacts) else ()
    return [observed(Source(step=step, probe="words", artifact=artifact), WordsFacts(causes=causes))] if causes else []


def read_words(path: Path) -> list[Observation]:
    """Return the same for a file; nothing for a folder and for what is no text."""
    if path.is_dir():
        return []
    try:
        return parse_words(decode(read_head(path, 4 * SHORT_CHARS + 1)), artifact=str(path))
    except UnreadableInputError:
        return []
