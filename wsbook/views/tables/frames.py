"""Data frames from rows: texts printable, columns fixed. The only thing this module knows of pandas is the frame."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from wsbook.facts import (
    Facts,
)
from wsbook.observation import Observation
from wsbook.words import plain

__all__ = ["frame", "milliseconds", "rows_of"]


def frame(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows as a frame with exactly these columns; texts made printable."""
    cells = [[plain(value) if isinstance(value := row.get(name), str) else value for name in columns] for row in rows]
    return pd.DataFrame(cells, columns=list(columns))


def rows_of(observations: Iterable[Observation], kind: type[Facts]) -> list[tuple[Observation, Any]]:
    """Return (observation, facts) of one type of facts, in order."""
    return [(seen, seen.facts) for seen in observations if isinstance(seen.facts, kind)]


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
