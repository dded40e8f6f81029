"""wsbook load: options to plans, the runs under the eyes of who waits, and the document at the end. Knows no WebSocket."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, json, to_builtins
from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from wsbook.attempt import attempt_for
from wsbook.cli.load_shown import live_text, plan_text, show_load
from wsbook.errors import UsageError
from wsbook.facts import LoadFacts, LoadRun
from wsbook.load_plan import LINE_FAULTS, LineFault, LoadPlan
from wsbook.observation import Observation, Outcome
from wsbook.parameters import redactor_of, require_files, target_from
from wsbook.probes.load import AUTO, ENDED_EARLY, Engine, grid, probe_load, ramp
from wsbook.probes.load_search import Search
from wsbook.probes.load_thresholds import Demand, parse_demand, parse_seconds
from wsbook.redact import seal
from wsbook.target import Target

__all__ = ["LoadRequest", "exit_code", "load", "plans_of"]

SCHEMA = "wsbook.load/1"
HELD, BROKE, INCOMPLETE = 0, 1, 3
_TIMEOUT_S = 10.0
_SIZES = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "k": 1000, "M": 1000**2}
_NUMBER = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*\Z")
_WORST = ("p50_s", "p90_s", "p99_s", "p999_s", "max_s", "lag_s")
_ADDED = ("sent", "received", "lost", "duplicated", "reordered", "unsent", "foreign")


class LoadRequest(Struct, frozen=True, kw_only=True):
    """What the user asked for. parameters: of the target, texts as in the notebooks; the others as they were typed, "" not given."""

    parameters: dict[str, Any]
    connections: str = "10"
    rate: str = ""
    window: int = 0
    size: str = "64"
    seconds: str = "10"
    drain: str = "5"
    ramp: str = ""
    find_knee: bool = False
    within: str = ""
    subscribe: str = ""
    answered_by: str = AUTO
    publishers: int = 1
    slow_readers: str = ""
    trouble: tuple[str, ...] = ()
    thresholds: tuple[str, ...] = ()
    connect_rate: float = 0.0
    shards: int = 1
    dask: str = ""
    engine: str = "auto"
    out: Path | None = None


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be carried out."""

    target: Target
    plans: tuple[LoadPlan, ...]
    search: Search | None
    demands: tuple[Demand, ...]
    engine: Engine


def _number(text: str, what: str) -> float:
    match = _NUMBER.match(text)
    if match is None or match[2] not in _SIZES:
        raise UsageError(f"{what} {text[:40]!r} is no number; write 500, 10k or 4KiB")
    return float(match[1]) * _SIZES[match[2]]


def _numbers(text: str, what: str) -> tuple[float, ...]:
    return tuple(dict.fromkeys(_number(part, what) for part in text.split(",") if part.strip()))


def _each(texts: tuple[str, ...]) -> list[str]:
    """Return what was given again and again, or with commas, or both."""
    return [part.strip() for text in texts for part in re.split("[,;]", text) if part.strip()]


def _whole(text: str, what: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _numbers(text, what))


def parse_trouble(text: str) -> LineFault:
    """Return the trouble written as ``AT HOW [VALUE] [FOR]``: ``5 stall 1``, ``5 cut fin``, ``5 delay 50ms 2``, ``5 throttle 64KiB``.

    Raises:
        UsageError: another form.
    """
    at, how, *rest = [*text.split(), "", ""][: max(2, len(text.split()))]
    if how not in LINE_FAULTS:
        raise UsageError(f"trouble {text[:60]!r} is not of the form 'AT HOW [VALUE] [FOR]'; HOW is one of {', '.join(LINE_FAULTS)}")
    value = rest.pop(0) if rest and how in ("cut", "delay", "throttle") else ""
    if len(rest) > 1 or (how == "cut" and rest):
        raise UsageError(f"trouble {text[:60]!r} says more than 'AT HOW [VALUE] [FOR]'")
    if how == "delay":
        value = f"{parse_seconds(value):g}"
    if how == "throttle":
        value = f"{_number(value.removesuffix('/s'), 'trouble throttle'):g}"
    return LineFault(at_s=parse_seconds(at), how=how, value=value, for_s=parse_seconds(rest[0]) if rest else 0.0)


def _slow(text: str) -> tuple[int, float]:
    count, _, bytes_per_s = text.partition(":")
    return int(_number(count, "slow readers")), _number(bytes_per_s, "slow readers") if bytes_per_s else 0.0


def _ramp_of(text: str) -> tuple[float, float, int]:
    parts = text.split(":")
    if len(parts) != 3:
        raise UsageError(f"ramp {text[:40]!r} is not of the form FROM:TO:STEPS, such as 100:5000:6")
    first, last, steps = (_number(part, "ramp") for part in parts)
    if min(first, last) <= 0 or not 1 <= steps <= 100:
        raise UsageError(f"ramp {text[:40]!r} needs rates above 0 and 1 to 100 steps")
    return first, last, int(steps)


def plans_of(request: LoadRequest) -> Wanted:
    """Return what is to be carried out.

    Raises:
        UsageError: an option cannot be used, or two do not go together.
    """
    target = target_from(request.parameters)
    if not target.url:
        raise UsageError("give the endpoint, ws:// or wss://")
    require_files(target)
    if sum(map(bool, (request.rate, request.ramp, request.window))) > 1:
        raise UsageError("give one of --rate, --window and --ramp")
    if not (request.rate or request.ramp or request.window or _search(request, ()) or target.sequence):
        raise UsageError("give --rate, --window or --ramp, a search with --find-knee or --within, or --sequence to listen only")
    slow, slow_bytes = _slow(request.slow_readers) if request.slow_readers else (0, 0.0)
    plan = LoadPlan(
        attempt=replace(attempt_for(target, _TIMEOUT_S), first_message_s=0.0),
        window=request.window,
        seconds=parse_seconds(request.seconds),
        drain_s=parse_seconds(request.drain),
        answered_by=request.answered_by,
        publishers=request.publishers,
        template=target.message,
        subscribe=seal(request.subscribe, os.environ),
        sequence=target.sequence,
        slow_readers=slow,
        slow_bytes_per_s=slow_bytes,
        faults=tuple(parse_trouble(one) for one in _each(request.trouble)),
        connect_rate=request.connect_rate,
        engine=request.engine,
    )
    rates = _numbers(request.rate, "rate")
    plans = grid(plan, rates=rates, sizes=_whole(request.size, "size"), connections=_whole(request.connections, "connections"))
    if request.ramp:
        plans = tuple(step for one in plans for step in ramp(one, *_ramp_of(request.ramp)))
    return Wanted(
        target=target,
        plans=plans,
        search=_search(request, rates),
        demands=tuple(parse_demand(text) for text in _each(request.thresholds)),
        engine=Engine(shards=request.shards, address=request.dask),
    )


def _search(request: LoadRequest, rates: tuple[float, ...]) -> Search | None:
    if not (request.find_knee or request.within):
        return None
    search = Search(start=max(rates)) if rates else Search()
    return replace(search, bound_s=parse_seconds(request.within)) if request.within else search


def load(request: LoadRequest, console: Console, *, quiet: bool = False) -> dict[str, Any]:
    """Carry out what was asked for, show it unless quiet, and return the document with its exit code.

    Ctrl-C ends the run under way: what was counted so far is shown, and void.

    Raises:
        UsageError: it cannot be carried out.
    """
    wanted = plans_of(request)
    with _progress(console) as say:
        try:
            seen = asyncio.run(_probe(wanted, say))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None  # the second Ctrl-C
    seen = redactor_of(wanted.target).value(seen)
    document = _document(wanted.target, seen)
    if request.out:
        _write(request.out, document)
    if not quiet:
        show_load(console, document["url"], seen)
    return document


async def _probe(wanted: Wanted, say: Callable[[LoadPlan, dict[str, Any]], None]) -> Observation:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    task = asyncio.current_task()

    def interrupt() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C is an exception there
            loop.add_signal_handler(number, interrupt)
    return await probe_load(
        wanted.plans,
        step="4.2",
        search=wanted.search,
        demands=wanted.demands,
        metrics=wanted.target.metrics,
        owned=wanted.target.owned,
        engine=wanted.engine,
        stop=stop,
        on_progress=say,
    )


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Callable[[LoadPlan, dict[str, Any]], None]]:
    """Yield a function that shows the run under way: one line that changes, or a line for each run where the output is no terminal."""
    if console.is_terminal:
        with console.status("", spinner="dots", spinner_style="#999999") as status:
            yield lambda plan, told: status.update(Text(live_text(plan, told), style="#999999", no_wrap=True, overflow="ellipsis"))
        return
    last = [""]

    def line(plan: LoadPlan, told: dict[str, Any]) -> None:
        if last[0] != (text := plan_text(plan)):
            last[0] = text
            console.print(text, style="#999999", soft_wrap=True)

    yield line


def _document(target: Target, seen: Observation) -> dict[str, Any]:
    """Return what --json prints: sums over all runs, the worst percentiles, and each run."""
    facts = seen.facts if isinstance(seen.facts, LoadFacts) else LoadFacts(runs=())
    why = seen.failure.message if seen.failure else ""
    cpu_s = sum(run.generator.cpu_s for run in facts.runs if run.generator)
    return {
        "schema": SCHEMA,
        "url": redactor_of(target).text(target.url),
        "outcome": seen.outcome.value,
        "why": why,
        **{name: sum(getattr(run, name) for run in facts.runs) for name in _ADDED},
        **{name: _worst(facts.runs, name) for name in _WORST},
        "cpu_s": round(cpu_s, 6),
        **to_builtins(replace(facts, void=facts.void or why)),
        "exit_code": exit_code(seen),
    }


def _worst(runs: tuple[LoadRun, ...], name: str) -> float | None:
    return max((value for run in runs if (value := getattr(run, name)) is not None), default=None)


def exit_code(seen: Observation) -> int:
    """Return 0 when everything held, 1 when something did not, 3 when nothing is known.

    Where thresholds were given they alone decide; else messages that were lost, came twice, out of order or never left, and connections
    that did not open or did not stay, in any run but those of a search, which has to find a rate that holds.
    """
    facts = seen.facts
    if seen.outcome is not Outcome.ANSWERED or not isinstance(facts, LoadFacts) or not facts.runs or facts.void:
        return INCOMPLETE
    if facts.thresholds:
        held = [threshold.holds for threshold in facts.thresholds]
        return BROKE if False in held else INCOMPLETE if None in held else HELD
    planned = [run for run in facts.runs if not run.searched]
    if (facts.knee and not facts.knee.rate) or any(_harmed(run) for run in planned if not run.void):
        return BROKE
    unknown = any(run.void for run in planned) or ENDED_EARLY in facts.errors or (len(planned) < len(facts.runs) and facts.knee is None)
    return INCOMPLETE if unknown else HELD


def _harmed(run: LoadRun) -> bool:
    return bool(run.lost or run.duplicated or run.reordered or run.unsent or run.ended or run.opened < run.asked)


def _write(path: Path, document: dict[str, Any]) -> None:
    try:
        path.write_bytes(json.format(json.encode(document), indent=2) + b"\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
