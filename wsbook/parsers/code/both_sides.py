"""Defects that show only when the code of the page and of its server are read together."""

import re
from collections.abc import Iterable, Iterator

from wsbook.facts import PatternFacts
from wsbook.parsers.code.event_names import is_server
from wsbook.parsers.code.source_files import Code
from wsbook.parsers.pattern_table import entry, pattern_found

__all__ = ["both_side_patterns"]

_BYTES_SENT = re.compile(
    r"\.send\(\s*(?:Buffer\.|new Uint8Array|msgpack\w*\.|encode\w*\(|pack\w*\(|gzip|deflate|zlib)|send_bytes\("
    r"|\.send\([^)\n]{0,120}\.encode\("
    r"|SerializeToString\(|SerializeToArray|proto\.Marshal|msgpack\.packb|struct\.pack|cbor2?\.|\.tobytes\(\)|toByteArray\(\)|\.finish\(\)\s*\)"
    r"|BinaryMessage\b|MessageBinary|OpcodeBinary|WebSocketMessageType\.Binary|\{\s*binary\s*:\s*true|ws\.Binary|new BinaryMessage\("
)
_BYTES_NAMED = re.compile(
    r"(?:const|let|var)\s+(\w+)\s*(?::[^=\n]{1,40})?=\s*(?:await\s+)?"
    r"(?:Buffer\.(?:from|concat|alloc)|new Uint8Array|msgpack\w*\.|encode\w*\(|pack\w*\(|zlib\.|gzip)"
)
_PARSED = re.compile(
    r"JSON\.parse\(\s*\w+\.data\s*\)|\b(?:e|ev|evt|event|msg|m|message)\.data\.(?:split|trim|startsWith|match|replace|slice)\("
    r"|\{\s*data\s*\}\s*\)\s*=>[^;]{0,60}?JSON\.parse\(data\)"
)
_DECODES = re.compile(r"binaryType|typeof|instanceof|TextDecoder|\.text\(\)|arrayBuffer|Blob|msgpack|decode\(")
_BEATS = re.compile(
    r"(?i)set(?:Timeout|Interval)\(\s*(?:\w*(?:alive|beat|ping|pulse|heart|presence)\w*\s*,\s*([\d_]+)|[^;]{0,160}?(?:alive|beat|ping|pulse|heart|presence)[^;]{0,120}?,\s*([\d_]+)\s*\))"
)
_PATIENCE = re.compile(
    r"(?i)(?:now|Date\.now\(\)|time\.time\(\)|monotonic\(\))\s*-\s*[\w.\[\]\"']*(?:last|seen|alive|beat|ping|heard)[\w.\[\]\"']*\s*>=?\s*([\w.]+)"
    r"|(?:last|seen|alive|beat|ping|heard)\w*\s*<\s*(?:now|Date\.now\(\)|time\.time\(\))\s*-\s*([\w.]+)"
)
_ENDS = re.compile(r"\.(?:close|terminate|disconnect|destroy|delete|kick)\s*\(|\bawait\s+[\w.]*close\(")
_DEMANDS = re.compile(
    r"verifyClient[\s\S]{0,300}?sec-websocket-protocol|handleProtocols\s*:[^\n]{0,120}\bfalse|(?i:sec-websocket-protocol)[^\n]{0,80}\n[^\n]{0,80}(?:close|abort|reject|40[013])"
    r"|(?i:subprotocols?)\b[^\n]{0,60}(?:not in|!=|is None)[^\n]{0,80}\n?[^\n]{0,80}(?:close|raise|return)"
)
"""A server that turns away whoever offers no subprotocol."""
_OFFERS_NONE = re.compile(r"new\s+(?:window\.)?(?:Reconnecting)?WebSocket\(\s*(?:[\w.]+(?:\([^()]*\))?|`[^`]*`|'[^']*'|\"[^\"]*\")\s*\)")
_HIDDEN_S = 60
"""Chrome runs the timers of a tab that has been hidden for five minutes once a minute."""


def both_side_patterns(codes: Iterable[Code], known: frozenset[str] = frozenset()) -> Iterator[PatternFacts]:
    """Yield the defects of a page beside its server. known: artifacts that were given as the server's code."""
    every = list(codes)
    servers = [code for code in every if is_server(code, known)]
    pages = [code for code in every if code not in servers]
    if not servers or not pages:
        return
    if any(_sends_bytes(code.text) for code in servers):
        for code in pages:
            found = _PARSED.search(code.text)
            if found and not _DECODES.search(code.text):
                yield _fact("both.binary-parsed-as-text", code, found)
                break
    if any(_DEMANDS.search(code.text) for code in servers):
        for code in pages:
            if (found := _OFFERS_NONE.search(code.text)) is not None:
                yield _fact("both.subprotocol-not-offered", code, found)
                break
    patient = [code for code in servers if any(seconds < _HIDDEN_S for seconds in _patience(code.text))]
    if patient and not any(re.search(r"new (?:Shared)?Worker\(", code.text) for code in pages):
        for code in pages:
            if (found := _BEATS.search(code.text)) is not None and _milliseconds(found[1] or found[2]) < _HIDDEN_S * 1000:
                yield _fact("both.patience-below-hidden-timers", code, found)
                break


def _sends_bytes(text: str) -> bool:
    if _BYTES_SENT.search(text):
        return True
    names = "|".join(map(re.escape, {found[1] for found in _BYTES_NAMED.finditer(text)}))
    return bool(names) and re.search(rf"\.send\(\s*(?:{names})\s*[,)]", text) is not None


def _patience(text: str) -> Iterator[float]:
    """Yield the silences in seconds after which a server ends a connection."""
    for found in _PATIENCE.finditer(text):
        word = (found[1] or found[2]).rpartition(".")[2]
        value = word if word[:1].isdigit() else _constant(word, text)
        number = _milliseconds(value)
        if number and _ENDS.search(text[found.end() : found.end() + 400]):
            yield number / 1000 if number >= 1000 else number


def _constant(name: str, text: str) -> str:
    found = re.search(rf"\b{re.escape(name)}\s*(?::\s*\w+\s*)?=\s*([\d_.]+(?:\s*\*\s*[\d_.]+)?)", text)
    return found[1] if found else ""


def _milliseconds(text: str) -> float:
    product = 1.0
    for part in text.split("*"):
        digits = part.strip().replace("_", "")
        product *= float(digits) if re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?", digits) else 0
    return product


def _fact(pattern: str, code: Code, match: "re.Match[str]") -> PatternFacts:
    return pattern_found(entry(pattern), code.artifact, code.text.count("\n", 0, match.start()) + code.line, match[0])
