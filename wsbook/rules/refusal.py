"""An upgrade that the endpoint refuses, with nothing known behind it: what its own answers to other requests tell.

Three requests are compared: the upgrade, a plain GET of the same path, and an upgrade of a path that nobody offers.
"""

from collections.abc import Iterator

from wsbook.attempt import NO_UPGRADE, RANDOM_PATH
from wsbook.evidence import Evidence
from wsbook.facts import RouteFacts, UpgradeFacts
from wsbook.finding import Finding, Proof
from wsbook.rules.make import fault, proof
from wsbook.rules.outcome import answerer, baseline, inner_hops, same_answer, say
from wsbook.servers import plain_server

__all__ = ["judge_refusal"]

_TELLING = frozenset({200, 400, 403, 404, 405, 406, 418, 419, 426, 451, 500})
_OF_FILTERS = frozenset({406, 418, 419, 451})
"""Statuses that no server of WebSockets answers, and filters before them do."""
_PROXY_PAGES = ("<center>nginx", "<center>openresty", "<address>apache", "apache server at", "<center>tengine")
"""What proxies print on error pages of their own, in lower case."""
_PROXY_SERVERS = ("caddy", "envoy")
"""Proxies whose own answers are empty; one that they pass on has a header more (Via since Caddy 2.9, x-envoy-upstream-service-time)."""


def judge_refusal(evidence: Evidence) -> Iterator[Finding]:
    """Judge a refusal at the endpoint when no hop behind it accepts the upgrade; no proxy is to blame where the application refuses."""
    inside = any(facts.status is not None for _, (_, facts) in inner_hops(evidence))
    yield from (finding for finding in _judge(evidence) if not (inside and finding.cause.startswith("proxy.")))


def _judge(evidence: Evidence) -> Iterator[Finding]:
    own = baseline(evidence)
    if own is None or own[1].status not in _TELLING or any(facts.accepted for _, (_, facts) in inner_hops(evidence)):
        return
    if any(facts.accepted for seen, facts in evidence.upgrades if seen.source.hop == "endpoint" and seen.source.changed):
        return  # a change cures it, and the rule of that change says why
    plain = evidence.attempts(changed=NO_UPGRADE)
    strange = evidence.attempts(changed=RANDOM_PATH)
    if not plain or not strange:
        return
    like_a_get, like_unknown = same_answer(plain[-1][1], own[1]), same_answer(strange[-1][1], own[1])
    proofs = [
        proof(own[0], f"upgrade: {say(*own)}"),
        proof(plain[-1][0], f"the same path without Upgrade: {say(*plain[-1])}"),
        proof(strange[-1][0], f"upgrade of an unknown path: {say(*strange[-1])}"),
    ]
    status = own[1].status
    if status in _OF_FILTERS:
        also = ", and not a plain GET of the same path" if not like_a_get else ""
        yield fault(
            "proxy.security-layer-blocks", 0.6 if also else 0.5, f"the upgrade is answered {status}{also}: a filter refuses it", *proofs
        )
    elif like_a_get and status in (401, 403):
        words = f"every request for this path is answered {status}, an upgrade or not: it is refused before anybody looks at the upgrade"
        yield fault("proxy.security-layer-blocks", 0.48, words, *proofs)
        yield fault("auth.credential-not-sent", 0.46, words, *proofs)
    elif like_a_get and not like_unknown and status == 405:
        return  # a route that takes no GET takes no upgrade either, and rules/handshake.py says so
    elif like_a_get and not like_unknown and status == 404:
        yield from _judge_unknown_to_one(evidence, proofs)
    elif like_a_get and not like_unknown and status == 500:
        words = "an upgrade and a plain GET of this path both end in 500, and an unknown path does not: what serves this path stumbles"
        yield fault("backend.exception-in-handler", 0.48, words, *proofs)
        yield fault("proxy.upgrade-header-missing", 0.44, f"{words}, perhaps for want of an upgrade", *proofs)
    elif like_a_get and not like_unknown:
        words = f"the upgrade is answered {status}, exactly like a plain GET of the same path: nobody sees that it is one"
        yield fault("proxy.upgrade-header-missing", 0.75, words, *proofs)
        yield fault("backend.wrong-server-type", 0.35, words, *proofs)
    elif like_a_get:
        yield from _judge_everything_alike(own[1], proofs)
    elif like_unknown:
        yield from _judge_every_upgrade(own[1], proofs)
    elif _is_proxys_page(strange[-1][1]) and not _is_proxys_page(own[1]):
        words = f"the proxy hands this path to an application, which answers {status}: it may get another path than was asked"
        yield fault("proxy.path-rewrite-wrong", 0.47, words, *proofs)
        yield fault("endpoint.wrong-path", 0.43, words, *proofs)


def _judge_unknown_to_one(evidence: Evidence, proofs: list[Proof]) -> Iterator[Finding]:
    """Somebody who takes this path and not others does not find it: it gets another path, another one is right, or it sees no upgrade."""
    words = "whoever takes this path answers 404, an upgrade or not, and somebody else answers an unknown path"
    yield fault("proxy.path-rewrite-wrong", 0.47, words, *proofs)
    if not _passes_upgrade(evidence):
        yield fault("proxy.upgrade-header-missing", 0.45, words, *proofs)
    yield fault("endpoint.wrong-path", 0.43, words, *proofs)


def _passes_upgrade(evidence: Evidence) -> bool:
    """Whether a configuration was given in which the route of the endpoint passes Upgrade on."""
    return any(facts.serves and facts.upgrade is not None and facts.upgrade.value == "forwarded" for _, facts in evidence.of(RouteFacts))


def _judge_every_upgrade(own: UpgradeFacts, proofs: list[Proof]) -> Iterator[Finding]:
    """Every upgrade is answered alike, whatever its path: nobody knows the path, or what stands before all paths stumbles or refuses.

    Django Channels answers 500 where it has no route, Starlette 403 to that and to every close before the socket is accepted.
    """
    words = f"every upgrade is answered {own.status}, whatever its path, and a plain GET is not"
    if own.status == 500:
        yield fault("backend.middleware-breaks-upgrade", 0.5, f"{words}: what stands before all paths stumbles over upgrades", *proofs)
        yield fault("endpoint.wrong-path", 0.42, f"{words}: the application may not know this path", *proofs)
        return
    yield fault("endpoint.wrong-path", 0.55 if own.status == 403 else 0.62, f"{words}: the application does not know this path", *proofs)
    yield fault("proxy.path-rewrite-wrong", 0.4, words, *proofs)


def _is_proxys_page(facts: UpgradeFacts) -> bool:
    server, passed_on = (facts.header("server") or "").lower(), facts.header("via") or facts.header("x-envoy-upstream-service-time")
    return any(page in facts.body.lower() for page in _PROXY_PAGES) or (server in _PROXY_SERVERS and not facts.body and not passed_on)


def _judge_everything_alike(own: UpgradeFacts, proofs: list[Proof]) -> Iterator[Finding]:
    """Upgrade, GET and unknown path are answered alike: whoever answers does not know the path, or never sees an upgrade."""
    by, server = answerer(own), plain_server(own.header("server") or "")
    words = f"an upgrade, a plain GET and an unknown path are all answered {own.status}{f' by {by}' if by else ''}"
    if server:
        yield fault("backend.wrong-server-type", 0.8 * server.weight, f"{words} ({server.note})", *proofs)
        yield fault("endpoint.wrong-path", 0.4, words, *proofs)
    elif _is_proxys_page(own) and own.status == 400:
        return  # the proxy refuses the request itself, before it looks for a location: other rules know its pages
    elif _is_proxys_page(own):
        yield fault("proxy.ws-location-missing", 0.7, f"{words}, with the proxy's own page", *proofs)
        yield fault("endpoint.wrong-path", 0.4, words, *proofs)
    elif own.status in (400, 426):
        yield fault("proxy.upgrade-header-missing", 0.7, words, *proofs)
    else:
        order = ("endpoint.wrong-path", "proxy.ws-location-missing", "proxy.upgrade-header-missing")
        for number, slug in enumerate(order if own.status == 200 else order[::-1]):
            yield fault(slug, 0.48 - 0.02 * number, words, *proofs)
