"""The same upgrade at every hop: which is the first that breaks it, and how (areas E and A).

hops run from the application outwards; the endpoint is the last. What works at one hop and fails at the next is broken by the next.
"""

from collections.abc import Iterator

from wsbook.attempt import NO_UPGRADE, OTHER_CASE, RANDOM_PATH, THE_ENDPOINTS_PATH
from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts, RouteFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Reason
from wsbook.rules.make import clear, fault, proof
from wsbook.rules.outcome import Seen, baseline, inner_hops, same_answer, say
from wsbook.servers import plain_server

__all__ = ["first_broken", "judge_hops"]

_GATEWAY = frozenset({502, 503, 504})


def first_broken(evidence: Evidence) -> tuple[tuple[str, Seen] | None, tuple[str, Seen]] | None:
    """Return ((last good hop, its attempt) or None, (first broken hop, its attempt)); None when nothing breaks or nothing was tried."""
    outer = baseline(evidence)
    chain = [*inner_hops(evidence), *([("endpoint", outer)] if outer else [])]
    good: tuple[str, Seen] | None = None
    for name, seen in chain:
        if not seen[1].accepted and _is_on_the_way(name, chain, good):
            return good, (name, seen)
        good = (name, seen)
    return None


def _is_on_the_way(name: str, chain: list[tuple[str, Seen]], good: tuple[str, Seen] | None) -> bool:
    """A second instance that fails alone while the hops around it work is not what breaks the endpoint."""
    rest = chain[[entry[0] for entry in chain].index(name) + 1 :]
    return not rest or any(not seen[1].accepted for _, seen in rest) or good is None


def judge_hops(evidence: Evidence) -> Iterator[Finding]:
    """Judge the first broken hop."""
    broken = first_broken(evidence)
    hops = inner_hops(evidence)
    if broken is None:
        if hops and baseline(evidence):
            names = " → ".join([name for name, _ in hops] + ["endpoint"])
            yield clear("proxy.upgrade-header-missing", f"the upgrade passes every hop: {names}", proof(hops[0][1][0], say(*hops[0][1])))
        return
    good, (name, bad) = broken
    if good is not None and bad[1].status is not None:
        yield from _judge_status(evidence, good, (name, bad))
    elif good is None and hops and name == hops[0][0]:
        yield from _judge_application(evidence, name, bad)
    elif good is None and bad[1].status in _GATEWAY and not hops:
        yield from _judge_gateway(bad, None)


def _proofs(good: tuple[str, Seen] | None, bad: tuple[str, Seen]) -> list[Proof]:
    pairs = [bad, good] if good else [bad]
    return [proof(seen[0], f"{name} {say(*seen)}") for name, seen in pairs]


def _judge_status(evidence: Evidence, good: tuple[str, Seen], bad: tuple[str, Seen]) -> Iterator[Finding]:
    """A hop answered although the one behind it accepts the same upgrade."""
    status = bad[1][1].status or 0
    if status in _GATEWAY:
        yield from _judge_gateway(bad[1], good)
        return
    plain = evidence.attempts(good[0], changed=NO_UPGRADE)
    strange = evidence.attempts(good[0], changed=RANDOM_PATH)
    like_a_get = bool(plain) and same_answer(plain[-1][1], bad[1][1])
    like_unknown = bool(strange) and same_answer(strange[-1][1], bad[1][1])
    if like_a_get:
        proofs = [*_proofs(good, bad), proof(plain[-1][0], f"{good[0]} without Upgrade answers the same: {say(*plain[-1])}")]
        summary = f"{bad[0]} answers {status}, exactly as {good[0]} answers a GET without Upgrade, while {good[0]} accepts the upgrade"
        sure = 0.4 if _is_spelling(evidence, good[0], bad[1]) else 0.6 if like_unknown else 0.95
        yield fault("proxy.upgrade-header-missing", sure, summary, *proofs)
    if like_unknown or (status == 404 and not like_a_get):
        yield from _judge_path(evidence, good, bad, sure=0.8 if like_a_get else 1.0)
    elif not like_a_get:
        yield from _judge_other_status(good, bad)


def _is_spelling(evidence: Evidence, good: str, bad: Seen) -> bool:
    """Whether the good hop refuses an upgrade in other letters just like that: proxies write it so, and rules/tolerance.py says more."""
    spelt = evidence.attempts(good, changed=OTHER_CASE)
    return bool(spelt) and not spelt[-1][1].accepted and same_answer(spelt[-1][1], bad[1])


def _judge_other_status(good: tuple[str, Seen], bad: tuple[str, Seen]) -> Iterator[Finding]:
    """Neither a plain GET nor an unknown path is answered like this."""
    status = bad[1][1].status or 0
    summary = f"{bad[0]} answers {status} to an upgrade that {good[0]} accepts"
    if status in (400, 426):
        yield fault("proxy.upgrade-header-missing", 0.75 if status == 426 else 0.6, summary, *_proofs(good, bad))
    elif status == 200:
        yield fault("proxy.ws-location-missing", 0.65, summary, *_proofs(good, bad))
        yield fault("proxy.upgrade-header-missing", 0.45, summary, *_proofs(good, bad))
    elif status in (401, 403):
        yield fault("proxy.security-layer-blocks", 0.5, summary, *_proofs(good, bad))
        yield fault("origin.proxy-rewrites-host", 0.4, summary, *_proofs(good, bad))


def _judge_gateway(bad: Seen, good: tuple[str, Seen] | None) -> Iterator[Finding]:
    status = bad[1].status
    behind = f" although {good[0]} accepts the upgrade directly" if good else ""
    summary = f"the proxy answers {status}: it does not reach its upstream{behind}"
    slow = status == 504 and bad[0].duration_s > 1
    yield fault("proxy.upstream-unreachable", 0.55 if slow else (0.88 if good else 0.7), summary, *_proofs(good, ("endpoint", bad)))
    if slow:
        yield fault(
            "handshake.timeout",
            0.5,
            f"the proxy gave up waiting for the application after {bad[0].duration_s:.1f} s",
            *_proofs(good, ("endpoint", bad)),
        )


def _judge_path(evidence: Evidence, good: tuple[str, Seen], bad: tuple[str, Seen], sure: float) -> Iterator[Finding]:
    """Refused at the proxy, accepted behind it: who does not know the path, and which path did the application see?"""
    proofs = _proofs(good, bad)
    status = bad[1][1].status
    unknown_path = evidence.attempts(good[0], changed=RANDOM_PATH)
    moved = evidence.attempts(good[0], changed=THE_ENDPOINTS_PATH)
    same_path = _path(good[1]) == _path(bad[1])
    if not unknown_path or not same_answer(unknown_path[-1][1], bad[1][1]):
        summary = f"{bad[0]} answers {status} itself; the upgrade never reaches {good[0]}, which accepts it"
        yield fault("proxy.ws-location-missing", 0.85 if unknown_path else 0.6, summary, *proofs)
        return
    proofs.append(proof(unknown_path[-1][0], f"{good[0]} answers an unknown path the same way: {say(*unknown_path[-1])}"))
    if same_path or (moved and moved[-1][1].accepted):
        summary = f"{good[0]} accepts this path directly, and answers {status} behind {bad[0]}: the path is changed on the way"
        yield fault("proxy.path-rewrite-wrong", 0.93 * sure, summary, *proofs)
    else:
        yield from _judge_foreign_path(evidence, good, bad, proofs, sure)


def _path(seen: Seen) -> str:
    return seen[1].url.split("/", 3)[-1].partition("?")[0]


def _judge_foreign_path(
    evidence: Evidence, good: tuple[str, Seen], bad: tuple[str, Seen], proofs: list[Proof], sure: float
) -> Iterator[Finding]:
    """The endpoint's path is not one that the application offers: wrong in the page, or a prefix that the proxy should remove."""
    asked, offered = _path(bad[1]), _path(good[1])
    rewritten = [facts.upstream_path for _, facts in evidence.of(RouteFacts) if facts.serves and facts.upstream_path]
    offers = {(facts.path or "").strip("/") for _, facts in evidence.of(EndpointFacts) if facts.side == "backend" and facts.path}
    prefixed = bool(offered) and asked.strip("/").endswith(offered.strip("/"))
    changed = any(path.strip("/") not in ({asked.strip("/")} | offers) for path in rewritten)
    summary = f"the application answers {bad[1][1].status} to /{asked}; it offers /{offered}"
    if changed or prefixed:
        words = f"{summary}, and the proxy does not map one to the other"
        yield fault("proxy.path-rewrite-wrong", (0.8 if changed else 0.6) * sure, words, *proofs)
    yield fault("endpoint.wrong-path", (0.45 if changed or prefixed else 0.9) * sure, summary, *proofs)


def _judge_application(evidence: Evidence, name: str, bad: Seen) -> Iterator[Finding]:
    """The application itself refuses: proxies in front of it are innocent."""
    seen, facts = bad
    outer = baseline(evidence)
    if seen.failure is not None and seen.failure.reason in (Reason.REFUSED, Reason.TIMEOUT, Reason.UNREACHABLE) and facts.status is None:
        proofs = [proof(seen, f"{name} {say(seen, facts)}"), *([proof(outer[0], f"endpoint {say(*outer)}")] if outer else [])]
        if seen.failure.stage == "tcp":
            yield fault(
                "proxy.upstream-unreachable",
                0.93,
                f"nothing answers at {name} ({facts.peer or facts.url}): {seen.failure.reason.value}",
                *proofs,
            )
        return
    if facts.status is not None and facts.status not in _GATEWAY and not 300 <= facts.status < 400:
        yield from _judge_own_refusal(evidence, name, bad)


def _judge_own_refusal(evidence: Evidence, name: str, bad: Seen) -> Iterator[Finding]:
    """The application answers the upgrade like an unknown path: it does not know the path, or it is no WebSocket server at all."""
    plain, strange = evidence.attempts(name, changed=NO_UPGRADE), evidence.attempts(name, changed=RANDOM_PATH)
    if not strange or not same_answer(strange[-1][1], bad[1]):
        return
    path = bad[1].url.split("/", 3)[-1]
    evident = proof(strange[-1][0], f"a random path is answered the same way: {say(*strange[-1])}")
    known = bad[1].status == 404
    if plain and same_answer(plain[-1][1], bad[1]):
        server = plain_server(bad[1].header("server") or "")
        offered = _offers(evidence, path)
        weight = max(server.weight if server else 0.0, 0.6 if offered else 0.0)
        if weight:
            by = f" ({server.token}: {server.note})" if server else ""
            words = f"{name} answers the upgrade of /{path}, a plain GET and an unknown path alike: {say(*bad)}{by}"
            yield fault("backend.wrong-server-type", weight, words, evident, proof(plain[-1][0], f"plain GET: {say(*plain[-1])}"))
            known = False
    yield fault("endpoint.wrong-path", 0.85 if known else 0.45, f"{name} does not know /{path}: {say(*bad)}", evident)


def _offers(evidence: Evidence, path: str) -> bool:
    """Whether the backend's source offers exactly this path."""
    wanted = "/" + path.partition("?")[0]
    return any(facts.side == "backend" and facts.path == wanted for _, facts in evidence.of(EndpointFacts))
