"""What counts as changed between two judgements, and what does not."""

from typing import Any

import pytest

from wsbook.difference import Change, difference
from wsbook.finding import Finding, Severity, StepVerdict, Verdict


def finding(cause: str = "net.refused", verdict: Verdict = Verdict.FAULT, confidence: float = 0.9, **more: Any) -> Finding:
    given = {"summary": "refused after 3.1 ms", "root": verdict is Verdict.FAULT, "step": "2.1", **more}
    return Finding(cause=cause, verdict=verdict, severity=Severity.ERROR, confidence=confidence, **given)


def step(verdict: Verdict, number: str = "2.1") -> StepVerdict:
    return StepVerdict(step=number, title="network", verdict=verdict, summary="")


FAULT, POSSIBLE, CLEAR = finding(), finding(verdict=Verdict.UNKNOWN, confidence=0.3), finding(verdict=Verdict.CLEAR)
CASES: list[tuple[str, list[Finding], list[Finding], dict[str, Any]]] = [
    ("identical", [FAULT], [FAULT], {}),
    ("nothing", [], [], {}),
    ("appeared", [], [FAULT], {"new": ("net.refused",), "appeared": (FAULT,)}),
    ("vanished", [FAULT], [CLEAR], {"gone": ("net.refused",), "vanished": (FAULT,)}),
    ("a possibility that comes and goes", [], [POSSIBLE], {}),
    ("no root any more", [FAULT], [finding(root=False)], {"gone": ("net.refused",)}),
    ("figures of a sentence", [FAULT], [finding(summary="refused after 912 µs")], {}),
    ("the lab's folder", [finding(summary="wsbook-lab-a1_x/a.log: 3")], [finding(summary="wsbook-lab-zz9/a.log: 7")], {}),
    ("a hair surer", [FAULT], [finding(confidence=0.91)], {}),
    (
        "surer",
        [FAULT],
        [finding(confidence=0.95)],
        {"changed": (Change(cause="net.refused", what="confidence", before="90%", after="95%"),)},
    ),
    (
        "other words",
        [FAULT],
        [finding(summary="filtered after 5 s")],
        {"changed": (Change(cause="net.refused", what="summary", before="refused after 3.1 ms", after="filtered after 5 s"),)},
    ),
    (
        "in doubt now",
        [FAULT],
        [finding(verdict=Verdict.UNKNOWN)],
        {"gone": ("net.refused",), "changed": (Change(cause="net.refused", what="verdict", before="fault", after="unknown"),)},
    ),
    ("a fault stands for its cause", [POSSIBLE, FAULT], [FAULT, POSSIBLE], {}),
]


@pytest.mark.parametrize(("before", "after", "expected"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_findings(before: list[Finding], after: list[Finding], expected: dict[str, Any]) -> None:
    found = difference((before, ()), (after, ()))
    told = {name: getattr(found, name) for name in ("gone", "new", "appeared", "vanished", "changed") if getattr(found, name)}
    assert told == expected
    assert found.any is bool(expected)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([step(Verdict.FAULT)], [step(Verdict.CLEAR)], {"2.1": ("fault", "clear")}),
        ([step(Verdict.CLEAR)], [step(Verdict.CLEAR)], {}),
        ([step(Verdict.CLEAR)], [], {"2.1": ("clear", "")}),
        ([], [step(Verdict.UNKNOWN, "4.2")], {"4.2": ("", "unknown")}),
    ],
)
def test_steps(before: list[StepVerdict], after: list[StepVerdict], expected: dict[str, Any]) -> None:
    assert difference(((), before), ((), after)).steps == expected
