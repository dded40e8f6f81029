"""What a listener offers beside the one handshake of an attempt: TLS versions, HTTP/2, redirects."""

from msgspec import Struct

from wsbook.facts.handshake import Headers, TlsFacts

__all__ = ["Http2Facts", "RedirectFacts", "RedirectHop", "TlsScanFacts", "VersionTrial"]


class VersionTrial(Struct, frozen=True, kw_only=True):
    """One handshake that offered a single TLS version. accepted: None when this machine cannot offer it. cipher: what was agreed."""

    version: str
    accepted: bool | None
    cipher: str = ""
    detail: str = ""


class TlsScanFacts(Struct, frozen=True, kw_only=True, tag="tls_scan"):
    """What a TLS listener accepts, each version asked by itself and with every cipher that this machine knows.

    client_certificate: a handshake showed a CertificateRequest (RFC 8446 section 4.3.2); None when none could be watched.
    refused_after: what the peer answered after a handshake without client certificate, "" nothing: a refusal makes it required.
    """

    host: str
    port: int
    versions: tuple[VersionTrial, ...] = ()
    client_certificate: bool | None = None
    client_authorities: tuple[str, ...] = ()
    refused_after: str = ""
    tls: TlsFacts | None = None


class Http2Facts(Struct, frozen=True, kw_only=True, tag="http2"):
    """A WebSocket asked for over HTTP/2 (RFC 8441).

    spoken: the peer speaks HTTP/2 here; it chose h2 by ALPN, or answered the preface with SETTINGS on a plain port.
    extended_connect: SETTINGS_ENABLE_CONNECT_PROTOCOL is 1; None when no SETTINGS came. status: of the answer to the extended
    CONNECT, None when none was sent or none came. ended: how the stream ended without a status: an error code's name.
    """

    url: str
    spoken: bool
    extended_connect: bool | None = None
    status: int | None = None
    headers: Headers = ()
    body: str = ""
    ended: str = ""


class RedirectHop(Struct, frozen=True, kw_only=True):
    """One redirect. location: as received. withheld: what of ours was not sent on, such as Cookie."""

    url: str
    status: int
    location: str
    withheld: tuple[str, ...] = ()


class RedirectFacts(Struct, frozen=True, kw_only=True, tag="redirects"):
    """The redirects of one upgrade, followed one after the other.

    ended: accepted, answered (another status than a redirect), failed (no answer), loop (a URL came twice), too many, or not
    followed with the reason in detail. final_url: the last URL that was tried; final_status: its answer, None when none came.
    """

    hops: tuple[RedirectHop, ...]
    ended: str
    final_url: str
    final_status: int | None = None
    final_type: str = ""
    detail: str = ""
