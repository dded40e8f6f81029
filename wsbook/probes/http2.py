"""Ask for a WebSocket over HTTP/2 (RFC 8441), as Firefox and Chrome do where it is announced. It must not judge the answer.

The `h2` library speaks the protocol; the connection is the same that every other probe dials.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import WITH_HTTP2_OFFERED, Attempt
from wsbook.facts import Http2Facts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.dial import NoAddress, Reached, dial
from wsbook.probes.link import ByteLink
from wsbook.probes.stopwatch import Stop, Stopwatch, reason_of, shown_time
from wsbook.probes.tls import TlsOptions, open_tls
from wsbook.probes.upgrade import resolved_request
from wsbook.wire.handshake import request_headers

__all__ = ["probe_http2"]

_ONLY_HTTP1 = frozenset({"host", "connection", "upgrade", "sec-websocket-key", "keep-alive", "te", "transfer-encoding", "proxy-connection"})
"""RFC 9113 section 8.2.2, and RFC 8441 section 5 for the key."""
_CONNECT_PROTOCOL = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
_READ_BYTES = 16_384
_TOTAL_BYTES = 262_144
_HEADERS_KEPT = 100
_VALUE_KEPT = 8_192
_BODY_KEPT = 4_096
_BODY_S = 0.3


class _Talk(Struct, kw_only=True):
    """What the peer has said so far."""

    settled: bool = False
    extended: bool | None = None
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    ended: str = ""
    over: bool = False

    def take(self, event: h2.events.Event) -> None:
        """Note one event."""
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.settled = True
        elif isinstance(event, h2.events.ResponseReceived):
            pairs = [(_text(name), _text(value)) for name, value in event.headers or ()][:_HEADERS_KEPT]
            status = next((value for name, value in pairs if name == ":status"), "")
            self.status = int(status) if status.isdigit() else None
            self.headers = tuple(pair for pair in pairs if not pair[0].startswith(":"))
        elif isinstance(event, h2.events.DataReceived):
            self.body = (self.body + event.data)[:_BODY_KEPT]
        elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
            code = getattr(event.error_code, "name", event.error_code)
            self.ended = f"{'RST_STREAM' if isinstance(event, h2.events.StreamReset) else 'GOAWAY'} {code}"
            self.over = True
        elif isinstance(event, h2.events.StreamEnded):
            self.over = True


def _text(value: bytes | str) -> str:
    return (value if isinstance(value, str) else value.decode("utf-8", "replace"))[:_VALUE_KEPT]


def _connect_headers(attempt: Attempt) -> Iterator[tuple[str, str]]:
    """Yield the header fields of an extended CONNECT (RFC 8441 section 4)."""
    resource, headers = resolved_request(attempt, request_headers(attempt, ""))
    yield ":method", "CONNECT"
    yield ":protocol", "websocket"
    yield ":scheme", "https" if attempt.endpoint.secure else "http"
    yield ":path", resource
    yield ":authority", attempt.host_header or attempt.endpoint.authority
    for name, value in headers:
        if name.lower() not in _ONLY_HTTP1:
            yield name.lower(), value


async def _listen(link: ByteLink, engine: h2.connection.H2Connection, talk: _Talk, watch: Stopwatch, until: str) -> None:
    """Read until talk has this field, or nothing more can come; what must be answered is answered."""
    read = 0
    while not getattr(talk, until) and not talk.over and read < _TOTAL_BYTES:
        await link.send(engine.data_to_send(), watch.left_s)
        data = await link.recv(_READ_BYTES, watch.left_s)
        if not data:
            talk.ended, talk.over = talk.ended or "the connection was closed", True
            return
        read += len(data)
        for event in engine.receive_data(data):
            talk.take(event)


async def _converse(link: ByteLink, attempt: Attempt, talk: _Talk, watch: Stopwatch) -> None:
    engine = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
    engine.initiate_connection()
    await _listen(link, engine, talk, watch, "settled")
    if not talk.settled:
        return
    talk.extended = bool(engine.remote_settings.get(_CONNECT_PROTOCOL, 0))
    if not talk.extended:
        return  # a client must not try then (RFC 8441 section 3)
    stream = engine.get_next_available_stream_id()
    engine.send_headers(stream, list(_connect_headers(attempt)))
    await _listen(link, engine, talk, watch, "status")
    if talk.status is not None and not 200 <= talk.status < 300:
        await _listen(link, engine, talk, Stopwatch(min(_BODY_S, watch.left_s)), "over")
    if not talk.over:
        engine.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
    engine.close_connection()
    await link.send(engine.data_to_send(), watch.left_s)


async def _reach(watch: Stopwatch, attempt: Attempt) -> tuple[ByteLink, bool]:
    """Return the connection, and whether the peer agreed to HTTP/2 on it; without TLS that is yet to be seen."""
    inner = await dial(watch, Reached(), attempt)
    if not attempt.endpoint.secure:
        return inner, True
    try:
        name = attempt.endpoint.host if attempt.server_name is None else attempt.server_name
        options = TlsOptions(server_name=name, verify=attempt.verify, ca_file=attempt.ca_file, alpn=("h2", "http/1.1"))
        link, _ = await open_tls(inner, options, watch.left_s)
    except BaseException:
        inner.close()
        raise
    return link, link.tls.selected_alpn_protocol() == "h2"


async def probe_http2(attempt: Attempt, *, step: str) -> Observation:
    """Offer HTTP/2, read whether extended CONNECT is announced, and if so ask for the WebSocket with it.

    Over TLS the peer must choose h2 by ALPN; on a plain port HTTP/2 is begun with prior knowledge (RFC 9113 section 3.3).
    Everything together takes at most attempt.timeout_s.

    Raises:
        UsageError: as probe_upgrade().
    """
    watch, talk, spoken, moment = Stopwatch(attempt.timeout_s), _Talk(), False, datetime.now(UTC)
    source = Source(step=step, probe="http2", hop=attempt.hop, changed=(WITH_HTTP2_OFFERED,))
    failure: Failure | None = None
    try:
        link, spoken = await _reach(watch, attempt)
        try:
            if spoken:
                await _converse(link, attempt, talk, watch)
        finally:
            link.close()
    except Stop as stop:
        failure = stop.failure
    except NoAddress as error:
        return not_run(source, Reason.SKIPPED, str(error))
    except h2.exceptions.H2Error as error:
        talk.ended = talk.ended or f"no valid HTTP/2: {str(error)[:200]}"
    except OSError as error:
        talk.ended = talk.ended or f"{reason_of(error).value} after {shown_time(watch.spent_s)}"
    spoken = spoken and (attempt.endpoint.secure or talk.settled)
    facts = Http2Facts(
        url=attempt.endpoint.url,
        spoken=spoken,
        extended_connect=talk.extended,
        status=talk.status,
        headers=talk.headers,
        body=talk.body.decode("utf-8", "replace"),
        ended=talk.ended if spoken else "",
    )
    facts = facts if failure is None else replace(facts, spoken=False)
    return observed(source, facts, duration_s=watch.spent_s, failure=failure, observed_at=moment)
