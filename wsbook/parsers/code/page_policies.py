"""Content security policies that code sets, beside the sockets that the same code dials. Knows policies, no library.

https://www.w3.org/TR/CSP3/#match-url-to-source-list
"""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import SplitResult, urlsplit

from wsbook.facts import EndpointFacts, PatternFacts
from wsbook.parsers.code.source_files import Code
from wsbook.parsers.pattern_table import entry, pattern_found

__all__ = ["policy_patterns"]

_WRITTEN = re.compile(r"connect-src[ \t]+(?P<list>[^;\"`\n]{1,1000})")
_LISTED = re.compile(r"""['"]?connect(?:Src|-src)['"]?\s*:\s*\[(?P<list>[^\]]{0,1000})\]""")
_REPORTS = re.compile(r"(?i)report-?only")
_COMPUTED = re.compile(r"\$\{|%[sv]|\+|\b(?!self\b|none\b)[A-Za-z_$][\w$]*\s*(?:,|$)|\.\.\.")
_SELF = "'self'"
_DEFAULT_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}


def policy_patterns(codes: Iterable[Code], dialled: Iterable[EndpointFacts]) -> Iterator[PatternFacts]:
    """Yield each policy that does not take a socket whose whole URL is known. One that is put together at run time is left alone."""
    targets = [split for url in sorted({facts.url or facts.origin or "" for facts in dialled}) if (split := _split(url)) is not None]
    for code in codes if targets else ():
        if _REPORTS.search(code.text):
            continue
        for found in (*_WRITTEN.finditer(code.text), *_LISTED.finditer(code.text)):
            sources = _sources(found)
            refused = next((one for one in targets if sources and not any(_takes(source, one) for source in sources)), None)
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


def _takes(source: str, target: SplitResult) -> bool:
    """Tell whether a source expression may match a URL; its scheme is read generously."""
    if source == "*" or source.lower() in ("ws:", f"{target.scheme}:"):
        return True
    bare = source.strip("'\",`").lower()
    scheme, given, rest = bare.rpartition("://")
    if given and scheme == "wss" and target.scheme == "ws":
        return False
    host, _, port = rest.partition("/")[0].partition(":")
    name = target.hostname or ""
    if host != name and not (host.startswith("*.") and name.endswith(host[1:])) and host != "*":
        return False
    wanted = target.port or _DEFAULT_PORTS[target.scheme]
    return port == "*" or (port or str(_DEFAULT_PORTS.get(scheme, wanted if not target.port else 0))) == str(wanted)
