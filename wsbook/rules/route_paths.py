"""Whether a dialled path is one that a server offers. Knows the notation of EndpointFacts.path, no framework."""

import re
from functools import lru_cache

__all__ = ["differing", "likeness", "offers_path"]


@lru_cache(maxsize=2000)
def _expression(offered: str) -> "re.Pattern[str]":
    """Return what an offered path takes: {name} one part, * anything, /? at the end a slash that may be missing."""
    optional = offered.endswith("/?")
    parts = re.split(r"(\{[^{}]*\}|\*)", offered.removesuffix("/?"))
    body = "".join(".*" if p == "*" else "[^/]+" if p.startswith("{") and p.endswith("}") else re.escape(p) for p in parts)
    return re.compile(re.sub(r"(?:\.\*)+", ".*", body) + ("/?" if optional else ""))


def offers_path(offered: str, dialled: str) -> bool:
    """Whether a server that offers one path answers the other; an unknown part {…} of what is dialled fits any part."""
    if _expression(offered[:500]).fullmatch(dialled[:500]):
        return True
    return "{…}" in dialled and bool(
        _expression(re.sub(r"\{…\}", "*", dialled[:500])).fullmatch(re.sub(r"\{[^{}]*\}|\*", "x", offered[:500]))
    )


def differing(offered: str, dialled: str) -> str:
    """Return "" when the paths fit, else slash, case or path, whatever differs."""
    if offers_path(offered, dialled):
        return ""
    bare = dialled.rstrip("/") or "/"
    if offers_path(offered, bare) or offers_path(offered, bare + "/"):
        return "slash"
    return "case" if offers_path(offered.lower(), dialled.lower()) else "path"


def likeness(offered: str, dialled: str) -> float:
    """Return 0..1, the share of parts that two paths have in common."""
    left, right = ({p for p in path.lower().split("/") if p and "{" not in p and p != "*"} for path in (offered, dialled))
    return len(left & right) / max(1, len(left | right))
