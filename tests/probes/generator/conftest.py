"""What the tests of the load engine share: a server process, and runs over it with every engine that is there."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from generator_servers import Running, load_server

from wsbook.attempt import Attempt
from wsbook.facts.load import LoadRun
from wsbook.load_plan import LoadPlan
from wsbook.probes.generator import run_plan

HAS_COMPILED = find_spec("numba") is not None and find_spec("wsbook.probes.generator.compiled") is not None

Run = Callable[..., LoadRun]


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    with load_server() as running:
        yield running


@pytest.fixture(params=["numpy", pytest.param("compiled", marks=pytest.mark.skipif(not HAS_COMPILED, reason="needs numba"))])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(server: Running) -> Run:
    """Return what runs a plan against a path of the server: a thousand messages in half a second by numpy, unless it is told otherwise."""

    def running(path: str, **options: Any) -> LoadRun:
        usual: dict[str, Any] = {"connections": 4, "engine": "numpy", "seconds": 1.0, "drain_s": 1.0}
        if not {"rate", "window", "answered_by"} & options.keys():
            usual |= {"rate": 2000.0, "seconds": 0.5} if "seconds" not in options else {"rate": 1000.0}
        return run_plan(LoadPlan(attempt=Attempt(url=server.url(path)), **(usual | options)))

    return running
