"""An upstream's address that contradicts itself: its scheme against its port. Knows no product."""

import re

from wsbook.facts import PatternFacts
from wsbook.parsers.proxies.artifact import Artifact, defect
from wsbook.parsers.proxies.trees.edits import fix_of, reword

__all__ = ["has_address", "is_private", "port_defect", "tls_port_defect"]

_URL = re.compile(r"^(https?|wss?)://\[?[^\s/]*?\]?:(\d{1,5})(?:/|$)", re.IGNORECASE)
_TLS_PORTS = ("443",)
_PLAIN_PORTS = ("80",)
_USUAL = ("443", "8443", "9443", "4443", "6443", "8006", "10443")
_PRIVATE = re.compile(
    r"^\w+://(?:localhost|127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|[\w-]+(?::|/|$)|[\w.-]+\.(?:lan|local|internal|home|svc|corp|intra)\b|\[)",
    re.IGNORECASE,
)


def port_defect(url: str, artifact: Artifact, line: int) -> PatternFacts | None:
    """Return the defect of a URL whose scheme does not go with its port; None when nothing is wrong."""
    found = _URL.match(url)
    if found is None:
        return None
    tls = found[1].lower() in ("https", "wss")
    if tls and found[2] not in (*_PLAIN_PORTS, *_USUAL) and _PRIVATE.match(url):
        return defect("upstream.tls-to-unusual-port", artifact.name, line, url)
    pattern = tls_port_defect(tls=tls, port=found[2])
    if pattern is None:
        return None
    new = ("http" if tls else "https") + url[len(found[1]) :]
    cause = "endpoint.tls-to-plain-port" if tls else "endpoint.plain-to-tls-port"
    return defect(pattern, artifact.name, line, url, fix_of(artifact, (cause,), reword(artifact, line, url, new)))


def is_private(url: str) -> bool:
    """Whether a URL's host is an address or name of an inner network, for which no public authority issues certificates."""
    return bool(_PRIVATE.match(url))


def has_address(url: str) -> bool:
    """Whether a URL names its host by number."""
    return bool(re.match(r"^\w+://(?:\d{1,3}(?:\.\d{1,3}){3}|\[)", url))


def tls_port_defect(*, tls: bool, port: str) -> str | None:
    """Return the pattern that a combination is, None for one that may be right."""
    if tls:
        return "upstream.tls-to-plain-port" if port in _PLAIN_PORTS else None
    return "upstream.plain-to-tls-port" if port in _TLS_PORTS else None
