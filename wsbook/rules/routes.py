"""What a proxy's configuration does with the WebSocket's route, judged the same way for every product (area E)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts, IdleFacts, RouteFacts, Setting
from wsbook.finding import Finding
from wsbook.limits import idle_limits
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import baseline, inner_hops, say

__all__ = ["IDLE_SLUGS", "judge_routes"]

IDLE_SLUGS = {
    "nginx": "proxy.idle-timeout-nginx",
    "ingress-nginx": "proxy.idle-timeout-nginx",
    "openresty": "proxy.idle-timeout-nginx",
    "nginx-inc-ingress": "proxy.idle-timeout-nginx",
    "haproxy": "proxy.idle-timeout-haproxy",
    "haproxy-ingress": "proxy.idle-timeout-haproxy",
    "haproxytech-ingress": "proxy.idle-timeout-haproxy",
    "openshift-router": "proxy.idle-timeout-haproxy",
    "envoy": "proxy.idle-timeout-envoy",
    "istio-envoy": "proxy.idle-timeout-envoy",
    "contour": "proxy.idle-timeout-envoy",
    "emissary": "proxy.idle-timeout-envoy",
    "aws-alb": "proxy.idle-timeout-cloud",
    "aws-api-gateway": "proxy.idle-timeout-cloud",
    "awselb": "proxy.idle-timeout-cloud",
    "aws-elb": "proxy.idle-timeout-cloud",
    "aws-cloudfront": "proxy.idle-timeout-cloud",
    "azure-app-gateway": "proxy.idle-timeout-cloud",
    "azure-app-service": "proxy.idle-timeout-cloud",
    "fly": "proxy.idle-timeout-cloud",
    "cloudflare": "proxy.idle-timeout-cloud",
    "heroku": "proxy.idle-timeout-cloud",
    "vegur": "proxy.idle-timeout-cloud",
    "aws-nlb": "proxy.idle-timeout-silent",
    "azure-load-balancer": "proxy.idle-timeout-silent",
}
"""Product → the cause that its idle limit is called by; others are proxy.idle-timeout."""

_SHORT_S = 75.0
"""Idle limits up to this need a heartbeat faster than what servers and browsers do by themselves."""

_LONGER = 0.8
"""How much a limit counts behind a shorter one of the same chain."""


def judge_routes(evidence: Evidence) -> Iterator[Finding]:
    """Judge every route that serves the endpoint, or that could when nothing else is known."""
    routes = list(evidence.of(RouteFacts))
    serving = [(seen, facts) for seen, facts in routes if facts.serves] or [(seen, facts) for seen, facts in routes if facts.serves is None]
    for seen, facts in serving:
        yield from _judge_headers(seen, facts)
        yield from _judge_idle(evidence, seen, facts)
        yield from _judge_lifetime(evidence, seen, facts)
        yield from _judge_upstream_path(evidence, seen, facts)
    products = {facts.product for _, facts in serving}
    for seen, facts in routes:
        if facts.serves is None and facts.product not in products:  # a hop before or behind, whose limits hold as well
            yield from _judge_idle(evidence, seen, facts)
            yield from _judge_lifetime(evidence, seen, facts)


def _at(facts: RouteFacts, setting: Setting | None) -> str:
    file, line = (setting.file, setting.line) if setting and setting.line else (facts.file, facts.line)
    return f"{file}:{line}" if line else file


def _judge_headers(seen: Observation, facts: RouteFacts) -> Iterator[Finding]:
    sure, verdict = (0.88, fault) if facts.serves else (0.45, unknown)
    place = f"{facts.product} {facts.matcher}".strip()
    upgrade, connection, version = facts.upgrade, facts.connection, facts.http_version
    if upgrade is not None and upgrade.value == "absent" and facts.inheritance_lost:
        summary = f"{place} sets headers of its own, so the Upgrade set above it is lost"
        yield verdict("proxy.set-header-inheritance-lost", sure + 0.04, summary, proof(seen, summary, _at(facts, upgrade)))
        return
    wrong = [
        name
        for name, setting, good in (("Upgrade", upgrade, "websocket"), ("Connection", connection, "upgrade"))
        if setting is not None and setting.value is not None and setting.value != "forwarded" and good not in setting.value.lower()
    ]
    if wrong:
        at = _at(facts, upgrade if "Upgrade" in wrong else connection)
        values = (("Upgrade", _origin(facts, "upgrade")), ("Connection", _origin(facts, "connection")))
        sends = ", ".join(f"{name}: {value}" for name, value in values if value)
        summary = f"{place} does not pass {' and '.join(wrong)} to {facts.upstream or 'its upstream'}"
        yield verdict("proxy.upgrade-header-missing", sure, summary, proof(seen, sends, at))
    elif upgrade is not None and version is not None and version.value == "1.0":
        summary = f"{place} speaks HTTP/1.0 to {facts.upstream or 'its upstream'}"
        said = f"HTTP version towards the upstream: {_origin(facts, 'http_version')}"
        yield verdict("proxy.http-1.0-upstream", sure, summary, proof(seen, said, _at(facts, version)))
    elif upgrade is not None and upgrade.value == "forwarded" and version is not None and version.value is None:
        summary = f"{place} passes Upgrade, but nothing that was read sets the HTTP version; what it includes may"
        yield unknown("proxy.http-1.0-upstream", 0.4, summary, proof(seen, summary, _at(facts, upgrade)))
    elif upgrade is not None and facts.serves and upgrade.value is not None and (connection is None or connection.value is not None):
        summary = f"{place} passes Upgrade and Connection to {facts.upstream or 'its upstream'}"
        yield clear("proxy.upgrade-header-missing", summary, proof(seen, summary, _at(facts, upgrade)))


_DEFAULTS = {("nginx", "connection"): "default of nginx before 1.29.7", ("nginx", "http_version"): "default of nginx before 1.29.7"}
"""(product, setting) → what its default is called where it depends on the version."""


def _origin(facts: RouteFacts, name: str) -> str:
    """Return an effective value with where it comes from: a place, the block that it is inherited from, or the product's default."""
    setting: Setting | None = getattr(facts, name)
    if setting is None or setting.value is None:
        return ""
    if setting.default or not setting.line:
        changed = _DEFAULTS.get((facts.product, name)) if setting.value in ("close", "1.0") else None
        return f"{setting.value} ({changed or f'default of {facts.product}'})"
    inherited = f"inherited from {setting.level}, " if setting.level else ""
    return f"{setting.value} ({inherited}{setting.file}:{setting.line})"


def _judge_idle(evidence: Evidence, seen: Observation, facts: RouteFacts) -> Iterator[Finding]:
    """A short limit alone is no fault: it is one when sockets were seen to die of it (rules/idle.py)."""
    limit = facts.idle_s
    if limit is None or limit.value is None or any(True for _ in evidence.of(IdleFacts)):
        return
    seconds = _number(limit.value)
    slug = IDLE_SLUGS.get(facts.product, "proxy.idle-timeout")
    if 0 < seconds <= _SHORT_S:
        inherited = f"inherited from {limit.level}, " if limit.level else "set at "
        origin = f"default of {facts.product}" if limit.default else f"{inherited}{_at(facts, limit)}"
        shortest = _of_chain(evidence, seconds)
        summary = f"{facts.product} {facts.matcher} closes sockets after {seconds:g} s of silence ({origin}){shortest}"
        confidence = (0.3 if limit.default else 0.4) if seconds > 10 else 0.45
        yield unknown(
            slug, confidence if _is_shortest(shortest) else _LONGER * confidence, summary, proof(seen, summary, _at(facts, limit))
        )


def _judge_lifetime(evidence: Evidence, seen: Observation, facts: RouteFacts) -> Iterator[Finding]:
    """A total limit, which nothing but the configuration shows before it has passed."""
    if any(True for _ in evidence.of(IdleFacts)):
        return
    if facts.lifetime_s is not None and facts.lifetime_s.value and 0 < _number(facts.lifetime_s.value) <= 3600:
        summary = f"{facts.product} {facts.matcher} ends every socket after {_number(facts.lifetime_s.value):g} s, busy or not"
        yield unknown("proxy.max-lifetime", 0.4, summary, proof(seen, summary, _at(facts, facts.lifetime_s)))


def _of_chain(evidence: Evidence, seconds: float) -> str:
    """Say how a limit compares with the others of the chain; "" when it is the only one."""
    others = [limit for limit in idle_limits(evidence.observations) if limit.of == "silence" and limit.seconds > 0]
    if len(others) < 2:
        return ""
    least = next(limit for limit in others if limit.shortest)
    if seconds <= least.seconds:
        return f", the shortest of {len(others)} limits in the chain"
    return f"; {least.product} at {least.place} closes them sooner, after {least.seconds:g} s"


def _is_shortest(words: str) -> bool:
    return not words.startswith(";")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _judge_upstream_path(evidence: Evidence, seen: Observation, facts: RouteFacts) -> Iterator[Finding]:
    """The path that the backend gets against the routes that it offers."""
    endpoint = evidence.target.endpoint
    offers = {entry.path for _, entry in evidence.of(EndpointFacts) if entry.side == "backend" and entry.path}
    if not facts.serves or endpoint is None or facts.upstream_path is None:
        return
    if not offers:
        yield from _judge_refused_path(evidence, seen, facts, endpoint.path)
    elif facts.upstream_path not in offers and endpoint.path in offers:
        summary = f"{facts.product} {facts.matcher} turns {endpoint.path} into {facts.upstream_path}, which the backend does not offer"
        yield fault("proxy.path-rewrite-wrong", 0.85, summary, proof(seen, summary, _at(facts, None)))


def _judge_refused_path(evidence: Evidence, seen: Observation, facts: RouteFacts, asked: str) -> Iterator[Finding]:
    """Nobody told what the application offers; it refuses, as one does that does not know a path, another path than was asked."""
    tried = baseline(evidence)
    changed = (facts.upstream_path or "/").rstrip("/") != asked.rstrip("/")
    if changed and tried is not None and tried[1].status == 404 and not any(one.accepted for _, (_, one) in inner_hops(evidence)):
        summary = f"{facts.product} {facts.matcher} turns {asked} into {facts.upstream_path}, and the answer is 404"
        yield fault("proxy.path-rewrite-wrong", 0.6, summary, proof(seen, summary, _at(facts, None)), proof(tried[0], say(*tried)))
