"""The careful reader against websockets' own parser, for any frames in any splits; and bounded whatever comes."""

from itertools import pairwise

import pytest
from generator_servers import frame
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from wsbook.probes.generator import reader as module
from wsbook.probes.generator.reader import Broken, Closed, Message, Pinged, Reader, Taken

PAYLOADS = st.binary(max_size=300) | st.sampled_from([b"x" * 125, b"x" * 126, b"x" * 127, b"x" * 65_535, b"x" * 65_536])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Messages in one frame or several, with control frames between any two frames."""
    out: list[bytes] = []
    for text, parts in draw(st.lists(st.tuples(st.booleans(), st.lists(PAYLOADS, min_size=1, max_size=3)), max_size=6)):
        parts = [b"a" * len(part) for part in parts] if text else parts
        for place, part in enumerate(parts):
            out.append(frame(part, (1 if text else 2) if place == 0 else 0, final=place == len(parts) - 1))
            if draw(st.booleans()):
                out.append(frame(draw(st.binary(max_size=125)), draw(st.sampled_from([9, 10]))))
    if draw(st.booleans()):
        out.append(frame(draw(st.sampled_from([b"", b"\x03\xe8", b"\x03\xf1bye"])), 8))
    return b"".join(out)


def splits(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


def oracle(data: bytes) -> list[Taken]:
    """Return what websockets reads in these bytes."""
    protocol = ClientProtocol(parse_uri("ws://host/"), state=State.OPEN, max_size=None)
    protocol.receive_data(data)
    found, text, parts = list[Taken](), False, list[bytes]()
    for event in protocol.events_received():
        opcode, payload = event.opcode, bytes(event.data)  # type: ignore[union-attr]
        if opcode is Opcode.PING:
            found.append(Pinged(payload=payload))
        elif opcode is Opcode.CLOSE:
            found.append(Closed(code=int.from_bytes(payload[:2], "big") if payload else 1005))
        elif opcode is not Opcode.PONG:
            text = opcode is Opcode.TEXT if opcode is not Opcode.CONT else text
            parts.append(payload)
            if event.fin:  # type: ignore[union-attr]
                found.append(Message(text=text, payload=b"".join(parts), length=sum(map(len, parts))))
                parts = []
    return found


def plain(taken: Taken) -> Taken:
    return Message(text=taken.text, payload=taken.payload, length=taken.length) if isinstance(taken, Message) else taken


@given(streams(), st.lists(st.integers(0, 10**6), max_size=8))
def test_any_split_is_read_as_websockets_reads_it(data: bytes, cuts: list[int]) -> None:
    reader = Reader()
    found = [taken for part in splits(data, cuts) for taken in reader.feed(part)]
    assert [plain(taken) for taken in found] == oracle(data)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_noise_never_breaks_the_reader_and_splits_change_nothing(data: bytes, cuts: list[int]) -> None:
    whole, parted = Reader(), Reader()
    assert whole.feed(data) == [taken for part in splits(data, cuts) for taken in parted.feed(part)]
    assert whole.over == parted.over and (whole.rest is None or len(whole.rest) <= 135)


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4), st.lists(st.integers(0, 400), max_size=4))
def test_masked_frames_of_a_bad_server_are_read_in_clear(payload: bytes, mask: bytes, cuts: list[int]) -> None:
    reader = Reader()
    found = [taken for part in splits(frame(payload, mask=mask), cuts) for taken in reader.feed(part)]
    assert found == [Message(text=False, payload=payload, length=len(payload))]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xc2\x00", "reserved bits"),
        (b"\x83\x00", "reserved opcode 3"),
        (b"\x80\x00", "continuation of nothing"),
        (b"\x02\x00\x82\x00", "message inside another"),
        (b"\x09\x00", "control frame that is fragmented"),
        (b"\x89\x7e\x00\x80", "control frame that is fragmented or too long"),
        (b"\x88\x01\x03", "half a code"),
        (b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "a frame of 18446744073709551615 bytes"),
    ],
)
def test_what_is_no_frame_is_told_and_ends_the_reading(data: bytes, why: str) -> None:
    reader = Reader()
    *_, broken = reader.feed(data + frame(b"more"))
    assert isinstance(broken, Broken) and why in broken.why
    assert reader.over and reader.feed(frame(b"more")) == []


def test_memory_is_bounded_for_large_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 1000)
    reader, data = Reader(), frame(b"0123456789" * 1000)
    found = [taken for at in range(0, len(data), 700) for taken in reader.feed(data[at : at + 700])]
    assert found == [Message(text=False, payload=b"0123456789" * 100, length=10_000, header=data[:4])]
    assert reader.rest == b""
