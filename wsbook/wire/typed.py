"""Messages as a person types them: text, JSON, or bytes in hexadecimal or base64. It must not know where they go."""

import base64
import binascii
import json
import re

from wsbook.errors import UsageError

__all__ = ["ENDINGS", "FORMS", "typed_message"]

FORMS = {"text": "text", "json": "JSON", "hex": "binary, hexadecimal", "base64": "binary, base64"}
"""How a message is typed → what that is called."""
ENDINGS = {"": "nothing", "\x00": "NUL (STOMP)", "\x1e": "0x1E (SignalR)", "\n": "line feed"}
"""What can be put behind a text, because no keyboard types it → what that is called."""
_BETWEEN = re.compile(r"0x|[\s:,_-]", re.IGNORECASE)


def typed_message(content: str, form: str = "text", ending: str = "") -> str | bytes:
    """Return the message that was typed: str for a text frame, bytes for a binary one.

    ending: put behind a text; binary messages have none. Hexadecimal digits may be set apart by spaces, colons, commas, dashes and 0x.

    Raises:
        UsageError: it is not of its form, with the place where it is not.
    """
    match form:
        case "text":
            return _utf8(content + ending)
        case "json":
            return _utf8(_json(content) + ending)
        case "hex":
            return _hex(content)
        case "base64":
            return _base64(content)
    raise UsageError(f"a message cannot be typed as {form[:40]!r}; the forms are {', '.join(FORMS)}")


def _utf8(text: str) -> str:
    """Return a text that UTF-8 can carry; half of a surrogate pair cannot be sent (RFC 3629 section 3)."""
    wrong = re.search(r"[\ud800-\udfff]", text)
    if wrong:
        raise UsageError(f"character {wrong.start() + 1} is half of a surrogate pair, which a text frame cannot carry")
    return text


def _json(content: str) -> str:
    """Return a JSON text as it was typed (RFC 8259)."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        json.loads(content, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise UsageError(f"not valid JSON: {error.msg.lower()} at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not valid JSON: {str(error)[:100]}") from error
    return content


def _hex(content: str) -> bytes:
    digits = _BETWEEN.sub("", content)
    wrong = re.search(r"[^0-9a-fA-F]", digits)
    if wrong:
        raise UsageError(f"{wrong[0]!r} is no hexadecimal digit")
    if len(digits) % 2:
        raise UsageError(f"{len(digits)} hexadecimal digits are not whole bytes; two digits make one byte")
    return bytes.fromhex(digits)


def _base64(content: str) -> bytes:
    """Return the bytes of a base64 text, of either alphabet (RFC 4648 sections 4 and 5), with or without padding."""
    packed = re.sub(r"\s", "", content).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"not valid base64: {str(error)[:100].lower()}") from error
