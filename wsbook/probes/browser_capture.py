"""What a browser's events say about its WebSockets: events in, observations out.

Events are those of the Chrome DevTools Protocol (Network.webSocket*, Log, Runtime; https://chromedevtools.github.io/devtools-protocol/)
and the reports of browser_page.js. This module must not know how a browser is found, started or stopped. A page is hostile: every
text and every list is capped, and a report that makes no sense is dropped.
"""

import base64
import binascii
import contextlib
import re
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from wsbook.facts import Check, Frame, Headers, SessionFacts, UpgradeFacts
from wsbook.observation import Failure, Observation, Reason, Source, Stage, observed
from wsbook.probes.marker import MARKER

__all__ = ["Capture", "Socket", "explain_error"]

_SOCKETS, _FRAMES, _CONSOLE, _TIMES, _MARKS = 100, 2000, 200, 1000, 2000
_FRAME_TEXT, _CONSOLE_TEXT, _ALL_TEXT = 2000, 1000, 4_000_000
_CONTROL_CODES = (1005, 1006, 1015)  # RFC 6455 section 7.4.1: never in a frame


@cache
def _errors() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "browser_errors.toml").read_text(encoding="utf-8"))


def explain_error(text: str) -> tuple[int | None, Check | None, Failure | None]:
    """Return (status, failed check, failure) that a browser's error text stands for; None for each part that it does not tell."""
    if answer := re.search(_errors()["status_pattern"], text):
        return int(answer[1]), Check(name="status", ok=False, detail=f"HTTP {answer[1]} instead of 101"), None
    known: dict[str, Any] = next((entry for entry in _errors()["error"] if entry["text"] in text), {})
    check = Check(name=known["check"], ok=False, detail=text) if "check" in known else None
    failure = Failure(stage=known["stage"], reason=Reason(known["reason"]), message=text) if "stage" in known else None
    return known.get("status"), check, failure


@dataclass
class Socket:
    """One WebSocket while it is watched; times are epoch seconds, None when not seen."""

    url: str
    request_headers: Headers = ()
    asked_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    status: int | None = None
    reason: str = ""
    http_version: str | None = None
    headers: Headers = ()
    frames: list[Frame] = field(default_factory=list)
    frame_count: int = 0
    last_at: float | None = None
    error_text: str = ""
    script_id: str = ""
    code: int | None = None
    close_reason: str = ""
    clean: bool = False
    by_page: bool = False

    @property
    def pending(self) -> bool:
        """Whether neither an answer nor an end was seen."""
        return self.answered_at is None and self.ended_at is None and not self.error_text


def _pairs(headers: object) -> Headers:
    if not isinstance(headers, Mapping):
        return ()
    return tuple((str(k)[:200], line[:4000]) for k, v in list(headers.items())[:100] for line in str(v).split("\n"))


class Capture:
    """Collects the events of one page. ``size_bytes`` counts the payload seen, so that the watcher can stop at a flood."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.socket_count = 0
        self.console: list[tuple[str, str]] = []
        self.changes = 0
        self.change_times: list[float] = []
        self.marks: list[tuple[str, str, float]] = []
        self.title = self.csp = ""
        self.size_bytes = 0
        self._text_left = _ALL_TEXT
        self._wire: dict[str, Socket] = {}
        self._script: dict[str, Socket] = {}
        self._offset: float | None = None

    def on_event(self, method: str, event: Mapping[str, Any], worker: str = "") -> None:
        """Take one protocol event; worker: id of the worker it comes from, "" for the page. Unknown methods are ignored."""
        handler = getattr(self, "_on_" + method.rpartition(".")[2], None)
        if handler is None:
            return
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):  # an event of another protocol version
            handler({**event, "requestId": f"{worker}{event.get('requestId', '')}", "worker": worker})

    def on_report(self, payload: str) -> None:
        """Take one report of browser_page.js; anything else is dropped."""
        self.size_bytes += len(payload)
        with contextlib.suppress(KeyError, TypeError, ValueError, msgspec.DecodeError):
            entry = msgspec.json.decode(payload[:20_000])
            if handler := getattr(self, f"_tell_{entry['kind']}", None):
                handler(entry)

    def _at(self, timestamp: float) -> float:
        if self._offset is None:  # replaced by the exact offset with the first request
            self._offset = time.time() - timestamp
        return timestamp + self._offset

    def _keep(self, text: str, limit: int) -> str:
        kept = text[: min(limit, self._text_left)]
        self._text_left -= len(kept)
        return kept

    def _add(self, url: object) -> Socket:
        socket = Socket(url=str(url)[:2000])
        self.socket_count += 1
        if len(self.sockets) < _SOCKETS:
            self.sockets.append(socket)
        return socket

    def _on_webSocketCreated(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        if len(self._wire) < 10_000:
            self._wire[event["requestId"]] = socket = self._add(event["url"])
            socket.script_id = event["worker"]  # sockets of a worker have no report of the page's script

    def _on_webSocketWillSendHandshakeRequest(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        socket = self._wire[event["requestId"]]
        self._offset = float(event["wallTime"]) - float(event["timestamp"])
        socket.asked_at = float(event["wallTime"])
        socket.request_headers = _pairs(event["request"]["headers"])

    def _on_webSocketHandshakeResponseReceived(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        socket, response = self._wire[event["requestId"]], event["response"]
        socket.answered_at = self._at(event["timestamp"])
        socket.status, socket.reason = int(response["status"]), str(response.get("statusText", ""))[:200]
        socket.headers = _pairs(response.get("headers"))
        socket.request_headers = _pairs(response.get("requestHeaders")) or socket.request_headers
        version = re.match(r"HTTP/(\d(?:\.\d)?)", response.get("headersText", ""))
        socket.http_version = version[1] if version else None

    def _on_webSocketFrameSent(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._frame(event, "sent")

    def _on_webSocketFrameReceived(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._frame(event, "received")

    def _frame(self, event: Mapping[str, Any], direction: str) -> None:
        socket, payload = self._wire[event["requestId"]], event["response"]["payloadData"]
        opcode, at = int(event["response"]["opcode"]), self._at(event["timestamp"])
        size = len(payload.encode("utf-8", "replace")) if opcode == 1 else _decoded_size(payload)
        self.size_bytes += size
        socket.last_at = at
        socket.frame_count += 1
        if direction == "received" and opcode == 1 and len(self.marks) < _MARKS:
            self.marks += [("frame", mark, at) for mark in MARKER.findall(payload[:65536])]
        if len(socket.frames) < _FRAMES:
            text = self._keep(payload, _FRAME_TEXT) if opcode == 1 else ""
            since = max(0.0, at - (socket.answered_at or at))
            socket.frames.append(Frame(at_s=since, direction=direction, opcode=opcode, size_bytes=size, text=text))

    def _on_webSocketFrameError(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._wire[event["requestId"]].error_text = str(event["errorMessage"])[:_CONSOLE_TEXT]

    def _on_webSocketClosed(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._wire[event["requestId"]].ended_at = self._at(event["timestamp"])

    def _say(self, level: str, text: str) -> None:
        self.size_bytes += len(text)
        if len(self.console) < _CONSOLE:
            self.console.append((level[:20], self._keep(text, _CONSOLE_TEXT)))

    def _on_entryAdded(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._say(event["entry"]["level"], event["entry"]["text"])

    def _on_consoleAPICalled(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        words = (str(part.get("value", part.get("description", part.get("type", "")))) for part in event["args"][:20])
        self._say(event["type"], " ".join(words))

    def _on_exceptionThrown(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        details = event["exceptionDetails"]
        self._say("error", f"{details.get('text', '')} {details.get('exception', {}).get('description', '')}".strip())

    def _tell_new(self, entry: Mapping[str, Any]) -> None:
        free = (s for s in self._wire.values() if s.url == entry["url"] and not s.script_id)
        socket = next(free, None) or self._add(entry["url"])
        socket.script_id = str(entry["id"])[:40]
        if len(self._script) < _SOCKETS:
            self._script[socket.script_id] = socket

    def _tell_throw(self, entry: Mapping[str, Any]) -> None:
        socket = self._add(entry["url"])
        socket.error_text = f"{entry['name']}: {entry['text']}"[:_CONSOLE_TEXT]
        socket.ended_at = float(entry["at"]) / 1000

    def _tell_close(self, entry: Mapping[str, Any]) -> None:
        socket = self._script[entry["id"]]
        socket.code, socket.close_reason = int(entry["code"]), str(entry["reason"])[:200]
        socket.clean, socket.by_page = bool(entry["clean"]), bool(entry["page"])
        socket.ended_at = socket.ended_at or float(entry["at"]) / 1000

    def _tell_mark(self, entry: Mapping[str, Any]) -> None:
        if len(self.marks) < _MARKS:
            self.marks.append((str(entry["place"])[:20], str(entry["marker"])[:60], float(entry["at"]) / 1000))

    def _tell_changes(self, entry: Mapping[str, Any]) -> None:
        self.changes += int(entry["count"])
        if len(self.change_times) < _TIMES:
            self.change_times.append(float(entry["at"]) / 1000)

    def _tell_page(self, entry: Mapping[str, Any]) -> None:
        self.title, self.csp = str(entry["title"])[:500], str(entry["csp"])[:4000]

    @property
    def settled(self) -> bool:
        """Whether there are sockets and each of them has an answer or an error."""
        return bool(self.sockets) and not any(socket.pending and not self._blocked(socket) for socket in self.sockets)

    @property
    def ended(self) -> bool:
        """Whether no socket is open or being opened."""
        return all(socket.ended_at is not None and (socket.code is not None or not _opened(socket)) for socket in self.sockets)

    def observations(self, step: str, ended_at: float) -> list[Observation]:
        """Return one observation of the upgrade per socket, and one of the session for each that opened, in the page's order.

        ended_at: epoch seconds when the watching ended.
        """
        source = Source(step=step, probe="browser", hop="browser")
        found = []
        for socket in self.sockets:
            error_text = self._blocked(socket)
            found.append(_upgrade(source, socket, error_text, "" if error_text else _waiting(socket, self.sockets), ended_at))
            if _opened(socket):
                found.append(_session(source, socket, ended_at))
        return found

    def _blocked(self, socket: Socket) -> str:
        """Return the socket's error, or what the console says about a socket that sent no request, "" when nothing is known.

        A socket that a Content Security Policy forbids has no error of its own, and with Chromium 156 no close event either.
        """
        if socket.error_text or socket.asked_at is not None:
            return socket.error_text
        named = (text for level, text in self.console if level == "error" and socket.url.rstrip("/") in text)
        unsent = "the browser closed the socket before it sent a request" if socket.ended_at is not None else ""
        return next(named, unsent)


def _decoded_size(payload: str) -> int:
    try:
        return len(base64.b64decode(payload))
    except binascii.Error:
        return len(payload)


def _opened(socket: Socket) -> bool:
    return socket.answered_at is not None and socket.status == 101


def _waiting(socket: Socket, sockets: Sequence[Socket]) -> str:
    """Say for what a socket without an answer waits; browsers open one handshake per host at a time (RFC 6455 section 4.1)."""
    if not socket.pending:
        return ""
    host = socket.url.split("/")[2:3]
    if socket.asked_at is not None:
        return "the request was sent, and no answer came while the page was watched"
    if any(o.pending and o.asked_at is not None and o.url.split("/")[2:3] == host for o in sockets):
        return "the browser held the request back because another handshake to the same host is still unanswered"
    return "no connection was made while the page was watched"


def _upgrade(source: Source, socket: Socket, error_text: str, waiting: str, ended_at: float) -> Observation:
    status, check, failure = (None, None, None) if _opened(socket) else explain_error(error_text)
    if waiting:
        failure = Failure(stage="upgrade" if socket.asked_at else "tcp", reason=Reason.TIMEOUT, message=waiting)
    elif failure is None and not _opened(socket) and status is None:
        failure = Failure(stage="browser", reason=Reason.CLOSED, message=error_text or "the socket closed without an answer")
    end = socket.answered_at or socket.ended_at or ended_at
    begin = socket.asked_at or end
    facts = UpgradeFacts(
        url=socket.url,
        accepted=_opened(socket),
        status=socket.status or status,
        reason=socket.reason,
        http_version=socket.http_version,
        request_headers=socket.request_headers,
        headers=socket.headers,
        checks=(check,) if check else (),
        subprotocol=next((v for k, v in socket.headers if k.lower() == "sec-websocket-protocol"), None),
        extensions=tuple(v for k, v in socket.headers if k.lower() == "sec-websocket-extensions"),
        error_text=error_text,
    )
    stage = Stage(name="upgrade", started_s=0.0, duration_s=max(0.0, end - begin), ok=facts.accepted)
    return observed(
        source,
        facts,
        duration_s=stage.duration_s,
        failure=failure,
        stages=(stage,) if socket.asked_at else (),
        observed_at=datetime.fromtimestamp(begin, UTC),
    )


def _session(source: Source, socket: Socket, ended_at: float) -> Observation:
    begin = socket.answered_at or ended_at
    end = socket.ended_at or ended_at
    closed = socket.ended_at is not None
    sent_code = socket.code if socket.code not in _CONTROL_CODES[1:] else None
    facts = SessionFacts(
        url=socket.url,
        frames=tuple(socket.frames),
        frame_count=socket.frame_count,
        ended=("close" if socket.clean else "unknown") if closed else "open",
        closed_by=("us" if socket.by_page else "peer" if socket.clean else "") if closed else "",
        close_code=sent_code,
        close_reason=socket.close_reason,
        age_s=max(0.0, end - begin) if closed else None,
        idle_s=max(0.0, end - (socket.last_at or begin)) if closed else None,
        error_text=socket.error_text or (f"the page saw close code {socket.code}" if socket.code in _CONTROL_CODES[1:] else ""),
    )
    return observed(source, facts, duration_s=max(0.0, end - begin), observed_at=datetime.fromtimestamp(begin, UTC))
