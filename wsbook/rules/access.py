"""What access logs count: statuses on the WebSocket's path, and what becomes of upgrades there (step 1.4)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import AccessFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.known import causes_of_status
from wsbook.rules.lifetimes import judge_closings, judge_lifetimes
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import baseline
from wsbook.rules.own_traces import only_ours
from wsbook.rules.terminations import judge_termination
from wsbook.signs import is_socket_path

__all__ = ["judge_access"]

Row = tuple[Observation, AccessFacts]


def judge_access(evidence: Evidence) -> Iterator[Finding]:
    """Judge the requests that look like upgrades."""
    tried = baseline(evidence)
    works = tried is not None and tried[1].accepted
    ours = only_ours(evidence)
    rows = [
        row for row in evidence.of(AccessFacts) if _is_upgrade(evidence, row[1]) and not ours(row[1].times, row[1].marks, row[1].status)
    ]
    for seen, facts in rows:
        yield from judge_termination(seen, facts)
        if (facts.status in (101, 200) or _is_tcp(facts)) and facts.durations_s:
            yield from judge_lifetimes(seen, facts)
        if facts.status >= 300 and not works:
            yield from _judge_status(seen, facts)
    yield from judge_closings(evidence, rows)
    yield from _judge_plain_gets([] if works else rows)
    yield from _judge_prefix([] if works else rows)


def _is_upgrade(evidence: Evidence, facts: AccessFacts) -> bool:
    endpoint = evidence.target.endpoint
    if facts.upgrade or facts.status == 101 or _is_tcp(facts):
        return True
    if endpoint is not None and facts.path.split("?")[0] == endpoint.path and endpoint.path != "/":
        return True
    return facts.upgrade is None and is_socket_path(facts.path)


def _is_tcp(facts: AccessFacts) -> bool:
    """Whether a line tells of a session of a proxy in TCP mode, which knows no requests."""
    return facts.status == 0 and not facts.method and facts.program == "haproxy"


def _judge_status(seen: Observation, facts: AccessFacts) -> Iterator[Finding]:
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


def _judge_prefix(rows: list[Row]) -> Iterator[Finding]:
    """A path that is unknown, and without its first part is one on which sockets open: the prefix should have been removed on the way."""
    opened = {facts.path for _, facts in rows if facts.status == 101 and len(facts.path) > 1}
    for seen, facts in rows:
        if facts.status != 404 or facts.path in opened:
            continue
        inner = next((path for path in sorted(opened) if facts.path.endswith(path) or path.endswith(facts.path)), None)
        if inner is not None:
            summary = (
                f"{facts.count} requests for {facts.path} were answered 404, and {inner} opens sockets: a prefix is kept or lost on the way"
            )
            yield fault("proxy.path-rewrite-wrong", 0.7, summary, proof(seen, facts.text))
