"""Which origins may open the socket: too strict for the page's own, or open to any site (step 3.3)."""

from collections.abc import Iterator

from wsbook.attempt import FOREIGN_ORIGIN, NO_CREDENTIALS, NO_ORIGIN, THE_ENDPOINTS_HOST
from wsbook.evidence import Evidence
from wsbook.finding import Finding
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import Seen, baseline, inner_hops, say

__all__ = ["judge_origin"]


def judge_origin(evidence: Evidence) -> Iterator[Finding]:
    """Judge the matrix of origins. A refusal that no other Origin cures has another reason and is not judged here."""
    own = baseline(evidence)
    if own is None or not evidence.target.expected_origin:
        return
    if own[1].accepted:
        yield from _judge_open(evidence, own)
    elif own[1].status is not None:
        yield from _judge_strict(evidence, own)


def _judge_strict(evidence: Evidence, own: Seen) -> Iterator[Finding]:
    origin = evidence.target.expected_origin
    cures = [
        (seen, facts)
        for seen, facts in evidence.upgrades
        if seen.source.probe == "upgrade" and seen.source.hop == "endpoint" and facts.accepted and _only_origin_changed(seen.source.changed)
    ]
    by_host = [
        entry for hop in evidence.target.hops for entry in evidence.attempts(hop.name, changed=THE_ENDPOINTS_HOST) if entry[1].accepted
    ]
    if by_host and not any(facts.accepted for _, (_, facts) in inner_hops(evidence)):
        seen, facts = by_host[0]
        summary = f"Origin {origin} is refused, and accepted at {seen.source.hop} when Host is the public one: the proxy rewrites Host"
        proofs = [proof(own[0], f"endpoint: {say(*own)}"), proof(seen, f"{THE_ENDPOINTS_HOST}: {say(seen, facts)}")]
        yield fault("origin.proxy-rewrites-host", 0.95, summary, *proofs)
        return
    if not cures:
        others = [
            (seen, facts) for seen, facts in evidence.upgrades if seen.source.step == "3.3" and _only_origin_changed(seen.source.changed)
        ]
        if others and all(facts.status == own[1].status for _, facts in others):
            words = f"{len(others)} other Origins are answered {own[1].status} alike, so Origin is not the reason"
            yield clear("origin.not-in-allowlist", words, proof(others[0][0], say(*others[0])))
        return
    proofs = [
        proof(own[0], f"Origin {origin}: {say(*own)}"),
        *(proof(seen, f"{'; '.join(seen.source.changed)}: {say(seen, facts)}") for seen, facts in cures[:3]),
    ]
    inside = [name for name, (_, facts) in inner_hops(evidence) if facts.accepted]
    remedy = f"Allow exactly this origin on the server: {origin}"
    if inside:
        summary = f"Origin {origin} is refused through the proxy and accepted at {inside[0]}"
        yield fault("origin.proxy-rewrites-host", 0.9, summary, *proofs)
        yield fault("origin.not-in-allowlist", 0.4, summary, *proofs, remedy=remedy)
    else:
        yield fault(
            "origin.not-in-allowlist",
            0.96,
            f"Origin {origin} is refused with {own[1].status}; {cures[0][0].source.changed[0]} is accepted",
            *proofs,
            remedy=remedy,
        )


def _only_origin_changed(changed: tuple[str, ...]) -> bool:
    return len(changed) == 1 and "origin" in changed[0].lower()


def _judge_open(evidence: Evidence, own: Seen) -> Iterator[Finding]:
    origin = evidence.target.expected_origin
    yield clear("origin.not-in-allowlist", f"Origin {origin} is accepted", proof(own[0], say(*own)))
    foreign = evidence.attempts(changed=FOREIGN_ORIGIN)
    if not foreign:
        return
    seen, facts = foreign[-1]
    if not facts.accepted:
        yield clear("origin.not-checked", f"a foreign Origin is refused: {say(seen, facts)}", proof(seen, say(seen, facts)))
        return
    bare = evidence.attempts(changed=NO_CREDENTIALS)
    evident = [proof(seen, f"{FOREIGN_ORIGIN}: {say(seen, facts)}")]
    if bare and not bare[-1][1].accepted and any(name.lower() == "cookie" for name, _ in evidence.target.headers):
        evident.append(proof(bare[-1][0], f"{NO_CREDENTIALS}: {say(*bare[-1])}"))
        yield fault("origin.not-checked", 0.93, "any web page can open the socket with the visitor's cookies", *evident)
    else:
        anonymous = evidence.attempts(changed=NO_ORIGIN)
        evident += [proof(other, f"{NO_ORIGIN}: {say(other, value)}") for other, value in anonymous[-1:]]
        yield unknown(
            "origin.not-checked", 0.2, "a foreign Origin is accepted; whether that matters depends on how users are known", *evident
        )
