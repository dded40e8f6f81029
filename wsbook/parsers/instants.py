"""Instants in log lines, in every usual notation. Must not know which program wrote a line."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

__all__ = ["find_age", "find_count", "find_instant", "find_seconds", "find_silence", "parse_instant", "record_instant"]

MONTHS = dict(zip(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), range(1, 13), strict=True))

ISO = re.compile(
    r"(?P<y>\d{4})[-/](?P<mo>\d\d)[-/](?P<d>\d\d)[T _](?P<h>\d\d):(?P<mi>\d\d):(?P<s>\d\d)"
    r"(?:[.,](?P<f>\d{1,9}))?\s?(?P<z>Z|[+-]\d\d:?\d\d)?"
)
CLF = re.compile(
    r"(?P<d>\d{1,2})/(?P<mon>[A-Za-z]{3})/(?P<y>\d{4})[: ](?P<h>\d\d):(?P<mi>\d\d):(?P<s>\d\d)(?:\.(?P<f>\d{1,9}))?(?: (?P<z>[+-]\d{4}))?"
)
SYSLOG = re.compile(
    r"\b(?P<mon>[A-Z][a-z]{2}) {1,2}(?P<d>\d{1,2}) (?P<h>\d\d):(?P<mi>\d\d):(?P<s>\d\d)(?:\.(?P<f>\d{1,9}))?(?: (?P<y>\d{4})\b)?"
)
CLOCK = re.compile(r"(?<![\d:.])(?P<h>[01]\d|2[0-3]):(?P<mi>[0-5]\d):(?P<s>[0-5]\d)(?:[.,](?P<f>\d{1,9}))?(?![\d:])")
EPOCH = re.compile(r'(?<![\d.\w])(?:"?(?:ts|time|t|timestamp|_time|at)"?[=:]\s?)?(?P<n>1[4-9]\d{8}(?:\d{3})?(?:\.\d{1,9})?)(?![\d\w])')
ASSUMED_YEAR = 1970
"""Year of stamps that name none: only distances between them mean anything. Clock-only stamps get 1 January of it."""
HEAD_CHARS = 400
CONTINUED = re.compile(
    r"\s|$|[+|] |(?:Traceback|Caused by|During handling of|The above exception|Exception Group Traceback)\b|\.\.\. \d+ more"
    r"|(?:[\w$]+\.)*[\w$]*(?:Error|Exception|Closed\w*|Interrupt|Exit|Timeout)(?::|$)"
)
"""A line of a traceback or stack, which belongs to the record above it."""
RECORD_LINES = 120


def _zone(text: str | None) -> timezone:
    if not text or text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    return timezone((1 if text[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes))


def _epoch(found: re.Match[str]) -> float | None:
    part = found.groupdict()
    month = int(part["mo"]) if part.get("mo") else MONTHS.get((part.get("mon") or "jan").lower(), 0)
    fraction = float(f"0.{part['f']}") if part.get("f") else 0.0
    try:
        stamp = datetime(
            int(part.get("y") or ASSUMED_YEAR),
            month,
            int(part.get("d") or 1),
            int(part["h"]),
            int(part["mi"]),
            min(int(part["s"]), 59),
            tzinfo=_zone(part.get("z")),
        )
        return stamp.timestamp() + fraction
    except (ValueError, OverflowError):
        return None


def find_instant(line: str) -> float | None:
    """Return the first instant in the head of a line as epoch seconds, None when there is none; UTC unless the line names a zone."""
    head = line[:HEAD_CHARS]
    for pattern in (ISO, CLF, SYSLOG):
        if found := pattern.search(head):
            return _epoch(found)
    if found := EPOCH.search(head):
        return parse_instant(found["n"])
    return _epoch(found) if (found := CLOCK.search(head)) else None


def record_instant(lines: Sequence[str], numbers: Sequence[int], index: int) -> float | None:
    """Return the instant of a line, or of the record that it continues, as the last line of a traceback does; None when there is none.

    numbers: of the lines, as some may have been left out.
    """
    for at in range(index, max(0, index - RECORD_LINES) - 1, -1):
        if numbers[index] - numbers[at] != index - at:
            return None
        if (time := find_instant(lines[at])) is not None or not CONTINUED.match(lines[at]):
            return time
    return None


def parse_instant(value: object) -> float | None:
    """Return a JSON value (text, seconds, milliseconds, micro- or nanoseconds since 1970) as epoch seconds, None when it is no instant."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _scaled(float(value))
    text = str(value)
    try:
        return _scaled(float(text))
    except ValueError:
        return find_instant(text)


def _scaled(number: float) -> float | None:
    """Numbers above 1e11 cannot be seconds (year 5138), above 1e14 not milliseconds."""
    if not 0 <= number < 1e20:
        return None
    for limit, divisor in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):
        if number > limit:
            return number / divisor
    return number


DURATION = re.compile(r"^\s*\+?(?P<n>\d+(?:\.\d+)?)\s*(?P<u>ns|us|µs|ms|s|m|h)?\s*$")
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def find_seconds(text: str, unit: str = "s") -> float | None:
    """Return a duration such as 1.5, 300ms, 2m as seconds, None when it is none. unit: of a bare number."""
    found = DURATION.match(text)
    return float(found["n"]) * UNITS[found["u"] or unit] if found else None


SPAN = r"(?P<n>\d{1,7}(?:\.\d{1,6})?) ?(?P<u>ms|s|sec(?:ond)?s?|m|min(?:ute)?s?|h)\b(?! ago)"
AGE = re.compile(rf"(?i)\b(?:age|lived|lifetime|uptime|up|dur|duration|open for|connected for|alive|held|took|after)[=: (]{{1,3}}{SPAN}")
SILENCE = re.compile(
    r"(?i)\b(?:last ?(?:msg|message|rx|frame|data|activity|received|seen)|idle(?: for)?|silent(?: for)?|silence)[=: ]{1,2}"
    r"(?P<n>\d{1,7}(?:\.\d{1,6})?) ?(?P<u>ms|s|sec(?:ond)?s?|m|min(?:ute)?s?|h)\b"
)


def _span(found: re.Match[str] | None) -> float | None:
    if found is None:
        return None
    unit = found["u"].lower()
    return float(found["n"]) * UNITS[unit if unit in UNITS else unit[0]]


def find_age(line: str) -> float | None:
    """Return the age in seconds that a line about an end states, such as "age=30.0s" or "after 100.3 s"; None when it states none."""
    return _span(AGE.search(line))


def find_silence(line: str) -> float | None:
    """Return how many seconds of silence a line says there were before, such as "last rx 100.1 s ago"; None when it does not say."""
    return _span(SILENCE.search(line))


COUNT = re.compile(
    r"(?i)\b(?:msgs|messages|frames(?:_?rx)?|rx|received|events)\"?[=: ]{1,2}(?P<n>\d{1,9})\b(?! ?(?:b|kb|mb|kib|bytes|s|ms)\b)"
)


def find_count(line: str) -> int:
    """Return how many messages a line says were carried, 0 when it does not say."""
    found = COUNT.search(line)
    return int(found["n"] or found["before"]) if found else 0
