"""One small frozen type per kind of evidence: what was seen, never what it means.

A field that is None was not seen; an empty value was seen and was empty. Texts from peers are capped where they are
taken and are hostile: whoever shows them escapes them.
"""

from msgspec import Struct

__all__ = [
    "AccessFacts",
    "BroadcastFacts",
    "Check",
    "EchoFacts",
    "EchoTrial",
    "EndpointFacts",
    "Facts",
    "Frame",
    "Headers",
    "IdleFacts",
    "LoadFacts",
    "LoadStep",
    "NameFacts",
    "PageFacts",
    "PatternFacts",
    "Place",
    "PortFacts",
    "ProxyVariablesFacts",
    "RouteFacts",
    "SessionFacts",
    "Setting",
    "SignatureFacts",
    "Subscriber",
    "SymptomFacts",
    "TextFacts",
    "TlsFacts",
    "TraceFacts",
    "UpgradeFacts",
]

Headers = tuple[tuple[str, str], ...]


class TlsFacts(Struct, frozen=True, kw_only=True, tag="tls"):
    """What a TLS listener showed (RFC 8446); times are UTC, ISO 8601. verify_code is OpenSSL's, 0 = accepted."""

    server_name: str
    version: str | None = None
    cipher: str | None = None
    alpn: str | None = None
    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    not_before: str = ""
    not_after: str = ""
    chain_length: int | None = None
    verify_code: int | None = None
    verify_message: str = ""


class Check(Struct, frozen=True, kw_only=True):
    """One separate verdict on an opening handshake (RFC 6455 section 4.1): status, upgrade, connection, accept,
    subprotocol, extensions, http-version, transfer-encoding."""

    name: str
    ok: bool
    detail: str = ""


class UpgradeFacts(Struct, frozen=True, kw_only=True, tag="upgrade"):
    """One opening handshake, whoever saw it: our probe, a browser, a recording.

    status: None when no HTTP answer could be parsed. accepted: the answer satisfies RFC 6455.
    url: as tried. peer: "address:port" dialled. body: first 4 KiB as text; body_bytes: bytes received, None unknown.
    headers: of the answer, in order, as received. raw: first 512 bytes of an answer that is no HTTP, as text.
    first_message: text of the first frame after an accepted upgrade, None when none came in time.
    proxy_status: status of a forward proxy's answer to CONNECT. error_text: what a browser printed for this attempt.
    """

    url: str
    accepted: bool
    status: int | None = None
    reason: str = ""
    http_version: str | None = None
    peer: str | None = None
    request_headers: Headers = ()
    headers: Headers = ()
    body: str = ""
    body_bytes: int | None = None
    raw: str = ""
    checks: tuple[Check, ...] = ()
    subprotocol: str | None = None
    extensions: tuple[str, ...] = ()
    tls: TlsFacts | None = None
    proxy_status: int | None = None
    proxy_headers: Headers = ()
    first_message: str | None = None
    error_text: str = ""

    def header(self, name: str) -> str | None:
        """Return the first value of an answer's header, None when absent; the name in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def request_header(self, name: str) -> str | None:
        """Return the first value of a request's header, None when absent; the name in any case."""
        return next((value for key, value in self.request_headers if key.lower() == name.lower()), None)


class Frame(Struct, frozen=True, kw_only=True):
    """One frame or message; at_s counts from the upgrade's answer. direction: sent or received, seen from the client."""

    at_s: float
    direction: str
    opcode: int
    size_bytes: int
    text: str = ""


class SessionFacts(Struct, frozen=True, kw_only=True, tag="session"):
    """The life of one open socket.

    frames: the first 2,000; frame_count counts all. ended: close (closing handshake), fin, rst, silence, open (still open when
    we stopped looking), unknown. closed_by: peer, us, or "" when unknown. close_code: None when no close frame was seen.
    age_s: from 101 to the end, None unknown. idle_s: silence before the end, None unknown.
    """

    url: str
    frames: tuple[Frame, ...] = ()
    frame_count: int = 0
    ended: str = "unknown"
    closed_by: str = ""
    close_code: int | None = None
    close_reason: str = ""
    age_s: float | None = None
    idle_s: float | None = None
    error_text: str = ""


class EchoTrial(Struct, frozen=True, kw_only=True):
    """One message sent and what came back. kind: text, binary, emoji, empty."""

    kind: str
    size_bytes: int
    ok: bool
    rtt_s: float | None = None
    detail: str = ""


class EchoFacts(Struct, frozen=True, kw_only=True, tag="echo"):
    """Whether an endpoint echoes, and whether unharmed. echoes: None when nothing came back, so nothing is known.

    ping_rtts_s: RFC 6455 ping to pong, one per answered ping; pings_sent counts all. close_code: code of the peer's close
    frame answering ours (1000), None when it did not answer. close_s: time until then.
    """

    url: str
    echoes: bool | None
    trials: tuple[EchoTrial, ...] = ()
    pings_sent: int = 0
    ping_rtts_s: tuple[float, ...] = ()
    close_code: int | None = None
    close_s: float | None = None


class NameFacts(Struct, frozen=True, kw_only=True, tag="name"):
    """What a name resolves to. addresses: (family, address) with family ipv4 or ipv6, in the resolver's order."""

    host: str
    addresses: tuple[tuple[str, str], ...] = ()
    canonical: str = ""


class PortFacts(Struct, frozen=True, kw_only=True, tag="port"):
    """One TCP port at one address. state: open, refused, filtered (no answer in time), reset, unreachable."""

    host: str
    address: str
    port: int
    state: str
    rtt_s: float | None = None


class ProxyVariablesFacts(Struct, frozen=True, kw_only=True, tag="proxy_variables"):
    """Proxy variables of the environment, credentials removed: (name, value); applies: the URL would go through one."""

    variables: tuple[tuple[str, str], ...] = ()
    applies: bool = False


class EndpointFacts(Struct, frozen=True, kw_only=True, tag="endpoint"):
    """One place in source or start command that names a WebSocket endpoint.

    side: frontend (what is dialled) or backend (what is offered). library: native, socket.io, fastapi, websockets, …
    expression: source text. url: what it evaluates to, None when it cannot be told (a path-only offer keeps url None).
    path: its path, None unknown. port: None unknown. condition: under which it holds, "" always.
    """

    side: str
    library: str
    file: str
    line: int
    expression: str
    url: str | None = None
    path: str | None = None
    port: int | None = None
    condition: str = ""


class PatternFacts(Struct, frozen=True, kw_only=True, tag="pattern"):
    """A source pattern of the catalogue that was found (ok False: the defect) or whose guard was found (ok True).

    pattern: id in patterns.toml. cause: slug the defect stands for.
    """

    pattern: str
    cause: str
    ok: bool
    file: str
    line: int
    excerpt: str
    weight: float = 0.5


class SignatureFacts(Struct, frozen=True, kw_only=True, tag="signature"):
    """A text that a program is known to print, found in a log, console, or body.

    signature: id in signatures.toml. program: who printed it. count: how often. text: first occurrence, capped at 500 characters.
    captures: named parts of it. causes: (slug, weight 0..1) that it stands for; empty: it is harmless or context.
    times: instants of the occurrences in epoch seconds, first 1,000, () when the text carries none.
    """

    signature: str
    program: str
    count: int
    text: str
    causes: tuple[tuple[str, float], ...] = ()
    captures: tuple[tuple[str, str], ...] = ()
    times: tuple[float, ...] = ()


class AccessFacts(Struct, frozen=True, kw_only=True, tag="access"):
    """Access-log lines that are alike: same method, path, status, version, termination.

    program: nginx, haproxy, … upgrade: whether the request asked for an upgrade, None unknown. durations_s: first 1,000, () when
    not logged. times: epoch seconds of the ends. marked: the workbook's own probe is among them. termination: HAProxy's flags.
    """

    program: str
    method: str
    path: str
    status: int
    count: int
    http_version: str = ""
    upgrade: bool | None = None
    durations_s: tuple[float, ...] = ()
    times: tuple[float, ...] = ()
    termination: str = ""
    upstream: str = ""
    marked: bool = False
    text: str = ""


class TextFacts(Struct, frozen=True, kw_only=True, tag="text"):
    """What an artifact holds as a whole. items: parsed entries; unparsed: lines that no parser knew; program: detected, "" unknown."""

    kind: str
    program: str = ""
    size_bytes: int = 0
    items: int = 0
    unparsed: int = 0


class Setting(Struct, frozen=True, kw_only=True):
    """One effective value of a configuration and where it comes from; value None: not set and no known default."""

    value: str | None
    file: str = ""
    line: int = 0
    default: bool = False


class RouteFacts(Struct, frozen=True, kw_only=True, tag="route"):
    """What one proxy does with requests for one path, said the same way for every product.

    matcher: the location, ACL or route in the product's words. serves: it is the route that serves the endpoint; None unknown.
    upstream: where it goes. upstream_path: path the backend sees for the endpoint's path, None unknown.
    upgrade, connection, host: what the backend receives in these headers: "forwarded", "absent", or a literal.
    idle_s, lifetime_s: Setting with seconds as text. level: which block set the headers. balance: hash, cookie, roundrobin, …
    """

    product: str
    file: str
    line: int
    matcher: str
    serves: bool | None = None
    upstream: str = ""
    upstream_path: str | None = None
    upgrade: Setting | None = None
    connection: Setting | None = None
    host: Setting | None = None
    http_version: Setting | None = None
    idle_s: Setting | None = None
    lifetime_s: Setting | None = None
    balance: str = ""
    servers: int | None = None
    inheritance_lost: bool = False


class IdleFacts(Struct, frozen=True, kw_only=True, tag="idle"):
    """One rung of the idle ladder.

    silence_s: planned. traffic: none, client (we send), server (it sends), ping. survived: still usable after silence_s.
    lived_s: until the end, silence_s when it survived. ended: as in SessionFacts.
    """

    silence_s: float
    traffic: str
    survived: bool
    lived_s: float
    ended: str
    close_code: int | None = None
    close_reason: str = ""


class Subscriber(Struct, frozen=True, kw_only=True):
    """One receiver of a broadcast. instance: what identifies its backend process, "" unknown. missed: sequence numbers."""

    index: int
    instance: str
    received: int
    missed: tuple[int, ...] = ()
    duplicated: tuple[int, ...] = ()
    reordered: int = 0


class BroadcastFacts(Struct, frozen=True, kw_only=True, tag="broadcast"):
    """N subscribers and M marked broadcasts: who misses what. publisher: index of the sending subscriber, None for a trigger."""

    messages: int
    subscribers: tuple[Subscriber, ...]
    publisher: int | None = None
    publisher_instance: str = ""


class Place(Struct, frozen=True, kw_only=True):
    """One place that a marked message should pass. at_s from the trigger, None when it never came; count: how often it was seen."""

    name: str
    at_s: float | None
    count: int = 0


class TraceFacts(Struct, frozen=True, kw_only=True, tag="trace"):
    """One marked message from its origin to the last place watched, in path order."""

    marker: str
    places: tuple[Place, ...]
    repeats: int = 1


class LoadStep(Struct, frozen=True, kw_only=True):
    """One rate of a ramp. latencies from the intended send time, in seconds; None when nothing came back."""

    rate: float
    size_bytes: int
    connections: int
    duration_s: float
    sent: int
    received: int
    lost: int
    duplicated: int
    reordered: int
    p50_s: float | None = None
    p99_s: float | None = None
    max_s: float | None = None
    lag_s: float = 0.0


class LoadFacts(Struct, frozen=True, kw_only=True, tag="load"):
    """A ramp of rates over echo. void: why the figures do not count (the generator was the bottleneck), "" when they do."""

    steps: tuple[LoadStep, ...]
    void: str = ""
    errors: tuple[str, ...] = ()


class PageFacts(Struct, frozen=True, kw_only=True, tag="page"):
    """A page in a real browser.

    sockets: WebSockets it opened. console: (level, text), first 200. csp: the page's Content-Security-Policy, "" none.
    changes: DOM mutations seen while we watched, after the document was parsed; change_times: epoch seconds of their bursts, first
    1,000. status: HTTP status of the page itself, None when it did not load.
    browser: name and version.
    """

    url: str
    browser: str
    status: int | None = None
    sockets: int = 0
    console: tuple[tuple[str, str], ...] = ()
    csp: str = ""
    changes: int = 0
    change_times: tuple[float, ...] = ()
    title: str = ""


class SymptomFacts(Struct, frozen=True, kw_only=True, tag="symptom"):
    """What a person told. Told, never measured. symptoms: ids in symptoms.toml that the words fit, best first.

    status: HTTP status named; close_code: named; age_s: after how long it fails; share: part of clients or attempts concerned, 0..1;
    place: where (only production, one browser, behind a proxy …), in our words.
    """

    text: str
    symptoms: tuple[str, ...] = ()
    status: int | None = None
    close_code: int | None = None
    age_s: float | None = None
    share: float | None = None
    place: str = ""


Facts = (
    TlsFacts
    | UpgradeFacts
    | SessionFacts
    | EchoFacts
    | NameFacts
    | PortFacts
    | ProxyVariablesFacts
    | EndpointFacts
    | PatternFacts
    | SignatureFacts
    | AccessFacts
    | TextFacts
    | RouteFacts
    | IdleFacts
    | BroadcastFacts
    | TraceFacts
    | LoadFacts
    | PageFacts
    | SymptomFacts
)
