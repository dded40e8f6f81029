"""What a forward proxy answers to CONNECT, for the endpoint's port and for 443. It must not judge whose fault a refusal is.

Every question is a connection of its own, all at the same time. Credentials travel in requests only, never in facts.
"""

import asyncio
import contextlib
import re
import time
from datetime import UTC, datetime

from msgspec.structs import replace

from wsbook.attempt import Attempt, Family
from wsbook.errors import UsageError
from wsbook.facts import ForwardProxyFacts, Tunnel
from wsbook.observation import Observation, Source, observed
from wsbook.probes.dial import NoAddress, connect_address, find_addresses, proxy_credentials, proxy_endpoint, shown_peer
from wsbook.probes.link import ByteLink
from wsbook.probes.socks import ask_socks
from wsbook.probes.stopwatch import Stop, Stopwatch, reason_of
from wsbook.probes.tls import TlsOptions, open_tls
from wsbook.target import Endpoint
from wsbook.wire.answer import AnswerReader, BodyReader
from wsbook.wire.handshake import connect_headers, request_headers, write_request

__all__ = ["probe_forward_proxy"]

_KEY = "d3Nib29rIGFza3MgYSBwcg=="
_SOCKS = re.compile(r"(?i)(socks(4a?|5h?)?)://")
_SOCKS_PORT = 1080
_TITLE = re.compile(r"<title[^>]*>\s*(.{1,200}?)\s*</title>", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_TELLING = frozenset(
    {"server", "via", "x-squid-error", "x-cache", "proxy-agent", "proxy-connection", "proxy-authenticate", "x-bluecoat-via"}
)
_OWN_HEADERS = {"x-squid-error": "Squid", "x-bluecoat-via": "Blue Coat ProxySG"}
_HEADERS_KEPT = 20
_TITLE_KEPT = 120
_BODY_S = 0.5
_READ_BYTES = 4_096
_PORT = 443
"""Where proxies let a tunnel pass when they let one pass at all."""


async def _open(watch: Stopwatch, proxy: Endpoint, attempt: Attempt) -> ByteLink:
    """Return a connection to the proxy, inside TLS when its URL says https."""
    addresses = await find_addresses(watch, proxy.host, proxy.port, Family.ANY)
    stop: Stop | None = None
    for number, address in enumerate(addresses):
        try:
            link: ByteLink = await connect_address(watch, address, watch.left_s / (len(addresses) - number))
        except Stop as failed:
            stop = failed
            continue
        if not proxy.secure:
            return link
        options = TlsOptions(server_name=proxy.host, verify=attempt.verify, ca_file=attempt.ca_file, alpn=("http/1.1",))
        try:
            return (await open_tls(link, options, watch.left_s, stage="proxy"))[0]
        except BaseException:
            link.close()
            raise
    assert stop is not None
    raise stop


async def _read(link: ByteLink, watch: Stopwatch, tunnels: bool) -> tuple[AnswerReader, str]:
    """Return the head of the answer and what is there of its body; the body after an opened tunnel is not ours."""
    reader = AnswerReader()
    while not (reader.complete or reader.too_large or reader.garbage):
        data = await link.recv(_READ_BYTES, watch.left_s)
        if not data:
            return reader, ""
        reader.feed(data)
    answer = reader.answer()
    if not reader.complete or answer.status is None or answer.status == 101 or (tunnels and 200 <= answer.status < 300):
        return reader, ""
    body, end = BodyReader(answer), time.perf_counter() + _BODY_S
    body.feed(reader.rest)
    with contextlib.suppress(OSError):
        while not body.complete and (data := await link.recv(_READ_BYTES, max(0.0, min(end - time.perf_counter(), watch.left_s)))):
            body.feed(data)
    return reader, body.text()


def _title(body: str) -> str:
    found = _TITLE.search(body)
    return " ".join(found[1].split())[:_TITLE_KEPT] if found else ""


def _schemes(values: list[str]) -> tuple[str, ...]:
    """Return the authentication schemes of Proxy-Authenticate: the first word of each challenge (RFC 9110 section 11.3)."""
    parts = [part for value in values for part in _QUOTED.sub("", value).split(",")]
    words = [word for part in parts if (word := part.strip().partition(" ")[0])]
    return tuple(dict.fromkeys(word for word in words if _SCHEME.fullmatch(word) and "=" not in word))[:6]


def _answered(target: str, reader: AnswerReader, body: str, spent: float, tunnels: bool) -> Tunnel:
    answer = reader.answer()
    if not reader.complete or answer.status is None:
        outcome = "closed" if not reader.raw else "malformed"
        return Tunnel(target=target, outcome=outcome, duration_s=spent)
    opened = tunnels and 200 <= answer.status < 300
    telling = [(name, value[:300]) for name, value in answer.headers if name.lower() in _TELLING]
    return Tunnel(
        target=target,
        status=answer.status,
        reason=answer.reason[:120],
        headers=tuple(telling[:_HEADERS_KEPT]),
        schemes=_schemes(answer.values("proxy-authenticate")),
        title=_title(body),
        outcome="tunnel" if opened else "answered",
        duration_s=spent,
    )


async def _ask(proxy: Endpoint, attempt: Attempt, request: bytes, target: str, timeout_s: float, *, tunnels: bool) -> tuple[Tunnel, bool]:
    """Send one request to the proxy; return the answer and whether the proxy was reached at all."""
    watch, started, reached = Stopwatch(timeout_s), time.perf_counter(), False
    link: ByteLink | None = None
    try:
        link = await _open(watch, proxy, attempt)
        reached = True
        await link.send(request, watch.left_s)
        reader, body = await _read(link, watch, tunnels)
        return _answered(target, reader, body, time.perf_counter() - started, tunnels), True
    except Stop as stop:
        reached = reached or stop.failure.stage == "proxy"
        return Tunnel(
            target=target, outcome=f"{stop.failure.reason.value} ({stop.failure.stage})", reason=stop.failure.message[:200]
        ), reached
    except NoAddress as error:
        return Tunnel(target=target, outcome="no address", reason=str(error)[:200]), False
    except OSError as error:
        return Tunnel(target=target, outcome=reason_of(error).value, duration_s=time.perf_counter() - started), reached
    finally:
        if link is not None:
            link.close()


def _absolute(attempt: Attempt, credentials: str) -> bytes:
    """Return the upgrade as an ordinary request with the whole URL (RFC 9112 section 3.2.2), without secrets of the target."""
    endpoint = attempt.endpoint
    bare = replace(attempt, headers=(), url=endpoint.url)
    headers = [(name, value) for name, value in request_headers(bare, _KEY) if name.lower() != "authorization"]
    url = f"http://{endpoint.authority}{endpoint.path}"
    return write_request("GET", url, [*headers, *([("Proxy-Authorization", credentials)] if credentials else [])])


def _product(tunnels: list[Tunnel]) -> str:
    """Return who answers, as far as Server, Via or Proxy-agent tell."""
    for name in ("proxy-agent", "server", "via"):
        for tunnel in tunnels:
            if value := next((value for key, value in tunnel.headers if key.lower() == name), ""):
                return value[:80]
    own = {key.lower() for tunnel in tunnels for key, _ in tunnel.headers}
    return next((product for header, product in _OWN_HEADERS.items() if header in own), "")


async def _interview(proxy: Endpoint, attempt: Attempt, timeout_s: float, source: str) -> ForwardProxyFacts:
    credentials, endpoint = proxy_credentials(proxy), attempt.endpoint
    targets = dict.fromkeys((shown_peer(endpoint.host, endpoint.port), shown_peer(endpoint.host, _PORT)))
    asked = [
        _ask(proxy, attempt, write_request("CONNECT", target, connect_headers(target, credentials)), target, timeout_s, tunnels=True)
        for target in targets
    ]
    if not endpoint.secure:
        asked.append(_ask(proxy, attempt, _absolute(attempt, credentials), endpoint.authority, timeout_s, tunnels=False))
    answers = await asyncio.gather(*asked)
    tunnels = [tunnel for tunnel, _ in answers]
    return ForwardProxyFacts(
        proxy=f"{proxy.scheme}://{proxy.authority}",
        source=source,
        kind=proxy.scheme,
        reached=any(reached for _, reached in answers),
        tunnels=tuple(tunnels[: len(targets)]),
        with_credentials=bool(credentials),
        absolute=tunnels[-1] if not endpoint.secure else None,
        product=_product(tunnels[: len(targets)]),
        detail="" if any(reached for _, reached in answers) else tunnels[0].reason or tunnels[0].outcome,
    )


def _with_port(proxy: Endpoint, via: str) -> Endpoint:
    """Return a SOCKS proxy at its default port where its URL names none."""
    return proxy if re.search(r":[0-9]+/?$", via) else replace(proxy, port=_SOCKS_PORT)


async def _ask_socks(proxy: Endpoint, attempt: Attempt, port: int, timeout_s: float) -> tuple[Tunnel, bool]:
    watch, host = Stopwatch(timeout_s), attempt.endpoint.host
    try:
        link = await _open(watch, proxy, attempt)
    except (Stop, NoAddress) as error:
        return Tunnel(target=shown_peer(host, port), outcome="not reached", reason=str(error)[:200]), False
    try:
        return await ask_socks(link, watch, host, port, proxy.userinfo), True
    finally:
        link.close()


async def _interview_socks(named: re.Match[str], proxy: Endpoint, attempt: Attempt, timeout_s: float, source: str) -> ForwardProxyFacts:
    shown = f"{named[1].lower()}://{shown_peer(proxy.host, proxy.port)}"
    if (named[2] or "").startswith("4"):
        return ForwardProxyFacts(proxy=shown, source=source, kind="socks", reached=False, detail="SOCKS 4 is not spoken here")
    ports = dict.fromkeys((attempt.endpoint.port, _PORT))
    answers = await asyncio.gather(*(_ask_socks(proxy, attempt, port, timeout_s) for port in ports))
    reached = any(reached for _, reached in answers)
    return ForwardProxyFacts(
        proxy=shown,
        source=source,
        kind="socks",
        reached=reached,
        tunnels=tuple(tunnel for tunnel, _ in answers),
        with_credentials=bool(proxy.userinfo),
        detail="" if reached else answers[0][0].reason,
    )


async def probe_forward_proxy(attempt: Attempt, via: str, *, variable: str, step: str, timeout_s: float) -> Observation:
    """Ask a forward proxy for a tunnel to the endpoint and to port 443 of its host; a refusal is an answer.

    via: URL of the proxy, which may hold a secret reference or credentials. variable: the environment's name for it, "" when it was
    given. For ws URLs the upgrade is also sent to an HTTP proxy as an ordinary request. SOCKS 4 is recognised and not spoken.
    """
    source, moment, started = Source(step=step, probe="forward-proxy"), datetime.now(UTC), time.perf_counter()
    where = variable or "given"
    socks = _SOCKS.match(via)
    try:
        proxy = proxy_endpoint(f"http://{via[socks.end() :]}" if socks else via)
        if socks:
            facts = await _interview_socks(socks, _with_port(proxy, via), attempt, timeout_s, where)
        else:
            facts = await _interview(proxy, attempt, timeout_s, where)
    except UsageError as error:
        facts = ForwardProxyFacts(proxy="", source=where, kind="socks" if socks else "http", reached=False, detail=str(error)[:200])
    return observed(source, facts, duration_s=time.perf_counter() - started, observed_at=moment)
