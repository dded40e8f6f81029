"""Which interruptions a page is put through: values only, in the order of what they tell."""

from msgspec import Struct
from msgspec.structs import replace

__all__ = ["Outage", "lanes"]


Lanes = tuple[tuple["Outage", ...], ...]
"""What each of some browsers side by side does, one after the other."""


class Outage(Struct, frozen=True, kw_only=True):
    """One interruption: how the socket is lost, what new attempts get, for how long at most, and how long a return is waited for.

    way, answer: as in OutageFacts. listen_s: how long is listened before and after. publishes: whether something is published before,
    meanwhile and after, where that is possible.
    """

    way: str
    answer: str
    most_s: float
    back_s: float
    listen_s: float = 1.2
    close_code: int | None = None
    publishes: bool = False

    @property
    def shown(self) -> str:
        """The interruption in words."""
        lost = {"rst": "reset", "fin": "ended without a close frame", "stall": "stalled"}.get(self.way, f"closed with {self.close_code}")
        meanwhile = {"open": "", "refuse": ", new ones refused", "stall": ", new ones stalled", "dismiss": " each time"}.get(
            self.answer, f", new ones answered {self.answer}"
        )
        return f"the socket {lost}{meanwhile}"


_REFUSED = Outage(way="rst", answer="refuse", most_s=5.5, back_s=4.0, publishes=True)
_GONE = Outage(way="close", answer="open", close_code=1001, most_s=4.0, back_s=0.0)
_STALLED = Outage(way="stall", answer="open", most_s=4.0, back_s=0.0)
_FORBIDDEN = Outage(way="rst", answer="403", most_s=4.0, back_s=2.0)
_BUSY = Outage(way="fin", answer="503", most_s=5.0, back_s=4.0)
_DISMISSED = Outage(way="close", answer="dismiss", close_code=1008, most_s=6.0, back_s=2.0)


def lanes(budget: str, *, burden: bool = True) -> tuple[Lanes, Lanes]:
    """Return what browsers side by side do to the page within a budget: at first, and when silence has been measured.

    What publishes breaks the silence of step 3.4: it comes in the second part, or in a quick run, which cannot wait, at the very first.
    burden: whether the server may get a connection for each of the page's attempts; else none reaches it while
    the page is kept away.
    """
    if budget == "quick":
        return ((_REFUSED,), (_GONE, _STALLED)), ()
    factor = 2.0 if budget == "standard" else 5.0
    refused, forbidden, busy = (
        replace(one, most_s=one.most_s * factor, back_s=one.back_s * factor, listen_s=2.4) for one in (_REFUSED, _FORBIDDEN, _BUSY)
    )
    stalled = replace(_STALLED, most_s=20.0 if budget == "standard" else 70.0, listen_s=2.4)
    return ((_GONE, *((_DISMISSED,) if burden else ()), busy), (stalled, forbidden)), ((refused,),)
