"""Requests and answers written as text: curl, developer tools, raw HTTP, wscat, s_client, or hand-written notes. Must not judge them.

Understood are lines with and without the marks of curl (">", "<", "*"), request and status lines, "Name: value" headers, bodies,
"GET /path … -> 200", frames written with arrows, "closed 1006 after 40 ms", a wscat session, what tools say when nothing answers.
Layouts of developer tools and packets are brought into this form by dump_layouts.py.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal

from msgspec.structs import replace

from wsbook.facts import Frame, RecordingFacts, SessionFacts, Snapshot, TextFacts, UpgradeFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.dump_ends import find_failure, find_tls
from wsbook.parsers.dump_layouts import raw_lines
from wsbook.parsers.instants import find_seconds
from wsbook.parsers.recorded import Exchange, body_observations, is_upgrade, upgrade_facts
from wsbook.parsers.texts import ANSI
from wsbook.signatures import Tally, matcher
from wsbook.wire.messages import number_of

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
TOLD_BODY = re.compile(r"(?:->|→|=>)\s*(\{.{1,4000})")
HEADER = re.compile(r"^(?P<name>:?[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,80}):\s?(?P<value>.*)$")
FRAME = re.compile(
    r"^(?:(?:ws|frame|message|msg|websocket)\s*)?(?P<arrow>->|<-|→|←|>>|<<|↑|↓|⬆|⬇|(?:send|sent|recv|received)\b)\s*:?\s*(?P<text>\S.*)$",
    re.IGNORECASE,
)
AT = re.compile(r"\s+(?:t=|@|at )(?P<t>\d+(?:\.\d+)?)\s*s?\s*$")
CLOSED = re.compile(
    r"\b(?:clos\w*|Disconnected)\b\D{0,20}?(?P<code>1\d{3}|[34]\d{3})\b(?:.{0,40}?after (?P<age>\d+(?:\.\d+)?\s*(?:ms|s|m|h)))?",
    re.IGNORECASE,
)
WSCAT = re.compile(r"^Connected \(press CTRL\+C to quit\)\s*$")
GREETING = re.compile(r'(?:^|\s)4?0(?:/[^,]{0,80},)?\{"sid"')
DIALLED = re.compile(r"\b(?:wscat|websocat|wsdump|python3? -m websockets)\b.{0,400}?\b(wss?://[^\s'\"]{1,500})")
REFUSED = re.compile(
    r"^error: Unexpected server response: (?P<status>[1-5]\d\d)\b|Received unexpected status code \((?P<status2>[1-5]\d\d)\b"
)
TEXT_CHARS = 1_000_000
"""Characters of a dump that are searched for failures and certificates."""
SENT = frozenset(("->", "→", ">>", "↑", "⬆", "send", "sent"))


class _Reader:
    """Collects exchanges, frames and closings while lines go by."""

    def __init__(self) -> None:
        self.exchanges: list[tuple[int, Exchange]] = []
        self.frames: list[Frame] = []
        self.closed: tuple[int, int, float | None] | None = None
        self.snapshots: list[tuple[str, str]] = []
        self._chat = False
        self._dialled = ""
        self._side: Literal["", "request", "answer", "body"] = ""
        self._first = 0
        self._parts: dict[str, str] = {}
        self._headers: dict[str, list[tuple[str, str]]] = {"request": [], "answer": []}
        self._body: list[str] = []

    def line(self, raw: str, number: int) -> None:
        """Read one line: curl marks what is sent with > and received with <."""
        text = raw.rstrip()
        if dialled := DIALLED.search(text):
            self._dialled = dialled[1]
        if WSCAT.match(text):
            self._chat = True
            self.exchanges.append((number, Exchange(url=self._dialled, status=101, reason="Switching Protocols", proof=True, partial=True)))
            return
        if self._chat and text[:2] in ("> ", "< "):
            self._keep_frame("sent" if text[0] == ">" else "received", text[2:], None)
            return
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
        elif told := TOLD_BODY.search(found["rest"]):
            self.snapshots.append((found["url"], told[1]))

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
        self._parts["partial"] = "" if found["version"] else "yes"
        if found["tail"] and (header := HEADER.match(found["tail"].strip())):
            self._headers["answer"].append((header["name"], header["value"].strip()))

    def _content(self, text: str, number: int, mark: str) -> None:
        if refused := REFUSED.search(text):
            status = int(refused["status"] or refused["status2"])
            self.exchanges.append((number, _refused(self._dialled, status, text)))
        elif closed := CLOSED.search(text):
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
        direction = "sent" if found["arrow"].lower() in SENT else "received"
        self._keep_frame(direction, text[: at.start()] if at else text, float(at["t"]) if at else None)

    def _keep_frame(self, direction: str, content: str, at_s: float | None) -> None:
        if len(self.frames) < FRAMES:
            size = len(content.encode("utf-8", "replace"))
            self.frames.append(Frame(at_s=at_s or 0.0, direction=direction, opcode=1, size_bytes=size, text=content[:500]))

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
                partial=bool(part.get("partial")),
            )
            self.exchanges.append((self._first, exchange))
        self._parts, self._headers, self._body, self._side, self._first = {}, {"request": [], "answer": []}, [], "", 0


def _refused(url: str, status: int, text: str) -> Exchange:
    asked = (("Upgrade", "websocket"),)
    return Exchange(url=url, status=status, request_headers=asked, partial=True, error_text=text[:500])


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
    asked = any("EIO=" in line for line in lines)  # then the greeting of Engine.IO is what was asked for
    for hit in search.scan(["" if asked and GREETING.search(line) else line for line in lines]):
        tally.add(hit, hit.index + 1)
    return tally


def _observations(reader: _Reader, text: str, source: Source) -> Iterator[Observation]:
    upgrades = [(line, exchange) for line, exchange in reader.exchanges if is_upgrade(exchange)]
    tls, failed = find_tls(text), None if reader.exchanges and any(e.status for _, e in reader.exchanges) else find_failure(text)
    if failed is not None:
        url = next((exchange.url for _, exchange in upgrades), "") or failed[0]
        yield observed(source, UpgradeFacts(url=url, accepted=False, tls=tls, error_text=failed[1].message), failure=failed[1])
        return
    for line, exchange in upgrades:
        yield observed(_at(source, line), replace(upgrade_facts(exchange), tls=tls))
    if tls is not None and not upgrades:
        yield observed(source, tls)
    if reader.frames or reader.closed:
        url = upgrades[-1][1].url if upgrades else ""
        yield observed(_at(source, reader.closed[0] if reader.closed else 0), _session(reader, url))


def _at(source: Source, line: int) -> Source:
    return replace(source, line=line)


def _recording(reader: _Reader) -> RecordingFacts | None:
    """Return the numbers of the JSON answers that an application fetched beside its socket, None when there are none."""
    plain = [(exchange.url, exchange.body) for _, exchange in reader.exchanges if exchange.status == 200 and not is_upgrade(exchange)]
    found = [(url, number_of(text)) for url, text in (*reader.snapshots, *plain)]
    snapshots = tuple(Snapshot(url=url[:500], field=number[0], number=number[1]) for url, number in found if number is not None)
    return RecordingFacts(entries=len(reader.exchanges), one_browser=True, snapshots=snapshots[:50]) if snapshots else None


def parse_http_dump(lines: Iterable[str], *, artifact: str, step: str = "1.2") -> list[Observation]:
    """Return what a dump holds: UpgradeFacts of WebSocket handshakes, a SessionFacts when frames or a closing are told, SignatureFacts
    of known texts, one TextFacts for the whole (items: exchanges). Only the first 50,000 lines are read."""
    kept = [ANSI.sub("", line.replace("\n", " ")) for line in islice(lines, LINES)]
    reader = _Reader()
    for number, line in raw_lines(kept):
        reader.line(line[:16384], number)
    reader.flush()
    source = Source(step=step, probe="http_dump", artifact=artifact)
    whole = TextFacts(kind="http_dump", size_bytes=sum(map(len, kept)) + len(kept), items=len(reader.exchanges))
    tally = _known_texts(kept)
    bodies = [(line, exchange.body) for line, exchange in reader.exchanges if "\n" in exchange.body]
    known = {facts.signature for _, _, facts in tally.facts()}
    joined = [seen for seen in body_observations(bodies, source) if getattr(seen.facts, "signature", "") not in known]
    texts = [observed(replace(source, line=first, line_end=last), facts) for first, last, facts in tally.facts()]
    beside = _recording(reader)
    return [
        *texts,
        *joined,
        *_observations(reader, "\n".join(kept)[:TEXT_CHARS], source),
        *([observed(source, beside)] if beside else []),
        observed(source, whole),
    ]
