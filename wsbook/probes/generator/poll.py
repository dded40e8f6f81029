"""Which sockets are ready, waiting with the precision of microseconds. It must not know what the sockets carry.

On Linux an epoll descriptor is itself waited for with select(2), whose timeout counts microseconds where that of epoll_wait counts
milliseconds. Other systems have the portable selectors, which are coarser; the generator's own lag shows it.
"""

import contextlib
import ctypes
import select
import selectors
import sys
import time
from collections.abc import Iterator
from typing import Protocol

__all__ = ["READ", "WRITE", "Poller", "new_poller", "sharp_timers"]

READ, WRITE = 1, 4
"""EPOLLIN and EPOLLOUT; errors and hang-ups come as READ, because reading tells them."""
_EARLY_NS = 40_000
"""A precise wait ends this much early and goes on by asking again and again: a sleeping thread wakes some 30 to 60 µs late."""
_SET_TIMERSLACK, _GET_TIMERSLACK = 29, 30  # linux/prctl.h
_SELECT_MOST = 1024  # FD_SETSIZE


class Poller(Protocol):
    """Level-triggered readiness of descriptors."""

    def add(self, fd: int, events: int) -> None:
        """Watch a descriptor."""

    def change(self, fd: int, events: int) -> None:
        """Watch it for other events."""

    def drop(self, fd: int) -> None:
        """Watch it no longer."""

    def now(self, most: int) -> list[tuple[int, int]]:
        """Return what is ready, without waiting, as (descriptor, events)."""

    def wait(self, until_ns: int, *, precise: bool) -> None:
        """Wait until something is ready or until an instant (CLOCK_MONOTONIC). precise: be back a little before it."""

    def close(self) -> None:
        """Give the descriptor back."""


class _Epoll:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._fd, self._poll = self._epoll.fileno(), self._epoll.poll

    def add(self, fd: int, events: int) -> None:
        self._epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        self._epoll.modify(fd, events)

    def drop(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def close(self) -> None:
        self._epoll.close()

    def now(self, most: int) -> list[tuple[int, int]]:
        return self._poll(0, most)

    def wait(self, until_ns: int, *, precise: bool) -> None:
        left_ns = until_ns - time.monotonic_ns() - (_EARLY_NS if precise else 0)
        if left_ns <= 0:
            return
        if self._fd < _SELECT_MOST:
            select.select((self._fd,), (), (), left_ns / 1e9)
        else:
            waiting = select.poll()
            waiting.register(self._fd, select.POLLIN)
            waiting.poll(left_ns // 1_000_000)


class _Portable:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def drop(self, fd: int) -> None:
        self._selector.unregister(fd)

    def close(self) -> None:
        self._selector.close()

    @staticmethod
    def _events(events: int) -> int:
        return (selectors.EVENT_READ if events & READ else 0) | (selectors.EVENT_WRITE if events & WRITE else 0)

    def add(self, fd: int, events: int) -> None:
        self._selector.register(fd, self._events(events))

    def change(self, fd: int, events: int) -> None:
        self._selector.modify(fd, self._events(events))

    def now(self, most: int) -> list[tuple[int, int]]:
        ready = self._selector.select(0)[:most]
        return [(key.fd, (READ if got & selectors.EVENT_READ else 0) | (WRITE if got & selectors.EVENT_WRITE else 0)) for key, got in ready]

    def wait(self, until_ns: int, *, precise: bool) -> None:
        left_ns = until_ns - time.monotonic_ns() - (_EARLY_NS if precise else 0)
        if left_ns > 0:
            self._selector.select(left_ns / 1e9)


@contextlib.contextmanager
def sharp_timers() -> Iterator[None]:
    """Let waits of this thread end when they should; Linux adds up to 50 µs to save power (prctl(2), PR_SET_TIMERSLACK)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None
    before = prctl(_GET_TIMERSLACK, 0, 0, 0, 0) if prctl else 0
    if prctl and before > 0:
        prctl(_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        yield
    finally:
        if prctl and before > 0:
            prctl(_SET_TIMERSLACK, ctypes.c_ulong(before), 0, 0, 0)


def new_poller() -> Poller:
    """Return what this system has."""
    return _Epoll() if hasattr(select, "epoll") else _Portable()
