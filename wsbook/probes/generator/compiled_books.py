"""The compiled loop's memory as records: what it and its side in Python both read and write. It must not know what either does.

Fields are int64 where nothing else is said. numba makes a record's layout part of what it compiled, so a change here is noticed.
"""

import numpy as np

__all__ = ["BOOKS", "EVENT", "LINE"]

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
LINE = np.dtype(
    [
        (name, np.int64)
        for name in ("fd", "place", "index", "alive", "deaf", "scalar", "kept", "blocked", "waiting", "control", "given", "free_at")
    ]
)
"""deaf: takes no more, by an error; scalar: its bytes are Python's; kept: bytes of an unfinished frame; blocked: the kernel takes no more;
waiting: bytes at the end of a message that it took in part, control: or of a control frame; given: messages of its window that are no
longer awaited; free_at: when it last took all again."""
EVENT = np.dtype([(name, np.int64) for name in ("kind", "line", "number", "end", "due", "at")])
"""GAP: numbers from number up to end were passed over; LATE: number, below what was upcoming, came; FIN, RST: the line ended."""
