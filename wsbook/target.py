"""What is investigated: one endpoint and everything its owner can give. Values only, no I/O."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from msgspec import Struct

from wsbook.errors import UsageError
from wsbook.secret import without_references

__all__ = ["Budget", "Endpoint", "Hop", "Target", "Trigger", "parse_endpoint", "parse_header", "parse_hop", "parse_target", "parse_trigger"]

_DEFAULT_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443, "redis": 6379, "rediss": 6379}
_BROKERS = ("redis", "rediss")
_SINGULAR_PATH = re.compile(r"\$(?:\.[A-Za-z_]\w*|\[(?:\d{1,4}|'[^'\\]{1,100}')\])+\Z")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")  # RFC 9110 section 5.6.2


_TRIGGERS = {"SEND": "socket", "PUBLISH": "redis", "RUN": "command"}


class Budget(Struct, frozen=True, kw_only=True):
    """How much time an investigation may take.

    total_s bounds the whole run, attempt_s one upgrade attempt, idle_s the longest rung of the idle ladder.
    """

    name: str
    total_s: float
    attempt_s: float
    idle_s: float

    @staticmethod
    def named(name: str) -> "Budget":
        """Return one of quick, standard, thorough.

        Raises:
            UsageError: another name.
        """
        if name not in _BUDGETS:
            raise UsageError(f"budget {name!r} is not one of {', '.join(_BUDGETS)}")
        return _BUDGETS[name]


_BUDGETS = {
    "quick": Budget(name="quick", total_s=45.0, attempt_s=5.0, idle_s=20.0),
    "standard": Budget(name="standard", total_s=180.0, attempt_s=10.0, idle_s=75.0),
    "thorough": Budget(name="thorough", total_s=900.0, attempt_s=20.0, idle_s=360.0),
}


class Endpoint(Struct, frozen=True, kw_only=True):
    """A ws, wss, http or https URL in its parts (RFC 6455 section 3, RFC 3986); host without IPv6 brackets."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""
    userinfo: str = ""

    @property
    def secure(self) -> bool:
        """Whether the scheme asks for TLS."""
        return self.scheme in ("wss", "https")

    @property
    def resource(self) -> str:
        """The request target: path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def authority(self) -> str:
        """Host and port as the Host header carries them: without a default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The origin of a page at this URL (RFC 6454): http or https, never a default port."""
        return f"{'https' if self.secure else 'http'}://{self.authority}"

    @property
    def url(self) -> str:
        """The URL put together again, without userinfo."""
        return f"{self.scheme}://{self.authority}{self.resource}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is localhost or a loopback address."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


class Hop(Struct, frozen=True, kw_only=True):
    """One place where the same upgrade can be tried: name and the URL that reaches it directly."""

    name: str
    url: str


class Trigger(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What makes the application emit one event; ``{marker}`` in url or body is replaced.

    method: of an HTTP request; or SEND, a message (body) on a socket of its own (url); PUBLISH, a message (body) on a Redis channel,
    redis://host:port/channel; RUN, a command line (body), started without a shell, and no url. foreign: it was read from a record, which
    somebody else may have written: a command is then not started.
    """

    method: str
    url: str
    body: str = ""
    foreign: bool = False

    @property
    def kind(self) -> str:
        """One of http, socket, redis, command."""
        return _TRIGGERS.get(self.method, "http")

    @property
    def words(self) -> str:
        """The trigger as it is typed."""
        return " ".join(filter(None, (self.method, self.url, self.body)))


class Target(Struct, frozen=True, kw_only=True):
    """What is investigated.

    Paths are strings as given. Empty strings and empty tuples mean "not given". Header values, url, page_url and metrics may hold
    secret references (see secret.py). hops run from the application outwards, the public endpoint itself excluded.
    metrics: URL of the server's figures in the Prometheus text format. broker: Redis channel that messages pass, as
    redis://host:port/channel. schema: file with the JSON Schema of a message. selector: CSS selector of the part of the page that shows
    messages, "" anywhere. sequence: place of the number that the server gives its messages, a singular JSON path (RFC 9535) such as $.seq.
    """

    url: str
    page_url: str = ""
    origin: str = ""
    subprotocols: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    hops: tuple[Hop, ...] = ()
    forward_proxy: str = ""
    ca_file: str = ""
    frontend: tuple[str, ...] = ()
    backend: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    har: str = ""
    console: str = ""
    trigger: Trigger | None = None
    message: str = ""
    symptom: str = ""
    owned: bool = False
    metrics: str = ""
    broker: str = ""
    schema: str = ""
    selector: str = ""
    sequence: str = ""

    @property
    def endpoint(self) -> Endpoint | None:
        """The endpoint's parts; None when no URL was given and only artifacts are read."""
        return parse_endpoint(self.url) if self.url else None

    @property
    def expected_origin(self) -> str:
        """The Origin a browser would send: given, or the page's, or that of a page on the endpoint's own host."""
        if self.origin:
            return self.origin
        source = self.page_url.partition("#")[0] or self.url
        return parse_endpoint(source).origin if source else ""

    @property
    def may_burden(self) -> bool:
        """Whether probes with many connections or messages may run: loopback, or stated to be the user's own."""
        return self.owned or (self.endpoint is not None and self.endpoint.is_loopback)


def _host(text: str, shown: str) -> str:
    if not text:
        raise UsageError(f"{shown} has no host")
    try:
        return str(ipaddress.ip_address(text.partition("%")[0])) if ":" in text else str(ipaddress.IPv4Address(text))
    except ValueError:
        pass
    try:
        ascii_name = text.encode("idna").decode().lower() if not text.isascii() else text.lower()
    except UnicodeError as error:
        raise UsageError(f"{shown} has a host name that is no valid domain name") from error
    if len(ascii_name) > 253 or not all(_LABEL.match(label) for label in ascii_name.rstrip(".").split(".")):
        raise UsageError(f"{shown} has a host name that is no valid domain name")
    return ascii_name


def _meant(url: str, scheme: str, allowed: tuple[str, ...]) -> str:
    """Return the URL with the scheme that is as secure as the one that was written, "" when there is none among those allowed."""
    near = {"http": "ws", "https": "wss", "ws": "http", "wss": "https"}.get(scheme, "")
    return f"; write {near}{url[len(scheme) : 120]}" if near in allowed else ""


def parse_endpoint(url: str, schemes: Iterable[str] = ("ws", "wss", "http", "https")) -> Endpoint:
    """Return the parts of a URL.

    Raises:
        UsageError: scheme missing or not among schemes, no or invalid host, port outside 1..65535, a fragment
            (RFC 6455 section 3 forbids it), or a control character or space.
    """
    shown = f"URL {url[:200]!r}"
    allowed = tuple(schemes)
    if not url or any(ord(c) <= 0x20 or ord(c) == 0x7F for c in url):
        raise UsageError(f"{shown} is empty or holds a space or control character")
    scheme, separator, _ = url.partition("://")
    if not separator:
        example = url[:120] if re.match(r"[\w.-]+\.\w+|localhost|\[", url) else "host[:port]/path"
        raise UsageError(
            f"{shown} has no scheme; write {' or '.join(f'{name}://' for name in allowed[:2])} before it: {allowed[0]}://{example}"
        )
    scheme = scheme.lower()
    if scheme not in allowed:
        raise UsageError(f"{shown} has the scheme {scheme!r}; expected one of {', '.join(allowed)}{_meant(url, scheme, allowed)}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{shown} is not valid: {str(error)[:80]}") from error
    if port == 0:
        raise UsageError(f"{shown} has the port 0; expected 1..65535")
    if parts.fragment:
        raise UsageError(f"{shown} has a fragment; WebSocket URLs have none (RFC 6455 section 3)")
    return Endpoint(
        scheme=scheme,
        host=_host(parts.hostname or "", shown),
        port=port or _DEFAULT_PORTS[scheme],
        path=parts.path or "/",
        query=parts.query,
        userinfo=parts.netloc.rpartition("@")[0],
    )


def parse_header(text: str) -> tuple[str, str]:
    """Return (name, value) of one ``Name: value`` line.

    Raises:
        UsageError: no colon, a name that is no token, or a line break in the value.
    """
    name, separator, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not separator or not _TOKEN.match(name):
        raise UsageError(f"header {text[:80]!r} is not of the form 'Name: value'")
    if any(c in value for c in "\r\n\0"):
        raise UsageError(f"header {name} has a line break in its value")
    return name, value


def parse_hop(text: str) -> Hop:
    """Return the hop written as ``NAME=URL``.

    Raises:
        UsageError: another form, or a URL that is not ws or wss.
    """
    name, separator, url = text.partition("=")
    if not separator or not re.fullmatch(r"[\w.-]{1,40}", name.strip()):
        raise UsageError(f"hop {text[:80]!r} is not of the form NAME=ws://host:port/path")
    return Hop(name=name.strip(), url=parse_endpoint(url.strip(), ("ws", "wss")).url)


def parse_trigger(text: str) -> Trigger | None:
    """Return the trigger written as ``METHOD URL [BODY]``, or ``RUN COMMAND``; None for an empty text.

    Raises:
        UsageError: another form.
    """
    if not text.strip():
        return None
    method, _, rest = text.strip().partition(" ")
    method, rest = method.upper(), rest.strip()
    if not rest or not _TOKEN.match(method):
        raise UsageError(f"trigger {text[:80]!r} is not of the form 'POST http://host/path BODY'")
    if method == "RUN":
        return Trigger(method=method, url="", body=rest)
    url, _, body = rest.partition(" ")
    schemes = {"SEND": ("ws", "wss"), "PUBLISH": _BROKERS}.get(method, ("http", "https"))
    parse_endpoint(url.replace("{", "").replace("}", ""), schemes)
    return Trigger(method=method, url=url, body=body.strip())


def parse_target(
    url: str,
    *,
    page_url: str = "",
    origin: str = "",
    subprotocols: Iterable[str] = (),
    headers: Iterable[str] = (),
    hops: Iterable[str] = (),
    forward_proxy: str = "",
    ca_file: str = "",
    frontend: Iterable[str] = (),
    backend: Iterable[str] = (),
    configs: Iterable[str] = (),
    logs: Iterable[str] = (),
    har: str = "",
    console: str = "",
    trigger: str = "",
    message: str = "",
    symptom: str = "",
    owned: bool = False,
    metrics: str = "",
    broker: str = "",
    schema: str = "",
    selector: str = "",
    sequence: str = "",
) -> Target:
    """Return the target described by texts as a person types them. Nothing is opened, resolved or dialled.

    url: ws or wss; empty when only artifacts are judged.

    Raises:
        UsageError: any of the texts is not of the form it should have.
    """
    if url:
        parse_endpoint(url, ("ws", "wss"))
    if page_url:
        parse_endpoint(page_url.partition("#")[0], ("http", "https"))
    if forward_proxy:
        parse_endpoint(forward_proxy, ("http", "https"))
    if metrics:
        parse_endpoint(metrics, ("http", "https"))
    if broker and parse_endpoint(broker, _BROKERS).path.strip("/") == "":
        raise UsageError(f"broker {broker[:80]!r} names no channel; write redis://host:port/channel")
    if sequence and not _SINGULAR_PATH.match(sequence):
        raise UsageError(f"sequence {sequence[:80]!r} is not a JSON path such as $.seq or $.data[0].number")
    for name in (names := tuple(subprotocols)):
        if not _TOKEN.match(without_references(name)):
            raise UsageError(f"subprotocol {name!r} is not a token (RFC 6455 section 4.1)")
    return Target(
        url=url,
        page_url=page_url,
        origin=origin,
        subprotocols=names,
        headers=tuple(parse_header(h) for h in headers),
        hops=tuple(parse_hop(h) for h in hops),
        forward_proxy=forward_proxy,
        ca_file=ca_file,
        frontend=tuple(frontend),
        backend=tuple(backend),
        configs=tuple(configs),
        logs=tuple(logs),
        har=har,
        console=console,
        trigger=parse_trigger(trigger),
        message=message,
        symptom=symptom,
        owned=owned,
        metrics=metrics,
        broker=broker,
        schema=schema,
        selector=selector,
        sequence=sequence,
    )
