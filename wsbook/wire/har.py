"""One socket written as an HTTP Archive (HAR 1.2) as Chrome's developer tools write it, with its messages. Must not know secrets or files.

http://www.softwareishard.com/blog/har-12-spec/; ``_webSocketMessages`` as in DevTools HARLog.ts, ``_webSocketClose`` as in HTTP Toolkit.
Control frames stand among the messages with their opcodes, which browsers do not show.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Struct

import wsbook
from wsbook.facts import Headers, SessionFacts, UpgradeFacts
from wsbook.observation import Observation

__all__ = ["HarMessage", "har_of"]

_TIMINGS = {"resolve": "dns", "tcp": "connect", "proxy": "blocked", "tls": "ssl", "upgrade": "wait"}
"""A stage of an attempt → what HAR calls it."""


class HarMessage(Struct, frozen=True, kw_only=True):
    """One message or control frame. at_s: age of the socket. data: text; base64 for opcode 2, 9 and 10. cut: it is only the beginning."""

    at_s: float
    sent: bool
    opcode: int
    data: str
    size_bytes: int
    cut: bool = False


def har_of(seen: Observation, facts: UpgradeFacts, session: SessionFacts | None, messages: Iterable[HarMessage], comment: str = "") -> Any:
    """Return the archive of one attempt and, when it opened, of its life; values for a JSON encoder.

    comment: what a reader has to know of it, such as what is missing.
    """
    opened = seen.observed_at.timestamp() + seen.duration_s
    kept = [_message(message, opened) for message in messages]
    age_s = session.age_s or 0.0 if session is not None else 0.0
    last_s = kept[-1]["time"] - opened if kept else 0.0
    entry: dict[str, Any] = {
        "startedDateTime": seen.observed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "time": round(1000 * (seen.duration_s + age_s), 3),
        "request": _request(facts),
        "response": _response(facts, seen.failure.message if seen.failure else ""),
        "cache": {},
        "timings": _timings(seen) | {"receive": _receive_ms(session, age_s - last_s)},
        "serverIPAddress": (facts.peer or "").rpartition(":")[0].strip("[]"),
        "connection": (facts.peer or "").rpartition(":")[2],
        "_resourceType": "websocket",
    }
    if facts.accepted:
        entry["_webSocketMessages"] = kept
    if session is not None and (end := _close(session, opened)) is not None:
        entry["_webSocketClose"] = end
    creator = {"name": "wsbook", "version": wsbook.__version__}
    return {"log": {"version": "1.2", "creator": creator, "pages": [], "entries": [entry]} | ({"comment": comment} if comment else {})}


def _message(message: HarMessage, opened: float) -> dict[str, Any]:
    kept = {
        "type": "send" if message.sent else "receive",
        "time": round(opened + message.at_s, 6),
        "opcode": message.opcode,
        "data": message.data,
        "_sizeBytes": message.size_bytes,
    }
    return kept | ({"comment": f"the first part of {message.size_bytes} bytes"} if message.cut else {})


def _timings(seen: Observation) -> dict[str, float]:
    """Return the stages in ms; -1 where there was none, as HAR has it. connect holds ssl."""
    times = dict.fromkeys(("blocked", "dns", "connect", "ssl"), -1.0) | {"send": 0.0, "wait": 0.0}
    for stage in seen.stages:
        if name := _TIMINGS.get(stage.name):
            times[name] = round(1000 * stage.duration_s, 3)
    times["connect"] += max(0.0, times["ssl"])
    return times


def _receive_ms(session: SessionFacts | None, after_last_s: float) -> float:
    """Return the time after the last message, which is 0 while the socket is open and never 0 once it has ended."""
    return 0.0 if session is None or session.ended == "open" else round(max(0.001, 1000 * after_last_s), 3)


def _pairs(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]


def _version(number: str | None) -> str:
    return f"HTTP/{number or '1.1'}"


def _request(facts: UpgradeFacts) -> dict[str, Any]:
    query = parse_qsl(facts.url.partition("?")[2], keep_blank_values=True)
    return {
        "method": "GET",
        "url": facts.url,
        "httpVersion": _version(None),
        "headers": _pairs(facts.request_headers),
        "queryString": [{"name": name, "value": value} for name, value in query],
        "cookies": [],
        "headersSize": facts.request_bytes if facts.request_bytes is not None else -1,
        "bodySize": 0,
    }


def _response(facts: UpgradeFacts, problem: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "status": facts.status or 0,
        "statusText": facts.reason,
        "httpVersion": _version(facts.http_version) if facts.status else "",
        "headers": _pairs(facts.headers),
        "cookies": [],
        "content": {"size": facts.body_bytes or 0, "mimeType": facts.header("content-type") or "x-unknown"},
        "redirectURL": facts.header("location") or "",
        "headersSize": -1,
        "bodySize": facts.body_bytes if facts.body_bytes is not None else -1,
    }
    if facts.body:
        answer["content"]["text"] = facts.body
    return answer | ({"_error": problem} if problem else {})


def _close(session: SessionFacts, opened: float) -> Any:
    """Return how it ended; None while it is open, and where neither a close frame nor a RST came."""
    if session.ended == "rst":
        return "aborted"
    if session.ended != "close" or session.close_code is None:
        return None
    return {"code": session.close_code, "reason": session.close_reason, "timestamp": round(opened + (session.age_s or 0.0), 6)}
