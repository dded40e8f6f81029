"""The loop of the load generator in machine code: sockets, frames and the account without Python in between.

numba compiles it; libc is called by name. All of it stands in this one file, because numba notices a change by the file of the function
that it cached. Frames are those of RFC 6455 section 5.2. Numbers are int64, addresses too: numba would make a float of int64 and uint64.

``advance`` works for a slice of time. What it cannot decide by itself (a number that is not the next one, a frame that is not one of
ours, a connection that ended) it leaves to Python, as events in their order and as bytes of one line. It must not know plans.
"""

import platform

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["BOOKS", "COARSE", "EVENT", "FIN", "GAP", "LATE", "LINE", "MASKS", "MOST_EVENTS", "ODD", "READY", "ROOM", "RST", "advance"]

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
_HEADER = 24
"""As marks.HEADER: run and connection in one word, number, due."""

_PLAN = ("senders", "payload", "window", "total", "first", "begin", "end", "epoch", "interval", "intervals", "poller", "timer", "run")
_MEMORY = ("base", "offered", "received", "upcoming", "arrived", "latencies", "lags", "by_due", "spans", "places", "events")
_BUFFERS = ("room", "out", "kept", "unsent", "masks", "ready", "clock")
_STATE = ("next", "armed", "noted", "foreign", "mask", "odd_line", "odd_start", "odd_bytes", "came_at", "touch", "lag_low", "lag_high")
BOOKS = np.dtype([(name, np.int64) for name in (*_PLAN, *_MEMORY, *_BUFFERS, *_STATE, "row", "due_row")] + [("period", np.float64)])
"""What a slice reads and writes.

The plan: senders: the first so many lines; payload: its bytes; total: messages due, of a rate; first: number of the first connection;
begin, end: CLOCK_MONOTONIC ns; epoch: what makes that the time since the epoch; period: ns between messages, 0 of a window.
Addresses: base: the payload that all messages start from, readable up to the next multiple of 8 bytes; by the connection's index offered,
received and upcoming, by interval arrived, by_due (due_row bins each) and spans (lowest and highest latency), histograms latencies
and lags, all these the account's own and int64; places: position by descriptor, -1 of the timer; events; room: received bytes; out: frames
to send; kept, unsent: unfinished frames by position (row bytes each); masks: uint32; ready: as epoll fills it; clock: six words.
Between slices: next: of a rate, messages whose turn has passed; armed: when the timer goes off, 0 never; noted: events; mask: masks used;
odd_line, odd_start, odd_bytes: what Python is to read, in the room; came_at: when something came last; touch: whether windows may have
room without an answer.
"""
LINE = np.dtype([(name, np.int64) for name in ("fd", "place", "index", "alive", "deaf", "scalar", "kept", "blocked", "waiting", "free_at")])
"""deaf: takes no more, by an error; scalar: its bytes are Python's; kept: bytes of an unfinished frame; blocked: the kernel takes no more;
waiting: bytes at the end of a message that it took in part; free_at: when it last took all again."""
EVENT = np.dtype([(name, np.int64) for name in ("kind", "line", "number", "end", "due", "at")])
"""GAP: numbers from number up to end were passed over; LATE: number, below what was upcoming, came; FIN, RST: the line ended."""
_WORDS = len(EVENT)

_word, _int = types.intp, types.intc
_recv = types.ExternalFunction("recv", _word(_int, _word, _word, _int))
_send = types.ExternalFunction("send", _word(_int, _word, _word, _int))
_memmove = types.ExternalFunction("memmove", _word(_word, _word, _word))
_memcpy = types.ExternalFunction("memcpy", _word(_word, _word, _word))
_epoll_wait = types.ExternalFunction("epoll_wait", _int(_int, _word, _int, _int))
_epoll_ctl = types.ExternalFunction("epoll_ctl", _int(_int, _int, _int, _word))
_clock_gettime = types.ExternalFunction("clock_gettime", _int(_int, _word))
_timerfd_settime = types.ExternalFunction("timerfd_settime", _int(_int, _int, _word, _word))
_getrandom = types.ExternalFunction("getrandom", _word(_word, _word, types.uintc))
_errno_at = types.ExternalFunction("__errno_location", _word())


def _access(bits, numba_type):
    """Return what loads and what stores so many bits at an address of any alignment."""
    held = ir.IntType(bits)

    @intrinsic
    def load(_, address):
        def build(context, builder, signature, values):
            found = builder.load(builder.inttoptr(values[0], held.as_pointer()))
            found.align = 1
            return found

        return numba_type(types.intp), build

    @intrinsic
    def store(_, address, value):
        def build(context, builder, signature, values):
            builder.store(values[1], builder.inttoptr(values[0], held.as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(types.intp, numba_type), build

    return load, store


_load8, _store8 = _access(8, types.uint8)
_load16, _store16 = _access(16, types.uint16)
_load32, _store32 = _access(32, types.uint32)
_load64, _store64 = _access(64, types.int64)


@intrinsic
def _bits(_, value):
    """Return the bits of a float64."""

    def build(context, builder, signature, values):
        return builder.bitcast(values[0], ir.IntType(64))

    return types.int64(types.float64), build


def _compiled(function):
    """Compile at the first call and keep the code where numba keeps it, or for this process only where nothing can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba: no locator available
        return njit(nogil=True)(function)


@_compiled
def _at(address, index):
    return _load64(address + 8 * index)


@_compiled
def _add(address, index, value):
    _store64(address + 8 * index, _load64(address + 8 * index) + value)


@_compiled
def _span(address, value):
    """Widen a lowest and highest value by one more."""
    if value < _load64(address):
        _store64(address, value)
    if value > _load64(address + 8):
        _store64(address + 8, value)


@_compiled
def _now(b):
    _clock_gettime(_int(_MONOTONIC), b.clock)
    return _at(b.clock, 0) * 1_000_000_000 + _at(b.clock, 1)


@_compiled
def _bin(bits, value):
    """Return the bin of ns in a histogram, as histogram.bin_of says."""
    at = (_bits(np.float64(value)) >> (52 - bits)) - ((1023 << bits) - 1)
    return max(0, at)


@_compiled
def _head(payload):
    """Return the length of a frame's header, without a mask."""
    return 2 if payload < 126 else 4


@_compiled
def _draw(b):
    """Fill the pool of masks from the system's entropy."""
    address, wanted = b.masks, 4 * MASKS
    while wanted:
        got = _getrandom(address, wanted, types.uintc(0))
        if got > 0:
            address += got
            wanted -= got
    b.mask = 0


@_compiled
def _frame(b, to, connection, number, due, mask):
    """Write one masked binary message; up to 7 bytes behind it are written too. Return the address behind it."""
    payload, base, wide = b.payload, b.base, mask << 32 | mask
    _store8(to, types.uint8(0x82))
    if payload < 126:
        _store8(to + 1, types.uint8(0x80 | payload))
    else:
        _store8(to + 1, types.uint8(0xFE))
        _store8(to + 2, types.uint8(payload >> 8))
        _store8(to + 3, types.uint8(payload))
    to += _head(payload)
    _store32(to, types.uint32(mask))
    to += 4
    _store64(to, (b.run | connection << 32) ^ wide)
    _store64(to + 8, number ^ wide)
    _store64(to + 16, (due + b.epoch) ^ wide)
    for at in range(_HEADER, payload, 8):
        _store64(to + at, _load64(base + at) ^ wide)
    return to + payload


@_compiled
def _due(b, message):
    """Return when a message of a rate is due, never before its time."""
    return b.begin + np.int64(np.ceil(message * b.period))


@_compiled
def _watch(b, line, out):
    """Wait for answers of a line, and for room to send where out is 1."""
    address = b.ready + READY
    _store32(address, types.uint32(_IN | _OUT * out))
    _store64(address + _READY_DATA, line.fd)
    _epoll_ctl(_int(b.poller), _int(_MOD), _int(line.fd), address)


@_compiled
def _note(b, kind, line, number, end, due, at):
    event = b.events + 8 * _WORDS * b.noted
    _store64(event, np.int64(kind))
    _store64(event + 8, line.place)
    _store64(event + 16, number)
    _store64(event + 24, end)
    _store64(event + 32, due)
    _store64(event + 40, at)
    b.noted += 1


@_compiled
def _lagged(b, line, number, count, now):
    """Count how late messages of a rate were offered, but those that the peer kept back."""
    for turn in range(count):
        due = _due(b, (number + turn) * b.senders + line.place)
        if due > line.free_at:
            lag = now - due
            _add(b.lags, _bin(FINE, lag), 1)
            b.lag_low, b.lag_high = min(b.lag_low, lag), max(b.lag_high, lag)


@_compiled
def _offer(b, line, count, now):
    """Send the next messages of a line in one call; return whether it takes more."""
    size, number = _head(b.payload) + 4 + b.payload, _at(b.offered, line.index)
    count = min(count, max(1, ROOM // size))
    to, connection = b.out, b.first + line.index
    for turn in range(count):
        if b.mask == MASKS:
            _draw(b)
        mask = np.int64(_load32(b.masks + 4 * b.mask))
        b.mask += 1
        due = _due(b, (number + turn) * b.senders + line.place) if b.period > 0.0 else now
        to = _frame(b, to, connection, number + turn, due, mask)
    sent = _send(_int(line.fd), b.out, count * size, _int(_NOSIGNAL))
    if sent < 0:
        if _load32(_errno_at()) != _EAGAIN:
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
    _memcpy(b.unsent + b.row * line.place, b.out + sent, line.waiting)
    _watch(b, line, 1)
    return False


@_compiled
def _turns(b, line):
    """Return how many messages of a line its window or the clock let leave by now."""
    if line.place >= b.senders or not line.alive or line.deaf or line.blocked:
        return 0
    if b.period > 0.0:
        return (b.next - line.place + b.senders - 1) // b.senders - _at(b.offered, line.index)
    return b.window - (_at(b.offered, line.index) - _at(b.received, line.index))


@_compiled
def _fill(b, line, now):
    """Send what may leave on a line."""
    if b.period == 0.0 and not b.begin <= now < b.end:
        return
    turns = _turns(b, line)
    while turns > 0 and _offer(b, line, turns, now):
        turns = _turns(b, line)
        if b.period > 0.0:
            now = _now(b)


@_compiled
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


@_compiled
def _flush(b, line):
    """Send the rest of a message that the kernel took in part, and then what may leave."""
    if line.waiting:
        unsent = b.unsent + b.row * line.place
        sent = _send(_int(line.fd), unsent, line.waiting, _int(_NOSIGNAL))
        if sent < 0:
            if _load32(_errno_at()) != _EAGAIN:
                line.deaf = 1
                _watch(b, line, 0)
            return
        line.waiting -= sent
        if line.waiting:
            _memmove(unsent, unsent + sent, line.waiting)
            return
    line.blocked, line.free_at = 0, _now(b)
    _watch(b, line, 0)
    _fill(b, line, line.free_at)


@_compiled
def _ours(payload, address):
    """Tell whether a frame has the header of our messages."""
    if payload < 126:
        return _load16(address) == (0x82 | payload << 8)
    return _load32(address) == (0x7E82 | (payload >> 8) << 16 | (payload & 0xFF) << 24)


@_compiled
def _may_be_ours(payload, address, length):
    """Tell whether fewer bytes than a frame may begin one of our messages."""
    return _load8(address) == 0x82 and (length < 2 or _load8(address + 1) == min(payload, 126))


@_compiled
def _take(b, line, length, now):
    """Count the whole messages at the begin of the room; return the bytes that were read."""
    payload, index, room, latencies, at, first, foreign = b.payload, line.index, b.room, b.latencies, 0, 0, 0
    head, begin, wanted = _head(payload), b.begin, b.run | (b.first + index) << 32
    offered, upcoming, due_row = _at(b.offered, index), _at(b.upcoming, index), b.by_due
    size, low, high, interval = head + payload, 0, -1, 0
    while length - at >= size and _ours(payload, room + at):
        body = room + at + head
        at += size
        number = _load64(body + 8)
        if b.period > 0.0:
            due = _due(b, number * b.senders + line.place)
        else:
            due = _load64(body + 16) - b.epoch
        if _load64(body) != wanted or not 0 <= number < offered or not begin <= due <= now:
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
    _store64(b.upcoming + 8 * index, upcoming)
    _add(b.received, index, first)
    _add(b.arrived, min(max(0, now - begin) // b.interval, b.intervals - 1), first)
    b.foreign += foreign
    return at


@_compiled
def _end(b, line, kind, now):
    line.alive = 0
    _epoll_ctl(_int(b.poller), _int(_DEL), _int(line.fd), 0)
    _note(b, kind, line, 0, 0, 0, now)


@_compiled
def _read(b, line):
    """Read once from a line; return ODD when Python is to go on with it."""
    room, kept = b.room, b.kept + b.row * line.place
    if line.kept:
        _memcpy(room, kept, line.kept)
    got = _recv(_int(line.fd), room + line.kept, ROOM - line.kept, _int(0))
    now = _now(b)
    if got <= 0:
        if got == 0 or _load32(_errno_at()) != _EAGAIN:
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
        _memcpy(kept, room + used, left)
    line.kept = left
    if b.period == 0.0:
        _fill(b, line, now)
    return 0


@_compiled
def _wait(b, now, wake):
    """Wait until something is ready or the instant has come; return how much is ready."""
    timeout = 0
    if wake - now > _SPIN_NS:
        timeout = -1
        if b.armed != wake:
            b.armed = wake
            _store64(b.clock + 16, 0)
            _store64(b.clock + 24, 0)
            _store64(b.clock + 32, wake // 1_000_000_000)
            _store64(b.clock + 40, wake % 1_000_000_000)
            _timerfd_settime(_int(b.timer), _int(_ABSTIME), b.clock + 16, 0)
    return _epoll_wait(_int(b.poller), b.ready, _int(_MOST_READY), _int(timeout))


@_compiled
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
                wake = min(wake, _due(b, b.next))
        count = _wait(b, now, wake)
        for turn in range(count):
            ready = b.ready + turn * _READY_BYTES
            what, place = _load32(ready), _at(b.places, np.int64(_load32(ready + _READY_DATA)))
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
