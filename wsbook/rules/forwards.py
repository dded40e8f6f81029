"""Development servers between a local page and the backend: is the socket passed on at all? Knows no product's syntax."""

import re
from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts, ForwardFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof
from wsbook.rules.outcome import baseline
from wsbook.rules.pairing import page_of, parts_of

__all__ = ["judge_forwards"]

_NEEDS_FLAG = frozenset({"vite", "webpack", "angular"})
"""Servers that pass an upgrade only where a rule says so (https://vite.dev/config/server-options, https://webpack.js.org/configuration/dev-server)."""

_OF_SOCKETS = re.compile(r"(?i)(?:^|/)(?:wss?|web-?sockets?|sockets?|socket\.io|sockjs(?:-node)?|cable|hubs?|signalr|stomp|mqtt)(?:/|$)")


def judge_forwards(evidence: Evidence) -> Iterator[Finding]:
    """Judge each socket that a local page opens at its own development server."""
    page, rules = page_of(evidence), list(evidence.of(ForwardFacts))
    tried = baseline(evidence)
    if not rules or (tried is not None and tried[1].accepted):
        return
    if page is None and not any(facts.side == "frontend" for _, facts in evidence.of(EndpointFacts)):
        yield from _by_name(rules)
    if page is None or not page.is_loopback:
        return
    ports = {facts.port for _, facts in evidence.of(EndpointFacts) if facts.side == "backend" and facts.port}
    for seen, facts in evidence.of(EndpointFacts):
        parts = parts_of(facts.url or facts.origin)
        if facts.side != "frontend" or parts is None or facts.path is None or (parts.host, parts.port) != (page.host, page.port):
            continue
        taken = [(other, rule) for other, rule in rules if facts.path.startswith(rule.prefix)]
        evident = proof(seen, facts.expression, f"{facts.file}:{facts.line}")
        for other, rule in taken[:1]:
            if rule.websocket is False and rule.product in _NEEDS_FLAG:
                yield _without_flag(other, rule, 0.8, evident)
        if not taken and ports and page.port not in ports:
            words = f"{facts.path} is dialled at the development server on port {page.port}, which has no rule for it"
            yield fault("proxy.ws-location-missing", 0.6, words, evident, *(proof(o, r.prefix, f"{r.file}:{r.line}") for o, r in rules[:2]))


def _by_name(rules: list[tuple[Observation, ForwardFacts]]) -> Iterator[Finding]:
    """Judge rules alone: a path that is named after sockets is meant for them."""
    for seen, rule in rules:
        if rule.websocket is False and rule.product in _NEEDS_FLAG and _OF_SOCKETS.search(rule.prefix):
            yield _without_flag(seen, rule, 0.62)


def _without_flag(seen: Observation, rule: ForwardFacts, confidence: float, *more: Proof) -> Finding:
    words = f"{rule.product} passes {rule.prefix} to {rule.upstream}, but no upgrades: ws: true is missing"
    where = f"{rule.file}:{rule.line}"
    return fault("proxy.ws-location-missing", confidence, words, proof(seen, words, where), *more, remedy=f"{where}:\n+ ws: true,")
