"""The loop of the load generator in machine code: sockets, frames and the account without Python in between.

numba compiles it. Its functions stand in one file, because numba notices a change by the file of the function that it cached. Frames are
those of RFC 6455 section 5.2. Numbers are int64, addresses too: of int64 and uint64 numba would make a float.

``advance`` works for a slice of time. What it cannot decide by itself (a number that is not the next one, a frame that is not one of
ours, a connection that ended) it leaves to Python, as events in their order and as bytes of one line. It must not know plans.
"""

import platform

import numpy as np
from numba import types

from wsbook.probes.generator.compiled_books import EVENT
from wsbook.probes.generator.compiled_libc import (
    INT,
    bits_of,
    clock_gettime,
    compiled,
    epoll_ctl,
    epoll_wait,
    errno_at,
    getrandom,
    load8,
    load16,
    load32,
    load64,
    memcpy,
    memmove,
    recv,
    send,
    store8,
    store32,
    store64,
    timerfd_settime,
)

__all__ = ["COARSE", "FIN", "GAP", "LATE", "MASKS", "MOST_EVENTS", "ODD", "READY", "ROOM", "RST", "advance"]

ROOM, MASKS = 1 << 18, 4096
MOST_EVENTS, ENOUGH_EVENTS = 16_384, 4096
"""One recv of ROOM bytes has at most 10,083 frames of 26 bytes, each an event at worst; with enough noted a slice ends."""
GAP, LATE, FIN, RST = 1, 2, 3, 4
ODD = 1
"""What advance returns when a line has bytes for Python; 0 when the slice is over."""
FINE, COARSE = 10, 7
"""Bits of the histograms: of the run, of an interval."""
_PACKED = platform.machine() in ("x86_64", "AMD64")
_READY_BYTES, _READY_DATA = (12, 4) if _PACKED else (16, 8)
_MOST_READY = 512
READY = _MOST_READY * _READY_BYTES
"""Bytes of the list of what is ready. struct epoll_event is packed on x86-64 alone (linux/eventpoll.h)."""
_IN, _OUT, _DEL, _MOD = 1, 4, 2, 3
_EAGAIN, _NOSIGNAL, _MONOTONIC, _ABSTIME = 11, 0x4000, 1, 1
_SPIN_NS = 20_000
"""A wait shorter than this costs more than asking again."""
_SLACK_NS, _RARE_NS = 100_000, 400_000
"""A sleeping thread wakes 40 to 120 µs late: where messages are this rare it wakes so much early and asks again and again."""
_HEADER = 24
"""As marks.HEADER: run and connection in one word, number, due."""

_WORDS = len(EVENT)


@compiled
def _at(address, index):
    return load64(address + 8 * index)


@compiled
def _add(address, index, value):
    store64(address + 8 * index, load64(address + 8 * index) + value)


@compiled
def _span(address, value):
    """Widen a lowest and highest value by one more."""
    if value < load64(address):
        store64(address, value)
    if value > load64(address + 8):
        store64(address + 8, value)


@compiled
def _now(b):
    clock_gettime(INT(_MONOTONIC), b.clock)
    return _at(b.clock, 0) * 1_000_000_000 + _at(b.clock, 1)


@compiled
def _bin(bits, value):
    """Return the bin of ns in a histogram, as histogram.bin_of says."""
    at = (bits_of(np.float64(value)) >> (52 - bits)) - ((1023 << bits) - 1)
    return max(0, at)


@compiled
def _head(payload):
    """Return the length of a frame's header, without a mask."""
    return 2 if payload < 126 else 4


@compiled
def _draw(b):
    """Fill the pool of masks from the system's entropy."""
    address, wanted = b.masks, 4 * MASKS
    while wanted:
        got = getrandom(address, wanted, types.uintc(0))
        if got > 0:
            address += got
            wanted -= got
    b.mask = 0


@compiled
def _frame(b, to, connection, number, due, mask):
    """Write one masked binary message; up to 7 bytes behind it are written too. Return the address behind it."""
    payload, base, wide = b.payload, b.base, mask << 32 | mask
    store8(to, types.uint8(0x82))
    if payload < 126:
        store8(to + 1, types.uint8(0x80 | payload))
    else:
        store8(to + 1, types.uint8(0xFE))
        store8(to + 2, types.uint8(payload >> 8))
        store8(to + 3, types.uint8(payload))
    to += _head(payload)
    store32(to, types.uint32(mask))
    to += 4
    store64(to, (b.run | connection << 32) ^ wide)
    store64(to + 8, number ^ wide)
    store64(to + 16, (due + b.epoch) ^ wide)
    for at in range(_HEADER, payload, 8):
        store64(to + at, load64(base + at) ^ wide)
    return to + payload


@compiled
def _due(b, message):
    """Return when a message of a rate is due, never before its time."""
    return b.begin + np.int64(np.ceil(message * b.period))


@compiled
def _watch(b, line, out):
    """Wait for answers of a line, and for room to send where out is 1."""
    address = b.ready + READY
    store32(address, types.uint32(_IN | _OUT * out))
    store64(address + _READY_DATA, line.fd)
    epoll_ctl(INT(b.poller), INT(_MOD), INT(line.fd), address)


@compiled
def _note(b, kind, line, number, end, due, at):
    event = b.events + 8 * _WORDS * b.noted
    store64(event, np.int64(kind))
    store64(event + 8, line.place)
    store64(event + 16, number)
    store64(event + 24, end)
    store64(event + 32, due)
    store64(event + 40, at)
    b.noted += 1


@compiled
def _lagged(b, line, number, count, now):
    """Count how late messages of a rate were offered, but those that the peer kept back."""
    for turn in range(count):
        due = _due(b, (number + turn) * b.senders + line.place)
        if due > line.free_at:
            lag = now - due
            _add(b.lags, _bin(FINE, lag), 1)
            b.lag_low, b.lag_high = min(b.lag_low, lag), max(b.lag_high, lag)


@compiled
def _offer(b, line, count, now):
    """Send the next messages of a line in one call; return whether it takes more."""
    size, number = _head(b.payload) + 4 + b.payload, _at(b.offered, line.index)
    count = min(count, max(1, ROOM // size))
    to, connection = b.out, b.first + line.index
    for turn in range(count):
        if b.mask == MASKS:
            _draw(b)
        mask = np.int64(load32(b.masks + 4 * b.mask))
        b.mask += 1
        due = _due(b, (number + turn) * b.senders + line.place) if b.period > 0.0 else now
        to = _frame(b, to, connection, number + turn, due, mask)
    sent = send(INT(line.fd), b.out, count * size, INT(_NOSIGNAL))
    if sent < 0:
        if load32(errno_at()) != _EAGAIN:
            line.deaf = 1
            return False
        sent = 0
    begun = (sent + size - 1) // size
    _add(b.offered, line.index, begun)
    if b.period > 0.0:
        _lagged(b, line, number, begun, now)
    if sent == count * size:
        return True
    line.waiting, line.blocked = begun * size - sent, 1
    memcpy(b.unsent + b.row * line.place, b.out + sent, line.waiting)
    _watch(b, line, 1)
    return False


@compiled
def _turns(b, line):
    """Return how many messages of a line its window or the clock let leave by now."""
    if line.place >= b.senders or not line.alive or line.deaf or line.blocked:
        return 0
    if b.period > 0.0:
        return (b.next - line.place + b.senders - 1) // b.senders - _at(b.offered, line.index)
    return b.window - (_at(b.offered, line.index) - _at(b.received, line.index) - line.given)


@compiled
def _fill(b, line, now):
    """Send what may leave on a line."""
    if b.period == 0.0 and not b.begin <= now < b.end:
        return
    turns = _turns(b, line)
    while turns > 0 and _offer(b, line, turns, now):
        turns = _turns(b, line)
        if b.period > 0.0:
            now = _now(b)


@compiled
def _fill_due(b, lines, now):
    """Send every message of the rate that is due; return the time."""
    if b.next >= b.total or now < b.begin:
        return now
    reached = min(b.total, np.int64((now - b.begin) / b.period) + 2)
    while reached > b.next and _due(b, reached - 1) > now:
        reached -= 1
    before, b.next = b.next, reached
    for message in range(before, min(reached, before + b.senders)):
        if message > before:
            now = _now(b)
        _fill(b, lines[message % b.senders], now)
    return now


@compiled
def _flush(b, line):
    """Send the rest of a message that the kernel took in part, and then what may leave."""
    if line.waiting:
        unsent = b.unsent + b.row * line.place
        sent = send(INT(line.fd), unsent, line.waiting, INT(_NOSIGNAL))
        if sent < 0:
            if load32(errno_at()) != _EAGAIN:
                line.deaf = 1
                _watch(b, line, 0)
            return
        line.waiting -= sent
        if line.waiting:
            memmove(unsent, unsent + sent, line.waiting)
            return
    line.blocked, line.control, line.free_at = 0, 0, _now(b)
    _watch(b, line, 0)
    _fill(b, line, line.free_at)


@compiled
def _ours(payload, address):
    """Tell whether a frame has the header of our messages."""
    if payload < 126:
        return load16(address) == (0x82 | payload << 8)
    return load32(address) == (0x7E82 | (payload >> 8) << 16 | (payload & 0xFF) << 24)


@compiled
def _may_be_ours(payload, address, length):
    """Tell whether fewer bytes than a frame may begin one of our messages."""
    return load8(address) == 0x82 and (length < 2 or load8(address + 1) == min(payload, 126))


@compiled
def _take(b, line, length, now):
    """Count the whole messages at the begin of the room; return the bytes that were read."""
    payload, index, room, latencies, at, first, foreign = b.payload, line.index, b.room, b.latencies, 0, 0, 0
    head, begin, wanted = _head(payload), b.begin, b.run | (b.first + index) << 32
    offered, upcoming, due_row = _at(b.offered, index), _at(b.upcoming, index), b.by_due
    size, low, high, interval = head + payload, 0, -1, 0
    while length - at >= size and _ours(payload, room + at):
        body = room + at + head
        at += size
        number = load64(body + 8)
        due = _due(b, number * b.senders + line.place) if b.period > 0.0 else load64(body + 16) - b.epoch
        if load64(body) != wanted or not 0 <= number < offered or not begin <= due <= now:
            foreign += 1
            continue
        if number != upcoming:
            _note(b, LATE if number < upcoming else GAP, line, min(number, upcoming), number, due, now)
            if number < upcoming:
                continue
        upcoming = number + 1
        first += 1
        latency = now - due
        _add(latencies, _bin(FINE, latency), 1)
        if not low <= due < high:
            interval = min((due - begin) // b.interval, b.intervals - 1)
            low = begin + interval * b.interval
            high, due_row = low + b.interval, b.by_due + 8 * b.due_row * interval
        _add(due_row, _bin(COARSE, latency), 1)
        _span(b.spans + 16 * interval, latency)
    store64(b.upcoming + 8 * index, upcoming)
    _add(b.received, index, first)
    _add(b.arrived, min(max(0, now - begin) // b.interval, b.intervals - 1), first)
    b.foreign += foreign
    return at


@compiled
def _end(b, line, kind, now):
    line.alive = 0
    epoll_ctl(INT(b.poller), INT(_DEL), INT(line.fd), 0)
    _note(b, kind, line, 0, 0, 0, now)


@compiled
def _read(b, line):
    """Read once from a line; return ODD when Python is to go on with it."""
    room, kept = b.room, b.kept + b.row * line.place
    if line.kept:
        memcpy(room, kept, line.kept)
    got = recv(INT(line.fd), room + line.kept, ROOM - line.kept, INT(0))
    now = _now(b)
    if got <= 0:
        if got == 0 or load32(errno_at()) != _EAGAIN:
            _end(b, line, FIN if got == 0 else RST, now)
        return 0
    b.came_at = now
    length, used = line.kept + got, 0
    if not line.scalar:
        used = _take(b, line, length, now)
    left, size = length - used, _head(b.payload) + b.payload
    if line.scalar or left >= size or (left and not _may_be_ours(b.payload, room + used, left)):
        b.odd_line, b.odd_start, b.odd_bytes, line.kept = line.place, used, left, 0
        return ODD
    if left:
        memcpy(kept, room + used, left)
    line.kept = left
    if b.period == 0.0:
        _fill(b, line, now)
    return 0


@compiled
def _wait(b, now, wake):
    """Wait until something is ready or the instant has come; return how much is ready."""
    timeout = 0
    if wake - now > _SPIN_NS:
        timeout = -1
        if b.armed != wake:
            b.armed = wake
            store64(b.clock + 16, 0)
            store64(b.clock + 24, 0)
            store64(b.clock + 32, wake // 1_000_000_000)
            store64(b.clock + 40, wake % 1_000_000_000)
            timerfd_settime(INT(b.timer), INT(_ABSTIME), b.clock + 16, 0)
    return epoll_wait(INT(b.poller), b.ready, INT(_MOST_READY), INT(timeout))


@compiled
def advance(books, lines, until):
    """Send and receive until an instant, or until Python is needed: ODD, or 0. books: one of BOOKS; lines: of LINE, by position."""
    b = books[0]
    now = _now(b)
    b.noted = 0
    if b.touch and b.period == 0.0 and now >= b.begin:
        b.touch = 0
        for place in range(b.senders):
            _fill(b, lines[place], now)
    while True:
        wake = until
        if b.period > 0.0:
            now = _fill_due(b, lines, now)
            if b.next < b.total:
                wake = min(wake, _due(b, b.next) - (_SLACK_NS if b.period >= _RARE_NS else 0))
        count = _wait(b, now, wake)
        for turn in range(count):
            ready = b.ready + turn * _READY_BYTES
            what, place = load32(ready), _at(b.places, np.int64(load32(ready + _READY_DATA)))
            if place < 0 or not lines[place].alive:
                continue
            if what & _OUT:
                _flush(b, lines[place])
            if what & ~_OUT and _read(b, lines[place]):
                return ODD
            if b.noted >= ENOUGH_EVENTS:
                return 0
            if b.period > 0.0 and b.next < b.total:
                _fill_due(b, lines, _now(b))
        now = _now(b)
        if now >= until:
            return 0
