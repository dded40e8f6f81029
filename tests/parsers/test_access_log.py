"""Notations of access logs, grouping, and marks of our own probe."""

# ruff: noqa: E501  (lines of logs stay whole)

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.facts import AccessFacts, TextFacts
from wsbook.parsers.lines import split_lines
from wsbook.parsers.logs.access_log import parse_access_log, read_line

HAPROXY = "lb haproxy[1]: 10.0.0.1:5 [12/Mar/2026:10:00:01.000] fe "
ROWS = [
    ('1.2.3.4 - - [12/Mar/2026:10:00:01 +0000] "GET /rt?token=x HTTP/1.1" 101 5 "-" "UA"', ("", "/rt?token=x", 101, "1.1", None, "", True)),
    ('1.2.3.4 - - [12/Mar/2026:10:00:01 +0000] "GET /rt HTTP/1.0" 400 5 "-" "UA" 0.012', ("", "/rt", 400, "1.0", 0.012, "", None)),
    ('1.2.3.4 - - [12/Mar/2026:10:00:01 +0000] "GET /rt HTTP/1.1" 101 5 "-" "UA" rt=60.001 upgrade=websocket', ("", "/rt", 101, "1.1", 60.001, "", True)),
    (HAPROXY + 'ws/a 0/0/1/3/50012 101 5 - - cD-- 2/2/1/1/0 0/0 "GET /rt HTTP/1.1"', ("haproxy", "/rt", 101, "1.1", 50.012, "cD--", True)),
    (HAPROXY + "ws/a 1/0/50003 2122 sD 2/2/1/1/0 0/0", ("haproxy", "", 0, "", 50.003, "sD", None)),
    ('[2026-03-12T10:00:01.000Z] "GET /rt HTTP/1.1" 101 SI 1 2 300001 - "-" "UA" "i" "a" "10.0.0.4:80"', ("envoy", "/rt", 101, "1.1", 300.001, "SI", True)),
    ('1.2.3.4 - - [12/Mar/2026:10:00:01 +0000] "GET /rt HTTP/1.1" 101 9 "-" "-" 12 "r@docker" "http://10.0.0.4:80" 180012ms', ("traefik", "/rt", 101, "1.1", 180.012, "", True)),
    ('{"request":{"proto":"HTTP/1.1","method":"GET","uri":"/rt"},"logger":"http.log.access","duration":88.1,"status":101,"ts":1773309600.5}', ("caddy", "/rt", 101, "1.1", 88.1, "", None)),
    ('{"RequestMethod":"GET","RequestPath":"/rt","DownstreamStatus":502,"Duration":1500000000,"StartUTC":"2026-03-12T10:00:00Z"}', ("traefik", "/rt", 502, "", 1.5, "", None)),
    ('INFO:     10.0.0.1:5 - "WebSocket /rt" [accepted]', ("uvicorn", "/rt", 101, "", None, "", True)),
    ('INFO:     10.0.0.1:5 - "WebSocket /rt" 403', ("uvicorn", "/rt", 403, "", None, "", True)),
    ('heroku[router]: at=error code=H15 method=GET path="/rt" host=a dyno=web.1 connect=0ms service=55012ms status=503', ("heroku", "/rt", 503, "", 55.012, "", None)),
    ("      Request finished HTTP/1.1 GET http://a.test/rt?id=x - 101 - - 60012.5ms", ("kestrel", "http://a.test/rt?id=x", 101, "1.1", 60.0125, "", True)),
    ('{"start_time":"2026-03-12T10:00:01.443Z","method":"GET","path":"/rt","protocol":"HTTP/1.1","response_code":101,"response_flags":"SI","duration":300001}', ("envoy", "/rt", 101, "1.1", 300.001, "SI", None)),
    ('{"level":30,"time":1773309600123,"req":{"method":"GET","url":"/rt"},"res":{"statusCode":426},"responseTime":3}', ("", "/rt", 426, "", 0.003, "", None)),
    ("WARNING:tornado.access:404 GET /rt?x=1 (127.0.0.1) 0.53ms", ("tornado", "/rt?x=1", 404, "", 0.00053, "", None)),
    ("[W 260312 10:00:01 web:2348] 403 GET /rt (::1) 1.20ms", ("tornado", "/rt", 403, "", 0.0012, "", None)),
    ('[GIN] 2026/03/12 - 10:00:01 | 404 |       12.5ms |       127.0.0.1 | GET      "/rt"', ("gin", "/rt", 404, "", 0.0125, "", None)),
    ("GET /rt 404 1.250 ms - 139", ("", "/rt", 404, "", 0.00125, "", None)),
    ('"GET /rt" 502 x 3904 12:00:04', ("", "/rt", 502, "", None, "", None)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ROWS)
def test_notations(text: str, expected: tuple) -> None:
    line = read_line(text)
    assert line is not None
    assert (line.program, line.path, line.status, line.version, line.duration_s, line.termination, line.upgrade) == expected


def test_alb_lives_count_from_the_beginning_of_the_request() -> None:
    text = (
        "wss 2026-03-12T10:01:00.000000Z app/lb/1 1.2.3.4:5 10.0.0.4:80 0.001 0.003 0.0 101 101 1 2 "
        '"GET https://a.test:443/rt HTTP/1.1" "UA" c TLSv1.2 arn "Root=1" "a.test" "-" 0 2026-03-12T10:00:00.000000Z "forward" "-" "-"'
    )
    line = read_line(text)
    assert line is not None
    assert (line.program, line.duration_s, line.upgrade) == ("alb", 60.0, True)


def groups(lines: list[str]) -> list[AccessFacts]:
    return [seen.facts for seen in parse_access_log(lines, artifact="a.log") if isinstance(seen.facts, AccessFacts)]


def test_alike_requests_meet_in_one_group_without_query_and_ids() -> None:
    stamp = '1.2.3.4 - - [12/Mar/2026:10:00:0{} +0000] "GET /room/{}/ws?t={} HTTP/1.1" 101 5 "-" "{}"'
    found, ours = groups([stamp.format(i, i + 40, i, "wsbook/0.1 (0123abcd)" if i == 2 else "UA") for i in range(3)])
    assert (found.path, found.count, found.marked) == ("/room/*/ws", 2, False)
    assert (ours.path, ours.count, ours.marks) == ("/room/*/ws", 1, ("0123abcd",))
    assert [b - a for a, b in zip(found.times, islice(found.times, 1, None), strict=False)] == [1.0]


def test_times_are_ends() -> None:
    (found,) = groups([ROWS[3][0]])
    assert found.times == pytest.approx((1773309651.012,))


def test_a_summary_line_counts_as_often_as_it_says() -> None:
    (found,) = groups(['"GET /rt" 502 x 3904 12:00:04'])
    assert found.count == 3904


def test_lines_of_no_notation_are_counted() -> None:
    whole = parse_access_log(["what is this", ROWS[0][0]], artifact="a.log")[-1].facts
    assert isinstance(whole, TextFacts)
    assert (whole.items, whole.unparsed) == (1, 1)


@given(st.text(max_size=2000))
def test_any_text_is_counted_line_by_line(text: str) -> None:
    lines = split_lines(text)
    whole = parse_access_log(lines, artifact="x")[-1].facts
    assert isinstance(whole, TextFacts)
    assert whole.items + whole.unparsed <= len(lines)
