"""Sockets in recordings: what passes on one of them, and what several of them tell beside one another."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from observations import TARGET, answer, findings, roots, seen

from wsbook.facts import Companion, Frame, RecordingFacts, SessionFacts, Snapshot
from wsbook.finding import Verdict
from wsbook.observation import Failure, Observation, Outcome, Reason, Source

START = datetime(2026, 3, 12, 10, 0, 0, tzinfo=UTC)
WHERE = "a.har"
Row = tuple[float, str, str]


def at(observation: Observation, start_s: float, lasted_s: float = 0.0) -> Observation:
    source = Source(step="1.2", probe="har", artifact=WHERE)
    return replace(observation, source=source, observed_at=START + timedelta(seconds=start_s), duration_s=lasted_s)


def life(
    rows: Iterable[Row] = (),
    *,
    start_s: float = 0.0,
    age_s: float | None = 100.0,
    code: int | None = None,
    ended: str = "unknown",
    url: str = "wss://a.test/ws",
    extensions: tuple[str, ...] = (),
    sizes: dict[int, int] | None = None,
    count: int | None = None,
) -> list[Observation]:
    """Return an accepted upgrade and its socket. rows: (seconds, ▲ sent or ▼ received, text)."""
    frames = tuple(
        Frame(at_s=s, direction="sent" if way == "▲" else "received", opcode=1, size_bytes=(sizes or {}).get(i, len(text)), text=text)
        for i, (s, way, text) in enumerate(rows)
    )
    opened = answer(101, url=url, probe="har")
    opened = replace(opened, facts=replace(opened.facts, extensions=extensions))
    session = SessionFacts(
        url=url,
        frames=frames,
        frame_count=len(frames) if count is None else count,
        ended=ended,
        close_code=code,
        age_s=age_s,
        idle_s=age_s - frames[-1].at_s if frames and age_s is not None else None,
    )
    return [at(opened, start_s, age_s or 0.0), at(seen(session), start_s)]


def refused(start_s: float, status: int = 503, lasted_s: float = 0.01, headers: tuple[tuple[str, str], ...] = ()) -> list[Observation]:
    return [at(answer(status, url="wss://a.test/ws", request_headers=headers), start_s, lasted_s)]


def recording(**fields: object) -> Observation:
    usual = {"program": "WebInspector", "first_s": START.timestamp(), "last_s": START.timestamp() + 100, "one_browser": True}
    return at(seen(RecordingFacts(**{**usual, **fields})), 0.0)  # type: ignore[arg-type]


def faults(*observations: Observation) -> set[str]:
    return {found.cause for found in findings(*observations) if found.verdict is Verdict.FAULT}


def possible(*observations: Observation) -> set[str]:
    return {found.cause for found in findings(*observations) if found.verdict is Verdict.UNKNOWN}


def numbered(numbers: Iterable[int], *, of: str = "t", step_s: float = 1.0, more: str = "") -> list[Row]:
    return [(1 + i * step_s, "▼", f'{{"topic":"{of}","seq":{n}{more}}}') for i, n in enumerate(numbers)]


def beats(count: int, every_s: float, *, answered: bool = True, start_s: float = 0.0) -> list[Row]:
    rows: list[Row] = []
    for i in range(count):
        rows.append((start_s + (i + 1) * every_s, "▲", '{"type":"ping"}'))
        if answered:
            rows.append((start_s + (i + 1) * every_s + 0.02, "▼", '{"type":"pong"}'))
    return rows


TALK: list[Row] = [(0.1, "▲", '{"type":"subscribe","channel":"x"}'), *[(0.5 + i, "▼", f'{{"price":{i}}}') for i in range(8)]]

ONE_SOCKET: list[tuple[str, list[Observation], set[str]]] = [
    ("healthy talk", life(TALK, code=1000), set()),
    ("healthy talk without an end", life(TALK, age_s=None, ended="open"), set()),
    ("no frames recorded", life((), age_s=None), set()),
    ("numbers without a gap", life(numbered(range(1, 20))), set()),
    ("numbers with a gap", life(numbered([*range(1, 10), *range(12, 20)])), {"message.lost"}),
    ("numbers that do not count one by one", life(numbered(range(1, 200, 7))), set()),
    ("few numbers with a gap", life(numbered([1, 2, 5])), set()),
    ("two channels, each without a gap", life([*numbered(range(1, 9)), *numbered(range(50, 58), of="u")]), set()),
    ("one number repeated", life(numbered([1, 2, 3, 3, 4, 5, 6, 7])), {"message.duplicated"}),
    (
        "every number three times",
        life(numbered([n for n in range(1, 9) for _ in range(3)], step_s=0.01)),
        {"cluster.every-instance-publishes", "message.duplicated"},
    ),
    (
        "one number on different messages",
        life([*numbered(range(1, 9)), *numbered(range(1, 9), more=',"x":1', step_s=2)]),
        set(),
    ),
    ("numbers out of order", life(numbered([1, 2, 4, 3, 5, 6, 7, 8])), {"message.out-of-order"}),
    (
        "equal texts twice at once",
        life([(i + d, "▼", f'{{"event":"order-{i}"}}') for i in range(6) for d in (0.0, 0.01)]),
        {"cluster.every-instance-publishes", "message.duplicated"},
    ),
    ("equal texts seconds apart", life([(i * 2.0, "▼", '{"event":"same as ever"}') for i in range(12)]), set()),
    (
        "an error of the dialect",
        life([(0.1, "▼", '{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist"}}')]),
        {"auth.app-key-mismatch"},
    ),
    ("the same text sent by the page", life([(0.1, "▲", '["1","2","room:1","phx_error",{}]')]), set()),
    ("a crash of a channel", life([(0.1, "▼", '["1","2","room:1","phx_error",{}]')]), {"backend.exception-in-handler"}),
    (
        "heartbeats unanswered at the end",
        life([*beats(3, 20), *beats(4, 20, answered=False, start_s=60)], age_s=150),
        {"heartbeat.none-half-open"},
    ),
    ("heartbeats answered to the end", life(beats(6, 20), age_s=125, code=1000), set()),
    ("one heartbeat unanswered", life([*beats(3, 20), *beats(1, 20, answered=False, start_s=60)], age_s=81), set()),
    (
        "heartbeats slowed to a minute, then broken",
        life([*beats(6, 25), *beats(4, 60, start_s=150)], age_s=420),
        {"browser.background-tab-throttling"},
    ),
    ("heartbeats of a minute from the beginning", life(beats(6, 60), age_s=400, code=1000), set()),
    ("compressed and broken at once", life((), age_s=0.04, extensions=("permessage-deflate",), code=1006), {"frame.compression-broken"}),
    ("compressed and alive", life(TALK, extensions=("permessage-deflate",), code=1006), set()),
    ("uncompressed and broken at once", life((), age_s=0.04, code=1006), set()),
    (
        "broken after the largest message",
        life([*TALK, (20.0, "▲", "x" * 20)], sizes={len(TALK): 900_000}, age_s=20.3),
        {"frame.message-too-big"},
    ),
    ("largest message long before the end", life([*TALK, (20.0, "▲", "x" * 20)], sizes={len(TALK): 900_000}, age_s=60), set()),
    ("small last message", life([*TALK, (20.0, "▲", "x" * 20)], age_s=20.3), set()),
    ("two documents in one message", life([(1.0, "▼", '{"a":"}{"}{"b":2}')]), {"message.format-mismatch"}),
    ("a seam inside of a string", life([(1.0, "▼", '{"a":"}{"}')]), set()),
]


@pytest.mark.parametrize(("observations", "expected"), [row[1:] for row in ONE_SOCKET], ids=[row[0] for row in ONE_SOCKET])
def test_one_socket(observations: list[Observation], expected: set[str]) -> None:
    assert faults(*observations) == expected


def attempts(waits: Iterable[float], status: int = 503) -> list[Observation]:
    start_s, found = 0.0, refused(0.0, status)
    for wait in waits:
        start_s += 0.01 + wait
        found += refused(start_s, status)
    return found


SEVERAL: list[tuple[str, list[Observation], str, bool]] = [
    ("a storm", attempts([0.05] * 8), "client.reconnect-no-backoff", True),
    ("always five seconds", attempts([5.0] * 6), "client.reconnect-no-backoff", True),
    ("always a minute", attempts([60.0] * 6), "client.reconnect-no-backoff", False),
    ("growing", attempts([1, 2, 4, 8, 16]), "client.reconnect-no-backoff", False),
    ("growing from very little", attempts([0.1, 0.2, 0.4, 0.8, 1.6]), "client.reconnect-no-backoff", False),
    ("jittered very little", attempts([0.01, 0.02, 0.04, 0.03, 0.06]), "client.reconnect-no-backoff", True),
    (
        "always a tenth of a second, until the browser slows it down",
        attempts([0.11] * 8 + [0.14, 0.2, 0.27, 0.35]),
        "client.reconnect-no-backoff",
        True,
    ),
    ("growing to a cap", attempts([1, 2, 4, 5, 5, 5]), "client.reconnect-no-backoff", False),
    ("jittered", attempts([3.1, 1.2, 4.4, 2.2, 4.0]), "client.reconnect-no-backoff", False),
    ("too few", attempts([0.05] * 3), "client.reconnect-no-backoff", False),
    (
        "short-lived ones",
        [one for i in range(6) for one in life((), start_s=i * 0.3, age_s=0.1, code=1006)],
        "client.reconnect-no-backoff",
        True,
    ),
    (
        "given up by the page",
        [
            replace(one, outcome=Outcome.FAILED, failure=Failure(stage="upgrade", reason=Reason.SKIPPED, message=""))
            for one in attempts([0.05] * 8)
        ],
        "client.reconnect-no-backoff",
        False,
    ),
    ("two with the same messages", [*life(TALK), *life(TALK, start_s=0.1)], "client.double-connect", True),
    ("two after one another", [*life(TALK, age_s=20), *life(TALK, start_s=21)], "client.double-connect", False),
    ("two with other messages", [*life(TALK), *life([(5.0, "▼", '{"other":1}')], start_s=0.1)], "client.double-connect", False),
    ("two addresses", [*life(TALK), *life(TALK, start_s=0.1, url="wss://a.test/other")], "client.double-connect", False),
    (
        "two rooms",
        [*life(TALK, url="wss://a.test/ws?room=a"), *life(TALK, start_s=0.1, url="wss://a.test/ws?room=b")],
        "client.double-connect",
        False,
    ),
    (
        "two with tokens of their own",
        [*life(TALK, url="wss://a.test/ws?token=a&v=1"), *life(TALK, start_s=0.1, url="wss://a.test/ws?token=b&v=1")],
        "client.double-connect",
        True,
    ),
    (
        "two clients of a proxy",
        [*life(TALK), *life(TALK, start_s=0.1), recording(one_browser=False)],
        "client.double-connect",
        False,
    ),
    (
        "numbers missing over a reconnect",
        [*life(numbered(range(1, 10)), age_s=20), *life(numbered(range(15, 25)), start_s=25)],
        "client.no-catch-up-after-reconnect",
        True,
    ),
    (
        "numbers that go on after a reconnect",
        [*life(numbered(range(1, 10)), age_s=20), *life(numbered(range(10, 20)), start_s=25)],
        "client.no-catch-up-after-reconnect",
        False,
    ),
    (
        "no subscription after a reconnect",
        [*life(TALK, age_s=20), *life(beats(3, 20), start_s=25)],
        "client.no-resubscribe-after-reconnect",
        True,
    ),
    ("subscribed again", [*life(TALK, age_s=20), *life(TALK, start_s=25)], "client.no-resubscribe-after-reconnect", False),
    (
        "still quiet right after a reconnect",
        [*life(TALK, age_s=20), *life((), start_s=25, age_s=3)],
        "client.no-resubscribe-after-reconnect",
        False,
    ),
    (
        "all dead at one minute",
        [one for i in range(4) for one in life(TALK[:1], start_s=i * 70, age_s=60.1, code=1006)],
        "proxy.idle-timeout-nginx",
        True,
    ),
    (
        "dead at any age",
        [one for i, age in enumerate((60.1, 12.0, 45.0, 33.0)) for one in life(TALK[:1], start_s=i * 70, age_s=age, code=1006)],
        "proxy.idle-timeout-nginx",
        False,
    ),
    (
        "accepted, then 401 for good",
        [*life(TALK, age_s=900), *refused(905, 401), *refused(910, 401)],
        "auth.token-expired-on-reconnect",
        True,
    ),
    (
        "401, then accepted again",
        [*life(TALK, age_s=900), *refused(905, 401), *refused(910, 401), *life(TALK, start_s=915)],
        "auth.token-expired-on-reconnect",
        False,
    ),
    ("401 from the beginning", [*refused(0, 401), *refused(5, 401)], "auth.token-expired-on-reconnect", False),
    (
        "refused without the cookie that others carry",
        [*refused(0, 403, headers=(("Host", "a.test"),)), recording(credentials=(("a.test", "cookie"),))],
        "auth.credential-not-sent",
        True,
    ),
    (
        "first number after a gap to the snapshot",
        [
            *life(numbered(range(105, 115))),
            recording(snapshots=(Snapshot(url="https://a.test/api", field="seq", number=100, at_s=START.timestamp()),)),
        ],
        "message.snapshot-subscribe-race",
        True,
    ),
    (
        "a later socket goes on",
        [
            *life(numbered(range(101, 115)), age_s=20),
            *life(numbered(range(115, 125)), start_s=30),
            recording(snapshots=(Snapshot(url="https://a.test/api", field="seq", number=100, at_s=START.timestamp()),)),
        ],
        "message.snapshot-subscribe-race",
        False,
    ),
    (
        "first number right after the snapshot",
        [
            *life(numbered(range(101, 115))),
            recording(snapshots=(Snapshot(url="https://a.test/api", field="seq", number=100, at_s=START.timestamp()),)),
        ],
        "message.snapshot-subscribe-race",
        False,
    ),
]


@pytest.mark.parametrize(("observations", "cause", "expected"), [row[1:] for row in SEVERAL], ids=[row[0] for row in SEVERAL])
def test_several_sockets(observations: list[Observation], cause: str, expected: bool) -> None:
    assert (cause in faults(*observations)) is expected


def test_a_growing_wait_is_told_as_clear() -> None:
    told = [found for found in findings(*attempts([1, 2, 4, 8, 16])) if found.cause == "client.reconnect-no-backoff"]
    assert [found.verdict for found in told] == [Verdict.CLEAR]


def test_only_heartbeats_leave_candidates() -> None:
    assert "client.no-resubscribe-after-reconnect" in possible(*life(beats(5, 20), age_s=110))
    assert "client.no-resubscribe-after-reconnect" not in possible(*life([*beats(5, 20), (101.0, "▼", '{"price":1}')], age_s=110))


def test_a_socket_that_is_not_tried_again() -> None:
    end = START.timestamp() + 200
    assert "client.no-reconnect" in possible(*life(TALK, age_s=50, code=1006), recording(last_s=end))
    assert "client.no-reconnect" not in possible(*life(TALK, age_s=50, code=1000), recording(last_s=end))
    assert "client.no-reconnect" not in possible(*life(TALK, age_s=190, code=1006), recording(last_s=end))
    assert "client.no-reconnect" not in possible(*life(TALK, age_s=50, code=1006))
    polls = Companion(url="https://a.test/longpoll", count=9, first_s=START.timestamp() + 60, last_s=end)
    words = [
        f.summary
        for f in findings(*life(TALK, age_s=50, code=1006), recording(last_s=end, companions=(polls,)))
        if f.cause == "client.no-reconnect"
    ]
    assert "9 requests to https://a.test/longpoll instead" in words[0]


def test_two_browsers_side_by_side_are_not_one_page() -> None:
    def watched(hop: str) -> list[Observation]:
        return [replace(one, source=Source(step="1.2", probe="browser", hop=hop)) for one in life(TALK)]

    assert "client.double-connect" in faults(*watched("browser"), *watched("browser"))
    assert "client.double-connect" not in faults(*watched("browser"), *watched("firefox"))


def test_our_own_sockets_tell_nothing_of_a_page() -> None:
    twice = [(i + d, "▼", f'{{"event":"order-{i}"}}') for i in range(6) for d in (0.0, 0.01)]
    upgrade, session = life(twice)
    own = [
        replace(one, source=Source(step="1.3", probe=probe, hop="endpoint")) for one, probe in ((upgrade, "upgrade"), (session, "session"))
    ]
    assert roots(*own, target=TARGET) == []


TWICE: list[Row] = [(0.1, "▼", '{"a":1}'), (0.2, "▼", '{"b":1}'), (0.3, "▼", '{"a":1}'), (0.4, "▼", '{"b":1}')]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (TWICE, True),
        (TWICE[:3], False),
        ([TWICE[0], TWICE[2]], False),
        ([*TWICE[:2], *((at_s + 30, way, said) for at_s, way, said in TWICE[2:])], False),
        ([], False),
    ],
    ids=["each twice", "one of them once", "boundary: one message", "later", "no messages"],
)
def test_messages_that_all_came_twice(rows: list[Row], expected: bool) -> None:
    assert ("message.duplicated" in possible(*life(rows))) is expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ('{"seq":10}', '{"seq":17}', True),
        ('{"seq":10}', '{"seq":11}', False),
        ('{"seq":10}', '{"seq":4}', False),
        ('{"seq":10}', '{"x":1}', False),
    ],
    ids=["a gap", "boundary: no gap", "starts anew", "no number"],
)
def test_single_numbers_around_a_reconnect(first: str, second: str, expected: bool) -> None:
    lives = [*life([(1.0, "▼", first)], age_s=20), *life([(1.0, "▼", second)], start_s=30)]
    assert ("client.no-catch-up-after-reconnect" in possible(*lives)) is expected


def test_five_minutes_with_traffic_are_a_limit_of_the_whole_request() -> None:
    busy = [(float(second), "▼", "tick") for second in range(0, 300, 5)]
    assert "backend.request-timeout-on-socket" in possible(*life(busy, age_s=300.0))
    assert "proxy.idle-timeout-envoy" not in possible(*life(busy, age_s=300.0))
    assert "backend.request-timeout-on-socket" not in possible(*life(busy, age_s=317.0))
