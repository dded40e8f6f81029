"""What frames take on the wire beside their payload. It must not know sockets, nor how an extension works."""

from collections import deque
from collections.abc import Sequence

from websockets.extensions import Extension
from websockets.frames import Frame

__all__ = ["Meter"]


class Meter(Extension):
    """Stands around the agreed extensions and counts what they leave of a frame.

    received: sizes on the wire of the frames that were parsed, in order; whoever takes a frame takes its size. sent_bytes: that of
    the last frame written.
    """

    def __init__(self, extensions: Sequence[Extension]) -> None:
        self._extensions = tuple(extensions)
        self.received: deque[int] = deque()
        self.sent_bytes = 0

    @classmethod
    def around(cls, extensions: Sequence[Extension]) -> "Meter | None":
        """Return the meter of these extensions, None when there are none."""
        return cls(extensions) if extensions else None

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Undo the extensions on a received frame, in reverse order."""
        size = len(frame.data)
        for extension in reversed(self._extensions):
            frame = extension.decode(frame, max_size=max_size)
        self.received.append(size)
        return frame

    def encode(self, frame: Frame) -> Frame:
        """Apply the extensions to a frame that is sent."""
        for extension in self._extensions:
            frame = extension.encode(frame)
        self.sent_bytes = len(frame.data)
        return frame
