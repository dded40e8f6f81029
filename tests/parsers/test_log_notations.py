"""Formats of configurations, wrappers of collectors, lives of connections, templates."""

# ruff: noqa: E501  (lines of logs stay whole)

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.facts import AccessFacts, ClosingsFacts, SessionFacts, TemplateFacts
from wsbook.parsers.access_line import read_line
from wsbook.parsers.access_log import parse_access_log
from wsbook.parsers.backend_log import parse_backend_log
from wsbook.parsers.lives import Lives
from wsbook.parsers.log_format import find_formats
from wsbook.parsers.pages import Page
from wsbook.parsers.read import read_artifact
from wsbook.parsers.wrappers import unwrap

NGINX = """http {
  log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                  '$status $body_bytes_sent rt=$request_time ua="$upstream_addr" up="$http_upgrade" conn=$connection_upgrade';
  log_format json escape=json '{"t":"$time_iso8601","m":"$request_method","u":"$request_uri","s":$status,"d":$request_time,"up":"$http_upgrade"}';
  log_format tab "$msec\\t$status\\t${request_uri}\\t$request_time";
  log_format nothing '$remote_addr $bytes_sent';
}"""
APACHE = 'LogFormat "%h %l %u %t \\"%r\\" %>s %b %D \\"%{Upgrade}i\\"" up'
HAPROXY = '    log-format "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %tsc %{+Q}r"'

ROWS = [
    (NGINX, '10.0.0.1 - - [12/Mar/2026:10:00:01 +0000] "GET /rt?x=1 HTTP/1.1" 101 5 rt=60.001 ua="10.0.0.4:80, 10.0.0.5:80" up="websocket" conn=upgrade', ("nginx", "/rt?x=1", 101, 60.001, "10.0.0.4:80, 10.0.0.5:80", True)),
    (NGINX, '10.0.0.1 - - [12/Mar/2026:10:00:01 +0000] "GET /rt HTTP/1.1" 400 5 rt=0.001 ua="-" up="-" conn=close', ("nginx", "/rt", 400, 0.001, "", False)),
    (NGINX, '{"t":"2026-03-12T10:00:01+00:00","m":"GET","u":"/rt","s":400,"d":0.003,"up":""}', ("nginx", "/rt", 400, 0.003, "", False)),
    (NGINX, "1773309601.000\t502\t/rt\t0.003", ("nginx", "/rt", 502, 0.003, "", None)),
    (APACHE, '10.0.0.1 - - [12/Mar/2026:10:00:01 +0000] "GET /rt HTTP/1.1" 101 5 60001234 "websocket"', ("apache", "/rt", 101, 60.001234, "", True)),
    (HAPROXY, '<134>Mar 12 10:00:01 lb haproxy[7]: 10.0.0.1:5 [12/Mar/2026:10:00:01.000] fe ws/a 0/0/1/3/+50012 101 5 cD-- "GET /rt HTTP/1.1"', ("haproxy", "/rt", 101, 50.012, "a", True)),
]  # fmt: skip


@pytest.mark.parametrize(("config", "text", "expected"), ROWS)
def test_formats_of_configurations(config: str, text: str, expected: tuple) -> None:
    line = read_line(text, list(find_formats([config])))
    assert line is not None
    assert (line.program, line.path, line.status, line.duration_s, line.upstream, line.upgrade) == expected
    assert line.time is not None


def test_formats_without_status_or_path_are_left_out() -> None:
    assert len(find_formats([NGINX])) == 3
    assert find_formats(["log_format a '$a$b$c$d$status$request_uri';", "", "LogFormat x"]) == ()


@settings(deadline=None)
@given(st.text(alphabet="$%{}ab_ \"'\\status request[]/-", max_size=300), st.text(max_size=300))
def test_any_format_and_any_line_end_soon(notation: str, line: str) -> None:
    started = time.process_time()
    quoted = notation.replace("'", "")
    for form in find_formats([f"log_format x '$status $request {quoted}';", f'LogFormat "%>s %r {notation}" x', f"log-format {notation}"]):
        read_line(line * 10, [form])
    assert time.process_time() - started < 2


def test_a_log_is_read_with_the_formats_of_the_configuration(tmp_path: object) -> None:
    config, log = tmp_path / "nginx.conf", tmp_path / "strange.txt"
    config.write_text(NGINX)
    log.write_text("1773309601.000\t502\t/rt\t0.003\n" * 5)
    found = [o.facts for o in read_artifact(str(log), configs=[str(config), "missing.conf"]) if isinstance(o.facts, AccessFacts)]
    assert [(one.path, one.status, one.count) for one in found] == [("/rt", 502, 5)]


def test_w3c_logs_declare_their_fields() -> None:
    iis = [
        "#Software: Microsoft Internet Information Services 10.0",
        "#Fields: date time s-ip cs-method cs-uri-stem cs(User-Agent) sc-status time-taken",
        "2026-03-12 10:00:01 10.0.0.1 GET /rt Mozilla/5.0+(X) 101 60001",
    ]
    edge = [
        "#Fields: date time x-edge-location cs-method cs-uri-stem sc-status time-taken cs-protocol x-edge-detailed-result-type",
        "2026-03-12\t10:00:01\tFRA50\tGET\t/rt\t502\t0.201\twss\tOriginConnectError",
    ]
    found = [o.facts for log in (iis, edge) for o in parse_access_log(log, artifact="a") if isinstance(o.facts, AccessFacts)]
    assert [(one.program, one.path, one.status, one.durations_s, one.termination) for one in found] == [
        ("iis", "/rt", 101, (60.001,), ""),
        ("cloudfront", "/rt", 502, (0.201,), "OriginConnectError"),
    ]


INNER = '10.0.0.1 - - [12/Mar/2026:10:00:01 +0000] "GET /rt HTTP/1.1" 101 5 "-" "UA"'


@pytest.mark.parametrize(
    "wrapped",
    [
        json.dumps({"log": f"{INNER}\n", "stream": "stdout", "time": "2026-03-12T10:00:02.1Z"}),
        f"2026-03-12T10:00:02.123456789Z stdout F {INNER}",
        f"2026-03-12T11:00:02.1+01:00 stderr P {INNER}",
        json.dumps({"MESSAGE": INNER, "__REALTIME_TIMESTAMP": "1773309602000000", "_COMM": "nginx"}),
        json.dumps({"MESSAGE": list(INNER.encode()), "__REALTIME_TIMESTAMP": "1773309602000000"}),
        json.dumps({"timestamp": 1773309602000, "message": INNER, "logStreamName": "web"}),
        json.dumps({"textPayload": INNER, "timestamp": "2026-03-12T10:00:02Z", "severity": "INFO", "resource": {"type": "k8s_container"}}),
        json.dumps({"TimeGenerated": "2026-03-12T10:00:02Z", "LogMessage": INNER, "PodName": "web"}),
        f"[pod/web-7d/app] {INNER}",
        f"web-1  | {INNER}",
    ],
)
def test_what_collectors_put_around_lines_is_taken_off(wrapped: str) -> None:
    assert unwrap(wrapped) == INNER


def test_a_line_without_an_instant_gets_that_of_the_collector() -> None:
    entry = {"log": 'INFO: 10.0.0.1:5 - "WebSocket /rt" 403\n', "stream": "stdout", "time": "2026-03-12T10:00:02.1Z"}
    assert unwrap(json.dumps(entry)) == '2026-03-12T10:00:02.100Z INFO: 10.0.0.1:5 - "WebSocket /rt" 403'
    payload = {"jsonPayload": {"status": 403, "path": "/rt"}, "timestamp": "2026-03-12T10:00:02Z"}
    assert read_line(unwrap(json.dumps(payload))).status == 403


@pytest.mark.parametrize("line", ['{"log": 5}', '{"message":"x","level":"error"}', "{" * 3000, '{"MESSAGE":[300]}', INNER, "", '{"log":'])
def test_what_is_no_wrapper_stays_readable(line: str) -> None:
    assert unwrap(line) in (line, "")


@settings(deadline=None)
@given(
    st.text(max_size=300)
    | st.dictionaries(
        st.sampled_from(["log", "MESSAGE", "message", "time", "timestamp", "x"]),
        st.none() | st.integers() | st.text() | st.lists(st.integers()),
    ).map(json.dumps)
)
def test_any_line_can_be_unwrapped(line: str) -> None:
    assert isinstance(unwrap(line), str)


LIVES = [
    (["2026-03-12 10:00:02,101 INFO connection open", "2026-03-12 10:40:02,101 INFO connection closed"], [2400.0]),
    (['1.2.3.4:40 - - [12/Mar/2026:10:00:05] "WSCONNECT /ws/" - -', '1.2.3.4:40 - - [12/Mar/2026:10:01:05] "WSDISCONNECT /ws/" - -'], [60.0]),
    (["2026-03-12 10:00:00 WebSocket CONNECT /ws/ [127.0.0.1:54321]", "2026-03-12 10:00:30 WebSocket DISCONNECT /ws/ [127.0.0.1:54321]"], [30.0]),
    (["time=2026-03-12T10:00:05Z msg=\"client connected\" remote=203.0.113.7:40122", "time=2026-03-12T10:30:05Z msg=\"client disconnected\" remote=203.0.113.7:40122 err=\"close 1001\""], [1800.0]),
    (["1773309605: New client connected from 203.0.113.7:40122 as dash-1 (p2)", "1773309665: Client dash-1 disconnected."], []),
    (['Started GET "/cable" [WebSocket] for 203.0.113.7 at 2026-03-12 10:00:01 +0000', 'Finished "/cable" [WebSocket] for 203.0.113.7 at 2026-03-12 10:01:41 +0000'], [100.0]),
    (["2026-03-12 10:00:00 socket connected id=aZ3x_1", "2026-03-12 10:00:01 socket connected id=bQ9y_2", "2026-03-12 10:00:50 socket disconnected id=aZ3x_1 (transport close)"], [50.0]),
    (["10:00:00 connection open", "10:00:01 connection open", "10:01:00 connection closed"], []),
    (["2026-03-12 10:00:00 postgres connection opened", "2026-03-12 10:01:00 postgres connection closed"], []),
    (['{"t":"10:00:00","event":"client connected","clientId":"a"}', '{"t":"10:00:30","event":"client disconnected","clientId":"a","code":1006}'], [30.0]),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "ages"), LIVES)
def test_lives_of_connections(lines: list[str], ages: list[float]) -> None:
    found = [o.facts.age_s for o in parse_backend_log(lines, artifact="a") if isinstance(o.facts, SessionFacts)]
    assert found == ages


def test_closings_are_kept_with_their_instants() -> None:
    (facts,) = [
        o.facts
        for o in parse_backend_log(LIVES[6][0] + ["2026-03-12 10:00:51 socket disconnected id=zz_9"], artifact="a")
        if isinstance(o.facts, ClosingsFacts)
    ]
    assert facts.ages_s == (50.0, None)
    assert facts.times[1] - facts.times[0] == 1.0


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["open", "closed", "10:00:01", "id=a_1", "connection", '{"event":"close","id":1}', "client", "\0", "disconnected"]),
        max_size=12,
    ).map(" ".join)
)
def test_any_line_about_connections_is_read(line: str) -> None:
    Lives().page(Page([line, line], [1, 2], 2, 0))


def test_unknown_lines_that_look_like_errors_become_templates() -> None:
    lines = [f"2026-03-12 10:00:{n:02} frobnicator {n} could not reach node 10.0.0.{n}:80 in {n} ms" for n in range(40)]
    lines += [
        "2026-03-12 10:01:00 quux exploded: invalid state 7",
        "2026-03-12 10:01:00 all fine, 0 errors",
        "2026-03-12 10:01:01 nothing to see",
    ]
    found = [(o.source.line, o.facts) for o in parse_backend_log(lines, artifact="a") if isinstance(o.facts, TemplateFacts)]
    assert [(line, facts.count) for line, facts in found] == [(41, 1), (1, 40)]
    assert found[1][1].template == "frobnicator <n> could not reach node <address> in <n> ms"


@settings(deadline=None)
@given(st.lists(st.text(max_size=60).map(lambda text: f"error {text}"), max_size=30))
def test_templates_are_bounded(lines: list[str]) -> None:
    rows = [line.replace("\n", " ") for line in lines]
    assert len([o for o in parse_backend_log(rows, artifact="a") if isinstance(o.facts, TemplateFacts)]) <= 8
