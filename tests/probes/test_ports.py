"""What a port says before anything is said to it, and whose ICMP message ended a connect."""

import asyncio
import ipaddress
import socket
import struct

import pytest
from misbehaving import Peer, serving

from wsbook.facts import THIS_MACHINE, PortFacts
from wsbook.probes import ports
from wsbook.probes.ports import is_own_address, probe_port


class Queue:
    """A socket whose error queue holds one message."""

    def __init__(self, family: int, origin: int, kind: int, code: int, sender: str) -> None:
        extended = struct.pack("@IBBBBII", 113, origin, kind, code, 0, 0, 0)
        packed = ipaddress.ip_address(sender).packed
        name = (
            struct.pack("@HHI", family, 0, 0) + packed + b"\0" * 4 if ":" in sender else struct.pack("@HH", family, 0) + packed + b"\0" * 8
        )
        level = socket.IPPROTO_IPV6 if ":" in sender else socket.IPPROTO_IP
        self.ancillary = [(level, 11, extended + name)]

    def recvmsg(self, *_: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, None]:
        return b"", self.ancillary, 0, None


MESSAGES = [
    ("port unreachable", 2, 3, 3, "10.0.0.1", "rejected"),
    ("net prohibited", 2, 3, 9, "10.0.0.1", "rejected"),
    ("host prohibited", 2, 3, 10, "10.0.0.1", "rejected"),
    ("administratively prohibited", 2, 3, 13, "10.0.0.1", "rejected"),
    ("host unreachable", 2, 3, 1, "10.0.0.1", "unreachable"),
    ("net unreachable", 2, 3, 0, "10.0.0.1", "unreachable"),
    ("IPv6 no route", 3, 1, 0, "fd00::1", "unreachable"),
    ("IPv6 prohibited", 3, 1, 1, "fd00::1", "rejected"),
    ("IPv6 address unreachable", 3, 1, 3, "fd00::1", "unreachable"),
    ("IPv6 port unreachable", 3, 1, 4, "fd00::1", "rejected"),
    ("IPv6 source policy", 3, 1, 5, "fd00::1", "rejected"),
]


@pytest.mark.parametrize(("origin", "kind", "code", "sender", "state"), [row[1:] for row in MESSAGES], ids=[row[0] for row in MESSAGES])
def test_icmp_messages(monkeypatch: pytest.MonkeyPatch, origin: int, kind: int, code: int, sender: str, state: str) -> None:
    monkeypatch.setattr(ports, "_LINUX", True)
    family = socket.AF_INET6 if ":" in sender else socket.AF_INET
    tried = ports._failed(Queue(family, origin, kind, code, sender), OSError(113, "made up"), 1.0)  # type: ignore[arg-type]
    assert (tried.state, tried.by) == (state, sender)
    assert tried.how == f"ICMP type {kind} code {code} from {sender}"


@pytest.mark.parametrize(("code", "state", "by"), [(1, "unreachable", THIS_MACHINE), (3, "rejected", "127.0.0.1")])
def test_our_own_kernels_messages(monkeypatch: pytest.MonkeyPatch, code: int, state: str, by: str) -> None:
    monkeypatch.setattr(ports, "_LINUX", True)
    tried = ports._failed(Queue(socket.AF_INET, 2, 3, code, "127.0.0.1"), OSError(113, "made up"), 1.0)  # type: ignore[arg-type]
    assert (tried.state, tried.by) == (state, by)


def test_a_local_message_is_not_icmp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_LINUX", True)
    queue = Queue(socket.AF_INET, 1, 0, 0, "10.0.0.1")  # SO_EE_ORIGIN_LOCAL
    assert ports._failed(queue, OSError(101, "no route"), 1.0).how == "this machine has no route to it"  # type: ignore[arg-type]


@pytest.mark.parametrize(("error", "how"), [(13, "own rules"), (1, "own rules"), (101, "no route"), (99, "no route")])
def test_what_this_machine_itself_refuses(monkeypatch: pytest.MonkeyPatch, error: int, how: str) -> None:
    monkeypatch.setattr(ports, "_LINUX", False)
    with socket.socket() as sock:
        tried = ports._failed(sock, OSError(error, "made up"), 1.0)
    assert (tried.state, tried.by) == ("unreachable", "")
    assert how in tried.how


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    Peer(reader, writer).reset()


async def _speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-x\r\n")
    await reader.read()


async def _wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize(
    ("behave", "listen_s", "afterwards"),
    [(_hang_up, 1.0, "closed"), (_reset, 1.0, "reset"), (_speak, 1.0, "spoke: 'SSH-2.0-x\\r\\n'"), (_wait, 0.05, ""), (_hang_up, 0.0, "")],
)
async def test_what_follows_an_open(behave: object, listen_s: float, afterwards: str) -> None:
    async with serving(behave) as port:  # type: ignore[arg-type]
        seen = await probe_port("h", "127.0.0.1", port, step="2.1", timeout_s=1.0, listen_s=listen_s)
    assert isinstance(seen.facts, PortFacts)
    assert (seen.facts.state, seen.facts.afterwards) == ("open", afterwards)


@pytest.mark.parametrize(("address", "own"), [("127.0.0.1", True), ("203.0.113.9", False), ("not an address", False)])
def test_own_addresses(address: str, own: bool) -> None:
    assert is_own_address(address) is own
