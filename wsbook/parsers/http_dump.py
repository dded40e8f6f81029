"""Requests and answers written as text: curl -v, a copy from developer tools, raw HTTP, or hand-written notes. Must not judge them.

Understood are lines with and without the marks of curl (">", "<", "*"), request and status lines, "Name: value" headers, bodies,
"GET /path … -> 200", frames written with arrows, and "closed 1006 after 40 ms".
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from wsbook.facts import Frame, SessionFacts, TextFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.instants import find_seconds
from wsbook.parsers.recorded import Exchange, body_observations, is_upgrade, upgrade_facts
from wsbook.signatures import Tally, matcher

__all__ = ["parse_http_dump"]

EXCHANGES = 500
LINES = 50_000
"""Lines of a dump that are read; more than that is a log."""
FRAMES = 2_000
METHODS = "GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT"
REQUEST = re.compile(rf"^(?P<method>{METHODS}) (?P<url>\S+)(?: HTTP/(?P<version>\d(?:\.\d)?))?(?P<rest>.*)$")
STATUS = re.compile(
    r"^(?:HTTP/(?P<version>\d(?:\.\d)?)\s+(?P<status>[1-5]\d\d)(?!\d)\s*(?P<reason>[^\r\n]*)"
    r"|status(?: code)?:\s*(?P<status3>[1-5]\d\d)\b(?P<reason3>.*)"
    r"|(?P<status2>[1-5]\d\d) (?P<reason2>[A-Z][A-Za-z -]*?)(?:\s{2,}(?P<tail>.*))?)$",
    re.IGNORECASE,
)
ARROW = re.compile(r"(?:->|→|=>)\s*(?:HTTP/[\d.]+ )?(?P<status>[1-5]\d\d)\b")
HEADER = re.compile(r"^(?P<name>:?[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,80}):\s?(?P<value>.*)$")
FRAME = re.compile(
    r"^(?:(?:ws|frame|message|msg|websocket)\s*)?(?P<arrow>->|<-|→|←|>>|<<|↑|↓|⬆|⬇|(?:send|sent|recv|received)\b)\s*:?\s*(?P<text>\S.*)$",
    re.IGNORECASE,
)
AT = re.compile(r"\s+(?:t=|@|at )(?P<t>\d+(?:\.\d+)?)\s*s?\s*$")
CLOSED = re.compile(
    r"\bclos\w*\b\D{0,20}?(?P<code>1\d{3}|[34]\d{3})\b(?:.{0,40}?after (?P<age>\d+(?:\.\d+)?\s*(?:ms|s|m|h)))?", re.IGNORECASE
)
SENT = frozenset(("->", "→", ">>", "↑", "⬆", "send", "sent"))


class _Reader:
    """Collects exchanges, frames and closings while lines go by."""

    def __init__(self) -> None:
        self.exchanges: list[tuple[int, Exchange]] = []
        self.frames: list[Frame] = []
        self.closed: tuple[int, int, float | None] | None = None
        self._side: Literal["", "request", "answer", "body"] = ""
        self._first = 0
        self._parts: dict[str, str] = {}
        self._headers: dict[str, list[tuple[str, str]]] = {"request": [], "answer": []}
        self._body: list[str] = []

    def line(self, raw: str, number: int) -> None:
        """Read one line: curl marks what is sent with > and received with <."""
        text = raw.rstrip()
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
        self._first, self._side = number, "request"
        self._parts = {"method": found["method"], "url": found["url"].removesuffix("..."), "version": found["version"] or ""}
        if "upgrade" in found["rest"].lower():
            self._headers["request"].append(("Upgrade", "websocket"))
        if arrow := ARROW.search(found["rest"]):
            self._parts["status"] = arrow["status"]

    def _status(self, found: re.Match[str], number: int) -> None:
        if "status" in self._parts and self._headers["answer"]:
            if self._parts["status"].startswith("1") and self._parts["status"] != "101":
                self._headers["answer"].clear()
            else:
                self.flush()
        self._first = self._first or number
        self._side = "answer"
        self._parts["status"] = found["status"] or found["status2"] or found["status3"]
        self._parts["reason"] = (found["reason"] or found["reason2"] or found["reason3"] or "").strip()
        self._parts["answer_version"] = found["version"] or ""
        if found["tail"] and (header := HEADER.match(found["tail"].strip())):
            self._headers["answer"].append((header["name"], header["value"].strip()))

    def _content(self, text: str, number: int, mark: str) -> None:
        if closed := CLOSED.search(text):
            self.closed = (number, int(closed["code"]), find_seconds(closed["age"]) if closed["age"] else None)
        elif frame := (None if mark and self._side in ("request", "answer") and not text.startswith("{") else FRAME.match(text)):
            self._frame(frame)
        elif self._side in ("request", "answer") and (header := HEADER.match(text)):
            if len(self._headers[self._side]) < 500:
                self._headers[self._side].append((header["name"], header["value"].strip()))
        elif len(self._body) < 200:
            self._body.append(text[:4096])

    def _frame(self, found: re.Match[str]) -> None:
        text = found["text"]
        at = AT.search(text)
        content = text[: at.start()] if at else text
        if len(self.frames) < FRAMES:
            direction = "sent" if found["arrow"].lower() in SENT else "received"
            self.frames.append(
                Frame(
                    at_s=float(at["t"]) if at else 0.0, direction=direction, opcode=1, size_bytes=len(content.encode()), text=content[:500]
                )
            )

    def flush(self) -> None:
        """Finish the exchange that is being read."""
        part, request, answer = self._parts, tuple(self._headers["request"]), tuple(self._headers["answer"])
        if part and len(self.exchanges) < EXCHANGES:
            exchange = Exchange(
                url=_url(part.get("url", ""), {name.lower(): value for name, value in request}),
                method=part.get("method", "GET"),
                status=int(part["status"]) if "status" in part else None,
                reason=part.get("reason", ""),
                http_version=part.get("answer_version") or part.get("version", ""),
                request_headers=request,
                headers=answer,
                body="\n".join(self._body),
            )
            self.exchanges.append((self._first, exchange))
        self._parts, self._headers, self._body, self._side, self._first = {}, {"request": [], "answer": []}, [], "", 0


def _url(url: str, headers: dict[str, str]) -> str:
    return f"//{headers['host']}{url}" if url.startswith("/") and headers.get("host") else url


def _session(reader: _Reader, url: str) -> SessionFacts:
    code, age = (reader.closed[1], reader.closed[2]) if reader.closed else (None, None)
    return SessionFacts(
        url=url,
        frames=tuple(reader.frames),
        frame_count=len(reader.frames),
        ended="unknown" if code in (None, 1006) else "close",
        close_code=code,
        age_s=age,
    )


def _known_texts(lines: list[str]) -> Tally:
    search, tally = matcher("body"), Tally()
    for hit in search.scan(lines):
        tally.add(hit, hit.index + 1)
    return tally


def _observations(reader: _Reader, step: str, artifact: str) -> Iterator[Observation]:
    upgrades = [(line, exchange) for line, exchange in reader.exchanges if is_upgrade(exchange)]
    for line, exchange in upgrades:
        yield observed(Source(step=step, probe="http_dump", artifact=artifact, line=line), upgrade_facts(exchange))
    if reader.frames or reader.closed:
        line = reader.closed[0] if reader.closed else 0
        url = upgrades[-1][1].url if upgrades else ""
        yield observed(Source(step=step, probe="http_dump", artifact=artifact, line=line), _session(reader, url))


def parse_http_dump(lines: Iterable[str], *, artifact: str, step: str = "1.2") -> list[Observation]:
    """Return what a dump holds: UpgradeFacts of WebSocket handshakes, a SessionFacts when frames or a closing are told, SignatureFacts
    of known texts, one TextFacts for the whole (items: exchanges). Only the first 50,000 lines are read."""
    kept = [line.replace("\n", " ") for _, line in zip(range(LINES), lines, strict=False)]
    reader = _Reader()
    for number, line in enumerate(kept, 1):
        reader.line(line[:16384], number)
    reader.flush()
    source = Source(step=step, probe="http_dump", artifact=artifact)
    whole = TextFacts(kind="http_dump", size_bytes=sum(map(len, kept)) + len(kept), items=len(reader.exchanges))
    tally = _known_texts(kept)
    bodies = [(line, exchange.body) for line, exchange in reader.exchanges if "\n" in exchange.body]
    known = {facts.signature for _, _, facts in tally.facts()}
    joined = [seen for seen in body_observations(bodies, source) if getattr(seen.facts, "signature", "") not in known]
    texts = [
        observed(Source(step=step, probe="http_dump", artifact=artifact, line=first, line_end=last), facts)
        for first, last, facts in tally.facts()
    ]
    return [*texts, *joined, *_observations(reader, step, artifact), observed(source, whole)]
