"""An opening handshake and the TLS below it, whoever saw them."""

from msgspec import Struct

__all__ = ["Certificate", "Check", "Headers", "TlsFacts", "UpgradeFacts"]

Headers = tuple[tuple[str, str], ...]


class Certificate(Struct, frozen=True, kw_only=True):
    """One certificate as it was sent (RFC 5280); times are UTC, ISO 8601.

    key, signature: algorithm in words, such as "RSA 2048" and "sha256WithRSAEncryption". authority: basicConstraints says that it
    may issue others, None when it does not say. issuer_url: where the issuer's certificate can be fetched (AIA, section 4.2.2.1).
    fingerprint: SHA-256 of its bytes, hexadecimal.
    """

    subject: str
    issuer: str
    names: tuple[str, ...] = ()
    not_before: str = ""
    not_after: str = ""
    key: str = ""
    signature: str = ""
    authority: bool | None = None
    issuer_url: str = ""
    fingerprint: str = ""


class TlsFacts(Struct, frozen=True, kw_only=True, tag="tls"):
    """What a TLS listener showed (RFC 8446); times are UTC, ISO 8601. verify_code is OpenSSL's, 0 = accepted.

    chain: the certificates as sent, leaf first, at most ten; empty where Python does not tell. chain_length counts all of them.
    client_certificate: the listener asked for a client's certificate, None when nobody watched for that; client_authorities: the
    names of the authorities that it would accept, as it sent them.
    """

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
    chain: tuple[Certificate, ...] = ()
    client_certificate: bool | None = None
    client_authorities: tuple[str, ...] = ()


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
    request_bytes: size of the request as sent, None when nobody counted. headers: of the answer, in order, as received.
    raw: first 512 bytes of an answer that is no HTTP, as text.
    first_message: text of the first frame after an accepted upgrade, None when none came in time. ended, close_code, close_reason: how an
    accepted upgrade ended right away, "" and None when it stayed open or nobody looked.
    second_answer: status line of a second HTTP answer that came where the first frame should, "" none.
    proxy_status: status of a forward proxy's answer to CONNECT. error_text: what a browser printed for this attempt.
    commands: (tool, shell command) that repeat our own attempt, secrets as variables; empty for what others saw.
    """

    url: str
    accepted: bool
    status: int | None = None
    reason: str = ""
    http_version: str | None = None
    peer: str | None = None
    request_headers: Headers = ()
    request_bytes: int | None = None
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
    second_answer: str = ""
    ended: str = ""
    close_code: int | None = None
    close_reason: str = ""
    error_text: str = ""
    commands: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str | None:
        """Return the first value of an answer's header, None when absent; the name in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def request_header(self, name: str) -> str | None:
        """Return the first value of a request's header, None when absent; the name in any case."""
        return next((value for key, value in self.request_headers if key.lower() == name.lower()), None)
