"""Access logs of proxies and servers: alike requests grouped, known texts found. Must not judge what a status means.

Of a large log only lines that may tell of WebSockets are read; the others are counted (pages.py).
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from wsbook.facts import AccessFacts, MarkedLineFacts, TextFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.access_line import Format, Line, formats, read_line
from wsbook.parsers.lines import LineReader
from wsbook.parsers.log_format import w3c_format
from wsbook.parsers.pages import Page, pages
from wsbook.parsers.sieve import Sieve
from wsbook.parsers.texts import scan_page, tally_observations
from wsbook.signatures import Tally, matcher
from wsbook.signs import PATH_WORDS, PROBE, find_marks, is_socket_path

__all__ = ["Requests", "parse_access_log"]

GROUPS = 5_000
"""Groups kept of one log; requests beyond them are only counted."""
SAMPLES = 1_000
MARKED = 300
"""Lines of our own probe kept one by one."""
PATH_CHARS = 200
LEARNT_PATHS = 64
MIXED = 0.02
"""Share of lines that are no requests of a path, above which a log is read whole."""
HOST = re.compile(r"^[a-z]+://[^/?]*")
NUMBER = re.compile(r"(?<=/)(?:\d+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{24,64})(?=/|$)")
SIGNS = (
    rb'[ ":=]101[ ",}]',
    *(rb"[/_.-]%s[^a-z0-9]" % word.encode() for word in sorted(PATH_WORDS)),
    b"websocket",
    PROBE.encode(),
    rb"\[(?:error|crit|alert|emerg)\]",
    b"<BADREQ>",
)
"""What the lines of WebSockets show: status 101, a word of their paths, the protocol's name, our probe, or an error."""
ROOT_REFUSED = rb'(?:get|connect) /(?:\?[^ "]{0,400})? http/[0-9.]+\\?"? [45]'
"""A refusal at the path /, where answers of 200 are pages."""


class _Group:
    def __init__(self, line: Line, number: int, text: str) -> None:
        self.line, self.first, self.last, self.text, self.count = line, number, number, text[:500], 0
        self.durations: list[float] = []
        self.times: list[float] = []
        self.marks: dict[str, None] = {}

    def add(self, line: Line, number: int, marks: tuple[str, ...]) -> None:
        self.count += line.count
        self.first, self.last = min(self.first, number), max(self.last, number)
        if line.duration_s is not None and len(self.durations) < SAMPLES:
            self.durations.append(line.duration_s)
        if line.time is not None and len(self.times) < SAMPLES:
            self.times.append(line.time)
        if marks and len(self.marks) < SAMPLES:
            self.marks |= dict.fromkeys(marks)

    def facts(self, path: str, marked: bool) -> AccessFacts:
        line = self.line
        return AccessFacts(
            program=line.program,
            method=line.method,
            path=path,
            status=line.status,
            count=self.count,
            http_version=line.version,
            upgrade=line.upgrade,
            durations_s=tuple(self.durations),
            times=tuple(self.times),
            termination=line.termination,
            upstream=line.upstream,
            marked=marked,
            marks=tuple(self.marks),
            text=self.text,
        )


class _Key(NamedTuple):
    """What alike requests have in common."""

    method: str
    path: str
    status: int
    version: str
    termination: str
    upgrade: bool | None
    upstream: str
    marked: bool


class Requests:
    """Groups the requests told in lines. probe: name of the parser, for the observations. known: notations tried before the usual ones.

    paths: of the WebSockets, as far as they are known; those on which upgrades are seen are added, at most 64.
    """

    def __init__(self, probe: str = "access_log", known: Iterable[Format] = (), paths: Iterable[str] = ()) -> None:
        self.probe = probe
        self.groups: dict[_Key, _Group] = {}
        self.order = [*known, *formats()[0]]
        self.paths = {alike(path) for path in paths if path}
        self._learnt = 0
        self.unparsed = self.items = 0
        self.marked: list[tuple[int, MarkedLineFacts]] = []

    def add(self, text: str, number: int) -> bool:
        """Read one line and tell whether it is a request; what is none is only counted."""
        if text[:8] == "#Fields:" and (form := w3c_format(text)):
            self.order.insert(0, form)
        line = read_line(text, self.order)
        if line is None:
            self.unparsed += bool(text.strip())
            return False
        self.items += 1
        marks = find_marks(text)
        key = _Key(
            line.method,
            alike(line.path),
            line.status,
            line.version,
            line.termination,
            line.upgrade,
            line.upstream.partition("/")[0],
            bool(marks),
        )
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= GROUPS:
                return True
            group = self.groups[key] = _Group(line, number, text)
            self._learn(key)
        group.add(line, number, marks)
        self.marked += [(number, _marked(mark, line, text)) for mark in marks] if len(self.marked) < MARKED else []
        return True

    def _learn(self, key: _Key) -> None:
        """Remember a path as one of WebSockets when the first upgrade on it is seen."""
        fresh = key.path not in self.paths and not is_socket_path(key.path) and self._learnt < LEARNT_PATHS
        if fresh and (key.upgrade or key.status == 101) and not key.marked:
            self.paths.add(key.path)
            self._learnt += 1

    def observations(self, *, step: str, artifact: str, only_sockets: bool = False) -> Iterator[Observation]:
        """Yield one observation per group, in order of first appearance. only_sockets: leave out what is nothing of WebSockets."""
        for key, group in self.groups.items():
            if only_sockets and not _of_sockets(key, self.paths):
                continue
            source = Source(step=step, probe=self.probe, artifact=artifact, line=group.first, line_end=group.last)
            yield observed(source, group.facts(key.path, key.marked))
        for number, facts in self.marked:
            yield observed(Source(step=step, probe=self.probe, artifact=artifact, line=number, line_end=number), facts)


def _marked(mark: str, line: Line, text: str) -> MarkedLineFacts:
    return MarkedLineFacts(
        mark=mark,
        program=line.program,
        path=line.path[:PATH_CHARS],
        status=line.status,
        duration_s=line.duration_s,
        time=line.time,
        upstream=line.upstream,
        text=text[:500],
    )


def alike(path: str) -> str:
    """Return a path without host, query and identifiers, so that alike requests meet in one group."""
    return _alike(path.partition("?")[0])


@lru_cache(maxsize=4096)
def _alike(path: str) -> str:
    return NUMBER.sub("*", HOST.sub("", path)[:PATH_CHARS]) or "/"


def _of_sockets(key: _Key, paths: set[str]) -> bool:
    if key.upgrade or key.status in (0, 101) or key.marked or is_socket_path(key.path):
        return True
    return key.path in paths and (key.path != "/" or key.status >= 400)


def _path_signs(paths: Iterable[str]) -> Iterator[bytes]:
    """Yield the signs of lines that tell of these paths; a path of nothing but identifiers has none."""
    for path in sorted(paths):
        part = max(path.split("*"), key=len)
        if path == "/":
            yield ROOT_REFUSED
        elif len(part) > 2 and part.isprintable():
            yield re.escape(part.encode())


class _Reading:
    """One access log being read: what was found, and what of the rest is worth reading."""

    def __init__(self, requests: Requests) -> None:
        self.requests = requests
        self.search, self.search_rest, self.tally = matcher("access_log"), matcher("access_log", "backend_log"), Tally()
        self.count = self.size_bytes = self.skimmed = 0
        self._used: list[Sieve | None] = []
        self._paths = 0

    def sieve(self) -> Sieve | None:
        """Return what picks the lines of the next page, None when all of them matter: a log of no requests, or of TCP sessions."""
        groups = self.requests.groups.items()
        last = self._used[-1] if self._used else None
        if not self._used:
            nameless = sum(group.count for key, group in groups if not key.path or key.status == 0)
            whole = self.requests.unparsed + nameless > self.requests.items * MIXED
            last = None if whole else self._made()
        elif last is not None and len(self.requests.paths) != self._paths:
            last = self._made()
        self._used.append(last)
        return last

    def _made(self) -> Sieve:
        self._paths = len(self.requests.paths)
        return Sieve((*SIGNS, *_path_signs(self.requests.paths)))

    def page(self, page: Page) -> None:
        """Read the lines of a page."""
        told = [self.requests.add(text, number) for text, number in zip(page.lines, page.numbers, strict=True)]
        scan_page(page.where(told, True), self.search, self.tally)
        scan_page(page.where(told, False), self.search_rest, self.tally)
        self.count += page.count
        self.size_bytes += page.size_bytes
        self.skimmed += page.count - len(page.lines)

    def again(self, reader: LineReader) -> None:
        """Read what was left out before a path was known to be one of WebSockets."""
        before, final = self._used, self._used[-1] if self._used else None
        if final is None or before[0] is final:
            return
        late = {id(one): Sieve(final.signs, unless=one) for one in before}
        chosen = (late[id(one)] for one in before if one is not final)
        for page in pages(reader, lambda: next(chosen), most=sum(one is not final for one in before)):
            if page.sieved:
                self.page(Page(page.lines, page.numbers, 0, 0))


def parse_access_log(
    lines: Iterable[str], *, artifact: str, step: str = "1.4", known: Iterable[Format] = (), paths: Iterable[str] = ()
) -> list[Observation]:
    """Return what an access log holds: AccessFacts of alike requests, SignatureFacts of known texts, one TextFacts for the whole.

    Identifiers inside paths become "*" and queries are left out, so that alike requests meet in one group; at most 5,000 groups. Of a
    LineReader's text beyond 4 MB only what shows a sign of WebSockets is read, and only groups of WebSockets are returned: these are
    complete. known: notations of a configuration. paths: of the WebSockets, where known.
    """
    reading = _Reading(Requests(known=known, paths=paths))
    requests = reading.requests
    for page in pages(lines, reading.sieve):
        reading.page(page)
    if isinstance(lines, LineReader):
        reading.again(lines)
    program = next((group.line.program for group in requests.groups.values() if group.line.program), "")
    whole = TextFacts(
        kind="access_log",
        program=program,
        size_bytes=reading.size_bytes,
        items=requests.items,
        unparsed=requests.unparsed,
        skimmed=reading.skimmed,
    )
    source = Source(step=step, probe="access_log", artifact=artifact, line=1 if reading.count else 0, line_end=reading.count)
    return [
        *tally_observations(reading.tally, probe="access_log", step=step, artifact=artifact),
        *requests.observations(step=step, artifact=artifact, only_sockets=reading.skimmed > 0),
        observed(source, whole),
    ]
