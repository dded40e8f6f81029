"""What settings of a configuration leave possible, without being wrong by themselves."""

from msgspec import Struct

__all__ = ["Suspicion", "SuspicionFacts"]


class Suspicion(Struct, frozen=True, kw_only=True):
    """One setting that can be the cause when nothing else is. setting: id in settings.toml. weight: below 0.4. note: of the table."""

    setting: str
    cause: str
    line: int
    excerpt: str
    weight: float
    note: str


class SuspicionFacts(Struct, frozen=True, kw_only=True, tag="suspicion"):
    """The possibilities that one file leaves open, likeliest first, each cause once."""

    file: str
    suspicions: tuple[Suspicion, ...]
