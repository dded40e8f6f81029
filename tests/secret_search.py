"""Looks for secrets in what was written, in every form that somebody could turn back: encoded, escaped, split over lines, in parts."""

import base64
import binascii
import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

__all__ = ["PART", "found_in", "parts_of", "readings"]

PART = 8
"""So many characters of a secret in a row are a part of it that counts."""
_FRAME = {
    text[start : start + PART]
    for algorithm in ("HS256", "RS256")
    for text in [base64.urlsafe_b64encode(f'{{"alg": "{algorithm}", "typ": "JWT"}}'.encode()).decode()]
    for start in range(len(text) - PART + 1)
}
"""Parts of the first part of a JSON Web Token, which is shown: the others may hold the same."""
_RUN = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")


def parts_of(secrets: Iterable[str]) -> set[str]:
    """Return every run of PART characters of every secret, but those that begin a JSON in Base64 or stand between its fields."""
    found = {text[start : start + PART] for text in secrets for start in range(len(text) - PART + 1)}
    return found - _FRAME


def _unescaped(text: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text).replace("\\n", "\n").replace("\\", "")


def _unpacked(text: str) -> Iterator[str]:
    for run in _RUN.findall(text):
        packed = run.replace("-", "+").replace("_", "/").rstrip("=")
        for start in range(4):
            try:
                yield base64.b64decode(packed[start : start + (len(packed) - start) // 4 * 4]).decode("latin-1")
            except binascii.Error:
                continue


def readings(text: str) -> Iterator[str]:
    """Yield the text as it stands, and as a person or program could read it."""
    plain = html.unescape(_unescaped(text))
    yield text
    yield plain
    yield unquote(plain)
    yield re.sub(r"[\s\"'+,]+", "", plain)
    yield "\n".join(_unpacked(plain))


def found_in(text: str, parts: set[str]) -> set[str]:
    """Return the parts of secrets that stand in a text, whichever way it is read."""
    return {
        reading[start : start + PART]
        for reading in readings(text)
        for start in range(len(reading) - PART + 1)
        if reading[start : start + PART] in parts
    }
