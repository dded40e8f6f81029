"""Settings that could matter: silent where something is shown, weak beside other possibilities, lifted by what was told."""

import pytest
from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.facts import Facts, PatternFacts, Suspicion, SuspicionFacts
from wsbook.finding import Finding, Verdict
from wsbook.observation import Source, observed
from wsbook.parsers.symptom import parse_symptom
from wsbook.rules import judge
from wsbook.target import parse_target


def suspicion(cause: str, weight: float) -> Suspicion:
    return Suspicion(setting="a", cause=cause, line=3, excerpt="auth_request /a", weight=weight, note="It could matter.")


def judged(*facts: Facts, told: str = "") -> tuple[Finding, ...]:
    seen = [observed(Source(step="2.2", probe="nginx", artifact="a.conf"), one) for one in facts]
    if told:
        seen.append(parse_symptom(told))
    return judge(Evidence(parse_target(""), [replace(one, id=f"2.2-{number}") for number, one in enumerate(seen)]))[0]


def pattern(cause: str, weight: float) -> PatternFacts:
    return PatternFacts(pattern="x", cause=cause, ok=False, file="a.conf", line=1, excerpt="x", weight=weight)


SECURITY, AUTH, BUFFER = "proxy.security-layer-blocks", "auth.credential-not-sent", "proxy.buffering"


@pytest.mark.parametrize(
    ("weight", "others", "told", "roots"),
    [
        (0.36, (), "", [SECURITY]),
        (0.1, (), "", []),
        (0.1, (), "403 from the WAF", [SECURITY]),
        (0.36, (pattern(AUTH, 0.9),), "", [AUTH]),
        (0.36, (pattern(AUTH, 0.3),), "", [AUTH]),
        (0.36, (pattern(SECURITY, 0.3),), "", [SECURITY]),
    ],
    ids=["telling", "common", "common and told", "beside a fault", "beside a possibility", "spoken about"],
)
def test_a_setting_is_a_root_cause_only_where_nothing_else_is(
    weight: float, others: tuple[Facts, ...], told: str, roots: list[str]
) -> None:
    found = judged(SuspicionFacts(file="a.conf", suspicions=(suspicion(SECURITY, weight),)), *others, told=told)
    assert [one.cause for one in found if one.root][: len(roots) or None] == roots
    assert not any(one.verdict is Verdict.FAULT for one in found if one.cause == SECURITY)


def test_the_place_stands_in_the_finding() -> None:
    (found,) = judged(SuspicionFacts(file="conf/a.conf", suspicions=(suspicion(SECURITY, 0.36),)))
    assert found.evidence[0].where == "conf/a.conf:3"
    assert found.summary == "a.conf:3: It could matter; possible, not shown"


def test_limits_of_all_products_are_one_subject() -> None:
    both = (suspicion("proxy.idle-timeout-nginx", 0.36), suspicion("proxy.idle-timeout", 0.35))
    assert [one.cause for one in judged(SuspicionFacts(file="a", suspicions=both))] == ["proxy.idle-timeout-nginx"]


def test_without_a_complaint_at_most_three_are_named() -> None:
    many = [suspicion(slug, 0.36) for slug in (SECURITY, AUTH, BUFFER, "net.ipv6", "net.dns-wrong")]
    assert len(judged(SuspicionFacts(file="a", suspicions=tuple(many)))) == 3
