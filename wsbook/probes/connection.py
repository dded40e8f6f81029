"""An open WebSocket over a dialled connection (RFC 6455 sections 5 to 7). It must not know how the connection was made.

A task of its own reads all the time, so that pings are answered and a close, FIN or RST is noticed and stamped while nobody
receives. Frames are parsed and written by the sans-I/O protocol of websockets.
"""

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Sequence

from websockets.exceptions import InvalidState
from websockets.extensions import Extension
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WireFrame
from websockets.protocol import CLIENT, OPEN, Protocol

from wsbook.attempt import Attempt
from wsbook.facts import Frame, SessionFacts
from wsbook.observation import Observation, Source, observed
from wsbook.probes.kept import kept_frame
from wsbook.probes.link import ByteLink, Flight
from wsbook.probes.meter import Meter
from wsbook.probes.stopwatch import shown_time

__all__ = ["MESSAGE_LIMIT_BYTES", "OnFrame", "Socket"]

OnFrame = Callable[[str, WireFrame, float, int], None]
"""Called with direction, frame, age of the socket in s and the payload's bytes on the wire."""

MESSAGE_LIMIT_BYTES = 16 * 1024 * 1024
FRAMES_KEPT = 2_000
_QUEUE_MESSAGES = 10_000
_QUEUE_BYTES = 32 * 1024 * 1024
_READ_BYTES = 65_536
_WRITE_S = 5.0
_LINGER_S = 1.0
_LATE_S = 5.0
"""A stamp that is older than this says that the clock was set, not that we read late."""
_TEXT, _BINARY, _CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.CONT


def _status_line(data: bytes) -> str:
    """Return the status line of an HTTP answer (RFC 9112 section 4) that these bytes begin with, "" when they do not.

    No frame begins so: its first byte would be a close frame in parts, which RFC 6455 section 5.4 forbids.
    """
    line = data[:120].partition(b"\r\n")[0].decode("latin-1")
    return line if line.startswith("HTTP/1.") else ""


class _Client(Protocol):
    """The protocol with a switch for its pongs."""

    pongs = True

    def send_frame(self, frame: WireFrame) -> None:
        if self.pongs or frame.opcode is not Opcode.PONG:
            super().send_frame(frame)


class Socket:
    """An open WebSocket. What the peer does never raises: it ends the socket, and ``ended`` says how.

    ended: open; close (closing handshake, ours or theirs); fin, rst (the connection went without a close frame); silence (our
    close frame was not answered, or the peer took nothing in time). closed_by: peer, us, or "" while open. close_code: code of
    the peer's close frame, of ours when the peer broke the protocol, None when there was none. error_text: more words.
    frames: the first 2,000, both directions, but for our automatic pongs and close replies; frame_count counts all.
    last_received_s, last_sent_s: age of the last frame of each direction, close frames excluded. dropped: messages that nobody
    received in time. second_answer: status line of an HTTP answer that came where frames should. hung_up_s: age at which the peer's FIN
    came, None when it did not come while we waited. read_bytes: at a time, which bounds the frames that are worked on in one go.
    """

    def __init__(
        self,
        link: ByteLink,
        attempt: Attempt,
        *,
        answered: float,
        extensions: Sequence[Extension] = (),
        subprotocol: str | None = None,
        rest: bytes = b"",
        on_frame: OnFrame | None = None,
    ) -> None:
        """Take over a link whose upgrade was answered at this reading of time.perf_counter(); rest: bytes after the answer.

        on_frame: called with every frame of both directions in order, automatic pongs and close replies included, before it has any effect.
        """
        self.attempt = attempt
        self.subprotocol = subprotocol
        self.ended = "open"
        self.closed_by = ""
        self.close_code: int | None = None
        self.close_reason = ""
        self.error_text = ""
        self.frames: list[Frame] = []
        self.frame_count = 0
        self.dropped = 0
        self.read_bytes = _READ_BYTES
        self.second_answer = ""
        self.ended_s: float | None = None
        self.last_received_s = 0.0
        self.last_sent_s = 0.0
        self.hung_up_s: float | None = None
        self._link = link
        self.answered = answered
        self._on_frame = on_frame
        self._protocol = _Client(CLIENT, state=OPEN, max_size=MESSAGE_LIMIT_BYTES)
        self._meter = Meter.around(extensions)
        self._protocol.extensions = [self._meter] if self._meter else []
        self._messages: deque[str | bytes] = deque()
        self._queued_bytes = 0
        self._part: bytearray | None = None
        self._part_is_text = False
        self._pings: dict[bytes, asyncio.Future[float]] = {}
        self._changed = asyncio.Event()
        self._we_closed = False
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._reader = asyncio.create_task(self._read(rest), name="wsbook-socket")

    @property
    def now_s(self) -> float:
        """Seconds since the upgrade's answer, whether the socket is open or not."""
        return time.perf_counter() - self.answered

    @property
    def age_s(self) -> float:
        """Seconds from the upgrade's answer to the end, or to now while open."""
        return self.now_s if self.ended_s is None else self.ended_s

    @property
    def idle_s(self) -> float:
        """Seconds of silence in both directions, up to the end or to now; a close frame does not break it."""
        return max(0.0, self.age_s - max(self.last_received_s, self.last_sent_s))

    def flight(self) -> Flight | None:
        """Return what the kernel knows of our segments on the way; None where it does not tell."""
        return self._link.flight()

    def allow(self, size_bytes: int) -> None:
        """Take messages up to this size, where that is more than MESSAGE_LIMIT_BYTES."""
        self._protocol.max_message_size = max(MESSAGE_LIMIT_BYTES, size_bytes)

    def stay_mute(self) -> None:
        """Answer no pings from now on, which a server that checks its clients takes for a client that is gone."""
        self._protocol.pongs = False

    # Receiving.

    async def _read(self, rest: bytes) -> None:
        try:
            self._take(rest)
            while self.ended == "open":
                await self._flush()
                await self._may_read.wait()
                data = await self._link.recv(self.read_bytes, None)
                if not data:
                    self.hung_up_s = self.now_s
                    self._end("fin", "peer", error_text="in the middle of a message" if self._part is not None else "")
                    break
                self._take(data)
                await asyncio.sleep(0)  # a peer that floods us must not stop everybody else
            await self._flush()
            await self._wait_for_fin()
        except TimeoutError as error:
            self._end("silence", "", error_text=f"the system gave up on the connection: {error.strerror or 'timeout'}")
        except OSError as error:
            self._end("rst", "peer", error_text=str(error)[:200])
        finally:
            self._link.close()

    async def _wait_for_fin(self) -> None:
        """Let the server close first (RFC 6455 section 7.1.1), for a while."""
        end = self.now_s + _LINGER_S
        with contextlib.suppress(OSError):
            fin = self.ended == "fin"
            while not fin:
                fin = not await self._link.recv(_READ_BYTES, max(0.0, end - self.now_s))
                self.hung_up_s = self.now_s if fin else None
                await asyncio.sleep(0)

    def _take(self, data: bytes) -> None:
        """Give bytes to the protocol and act on the frames that they complete."""
        if not data:
            return
        at_s = self._arrived_s()
        self.second_answer = self.second_answer or _status_line(data)
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if not isinstance(event, WireFrame):
                continue
            wire_bytes = self._meter.received.popleft() if self._meter else len(event.data)
            if self.ended == "open":
                self._keep("received", event, at_s, wire_bytes)
                self._act(event, at_s)
        broken = self._protocol.parser_exc
        if broken is not None and self.ended == "open":
            sent = self._protocol.close_sent
            if sent is not None:
                self._tell_failing(sent)
            self._end("close", "us", sent.code if sent else None, sent.reason if sent else "", str(broken))

    def _arrived_s(self) -> float:
        late_s = (time.time_ns() - self._link.received_ns) / 1e9 if self._link.stamped else 0.0
        return max(self.last_received_s, self.now_s - late_s) if 0.0 <= late_s < _LATE_S else self.now_s

    def _keep(self, direction: str, frame: WireFrame, at_s: float, wire_bytes: int | None = None) -> None:
        if wire_bytes is None:
            wire_bytes = self._meter.sent_bytes if self._meter else len(frame.data)
        self.frame_count += 1
        self._tell(direction, frame, at_s, wire_bytes)
        if frame.opcode is not Opcode.CLOSE:
            self.last_received_s = at_s if direction == "received" else self.last_received_s
            self.last_sent_s = at_s if direction == "sent" else self.last_sent_s
        if len(self.frames) < FRAMES_KEPT:
            is_text = frame.opcode is _TEXT or (frame.opcode is _CONTINUATION and self._part_is_text)
            self.frames.append(kept_frame(direction, frame, at_s, wire_bytes, is_text=is_text))

    def _tell(self, direction: str, frame: WireFrame, at_s: float, wire_bytes: int) -> None:
        if self._on_frame is not None:
            self._on_frame(direction, frame, at_s, wire_bytes)

    def _tell_failing(self, close: Close) -> None:
        """Tell of the close frame with which we end what breaks the protocol (RFC 6455 section 7.1.7)."""
        content = close.serialize()
        self._tell("sent", WireFrame(Opcode.CLOSE, content), self.now_s, len(content))

    def _act(self, frame: WireFrame, at_s: float) -> None:
        if frame.opcode in (_TEXT, _BINARY, _CONTINUATION):
            self._assemble(frame)
        elif frame.opcode is Opcode.PING and self._protocol.pongs:
            self._tell("sent", WireFrame(Opcode.PONG, frame.data), self.now_s, len(frame.data))
        elif frame.opcode is Opcode.PONG:
            waiting = self._pings.pop(bytes(frame.data), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(at_s)
        elif frame.opcode is Opcode.CLOSE:
            received = self._protocol.close_rcvd
            code = None if received is None or len(frame.data) == 0 else int(received.code)
            reason = received.reason if received is not None else ""
            if not self._we_closed:
                self._tell("sent", frame, self.now_s, len(frame.data))  # the protocol answers with the same
            self._end("close", "us" if self._we_closed else "peer", 1005 if code is None else code, reason)
            self.ended_s = at_s

    def _assemble(self, frame: WireFrame) -> None:
        if frame.opcode is not _CONTINUATION or self._part is None:
            self._part, self._part_is_text = bytearray(), frame.opcode is _TEXT
        self._part += frame.data
        if not frame.fin:
            return
        data, self._part = bytes(self._part), None
        if not self._part_is_text:
            self._queue(data, len(data))
            return
        try:
            self._queue(data.decode("utf-8"), len(data))
        except UnicodeDecodeError as error:
            self._protocol.fail(1007, "invalid UTF-8")
            self._tell_failing(Close(1007, "invalid UTF-8"))
            self._end("close", "us", 1007, "invalid UTF-8", f"a text message is not UTF-8: {error.reason} at byte {error.start}")

    def _queue(self, message: str | bytes, size: int) -> None:
        if len(self._messages) >= _QUEUE_MESSAGES or self._queued_bytes + size > _QUEUE_BYTES:
            self.dropped += 1
            return
        self._messages.append(message)
        self._queued_bytes += size
        self._changed.set()

    def _end(self, ended: str, closed_by: str, code: int | None = None, reason: str = "", error_text: str = "") -> None:
        if self.ended != "open":
            return
        self.ended, self.closed_by, self.close_code, self.close_reason = ended, closed_by, code, reason[:200]
        self.error_text = error_text[:500]
        self.ended_s = self.now_s
        if ended in ("fin", "rst") and self._we_closed:
            self.closed_by = "us"
        for waiting in self._pings.values():
            waiting.cancel()
        self._changed.set()

    async def receive(self, timeout_s: float) -> str | bytes | None:
        """Return the next whole message; None when none came in time or the socket has ended (see ended)."""
        end = asyncio.get_running_loop().time() + timeout_s
        while not self._messages:
            if self.ended != "open":
                return None
            self._changed.clear()
            try:
                async with asyncio.timeout_at(end):
                    await self._changed.wait()
            except TimeoutError:
                break
        if not self._messages:
            return None
        message = self._messages.popleft()
        self._queued_bytes -= len(message.encode()) if isinstance(message, str) else len(message)
        return message

    async def receive_before(self, end: float) -> str | bytes | None:
        """Return the next whole message; None from an instant (time.perf_counter) on, however many a peer still sends."""
        left_s = end - time.perf_counter()
        return await self.receive(left_s) if left_s > 0 else None

    async def wait_ended(self, timeout_s: float) -> bool:
        """Wait for the end, without receiving; tell whether it came in time. Messages stay in the queue."""
        end = asyncio.get_running_loop().time() + timeout_s
        while self.ended == "open":
            self._changed.clear()
            try:
                async with asyncio.timeout_at(end):
                    await self._changed.wait()
            except TimeoutError:
                break
        return self.ended != "open"

    def limit_buffer(self, size_bytes: int) -> None:
        """Keep the system's buffer for what comes in at about this size."""
        self._link.limit_buffer(size_bytes)

    def pause(self) -> None:
        """Read nothing more from the connection, but for what the reader is waiting for already; pings go unanswered."""
        self._may_read.clear()

    def resume(self) -> None:
        """Read again."""
        self._may_read.set()

    # Sending.

    async def _flush(self) -> bool:
        data = b"".join(self._protocol.data_to_send())
        if not data:
            return True
        try:
            await self._link.send(data, _WRITE_S)
        except TimeoutError:
            self._end("silence", "", error_text=f"the peer did not take {len(data)} bytes within {shown_time(_WRITE_S)}")
            self._reader.cancel()
            self._link.abort()
            return False
        except OSError:
            return False  # the reader sees the same end, and says whether it was a FIN or a RST
        return True

    async def send(self, data: str | bytes) -> bool:
        """Send one message: str as text, bytes as binary. False when the socket has ended, or ends by it."""
        if self.ended != "open":
            return False
        is_text = isinstance(data, str)
        content = data.encode() if isinstance(data, str) else bytes(data)
        with contextlib.suppress(InvalidState):
            (self._protocol.send_text if is_text else self._protocol.send_binary)(content)
            self._keep("sent", WireFrame(_TEXT if is_text else _BINARY, content), self.now_s)
            return await self._flush()
        return False

    async def send_frames(self, frames: Sequence[tuple[int, bytes, bool]]) -> bool:
        """Send (opcode, payload, FIN bit) as they are: fragments, a pong nobody asked for. False as send()."""
        if self.ended != "open":
            return False
        for opcode, content, fin in frames:
            frame = WireFrame(Opcode(opcode), content, fin)
            self._protocol.send_frame(frame)
            self._keep("sent", frame, self.now_s)
        return await self._flush()

    async def ping(self, timeout_s: float, content: bytes | None = None) -> float | None:
        """Send a ping, with four random bytes by default, and return the time until its pong, in s; None when none came in time."""
        if self.ended != "open":
            return None
        content = os.urandom(4) if content is None else content
        waiting: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._pings[content] = waiting
        sent_s = self.now_s
        try:
            with contextlib.suppress(InvalidState):
                self._protocol.send_ping(content)
            self._keep("sent", WireFrame(Opcode.PING, content), sent_s)
            if not await self._flush():
                return None
            done, _ = await asyncio.wait({waiting}, timeout=timeout_s)
            return max(0.0, waiting.result() - sent_s) if done and not waiting.cancelled() else None
        finally:
            self._pings.pop(content, None)

    # Ending.

    async def close(self, code: int | None = 1000, reason: str = "", timeout_s: float = 1.0) -> None:
        """Do the closing handshake, waiting at most timeout_s for the peer's close frame, then close the connection.

        code: None sends a close frame without a code, and no reason.
        """
        end = asyncio.get_running_loop().time() + timeout_s
        if self.ended == "open":
            self._we_closed = True
            with contextlib.suppress(InvalidState):
                self._protocol.send_close(code, reason)
                content = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
                self._keep("sent", WireFrame(Opcode.CLOSE, content), self.now_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(end):
                    await self._flush()
                    while self.ended == "open":
                        self._changed.clear()
                        await self._changed.wait()
            self._end("silence", "us", error_text=f"our close frame was not answered within {shown_time(timeout_s)}")
        await asyncio.wait({self._reader}, timeout=max(0.02, min(0.2, end - asyncio.get_running_loop().time())))
        await self._stop()

    def finish(self) -> None:
        """Half-close: send a FIN without a closing handshake and go on reading."""
        self._we_closed = True
        self._link.finish()

    async def hang_up(self) -> None:
        """Close the connection with a FIN and without a closing handshake, as a process that ends does."""
        self._end("fin", "us")
        await self._stop()

    async def _stop(self) -> None:
        self._reader.cancel()
        self._link.close()
        await asyncio.wait({self._reader})

    def abort(self) -> None:
        """End the connection at once with a RST."""
        self._end("rst", "us")
        self._reader.cancel()
        self._link.abort()

    # What was seen.

    def facts(self) -> SessionFacts:
        """Return the life of the socket so far."""
        return SessionFacts(
            url=self.attempt.url,
            frames=tuple(self.frames),
            frame_count=self.frame_count,
            ended=self.ended,
            closed_by=self.closed_by,
            close_code=self.close_code,
            close_reason=self.close_reason,
            age_s=self.age_s,
            idle_s=self.idle_s,
            error_text=self.error_text,
        )

    def observation(self, step: str) -> Observation:
        """Return the life of the socket so far as an observation of a step."""
        source = Source(step=step, probe="session", hop=self.attempt.hop, changed=self.attempt.changed)
        return observed(source, self.facts(), duration_s=self.age_s)
