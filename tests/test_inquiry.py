"""An investigation that stops when one cause is sure: what it looked at, in which order, and what it says of the rest."""

import pytest

from wsbook.case import Case
from wsbook.facts import InquiryFacts
from wsbook.finding import Verdict
from wsbook.inquiry import find_cause, next_choice
from wsbook.target import Budget, parse_target


async def test_a_refused_origin_is_sure_before_the_costly_steps() -> None:
    with Case.open(fault="origin.not-in-allowlist", symptom="403 on the websocket") as case:
        choice = next_choice(case)
        facts = await find_cause(case, limit_s=60.0)
        judgement = case.judge()
    assert choice is not None and facts.looks[0].step == choice.step
    assert facts.sure == facts.looks[-1].first == judgement.root_causes[0] == "origin.not-in-allowlist"
    order = [look.step for look in facts.looks]
    assert order.count("1.4") <= 2 and len(order) < 8  # logs are read again once something was refused
    assert len(order) - len(set(order)) == order.count("1.4") - 1 and not {"3.1", "3.2", "3.4", "4.1", "4.2"} & set(order)
    begins = [look.began_s for look in facts.looks]
    assert begins == sorted(begins) and all(look.took_s >= 0 for look in facts.looks)
    beside = set(case.looked) - {"0", *order}
    assert beside <= {"1.2"}  # begun beside a step that was chosen, and over before it
    left = [step for step in judgement.steps if step.step not in case.looked]
    assert left and all(
        (one.verdict, one.summary) == (Verdict.SKIPPED, "not needed: origin.not-in-allowlist was sure before") for one in left
    )
    assert isinstance(case.evidence.first(InquiryFacts), tuple)


async def test_where_time_is_over_nothing_is_called_sure_and_the_rest_is_not_run() -> None:
    case = Case(parse_target("ws://127.0.0.1:9/ws"), Budget.named("quick"))
    facts = await find_cause(case, limit_s=0.0)
    assert facts == InquiryFacts(looks=())
    assert {step.summary for step in case.judge().steps} == {"not run"}


async def test_it_ends_when_nothing_is_left(tmp_path) -> None:
    log = tmp_path / "app.log"
    log.write_text("2026-11-20 10:00:00 nginx: [emerg] socket() failed (24: Too many open files)\n" * 3)
    case = Case(parse_target("", logs=[str(log)]), Budget.named("quick"))
    facts = await find_cause(case)
    assert [look.step for look in facts.looks] == ["1.4"]
    assert next_choice(case) is None


@pytest.mark.parametrize("budget", ["quick", "standard", "thorough"])
def test_there_is_a_choice_in_every_budget(budget: str) -> None:
    case = Case(parse_target("ws://127.0.0.1:9/ws"), Budget.named(budget))
    choice = next_choice(case)
    assert choice is not None and choice.cost_s > 0
