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
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from wsbook.facts import Frame, Headers, Violation
from wsbook.observation import Observation, Source
from wsbook.probes.browser_lately import Carrier, Lately
from wsbook.probes.browser_netlog import Handshake
from wsbook.probes.browser_sockets import Socket, is_open, socket_observations
from wsbook.probes.marker import MARKER

__all__ = ["Capture"]

_SOCKETS, _FRAMES, _CONSOLE, _TIMES, _MARKS = 100, 2000, 200, 1000, 2000
_FRAME_TEXT, _CONSOLE_TEXT, _ALL_TEXT = 2000, 1000, 4_000_000
_VIOLATIONS, _LIFECYCLE = 50, 100


def _pairs(headers: object) -> Headers:
    if not isinstance(headers, Mapping):
        return ()
    return tuple((str(k)[:200], line[:4000]) for k, v in list(headers.items())[:100] for line in str(v).split("\n"))


class Capture:
    """Collects the events of one page. ``size_bytes`` counts the payload seen, so that the watcher can stop at a flood.

    hop: "browser", or the browser's name where another one looks as well.
    """

    def __init__(self, hop: str = "browser") -> None:
        self.hop = hop
        self._stopped = False
        self.sockets: list[Socket] = []
        self.socket_count = 0
        self.console: list[tuple[str, str]] = []
        self.console_times: list[float] = []
        self.changes = 0
        self.change_times: list[float] = []
        self.marks: list[tuple[str, str, float]] = []
        self.lately = Lately()
        self.title = self.csp = self.csp_report_only = ""
        self.parsed = False
        self.frames = 0
        self.violations: list[Violation] = []
        self.encrypted: list[str] = []
        self.lifecycle: list[tuple[str, float]] = []
        self.size_bytes = 0
        self._text_left = _ALL_TEXT
        self._wire: dict[str, Socket] = {}
        self._script: dict[str, Socket] = {}
        self._offset: float | None = None

    def on_event(self, method: str, event: Mapping[str, Any], worker: str = "") -> None:
        """Take one protocol event; worker: id of the worker it comes from, "" for the page. Unknown methods are ignored."""
        handler = getattr(self, "_on_" + method.rpartition(".")[2], None)
        if handler is None or self._stopped:
            return
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):  # an event of another protocol version
            handler({**event, "requestId": f"{worker}{event.get('requestId', '')}", "worker": worker})

    def on_report(self, payload: str) -> None:
        """Take one report of browser_page.js; anything else is dropped."""
        if self._stopped:
            return
        self.size_bytes += len(payload)
        with contextlib.suppress(KeyError, TypeError, ValueError, msgspec.DecodeError):
            entry = msgspec.json.decode(payload[:20_000])
            if handler := getattr(self, f"_tell_{entry['kind']}", None):
                handler(entry)

    def stop(self) -> None:
        """Take nothing more: how a browser ends its sockets when it is closed itself says nothing of them."""
        self._stopped = True

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
        if direction == "received" and opcode in (1, 2) and len(self.marks) < _MARKS:
            text = payload[:65536] if opcode == 1 else _decoded(payload[:65536])
            found = list(dict.fromkeys(MARKER.findall(text)))  # an envelope may hold it twice and is one frame
            self.marks += [("frame", mark, at) for mark in found]
            self.lately.carry(found, Carrier(url=socket.url, text=text, worker=bool(event["worker"])), event["requestId"])
        if len(socket.frames) < _FRAMES:
            text = self._keep(payload, _FRAME_TEXT) if opcode == 1 else ""
            since = max(0.0, at - (socket.answered_at or at))
            socket.frames.append(Frame(at_s=since, direction=direction, opcode=opcode, size_bytes=size, text=text))

    def _on_webSocketFrameError(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._wire[event["requestId"]].error_text = str(event["errorMessage"])[:_CONSOLE_TEXT]

    def _on_webSocketClosed(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._wire[event["requestId"]].ended_at = self._at(event["timestamp"])

    def _say(self, level: str, text: str, at: float) -> None:
        self.size_bytes += len(text)
        if len(self.console) < _CONSOLE:
            self.console_times.append(at)
            self.console.append((level[:20], self._keep(text, _CONSOLE_TEXT)))

    def _on_entryAdded(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._say(event["entry"]["level"], event["entry"]["text"], float(event["entry"]["timestamp"]) / 1000)

    def _on_consoleAPICalled(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        words = (str(part.get("value", part.get("description", part.get("type", "")))) for part in event["args"][:20])
        text = " ".join(words)
        at = float(event["timestamp"]) / 1000
        self._say(event["type"], text, at)
        self.lately.said.append((at, str(event["type"])[:20], text[:_CONSOLE_TEXT]))

    def _on_exceptionThrown(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        details, at = event["exceptionDetails"], float(event["timestamp"]) / 1000
        self.lately.throw(details, at)
        self._say("error", f"{details.get('text', '')} {details.get('exception', {}).get('description', '')}".strip(), at)

    def _tell_new(self, entry: Mapping[str, Any]) -> None:
        free = (s for s in self._wire.values() if s.url == entry["url"] and not s.script_id)
        socket = next(free, None) or self._add(entry["url"])
        socket.script_id = str(entry["id"])[:40]
        if str(entry.get("asked")).startswith("ws:") and socket.url.startswith("wss:") and len(self.encrypted) < _SOCKETS:
            self.encrypted.append(socket.url)
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
            self.marks.append((str(entry["place"])[:50], str(entry["marker"])[:60], float(entry["at"]) / 1000))

    def _tell_changes(self, entry: Mapping[str, Any]) -> None:
        self.changes += int(entry["count"])
        self.lately.changes.append((float(entry["at"]) / 1000, int(entry["count"])))
        if len(self.change_times) < _TIMES:
            self.change_times.append(float(entry["at"]) / 1000)

    def _tell_page(self, entry: Mapping[str, Any]) -> None:
        if entry.get("inside"):
            self.frames += 1
        else:
            self.title, self.csp, self.parsed = str(entry["title"])[:500], str(entry["csp"])[:4000], True

    def _tell_violation(self, entry: Mapping[str, Any]) -> None:
        if len(self.violations) < _VIOLATIONS:
            words = {name: self._keep(str(entry[name]), 4000) for name in ("directive", "url", "policy")}
            self.violations.append(Violation(enforced=entry["disposition"] == "enforce", **words))

    def _tell_lifecycle(self, entry: Mapping[str, Any]) -> None:
        if len(self.lifecycle) < _LIFECYCLE:
            self.lifecycle.append((str(entry["event"])[:20], float(entry["at"]) / 1000))

    @property
    def settled(self) -> bool:
        """Whether there are sockets and each of them has an answer or an error."""
        return bool(self.sockets) and not any(socket.pending and not self._blocked(socket) for socket in self.sockets)

    @property
    def failed(self) -> list[Socket]:
        """The sockets whose request was sent and that were refused or broke."""
        return [socket for socket in self.sockets if socket.failed]

    @property
    def ended(self) -> bool:
        """Whether no socket is open or being opened."""
        return all(socket.ended_at is not None and (socket.code is not None or not is_open(socket)) for socket in self.sockets)

    def join(self, handshakes: Iterable[Handshake]) -> None:
        """Add what the browser's network log knows: exact requests, cookies, and sockets that DevTools did not show."""
        free = {id(socket): socket for socket in self.sockets if not socket.exact_headers}
        for handshake in handshakes:
            same = [socket for socket in free.values() if socket.url == handshake.url and socket.key == handshake.key]
            socket = free.pop(id(same[0])) if same else self._unseen(handshake)
            socket.cookies, socket.page_url = handshake.cookies, handshake.initiator
            if not handshake.http2:
                socket.exact_headers = handshake.request_headers

    def _unseen(self, handshake: Handshake) -> Socket:
        """Add the socket of a handshake that no event told of, such as that of a service worker."""
        socket = self._add(handshake.url)
        socket.request_headers, socket.headers, socket.status = handshake.request_headers, handshake.headers, handshake.status
        socket.asked_at = handshake.started_at if handshake.request_headers else None
        socket.answered_at = handshake.started_at if handshake.status == 101 else None
        return socket

    def observations(self, step: str, ended_at: float) -> list[Observation]:
        """Return the observations of each socket, in the page's order: upgrade, session, cookies.

        ended_at: epoch seconds when the watching ended.
        """
        source = Source(step=step, probe="browser", hop=self.hop)
        return [
            seen for socket in self.sockets for seen in socket_observations(source, socket, self.sockets, self._blocked(socket), ended_at)
        ]

    def _blocked(self, socket: Socket) -> str:
        """Return the socket's error, or what the console says about a socket that sent no request, "" when nothing is known.

        A socket that a Content Security Policy forbids has no error of its own, and with Chromium 156 no close event either. Each line of
        the console counts for one socket, for those that ended first.
        """
        if socket.error_text or socket.asked_at is not None:
            return socket.error_text
        silent = [one for one in self.sockets if one.url == socket.url and not one.error_text and one.asked_at is None]
        silent.sort(key=lambda one: one.ended_at is None)
        told = {one.error_text for one in self.sockets if one.error_text}
        lines = [text for level, text in self.console if level == "error" and socket.url.rstrip("/") in text]
        own = [line for line in lines if not any(text in line for text in told)]
        position = next(number for number, one in enumerate(silent) if one is socket)
        unsent = "the browser closed the socket before it sent a request" if socket.ended_at is not None else ""
        return own[position] if position < len(own) else unsent


def _decoded_size(payload: str) -> int:
    try:
        return len(base64.b64decode(payload))
    except binascii.Error:
        return len(payload)


def _decoded(payload: str) -> str:
    """Return binary data as the text that its ASCII is; the browser tells it in Base64, of which we take the begin."""
    try:
        return base64.b64decode(payload[: len(payload) // 4 * 4]).decode("latin-1")
    except binascii.Error:
        return ""
