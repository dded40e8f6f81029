"""Durations, sizes and verdicts in the words and marks that terminal, notebooks and report share.

Knows nothing of probes, files, or where its texts are shown; escaping is the business of whoever shows them.
"""

import re
from datetime import datetime

from wsbook.finding import Verdict

__all__ = ["MARKS", "VERDICT_MIME", "cap", "duration_text", "instant_text", "plain", "quantity", "size_text", "verdict_line"]

MARKS = {Verdict.CLEAR: "✓", Verdict.FAULT: "✗", Verdict.UNKNOWN: "?", Verdict.SKIPPED: "·", Verdict.NOT_APPLICABLE: "–"}
"""A verdict's sign; always beside its word or colour, never alone."""

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
    "|(?<=[\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\x7f])"
)
"""What steers a terminal or a text, or cannot be seen: control characters, directions, separators, halves of characters, tags. The
joiners of emoji and of Persian stay between letters that need them."""

VERDICT_MIME = "application/vnd.wsbook.verdicts+json"
"""Verdicts in a notebook's output, {"schema": "wsbook.verdicts/1", "steps": {step: {verdict, causes}}}, for programs."""


def duration_text(seconds: float | None) -> str:
    """Return a duration: µs below 1 ms, ms below 1 s, s above; a dash for None."""
    if seconds is None:
        return "—"
    if abs(seconds) < 0.0009995:  # what rounds to the next unit is told in it
        return f"{seconds * 1e6:.0f} µs"
    if abs(seconds) < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.1f} s" if abs(seconds) < 100 else f"{seconds:.0f} s"


def size_text(size_bytes: int | None) -> str:
    """Return a size in B, KiB or MiB; a dash for None."""
    if size_bytes is None:
        return "—"
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes >= scale:
            return f"{size_bytes / scale:{'.0f' if size_bytes >= 100 * scale else '.3g'}} {unit}"
    return f"{size_bytes} B"


def instant_text(instant: datetime, *, date: bool = False) -> str:
    """Return an instant of time to the millisecond, in the zone that it carries."""
    text = instant.strftime("%H:%M:%S.%f")[:-3]
    return f"{instant:%Y-%m-%d} {text}" if date else text


def quantity(count: int, noun: str, plural: str = "") -> str:
    """Return ``1 frame`` or ``3 frames``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def plain(text: str) -> str:
    """Return the text with control and direction characters made visible, so that a terminal or page cannot be steered by it."""
    return _CONTROL.sub(_escaped, text.replace("\r", ""))


def _escaped(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def cap(text: str, limit: int = 120) -> str:
    """Return the text on one line, cut to limit characters with an ellipsis."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def verdict_line(step: str, title: str, verdict: Verdict, causes: tuple[str, ...] = ()) -> str:
    """Return a verdict without any figure that changes from run to run: ``1.3 direct test  fault  net.refused``."""
    return "  ".join([f"{step} {title}", verdict.value, *causes])
