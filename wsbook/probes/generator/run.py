"""From a plan to its figures: connect, choose the loop, drive, add up."""

import re
import secrets
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from msgspec.structs import replace

from wsbook.errors import UsageError
from wsbook.facts.load import LoadRun
from wsbook.load_plan import LoadPlan, check_plan
from wsbook.probes.generator import drive as numpy_loop
from wsbook.probes.generator.before import farewell, settle_down
from wsbook.probes.generator.connect import Opened, abort, make_room, open_lines
from wsbook.probes.generator.correlate import parse_path
from wsbook.probes.generator.figures import Connected, figures_of
from wsbook.probes.generator.line import Line
from wsbook.probes.generator.mill import Mill
from wsbook.probes.generator.place import Place, Unreached, place_of
from wsbook.probes.generator.progress import Progress, Watch
from wsbook.probes.generator.send import Schedule
from wsbook.probes.generator.slow import SlowReaders
from wsbook.probes.generator.tally import Tally
from wsbook.probes.generator.void import why_void
from wsbook.secret import resolve

__all__ = ["run_plan"]

_COMPILED = "wsbook.probes.generator.compiled"
_BEGIN_NS, _LATE_NS = 20_000_000, 100_000_000
_RUN = re.compile(r"[0-9a-f]{8}\Z")


def run_plan(plan: LoadPlan, *, on_progress: Callable[[Progress], None] | None = None, stop: Callable[[], bool] | None = None) -> LoadRun:
    """Carry out one run in this thread, which has no running event loop, and return its figures.

    on_progress: told about twice a second. stop: asked about fifty times a second; True ends the run with what was counted so far, and
    the figures say that they are void.

    A compiled loop stands in ``compiled.py``: ``suits(plan, lines) -> str`` says why it cannot carry out a plan ("" it can),
    ``prepare(say) -> str`` compiles before the run begins or says why it cannot, and ``drive`` is the loop.

    Raises:
        UsageError: the plan cannot be carried out here.
    """
    plan, watch = _resolved(plan), Watch(on_progress, stop)
    make_room(plan.connections + plan.slow_readers)
    lines: list[Line] = []
    try:
        return _run(plan, watch, lines)
    finally:
        for line in lines:
            abort(line.sock)


def _resolved(plan: LoadPlan) -> LoadPlan:
    """Return the plan with what this engine demands checked and its texts' secrets resolved."""
    check_plan(plan)
    if plan.run and not _RUN.match(plan.run):
        raise UsageError(f"run {plan.run[:40]!r} is not eight lower-case hexadecimal digits")
    if plan.answered_by == "broadcast" and plan.publishers >= plan.connections:
        raise UsageError("a broadcast needs connections that listen: fewer publishers than connections")
    if plan.answered_by == "sequence":
        parse_path(plan.sequence)
        if plan.window:
            raise UsageError("a window needs answers, and a server that numbers its own messages gives none: give a rate, or neither")
    if plan.first_connection + plan.connections > 2**20:
        raise UsageError("at most 1,048,576 connections over all shards can be told apart")
    run = plan.run or secrets.token_hex(4)
    attempt = replace(plan.attempt, extensions=())  # messages are counted as they are on the wire
    return replace(plan, attempt=attempt, run=run, template=resolve(plan.template), subscribe=resolve(plan.subscribe))


def _run(plan: LoadPlan, watch: Watch, lines: list[Line]) -> LoadRun:
    tally, mill = Tally(plan, plan.run), Mill(bytes.fromhex(plan.run), plan.size_bytes, plan.template)
    why = _prepared(plan, watch)
    opened, slow = _open(plan, watch, lines)
    settle_down(lines, plan.subscribe, watch)
    counted = [line for line in opened.lines if line.ended == "open"]
    for line in opened.lines:
        tally.ended[line.index], tally.close_codes[line.index] = line.ended, line.close_code
    connected = Connected(
        asked=plan.connections, opened=len(opened.lines), times_ns=tuple(opened.times_ns), took_s=opened.took_s, why=opened.why
    )
    engine, loop, notes = "numpy", numpy_loop.drive, list[str]()
    if counted and not watch.stopped:
        engine, loop = _loop(plan, counted, why)
        notes += _begin(plan, tally)
        watch.tell_from(tally.begin_ns)
        with SlowReaders(plan, plan.run, slow):
            loop(counted, plan, tally, watch)
    farewell(lines, abort=watch.stopped)
    senders = numpy_loop.senders_of(counted, plan)
    schedule = Schedule(plan, senders, tally.begin_ns) if plan.rate and senders else None
    figures = figures_of(tally, schedule, connected, mill.payload_bytes, engine)
    if watch.stopped:
        notes.append(f"the run was stopped after {figures.duration_s:.1f} of {plan.seconds:g} s")
    if void := why_void(figures):
        notes.append(void)
    return replace(figures, void="; ".join(notes))


def _open(plan: LoadPlan, watch: Watch, lines: list[Line]) -> tuple[Opened, list[Line]]:
    """Open what is counted and what reads slowly; lines gets all of them. Nobody to reach is an answer too."""
    try:
        place: Place = place_of(plan.attempt)
    except Unreached as unreached:
        return Opened(lines=[], times_ns=[], why=str(unreached)), []
    watch.say(Progress(phase="connecting"))
    opened = open_lines(place, plan.connections, watch, rate=plan.connect_rate)
    lines += opened.lines
    slow: list[Line] = []
    if plan.slow_readers and opened.lines:
        slow = open_lines(place, plan.slow_readers, watch, first=plan.connections, rate=plan.connect_rate, slow=True).lines
        lines += slow
    return opened, slow


def _prepared(plan: LoadPlan, watch: Watch) -> str:
    """Compile the loop where it suits the plan, before connections wait for it; return why it does not, "" when it is ready."""
    if plan.engine == "numpy":
        return "another one was asked for"
    if find_spec(_COMPILED) is None or find_spec("numba") is None:
        return "it is not installed: pip install 'wsbook[fast]'"
    compiled = import_module(_COMPILED)
    why: str = compiled.suits(plan, ()) or compiled.prepare(watch.say)
    return why


def _loop(plan: LoadPlan, lines: Sequence[Line], why: str) -> tuple[str, Callable[..., Any]]:
    """Return the loop that carries out the plan, with its name. why: why the compiled one cannot.

    Raises:
        UsageError: the compiled one was asked for and cannot.
    """
    compiled = None if why else import_module(_COMPILED)
    why = compiled.suits(plan, lines) if compiled else why
    if compiled and not why:
        return "compiled", compiled.drive
    if plan.engine == "compiled":
        raise UsageError(f"the compiled engine cannot carry out this plan: {why}")
    return "numpy", numpy_loop.drive


def _begin(plan: LoadPlan, tally: Tally) -> list[str]:
    """Set the instant of the begin; return what is to be said of it."""
    now_ns = time.monotonic_ns()
    begin_ns = round(plan.begin_at * 1e9) - tally.epoch_ns if plan.begin_at else now_ns + _BEGIN_NS
    tally.begin_ns = tally.end_ns = max(begin_ns, now_ns + _BEGIN_NS // 4)
    late_ns = tally.begin_ns - begin_ns
    return [f"the connections were ready {late_ns / 1e9:.1f} s after the common begin"] if late_ns > _LATE_NS else []
