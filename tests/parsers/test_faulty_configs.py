"""Invented configurations with one fault each: with what a person would tell, the cause is named first, or among the first three."""

import json
from pathlib import Path

import pytest

from wsbook.causes import causes
from wsbook.evidence import Evidence
from wsbook.finding import Verdict
from wsbook.parsers.proxies import KINDS
from wsbook.parsers.read import read_text
from wsbook.parsers.symptom import parse_symptom
from wsbook.rules import judge
from wsbook.target import parse_target

FILE = Path(__file__).parents[2] / "data" / "samples" / "configs" / "faults.jsonl"


def cases() -> list[dict[str, str]]:
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def named(case: dict[str, str], *, told: bool) -> list[str]:
    seen = read_text(case["artifact"], case["kind"], "config")
    if told:
        seen.append(parse_symptom(case["symptom"]))
    findings, _ = judge(Evidence(parse_target(""), seen))
    return list(dict.fromkeys(one.cause for one in findings if one.verdict in (Verdict.FAULT, Verdict.UNKNOWN)))


def test_each_case_is_complete() -> None:
    assert len({case["id"] for case in cases()}) == len(cases()) >= 140
    for case in cases():
        assert set(case) == {"id", "kind", "cause", "symptom", "artifact"}
        assert case["kind"] in KINDS and case["cause"] in causes()


@pytest.mark.parametrize(("told", "first", "three"), [(False, 0.95, 0.95), (True, 0.96, 0.98)])
def test_the_cause_is_named(told: bool, first: float, three: float) -> None:
    found = [(named(case, told=told), case["cause"]) for case in cases()]
    assert sum(ranked[:1] == [cause] for ranked, cause in found) / len(found) >= first
    assert sum(cause in ranked[:3] for ranked, cause in found) / len(found) >= three
