"""A URL that the source does not tell is said to be open, with its expression: neither clear nor a cause."""

import pytest
from observations import seen

from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts, TextFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.rules import judge
from wsbook.target import parse_target


def endpoint(side: str, **known: str) -> Observation:
    facts = EndpointFacts(side=side, library="native", file="a.ts", line=1, expression="new WebSocket(props.url)", **known)
    return seen(facts, step="1.1", probe="sources", hop="")


@pytest.mark.parametrize(
    ("observations", "verdict"),
    [
        ((endpoint("frontend"), endpoint("backend", path="/ws")), Verdict.UNKNOWN),
        ((endpoint("frontend"), endpoint("frontend", path="/ws"), endpoint("backend", path="/ws")), Verdict.CLEAR),
        ((endpoint("frontend", path="/ws"), endpoint("backend", path="/ws")), Verdict.CLEAR),
        ((endpoint("backend", path="/ws"),), Verdict.CLEAR),
    ],
)
def test_step(observations: tuple[Observation, ...], verdict: Verdict) -> None:
    whole = seen(TextFacts(kind="frontend_source", items=1), step="1.1", probe="sources", hop="")
    findings, steps = judge(Evidence(parse_target("", page_url="https://shop.test/"), (whole, *observations)))
    assert steps[0].verdict is verdict
    assert verdict is Verdict.CLEAR or "new WebSocket(props.url)" in steps[0].summary
    assert not any(finding.root for finding in findings)
