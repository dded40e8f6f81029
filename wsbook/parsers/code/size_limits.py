"""Limits on the size of a message against sizes that the same code expects: what is allowed by one line never gets past another."""

import re
from collections.abc import Iterator

from wsbook.facts import PatternFacts
from wsbook.parsers.code.source_files import Code
from wsbook.parsers.pattern_table import entry, pattern_found

__all__ = ["size_patterns"]

_PRODUCT = r"(?:\d[\d_]*(?:e\d+)?(?:\s*(?:\*|<<)\s*\d[\d_]*)*)"
_VALUE = rf"({_PRODUCT}|[A-Za-z_][\w.]{{1,60}})"
_LIMITS = re.compile(
    r"\b(?:maxPayload(?:Length)?|maxHttpBufferSize|max_http_buffer_size|max_size|max_msg_size|websocket_max_message_size|ws_max_size"
    rf"|MaximumReceiveMessageSize|max_message_size)\s*[:=]\s*{_VALUE}"
    rf"|\.(?:SetReadLimit|setMax(?:Text|Binary)MessageBufferSize|setReadLimit|setMaxFrameSize|setMessageSizeLimit)\(\s*{_VALUE}\s*\)"
)
_WHAT = (
    r"(?:\w*(?i:data|msg|message|raw|payload|body|buf|frame|text|content|photo|image|file|blob|chunk|bytes|upload|attachment|doc"
    r"|json)\w*|m|b)"
)
_EXPECTED = re.compile(
    rf"\b{_WHAT}\.(?:length|byteLength|size\(\)|remaining\(\)|length\(\)|getPayloadLength\(\)|Length)\s*>=?\s*{_VALUE}"
    rf"|\blen\(\s*{_WHAT}(?:\.\w+)?\s*\)\s*>=?\s*{_VALUE}"
)
_MEMBERS = 200
_BEFORE = 800
_BY_SOCKET = re.compile(r"(?i)message|\bws\b|socket|\brecv|receive|async for|onText|onBinary|\.on\(")
_BY_REQUEST = re.compile(r"\b(?:req|request)\.(?:on|body|file|data|pipe)\b|\bmulter|\.(?:post|put)\(|r\.Body|UploadFile|MultipartFile")


def size_patterns(code: Code, text: str) -> Iterator[PatternFacts]:
    """Yield a limit below a size that the code itself takes as allowed. text: the code without comments."""
    limits = [(m, size) for m in _LIMITS.finditer(text) if (size := _size(text, m)) is not None]
    if not limits:
        return
    compared = [m for m in list(_EXPECTED.finditer(text))[:_MEMBERS] if _is_of_a_message(text[max(0, m.start() - _BEFORE) : m.start()])]
    expected = [size for m in compared if (size := _size(text, m)) is not None]
    for match, limit in limits:
        if limit > 0 and any(size > limit for size in expected):
            yield pattern_found(
                entry("send.limit-below-what-is-expected"), code.artifact, text.count("\n", 0, match.start()) + code.line, match[0]
            )
            return


def _is_of_a_message(before: str) -> bool:
    """Tell whether what is compared came by a socket, and not as the body of a request."""
    socket, request = (max((m.start() for m in words.finditer(before)), default=-1) for words in (_BY_SOCKET, _BY_REQUEST))
    return socket > request


def _size(text: str, match: "re.Match[str]") -> int | None:
    """Return the size that an expression stands for, in bytes; None when it is no product of numbers."""
    written = next(filter(None, match.groups()), "")
    if written and not written[0].isdigit():
        name = re.escape(written.rpartition(".")[2])
        found = re.search(
            rf"\b{name}\b[^=:\n]{{0,30}}(?::\s*[\w.]+\s*)?(?::?=|:)\s*({_PRODUCT})\s*[;,)}}\]lL]?\s*(?:$|\n|//|#|,|\}})", text
        )
        written = found[1] if found else ""
    return _product(written) if written else None


def _product(written: str) -> int | None:
    total = 1
    parts = re.split(r"(\*|<<)", written.replace("_", "").replace(" ", ""))
    for operator, part in zip(["*", *parts[1::2]], parts[::2], strict=True):
        number = int(float(part)) if part and len(part) < 20 else 0
        if operator == "<<" and number > 60:
            return None
        total = total << number if operator == "<<" else total * number
    return total
