"""Where one frame ends and the next begins in a stream of WebSocket bytes (RFC 6455 section 5.2), whatever the pieces it comes in."""

__all__ = ["Boundaries", "close_frame"]


class Boundaries:
    """Follows one direction of a socket without keeping its payload. ``at_boundary``: no frame is begun and unfinished."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    @property
    def at_boundary(self) -> bool:
        """Whether another frame may be put in here."""
        return not self._head and not self._left

    def to_boundary(self, data: bytes) -> int:
        """Return how many of these bytes belong to the frame that is begun; all are taken up to there."""
        taken = self._take(data) if not self.at_boundary else 0
        while taken < len(data) and not self.at_boundary:
            taken += self._take(data[taken:])
        return taken

    def pass_all(self, data: bytes) -> None:
        """Take all of these bytes."""
        taken = 0
        while taken < len(data):
            taken += self._take(data[taken:])

    def _take(self, data: bytes) -> int:
        """Take some bytes, one at least: of the payload that is due, or of the next header."""
        if self._left:
            taken = min(self._left, len(data))
            self._left -= taken
            return taken
        wanted = _header_bytes(self._head + data[:2])
        taken = min(wanted - len(self._head), len(data))
        self._head += data[:taken]
        if len(self._head) == _header_bytes(self._head) and len(self._head) >= 2:
            self._left, self._head = _payload_bytes(self._head), b""
        return taken


def _header_bytes(start: bytes) -> int:
    """Return the size of a header of which the beginning is known."""
    if len(start) < 2:
        return 2
    return 2 + {126: 2, 127: 8}.get(start[1] & 0x7F, 0) + (4 if start[1] & 0x80 else 0)


def _payload_bytes(header: bytes) -> int:
    short = header[1] & 0x7F
    size = {126: 2, 127: 8}.get(short, 0)
    return int.from_bytes(header[2 : 2 + size], "big") if size else short


def close_frame(code: int, reason: str = "") -> bytes:
    """Return an unmasked close frame, as a server sends it; the reason is cut to what a control frame holds (section 5.5)."""
    payload = code.to_bytes(2, "big") + reason.encode()[:123]
    return bytes((0x88, len(payload))) + payload
