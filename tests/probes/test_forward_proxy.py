"""What a forward proxy answers to CONNECT."""

import asyncio
import socket

import pytest
from forward_proxy import BLUE_COAT, DIGEST_LOGIN, NO_CONNECT, NOT_THROUGH, SQUID, SQUID_LOGIN, WINDOWS_LOGIN, ZSCALER, Proxy, through
from hypothesis import given
from hypothesis import strategies as st
from misbehaving import misbehaving, serving

from wsbook.attempt import Attempt
from wsbook.facts import ForwardProxyFacts, Tunnel
from wsbook.observation import Observation
from wsbook.probes.forward_proxy import _schemes, probe_forward_proxy

URL = "wss://far.example:8443/ws?token=pencil"


def ask(url: str = URL, timeout_s: float = 1.0, variable: str = "") -> object:
    async def use(via: str) -> Observation:
        attempt = Attempt(url=url, headers=(("Cookie", "session=pencil"),))
        return await probe_forward_proxy(attempt, via, variable=variable, step="2.1", timeout_s=timeout_s)

    return use


def facts_of(seen: Observation) -> ForwardProxyFacts:
    assert isinstance(seen.facts, ForwardProxyFacts)
    return seen.facts


ANSWERS = [
    ("Squid", SQUID, 403, (), "squid/5.7", "ERROR: The requested URL could not be retrieved"),
    ("Squid wants a login", SQUID_LOGIN, 407, ("Basic",), "squid/5.7", ""),
    ("Blue Coat", BLUE_COAT, 403, (), "Blue Coat ProxySG", "Access Denied"),
    ("Zscaler", ZSCALER, 403, (), "Zscaler/6.2", "Internet Security by Zscaler"),
    ("a Windows domain", WINDOWS_LOGIN, 407, ("Negotiate", "Kerberos", "NTLM"), "1.1 ISA", ""),
    ("Digest", DIGEST_LOGIN, 407, ("Digest", "Basic"), "", ""),
    ("a web server", NO_CONNECT, 405, (), "nginx", ""),
    ("not through", NOT_THROUGH, 503, (), "squid/5.7", ""),
]


@pytest.mark.parametrize(("answer", "status", "schemes", "product", "title"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
async def test_refusals(answer: bytes, status: int, schemes: tuple[str, ...], product: str, title: str) -> None:
    facts = facts_of(await through(Proxy(answer), ask()))  # type: ignore[arg-type]
    own, standard = facts.tunnels
    assert (own.target, standard.target) == ("far.example:8443", "far.example:443")
    assert (own.status, own.schemes, own.title, own.outcome) == (status, schemes, title, "answered")
    assert (facts.product, facts.reached, facts.source, facts.absolute) == (product, True, "given", None)


@pytest.mark.parametrize(
    ("answer", "then", "outcome"),
    [(b"", "close", "closed"), (b"", "keep", "timeout"), (b"", "reset", "connection reset"), (b"hello\r\n\r\n", "close", "malformed")],
)
async def test_no_answer(answer: bytes, then: str, outcome: str) -> None:
    facts = facts_of(await through(Proxy(answer, then), ask(timeout_s=0.3)))  # type: ignore[arg-type]
    assert [(tunnel.status, tunnel.outcome) for tunnel in facts.tunnels] == [(None, outcome)] * 2
    assert facts.reached


async def test_the_endpoint_itself_is_reached_through_it() -> None:
    proxy = Proxy(SQUID)
    async with misbehaving() as server:
        proxy.only = (server.port,)
        facts = facts_of(await through(proxy, ask(f"ws://127.0.0.1:{server.port}/good")))  # type: ignore[arg-type]
    own, standard = facts.tunnels
    assert (own.status, own.outcome) == (200, "tunnel")
    assert (standard.status, standard.outcome) == (403, "answered")
    assert facts.absolute is not None
    assert facts.absolute.status == 403


async def test_port_443_is_asked_once() -> None:
    proxy = Proxy(SQUID)
    facts = facts_of(await through(proxy, ask("wss://far.example/ws")))  # type: ignore[arg-type]
    assert [tunnel.target for tunnel in facts.tunnels] == ["far.example:443"]
    assert len(proxy.requests) == 1


async def test_secrets_go_nowhere() -> None:
    proxy = Proxy(SQUID_LOGIN)
    seen = await through(proxy, ask("ws://anna:pencil@far.example/ws?token=pencil"), credentials="berta:eraser@")  # type: ignore[arg-type]
    facts = facts_of(seen)
    assert facts.with_credentials
    assert "eraser" not in str(seen)
    assert "pencil" not in str(seen)
    assert not any(b"pencil" in request for request in proxy.requests)
    assert all(b"Proxy-Authorization: Basic YmVydGE6ZXJhc2Vy" in request for request in proxy.requests)


async def test_a_proxy_that_is_not_there() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        via = f"http://127.0.0.1:{sock.getsockname()[1]}"
        seen = await probe_forward_proxy(Attempt(url=URL), via, variable="HTTPS_PROXY", step="2.1", timeout_s=1.0)
    facts = facts_of(seen)
    assert (facts.reached, facts.source) == (False, "HTTPS_PROXY")
    assert "refused" in facts.detail


@pytest.mark.parametrize(
    ("via", "shown", "kind"),
    [
        ("socks4://anna:pencil@proxy.example:1080", "socks4://proxy.example:1080", "socks"),
        ("SOCKS4A://proxy.example", "socks4a://proxy.example:1080", "socks"),
        ("ftp://anna:pencil@x", "", "http"),
    ],
)
async def test_proxies_that_are_not_asked(via: str, shown: str, kind: str) -> None:
    facts = facts_of(await probe_forward_proxy(Attempt(url=URL), via, variable="", step="2.1", timeout_s=1.0))
    assert (facts.proxy, facts.kind, facts.reached, facts.tunnels) == (shown, kind, False, ())
    assert "pencil" not in str(facts)


async def test_a_flood_is_bounded() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 403 No\r\nServer: " + b"x" * 4_000 + b"\r\n\r\n<title>" + b"y" * 500_000)
        await writer.drain()

    proxy = Proxy(b"")
    proxy.serve = flood  # type: ignore[method-assign]
    facts = facts_of(await through(proxy, ask()))  # type: ignore[arg-type]
    assert facts.tunnels[0] == Tunnel(
        target="far.example:8443",
        status=403,
        reason="No",
        headers=(("Server", "x" * 300),),
        outcome="answered",
        duration_s=facts.tunnels[0].duration_s,
    )


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_challenge_gives_tokens(values: list[str]) -> None:
    found = _schemes(values)
    assert len(found) <= 6
    assert all(word.replace("-", "").isalnum() and word.isascii() for word in found)


class Socks:
    """A SOCKS 5 proxy that answers each step with the next of its answers, and keeps what it was sent."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in self.answers:
            self.asked.append(await reader.read(600))
            writer.write(answer)
        await reader.read(600)


SOCKS = [
    ("opens", (b"\5\0", b"\5\0\0\1\0\0\0\0\0\0"), "tunnel"),
    ("forbids", (b"\5\0", b"\5\2\0\1\0\0\0\0\0\0"), "not allowed by its rules"),
    ("refused behind", (b"\5\0", b"\5\5\0\1\0\0\0\0\0\0"), "not through: connection refused"),
    ("an unknown reply", (b"\5\0", b"\5\x63"), "reply 99"),
    ("wants a login", (b"\5\xff",), "wants credentials"),
    ("hangs up", (), "closed"),
    ("half an answer", (b"\5",), "timeout"),
    ("is silent later", (b"\5\0", b""), "timeout"),
    ("speaks HTTP", (b"HTTP/1.1 400 Bad Request\r\n\r\n",), "malformed"),
]


@pytest.mark.parametrize(("answers", "outcome"), [row[1:] for row in SOCKS], ids=[row[0] for row in SOCKS])
async def test_socks(answers: tuple[bytes, ...], outcome: str) -> None:
    proxy = Socks(*answers)
    async with serving(proxy.serve) as port:
        seen = await probe_forward_proxy(
            Attempt(url="wss://far.example/"), f"socks5h://127.0.0.1:{port}", variable="", step="2.1", timeout_s=0.3
        )
    facts = facts_of(seen)
    assert facts.tunnels[0].outcome == outcome
    assert (facts.proxy, facts.kind, facts.reached) == (f"socks5h://127.0.0.1:{port}", "socks", True)


async def test_socks_logs_in_and_names_the_target() -> None:
    proxy = Socks(b"\5\2", b"\1\0", b"\5\0\0\1")
    async with serving(proxy.serve) as port:
        via = f"socks5://anna:pen%20cil@127.0.0.1:{port}"
        seen = await probe_forward_proxy(Attempt(url="wss://far.example/"), via, variable="ALL_PROXY", step="2.1", timeout_s=1.0)
    assert facts_of(seen).tunnels[0].outcome == "tunnel"
    assert proxy.asked == [b"\5\2\0\2", b"\1\4anna\7pen cil", b"\5\1\0\3\x0bfar.example\1\xbb"]
    assert "pen" not in str(seen.facts).replace("open", "")


async def test_socks_is_given_addresses_as_such() -> None:
    proxy = Socks(b"\5\0", b"\5\0")
    async with serving(proxy.serve) as port:
        via = f"socks5://127.0.0.1:{port}"
        await probe_forward_proxy(Attempt(url="wss://[2001:db8::7]/"), via, variable="", step="2.1", timeout_s=1.0)
    assert proxy.asked[1] == b"\5\1\0\4" + socket.inet_pton(socket.AF_INET6, "2001:db8::7") + b"\1\xbb"
