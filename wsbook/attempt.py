"""One upgrade attempt, described completely: what the experiments change one part of at a time. No I/O."""

from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wsbook.target import Endpoint, Target, parse_endpoint

__all__ = [
    "AS_FORWARDED",
    "BARE_ORIGIN",
    "CAPITAL_ORIGIN",
    "CONNECTION_CLOSE",
    "CONNECTION_LIST",
    "DEFAULT_PORT_ORIGIN",
    "DOT_ORIGIN",
    "FEWEST_HEADERS",
    "FOREIGN_ORIGIN",
    "FORWARDED_HTTP",
    "FORWARDED_HTTPS",
    "HOST_WITHOUT_PORT",
    "HTTP_1_0",
    "INNER_ORIGIN",
    "IPV4_ONLY",
    "IPV6_ONLY",
    "LARGE_COOKIE",
    "LATE_S",
    "LISTED_ORIGIN",
    "LOOPBACK_ORIGIN",
    "LOWER_PATH",
    "MARKED_QUERY",
    "NO_ALPN",
    "NO_COOKIES",
    "NO_CREDENTIALS",
    "NO_EXTENSIONS",
    "NO_KEY",
    "NO_ORIGIN",
    "NO_OWN_HEADERS",
    "NO_PROXY",
    "NO_QUERY",
    "NO_SERVER_NAME",
    "NO_SUBPROTOCOL",
    "NO_TOKENS",
    "NO_UPGRADE",
    "NULL_ORIGIN",
    "OFFERED_PATH",
    "ONE_ADDRESS",
    "ONE_BROKEN",
    "ONE_FLOODS",
    "ONE_READS_NOTHING",
    "ONLY_AMBIENT",
    "ONLY_UPGRADE",
    "OTHER_CASE",
    "OTHER_HOST",
    "OTHER_LETTER_ORIGIN",
    "OTHER_PORT",
    "OTHER_PORT_ORIGIN",
    "OTHER_SCHEME",
    "OTHER_SCHEME_ORIGIN",
    "OTHER_VERSION",
    "OUR_USER_AGENT",
    "OWN_ORIGIN",
    "PAGE_SERVER_NAME",
    "PARENT_ORIGIN",
    "PATH_ORIGIN",
    "PREFIXED_ORIGIN",
    "RANDOM_PATH",
    "REDIRECTED",
    "SINGLE_SLASHES",
    "SLASH_ORIGIN",
    "SUBDOMAIN_ORIGIN",
    "SUFFIXED_ORIGIN",
    "THE_ENDPOINTS_HOST",
    "THE_ENDPOINTS_PATH",
    "THE_ROOT_PATH",
    "THE_SAME_AGAIN",
    "THROUGH_PROXY",
    "UNVERIFIED",
    "WITHOUT_HEADLESS",
    "WITHOUT_PORT_ORIGIN",
    "WITHOUT_SLASH",
    "WITH_HELD_BACK",
    "WITH_HTTP2_OFFERED",
    "WITH_SLASH",
    "WWW_ORIGIN",
    "Attempt",
    "Family",
    "attempt_for",
]

# How the variants of an experiment are called (probes/experiment.py makes them): rules match these words exactly.
NO_ORIGIN = "no Origin"
OWN_ORIGIN = "own Origin"
FOREIGN_ORIGIN = "foreign Origin"
NULL_ORIGIN = "Origin null"
SUFFIXED_ORIGIN = "Origin that only begins like the own one"
OTHER_SCHEME_ORIGIN = "own Origin with the other scheme"
PREFIXED_ORIGIN = "Origin that only ends like the own one"
OTHER_LETTER_ORIGIN = "own Origin with a letter for a dot"
OTHER_PORT_ORIGIN = "own Origin with another port"
DEFAULT_PORT_ORIGIN = "own Origin with its default port"
WITHOUT_PORT_ORIGIN = "own Origin without its port"
WWW_ORIGIN = "own Origin with www, or without"
SUBDOMAIN_ORIGIN = "Origin of a sub-domain"
PARENT_ORIGIN = "Origin of the parent domain"
LOOPBACK_ORIGIN = "own Origin by the other name of this machine"
CAPITAL_ORIGIN = "own Origin in capitals"
SLASH_ORIGIN = "own Origin with a slash"
DOT_ORIGIN = "own Origin with a dot behind its host"
BARE_ORIGIN = "own Origin without its scheme"
PATH_ORIGIN = "own Origin with the page's path"
INNER_ORIGIN = "Origin as the proxy names it: "
"""Followed by the host."""
LISTED_ORIGIN = "Origin that stands at "
"""Followed by the place in the source."""
ONLY_AMBIENT = "only what a browser adds by itself"
NO_CREDENTIALS = "no credentials"
NO_EXTENSIONS = "no extensions"
NO_SUBPROTOCOL = "no subprotocol"
NO_UPGRADE = "no Upgrade header"
RANDOM_PATH = "random path"
THE_ENDPOINTS_PATH = "the endpoint's path"
OFFERED_PATH = "a path that the backend offers"
THE_ENDPOINTS_HOST = "the endpoint's Host"
AS_FORWARDED = "with what a proxy adds"
NO_TOKENS = "no Upgrade and Connection"
CONNECTION_CLOSE = "Connection: close"
NO_KEY = "no Sec-WebSocket-Key"
NO_OWN_HEADERS = "no Sec-WebSocket headers"
HTTP_1_0 = "HTTP/1.0"
OTHER_HOST = "another Host"
THE_ROOT_PATH = "the path /"
NO_QUERY = "no query"
FORWARDED_HTTP = "X-Forwarded-Proto: http added"
WITH_SLASH = "with a trailing slash"
WITHOUT_SLASH = "without the trailing slash"
LOWER_PATH = "the path in small letters"
SINGLE_SLASHES = "the path without double slashes"
OTHER_SCHEME = "ws instead of wss, or the reverse"
UNVERIFIED = "certificate not checked"
NO_SERVER_NAME = "no SNI"
WITH_HTTP2_OFFERED = "ALPN offers h2 too"
NO_PROXY = "without the forward proxy"
THROUGH_PROXY = "through the forward proxy"
MARKED_QUERY = "our mark in the query"
ONE_BROKEN = "one subscriber broken off"
ONE_READS_NOTHING = "one subscriber that reads nothing"
ONE_FLOODS = "one subscriber that floods"
IPV4_ONLY = "IPv4 only"
IPV6_ONLY = "IPv6 only"
NO_ALPN = "no ALPN"
PAGE_SERVER_NAME = "SNI of the page"
OTHER_VERSION = "Sec-WebSocket-Version 99"
CONNECTION_LIST = "Connection: keep-alive, Upgrade"
OTHER_CASE = "Upgrade and Connection in other letters"
LARGE_COOKIE = "12 KiB of cookies more"
FORWARDED_HTTPS = "X-Forwarded-Proto: https added"
OTHER_PORT = "port 443 of the same host"
ONE_ADDRESS = "only the address "
"""Followed by the address."""
REDIRECTED = "redirect followed, number "
"""Followed by the number, from 1."""
NO_COOKIES = "no cookies"
OUR_USER_AGENT = "our User-Agent"
ONLY_UPGRADE = "Connection: Upgrade alone"
HOST_WITHOUT_PORT = "Host without its port"
WITH_HELD_BACK = "with the held-back cookies"
FEWEST_HEADERS = "only the headers that the handshake needs"
WITHOUT_HEADLESS = "User-Agent without Headless"
THE_SAME_AGAIN = "the same again"

LATE_S = 0.3
"""A program may write the log line of an attempt this much after the attempt ended."""


class Family(StrEnum):
    """Which address family may be dialled."""

    ANY = "any"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Attempt(Struct, frozen=True, kw_only=True):
    """Everything that defines one opening handshake on the wire (RFC 6455 section 4.1).

    address: the IP address to dial instead of resolving the host; None resolves.
    source: the address of ours to dial from; None leaves it to the system.
    via: URL of a forward proxy for CONNECT; None dials directly. The environment's proxy variables are never used.
    headers: extra request headers in order, after the handshake's own; values may hold secret references.
    exact: every header of the request, in order, names in this case, in place of all that the other fields would send; only the value
    of Sec-WebSocket-Key is made anew. None builds the request from the other fields.
    origin: None sends no Origin header.
    extensions: offered in this order; empty sends no Sec-WebSocket-Extensions header.
    server_name: SNI; None uses the URL's host, an empty string sends none.
    upgrade: False sends the same GET without any handshake header: what a backend gets behind a proxy that drops them.
    omit: names of headers, in lower case, that are left out of the request. http_version: of the request line, "1.1" or "1.0".
    version: Sec-WebSocket-Version. timeout_s bounds the whole attempt, every stage included.
    first_message_s: how long to wait for a first frame after an accepted upgrade.
    hop: name of the place that is tried: "endpoint", or the name of a target's hop.
    changed: "what was changed" against the baseline, in words; empty is the baseline itself.
    """

    url: str
    address: str | None = None
    family: Family = Family.ANY
    source: str | None = None
    via: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    exact: tuple[tuple[str, str], ...] | None = None
    host_header: str | None = None
    origin: str | None = None
    subprotocols: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ("permessage-deflate; client_max_window_bits",)
    upgrade: bool = True
    omit: tuple[str, ...] = ()
    http_version: str = "1.1"
    version: int = 13
    verify: bool = True
    ca_file: str = ""
    server_name: str | None = None
    alpn: tuple[str, ...] = ("http/1.1",)
    timeout_s: float = 5.0
    first_message_s: float = 0.3
    hop: str = "endpoint"
    changed: tuple[str, ...] = ()

    @property
    def endpoint(self) -> Endpoint:
        """The parts of the URL."""
        return parse_endpoint(self.url)

    def change(self, label: str = "", /, **fields: Any) -> "Attempt":
        """Return the variant with these fields, remembering the change.

        label: how the change is called in tables; default ``field=value``.
        """
        words = label or ", ".join(f"{name}={value!r}" for name, value in fields.items())
        return replace(self, changed=(*self.changed, words), **fields)


def attempt_for(target: Target, timeout_s: float) -> Attempt:
    """Return the baseline attempt of a target: what its page's browser would send to the endpoint."""
    return Attempt(
        url=target.url,
        via=target.forward_proxy or None,
        headers=target.headers,
        origin=target.expected_origin or None,
        subprotocols=target.subprotocols,
        ca_file=target.ca_file,
        timeout_s=timeout_s,
    )
