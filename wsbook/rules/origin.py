"""Which origins may open the socket (step 3.3): is the page's own among them, and how does the list spell it?

Every attempt is compared with the same one from the page's own origin, made before and after all others. A refusal that no other Origin
cures has perhaps another reason, and is not called one of Origin.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from wsbook import attempt as labels
from wsbook.evidence import Evidence
from wsbook.finding import Finding, Proof, Severity
from wsbook.rules.entry import Entry, Kind, entry_of, speaks_of_origin
from wsbook.rules.hijack import judge_hijack, judge_hijack_inside
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.origin_hops import HopView, judge_origin_hops, view_hops
from wsbook.rules.outcome import Seen, baseline, same_answer
from wsbook.wire.messages import errors_in
from wsbook.words import quantity

__all__ = ["judge_origin"]

_SLUG = "origin.not-in-allowlist"
_FORMS: dict[str, str] = {
    labels.SLASH_ORIGIN: "the list has it with a slash at the end, which no browser sends",
    labels.DEFAULT_PORT_ORIGIN: "the list has it with the default port, which browsers leave out",
    labels.WITHOUT_PORT_ORIGIN: "the list has it without its port, which browsers send",
    labels.PATH_ORIGIN: "the list has the page's address, and browsers send no path",
    labels.BARE_ORIGIN: "the list has the bare host, and browsers send the scheme too",
    labels.CAPITAL_ORIGIN: "the list has it in capitals, and browsers send small letters",
    labels.DOT_ORIGIN: "the list has it with a dot at the end",
    labels.OTHER_SCHEME_ORIGIN: "the list has it with the other scheme",
    labels.WWW_ORIGIN: "the list has it with www where the page has none, or the reverse",
    labels.LOOPBACK_ORIGIN: "the list has the other name of this machine",
    labels.PARENT_ORIGIN: "the list has the domain above",
    labels.OTHER_PORT_ORIGIN: "the list has it with another port",
    labels.SUBDOMAIN_ORIGIN: "the list has its sub-domains and not the domain itself",
    labels.OWN_ORIGIN: "only pages of the endpoint's own host are let in",
    labels.NULL_ORIGIN: "null is let in",
    labels.FOREIGN_ORIGIN: "even a foreign page is let in",
    labels.NO_ORIGIN: "clients without Origin are let in",
}
"""Change that cures → what the list has instead; the more telling first."""
_OTHER_REASONS = frozenset({101, 401, 405, 407, 413, 426, 431, 500, 501, 505})
"""Statuses with which no server refuses an Origin: they speak of the request, the login, or of a server that is in trouble."""


class Matrix(Struct, frozen=True):
    """The attempts at the endpoint. own: the page's. others: by the change of Origin alone. again: the own ones after all others."""

    own: Entry
    others: dict[str, Entry]
    again: Entry | None


def judge_origin(evidence: Evidence) -> Iterator[Finding]:
    """Judge the matrix of origins."""
    matrix = _matrix(evidence)
    if matrix is None or not evidence.target.expected_origin:
        return
    if _unsteady(matrix):
        yield _doubtful(evidence, matrix)
    elif matrix.own.opened:
        origin = evidence.target.expected_origin
        words = f"Origin {origin} is accepted"
        yield clear(_SLUG, words, proof(matrix.own.seen, matrix.own.words), *_cors_proofs(matrix))
        yield from judge_hijack(evidence, matrix.own, matrix.again)
    elif matrix.own.refused:
        yield from _judge_strict(evidence, matrix)
    if not matrix.own.opened and not _tells_apart(matrix):
        yield from judge_hijack_inside(evidence)
    yield from judge_origin_hops(evidence)


def _own(evidence: Evidence) -> Seen | None:
    """Return the page's own attempt of this step, which was watched after its 101, else that of the direct test."""
    tried = evidence.attempts(step="3.3")
    return tried[-1] if tried else baseline(evidence)


def _matrix(evidence: Evidence) -> Matrix | None:
    own = _own(evidence)
    if own is None:
        return None
    others: dict[str, Entry] = {}
    for seen, facts in evidence.upgrades:
        source = seen.source
        if source.probe == "upgrade" and source.hop == "endpoint" and len(source.changed) == 1 and _changes_origin(source.changed[0]):
            others[source.changed[0]] = entry_of((seen, facts))
    again = [entry_of(one) for one in evidence.attempts(changed=labels.THE_SAME_AGAIN, step="3.3")]
    return Matrix(entry_of(own), others, again[-1] if again else None)


def _changes_origin(label: str) -> bool:
    return label in _FORMS or "origin" in label.lower()


def _tells_apart(matrix: Matrix) -> bool:
    """Whether the endpoint answers a foreign page otherwise than its own: it has a check, though it lets nobody in."""
    foreign = matrix.others.get(labels.FOREIGN_ORIGIN)
    return foreign is not None and not same_answer(foreign.facts, matrix.own.facts)


def _unsteady(matrix: Matrix) -> bool:
    """Whether the page itself is answered now so and now so, or the endpoint was too busy to judge."""
    if matrix.own.kind is Kind.BUSY:
        return True
    return (
        matrix.again is not None and matrix.again.kind is not matrix.own.kind and Kind.NOTHING not in (matrix.own.kind, matrix.again.kind)
    )


def _doubtful(evidence: Evidence, matrix: Matrix) -> Finding:
    again = f", and {matrix.again.words} after {quantity(len(matrix.others), 'other attempt')}" if matrix.again else ""
    words = f"Origin {evidence.target.expected_origin} is {matrix.own.words}{again}: too unsteady to tell what Origin does"
    proofs = [proof(one.seen, one.words) for one in (matrix.own, matrix.again) if one is not None]
    return unknown(_SLUG, 0.1, words, *proofs)


def _cors_proofs(matrix: Matrix) -> list[Proof]:
    """Return what the answer's CORS header says beside what became of the upgrade: nothing that a browser would look at."""
    found: list[Proof] = []
    for entry in (matrix.own, *matrix.others.values()):
        allowed = entry.facts.header("access-control-allow-origin")
        if allowed is not None:
            beside = f"beside Access-Control-Allow-Origin: {allowed[:60]}, which decides nothing here"
            found.append(proof(entry.seen, f"Origin {_sent(entry)}: {entry.words}, {beside}"))
    return found[:2]


def _sent(entry: Entry) -> str:
    return entry.facts.request_header("origin") or "none"


def _judge_strict(evidence: Evidence, matrix: Matrix) -> Iterator[Finding]:
    """The page's own Origin does not get in. Does another one?"""
    cures = {label: entry for label, entry in matrix.others.items() if entry.opened}
    if cures:
        yield from _judge_cured(evidence, matrix, cures)
        return
    view = view_hops(evidence)
    if view.kind == "origin" and matrix.others:  # a Host that is minded without Origin too is no matter of Origin
        refused = f"Origin {evidence.target.expected_origin} is refused ({_short(matrix.own)})"
        yield from _judge_meddling(view, refused, "", [])
        return
    others = [entry for entry in matrix.others.values() if entry.refused]
    said = speaks_of_origin(matrix.own.facts) if view.kind in ("", "inside") else ""  # inside it is accepted: it arrives as another one
    if said and matrix.own.facts.status in (400, 403, 404, 101):
        words = f"Origin {evidence.target.expected_origin} is refused ({_short(matrix.own)}), and the refusal names it: {said[:120]}"
        yield fault(_SLUG, 0.9, words, proof(matrix.own.seen, said), *_alike_proofs(others), remedy=_remedy(evidence))
    elif others and len(others) == len(matrix.others):
        yield _judge_alike(evidence, matrix, others)


def _short(entry: Entry) -> str:
    facts = entry.facts
    if entry.kind is Kind.REFUSED:
        return str(facts.status)
    return f"101, then close {facts.close_code}" if facts.close_code is not None else entry.kind.value


def _remedy(evidence: Evidence) -> str:
    return f"Allow exactly this origin on the server, as browsers send it: {evidence.target.expected_origin}"


def _alike_proofs(others: list[Entry]) -> list[Proof]:
    return [proof(entry.seen, f"{entry.seen.source.changed[0]}: {entry.words}") for entry in others[:2]]


def _form(label: str) -> str:
    """Say what the list has instead."""
    place = label.removeprefix(labels.LISTED_ORIGIN)
    return _FORMS.get(label) or (f"the list at {place} has another" if place != label else label)


def _rank(label: str) -> int:
    """Order cures: how the list spells the own one, then what else stands on it, then what any list lets in."""
    order = list(_FORMS)
    if label.startswith(labels.LISTED_ORIGIN):
        return order.index(labels.OWN_ORIGIN)
    return order.index(label) if label in order else len(order)


def _judge_cured(evidence: Evidence, matrix: Matrix, cures: dict[str, Entry]) -> Iterator[Finding]:
    origin = evidence.target.expected_origin
    inner = next((label for label in cures if label.startswith(labels.INNER_ORIGIN)), "")
    if labels.NO_ORIGIN in cures:  # what is no URL may be taken for none
        cures = {label: entry for label, entry in cures.items() if label != labels.BARE_ORIGIN}
    ordered = sorted(cures, key=_rank)
    proofs = [
        proof(matrix.own.seen, f"Origin {origin}: {matrix.own.words}"),
        *(proof(cures[label].seen, f"{label} ({_sent(cures[label])}): {cures[label].words}") for label in ordered[:3]),
    ]
    told = evidence.target.page_url or evidence.target.origin
    guess = "" if told else "; no page was given, so its origin is assumed to be the endpoint's own: give page_url or origin"
    view = view_hops(evidence)
    refused = f"Origin {origin} is refused ({_short(matrix.own)})"
    if view.kind in ("host", "origin", "unclear") or (inner and view.kind != "inside"):
        yield from _judge_meddling(view, refused, inner, proofs)
        if view.kind in ("host", "origin"):
            return
    best = ordered[0]
    accepted = cures[best].facts.request_header("origin")
    shown = f"{accepted} is accepted" if accepted else "none is accepted"
    words = f"{refused}, {shown}: {_form(best)}{guess}"
    if view.kind == "proxy":
        words = f"{refused} by {view.outer}, which keeps a list of its own, and accepted at {view.inner} behind it; at {view.outer} {shown}"
    sure = 0.4 if view.kind == "unclear" else 0.6 if inner or not told else 0.96
    yield fault(_SLUG, sure, words, *proofs, *(view.proofs if view.kind == "proxy" else ()), remedy=_remedy(evidence))


def _judge_meddling(view: HopView, refused: str, inner: str, proofs: list[Proof]) -> Iterator[Finding]:
    """A proxy changes what the application compares."""
    slug = "origin.proxy-rewrites-host"
    outer = "the proxy at the endpoint" if view.outer == "endpoint" else view.outer
    if view.kind == "host":
        words = f"{refused}, as at {view.inner} with a Host that does not fit, and accepted there with one that does: {outer} rewrites Host"
        yield fault(slug, 0.96, words, *view.proofs, *proofs[1:2])
    elif view.kind == "origin":
        words = f"{refused} as {view.inner} refuses a foreign one, and accepted there: {outer} replaces Origin"
        yield fault(slug, 0.93, words, *view.proofs, remedy="Pass Origin on unchanged: remove the line of the proxy that sets it.")
    elif view.kind == "unclear":
        words = f"{refused} through the proxy and accepted at {view.inner} behind it"
        yield fault(slug, 0.9, words, *view.proofs, *proofs[1:2])
    elif inner:
        host = inner.removeprefix(labels.INNER_ORIGIN)
        words = f"{refused}, and http://{host} is accepted: the application seems to be called by that Host, and to compare the two"
        yield fault(slug, 0.8, words, *proofs)


def _judge_alike(evidence: Evidence, matrix: Matrix, others: list[Entry]) -> Finding:
    """Every Origin is refused alike. A check in front of all routes, such as that of Django Channels, refuses unknown paths alike too."""
    status = matrix.own.facts.status
    words = f"{quantity(len(others), 'other Origin')} {'is' if len(others) == 1 else 'are'} refused alike ({_short(matrix.own)})"
    evident = [proof(matrix.own.seen, matrix.own.words), proof(others[0].seen, others[0].words)]
    if said := _another_reason(matrix.own):
        return clear(_SLUG, f"{words}, and the server says why: {said[:120]}", *evident)
    if matrix.own.kind is Kind.REFUSED and (status in _OTHER_REASONS or 300 <= (status or 0) < 400):
        return replace(clear(_SLUG, f"{words}, which is no answer to an Origin", *evident), severity=Severity.INFO)
    strange = evidence.attempts(changed=labels.RANDOM_PATH)
    if strange and same_answer(strange[-1][1], matrix.own.facts):
        evident.append(proof(strange[-1][0], "a path that nobody serves is answered the same way"))
        return unknown(_SLUG, 0.15, f"{words}, and so is a path that nobody serves: nothing points to Origin", *evident)
    listed = f"{words}: either Origin is not the reason, or the list holds only origins that nobody told us"
    return unknown(_SLUG, 0.25, listed, *evident)


def _another_reason(own: Entry) -> str:
    """Return a message by which the server names another reason, one of the dialects' known errors; "" when it names none."""
    said = own.facts.first_message or ""
    causes = {slug for error in errors_in(said) for slug, _ in error.causes}
    return said if causes and not any(slug.startswith("origin.") for slug in causes) else ""
