"""Large logs: the sieve picks the same lines with either engine, and leaves nothing of WebSockets out."""

import gzip
import random
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.facts import AccessFacts, SignatureFacts, TextFacts
from wsbook.literals import has_fast_engine
from wsbook.observation import Observation
from wsbook.parsers import access_log, lines, pages
from wsbook.parsers.access_log import SIGNS, parse_access_log
from wsbook.parsers.backend_log import parse_backend_log
from wsbook.parsers.lines import LineReader
from wsbook.parsers.sieve import Sieve, number_lines
from wsbook.signatures import Tally, index_of, matcher, signatures

needs_hyperscan = pytest.mark.skipif(not has_fast_engine(), reason="needs the extra fast")
CLF = '10.0.0.1 - - [12/Mar/2026:10:{:02}:{:02} +0000] "GET {} HTTP/1.1" {} 5 "https://shop.test/" "{}" 0.{:03}\n'
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "curl/8.5.0", "wsbook/0.1 (0123abcd)")
PATHS = ("/", "/index.html", "/ws?token={}", "/assets/{}.js", "/rt/{}", "/socket.io/?EIO=4&sid={}", "/api/{}", "/feed-{}")


def log(seed: int, count: int) -> str:
    """Return a log in which /rt shows its first upgrade in the middle."""
    dice = random.Random(seed)
    rows = []
    for number in range(count):
        path = dice.choice(PATHS).format(dice.randrange(1000))
        status = dice.choice(
            (101, 400, 404, 502)
            if "/ws" in path or (path.startswith("/rt") and number > count // 2)
            else (200, 304, 404, 101 if path[:3] == "/so" else 500)
        )
        rows.append(CLF.format(number // 60 % 60, number % 60, path, status, dice.choice(AGENTS), dice.randrange(1000)))
    return "".join(rows)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "WHOLE_BYTES", 4_000)
    monkeypatch.setattr(lines, "HEAD_BYTES", 2_000)
    monkeypatch.setattr(lines, "BLOCK_BYTES", 3_000)
    monkeypatch.setattr(pages, "GATHERED_LINES", 5)


def seen(observations: list[Observation]) -> list[tuple]:
    found = [(o.source.line, o.source.line_end, o.facts) for o in observations if isinstance(o.facts, AccessFacts | SignatureFacts)]
    return sorted(found, key=repr)


def of_sockets(observations: list[Observation]) -> set[tuple]:
    return {
        (o.facts.path, o.facts.status, o.facts.count, o.facts.marks, tuple(sorted(o.facts.times)), o.source.line, o.source.line_end)
        for o in observations
        if isinstance(o.facts, AccessFacts) and (o.facts.status == 101 or o.facts.marked or o.facts.path in ("/ws", "/rt/*", "/socket.io/"))
    }


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("seed", range(6))
def test_a_large_log_tells_the_same_of_websockets_as_one_read_whole(seed: int, tmp_path: Path) -> None:
    text = log(seed, 400)
    path = tmp_path / "access.log"
    path.write_text(text)
    whole, sieved = parse_access_log(text.splitlines(), artifact="a"), parse_access_log(LineReader(path), artifact="a")
    assert of_sockets(sieved) == of_sockets(whole)
    facts = sieved[-1].facts
    assert isinstance(facts, TextFacts)
    assert facts.items + facts.unparsed + facts.skimmed == 400
    assert facts.skimmed > 0
    assert facts.size_bytes == len(text)


@needs_hyperscan
@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("parse", [parse_access_log, parse_backend_log])
def test_both_engines_give_the_same_observations(parse: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = sorted((Path(__file__).parents[2] / "data" / "samples" / "logs").glob("*.log"))
    text = log(7, 300) + "".join(sample.read_text(encoding="utf-8") for sample in samples)
    path = tmp_path / "mixed.log"
    path.write_text(text)
    fast = parse(LineReader(path), artifact="a")
    for module in ("wsbook.parsers.sieve", "wsbook.signatures", "wsbook.parsers.backend_log"):
        monkeypatch.setattr(f"{module}.has_fast_engine", lambda: False)
    plain = parse(LineReader(path), artifact="a")
    if parse is parse_access_log:
        assert seen(fast) == seen(plain)
    else:
        texts = [[row for row in seen(one) if isinstance(row[2], SignatureFacts)] for one in (fast, plain)]
        assert texts[0] == texts[1]


WORDS = sorted({word for one in signatures().values() for word in (*one.match, *one.any)})


@needs_hyperscan
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.sampled_from(WORDS) | st.text(max_size=12), max_size=5).map(" ".join), max_size=6))
def test_both_matchers_find_the_same_texts(rows: list[str]) -> None:
    rows = [row.replace("\n", " ") for row in rows]
    found = []
    for fast in (True, False):
        tally = Tally()
        for hit in matcher("backend_log", "access_log", fast=fast).scan(rows):
            tally.add(hit, hit.index + 1)
        found.append(sorted(tally.facts(), key=repr))
    assert found[0] == found[1]


@needs_hyperscan
@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["/ws", "/a", ' 101 "', "websocket", "\r", "\0", "é", "/live-x", " " * 40, "WSBOOK"]), max_size=30),
    st.integers(1, 6),
)
def test_both_engines_pick_the_same_lines(parts: list[str], every: int) -> None:
    text = bytearray("".join(part + ("\n" if place % every == 0 else "") for place, part in enumerate(parts)).encode() + b"\n")
    block = memoryview(text)
    fast, plain = (Sieve(SIGNS, fast=one).lines(block) for one in (True, False))
    assert fast == plain
    numbers, count = number_lines(block, fast, 10)
    assert count == text.count(b"\n")
    assert numbers == [11 + text.count(b"\n", 0, begin) for begin, _ in fast]


def test_each_line_with_a_known_text_holds_one_of_its_literals() -> None:
    assert all(one.covers for one in index_of("backend_log").known)
    literals, expressions = index_of("backend_log").signs("worker " * 200 + "\n" * 100)
    assert literals
    assert "worker" not in literals
    assert expressions


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_blocks_in_any_encoding_hold_every_line(ending: str, encoding: str, tmp_path: Path) -> None:
    path, rows = tmp_path / "a.log", [f"é {number}" for number in range(2_000)]
    path.write_bytes(ending.join(rows).encode(encoding))
    assert [line for page in pages.pages(LineReader(path)) for line in page.lines] == rows


@pytest.mark.usefixtures("small_blocks")
def test_a_line_without_end_is_cut_and_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 200_000 + b"\nend\n")
    found = [line for page in pages.pages(LineReader(path)) for line in page.lines]
    assert (len(found), found[1]) == (2, "end")
    assert len(found[0]) <= lines.LINE_CHARS


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gz", "zst"])
def test_packed_logs_are_read_and_bombs_refused(pack: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "access.log.z"
    path.write_bytes(pack(log(1, 300).encode()))
    assert parse_access_log(LineReader(path), artifact="a")[-1].facts.items == 300
    monkeypatch.setattr(lines, "BOMB_BYTES", 2**20)
    path.write_bytes(pack(b"a" * 2**25))
    with pytest.raises(UnreadableInputError, match="times its size"):
        list(pages.pages(LineReader(path)))


def test_a_log_of_no_requests_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "WHOLE_BYTES", 4_000)
    path = tmp_path / "a.log"
    path.write_text("what is this\n" * 20_000)
    facts = parse_access_log(LineReader(path), artifact="a")[-1].facts
    assert (facts.unparsed, facts.skimmed) == (20_000, 0)


@pytest.mark.usefixtures("small_blocks")
def test_paths_that_nobody_sane_uses_are_no_signs(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    rows = [CLF.format(0, 0, odd, 101, "UA", 1) for odd in ("/\0\0\0", "/é\x7f(", "/(((", "/[a-", "/a{9999}", "/\\", "/-/-", "/1/2/3")]
    path.write_text(log(3, 100) + "".join(rows) * 10)
    assert parse_access_log(LineReader(path), artifact="a")[-1].facts.items > 0


def test_the_root_path_counts_only_where_it_was_refused() -> None:
    assert [
        bool(Sieve([access_log.ROOT_REFUSED]).lines(memoryview(bytearray(line))))
        for line in (b'"GET / HTTP/1.1" 200 5\n', b'"GET /?a HTTP/1.1" 400 5\n')
    ] == [False, True]
