"""The life of an open socket, and what it carries."""

from msgspec import Struct

__all__ = ["EchoFacts", "EchoTrial", "Frame", "SessionFacts"]


class Frame(Struct, frozen=True, kw_only=True):
    """One frame or message; at_s counts from the upgrade's answer. direction: sent or received, seen from the client.

    size_bytes: of the payload as the application sees it. wire_bytes: of the payload as it travelled, None when that was not seen.
    """

    at_s: float
    direction: str
    opcode: int
    size_bytes: int
    text: str = ""
    wire_bytes: int | None = None


class SessionFacts(Struct, frozen=True, kw_only=True, tag="session"):
    """The life of one open socket.

    frames: the first 2,000; frame_count counts all. ended: close (closing handshake), fin, rst, silence, open (still open when
    we stopped looking), unknown. closed_by: peer, us, or "" when unknown. close_code: None when no close frame was seen.
    age_s: from 101 to the end, None unknown. idle_s: silence before the end, None unknown. ended_at: epoch seconds, and marks: those of
    our own probe that the connection's request carried (signs.py), both as a log tells them; None and () when it does not.
    """

    url: str
    frames: tuple[Frame, ...] = ()
    frame_count: int = 0
    ended: str = "unknown"
    closed_by: str = ""
    close_code: int | None = None
    close_reason: str = ""
    age_s: float | None = None
    idle_s: float | None = None
    error_text: str = ""
    ended_at: float | None = None
    marks: tuple[str, ...] = ()


class EchoTrial(Struct, frozen=True, kw_only=True):
    """One message sent and what came back. kind: text, binary, emoji, combining, json, empty.

    sent_wire_bytes, received_wire_bytes: the payload as it travelled, None when not seen.
    """

    kind: str
    size_bytes: int
    ok: bool
    rtt_s: float | None = None
    detail: str = ""
    sent_wire_bytes: int | None = None
    received_wire_bytes: int | None = None


class EchoFacts(Struct, frozen=True, kw_only=True, tag="echo"):
    """Whether an endpoint echoes, and whether unharmed. echoes: None when nothing came back, so nothing is known.

    ping_rtts_s: RFC 6455 ping to pong, one per answered ping; pings_sent counts all. close_code: code of the peer's close
    frame answering ours (1000), None when it did not answer. close_s: time until then.
    """

    url: str
    echoes: bool | None
    trials: tuple[EchoTrial, ...] = ()
    pings_sent: int = 0
    ping_rtts_s: tuple[float, ...] = ()
    close_code: int | None = None
    close_s: float | None = None
