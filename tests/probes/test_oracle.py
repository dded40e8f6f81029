"""The separate verdicts of the direct test against an oracle: a blocking socket and the plainest reading of RFC 6455 section 4.1."""

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import socket
import time

import pytest
from misbehaving import ANSWERS, Misbehaving, misbehaving, says

from wsbook.attempt import Attempt
from wsbook.facts import UpgradeFacts
from wsbook.probes.upgrade import probe_upgrade

BUDGET_S = 0.4
Verdicts = tuple[int | None, frozenset[str]]

DEFLATE = {
    "server_no_context_takeover": "",
    "client_no_context_takeover": "",
    "server_max_window_bits": "8-15",
    "client_max_window_bits": "8-15",
}


def received(port: int, path: str, key: str) -> bytes:
    """Return what comes within the budget, up to the end of a head that is no interim one."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", "", ""]
    data, end = b"", time.monotonic() + BUDGET_S
    with socket.create_connection(("127.0.0.1", port)) as peer, contextlib.suppress(OSError):
        peer.sendall("\r\n".join(lines).encode())
        while len(data) < 65_536 and time.monotonic() < end and final_head(data) is None:
            peer.settimeout(max(0.01, end - time.monotonic()))
            more = peer.recv(4_096)
            if not more:
                break
            data += more
    return data


def final_head(data: bytes) -> bytes | None:
    """Return the first complete head that is not 100 or 103; None when there is none yet."""
    while match := re.search(rb"\r?\n\r?\n", data):
        head, data = data[: match.start()], data[match.end() :]
        if not head.startswith((b"HTTP/1.1 100", b"HTTP/1.1 103")):
            return head
    return None


def fields(head: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in head.decode("latin-1").splitlines()[1:]:
        name, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "\t")):
            found.setdefault(name.strip().lower(), []).append(value.strip())
    return found


def extensions_are_good(values: list[str]) -> bool:
    for value in values:
        name, *parameters = [part.strip() for part in value.split(";")]
        pairs = dict((*parameter.split("="), "")[:2] for parameter in parameters)
        if name != "permessage-deflate" or not set(pairs) <= set(DEFLATE):
            return False
        if any(DEFLATE[key] and not (bits.isdigit() and 8 <= int(bits) <= 15) for key, bits in pairs.items()):
            return False
    return True


def oracle(port: int, path: str) -> Verdicts:
    """Return (status, names of what is wrong)."""
    key = base64.b64encode(os.urandom(16)).decode()
    head = final_head(received(port, path, key))
    status_line = re.match(rb"HTTP/(\d\.\d) (\d{3})(?: |$)", (head or b"").split(b"\n")[0].rstrip(b"\r"))
    if head is None or status_line is None or len(head) > 65_536:
        return None, frozenset()
    status, version, named = int(status_line[2]), status_line[1], fields(head)
    wrong = {"http-version"} if version != b"1.1" else set()
    if status != 101:
        return status, frozenset(wrong | {"status"})
    accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    tokens = [token.strip().lower() for value in named.get("connection", []) for token in value.split(",")]
    checks = {
        "upgrade": [value.lower() for value in named.get("upgrade", [])] == ["websocket"],
        "connection": "upgrade" in tokens,
        "accept": named.get("sec-websocket-accept") == [accept],
        "subprotocol": "sec-websocket-protocol" not in named,
        "extensions": extensions_are_good(named.get("sec-websocket-extensions", [])),
        "transfer-encoding": "transfer-encoding" not in named and named.get("content-length", ["0"]) == ["0"],
    }
    return status, frozenset(wrong | {name for name, good in checks.items() if not good})


async def verdicts(server: Misbehaving, path: str) -> Verdicts:
    attempt = Attempt(url=server.url(path), timeout_s=BUDGET_S, first_message_s=0.01)
    facts = (await probe_upgrade(attempt, step="1.3")).facts
    assert isinstance(facts, UpgradeFacts)
    complete = bool(facts.checks)
    return (facts.status, frozenset(check.name for check in facts.checks if not check.ok)) if complete else (None, frozenset())


async def test_every_answer_is_judged_as_by_the_oracle() -> None:
    paths = [answer.path for answer in ANSWERS]
    assert len(paths) >= 40
    gate = asyncio.Semaphore(8)

    async def both(server: Misbehaving, path: str) -> tuple[Verdicts, Verdicts]:
        async with gate:
            return await verdicts(server, path), await asyncio.to_thread(oracle, server.port, path)

    async with misbehaving() as server:
        pairs = dict(zip(paths, await asyncio.gather(*(both(server, path) for path in paths)), strict=True))
    assert {path: pair for path, pair in pairs.items() if pair[0] != pair[1]} == {}
    assert len({pair[0] for pair in pairs.values()}) > 20


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_the_body_of_every_status(version: bytes) -> None:
    statuses = [*range(200, 204), *range(205, 209), *range(300, 304), *range(305, 309), *range(400, 432), 451, *range(500, 512), 520, 599]
    behave = {str(n): says(b"HTTP/%s %d Some Words\r\nX-Number: %d\r\n\r\nbody of %d" % (version, n, n, n)) for n in statuses}
    async with misbehaving(**behave) as server:
        attempts = [Attempt(url=server.url(f"/{n}"), timeout_s=1.0) for n in statuses]
        seen = [await probe_upgrade(attempt, step="1.3") for attempt in attempts]
    told = [(one.facts.status, one.facts.body, one.facts.header("x-number")) for one in seen]  # type: ignore[union-attr]
    assert told == [(n, f"body of {n}", str(n)) for n in statuses]
