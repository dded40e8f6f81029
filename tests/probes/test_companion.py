"""Requests beside the socket: bounded in size and time, with the page's headers and cookies, over TLS, and never an exception."""

import ssl
import time
from pathlib import Path

import pytest
import trustme
from misbehaving import Peer, misbehaving, repeats, says

from wsbook.attempt import Attempt
from wsbook.probes.companion import Companion, Reply

OK = b"HTTP/1.1 200 OK\r\n"


async def reply(url: str, *, until: str = "", timeout_s: float = 0.3, **fields: object) -> Reply:
    attempt = Attempt(url=url, **fields)  # type: ignore[arg-type]
    async with Companion(attempt) as client:
        return await client.ask("GET", attempt.endpoint.resource, timeout_s=timeout_s, until=until)


async def test_answer() -> None:
    async with misbehaving(page=says(OK + b"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello", then="keep")) as server:
        got = await reply(server.url("/page"), origin="https://shop.example", headers=(("X-It", "a"),))
    assert (got.status, got.body, got.content_type, got.error) == (200, "hello", "text/plain", "")
    assert b"Origin: https://shop.example" in server.requests[0]
    assert b"X-It: a" in server.requests[0]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/endless-body", 200, ""),
        ("/huge-body", 200, ""),
        ("/dripping-body", 200, "within 300.0 ms"),
        ("/silent", None, "within 300.0 ms"),
        ("/drip", None, "within 300.0 ms"),
        ("/garbage", None, "Error"),
        ("/eof", None, "Error"),
        ("/reset", None, "Error"),
        ("/short-body", 200, "Error"),
        ("/gzip-bomb", 200, ""),
    ],
)
async def test_peers_that_misbehave(path: str, status: int | None, words: str) -> None:
    started = time.perf_counter()
    async with misbehaving() as server:
        got = await reply(server.url(path))
        assert time.perf_counter() - started < 1.0
    assert got.status == status
    assert words in got.error
    assert len(got.body) <= 65_536


async def test_an_endless_stream_is_read_as_far_as_it_is_wanted() -> None:
    async with misbehaving(stream=repeats(b"data: o\n\n", first=OK + b"\r\n", pause_s=0.05)) as server:
        started = time.perf_counter()
        got = await reply(server.url("/stream"), until="data: o", timeout_s=2.0)
        assert time.perf_counter() - started < 0.5
    assert got.body.startswith("data: o")


async def test_cookies_are_kept_and_connections_are_not() -> None:
    ports: list[int] = []

    async def sticky(peer: Peer) -> None:
        ports.append(peer.writer.get_extra_info("peername")[1])
        await peer.send(OK + b"Set-Cookie: lb=a; Path=/\r\nContent-Length: 0\r\n\r\n")
        await peer.reader.read(1)

    async with misbehaving(sticky=sticky) as server, Companion(Attempt(url=server.url("/sticky"))) as client:
        for _ in range(2):
            await client.ask("POST", "/sticky", "x", timeout_s=1.0)
        assert client.cookies == "lb=a"
    assert len(set(ports)) == 2
    assert b"Cookie: lb=a" in server.requests[1]
    assert b"Cookie:" not in server.requests[0]


async def test_over_tls_with_its_own_authority(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with misbehaving(context=context, page=says(OK + b"Content-Length: 2\r\n\r\nhi", then="keep")) as server:
        good = await reply(server.url("/page"), ca_file=str(tmp_path / "ca.pem"), timeout_s=1.0)
        refused = await reply(server.url("/page"), timeout_s=1.0)
        unchecked = await reply(server.url("/page"), verify=False, timeout_s=1.0)
    assert (good.body, unchecked.body) == ("hi", "hi")
    assert refused.status is None
    assert "certificate" in refused.error.lower()
