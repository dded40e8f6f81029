"""What an open socket carries when it is asked on purpose: odd frames, large messages, compression."""

from msgspec import Struct

__all__ = ["CompressionFacts", "FrameTrial", "FramingFacts", "SizeFacts", "SizeTrial", "Stream"]


class FrameTrial(Struct, frozen=True, kw_only=True):
    """One unusual but legal thing that was done to the peer, and whether it coped.

    section: of RFC 6455. must: the section demands it (MUST), else it only recommends or allows it. ok: None when the peer said
    nothing from which it could be told. ended: the connection ended by it.
    """

    name: str
    section: str
    must: bool
    ok: bool | None
    detail: str = ""
    rtt_s: float | None = None
    ended: bool = False


class FramingFacts(Struct, frozen=True, kw_only=True, tag="framing"):
    """How a peer takes fragments, control frames and endings. ended_by: the trial after which no more messages were sent, "" none."""

    url: str
    trials: tuple[FrameTrial, ...] = ()
    ended_by: str = ""


class SizeTrial(Struct, frozen=True, kw_only=True):
    """One message of a size. how: echo or pong (accepted), close, rst, fin, silence (refused)."""

    size_bytes: int
    accepted: bool
    how: str
    rtt_s: float | None = None


class SizeFacts(Struct, frozen=True, kw_only=True, tag="size"):
    """The largest text message that a peer takes, in one frame and without extensions.

    accepted_bytes: the largest that was taken, 0 none. refused_bytes: the smallest that was refused, None when none was.
    limit_bytes: where the search was to stop. how, close_code, close_reason: how the smallest one was refused.
    complete: False when time ran out before the limit was known to within 1 KiB.
    """

    url: str
    accepted_bytes: int
    limit_bytes: int
    refused_bytes: int | None = None
    how: str = ""
    close_code: int | None = None
    close_reason: str = ""
    complete: bool = True
    trials: tuple[SizeTrial, ...] = ()


class Stream(Struct, frozen=True, kw_only=True):
    """What one socket carried. agreed: the extensions in the answer, as they stand there. answered: texts of ours that something came
    back for. Sizes of data frames: payload as the application sees it, and as it travelled. ended to error_text: as in SessionFacts."""

    agreed: str = ""
    answered: int = 0
    sent_bytes: int = 0
    sent_wire_bytes: int = 0
    received: int = 0
    received_bytes: int = 0
    received_wire_bytes: int = 0
    ended: str = "open"
    closed_by: str = ""
    close_code: int | None = None
    error_text: str = ""


class CompressionFacts(Struct, frozen=True, kw_only=True, tag="compression"):
    """The same texts over two sockets, one that offers permessage-deflate (RFC 7692) and one that offers nothing.

    plain: None when that socket did not open. Window bits: None when the answer does not name them, which means 15.
    """

    url: str
    offered: str
    compressed: Stream
    plain: Stream | None = None
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None
    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
