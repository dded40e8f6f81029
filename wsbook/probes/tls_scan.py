"""What a TLS listener accepts: each version by itself, and whether it asks for a client certificate. It must not judge that.

Nothing is verified here, so that the answer is about protocols and not about the certificate.
"""

import asyncio
import ssl
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import TlsFacts, TlsScanFacts, VersionTrial
from wsbook.observation import Observation, Reason, Source, not_run, observed
from wsbook.probes.dial import NoAddress, Reached, dial
from wsbook.probes.stopwatch import Stop, Stopwatch
from wsbook.probes.tls import TlsLink, TlsOptions, open_tls, sent_name
from wsbook.wire.certificates import requested_authorities

__all__ = ["VERSIONS", "probe_certificate", "probe_tls_scan"]

VERSIONS = {
    "TLSv1.0": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_EVERYTHING = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"  # openssl-ciphers(1)
_OP_LEGACY_SERVER_CONNECT = 0x4  # SSL_CTX_set_options(3); named by the ssl module since Python 3.12
_CERTIFICATE_REQUEST = 13  # RFC 8446 section 4
_HANDSHAKE_HEADER = 4
_OURS = ("no protocols available", "no ciphers available", "unsupported protocol version")
"""What OpenSSL says when this machine has nothing to offer; the peer was not asked."""
_AFTER_S = 0.25


class _Request(Struct, kw_only=True):
    """The CertificateRequest of one handshake, as far as it was watched."""

    watched: bool = False
    body: bytes | None = None


def _context(version: ssl.TLSVersion | None, alpn: tuple[str, ...] = ()) -> ssl.SSLContext | None:
    """Return a context that offers one version with every cipher, or all versions; None where the library forbids it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.options |= _OP_LEGACY_SERVER_CONNECT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # offering old versions is the question
            context.set_ciphers(_EVERYTHING)
            if version is not None:
                context.minimum_version = version
                context.maximum_version = version
    except (ssl.SSLError, ValueError):
        return None
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _watch(context: ssl.SSLContext) -> _Request:
    """Let a context note the CertificateRequest; without the private hook of CPython nothing is watched."""
    request = _Request()

    def note(_connection: Any, direction: str, _version: Any, _content: Any, message: Any, data: bytes) -> None:
        if direction == "read" and message == _CERTIFICATE_REQUEST and data[:1] == bytes([_CERTIFICATE_REQUEST]):
            request.body = bytes(data[_HANDSHAKE_HEADER:])

    if hasattr(type(context), "_msg_callback"):
        context._msg_callback = note  # type: ignore[attr-defined]
        request.watched = True
    return request


def _options(attempt: Attempt) -> TlsOptions:
    name = attempt.endpoint.host if attempt.server_name is None else attempt.server_name
    return TlsOptions(server_name=name, verify=False, alpn=attempt.alpn)


async def _with_link(attempt: Attempt, timeout_s: float, context: ssl.SSLContext, use: Callable[[TlsLink], Any]) -> Any:
    """Do one handshake and return what use makes of it.

    Raises:
        Stop, NoAddress: it did not come so far.
    """
    watch = Stopwatch(timeout_s)
    inner = await dial(watch, Reached(), attempt)
    try:
        link, _ = await open_tls(inner, _options(attempt), watch.left_s, context=context)
        return await use(link)
    finally:
        inner.close()


async def _try_version(attempt: Attempt, name: str, timeout_s: float) -> VersionTrial:
    context = _context(VERSIONS[name])
    if context is None:
        return VersionTrial(version=name, accepted=None, detail="this machine's TLS library does not offer it")

    async def cipher(link: TlsLink) -> str:
        agreed = link.tls.cipher()
        return agreed[0] if agreed else ""

    try:
        return VersionTrial(version=name, accepted=True, cipher=await _with_link(attempt, timeout_s, context, cipher))
    except Stop as stop:
        message, reason = stop.failure.message, stop.failure.reason
        told = reason in (Reason.TLS_ALERT, Reason.CLOSED, Reason.RESET) and not any(words in message for words in _OURS)
        return VersionTrial(version=name, accepted=False if told and stop.failure.stage == "tls" else None, detail=message[:300])
    except ValueError as error:
        return VersionTrial(version=name, accepted=None, detail=str(error)[:300])


async def _said_after(link: TlsLink) -> str:
    """Return how the peer refuses after its handshake, "" when it waits for us (RFC 8446 section 4.4.2.4 lets it check late)."""
    try:
        return "" if await link.recv(1, _AFTER_S) else "the connection was closed"
    except TimeoutError:
        return ""
    except OSError as error:
        return str(getattr(error, "reason", "") or error).replace("_", " ").lower()[:200]


async def _look_inside(attempt: Attempt, timeout_s: float) -> dict[str, Any]:
    """Do one handshake as browsers do, and return the fields of TlsScanFacts that it fills."""
    context = _context(None, attempt.alpn)
    if context is None:
        return {}
    request = _watch(context)

    async def use(link: TlsLink) -> dict[str, Any]:
        facts = link.facts(sent_name(_options(attempt).server_name), verified=False)
        return {"tls": facts, "refused_after": await _said_after(link) if request.body is not None else ""}

    try:
        found: dict[str, Any] = await _with_link(attempt, timeout_s, context, use)
    except Stop as stop:
        found = {"refused_after": stop.failure.message[:200] if request.body is not None else ""}
    if not request.watched or ("tls" not in found and request.body is None):
        return found
    version = found["tls"].version if "tls" in found else "TLSv1.2"  # TLS 1.3 refuses after the handshake
    authorities = requested_authorities(version or "", request.body) if request.body is not None else ()
    return found | {"client_certificate": request.body is not None, "client_authorities": authorities}


async def probe_tls_scan(attempt: Attempt, *, step: str) -> Observation:
    """Try each TLS version by itself, side by side, and watch one handshake for a request for a client certificate.

    Five handshakes, within attempt.timeout_s. Nothing is sent inside. A version that this machine cannot offer is None.

    Raises:
        UsageError: as dial().
    """
    source = Source(step=step, probe="tls-scan", hop=attempt.hop)
    endpoint, started, moment = attempt.endpoint, time.perf_counter(), datetime.now(UTC)
    if not endpoint.secure:
        return not_run(source, Reason.SKIPPED, "the endpoint is not reached over TLS")
    try:
        inside, *trials = await asyncio.gather(
            _look_inside(attempt, attempt.timeout_s), *(_try_version(attempt, name, attempt.timeout_s) for name in VERSIONS)
        )
    except NoAddress as error:
        return not_run(source, Reason.SKIPPED, str(error))
    facts = TlsScanFacts(host=endpoint.host, port=endpoint.port, versions=tuple(trials), **inside)
    if facts.tls is not None:
        asked = {"client_certificate": facts.client_certificate, "client_authorities": facts.client_authorities}
        facts = replace(facts, tls=replace(facts.tls, **asked))
    return observed(source, facts, duration_s=time.perf_counter() - started, observed_at=moment)


async def probe_certificate(attempt: Attempt, *, step: str, label: str) -> Observation:
    """Return the certificate that a listener shows, without judging it; label says how it differs from the endpoint.

    Raises:
        UsageError: as dial().
    """
    watch, moment = Stopwatch(attempt.timeout_s), datetime.now(UTC)
    source = Source(step=step, probe="tls", hop=attempt.hop, changed=(label,))
    context = _context(None, attempt.alpn)

    async def facts(link: TlsLink) -> TlsFacts:
        return link.facts(sent_name(_options(attempt).server_name), verified=False)

    if context is None:
        return not_run(source, Reason.TOOL_MISSING, "this machine's TLS library refuses every cipher list")
    try:
        shown = await _with_link(attempt, attempt.timeout_s, context, facts)
        return observed(source, shown, duration_s=watch.spent_s, observed_at=moment)
    except Stop as stop:
        return observed(source, None, duration_s=watch.spent_s, failure=stop.failure, observed_at=moment)
    except NoAddress as error:
        return not_run(source, Reason.SKIPPED, str(error))
