"""TLS over a link, through memory BIOs so that every byte passes our stamps, and what a certificate says.

It must not know what is sent inside, nor judge a certificate: OpenSSL does that, and its words are kept.
"""

import asyncio
import contextlib
import ssl
import time
from functools import lru_cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from wsbook.errors import UsageError
from wsbook.facts import TlsFacts
from wsbook.observation import Reason
from wsbook.probes.link import ByteLink, Flight
from wsbook.probes.names import is_address
from wsbook.probes.stopwatch import Stop, reason_of, shown_time
from wsbook.probes.trust import trusting
from wsbook.wire.answer import shown_raw
from wsbook.wire.certificates import read_certificate

__all__ = [
    "CertificateStop",
    "NotTlsStop",
    "TlsLink",
    "TlsOptions",
    "TlsTiming",
    "describe_refusal",
    "open_tls",
    "sent_name",
    "tls_context",
]

_HEADER_BYTES = 5
_RECORD_LIMIT = 16_384 + 2_048  # RFC 5246 section 6.2.3
_RECORD_TYPES = frozenset(range(20, 25))
_CHAIN_KEPT = 10
_RAW_KEPT = 512


class TlsOptions(Struct, frozen=True, kw_only=True):
    """How to speak TLS. server_name: sent as SNI and compared with the certificate; empty sends none and compares no name."""

    server_name: str
    verify: bool = True
    ca_file: str = ""
    alpn: tuple[str, ...] = ()


class TlsTiming(Struct, frozen=True, kw_only=True):
    """started: time.perf_counter() before the first byte. duration_s: from the first byte sent to the last one of the handshake."""

    started: float
    duration_s: float


class CertificateStop(Stop):
    """The certificate was not accepted. code, words: OpenSSL's."""

    def __init__(self, stage: str, code: int, words: str) -> None:
        super().__init__(stage, Reason.CERTIFICATE, f"the certificate is not accepted: {words} (OpenSSL code {code})")
        self.code = code
        self.words = words


class NotTlsStop(Stop):
    """The peer answered with something that is not TLS. raw: its first bytes."""

    def __init__(self, stage: str, raw: bytes) -> None:
        shown = shown_raw(raw, 60)
        super().__init__(stage, Reason.TLS_NOT_SPOKEN, f"the peer answered the TLS handshake with {shown!r}: it does not speak TLS here")
        self.raw = raw


@lru_cache(maxsize=32)
def _context(verify: bool, ca_file: str, changed_ns: int, alpn: tuple[str, ...]) -> ssl.SSLContext:
    """Return a context; building one reads the system's store, which takes tens of milliseconds."""
    context = trusting(ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _context_for(options: TlsOptions) -> ssl.SSLContext:
    try:
        changed_ns = Path(options.ca_file).stat().st_mtime_ns if options.ca_file else 0
        return _context(options.verify, options.ca_file, changed_ns, options.alpn)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"the CA file {options.ca_file} cannot be read as certificates: {error.strerror or error}") from error


def _without_name_check(options: TlsOptions) -> ssl.SSLContext:
    context = trusting(options.ca_file)
    context.check_hostname = False
    if not options.verify:
        context.verify_mode = ssl.CERT_NONE
    if options.alpn:
        context.set_alpn_protocols(list(options.alpn))
    return context


def tls_context(options: TlsOptions) -> ssl.SSLContext:
    """Return the context that speaks TLS as the options say.

    Raises:
        UsageError: the CA file cannot be read.
    """
    return _without_name_check(options) if options.verify and not options.server_name else _context_for(options)


class TlsLink:
    """TLS inside another link; see ByteLink. Reads one record at a time, so that later bytes do not move a stamp."""

    def __init__(self, inner: ByteLink, options: TlsOptions, context: ssl.SSLContext | None = None) -> None:
        """context: None makes one of the options; another decides what is offered and checked."""
        if context is None:
            context = tls_context(options)
        self._inner = inner
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._sending = asyncio.Lock()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=options.server_name or None)
        self.received_ns = 0
        self.stamped = False
        self.waited = False
        self.first_bytes = b""

    async def _read_record(self, timeout_s: float | None) -> bool:
        """Give one record to OpenSSL; False at the end of the stream."""
        header = b""
        while len(header) < _HEADER_BYTES:
            data = await self._inner.recv(_HEADER_BYTES - len(header), timeout_s)
            self._stamp(first=not header)
            if not data:
                self._incoming.write_eof()
                return False
            header += data
            self.first_bytes = self.first_bytes if len(self.first_bytes) >= len(header) else header
            if header[0] not in _RECORD_TYPES:
                self._incoming.write(header)
                return True
        self._incoming.write(header)
        left = min(int.from_bytes(header[3:5], "big"), _RECORD_LIMIT)
        while left:
            data = await self._inner.recv(left, timeout_s)
            self._stamp(first=False)
            if not data:
                self._incoming.write_eof()
                return False
            self._incoming.write(data)
            left -= len(data)
        return True

    def _stamp(self, *, first: bool) -> None:
        """Take over the stamp of what the record had to wait for."""
        if first or self._inner.waited:
            self.received_ns, self.stamped = self._inner.received_ns, self._inner.stamped
        self.waited = self._inner.waited or (self.waited and not first)

    async def flush(self, timeout_s: float) -> int:
        """Send what OpenSSL wants sent; return CLOCK_REALTIME in ns just before, 0 when there was nothing."""
        async with self._sending:
            data = self._outgoing.read()
            return await self._inner.send(data, timeout_s) if data else 0

    async def handshake(self, timeout_s: float) -> TlsTiming:
        """Do the handshake.

        Raises:
            OSError, ssl.SSLError, TimeoutError: it did not work.
        """
        started, first_ns, last_ns = time.perf_counter(), 0, 0
        end = started + timeout_s
        while True:
            try:
                self.tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            sent_ns = await self.flush(max(0.0, end - time.perf_counter()))
            first_ns, last_ns = first_ns or sent_ns, sent_ns or last_ns
            if done:
                elapsed = time.perf_counter() - started
                duration_s = (last_ns - first_ns) / 1e9
                return TlsTiming(started=started, duration_s=duration_s if 0 < duration_s <= elapsed else elapsed)
            await self._read_record(max(0.0, end - time.perf_counter()))
            last_ns = self.received_ns

    async def recv(self, limit: int, timeout_s: float | None) -> bytes:
        """See ByteLink."""
        while True:
            try:
                return self.tls.read(limit)
            except ssl.SSLWantReadError:
                await self.flush(timeout_s if timeout_s is not None else 5.0)
                await self._read_record(timeout_s)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def send(self, data: bytes, timeout_s: float) -> int:
        """See ByteLink."""
        self.tls.write(data)
        return await self.flush(timeout_s)

    def flight(self) -> Flight | None:
        """See ByteLink."""
        return self._inner.flight()

    def limit_buffer(self, size_bytes: int) -> None:
        """See ByteLink."""
        self._inner.limit_buffer(size_bytes)

    def finish(self) -> None:
        """See ByteLink; without a close_notify."""
        self._inner.finish()

    def close(self) -> None:
        """See ByteLink; says good-bye without waiting for an answer."""
        self._inner.close()

    def abort(self) -> None:
        """See ByteLink."""
        self._inner.abort()

    async def more(self, limit: int, timeout_s: float) -> bytes:
        """Return the first bytes received and what follows soon, undecrypted: for peers that do not speak TLS."""
        data = self.first_bytes
        with contextlib.suppress(OSError):
            while len(data) < limit:
                part = await self._inner.recv(limit - len(data), timeout_s)
                if not part:
                    break
                data += part
        return data

    def facts(self, server_name: str, verified: bool) -> TlsFacts:
        """Return what the finished handshake showed."""
        cipher, sent = self.tls.cipher(), _sent_chain(self.tls)
        seen = TlsFacts(
            server_name=server_name,
            version=self.tls.version(),
            cipher=cipher[0] if cipher else None,
            alpn=self.tls.selected_alpn_protocol(),
            chain=tuple(_read(certificate) for certificate in (sent or ())[:_CHAIN_KEPT]),
            chain_length=None if sent is None else len(sent),
            verify_code=0 if verified else None,
            verify_message="accepted" if verified else "not verified, as asked",
        )
        der = self.tls.getpeercert(binary_form=True)
        if not der:
            return seen
        leaf = _read(der)
        dates = {"not_before": leaf.not_before, "not_after": leaf.not_after}
        return replace(seen, subject=leaf.subject, issuer=leaf.issuer, names=leaf.names, **dates)


def _sent_chain(tls: ssl.SSLObject) -> list[bytes] | None:
    """Return the certificates that the peer sent, DER, leaf first; None where Python does not tell (public since 3.13)."""
    ask = getattr(tls, "get_unverified_chain", None) or getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    if ask is None:
        return None
    return [entry if isinstance(entry, bytes) else ssl.PEM_cert_to_DER_cert(entry.public_bytes()) for entry in ask() or ()]


_read = lru_cache(maxsize=64)(read_certificate)


def describe_refusal(stop: CertificateStop, facts: TlsFacts | None, name: str) -> str:
    """Return the sentence that names what is wrong with a certificate, its dates and names."""
    if facts is None or not facts.not_after:
        return f"the certificate for {name} is not accepted: {stop.words} (OpenSSL code {stop.code})"
    names = ", ".join(facts.names[:8]) or "none"
    return (
        f"the certificate for {name} is not accepted: {stop.words} (OpenSSL code {stop.code}); it is valid from {facts.not_before[:10]} "
        f"to {facts.not_after[:10]}, for the names {names}, issued by {facts.issuer[:120]}"
    )


async def _tls_stop(link: TlsLink, error: OSError, stage: str, spent: float) -> Stop:
    """Return the failure that an error in the handshake stands for."""
    if isinstance(error, ssl.SSLCertVerificationError):
        with contextlib.suppress(OSError):
            await link.flush(0.2)  # the alert tells the peer's log why we left
        return CertificateStop(stage, error.verify_code, str(error.verify_message)[:300])
    first = link.first_bytes
    if first and (first[0] not in _RECORD_TYPES or (len(first) > 1 and first[1] != 3)):
        return NotTlsStop(stage, await link.more(_RAW_KEPT, 0.1))
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        message = f"the peer closed the connection during the TLS handshake, after {shown_time(spent)}"
        return Stop(stage, Reason.CLOSED, message + ("" if first else " and without a word"))
    if isinstance(error, ssl.SSLError):
        words = str(error.reason or error).replace("_", " ").lower()[:200]
        return Stop(stage, Reason.TLS_ALERT, f"the TLS handshake failed after {shown_time(spent)}: {words}")
    if isinstance(error, TimeoutError):
        return Stop(stage, Reason.TIMEOUT, f"the TLS handshake was not finished within {shown_time(spent)}")
    return Stop(stage, reason_of(error), f"the connection was reset during the TLS handshake, after {shown_time(spent)}")


async def open_tls(
    inner: ByteLink, options: TlsOptions, timeout_s: float, stage: str = "tls", context: ssl.SSLContext | None = None
) -> tuple[TlsLink, TlsTiming]:
    """Return the link inside TLS, and when its handshake ran. context: as for TlsLink.

    Raises:
        Stop: it failed; CertificateStop and NotTlsStop say more.
        UsageError: the CA file cannot be read.
    """
    link = TlsLink(inner, options, context)
    started = time.perf_counter()
    try:
        return link, await link.handshake(timeout_s)
    except OSError as error:
        raise await _tls_stop(link, error, stage, time.perf_counter() - started) from None


def sent_name(server_name: str) -> str:
    """Return the SNI that goes out: none for IP addresses (RFC 6066 section 3)."""
    return "" if is_address(server_name) else server_name
