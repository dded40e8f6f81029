"""The parts of one run of load on the workers of a dask scheduler: one task each, never run twice, and never waited for in vain."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.json import decode, encode
from msgspec.structs import replace

from wsbook.errors import UsageError
from wsbook.facts.load import LoadRun
from wsbook.load_plan import LoadPlan
from wsbook.load_split import split_plan
from wsbook.probes.dask_workers import Clock, clocks_of, local_size, open_workers, working
from wsbook.probes.shard_process import Part, patience, prepare_engine, run_part
from wsbook.probes.shards import begin_at, together
from wsbook.secret import SEALED

__all__ = ["clock_error", "run_on_workers"]

_LOOK_S = 0.2
_SEALED = f"${{env:{SEALED}".encode()
"""Reference to a secret that was typed in clear: it is known in our environment alone."""
_STOPPED: set[str] = set()
"""In a worker's process: runs that are to end now."""


def run_on_workers(
    plan: LoadPlan, shards: int, address: str, *, told: Callable[[int, dict[str, Any]], None], stopped: Callable[[], bool]
) -> LoadRun:
    """Run a plan on workers, as probes/shards.py says.

    Raises:
        UsageError: the scheduler cannot be used, or has fewer workers than shards; or a secret would have to travel.
    """
    if not local_size(address) and _SEALED in encode(plan):
        raise UsageError("a secret that is typed in clear does not travel to other machines; export it there, and write ${env:NAME}")
    with open_workers(address) as client:
        workers = working(client)
        count = shards or len(workers)
        if count > len(workers):
            raise UsageError(f"{count} shards need {count} workers, and the dask scheduler has {len(workers)}")
        workers = workers[:count]
        clocks = clocks_of(client, workers)
        run = plan.run or secrets.token_hex(4)
        ready_s = max(client.run(prepare_engine, plan, workers=_one_of_each_machine(workers)).values())
        parts = _by_their_clocks(split_plan(plan, count, run=run, begin_at=begin_at(plan, count, ready_s)), workers, clocks)
        made = _Sharing(client, run, parts, workers, told).carry_out(stopped)
    error = clock_error(clocks, workers) if plan.answered_by == "broadcast" else None
    return replace(together(plan, parts, made), clock_error_s=error)


def _one_of_each_machine(workers: Sequence[str]) -> list[str]:
    return list({worker.rpartition(":")[0]: worker for worker in workers}.values())


def _by_their_clocks(parts: Sequence[LoadPlan], workers: Sequence[str], clocks: Mapping[str, Clock]) -> list[LoadPlan]:
    """Return the parts with the common begin as each worker's own clock shows it."""
    return [
        replace(part, begin_at=part.begin_at + clocks[worker].offset_s) if worker in clocks else part
        for part, worker in zip(parts, workers, strict=True)
    ]


def clock_error(clocks: Mapping[str, Clock], workers: Sequence[str]) -> float | None:
    """Return by how much a latency from the first worker, which publishes, to another may be wrong, in s; None on one machine."""
    if not clocks or len(workers) < 2:
        return None
    first = clocks[workers[0]]
    return max(abs(clocks[other].offset_s - first.offset_s) + clocks[other].error_s + first.error_s for other in workers[1:])


class _Sharing:
    """The tasks of one run. Each is bound to its worker: dask would silently run it again on another one."""

    def __init__(
        self, client: Any, run: str, parts: Sequence[LoadPlan], workers: Sequence[str], told: Callable[[int, dict[str, Any]], None]
    ) -> None:
        self._client, self._run, self._parts, self._workers, self._told = client, run, parts, workers, told
        self._made: dict[int, Part] = {}

    def carry_out(self, stopped: Callable[[], bool]) -> list[Part]:
        """Return what became of every part; whatever interrupts us ends them."""
        topic = f"wsbook-{self._run}"
        self._client.subscribe_topic(topic, lambda event: self._told(*event[1]))
        futures = {number: self._submit(number, topic) for number in range(len(self._parts))}
        try:
            self._wait(futures, stopped)
        finally:
            self._stop(futures)
            self._client.unsubscribe_topic(topic)
        return [self._made[number] for number in range(len(self._parts))]

    def _submit(self, number: int, topic: str) -> Any:
        return self._client.submit(
            _carry_out_part,
            encode(self._parts[number]),
            self._run,
            number,
            topic,
            key=f"wsbook-{self._run}-{number}",
            workers=[self._workers[number]],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )

    def _wait(self, futures: Mapping[int, Any], stopped: Callable[[], bool]) -> None:
        deadline = time.monotonic() + max(patience(part) for part in self._parts)
        told_to_stop = False
        while len(self._made) < len(futures):
            living = set(working(self._client))
            for number, future in futures.items():
                if number not in self._made:
                    self._look(number, future, living, time.monotonic() > deadline)
            if stopped() and not told_to_stop:
                told_to_stop = True
                self._tell_to_stop(living)
            time.sleep(_LOOK_S)

    def _look(self, number: int, future: Any, living: set[str], late: bool) -> None:
        """Note what became of one part, if that is known by now."""
        worker = self._workers[number]
        if future.done():
            self._made[number] = _result(future)
        elif worker not in living:
            self._made[number] = Part(why=f"its worker {worker} died")
        elif late:
            self._made[number] = Part(why=f"its worker {worker} did not report in time")

    def _tell_to_stop(self, living: set[str]) -> None:
        if chosen := [worker for worker in self._workers if worker in living]:
            self._client.run(_stop_run, self._run, workers=chosen, on_error="ignore")

    def _stop(self, futures: Mapping[int, Any]) -> None:
        """End what still runs; nothing is left for the scheduler to run once more."""
        if len(self._made) < len(futures):
            self._tell_to_stop(set(working(self._client)))
        for future in futures.values():
            future.cancel(force=True)


def _result(future: Any) -> Part:
    if future.status == "finished":
        return decode(future.result(), type=Part)
    error = future.exception()
    return Part(why=f"its worker failed: {type(error).__name__}: {str(error)[:200]}")


def _stop_run(run: str) -> None:
    _STOPPED.add(run)


def _carry_out_part(plan: bytes, run: str, number: int, topic: str) -> bytes:
    """In a worker: run one part, telling its progress to whoever listens. Values travel as JSON, so that no class must match."""
    from distributed import get_worker

    worker, part = get_worker(), decode(plan, type=LoadPlan)
    if time.time() > part.begin_at:
        return encode(Part(why="its worker was busy with something else until after the begin"))
    made = run_part(part, on_progress=lambda said: worker.log_event(topic, [number, said]), stopped=lambda: run in _STOPPED)
    return encode(made)
