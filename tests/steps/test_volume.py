"""Step 4.2: what is loaded within which budget, what is left alone, and what is said of real servers."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from load_servers import loaded_server

from wsbook.case import Case
from wsbook.facts import LoadFacts
from wsbook.load_plan import LoadPlan
from wsbook.observation import Observation, Outcome, Reason, Source, observed
from wsbook.probes import load
from wsbook.steps import volume
from wsbook.target import Budget, Target, parse_target


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with loaded_server() as url:
        yield url


class Asked:
    """What the probe was asked for, in place of the probe."""

    def __init__(self) -> None:
        self.plans: Sequence[LoadPlan] = ()
        self.options: dict[str, Any] = {}

    async def probe_load(self, plans: Sequence[LoadPlan], **options: Any) -> Observation:
        self.plans, self.options = plans, options
        for plan in plans:
            options["on_progress"](plan, {})
        return observed(Source(step="4.2", probe="load"), LoadFacts(runs=()))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()
    monkeypatch.setattr(load, "probe_load", found.probe_load)
    return found


async def looked(url: str, budget: str = "quick", **given: Any) -> Case:
    case = Case(parse_target(url, **given), Budget.named(budget))
    await case.run("4.2", lambda text, share: None)
    return case


@pytest.mark.parametrize(("budget", "runs", "searches"), [("quick", 2, False), ("standard", 3, True), ("thorough", 8, True)])
async def test_a_budget_allows_so_much(asked: Asked, server: str, budget: str, runs: int, searches: bool) -> None:
    await looked(f"{server}/echo", budget, hops=[f"app={server}/echo"], metrics="http://127.0.0.1:9/metrics")
    assert len(asked.plans) == runs and {plan.answered_by for plan in asked.plans} == {"auto"}
    assert bool(asked.options["search"]) is searches
    assert [place.hop for place in asked.options["watched"]] == ["app"] and asked.options["metrics"] == "http://127.0.0.1:9/metrics"
    total_s = sum(plan.seconds for plan in asked.plans) + (asked.options["search"].total_s if searches else 0)
    assert total_s < 0.3 * Budget.named(budget).total_s


@pytest.mark.parametrize(
    ("message", "template", "subscribe"), [('{"x": "{marker}"}', '{"x": "{marker}"}', ""), ('{"join": 1}', "", '{"join": 1}')]
)
async def test_a_message_with_a_marker_is_sent_and_one_without_subscribes(
    asked: Asked, server: str, message: str, template: str, subscribe: str
) -> None:
    await looked(f"{server}/echo", message=message)
    assert {(plan.template, plan.subscribe) for plan in asked.plans} == {(template, subscribe)}


async def test_a_sequence_is_listened_to_once_and_not_searched(asked: Asked, server: str) -> None:
    await looked(f"{server}/numbers", "standard", sequence="$.data[0].seq")
    assert [plan.rate for plan in asked.plans] == [0.0] and asked.options["search"] is None


async def test_a_host_that_is_not_ours_is_not_loaded(asked: Asked) -> None:
    case = await looked("ws://shop.example/ws")
    (seen,) = case.result("4.2").observations
    assert seen.outcome is Outcome.NOT_RUN and seen.failure is not None and seen.failure.reason is Reason.NOT_PERMITTED
    assert not asked.plans


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({"message": "{marker}"}, True),
        ({"trigger": "POST http://127.0.0.1:9/publish {marker}"}, True),
        ({"trigger": "POST http://shop.example/publish {marker}"}, False),
        ({"trigger": "POST http://shop.example/publish {marker}", "owned": True}, True),
        ({"trigger": "PUBLISH redis://localhost/news {marker}"}, True),
        ({"trigger": "RUN publish {marker}", "owned": True}, False),
    ],
)
def test_what_may_be_pulled_again_and_again(given: dict[str, Any], allowed: bool) -> None:
    target: Target = parse_target("ws://127.0.0.1:9/ws", **given)
    assert volume._may_publish(target) is allowed
