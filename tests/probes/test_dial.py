"""Reaching the peer: names, addresses, families, forward proxies, TLS good and bad."""

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme
from misbehaving import Misbehaving, head, misbehaving, says, serving

from wsbook.attempt import Attempt, Family
from wsbook.errors import UsageError
from wsbook.facts import TlsFacts, UpgradeFacts
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes import names
from wsbook.probes.upgrade import probe_upgrade

BUDGET_S = 0.5


def facts_of(seen: Observation) -> UpgradeFacts:
    assert isinstance(seen.facts, UpgradeFacts)
    return seen.facts


def tls_of(seen: Observation) -> TlsFacts:
    found = facts_of(seen).tls
    assert found is not None
    return found


def stages(seen: Observation) -> list[tuple[str, bool]]:
    return [(stage.name, stage.ok) for stage in seen.stages]


async def probe(url: str, **fields: object) -> Observation:
    return await probe_upgrade(Attempt(**{"url": url, "timeout_s": BUDGET_S, "first_message_s": 0.01, **fields}), step="1.3")  # type: ignore[arg-type]


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def resolver(*addresses: str, delay_s: float = 0.0, error: int | None = None) -> Callable[..., object]:
    """Return what answers instead of getaddrinfo."""

    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        import time

        time.sleep(delay_s)
        if error is not None:
            raise socket.gaierror(error, "made up")
        return [(socket.AF_INET6, 1, 6, "", (a, port, 0, 0)) if ":" in a else (socket.AF_INET, 1, 6, "", (a, port)) for a in addresses]

    return getaddrinfo


async def test_refused_names_the_address() -> None:
    port = closed_port()
    seen = await probe(f"ws://127.0.0.1:{port}/")
    assert seen.failure is not None
    assert (seen.failure.stage, seen.failure.reason) == ("tcp", Reason.REFUSED)
    assert f"127.0.0.1:{port}" in seen.failure.message
    assert facts_of(seen).peer == f"127.0.0.1:{port}"


async def test_ipv6_loopback() -> None:
    async with misbehaving(host="::1") as server:
        seen = await probe(server.url("/good"))
        forced = await probe(server.url("/good"), family=Family.IPV6)
    assert facts_of(seen).accepted
    assert facts_of(forced).accepted
    assert facts_of(seen).peer == f"[::1]:{server.port}"
    assert f"Host: [::1]:{server.port}".encode() in server.requests[0]


async def test_first_address_fails_and_the_next_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async with misbehaving() as server:
        monkeypatch.setattr(names.socket, "getaddrinfo", resolver("127.0.0.9", "127.0.0.1"))
        seen = await probe(f"ws://name.example:{server.port}/good")
    assert stages(seen)[:3] == [("resolve", True), ("tcp", False), ("tcp", True)]
    assert "127.0.0.9, 127.0.0.1" in seen.stages[0].detail
    assert facts_of(seen).accepted


async def test_silent_address_takes_only_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.2", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.2", port))
        monkeypatch.setattr(names.socket, "getaddrinfo", resolver("127.0.0.2", "127.0.0.3"))
        seen = await probe(f"ws://name.example:{port}/")
        for filler in fillers:
            filler.close()
    assert stages(seen) == [("resolve", True), ("tcp", False), ("tcp", False)]
    assert BUDGET_S / 2 - 0.1 < seen.stages[1].duration_s < BUDGET_S / 2 + 0.1
    assert seen.failure is not None
    assert seen.failure.reason is Reason.REFUSED
    assert "127.0.0.2" in seen.failure.message


async def test_family_restricts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with misbehaving() as server:
        monkeypatch.setattr(names.socket, "getaddrinfo", resolver("::1", "127.0.0.1"))
        seen = await probe(f"ws://name.example:{server.port}/good", family=Family.IPV4)
    assert stages(seen)[:2] == [("resolve", True), ("tcp", True)]


async def test_family_without_address_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names.socket, "getaddrinfo", resolver("127.0.0.1"))
    seen = await probe("ws://name.example/", family=Family.IPV6)
    assert seen.outcome is Outcome.NOT_RUN
    assert seen.failure is not None
    assert "no ipv6 address" in seen.failure.message


async def test_given_address_is_dialled_without_resolving() -> None:
    async with misbehaving() as server:
        seen = await probe(f"ws://name.example:{server.port}/good", address="127.0.0.1")
    assert stages(seen)[0] == ("tcp", True)
    assert f"Host: name.example:{server.port}".encode() in server.requests[0]


async def test_address_must_be_one() -> None:
    with pytest.raises(UsageError, match="no IP address"):
        await probe("ws://name.example/", address="name")


async def test_slow_resolver_is_bounded_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names.socket, "getaddrinfo", resolver(delay_s=0.7))
    seen = await probe("ws://name.example/", timeout_s=0.1)
    assert seen.failure is not None
    assert (seen.failure.stage, seen.failure.reason) == ("resolve", Reason.NAME_FAILED)
    assert seen.duration_s < 0.4


async def test_resolve_is_timed_in_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names.socket, "getaddrinfo", resolver("127.0.0.1", delay_s=0.05))
    seen = await probe(f"ws://name.example:{closed_port()}/")
    assert 0.05 <= seen.stages[0].duration_s < 0.1


@pytest.mark.parametrize(
    ("code", "answer", "reason"),
    [
        (socket.EAI_NONAME, (Reason.NAME_NOT_FOUND, "the name servers say that it does not exist (NXDOMAIN)"), Reason.NAME_NOT_FOUND),
        (socket.EAI_AGAIN, (Reason.NAME_FAILED, "no name server answered within 2 s"), Reason.NAME_FAILED),
        (socket.EAI_NONAME, (Reason.NAME_FAILED, "the name servers could not be asked: x"), Reason.NAME_NOT_FOUND),
        (socket.EAI_AGAIN, (Reason.NAME_FAILED, "the name servers could not be asked: x"), Reason.NAME_FAILED),
    ],
)
async def test_unknown_name_differs_from_failing_resolver(
    monkeypatch: pytest.MonkeyPatch, code: int, answer: tuple[Reason, str], reason: Reason
) -> None:
    monkeypatch.setattr(names.socket, "getaddrinfo", resolver(error=code))
    monkeypatch.setattr(names, "_ask_dns", lambda host: answer)
    seen = await probe("ws://name.example/")
    assert seen.failure is not None
    assert (seen.failure.stage, seen.failure.reason) == ("resolve", reason)
    assert seen.failure.message.startswith("name.example was not resolved")


async def test_loopback_name_asks_no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(names.socket, "getaddrinfo", resolver(error=socket.EAI_NONAME))
    monkeypatch.setattr(names, "_ask_dns", asked.append)
    seen = await probe("ws://nothing.localhost/")
    assert seen.failure is not None
    assert seen.failure.reason is Reason.NAME_NOT_FOUND
    assert asked == []


# Forward proxies


class Proxy:
    """A tiny CONNECT proxy. answer None: it connects as asked, else it says this."""

    def __init__(self, answer: bytes | None, then: str = "close") -> None:
        self.answer = answer
        self.then = then
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(request)
        if self.answer is None:
            await self._relay(request, reader, writer)
        else:
            writer.write(self.answer)
            await writer.drain()
            if self.then == "keep":
                await reader.read(1)

    async def _relay(self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = int(request.split(b" ")[1].rpartition(b":")[2])
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: tiny\r\n\r\n")

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                sink.write(data)
            sink.close()

        try:
            await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer), return_exceptions=True)
        finally:
            far_writer.transport.abort()


async def through(
    proxy: Proxy, use: Callable[[str], Awaitable[Observation]], context: ssl.SSLContext | None = None, credentials: str = ""
) -> Observation:
    async with serving(proxy.serve, context=context) as port:
        return await use(f"{'https' if context else 'http'}://{credentials}127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("answer", "then", "reason", "status"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n\r\n", "close", Reason.PROXY_REFUSED, 403),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", "keep", Reason.PROXY_REFUSED, 407),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "close", Reason.PROXY_REFUSED, 502),
        (b"", "close", Reason.CLOSED, None),
        (b"", "keep", Reason.TIMEOUT, None),
        (b"\x05\x00", "keep", Reason.MALFORMED, None),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "keep", Reason.TOO_LARGE, None),
    ],
)
async def test_proxy_that_refuses(answer: bytes, then: str, reason: Reason, status: int | None) -> None:
    proxy = Proxy(answer, then)
    seen = await through(proxy, lambda via: probe("wss://far.example/ws", via=via))
    assert seen.failure is not None
    assert (seen.failure.stage, seen.failure.reason) == ("proxy", reason)
    assert "CONNECT far.example:443" in seen.failure.message
    assert stages(seen) == [("tcp", True), ("proxy", False)]
    assert facts_of(seen).proxy_status == status
    assert proxy.requests[0].startswith(b"CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n")


async def test_proxy_that_accepts() -> None:
    proxy = Proxy(None)
    async with misbehaving() as server:
        seen = await through(proxy, lambda via: probe(f"ws://far.example:{server.port}/good", via=via), credentials="anna:pencil@")
    assert stages(seen)[:3] == [("tcp", True), ("proxy", True), ("upgrade", True)]
    assert facts_of(seen).accepted
    assert facts_of(seen).proxy_status == 200
    assert ("Via", "tiny") in facts_of(seen).proxy_headers
    assert b"Proxy-Authorization: Basic YW5uYTpwZW5jaWw=" in proxy.requests[0]
    assert "pencil" not in repr(seen)


async def test_environment_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with misbehaving() as server:
        assert facts_of(await probe(server.url("/good"))).accepted


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def secure(server: Misbehaving, path: str = "/good") -> str:
    return server.url(path).replace("127.0.0.1", "localhost").replace("ws://", "wss://")


async def test_tls_accepted(authority: trustme.CA, ca_file: str) -> None:
    async with misbehaving(context=server_context(authority.issue_cert("localhost", "127.0.0.1"))) as server:
        seen = await probe(secure(server), ca_file=ca_file, family=Family.IPV4)
    tls = tls_of(seen)
    assert facts_of(seen).accepted
    assert [name for name, ok in stages(seen) if ok] == ["resolve", "tcp", "tls", "upgrade"]
    assert (tls.version, tls.server_name, tls.verify_code, tls.alpn) == ("TLSv1.3", "localhost", 0, None)
    assert tls.names == ("localhost", "127.0.0.1")
    assert tls.chain_length == 1


async def test_alpn_is_what_was_agreed(authority: trustme.CA, ca_file: str) -> None:
    context = server_context(authority.issue_cert("127.0.0.1"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with misbehaving(context=context) as server:
        one = await probe(server.url("/good"), ca_file=ca_file)
        two = await probe(server.url("/good"), ca_file=ca_file, alpn=("h2", "http/1.1"))
        none = await probe(server.url("/good"), ca_file=ca_file, alpn=())
    assert [tls_of(seen).alpn for seen in (one, two, none)] == ["http/1.1", "h2", None]


@pytest.mark.parametrize("case", ["expired", "early", "wrong host", "unknown issuer", "self-signed"])
async def test_certificate_not_accepted(authority: trustme.CA, ca_file: str, case: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    long_ago, soon = now - datetime.timedelta(days=90), now + datetime.timedelta(days=30)
    good = {"not_before": long_ago, "not_after": soon}
    certificates = {
        "expired": (authority, ["localhost"], good | {"not_after": now - datetime.timedelta(days=3)}, {10}, "expired"),
        "early": (authority, ["localhost"], good | {"not_before": now + datetime.timedelta(days=3)}, {9}, "not yet valid"),
        "wrong host": (authority, ["other.example", "www.other.example"], good, {62}, "other.example, www.other.example"),
        "unknown issuer": (trustme.CA(), ["localhost"], good, {20}, "issuer"),
        "self-signed": (trustme.CA(), ["localhost"], good, {18, 19}, "self"),
    }
    issuer, hosts, dates, codes, words = certificates[case]
    leaf = issuer.issue_cert(*hosts, **dates)  # type: ignore[attr-defined, misc]
    context = server_context(leaf)
    if case == "self-signed":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with issuer.cert_pem.tempfile() as certificate, issuer.private_key_pem.tempfile() as key:
            context.load_cert_chain(certificate, key)
    async with misbehaving(context=context) as server:
        seen = await probe(secure(server), ca_file=ca_file, family=Family.IPV4)
        asked = list(server.requests)
        unverified = await probe(secure(server), verify=False, family=Family.IPV4)
    tls = tls_of(seen)
    assert seen.failure is not None
    assert (seen.failure.stage, seen.failure.reason) == ("tls", Reason.CERTIFICATE)
    assert tls.verify_code in codes
    assert words in seen.failure.message
    assert tls.not_after[:10] in seen.failure.message
    assert tls.subject
    assert tls.issuer
    assert stages(seen)[-1] == ("tls", False)
    assert asked == []
    assert facts_of(unverified).accepted
    assert tls_of(unverified).verify_code is None


async def test_plain_server_on_a_tls_port() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with serving(serve) as port:
        seen = await probe(f"wss://127.0.0.1:{port}/")
    assert seen.failure is not None
    assert (seen.failure.stage, seen.failure.reason) == ("tls", Reason.TLS_NOT_SPOKEN)
    assert facts_of(seen).raw.startswith("HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize(("then", "reason"), [("close", Reason.CLOSED), ("keep", Reason.TIMEOUT), ("reset", Reason.RESET)])
async def test_tls_handshake_without_an_answer(then: str, reason: Reason) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if then != "reset":
            await reader.read(10_000)
        if then == "keep":
            await reader.read(1)
        elif then == "reset":
            await asyncio.sleep(0.02)  # unread bytes turn the close into a RST
            writer.transport.abort()

    async with serving(serve) as port:
        seen = await probe(f"wss://127.0.0.1:{port}/", timeout_s=0.2)
    assert seen.failure is not None
    assert seen.failure.stage == "tls"
    assert seen.failure.reason in (reason, Reason.CLOSED if then == "reset" else reason)


def _refuse_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Do one handshake that fails, as a real server does: asyncio's own server sends no alert."""
    connection, _ = listener.accept()
    connection.settimeout(1.0)
    with contextlib.suppress(OSError):
        secured = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        connection = secured
        secured.do_handshake()
        secured.recv(1)
    connection.close()


@pytest.mark.parametrize("words", ["unrecognized name", "certificate required", "alert"])
async def test_tls_alert(authority: trustme.CA, ca_file: str, words: str) -> None:
    context = server_context(authority.issue_cert("localhost"))
    if words == "unrecognized name":
        context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    elif words == "certificate required":
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    else:
        with warnings.catch_warnings(action="ignore"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.minimum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_refuse_once, args=(listener, context), daemon=True)
        thread.start()
        seen = await probe(f"wss://localhost:{listener.getsockname()[1]}/", ca_file=ca_file, family=Family.IPV4)
        await asyncio.to_thread(thread.join)
    assert seen.failure is not None
    assert seen.failure.reason is Reason.TLS_ALERT
    assert words in seen.failure.message


async def test_server_name_is_sent_and_compared(authority: trustme.CA, ca_file: str) -> None:
    names_seen: list[str | None] = []
    context = server_context(authority.issue_cert("other.example"))
    context.sni_callback = lambda _, name, __: names_seen.append(name)
    async with misbehaving(context=context) as server:
        named = await probe(server.url("/good"), ca_file=ca_file, server_name="other.example")
        nameless = await probe(server.url("/good"), ca_file=ca_file, server_name="")
    assert facts_of(named).accepted
    assert facts_of(nameless).accepted
    assert names_seen == ["other.example", None]
    assert tls_of(nameless).server_name == ""


async def test_missing_ca_file_is_our_callers_mistake(authority: trustme.CA) -> None:
    async with misbehaving(context=server_context(authority.issue_cert("127.0.0.1"))) as server:
        with pytest.raises(UsageError, match="CA file"):
            await probe(server.url("/good"), ca_file="/nowhere/ca.pem")


async def test_tls_through_a_tls_proxy(authority: trustme.CA, ca_file: str) -> None:
    context = server_context(authority.issue_cert("far.example", "127.0.0.1"))
    async with misbehaving(context=context) as server:
        use = lambda via: probe(f"wss://far.example:{server.port}/good", via=via, ca_file=ca_file)  # noqa: E731
        seen = await through(Proxy(None), use, context)
    assert facts_of(seen).accepted
    assert stages(seen)[:4] == [("tcp", True), ("proxy", True), ("tls", True), ("upgrade", True)]


async def test_answers_over_tls_are_bounded_too(authority: trustme.CA, ca_file: str) -> None:
    async with misbehaving(context=server_context(authority.issue_cert("127.0.0.1")), greets=says(head() + b"\x81\x02hi")) as server:
        huge = await probe(server.url("/huge-body"), ca_file=ca_file)
        endless = await probe(server.url("/endless-headers"), ca_file=ca_file)
        first = await probe(server.url("/greets"), ca_file=ca_file, first_message_s=0.2)
    assert facts_of(huge).body_bytes == 65_536
    assert endless.failure is not None
    assert endless.failure.reason is Reason.TOO_LARGE
    assert facts_of(first).first_message == "hi"
