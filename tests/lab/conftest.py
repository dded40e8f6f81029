"""What the tests of the lab share."""

from collections.abc import Iterator

import pytest
from dialect_servers import NODE


@pytest.fixture(scope="module", autouse=True)
def node_path() -> Iterator[None]:
    """Let the lab's server on Node find ws where the tests have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NODE_PATH", str(NODE / "node_modules"))
        yield
