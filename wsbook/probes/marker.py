"""Marked messages: a text that nobody else sends, so that it can be found again anywhere on its way.

This module must not know how a message travels. browser_page.js knows the same form.
"""

import re
import secrets

__all__ = ["MARKER", "find_markers", "insert_marker", "marker", "run_marker"]

MARKER = re.compile(r"wsbook-[0-9a-f]{8,32}(?:-[0-9]{1,6})?")


def run_marker() -> str:
    """Return a marker for one run; 48 random bits."""
    return f"wsbook-{secrets.token_hex(6)}"


def marker(run: str, sequence: int) -> str:
    """Return the marker of one message of a run."""
    return f"{run}-{sequence}"


def insert_marker(text: str, mark: str) -> str:
    """Return the text with every ``{marker}`` replaced; other braces stay, so that JSON can be written plainly."""
    return text.replace("{marker}", mark)


def find_markers(data: str | bytes, run: str) -> list[int]:
    """Return the sequence numbers of the run's markers in a message, in order, repeated ones once.

    Bytes are read as Latin-1, because a marker is ASCII in every encoding that a socket carries. Looks at the first 1 MiB.
    """
    text = data[:1_048_576] if isinstance(data, str) else data[:1_048_576].decode("latin-1")
    return list(dict.fromkeys(int(found) for found in re.findall(re.escape(run) + r"-([0-9]{1,6})(?![0-9])", text)))
