"""Reaching the peer: names, addresses, families, forward proxies."""

import socket
from collections.abc import Callable

import pytest
from forward_proxy import Proxy, through
from misbehaving import misbehaving

from wsbook.attempt import Attempt, Family
from wsbook.errors import UsageError
from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes import names
from wsbook.probes.upgrade import probe_upgrade

BUDGET_S = 0.9


def facts_of(seen: Observation) -> UpgradeFacts:
    assert isinstance(seen.facts, UpgradeFacts)
    return seen.facts


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
    assert BUDGET_S / 2 - 0.1 < seen.stages[1].duration_s < BUDGET_S / 2 + 0.15
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
    assert 0.05 <= seen.stages[0].duration_s < 0.2


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
    monkeypatch.setattr(names, "_ask_dns", lambda host, timeout_s: answer)
    seen = await probe("ws://name.example/")
    assert seen.failure is not None
    assert (seen.failure.stage, seen.failure.reason) == ("resolve", reason)
    assert seen.failure.message.startswith("name.example was not resolved")


async def test_loopback_name_asks_no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(names.socket, "getaddrinfo", resolver(error=socket.EAI_NONAME))
    monkeypatch.setattr(names, "_ask_dns", lambda host, timeout_s: asked.append(host))
    seen = await probe("ws://nothing.localhost/")
    assert seen.failure is not None
    assert seen.failure.reason is Reason.NAME_NOT_FOUND
    assert asked == []


# Forward proxies


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
