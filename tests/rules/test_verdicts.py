"""What a step's verdict is when no rule speaks."""

import pytest

from wsbook.evidence import Evidence
from wsbook.facts import SessionFacts
from wsbook.finding import Verdict
from wsbook.observation import Source, observed
from wsbook.rules import judge
from wsbook.target import parse_target


@pytest.mark.parametrize(
    ("step", "probe", "verdict"),
    [("1.4", "backend_log", Verdict.CLEAR), ("1.2", "browser", Verdict.FAULT), ("1.3", "session", Verdict.FAULT)],
)
def test_a_socket_that_broke_off_is_a_symptom_but_in_a_log_of_everybodys(step: str, probe: str, verdict: Verdict) -> None:
    broke = observed(Source(step=step, probe=probe, hop="app"), SessionFacts(url="", age_s=3.0, close_code=1006))
    _, steps = judge(Evidence(parse_target(""), [broke]))
    assert {one.step: one.verdict for one in steps}[step] is verdict
