"""Content security policies that code sets, beside the sockets that the same code dials. Knows how they are written, no library."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import SplitResult, urlsplit

from wsbook.facts import EndpointFacts, PatternFacts
from wsbook.parsers.code.source_files import Code
from wsbook.parsers.pattern_table import entry, pattern_found
from wsbook.wire.csp import forbidding

__all__ = ["policy_patterns"]

_WRITTEN = re.compile(r"connect-src[ \t]+(?P<list>[^;\"`\n]{1,1000})")
_LISTED = re.compile(r"""['"]?connect(?:Src|-src)['"]?\s*:\s*\[(?P<list>[^\]]{0,1000})\]""")
_REPORTS = re.compile(r"(?i)report-?only")
_COMPUTED = re.compile(r"\$\{|%[sv]|\+|\b(?!self\b|none\b)[A-Za-z_$][\w$]*\s*(?:,|$)|\.\.\.")
_SELF = "'self'"
_HTTP = re.compile(r"(?i)\Ahttp(s?)://")
_ELSEWHERE = "https://page.invalid/"
"""Stands for the page, whose address code does not tell."""


def policy_patterns(codes: Iterable[Code], dialled: Iterable[EndpointFacts]) -> Iterator[PatternFacts]:
    """Yield each policy that does not take a socket whose whole URL is known. One that is put together at run time is left alone."""
    targets = [split for url in sorted({facts.url or facts.origin or "" for facts in dialled}) if (split := _split(url)) is not None]
    for code in codes if targets else ():
        if _REPORTS.search(code.text):
            continue
        for found in (*_WRITTEN.finditer(code.text), *_LISTED.finditer(code.text)):
            sources = _sources(found)
            refused = next((one for one in targets if sources and _refuses(sources, one)), None)
            if refused is not None:
                own = _SELF in sources
                if own and refused.port is None:
                    continue  # it may be where the page comes from
                pattern = entry("policy.own-origin-only" if own else "policy.socket-not-listed")
                line = code.text.count("\n", 0, found.start()) + code.line
                yield pattern_found(pattern, code.artifact, line, f"{found[0].strip()} → {refused.geturl()}")


def _split(url: str) -> SplitResult | None:
    try:
        split = urlsplit(url)
        return split if split.scheme in ("ws", "wss") and split.hostname and split.port != 0 else None
    except ValueError:
        return None


def _sources(found: re.Match[str]) -> tuple[str, ...]:
    """Return the sources of a list, () when part of it is computed."""
    text = found["list"]
    if found.re is _LISTED:
        if _COMPUTED.search(re.sub(r"""(['"`])(?:(?!\1).)*\1""", "", text)) or "${" in text:
            return ()
        return tuple(word.strip("\"'` ") if "self" not in word else _SELF for word in text.split(",") if word.strip())
    return () if re.search(r"\$\{|%[sv]|' ?\+|\+ ?'|#\{|<%", text) else tuple(text.replace("\\'", "'").split())


def _refuses(sources: Iterable[str], target: SplitResult) -> bool:
    """Tell whether a source list keeps a page elsewhere from a socket."""
    policy = " ".join(("connect-src", *(_for_sockets(source, target.scheme) for source in sources)))
    return forbidding(policy, target.geturl(), _ELSEWHERE) is not None


def _for_sockets(source: str, scheme: str) -> str:
    """Return a source expression read generously: http stands for ws, and an expression without a scheme for that of the socket."""
    if source == _SELF:
        return source
    bare = _HTTP.sub(lambda http: f"ws{http[1]}://", source.strip("'\",`"))
    return bare if "://" in bare or bare == "*" or bare.endswith(":") else f"{scheme}://{bare}"
