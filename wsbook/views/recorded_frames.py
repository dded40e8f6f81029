"""The frames of recorded sockets as a widget: the table and the picture of frames.js, filled with what a step saw.

Rows travel by messages and not by synced traits, so that no notebook keeps them in its widget state.
"""

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any

import anywidget
from msgspec import Struct

from wsbook.facts import Frame, SessionFacts
from wsbook.observation import Observation
from wsbook.views.modules import css, esm
from wsbook.views.tables import rows_of
from wsbook.words import cap, duration_text, quantity

__all__ = ["RecordedFrames", "RecordedSocket", "frame_row", "sockets_of"]

_MOST = 50
_BINARY = 2


class RecordedSocket(Struct, frozen=True, kw_only=True):
    """One socket as it is chosen and told: its name, how it lived, its frames. Texts are printable."""

    name: str
    about: str
    facts: SessionFacts


def _payload(one: Frame) -> tuple[str, bool]:
    """Return the payload as text, or in hexadecimal and True: recordings keep binary messages in Base64."""
    if one.opcode != _BINARY or not one.text:
        return one.text, False
    try:
        return base64.b64decode(one.text[: len(one.text) // 4 * 4], validate=True).hex(), True
    except binascii.Error:
        return one.text, False


def frame_row(number: int, one: Frame) -> dict[str, Any]:
    """Return a frame as frames.js takes it. number: from 1."""
    text, is_hex = _payload(one)
    kept_bytes = len(text) // 2 if is_hex else max(len(text.encode("utf-8", "replace")), len(json.dumps(text)) - 2)  # as a HAR counts
    return {
        "n": number,
        "at_s": round(one.at_s, 6),
        "direction": "sent" if one.direction.startswith("s") else "received",
        "opcode": one.opcode,
        "size": one.size_bytes,
        "text": text,
        "cut": bool(text) and not is_hex and kept_bytes < one.size_bytes,
        "hex": is_hex,
        "wire": one.wire_bytes,
    }


def _ending(facts: SessionFacts) -> str:
    code = f" with {facts.close_code}" if facts.close_code is not None else ""
    reason = f" ({cap(facts.close_reason, 80)})" if facts.close_reason else ""
    return f"{facts.ended}{code}{f' by {facts.closed_by}' if facts.closed_by else ''}{reason}"


def _about(facts: SessionFacts) -> str:
    parts = [cap(facts.url, 200), f"ended: {_ending(facts)}"]
    if facts.age_s is not None:
        parts.append(f"{duration_text(facts.age_s)} after the upgrade")
    if facts.idle_s is not None:
        parts.append(f"silent for {duration_text(facts.idle_s)} before")
    if facts.error_text:
        parts.append(cap(facts.error_text, 160))
    if facts.frame_count > len(facts.frames):
        parts.append(f"the first {len(facts.frames):,} of {quantity(facts.frame_count, 'frame')} are kept")
    return "; ".join(parts)


def _name(seen: Observation, facts: SessionFacts) -> str:
    return f"{cap(facts.url, 70)}, {quantity(facts.frame_count, 'frame')}, {cap(facts.ended, 20)}, {cap(seen.source.where, 60)}"


def sockets_of(observations: Iterable[Observation]) -> list[RecordedSocket]:
    """Return the sockets whose frames were kept, the busiest first, at most 50."""
    found = [(seen, facts) for seen, facts in rows_of(observations, SessionFacts) if facts.frames]
    found.sort(key=lambda one: -one[1].frame_count)
    return [
        RecordedSocket(name=f"{number} {_name(seen, facts)}", about=_about(facts), facts=facts)
        for number, (seen, facts) in enumerate(found[:_MOST], start=1)
    ]


def _end_of(facts: SessionFacts) -> dict[str, Any] | None:
    """Return when and how a socket ended, where none of its frames says it."""
    if facts.age_s is None or facts.ended == "open" or any(one.opcode == 8 for one in facts.frames):
        return None
    how = "end" if facts.ended == "unknown" else facts.ended
    return {"at_s": facts.age_s, "words": " ".join(filter(None, (how, str(facts.close_code or ""))))}


class RecordedFrames(anywidget.AnyWidget):
    """Sockets to choose from and the frames of the chosen one."""

    _esm = esm("recorded_frames.js")
    _css = css("frames.css")

    def __init__(self) -> None:
        super().__init__()
        self._sockets: list[RecordedSocket] = []
        self.on_msg(self._answer)

    def take(self, sockets: list[RecordedSocket]) -> None:
        """Hold other sockets; a view that begins later shows them."""
        self._sockets = sockets

    def _answer(self, _: Any, content: Any, buffers: Any) -> None:
        if not isinstance(content, dict) or content.get("kind") != "ask" or not self._sockets:
            return
        asked = content.get("socket")
        chosen = asked if isinstance(asked, int) and 0 <= asked < len(self._sockets) else 0
        self.send(self.socket(chosen) | {"view": str(content.get("view"))[:80]})

    def socket(self, chosen: int) -> dict[str, Any]:
        """Return what a view shows of one socket."""
        one = self._sockets[chosen]
        return {
            "kind": "socket",
            "names": [socket.name for socket in self._sockets],
            "socket": chosen,
            "about": one.about,
            "rows": [frame_row(number, frame) for number, frame in enumerate(one.facts.frames, start=1)],
            "end": _end_of(one.facts),
        }
