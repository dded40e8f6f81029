"""What the answer of the first broken hop proves: lost on the way in, answered by the hop itself, or nobody reached behind it."""

from collections.abc import Iterator, Sequence

from wsbook.attempt import NO_SERVER_NAME, NO_UPGRADE, OTHER_CASE, RANDOM_PATH, THE_ENDPOINTS_PATH, UNVERIFIED
from wsbook.echoed import request_changes, request_changes_text
from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts, PatternFacts, RouteFacts
from wsbook.finding import Finding, Proof
from wsbook.hops import Break, Place, changes_text, header_changes, same_answer
from wsbook.observation import Reason
from wsbook.rules.hop_losses import Match, find_losses, find_silences, judged_by_experiment, tried_at
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import GATEWAY, cured_by_origin, reached_upstream, say

__all__ = ["judge_gateway", "judge_refused", "judge_silent"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNKNOWN_PATH = frozenset({"random path", "the path /"})
_SHARED = (0.65, 0.5, 0.42, 0.4)
"""How sure each of several causes is that are answered alike, the commoner first."""


def _said(place: Place) -> str:
    return f"{place.name} {say(place.seen, place.facts)}"


def _takes(good: Place, what: str = "it") -> str:
    """Return what the place behind does: only behind the first broken hop it accepts."""
    return f"accepts {what}" if good.facts.accepted else f"answers {what} otherwise".replace("  ", " ")


def _proofs(good: Place | None, bad: Place) -> list[Proof]:
    proofs = [proof(place.seen, _said(place)) for place in ([bad, good] if good else [bad])]
    if good is not None and (text := changes_text(header_changes(good.facts, bad.facts))):
        proofs.append(proof(bad.seen, f"in the answer, {bad.name} {text}"))
    return proofs


def judge_refused(evidence: Evidence, good: Place, bad: Place) -> Iterator[Finding]:
    """A hop answers although the one behind it accepts the same upgrade."""
    status = bad.facts.status or 0
    if status == 101:
        yield _judge_malformed(good, bad)
    elif told := _told_by_application(good, bad):
        yield told
    elif matches := find_losses(evidence, good, bad):
        yield from _judge_losses(evidence, good, bad, matches)
    elif status in GATEWAY:
        yield from judge_gateway(evidence, good, bad, [])
    elif status in _REDIRECTS:
        where = (bad.facts.header("location") or "")[:80]
        yield fault(
            "handshake.redirected",
            0.9,
            f"{bad.name} redirects to {where} what {good.name} {_takes(good, '')}".rstrip(),
            *_proofs(good, bad),
        )
    elif judged_by_experiment(evidence, good):
        yield from _judge_own_answer(evidence, good, bad)
    else:
        yield from _judge_unexplained(evidence, good, bad)


_TOLD = (
    (frozenset({"upgrade", "connection"}), "proxy.upgrade-header-missing"),
    (frozenset({"sec-websocket-key", "sec-websocket-version", "origin", "cookie", "authorization"}), "proxy.hop-lacks-websocket-support"),
    (frozenset({"sec-websocket-protocol"}), "subprotocol.mismatch"),
)
"""Headers that an application may say it did not receive → what that proves."""


def _told_by_application(good: Place, bad: Place) -> Finding | None:
    """Return what is lost when the refusal itself holds the headers that the application received."""
    changes = request_changes(bad.facts)
    lost = {change.name.lower() for change in changes if not change.received}
    cause = next((cause for names, cause in _TOLD if names & lost), None)
    if cause is None:
        return None
    words = f"{bad.name} answers {bad.facts.status}, and the application says what it received: the way through {bad.name}"
    return fault(cause, 0.97, f"{words} {request_changes_text(changes)}", *_proofs(good, bad))


def _judge_malformed(good: Place, bad: Place) -> Finding:
    wrong = ", ".join(check.name for check in bad.facts.checks if not check.ok) or "handshake"
    words = f"{bad.name} spoils the 101 of {good.name}: wrong {wrong}"
    return fault("handshake.invalid-exchange", 0.93, words, *_proofs(good, bad))


def _judge_losses(evidence: Evidence, good: Place, bad: Place, matches: list[Match]) -> Iterator[Finding]:
    """The place behind answers the same when something is missing: of several things the commoner is the likelier."""
    paths = [match for match in matches if match.label in _UNKNOWN_PATH]
    if paths and _path(good) != _path(bad):
        matches = [*paths, *(match for match in matches if match not in paths)]
    spelt = _is_spelling(evidence, good, bad)
    status = bad.facts.status
    for number, match in enumerate(matches[: len(_SHARED)]):
        loss = match.loss
        sure = loss.weight if len(matches) == 1 else _SHARED[number]
        proofs = [*_proofs(good, bad), proof(match.seen[0], f"{good.name}, {match.label}: {say(*match.seen)}")]
        if text := changes_text(header_changes(match.seen[1], bad.facts)):
            proofs.append(proof(bad.seen, f"in that answer, {bad.name} {text}"))
        if match.label in _UNKNOWN_PATH:
            yield from _judge_path(evidence, good, bad, proofs, sure / loss.weight)
            continue
        words = f"{bad.name} answers {status}, exactly as {good.name} answers {loss.what}, while {good.name} {_takes(good, 'the upgrade')}"
        yield fault(loss.cause, min(sure, 0.4) if spelt else sure, f"{words}: {bad.name} {loss.lost}", *proofs)
    if [match.loss.cause for match in matches] == ["proxy.http-1.0-upstream"]:
        words = f"whether {bad.name} passes Upgrade and Connection cannot be told while it speaks HTTP/1.0 to {good.name}"
        yield unknown("proxy.upgrade-header-missing", 0.4, words, *_proofs(good, bad))


def _is_spelling(evidence: Evidence, good: Place, bad: Place) -> bool:
    """Whether the good hop refuses an upgrade in other letters just like that: proxies write it so, and rules/tolerance.py says more."""
    spelt = tried_at(evidence, good, OTHER_CASE)
    return bool(spelt) and not spelt[-1][1].accepted and same_answer(spelt[-1][1], bad.facts)


def _judge_own_answer(evidence: Evidence, good: Place, bad: Place) -> Iterator[Finding]:
    """Nothing that the hop may have lost is answered like this, so the answer is the hop's own: a missing route, or a refusal."""
    status, proofs = bad.facts.status, _proofs(good, bad)
    passes_gets = _passes_gets(evidence, good, bad, proofs)
    strange = tried_at(evidence, bad, RANDOM_PATH)
    like_unknown = bool(strange) and same_answer(strange[-1][1], bad.facts)
    words = f"{bad.name} answers {status} itself; the upgrade never reaches {good.name}, which {_takes(good)}"
    if status in (200, 404, 405) and not passes_gets:
        if like_unknown:
            proofs.append(proof(strange[-1][0], f"{bad.name} answers an unknown path the same way: {say(*strange[-1])}"))
        yield fault("proxy.ws-location-missing", 0.93 if like_unknown else 0.85, words, *proofs)
    elif status in (401, 403, 406, 429, 451):
        if cured_by_origin(evidence, bad.name):
            return  # it judges Origin, and the rules of Origin say so
        more = ", and passes other requests on" if passes_gets else ""
        yield fault("proxy.security-layer-blocks", 0.9 if passes_gets else 0.8, f"{words}{more}", *proofs)
        yield unknown("proxy.websocket-support-disabled", 0.4, words, *proofs)
    elif status == 500:
        yield fault("proxy.apache-wstunnel-not-loaded", 0.6 if _is_apache(bad) else 0.3, words, *proofs)
        yield fault("proxy.security-layer-blocks", 0.35, words, *proofs)
    else:
        yield fault("proxy.websocket-support-disabled", 0.75 if passes_gets else 0.6, words, *proofs)
        yield fault("proxy.upgrade-header-missing", 0.5, words, *proofs)


def _is_apache(place: Place) -> bool:
    return "apache" in (place.facts.header("server") or "").lower()


def _passes_gets(evidence: Evidence, good: Place, bad: Place, proofs: list[Proof]) -> bool:
    """Whether a plain GET through the hop is answered as by the place behind it, so that only upgrades are stopped; adds the proof."""
    inside, outside = tried_at(evidence, good, NO_UPGRADE), tried_at(evidence, bad, NO_UPGRADE)
    if not inside or not outside or not same_answer(inside[-1][1], outside[-1][1]) or same_answer(outside[-1][1], bad.facts):
        return False
    proofs.append(proof(outside[-1][0], f"{bad.name}, without Upgrade: {say(*outside[-1])}, as {good.name} answers it"))
    return True


def _judge_unexplained(evidence: Evidence, good: Place, bad: Place) -> Iterator[Finding]:
    """The place behind was asked nothing else, so the status alone speaks."""
    status, proofs = bad.facts.status, _proofs(good, bad)
    words = f"{bad.name} answers {status} to an upgrade that {good.name} {_takes(good, '')}".rstrip()
    if status in (400, 426):
        yield fault("proxy.upgrade-header-missing", 0.75 if status == 426 else 0.6, words, *proofs)
    elif status == 404:
        yield fault("proxy.ws-location-missing", 0.6, words, *proofs)
    elif status == 200:
        yield fault("proxy.ws-location-missing", 0.65, words, *proofs)
        yield fault("proxy.upgrade-header-missing", 0.45, words, *proofs)
    elif status in (401, 403) and not cured_by_origin(evidence, bad.name):
        yield fault("proxy.security-layer-blocks", 0.5, words, *proofs)
        yield fault("origin.proxy-rewrites-host", 0.4, words, *proofs)


def judge_gateway(evidence: Evidence, good: Place | None, bad: Place, unreached: Sequence[Place]) -> Iterator[Finding]:
    """The hop says that it does not reach what stands behind it."""
    status, proofs = bad.facts.status, _proofs(good, bad)
    down = [place for place in unreached if place.seen.failure is not None and place.seen.failure.stage == "tcp"]
    if down and good is None:
        inner, reason = down[0], down[0].seen.failure.reason if down[0].seen.failure else Reason.REFUSED
        sure = 0.93 if reason is Reason.REFUSED else 0.75
        words = f"nothing answers at {inner.name} ({inner.facts.peer or inner.facts.url}): {reason.value}"
        yield fault("proxy.upstream-unreachable", sure, words, proof(inner.seen, _said(inner)), *proofs)
        return
    behind = f" although {good.name} accepts the upgrade directly" if good else ""
    words = f"{bad.name if good else 'the proxy'} answers {status}: it does not reach its upstream{behind}"
    slow = status == 504 and bad.seen.duration_s > 1
    silences = find_silences(evidence, good, bad) if good and status != 503 else []
    timed = bool(silences) and silences[0].score == 1.0
    if good is None and (line := reached_upstream(evidence)):
        said = proof(*line)
        words = f"{bad.name} answers {status}, and a log says that it did reach its upstream, which ended the connection without an answer"
        yield unknown("proxy.upstream-unreachable", 0.3, words, said, *proofs)
        yield fault("endpoint.plain-to-tls-port", 0.5, f"{words}: perhaps it expects TLS", said, *proofs)
        return
    sure = 0.4 if timed else 0.55 if slow or _trouble_with_tls(evidence, good) else 0.72 if silences else 0.88 if good else 0.7
    yield fault("proxy.upstream-unreachable", sure, words, *proofs)
    for match in silences:
        told = f"{bad.name} answers {status}, and {match.loss.what} gets no answer from {good.name if good else ''}"
        evident = proof(match.seen[0], f"{match.label}: {say(*match.seen)}")
        weight = 0.9 * match.loss.weight if match.score == 1.0 else 0.5
        yield fault(match.loss.cause, weight, f"{told}: it may be that {bad.name} {match.loss.lost}", *proofs, evident)
    yield from _judge_http2(evidence, good, bad)
    if slow:
        waited = f"{bad.name} gave up waiting for the application after {bad.seen.duration_s:.1f} s"
        yield fault("handshake.timeout", 0.5, waited, *proofs)


def _trouble_with_tls(evidence: Evidence, good: Place | None) -> bool:
    """Whether the place behind speaks TLS that a proxy may fail at: no answer without a name, or a certificate that is not trusted."""
    if good is None:
        return False
    nameless = evidence.attempts(good.name, changed=NO_SERVER_NAME)
    return UNVERIFIED in good.needs or (bool(nameless) and not nameless[-1][1].accepted)


def _judge_http2(evidence: Evidence, good: Place | None, bad: Place) -> Iterator[Finding]:
    """The configuration speaks HTTP/2 to what stands behind, and nothing comes of it; proven where that accepts HTTP/1.1 directly."""
    for seen, facts in evidence.of(PatternFacts):
        if facts.cause == "proxy.h2-to-upstream" and not facts.ok:
            where, behind = f"{facts.file}:{facts.line}", good.name if good else "its upstream"
            words = f"{bad.name} gets no answer from {behind}, to which it speaks HTTP/2 ({where})"
            proven = f"; {behind} accepts HTTP/1.1 directly" if good else ""
            evident = (proof(seen, facts.excerpt, where), *_proofs(good, bad))
            yield fault("proxy.h2-to-upstream", 0.93 if good else 0.78, f"{words}{proven}", *evident)
            return


def judge_silent(evidence: Evidence, broken: Break) -> Iterator[Finding]:
    """A hop that takes the connection and gives no answer, although the place behind it accepts."""
    good, bad = broken.good, broken.bad
    failure = bad.seen.failure
    if good is None or failure is None or failure.stage != "upgrade":
        return
    yield from _judge_http2(evidence, good, bad)
    if failure.reason not in (Reason.CLOSED, Reason.RESET):
        return
    proofs = _proofs(good, bad)
    words = f"{bad.name} ends the connection without an answer to an upgrade that {good.name} accepts"
    if _passes_gets(evidence, good, bad, proofs):
        yield fault("proxy.security-layer-blocks", 0.75, f"{words}, and passes other requests on", *proofs)
    else:
        yield unknown("proxy.security-layer-blocks", 0.35, words, *proofs)


def _judge_path(evidence: Evidence, good: Place, bad: Place, proofs: list[Proof], sure: float) -> Iterator[Finding]:
    """The place behind does not know what it was asked for: which path did it see?"""
    moved = evidence.attempts(good.name, changed=THE_ENDPOINTS_PATH)
    if _path(good) == _path(bad) or (moved and moved[-1][1].accepted):
        words = f"{good.name} accepts this path directly, and answers {bad.facts.status} behind {bad.name}: the path is changed on the way"
        yield fault("proxy.path-rewrite-wrong", 0.93 * sure, words, *proofs)
    else:
        yield from _judge_foreign_path(evidence, good, bad, proofs, sure)


def _path(place: Place) -> str:
    return place.facts.url.split("/", 3)[-1].partition("?")[0]


def _judge_foreign_path(evidence: Evidence, good: Place, bad: Place, proofs: list[Proof], sure: float) -> Iterator[Finding]:
    """The endpoint's path is not one that the application offers: wrong in the page, or a prefix that the proxy should remove."""
    asked, offered = _path(bad), _path(good)
    rewritten = [facts.upstream_path for _, facts in evidence.of(RouteFacts) if facts.serves and facts.upstream_path]
    offers = {(facts.path or "").strip("/") for _, facts in evidence.of(EndpointFacts) if facts.side == "backend" and facts.path}
    prefixed = bool(offered) and asked.strip("/").endswith(offered.strip("/"))
    changed = any(path.strip("/") not in ({asked.strip("/")} | offers) for path in rewritten)
    summary = f"the application answers {bad.facts.status} to /{asked}; it offers /{offered}"
    if changed or prefixed:
        words = f"{summary}, and the proxy does not map one to the other"
        yield fault("proxy.path-rewrite-wrong", (0.8 if changed else 0.6) * sure, words, *proofs)
    yield fault("endpoint.wrong-path", (0.45 if changed or prefixed else 0.9) * sure, summary, *proofs)
