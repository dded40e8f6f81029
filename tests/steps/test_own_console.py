"""What the console dials, says and exports: no secret in a file, and what our own HAR parser reads back is what was seen."""

import asyncio
import json
from typing import Any

import pytest
from misbehaving import close_frame, echoes, frame, head, misbehaving
from msgspec.structs import replace

from wsbook.errors import UsageError
from wsbook.facts import SessionFacts, UpgradeFacts
from wsbook.parameters import redactor_of
from wsbook.parsers.recordings.har import parse_har
from wsbook.probes.console_session import ConsoleSession
from wsbook.probes.frame_ring import FrameRing
from wsbook.redact import Redactor
from wsbook.steps.own_console import Dialled, attempt_of, console_har, end_words, places, refusal_words
from wsbook.target import Hop, Target

URL = "ws://127.0.0.1:1/ws"
TARGET = Target(url=URL, headers=(("Authorization", "Bearer ${env:CONSOLE_TOKEN}"),), hops=(Hop(name="app", url="ws://127.0.0.1:2/ws"),))


def accepted(*frames: bytes) -> Any:
    async def behave(peer: Any) -> None:
        await peer.send(head().replace(b"ACCEPT", peer.accept) + b"".join(frames))
        await echoes(peer)

    return behave


async def until(session: ConsoleSession, received: int) -> None:
    async with asyncio.timeout(2):
        while session.ring.received < received:
            session.changed.clear()
            await session.changed.wait()


def read(har: bytes) -> tuple[UpgradeFacts, SessionFacts | None]:
    facts = [seen.facts for seen in parse_har(har, artifact="console.har")]
    upgrade = next(one for one in facts if isinstance(one, UpgradeFacts))
    return upgrade, next((one for one in facts if isinstance(one, SessionFacts)), None)


# What is dialled.


def test_the_target_is_the_first_place_and_every_hop_another() -> None:
    assert places(TARGET) == [("endpoint", URL), ("app", "ws://127.0.0.1:2/ws")]
    assert places(Target(url="")) == []


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        (Dialled(url=URL), {"url": URL, "hop": "endpoint", "headers": TARGET.headers, "origin": None}),
        (
            Dialled(url=f" {URL} ", origin="https://a.example", own_headers=False),
            {"url": URL, "headers": (), "origin": "https://a.example"},
        ),
        (Dialled(url="ws://127.0.0.1:2/ws"), {"hop": "app", "via": None}),
        (Dialled(url=URL, subprotocols="v12.stomp; mqtt,x"), {"subprotocols": ("v12.stomp", "mqtt", "x")}),
        (Dialled(url=URL, compression=False), {"extensions": ()}),
    ],
)
def test_what_is_wanted_is_dialled(wanted: Dialled, fields: dict[str, Any]) -> None:
    attempt = attempt_of(TARGET, wanted)
    assert {name: getattr(attempt, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Dialled(url=""), "no endpoint"),
        (Dialled(url="http://a.example/"), "scheme"),
        (Dialled(url=URL, subprotocols="a b"), "is not a token"),
        (Dialled(url=URL, origin="x\r\nCookie: y"), "control character"),
    ],
)
def test_what_cannot_be_dialled_is_said(wanted: Dialled, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        attempt_of(TARGET, wanted)


def test_a_secret_typed_into_the_url_becomes_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSBOOK_SECRET_1", raising=False)
    attempt = attempt_of(TARGET, Dialled(url=f"{URL}?token=s3cr3t-of-mine"))
    assert "s3cr3t-of-mine" not in repr(attempt)
    assert "${env:WSBOOK_SECRET_" in attempt.url


# What is said.


@pytest.mark.parametrize(
    ("life", "words"),
    [
        (
            {"ended": "close", "closed_by": "peer", "close_code": 1000, "age_s": 5.2},
            "closed by the server with 1000 (normal closure) after 5.2 s",
        ),
        (
            {"ended": "close", "closed_by": "us", "close_code": 4001, "close_reason": "enough", "age_s": 0.5},
            "closed by us with 4001 after 500 ms: enough",
        ),
        (
            {"ended": "close", "closed_by": "peer", "close_code": 1005, "age_s": 2.0},
            "closed by the server without a code (1005) after 2.0 s",
        ),
        (
            {"ended": "fin", "closed_by": "peer", "age_s": 60.1},
            "the connection ended without a close frame by the server after 60.1 s; a browser reports 1006",
        ),
        (
            {"ended": "rst", "closed_by": "peer", "age_s": 1.0, "error_text": "reset"},
            "the connection was reset by the server after 1.0 s: reset; a browser reports 1006",
        ),
    ],
)
def test_the_end_in_words(life: dict[str, Any], words: str) -> None:
    assert end_words(SessionFacts(url=URL, **life)) == words


async def test_a_refusal_in_words() -> None:
    async with misbehaving() as server:
        session = ConsoleSession(attempt_of(TARGET, Dialled(url=server.url("/400"), own_headers=False)))
        words = refusal_words(await session.open())
    assert words.startswith("400 refused") and words.endswith(': Can "Upgrade" only to "WebSocket".')


# What is exported.


async def test_what_is_exported_reads_back_as_it_was() -> None:
    async with misbehaving(talks=accepted(frame(1, b'{"seq":1}'), frame(2, b"\x00\x01"), frame(9, b"p"))) as server:
        session = ConsoleSession(attempt_of(Target(url=""), Dialled(url=server.url("/talks"), compression=False)))
        await session.open()
        await until(session, 3)
        await session.send("h€llo")
        await until(session, 5)
        await session.close(4001, "enough")
    har = console_har(session, Redactor())
    upgrade, life = read(har)
    assert session.upgrade is not None and life is not None
    assert (upgrade.url, upgrade.status, upgrade.accepted, upgrade.peer) == (server.url("/talks"), 101, True, "127.0.0.1")
    assert upgrade.headers == session.upgrade.headers
    told = [(one.direction, one.opcode, one.size_bytes, one.text) for one in life.frames]
    assert ("received", 1, 9, '{"seq":1}') in told and ("sent", 1, 7, "h€llo") in told and ("received", 2, 2, "AAE=") in told
    assert [one.opcode for one in life.frames] == [row.opcode for row in session.ring.kept]
    assert (life.ended, life.close_code, life.close_reason) == ("close", 4001, "enough")
    ours = session.facts()
    assert ours is not None and life.age_s == pytest.approx((ours.age_s or 0) + session.seen.duration_s, abs=0.02)  # type: ignore[union-attr]
    log = json.loads(har)["log"]
    (entry,) = log["entries"]
    assert log["version"] == "1.2" and "comment" not in log
    assert entry["_resourceType"] == "websocket" and entry["_webSocketMessages"][0]["time"] < 1e11
    assert set(entry["timings"]) == {"blocked", "dns", "connect", "ssl", "send", "wait", "receive"}


@pytest.mark.parametrize(
    ("last", "ended", "code"),
    [(close_frame(1011, b"boom"), "close", 1011), (b"", "open", None)],
)
async def test_the_end_reads_back(last: bytes, ended: str, code: int | None) -> None:
    async with misbehaving(goes=accepted(frame(1, b"hi"), last)) as server:
        session = ConsoleSession(attempt_of(Target(url=""), Dialled(url=server.url("/goes"))))
        await session.open()
        await until(session, 2 if last else 1)
        _, life = read(console_har(session, Redactor()))
        session.abort()
    assert life is not None and (life.ended, life.close_code) == (ended, code)


async def test_a_refusal_reads_back() -> None:
    async with misbehaving() as server:
        session = ConsoleSession(attempt_of(Target(url=""), Dialled(url=server.url("/400"))))
        await session.open()
    upgrade, life = read(console_har(session, Redactor()))
    assert (upgrade.status, upgrade.accepted, life) == (400, False, None)
    assert upgrade.body == 'Can "Upgrade" only to "WebSocket".'


async def test_fragments_are_one_message_and_what_was_lost_is_said() -> None:
    parts = frame(1, "5 €".encode()[:3], fin=False), frame(9), frame(0, "€".encode()[1:] + b"!")
    async with misbehaving(parts=accepted(*parts)) as server:
        session = ConsoleSession(attempt_of(Target(url=""), Dialled(url=server.url("/parts"), compression=False)))
        await session.open()
        await until(session, 3)
        session.abort()
    messages = json.loads(console_har(session, Redactor()))["log"]["entries"][0]["_webSocketMessages"]
    assert [(one["opcode"], one["data"], one["_sizeBytes"]) for one in messages if one["opcode"] < 8] == [(1, "5 €!", 6)]
    ring = FrameRing(rows=1)
    for row in session.ring.kept:
        ring.total, ring.dropped = row.n, row.n - 1
    ring._rows.append(replace(session.ring.kept[0], cut=True, fin=True))
    session.ring = ring
    comment = json.loads(console_har(session, Redactor()))["log"]["comment"]
    assert comment == f"the first {ring.dropped} frames were no longer kept; of 1 message only the beginning was kept"


async def test_no_secret_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "s3cr3t-value-4711"
    monkeypatch.setenv("CONSOLE_TOKEN", secret)
    async with misbehaving(talks=accepted(frame(1, f"you said {secret}".encode()), frame(2, b"xx" + secret.encode()))) as server:
        target = replace(TARGET, url=server.url("/talks"))
        session = ConsoleSession(attempt_of(target, Dialled(url=target.url, compression=False)))
        await session.open()
        await until(session, 2)
        await session.send(secret)
        await session.close()
        assert any(secret.encode() in request for request in server.requests)
    har = console_har(session, redactor_of(target))
    assert secret.encode() not in har
    log = json.loads(har)["log"]["entries"][0]
    assert [one["data"] for one in log["_webSocketMessages"][:2]] == ["you said ***", "eHgqKio="]
    assert {"name": "Authorization", "value": "Bearer ${env:CONSOLE_TOKEN}"} in log["request"]["headers"]


def test_nothing_is_exported_before_anything_was_dialled() -> None:
    with pytest.raises(UsageError, match="connect first"):
        console_har(ConsoleSession(attempt_of(TARGET, Dialled(url=URL))), Redactor())
