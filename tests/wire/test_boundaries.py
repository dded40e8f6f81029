"""Frame boundaries are found whatever the pieces are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from wsbook.wire.boundaries import Boundaries, close_frame

SIZES = st.sampled_from([0, 1, 125, 126, 127, 300, 65535, 65536])


def frame(size: int, masked: bool) -> bytes:
    return Frame(Opcode.BINARY, b"\x88" * size).serialize(mask=masked)


@settings(deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=3), st.booleans(), st.sampled_from([1, 7, 999, 5000]), st.integers(0, 200_000))
def test_a_frame_is_taken_to_its_end_and_no_further(sizes: list[int], masked: bool, step: int, cut: int) -> None:
    frames = [frame(size, masked) for size in sizes]
    stream, ends, at = b"".join(frames), {0}, 0
    for one in frames:
        at += len(one)
        ends.add(at)
    cut = min(cut, len(stream), 2_000 * step)
    followed = Boundaries()
    for start in range(0, cut, step):
        followed.pass_all(stream[start : min(cut, start + step)])
    assert followed.at_boundary == (cut in ends)
    assert cut + followed.to_boundary(stream[cut:]) == min(end for end in ends if end >= cut)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "going away"), (4401, "x" * 200)])
def test_a_close_frame_is_what_a_server_sends(code: int, reason: str) -> None:
    data = close_frame(code, reason)
    assert data[0] == 0x88 and data[1] == len(data) - 2 <= 125
    assert int.from_bytes(data[2:4], "big") == code and data[4:].decode() == reason[:123]
