"""What access logs count: statuses on the WebSocket's path, lifetimes and their spikes, HAProxy's termination flags (step 1.4)."""

from collections.abc import Iterator
from statistics import median

from wsbook.evidence import Evidence
from wsbook.facts import AccessFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.known import causes_of_age, causes_of_status
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import baseline
from wsbook.rules.own_traces import only_ours
from wsbook.rules.routes import IDLE_SLUGS

__all__ = ["judge_access"]

Row = tuple[Observation, AccessFacts]

_HINTS = (
    "ws",
    "websocket",
    "socket",
    "sock",
    "live",
    "cable",
    "hub",
    "realtime",
    "stream",
    "events",
    "signalr",
    "graphql",
    "mqtt",
    "stomp",
)
_SPIKE_S = 1.5
"""Lifetimes within this of their median count as one constant age."""


def judge_access(evidence: Evidence) -> Iterator[Finding]:
    """Judge the requests that look like upgrades."""
    tried = baseline(evidence)
    works = tried is not None and tried[1].accepted
    ours = only_ours(evidence)
    rows = [row for row in evidence.of(AccessFacts) if _is_upgrade(evidence, row[1]) and not ours(row[1].times)]
    for row in rows:
        if row[1].termination:
            yield from _judge_termination(row)
        if row[1].status in (101, 200) and row[1].durations_s:
            yield from _judge_lifetimes(row)
        if row[1].status >= 300 and not works:
            yield from _judge_status(row)
    yield from _judge_plain_gets([] if works else rows)


def _is_upgrade(evidence: Evidence, facts: AccessFacts) -> bool:
    endpoint = evidence.target.endpoint
    if (
        facts.upgrade
        or facts.status == 101
        or (endpoint is not None and facts.path.split("?")[0] == endpoint.path and endpoint.path != "/")
    ):
        return True
    words = facts.path.lower().replace("-", "/").replace("_", "/").replace(".", "/").split("?")[0].split("/")
    return facts.upgrade is None and any(hint in words for hint in _HINTS)


def _judge_termination(row: Row) -> Iterator[Finding]:
    """HAProxy's two-letter termination state (configuration manual section 8.5): who ended, in which phase."""
    seen, facts = row
    state = facts.termination[:2]
    age = f" after {median(facts.durations_s):.3g} s" if facts.durations_s else ""
    words = f"{facts.count} sessions ended with {facts.termination}{age}"
    if state in ("cD", "sD"):
        side = "client" if state[0] == "c" else "server"
        yield fault("proxy.idle-timeout-haproxy", 0.88, f"{words}: the {side} timeout in the data phase", proof(seen, facts.text))
    elif state in ("SC", "sC"):
        yield fault("proxy.upstream-unreachable", 0.8, f"{words}: no connection to the server", proof(seen, facts.text))
    elif state == "sQ":
        yield fault("load.connection-cap", 0.75, f"{words}: waited in the queue for a free slot", proof(seen, facts.text))
    elif state == "sH":
        yield fault("handshake.timeout", 0.6, f"{words}: the server did not answer in time", proof(seen, facts.text))
    elif state == "PR" and facts.status in (400, 403):
        yield fault("proxy.security-layer-blocks", 0.4, f"{words}: refused by the proxy itself", proof(seen, facts.text))


def _judge_lifetimes(row: Row) -> Iterator[Finding]:
    """Many sockets of one age point to a limit; the age tells whose."""
    seen, facts = row
    durations = [duration for duration in facts.durations_s if duration >= 5]
    if not durations or facts.termination[:2] in ("cD", "sD"):
        return
    middle = median(durations)
    spike = [duration for duration in durations if abs(duration - middle) <= max(_SPIKE_S, middle * 0.02)]
    if len(spike) < max(1, len(durations) * 0.5):
        return
    summary = f"{len(spike)} of {len(facts.durations_s)} sockets on {facts.path} lived {middle:.4g} s"
    own = IDLE_SLUGS.get(facts.program)
    for slug, likely in causes_of_age(middle, None):
        boost = 0.2 if slug == own else 0.0
        several = 0.15 if len(spike) > 1 else 0.0
        yield unknown(slug, min(0.85, likely + boost + several), summary, proof(seen, facts.text))


def _judge_status(row: Row) -> Iterator[Finding]:
    seen, facts = row
    summary = f"{facts.count} requests for {facts.path} were answered {facts.status}"
    for slug, prior in causes_of_status(facts.status)[:4]:
        yield unknown(slug, prior * 0.8, summary, proof(seen, facts.text))


def _judge_plain_gets(rows: list[Row]) -> Iterator[Finding]:
    """An application that logs HTTP/1.0, or a request without Upgrade, sits behind a proxy that does not tunnel."""
    for seen, facts in rows:
        if facts.status in (400, 404, 426) and facts.http_version.endswith("1.0"):
            summary = f"{facts.count} upgrades reached the application as HTTP/1.0"
            yield fault("proxy.http-1.0-upstream", 0.75, summary, proof(seen, facts.text))
            yield fault("proxy.upgrade-header-missing", 0.45, summary, proof(seen, facts.text))
        elif facts.status in (400, 426) and facts.upgrade is False:
            summary = f"{facts.count} requests for {facts.path} reached the application without Upgrade"
            yield fault("proxy.upgrade-header-missing", 0.7, summary, proof(seen, facts.text))
