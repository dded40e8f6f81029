"""Which findings cannot be the consequence of another: what our own connections met is not what a page does to itself."""

from collections.abc import Callable

from wsbook.evidence import Evidence
from wsbook.finding import Finding

__all__ = ["independent_of"]

_OURS = frozenset({"upgrade", "echo", "load", "broadcast", "crowd"})
"""Probes that dial for themselves, without any page."""
_OF_THE_PAGE = ("client.", "browser.")


def independent_of(evidence: Evidence) -> Callable[[Finding, str], bool]:
    """Return the question whether a finding was shown without the page, and the cause is the page's own."""
    ours = {seen.id for seen in evidence.observations if seen.id and seen.source.probe in _OURS and not seen.source.artifact}

    def independent(finding: Finding, cause: str) -> bool:
        return cause.startswith(_OF_THE_PAGE) and any(one.observation in ours for one in finding.evidence)

    return independent
