"""TLS good and bad: certificates, alerts, peers that do not speak it."""

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
import warnings
from pathlib import Path

import pytest
import trustme
from forward_proxy import Proxy, through
from misbehaving import Misbehaving, head, misbehaving, says, serving

from wsbook.attempt import Attempt, Family
from wsbook.errors import UsageError
from wsbook.facts import TlsFacts, UpgradeFacts
from wsbook.observation import Observation, Reason
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
