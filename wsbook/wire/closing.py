"""Close codes that an endpoint may send, and how they are written (RFC 6455 section 7.4). It must not know why a socket ends."""

from websockets.frames import CLOSE_CODE_EXPLANATIONS, EXTERNAL_CLOSE_CODES

from wsbook.errors import UsageError

__all__ = ["REASON_BYTES", "check_close", "close_words"]

REASON_BYTES = 123
"""A control frame carries 125 bytes, of which the code takes two (RFC 6455 section 5.5)."""
_NEVER_SENT = {
    1004: "is reserved",
    1005: "stands for a close frame without a code",
    1006: "stands for a connection that went without a close frame",
    1015: "stands for a TLS handshake that failed",
}
"""RFC 6455 section 7.4.1: what a program is told, and no frame carries."""


def close_words(code: int | None) -> str:
    """Return what a close code means in a few words; "" for one whose meaning is the application's."""
    if code is None:
        return "no close frame"
    if code in _NEVER_SENT:
        return _NEVER_SENT[code]
    words: str = CLOSE_CODE_EXPLANATIONS.get(code, "")
    return "normal closure" if code == 1000 else words


def check_close(code: int, reason: str = "") -> None:
    """Refuse a code or reason that no endpoint may send.

    Raises:
        UsageError: with the sentence why.
    """
    if code in _NEVER_SENT:
        raise UsageError(f"{code} {_NEVER_SENT[code]} and is never sent (RFC 6455 section 7.4.1)")
    if not (code in EXTERNAL_CLOSE_CODES or 3000 <= code <= 4999):
        raise UsageError(f"{code} may not be sent: 1000 to 1014 are the protocol's, 3000 to 4999 the application's (RFC 6455 section 7.4)")
    size = len(reason.encode("utf-8", "replace"))
    if size > REASON_BYTES:
        raise UsageError(f"the reason has {size} bytes in UTF-8; a close frame carries at most {REASON_BYTES} (RFC 6455 section 5.5)")
