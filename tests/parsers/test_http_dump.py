"""Dumps of curl, of developer tools, raw HTTP and hand-written notes."""

# ruff: noqa: E501  (lines of logs stay whole)

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.facts import RecordingFacts, SessionFacts, SignatureFacts, TextFacts, TlsFacts, UpgradeFacts
from wsbook.observation import Reason
from wsbook.parsers.lines import split_lines
from wsbook.parsers.read import read_text
from wsbook.parsers.recordings.http_dump import parse_http_dump

CURL = """* Trying 127.0.0.1:8080...
* Connected to a.test (127.0.0.1) port 8080
> GET /rt HTTP/1.1
> Host: a.test
> Upgrade: websocket
> Connection: Upgrade
> Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
> Sec-WebSocket-Version: 13
>
< HTTP/1.1 {status}
< Server: nginx
{rest}<
{body}"""
OPENED = "< Upgrade: websocket\n< Connection: upgrade\n< Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n"


def read(text: str, kind: type) -> list:
    return [seen.facts for seen in parse_http_dump(split_lines(text), artifact="d") if isinstance(seen.facts, kind)]


def test_an_accepted_upgrade() -> None:
    (upgrade,) = read(CURL.format(status="101 Switching Protocols", rest=OPENED, body=""), UpgradeFacts)
    assert (upgrade.url, upgrade.status, upgrade.accepted, upgrade.header("server")) == ("//a.test/rt", 101, True, "nginx")


def test_a_101_without_upgrade_header_is_not_accepted() -> None:
    (upgrade,) = read(CURL.format(status="101 Switching Protocols", rest="", body=""), UpgradeFacts)
    assert not upgrade.accepted
    assert {check.name for check in upgrade.checks if not check.ok} >= {"upgrade", "connection"}


def test_a_refused_upgrade_with_a_known_body() -> None:
    text = CURL.format(status="400 Bad Request", rest="", body='{"code":3,"message":"Bad request"}')
    (upgrade,) = read(text, UpgradeFacts)
    assert (upgrade.status, upgrade.accepted, upgrade.body) == (400, False, '{"code":3,"message":"Bad request"}')
    assert "eio-bad-request" in {facts.signature for facts in read(text, SignatureFacts)}


def test_raw_http_without_marks() -> None:
    text = "GET /rt HTTP/1.1\nHost: a.test\nUpgrade: websocket\n\nHTTP/1.1 403 Forbidden\nContent-Type: text/plain\n\nno"
    (upgrade,) = read(text, UpgradeFacts)
    assert (upgrade.status, upgrade.body, upgrade.header("content-type")) == (403, "no", "text/plain")


def test_a_plain_request_is_no_upgrade() -> None:
    assert read("GET /api HTTP/1.1\nHost: a.test\n\nHTTP/1.1 200 OK\n\nx", UpgradeFacts) == []


def test_notes_of_a_session() -> None:
    text = '101 Switching Protocols  Sec-WebSocket-Extensions: permessage-deflate\nws -> {"subscribe":"x"}  t=0.131\nws <- {"seq":105}  t=0.190\nclosed 1006 after 40 ms'
    (session,) = read(text, SessionFacts)
    assert [(frame.direction, frame.at_s) for frame in session.frames] == [("sent", 0.131), ("received", 0.19)]
    assert (session.close_code, session.age_s, session.ended) == (1006, 0.04, "unknown")
    (upgrade,) = read(text, UpgradeFacts)
    assert upgrade.extensions == ("permessage-deflate",)


def test_arrows_give_the_status() -> None:
    (upgrade,) = read("GET /rt Upgrade -> 302 (login)", UpgradeFacts)
    assert (upgrade.url, upgrade.status) == ("/rt", 302)


SAMPLES = Path(__file__).parents[2] / "data" / "samples" / "dumps"
OPENED_SAMPLES = ["copy-as-curl", "curl-h1", "devtools-general", "devtools-two-lines", "httpie", "tcpdump"]


@pytest.mark.parametrize("name", OPENED_SAMPLES)
def test_every_layout_tells_request_and_answer(name: str) -> None:
    (upgrade,) = read((SAMPLES / f"healthy-{name}.txt").read_text(), UpgradeFacts)
    assert upgrade.url.endswith("//app.example.test/ws")
    assert (upgrade.status, upgrade.accepted, upgrade.request_header("sec-websocket-version")) == (101, True, "13")
    assert {check.name for check in upgrade.checks if check.ok} >= {"status", "upgrade", "connection", "accept"}


def test_developer_tools_of_a_refused_upgrade() -> None:
    text = (SAMPLES / "healthy-devtools-two-lines.txt").read_text().replace("101 Switching Protocols", "403 Forbidden")
    (upgrade,) = read(text, UpgradeFacts)
    assert (upgrade.status, upgrade.accepted, upgrade.header("server")) == (403, False, "nginx")


def test_an_answer_over_http_2() -> None:
    text = "> GET /ws HTTP/2\n> Host: a.test\n> upgrade: websocket\n>\n< HTTP/2 400\n< server: envoy\n<\n"
    (upgrade,) = read(text, UpgradeFacts)
    assert (upgrade.status, upgrade.http_version, upgrade.accepted) == (400, "2", False)


def test_a_chat_with_wscat() -> None:
    text = (SAMPLES / "healthy-wscat.txt").read_text()
    (session,) = read(text, SessionFacts)
    assert [frame.direction for frame in session.frames] == ["sent", "received", "received", "received", "sent", "received"]
    assert (session.url, session.close_code, session.frames[3].text) == (
        "wss://app.example.test/ws",
        1000,
        '{"type":"price","seq":2,"value":10.3}',
    )


@pytest.mark.parametrize(
    "text",
    [
        "$ wscat -c ws://a.test/ws\nerror: Unexpected server response: 403\n> ",
        "$ websocat ws://a.test/ws\nwebsocat: WebSocketError: Received unexpected status code (403 Forbidden)\n",
    ],
)
def test_a_refusal_that_a_client_names(text: str) -> None:
    (upgrade,) = read(text, UpgradeFacts)
    assert (upgrade.url, upgrade.status, upgrade.accepted) == ("ws://a.test/ws", 403, False)


FAILURES = [
    ("$ curl https://a.test/ws\ncurl: (6) Could not resolve host: a.test", "resolve", Reason.NAME_NOT_FOUND),
    ("*   Trying 192.0.2.1:80...\n* connect to 192.0.2.1 port 80 failed: Connection refused\ncurl: (7) Failed", "tcp", Reason.REFUSED),
    ("curl: (28) Failed to connect to a.test port 443 after 130000 ms: Couldn't connect to server", "tcp", Reason.TIMEOUT),
    ("curl: (28) Operation timed out after 5001 milliseconds with 0 bytes received", "upgrade", Reason.TIMEOUT),
    ("* OpenSSL/3.0: error:0A00010B:SSL routines::wrong version number\ncurl: (35) error", "tls", Reason.TLS_NOT_SPOKEN),
    ("* tlsv1 alert protocol version\ncurl: (35) x", "tls", Reason.TLS_ALERT),
    ("curl: (60) SSL certificate problem: certificate has expired", "tls", Reason.CERTIFICATE),
    ("curl: (56) CONNECT tunnel failed, response 403", "proxy", Reason.PROXY_REFUSED),
    ("> GET /ws HTTP/1.1\n> Host: a.test\n> Upgrade: websocket\n>\n* Empty reply from server\ncurl: (52) Empty", "upgrade", Reason.CLOSED),
    ("curl: (56) Recv failure: Connection reset by peer", "upgrade", Reason.RESET),
    ("nc: connect to a.test port 8080 (tcp) failed: Connection refused", "tcp", Reason.REFUSED),
    ("$ wscat -c ws://a.test:9/ws\nerror: connect ECONNREFUSED 127.0.0.1:9", "tcp", Reason.REFUSED),
]


@pytest.mark.parametrize(("text", "stage", "reason"), FAILURES)
def test_what_tools_say_when_nothing_answers(text: str, stage: str, reason: Reason) -> None:
    (seen,) = [one for one in parse_http_dump(split_lines(text), artifact="d") if isinstance(one.facts, UpgradeFacts)]
    assert seen.failure is not None
    assert (seen.failure.stage, seen.failure.reason) == (stage, reason)
    assert seen.facts.status is None


def test_a_warning_beside_an_answer_is_no_failure() -> None:
    text = "* connect to ::1 port 80 failed: Connection refused\n" + CURL.format(status="101 OK", rest=OPENED, body="")
    (seen,) = [one for one in parse_http_dump(split_lines(text), artifact="d") if isinstance(one.facts, UpgradeFacts)]
    assert seen.failure is None


def test_a_certificate_in_s_client() -> None:
    (tls,) = read((SAMPLES / "healthy-s-client.txt").read_text(), TlsFacts)
    assert (tls.version, tls.cipher, tls.verify_code, tls.chain_length) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384", 0, 2)
    assert (tls.server_name, tls.subject, tls.not_after) == ("app.example.test", "CN = app.example.test", "2026-05-30T00:00:00Z")
    assert "R1" in tls.issuer


VERDICTS = [
    ("Verify return code: 10 (certificate has expired)", 10),
    ("Verify return code: 18 (self-signed certificate)", 18),
    ("curl: (60) SSL certificate problem: unable to get local issuer certificate", 20),
    ("curl: (60) SSL certificate problem: self-signed certificate in certificate chain", 19),
    ("*  SSL certificate verify result: self-signed certificate (18), continuing anyway.", 18),
    ("curl: (60) SSL: no alternative certificate subject name matches target host name 'a.test'", 62),
    ("*  SSL certificate verify ok.", 0),
]


@pytest.mark.parametrize(("text", "code"), VERDICTS)
def test_verdicts_on_certificates(text: str, code: int) -> None:
    seen = [one.facts for one in parse_http_dump(split_lines(text), artifact="d")]
    found = [facts if isinstance(facts, TlsFacts) else facts.tls for facts in seen if isinstance(facts, TlsFacts | UpgradeFacts)]
    assert [tls.verify_code for tls in found if tls] == [code]


def test_a_note_tells_only_some_headers() -> None:
    (upgrade,) = read("101 Switching Protocols  Server: nginx\nws <- {}", UpgradeFacts)
    assert upgrade.accepted
    assert all(check.ok for check in upgrade.checks)


def test_numbers_of_a_snapshot() -> None:
    (recording,) = read('GET /api/state -> {"seq":100,"items":[]}\nws <- {"seq":105}', RecordingFacts)
    assert [(one.url, one.field, one.number) for one in recording.snapshots] == [("/api/state", "seq", 100)]


MIXTURE = """Request URL:|ws://a.test/x|Status Code:|101 Switching Protocols|General|Response Headers|upgrade:|websocket|curl 'http://a/' \\
-H 'A: b'|curl "|> GET / HTTP/1.1|< HTTP/2 200|Connected (press CTRL+C to quit)|> x|< y|error: Unexpected server response: 403|curl: (35) x
10:00:00.1 IP a.1 > b.2: Flags [P.]|E..xGET /ws HTTP/1.1|Verify return code: 10 (x)|notAfter=Feb 31 25:00:00 2026 GMT|subject=CN = x
closed 1006 after 4 ms|ws <- {"seq":1}|"""
words = st.sampled_from(MIXTURE.replace("\n", "|").split("|"))


@settings(deadline=None)  # the first call reads the tables
@given(st.lists(words, max_size=30))
def test_any_mixture_of_layouts_is_read(lines: list[str]) -> None:
    assert parse_http_dump(lines, artifact="d")[-1].kind == "text"


@settings(deadline=None)  # the first call reads the tables
@given(st.text(alphabet="<>*\n :/-GETHTP1.0abc{}→0123456789", max_size=600) | st.text(max_size=600))
def test_any_text_is_read_and_bounded(text: str) -> None:
    (whole,) = read(text, TextFacts)
    assert 0 <= whole.items <= 500
    assert all(len(upgrade.body) <= 4096 for upgrade in read(text, UpgradeFacts))


def test_timelines_with_their_instants_first() -> None:
    text = 'GET wss://a.test/ws -> 101\n10:00:00 ws open\n10:00:01 <- {"n":1}\n10:00:05.500 <- {"n":2}\n10:01:00 ws closed 1006'
    life = [one.facts for one in read_text(text, "har") if isinstance(one.facts, SessionFacts) and one.facts.close_code][-1]
    assert (life.close_code, life.age_s, [frame.at_s for frame in life.frames]) == (1006, 60.0, [1.0, 5.5])


def test_sockets_that_notes_number() -> None:
    text = '#1 -> {"action":"subscribe"}\n#1 <- {"p":1}\n#1 closed 1006\n#2 open\n#2 <- {"type":"pong"}'
    lives = [one.facts for one in read_text(text, "har") if isinstance(one.facts, SessionFacts)]
    assert [(life.frame_count, life.close_code) for life in lives] == [(2, 1006), (1, None)]
