"""The machines on the way, seen by clients that are not ours, and what the investigation says of them."""

import asyncio
import http.client
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path

import pytest
from lab.lab_client import answer_of, lifetime, open_socket

from wsbook.case import Case
from wsbook.lab import Lab, start_lab
from wsbook.programs import has_ipv6_loopback
from wsbook.target import Budget

RELAY = Path(__file__).parents[2] / "wsbook" / "lab" / "relay.py"


async def test_large_pieces_of_clients_vanish_and_those_of_the_server_arrive() -> None:
    with start_lab("net.mtu-blackhole") as lab:
        async with open_socket(lab, compression=None) as small, open_socket(lab, compression=None, close_timeout=0.2) as large:
            await small.send("x" * 1000)
            assert await asyncio.wait_for(small.recv(), 1) == "x" * 1000
            await large.send("x" * 3000)
            await large.send("y")
            assert await lifetime(large, 0.3) is None
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(large.recv(), 0.2)
        status = await asyncio.to_thread(_get, lab.page_url)
        assert status == 200


def _get(url: str) -> int:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=2)
    try:
        connection.request("GET", "/app.js")
        answer = connection.getresponse()
        assert len(answer.read()) > 1400
        return answer.status
    finally:
        connection.close()


async def test_the_firewalls_certificate_is_shown() -> None:
    with start_lab("net.tls-interception") as lab:
        with pytest.raises(ssl.SSLError, match="unable to get local issuer"):
            await answer_of(lab)
        host, port = lab.url.split("/")[2].split(":")
        shown = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))
        assert "BEGIN CERTIFICATE" in shown
        assert (await answer_of(lab, lab.hops["app"]))[0] == 101


async def test_the_forward_proxy_refuses_the_port() -> None:
    with start_lab("net.corporate-proxy-blocks") as lab:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(lab.forward_proxy.rpartition(":")[2]))
        writer.write(f"CONNECT {lab.url.split('/')[2]} HTTP/1.1\r\n\r\n".encode())
        assert b"403 Forbidden" in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        assert (await answer_of(lab))[0] == 101


def test_nobody_answers_at_a_full_queue() -> None:
    with start_lab("net.firewall-filtered") as lab, socket.socket() as client:
        client.settimeout(0.3)
        host, port = lab.url.split("/")[2].split(":")
        with pytest.raises(TimeoutError):
            client.connect((host, int(port)))


def test_a_relay_says_how_it_is_called() -> None:
    done = subprocess.run([sys.executable, str(RELAY), "guess"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "swallow" in done.stderr


async def investigated(slug: str, *steps: str, idle_s: float = 3.4) -> list[str]:
    """Return the root causes that these steps of an investigation name."""
    lab: Lab = await asyncio.to_thread(start_lab, slug)
    with Case(lab.target(), Budget(name="quick", total_s=45.0, attempt_s=2.0, idle_s=idle_s), lab=lab) as case:
        for step in steps:
            await case.run(step)
        return [found.cause for found in case.judge().findings if found.root and found.verdict == "fault"]


async def test_networks_are_named_by_their_own_step() -> None:
    """Each alone, without the steps before it."""
    wanted = ["net.dns-wrong", "net.firewall-filtered", "net.corporate-proxy-blocks", "net.mtu-blackhole", "net.not-listening-outside"]
    wanted += ["net.tls-interception"]
    wanted += ["net.ipv6"] if has_ipv6_loopback() else []
    named: list[Awaitable[list[str]]] = [investigated(slug, "2.1") for slug in wanted]
    forgetful = investigated("proxy.idle-timeout-silent", "3.4")
    found = await asyncio.gather(*named, forgetful)
    assert [causes[:1] for causes in found] == [[slug] for slug in (*wanted, "proxy.idle-timeout-silent")]


async def test_a_healthy_network_has_no_fault() -> None:
    assert await investigated("", "2.1") == []
