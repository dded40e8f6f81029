"""In which order an investigation looked that stops as soon as one cause is sure."""

from msgspec import Struct

__all__ = ["InquiryFacts", "Look"]


class Look(Struct, frozen=True, kw_only=True):
    """One step that was chosen. share: part of all suspicion that it was to decide, 0..1. separates: the likeliest suspects of these.
    began_s, took_s: seconds since the inquiry began, and that the step took. first: the cause that came first afterwards, "" none."""

    step: str
    share: float
    separates: tuple[str, ...]
    began_s: float
    took_s: float
    first: str = ""


class InquiryFacts(Struct, frozen=True, kw_only=True, tag="inquiry"):
    """Why each step came when it did. sure: the cause at which it stopped; "" when nothing was left to look at, or the time was over."""

    looks: tuple[Look, ...]
    sure: str = ""
