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
            words = (
                f"after its 101 came a second answer, {facts.second_answer}, where the first frame should: two handlers took this upgrade"
            )
            yield fault("backend.multiple-upgrade-handlers", 0.95, words, proof(seen, words))
