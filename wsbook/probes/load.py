"""Load on one endpoint: runs at several rates, sizes and numbers of connections, and the search for the rate at which it breaks.

Each run is a process of its own (load_worker.py, or several: shards.py). This one finds out how messages come back, watches the servers,
makes the troubles on the way, and repeats what came to nothing by our own fault. Whoever makes plans gets them carried out here.

This module must not know what rate is good enough.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.errors import UsageError
from wsbook.facts import Knee, LoadFacts, LoadRun
from wsbook.load_plan import LoadPlan, check_plan
from wsbook.observation import Observation, Reason, Source, not_run, observed
from wsbook.probes.burden import may_burden, refused
from wsbook.probes.load_answer import Answer, find_answer
from wsbook.probes.load_line import Line, check_faults, relayed
from wsbook.probes.load_search import Search, find_knee, seconds_for
from wsbook.probes.load_thresholds import Demand, judge_demands
from wsbook.probes.load_worker import run_apart, void_run
from wsbook.probes.watching import Watch, watching

__all__ = ["AUTO", "ENDED_EARLY", "Engine", "Progress", "grid", "probe_load", "ramp"]

AUTO = "auto"
"""A plan that is answered by this is asked for first: see load_answer.py."""
ENDED_EARLY = "the search was ended early"
_MOST_RUNS = 500
_REPEATED_S, _MOST_REPEATS = 5.0, 2
"""Void runs up to this long are made once more, so many at most: a machine that was busy for a moment is no reason to know nothing."""
_SLOW_RATE = 2000.0
"""Messages per second up to which a compiled loop saves nothing, and costs its start."""
_ALONE_S = 0.5
"""How long one message at a time is sent, to know what a latency is without load."""
_REST_S = 0.3
"""After a run at which something broke: the peer may still be busy with it."""
_SAMPLE_S, _SAMPLE_SHARE = 0.25, 20
"""How often servers are read; where reading costs much, so seldom that it takes one part in so many of a processor."""

Progress = Callable[[LoadPlan, dict[str, Any]], None]
"""Called with the plan that is being carried out and what its generator tells: generator/progress.py names it."""


class Engine(Struct, frozen=True, kw_only=True):
    """Who carries runs out: shards processes of this machine, or of a dask scheduler at an address."""

    shards: int = 1
    address: str = ""


def grid(
    plan: LoadPlan, *, rates: Sequence[float] = (), sizes: Sequence[int] = (), connections: Sequence[int] = ()
) -> tuple[LoadPlan, ...]:
    """Return the plan with each of these rates, sizes and numbers of connections, rates changing fastest; () leaves the plan's own."""
    return tuple(
        replace(plan, rate=rate, size_bytes=size, connections=count)
        for count in connections or (plan.connections,)
        for size in sizes or (plan.size_bytes,)
        for rate in rates or (plan.rate,)
    )


def ramp(plan: LoadPlan, first: float, last: float, steps: int) -> tuple[LoadPlan, ...]:
    """Return the plan at rates from first to last, each by the same factor from the one before."""
    factor = (last / first) ** (1 / max(1, steps - 1))
    between = (float(f"{first * factor**step:.3g}") for step in range(1, steps - 1))
    return tuple(replace(plan, rate=rate) for rate in (first, *between, last)[:steps])


async def probe_load(
    plans: Sequence[LoadPlan],
    *,
    step: str,
    search: Search | None = None,
    demands: Iterable[Demand] = (),
    watched: Sequence[Attempt] = (),
    metrics: str = "",
    owned: bool = False,
    engine: Engine | None = None,
    stop: asyncio.Event | None = None,
    on_progress: Progress | None = None,
) -> Observation:
    """Carry out plans against one endpoint, then search from the first of them, and return all runs in order.

    plans: answered by "auto" are asked for first, once for all. With search the first plan says how the search loads; it is not
    carried out itself where it has no rate. demands: held against the runs of the plans, and the runs of the search at rates that held.
    watched: other places whose servers on this machine are read too; metrics: URL of a server's figures, "" none. owned: the user says that
    the target is theirs; otherwise only loopback is loaded. engine: None is one process. stop: when set, the run under way ends early and
    no other is begun; what was counted stands.

    Raises:
        UsageError: a plan cannot be carried out.
    """
    first = plans[0]
    source = Source(step=step, probe="load", hop=first.attempt.hop, changed=first.attempt.changed)
    if not may_burden((first.attempt,), owned):
        return refused(source, "many messages")
    _check(plans, search, engine or Engine())
    started = time.perf_counter()
    answer = Answer(answered_by=first.answered_by, template=first.template)
    if first.answered_by == AUTO:
        answer = await find_answer(first, step=step)
    if answer.failure:
        return observed(source, None, duration_s=time.perf_counter() - started, failure=answer.failure)
    if not answer.answered_by:
        return not_run(source, Reason.NOT_GIVEN, answer.why)
    ready = [_bare(plan) for plan in dict.fromkeys(_answered(plan, answer) for plan in plans)]
    search = None if ready[0].answered_by == "sequence" else search
    async with watching((first.attempt, *watched), metrics, first.attempt.ca_file) as watch:
        series = _Series(watch, engine or Engine(), stop or asyncio.Event(), on_progress or (lambda plan, told: None))
        facts = await _carry_out(series, ready, search, tuple(demands))
    return observed(source, facts, duration_s=time.perf_counter() - started)


def _check(plans: Sequence[LoadPlan], search: Search | None, engine: Engine) -> None:
    if len(plans) > _MOST_RUNS:
        raise UsageError(f"{len(plans)} runs were asked for; at most {_MOST_RUNS} are made")
    for plan in plans:
        passive = plan.sequence and not plan.template
        shown = replace(plan, answered_by="sequence" if passive else "echo") if plan.answered_by == AUTO else plan
        if search and shown.answered_by == "sequence":
            raise UsageError("a search needs messages that come back; the rate of a sequence is the server's own")
        check_plan(replace(shown, rate=search.start, window=0) if search and not shown.rate else shown)
        check_faults(plan.faults, plan.connections + plan.slow_readers)
        if plan.faults and engine.address and not engine.address.startswith("local"):
            raise UsageError("troubles on the way are made on this machine, where the workers of a scheduler cannot reach them")


def _answered(plan: LoadPlan, answer: Answer) -> LoadPlan:
    """Return the plan as its messages come back; a broadcast needs somebody who listens, and a sequence nobody who sends."""
    if answer.answered_by == "sequence" and not answer.template:
        return replace(plan, answered_by="sequence", template="", rate=0.0, window=0)
    connections = max(2, plan.connections) if answer.answered_by == "broadcast" else plan.connections
    return replace(plan, answered_by=answer.answered_by, template=answer.template, connections=connections)


def _bare(plan: LoadPlan) -> LoadPlan:
    """Return the plan without extensions, which the generator does not speak, and without a wait for a first message."""
    return replace(plan, attempt=replace(plan.attempt, extensions=(), first_message_s=0.0))


async def _carry_out(series: "_Series", plans: Sequence[LoadPlan], search: Search | None, demands: tuple[Demand, ...]) -> LoadFacts:
    for plan in plans:
        if not (search and not plan.rate) and not series.stop.is_set():
            await series.run(plan)
    knee = await _search(series, plans[0], search) if search and not series.stop.is_set() else None
    judged = [run for run in series.runs if not run.searched or (knee and run.rate <= knee.rate)]
    return LoadFacts(
        runs=tuple(series.runs),
        void=_void(series.runs),
        errors=tuple(series.errors[:50]),
        knee=knee,
        thresholds=judge_demands(demands, judged, knee),
    )


def _void(runs: Sequence[LoadRun]) -> str:
    """Return why none of the figures count, "" when some do."""
    if not runs:
        return "it was ended before a run was begun"
    if not all(run.void for run in runs):
        return ""
    return runs[0].void if len(runs) == 1 else f"all {len(runs)} runs are void, the last one because {runs[-1].void}"


async def _search(series: "_Series", plan: LoadPlan, search: Search) -> Knee | None:
    async def attempt(rate: float) -> LoadRun:
        if series.stop.is_set():
            return void_run(plan, ENDED_EARLY)
        seconds = seconds_for(rate, search.seconds)
        drain_s = max(plan.drain_s, 2 * seconds)  # what a server at half the rate still has to do is late, not lost
        run = replace(await series.try_once(replace(plan, rate=rate, window=0, seconds=seconds, drain_s=drain_s)), searched=True)
        await series.keep(run)
        return run

    async def alone() -> LoadRun:
        return await series.try_once(
            replace(plan, connections=2 if plan.answered_by == "broadcast" else 1, rate=0.0, window=1, seconds=_ALONE_S)
        )

    knee = await find_knee(attempt, search, alone=alone)
    if series.stop.is_set():
        series.errors.append(ENDED_EARLY)
        return replace(knee, broke_at=None, why=ENDED_EARLY) if knee else None
    if knee is None:
        series.errors.append(f"no rate was found: {series.runs[-1].void}")
    return knee


class _Series:
    """Runs made one after the other, and what is kept of them."""

    def __init__(self, watch: Watch, engine: Engine, stop: asyncio.Event, say: Progress) -> None:
        self._watch, self._engine, self._say = watch, engine, say
        self._repeats = _MOST_REPEATS
        self.stop = stop
        self.runs: list[LoadRun] = []
        self.errors: list[str] = []

    async def run(self, plan: LoadPlan) -> LoadRun:
        """Carry out one plan; one that came to nothing by our own fault, and is short, once more."""
        run = await self.try_once(plan)
        if run.void and run.opened and plan.seconds <= _REPEATED_S and self._repeats and not self.stop.is_set():
            self._repeats -= 1
            run = await self.try_once(plan)
        await self.keep(run)
        return run

    async def keep(self, run: LoadRun) -> None:
        """Keep a run, and rest where something broke."""
        self.runs.append(run)
        if run.opened < run.asked and run.why_refused:
            self.errors.append(f"{run.asked - run.opened:,} of {run.asked:,} connections did not open: {run.why_refused}"[:300])
        if (run.lost or run.unsent or run.void) and not self.stop.is_set():
            await asyncio.sleep(_REST_S)

    async def try_once(self, plan: LoadPlan) -> LoadRun:
        """Carry out one plan, and keep nothing of it."""
        if plan.engine == "auto" and 0 < plan.rate <= _SLOW_RATE:
            plan = replace(plan, engine="numpy")
        async with relayed(plan) as (dialled, line):
            clock = _Clock()
            run = await self._attended(dialled, line, clock)
        begin = clock.begin if clock.begin is not None else clock.end - run.duration_s
        line.end(clock.end - begin)
        return replace(
            run,
            servers=self._watch.between(begin, time.perf_counter()),
            spells=(*run.spells, *line.spells),
            void=run.void or line.void(run.p99_s),
        )

    async def _attended(self, plan: LoadPlan, line: Line, clock: "_Clock") -> LoadRun:
        """Carry out one plan while the servers are read and the troubles come."""

        def told(progress: dict[str, Any]) -> None:
            clock.hear(progress)
            self._say(plan, progress)

        async with _beside(_keep_reading(self._watch, plan), _conduct(line, clock), line.watch_itself()):
            run = await (run_apart if self._alone else self._shared)(plan, told=told, stop=self.stop)
            clock.end = time.perf_counter()
        await self._watch.sample(0, 0)
        return run

    @property
    def _alone(self) -> bool:
        return self._engine.shards <= 1 and not self._engine.address

    async def _shared(self, plan: LoadPlan, *, told: Callable[[dict[str, Any]], None], stop: asyncio.Event) -> LoadRun:
        """Carry out one plan in several processes, which shards.py keeps; it is told to stop when we are, and cancelled when we are."""
        from wsbook.probes.shards import run_sharded

        loop, halt = asyncio.get_running_loop(), threading.Event()

        def say(progress: dict[str, Any]) -> None:
            with contextlib.suppress(RuntimeError):  # our loop has ended, and nobody listens
                loop.call_soon_threadsafe(told, progress)

        try:
            return await asyncio.to_thread(
                run_sharded,
                plan,
                shards=self._engine.shards,
                address=self._engine.address,
                on_progress=say,
                stop=lambda: halt.is_set() or stop.is_set(),
            )
        finally:
            halt.set()


class _Clock:
    """When a run began to send and when it was over, of time.perf_counter(). begin: None until the generator tells."""

    def __init__(self) -> None:
        self.begin: float | None = None
        self.end = time.perf_counter()
        self._bell = asyncio.Event()

    def hear(self, progress: dict[str, Any]) -> None:
        """Learn the begin from the first progress of the sending, which says how old it is."""
        at_s = progress.get("at_s")
        if self.begin is None and isinstance(at_s, (int, float)) and (at_s > 0 or progress.get("phase") == "sending"):
            self.begin = time.perf_counter() - float(at_s)
            self._bell.set()

    async def begun(self) -> float:
        """Wait for the begin and return it."""
        await self._bell.wait()
        assert self.begin is not None
        return self.begin


async def _conduct(line: Line, clock: _Clock) -> None:
    await line.conduct(await clock.begun())


async def _keep_reading(watch: Watch, plan: LoadPlan) -> None:
    while True:
        before = time.process_time()
        await watch.sample(0, plan.connections)
        await asyncio.sleep(max(_SAMPLE_S, plan.seconds / 400, _SAMPLE_SHARE * (time.process_time() - before)))


@contextlib.asynccontextmanager
async def _beside(*works: Any) -> AsyncIterator[None]:
    """Let these go on beside what the block does, and end with it."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
