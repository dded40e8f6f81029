"""What each of the twelve steps says, in one sentence, from its observations and the findings. Pure."""

from collections.abc import Iterable

from msgspec.structs import replace

from wsbook.describe import describe
from wsbook.evidence import Evidence
from wsbook.facts import (
    AffinityFacts,
    BroadcastFacts,
    EndpointFacts,
    IdleFacts,
    InquiryFacts,
    LoadFacts,
    PageFacts,
    PageLoadFacts,
    SessionFacts,
    SignatureFacts,
    SymptomFacts,
    TextFacts,
    TraceFacts,
    UpgradeFacts,
)
from wsbook.finding import NOT_RUN, STEP_TITLES, Finding, Severity, StepVerdict, Verdict
from wsbook.observation import Observation, Outcome, Reason
from wsbook.rules.cluster import spread_of
from wsbook.rules.outcome import say
from wsbook.words import quantity

__all__ = ["judge_steps", "judge_triage"]

_COULD_NOT_LOOK = frozenset({Reason.TOOL_MISSING, Reason.NOT_PERMITTED, Reason.UNREADABLE, Reason.OUR_BUG})

_WATCHED = (BroadcastFacts, TraceFacts, LoadFacts, PageLoadFacts)
"""What shows that all is well only when a rule says so: looks that end without a finding, or in doubt, were too short or saw too little."""

_LIKELY = 0.25
"""A possibility of a step's own that is as likely as this leaves the step in doubt, whatever else of it is well."""


def judge_steps(evidence: Evidence, findings: Iterable[Finding]) -> tuple[StepVerdict, ...]:
    """Return the verdict of every step, in order."""
    ranked, inquiry = list(findings), evidence.first(InquiryFacts)
    verdicts = (_judge_step(step, title, evidence, ranked) for step, title in STEP_TITLES.items())
    return tuple(_not_needed(one, inquiry[1].sure) if inquiry and inquiry[1].sure else one for one in verdicts)


def _not_needed(verdict: StepVerdict, sure: str) -> StepVerdict:
    """Return the verdict of a step that was not looked at because a cause was sure before, with that reason."""
    left = verdict.summary == NOT_RUN
    return replace(verdict, verdict=Verdict.SKIPPED, summary=f"not needed: {sure} was sure before") if left else verdict


def judge_triage(evidence: Evidence, findings: Iterable[Finding]) -> StepVerdict:
    """Return what triage says: a told symptom is never measured, so it is UNKNOWN, with the causes that would fit it best."""
    told = evidence.first(SymptomFacts)
    if told is None:
        return StepVerdict(step="0", title="triage", verdict=Verdict.NOT_APPLICABLE, summary="no symptom was told")
    ids = {seen.id for seen, _ in evidence.of(SymptomFacts)}
    fitting = [finding.cause for finding in findings if any(proof.observation in ids for proof in finding.evidence)]
    words = f"fits {', '.join(fitting[:3])}" if fitting else "fits no cause of the catalogue by itself"
    return StepVerdict(step="0", title="triage", verdict=Verdict.UNKNOWN, summary=f"told: {told[1].text[:80]}; {words}")


def _judge_step(step: str, title: str, evidence: Evidence, findings: list[Finding]) -> StepVerdict:
    seen = [entry for entry in evidence.observations if entry.source.step == step]
    looked = [entry for entry in seen if entry.outcome is not Outcome.NOT_RUN and not _tells_nothing(entry)]
    own = [finding for finding in findings if _rests_on(finding, seen)]
    faults = [finding for finding in own if finding.verdict is Verdict.FAULT]
    named = next((finding.summary for finding in faults if finding.step == step), "")
    weighed = _weighed(seen, own)
    symptom = named or next(filter(None, (_symptom(one) for one in seen if not weighed or not isinstance(one.facts, IdleFacts))), "")
    symptom = symptom or next((_own_words(finding, seen) for finding in faults), "")
    if symptom:
        verdict, summary = Verdict.FAULT, symptom
    elif weighed:
        verdict, summary = Verdict.UNKNOWN, weighed[0].summary
    elif looked:
        verdict, summary = _without_fault(seen, looked, own)
    else:
        verdict, summary = _not_looked(seen)
    return StepVerdict(step=step, title=title, verdict=verdict, summary=summary or verdict.value)


def _tells_nothing(seen: Observation) -> bool:
    """Whether connections were made to see which instance answers, and nothing told the instances apart."""
    facts = seen.facts
    return isinstance(facts, AffinityFacts) and not facts.conversations and spread_of(facts).kind == "unknown"


def _rests_on(finding: Finding, seen: list[Observation]) -> bool:
    """Whether a finding's evidence lies in these observations: the step saw it, whichever step the catalogue names."""
    return bool({entry.id for entry in seen if entry.id} & {proof.observation for proof in finding.evidence})


def _own_words(finding: Finding, seen: list[Observation]) -> str:
    """Return what this step contributed to a finding that another step names."""
    ids = {entry.id for entry in seen}
    return next(proof.text for proof in finding.evidence if proof.observation in ids)


def _weighed(seen: list[Observation], own: list[Finding]) -> list[Finding]:
    """Return what rules say of silent sockets that ended where they doubt that it is a fault: the end alone is no symptom then."""
    ended = [entry for entry in seen if isinstance(entry.facts, IdleFacts) and not entry.facts.survived]
    return [one for one in own if one.verdict is Verdict.UNKNOWN and _rests_on(one, ended)]


def _symptom(seen: Observation) -> str:
    """Return what is wrong with an observation taken alone, "" when nothing is. Variants of an experiment are expected to fail."""
    facts = seen.facts
    if seen.source.changed or seen.outcome is Outcome.NOT_RUN:
        return ""
    if isinstance(facts, UpgradeFacts) and not facts.accepted and seen.source.step != "3.3":
        return f"{seen.source.hop or 'upgrade'}: {say(seen, facts)}"
    if isinstance(facts, PageFacts) and seen.failure is not None and seen.failure.reason is not Reason.TIMEOUT:
        return seen.failure.message
    if isinstance(facts, SessionFacts) and facts.closed_by != "us" and facts.close_code not in (None, 1000, 1001, 1005):
        everybodys = seen.source.probe == "backend_log"  # some of a log's many sockets always break off
        return "" if everybodys else f"closed with {facts.close_code}"
    if isinstance(facts, IdleFacts) and not facts.survived and seen.source.hop == "endpoint" and _was_silent(facts):
        return f"a silent socket {'was found dead' if facts.ended == 'silence' else 'ended'} after {facts.lived_s:.3g} s"
    return ""


def _was_silent(facts: IdleFacts) -> bool:
    """Whether it was silent for about all of its life: short silences of one connection follow one another, and tell less."""
    return facts.traffic == "none" and (facts.age_s is None or facts.age_s <= 1.2 * facts.lived_s + 0.5)


def _without_fault(seen: list[Observation], looked: list[Observation], own: list[Finding]) -> tuple[Verdict, str]:
    broken = [entry for entry in looked if entry.failure is not None and entry.failure.reason in _COULD_NOT_LOOK]
    missing = [entry for entry in seen if entry.outcome is Outcome.NOT_RUN and entry.failure and entry.failure.reason in _COULD_NOT_LOOK]
    useful = [entry for entry in looked if entry not in broken]
    if (broken or missing) and not _answers(useful):
        failure = (broken or missing)[0].failure
        return Verdict.UNKNOWN, failure.message if failure else ""
    pages = [entry.facts for entry in useful if isinstance(entry.facts, PageFacts) and entry.source.probe == "browser"]
    others = any(isinstance(entry.facts, UpgradeFacts | SessionFacts) for entry in useful)
    if pages and not others and not any(facts.sockets for facts in pages):
        return Verdict.UNKNOWN, _without_socket(pages)
    clear = [finding for finding in own if finding.verdict is Verdict.CLEAR and finding.severity is not Severity.INFO]
    clear.sort(key=lambda finding: finding.step != seen[0].source.step)  # what the catalogue counts to this step comes first
    told = [entry for entry in useful if isinstance(entry.facts, _WATCHED)]
    doubtful = [one for one in own if one.verdict is Verdict.UNKNOWN and _rests_on(one, told)]
    likely = _left_open(useful, doubtful, clear)
    if likely or (doubtful and not any(_rests_on(one, told) for one in clear)):
        return Verdict.UNKNOWN, (likely or doubtful)[0].summary
    if clear:
        return Verdict.CLEAR, clear[0].summary
    asked = [entry for entry in useful if entry.source.step == "3.3"]
    if doubtful := [one for one in own if one.verdict is Verdict.UNKNOWN and _rests_on(one, asked)]:
        return Verdict.UNKNOWN, doubtful[0].summary
    answers = [entry.facts for entry in asked if isinstance(entry.facts, UpgradeFacts)]
    if answers and not any(facts.accepted for facts in answers):
        said = [one.summary for one in own if one.step == "3.3"]
        return Verdict.UNKNOWN, said[0] if said else "no Origin is let in, so that nothing is known of which ones are"
    sources = [entry.facts for entry in useful if isinstance(entry.facts, TextFacts) and entry.facts.kind.endswith("_source")]
    dialled = [facts for entry in useful if isinstance(facts := entry.facts, EndpointFacts) and facts.side == "frontend"]
    if dialled and not any(facts.url or facts.path or facts.origin for facts in dialled):
        return Verdict.UNKNOWN, f"the URL of {dialled[0].expression[:100]} cannot be told from the source"
    if sources:
        skipped = next((entry.failure.message for entry in seen if entry.failure and entry.failure.reason is Reason.SKIPPED), "")
        words = f"no known defect in {quantity(sum(facts.items for facts in sources), 'source file')}"
        return Verdict.CLEAR, f"{words}; {skipped}" if skipped else words
    return Verdict.CLEAR, describe(_most_telling(useful), 120)


def _without_socket(pages: list[PageFacts]) -> str:
    """Say that pages opened no socket, with the error that ended a script: what stands after it never ran."""
    thrown = (text.partition("\n")[0] for facts in pages for level, text in facts.console if level == "error" and "Uncaught" in text)
    error = next(thrown, "")
    why = f", and a script of it ended with {error[:150]}" if error else "; it may wait for a click or a login"
    return f"the page opened no socket while it was watched{why}"


def _left_open(useful: list[Observation], doubtful: list[Finding], clear: list[Finding]) -> list[Finding]:
    """Return what leaves a trace or a load in doubt: a likely possibility, or runs of which none tells anything."""
    runs = [entry for entry in useful if isinstance(entry.facts, LoadFacts)]
    flow = [entry for entry in useful if isinstance(entry.facts, (TraceFacts, LoadFacts, PageLoadFacts))]
    told = set().union(*map(_claims, clear))
    likely = [one for one in doubtful if one.confidence >= _LIKELY and _rests_on(one, flow) and told.isdisjoint(_claims(one))]
    void = [one for one in doubtful if _rests_on(one, runs)] if not any(_rests_on(one, runs) for one in clear) else []
    return likely or void


def _claims(finding: Finding) -> set[tuple[str, str]]:
    """Return (cause, observation) of what a finding speaks of."""
    return {(finding.cause, proof.observation) for proof in finding.evidence}


def _answers(seen: list[Observation]) -> bool:
    return any(entry.outcome is Outcome.ANSWERED and not isinstance(entry.facts, TextFacts) for entry in seen)


def _most_telling(seen: list[Observation]) -> Observation:
    """Prefer what a person would ask about first: a page, a text as a whole, an upgrade."""
    order: tuple[type, ...] = (PageFacts, UpgradeFacts, TextFacts, SignatureFacts)
    for kind in order:
        for entry in seen:
            if isinstance(entry.facts, kind):
                return entry
    return seen[0]


def _not_looked(seen: list[Observation]) -> tuple[Verdict, str]:
    for reason, verdict in ((Reason.SKIPPED, Verdict.SKIPPED), (Reason.NOT_GIVEN, Verdict.NOT_APPLICABLE)):
        for entry in seen:
            if entry.failure is not None and entry.failure.reason is reason:
                return verdict, entry.failure.message
    for entry in seen:
        if entry.failure is not None:
            return Verdict.UNKNOWN, entry.failure.message
    return Verdict.NOT_APPLICABLE, NOT_RUN
