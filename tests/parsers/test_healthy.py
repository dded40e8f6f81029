"""Recordings, consoles and dumps of things that work: whatever is read in them, no rule finds a fault."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.finding import Verdict
from wsbook.parsers.read import read_artifact, read_text
from wsbook.rules import judge
from wsbook.target import parse_target

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
KINDS = {"har": "har", "console": "browser_console", "dumps": "http_dump"}
HARMLESS = [json.loads(line) for line in (SAMPLES / "logs" / "harmless-texts.jsonl").read_text(encoding="utf-8").splitlines()]
HEALTHY = sorted(path for folder in KINDS for path in (SAMPLES / folder).glob("healthy-*"))


@pytest.mark.parametrize("named", [True, False], ids=["kind given", "kind detected"])
@pytest.mark.parametrize("path", HEALTHY, ids=lambda path: path.name)
def test_what_works_has_no_fault(path: Path, named: bool) -> None:
    seen = read_artifact(str(path), kind=KINDS[path.parent.name] if named else "")
    numbered = [replace(one, id=f"1.2-{number}") for number, one in enumerate(seen)]
    findings, _ = judge(Evidence(parse_target(""), numbered))
    assert [(found.cause, found.summary) for found in findings if found.verdict is Verdict.FAULT] == []


@pytest.mark.parametrize("harmless", HARMLESS, ids=lambda harmless: harmless["text"][:40])
def test_a_harmless_text_is_no_fault(harmless: dict[str, str]) -> None:
    seen = [replace(one, id=f"1.4-{number}") for number, one in enumerate(read_text(harmless["text"], harmless["kind"]))]
    findings, _ = judge(Evidence(parse_target(""), seen))
    assert [(found.cause, found.summary) for found in findings if found.verdict is Verdict.FAULT] == []


def test_there_are_enough() -> None:
    assert len(HEALTHY) >= 30
    assert {folder: sum(path.parent.name == folder for path in HEALTHY) >= 8 for folder in KINDS} == dict.fromkeys(KINDS, True)
