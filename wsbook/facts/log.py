"""What logs, consoles and other texts hold."""

from msgspec import Struct

__all__ = ["AccessFacts", "SignatureFacts", "TextFacts"]


class SignatureFacts(Struct, frozen=True, kw_only=True, tag="signature"):
    """A text that a program is known to print, found in a log, console, or body.

    signature: id in signatures.toml. program: who printed it. count: how often. text: first occurrence, capped at 500 characters.
    captures: named parts of it. causes: (slug, weight 0..1) that it stands for; empty: it is harmless or context.
    times: instants of the occurrences in epoch seconds, first 1,000, () when the text carries none.
    """

    signature: str
    program: str
    count: int
    text: str
    causes: tuple[tuple[str, float], ...] = ()
    captures: tuple[tuple[str, str], ...] = ()
    times: tuple[float, ...] = ()


class AccessFacts(Struct, frozen=True, kw_only=True, tag="access"):
    """Access-log lines that are alike: same method, path, status, version, termination.

    program: nginx, haproxy, … upgrade: whether the request asked for an upgrade, None unknown. durations_s: first 1,000, () when
    not logged. times: epoch seconds of the ends. marked: the workbook's own probe is among them. termination: HAProxy's flags.
    """

    program: str
    method: str
    path: str
    status: int
    count: int
    http_version: str = ""
    upgrade: bool | None = None
    durations_s: tuple[float, ...] = ()
    times: tuple[float, ...] = ()
    termination: str = ""
    upstream: str = ""
    marked: bool = False
    text: str = ""


class TextFacts(Struct, frozen=True, kw_only=True, tag="text"):
    """What an artifact holds as a whole. items: parsed entries; unparsed: lines that no parser knew; program: detected, "" unknown."""

    kind: str
    program: str = ""
    size_bytes: int = 0
    items: int = 0
    unparsed: int = 0
