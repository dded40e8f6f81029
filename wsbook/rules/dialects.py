"""Libraries' own protocols: refused, spoken in another version, by one side only, or with sessions that do not stick (areas A, F, I)."""

import re
from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import DialectFacts, DialectStep, EndpointFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import baseline
from wsbook.rules.page_dialect import PLAIN, answers_as_client, is_by_hand, sockets_alone
from wsbook.wire.dialects.detect import recognise
from wsbook.wire.dialects.graphql import LEGACY, TRANSPORT
from wsbook.wire.dialects.refusals import refusals

__all__ = ["judge_dialects"]

_MISMATCH = "endpoint.protocol-library-mismatch"
_STICKY = "cluster.no-sticky-session"
_TRANSPORT = "engine.io-transport"
"""The refusal of a transport: python-engineio takes a WebSocket whose Upgrade header was lost for polling under a false name."""
_ENOUGH_PAIRS = 4
_OVER_PLAIN = frozenset({"graphql", "stomp", "actioncable", "mqtt", "phoenix"})
"""Dialects of messages alone: an application may well speak them by itself over a plain client."""
_EIO = re.compile(r"[?&]EIO=(\d)")


def judge_dialects(evidence: Evidence) -> Iterator[Finding]:
    """Judge what each endpoint made of a client of its dialect."""
    for seen, facts in evidence.of(DialectFacts):
        if seen.source.changed:
            continue
        found = [
            *_judge_refusals(evidence, seen, facts),
            *_judge_version(evidence, seen, facts),
            *_judge_absence(evidence, seen, facts),
            *_judge_plain_client(evidence, seen, facts),
            *_judge_pairs(evidence, seen, facts),
            *_judge_subprotocol(evidence, seen, facts),
            *_judge_settings(seen, facts),
        ]
        yield from found
        if facts.spoken and not found and any(step.ok for step in facts.steps):
            words = f"{facts.dialect} {', '.join(facts.versions)} is spoken".replace("  ", " ")
            yield clear(_MISMATCH, words, proof(seen, _named(next(step for step in facts.steps if step.ok))))


def _named(step: DialectStep) -> str:
    return f"{step.name}: {step.detail}"


def _judge_refusals(evidence: Evidence, seen: Observation, facts: DialectFacts) -> Iterator[Finding]:
    """Explain each refusal that the dialect knows; where it was only guessed from the path, an answer proves nothing."""
    if not facts.spoken and facts.basis == "path":
        return
    told: set[str] = set()
    for step in facts.steps:
        known = refusals().get(step.refusal)
        if step.ok is not False or known is None or known.id in told or (known.status and not facts.spoken and facts.basis != "asked"):
            continue
        told.add(known.id)
        if known.id == _TRANSPORT and "websocket" in dict(facts.settings).get("upgrades", ""):
            summary = f"{facts.dialect}, {step.name}: {step.detail[:100]}, which the server has just offered: it did not see Upgrade"
            yield fault("proxy.upgrade-header-missing", 0.6, summary, proof(seen, _named(step)))
            continue
        for slug, sure in known.causes:
            if slug == _STICKY and sockets_alone(evidence, facts.dialect):
                continue
            summary = f"{facts.dialect}, {step.name}: {step.detail[:100]}: {known.means}"
            yield fault(slug, sure, summary, proof(seen, _named(step)), remedy="", check="")


def _client_versions(evidence: Evidence) -> dict[str, Observation | None]:
    """Return the Engine.IO versions that the page's own client asks for: in its requests, or in the URL that was given."""
    found: dict[str, Observation | None] = {}
    for seen, facts in evidence.upgrades:
        if seen.source.probe != "upgrade" and (match := _EIO.search(facts.url)):
            found.setdefault(match[1], seen)
    given = _EIO.search(evidence.target.url)
    return found or ({given[1]: None} if given else {})


def _judge_version(evidence: Evidence, seen: Observation, facts: DialectFacts) -> Iterator[Finding]:
    if facts.dialect != "engine.io" or not facts.versions:
        return
    for version, where in _client_versions(evidence).items():
        if version not in facts.versions:
            spoken = ", ".join(facts.versions)
            summary = f"the client speaks Engine.IO {version}, the server {spoken} only"
            remedy = (
                "Use the same major of Socket.IO on both sides: 2.x speaks Engine.IO 3, 3.x and later 4. "
                "allowEIO3: true lets a newer Node server take both."
            )
            proofs = [proof(seen, f"accepted: EIO={spoken}"), *([proof(where, f"EIO={version}")] if where else [])]
            yield fault(_MISMATCH, 0.92, summary, *proofs, remedy=remedy)


def _clients(evidence: Evidence, dialect: str) -> tuple[list[tuple[Observation, EndpointFacts]], bool]:
    """Return (places of the frontend that speak the dialect, whether others speak something else)."""
    dialled = [(seen, facts) for seen, facts in evidence.of(EndpointFacts) if facts.side == "frontend"]
    own = [place for place in dialled if any(clue.dialect == dialect for clue in recognise("", libraries=[place[1].library]))]
    return own, len(own) < len(dialled)


def _judge_absence(evidence: Evidence, seen: Observation, facts: DialectFacts) -> Iterator[Finding]:
    """The client speaks it and the endpoint, which accepts plain upgrades, does not."""
    tried = baseline(evidence)
    own, others = _clients(evidence, facts.dialect)
    if facts.spoken is not False or not own or others or tried is None or not tried[1].accepted:
        return
    place = own[0][1]
    summary = f"the page speaks {place.library}, the endpoint accepts plain WebSockets and does not answer as {facts.dialect}"
    proofs = [proof(own[0][0], place.expression, f"{place.file}:{place.line}"), *(proof(seen, _named(step)) for step in facts.steps[:2])]
    yield fault(_MISMATCH, 0.8, summary, *proofs)


def _judge_plain_client(evidence: Evidence, seen: Observation, facts: DialectFacts) -> Iterator[Finding]:
    """The endpoint speaks it and the page dials the same path with nothing that does."""
    own, _ = _clients(evidence, facts.dialect)
    path = evidence.target.endpoint.path if evidence.target.endpoint else ""
    plain = [
        (place, dialled)
        for place, dialled in evidence.of(EndpointFacts)
        if dialled.side == "frontend" and dialled.library in PLAIN and dialled.path == path
    ]
    answered = answers_as_client(evidence, facts.dialect)
    if not facts.spoken or facts.basis != "said" or facts.dialect in _OVER_PLAIN or own or not plain or answered:
        return
    place, dialled = plain[0]
    if answered is None and is_by_hand(dialled, facts.dialect):
        words = f"the page dials {facts.dialect} with {dialled.library} and the query of its client: whether it speaks it was not seen"
        yield unknown(_MISMATCH, 0.3, words, proof(place, dialled.expression, f"{dialled.file}:{dialled.line}"))
        return
    summary = f"the endpoint speaks {facts.dialect}, the page dials it with {dialled.library} and understands none of its packets"
    proofs = [proof(place, dialled.expression, f"{dialled.file}:{dialled.line}"), proof(seen, facts.why)]
    yield fault(_MISMATCH, 0.85, summary, *proofs)


def _judge_pairs(evidence: Evidence, seen: Observation, facts: DialectFacts) -> Iterator[Finding]:
    lost, pairs = facts.pairs_lost, facts.pairs
    words = f"{lost} of {pairs} sessions were unknown to the request after the first, which took another connection"
    if lost and (alone := sockets_alone(evidence, facts.dialect)):
        yield clear(_STICKY, f"{words}; the page's client begins by a WebSocket, which is one request", proof(seen, words), alone)
    elif lost:
        sure = 0.95 if lost < pairs else 0.8
        yield fault(_STICKY, sure, words, proof(seen, words))
    elif pairs >= _ENOUGH_PAIRS:
        yield clear(_STICKY, f"{pairs} of {pairs} sessions were known to the request after the first", proof(seen, words))


def _judge_subprotocol(evidence: Evidence, seen: Observation, facts: DialectFacts) -> Iterator[Finding]:
    offered = [name for name in evidence.target.subprotocols if name in (LEGACY, TRANSPORT)]
    if facts.dialect == "graphql" and facts.versions and offered and not set(offered) & set(facts.versions):
        spoken = ", ".join(facts.versions)
        summary = f"the client offers {', '.join(offered)}, the server speaks {spoken} only"
        remedy = (
            "The library graphql-ws speaks graphql-transport-ws; subscriptions-transport-ws speaks graphql-ws. Use the same on both sides."
        )
        yield fault("subprotocol.mismatch", 0.92, summary, proof(seen, f"acknowledged: {spoken}"), remedy=remedy)


def _judge_settings(seen: Observation, facts: DialectFacts) -> Iterator[Finding]:
    settings = dict(facts.settings)
    if settings.get("heart-beat") == "0,0":
        words = "the server announces heart-beat:0,0, so neither side keeps a silent connection alive"
        yield unknown("heartbeat.absent-or-too-slow", 0.4, words, proof(seen, words))
    off = (facts.dialect == "sockjs" and settings.get("websocket") == "false") or (
        facts.dialect == "signalr" and "transports" in settings and "WebSockets" not in settings["transports"]
    )
    if off or (facts.dialect == "engine.io" and settings.get("upgrades") == ""):
        words = f"the {facts.dialect} server offers its clients no WebSocket, so they stay on HTTP"
        yield unknown("proxy.websocket-support-disabled", 0.35, words, proof(seen, words))
