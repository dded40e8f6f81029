"""The direct test's separate verdicts against a second opinion: a raw-socket reader written from RFC 9112, 6455 and 7692 alone.

The oracle below imports nothing of wsbook, reads with a plain blocking socket and parses in its own way. Both look at the same misbehaving
answers, and must agree on status, on each check, on what opens a WebSocket, on how it failed, and on the body.
"""

import asyncio
import base64
import gzip
import hashlib
import itertools
import os
import random
import re
import socket
import time
import zlib
from dataclasses import dataclass, field

import pytest
from misbehaving import ANSWERS, Answer, head, misbehaving, says

from wsbook.attempt import Attempt
from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation
from wsbook.probes.upgrade import probe_upgrade

BUDGET_S = 0.4
HEAD_BYTES = 65_536
BODY_CHARS = 4096
OFFER = "permessage-deflate; client_max_window_bits"


@dataclass
class Opinion:
    """What the oracle thinks. failed: how there was no answer, "" when there was one."""

    failed: str = ""
    status: int | None = None
    wrong: set[str] = field(default_factory=set)
    opens: bool = False
    body: str = ""


def listen(port: int, path: str, key: str) -> tuple[bytes, str]:
    """Send the opening handshake of RFC 6455 section 4.1 and return (what came, how it ended: eof, reset, timeout, enough)."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Extensions: {OFFER}", "", ""]
    end, got = time.monotonic() + BUDGET_S, b""
    with socket.create_connection(("127.0.0.1", port), timeout=BUDGET_S) as peer:
        peer.sendall("\r\n".join(lines).encode())
        while (left := end - time.monotonic()) > 0:
            peer.settimeout(left)
            try:
                part = peer.recv(32_768)
            except TimeoutError:
                break
            except ConnectionError:
                return got, "reset"
            if not part:
                return got, "eof"
            got += part
            if finished(got) or len(got) > 4 * HEAD_BYTES:
                return got, "enough"
    return got, "timeout"


def split_head(data: bytes) -> tuple[list[bytes], bytes] | None:
    """Return (lines of the final head, what follows), None while there is none; interim answers are passed over (RFC 9110 section 15.2)."""
    lines: list[bytes] = []
    seen = 0
    while (stop := data.find(b"\n", seen)) >= 0:
        line = data[seen:stop].rstrip(b"\r")
        seen = stop + 1
        if line:
            lines.append(line)
        elif re.match(rb"HTTP/\S+ (?:100|102|103)\b", lines[0] if lines else b""):
            lines = []
        else:
            return (lines, data[seen:]) if seen <= HEAD_BYTES else None
    return None


def finished(data: bytes) -> bool:
    """Tell whether nothing more needs to be read: an answer with its whole body, or no HTTP at all."""
    if not b"HTTP/".startswith(data[:5]):
        return len(data) >= 600
    found = split_head(data)
    if found is None or status_line(found[0]) is None:
        return found is not None
    (_, status), fields = status_line(found[0]) or ("", 0), fields_of(found[0])
    if status in (101, 204, 304):
        return True
    if "chunked" in fields.get("transfer-encoding", [""])[0]:
        return found[1].endswith(b"0\r\n\r\n")
    length = fields.get("content-length", ["x"])[0]
    return len(found[1]) >= (min(int(length), HEAD_BYTES) if length.isdigit() else HEAD_BYTES)


def status_line(lines: list[bytes]) -> tuple[str, int] | None:
    """Return (version, status) of RFC 9112 section 4, None when the line is none."""
    found = re.fullmatch(rb"HTTP/(\d\.\d) (\d\d\d)(?: .*)?", lines[0], re.DOTALL) if lines else None
    return (found[1].decode(), int(found[2])) if found else None


def fields_of(lines: list[bytes]) -> dict[str, list[str]]:
    """Return the values of each field, names in lower case; folded and nameless lines are no fields of their own."""
    fields: dict[str, list[str]] = {}
    for line in lines[1:]:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon and not line[:1].isspace():
            fields.setdefault(name.strip().lower(), []).append(value.strip())
    return fields


def deflate_is_wrong(values: list[str]) -> bool:
    """Tell whether what was agreed is not what OFFER allows (RFC 6455 section 9.1, RFC 7692 section 7.1)."""
    elements = [part.strip() for value in values for part in value.split(",")]
    for element in elements:
        name, *parameters = [part.strip() for part in element.split(";")]
        keys = [parameter.partition("=")[0].strip() for parameter in parameters]
        if name != "permessage-deflate" or len(keys) != len(set(keys)):
            return True
        for key, _, number in (parameter.partition("=") for parameter in parameters):
            bits = key.strip() in ("server_max_window_bits", "client_max_window_bits")
            if bits and not (number.strip().isdigit() and 8 <= int(number) <= 15):
                return True
            if not bits and (key.strip() not in ("server_no_context_takeover", "client_no_context_takeover") or number):
                return True
    return len(elements) > 1


def wrong_fields(fields: dict[str, list[str]], key: str) -> set[str]:
    """Return what of a 101 breaks RFC 6455 section 4.1 or RFC 9112 section 6."""
    digest = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    options = {token.strip().lower() for value in fields.get("connection", []) for token in value.split(",")}
    verdicts = {
        "upgrade": [value.lower() for value in fields.get("upgrade", [])] == ["websocket"],
        "connection": "upgrade" in options,
        "accept": fields.get("sec-websocket-accept") == [digest],
        "subprotocol": "sec-websocket-protocol" not in fields,
        "extensions": not deflate_is_wrong(fields.get("sec-websocket-extensions", [])),
        "transfer-encoding": "transfer-encoding" not in fields and not any(v.strip("0") for v in fields.get("content-length", [])),
    }
    return {name for name, good in verdicts.items() if not good}


def unpack(rest: bytes, fields: dict[str, list[str]]) -> str:
    """Return the body as text: chunks joined (RFC 9112 section 7.1), content codings opened (RFC 9110 section 8.4)."""
    length = fields.get("content-length", ["x"])[0]
    if "chunked" in fields.get("transfer-encoding", [""])[0]:
        rest, body = b"", [rest]
        while found := re.match(rb"([0-9a-f]+)(?:;[^\r]*)?\r\n", body[0], re.IGNORECASE):
            size = int(found[1], 16)
            rest += body[0][found.end() :][:size]
            body[0] = body[0][found.end() + size :].removeprefix(b"\r\n") if size else b""
    elif length.isdigit():
        rest = rest[: int(length)]
    coding = fields.get("content-encoding", [""])[0]
    try:
        rest = zlib.decompressobj(31 if coding == "gzip" else 15).decompress(rest, 16_384) if coding else rest
    except zlib.error:
        rest = b""
    return rest.decode("utf-8", "replace")[:BODY_CHARS]


def oracle(port: int, path: str) -> Opinion:
    """Return the second opinion on the answer at a path."""
    key = base64.b64encode(os.urandom(16)).decode()
    data, ended = listen(port, path, key)
    found = split_head(data) if data.startswith(b"HTTP/") else None
    line = status_line(data[: data.find(b"\n")].rstrip(b"\r").split(b"\n")) if b"\n" in data else None
    if found is None or (parsed := status_line(found[0])) is None:
        if data and not (data[:5] == b"HTTP/"[: len(data[:5])] and found is None):
            return Opinion(failed="malformed answer")
        names = {"eof": "connection closed", "reset": "connection reset", "timeout": "timeout", "enough": "answer larger than the limit"}
        failed = "answer larger than the limit" if len(data) > HEAD_BYTES else names[ended]
        return Opinion(failed=failed, status=line[1] if line and line[1] not in (100, 102, 103) else None)
    (version, status), fields = parsed, fields_of(found[0])
    wrong = wrong_fields(fields, key) if status == 101 else {"status"}
    wrong |= {"http-version"} if version != "1.1" else set()
    body = "" if status in (101, 204, 304) else unpack(found[1], fields)
    return Opinion(status=status, wrong=wrong, opens=not wrong, body=body)


def ours(seen: Observation) -> Opinion:
    facts = seen.facts
    assert isinstance(facts, UpgradeFacts)
    wrong = {check.name for check in facts.checks if not check.ok}
    failed = seen.failure.reason.value if seen.failure else ""
    return Opinion(failed=failed, status=facts.status, wrong=wrong, opens=facts.accepted, body=facts.body)


async def both(answer: Answer) -> tuple[Opinion, Opinion]:
    async with misbehaving(x=answer.behave) as server:
        attempt = Attempt(url=server.url("/x"), timeout_s=BUDGET_S, first_message_s=0.01, extensions=(OFFER,))
        seen, told = await asyncio.gather(probe_upgrade(attempt, step="1.3"), asyncio.to_thread(oracle, server.port, "/x"))
    return ours(seen), told


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.path)
async def test_the_probe_agrees_with_the_oracle(answer: Answer) -> None:
    probed, told = await both(answer)
    assert probed == told


STATUSES = (
    *(200, 201, 202, 203, 205, 206, 207, 300, 302, 303, 304, 305, 307, 308, 402, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413),
    *(414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 428, 429, 431, 444, 451, 499, 501, 504, 505, 507, 508, 511, 520, 521, 524, 599),
)
BODY = "réfusé <b>no</b>\n".encode()
FRAMINGS = (
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY),
    b"Transfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(gzip.compress(BODY, mtime=0)), gzip.compress(BODY, mtime=0)),
    b"Connection: close\r\n\r\n" + BODY,
)


async def test_they_agree_on_every_status_and_framing() -> None:
    for status, framing in zip(STATUSES, itertools.cycle(FRAMINGS)):
        answer = Answer("/x", says(b"HTTP/1.1 %d X\r\n" % status + framing))
        probed, told = await both(answer)
        assert probed == told, (status, framing)
        assert (probed.status, probed.wrong) == (status, {"status"})
        assert probed.body == ("" if status == 304 else BODY.decode())


PARTS = {
    "upgrade": (b"Upgrade: websocket", b"Upgrade: WebSocket", b"", b"Upgrade: h2c", b"Upgrade: websocket, h2c", b"upgrade:websocket"),
    "connection": (b"Connection: Upgrade", b"Connection: keep-alive,upgrade", b"", b"Connection: close", b"Connection: upgraded"),
    "accept": (b"Sec-WebSocket-Accept: ACCEPT", b"", b"Sec-WebSocket-Accept: AAAA", b"sec-websocket-accept:ACCEPT"),
    "extension": (
        b"",
        b"Sec-WebSocket-Extensions: permessage-deflate",
        b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=7",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12",
        b"Sec-WebSocket-Extensions: permessage-deflate; unknown=1",
        b"Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate",
    ),
    "protocol": (b"", b"Sec-WebSocket-Protocol: chat"),
    "body": (b"", b"Transfer-Encoding: chunked", b"Content-Length: 0", b"Content-Length: 12"),
}


async def test_they_agree_on_any_mixture_of_right_and_wrong_fields() -> None:
    dice = random.Random(6455)
    for _ in range(60):
        lines = [line for choices in PARTS.values() if (line := dice.choice(choices))]
        dice.shuffle(lines)
        version = dice.choice((b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"))
        data = head(version=version, drop=("upgrade", "connection", "accept"), more=tuple(lines))
        probed, told = await both(Answer("/x", says(data, then="keep")))
        assert probed == told, data


def test_the_table_is_large_and_the_oracle_stands_alone() -> None:
    assert len(ANSWERS) + len(STATUSES) >= 100
    names = set(oracle.__code__.co_names) | set(listen.__code__.co_names) | set(unpack.__code__.co_names)
    assert not [name for name in names if getattr(globals().get(name), "__module__", "").startswith("wsbook")]
