"""What tools and browsers say when a connection got no answer. Must not judge it; the words stand in failures.toml."""

import re
from functools import cache

from wsbook.datafile import read_table
from wsbook.observation import Failure, Reason

__all__ = ["find_failure"]


@cache
def _table() -> tuple[tuple[re.Pattern[str], str, Reason], ...]:
    table = read_table("parsers/failures.toml")
    return tuple((re.compile(row["regex"]), row["stage"], Reason(row["reason"])) for row in table["failure"])


def find_failure(text: str) -> Failure | None:
    """Return the failure that a text tells of, with the line that says so; None when it tells of none."""
    for pattern, stage, reason in _table():
        if found := pattern.search(text):
            line = text[text.rfind("\n", 0, found.start()) + 1 :].split("\n", 1)[0].strip(" *")
            return Failure(stage=stage, reason=reason, message=line[:300] or reason.value)
    return None
