"""Origins that resemble the one of a page: how lists spell it wrongly, and what patterns let in by mistake. Pure; it must not judge.

What a browser sends: scheme, host in small letters, and the port where it is not the scheme's own (RFC 6454 section 6.2); "null" for
a document of no site, such as one in a sandboxed frame.
"""

import ipaddress
from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from wsbook import attempt as labels
from wsbook.errors import UsageError
from wsbook.target import Endpoint, parse_endpoint

__all__ = ["FOREIGN", "Relative", "relatives", "site_of"]

FOREIGN = "https://wsbook-foreign.example"
"""No page of anybody's: RFC 2606 reserves the domain."""
_FOREIGN_HOST = "wsbook-foreign.example"
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gob", "gov", "mil", "ne", "net", "nom", "or", "org"})
"""Labels below which registries of countries give names away (https://publicsuffix.org/list/)."""
_LOOPBACK = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}


class Relative(Struct, frozen=True):
    """One Origin to try; None sends none. label: how it is called in tables."""

    label: str
    origin: str | None


def site_of(host: str) -> str:
    """Return the part of a name that its owner has registered, as far as its form tells; the whole of an address or a single label."""
    names = host.split(".")
    if _is_address(host) or len(names) < 3:
        return host
    return ".".join(names[-3:] if len(names[-1]) == 2 and names[-2] in _SECOND_LEVEL else names[-2:])


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _parts(origin: str) -> Endpoint | None:
    """Return the parts of an http or https origin, None for any other."""
    try:
        return parse_endpoint(origin, ("http", "https"))
    except UsageError:
        return None


def relatives(
    own: str, *, endpoint: str = "", path: str = "", inner: Iterable[str] = (), listed: Iterable[tuple[str, str]] = ()
) -> tuple[Relative, ...]:
    """Return the Origins to try beside a page's own, each once, the own one never.

    endpoint: origin of the endpoint's own host. path: of the page. inner: Hosts under which the application may be called by its proxy.
    listed: (place, origin) of what source code seems to let in.
    """
    found: dict[str | None, Relative] = {}
    for label, origin in (*_every(own, endpoint, path, inner), *((f"{labels.LISTED_ORIGIN}{place}", origin) for place, origin in listed)):
        if origin != own:
            found.setdefault(origin, Relative(label, origin))
    return tuple(found.values())


def _every(own: str, endpoint: str, path: str, inner: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    yield labels.NO_ORIGIN, None
    yield labels.FOREIGN_ORIGIN, FOREIGN
    yield labels.NULL_ORIGIN, "null"
    if endpoint:
        yield labels.OWN_ORIGIN, endpoint
    parts = _parts(own)
    if parts is not None:
        yield from _look_alikes(parts)
        yield from _neighbours(parts)
        yield from _spellings(own, parts)
        if path not in ("", "/"):
            yield labels.PATH_ORIGIN, f"{own}{path}"
    for host in inner:
        yield f"{labels.INNER_ORIGIN}{host}", f"http://{host}"


def _with(parts: Endpoint, host: str) -> str:
    """Return the origin with another host, scheme and port being kept."""
    return replace(parts, host=host).origin


def _look_alikes(parts: Endpoint) -> Iterator[tuple[str, str]]:
    """What an outsider could register and an unanchored or unescaped pattern lets in. Addresses have no such names but one."""
    host = parts.host
    if ":" not in host:
        yield labels.SUFFIXED_ORIGIN, _with(parts, f"{host}.{_FOREIGN_HOST}")
    if _is_address(host):
        return
    site = site_of(host)
    yield labels.PREFIXED_ORIGIN, _with(parts, f"wsbook-{site}")
    if "." in host:
        first, _, rest = host.partition(".")
        yield labels.OTHER_LETTER_ORIGIN, _with(parts, f"{first}x{rest}")


def _neighbours(parts: Endpoint) -> Iterator[tuple[str, str]]:
    """Other origins of the same owner: scheme, port, sub-domains, the domain above."""
    host, secure, port = parts.host, parts.secure, parts.port
    default = port == (443 if secure else 80)
    other = replace(parts, scheme="http" if secure else "https", port=(80 if secure else 443) if default else port)
    yield labels.OTHER_SCHEME_ORIGIN, other.origin
    yield labels.OTHER_PORT_ORIGIN, replace(parts, port=8443 if default else port + 1 if port < 65_535 else port - 1).origin
    if not default:
        yield labels.WITHOUT_PORT_ORIGIN, replace(parts, port=443 if secure else 80).origin
    if host in _LOOPBACK:
        yield labels.LOOPBACK_ORIGIN, _with(parts, _LOOPBACK[host])
    if _is_address(host):
        return
    if "." in host:
        yield labels.WWW_ORIGIN, _with(parts, host.removeprefix("www.") if host.startswith("www.") else f"www.{host}")
    yield labels.SUBDOMAIN_ORIGIN, _with(parts, f"wsbook-other.{host}")
    if host != site_of(host):
        yield labels.PARENT_ORIGIN, _with(parts, host.partition(".")[2])


def _spellings(own: str, parts: Endpoint) -> Iterator[tuple[str, str]]:
    """Forms that no browser sends and that stand on lists all the same."""
    host = f"[{parts.host}]" if ":" in parts.host else parts.host
    if parts.port == (443 if parts.secure else 80):
        yield labels.DEFAULT_PORT_ORIGIN, f"{parts.scheme}://{host}:{parts.port}"
    yield labels.SLASH_ORIGIN, f"{own}/"
    yield labels.CAPITAL_ORIGIN, own.upper()
    yield labels.BARE_ORIGIN, parts.authority
    if not _is_address(parts.host):
        yield labels.DOT_ORIGIN, _with(parts, f"{parts.host}.")
