"""Names, ports and proxy variables."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from misbehaving import misbehaving

from wsbook.errors import UsageError
from wsbook.facts import NameFacts, PortFacts, ProxyVariablesFacts
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes import names
from wsbook.probes.network import probe_name
from wsbook.probes.ports import probe_port
from wsbook.probes.proxy_variables import observe_proxy_variables, proxy_from


def port_of(seen: Observation) -> PortFacts:
    assert isinstance(seen.facts, PortFacts)
    return seen.facts


async def test_localhost_has_a_loopback_address() -> None:
    seen = await probe_name("localhost", step="2.1", timeout_s=2.0)
    assert isinstance(seen.facts, NameFacts)
    assert ("ipv4", "127.0.0.1") in seen.facts.addresses or ("ipv6", "::1") in seen.facts.addresses
    assert [(stage.name, stage.ok) for stage in seen.stages] == [("resolve", True)]


async def test_addresses_keep_the_resolvers_order(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET6, 1, 6, "real.example", ("2001:db8::1", 0, 0, 0)),
        (socket.AF_INET, 1, 6, "", ("192.0.2.1", 0)),
        (socket.AF_INET, 2, 17, "", ("192.0.2.1", 0)),
    ]
    monkeypatch.setattr(names.socket, "getaddrinfo", lambda *_, **__: found)
    seen = await probe_name("name.example", step="2.1", timeout_s=2.0)
    assert seen.facts == NameFacts(
        host="name.example", addresses=(("ipv6", "2001:db8::1"), ("ipv4", "192.0.2.1")), canonical="real.example"
    )


async def test_unknown_name_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(names.socket, "getaddrinfo", unknown)
    monkeypatch.setattr(names, "_ask_dns", lambda host, timeout_s: (Reason.NAME_NOT_FOUND, "NXDOMAIN"))
    seen = await probe_name("name.example", step="2.1", timeout_s=2.0)
    assert seen.outcome is Outcome.FAILED
    assert seen.failure is not None
    assert seen.failure.reason is Reason.NAME_NOT_FOUND


async def test_over_long_label_is_a_failure_not_an_exception() -> None:
    seen = await probe_name("a" * 70 + ".example", step="2.1", timeout_s=2.0)
    assert seen.failure is not None
    assert seen.failure.reason in (Reason.NAME_NOT_FOUND, Reason.NAME_FAILED)


async def test_open_port() -> None:
    async with misbehaving() as server:
        facts = port_of(await probe_port("h", "127.0.0.1", server.port, step="2.1", timeout_s=1.0))
    assert facts.state == "open"
    assert facts.rtt_s is not None
    assert facts.rtt_s < 0.01


async def test_open_port_on_ipv6() -> None:
    async with misbehaving(host="::1") as server:
        assert port_of(await probe_port("h", "::1", server.port, step="2.1", timeout_s=1.0)).state == "open"


async def test_refused_port() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        seen = await probe_port("h", "127.0.0.1", port, step="2.1", timeout_s=1.0)
    assert seen.outcome is Outcome.ANSWERED
    assert port_of(seen).state == "refused"


async def test_filtered_port() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        seen = await probe_port("h", "127.0.0.1", address[1], step="2.1", timeout_s=0.15)
        for filler in fillers:
            filler.close()
    assert port_of(seen).state == "filtered"
    assert 0.15 <= seen.duration_s < 0.4


@pytest.mark.parametrize(("error", "state"), [(113, "unreachable"), (101, "unreachable"), (104, "reset"), (111, "refused")])
async def test_states(monkeypatch: pytest.MonkeyPatch, error: int, state: str) -> None:
    async def fails(*_: object) -> None:
        raise OSError(error, "made up")

    monkeypatch.setattr("asyncio.selector_events.BaseSelectorEventLoop.sock_connect", fails)
    assert port_of(await probe_port("h", "192.0.2.1", 80, step="2.1", timeout_s=0.2)).state == state


async def test_port_needs_an_address() -> None:
    with pytest.raises(UsageError, match="no IP address"):
        await probe_port("h", "name", 80, step="2.1", timeout_s=0.2)


@pytest.mark.parametrize(
    ("url", "environ", "applies"),
    [
        ("wss://a.example/", {}, False),
        ("wss://a.example/", {"HTTPS_PROXY": "http://p:3128"}, True),
        ("wss://a.example/", {"https_proxy": ""}, False),
        ("wss://a.example/", {"http_proxy": "http://p:3128"}, False),
        ("ws://a.example/", {"http_proxy": "http://p:3128"}, True),
        ("ws://a.example/", {"all_proxy": "socks5://p:1080"}, True),
        ("wss://a.example/", {"https_proxy": "http://p:3128", "no_proxy": "a.example"}, False),
        ("wss://b.a.example/", {"https_proxy": "http://p:3128", "NO_PROXY": "x, .a.example"}, False),
        ("wss://b.a.example/", {"https_proxy": "http://p:3128", "no_proxy": "*.a.example"}, False),
        ("wss://ba.example/", {"https_proxy": "http://p:3128", "no_proxy": "a.example"}, True),
        ("wss://a.example/", {"https_proxy": "http://p:3128", "no_proxy": "*"}, False),
        ("wss://a.example:8443/", {"https_proxy": "http://p:3128", "no_proxy": "a.example:8443"}, False),
        ("wss://a.example/", {"https_proxy": "http://p:3128", "no_proxy": "a.example:8443"}, True),
        ("wss://10.1.2.3/", {"https_proxy": "http://p:3128", "no_proxy": "10.0.0.0/8"}, False),
        ("wss://[::1]:9/", {"https_proxy": "http://p:3128", "no_proxy": "::1"}, False),
        ("wss://[fd00::1]:9/", {"https_proxy": "http://p:3128", "no_proxy": "[fd00::1]:9"}, False),
        ("wss://[fd00::1]:9/", {"https_proxy": "http://p:3128", "no_proxy": "[fd00::1]:8"}, True),
        ("wss://[::1]:9/", {"https_proxy": "http://p:3128"}, False),
        ("wss://localhost/", {"https_proxy": "http://p:3128"}, False),
        ("wss://[fd00::7]/", {"https_proxy": "http://p:3128", "no_proxy": "fd00::/8"}, False),
        ("wss://192.168.3.4/", {"https_proxy": "http://p:3128", "no_proxy": "192.168.*"}, False),
        ("wss://192.169.3.4/", {"https_proxy": "http://p:3128", "no_proxy": "192.168.*"}, True),
        ("wss://intranet/", {"https_proxy": "http://p:3128", "no_proxy": "x;<local>"}, False),
        ("wss://a.example/", {"https_proxy": "http://p:3128", "no_proxy": "<local>"}, True),
        ("wss://A.example/", {"https_proxy": "http://p:3128", "no_proxy": "b.example a.EXAMPLE"}, False),
        ("ws://a.example/", {"socks_proxy": "socks5://p:1080"}, True),
        ("ws://a.example/", {"ws_proxy": "http://w:1", "http_proxy": "http://p:3128"}, True),
        ("wss://a.example/", {"WSS_PROXY": "http://w:1", "no_proxy": "a.example:443"}, False),
        ("wss://a.example/", {"https_proxy": "http://p:3128", "no_proxy": ","}, True),
    ],
)
def test_proxy_variables_apply(url: str, environ: dict[str, str], applies: bool) -> None:
    facts = observe_proxy_variables(url, environ, step="2.1").facts
    assert isinstance(facts, ProxyVariablesFacts)
    assert facts.applies is applies
    assert len(facts.variables) == sum(bool(value) for value in environ.values())
    assert bool(proxy_from(url, environ)[1]) is bool(facts.proxy) is applies


@pytest.mark.parametrize(
    ("environ", "variable", "proxy"),
    [
        ({"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:2"}, "https_proxy", "http://lower:2"),
        ({"ALL_PROXY": "socks5://a:1080", "WSS_PROXY": "w:3128"}, "WSS_PROXY", "http://w:3128"),
        ({"https_proxy": "http://anna:pencil@p:3128"}, "https_proxy", "http://anna:pencil@p:3128"),
        ({"http_proxy": "http://p:3128"}, "", ""),
    ],
)
def test_the_proxy_that_applies(environ: dict[str, str], variable: str, proxy: str) -> None:
    assert proxy_from("wss://a.example/", environ) == (variable, proxy)


@given(st.text(max_size=40), st.dictionaries(st.sampled_from(["https_proxy", "HTTPS_PROXY", "all_proxy"]), st.text(max_size=30)))
def test_any_variables_are_read(exceptions: str, environ: dict[str, str]) -> None:
    facts = observe_proxy_variables("wss://a.example:8443/", {**environ, "no_proxy": exceptions}, step="2.1").facts
    assert isinstance(facts, ProxyVariablesFacts)
    assert facts.applies or not facts.proxy


async def test_names_under_invalid_never_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names.socket, "getaddrinfo", lambda *_, **__: pytest.fail("nobody is asked"))
    seen = await probe_name("ticker.invalid.", step="2.1", timeout_s=1.0)
    assert seen.failure is not None
    assert seen.failure.reason is Reason.NAME_NOT_FOUND


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://anna:pencil@p:3128", "http://p:3128"),
        ("anna:pen@cil@p:3128", "p:3128"),
        ("http://p:3128/", "http://p:3128/"),
        ("x" * 900, "x" * 500),
    ],
)
def test_proxy_credentials_are_removed(value: str, shown: str) -> None:
    facts = observe_proxy_variables("ws://a.example/", {"http_proxy": value, "HOME": "/root"}, step="2.1").facts
    assert isinstance(facts, ProxyVariablesFacts)
    assert facts.variables == (("http_proxy", shown),)
