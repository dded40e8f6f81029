"""Known texts in logs, connection lives, and the reading of lines."""

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.facts import AccessFacts, SessionFacts, SignatureFacts, TextFacts
from wsbook.observation import Observation
from wsbook.parsers.instants import find_instant, find_seconds, parse_instant, record_instant
from wsbook.parsers.lines import LINE_CHARS, LineReader, decode, split_lines
from wsbook.parsers.logs.backend_log import parse_backend_log
from wsbook.parsers.read import read_artifact, read_text
from wsbook.signatures import SCAN_CHARS, index_of, signatures

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
KNOWN = [json.loads(line) for line in (SAMPLES / "logs" / "known-texts.jsonl").read_text(encoding="utf-8").splitlines()]


def causes_of(observations: list[Observation]) -> list[str]:
    """Return the causes that the texts stand for, likeliest first."""
    doubt: Counter[str] = Counter()
    for seen in observations:
        if isinstance(seen.facts, SignatureFacts):
            for cause, weight in seen.facts.causes:
                doubt[cause] = 1 - (1 - doubt[cause]) * (1 - weight)
    return [cause for cause, _ in doubt.most_common()]


def facts_of(observations: list[Observation], kind: type) -> list:
    return [seen.facts for seen in observations if isinstance(seen.facts, kind)]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: f"{known['cause']}-{known['text'][:30]}")
def test_known_text_names_its_cause(known: dict) -> None:
    assert known["cause"] in causes_of(read_text(known["text"], known["kind"]))[:2]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("[!d]*/healthy-*")), ids=lambda p: p.stem)
def test_healthy_sample_names_no_cause(path: Path) -> None:
    kinds = {"logs": ("backend_log", "access_log"), "console": ("browser_console",), "har": ("har",)}[path.parent.name]
    for kind in kinds:
        assert causes_of(read_text(path.read_text(encoding="utf-8"), kind)) == []


def test_every_signature_can_be_found_and_names_known_causes() -> None:
    from wsbook.causes import causes

    for signature in signatures().values():
        assert signature.match or signature.any, signature.id
        assert sum(weight for _, weight in signature.causes) <= 1.001, signature.id
        assert {slug for slug, _ in signature.causes} <= causes().keys(), signature.id
        assert set(signature.over) <= signatures().keys(), signature.id
        assert signature.note.endswith("."), signature.id


def test_only_few_signatures_are_tried_on_every_line() -> None:
    assert len(index_of("backend_log", "access_log").always) < 12


def test_no_expression_is_slow_on_lines_of_its_own_words() -> None:
    slow = []
    for signature in signatures().values():
        needed = " ".join((*signature.match, *signature.any[:1]))
        for word in (*signature.any[:2], *signature.match[:1], "1", "12 "):
            line = f"{needed} {word * 2000}"[:SCAN_CHARS]
            began = process_time()
            signature.found(line, line.lower())
            if process_time() - began > 0.5:
                slow.append(signature.id)
    assert slow == []


def test_occurrences_are_grouped_with_lines_and_times() -> None:
    lines = [
        "2026/03/12 10:00:00 [notice] 1#1: start worker process 29",
        "2026/03/12 10:01:00 [error] 29#29: *7 connect() failed (111: Connection refused) while connecting to upstream",
        "2026/03/12 10:02:00 [error] 29#29: *9 connect() failed (111: Connection refused) while connecting to upstream",
    ]
    seen = parse_backend_log(lines, artifact="e.log")[0]
    assert isinstance(seen.facts, SignatureFacts)
    assert (seen.facts.signature, seen.facts.count, seen.source.where) == ("nginx-refused", 2, "e.log:2")
    assert seen.source.line_end == 3
    assert seen.facts.times[1] - seen.facts.times[0] == 60
    assert seen.facts.text == lines[1]


def test_a_specific_text_replaces_the_general_one() -> None:
    found = {f.signature for f in facts_of(parse_backend_log(["connect ECONNREFUSED ::1:4000"], artifact="x"), SignatureFacts)}
    assert found == {"ipv6-refused"}


@pytest.mark.parametrize(
    "line",
    [
        "'x-forwarded-proto', 'http'",
        "X-Forwarded-Proto: http",
        "'upgrade', 'websocket'",
        "Connection: upgrade, upgrade",
        "The WebSocket handshake was declined by the remote peer",
        "GET http://live/live/feed 200",
        r'malformed HTTP response "\x00\x00\x12\x04"',
    ],
)
def test_neighbours_of_texts_do_not_name_their_cause(line: str) -> None:
    named = {
        "proxy.forwarded-headers-wrong",
        "proxy.upgrade-header-missing",
        "proxy.http-1.0-upstream",
        "endpoint.plain-to-tls-port",
        "proxy.path-rewrite-wrong",
    }
    assert not named & set(causes_of(parse_backend_log([line], artifact="x")))


def test_digits_matter_although_templates_have_none() -> None:
    text = '[12/Mar/2026:10:00:01 +0000] "GET /ws HTTP/1.1" {} 5'
    found = {
        f.signature for f in facts_of(parse_backend_log([text.format(status) for status in (101, 404, 101)], artifact="x"), SignatureFacts)
    }
    assert found == {"access-ws-404"}


def test_lives_of_connections_in_json_lines() -> None:
    lines = [
        '{"t": "10:00:00.0", "ev": "open", "id": 1}',
        '{"t": "10:05:00.0", "ev": "close", "id": 1, "code": 1006, "frames": 5980}',
        '{"t": "10:05:00.0", "ev": "close", "id": 9, "code": 1000}',
    ]
    lives = facts_of(parse_backend_log(lines, artifact="x"), SessionFacts)
    assert [(life.age_s, life.close_code, life.ended) for life in lives] == [(300.0, 1006, "unknown")]


def test_requests_inside_a_server_log() -> None:
    lines = ['INFO:     10.0.0.1:5 - "WebSocket /rt" 403', 'INFO:     10.0.0.1:6 - "WebSocket /rt" 403', "INFO:     connection closed"]
    requests = facts_of(parse_backend_log(lines, artifact="x"), AccessFacts)
    assert [(r.path, r.status, r.count, r.upgrade) for r in requests] == [("/rt", 403, 2, True)]


@pytest.mark.parametrize(
    ("line", "epoch"),
    [
        ("2026-03-12T10:00:00Z x", 1773309600.0),
        ("2026-03-12T11:00:00.500+01:00 x", 1773309600.5),
        ("2026-03-12 10:00:00,250 x", 1773309600.25),
        ("2026/03/12 10:00:00 [error]", 1773309600.0),
        ("1.2.3.4 - - [12/Mar/2026:12:00:00 +0200] x", 1773309600.0),
        ("[Thu Mar 12 10:00:00.500 2026] x", 1773309600.5),
        ("1773309600: x", 1773309600.0),
        ("10:00:01 x", 36001.0),
        ("2026-13-45T10:00:00Z", None),
        ("no time here", None),
    ],
)
def test_instants(line: str, epoch: float | None) -> None:
    assert find_instant(line) == epoch


@pytest.mark.parametrize(
    ("value", "epoch"), [(1773309600, 1773309600.0), (1773309600123, 1773309600.123), ("x", None), (True, None), (None, None)]
)
def test_instants_in_json(value: object, epoch: float | None) -> None:
    assert parse_instant(value) == epoch


@pytest.mark.parametrize(
    ("text", "unit", "seconds"), [("1.5", "s", 1.5), ("300", "ms", 0.3), ("2m", "s", 120.0), ("55706ms", "s", 55.706), ("-", "s", None)]
)
def test_durations(text: str, unit: str, seconds: float | None) -> None:
    assert find_seconds(text, unit) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.log"
    path.write_bytes("héllo\r\nwörld\n".encode(encoding))
    assert list(LineReader(path)) == ["héllo", "wörld"]


def test_gzip_long_lines_and_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(b"x" * 100_000 + b"\nend\n"))
    assert [len(line) for line in LineReader(path)] == [LINE_CHARS, 3]
    reader = LineReader(path, limit_bytes=1000)
    assert (len(list(reader)), reader.size_bytes, reader.truncated) == (1, 1000, True)


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "bin").write_bytes(b"\x7fELF\0\1\2")
    (tmp_path / "bad.gz").write_bytes(b"\x1f\x8b\x08broken")
    for name, words in [("bin", "binary"), ("bad.gz", "cannot be read"), ("none", "does not exist"), (".", "folder")]:
        with pytest.raises(UnreadableInputError, match=words):
            list(LineReader(tmp_path / name))


def test_a_folder_is_read_without_following_links(tmp_path: Path) -> None:
    folder, outside = tmp_path / "logs", tmp_path / "outside.log"
    folder.mkdir()
    outside.write_text("jwt expired\n")
    (folder / "link.log").symlink_to(outside)
    (folder / "a.log").write_text("2026-03-12 10:00:00 ERROR EMFILE: too many open files\n")
    (folder / "b.bin").write_bytes(b"\0\1\2")
    seen = read_artifact(str(folder))
    assert causes_of(seen) == ["load.fd-limit-or-leak"]
    assert [s.failure.reason.value for s in seen if s.failure] == ["unreadable"]


def test_unknown_kinds_and_texts_are_refused() -> None:
    with pytest.raises(UsageError, match="not one of"):
        read_text("x", "word_document")
    with pytest.raises(UnreadableInputError, match="--kind"):
        read_text("lorem ipsum dolor")


@given(st.text(max_size=3000))
def test_any_text_gives_one_description_of_the_whole(text: str) -> None:
    seen = parse_backend_log(split_lines(text), artifact="x")
    assert [f.items for f in facts_of(seen, TextFacts)] == [len(split_lines(text))]
    assert all(len(f.text) <= 500 for f in facts_of(seen, SignatureFacts))


@given(st.binary(max_size=500))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        assert isinstance(decode(data), str)
    except UnreadableInputError as error:
        assert "binary" in str(error)


def test_what_a_client_sent_is_no_message_of_the_program_that_logged_it() -> None:
    headers = '"headers":{"Upgrade":["websocket"],"Sec-Websocket-Key":["x"],"Sec-Websocket-Extensions":["permessage-deflate"],"Origin":["http://a"]}'
    line = (
        '{"level":"error","ts":1795396845.07,"msg":"dial tcp 127.0.0.1:9: connect: connection refused","request":{"uri":"/ws",'
        + headers
        + "}}"
    )
    causes = [
        slug
        for seen in parse_backend_log([line], artifact="caddy.log")
        if isinstance(seen.facts, SignatureFacts)
        for slug, _ in seen.facts.causes
    ]
    assert causes[0] == "proxy.upstream-unreachable"
    assert not {"backend.middleware-breaks-upgrade", "frame.compression-broken", "proxy.upgrade-header-missing"} & set(causes)


def test_the_life_of_a_connection_tells_its_end_and_whether_it_was_ours() -> None:
    lines = [
        '2026-03-01 12:00:00,000 INFO 10.0.0.9:50123 - "GET /ws HTTP/1.1" 101 agent="wsbook/1.0 (0123abcd)"',
        '2026-03-01 12:00:00,100 INFO 10.0.0.9:50124 - "GET /ws HTTP/1.1" 101 agent="Mozilla/5.0"',
        "2026-03-01 12:00:01,500 INFO 10.0.0.9:50123 closed code=1008 reason='' age=1.5s",
        "2026-03-01 12:00:02,500 INFO 10.0.0.9:50124 closed code=1008 reason='' age=2.4s",
        "10.0.0.9:50125 closed code=1008 reason='' age=3s",
    ]
    lives = facts_of(parse_backend_log(lines, artifact="x"), SessionFacts)
    end = datetime(2026, 3, 1, 12, 0, 1, 500_000, tzinfo=UTC).timestamp()
    assert [(life.ended_at, life.marks) for life in lives] == [(end, ("0123abcd",)), (end + 1, ()), (None, ())]


def lines_of(text: str) -> list[str]:
    return text.strip("\n").splitlines()


PYTHON = lines_of("""
2026-03-01 12:00:00,500 ERROR websockets.server connection handler failed
Traceback (most recent call last):
  File "/app/server.py", line 112, in receive
    await socket.send(message)

The above exception was the direct cause of the following exception:

websockets.exceptions.ConnectionClosedOK: received 1000 (OK); then sent 1000 (OK)
""")
JAVA = lines_of("""
2026-03-01 12:00:00.500 ERROR o.s.w.s.h.ExceptionWebSocketHandlerDecorator - Unhandled exception
java.io.IOException: Broken pipe
\tat java.base/sun.nio.ch.SocketDispatcher.write0(Native Method)
""")


@pytest.mark.parametrize(
    ("lines", "index", "known"),
    [
        (PYTHON, 7, True),
        (JAVA, 1, True),
        ([PYTHON[0], "the cache is cold", *PYTHON[1:]], 8, False),
        (PYTHON[1:], 6, False),
        ([PYTHON[0], "websockets: sending failed"], 1, False),
    ],
    ids=["a traceback", "a stack of Java", "of a record without an instant", "the beginning is not there", "a line of its own"],
)
def test_a_traceback_has_the_instant_of_its_record(lines: list[str], index: int, known: bool) -> None:
    at = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC).timestamp()
    assert record_instant(lines, range(len(lines)), index) == (at if known else None)


def test_lines_that_were_left_out_break_a_record() -> None:
    assert record_instant([PYTHON[0], PYTHON[7]], [1, 8], 1) is None


def test_known_texts_in_a_traceback_have_its_instant() -> None:
    found = facts_of(parse_backend_log(PYTHON, artifact="x"), SignatureFacts)
    assert {one.signature: len(one.times) for one in found}["send-after-close"] == 1
