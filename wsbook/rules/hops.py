"""The same upgrade at every hop: which is the first that breaks it, and how (areas E and A).

hops run from the application outwards; the endpoint is the last. What works at one hop and fails at the next is broken by the next.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec.structs import replace

from wsbook.attempt import NO_UPGRADE, RANDOM_PATH
from wsbook.echoed import request_changes, request_changes_text
from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts
from wsbook.finding import Finding, Proof
from wsbook.hops import Break, Place, State, changes_on_the_way, changes_text, find_break, places, same_answer
from wsbook.rules.hop_answers import judge_gateway, judge_refused, judge_silent
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import GATEWAY, say
from wsbook.servers import plain_server

__all__ = ["judge_hops"]

_SECOND = 0.7
"""A second broken hop is judged less surely than the first, so that it never seems to explain it: each has to be mended."""


def judge_hops(evidence: Evidence) -> Iterator[Finding]:
    """Judge the first broken hop, further ones outside of it, and what hops change in an accepted answer."""
    chain = places(evidence.target.hops, evidence.observations)
    broken = find_break(chain)
    if broken is None:
        yield from _judge_passing(chain)
    else:
        first = list(_judge_first(evidence, chain, broken))
        yield from first
        surest = max((found.confidence for found in first), default=0.5)
        yield from _judge_further(evidence, chain, broken.bad, surest)
    yield from _judge_altered(chain)


def _judge_first(evidence: Evidence, chain: Sequence[Place], broken: Break) -> Iterator[Finding]:
    innermost = evidence.target.hops[0].name if evidence.target.hops else ""
    if broken.bad.facts.status is None:
        yield from judge_silent(evidence, broken)
    elif broken.good is not None:
        yield from judge_refused(evidence, broken.good, broken.bad)
    elif broken.bad.name == innermost:
        yield from _judge_own_refusal(evidence, broken.bad)
    elif broken.bad.facts.status in GATEWAY:
        yield from judge_gateway(evidence, None, broken.bad, [place for place in chain if place.name in broken.unreached])


def _judge_passing(chain: Sequence[Place]) -> Iterator[Finding]:
    """Everything that can be reached from here lets the upgrade through."""
    passing = [place for place in chain if place.state is State.PASSES]
    if len(passing) < 2 or chain[-1].name != "endpoint":
        return
    away = [place.name for place in chain if place.state is not State.PASSES]
    names = " → ".join(place.name for place in passing)
    aside = f" ({', '.join(away)} not, which nothing depends on)" if away else ""
    proofs = [proof(passing[0].seen, say(passing[0].seen, passing[0].facts))]
    proofs += [proof(place.seen, f"the request to {place.name} {text}") for place in passing if (text := _request_text(place))]
    proofs += [_change_proof(chain, name, text) for name, changes in changes_on_the_way(chain) if (text := changes_text(changes))]
    yield clear("proxy.upgrade-header-missing", f"the upgrade passes every hop: {names}{aside}", *proofs)


def _request_text(place: Place) -> str:
    return request_changes_text(request_changes(place.facts))


def _change_proof(chain: Sequence[Place], name: str, text: str) -> Proof:
    place = next(place for place in chain if place.name == name)
    return proof(place.seen, f"in the answer, {name} {text}")


def _judge_further(evidence: Evidence, chain: Sequence[Place], bad: Place, surest: float) -> Iterator[Finding]:
    """Hops outside of the first broken one that answer otherwise than the one behind them are broken as well."""
    outside = [place for place in chain if place.state is not State.UNREACHABLE]
    outside = outside[outside.index(bad) :] if bad in outside else []
    for inner, outer in pairwise(outside):
        if inner.facts.status in (None, 101) or outer.facts.status in (None, 101, inner.facts.status):
            continue
        for found in judge_refused(evidence, inner, outer):
            words = f"{outer.name} breaks the upgrade too: {found.summary}"
            yield replace(found, confidence=round(min(found.confidence, surest) * _SECOND, 3), summary=words)


def _judge_altered(chain: Sequence[Place]) -> Iterator[Finding]:
    """What a hop changes in the 101 itself: a subprotocol that gets lost, compression that nobody behind it agreed on."""
    passing = [place for place in chain if place.state is State.PASSES]
    for inner, outer in pairwise(passing):
        proofs = [proof(place.seen, f"{place.name}: {_agreed(place)}") for place in (outer, inner)]
        if inner.facts.subprotocol and not outer.facts.subprotocol:
            words = f"{inner.name} selects the subprotocol {inner.facts.subprotocol[:40]}, and {outer.name} loses it: browsers refuse that"
            yield fault("subprotocol.mismatch", 0.93, words, *proofs)
        if outer.facts.extensions and not inner.facts.extensions:
            words = f"{outer.name} agrees on {outer.facts.extensions[0][:60]}, and {inner.name} behind it on nothing"
            yield unknown("frame.compression-broken", 0.4, words, *proofs)


def _agreed(place: Place) -> str:
    return f"subprotocol {place.facts.subprotocol or 'none'}, extensions {', '.join(place.facts.extensions) or 'none'}"


def _judge_own_refusal(evidence: Evidence, bad: Place) -> Iterator[Finding]:
    """The application itself refuses, so proxies in front of it are innocent: does it know the path, or WebSockets at all?"""
    if bad.facts.status in GATEWAY or 300 <= (bad.facts.status or 0) < 400:
        return
    plain, strange = evidence.attempts(bad.name, changed=NO_UPGRADE), evidence.attempts(bad.name, changed=RANDOM_PATH)
    if not strange or not same_answer(strange[-1][1], bad.facts):
        return
    path = bad.facts.url.split("/", 3)[-1]
    evident = proof(strange[-1][0], f"a random path is answered the same way: {say(*strange[-1])}")
    known = bad.facts.status == 404
    if plain and same_answer(plain[-1][1], bad.facts):
        server = plain_server(bad.facts.header("server") or "")
        offered = _offers(evidence, path)
        weight = max(server.weight if server else 0.0, 0.6 if offered else 0.0)
        if weight:
            by = f" ({server.token}: {server.note})" if server else ""
            words = f"{bad.name} answers the upgrade of /{path}, a plain GET and an unknown path alike: {say(bad.seen, bad.facts)}{by}"
            yield fault("backend.wrong-server-type", weight, words, evident, proof(plain[-1][0], f"plain GET: {say(*plain[-1])}"))
            known = False
    words = f"{bad.name} does not know /{path}: {say(bad.seen, bad.facts)}"
    if bad.facts.status == 500:  # Django Channels says so of a path that it does not know, and so does everything that stumbles
        yield fault("backend.middleware-breaks-upgrade", 0.5, f"{bad.name} fails at every upgrade: {say(bad.seen, bad.facts)}", evident)
        yield fault("endpoint.wrong-path", 0.3, words, evident)
    else:
        yield fault("endpoint.wrong-path", 0.85 if known else 0.45, words, evident)


def _offers(evidence: Evidence, path: str) -> bool:
    """Whether the backend's source offers exactly this path."""
    wanted = "/" + path.partition("?")[0]
    return any(facts.side == "backend" and facts.path == wanted for _, facts in evidence.of(EndpointFacts))
