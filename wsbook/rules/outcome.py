"""What happened to one upgrade attempt, in words and in kind. Used by every rule about handshakes; names no cause."""

import re

from wsbook.evidence import Evidence
from wsbook.facts import SignatureFacts, UpgradeFacts
from wsbook.hops import same_answer
from wsbook.observation import Observation, Reason
from wsbook.words import duration_text

__all__ = [
    "GATEWAY",
    "Seen",
    "answerer",
    "baseline",
    "cured_by_origin",
    "inner_hops",
    "is_transparent",
    "is_unequipped",
    "proxy_products",
    "reached_upstream",
    "refusals",
    "same_answer",
    "say",
]

GATEWAY = frozenset({502, 503, 504})
"""What proxies answer where nothing behind them does (RFC 9110 section 15.6)."""

_REACHED = re.compile(r"(?i)while reading response header from upstream|error reading status line from remote|upstream sent invalid header")
"""What proxies log of an upstream that took the connection: nginx, Apache (AH01102)."""

Seen = tuple[Observation, UpgradeFacts]


def say(seen: Observation, facts: UpgradeFacts) -> str:
    """Return what an attempt came to, in half a sentence with its number."""
    took_s = _answered_s(seen)
    after = f" after {duration_text(took_s)}" if took_s else ""
    if facts.accepted:
        return f"accepted with 101{after}"
    if facts.status is not None:
        by = answerer(facts)
        failed = [check.name for check in facts.checks if not check.ok and check.name != "status"]
        wrong = f" with wrong {', '.join(failed)}" if facts.status == 101 and failed else ""
        return f"answered {facts.status}{wrong}{f' by {by}' if by else ''}{after}"
    if facts.error_text:
        return facts.error_text[:160]
    return f"{seen.failure.reason.value} at stage {seen.failure.stage}{after}" if seen.failure else f"no answer{after}"


def is_transparent(evidence: Evidence) -> bool:
    """Tell whether the hop in front of the application leaves no header of its own in the answer, as HAProxy and layer 4 do."""
    outer, inner = baseline(evidence), [seen for _, seen in inner_hops(evidence)]
    if outer is None or not inner:
        return False
    names = [{name.lower() for name, _ in facts.headers} for _, facts in (outer, inner[0])]
    return bool(names[1]) and names[0] == names[1] and not proxy_products(evidence)


def _answered_s(seen: Observation) -> float:
    """Return the time until the answer to the upgrade, or until the failure: the wait for a first message does not count."""
    ends = [stage.started_s + stage.duration_s for stage in seen.stages if stage.name == "upgrade"]
    return ends[-1] if ends else seen.duration_s


def answerer(facts: UpgradeFacts) -> str:
    """Return who wrote the answer, as far as its Server or Via header tells; "" unknown."""
    return (facts.header("server") or facts.header("via") or "")[:40]


def proxy_products(evidence: Evidence) -> list[str]:
    """Return the products named by the endpoint's answers and not by the application's own, lower case, Via first."""
    inside = {facts.header("server") for seen, facts in evidence.upgrades if seen.source.hop in {hop.name for hop in evidence.target.hops}}
    named = []
    for seen, facts in evidence.upgrades:
        if seen.source.hop in ("endpoint", "browser"):
            via = (facts.header("via") or "").split(" ")[-1]
            named += [name for name in (via, facts.header("server")) if name and name not in inside]
    return list(dict.fromkeys(re.split(r"[/ (]", name.strip().lower())[0] for name in named))


def baseline(evidence: Evidence, hop: str = "endpoint") -> Seen | None:
    """Return the unchanged attempt at a hop: that of the direct test, else the latest of another step; None when there was none."""
    tried = evidence.attempts(hop, step="1.3") or evidence.attempts(hop)
    return tried[-1] if tried else None


def cured_by_origin(evidence: Evidence, hop: str = "endpoint") -> bool:
    """Tell whether a place that refuses the upgrade accepts it when Origin alone is another, or left out."""
    tried = baseline(evidence, hop)
    return (
        tried is not None
        and not tried[1].accepted
        and any(
            facts.accepted and seen.source.hop == hop and len(seen.source.changed) == 1 and "origin" in seen.source.changed[0].lower()
            for seen, facts in evidence.upgrades
        )
    )


def inner_hops(evidence: Evidence) -> list[tuple[str, Seen]]:
    """Return (name, latest baseline) of the target's hops that were tried, the application first."""
    found = [(hop.name, baseline(evidence, hop.name)) for hop in evidence.target.hops]
    return [(name, seen) for name, seen in found if seen is not None]


def reached_upstream(evidence: Evidence) -> tuple[Observation, str] | None:
    """Return the line of a log by which a proxy did reach its upstream; None when there is none, or another says that it did not."""
    lines = [(seen, facts.text) for seen, facts in evidence.of(SignatureFacts) if seen.source.artifact]
    if any("while connecting to upstream" in text for _, text in lines):
        return None
    return next((one for one in lines if _REACHED.search(one[1]) and "timed out" not in one[1]), None)


def is_unequipped(evidence: Evidence, seen: Observation) -> bool:
    """Tell whether a browser of ours, without a page, lacks headers that are given and with which the endpoint accepts.

    No browser can be told to send them: what it is refused for says nothing of the application's own client.
    """
    own = baseline(evidence)
    if own is None or not own[1].accepted or evidence.target.page_url or seen.source.artifact or seen.source.hop != "browser":
        return False
    sent = seen.facts.request_header if isinstance(seen.facts, UpgradeFacts) else lambda name: None
    return any(sent(name) is None for name, _ in evidence.target.headers)


def refusals(evidence: Evidence) -> list[Seen]:
    """Return the upgrades that failed at the endpoint, in a browser or in a recording; the experiments' variants are left out."""
    own = baseline(evidence)
    others = [(seen, facts) for seen, facts in evidence.upgrades if seen.source.probe != "upgrade" and not seen.source.changed]
    tried = [*([own] if own else []), *(one for one in others if not is_unequipped(evidence, one[0]))]
    return [(seen, facts) for seen, facts in tried if not facts.accepted and not _given_up(seen)]


def _given_up(seen: Observation) -> bool:
    return seen.failure is not None and seen.failure.reason in (Reason.OUR_BUG, Reason.TOOL_MISSING, Reason.SKIPPED)
