"""One WebSocket of a watched page: what was seen of it, and the observations that come of that.

This module must not know by which protocol a browser tells its events.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from wsbook.attempt import Attempt
from wsbook.datafile import read_table
from wsbook.facts import Check, Cookie, CookieFacts, Frame, Headers, SessionFacts, UpgradeFacts
from wsbook.observation import Failure, Observation, Reason, Source, Stage, observed
from wsbook.wire.answer import Answer
from wsbook.wire.credentials import hide_credentials
from wsbook.wire.handshake import check_answer

__all__ = ["Socket", "explain_error", "failed_checks", "is_open", "socket_observations"]

_CONTROL_CODES = (1005, 1006, 1015)  # RFC 6455 section 7.4.1: never in a frame


@cache
def _errors() -> dict[str, Any]:
    return read_table("probes/browser_errors.toml")


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
    """One WebSocket while it is watched; times are epoch seconds, None when not seen.

    exact_headers: the request as it went over the wire, with credentials: for the repetition only, never part of an observation.
    """

    url: str
    request_headers: Headers = ()
    exact_headers: Headers = ()
    cookies: tuple[Cookie, ...] = ()
    page_url: str = ""
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

    @property
    def key(self) -> str:
        """The value of Sec-WebSocket-Key, "" when no request was seen."""
        return next((value for name, value in self.request_headers if name.lower() == "sec-websocket-key"), "")

    @property
    def failed(self) -> bool:
        """Whether a request was sent and the socket was refused, or broke with an error or code 1006; not what the page itself closed."""
        if self.asked_at is None or self.by_page or self.pending:
            return False
        return not is_open(self) or bool(self.error_text) or self.code in _CONTROL_CODES[1:]


def is_open(socket: Socket) -> bool:
    """Tell whether the upgrade was accepted, whatever came later."""
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


def socket_observations(source: Source, socket: Socket, sockets: Sequence[Socket], error_text: str, ended_at: float) -> list[Observation]:
    """Return the upgrade, the session when it opened, and what became of the cookies when there are any.

    error_text: what is known of a failure. sockets: all of the page. ended_at: epoch seconds when the watching ended.
    """
    found = [_upgrade(source, socket, error_text, "" if error_text else _waiting(socket, sockets), ended_at)]
    if is_open(socket):
        found.append(_session(source, socket, ended_at))
    if socket.cookies:
        cookies = CookieFacts(url=socket.url, page_url=socket.page_url, cookies=socket.cookies)
        found.append(observed(source, cookies, observed_at=found[0].observed_at))
    return found


def _upgrade(source: Source, socket: Socket, error_text: str, waiting: str, ended_at: float) -> Observation:
    status, check, failure = (None, None, None) if is_open(socket) else explain_error(error_text)
    status = socket.status or status
    if waiting:
        failure = Failure(stage="upgrade" if socket.asked_at else "tcp", reason=Reason.TIMEOUT, message=waiting)
    elif failure is None and not is_open(socket) and status is None:
        failure = Failure(stage="browser", reason=Reason.CLOSED, message=error_text or "the socket closed without an answer")
    end = socket.answered_at or socket.ended_at or ended_at
    begin = socket.asked_at or end
    facts = UpgradeFacts(
        url=socket.url,
        accepted=is_open(socket),
        status=status,
        reason=socket.reason,
        http_version=socket.http_version,
        request_headers=hide_credentials(socket.exact_headers or socket.request_headers),
        headers=socket.headers,
        checks=(check,) if check else () if is_open(socket) else failed_checks(socket),
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


def failed_checks(socket: Socket) -> tuple[Check, ...]:
    """Return what is wrong with an answer, where the browser shows the answer and not the reason."""
    if socket.status is None:
        return ()
    names = {name.lower(): value for name, value in socket.request_headers}
    attempt = Attempt(
        url=socket.url,
        subprotocols=tuple(part.strip() for part in names.get("sec-websocket-protocol", "").split(",") if part.strip()),
        extensions=tuple(part.strip() for part in names.get("sec-websocket-extensions", "").split(",") if part.strip()),
    )
    answer = Answer(version=socket.http_version or "1.1", status=socket.status, reason=socket.reason, headers=socket.headers)
    return tuple(check for check in check_answer(attempt, socket.key, answer) if not check.ok)


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
