"""What a proxy's configuration does with the WebSocket's route, judged the same way for every product (area E)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts, IdleFacts, RouteFacts, Setting
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown

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


def judge_routes(evidence: Evidence) -> Iterator[Finding]:
    """Judge every route that serves the endpoint, or that could when nothing else is known."""
    routes = list(evidence.of(RouteFacts))
    serving = [(seen, facts) for seen, facts in routes if facts.serves] or [(seen, facts) for seen, facts in routes if facts.serves is None]
    for seen, facts in serving:
        yield from _judge_headers(seen, facts)
        yield from _judge_idle(evidence, seen, facts)
        yield from _judge_upstream_path(evidence, seen, facts)


def _at(facts: RouteFacts, setting: Setting | None) -> str:
    file, line = (setting.file, setting.line) if setting and setting.line else (facts.file, facts.line)
    return f"{file}:{line}" if line else file


def _judge_headers(seen: Observation, facts: RouteFacts) -> Iterator[Finding]:
    sure = 0.88 if facts.serves else 0.55
    place = f"{facts.product} {facts.matcher}".strip()
    upgrade, connection, version = facts.upgrade, facts.connection, facts.http_version
    if upgrade is not None and upgrade.value == "absent" and facts.inheritance_lost:
        summary = f"{place} sets headers of its own, so the Upgrade set above it is lost"
        yield fault("proxy.set-header-inheritance-lost", sure + 0.04, summary, proof(seen, summary, _at(facts, upgrade)))
        return
    wrong = [
        name
        for name, setting, good in (("Upgrade", upgrade, "websocket"), ("Connection", connection, "upgrade"))
        if setting is not None and setting.value is not None and setting.value != "forwarded" and good not in setting.value.lower()
    ]
    if wrong:
        at = _at(facts, upgrade if "Upgrade" in wrong else connection)
        sends = ", ".join(
            f"{name}: {setting.value}" for name, setting in (("Upgrade", upgrade), ("Connection", connection)) if setting and setting.value
        )
        summary = f"{place} does not pass {' and '.join(wrong)} to {facts.upstream or 'its upstream'}"
        yield fault("proxy.upgrade-header-missing", sure, summary, proof(seen, sends, at), remedy=_remedy(facts))
    elif upgrade is not None and version is not None and version.value == "1.0":
        summary = f"{place} speaks HTTP/1.0 to {facts.upstream or 'its upstream'}"
        yield fault("proxy.http-1.0-upstream", sure, summary, proof(seen, summary, _at(facts, version)))
    elif upgrade is not None and facts.serves:
        summary = f"{place} passes Upgrade and Connection to {facts.upstream or 'its upstream'}"
        yield clear("proxy.upgrade-header-missing", summary, proof(seen, summary, _at(facts, upgrade)))


def _remedy(facts: RouteFacts) -> str:
    """Return the lines to add, as a diff, where the product has a short answer; "" uses the catalogue's remedy."""
    if facts.product == "nginx":
        where = f"{facts.file}:{facts.line}, in location {facts.matcher}"
        lines = ("proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;", 'proxy_set_header Connection "upgrade";')
    elif facts.product == "haproxy":
        where = f"{facts.file}:{facts.line}, {facts.matcher}"
        return f"{where}:\n- http-request del-header Upgrade\n- http-request del-header Connection"
    elif facts.product == "caddy":
        where = f"{facts.file}:{facts.line}, {facts.matcher}"
        return f"{where}:\n- header_up -Upgrade\n- header_up -Connection"
    else:
        return ""
    return f"{where}:\n" + "\n".join(f"+ {line}" for line in lines)


def _judge_idle(evidence: Evidence, seen: Observation, facts: RouteFacts) -> Iterator[Finding]:
    """A short limit alone is no fault: it is one when sockets were seen to die of it (rules/idle.py)."""
    limit = facts.idle_s
    if limit is None or limit.value is None or any(True for _ in evidence.of(IdleFacts)):
        return
    seconds = float(limit.value)
    slug = IDLE_SLUGS.get(facts.product, "proxy.idle-timeout")
    if 0 < seconds <= _SHORT_S:
        origin = "by default" if limit.default else f"set at {_at(facts, limit)}"
        summary = f"{facts.product} {facts.matcher} closes sockets after {seconds:g} s of silence ({origin})"
        confidence = 0.3 if limit.default else 0.4
        yield unknown(slug, confidence if seconds > 10 else 0.45, summary, proof(seen, summary, _at(facts, limit)))
    if facts.lifetime_s is not None and facts.lifetime_s.value and 0 < float(facts.lifetime_s.value) <= 3600:
        summary = f"{facts.product} {facts.matcher} ends every socket after {float(facts.lifetime_s.value):g} s, busy or not"
        yield unknown("proxy.max-lifetime", 0.4, summary, proof(seen, summary, _at(facts, facts.lifetime_s)))


def _judge_upstream_path(evidence: Evidence, seen: Observation, facts: RouteFacts) -> Iterator[Finding]:
    """The path that the backend gets against the routes that it offers."""
    endpoint = evidence.target.endpoint
    offers = {entry.path for _, entry in evidence.of(EndpointFacts) if entry.side == "backend" and entry.path}
    if not facts.serves or endpoint is None or facts.upstream_path is None or not offers:
        return
    if facts.upstream_path not in offers and endpoint.path in offers:
        summary = f"{facts.product} {facts.matcher} turns {endpoint.path} into {facts.upstream_path}, which the backend does not offer"
        yield fault("proxy.path-rewrite-wrong", 0.85, summary, proof(seen, summary, _at(facts, None)))
