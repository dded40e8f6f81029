"""One run of load shared among processes of this machine, or the workers of a dask scheduler, and merged again."""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec.structs import replace

from wsbook.facts.load import LoadRun
from wsbook.load_merge import count_broadcast_losses, merge_runs
from wsbook.load_plan import LoadPlan, check_plan
from wsbook.load_split import split_plan
from wsbook.probes.load_worker import void_run
from wsbook.probes.shard_process import Part, prepare_engine, run_part

__all__ = ["run_sharded"]

_START_S, _CONNECTS_PER_S = 4.0, 2_000.0
"""What a process needs until it can connect, with others that start beside it, and how fast it surely connects."""
_SUMMED = ("sent", "received", "lost", "outstanding", "duplicated", "reordered", "unsent", "opened")
NOTHING = "no shard reported anything: "

Progress = Callable[[dict[str, Any]], None]


def run_sharded(
    plan: LoadPlan, *, shards: int, address: str = "", on_progress: Progress | None = None, stop: Callable[[], bool] | None = None
) -> LoadRun:
    """Run a plan in several processes that begin at one instant, and return the one run that they made together.

    shards: processes; of a scheduler at most its workers, 0 means all of them. address: "" starts processes here; tcp://host:port is
    the scheduler of dask.distributed to use, and "local:4" starts one with four workers here. on_progress: gets the sums over all parts.
    stop: asked ten times a second; True ends the parts, which report what they counted so far.

    A part whose process or worker dies is named in missing_shards and is not run again: the others' figures stand, and are those of a
    part of the run. Parts on other machines begin when their own clock says so, which is set right by what was measured of it; in a
    broadcast the latencies that are left carry clock_error_s.

    Raises:
        UsageError: the plan cannot be carried out or split, or the scheduler cannot be used.
    """
    check_plan(plan)
    told = _Told(on_progress)
    asked = stop or (lambda: False)
    if address:
        from wsbook.probes.shards_dask import run_on_workers

        return run_on_workers(plan, shards, address, told=told.tell, stopped=asked)
    parts = split_plan(plan, shards, run=plan.run or secrets.token_hex(4), begin_at=begin_at(plan, shards, prepare_engine(plan)))
    return together(plan, parts, _run_here(parts, told, asked))


def begin_at(plan: LoadPlan, shards: int, ready_s: float = 0.0) -> float:
    """Return when all parts should be connected, epoch s; a plan that says when is believed. ready_s: what one process took to start."""
    if plan.begin_at:
        return plan.begin_at
    each = plan.connections / max(1, shards)
    return time.time() + max(_START_S, 1.5 * ready_s + 1.0) + each / min(_CONNECTS_PER_S, (plan.connect_rate / shards) or _CONNECTS_PER_S)


class _Told:
    """Sums the progress of the parts and tells it on, from whichever thread."""

    def __init__(self, on_progress: Progress | None) -> None:
        self._on_progress = on_progress
        self._last: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def tell(self, number: int, said: dict[str, Any]) -> None:
        if self._on_progress is None:
            return
        with self._lock:
            self._last[number] = said
            self._on_progress(_summed(list(self._last.values())))


def _summed(said: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return counts added, other figures at their worst, and words as they were said first."""
    both: dict[str, Any] = {}
    for one in said:
        for name, value in one.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                both.setdefault(name, value)
            elif name in both and isinstance(both[name], int | float):
                both[name] = both[name] + value if name in _SUMMED else max(both[name], value)
            else:
                both[name] = value
    return both


def _run_here(parts: Sequence[LoadPlan], told: _Told, asked: Callable[[], bool]) -> list[Part]:
    """Run the parts side by side on this machine; what interrupts us ends them too."""
    ended = threading.Event()
    with ThreadPoolExecutor(len(parts), thread_name_prefix="shard") as pool:

        def one(number: int, part: LoadPlan) -> Part:
            return run_part(part, on_progress=lambda said: told.tell(number, said), stopped=lambda: ended.is_set() or asked())

        futures = [pool.submit(one, number, part) for number, part in enumerate(parts)]
        try:
            return [future.result() for future in futures]
        finally:
            ended.set()


def together(plan: LoadPlan, parts: Sequence[LoadPlan], made: Sequence[Part]) -> LoadRun:
    """Return the run that the parts made, and say which did not report."""
    missing = tuple(_named(number, parts, part.why) for number, part in enumerate(made) if part.run is None)
    runs = [part.run for part in made if part.run is not None]
    if not runs:
        return _nothing(plan, missing)
    merged = merge_runs(count_broadcast_losses(runs))
    return replace(
        merged,
        missing_shards=(*merged.missing_shards, *missing),
        rate=plan.rate if len(runs) == len(parts) else merged.rate,
        moments=tuple(replace(moment, histogram="") for moment in merged.moments),
        void=_why_void(plan, made),
    )


def _why_void(plan: LoadPlan, made: Sequence[Part]) -> str:
    """Return why the figures do not count: what the latest of the void parts said, and how many there were."""
    if made[0].run is None and plan.answered_by == "broadcast":
        return "the shard that publishes did not report, so nothing is known of what was lost"
    void = [part.run for part in made if part.run is not None and part.run.void]
    if not void:
        return ""
    words = max(void, key=lambda run: run.lag_s).void
    return f"{len(void)} of {len(made)} shards: {words}" if len(made) > 1 else words


def _named(number: int, parts: Sequence[LoadPlan], why: str) -> str:
    part = parts[number]
    last = part.first_connection + part.connections - 1
    return f"shard {number + 1} of {len(parts)}, connections {part.first_connection} to {last}: {why}"


def _nothing(plan: LoadPlan, missing: tuple[str, ...]) -> LoadRun:
    return replace(void_run(plan, NOTHING + (missing[0] if missing else "none was started")), missing_shards=missing)
