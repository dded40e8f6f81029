"""The repetition of a browser's handshake: what goes over the wire, what is changed, and what is kept of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from wsbook import attempt as labels
from wsbook.attempt import Attempt
from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation, Outcome
from wsbook.probes.explain_1006 import Told, exact_attempt, exact_variants, explain
from wsbook.wire.handshake import accept_for

TEMPLATE = Attempt(url="ws://127.0.0.1:1/", timeout_s=2.0, headers=(("X-Mine", "1"),), origin="http://never.test", changed=("something",))
SENT = (
    ("host", "shop.test:81"),
    ("Pragma", "no-cache"),
    ("User-Agent", "Browser/1"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Origin", "http://shop.test"),
    ("Sec-WebSocket-Version", "13"),
    ("Cookie", "session=5f3a9c02d1"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", "a, b"),
    ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
)


@asynccontextmanager
async def server(answer: Callable[[bytes], bytes]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Yield (URL, requests): a peer that answers a request with the given bytes and closes."""
    requests: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer(requests[-1]))
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        yield f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/live?a=1", requests


def refuse(request: bytes) -> bytes:
    """Refuse and echo a secret, as careless servers do."""
    return b"HTTP/1.1 403 No\r\nContent-Length: 23\r\n\r\nwho is 5f3a9c02d1 here?"


def accept(request: bytes) -> bytes:
    key = next(line.partition(b": ")[2] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    head = "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Accept: "
    return f"{head}{accept_for(key.decode())}\r\n\r\n".encode()


def flips(found: list[Observation]) -> dict[str, int | None]:
    return {"; ".join(seen.source.changed): seen.facts.status for seen in found if isinstance(seen.facts, UpgradeFacts)}


async def test_the_same_bytes_but_for_the_key() -> None:
    async with server(refuse) as (url, requests):
        found = await explain([Told(url=url, headers=SENT), Told(url=url, headers=SENT)], TEMPLATE, step="1.2")
    first = requests[0].decode().split("\r\n")
    assert first[0] == "GET /live?a=1 HTTP/1.1"
    sent = [tuple(line.split(": ", 1)) for line in first[1:-2]]
    assert [(n, v) for n, v in sent if n != "Sec-WebSocket-Key"] == [(n, v) for n, v in SENT if n != "Sec-WebSocket-Key"]
    assert [n for n, _ in sent] == [n for n, _ in SENT] and dict(sent)["Sec-WebSocket-Key"] != dict(SENT)["Sec-WebSocket-Key"]
    assert len(requests) == len(found) == 1 + 9  # one of the two equal handshakes, and what can be changed in it
    assert {(seen.source.probe, seen.source.hop, seen.source.step) for seen in found} == {("repeated", "browser", "1.2")}
    assert found[0].source.changed == ()
    text = msgspec.json.encode(found).decode()
    assert "5f3a9c02d1" not in text and "session=***" in text and "who is *** here" in text


async def test_one_change_cures() -> None:
    def picky(request: bytes) -> bytes:
        return refuse(request) if b"Browser/1" in request else b"HTTP/1.1 404 Other\r\nContent-Length: 0\r\n\r\n"

    async with server(picky) as (url, _):
        found = await explain([Told(url=url, headers=SENT)], TEMPLATE, step="1.2")
    assert {change for change, status in flips(found).items() if status != 403} == {labels.OUR_USER_AGENT}


async def test_what_cures_is_checked_against_chance() -> None:
    asked: list[bytes] = []

    def every_second(request: bytes) -> bytes:
        asked.append(request)
        return accept(request) if len(asked) % 2 == 0 else refuse(request)

    async with server(every_second) as (url, _):
        found = await explain([Told(url=url, headers=SENT)], TEMPLATE, step="1.2")
    again = [seen.facts for seen in found if seen.source.changed == (labels.THE_SAME_AGAIN,)]
    assert len(again) == 2 and any(isinstance(facts, UpgradeFacts) and facts.accepted for facts in again)


async def test_a_peer_that_does_not_answer_is_asked_once() -> None:
    async with server(lambda _: b"") as (url, requests):
        (seen,) = await explain([Told(url=url, headers=SENT)], TEMPLATE, step="1.2")
    assert seen.outcome is Outcome.FAILED and len(requests) == 1


async def test_what_is_not_known_is_not_repeated() -> None:
    (seen,) = await explain([Told(url="wss://shop.test/x", headers=())], TEMPLATE, step="1.2")
    assert seen.outcome is Outcome.NOT_RUN and "cannot be repeated" in seen.failure.message


def test_a_credential_that_the_recording_hides_is_left_out_and_named() -> None:
    hidden = (*(header for header in SENT if header[0] != "Cookie"), ("Cookie", "session=***"), ("Authorization", "Basic ***"))
    attempt = exact_attempt(Told(url="ws://shop.test/x", headers=hidden, hop="recording"), TEMPLATE)
    assert attempt.changed == ("without cookie and authorization, hidden in the recording",)
    assert not {"cookie", "authorization"} & {name.lower() for name, _ in attempt.exact or ()}
    assert exact_attempt(Told(url="ws://shop.test/x", headers=SENT), TEMPLATE).changed == ()


def test_what_a_recording_lacks_is_added_and_named() -> None:
    recorded = ((":authority", "shop.test"), (":protocol", "websocket"), ("Origin", "http://shop.test"), ("Sec-WebSocket-Version", "13"))
    attempt = exact_attempt(Told(url="wss://shop.test:8443/x", headers=recorded, hop="recording"), TEMPLATE)
    assert attempt.changed == ("with Host and Upgrade and Connection and Sec-WebSocket-Key, not in the recording",)
    sent = dict(attempt.exact or ())
    assert sent["Host"] == "shop.test:8443" and sent["Upgrade"] == "websocket" and not any(name.startswith(":") for name in sent)


@pytest.mark.parametrize(
    ("label", "lost", "now"),
    [
        (labels.NO_ORIGIN, "Origin", None),
        (labels.OWN_ORIGIN, "Origin", "http://api.test"),
        (labels.NO_COOKIES, "Cookie", None),
        (labels.NO_EXTENSIONS, "Sec-WebSocket-Extensions", None),
        (labels.NO_SUBPROTOCOL, "Sec-WebSocket-Protocol", None),
        (labels.FEWEST_HEADERS, "Pragma", None),
        (labels.CONNECTION_LIST, "Connection", "keep-alive, Upgrade"),
        (labels.HOST_WITHOUT_PORT, "host", "shop.test"),
        (labels.WITH_HELD_BACK, "Cookie", "session=5f3a9c02d1; kept=1"),
    ],
)
def test_each_variant_changes_one_header(label: str, lost: str, now: str | None) -> None:
    attempt = exact_attempt(Told(url="ws://api.test/x", headers=SENT), TEMPLATE)
    (variant,) = [one for one in exact_variants(attempt, "kept=1") if one.changed == (label,)]
    before, after = dict(SENT), dict(variant.exact or ())
    assert after.pop(lost, None) == now
    before.pop(lost)
    assert after == before and [name for name in dict(variant.exact or ()) if name != lost] == list(before)


def test_what_was_not_sent_is_not_taken_away() -> None:
    bare = (("Host", "a"), ("Connection", "keep-alive, Upgrade"), ("User-Agent", "B"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "k"))
    attempt = exact_attempt(Told(url="ws://a/x", headers=bare), TEMPLATE)
    assert {one.changed[-1] for one in exact_variants(attempt)} == {labels.OUR_USER_AGENT, labels.ONLY_UPGRADE}
