"""The pace of refused attempts in logs: one short distance is a client without backoff, a few shared seconds are not."""

import pytest
from observations import roots, seen

from wsbook.facts import SignatureFacts

SLUG = "client.reconnect-no-backoff"


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ([0, 1, 2, 3], True),
        ([0, 5, 10], True),
        ([0, 1, 3, 7], False),
        ([0, 60, 120], False),
        ([0, 1], False),
        ([0] * 9 + [1] * 9 + [2] * 3, False),
        ([second for second in range(8) for _ in range(10)], True),
        ([], False),
    ],
    ids=[
        "each second",
        "each five",
        "growing",
        "each minute",
        "too few",
        "many attempts in three seconds",
        "ten clients, each second for long",
        "no instants",
    ],
)
def test_the_pace_of_refused_attempts(times: list[float], told: bool) -> None:
    line = SignatureFacts(
        signature="access-ws-403", program="nginx", count=len(times), text="GET /ws 403", times=tuple(1.7e9 + time for time in times)
    )
    assert (SLUG in roots(seen(line, step="1.4", probe="log", hop=""))) is told
