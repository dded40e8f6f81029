"""What a page does when its socket is cut behind a relay."""

from collections.abc import Iterable

from msgspec import Struct

__all__ = ["OURS", "OutageFacts", "Redial", "delays", "is_final"]

OURS = ", published here"
"""Follows the kind of a message that we published ourselves."""


def is_final(answer: str, close_code: int | None) -> bool:
    """Tell whether a page was told that another attempt makes no sense (RFC 6455 section 7.4: 1008; 4000 to 4999 are the application's)."""
    return answer in ("401", "403", "404") or close_code in (1000, 1008) or 4000 <= (close_code or 0) <= 4999


class Redial(Struct, frozen=True, kw_only=True):
    """One attempt of the page to connect again. at_s: after the loss, in seconds. fate: opened, refused, answered, unanswered.

    status: of an answer other than 101, None otherwise. ended_s: when the attempt had failed, None when it opened or was still waiting.
    """

    at_s: float
    fate: str
    status: int | None = None
    ended_s: float | None = None


class OutageFacts(Struct, frozen=True, kw_only=True, tag="outage"):
    """One interruption of a page's socket, and what the page did. Times are seconds after the loss; None: not within watched_s.

    way: how it was lost: close (with close_code), rst, fin, stall (no byte passes any more). answer: what new attempts got while it
    lasted: open (a connection is possible again at once), refuse (RST), stall, an HTTP status such as "503", or dismiss (the upgrade is
    accepted, and the socket closed at once with close_code). lasted_s: for so long.
    url: of the socket, without its query. stood_in: the endpoint had refused the page, and a silent server of ours took its sockets.
    number: which interruption of this loaded page it was, from 1.
    noticed_s: when the page knew, by its close event or by another attempt. redials: in order, those after recovery too.
    reopened_s: when a connection opened again. reloaded: the page loaded itself again.
    pending_s: when the page's timers that had not fired since the loss would have, counted from the end of watched_s; None when they
    cannot be known, such as those of a worker. leapt_s: how far the page's clock was put forward after watched_s, with every timer firing
    at its time; None when that was not tried. early_s: when, by that clock, the page dialled or gave its socket up.
    said_before, said_after: what the page sent first on the old and on the new connection, with what varies replaced by {…}.
    heard_before, heard_after: kinds of messages that came on them within listened_s, with how often. runs_before, runs_after: how many
    handlers a message was given to on average, None when none came. repeated: functions that ran once for each message before and more
    often after, with those two numbers. open_before, open_sockets: the page's sockets to this URL at the loss and at the end; of several
    URLs the one with most.
    published, missed: sequence numbers published while it was lost, and those of them that the page never got; () when nothing could be
    published. control_before, control_after: whether the page got what was published then, None when nothing could be.
    errors: what the console said meanwhile.
    """

    way: str
    answer: str
    lasted_s: float
    watched_s: float
    url: str = ""
    stood_in: bool = False
    number: int = 1
    close_code: int | None = None
    noticed_s: float | None = None
    redials: tuple[Redial, ...] = ()
    reopened_s: float | None = None
    reloaded: bool = False
    pending_s: tuple[float, ...] | None = None
    leapt_s: float | None = None
    early_s: float | None = None
    listened_s: float = 0.0
    said_before: tuple[str, ...] = ()
    said_after: tuple[str, ...] = ()
    heard_before: tuple[tuple[str, int], ...] = ()
    heard_after: tuple[tuple[str, int], ...] = ()
    runs_before: float | None = None
    runs_after: float | None = None
    repeated: tuple[tuple[str, float, float], ...] = ()
    open_before: int = 0
    open_sockets: int = 0
    published: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()
    control_before: bool | None = None
    control_after: bool | None = None
    errors: tuple[str, ...] = ()

    @property
    def connected(self) -> bool:
        """Whether the page has a connection again, if need be by its clock put forward, so that it can be compared with the old one."""
        return self.reopened_s is not None or (self.early_s is not None and self.way != "stall" and self.open_sockets > 0)


def delays(redials: Iterable[Redial]) -> tuple[float, ...]:
    """Return the pause before each attempt: from the loss before the first, then from the end of the one before; at least 0."""
    found, free_s = [], 0.0
    for redial in redials:
        found.append(max(0.0, redial.at_s - free_s))
        free_s = redial.ended_s if redial.ended_s is not None else redial.at_s
    return tuple(found)
