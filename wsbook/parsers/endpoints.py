"""Where frontend code opens a real-time connection, and to what URL. Knows what a URL is made of; libraries are in clients.py.

The url of an EndpointFacts is what is dialled, without a query that is only partly known; None when host or path cannot be told. A
path may be known without the url, for example when the host is the page's and no page was given; {…} in it is a part that is not known.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wsbook.facts import EndpointFacts
from wsbook.parsers.clients import HTTP_LIBRARIES, Dialled, reader_of
from wsbook.parsers.evaluate import Scope
from wsbook.parsers.values import HOST, ORIGIN, PROTOCOL, UNKNOWN, Value, is_known
from wsbook.target import Endpoint

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["HTTP_LIBRARIES", "endpoint_fact", "find_dialled"]

_PARTS = re.compile(
    rf"(?:(?:\w{{2,8}}|{PROTOCOL}?{UNKNOWN}?|(?:ws|http){PROTOCOL}|{UNKNOWN}):?//|(?:ws|http)?{PROTOCOL}//|{ORIGIN})([^/?#]*)([^?#]*)"
)
_MAX_CALLS = 60_000


def find_dialled(scope: Scope, *, built: bool = False) -> Iterator[EndpointFacts]:
    """Yield the endpoints that one script dials, in order of the code. built: what a bundler made, where only what is told counts."""
    root = scope.module.root
    calls = root.find_all(any=[{"kind": "new_expression"}, {"kind": "call_expression"}])
    for node in calls[:_MAX_CALLS]:
        read = reader_of(node, scope, built=built)
        if read is None or _is_import(node, scope):
            continue
        call, reader = read
        seen: set[tuple[str | None, ...]] = set()
        for dialled in reader(call):
            fact = _fact(dialled, scope, node, built=built)
            same = fact.library, fact.origin, fact.path, fact.condition
            if same not in seen and (not built or fact.origin or fact.path):
                seen.add(same)
                yield fact


def _is_import(node: "SgNode", scope: Scope) -> bool:
    """Whether a call is no connection: a server of the package ws, which is constructed alike."""
    return bool(re.search(r"Server\b", (node.field("constructor") or node).text()[:60])) and node.kind() == "new_expression"


def _fact(dialled: Dialled, scope: Scope, node: "SgNode", *, built: bool) -> EndpointFacts:
    line = node.range().start.line + scope.module.line
    file = scope.module.artifact
    return endpoint_fact(
        dialled.library, dialled.value, dialled.path, page=scope.page, file=file, line=line, expression=node.text()[:400], built=built
    )


def endpoint_fact(
    library: str, value: Value, path: str, *, page: Endpoint | None, file: str, line: int, expression: str, built: bool = False
) -> EndpointFacts:
    """Return what is dialled. value: as the library is given it; path: what the library adds or replaces, "" nothing."""
    url, seen, origin = _resolved(value.text, library, page)
    if path:
        seen = path
        url = f"{origin}{seen}" if origin and is_known(seen) else None
    return EndpointFacts(
        side="frontend",
        library=library,
        file=file,
        line=line,
        expression=re.sub(r"\s+", " ", expression)[:200],
        url=url,
        path=_template(seen),
        port=_port(url or origin or ""),
        condition=value.condition,
        origin=origin,
        built=built,
    )


def _template(path: str | None) -> str | None:
    """Return a path with {…} for what is not known; None when nothing of it is known."""
    if path is None:
        return None
    shown = re.sub(f"[{UNKNOWN}{HOST}{PROTOCOL}{ORIGIN}]+", "{…}", path)
    return shown if re.sub(r"\{…\}|/", "", shown) or "{" not in shown else None


def _port(url: str) -> int | None:
    """Return the port of a URL, the scheme's default when it has none; None when it is no valid URL."""
    try:
        return urlsplit(url).port or {"ws": 80, "http": 80, "wss": 443, "https": 443}.get(urlsplit(url).scheme)
    except ValueError:
        return None


def _absolute(text: str, library: str, page: Endpoint | None) -> str:
    """Return a text with the page's scheme and host in front where it is relative."""
    secure = page is not None and page.secure
    if text.startswith("//") and page:
        scheme = page.origin.partition(":")[0] if library in HTTP_LIBRARIES else "wss" if secure else "ws"
        return f"{scheme}:{text}"
    if re.match(r"/(?!/)", text):
        socket = f"{'wss' if secure else 'ws'}://{page.authority}" if page else ORIGIN
        return (page.origin if library in HTTP_LIBRARIES and page else socket) + text
    if library in HTTP_LIBRARIES and page and is_known(text) and re.fullmatch(r"[\w./-]+", text) and "." not in text.partition("/")[0]:
        return page.origin + page.path.rpartition("/")[0] + "/" + text
    return text


def _resolved(text: str, library: str, page: Endpoint | None) -> tuple[str | None, str | None, str | None]:
    """Return (url, path, scheme and authority) of an evaluated text; a relative one belongs to the page."""
    text = _absolute(text, library, page)
    known, _, _ = text.partition("?")
    parts = _PARTS.match(text)
    path = (parts[2] or "/") if parts and UNKNOWN not in parts[1] else None
    head = re.match(r"([A-Za-z][\w+.-]*://)([^/?#]*)", known)
    origin = head[0][:300] if head and is_known(head[0]) and head[2] else None
    if not is_known(known) or head is None:
        return None, path, origin
    return (text if is_known(text) else known)[:2000], path, origin
