"""What access logs count: ends of requests in words, ages, seconds with many closings, and lines of our own probe."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from observations import answer, findings, seen

from wsbook.causes import causes
from wsbook.facts import AccessFacts, ClosingsFacts, Headers, LoggedAttemptFacts, MarkedLineFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.parsers.read import read_artifact
from wsbook.rules.lifetimes import Closing, clusters
from wsbook.rules.terminations import explain_termination

RESTART = "lifecycle.restart-drops"


def access(**fields: object) -> Observation:
    known = {"program": "haproxy", "method": "GET", "path": "/rt", "status": 101, "count": 3, "text": "a line"}
    return seen(AccessFacts(**(known | fields)), step="1.4", probe="access_log", hop="")


def faults(*observations: Observation) -> list[str]:
    return [found.cause for found in findings(*observations) if found.verdict is Verdict.FAULT]


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"termination": "cD--"}, "proxy.idle-timeout-haproxy"),
        ({"termination": "sD"}, "proxy.idle-timeout-haproxy"),
        ({"termination": "SC--", "status": 503}, "proxy.upstream-unreachable"),
        ({"termination": "sQ--", "status": 503}, "load.connection-cap"),
        ({"termination": "PR--", "status": 403}, "proxy.security-layer-blocks"),
        ({"termination": "PR--", "status": 431}, ""),
        ({"termination": "LR--", "status": 301}, "handshake.redirected"),
        ({"termination": "KD--"}, RESTART),
        ({"termination": "CD--"}, ""),
        ({"termination": "----"}, ""),
        ({"termination": ""}, ""),
        ({"termination": "ZZ--"}, ""),
        ({"termination": "UF,URX", "status": 503, "program": "envoy"}, "proxy.upstream-unreachable"),
        ({"termination": "SI", "program": "envoy"}, "proxy.idle-timeout-envoy"),
        ({"termination": "NR", "status": 404, "program": "envoy"}, "proxy.ws-location-missing"),
        ({"termination": "DC", "program": "envoy"}, ""),
        ({"program": "alb", "status": 464}, "proxy.h2-to-upstream"),
        ({"program": "alb", "status": 460}, ""),
        ({"program": "nginx", "status": 464}, ""),
        ({"termination": "OriginDnsError", "status": 502, "program": "cloudfront"}, "proxy.upstream-unreachable"),
    ],
)
def test_terminations(fields: dict[str, object], cause: str) -> None:
    found = faults(access(upgrade=True, **fields))
    assert (cause in found) if cause else found == []


def test_terminations_are_explained_in_words_and_name_causes_of_the_catalogue() -> None:
    def words(termination: str, **fields: object) -> str:
        facts = access(termination=termination, **fields).facts
        assert isinstance(facts, AccessFacts)
        return explain_termination(facts)

    assert words("cD--") == "the client timeout expired while data was passing"
    assert words("--") == "ended normally"
    assert words("UH,NC", program="envoy") == "no upstream host is healthy; the cluster of the route does not exist"
    assert words("what") == ""
    import tomllib

    import wsbook.rules

    table = tomllib.loads((Path(wsbook.rules.__file__).parent / "terminations.toml").read_text(encoding="utf-8"))
    rows = [*table["haproxy"]["state"], *table["envoy"]["flag"], *table["alb"]["status"], *table["cloudfront"]["result"]]
    assert {row["cause"] for row in rows if "cause" in row} <= causes().keys()


HEALTHY = sorted((Path(__file__).parents[2] / "data" / "samples" / "logs").glob("healthy-*.log"))


@pytest.mark.parametrize("path", HEALTHY, ids=lambda path: path.stem)
def test_healthy_logs_show_no_fault(path: Path) -> None:
    assert faults(*read_artifact(str(path))) == []


def test_sessions_of_a_proxy_in_tcp_mode_are_judged() -> None:
    assert "proxy.idle-timeout-haproxy" in faults(access(status=0, method="", path="/", termination="sD", durations_s=(50.0,) * 3))
    assert faults(access(status=0, method="", path="/", termination="CD", durations_s=(50.0,))) == []


AGES = [3.0 + 40 * n for n in range(12)]


def ends(times: Sequence[float], ages: Sequence[float | None]) -> Observation:
    return seen(ClosingsFacts(times=tuple(times), ages_s=tuple(ages)), step="1.4", probe="backend_log", hop="")


@pytest.mark.parametrize(
    ("times", "ages", "restart"),
    [
        ([5000.1 + n / 100 for n in range(12)], AGES, True),
        ([5000.0] * 5, AGES[:5], True),
        ([5000.0] * 4, AGES[:4], False),
        ([5000.0] * 12, [60.0 + n / 10 for n in range(12)], False),
        ([5000.0 + 30 * n for n in range(12)], AGES, False),
        ([5000.0 + n // 12 for n in range(144)], [3.0 + 7 * (n % 12) for n in range(144)], False),
        ([5000.0] * 12 + [6000.0 + 20 * n for n in range(40)], AGES + [30.0 + n for n in range(40)], True),
        ([5000.0] * 12, [None] * 12, False),
        ([], [], False),
    ],
    ids=["different ages", "five", "four", "one age", "spread", "always busy", "among others", "ages unknown", "nothing"],
)
def test_closings_in_one_second(times: list[float], ages: list[float | None], restart: bool) -> None:
    assert (RESTART in faults(ends(times, ages))) is restart
    if None not in ages:
        assert (RESTART in faults(access(program="nginx", times=tuple(times), durations_s=tuple(ages)))) is restart


def test_closings_of_requests_without_durations_say_nothing() -> None:
    assert RESTART not in faults(access(program="nginx", times=(5000.0,) * 9, durations_s=()))
    assert list(clusters([Closing(5000.0, None)] * 9)) == []


@pytest.mark.parametrize(
    ("durations", "cause"),
    [
        ((60.0, 60.1, 60.2), "proxy.idle-timeout-nginx"),
        ((350.0,) * 3, "proxy.idle-timeout-silent"),
        ((12.0, 300.0, 77.0, 140.0), ""),
        ((0.5, 0.6), ""),
        ((), ""),
    ],
)
def test_one_age_is_a_limit(durations: tuple[float, ...], cause: str) -> None:
    found = [one.cause for one in findings(access(program="nginx", durations_s=durations)) if one.verdict is Verdict.UNKNOWN]
    assert (cause in found) if cause else found == []


def agent(mark: str) -> Headers:
    return (("User-Agent", f"wsbook/0.1 ({mark})"),)


def test_lines_of_our_variants_prove_nothing_and_those_of_the_baseline_count() -> None:
    refused = {"program": "nginx", "path": "/ws", "status": 403, "count": 1, "marked": True}
    tried = [answer(403, request_headers=agent("00000001")), answer(403, changed="no Origin", request_headers=agent("00000002"))]

    def told(mark: str) -> bool:
        return any("were answered 403" in one.summary for one in findings(*tried, access(marks=(mark,), **refused)))

    assert [told(mark) for mark in ("00000001", "00000002", "0000000f")] == [True, False, False]
    assert any("were answered 403" in one.summary for one in findings(access(marks=("00000002",), **refused)))


def logged(status: int | None, found: int | None, artifact: str = "nginx.log", path: str = "/ws") -> Observation:
    line = None if found is None else MarkedLineFacts(mark="00000001", program="nginx", path=path, status=found)
    entry = seen(LoggedAttemptFacts(mark="00000001", began=1.0, status=status, duration_s=0.1, line=line), step="1.4", probe="logged")
    from msgspec.structs import replace

    return replace(entry, source=replace(entry.source, artifact=artifact, line=7 if line else 0))


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([logged(404, 404), logged(404, None, "app.log")], Verdict.FAULT),
        ([logged(404, None, "app.log")], Verdict.UNKNOWN),
        ([logged(404, 404), logged(404, 404, "app.log")], None),
        ([logged(101, 101), logged(101, None, "app.log")], None),
        ([logged(None, None)], None),
        ([], None),
    ],
    ids=["shown by one", "shown by none", "shown by both", "accepted", "no answer", "no logs"],
)
def test_an_attempt_that_one_log_shows_and_another_does_not(rows: list[Observation], verdict: Verdict | None) -> None:
    found = [one for one in findings(*rows) if one.cause == "proxy.ws-location-missing"]
    assert [one.verdict for one in found] == ([verdict] if verdict else [])


@pytest.mark.parametrize(
    ("status", "path", "rewritten"),
    [
        (404, "/app/ws", True),
        (404, "/ws?token=x", False),
        (404, "https://a.test/ws", False),
        (101, "/app/ws", False),
        (None, "/app/ws", False),
    ],
)
def test_an_attempt_that_two_logs_show_with_different_paths(status: int | None, path: str, rewritten: bool) -> None:
    rows = [logged(status, 404), logged(status, 404, "app.log", path)]
    assert ("proxy.path-rewrite-wrong" in faults(*rows)) is rewritten
