"""What a run says while it goes on, and how it is told to stop. It must not know who listens."""

import time
from collections.abc import Callable

from msgspec import Struct

__all__ = ["Progress", "Watch"]

_EVERY_NS, _LOOK_NS = 500_000_000, 20_000_000


class Progress(Struct, frozen=True, kw_only=True):
    """One moment of a run. phase: "connecting", "compiling", "sending" or "waiting" (for what is outstanding). at_s: since the begin of the
    phase "sending", 0 before. opened: connections. sent, received, outstanding: messages, of a broadcast received and outstanding over all
    listeners. p99_s: of the latencies so far, None when there are none; lag_s: 99th percentile of the generator's own."""

    phase: str
    at_s: float = 0.0
    opened: int = 0
    sent: int = 0
    received: int = 0
    outstanding: int = 0
    p99_s: float | None = None
    lag_s: float = 0.0


class Watch:
    """Tells progress twice a second and asks twenty times as often whether to stop. stopped: whether it was told to."""

    def __init__(self, on_progress: Callable[[Progress], None] | None = None, stop: Callable[[], bool] | None = None) -> None:
        self._say, self._stop = on_progress, stop
        self._next_ns = self._look_ns = 0
        self.stopped = False

    def over(self, now_ns: int) -> bool:
        """Tell whether the run was told to stop. now_ns: CLOCK_MONOTONIC."""
        if not self.stopped and self._stop is not None and now_ns >= self._look_ns:
            self._look_ns = now_ns + _LOOK_NS
            self.stopped = self._stop()
        return self.stopped

    def tell_from(self, now_ns: int) -> None:
        """Tell progress next at this instant: the begin is worth knowing at once, and nothing is told of it before."""
        self._next_ns = now_ns

    def tell(self, now_ns: int, make: Callable[[], Progress]) -> None:
        """Tell progress when it is time to."""
        if self._say is not None and now_ns >= self._next_ns:
            self._next_ns = now_ns + _EVERY_NS
            self._say(make())

    def say(self, progress: Progress) -> None:
        """Tell progress at once."""
        self._next_ns = time.monotonic_ns() + _EVERY_NS
        if self._say is not None:
            self._say(progress)
