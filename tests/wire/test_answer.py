"""The bounded parser of HTTP answers: grammar, limits, and that nothing in bytes can break it."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.wire.answer import (
    BODY_LIMIT_BYTES,
    BODY_TEXT_LIMIT,
    HEAD_LIMIT_BYTES,
    Answer,
    AnswerReader,
    BodyReader,
    dechunk,
    parse_head,
    shown_raw,
)

HEADS = st.lists(st.sampled_from([b"HTTP/1.1 101 X", b"HTTP/1.1 100 ", b"\r\n", b"\n", b"A: b", b" ", b":", b"\x00", b"\xff", b"x" * 500]))


@pytest.mark.parametrize(
    ("line", "version", "status", "reason"),
    [
        (b"HTTP/1.1 101 Switching Protocols", "1.1", 101, "Switching Protocols"),
        (b"HTTP/1.1 101", "1.1", 101, ""),
        (b"HTTP/1.1 101 ", "1.1", 101, ""),
        (b"HTTP/1.0 502  Bad  Gateway", "1.0", 502, "Bad  Gateway"),
        (b"HTTP/2 200", "2", 200, ""),
        (b"HTTP/1.1 \xc3\xbc", None, None, ""),
        (b"HTTP/1.1 1010 X", None, None, ""),
        (b"HTTP/1.1200 OK", None, None, ""),
        (b"http/1.1 200 OK", None, None, ""),
        (b"ICY 200 OK", None, None, ""),
        (b"", None, None, ""),
    ],
)
def test_status_line(line: bytes, version: str | None, status: int | None, reason: str) -> None:
    answer = parse_head(line + b"\r\n\r\n")
    assert (answer.version, answer.status, answer.reason) == (version, status, reason)


@pytest.mark.parametrize(
    ("lines", "headers", "defect"),
    [
        (b"A: b\r\nC:d\r\n", (("A", "b"), ("C", "d")), ""),
        (b"A: b\nC: d\n", (("A", "b"), ("C", "d")), ""),
        (b"A:\t b \t\r\n", (("A", "b"),), ""),
        (b"A: \r\n", (("A", ""),), ""),
        (b"A: b:c\r\n", (("A", "b:c"),), ""),
        (b"A: b\r\n c\r\n", (("A", "b c"),), "folded"),
        (b"A : b\r\n", (("A", "b"),), "white space before the colon"),
        (b"nothing\r\n", (), "no name"),
        (b": b\r\n", (), "no name"),
        (b"A: \xe4\r\n", (("A", "\xe4"),), ""),
    ],
)
def test_headers(lines: bytes, headers: tuple[tuple[str, str], ...], defect: str) -> None:
    answer = parse_head(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")
    assert answer.headers == headers
    assert bool(answer.defects) is bool(defect)
    assert defect in "".join(answer.defects)


def test_headers_are_bounded() -> None:
    answer = parse_head(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5_000 + b"B: " + b"x" * 60_000)
    assert len(answer.headers) == 500
    assert "5001 header lines" in "".join(answer.defects)
    assert len(parse_head(b"HTTP/1.1 200 OK\r\nB: " + b"x" * 60_000).headers[0][1]) == 8_192


def test_values_and_tokens() -> None:
    answer = Answer(headers=(("Connection", "keep-alive, Upgrade"), ("CONNECTION", " ,x")))
    assert answer.values("connection") == ["keep-alive, Upgrade", " ,x"]
    assert answer.tokens("connection") == ["keep-alive", "Upgrade", "x"]


def test_interim_answers_are_passed_over() -> None:
    reader = AnswerReader()
    reader.feed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 101 X\r\n\r\nrest")
    assert (reader.complete, reader.interim, reader.rest) == (True, 2, b"rest")
    assert reader.answer().status == 101


@pytest.mark.parametrize(("data", "status"), [(b"HTTP/1.1 10", None), (b"HTTP/1.1 101", None), (b"HTTP/1.1 101 X\r\nA", 101)])
def test_half_an_answer(data: bytes, status: int | None) -> None:
    reader = AnswerReader()
    reader.feed(data)
    assert not reader.complete
    assert reader.answer().status == status


@pytest.mark.parametrize(
    ("data", "garbage"),
    [(b"", False), (b"HT", False), (b"HTTP/1.1 ", False), (b"X", True), (b"HTTX", True), (b"HTTP/1.1 abc\r\n\r\n", True)],
)
def test_garbage_is_known_at_once(data: bytes, garbage: bool) -> None:
    reader = AnswerReader()
    reader.feed(data)
    assert reader.garbage is garbage


@given(data=st.binary(max_size=3_000) | HEADS.map(b"".join), cuts=st.lists(st.integers(1, 700), max_size=20))
def test_pieces_give_the_same_as_the_whole(data: bytes, cuts: list[int]) -> None:
    whole, pieces = AnswerReader(1_000), AnswerReader(1_000)
    whole.feed(data)
    position = 0
    for cut in [*cuts, len(data)]:
        pieces.feed(data[position : position + cut])
        position += cut
    assert len(whole.raw) <= 1_000
    if whole.complete and pieces.complete:
        assert (bytes(pieces.raw), pieces.rest) == (bytes(whole.raw), whole.rest)
        assert pieces.answer() == whole.answer()
    if len(data) < 1_000:
        assert (pieces.complete, pieces.garbage) == (whole.complete, whole.garbage)


def test_head_is_bounded() -> None:
    reader = AnswerReader()
    reader.feed(b"HTTP/1.1 200 OK\r\n")
    for _ in range(20):
        reader.feed(b"A: " + b"x" * 10_000 + b"\r\n")
    assert reader.too_large
    assert len(reader.raw) == HEAD_LIMIT_BYTES
    assert reader.answer().status == 200


@given(parts=st.lists(st.binary(min_size=1, max_size=300), max_size=8))
def test_dechunk_joins_what_was_chunked(parts: list[bytes]) -> None:
    chunked = b"".join(b"%x;name=value\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    assert dechunk(chunked) == (b"".join(parts), True)


@given(data=st.binary(max_size=500))
def test_dechunk_of_anything(data: bytes) -> None:
    payload, _ = dechunk(data)
    assert len(payload) <= len(data)


def body_of(data: bytes, *headers: tuple[str, str], status: int = 403) -> BodyReader:
    body = BodyReader(Answer(status=status, headers=headers))
    body.feed(data)
    return body


@pytest.mark.parametrize(
    ("data", "headers", "text", "complete"),
    [
        (b"abc", (("Content-Length", "3"),), "abc", True),
        (b"abc", (("Content-Length", "5"),), "abc", False),
        (b"abcdef", (("Content-Length", "3"),), "abc", True),
        (b"abc", (), "abc", False),
        (b"abc", (("Content-Length", "many"),), "abc", False),
        (b"", (("Content-Length", "0"),), "", True),
        (b"3\r\nabc\r\n0\r\n\r\n", (("Transfer-Encoding", "chunked"),), "abc", True),
        (b"3\r\nabc\r\n0\r\nX: y\r\n\r\n", (("Transfer-Encoding", "gzip, Chunked"),), "abc", True),
        (b"3\r\nabc\r\n", (("Transfer-Encoding", "chunked"),), "abc", False),
        ("ü€".encode(), (), "ü€", False),
        (b"\xff\xfe", (), "\ufffd\ufffd", False),
        (gzip.compress(b"abc"), (("Content-Encoding", "GZIP"),), "abc", False),
        (gzip.compress(b"abc" * 9)[:-8], (("Content-Encoding", "gzip"),), "abc" * 9, False),
        (zlib.compress(b"abc"), (("Content-Encoding", "deflate"),), "abc", False),
        (zlib.compress(b"abc")[2:-4], (("Content-Encoding", "deflate"),), "abc", False),
        (b"abc", (("Content-Encoding", "identity"),), "abc", False),
        (b"abc", (("Content-Encoding", "br"),), "(3 bytes with the content coding br, not opened)", False),
    ],
)
def test_body(data: bytes, headers: tuple[tuple[str, str], ...], text: str, complete: bool) -> None:
    body = body_of(data, *headers)
    assert (body.text(), body.complete) == (text, complete)


@pytest.mark.parametrize("status", [101, 204, 304])
def test_answers_without_a_body(status: int) -> None:
    assert body_of(b"", status=status).complete


def test_body_is_bounded() -> None:
    body = body_of(b"x" * 1_000_000)
    assert body.complete
    assert body.received_bytes == BODY_LIMIT_BYTES
    assert len(body.text()) == BODY_TEXT_LIMIT
    bomb = body_of(gzip.compress(bytes(50_000_000)), ("Content-Encoding", "gzip"))
    assert len(bomb.text()) == BODY_TEXT_LIMIT


@given(
    data=st.binary(max_size=2_000),
    coding=st.sampled_from(["", "gzip", "deflate", "br"]),
    transfer=st.sampled_from(["", "chunked"]),
    length=st.sampled_from(["", "0", "7", "-1", "9" * 30]),
)
def test_body_of_anything(data: bytes, coding: str, transfer: str, length: str) -> None:
    body = body_of(data, ("Content-Encoding", coding), ("Transfer-Encoding", transfer), ("Content-Length", length))
    assert body.received_bytes <= len(data)
    assert len(body.text()) <= BODY_TEXT_LIMIT


@given(data=st.binary(max_size=600))
def test_shown_raw_is_printable(data: bytes) -> None:
    assert all(c in "\r\n\t" or " " <= c <= "~" for c in shown_raw(data))
