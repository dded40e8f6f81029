"""Troubles on the way during a run of load: a relay between, which refuses, cuts, stalls, delays and throttles by the clock of the run.

This module must not know what travels on the line.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

from msgspec.structs import replace

from wsbook.errors import UsageError
from wsbook.facts import Spell
from wsbook.load_plan import LineFault, LoadPlan
from wsbook.probes.detour import through
from wsbook.probes.relay import Relay, open_relay
from wsbook.target import parse_endpoint
from wsbook.words import duration_text, size_text

__all__ = ["MOST_RELAYED", "Line", "check_faults", "relayed"]

MOST_RELAYED = 500
"""Connections that the relay carries."""
_BUSY_SHARE = 0.8
"""A relay that used more of its processor than this was part of the way that it should only disturb."""
_TICK_S, _LATE_S, _LATE_SHARE = 0.02, 0.02, 0.5
"""So was one that was late by more than _LATE_S and this share of the latency for one twentieth of the time."""


def check_faults(faults: Sequence[LineFault], connections: int) -> None:
    """Check that the relay can make these troubles.

    Raises:
        UsageError: a value that cannot be used, or more connections than the relay carries.
    """
    if faults and connections > MOST_RELAYED:
        raise UsageError(f"troubles on the way are made for at most {MOST_RELAYED} connections; {connections} were asked for")
    for fault in faults:
        _value(fault)


def _value(fault: LineFault) -> float:
    if fault.how == "cut" and fault.value not in ("", "fin", "rst"):
        raise UsageError(f"trouble cut {fault.value[:40]!r}: cut fin or cut rst")
    if fault.how not in ("delay", "throttle"):
        return 0.0
    try:
        value = float(fault.value)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e12:
        raise UsageError(f"trouble {fault.how} {fault.value[:40]!r} needs a number: delay in s, throttle in bytes per second")
    return value


def _name(fault: LineFault) -> str:
    if fault.how == "delay":
        return f"delay {duration_text(float(fault.value))}"
    if fault.how == "throttle":
        return f"throttle {size_text(int(float(fault.value)))}/s"
    return f"cut {fault.value or 'rst'}" if fault.how == "cut" else fault.how


class Line:
    """The way of one run. spells: what was done to it, on the run's own clock."""

    def __init__(self, relay: Relay | None, faults: Sequence[LineFault]) -> None:
        self._relay = relay
        self._faults = faults
        self._active: list[LineFault] = []
        self._begun: dict[int, float] = {}
        self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()
        self._late_s: list[float] = []
        self.spells: list[Spell] = []

    def prepare(self) -> None:
        """Do what holds from the begin on, before anybody connects."""
        for place, fault in enumerate(self._faults):
            if fault.at_s <= 0 and fault.how != "cut":
                self._do(place, fault, 0.0)

    async def conduct(self, begin: float) -> None:
        """Do everything else at its time. begin: when the run began to send, of time.perf_counter()."""
        for moment, place, ends in self._moments():
            await asyncio.sleep(max(0.0, begin + moment - time.perf_counter()))
            at_s = time.perf_counter() - begin
            if ends:
                self._undo(place, self._faults[place], at_s)
            else:
                self._do(place, self._faults[place], at_s)

    def end(self, at_s: float) -> None:
        """Note that what still holds ended with the run."""
        for place, fault in enumerate(self._faults):
            if place in self._begun:
                self._note(place, fault, at_s)

    async def watch_itself(self) -> None:
        """Note how late the relay's own loop is."""
        while self._relay is not None:
            due = time.perf_counter() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self._late_s.append(time.perf_counter() - due)

    def void(self, p99_s: float | None) -> str:
        """Return why figures do not count because of the relay, "" when they do. p99_s: of the latencies, None when there are none."""
        if self._relay is None:
            return ""
        share = (time.process_time() - self._cpu_s) / max(1e-3, time.perf_counter() - self._wall_s)
        late_s = sorted(self._late_s)[int(0.95 * len(self._late_s))] if self._late_s else 0.0
        if share > _BUSY_SHARE:
            return f"the relay that makes the troubles used {share:.0%} of its processor"
        if late_s > max(_LATE_S, _LATE_SHARE * (p99_s or 0.0)):
            return f"the relay that makes the troubles was itself {duration_text(late_s)} late"
        return ""

    def _moments(self) -> list[tuple[float, int, bool]]:
        begins = [(fault.at_s, place, False) for place, fault in enumerate(self._faults) if place not in self._begun]
        ends = [(fault.at_s + fault.for_s, place, True) for place, fault in enumerate(self._faults) if fault.for_s and fault.how != "cut"]
        return sorted(begins + ends)

    def _do(self, place: int, fault: LineFault, at_s: float) -> None:
        assert self._relay is not None
        if fault.how == "cut":
            self._relay.cut(fault.value or "rst")
            self.spells.append(Spell(name=_name(fault), begin_s=at_s, end_s=at_s))
            return
        self._begun[place] = at_s
        self._active.append(fault)
        _apply(self._relay, fault)

    def _undo(self, place: int, fault: LineFault, at_s: float) -> None:
        assert self._relay is not None
        self._note(place, fault, at_s)
        self._active.remove(fault)
        self._relay.recover()
        for other in self._active:
            _apply(self._relay, other)

    def _note(self, place: int, fault: LineFault, at_s: float) -> None:
        self.spells.append(Spell(name=_name(fault), begin_s=self._begun.pop(place), end_s=at_s))


def _apply(relay: Relay, fault: LineFault) -> None:
    if fault.how == "refuse":
        relay.refuse()
    elif fault.how == "stall":
        relay.stall()
    elif fault.how == "delay":
        relay.delay(_value(fault))
    else:
        relay.throttle(_value(fault))


@contextlib.asynccontextmanager
async def relayed(plan: LoadPlan) -> AsyncIterator[tuple[LoadPlan, Line]]:
    """Yield the plan as it is to be dialled, and its line; without troubles nothing stands between."""
    if not plan.faults:
        yield plan, Line(None, ())
        return
    via = plan.attempt.via
    place = parse_endpoint(via, ("http",)) if via else plan.attempt.endpoint
    host = place.host if via else plan.attempt.address or place.host
    async with open_relay(host, place.port) as relay:
        if via:
            userinfo = f"{place.userinfo}@" if place.userinfo else ""
            attempt = replace(plan.attempt, via=f"http://{userinfo}{relay.host}:{relay.port}")
        else:
            attempt = through(plan.attempt, relay)
        line = Line(relay, plan.faults)
        line.prepare()
        yield replace(plan, attempt=attempt, faults=()), line
