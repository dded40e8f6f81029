"""Parts of a pasted text that is several things at once: code and below it what a console said. Must not parse any."""

import re
from collections.abc import Iterator

from wsbook.parsers.detect import detect_kind, scores
from wsbook.signatures import Signature, matcher

__all__ = ["split_pasted"]

PARTS = 60
"""A text of more blocks is one thing."""
_FENCE = re.compile(r"^[^\S\n]*(?:```|~~~).*$", re.MULTILINE)
_BLOCK = re.compile(r"(?:^[^\n]*\S[^\n]*(?:\n|\Z))+", re.MULTILINE)
_SAID = frozenset(("backend_log", "access_log", "browser_console", "http_dump"))
_CODE = frozenset(("frontend_source", "backend_source"))
_CLEAR = 3.0
"""What a block must score as its own family more than as that of the whole."""
_TELLING = 0.8
"""How much a text must say about its cause for words around it not to be prose."""


def _family(kind: str) -> str:
    return "said" if kind in _SAID else "code" if kind in _CODE else kind


def split_pasted(text: str, kind: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of the whole and then of each part of another family; what is not of a part is blank lines there.

    kind: of the whole. Blocks are divided by blank lines and fences. So every line keeps its number.
    """
    plain = _FENCE.sub("", text)
    blocks = list(_BLOCK.finditer(plain)) if kind and kind != "har" else []
    others: dict[str, list[tuple[int, int]]] = {}
    for block in blocks if 1 < len(blocks) <= PARTS else ():
        own = _other_kind(block[0], kind)
        if own:
            others.setdefault(own, []).append(block.span())
    if sum(len(spans) for spans in others.values()) in (0, len(blocks)):
        yield kind, text
        return
    yield kind, _without(plain, [span for spans in others.values() for span in spans])
    for own, spans in others.items():
        yield own, _without(plain, _between(spans, len(plain)))


def _other_kind(block: str, whole: str) -> str:
    """Return the kind of a block that is clearly of another family than the whole, "" of any other block."""
    own = detect_kind("", block.encode("utf-8", "replace"))
    if not own or _family(own) == _family(whole):
        return ""
    found = scores("", block)
    near = max((score for kind, score in found.items() if _family(kind) == _family(whole)), default=0.0)
    if own == "backend_log" and not found:  # known only by a text that a program prints, as prose may be
        return own if any(_is_telling(hit.signature) for hit in matcher(own).scan(block.splitlines())) else ""
    return own if found.get(own, 0.0) >= near + _CLEAR else ""


def _is_telling(signature: Signature) -> bool:
    return bool(signature.causes) and signature.causes[0][1] >= _TELLING


def _between(spans: list[tuple[int, int]], end: int) -> list[tuple[int, int]]:
    edges = [0, *(edge for span in spans for edge in span), end]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """Return a text with these spans blanked, line breaks kept."""
    for first, last in sorted(spans):
        text = text[:first] + re.sub(r"[^\n]", " ", text[first:last]) + text[last:]
    return text
