"""A frame as it is kept: what it was and the beginning of what it said. It must not know where frames come from."""

from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode

from wsbook.facts import Frame

__all__ = ["kept_frame"]

_PREVIEW = 200


def kept_frame(direction: str, frame: WireFrame, at_s: float, wire_bytes: int, *, is_text: bool) -> Frame:
    """Return a frame's facts. is_text: it carries text, or a part of one; of a close frame the code and reason are kept."""
    data = bytes(frame.data[: 4 * _PREVIEW])
    text = data.decode("utf-8", "replace") if is_text else ""
    if frame.opcode is Opcode.CLOSE and len(data) >= 2:
        text = f"{int.from_bytes(data[:2], 'big')} {data[2:].decode('utf-8', 'replace')}".strip()
    return Frame(
        at_s=at_s,
        direction=direction,
        opcode=int(frame.opcode),
        size_bytes=len(frame.data),
        text=text[:_PREVIEW],
        wire_bytes=wire_bytes,
    )
