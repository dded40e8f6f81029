"""Our own attempt at the endpoint, found by its mark in the log of who answered it: which path did it arrive with?"""

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from wsbook.attempt import MARKED_QUERY
from wsbook.evidence import Evidence
from wsbook.facts import AccessFacts, EndpointFacts
from wsbook.finding import Finding
from wsbook.rules.make import fault, proof
from wsbook.rules.outcome import baseline, say
from wsbook.rules.own_traces import attempt_marks

__all__ = ["judge_traces"]

_UNKNOWN_PATH = frozenset({403, 404, 500})
"""How servers refuse a path that they do not know: Starlette 403, Django Channels 500, the others 404."""


def judge_traces(evidence: Evidence) -> Iterator[Finding]:
    """Judge a refused attempt that somebody logged with another path than it was sent with, and with the same status.

    The one with our mark in its query is found where a log shows no User-Agent.
    """
    tried = baseline(evidence)
    if tried is None or tried[1].accepted or tried[1].status not in _UNKNOWN_PATH:
        return
    sent = _path(tried[1].url)
    marks = {mark for one in (tried, *evidence.attempts(changed=MARKED_QUERY)) for mark in attempt_marks(one[1])}
    for seen, facts in evidence.of(AccessFacts):
        arrived = _path(facts.path)
        if marks.isdisjoint(facts.marks) or facts.status != tried[1].status or arrived == sent:
            continue
        offered = sent in _offers(evidence)
        words = f"our upgrade of {sent[:80]} was logged as {arrived[:80]}, and answered {facts.status}: the path is changed on the way"
        more = f", and {sent[:80]} is what the application offers" if offered else ""
        evident = proof(seen, facts.text)
        yield fault("proxy.path-rewrite-wrong", 0.93 if offered else 0.65, f"{words}{more}", evident, proof(tried[0], say(*tried)))
        return


def _path(url: str) -> str:
    try:
        return unquote(urlsplit(url).path) or "/"
    except ValueError:
        return url


def _offers(evidence: Evidence) -> set[str]:
    """Return the paths at which the application is known to answer: those of its hops that accept, and those of its source."""
    accepting = {_path(hop.url) for hop in evidence.target.hops if any(facts.accepted for _, facts in evidence.attempts(hop.name))}
    return accepting | {facts.path for _, facts in evidence.of(EndpointFacts) if facts.side == "backend" and facts.path}
