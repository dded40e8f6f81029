"""The time of one attempt: its budget, its stages, and how it stops early. It must not know what is dialled."""

import errno
import ssl
import time

from wsbook.observation import Failure, Reason, Stage

__all__ = ["Stop", "Stopwatch", "reason_of", "shown_time"]

_UNREACHABLE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM, errno.ENETDOWN}
)


class Stop(Exception):  # noqa: N818 (no error of ours: it carries what the peer did up to the probe and never leaves it)
    """Ends an attempt with the failure that it carries."""

    def __init__(self, stage: str, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(stage=stage, reason=reason, message=message)


def shown_time(seconds: float) -> str:
    """Return a duration with its unit, such as "3.2 ms" or "5.00 s"."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def reason_of(error: OSError) -> Reason:
    """Return what an error of the operating system means for a connection."""
    if isinstance(error, TimeoutError):
        return Reason.TIMEOUT
    if isinstance(error, ssl.SSLError):
        return Reason.TLS_ALERT
    if isinstance(error, ConnectionRefusedError):
        return Reason.REFUSED
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return Reason.RESET
    return Reason.UNREACHABLE if error.errno in _UNREACHABLE else Reason.RESET


class Stopwatch:
    """Counts from the attempt's start; every wait asks it how much of the budget is left.

    stages: what was timed so far, in order. Times are those of time.perf_counter(), in seconds.
    """

    def __init__(self, budget_s: float) -> None:
        self.started = time.perf_counter()
        self.budget_s = budget_s
        self.stages: list[Stage] = []

    @property
    def spent_s(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    @property
    def left_s(self) -> float:
        """Seconds left of the budget, never negative."""
        return max(0.0, self.budget_s - self.spent_s)

    def add(self, name: str, started: float, duration_s: float, ok: bool, detail: str = "") -> None:
        """Add a stage; started is a reading of time.perf_counter()."""
        stage = Stage(name=name, started_s=max(0.0, started - self.started), duration_s=max(0.0, duration_s), ok=ok, detail=detail[:500])
        self.stages.append(stage)
