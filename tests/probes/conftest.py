"""What tests of probes share: instances behind real balancers, started once."""

from collections.abc import Iterator

import pytest
from cluster_servers import Cluster, cluster


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started
