"""The compiled loop by itself, over socket pairs: against the account in Python, against short buffers, and what it leaves to numpy."""

import contextlib
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from wsbook.attempt import Attempt
from wsbook.histogram import bin_of
from wsbook.load_plan import LoadPlan
from wsbook.probes.generator.line import Line
from wsbook.probes.generator.marks import HEADER, HEADER_BYTES
from wsbook.probes.generator.progress import Progress, Watch
from wsbook.probes.generator.tally import Tally

pytest.importorskip("numba")
compiled = pytest.importorskip("wsbook.probes.generator.compiled")

URL = "ws://127.0.0.1:9/"
Peer = Callable[[socket.socket, bytes], None]
"""What a peer does with the unmasked frames of one read."""


class Taken:
    """What a peer was sent: (number, due in ns since the epoch, mask, payload) in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, int, bytes, bytes]] = []


def unmasked(data: bytes, taken: Taken) -> tuple[list[bytes], bytes]:
    """Return whole frames as a server sends them back, and the bytes that are left."""
    frames = []
    while len(data) >= 8:
        short = data[1] & 127
        size, at = (short, 2) if short < 126 else (int.from_bytes(data[2:4], "big"), 4)
        assert data[0] == 0x82
        assert data[1] & 128
        if len(data) < at + 4 + size:
            break
        mask = data[at : at + 4]
        body = np.frombuffer(data, np.uint8, size, at + 4) ^ np.resize(np.frombuffer(mask, np.uint8), size)
        payload = body.tobytes()
        _, _, number, due = struct.unpack_from("<IIQQ", payload)
        taken.messages.append((number, due, mask, payload))
        frames.append(bytes((0x82, short)) + data[2:at] + payload)
        data = data[at + 4 + size :]
    return frames, data


@contextlib.contextmanager
def peer_of(answer: Callable[[list[bytes]], bytes], *, buffer_bytes: int = 0, pause_s: float = 0.0) -> Iterator[tuple[Line, Taken]]:
    """Yield a line to a peer that answers the frames of each read with what answer makes of them."""
    near, far = socket.socketpair()
    taken = Taken()
    if buffer_bytes:
        for sock in (near, far):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)

    def serve() -> None:
        data = b""
        while part := far.recv(1 << 16):
            frames, data = unmasked(data + part, taken)
            if pause_s:
                time.sleep(pause_s)
            with contextlib.suppress(BrokenPipeError):
                far.sendall(answer(frames))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    near.setblocking(False)
    try:
        yield Line(near, 0), taken
    finally:
        near.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        near.close()
        far.close()


def driven(line: Line, **options: Any) -> Tally:
    plan = LoadPlan(attempt=Attempt(url=URL), **({"connections": 1, "seconds": 0.4, "drain_s": 0.4} | options))
    tally = Tally(plan, "00c0ffee")
    compiled.prepare()
    tally.begin_ns = time.monotonic_ns() + 5_000_000
    return compiled.drive([line], plan, tally, Watch())


def test_messages_are_masked_afresh_and_say_what_they_are() -> None:
    with peer_of(b"".join) as (line, taken):
        tally = driven(line, rate=5000.0, size_bytes=67, first_connection=7)
    assert int(tally.sent[0]) == int(tally.received[0]) == len(taken.messages) == 2000
    assert [number for number, *_ in taken.messages] == list(range(2000))
    assert len({mask for _, _, mask, _ in taken.messages}) > 1990
    first = taken.messages[0][3]
    assert (first[:4].hex(), first[4:8], len(first)) == ("00c0ffee", b"\7\0\0\0", 67)
    assert len({payload[HEADER_BYTES:] for *_, payload in taken.messages}) == 1
    steps = np.diff([due for _, due, _, _ in taken.messages])
    assert 199_990 <= steps.min() <= steps.max() <= 200_010


def reckoned(answers: list[int], sent: int) -> tuple[int, int, int, int]:
    """Return (received, lost, duplicated, reordered) of numbers in the order in which they came, by the plainest reckoning."""
    seen, highest, duplicated, reordered = set[int](), -1, 0, 0
    for number in answers:
        duplicated += number in seen
        reordered += number not in seen and number < highest
        seen.add(number)
        highest = max(highest, number)
    return len(seen), sent - len(seen), duplicated, reordered


@pytest.mark.parametrize("seed", range(4))
def test_any_mix_of_losses_copies_and_swaps_is_counted_exactly(seed: int) -> None:
    dice, answers, held = random.Random(seed), list[int](), list[bytes]()

    def answer(frames: list[bytes]) -> bytes:
        held.extend(frames)
        if len(held) < 60:
            return b""
        out = [frame for frame in held for _ in range(dice.choices((1, 0, 2, 3), (94, 3, 2, 1))[0])]
        for _ in range(dice.randrange(4)):
            a, b = dice.randrange(len(out)), dice.randrange(len(out))
            out[a], out[b] = out[b], out[a]
        held.clear()
        answers.extend(struct.unpack_from("<Q", frame, 10)[0] for frame in out)
        return b"".join(out)

    with peer_of(answer) as (line, taken):
        tally = driven(line, rate=5000.0, size_bytes=40, drain_s=1.5)
    lost = int(tally.sent[0] - tally.upcoming[0]) + sum(gaps.count for gaps in tally.gaps.values())
    found = int(tally.received[0]), lost, int(tally.duplicated[0]), int(tally.reordered[0])
    assert found == reckoned(answers, len(taken.messages))
    assert min(found) > 0
    assert tally.foreign == 0
    assert tally.latencies.count == sum(h.count for h in tally.by_due if h) == tally.arrived.sum() == found[0]


def test_a_burst_of_copies_is_more_than_one_slice_notes() -> None:
    def answer(frames: list[bytes]) -> bytes:
        return b"".join(frames) * 9000

    with peer_of(answer) as (line, _):
        tally = driven(line, rate=20.0, size_bytes=24, seconds=0.2, drain_s=2.0)
    assert (int(tally.received[0]), int(tally.duplicated[0]), int(tally.reordered[0])) == (4, 4 * 8999, 0)


@pytest.mark.parametrize("size", [24, 125, 126, 3000, 65_535])
@pytest.mark.parametrize("options", [{"window": 50}, {"rate": 400.0}], ids=["window", "rate"])
def test_short_buffers_split_messages_and_nothing_is_lost(size: int, options: dict[str, Any]) -> None:
    with peer_of(b"".join, buffer_bytes=4096) as (line, taken):
        tally = driven(line, size_bytes=size, drain_s=5.0, **options)
    assert int(tally.sent[0]) == int(tally.received[0]) == len(taken.messages) > 20
    assert (tally.foreign, int(tally.duplicated[0]), int(tally.reordered[0]), tally.gaps) == (0, 0, 0, {})
    assert line.waiting == b""


def test_a_peer_that_stands_still_shows_in_the_percentile() -> None:
    begin, stopped, answered = time.monotonic(), list[bool](), list[int]()

    def answer(frames: list[bytes]) -> bytes:
        if not stopped and time.monotonic() - begin > 0.5:
            stopped.append(True)
            time.sleep(0.8)
        answered.extend([time.time_ns()] * len(frames))
        return b"".join(frames)

    with peer_of(answer) as (line, taken):
        tally = driven(line, rate=1000.0, seconds=2.0, drain_s=2.0)
    truth = sorted(at - due for at, (_, due, _, _) in zip(answered, taken.messages, strict=True))
    p99 = tally.latencies.quantile(0.99)
    assert p99 is not None
    assert p99 == pytest.approx(truth[int(0.99 * len(truth)) - 1], rel=0.05)
    assert p99 > 0.5e9
    lag = tally.lags.quantile(0.99)
    assert lag is not None
    assert lag < p99 / 2


def test_messages_are_never_early_and_a_late_one_is_our_lag() -> None:
    with peer_of(b"".join) as (line, _):
        tally = driven(line, rate=1000.0)
    assert tally.lags.count == 400
    assert tally.lags.min is not None
    assert tally.lags.min >= 0


def test_what_the_kernel_does_not_take_is_the_peers_fault() -> None:
    with peer_of(b"".join, buffer_bytes=4096, pause_s=0.05) as (line, _):
        tally = driven(line, rate=2000.0, size_bytes=3000, seconds=0.5, drain_s=0.1)
    assert int(tally.due[0]) == 1000
    assert int(tally.sent[0]) < 900
    assert tally.lags.count < 900


SECURE = type("SecureLine", (), {"secure": True, "blocked": False})()
PLAIN = type("PlainLine", (), {"secure": False, "blocked": False})()
BLOCKED = type("BlockedLine", (), {"secure": False, "blocked": True})()
UNSUITABLE = [
    ({"template": "{marker}"}, [], "binary"),
    ({"answered_by": "broadcast"}, [], "echoes"),
    ({"answered_by": "sequence", "sequence": "$.n"}, [], "echoes"),
    ({"size_bytes": 65_536}, [], "too large"),
    ({"size_bytes": 65_000, "connections": 10_000}, [PLAIN] * 10_000, "too large"),
    ({}, [SECURE], "TLS"),
    ({}, [BLOCKED], "took no more"),
    ({}, [], ""),
]


@pytest.mark.parametrize(("options", "lines", "words"), UNSUITABLE)
def test_what_does_not_suit_is_said(options: dict[str, Any], lines: list[Any], words: str) -> None:
    why = compiled.suits(LoadPlan(attempt=Attempt(url=URL), rate=1.0, **options), lines)
    assert words in why
    assert bool(why) == bool(words)


def test_a_numba_that_does_not_work_is_a_reason_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise SystemError("numba needs another numpy")

    monkeypatch.setattr(compiled, "import_module", broken)
    assert compiled.prepare() == "numba does not work here: SystemError: numba needs another numpy"


def test_a_numba_that_is_told_not_to_compile_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert compiled.suits(LoadPlan(attempt=Attempt(url=URL), rate=1.0), []) == "NUMBA_DISABLE_JIT is set"


def test_compiling_is_told() -> None:
    told = list[Progress]()
    assert compiled.prepare(told.append) == ""
    assert [progress.phase for progress in told] == ["compiling"]


def test_the_compiled_layout_is_that_of_the_marks_and_the_histogram() -> None:
    from wsbook.probes.generator import compiled_loop

    assert [HEADER.fields[name][1] for name in ("run", "connection", "number", "due")] == [0, 4, 8, 16]  # type: ignore[index]
    assert compiled_loop._HEADER == HEADER_BYTES
    values = np.unique(np.r_[0:3000, np.geomspace(1, 2**62, 5000).astype(np.int64)])
    for bits in (compiled_loop.FINE, compiled_loop.COARSE):
        assert [compiled_loop._bin(bits, value) for value in values.tolist()] == bin_of(values.astype(np.float64), bits).tolist()


def test_without_a_place_to_cache_it_compiles_for_the_process() -> None:
    code = (
        "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"
        "from wsbook.probes.generator.compiled_libc import compiled\n"
        "print(compiled(lambda value: value + 1)(41))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "42", done.stderr


def test_importing_the_engine_imports_no_numba() -> None:
    code = "import sys, wsbook.probes.generator.compiled; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
