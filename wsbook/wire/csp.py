"""Which directive of a Content-Security-Policy forbids a socket (CSP3 sections 2.2, 6.7.2; https://www.w3.org/TR/CSP3/). No I/O."""

import re
from urllib.parse import unquote

from msgspec import Struct

from wsbook.errors import UsageError
from wsbook.target import Endpoint, parse_endpoint

__all__ = ["Directive", "forbidding", "upgrades_insecure"]

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_SECURED = {"http": "https", "ws": "wss"}
"""Scheme of an expression → the encrypted one that it allows too. Browsers let http stand for ws in 'self' only, so that
``connect-src shop.example`` forbids wss://shop.example."""
_HOST_SOURCE = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?P<host>\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>\d+|\*))?(?P<path>/[^?#]*)?\Z",
    re.IGNORECASE,
)


class Directive(Struct, frozen=True, kw_only=True):
    """One directive with its source list, as written: ``connect-src 'self' wss://a``."""

    name: str
    sources: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.name, *self.sources))


def _policies(text: str) -> list[dict[str, Directive]]:
    """Return the policies of a list separated by commas; of directives with the same name the first counts."""
    found = []
    for policy in text.split(","):
        directives: dict[str, Directive] = {}
        for part in policy.split(";"):
            name, *sources = part.split() or [""]
            if name:
                directives.setdefault(name.lower(), Directive(name=name.lower(), sources=tuple(sources)))
        found.append(directives)
    return found


def upgrades_insecure(text: str) -> bool:
    """Tell whether a policy turns the page's ws:// into wss:// (https://www.w3.org/TR/upgrade-insecure-requests/)."""
    return any("upgrade-insecure-requests" in policy for policy in _policies(text))


def forbidding(text: str, url: str, page_url: str) -> Directive | None:
    """Return the first directive that forbids a socket to the URL from the page, None when every policy allows it.

    text: the values of the header, joined with commas. connect-src counts, in its absence default-src.
    """
    try:
        target, page = parse_endpoint(url.partition("#")[0]), parse_endpoint(page_url.partition("#")[0])
    except UsageError:
        return None
    for policy in _policies(text):
        directive = policy.get("connect-src") or policy.get("default-src")
        if directive is not None and not any(_allows(source, target, page) for source in directive.sources):
            return directive
    return None


def _allows(source: str, target: Endpoint, page: Endpoint) -> bool:
    lower = source.lower()
    if lower == "'self'":
        same_port = target.port == page.port or (_is_default(target) and _is_default(page))
        return target.host == page.host and same_port and (target.secure or not page.secure)
    if lower == "*":
        return True
    if re.fullmatch(r"[a-z][a-z0-9+.-]*:", lower):
        return _scheme_allows(lower[:-1], target.scheme)
    found = _HOST_SOURCE.match(source)
    return found is not None and _host_allows(found, target, page)


def _is_default(endpoint: Endpoint) -> bool:
    return endpoint.port == _DEFAULT_PORTS[endpoint.scheme]


def _scheme_allows(allowed: str, scheme: str) -> bool:
    return scheme in (allowed, _SECURED.get(allowed))


def _host_allows(source: re.Match[str], target: Endpoint, page: Endpoint) -> bool:
    scheme = (source["scheme"] or page.scheme).lower()
    if not _scheme_allows(scheme, target.scheme) or not _name_matches(source["host"].lower(), target.host):
        return False
    if not _port_matches(source["port"], scheme, target):
        return False
    path = unquote(source["path"] or "")
    return path in ("", "/") or (target.path.startswith(path) if path.endswith("/") else unquote(target.path) == path)


def _name_matches(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern in ("*", host, f"[{host}]")


def _port_matches(port: str | None, scheme: str, target: Endpoint) -> bool:
    """Compare ports as Chromium does: an expression for ws that shall cover wss has to leave the port out, or change 80 to 443."""
    if port == "*":
        return True
    if port is None:
        return _is_default(target)
    if scheme != target.scheme:
        return port == "80" and target.port == 443
    return int(port) == target.port
