"""Parts of the page's address, and URL objects under edits, as texts that may be partly unknown. Knows URLs, no syntax trees."""

import re
from urllib.parse import urljoin, urlsplit

from wsbook.parsers.values import HOST, ORIGIN, PROTOCOL, UNKNOWN, is_known
from wsbook.target import Endpoint

__all__ = ["URL_PARTS", "edited", "location_part", "resolved", "url_part"]

URL_PARTS = ("protocol", "host", "hostname", "port", "pathname", "search", "href", "origin", "hash")
"""Members of a URL object."""

_HEAD = re.compile(rf"((?:[\w+.-]+:|{PROTOCOL}|{UNKNOWN})?//[^/?#]*|{ORIGIN})")


def location_part(part: str, page: Endpoint | None) -> str:
    """Return a member of location; of an unknown page what is known of it."""
    if page is None:
        unknown = {"host": HOST, "hostname": HOST, "protocol": PROTOCOL, "origin": ORIGIN, "href": ORIGIN + "/" + UNKNOWN}
        return unknown.get(part, UNKNOWN)
    default = page.authority.endswith(page.host) or page.authority.endswith("]")
    known = {
        "host": page.authority,
        "hostname": f"[{page.host}]" if ":" in page.host else page.host,
        "protocol": page.scheme + ":",
        "origin": page.origin,
        "href": page.url,
        "port": "" if default else str(page.port),
        "pathname": page.path,
        "search": f"?{page.query}" if page.query else "",
        "hash": "",
    }
    return known.get(part, UNKNOWN)


def resolved(path: str, base: str) -> str:
    """Return what ``new URL(path, base)`` is."""
    if is_known(base) and re.match(r"\w+://", base):
        return urljoin(base, path) if is_known(path) else _onto(path, base)
    if re.match(r"[A-Za-z][\w+.-]*://", path):
        return path
    head = _HEAD.match(base)
    if path.startswith("/") and not path.startswith("//") and head:
        return head[1] + path
    return f"{UNKNOWN}//{HOST}{path}" if re.match(r"/(?!/)", path) else UNKNOWN


def _onto(path: str, base: str) -> str:
    """Join a path with unknown parts: only one that begins at the root, or follows the base's folder, can be told."""
    if re.match(r"\w+://", path) or path.startswith(UNKNOWN):
        return path if "://" in path else UNKNOWN
    mark = "wsbook-unknown"
    return urljoin(base, path.replace(UNKNOWN, mark)).replace(mark, UNKNOWN)


def url_part(text: str, part: str) -> str:
    """Return a member of a URL object."""
    if part == "href":
        return text
    if not is_known(text):
        head = _HEAD.match(text)
        if head and part in ("origin", "host", "pathname", "protocol"):
            authority = head[1].partition("//")[2] or HOST
            scheme = head[1].partition("//")[0] or PROTOCOL
            rest = re.match(r"[^?#]*", text[len(head[1]) :])
            return {"origin": head[1], "host": authority, "protocol": scheme, "pathname": rest[0] if rest else ""}[part]
        return UNKNOWN
    try:
        parts = urlsplit(text)
        port = str(parts.port or "")
    except ValueError:
        return UNKNOWN
    known = {
        "protocol": parts.scheme + ":",
        "host": parts.netloc.rpartition("@")[2],
        "hostname": parts.hostname or "",
        "port": port,
        "pathname": parts.path or "/",
        "search": f"?{parts.query}" if parts.query else "",
        "origin": f"{parts.scheme}://{parts.netloc}",
        "hash": "",
    }
    return known.get(part, UNKNOWN)


def edited(text: str, part: str, value: str) -> str:
    """Return a URL after an assignment to one of its members."""
    head = _HEAD.match(text)
    if part == "href":
        return value
    if head is None:
        return text
    scheme, _, authority = head[1].partition("//") if "//" in head[1] else (PROTOCOL, "", HOST)
    rest = text[len(head[1]) :]
    host, _, port = authority.rpartition(":") if re.search(r":\d*$", authority) else (authority, "", "")
    if part == "protocol":
        scheme = value.rstrip(":") + ":"
    elif part == "host":
        authority = value
    elif part == "hostname":
        authority = f"{value}:{port}" if port else value
    elif part == "port":
        authority = f"{host}:{value}" if value else host
    elif part == "pathname":
        rest = (value if value.startswith(("/", UNKNOWN)) else "/" + value) + "".join(re.findall(r"[?#].*", rest)[:1])
    elif part == "search":
        rest = rest.partition("?")[0] + (value if value.startswith("?") or not value else "?" + value)
    return f"{scheme}//{authority}{rest}"
