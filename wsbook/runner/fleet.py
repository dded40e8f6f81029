"""Investigates thousands of endpoints: politely, one record each, and so that a kill costs no more than what was being looked at."""

import asyncio
import contextlib
import csv
import io
import json
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

from msgspec import DecodeError, Struct, to_builtins
from msgspec.json import decode, encode
from msgspec.structs import replace

from wsbook.errors import UsageError
from wsbook.report.fleet import FleetRow, State, fleet_page
from wsbook.runner.fleet_hands import Hand, dask_hands, local_hands
from wsbook.runner.fleet_targets import Entry
from wsbook.runner.fleet_worker import Answer, Job
from wsbook.target import Budget
from wsbook.whole import write_atomically

__all__ = ["FleetPlan", "finished_rows", "run_fleet", "time_limit"]

_SCHEMA = "wsbook.fleet/1"
_SPARE_S = 60.0
_AGAIN, _WRITE_S = 20.0, 2.0
"""Table and page are written again after so many times what writing took, and not sooner than in so many s."""
_COLUMNS = ("line", "url", "state", "verdict", "root_causes", "confidence", "summary", "problem", "seconds", "record")


class FleetPlan(Struct, frozen=True, kw_only=True):
    """How a fleet is investigated. steps: () for all. limit_s: for one target. per_second: investigations begun, 0 no limit; per_host:
    at one time at one host. workers: processes of this machine; dask: a scheduler's address instead, "" none. retry: targets that could
    not be completed before are tried again."""

    folder: Path
    source: str = ""
    steps: tuple[str, ...] = ()
    budget: str = "quick"
    notebooks: bool = False
    workers: int = 2
    dask: str = ""
    per_second: float = 4.0
    per_host: int = 1
    limit_s: float = 0.0
    retry: bool = False
    command: str = ""


def time_limit(plan: FleetPlan) -> float:
    """Return how long one target may take, in s: as given, or three times its budget and a minute: the budget is what probes aim at."""
    return plan.limit_s or 3 * Budget.named(plan.budget).total_s + _SPARE_S


OnRow = Callable[[FleetRow, int], None]


def run_fleet(entries: Sequence[Entry], plan: FleetPlan, *, on_row: OnRow = lambda row, left: None) -> list[FleetRow]:
    """Investigate the targets that the folder has no result of yet; return the results of all, in the order of the file.

    on_row: called with each result when it is there and how many are left. The folder gets results.jsonl, a line appended for each
    target, and results.csv and fleet.html, replaced from time to time and at the end; also when this is interrupted.

    Raises:
        UsageError: the folder is used by another run, or was made with other steps or budget; dask's workers cannot be used.
    """
    with _Results(plan) as results:
        left = [entry for entry in entries if not entry.same_as and not results.has(entry, plan.retry)]
        try:
            if left:
                asyncio.run(_investigate(left, entries, plan, results, on_row))
        finally:
            rows = results.rows(entries)
            results.publish(rows)
    return rows


def finished_rows(folder: Path) -> dict[str, FleetRow]:
    """Return the results that a folder holds, by key; a line that a killed run left half written is passed over."""
    path = folder / "results.jsonl"
    found: dict[str, FleetRow] = {}
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                with contextlib.suppress(DecodeError):
                    row = decode(line, type=FleetRow)
                    found[row.key] = row
    return found


class _Results:
    """The fleet's folder. One run at a time has it."""

    def __init__(self, plan: FleetPlan) -> None:
        self._plan, self.folder = plan, plan.folder
        self._rows: dict[str, FleetRow] = {}
        self._lines: IO[bytes] | None = None
        self._next = time.monotonic() + _WRITE_S

    def __enter__(self) -> "_Results":
        try:
            (self.folder / "records").mkdir(parents=True, exist_ok=True)
            self._lines = (self.folder / "results.jsonl").open("ab")
        except OSError as error:
            raise UsageError(f"{self.folder} cannot be used: {error.strerror}") from error
        try:
            self._hold(self._lines)
            self._agree()
        except UsageError:
            self._lines.close()
            raise
        self._rows = finished_rows(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lines is not None:
            self._lines.close()

    def _hold(self, lines: IO[bytes]) -> None:
        """Keep other runs out, as long as this process lives."""
        if sys.platform == "win32":
            return
        import fcntl

        try:
            fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"another wsbook fleet works in {self.folder}; wait for its end, or choose another folder with --out"
            ) from None

    def _agree(self) -> None:
        """Keep how the fleet is investigated, or compare: results of different steps are not put into one table."""
        path = self.folder / "fleet.json"
        own = {"schema": _SCHEMA, "steps": list(self._plan.steps), "budget": self._plan.budget, "notebooks": self._plan.notebooks}
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            write_atomically(path, json.dumps(own, indent=2).encode() + b"\n")
            return
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
        for name in ("steps", "budget", "notebooks"):
            if before.get(name) != own[name]:
                was, now = (json.dumps(value) for value in (before.get(name), own[name]))
                raise UsageError(f"{self.folder} was made with {name} {was}, and now {now} is asked for; choose another folder with --out")

    def has(self, entry: Entry, retry: bool) -> bool:
        row = self._rows.get(entry.key)
        return row is not None and not (retry and row.state is not State.DONE)

    def keep(self, row: FleetRow) -> None:
        """Append a result, in one write, so that a kill leaves whole lines but the last."""
        self._rows[row.key] = row
        assert self._lines is not None
        if self._lines.tell() and not _whole(self.folder / "results.jsonl"):
            self._lines.write(b"\n")
        self._lines.write(encode(row) + b"\n")
        self._lines.flush()

    def rows(self, entries: Sequence[Entry]) -> list[FleetRow]:
        """Return the results in the order of the file; a row that repeats a target says which."""
        found = []
        for entry in entries:
            row = self._rows.get(entry.key)
            if row is not None:
                found.append(replace(row, line=entry.line, same_as=entry.same_as))
        return found

    def publish_if_due(self, entries: Sequence[Entry]) -> None:
        if (now := time.monotonic()) >= self._next:
            self.publish(self.rows(entries), total=len(entries))
            self._next = time.monotonic() + max(_WRITE_S, _AGAIN * (time.monotonic() - now))

    def publish(self, rows: Sequence[FleetRow], total: int = 0) -> None:
        """Write table and page."""
        write_atomically(self.folder / "results.csv", _table(rows).encode())
        page = fleet_page(rows, source=self._plan.source, command=self._plan.command, steps=self._plan.steps, total=total)
        write_atomically(self.folder / "fleet.html", page.encode("utf-8", "replace"))


def _whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _table(rows: Sequence[FleetRow]) -> str:
    """Return results.csv. A text that a spreadsheet would take for a formula gets an apostrophe before it: peers choose some of them."""
    into = io.StringIO()
    writer = csv.writer(into, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        state = f"same as line {row.same_as}" if row.same_as else row.state.value
        causes, sure = " ".join(cause for cause, _ in row.causes), f"{row.causes[0][1]:.2f}" if row.causes else ""
        texts = (row.url, state, row.verdict.value, causes, sure, row.summary, row.problem, f"{row.seconds:.1f}", row.record)
        writer.writerow([row.line, *(f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text for text in texts)])
    return into.getvalue()


class _Line:
    """Who waits for a worker: targets by host, of which only so many are looked at together, and begun only so fast."""

    def __init__(self, entries: Sequence[Entry], per_host: int, per_second: float) -> None:
        self._waiting: dict[str, deque[Entry]] = {}
        for number, entry in enumerate(entries):
            self._waiting.setdefault(entry.host or f"#{number}", deque()).append(entry)
        self._free: asyncio.Queue[str] = asyncio.Queue()
        for host, waiting in self._waiting.items():
            for _ in range(min(per_host, len(waiting))):
                self._free.put_nowait(host)
        self.left = len(entries)
        self._gap_s, self._next = 1 / per_second if per_second else 0.0, 0.0

    @asynccontextmanager
    async def next(self) -> AsyncIterator[Entry]:
        """Yield a target whose host is free now, and free the host afterwards."""
        host = await self._free.get()
        while not self._waiting[host]:  # another one that looks at this host took the last of its targets
            host = await self._free.get()
        entry = self._waiting[host].popleft()
        at = self._next = max(self._next + self._gap_s, time.monotonic())
        await asyncio.sleep(at - time.monotonic())
        try:
            yield entry
        finally:
            self.left -= 1
            if self._waiting[host]:
                self._free.put_nowait(host)


async def _investigate(left: Sequence[Entry], entries: Sequence[Entry], plan: FleetPlan, results: _Results, on_row: OnRow) -> None:
    """Investigate what is left of the entries.

    Raises:
        UsageError: no worker is left to do it.
    """
    line = _Line(left, plan.per_host, plan.per_second)
    ended = asyncio.Event()

    async def work(hand: Hand) -> None:
        while await hand.fit():
            async with line.next() as entry:
                row = await _one(hand, entry, plan)
            results.keep(row)
            results.publish_if_due(entries)
            on_row(row, line.left)
            if not line.left:
                ended.set()

    async with dask_hands(plan.dask) if plan.dask else local_hands(min(plan.workers, len(left))) as hands:
        tasks = [asyncio.create_task(work(hand)) for hand in hands]
        finished = asyncio.create_task(ended.wait())
        try:
            await _first_of(finished, tasks)
            if not ended.is_set():
                raise UsageError(f"no dask worker is left, and {line.left} targets are; start workers and give the same command again")
        finally:
            for task in (*tasks, finished):
                task.cancel()
            await asyncio.gather(*tasks, finished, return_exceptions=True)


async def _first_of(finished: "asyncio.Task[Any]", tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Wait until everything is finished, or nobody works any more; raise what a task raised."""
    left: set[asyncio.Task[Any]] = set(tasks)
    while left and not finished.done():
        done, _ = await asyncio.wait({*left, finished}, return_when=asyncio.FIRST_COMPLETED)
        for task in done & left:
            task.result()
        left -= done


async def _one(hand: Hand, entry: Entry, plan: FleetPlan) -> FleetRow:
    record = plan.folder / "records" / entry.key
    job = Job(
        record=str(record.absolute()),
        parameters=entry.parameters,
        budget=plan.budget,
        steps=plan.steps,
        notebooks=plan.notebooks,
        command=plan.command,
    )
    started = time.monotonic()
    answer = await hand.investigate(job, time_limit(plan))
    return _row(entry, answer, time.monotonic() - started, f"records/{entry.key}" if (record / "report.html").exists() else "")


def _row(entry: Entry, answer: Answer, seconds: float, record: str) -> FleetRow:
    told = {name: value for name, value in to_builtins(answer).items() if name not in ("state", "verdict", "causes")}
    return FleetRow(
        line=entry.line,
        key=entry.key,
        url=entry.url,
        state=answer.state,
        verdict=answer.verdict,
        causes=answer.causes,
        seconds=round(seconds, 2),
        record=record,
        **told,
    )
