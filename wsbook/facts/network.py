"""Names, ports, proxy variables and forward proxies, and what happens to large packets."""

from msgspec import Struct

from wsbook.facts.handshake import Headers

__all__ = [
    "THIS_MACHINE",
    "ForwardProxyFacts",
    "NameFacts",
    "PacketFacts",
    "PacketTrial",
    "PortFacts",
    "ProxyVariablesFacts",
    "Tunnel",
]

THIS_MACHINE = "this machine"


class NameFacts(Struct, frozen=True, kw_only=True, tag="name"):
    """What a name resolves to. addresses: (family, address) with family ipv4 or ipv6, in the resolver's order."""

    host: str
    addresses: tuple[tuple[str, str], ...] = ()
    canonical: str = ""


class PortFacts(Struct, frozen=True, kw_only=True, tag="port"):
    """One TCP port at one address.

    state: open, refused (RST to the SYN), rejected (an ICMP message of a packet filter), filtered (no answer in time), reset,
    unreachable (no way: an ICMP message when by is set, else this machine itself has no route).
    by: the machine that sent an ICMP message; THIS_MACHINE when its own kernel did, for want of an answer on its own network.
    how: what said so, in words. rtt_s: until the answer, None when none came.
    afterwards: what the peer did after an open, before anything was said: "" nothing, or nobody listened for it; closed, reset,
    "spoke: …". retries: SYNs that were sent again before it opened, where the kernel tells.
    """

    host: str
    address: str
    port: int
    state: str
    rtt_s: float | None = None
    by: str = ""
    how: str = ""
    afterwards: str = ""
    retries: int = 0


class ProxyVariablesFacts(Struct, frozen=True, kw_only=True, tag="proxy_variables"):
    """Proxy variables of the environment, credentials removed: (name, value); applies: the URL would go through one.

    proxy: the one that applies, without credentials, "" none; variable: the name of its variable. excepted: the entry of NO_PROXY that
    covers the host, "" none.
    """

    variables: tuple[tuple[str, str], ...] = ()
    applies: bool = False
    proxy: str = ""
    variable: str = ""
    excepted: str = ""


class Tunnel(Struct, frozen=True, kw_only=True):
    """One CONNECT, of HTTP or of SOCKS, which has no status.

    target: host:port. status: None when no answer could be read. outcome: "tunnel", "answered", or how it failed; of SOCKS also "not
    allowed by its rules", "wants credentials", and "not through: …" when the proxy was willing.
    """

    target: str
    status: int | None = None
    reason: str = ""
    headers: Headers = ()
    schemes: tuple[str, ...] = ()
    title: str = ""
    outcome: str = ""
    duration_s: float | None = None


class ForwardProxyFacts(Struct, frozen=True, kw_only=True, tag="forward_proxy"):
    """What a forward proxy answers, asked from here.

    proxy: scheme, host and port, never credentials. source: "given", or the name of the variable. kind: http, https or socks.
    reached: it took a TCP connection. tunnels: the answers to CONNECT, that for the endpoint's own host and port first.
    with_credentials: our questions carried some. absolute: for ws URLs, the answer to the upgrade sent as an ordinary request with the
    whole URL, as a client does that treats ws like http; None when it was not asked. product: named by the answers, "" unknown.
    """

    proxy: str
    source: str
    kind: str
    reached: bool
    tunnels: tuple[Tunnel, ...] = ()
    with_credentials: bool = False
    absolute: Tunnel | None = None
    product: str = ""
    detail: str = ""


class PacketTrial(Struct, frozen=True, kw_only=True):
    """One size that was sent on a connection of its own.

    what: "request" (the upgrade request, filled up), "message", or "TLS handshake", which is told only when it got no answer (its large
    packets are the server's). size_bytes: of request or payload, 0 of a TLS handshake.
    outcome: answered, refused (the peer closed or answered with a refusal), stalled (no answer and no end), lost (never acknowledged).
    unacked: segments that the peer's kernel has not acknowledged at the end, retransmits: segments that were sent again, mss_bytes: what
    the connection puts into one segment, path_mtu_bytes: what the kernel believes of the path, out_of_order: segments of the peer that
    came while an earlier one was missing; None where the kernel does not tell.
    """

    what: str
    size_bytes: int
    outcome: str
    took_s: float | None = None
    unacked: int | None = None
    retransmits: int | None = None
    mss_bytes: int | None = None
    path_mtu_bytes: int | None = None
    out_of_order: int | None = None
    detail: str = ""


class PacketFacts(Struct, frozen=True, kw_only=True, tag="packets"):
    """Requests and messages of growing size, each on a connection of its own, all at the same time. patience_s: how long each had."""

    url: str
    trials: tuple[PacketTrial, ...]
    patience_s: float
