"""Ranking: what is explained is no root, agreement makes surer, errors come before warnings."""

from msgspec.structs import replace

from wsbook.finding import Finding, Proof, Severity, Verdict, rank


def finding(
    cause: str, confidence: float = 0.9, verdict: Verdict = Verdict.FAULT, severity: Severity = Severity.ERROR, text: str = ""
) -> Finding:
    return Finding(
        cause=cause,
        step="1.3",
        verdict=verdict,
        severity=severity,
        confidence=confidence,
        summary=text or cause,
        evidence=(Proof(text=text or cause),),
    )


def roots(*findings: Finding, explains: dict[str, tuple[str, ...]] | None = None) -> list[str]:
    return [found.cause for found in rank(findings, explains or {}) if found.root]


def test_a_cause_explains_its_consequence() -> None:
    ranked = rank([finding("b.b", 0.99), finding("a.a", 0.8)], {"a.a": ("b.b",)})
    assert [(found.cause, found.root, found.explained_by) for found in ranked] == [("a.a", True, ()), ("b.b", False, ("a.a",))]


def test_a_whole_area_can_be_explained() -> None:
    assert roots(finding("net.dns-wrong"), finding("tls.self-signed"), explains={"net.dns-wrong": ("tls.*",)}) == ["net.dns-wrong"]


def test_a_doubtful_cause_does_not_explain_a_sure_one() -> None:
    assert roots(finding("a.a", 0.6), finding("b.b", 0.95), explains={"a.a": ("b.b",)}) == ["b.b", "a.a"]


def test_a_chain_explains_no_more_than_its_root_is_sure() -> None:
    chain = {"a.a": ("b.b",), "b.b": ("c.c",)}
    assert roots(finding("a.a", 0.58), finding("b.b", 0.75), finding("c.c", 0.95), explains=chain) == ["c.c", "a.a"]
    assert roots(finding("a.a", 0.72), finding("b.b", 0.75), finding("c.c", 0.95), explains=chain) == ["a.a"]


def test_an_unproven_cause_explains_nothing() -> None:
    assert set(roots(finding("a.a", 0.4), finding("b.b", 0.9), explains={"a.a": ("b.b",)})) == {"a.a", "b.b"}
    assert roots(finding("a.a", 0.3), finding("b.b", 0.9)) == ["b.b"]
    assert roots(finding("a.a", 0.44), finding("b.b", 0.95)) == ["b.b"]


def test_of_two_that_explain_each_other_the_surer_one_is_the_root() -> None:
    both = {"a.a": ("b.b",), "b.b": ("a.a",)}
    assert roots(finding("a.a", 0.8), finding("b.b", 0.7), explains=both) == ["a.a"]
    assert roots(finding("a.a", 0.6), finding("b.b", 0.7), explains=both) == ["b.b"]


def from_step(step: str, confidence: float, text: str) -> Finding:
    return replace(finding("a.a", confidence, text=text), evidence=(Proof(text=text, observation=f"{step}-1"),))


def test_independent_looks_that_agree_are_joined_and_surer() -> None:
    (joined,) = rank([from_step("1.4", 0.6, "log"), from_step("2.2", 0.5, "config")], {})
    assert joined.confidence == 0.8
    assert [proof.text for proof in joined.evidence] == ["log", "config"]
    assert joined.summary == "log"


def test_the_same_look_twice_makes_nothing_surer() -> None:
    (joined,) = rank([from_step("1.4", 0.6, "one log"), from_step("1.4", 0.6, "another log")], {})
    assert joined.confidence == 0.6


def test_clear_is_no_root_and_unknown_only_where_no_fault_is_sure() -> None:
    assert roots(finding("a.a", verdict=Verdict.CLEAR)) == []
    assert roots(finding("a.a", 0.3, Verdict.UNKNOWN)) == ["a.a"]
    assert roots(finding("a.a", 0.6, Verdict.UNKNOWN), finding("b.b", 0.8)) == ["b.b"]
    assert roots(finding("a.a", 0.7, Verdict.UNKNOWN), finding("b.b", 0.6)) == ["b.b", "a.a"]
    assert roots(finding("a.a", 0.2, Verdict.UNKNOWN), finding("b.b", 0.6)) == ["b.b"]
    assert roots(finding("a.a", 0.0, Verdict.UNKNOWN)) == []


def test_errors_come_before_warnings_unless_they_are_vague() -> None:
    assert roots(finding("a.warning", 0.9, severity=Severity.WARNING), finding("b.error", 0.8)) == ["b.error", "a.warning"]
    assert roots(finding("a.warning", 0.9, severity=Severity.WARNING), finding("b.error", 0.4)) == ["a.warning", "b.error"]


def test_a_place_that_several_looks_found_is_shown_once() -> None:
    twice = [
        Proof(text=text, where=where, observation=id_) for text, where, id_ in [("a", "x:1", "1"), ("b", "x:2", "2"), ("a", "x:1", "3")]
    ]
    assert [(proof.text, proof.where) for proof in replace(finding("a.a"), evidence=tuple(twice)).proofs] == [("a", "x:1"), ("b", "x:2")]


def test_a_fault_is_as_sure_as_what_else_speaks_for_its_cause() -> None:
    weak, likely, other = finding("a.a", 0.2), replace(finding("a.a", 0.45), verdict=Verdict.UNKNOWN, summary="seen"), finding("b.b", 0.3)
    first, second = (found for found in rank([weak, likely, other], {}) if found.verdict is Verdict.FAULT)
    assert (first.cause, first.confidence, first.summary) == ("a.a", 0.45, "seen") and second.cause == "b.b"
    assert rank([finding("a.a", 0.6), likely], {})[0].confidence == 0.6
    assert all(found.verdict is Verdict.UNKNOWN for found in rank([likely], {}))
