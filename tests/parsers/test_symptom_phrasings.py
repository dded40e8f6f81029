"""A symptom alone, as people type it, gives ranked candidates, each with its cheapest test."""

import tomllib
from pathlib import Path

import pytest

from wsbook.causes import causes
from wsbook.cli.reading import candidates_of
from wsbook.facts import SymptomFacts
from wsbook.finding import Verdict
from wsbook.parsers.symptom import parse_symptom
from wsbook.symptoms import symptoms

PHRASINGS = tomllib.loads(Path(__file__).with_name("symptom_phrasings.toml").read_text(encoding="utf-8"))


def test_there_are_enough_and_they_name_known_causes() -> None:
    assert len(PHRASINGS) >= 200
    assert {cause for expected in PHRASINGS.values() for cause in expected} <= set(causes())


@pytest.mark.parametrize("slug", symptoms())
def test_the_title_of_a_symptom_chosen_from_the_list_is_heard_as_it(slug: str) -> None:
    facts = parse_symptom(symptoms()[slug].title, step="0").facts
    assert isinstance(facts, SymptomFacts) and facts.symptoms[:1] == (slug,)


@pytest.mark.parametrize(("said", "expected"), PHRASINGS.items(), ids=lambda value: value[:60] if isinstance(value, str) else "")
def test_a_cause_is_among_the_first_three(said: str, expected: list[str]) -> None:
    roots = candidates_of(said)
    assert {finding.cause for finding in roots[:3]} & set(expected), [finding.cause for finding in roots[:5]]
    assert all(finding.check and finding.verdict is not Verdict.CLEAR and finding.confidence < 0.9 for finding in roots)
