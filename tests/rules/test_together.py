"""Texts that mean more together, paces of refused attempts, texts about something else, copies, and what a handshake shows by itself."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from observations import TARGET, answer, findings, seen

from wsbook.evidence import Evidence
from wsbook.facts import AccessFacts, ClosingsFacts, CopiesFacts, NumbersFacts, SessionFacts, SignatureFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation, Source
from wsbook.rules.asked import judge_asked
from wsbook.rules.together import _known
from wsbook.signatures import signatures

LOG = "a.log"


def text(signature: str, line: int = 1, *causes: tuple[str, float], said: str = "a line", times: tuple[float, ...] = ()) -> Observation:
    facts = SignatureFacts(signature=signature, program="app", count=max(1, len(times)), text=said, causes=causes, times=times)
    return placed(seen(facts, step="1.4", probe="backend_log", hop=""), line)


def placed(observation: Observation, line: int = 1, probe: str = "") -> Observation:
    source = Source(step=observation.source.step, probe=probe or observation.source.probe, artifact=LOG, line=line, line_end=line)
    return replace(observation, source=source)


def found(cause: str, *observations: Observation) -> tuple[Verdict, float] | None:
    return next(((one.verdict, one.confidence) for one in findings(*observations) if one.cause == cause), None)


def test_together_names_known_signatures() -> None:
    assert {name for entry in _known() for part in entry.all for name in part} <= signatures().keys()


COMMIT = "message.published-before-commit"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((1, 2, 3), (Verdict.FAULT, 0.85)),
        ((1, 3, 2), None),
        ((2, 1, 3), None),
        ((1, 2, 2), None),
    ],
    ids=["between", "after commit", "before begin", "same line"],
)
def test_an_update_between_begin_and_commit(lines: tuple[int, int, int], expected: tuple[Verdict, float] | None) -> None:
    parts = ("transaction-begins", "update-sent", "transaction-ends")
    assert found(COMMIT, *(text(part, line) for part, line in zip(parts, lines, strict=True))) == expected


def test_a_part_that_is_missing_or_in_another_artifact_means_nothing() -> None:
    assert found(COMMIT, text("transaction-begins", 1), text("update-sent", 2)) is None
    elsewhere = text("refused-at-other-address", 2)
    elsewhere = replace(elsewhere, source=replace(elsewhere.source, artifact="b.log"))
    assert found("net.not-listening-outside", text("bound-loopback", 1), elsewhere) is None
    assert found("net.not-listening-outside", text("bound-loopback", 1), text("refused-at-other-address", 2)) == (Verdict.FAULT, 0.85)


PACE = "client.reconnect-no-backoff"


@pytest.mark.parametrize(
    ("times", "fires"),
    [
        ((0.0, 2.0, 4.0, 6.0), True),
        ((0.0, 0.0, 3.0, 3.0, 6.0), True),
        ((0.0, 1.0, 3.0, 7.0, 15.0), False),
        ((0.0, 10.0, 20.0, 30.0), False),
        ((0.0, 2.0), False),
        ((), False),
    ],
    ids=["constant", "several clients", "growing", "slow", "boundary: one distance", "no instants"],
)
def test_refused_attempts_at_one_distance(times: tuple[float, ...], fires: bool) -> None:
    assert (found(PACE, text("access-ws-5xx", 1, times=times)) is not None) is fires


def test_other_lines_at_one_distance_are_no_attempts() -> None:
    assert found(PACE, text("ok-uvicorn", 1, times=(0.0, 2.0, 4.0, 6.0))) is None


UNREACHABLE = "proxy.upstream-unreachable"


def access(path: str, status: int, count: int = 3) -> Observation:
    facts = AccessFacts(
        program="nginx", method="GET", path=path, status=status, count=count, upgrade=True if status == 101 else None, text="a line"
    )
    return placed(seen(facts, step="1.4", probe="access_log", hop=""))


def refused(said: str) -> Observation:
    return text("nginx-refused", 4, (UNREACHABLE, 0.9), said=said)


@pytest.mark.parametrize(
    ("said", "beside", "fault"),
    [
        ('upstream timed out, request: "GET /export/season.pdf HTTP/2.0"', (), False),
        ('"POST /v1/firmware HTTP/2" 503 UF', (), False),
        ('method=POST path="/reports/yearly" status=503', (), False),
        ('"GET /rooms/4 HTTP/1.1" 503', (access("/rt", 101),), False),
        ('"GET /rooms/4 HTTP/1.1" 503', (), True),
        ('"GET /rt HTTP/1.1" 503', (access("/rt", 101),), True),
        ('"POST /socket.io/?EIO=4 HTTP/1.1" 503', (), True),
        ("Service shop/pay does not have any active Endpoint", (access("/rt", 101),), False),
        ("Service shop/pay does not have any active Endpoint", (access("/rt", 101), access("/ws", 503)), True),
        ("Service shop/pay does not have any active Endpoint", (), True),
    ],
)
def test_texts_about_other_requests_are_no_faults(said: str, beside: tuple[Observation, ...], fault: bool) -> None:
    verdict = found(UNREACHABLE, refused(said), *beside)
    assert verdict is not None
    assert (verdict[0] is Verdict.FAULT) is fault


def copies(text_: str, by_sources: int, by_one: int) -> Observation:
    facts = CopiesFacts(told=3, by_sources=by_sources, by_one=by_one, most=3, text=text_)
    return seen(facts, step="1.4", probe="backend_log", hop="")


def test_copies_are_hints() -> None:
    assert found("cluster.every-instance-publishes", copies("redis publish notice 9912", 2, 0)) == (Verdict.UNKNOWN, 0.45)
    assert found("cluster.every-instance-publishes", copies("toast 3002", 2, 0)) is None
    assert found("client.duplicate-listeners", copies("toast 3002", 0, 2)) == (Verdict.UNKNOWN, 0.35)
    assert found("client.duplicate-listeners", copies("toast 3002", 0, 0)) is None


def dump(status: int, url: str = "wss://shop.example/ws", **headers: str) -> Observation:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return placed(answer(status, url=url, request_headers=pairs), probe="http_dump")


@pytest.mark.parametrize(
    ("observation", "cause", "expected"),
    [
        (dump(403, origin="https://shop.example", host="127.0.0.1:8015"), "origin.proxy-rewrites-host", Verdict.FAULT),
        (dump(403, origin="https://shop.example", host="shop.example"), "origin.proxy-rewrites-host", None),
        (dump(403, host="127.0.0.1:8015"), "origin.proxy-rewrites-host", None),
        (dump(400, connection="keep-alive, Upgrade", upgrade="websocket"), "backend.upgrade-header-exact-compare", Verdict.FAULT),
        (
            dump(404, url="ws://shop.example/", connection="keep-alive, Upgrade", upgrade="websocket"),
            "backend.upgrade-header-exact-compare",
            Verdict.FAULT,
        ),
        (dump(404, connection="keep-alive, Upgrade", upgrade="websocket"), "backend.upgrade-header-exact-compare", None),
        (dump(400, connection="Upgrade", upgrade="websocket"), "backend.upgrade-header-exact-compare", None),
        (dump(400, connection="keep-alive, Upgrade"), "backend.upgrade-header-exact-compare", None),
        (dump(101, origin="https://evil.example.net", host="shop.example"), "origin.not-checked", Verdict.FAULT),
        (dump(101, origin="https://partner.test", host="shop.example", cookie="a=b"), "origin.not-checked", Verdict.UNKNOWN),
        (dump(101, origin="https://www.shop.example", host="shop.example", cookie="a=b"), "origin.not-checked", None),
        (dump(403, origin="https://evil.example.net", host="shop.example"), "origin.not-checked", None),
        (dump(101, url="ws://shop.example/ws?token=abc"), "client.insecure-url", Verdict.FAULT),
        (dump(101, url="ws://shop.example/ws"), "client.insecure-url", None),
        (dump(101, url="ws://192.168.1.4/ws?token=abc"), "client.insecure-url", None),
        (dump(101, url="wss://shop.example/ws?token=abc"), "client.insecure-url", None),
    ],
)
def test_what_a_handshake_shows_by_itself(observation: Observation, cause: str, expected: Verdict | None) -> None:
    verdicts = [one.verdict for one in judge_asked(Evidence(TARGET, [observation])) if one.cause == cause]
    assert verdicts == ([expected] if expected else [])


def test_a_prefix_that_is_kept() -> None:
    cause = "proxy.path-rewrite-wrong"
    assert found(cause, access("/monitor/events/ws", 404), access("/events/ws", 101)) == (Verdict.FAULT, 0.7)
    assert found(cause, access("/events/ws", 404), access("/events/ws", 101)) != (Verdict.FAULT, 0.7)
    assert found(cause, access("/monitor/ws", 404)) != (Verdict.FAULT, 0.7)


def test_a_harmless_text_is_the_answer_only_where_there_is_no_fault() -> None:
    harmless = text("ff-interrupted", 1, ("redherring.not-a-fault", 0.7))
    (only,) = [one for one in findings(harmless) if one.root]
    assert (only.cause, only.verdict) == ("redherring.not-a-fault", Verdict.CLEAR)
    assert [one.cause for one in findings(harmless, refused("down")) if one.root] == [UNREACHABLE]


@pytest.mark.parametrize(
    ("frame_count", "idle_s", "fires"),
    [(300, None, True), (0, 0.1, True), (0, None, False), (0, 29.0, False)],
    ids=["busy by count", "busy by silence", "boundary: nothing known", "silent"],
)
def test_busy_sockets_of_a_round_age_meet_a_limit_of_the_duration(frame_count: int, idle_s: float | None, fires: bool) -> None:
    facts = SessionFacts(url="", age_s=90.0, close_code=1006, frame_count=frame_count, idle_s=idle_s)
    ended = replace(placed(seen(facts, step="1.4", probe="backend_log")), observed_at=datetime.now(UTC))
    verdict = found("proxy.max-lifetime", ended)
    assert (verdict is not None) is fires


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        (NumbersFacts(arrivals=5, missing=2), "message.lost"),
        (NumbersFacts(arrivals=5, missing_renewed=2), "client.no-catch-up-after-reconnect"),
        (NumbersFacts(arrivals=5, late=1), "message.out-of-order"),
        (NumbersFacts(arrivals=5, repeated=1), "message.duplicated"),
        (NumbersFacts(arrivals=6, late=3, repeated=2), ""),
        (NumbersFacts(arrivals=5), ""),
    ],
    ids=["lost", "not fetched", "late", "repeated", "boundary: no count", "in order"],
)
def test_numbers_of_arrivals_are_hints(facts: NumbersFacts, cause: str) -> None:
    found_ = findings(seen(facts, step="1.4", probe="backend_log", hop=""))
    assert [(one.cause, one.verdict) for one in found_] == ([(cause, Verdict.UNKNOWN)] if cause else [])


def test_a_log_in_which_sockets_open_has_its_library() -> None:
    missing = text("unsupported-upgrade", 2, ("backend.ws-library-missing", 0.5))
    assert found("backend.ws-library-missing", missing) == (Verdict.FAULT, 0.5)
    assert found("backend.ws-library-missing", missing, access("/ws", 101)) == (Verdict.UNKNOWN, 0.1)


def test_a_greeting_that_its_client_asked_for_is_no_mismatch() -> None:
    greeting = text("eio-body-not-json", 2, ("endpoint.protocol-library-mismatch", 0.8), said='0{"sid":"a"}')
    assert found("endpoint.protocol-library-mismatch", greeting) == (Verdict.FAULT, 0.8)
    assert found("endpoint.protocol-library-mismatch", text("engine-io-spoken"), greeting) == (Verdict.UNKNOWN, 0.1)


def test_a_plain_request_of_somebody_who_typed_the_address_is_no_fault() -> None:
    plain = text("upgrade-header-absent", 1, ("proxy.upgrade-header-missing", 0.85))
    assert found("proxy.upgrade-header-missing", plain) == (Verdict.FAULT, 0.85)
    assert found("proxy.upgrade-header-missing", plain, text("favicon-asked", 2)) == (Verdict.UNKNOWN, 0.1)
    many = text("upgrade-header-absent", 1, ("proxy.upgrade-header-missing", 0.85), times=(1.0, 2.0, 9.0))
    assert found("proxy.upgrade-header-missing", many, text("favicon-asked", 2)) == (Verdict.FAULT, 0.85)


def closings(*ends: tuple[float, float | None]) -> Observation:
    facts = ClosingsFacts(times=tuple(time for time, _ in ends), ages_s=tuple(age for _, age in ends))
    return seen(facts, step="1.4", probe="backend_log", hop="")


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (((0.02, 0.01), (0.05, 0.01)), (Verdict.FAULT, 0.5)),
        (((0.1, 0.1), (0.3, 0.1), (0.5, 0.1), (0.7, 0.1)), (Verdict.FAULT, 0.75)),
        (((0.02, 0.01), (4.0, 0.01)), None),
        (((60.0, 60.0), (60.5, 60.0)), None),
        (((0.02, 0.01),), None),
        (((0.02, None), (0.05, None)), None),
    ],
    ids=["two", "many", "with pauses", "they lived", "boundary: one", "ages unknown"],
)
def test_sockets_that_end_as_soon_as_they_are_open(
    ends: tuple[tuple[float, float | None], ...], expected: tuple[Verdict, float] | None
) -> None:
    assert found(PACE, closings(*ends)) == expected


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        (dump(403, host="app"), True),
        (dump(400, host="app:8000"), True),
        (dump(403, host="shop.example"), False),
        (dump(101, host="app"), False),
        (dump(403, url="wss://shop.example/other", host="app"), False),
        (dump(403), False),
    ],
    ids=["403", "400", "same host", "accepted", "another path", "boundary: no host"],
)
def test_a_host_that_a_proxy_has_changed(arrived: Observation, expected: bool) -> None:
    sent = placed(answer(None, url="wss://shop.example/ws", request_headers=(("host", "shop.example"),)), probe="http_dump")
    sent = replace(sent, observed_at=arrived.observed_at)
    slugs = {one.cause for one in judge_asked(Evidence(TARGET, [sent, arrived]))}
    assert ("proxy.set-header-inheritance-lost" in slugs) is expected


@pytest.mark.parametrize(
    ("status", "times", "expected"),
    [
        (503, (0.0, 1.0, 2.0, 3.0), (Verdict.FAULT, 0.6)),
        (503, (0.0, 1.0, 2.0), (Verdict.FAULT, 0.5)),
        (503, (0.0, 1.0, 3.0, 7.0), None),
        (101, (0.0, 1.0, 2.0, 3.0), None),
        (503, (0.0, 1.0), None),
        (503, (), None),
    ],
    ids=["constant", "three", "growing", "accepted", "boundary: one distance", "no instants"],
)
def test_refused_requests_at_one_distance(status: int, times: tuple[float, ...], expected: tuple[Verdict, float] | None) -> None:
    facts = AccessFacts(program="", method="GET", path="/ws", status=status, count=max(1, len(times)), times=times, text="a line")
    assert found(PACE, placed(seen(facts, step="1.4", probe="access_log", hop=""))) == expected


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (("40", "44"), (Verdict.FAULT, 0.72)),
        (("40", "41"), None),
        (("40", "39"), None),
        (("40", "4000"), None),
        (("", "44"), None),
    ],
    ids=["a gap", "boundary: no gap", "earlier", "another count", "no number"],
)
def test_numbers_between_snapshot_and_stream(numbers: tuple[str, str], expected: tuple[Verdict, float] | None) -> None:
    rows = []
    for line, (name, number) in enumerate(zip(("snapshot-number", "first-number-of-stream"), numbers, strict=True), 1):
        captures = (("n", number),) if number else ()
        facts = SignatureFacts(signature=name, program="", count=1, text="a line", captures=captures)
        rows.append(placed(seen(facts, step="1.4", probe="backend_log", hop=""), line))
    assert found("message.snapshot-subscribe-race", *rows) == expected
