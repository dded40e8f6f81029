"""Known default limits of message size: reads limits.toml once. It must not know what was measured, nor of whom."""

from functools import cache

from msgspec import Struct, convert

from wsbook.datafile import read_table

__all__ = ["MessageLimit", "limits_between", "message_limits"]


class MessageLimit(Struct, frozen=True, kw_only=True):
    """One product's default. counts: message, frame or buffer. setting: what raises it. source: where it is documented."""

    product: str
    bytes: int
    counts: str
    setting: str
    source: str


@cache
def message_limits() -> tuple[MessageLimit, ...]:
    """Return every known limit, smallest first."""
    table = read_table("wire/limits.toml")
    return tuple(sorted(convert(table["limit"], tuple[MessageLimit, ...]), key=lambda limit: limit.bytes))


def limits_between(accepted_bytes: int, refused_bytes: int) -> tuple[MessageLimit, ...]:
    """Return the limits that explain that one size was taken and another refused: a message as large as the limit is taken, or just not.

    accepted_bytes, refused_bytes: between which the peer's limit lies.
    """
    return tuple(limit for limit in message_limits() if accepted_bytes <= limit.bytes <= refused_bytes)
