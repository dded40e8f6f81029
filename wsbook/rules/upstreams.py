"""Where a proxy's configuration sends the upgrade, against where the application is known to answer (areas A and E)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import RouteFacts
from wsbook.finding import Finding
from wsbook.hosts import is_own_machine
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof
from wsbook.rules.outcome import Seen, baseline, inner_hops, say
from wsbook.rules.pairing import parts_of
from wsbook.target import Endpoint

__all__ = ["judge_upstreams"]

_GATEWAY = frozenset({502, 503, 504})
Hop = tuple[str, Seen, Endpoint]


def judge_upstreams(evidence: Evidence) -> Iterator[Finding]:
    """Judge the upstreams of each serving route by the hops that accept the upgrade, where the endpoint does not."""
    outer = baseline(evidence)
    if outer is None or outer[1].accepted:
        return
    hops = [(name, seen, parts) for name, seen in inner_hops(evidence) if seen[1].accepted and (parts := parts_of(seen[1].url))]
    for seen, route in evidence.of(RouteFacts):
        for upstream in _upstreams(route) if route.serves and hops else ():
            yield from _judge(seen, route, upstream, hops, outer)


def _upstreams(route: RouteFacts) -> list[Endpoint]:
    """Return the addresses of a route's upstreams; those without a port and scheme of their own, and variables, tell nothing."""
    texts = [text.strip() for text in route.upstream.split(",") if "$" not in text and "{" not in text]
    every = [parts_of(text if "://" in text else f"http://{text}") for text in texts]
    return [one for one in every if one is not None and (is_own_machine(one.host) or "." in one.host or ":" in one.host)]


def _judge(seen: Observation, route: RouteFacts, upstream: Endpoint, hops: list[Hop], outer: Seen) -> Iterator[Finding]:
    here = [hop for hop in hops if hop[2].host == upstream.host or (is_own_machine(hop[2].host) and is_own_machine(upstream.host))]
    same = [hop for hop in here if hop[2].port == upstream.port]
    where = f"{route.file}:{route.line}"
    for name, hop, parts in same:
        if parts.secure != upstream.secure:
            speaks = "TLS" if parts.secure else "plain HTTP"
            words = f"{route.product} speaks {'TLS' if upstream.secure else 'plain HTTP'} to {route.upstream}, where {name} speaks {speaks}"
            slug = "endpoint.tls-to-plain-port" if upstream.secure else "endpoint.plain-to-tls-port"
            evident = (proof(hop[0], f"{name} {say(*hop)}"), proof(outer[0], f"endpoint {say(*outer)}"))
            yield fault(slug, 0.93, words, proof(seen, route.upstream, where), *evident)
    if here and not same and outer[1].status in _GATEWAY:
        name, hop, parts = here[0]
        words = f"{route.product} sends to {route.upstream}, and {name} answers at port {parts.port}"
        evident = (proof(hop[0], f"{name} {say(*hop)}"), proof(outer[0], f"endpoint {say(*outer)}"))
        yield fault("proxy.upstream-unreachable", 0.92, words, proof(seen, route.upstream, where), *evident)
