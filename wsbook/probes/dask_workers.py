"""The workers of a dask.distributed scheduler: connected to, known to run this wsbook, watched for death. Knows nothing of load."""

import signal
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

from msgspec import Struct

from wsbook.errors import UsageError

__all__ = ["LOCAL", "Clock", "clocks_of", "local_size", "open_workers", "own_version", "require_same_version", "working"]

LOCAL = "local:"
_CONNECT_S, _ROUNDS = 10.0, 5
_MOST_LOCAL = 256


class Clock(Struct, frozen=True, kw_only=True):
    """A worker's clock. offset_s: by how much it is ahead of ours; error_s: by how much that may be wrong, half the shortest round trip."""

    offset_s: float
    error_s: float


def local_size(address: str) -> int:
    """Return the number of workers that "local:4" asks for; 0 when the address is a scheduler's.

    Raises:
        UsageError: it asks for none, too many, or something else.
    """
    if not address.startswith(LOCAL):
        if not address.startswith(("tcp://", "tls://")):
            raise UsageError(f"dask address {address[:80]!r} is not of the form tcp://host:8786 or local:4")
        return 0
    count = address.removeprefix(LOCAL)
    if not count.isdecimal() or not 1 <= int(count) <= _MOST_LOCAL:
        raise UsageError(f"dask address {address[:80]!r} asks for no number of workers within 1..{_MOST_LOCAL}")
    return int(count)


@contextmanager
def open_workers(address: str) -> Iterator[Any]:
    """Yield a client of the scheduler, or of one that is started here with its workers and ended with the block.

    Raises:
        UsageError: dask is not installed, nobody answers, or there are no workers, or these run another wsbook.
    """
    size = local_size(address)
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError("dask is not installed; pip install 'wsbook[dask]'") from error
    cluster = _local_cluster(size) if size else None
    try:
        try:
            client: Any = cast(Any, Client)(cluster or address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise UsageError(f"no dask scheduler answers at {address} within {_CONNECT_S:.0f} s") from error
        try:
            require_same_version(client)
            yield client
        finally:
            client.close(timeout=5)
    finally:
        if cluster is not None:
            cluster.close(timeout=5)


def _local_cluster(size: int) -> Any:
    from distributed import LocalCluster

    return cast(Any, LocalCluster)(
        n_workers=size,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs="CRITICAL",
        preload=[__name__],
    )


def dask_setup(worker: Any) -> None:
    """In a worker that we started: ignore Ctrl-C, which a terminal sends to it too, because we end it ourselves (dask's preload)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def own_version() -> tuple[str, int]:
    """Return the version of wsbook that runs here, and a number that changes with the values that go to workers and come back."""
    from wsbook.facts.load import LoadRun, Moment
    from wsbook.load_plan import LoadPlan
    from wsbook.target import Target

    fields = [name for kind in (LoadPlan, LoadRun, Moment, Target) for name in kind.__struct_fields__]
    try:
        return version("wsbook"), zlib.crc32(" ".join(fields).encode())
    except PackageNotFoundError:
        return "unknown", zlib.crc32(" ".join(fields).encode())


def require_same_version(client: Any, own: tuple[str, int] | None = None) -> None:
    """Ask every worker which wsbook it has. The scheduler needs none.

    Raises:
        UsageError: there are no workers, or one has another wsbook than we, or none.
    """

    def tell() -> tuple[str, int]:  # goes to the workers by value, because they may have no wsbook
        try:
            from wsbook.probes.dask_workers import own_version
        except ImportError:
            return ("", 0)
        found: tuple[str, int] = own_version()
        return found

    expected = own or own_version()
    told = client.run(tell)
    if not told:
        raise UsageError("the dask scheduler has no workers; start some with: dask worker ADDRESS")
    for worker, found in told.items():
        if not found[0]:
            raise UsageError(f"the worker {worker} has no wsbook; install wsbook {expected[0]} there")
        if tuple(found) != expected:
            state = " of another state" if found[0] == expected[0] else ""
            raise UsageError(f"the worker {worker} has wsbook {found[0]}{state}, and here is {expected[0]}; install the same on both")


def working(client: Any) -> list[str]:
    """Return the addresses of the workers that live now, in order."""
    return sorted(client.nthreads())


def clocks_of(client: Any, workers: Sequence[str], now: Callable[[], float] = time.time) -> dict[str, Clock]:
    """Return the clocks of workers, each from the quickest of a few questions; {} where all of them are on this machine's loopback."""
    if all("//127." in worker or "//[::1]" in worker for worker in workers):
        return {}
    return {worker: _clock(client, worker, now) for worker in workers}


def _clock(client: Any, worker: str, now: Callable[[], float]) -> Clock:
    answers = []
    for _ in range(_ROUNDS):
        asked = now()
        told: Mapping[str, float] = client.run(time.time, workers=[worker])
        back = now()
        answers.append(Clock(offset_s=told[worker] - (asked + back) / 2, error_s=(back - asked) / 2))
    return min(answers, key=lambda clock: clock.error_s)
