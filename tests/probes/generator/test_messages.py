"""Frames as a server reads them, marks as they are found again, and answers that are read many at once."""

import numpy as np
import pytest
from generator_servers import frame
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from wsbook.probes.generator.marks import HEADER_BYTES, MARK_BYTES, due_near, find_marks
from wsbook.probes.generator.mill import Mill, client_frame
from wsbook.probes.generator.reader import Message, Reader
from wsbook.probes.generator.shape import echoed, shape_of
from wsbook.probes.marker import MARKER

RUN = bytes.fromhex("c0ffee01")
NOW_NS = 1_800_000_000_123_456_000
WHO = np.array([0, 7, 99_999, 2**20 - 1], np.int64)
NUMBERS = np.array([0, 1, 12_345_678_901, 2**36 - 1], np.int64)
DUE_NS = NOW_NS - np.array([0, 1_000, 10**9, 86_400 * 10**9], np.int64)
TEMPLATES = ["", "{marker}", '{"id": "{marker}", "é": "{padding}"}', "{marker}abcdef{marker}"]


def payloads(data: bytes) -> list[tuple[Opcode, bytes]]:
    """Return what a server reads; websockets checks masks, lengths and UTF-8."""
    protocol = ServerProtocol(state=State.OPEN, max_size=None)
    protocol.receive_data(data)
    assert protocol.parser_exc is None
    return [(event.opcode, bytes(event.data)) for event in protocol.events_received()]  # type: ignore[union-attr]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("size", [0, 24, 100, 125, 126, 1000, 70_000])
def test_a_server_reads_what_was_made(template: str, size: int) -> None:
    mill = Mill(RUN, size, template)
    found = payloads(mill.make(WHO, NUMBERS, DUE_NS).tobytes())
    assert [opcode for opcode, _ in found] == [Opcode.TEXT if template else Opcode.BINARY] * 4
    assert {len(payload) for _, payload in found} == {mill.payload_bytes}
    if not template or "{padding}" in template:
        assert mill.payload_bytes == max(size, HEADER_BYTES if not template else len(template.encode()) - 17 + MARK_BYTES)
    for place, (_, payload) in enumerate(found):
        (mark,) = find_marks(payload, RUN, NOW_NS)
        assert (mark.connection, mark.number) == (WHO[place], NUMBERS[place])
        assert abs(mark.due_ns - DUE_NS[place]) < (1_000 if template else 1)
        if template:
            assert MARKER.search(payload.decode())[0] == payload[mark.at : mark.at + MARK_BYTES].decode()  # type: ignore[index]


def test_masks_are_fresh() -> None:
    mill = Mill(RUN, 64)
    same = np.zeros(20_000, np.int64)
    masks = {bytes(row[2:6]) for row in mill.make(same, same, same)}
    assert len(masks) > 19_990


@given(st.sampled_from([1, 2, 8, 10]), st.binary(max_size=125))
def test_single_frames_are_read(opcode: int, payload: bytes) -> None:
    payload = {1: b"a" * len(payload), 8: b"\x03\xe8"}.get(opcode, payload)
    assert payloads(client_frame(opcode, payload)) == [(Opcode(opcode), payload)]


@given(st.binary(max_size=200))
def test_noise_has_no_marks(payload: bytes) -> None:
    assert find_marks(payload.replace(RUN, b""), RUN, NOW_NS) == []


def test_other_runs_are_not_ours() -> None:
    for template in ("", "{marker}"):
        payload = Mill(b"\1\2\3\4", 64, template).base
        assert find_marks(payload, RUN, NOW_NS) == []


@given(st.integers(-(2**39) + 1, 2**39 - 1), st.integers(2**50, 2**51))
def test_the_short_due_time_means_the_nearest(offset_us: int, now_us: int) -> None:
    assert due_near((now_us + offset_us) % 2**40, now_us * 1000) == (now_us + offset_us) * 1000


@pytest.mark.parametrize("template", TEMPLATES[:3])
def test_answers_that_are_alike_are_read_together(template: str) -> None:
    mill = Mill(RUN, 200, template)
    echoes = b"".join(frame(payload, int(opcode)) for opcode, payload in payloads(mill.make(WHO, NUMBERS, DUE_NS).tobytes()))
    shape = echoed(mill.payload_bytes, mill.places[0], mill.text)
    assert shape is not None and shape.fits(np.frombuffer(echoes, np.uint8))
    who, numbers, due_ns, ours = shape.read(np.frombuffer(echoes, np.uint8), RUN, NOW_NS)
    assert (who.tolist(), numbers.tolist(), ours.all()) == (WHO.tolist(), NUMBERS.tolist(), True)
    assert (np.abs(due_ns - DUE_NS) < 1_000).all()
    *_, ours = shape.read(np.frombuffer(echoes, np.uint8), b"\0\0\0\0", NOW_NS)
    assert not ours.any()
    (message, *_) = Reader().feed(echoes)
    assert isinstance(message, Message) and shape_of(message, find_marks(message.payload, RUN, NOW_NS)) == shape


def test_large_and_fragmented_answers_are_no_pattern() -> None:
    assert echoed(65_536, 0, False) is None and echoed(65_535, 0, False) is not None
    message = Message(text=False, payload=Mill(RUN, 64).base, length=64)
    assert shape_of(message, find_marks(message.payload, RUN, 0)) is None
