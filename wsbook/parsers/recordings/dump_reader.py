"""Lines of a dump to exchanges and sockets: raw HTTP with and without curl's marks, wscat, and hand-written notes. Must not judge them.

Notes are lines such as "GET /path (no Origin) -> 200  t=0.1", "101 Switching Protocols  Name: value", "ws <- {…}  t=2.5" and
"closed 1006 after 40 ms"; what follows t= counts from the beginning of the page.
"""

import re
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from wsbook.facts import Frame
from wsbook.parsers.instants import find_seconds
from wsbook.parsers.recordings.recorded import Exchange

__all__ = ["DumpReader", "Told"]

EXCHANGES = 500
SOCKETS = 200
FRAMES = 2_000
HEADERS = 500
METHODS = "GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT"
REQUEST = re.compile(rf"^(?P<method>{METHODS}) (?P<url>\S+)(?: HTTP/(?P<version>\d(?:\.\d)?))?(?P<rest>.*)$")
STATUS = re.compile(
    r"^(?:HTTP/(?P<version>\d(?:\.\d)?)\s+(?P<status>[1-5]\d\d)(?!\d)\s*(?P<reason>[^\r\n]*)"
    r"|status(?: code)?:\s*(?P<status3>[1-5]\d\d)\b(?P<reason3>.*)"
    r"|(?:->|→|=>)\s*(?P<status4>[1-5]\d\d)\b(?P<reason4>[^\r\n]{0,100})"
    r"|(?P<status2>[1-5]\d\d) (?P<reason2>[A-Z][A-Za-z -]*?)(?:\s{2,}(?P<tail>.*))?)$",
    re.IGNORECASE,
)
ARROW = re.compile(r"(?:->|→|=>)\s*(?:HTTP/[\d.]+ )?(?P<status>[1-5]\d\d)\b(?P<after>.*)$")
TOLD_BODY = re.compile(r"(?:->|→|=>)\s*(\{.{1,4000})")
TOLD_HEADER = re.compile(r"\b(?P<no>no )?(?P<name>Origin|Cookie|Authorization|Location)\b(?::\s*(?P<value>[^\s()]{1,500}))?")
HEADER = re.compile(r"^(?P<name>:?[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,80}):\s?(?P<value>.*)$")
FRAME = re.compile(
    r"^(?:(?:(?:ws|frame|message|msg|websocket|conn(?:ection)?|socket|tab)\s*#?|#)(?P<id>\d{1,3})\b:?\s*"
    r"|(?:ws|frame|message|msg|websocket|conn|socket):?\s+)?"
    r"(?P<arrow>->|<-|→|←|>>|<<|↑|↓|⬆|⬇|(?:send|sent|recv|received)\b)\s*:?\s*(?P<text>\S.*)$",
    re.IGNORECASE,
)
AT = re.compile(r"\s+(?:t=|@|at )(?P<t>\d+(?:\.\d+)?)\s*s?\s*$")
CLOSED = re.compile(
    r"\b(?:clos\w*|Disconnected)\b\D{0,20}?(?P<code>1\d{3}|[34]\d{3})\b"
    r"(?:.{0,40}?after (?P<age>\d+(?:\.\d+)?\s*(?:ms|s|m(?:in\w*)?|h)\b))?",
    re.IGNORECASE,
)
OPENED = re.compile(
    r"^(?:(?:ws|websocket|conn(?:ection)?|socket)\s*#?|#)(?P<id>\d{1,3})?:?\s*(?:re)?(?:open(?:ed)?|connected|101)\b(?!.{0,40}close)",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"^(?:(?:ws|websocket|conn(?:ection)?|socket|tab)\s*#?|#)(?P<id>\d{1,3})\b(?!\s*ms)", re.IGNORECASE)
WSCAT = re.compile(r"^Connected \(press CTRL\+C to quit\)\s*$")
DIALLED = re.compile(r"\b(?:wscat|websocat|wsdump|python3? -m websockets)\b.{0,400}?\b(wss?://[^\s'\"]{1,500})")
REFUSED = re.compile(
    r"^error: Unexpected server response: (?P<status>[1-5]\d\d)\b|Received unexpected status code \((?P<status2>[1-5]\d\d)\b"
)
SOCKET_PATH = re.compile(r"(?i)transport=websocket|/(?:ws|wss|websockets?|sockets?|cable|realtime)(?:[/?]|$)")
"""Paths at which notes need not say that an upgrade is asked for."""
SENT = frozenset(("->", "→", ">>", "↑", "⬆", "send", "sent"))
UPGRADE = ("Upgrade", "websocket")


class Told(Struct):
    """One open socket as a dump tells it. line: of its closing, 0 none. opened_s: when, in the dump's own time; None unknown."""

    url: str = ""
    frames: list[Frame] = field(default_factory=list)
    line: int = 0
    code: int | None = None
    age_s: float | None = None
    opened_s: float | None = None


class DumpReader:
    """Collects exchanges, sockets and told JSON answers while lines go by.

    exchanges: (line, exchange). sockets: in order of their opening. snapshots: (URL, JSON text).
    """

    def __init__(self) -> None:
        self.exchanges: list[tuple[int, Exchange]] = []
        self.sockets: list[Told] = []
        self.snapshots: list[tuple[str, str]] = []
        self._named: dict[str, Told] = {}
        self._chat = False
        self._dialled = ""
        self._opened: Told | None = None
        self._side: Literal["", "request", "answer", "body"] = ""
        self._first = 0
        self._parts: dict[str, str] = {}
        self._headers: dict[str, list[tuple[str, str]]] = {"request": [], "answer": []}
        self._body: list[str] = []

    def line(self, raw: str, number: int) -> None:
        """Read one line: curl marks what is sent with > and received with <, and so does wscat."""
        text = raw.rstrip()
        if dialled := DIALLED.search(text):
            self._dialled = dialled[1]
        if WSCAT.match(text):
            self._chat = True
            self._add(number, Exchange(url=self._dialled, status=101, reason="Switching Protocols", proof=True, partial=True))
            self._open(None).url = self._dialled
        elif self._chat and text[:2] in ("> ", "< "):
            self._keep_frame("sent" if text[0] == ">" else "received", text[2:], None)
        else:
            self._http(text, number)

    def _http(self, text: str, number: int) -> None:
        mark = text[:1] if text[:2] in ("> ", "< ", "* ", ">", "<", "*") else ""
        text = text[len(mark) :].strip() if mark else text.strip()
        if mark == "*" or text.startswith(("* ", "$ ")):
            return
        if mark in (">", "<") and not text:
            self._side = "body" if mark == "<" else "request"
        elif found := REQUEST.match(text):
            self._request(found, number)
        elif (found := STATUS.match(text)) and self._side != "body":
            self._status(found, number)
        elif not text:
            self._side = "body" if self._side in ("answer", "body") else self._side
        else:
            self._content(text, number, mark)

    def _request(self, found: re.Match[str], number: int) -> None:
        self.flush()
        rest = found["rest"]
        self._first, self._side = number, "request"
        self._parts = {"method": found["method"], "url": found["url"].removesuffix("..."), "version": found["version"] or ""}
        if at := AT.search(rest):
            self._parts["at"] = at["t"]
        if arrow := ARROW.search(rest):
            self._told_answer(arrow, rest)
        elif told := TOLD_BODY.search(rest):
            self.snapshots.append((found["url"], told[1]))
        if "upgrade" in rest.lower() or (arrow and SOCKET_PATH.search(found["url"])):
            self._headers["request"].append(UPGRADE)

    def _told_answer(self, arrow: re.Match[str], rest: str) -> None:
        """Take status and headers out of the one line of a note."""
        self._parts["status"], self._parts["partial"] = arrow["status"], "yes"
        for side, words in (("request", rest[: arrow.start()]), ("answer", arrow["after"])):
            self._headers[side] += [
                (told["name"], told["value"]) for told in TOLD_HEADER.finditer(words) if told["value"] and not told["no"]
            ]
        if arrow["status"] == "101":
            self._open(self._at())

    def _status(self, found: re.Match[str], number: int) -> None:
        if "status" in self._parts and self._headers["answer"]:
            if self._parts["status"].startswith("1") and self._parts["status"] != "101":
                self._headers["answer"].clear()
            else:
                self.flush()
        elif self._parts.get("status") == "101":
            self.flush()
        self._first = self._first or number
        self._side = "answer"
        self._parts["status"] = found["status"] or found["status2"] or found["status3"] or found["status4"]
        self._parts["reason"] = (found["reason"] or found["reason2"] or found["reason3"] or "").strip()
        self._parts["answer_version"] = found["version"] or ""
        self._parts["partial"] = "" if found["version"] else "yes"
        if found["tail"] and (header := HEADER.match(found["tail"].strip())):
            self._headers["answer"].append((header["name"], header["value"].strip()))
        if self._parts["status"] == "101":
            self._open(self._at())

    def _content(self, text: str, number: int, mark: str) -> None:
        if refused := REFUSED.search(text):
            status = int(refused["status"] or refused["status2"])
            self._add(number, Exchange(url=self._dialled, status=status, request_headers=(UPGRADE,), partial=True, error_text=text[:500]))
        elif opened := OPENED.match(text):
            self._opened_by_note(opened["id"] or "", AT.search(text))
        elif closed := CLOSED.search(text):
            self._close(closed, text, number)
        elif frame := (None if mark and self._side in ("request", "answer") and not text.startswith("{") else FRAME.match(text)):
            self._frame(frame)
        elif self._side in ("", "request", "answer") and (header := HEADER.match(text)):
            self._header(header["name"], header["value"].strip(), number)
        elif len(self._body) < 200:
            self._body.append(text[:4096])

    def _header(self, name: str, value: str, number: int) -> None:
        """Take a header; HTTP/2 tells the request and status lines as headers (RFC 9113 section 8.3)."""
        part = {":path": "url", ":method": "method", ":status": "status"}.get(name)
        if part and (part != "status" or value[:3].isdigit()):
            if part in self._parts and part != "status":
                self.flush()
            self._first, self._side = self._first or number, "answer" if part == "status" else "request"
            self._parts = {"answer_version": "2", **self._parts, part: value[:3] if part == "status" else value}
        elif self._side and len(self._headers[self._side]) < HEADERS:
            self._headers[self._side].append((name, value))

    # Sockets

    def _at(self) -> float | None:
        return float(self._parts["at"]) if "at" in self._parts else None

    def _open(self, opened_s: float | None) -> Told:
        self._opened = Told(opened_s=opened_s)
        if len(self.sockets) < SOCKETS:
            self.sockets.append(self._opened)
        return self._opened

    def _current(self, name: str = "") -> Told:
        """Return the socket that is told about: by its number, else the last one that has not ended."""
        if name:
            if name not in self._named:
                self._named[name] = self._open(None) if self._named or not self.sockets else self.sockets[-1]
            return self._named[name]
        if not self.sockets or self.sockets[-1].line:
            url = self.sockets[-1].url if self.sockets else ""
            self._open(None).url = url
        return self.sockets[-1]

    def _close(self, found: re.Match[str], text: str, number: int) -> None:
        named = NUMBERED.match(text)
        socket, at = self._current(named["id"] if named else ""), AT.search(text)
        age = re.sub(r"min\w*", "m", found["age"]) if found["age"] else ""
        socket.line, socket.code = number, int(found["code"])
        socket.age_s = find_seconds(age) if age else None
        if at and socket.opened_s is not None and not age:
            socket.age_s = max(0.0, float(at["t"]) - socket.opened_s)

    def _opened_by_note(self, name: str, at: re.Match[str] | None) -> None:
        url = self.sockets[-1].url if self.sockets else ""
        socket = self._open(float(at["t"]) if at else None)
        socket.url = url
        if name:
            self._named[name] = socket

    def _frame(self, found: re.Match[str]) -> None:
        text = found["text"]
        at = AT.search(text)
        direction = "sent" if found["arrow"].lower() in SENT else "received"
        self._keep_frame(direction, text[: at.start()] if at else text, float(at["t"]) if at else None, found["id"] or "")

    def _keep_frame(self, direction: str, content: str, at_s: float | None, name: str = "") -> None:
        socket = self._current(name)
        if len(socket.frames) < FRAMES:
            size = len(content.encode("utf-8", "replace"))
            at_s = max(0.0, (at_s or 0.0) - (socket.opened_s or 0.0))
            socket.frames.append(Frame(at_s=at_s, direction=direction, opcode=1, size_bytes=size, text=content[:500]))

    # Exchanges

    def _add(self, number: int, exchange: Exchange) -> None:
        if len(self.exchanges) < EXCHANGES:
            self.exchanges.append((number, exchange))

    def flush(self) -> None:
        """Finish the exchange that is being read."""
        part, request, answer = self._parts, tuple(self._headers["request"]), tuple(self._headers["answer"])
        if part:
            named = {name.lower(): value for name, value in request}
            exchange = Exchange(
                url=_url(part.get("url", ""), named.get("host") or named.get(":authority", "")),
                method=part.get("method", "GET"),
                status=int(part["status"]) if "status" in part else None,
                reason=part.get("reason", ""),
                http_version=part.get("answer_version") or part.get("version", ""),
                request_headers=request,
                headers=answer,
                body="\n".join(self._body),
                partial=bool(part.get("partial")),
                at_s=self._at(),
            )
            self._add(self._first, exchange)
            if self._opened is not None:
                self._opened.url = exchange.url
        self._opened = None
        self._parts, self._headers, self._body, self._side, self._first = {}, {"request": [], "answer": []}, [], "", 0

    def finish(self) -> None:
        """Finish what is being read; notes ask for an upgrade wherever one of them to the same address was accepted."""
        self.flush()
        opened = {exchange.url.partition("?")[0] for _, exchange in self.exchanges if exchange.status == 101}
        for index, (number, exchange) in enumerate(self.exchanges):
            if exchange.partial and not exchange.request_headers and exchange.url.partition("?")[0] in opened:
                self.exchanges[index] = number, replace(exchange, request_headers=(UPGRADE,))


def _url(url: str, host: str) -> str:
    return f"//{host}{url}" if url.startswith("/") and host else url
