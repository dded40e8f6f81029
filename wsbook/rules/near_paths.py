"""A path that is refused while one that differs by a slash or by letters alone is accepted (area A)."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from wsbook.attempt import LOWER_PATH, SINGLE_SLASHES, WITH_SLASH, WITHOUT_SLASH
from wsbook.evidence import Evidence
from wsbook.finding import Finding
from wsbook.rules.make import clear, fault, proof
from wsbook.rules.outcome import baseline, say

__all__ = ["judge_near_paths"]

_NEAR = {
    WITH_SLASH: "it lacks the slash at its end",
    WITHOUT_SLASH: "the slash at its end is too much",
    SINGLE_SLASHES: "it has a slash twice, as two parts that were put together leave it",
    LOWER_PATH: "it is written in other letters",
}
"""Change that cures → what is wrong with the path that is dialled."""
_REDIRECTS = range(300, 400)


def judge_near_paths(evidence: Evidence) -> Iterator[Finding]:
    """Judge the variants of the endpoint's path. A redirect to the right one is judged as such."""
    own, slug = baseline(evidence), "endpoint.wrong-path"
    if own is None or own[1].status is None or own[1].status in _REDIRECTS:
        return
    for label, wrong in _NEAR.items():
        tried = evidence.attempts(changed=label)
        if not tried or (own[1].accepted and label not in (WITH_SLASH, WITHOUT_SLASH)):
            continue
        seen, facts = tried[-1]
        path, other = urlsplit(own[1].url).path, urlsplit(facts.url).path
        proofs = (proof(own[0], f"{path}: {say(*own)}"), proof(seen, f"{other}: {say(seen, facts)}"))
        if own[1].accepted:
            yield clear(slug, f"{path} is accepted", *proofs)
        elif facts.accepted:
            words = f"{path[:80]} is answered {own[1].status}, and {other[:80]} is accepted: {wrong}"
            yield fault(slug, 0.96, words, *proofs, remedy=f"Dial {facts.url[:200]}, or let the server take both.")
