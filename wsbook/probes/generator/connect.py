"""Open many connections side by side in one thread: TCP, a forward proxy, TLS, the opening handshake. It must not know messages.

Each opening is a generator that yields what it waits for and returns an open line, so that nothing of it is left once the line is open.
"""

import contextlib
import errno
import os
import resource
import socket
import ssl
import struct
import time
from collections import Counter, deque
from collections.abc import Generator
from functools import partial

from msgspec import Struct

from wsbook.errors import UsageError
from wsbook.observation import Reason
from wsbook.probes.generator.line import Line
from wsbook.probes.generator.place import Place
from wsbook.probes.generator.poll import READ, WRITE, new_poller
from wsbook.probes.generator.progress import Progress, Watch
from wsbook.probes.stopwatch import reason_of, shown_time
from wsbook.wire.answer import AnswerReader, shown_raw
from wsbook.wire.handshake import check_answer, is_accepted

__all__ = ["Opened", "abort", "make_room", "open_lines"]

_AT_ONCE = 96
"""Openings under way: less than the 100 that many servers let wait (websockets, gevent; Go and nginx let wait more)."""
_HOPELESS = 96
"""Openings in a row that ran out of time, after which the others are not tried."""
_SPARE_FILES = 64
_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT, linux/in.h: the port is chosen at connect(), so that one address serves many
_RESET = struct.pack("ii", 1, 0)
_MEANING = {Reason.REFUSED: "was refused", Reason.RESET: "was reset", Reason.UNREACHABLE: "found no route", Reason.TIMEOUT: "got no answer"}
_KNOWN_HEADS = 64

Opening = Generator[int, None, Line]


class Refused(Exception):  # noqa: N818 (carries what the peer did up to open_lines and never leaves it)
    """One connection was not opened, with the sentence why."""


class Opened(Struct, kw_only=True):
    """What came of it. lines: open ones by index. times_ns: from connect to the accepted upgrade, of each; took_s: of all. why: the
    commonest reason against the others, "" none; not_tried: left out after many that ran out of time, or when told to stop."""

    lines: list[Line]
    times_ns: list[int]
    took_s: float = 0.0
    why: str = ""
    not_tried: int = 0


def make_room(count: int) -> None:
    """Raise the soft limit of open files as far as needed.

    Raises:
        UsageError: the hard limit does not suffice.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UsageError(f"{count} connections need {needed} open files, this process may have {hard}: raise ulimit -Hn, or share the work")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def abort(sock: socket.socket) -> None:
    """Close with a RST, so that no port of ours waits in TIME_WAIT."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()


class _Heads:
    """Heads of accepted answers without their Sec-WebSocket-Accept: an answer that is like one of them needs no second look."""

    def __init__(self, place: Place) -> None:
        self._place, self._known = place, set[bytes]()

    def check(self, head: bytes, accept: str, request_key: str, reader: AnswerReader) -> None:
        """Raise Refused unless the answer opens a WebSocket."""
        plain = head.replace(accept.encode(), b"", 1)
        if len(plain) != len(head) and plain in self._known:
            return
        answer = reader.answer()
        checks = check_answer(self._place.attempt, request_key, answer)
        if not is_accepted(checks, answer):
            raise Refused(self._why(answer.status, answer.reason, [f"{check.name}: {check.detail}" for check in checks if not check.ok]))
        if len(self._known) < _KNOWN_HEADS:
            self._known.add(plain)

    def _why(self, status: int | None, reason: str, failed: list[str]) -> str:
        if status is None:
            return "the answer to the upgrade is no HTTP"
        if status != 101:
            return f"the endpoint answered the upgrade with {status} {reason[:80]}".rstrip()
        return f"the endpoint's answer to the upgrade is wrong: {'; '.join(failed)[:200]}"


def _connect(place: Place, sock: socket.socket) -> Generator[int, None, None]:
    code = sock.connect_ex(place.address.sockaddr)
    if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
        yield WRITE
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        error = OSError(code, os.strerror(code))
        raise Refused(f"the TCP connection to {place.shown} {_MEANING.get(reason_of(error), 'failed')} ({error.strerror})")


def _secure(sock: socket.socket, context: ssl.SSLContext, name: str) -> Generator[int, None, ssl.SSLSocket]:
    wrapped = context.wrap_socket(sock, server_hostname=name or None, do_handshake_on_connect=False)
    try:
        while (wanted := _handshake(wrapped)) is not None:
            yield wanted
    except BaseException:
        wrapped.close()
        raise
    return wrapped


def _handshake(wrapped: ssl.SSLSocket) -> int | None:
    """Carry a TLS handshake on; return what it waits for, None when it is done."""
    try:
        wrapped.do_handshake()
    except ssl.SSLWantReadError:
        return READ
    except ssl.SSLWantWriteError:
        return WRITE
    except ssl.SSLCertVerificationError as error:
        raise Refused(f"the certificate is not accepted: {error.verify_message} (OpenSSL code {error.verify_code})") from None
    except OSError as error:
        raise Refused(f"the TLS handshake failed: {getattr(error, 'reason', None) or error.strerror or error}"[:200]) from None
    return None


def _send(sock: socket.socket, data: bytes) -> Generator[int, None, None]:
    while data:
        try:
            data = data[sock.send(data) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            yield WRITE
        except ssl.SSLWantReadError:
            yield READ


def _read_head(sock: socket.socket, what: str) -> Generator[int, None, AnswerReader]:
    reader = AnswerReader()
    while not (reader.complete or reader.too_large or reader.garbage):
        try:
            data = sock.recv(4096)
        except (BlockingIOError, ssl.SSLWantReadError):
            yield READ
            continue
        except ssl.SSLWantWriteError:
            yield WRITE
            continue
        if not data:
            raise Refused(f"{what} closed the connection" + (" in the middle of its answer" if reader.raw else " without an answer"))
        reader.feed(data)
    if reader.garbage:
        raise Refused(f"{what} answered {shown_raw(bytes(reader.raw), 60)!r}")
    if not reader.complete:
        raise Refused(f"{what} answered with an endless head")
    return reader


def _opening(place: Place, heads: _Heads, raw: socket.socket, index: int) -> Opening:
    """Open one connection; what it raises says why not."""
    sock: socket.socket = raw
    try:
        yield from _connect(place, sock)
        if place.outer is not None:
            sock = yield from _secure(sock, place.outer, place.outer_name)
        if place.connect:
            yield from _send(sock, place.connect)
            answer = (yield from _read_head(sock, "the forward proxy")).answer()
            if answer.status is None or not 200 <= answer.status < 300:
                raise Refused(f"the forward proxy answered CONNECT with {answer.status} {answer.reason[:80]}".rstrip())
        if place.inner is not None:
            sock = yield from _secure(sock, place.inner, place.inner_name)
        request, accept, key = place.fresh()
        yield from _send(sock, request)
        reader = yield from _read_head(sock, "the endpoint")
        heads.check(bytes(reader.raw), accept, key, reader)
        return Line(sock, index, reader.rest)
    except OSError as error:
        sock.close()
        raise Refused(f"the connection {_MEANING.get(reason_of(error), 'broke')} during the opening handshake") from None
    except BaseException:
        sock.close()
        raise


class _Front:
    """The openings under way."""

    def __init__(self, place: Place, total: int, slow: bool) -> None:
        self.place, self.total, self.slow = place, total, slow
        self.poller, self.heads = new_poller(), _Heads(place)
        self.under_way: dict[int, tuple[Opening, int, int, int]] = {}  # by descriptor: opening, index, begin in ns, events waited for
        self.order: deque[tuple[int, int]] = deque()  # begin in ns and descriptor, oldest first
        self.lines, self.times, self.why = list[Line](), list[int](), Counter[str]()
        self.late_in_a_row = 0

    def begin(self, index: int) -> None:
        """Begin one opening."""
        now_ns = time.monotonic_ns()
        try:
            raw = self._socket(index)
        except OSError as error:
            self.why[f"no socket could be had: {error.strerror}"] += 1
            return
        self.under_way[raw.fileno()] = (_opening(self.place, self.heads, raw, index), index, now_ns, 0)
        self.order.append((now_ns, raw.fileno()))
        self.go_on(raw.fileno())

    def _socket(self, index: int) -> socket.socket:
        sock = socket.socket(self.place.address.number, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.slow:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            if source := self.place.source(index, self.total):
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.IPPROTO_IP, _NO_PORT, 1)
                sock.bind((source, 0))
        except OSError:
            sock.close()
            raise
        return sock

    def go_on(self, fd: int) -> None:
        """Carry one opening on until it waits again or is over."""
        opening, index, begin_ns, watched = self.under_way[fd]
        try:
            wanted = next(opening)
        except StopIteration as done:
            self.times.append(time.monotonic_ns() - begin_ns)
            self.lines.append(done.value)
            self.late_in_a_row = 0
            self._forget(fd, watched, open_still=True)
        except Refused as refused:
            self.why[str(refused)] += 1
            self._forget(fd, watched, open_still=False)
        else:
            if wanted != watched:
                (self.poller.change if watched else self.poller.add)(fd, wanted)
                self.under_way[fd] = (opening, index, begin_ns, wanted)

    def _forget(self, fd: int, watched: int, *, open_still: bool) -> None:
        del self.under_way[fd]
        if watched and open_still:  # a closed descriptor has left by itself
            self.poller.drop(fd)
        elif watched:
            with contextlib.suppress(OSError, KeyError, ValueError):
                self.poller.drop(fd)

    def expire(self, now_ns: int, budget_ns: int) -> None:
        """End openings that ran out of time."""
        while self.order and self.order[0][0] + budget_ns <= now_ns:
            begin_ns, fd = self.order.popleft()
            found = self.under_way.get(fd)
            if found is None or found[2] != begin_ns:
                continue
            self.why[f"the opening handshake was not finished within {shown_time(budget_ns / 1e9)}"] += 1
            self.late_in_a_row += 1
            if found[3]:
                self.poller.drop(fd)
            del self.under_way[fd]
            found[0].close()

    def close(self) -> None:
        """Give up what is under way."""
        for opening, *_ in self.under_way.values():
            opening.close()
        self.under_way.clear()
        self.poller.close()


def open_lines(place: Place, count: int, watch: Watch, *, first: int = 0, rate: float = 0.0, slow: bool = False) -> Opened:
    """Open so many connections and return those that opened, by index from first on.

    rate: connections begun per second, 0 as many as can be. slow: with the smallest receive buffer, for connections that do not read.
    """
    front, begin_ns, begun = _Front(place, first + count, slow), time.monotonic_ns(), 0
    budget_ns = int(place.attempt.timeout_s * 1e9)
    try:
        while begun < count or front.under_way:
            now_ns = time.monotonic_ns()
            if watch.over(now_ns) or front.late_in_a_row >= _HOPELESS:
                break
            allowed = count if not rate else min(count, int((now_ns - begin_ns) * rate / 1e9) + 1)
            while begun < allowed and len(front.under_way) < _AT_ONCE:
                front.begin(first + begun)
                begun += 1
            front.expire(now_ns, budget_ns)
            watch.tell(now_ns, partial(Progress, phase="connecting", opened=len(front.lines)))
            until_ns = begin_ns + int(begun / rate * 1e9) if rate and begun < count else now_ns + 50_000_000
            front.poller.wait(min(until_ns, now_ns + 50_000_000), precise=False)
            for fd, _ in front.poller.now(_AT_ONCE):
                front.go_on(fd)
    finally:
        front.close()
    took_s = (time.monotonic_ns() - begin_ns) / 1e9
    front.lines.sort(key=lambda line: line.index)
    why = _told(front.why, count)
    return Opened(lines=front.lines, times_ns=front.times, took_s=took_s, why=why, not_tried=count - len(front.lines) - front.why.total())


def _told(why: Counter[str], count: int) -> str:
    if not why:
        return ""
    words, times = why.most_common(1)[0]
    others = why.total() - times
    return f"{times} of {count} connections: {words}" + (f"; {others} for other reasons" if others else "")
