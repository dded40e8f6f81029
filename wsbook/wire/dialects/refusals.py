"""What a refusal of a dialect means: reads refusals.toml once. It must not know how the refusal was seen."""

import re
from functools import cache

from msgspec import Struct, convert

from wsbook.datafile import read_table

__all__ = ["Refusal", "explain", "refusals"]

_SEARCHED = 2_000


class Refusal(Struct, frozen=True, kw_only=True):
    """One way to refuse. code, status, body: what must fit, None or "" for anything. causes: (slug, how sure)."""

    id: str
    dialect: str
    means: str
    causes: tuple[tuple[str, float], ...]
    source: str
    code: int | None = None
    status: int | None = None
    body: str = ""

    def fits(self, code: int | None, status: int | None, body: str) -> bool:
        """Tell whether everything that is given of this refusal fits what was seen."""
        return (
            self.code in (None, code)
            and self.status in (None, status)
            and (not self.body or re.search(self.body, body[:_SEARCHED], re.IGNORECASE) is not None)
        )


@cache
def refusals() -> dict[str, Refusal]:
    """Return every refusal by its id, in the order in which they are tried."""
    table = read_table("wire/dialects/refusals.toml")
    return {one.id: one for one in convert(table["refusal"], tuple[Refusal, ...])}


def explain(dialect: str, *, code: int | None = None, status: int | None = None, body: str = "") -> Refusal | None:
    """Return the first refusal of the dialect that fits a code, an HTTP status and what was said; None when none does."""
    return next((one for one in refusals().values() if one.dialect == dialect and one.fits(code, status, body)), None)
