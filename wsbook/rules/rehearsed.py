"""What a finding on a configuration is worth after its file and its change were tried on loopback, and the change itself as its remedy.

Pure. A change whose trial did not show what it is for is not printed; a claim that the file as it is disproves sinks below doubt.
"""

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from wsbook.causes import cause
from wsbook.evidence import Evidence
from wsbook.facts import Fix, PatternFacts, RehearsalFacts, RouteFacts, Trial
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.rules.make import proof

__all__ = ["with_rehearsals"]

_REFUTED = 0.3
"""Confidence of a claim about a file that passes the upgrade as it is: below what is called a possibility."""
_SURER, _SUREST = 0.05, 0.97
_APPLY = "Change the configuration like this, then let the program read it again."
_SENTENCE_WORDS = 3
"""Fewer are the name of a product, below which the catalogue shows a snippet."""

_HANDSHAKE = (
    "proxy.upgrade-header-missing",
    "proxy.set-header-inheritance-lost",
    "proxy.http-1.0-upstream",
    "proxy.h2-to-upstream",
    "proxy.websocket-support-disabled",
    "proxy.hop-lacks-websocket-support",
)
"""What an upgrade that passes the file speaks against."""

_Shown = Callable[[Trial, Trial, str], bool | None]
"""(before, after, path that was asked for) → whether the change does what it is for; None: the trial cannot tell."""


def _passes(before: Trial, after: Trial, path: str) -> bool | None:
    return None if before.accepted or not _answered(before) else bool(after.accepted)


def _arrives(before: Trial, after: Trial, path: str) -> bool | None:
    return after.received is not None and (before.received is None or before.received.secure != after.received.secure)


def _keeps_path(before: Trial, after: Trial, path: str) -> bool | None:
    if after.received is None or before.received is None or before.received.resource == path:
        return None
    return after.received.resource == path


def _changes_headers(before: Trial, after: Trial, path: str) -> bool | None:
    return bool(_differences(before, after)) if before.received is not None and after.received is not None else None


def _stays(before: Trial, after: Trial, path: str) -> bool | None:
    return after.servers == 1 if before.servers > 1 else None


def _outlives(before: Trial, after: Trial, path: str) -> bool | None:
    if not (before.watched_s and after.watched_s):
        return after.valid
    return after.closed_after_s is None if before.closed_after_s is not None else None


def _is_valid(before: Trial, after: Trial, path: str) -> bool | None:
    return after.valid


_SHOWN: dict[str, _Shown] = {
    "endpoint.plain-to-tls-port": _arrives,
    "endpoint.tls-to-plain-port": _arrives,
    "proxy.path-rewrite-wrong": _keeps_path,
    "proxy.forwarded-headers-wrong": _changes_headers,
    "origin.proxy-rewrites-host": _changes_headers,
    "cluster.no-sticky-session": _stays,
    "proxy.buffering": _is_valid,
    "handshake.headers-too-large": _is_valid,
}
"""Cause → what the trial of its change has to show."""

_OPENING = ("proxy.", "handshake.", "endpoint.", "tls.alpn")
"""Areas of the other causes that keep an upgrade from passing; a change for what else there is has to be valid only."""


def _shows(slug: str) -> _Shown:
    if slug in _SHOWN:
        return _SHOWN[slug]
    if slug.startswith(_LIMITS):
        return _outlives
    return _passes if slug.startswith(_OPENING) else _is_valid


_LIMITS = ("proxy.idle-timeout", "proxy.max-lifetime")


def with_rehearsals(evidence: Evidence, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings, those on configurations with their change, and with what trying it showed."""
    by_id = {seen.id: seen for seen in evidence.observations if seen.id and isinstance(seen.facts, RouteFacts | PatternFacts)}
    trials = list(evidence.of(RehearsalFacts))
    for finding in findings:
        seen = next((by_id[one.observation] for one in finding.evidence if one.observation in by_id), None)
        if seen is None and finding.verdict is Verdict.FAULT and finding.cause.startswith(_LIMITS):
            seen = next((one for one in by_id.values() if _limits(one, finding.cause)), None)  # sockets were seen to die of it
        if seen is None or finding.verdict not in (Verdict.FAULT, Verdict.UNKNOWN) or finding.confidence <= 0.0:
            yield finding
        else:
            yield _weighed(finding, seen, trials)


def _limits(seen: Observation, slug: str) -> bool:
    """Whether a route that may serve the endpoint has the limit, and a change of it."""
    return isinstance(seen.facts, RouteFacts) and seen.facts.serves is not False and _fix_of(seen, slug) is not None


def _weighed(finding: Finding, seen: Observation, trials: list[tuple[Observation, RehearsalFacts]]) -> Finding:
    fix = _fix_of(seen, finding.cause)
    tried = [(o, facts) for o, facts in trials if fix is not None and fix.diff in (facts.diff, *facts.parts)]
    whole = tried or [(o, facts) for o, facts in trials if not facts.diff and _same_route(o, seen)]
    if whole and finding.cause in _HANDSHAKE and whole[0][1].before.accepted:
        return _refuted(finding, *whole[0])
    if fix is None:
        return finding
    tried = sorted((pair for pair in tried if pair[1].after is not None), key=lambda pair: len(pair[1].parts))
    if not tried:
        return replace(finding, remedy=_remedy(finding, fix.diff, ""))
    shown = [(_works(finding.cause, facts), o, facts) for o, facts in tried]
    works = next((one for one in shown if one[0]), shown[0])
    return _proven(finding, fix, *works)


def _works(slug: str, facts: RehearsalFacts) -> bool | None:
    """Whether a trial shows that the change does what it is for; None when it cannot tell."""
    shown, after = _shows(slug), facts.after
    if after is None or after.valid is None or (shown not in (_is_valid, _outlives) and not _answered(after)):
        return None
    if after.valid is False and facts.before.valid is False:
        return None  # what the program refuses is in both, or comes of how the file was made ready
    return shown(facts.before, after, "/" + facts.url.partition("://")[2].partition("/")[2])


def _fix_of(seen: Observation, slug: str) -> Fix | None:
    if isinstance(seen.facts, PatternFacts):
        return seen.facts.fix if seen.facts.cause == slug else None
    return next((fix for fix in seen.facts.fixes if slug in fix.causes), None) if isinstance(seen.facts, RouteFacts) else None


def _same_route(tried: Observation, seen: Observation) -> bool:
    return isinstance(seen.facts, RouteFacts) and (tried.source.artifact, tried.source.line) == (seen.facts.file, seen.facts.line)


def _refuted(finding: Finding, seen: Observation, facts: RehearsalFacts) -> Finding:
    words = f"tried on loopback, {_program(facts)} passes the upgrade with this file as it is"
    return replace(
        finding,
        verdict=Verdict.UNKNOWN,
        confidence=min(finding.confidence, _REFUTED),
        summary=f"{finding.summary}; {words}",
        evidence=(*finding.evidence, proof(seen, f"{facts.url}: {_outcome(facts.before)}", facts.file)),
    )


def _proven(finding: Finding, fix: Fix, works: bool | None, seen: Observation, facts: RehearsalFacts) -> Finding:
    """Return the finding with the change and what trying it showed; with several changes, when it takes all of them."""
    if works is None:
        return replace(finding, remedy=_remedy(finding, fix.diff, _why_not(facts)))
    if not works:
        return replace(finding, remedy=_remedy(finding, "", _vain(facts)))
    words, shown = _words(finding.cause, facts), _shows(finding.cause)
    told = shown is not _is_valid and (shown is not _outlives or facts.before.watched_s)
    surer = finding.confidence + _SURER if finding.verdict is Verdict.FAULT and shown is _passes else finding.confidence
    return replace(
        finding,
        confidence=max(finding.confidence, min(_SUREST, surer)),
        remedy=_remedy(finding, facts.diff, f"Tried: {words}."),
        evidence=(*finding.evidence, proof(seen, words, facts.file)) if told else finding.evidence,
    )


def _answered(trial: Trial) -> bool:
    """Whether a trial tells anything: the program refused the text, answered, or passed something on."""
    return trial.valid is False or trial.status is not None or trial.received is not None


def _remedy(finding: Finding, diff: str, tried: str) -> str:
    """Return one sentence, what came of trying the change, and the change."""
    whole = finding.remedy or cause(finding.cause).remedy
    first = whole.partition("\n")[0].rstrip(":")
    sentence = whole if not diff else f"{first.rstrip('.')}." if first.count(" ") >= _SENTENCE_WORDS and not first[:1].isspace() else _APPLY
    return "\n".join(filter(None, (sentence, tried, diff)))


def _program(facts: RehearsalFacts) -> str:
    return f"{facts.product} {facts.version}".strip()


def _outcome(trial: Trial) -> str:
    """Say what came of an attempt."""
    if trial.valid is False:
        return f"refuses the file ({trial.complaint[:160]})"
    if trial.accepted:
        return "accepts the upgrade (101)"
    reached = "" if trial.received is not None else ", and nothing reaches the application"
    return f"answers {trial.status}{reached}" if trial.status else f"does not answer{reached}"


def _words(slug: str, facts: RehearsalFacts) -> str:
    """Say what trying the change showed, in one sentence."""
    before, after, name = facts.before, facts.after, _program(facts)
    assert after is not None
    shown = _shows(slug)
    if shown is _outlives and before.watched_s and before.closed_after_s is not None:
        return (
            f"{name}, with every limit of the file shortened {1 / facts.scale:.0f} times, closes a silent socket after "
            f"{before.closed_after_s:.1f} s without this change and still holds it after {after.watched_s:.1f} s with it"
        )
    if shown in (_is_valid, _outlives):
        return f"{name} accepts the changed file" + ("; what the limit does was not waited for" if slug.startswith(_LIMITS) else "")
    if shown is _stays:
        return f"behind {name}, attempts of one client reach one server with this change and {before.servers} without it"
    if shown is _keeps_path and after.received is not None:
        got = before.received.resource if before.received else "nothing"
        return f"{name} sends {after.received.resource} to the application with this change and {got} without it"
    if shown is _changes_headers:
        return f"{name} sends {_differences(before, after)}"
    if shown is _arrives:
        upstream = "TLS" if after.received and after.received.secure else "plain HTTP"
        return f"{name} reaches an upstream that speaks {upstream} with this change; without it, it {_outcome(before)}"
    return f"{name} {_outcome(after)} with this change and {_outcome(before)} without it"


def _differences(before: Trial, after: Trial) -> str:
    assert before.received is not None and after.received is not None
    old, new = dict(before.received.headers), dict(after.received.headers)
    names = [name for name in dict.fromkeys((*new, *old)) if old.get(name) != new.get(name) and name.lower() not in _OURS]
    said = [f"{name}: {new.get(name, '(absent)')} instead of {old.get(name, '(absent)')}" for name in names[:3]]
    return ", ".join(said)


_OURS = ("sec-websocket-key", "user-agent")
"""Different in every attempt."""


def _why_not(facts: RehearsalFacts) -> str:
    assert facts.after is not None
    silent = not facts.after.valid or not _answered(facts.after)
    return f"Not tried: {facts.after.complaint[:200]}." if facts.after.complaint and silent else ""


def _vain(facts: RehearsalFacts) -> str:
    assert facts.after is not None
    return f"No change is printed: the one that was tried does not cure it alone ({_program(facts)} {_outcome(facts.after)} with it)."
