"""The catalogue of root causes: reads causes.toml once, answers by slug."""

from functools import cache

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.errors import UsageError
from wsbook.finding import Severity

__all__ = ["AREAS", "Cause", "cause", "causes", "explains", "find_causes"]

AREAS = {
    "endpoint": "Endpoint and URL",
    "client": "Frontend code",
    "browser": "Browser",
    "net": "Network below HTTP",
    "tls": "TLS",
    "proxy": "Reverse proxy, load balancer, CDN",
    "lifecycle": "Reloads and deploys",
    "handshake": "Opening handshake",
    "auth": "Authentication",
    "origin": "Origin",
    "subprotocol": "Subprotocol",
    "frame": "Frames",
    "message": "Messages",
    "backend": "Backend code and server process",
    "cluster": "Several processes or nodes",
    "heartbeat": "Heartbeat",
    "load": "Volume and limits",
    "redherring": "Not a fault",
}


class Cause(Struct, frozen=True, kw_only=True):
    """One root cause.

    step: the step of the investigation that finds it. evidence: what tells it from its look-alikes. test: the cheapest test that
    separates it. explains: slugs, or "area.*", of the causes that are only its consequence. frequency: high, med, low.
    """

    slug: str
    step: str
    title: str
    meaning: str
    evidence: str
    remedy: str
    test: str
    severity: Severity = Severity.ERROR
    frequency: str = "med"
    references: tuple[str, ...] = ()
    explains: tuple[str, ...] = ()


@cache
def causes() -> dict[str, Cause]:
    """Return every cause by slug, in the catalogue's order."""
    table = read_table("causes.toml")
    return {slug: convert({"slug": slug, **fields}, Cause) for slug, fields in table.items()}


def cause(slug: str) -> Cause:
    """Return one cause.

    Raises:
        UsageError: no such slug; the text names the nearest ones.
    """
    if slug not in causes():
        from difflib import get_close_matches

        near = ", ".join(get_close_matches(slug, causes(), n=3, cutoff=0.4))
        raise UsageError(f"no cause is called {slug!r}" + (f"; did you mean {near}?" if near else "; see: wsbook causes"))
    return causes()[slug]


def find_causes(words: str) -> list[Cause]:
    """Return the causes that a person means: that of a slug, those whose slug holds a part of one such as "proxy.", or whose text holds
    every word.

    Raises:
        UsageError: none; the text names the nearest ones.
    """
    if words in causes():
        return [cause(words)]
    wanted = words.casefold().split()
    if "." in words:
        return [entry for slug, entry in causes().items() if words in slug] or [cause(words)]
    return [entry for entry in causes().values() if all(word in _text(entry) for word in wanted)] or [cause(words)]


def _text(entry: Cause) -> str:
    return " ".join((entry.slug, entry.title, entry.meaning, entry.evidence)).casefold()


def explains() -> dict[str, tuple[str, ...]]:
    """Return slug → slugs that it explains."""
    return {slug: entry.explains for slug, entry in causes().items()}
