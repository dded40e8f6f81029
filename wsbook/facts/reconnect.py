"""What a page does when its socket is cut behind a relay."""

from msgspec import Struct

__all__ = ["OutageFacts", "Redial"]


class Redial(Struct, frozen=True, kw_only=True):
    """One attempt of the page to connect again. at_s: after the loss, in seconds. fate: opened, refused, answered, unanswered.

    status: of an answer other than 101, None otherwise.
    """

    at_s: float
    fate: str
    status: int | None = None


class OutageFacts(Struct, frozen=True, kw_only=True, tag="outage"):
    """One interruption of a page's socket, and what the page did. Times are seconds after the loss; None: not within watched_s.

    way: how it was lost: close (with close_code), rst, fin, stall (no byte passes any more). answer: what new attempts got while it
    lasted: open (a connection is possible again at once), refuse (RST), stall, or an HTTP status such as "503". lasted_s: for so long.
    noticed_s: when the page knew, by its close event or by another attempt. redials: in order, those after recovery too.
    reopened_s: when a connection opened again. hidden: whether the page was hidden meanwhile.
    said_before, said_after: what the page sent first on the old and on the new connection, with what varies replaced by {…}.
    heard_before, heard_after: kinds of messages that came on them, with how often. runs_before, runs_after: how many handler runs a
    message caused on average, None when none came. open_sockets: of the page at the end, to this endpoint. published, missed: sequence
    numbers published while it was lost, and those of them that the page never got; () when nothing could be published.
    errors: what the console said meanwhile.
    """

    way: str
    answer: str
    lasted_s: float
    watched_s: float
    close_code: int | None = None
    noticed_s: float | None = None
    redials: tuple[Redial, ...] = ()
    reopened_s: float | None = None
    hidden: bool = False
    said_before: tuple[str, ...] = ()
    said_after: tuple[str, ...] = ()
    heard_before: tuple[tuple[str, int], ...] = ()
    heard_after: tuple[tuple[str, int], ...] = ()
    runs_before: float | None = None
    runs_after: float | None = None
    open_sockets: int = 0
    published: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()
    errors: tuple[str, ...] = ()
