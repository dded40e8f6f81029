"""Which step comes next, when a cause is sure, and what cannot be told apart."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from observations import TARGET, answer, seen

from wsbook.causes import causes
from wsbook.evidence import Evidence
from wsbook.facts import SymptomFacts
from wsbook.finding import STEP_TITLES, Finding, Proof, Severity, Verdict
from wsbook.rules.inquiry import SURE, _decided, _table, next_look, rivals, settled, suspects
from wsbook.target import Target, parse_target

WHOLE = parse_target(
    "ws://shop.test/ws",
    page_url="http://shop.test/",
    hops=["app=ws://10.0.0.5:8000/ws"],
    frontend=["src"],
    backend=["app"],
    configs=["nginx.conf"],
    logs=["app.log"],
    trigger="POST http://shop.test/publish {marker}",
)


def found(
    cause: str,
    confidence: float = 0.95,
    *,
    verdict: Verdict = Verdict.FAULT,
    severity: Severity = Severity.ERROR,
    root: bool = True,
    observation: str = "1.3-1",
) -> Finding:
    return Finding(
        cause=cause,
        step=causes()[cause].step,
        verdict=verdict,
        severity=severity,
        confidence=confidence,
        summary="seen",
        root=root,
        evidence=(Proof(text="403", observation=observation),),
    )


def told(text: str, status: int | None = None) -> SymptomFacts:
    from wsbook.parsers.symptom import parse_symptom

    facts = parse_symptom(text, step="0").facts
    assert isinstance(facts, SymptomFacts)
    return facts


def test_every_cause_is_decided_by_its_own_step_and_every_step_is_there() -> None:
    assert list(_table().steps) == list(STEP_TITLES)
    assert {slug for slug, entry in causes().items() if slug not in _decided(entry.step)} == set()


def test_suspicions_are_parts_of_one_whole_and_follow_frequency_before_anything_is_seen() -> None:
    weights = suspects(Evidence(WHOLE, []), [])
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights["proxy.upgrade-header-missing"] > weights["load.compression-memory"] > 0


@pytest.mark.parametrize(
    ("observations", "stays", "goes"),
    [
        ((answer(101),), "client.no-reconnect", "proxy.upgrade-header-missing"),
        ((answer(502),), "proxy.upstream-unreachable", "client.no-reconnect"),
        ((answer(403), answer(101, hop="app")), "proxy.security-layer-blocks", "backend.ws-library-missing"),
        ((answer(403), answer(403, hop="app")), "origin.not-in-allowlist", "proxy.upgrade-header-missing"),
        ((answer(101), answer(403, probe="browser", hop="browser")), "auth.credential-not-sent", "proxy.idle-timeout"),
    ],
)
def test_the_first_upgrade_leaves_some_causes(observations, stays: str, goes: str) -> None:
    weights = suspects(Evidence(WHOLE, observations), [])
    assert stays in weights and goes not in weights


@pytest.mark.parametrize(("status", "first", "again"), [(404, "log", True), (404, "upgrade", False), (101, "log", False)])
def test_logs_that_were_read_before_anything_was_refused_are_read_again(status: int, first: str, again: bool) -> None:
    log, upgrade = seen(None, step="1.4", probe="logs", hop=""), answer(status)
    later = {"log": upgrade, "upgrade": log}[first]
    later = replace(later, observed_at=later.observed_at + timedelta(seconds=1))
    observations = (log, later) if first == "log" else (upgrade, later)
    others = [step for step in STEP_TITLES if step not in ("0", "1.4")]
    choice = next_look(Evidence(WHOLE, observations), [], ["1.4", *others])
    assert (choice is not None and choice.step == "1.4") is again


def test_what_was_told_counts_and_a_measurement_counts_more() -> None:
    idle = seen(told("1006 after 60 seconds idle"), step="0", probe="symptom")
    evidence = Evidence(WHOLE, [idle, answer(101)])
    assert next(iter(suspects(evidence, []))).startswith("proxy.idle-timeout")
    measured = [found("heartbeat.absent-or-too-slow", 0.95)]
    assert next(iter(suspects(evidence, measured))) == "heartbeat.absent-or-too-slow"


def test_what_was_refuted_or_would_have_been_seen_is_suspected_less() -> None:
    evidence = Evidence(WHOLE, [answer(101)])
    before = suspects(evidence, [])
    assert (
        suspects(evidence, [found("client.no-reconnect", verdict=Verdict.CLEAR)])["client.no-reconnect"]
        < 0.1 * before["client.no-reconnect"]
    )
    assert suspects(evidence, [], ["3.1"])["client.no-reconnect"] < 0.5 * before["client.no-reconnect"]


@pytest.mark.parametrize(
    ("words", "step"),
    [
        ("the connection drops after 60 seconds idle", "3.4"),
        ("updates stop after the page reconnected, reload helps", "3.1"),
        ("every message arrives twice", "4.1"),
    ],
)
def test_told_symptoms_choose_the_look_at_an_endpoint_that_accepts(words: str, step: str) -> None:
    evidence = Evidence(WHOLE, [seen(told(words), step="0", probe="symptom"), answer(101)])
    done, order = ["0", "1.1", "1.3", "1.4", "2.1", "2.2", "3.3", "1.2"], []
    while choice := next_look(evidence, [], [*done, *order]):
        order.append(choice.step)
    assert order.index(step) <= 1, order


def test_the_costly_waits_where_an_upgrade_is_refused_and_nothing_is_looked_at_twice() -> None:
    evidence, order = Evidence(WHOLE, [answer(426), answer(101, hop="app")]), ["1.3"]
    while choice := next_look(evidence, [], order):
        assert choice.step not in order and 0 <= choice.share <= 1 and len(choice.separates) <= 4
        order.append(choice.step)
    assert order.index("2.2") < order.index("3.1")
    assert not {"3.2", "3.4", "4.1", "4.2"} & set(order)


def test_steps_without_what_they_need_are_no_choice() -> None:
    assert next_look(Evidence(Target(url=""), []), [], []) is None
    logs = parse_target("", logs=["app.log"])
    choice = next_look(Evidence(logs, []), [], [])
    assert choice is not None and choice.step == "1.4"
    assert next_look(Evidence(logs, []), [], ["1.4"]) is None


def test_costs_follow_the_budget() -> None:
    left = [step for step in STEP_TITLES if step != "3.4"]
    costs = [choice.cost_s for budget in ("quick", "standard", "thorough") if (choice := next_look(Evidence(WHOLE, []), [], left, budget))]
    assert costs == sorted(costs) and len(set(costs)) == 3


def test_of_a_step_that_is_being_looked_at_only_the_rest_costs_anything() -> None:
    evidence, done = Evidence(WHOLE, [answer(101)]), ["1.1", "1.2", "1.3", "1.4", "2.1", "2.2", "3.1", "3.3", "4.1"]
    before, after = next_look(evidence, [], done), next_look(evidence, [], done, begun={"3.4": 20.0})
    assert before is not None and before.step != "3.4"
    assert after is not None and after.step == "3.4" and after.cost_s == pytest.approx(1.5)
    long = next_look(evidence, [], done, begun={"3.4": 500.0})
    assert long is not None and long.step == "3.4" and long.cost_s > 0


REFUSED = (answer(426), answer(101, hop="app"))
ALL = tuple(STEP_TITLES)


@pytest.mark.parametrize(
    ("finding", "observations", "done", "sure"),
    [
        (found("proxy.upgrade-header-missing"), REFUSED, ALL, True),
        (found("proxy.upgrade-header-missing", SURE - 0.01), REFUSED, ALL, False),
        (found("proxy.upgrade-header-missing", severity=Severity.WARNING), REFUSED, ALL, False),
        (found("proxy.upgrade-header-missing", root=False), REFUSED, ALL, False),
        (found("proxy.upgrade-header-missing", verdict=Verdict.UNKNOWN), REFUSED, ALL, False),
        (found("proxy.upgrade-header-missing"), (*REFUSED, seen(told("426 on the upgrade"), step="0", probe="symptom")), ALL, True),
        (found("message.duplicated"), (answer(101), seen(told("it drops after 60 s idle"), step="0", probe="symptom")), ALL, False),
        (found("client.duplicate-listeners"), (answer(101), seen(told("every message twice"), step="0", probe="symptom")), ALL, True),
    ],
)
def test_a_cause_is_sure(finding: Finding, observations, done, sure: bool) -> None:
    assert (settled(Evidence(TARGET, observations), [finding], done) == finding) is sure


def test_a_cause_is_not_sure_while_a_step_could_show_what_explains_it() -> None:
    by = next(slug for slug, entry in causes().items() if "handshake.timeout" in entry.explains)
    evidence, finding = Evidence(WHOLE, [answer(504)]), found("handshake.timeout")
    assert settled(evidence, [finding, found(by, 0.6, root=True)], ["1.3"]) is None
    assert settled(evidence, [finding], ALL) == finding


def test_a_cause_is_not_sure_while_a_short_look_could_show_what_explains_it_as_often() -> None:
    """A refused Origin may be that of a proxy that rewrites Host: trying more of them takes a second."""
    evidence, finding = Evidence(WHOLE, [answer(403)]), found("origin.not-in-allowlist")
    assert settled(evidence, [finding], [step for step in ALL if step != "3.3"]) is None
    assert settled(evidence, [finding], [step for step in ALL if step not in ("3.4", "4.2")]) == finding


def test_rivals_rest_on_the_same_observation_and_none_of_them_is_sure() -> None:
    one, other = found("origin.not-in-allowlist", 0.6), found("auth.credential-not-sent", 0.5)
    elsewhere = found("client.no-reconnect", 0.55, observation="3.1-4")
    assert rivals([one, elsewhere, other]) == (one, other)
    assert rivals([one]) == rivals([one, elsewhere]) == rivals([]) == ()
    assert rivals([found("origin.not-in-allowlist", SURE), other]) == ()
    assert rivals([one, found("auth.credential-not-sent", 0.5, root=False)]) == ()
