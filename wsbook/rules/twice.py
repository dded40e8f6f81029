"""An upgrade that is answered twice: two servers are attached to one listener (area H)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.finding import Finding
from wsbook.rules.make import fault, proof

__all__ = ["judge_twice"]


def judge_twice(evidence: Evidence) -> Iterator[Finding]:
    """Judge every accepted upgrade after which another HTTP answer came where frames should."""
    for seen, facts in evidence.upgrades:
        if facts.accepted and facts.second_answer:
            words = f"after its 101 came a second answer, {facts.second_answer}, where the first frame should"
            alone = "EIO=" in facts.url  # Engine.IO refuses a protocol or session in HTTP after a 101 of its own
            why = "two handlers took this upgrade, or Engine.IO refuses it" if alone else "two handlers took this upgrade"
            yield fault("backend.multiple-upgrade-handlers", 0.5 if alone else 0.95, f"{words}: {why}", proof(seen, words))
