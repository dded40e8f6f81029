"""The pace of refused attempts in logs: one short distance is a client without backoff, a few shared seconds are not."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from observations import answer, roots, seen

from wsbook.facts import AccessFacts, AffinityFacts, DialectFacts, SignatureFacts

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


@pytest.mark.parametrize(
    ("ours_s", "told"), [(None, True), (2.0, False), (50.0, True)], ids=["none of ours", "one is ours", "ours came later"]
)
def test_an_attempt_of_ours_is_none_of_the_clients(ours_s: float | None, told: bool) -> None:
    line = AccessFacts(
        program="",
        method="GET",
        path="/ws",
        status=426,
        count=3,
        times=(1.7e9, 1.7e9 + 1.1, 1.7e9 + 2.1),
        text="GET /ws 426",
        upgrade=False,
    )
    tried = [] if ours_s is None else [replace(answer(426), observed_at=datetime.fromtimestamp(1.7e9 + ours_s, UTC), duration_s=0.2)]
    assert (SLUG in roots(seen(line, step="1.4", probe="log", hop=""), *tried)) is told


@pytest.mark.parametrize(
    "asked",
    [
        AffinityFacts(url="ws://shop.test/socket.io/"),
        DialectFacts(url="ws://shop.test/socket.io/", dialect="engine.io"),
        None,
    ],
    ids=["sessions", "dialect", "nothing of ours"],
)
def test_requests_of_our_own_client_of_a_dialect_are_none_of_the_clients(asked: AffinityFacts | DialectFacts | None) -> None:
    times = tuple(1.7e9 + 0.06 * number for number in range(6))
    line = AccessFacts(program="", method="POST", path="/socket.io/", status=400, count=6, times=times, text="POST 400", upgrade=False)
    began = datetime.fromtimestamp(1.7e9 - 1, UTC)
    tried = [replace(seen(asked, step="2.2", probe="affinity"), observed_at=began, duration_s=3.0)] if asked else []
    assert (SLUG in roots(seen(line, step="1.4", probe="log", hop=""), *tried)) is (asked is None)
