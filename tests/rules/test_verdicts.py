"""What a step's verdict is when no rule speaks."""

import pytest
from msgspec.structs import replace
from observations import TARGET, seen

from wsbook.evidence import Evidence
from wsbook.facts import PageFacts, SessionFacts, TextFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation, Reason, Source, not_run, observed
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


PAGE = PageFacts(url="http://shop.test/", browser="Chromium", status=200)


@pytest.mark.parametrize(
    ("observations", "verdict", "words"),
    [
        ([seen(PAGE, step="1.2", probe="browser")], "unknown", "may wait for a click or a login"),
        ([seen(replace(PAGE, sockets=1), step="1.2", probe="browser")], "clear", "1 socket"),
        ([seen(PAGE, step="1.2", probe="browser"), seen(SessionFacts(url="", ended="open"), step="1.2", probe="har")], "clear", ""),
        ([], "not applicable", ""),
    ],
    ids=["a page without a socket", "a page with one", "a recording shows one", "nothing was watched"],
)
def test_a_page_that_opened_no_socket_shows_nothing_of_sockets(observations: list[Observation], verdict: str, words: str) -> None:
    steps = {one.step: one for one in judge(Evidence(TARGET, observations))[1]}
    assert steps["1.2"].verdict.value == verdict
    assert words in steps["1.2"].summary


def test_a_source_without_a_defect_says_what_was_not_tried() -> None:
    source = seen(TextFacts(kind="frontend_source", items=2), step="3.1", probe="sources", hop="")
    why = "not run: the page opened no socket within 6 s"
    skipped = not_run(Source(step="3.1", probe="reconnect", hop="browser"), Reason.SKIPPED, why)
    alone, with_page = ({one.step: one.summary for one in judge(Evidence(TARGET, some))[1]} for some in ([source], [source, skipped]))
    assert (alone["3.1"], with_page["3.1"]) == ("no known defect in 2 source files", f"no known defect in 2 source files; {why}")
