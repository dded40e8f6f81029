"""Defects that an endpoint's URL shows by itself, in the light of the page that dials it. Knows URLs, not code."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from wsbook.facts import EndpointFacts, PatternFacts
from wsbook.hosts import is_inner, is_own_machine
from wsbook.parsers.code.clients import HTTP_LIBRARIES
from wsbook.parsers.pattern_table import entry, pattern_found
from wsbook.target import Endpoint

__all__ = ["url_defects"]

_DEVELOPMENT = re.compile(r"\bdev|NODE_ENV|localhost|127\.0\.0\.1|\.DEV\b|local(?!e|i[sz])|isDev|debug|prod", re.IGNORECASE)
_SAID = re.compile(r"(?i)\b(?:lab|demo|local(?:ly)?|dev(?:elopment)?|tests?|testing|playground|sandbox)\b")
_SECURE_TEST = re.compile(r"https|secure|protocol|ssl|tls|localhost|127\.0\.0\.1", re.IGNORECASE)
_TEMPLATE = re.compile(r"[$%{}()\\]")
_CONTAINER_HOST = "host.docker.internal"
"""The machine that runs the containers, where it is the developer's own."""


def url_defects(endpoint: EndpointFacts, page: Endpoint | None, said: str = "") -> Iterator[PatternFacts]:
    """Yield the defects of one dialled endpoint; nothing when its URL is unknown and its text says nothing either.

    said: the comment before it; a host of the own machine is right in code that says that it is for development.
    """
    if endpoint.url or endpoint.origin:
        yield from _of_url(endpoint, page, said)
    elif re.search(r"""["'`]ws://["'`]\s*\+|`ws://\$\{""", endpoint.expression) and not _SECURE_TEST.search(endpoint.condition):
        yield _defect("url.insecure-scheme", endpoint, page)
    elif endpoint.library == "native" and re.search(r"""["'`]https?://""", endpoint.expression):
        yield _defect("url.http-scheme", endpoint, page)


def _of_url(endpoint: EndpointFacts, page: Endpoint | None, said: str) -> Iterator[PatternFacts]:
    url = endpoint.url or endpoint.origin or ""
    scheme, host = url.partition("://")[0].lower(), _host(url)
    if _TEMPLATE.search(url.partition("://")[2].partition("/")[0]):
        return  # a host that other languages put in at run time
    if endpoint.library in HTTP_LIBRARIES and endpoint.library != "socket.io" and scheme in ("ws", "wss"):
        yield _defect("url.ws-scheme-for-http-library", endpoint, page)
    elif endpoint.library not in (*HTTP_LIBRARIES, "meteor", "partysocket", "actioncable") and scheme in ("http", "https"):
        yield _defect("url.http-scheme", endpoint, page)
    if _glued(url, host):
        yield _defect("url.glued", endpoint, page)
        return
    if endpoint.library == "meteor" and scheme in ("ws", "wss") and endpoint.path in (None, "", "/"):
        yield _defect("url.library-path-missing", endpoint, page)
    local = _is_local(host)
    developing = _DEVELOPMENT.search(endpoint.condition) or _SAID.search(said)
    if local and not (page and _is_local(page.host)) and not developing:
        fallback = "is not set" in endpoint.condition
        yield _defect("url.localhost-fallback" if fallback else "url.localhost", endpoint, page)
    elif not local and is_inner(host) and not (page and page.host == host) and not _DEVELOPMENT.search(endpoint.condition):
        yield _defect("url.internal-host", endpoint, page)
    insecure = scheme == "ws" or (scheme == "http" and endpoint.library in HTTP_LIBRARIES and page is not None and page.secure)
    follows = page is not None and not page.secure and page.host == host  # the page itself is plain
    if insecure and not local and not follows and not _SECURE_TEST.search(endpoint.condition):
        yield _defect("url.mixed-content" if page and page.secure else "url.insecure-scheme", endpoint, page)


def _defect(pattern: str, endpoint: EndpointFacts, page: Endpoint | None) -> PatternFacts:
    shown = f"{endpoint.expression} → {endpoint.url}" if endpoint.url and endpoint.url not in endpoint.expression else endpoint.expression
    return pattern_found(entry(pattern), endpoint.file, endpoint.line, shown)


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _glued(url: str, host: str) -> bool:
    """Whether parts were put together wrongly: two schemes, no host, undefined or null.

    A colon without a port is none: the URL standard reads it as the scheme's default (https://url.spec.whatwg.org/#port-state).
    """
    rest = url.partition("://")[2]
    try:
        urlsplit(url).port  # noqa: B018
    except ValueError:
        return True
    before_query = rest.partition("?")[0]
    if not host or host in ("undefined", "null", "http", "https", "ws", "wss") or "undefined" in before_query.split("/"):
        return True
    return "://" in before_query or bool(re.search(r"/:\d{2,5}(?:/|$)", before_query))


def _is_local(host: str) -> bool:
    return is_own_machine(host) or host == _CONTAINER_HOST
