"""Read Chromium's own network log: its WebSocket handshakes as they went over the wire, and what became of each cookie.

The DevTools protocol shows neither the Cookie header nor the order of headers, nor a socket of a shared or service worker; the log of
the network stack shows all of them (format: https://www.chromium.org/developers/design-documents/network-stack/netlog/). It holds
secrets, so it lies in the browser's temporary profile and its values stay in memory. This module must not know DevTools.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from wsbook.datafile import read_table
from wsbook.facts import Cookie, Headers

__all__ = ["Handshake", "NetLog"]

_LIMIT_BYTES = 64_000_000
_HANDSHAKES, _COOKIES = 200, 100
_WANTED = (
    "URL_REQUEST_START_JOB",
    "COOKIE_INCLUSION_STATUS",
    "HTTP_TRANSACTION_SEND_REQUEST_HEADERS",
    "HTTP_TRANSACTION_HTTP2_SEND_REQUEST_HEADERS",
    "HTTP_TRANSACTION_READ_RESPONSE_HEADERS",
)


class Handshake(Struct, kw_only=True):
    """One opening handshake of the browser. request_headers: in the order sent, with credentials; () when nothing was sent.

    initiator: origin of the page. status and headers: of an accepted answer; the log drops those of a refused one.
    """

    url: str
    initiator: str = ""
    request_headers: Headers = ()
    headers: Headers = ()
    status: int | None = None
    http2: bool = False
    cookies: tuple[Cookie, ...] = ()
    started_at: float | None = None

    @property
    def key(self) -> str:
        """The value of Sec-WebSocket-Key, "" when none was sent."""
        return next((value for name, value in self.request_headers if name.lower() == "sec-websocket-key"), "")


@cache
def _reasons() -> dict[str, dict[str, Any]]:
    table = read_table("probes/browser_cookies.toml")
    return {entry["name"]: entry for entry in table["reason"]}


def _cookie(params: Mapping[str, Any], prefix: str = "") -> Cookie:
    told = [word.strip() for word in str(params["status"]).split(",")]
    found = [_reasons()[word] for word in _reasons() if word in told]
    unknown = [word for word in told if word.startswith("EXCLUDE_") and word not in _reasons()]
    words = [f"{prefix}{text}" for text in dict.fromkeys([*(entry["words"] for entry in found), *unknown])]
    return Cookie(
        name=str(params["name"])[:100],
        domain=str(params["domain"])[:255],
        path=str(params["path"])[:255],
        sent="INCLUDE" in told,
        held_back=() if "INCLUDE" in told else tuple(words[:4]),
        elsewhere=any(entry.get("elsewhere", False) for entry in found),
    )


def _belongs(cookie: Cookie, host: str) -> bool:
    domain = cookie.domain.lstrip(".").lower()
    return host == domain or host.endswith(f".{domain}")


def _pairs(lines: object) -> Headers:
    return tuple(
        (name.strip()[:200], value.strip()[:16_000])
        for name, colon, value in (str(line).partition(":") for line in list(lines)[:100] if not str(line).startswith("HTTP/"))  # type: ignore[call-overload]
        if colon and name.strip()
    )


class NetLog:
    """The handshakes found in a log file; empty until read() was called."""

    def __init__(self) -> None:
        self.handshakes: list[Handshake] = []
        self._sources: dict[int, Handshake] = {}
        self._rejected: list[Cookie] = []
        self._pages: dict[tuple[str, str], Cookie] = {}
        self._types: dict[int, str] = {}
        self._epoch_ms = 0.0

    def read(self, file: Path) -> None:
        """Take what the file holds, as far as it can be understood; a missing or broken file leaves nothing. At most 64 MB are read."""
        with contextlib.suppress(OSError), file.open("rb") as lines:
            for event in self._events(iter(lambda: lines.readline(4_000_000), b"")):
                with contextlib.suppress(LookupError, TypeError, ValueError, AttributeError):  # an event of another version
                    self._take(event)
        for handshake in self.handshakes:
            host = re.sub(r"^wss?://(?:[^@/]*@)?(\[[^\]]*\]|[^:/?#]*).*", r"\1", handshake.url, flags=re.DOTALL).strip("[]").lower()
            refused = [cookie for cookie in self._rejected if _belongs(cookie, host)]
            foreign = [cookie for cookie in self._pages.values() if not _belongs(cookie, host)]
            handshake.cookies = (*handshake.cookies, *refused, *foreign)[:_COOKIES]

    def _events(self, lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
        read_bytes = 0
        wanted: list[bytes] = []
        for line in lines:
            read_bytes += len(line)
            if read_bytes > _LIMIT_BYTES:
                return
            if not self._types and line.startswith(b'{"constants"'):
                self._begin(line)
                wanted = [b'"type":%d}' % number for number in self._types]
            elif any(mark in line for mark in wanted):
                with contextlib.suppress(msgspec.DecodeError):
                    yield msgspec.json.decode(line.strip().rstrip(b",]}") + b"}")

    def _begin(self, line: bytes) -> None:
        with contextlib.suppress(msgspec.DecodeError, KeyError, TypeError, ValueError):
            constants = msgspec.json.decode(line.strip().rstrip(b",") + b"}")["constants"]
            self._types = {int(number): name for name, number in constants["logEventTypes"].items() if name in _WANTED}
            self._epoch_ms = float(constants["timeTickOffset"])

    def _take(self, event: dict[str, Any]) -> None:
        name, params, source = self._types[event["type"]], event.get("params") or {}, event["source"]["id"]
        if name == "COOKIE_INCLUSION_STATUS" and params["operation"] == "store":
            if "EXCLUDE" in params["status"] and len(self._rejected) < _COOKIES:
                self._rejected.append(_cookie(params, "not stored when it was set: "))
        elif name == "URL_REQUEST_START_JOB" and str(params.get("url", "")).startswith(("ws:", "wss:")):
            if len(self.handshakes) < _HANDSHAKES and source not in self._sources:
                begun = (self._epoch_ms + float(event["time"])) / 1000
                self._sources[source] = Handshake(
                    url=str(params["url"])[:2000], initiator=str(params.get("initiator", ""))[:300], started_at=begun
                )
                self.handshakes.append(self._sources[source])
        elif source in self._sources:
            self._add(self._sources[source], name, params)
        elif name == "COOKIE_INCLUSION_STATUS" and "INCLUDE" in params["status"] and len(self._pages) < _COOKIES:
            seen = _cookie(params)
            foreign = replace(
                seen, sent=False, held_back=("it belongs to the page's host, not the socket's",), elsewhere=True, other_host=True
            )
            self._pages[seen.name, seen.domain] = foreign

    def _add(self, handshake: Handshake, name: str, params: Mapping[str, Any]) -> None:
        if name == "COOKIE_INCLUSION_STATUS" and len(handshake.cookies) < _COOKIES:
            handshake.cookies = (*handshake.cookies, _cookie(params))
        elif name == "HTTP_TRANSACTION_READ_RESPONSE_HEADERS":
            found = re.match(r"HTTP/[\d.]+ (\d{3})", str(params["headers"][0]))
            handshake.status = int(found[1]) if found else None
            handshake.headers = _pairs(params["headers"])
        elif name.endswith("SEND_REQUEST_HEADERS"):
            handshake.request_headers = _pairs(params["headers"])
            handshake.http2 = "HTTP2" in name
