"""The console without a browser: what it is asked for, what it tells, and that its state holds nothing of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from misbehaving import echoes, frame, head, misbehaving

from wsbook.case import Case
from wsbook.parameters import target_from
from wsbook.probes.console_session import ConsoleSession
from wsbook.probes.frame_ring import FrameRing
from wsbook.record import Record
from wsbook.redact import Redactor
from wsbook.target import Budget
from wsbook.views import console as console_module
from wsbook.views import console_stream
from wsbook.views.console import Console
from wsbook.views.console_stream import FrameStream
from wsbook.views.workbook import open_workbook

TOKEN = "s3cr3t-value-4711"


def accepted(*frames: bytes) -> Any:
    async def behave(peer: Any) -> None:
        await peer.send(head().replace(b"ACCEPT", peer.accept) + b"".join(frames))
        await echoes(peer)

    return behave


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


class Browser:
    """What a browser does with a console: asks, hears, and confirms rows; confirms: whether it does."""

    def __init__(self, console: Console, *, confirms: bool = True) -> None:
        self.console, self.confirms = console, confirms
        self.told: list[dict[str, Any]] = []
        self.rows: list[list[Any]] = []
        self.heard = asyncio.Event()
        console._widget.send = self._hear

    def _hear(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        json.dumps(content)
        self.told.append(content)
        if content["kind"] == "begin":
            self.rows.clear()
        if content["kind"] == "rows":
            assert buffers is not None
            self.rows += json.loads(buffers[0])
            if self.confirms:
                self.ask("ack", n=self.rows[-1][0], connection=content["connection"])
        self.heard.set()

    def ask(self, kind: str, **fields: Any) -> None:
        self.console._asked(None, {"kind": kind, **fields}, [])

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return the next message of this kind with these values, and forget those before."""
        async with asyncio.timeout(5):
            while True:
                for index, one in enumerate(self.told):
                    if one["kind"] == kind and all(one.get(name) == value for name, value in fields.items()):
                        del self.told[: index + 1]
                        return one
                self.heard.clear()
                await self.heard.wait()

    async def until_rows(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.rows) < count:
                self.heard.clear()
                await self.heard.wait()


def console_on(url: str, record: Record | None = None, **parameters: Any) -> Browser:
    target = target_from({"url": url, **parameters})
    case = Case(target, Budget.named("quick"), record)
    return Browser(Console(lambda: case))


async def test_it_tells_what_the_case_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSOLE_TOKEN", TOKEN)
    browser = console_on("ws://127.0.0.1:9/cable", headers="Authorization: Bearer ${env:CONSOLE_TOKEN}", hops="app=ws://127.0.0.1:8/cable")
    browser.ask("hello")
    told = await browser.until("hello")
    assert told["places"] == [("endpoint", "ws://127.0.0.1:9/cable"), ("app", "ws://127.0.0.1:8/cable")]
    assert (told["origin"], told["headers"], told["heartbeats"]) == ("http://127.0.0.1:9", ["Authorization"], True)
    assert {one["dialect"] for one in told["templates"]} >= {"plain", "STOMP"}
    assert (await browser.until("state"))["state"] == "new"
    assert TOKEN not in json.dumps(told)


async def test_a_conversation_and_its_state_holds_none_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONSOLE_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    async with misbehaving(talks=accepted(frame(1, f"hello {TOKEN}".encode()))) as server:
        browser = console_on(server.url("/talks"), headers="Authorization: Bearer ${env:CONSOLE_TOKEN}")
        browser.ask("open", url=server.url("/talks"), compression=False)
        assert (await browser.until("state", state="connecting"))["words"].startswith("connecting to ws://127.0.0.1")
        told = await browser.until("state", state="open")
        assert [name for name, _, good in told["stages"] if good] == ["tcp", "upgrade"]
        await browser.until_rows(1)
        browser.ask("send", content='{"a":1}', form="json")
        assert (await browser.until("said", of="send")) == {"kind": "said", "of": "send", "good": True, "words": "sent text, 7 B"}
        await browser.until_rows(3)
        browser.ask("ping")
        assert (await browser.until("said", of="ping"))["words"].startswith("pong after")
        browser.ask("close", code=4000, reason="done")
        told = await browser.until("state", state="ended")
        assert told["words"].startswith("closed by us with 4000 after")
        browser.ask("export")
        told = await browser.until("file")
        assert any(f"Bearer {TOKEN}".encode() in request for request in server.requests)
    (written,) = files_in(tmp_path)
    assert (told["name"], told["path"]) == (written.name, written.name)
    assert TOKEN not in written.read_text()
    assert [(row[2], row[3]) for row in browser.rows] == [
        *[("received", 1), ("sent", 1), ("received", 1), ("sent", 9), ("received", 10), ("sent", 8), ("received", 8)]
    ]
    state = browser.console._widget.get_state()
    assert set(state) - {"_esm", "_css"} <= {name for name in state if name.startswith("_")} | {"layout", "tabbable", "tooltip"}
    assert TOKEN not in str(state) and "127.0.0.1" not in str(state)


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("open", {"url": "http://x.example/"}, "scheme"),
        ("open", {"url": "ws://127.0.0.1:9/?t=${env:NOT_SET_ANYWHERE}"}, "NOT_SET_ANYWHERE is not set"),
        ("send", {"content": "hello"}, "connect first"),
        ("send", {"content": "{", "form": "json"}, "not valid JSON"),
        ("send", {"content": '42["‹event›"]'}, "not sent: ‹event› is still to be filled in"),
        ("send", {"content": "‹event› ‹channel›"}, "‹event›, ‹channel› are still to be filled in"),
        ("ping", {}, "connect first"),
        ("close", {"code": 1006}, "never sent"),
        ("close", {"code": None, "reason": "why"}, "without a code carries no reason"),
        ("close", {"code": 1000}, "connect first"),
        ("export", {}, "nothing to export"),
    ],
)
async def test_what_cannot_be_done_is_said(kind: str, fields: dict[str, Any], words: str) -> None:
    browser = console_on("ws://127.0.0.1:9/ws")
    browser.ask(kind, **fields)
    told = await browser.until("said", of=kind)
    assert not told["good"] and words in told["words"], told


@pytest.mark.parametrize("content", [None, [], "text", {}, {"kind": "run"}, {"kind": "send"}, {"kind": "ack", "n": "many"}])
async def test_other_messages_are_passed_over(content: Any) -> None:
    browser = console_on("ws://127.0.0.1:9/ws")
    browser.console._asked(None, content, [])
    browser.ask("hello")
    await browser.until("state")
    assert [one["kind"] for one in browser.told] == []


async def test_an_error_of_ours_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = console_on("ws://127.0.0.1:9/ws")
    monkeypatch.setattr(console_module, "typed_message", lambda *_: 1 // 0)
    browser.ask("send", content="x")
    assert (await browser.until("said"))["words"] == "error in wsbook: ZeroDivisionError: integer division or modulo by zero"


async def test_messages_from_another_thread_are_worked_on_in_the_loop_of_the_cells() -> None:
    async with misbehaving(talks=accepted()) as server:
        browser = console_on(server.url("/talks"))
        await asyncio.to_thread(browser.ask, "open", url=server.url("/talks"))
        await browser.until("state", state="open")
        await asyncio.to_thread(browser.ask, "close")
        assert (await browser.until("state", state="ended"))["words"].startswith("closed by us with 1000")


async def test_a_refusal_is_told_with_its_stage_and_can_be_exported(tmp_path: Path) -> None:
    record = Record.create(tmp_path / "record", target_from({"url": "ws://127.0.0.1:9/ws"}), Redactor())
    async with misbehaving() as server:
        browser = console_on(server.url("/400"), record)
        browser.ask("open", url=server.url("/400"))
        told = await browser.until("state", state="refused")
        browser.ask("export")
        file = await browser.until("file")
    assert told["words"].startswith("400 refused")
    assert told["stages"][-1][0] == "upgrade" and told["stages"][-1][2] is False
    assert Path(file["path"]).parent == tmp_path / "record" / "artifacts"


async def test_a_second_connection_begins_a_new_list_and_two_at_a_time_are_refused() -> None:
    async with misbehaving(talks=accepted(frame(1, b"hi"))) as server:
        browser = console_on(server.url("/talks"))
        browser.ask("open", url=server.url("/talks"))
        await browser.until_rows(1)
        browser.ask("open", url=server.url("/talks"))
        assert "close it first" in (await browser.until("said", of="open"))["words"]
        browser.ask("close")
        await browser.until("state", state="ended")
        browser.ask("open", url=server.url("/talks"))
        await browser.until("begin", connection=2)
        await browser.until_rows(1)
        browser.console.stop()
    assert [row[0] for row in browser.rows] == [1]


@pytest.mark.parametrize("over", [False, True])
async def test_a_view_that_comes_later_is_told_everything(over: bool) -> None:
    async with misbehaving(talks=accepted(*[frame(1, b"x")] * 5)) as server:
        browser = console_on(server.url("/talks"))
        browser.ask("open", url=server.url("/talks"))
        await browser.until_rows(5)
        if over:
            browser.ask("close")
            await browser.until("state", state="ended")
            await browser.until_rows(7)
        rows = list(browser.rows)
        browser.rows.clear()
        browser.ask("hello")
        await browser.until_rows(len(rows))
        browser.console.stop()
    assert browser.rows == rows


# What waits for the browser.


class Held(ConsoleSession):
    """A session without a connection that notes whether it is held."""

    def __init__(self, ring: FrameRing) -> None:
        self.ring, self.held, self.changed = ring, False, asyncio.Event()

    def slow(self, hold: bool) -> None:
        self.held = hold


def filled(ring: FrameRing, count: int) -> FrameRing:
    from websockets.frames import Frame, Opcode

    for _ in range(count):
        ring.add("received", Frame(Opcode.TEXT, b"x" * 10), 0.0, None)
    return ring


async def test_only_so_many_batches_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_stream, "_BATCH_ROWS", 10)
    stream = FrameStream(Held(filled(FrameRing(), 100)), 1)
    batches = [json.loads(stream.batch() or b"[]") for _ in range(6)]
    assert [len(batch) for batch in batches] == [10, 10, 10, 10, 0, 0]
    stream.confirm(20)
    assert [row[0] for row in json.loads(stream.batch())] == list(range(41, 51))
    assert not stream.complete


async def test_reading_is_held_while_much_waits_and_goes_on_when_half_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_stream, "_UNTOLD_ROWS", 50)
    monkeypatch.setattr(console_stream, "_BATCH_ROWS", 40)
    session = Held(FrameRing())
    stream = FrameStream(session, 1)
    held = []
    for count in (50, 1):
        filled(session.ring, count)
        stream.hold()
        held.append(session.held)
    stream.batch()
    stream.hold()
    assert [*held, session.held] == [False, True, False]


async def test_a_browser_that_is_gone_holds_nobody_and_what_it_missed_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_stream, "_UNTOLD_ROWS", 50)
    monkeypatch.setattr(console_stream, "_GONE_S", 0.0)
    session = Held(filled(FrameRing(rows=30), 10))
    stream = FrameStream(session, 1)
    assert len(json.loads(stream.batch())) == 10
    filled(session.ring, 100)
    stream.hold()
    assert not stream.watched and not session.held
    stream.confirm(10)
    assert [row[0] for row in json.loads(stream.batch())] == list(range(81, 111))
    assert stream.lost == 70


def test_in_batch_there_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    book = open_workbook("1", url="ws://127.0.0.1:9/ws")
    book.console()
    assert "wsbook open" in capsys.readouterr().out
