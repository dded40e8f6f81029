"""What tests of probes share: instances behind real balancers, started once, and a Redis server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_servers import Cluster, cluster
from redis_server import redis_server


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    with redis_server(tmp_path) as port:
        yield port
