"""What Firefox's events say about its WebSockets: events of WebDriver BiDi in, the capture of a page out.

Events: https://w3c.github.io/webdriver-bidi/ (network, log, script). Firefox tells each handshake as a request of http or https with every
header in the order sent, refused answers included; it tells no frames, those come from browser_page.js. A page is hostile: see
browser_capture.py. This module must not know how Firefox is started.
"""

import contextlib
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wsbook.errors import UsageError
from wsbook.facts import Cookie, Frame, Headers
from wsbook.probes.browser_capture import Capture
from wsbook.probes.browser_sockets import Socket, failed_checks
from wsbook.target import Endpoint, parse_endpoint

__all__ = ["FirefoxCapture"]

_FRAMES, _TEXT = 2000, 2000
_LEVELS = {"warn": "warning"}


def _pairs(headers: Iterable[Mapping[str, Any]]) -> Headers:
    return tuple((str(entry["name"])[:200], str(entry["value"].get("value", ""))[:16_000]) for entry in list(headers)[:100])


def _socket_url(url: str) -> str:
    return f"ws{url[4:]}" if url.startswith("http") else url


class FirefoxCapture(Capture):
    """Collects the events of one page in Firefox. channel: where browser_page.js reports to; top: the context of the page itself."""

    def __init__(self, channel: str) -> None:
        super().__init__("firefox")
        self.page_status: int | None = None
        self.page_headers: Headers = ()
        self.page_url = ""
        self.top = ""
        self._channel = channel
        self._handlers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "network.beforeRequestSent": self._asked,
            "network.responseStarted": self._answered,
            "network.fetchError": self._failed,
            "log.entryAdded": self._logged,
            "script.message": self._reported,
        }

    def on_bidi(self, method: str, params: Mapping[str, Any]) -> None:
        """Take one event; unknown methods are ignored."""
        if (handler := self._handlers.get(method)) and not self._stopped:
            with contextlib.suppress(LookupError, TypeError, ValueError, AttributeError):  # an event of another version
                handler(params)

    def _asked(self, event: Mapping[str, Any]) -> None:
        request = event["request"]
        headers = _pairs(request["headers"])
        if not any(name.lower() == "sec-websocket-key" for name, _ in headers) or len(self._wire) >= 10_000:
            return
        url, wired = _socket_url(str(request["url"])), {id(socket) for socket in self._wire.values()}
        free = (socket for socket in self.sockets if socket.url == url and id(socket) not in wired and socket.ended_at is None)
        socket = self._wire[str(request["request"])] = next(free, None) or self._add(url)
        self._take(socket, request)

    def _take(self, socket: Socket, request: Mapping[str, Any]) -> None:
        """Keep the request as it stands now: Firefox adds its last headers just before it sends."""
        socket.request_headers = socket.exact_headers = _pairs(request["headers"])
        times = request["timings"]
        sent = float(times["requestStart"] or times["requestTime"])
        socket.asked_at = sent / 1000 if sent > 0 else None
        socket.cookies = tuple(
            Cookie(name=str(one["name"])[:100], domain=str(one["domain"])[:255], path=str(one["path"])[:255], sent=True)
            for one in list(request["cookies"])[:100]
        )

    def _answered(self, event: Mapping[str, Any]) -> None:
        response, socket = event["response"], self._wire.get(event["request"]["request"])
        if socket is None:
            if event.get("navigation") is not None and event["context"] == self.top:
                self.page_status, self.page_headers = int(response["status"]), _pairs(response["headers"])
                self.page_url = str(response["url"])[:2000]
            return
        self._take(socket, event["request"])
        socket.status, socket.reason = int(response["status"]), str(response["statusText"])[:200]
        socket.headers = _pairs(response["headers"])
        protocol = str(response["protocol"]).lower()
        socket.http_version = protocol.removeprefix("http/") if protocol.startswith("http/") else protocol.removeprefix("h")
        if socket.http_version.startswith(("2", "3")):
            socket.exact_headers = ()
        if socket.status == 101 and not failed_checks(socket):
            socket.answered_at = float(event["timestamp"]) / 1000

    def _failed(self, event: Mapping[str, Any]) -> None:
        socket = self._wire[event["request"]["request"]]
        self._take(socket, event["request"])
        if not event["request"]["timings"]["requestStart"]:
            socket.asked_at = None
        socket.ended_at = socket.ended_at or float(event["timestamp"]) / 1000
        if socket.status is None:
            socket.error_text = str(event["errorText"])[:_TEXT]

    def _logged(self, event: Mapping[str, Any]) -> None:
        level, text = str(event["level"]), str(event["text"])
        kind = str(event["method"]) if event["type"] == "console" else _LEVELS.get(level, level)
        self._say(kind, text, float(event["timestamp"]) / 1000)
        if event["type"] == "javascript":
            named = (one for one in self.sockets if one.url.rstrip("/") in text and text not in one.error_text)
            broken = next((one for one in named if one.answered_at is None or one.ended_at is None), None)
            if broken is not None and ("establish" in text or "interrupted" in text):
                broken.error_text = "; ".join(filter(None, (broken.error_text, text)))[:_TEXT]

    def _reported(self, event: Mapping[str, Any]) -> None:
        if event["channel"] == self._channel:
            self.on_report(str(event["data"]["value"]))

    def _tell_open(self, entry: Mapping[str, Any]) -> None:
        self._script[entry["id"]].answered_at = float(entry["at"]) / 1000

    def _tell_frame(self, entry: Mapping[str, Any]) -> None:
        socket, at, size = self._script[entry["id"]], float(entry["at"]) / 1000, int(entry["size"])
        self.size_bytes += size
        socket.last_at = at
        socket.frame_count += 1
        if len(socket.frames) < _FRAMES:
            since = max(0.0, at - (socket.answered_at or at))
            text = self._keep(str(entry["data"]), _TEXT)
            direction = "sent" if entry["sent"] else "received"
            socket.frames.append(Frame(at_s=since, direction=direction, opcode=1 if entry["text"] else 2, size_bytes=size, text=text))

    def join_cookies(self, jar: Iterable[Mapping[str, Any]]) -> None:
        """Add to each socket the cookies of the browser that belong to its host and were not sent, with what their attributes say."""
        page = _place(self.page_url)
        for socket in self.sockets:
            place = _place(socket.url)
            if place is None or not socket.request_headers:
                continue
            socket.page_url = page.origin if page else ""
            sent = {(one.name, one.path) for one in socket.cookies}
            kept = [one for one in jar if _belongs(str(one["domain"]), place.host) and (one["name"], one["path"]) not in sent]
            socket.cookies += tuple(_held_back(one, place, page) for one in kept[:100])


def _place(url: str) -> Endpoint | None:
    try:
        return parse_endpoint(url.partition("#")[0])
    except UsageError:
        return None


def _belongs(domain: str, host: str) -> bool:
    name = domain.lstrip(".").lower()
    return host == name or (domain.startswith(".") and host.endswith(f".{name}"))


def _held_back(one: Mapping[str, Any], place: Endpoint, page: Endpoint | None) -> Cookie:
    """Return why a cookie stayed, from its attributes (RFC 6265bis section 5.8.3); Firefox itself does not say."""
    path, same_site = str(one["path"]), str(one.get("sameSite", "")).lower()
    elsewhere = not (place.path == path or place.path.startswith(path.rstrip("/") + "/"))
    reasons = [
        ("it belongs to another path", elsewhere),
        ("Secure, and the connection is not encrypted", bool(one.get("secure")) and not place.secure),
        (f"SameSite={same_site.title()}, and the page is of another site", same_site in ("lax", "strict") and not _same_site(place, page)),
        ("the browser does not say why", True),
    ]
    words = [text for text, holds in reasons if holds]
    return Cookie(
        name=str(one["name"])[:100],
        domain=str(one["domain"])[:255],
        path=path[:255],
        sent=False,
        held_back=tuple(words[:-1] or words),
        elsewhere=elsewhere,
    )


def _same_site(place: Endpoint, page: Endpoint | None) -> bool:
    """Compare hosts, and of names the last two labels: without the list of public suffixes this can be wrong for such as co.uk."""
    if page is None or place.host == page.host:
        return True
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(place.host)
        return False
    return place.host.split(".")[-2:] == page.host.split(".")[-2:]
