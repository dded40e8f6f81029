"""The live console: what a person does in the browser reaches a session, and the session's frames reach the browser.

Everything goes by messages and nothing by synced traits, so that a saved notebook holds none of it. Dials nothing itself.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

import anywidget
import msgspec
from IPython import display as _ipython
from msgspec import Struct

from wsbook.case import Case
from wsbook.errors import UsageError, WsbookError
from wsbook.folder import ARTIFACTS, is_investigation
from wsbook.parameters import parameters_of
from wsbook.probes.console_session import ConsoleSession, names_dialect
from wsbook.redact import Redactor
from wsbook.steps.own_console import Dialled, attempt_of, console_har, places, session_words
from wsbook.views.cell_loop import in_cell_loop
from wsbook.views.console_stream import FrameStream
from wsbook.views.modules import css, esm
from wsbook.whole import write_atomically
from wsbook.wire.closing import check_close
from wsbook.wire.dialects.templates import open_places, templates
from wsbook.wire.typed import ENDINGS, FORMS, typed_message
from wsbook.words import cap, duration_text, quantity, size_text

__all__ = ["Console"]

_display: Any = _ipython.display
_TICK_S = 0.06
_COPY_BYTES = 8 << 20
"""A file up to this size is offered by the browser, too."""


class _Hello(Struct, tag_field="kind", tag="hello"):
    """A view wants to know everything."""


class _Ack(Struct, tag_field="kind", tag="ack"):
    n: int
    connection: int


class _Open(Dialled, frozen=True, kw_only=True, tag_field="kind", tag="open"):
    """Dial."""


class _Send(Struct, tag_field="kind", tag="send"):
    content: str
    form: str = "text"
    ending: str = ""


class _Ping(Struct, tag_field="kind", tag="ping"):
    """Send a ping."""


class _Close(Struct, tag_field="kind", tag="close"):
    code: int | None = 1000
    reason: str = ""


class _Export(Struct, tag_field="kind", tag="export"):
    """Write what was seen into a file."""


_Asked = _Hello | _Ack | _Open | _Send | _Ping | _Close | _Export


class _Widget(anywidget.AnyWidget):
    """The place in the browser; its state is code and nothing else."""

    _esm = esm("console.js")
    _css = css("frames.css", "console.css")

    def __repr__(self) -> str:
        return "live console; run the cell again to use it"


class Console:
    """A console on the endpoint of a case. case: called when it is needed, because the form opens another."""

    def __init__(self, case: Callable[[], Case]) -> None:
        self._widget = _Widget()
        self._case = case
        self._act_in_loop, self._greet_in_loop = in_cell_loop(self._act), in_cell_loop(self._greet)
        self._stream: FrameStream | None = None
        self._followed: FrameStream | None = None
        self._connection = 0
        self._busy = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._widget.on_msg(self._asked)

    def show(self) -> None:
        """Display the console."""
        _display(self._widget)

    def refresh(self) -> None:
        """Offer what the case offers now."""
        self._greet_in_loop()

    def stop(self) -> None:
        """End the connection at once."""
        if self._stream is not None:
            self._stream.session.abort()

    # What the browser asks for.

    def _asked(self, _: Any, content: Any, buffers: Any) -> None:
        """Take a message; one that is not understood is passed over."""
        try:
            asked = msgspec.convert(content, _Asked)
        except msgspec.ValidationError:
            return
        self._act_in_loop(asked)

    def _act(self, asked: _Asked) -> None:
        match asked:
            case _Hello():
                self._greet()
                self._tell_state()
                if self._stream is not None:
                    self._stream.again()
                    if self._followed is not self._stream:
                        self._do("open", self._follow(self._stream))
            case _Ack():
                if self._stream is not None and asked.connection == self._stream.connection:
                    self._stream.confirm(asked.n)
            case _Open():
                self._do("open", self._open(asked))
            case _Send():
                self._do("send", self._send(asked))
            case _Ping():
                self._do("ping", self._ping())
            case _Close():
                self._do("close", self._close(asked))
            case _Export():
                self._do("export", self._export())

    def _do(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(self._guarded(what, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        """Work; what goes wrong is said, because an exception in a task is shown nowhere else."""
        try:
            await work
        except WsbookError as error:
            self._say(what, False, cap(str(error), 300))
        except Exception as error:  # shown, never passed over
            self._say(what, False, f"error in wsbook: {type(error).__name__}: {cap(str(error), 300)}")

    def _say(self, what: str, good: bool, words: str) -> None:
        self._widget.send({"kind": "said", "of": what, "good": good, "words": words})

    def _greet(self) -> None:
        target = self._case().target
        endpoint = target.endpoint
        self._widget.send(
            {
                "kind": "hello",
                "places": places(target),
                "origin": target.expected_origin if endpoint else "",
                "subprotocols": ", ".join(target.subprotocols),
                "headers": [name for name, _ in target.headers],
                "heartbeats": bool(endpoint and names_dialect(endpoint.resource)),
                "forms": FORMS,
                "endings": ENDINGS,
                "templates": msgspec.to_builtins(templates()),
            }
        )

    async def _open(self, wanted: Dialled) -> None:
        if self._busy or (self._stream is not None and self._stream.session.state in ("open", "closing")):
            raise UsageError("a connection is open or being opened; close it first")
        session = ConsoleSession(attempt_of(self._case().target, wanted), answers=wanted.heartbeats)
        self._busy = f"connecting to {cap(session.attempt.url, 200)}"
        self._tell_state()
        try:
            await session.open()
        finally:
            self._busy = ""
            self._tell_state()
        self._connection += 1
        self._stream = FrameStream(session, self._connection)
        self._widget.send({"kind": "begin", "connection": self._connection})
        self._tell_state()
        await self._follow(self._stream)

    async def _send(self, asked: _Send) -> None:
        if missing := open_places(asked.content):
            raise UsageError(f"not sent: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} still to be filled in")
        message = typed_message(asked.content, asked.form, asked.ending)
        session = self._opened()
        if not await session.send(message):
            raise UsageError("not sent: the connection has ended")
        size = len(message.encode()) if isinstance(message, str) else len(message)
        self._say("send", True, f"sent {'text' if isinstance(message, str) else 'binary'}, {size_text(size)}")

    async def _ping(self) -> None:
        rtt_s = await self._opened().ping()
        self._say("ping", rtt_s is not None, f"pong after {duration_text(rtt_s)}" if rtt_s is not None else "no pong within 5 s")

    async def _close(self, asked: _Close) -> None:
        if asked.code is not None:
            check_close(asked.code, asked.reason)
        elif asked.reason:
            raise UsageError("a close frame without a code carries no reason (RFC 6455 section 5.5.1)")
        await self._opened().close(asked.code, asked.reason)
        self._say("close", True, "")

    def _opened(self) -> ConsoleSession:
        if self._stream is None or self._stream.session.state not in ("open", "closing"):
            raise UsageError("no connection is open; connect first")
        return self._stream.session

    # What the browser is told.

    async def _follow(self, stream: FrameStream) -> None:
        """Tell of every frame until the connection has ended and everything is told, a batch at a time."""
        session, told_s, self._followed = stream.session, 0.0, stream
        while self._stream is stream:
            batch = stream.batch()
            if batch:
                self._widget.send({"kind": "rows", "connection": stream.connection}, buffers=[batch])
            stream.hold()
            ended = session.state in ("ended", "refused")
            if batch or ended or time.monotonic() - told_s > 1.0:
                self._tell_state()
                told_s = time.monotonic()
            if ended and (stream.complete or not stream.watched):
                break
            session.changed.clear()
            if stream.complete and not ended:
                await session.changed.wait()
            await asyncio.sleep(_TICK_S)
        self._followed = None

    def _tell_state(self) -> None:
        told: dict[str, Any] = {"kind": "state", "state": "new", "words": "not connected", "stages": []}
        if (stream := self._stream) is not None:
            session = stream.session
            told |= {"state": session.state, "words": session_words(session), "stages": _stages(session), "lost": stream.lost}
            told["sizes"] = f"{size_text(session.ring.received_bytes)} received, {size_text(session.ring.sent_bytes)} sent"
        if self._busy:
            told |= {"state": "connecting", "words": self._busy, "stages": []}
        self._widget.send(told)

    async def _export(self) -> None:
        if self._stream is None:
            raise UsageError("nothing to export; connect first")
        case, session = self._case(), self._stream.session
        redactor = Redactor.of([*(str(value) for value in parameters_of(case.target).values()), session.attempt.url])
        data = await asyncio.to_thread(console_har, session, redactor)
        path = _folder(case) / f"console-{datetime.now():%Y%m%d-%H%M%S}.har"
        write_atomically(path, data)
        seen = f"{quantity(len(session.ring.kept), 'frame')}, {size_text(len(data))}, secrets hidden"
        copy = [data] if len(data) <= _COPY_BYTES else []
        self._widget.send(
            {"kind": "file", "path": str(path), "name": path.name, "words": f"{seen}; give it to step 1.2 as the recording."}, buffers=copy
        )


def _folder(case: Case) -> Path:
    """Return where a file goes: among the artifacts of the record or of the investigation, else beside the notebook."""
    place = case.record.folder if case.record is not None else Path() if is_investigation(Path()) else None
    if place is None:
        return Path()
    (place / ARTIFACTS).mkdir(exist_ok=True)
    return place / ARTIFACTS


def _stages(session: ConsoleSession) -> list[tuple[str, str, bool]]:
    """Return (stage, duration in words, whether it went well) of the handshake."""
    if session.seen is None:
        return []
    refused = session.state == "refused" and session.seen.failure is None
    stages = session.seen.stages
    return [(one.name, duration_text(one.duration_s), one.ok and not (refused and one is stages[-1])) for one in stages]
