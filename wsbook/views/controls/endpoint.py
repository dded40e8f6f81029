"""What is said of an endpoint while it is typed, part by part, and what was probably meant. Pure: nothing is resolved or dialled."""

import ipaddress
import re

from wsbook.errors import UsageError
from wsbook.redact import HIDDEN, Redactor
from wsbook.secret import has_reference
from wsbook.target import Endpoint, parse_endpoint
from wsbook.words import cap

__all__ = ["endpoint_parts", "meant_endpoint"]

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_BEGIN = re.compile(r"(?P<scheme>https?|wss?)\s*(?::\s*[/\\]*|[/\\]+)", re.IGNORECASE)
_LOCAL = re.compile(r"(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?=[:/?]|\Z)", re.IGNORECASE)
_FILE = re.compile(r"\.(?:html?|js|css|php|png)\Z", re.IGNORECASE)
_QUOTES = "\"'`<>«»“”‘’ \t\r\n"


def meant_endpoint(typed: str) -> str:
    """Return the endpoint that a text was probably meant to be, "" when it is one already or nothing can be made of it.

    A web address becomes a ws one, a missing scheme is added, spaces, quotes, a fragment and a full stop at the end go.
    """
    text = typed.strip().strip(_QUOTES)
    begin = _BEGIN.match(text)
    scheme, rest = (begin["scheme"].lower(), text[begin.end() :]) if begin else ("", text.lstrip("/\\"))
    rest = re.sub(r"\s+", "", rest.partition("#")[0]).replace("\\", "/").rstrip(f".,;){_QUOTES}")
    meant = f"{_SCHEMES.get(scheme) or ('ws' if _LOCAL.match(rest) else 'wss')}://{rest}"
    try:
        parse_endpoint(meant, ("ws", "wss"))
    except UsageError:
        return ""
    return meant if meant != typed else ""


def _scheme(parts: Endpoint, page_url: str) -> str:
    if not parts.secure and page_url.startswith("https:") and not parts.is_loopback:
        return "✗ ws from an https page is blocked by browsers"
    return "✓ wss, encrypted" if parts.secure else "✓ ws, not encrypted"


def _host(parts: Endpoint, typed: str) -> str:
    shown = cap(parts.host, 60)
    try:
        address = ipaddress.ip_address(parts.host)
    except ValueError:
        if parts.is_loopback:
            return f"✓ {shown}, this machine"
        if not typed.isascii() and "xn--" in parts.host:
            return f"✓ {shown}, the form that DNS knows"
        return f"✓ {shown}" if "." in parts.host else f"? {shown}, a name without a dot is known inside one network only"
    if address.is_unspecified:
        return f"! {shown} is an address to listen at; clients dial {'[::1]' if address.version == 6 else '127.0.0.1'}"
    kind = "this machine" if address.is_loopback else "a private address" if address.is_private else ""
    return f"✓ {', '.join(filter(None, (shown, 'IPv6' if address.version == 6 else '', kind)))}"


def _port(parts: Endpoint) -> str:
    if parts.secure and parts.port == 80:
        return "! 80 answers plain HTTP nearly everywhere; wss is on 443"
    if not parts.secure and parts.port == 443:
        return "! 443 expects TLS; write wss, or port 80"
    explicit = parts.authority.endswith(f":{parts.port}")
    return f"✓ {parts.port}" if explicit else f"✓ {parts.port}, the default of {parts.scheme}"


def _path(parts: Endpoint) -> str:
    path = parts.path
    shown = cap(path, 60)
    if path == "/":
        return "? /, most applications offer a longer path"
    if "//" in path:
        return f"! {shown} has an empty part between two slashes"
    if path.lower().endswith(("%20", "%22", "%27", ".", ",", ")")):
        return f"! {shown} ends with {path[-3:] if path[-3] == '%' else path[-1]}, which a copied address may have picked up"
    if _FILE.search(path):
        return f"? {shown} is the name of a file; a page's address is no endpoint"
    if path.startswith("/socket.io") and "transport=" not in parts.query:
        return f"? {shown}, Socket.IO's own client adds ?EIO=4&transport=websocket"
    return f"✓ {shown}, with a slash at the end" if path.endswith("/") else f"✓ {shown}"


def _query(parts: Endpoint) -> str:
    hidden = Redactor().text(f"?{parts.query}")[1:]
    if HIDDEN in hidden:
        return f"! {cap(hidden, 60)}, a secret: it becomes a variable when the phase runs"
    return f"✓ {cap(parts.query, 60)}" + (", kept as a reference" if has_reference(parts.query) else "")


def endpoint_parts(url: str, page_url: str = "") -> list[tuple[str, str]]:
    """Return (part, verdict in words) of an endpoint as it is typed: scheme, host, port, path, and query where there is one."""
    if not url.strip():
        return [("endpoint", "– none: files only, or the bundled lab when nothing is given")]
    typed = url.strip()
    try:
        parts = parse_endpoint(typed, ("ws", "wss"))
    except UsageError as error:
        return [("endpoint", f"✗ {cap(Redactor().text(str(error)), 160)}")]
    said = [("scheme", _scheme(parts, page_url)), ("host", _host(parts, typed)), ("port", _port(parts)), ("path", _path(parts))]
    if parts.query:
        said.append(("query", _query(parts)))
    if parts.userinfo:
        said.append(("user", "! user and password are sent as a Basic Authorization header; they become a variable when the phase runs"))
    return said
