"""Real packets that are refused, rejected, dropped, or too large, in network namespaces."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from conftest import find
from network_namespaces import CLIENT, ROUTER, ROUTER_4, SERVER, SERVER_4, SERVER_6, inside, ip, look, namespaces, needs_namespaces

pytestmark = needs_namespaces()

ECHO = """
import asyncio, logging, ssl, sys
from websockets.asyncio.server import serve

async def echo(socket):
    async for message in socket:
        await socket.send(message)

async def main():
    logging.disable()
    context = None
    if sys.argv[1:]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
    async with serve(echo, "10.213.2.2", 8000, max_size=1 << 20, ssl=context):
        print("ready", flush=True)
        await asyncio.Future()

asyncio.run(main())
"""
PORTS = """
import asyncio, json
from msgspec import to_builtins
from wsbook.probes.ports import probe_port

async def main():
    asked = [probe_port("h", address, port, step="2.1", timeout_s=2.0) for address, port in {asked}]
    print(json.dumps([to_builtins(seen.facts) for seen in await asyncio.gather(*asked)]))

asyncio.run(main())
"""
PACKETS = """
import asyncio, json
from msgspec import to_builtins
from wsbook.attempt import Attempt
from wsbook.evidence import Evidence
from wsbook.probes.packets import probe_packets
from wsbook.rules.packets import judge_packets
from wsbook.target import parse_target

async def main():
    url = "{scheme}://10.213.2.2:8000/"
    seen = await probe_packets(Attempt(url=url), step="2.1", echoes={echoes}, patience_s=0.7)
    found = judge_packets(Evidence(parse_target(url), [seen]))
    print(json.dumps([to_builtins(seen.facts), [[one.cause, one.verdict, one.confidence, one.summary] for one in found]]))

asyncio.run(main())
"""


@pytest.fixture
def ways() -> Iterator[None]:
    with namespaces():
        yield


@contextmanager
def serving(*more: str) -> Iterator[None]:
    with subprocess.Popen(inside(SERVER, sys.executable, "-c", ECHO, *more), stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            server.kill()


@pytest.fixture
def echo(ways: None) -> Iterator[None]:
    with serving():
        yield


@pytest.fixture
def secure_echo(ways: None, tmp_path: Path) -> Iterator[None]:
    """Serve with a certificate of several packets."""
    names = [f"a-name-that-takes-some-room-{number}.shop.example" for number in range(60)]
    trustme.CA().issue_cert("10.213.2.2", *names).private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with serving(str(tmp_path / "server.pem")):
        yield


@pytest.mark.skipif(not find("iptables") or not find("ip6tables"), reason="needs iptables and ip6tables")
def test_a_packet_filter_is_told_from_a_closed_port(ways: None) -> None:
    rules = {
        81: "icmp-admin-prohibited",
        82: "icmp-port-unreachable",
        83: "icmp-host-unreachable",
        84: "tcp-reset",
    }
    for port, answer in rules.items():
        _filter("iptables", port, "REJECT", "--reject-with", answer)
    _filter("iptables", 85, "DROP")
    _filter("ip6tables", 81, "REJECT", "--reject-with", "icmp6-adm-prohibited")
    asked = [(SERVER_4, port) for port in (80, 81, 82, 83, 84, 85)] + [(SERVER_6, 80), (SERVER_6, 81), ("192.0.2.1", 80)]
    states = {(one["address"], one["port"]): (one["state"], one.get("by", "")) for one in look(PORTS.format(asked=asked))}
    assert states == {
        (SERVER_4, 80): ("refused", ""),
        (SERVER_4, 81): ("rejected", ROUTER_4),
        (SERVER_4, 82): ("rejected", ROUTER_4),
        (SERVER_4, 83): ("unreachable", ROUTER_4),
        (SERVER_4, 84): ("refused", ""),
        (SERVER_4, 85): ("filtered", ""),
        (SERVER_6, 80): ("refused", ""),
        (SERVER_6, 81): ("rejected", "fd00:213:1::1"),
        ("192.0.2.1", 80): ("unreachable", ROUTER_4),
    }


def _filter(program: str, port: int, target: str, *more: str) -> None:
    argv = [str(find(program)), "-w", "-A", "FORWARD", "-p", "tcp", "--dport", str(port), "-j", target, *more]
    subprocess.run(inside(ROUTER, *argv), check=True, capture_output=True)


def test_a_machine_without_a_route_says_so_itself(ways: None) -> None:
    ip(f"-n {CLIENT} route del default via {ROUTER_4}")
    facts = look(PORTS.format(asked=[(SERVER_4, 80)]))[0]
    assert (facts["state"], facts.get("by", ""), facts["how"]) == ("unreachable", "", "this machine has no route to it")


def _hole(network: str, device: str) -> None:
    """Lower the MTU of a router's way to a network and let none of its ICMP messages out."""
    ip(f"-n {ROUTER} rule add iif lo pref 10 blackhole")
    ip(f"-n {ROUTER} route replace {network} dev {device} mtu lock 1300")


def test_large_packets_that_vanish_on_the_way_there_are_never_acknowledged(echo: None) -> None:
    _hole("10.213.2.0/24", "r1")
    facts, found = look(PACKETS.format(scheme="ws", echoes=True))
    outcomes = {(trial["what"], trial["size_bytes"]): trial["outcome"] for trial in facts["trials"]}
    assert outcomes[("message", 1200)] == outcomes[("request", 1200)] == "answered"
    assert {outcomes[key] for key in outcomes if key[1] > 1260} == {"lost"}
    assert [(one[0], one[1], one[2]) for one in found] == [("net.mtu-blackhole", "fault", 0.95)] * 2
    assert "up to 1,200 B are answered, from 1,300 B on nothing comes" in found[0][3]
    assert "never acknowledged" in found[0][3]


def test_large_packets_that_vanish_on_the_way_back_are_silence(echo: None) -> None:
    _hole("10.213.1.0/24", "r0")
    facts, found = look(PACKETS.format(scheme="ws", echoes=True))
    messages = {trial["size_bytes"]: trial["outcome"] for trial in facts["trials"] if trial["what"] == "message"}
    assert messages[1200] == "answered"
    assert messages[1400] == "stalled"
    assert [(one[0], one[1], one[2]) for one in found] == [("net.mtu-blackhole", "fault", 0.92)]
    assert "of the answer came, an earlier one never did" in found[0][3]


def test_a_certificate_that_vanishes_on_the_way_back(secure_echo: None) -> None:
    _hole("10.213.1.0/24", "r0")
    facts, found = look(PACKETS.format(scheme="wss", echoes=False))
    assert {trial["what"] for trial in facts["trials"]} == {"TLS handshake"}
    assert [(one[0], one[1], one[2]) for one in found] == [("net.mtu-blackhole", "fault", 0.92)]
    assert "the TLS handshake stalls" in found[0][3]


def test_a_small_mtu_that_is_told_is_no_hole(echo: None) -> None:
    ip(f"-n {ROUTER} route replace 10.213.2.0/24 dev r1 mtu lock 1300")
    facts, found = look(PACKETS.format(scheme="ws", echoes=True))
    assert {trial["outcome"] for trial in facts["trials"]} == {"answered"}
    assert [one[1] for one in found] == ["clear"]
