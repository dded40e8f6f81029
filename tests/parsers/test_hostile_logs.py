"""Logs that nobody should give us: broken, binary, empty, nested, endless. One sentence, bounded memory and time."""

import gzip
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.facts import SignatureFacts, TextFacts
from wsbook.parsers.lines import LineReader
from wsbook.parsers.logs.access_log import parse_access_log
from wsbook.parsers.logs.backend_log import parse_backend_log
from wsbook.parsers.read import read_artifact

ROOT = Path(__file__).parents[2]
CLF = b'1.2.3.4 - - [12/Mar/2026:10:00:01 +0000] "GET /ws HTTP/1.1" 101 5\n'

NESTED = [
    '{"a":' * 3_000,
    '{"a":' * 3_000 + "1" + "}" * 3_000,
    "[" * 16_000,
    '{"request":' + '{"uri":' * 2_000 + "}",
    '{"log":"' + "\\" * 9_000,
]
SLOW = [
    '"GET ' + "/ws" * 1_300,
    "a " * 2_000 + "101",
    '1.2.3.4 - - [' + "[" * 4_000,
    "method=GET " * 370,
    "connection " * 370,
    "client id=" * 400,
    "error " + "timeout " * 500,
    " " * 4_096,
    "\x1b[" * 2_000,
    '"WebSocket ' * 370,
    "haproxy[1]: " + "a:1 [12/Mar/2026:10:00:01] " * 150,
]  # fmt: skip


@pytest.mark.parametrize("parse", [parse_access_log, parse_backend_log])
@pytest.mark.parametrize("line", NESTED + SLOW, ids=lambda line: line[:12])
def test_no_line_takes_long(line: str, parse: object) -> None:
    started = time.process_time()
    whole = parse([line] * 5, artifact="a")[-1].facts
    assert isinstance(whole, TextFacts)
    assert time.process_time() - started < 3


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_in_one_sentence(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        for content in (data, CLF + data, gzip.compress(data), gzip.compress(CLF + data)[:-3]):
            path.write_bytes(content)
            for kind in ("access_log", "backend_log"):
                try:
                    assert read_artifact(str(path), kind=kind)
                except UnreadableInputError as error:
                    assert "\n" not in str(error).replace(str(path), "")


def test_an_empty_log_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"")
    (seen,) = read_artifact(str(path), kind="access_log")
    assert isinstance(seen.facts, TextFacts)
    assert (seen.facts.items, seen.facts.unparsed, seen.facts.skimmed) == (0, 0, 0)


def test_bytes_that_a_client_sent_leave_a_log_a_log(tmp_path: Path) -> None:
    """nginx logs the first line of a request as it came, the zeros of a TLS handshake too."""
    notice = b"2026/11/26 18:39:14 [notice] 5#5: signal 1 (SIGHUP) received from 9, reconfiguring\n"
    sent = b'2026/11/26 18:39:10 [info] 7#7: *23 client sent invalid method, request: "\x16\x03\x01\x02\0\x01\0"\n'
    path = tmp_path / "error.log"
    path.write_bytes(notice + sent + notice)
    found = {seen.facts.signature for seen in read_artifact(str(path), step="1.4") if isinstance(seen.facts, SignatureFacts)}
    assert "reload-proxy" in found
    path.write_bytes(sent)
    with pytest.raises(UnreadableInputError, match="binary"):
        read_artifact(str(path), step="1.4")


def test_zeros_are_binary(tmp_path: Path) -> None:
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(bytes(2**20)))
    with pytest.raises(UnreadableInputError, match="binary"):
        list(LineReader(path))
    with pytest.raises(UnreadableInputError, match="binary"):
        read_artifact(str(path), kind="access_log")


MEASURE = """
import re, sys
from wsbook.parsers.read import read_artifact
read_artifact(sys.argv[1], kind=sys.argv[2])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("kind", ["access_log", "backend_log"])
def test_memory_stays_bounded_with_a_line_that_does_not_end(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with path.open("wb") as target:
        target.write(CLF * 1_000)
        for _ in range(150):
            target.write(b"x" * 2**20)
        target.write(b"\n" + CLF)
    command = [sys.executable, "-c", MEASURE, str(path), kind]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=ROOT)
    assert 0 < int(shown.stdout) < 120 * 1024
