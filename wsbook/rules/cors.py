"""The HTTP requests beside a socket: may the page's scripts read the answers, and may those of any site (step 3.3)?

They do need CORS where the page is of another origin, which the upgrade does not. Judged as a browser would (Fetch standard).
"""

import re
from collections.abc import Iterator

from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.facts import CorsFacts, CorsTrial, EndpointFacts
from wsbook.finding import Finding, Severity
from wsbook.observation import Observation
from wsbook.rules.entry import names_origin
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.wire.cors import check_answer

__all__ = ["judge_cors"]

_NAMES = {"engine.io": "the Socket.IO handshake by polling", "sockjs": "SockJS /info", "signalr": "SignalR negotiate"}
_WITHOUT = {
    "engine.io": 'Without it only a client with transports: ["websocket"] connects:',
    "sockjs": "Without it the client never learns which transports there are:",
    "signalr": "Without it only a client with skipNegotiation and WebSockets connects:",
}
_LINES = {
    "engine.io": 'cors: {{ origin: ["{origin}"], credentials: true }}            # Socket.IO server',
    "sockjs": "Access-Control-Allow-Origin: {origin}\n  Access-Control-Allow-Credentials: true",
    "signalr": 'policy.WithOrigins("{origin}").AllowAnyHeader().AllowCredentials()   // ASP.NET Core, before MapHub',
}
_SOCKET_ONLY = re.compile(r"transports\s*:\s*\[\s*[\"']websocket[\"']\s*[\],]|skipNegotiation\s*:\s*true")


def judge_cors(evidence: Evidence) -> Iterator[Finding]:
    """Judge each dialect's requests."""
    for seen, facts in evidence.of(CorsFacts):
        if not facts.same_origin:
            yield from _judge_own(evidence, seen, facts)
        yield from _judge_foreign(seen, facts)


def _of(facts: CorsFacts, kind: str, whose: str) -> list[CorsTrial]:
    return [one for one in facts.trials if one.kind == kind and one.whose == whose and one.status is not None]


def _said(one: CorsTrial) -> str:
    values = ", ".join(f"{name}: {value}" for name, value in one.headers if name.lower() != "vary") or "no CORS header"
    return f"{one.method} with Origin {one.origin}: {one.status}, {values}"


def _judge_own(evidence: Evidence, seen: Observation, facts: CorsFacts) -> Iterator[Finding]:
    """May the page that the endpoint is for read what its client asks first?"""
    requests, preflights = _of(facts, "request", "own"), _of(facts, "preflight", "own")
    blocked = [one for one in preflights if one.refused] if facts.preflighted else []
    kept = [one for one in requests if one.refused and (one.speaks or names_origin(one.said))]
    name = _NAMES.get(facts.dialect, facts.dialect)
    if not blocked and not kept:
        if requests and requests[0].speaks and not requests[0].refused:
            yield clear("origin.not-in-allowlist", f"{name} may be read by pages of {facts.page_origin}", proof(seen, _said(requests[0])))
        return
    if not any(one.speaks or names_origin(one.said) for one in (*requests, *_of(facts, "request", "foreign"))):
        return  # nothing of this dialect answers here
    one = (blocked or kept)[0]
    what = "the preflight of " if blocked else ""
    words = f"a browser keeps {what}{name} from pages of {facts.page_origin}: {one.refused}; the upgrade itself needs no CORS"
    remedy = f"{_WITHOUT[facts.dialect]}\n  {_LINES[facts.dialect].format(origin=facts.page_origin)}"
    proofs = [proof(seen, _said(trial)) for trial in (*blocked[:1], *requests[:1])]
    told = bool(evidence.target.page_url or evidence.target.origin)
    if not told or _opens_anyway(evidence):
        yield unknown("origin.not-in-allowlist", 0.3, f"{words}; the page may do without it", *proofs)
    else:
        yield fault("origin.not-in-allowlist", 0.8, words, *proofs, remedy=remedy)


def _opens_anyway(evidence: Evidence) -> bool:
    """Whether the page's client goes without the request, or was seen to open its socket."""
    plain = any(_SOCKET_ONLY.search(facts.expression) for _, facts in evidence.of(EndpointFacts) if facts.side == "frontend")
    return plain or any(facts.accepted for seen, facts in evidence.upgrades if seen.source.probe == "browser")


def _judge_foreign(seen: Observation, facts: CorsFacts) -> Iterator[Finding]:
    """May a script of any site read the answer that the visitor's cookies bring?"""
    requests = [one for one in _of(facts, "request", "foreign") if one.speaks]
    readable = [one for one in requests if one.credentials and not check_answer(one.headers, one.origin, credentials=True)]
    if not readable:
        return
    bare = [one for one in _of(facts, "request", "foreign") if not one.credentials]
    name = _NAMES.get(facts.dialect, facts.dialect)
    words = f"{name} may be read by pages of any site with the visitor's cookies"
    proofs = [proof(seen, _said(readable[0])), *(proof(seen, f"without credentials: {one.status}") for one in bare[:1])]
    if bare and not bare[0].speaks and bare[0].status in (400, 401, 403):
        remedy = "Name the origins that may read it, instead of sending back whatever Origin was asked with."
        yield fault("origin.not-checked", 0.9, f"{words}, and is refused without them ({bare[0].status})", *proofs, remedy=remedy)
    else:
        found = unknown("origin.not-checked", 0.2, f"{words}; it answers without them too", *proofs)
        yield replace(found, severity=Severity.INFO)
