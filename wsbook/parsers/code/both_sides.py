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


_JOINS_DOCUMENTS = re.compile(
    r"NextWriter[\s\S]{0,900}?\.Write(?:String)?\(\s*(?:newline|\[\]byte(?:\{|\()\s*['\"]\\n|['\"`]\\n)"
    r"|\.(?:send|emit|write)\w*\([^;\n]{0,120}\.join\(\s*['\"`]\\n['\"`]\s*\)|send\w*\([^\n]{0,60}['\"]\\n['\"]\.join\("
    r"|(\w+)\s*[:+]?=\s*(?:[^\n]{0,80}\.join\(\s*['\"`]\\n['\"`]\s*\)|b?['\"]\\n['\"]\.join\([^\n]{0,120}\))[\s\S]{0,200}?\.send\w*\(\s*\1\b"
    r"|String\.join\(\s*\"\\n\"[\s\S]{0,160}?TextMessage|string\.Join\(\s*['\"]\\n['\"][\s\S]{0,300}?SendAsync"
)
"""Several documents become one frame, with newlines between them."""
_RENAMES = re.compile(r"(?i)alias|camel|humps|rename|naming_?policy|PropertyNam|key_transform|snake_?case|underscore\(|\.\.\.\w+\.toJSON")
_AS_JSON = re.compile(r"(?i)json|\.emit\(")
_MESSAGE = re.compile(r"(?:const|let|var)?\s*(?:\{([^{}=]{1,200})\}|\b(\w+))\s*(?::[^=\n]{1,60})?=\s*JSON\.parse\(")
_TAKEN_APART = re.compile(r"\.(?:on|bind|listen)\(\s*['\"]([\w.:/-]+)['\"]\s*,\s*(?:async\s*)?\(\s*\{([^{}=]{1,200})\}")
_KEYS_WRITTEN = re.compile(
    r"json:\"(\w+)|[\"'](\w+)[\"']\s*(?::|=>)|(?<=[{,])\s*(\w+)\s*:(?!:)|(?<=[{,])\s*(\w+)\s*(?=[,}])|^\s+(\w+)\s*:\s*(?:str|int|float|list|dict|bool|Any)\b"
    r"|\bval\s+(\w+)\s*:|(?:public|private)\s+(?:final\s+)?[\w<>?\[\]]+\s+(\w+)\s*[;{]",
    re.MULTILINE,
)
_CONTENT = frozenset(("data", "payload", "body", "content", "detail", "details", "value", "params", "args", "message", "msg"))
_KIND = frozenset(("type", "event", "kind", "op", "action", "cmd", "topic", "name", "method", "channel", "t"))
_BUILT_IN = frozenset(
    (
        "length",
        "map",
        "filter",
        "forEach",
        "slice",
        "push",
        "includes",
        "find",
        "some",
        "every",
        "reduce",
        "join",
        "split",
        "toString",
        "keys",
    )
)


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
    if any(_JOINS_DOCUMENTS.search(code.text) for code in servers):
        for code in pages:
            found = _PARSED.search(code.text)
            if found and not re.search(r"\.split\(|ndjson|\.lines\(|matchAll", code.text):
                yield _fact("both.several-documents", code, found)
                break
    yield from _other_fields(servers, pages)
    patient = [code for code in servers if any(seconds < _HIDDEN_S for seconds in _patience(code.text))]
    if patient and not any(re.search(r"new (?:Shared)?Worker\(", code.text) for code in pages):
        for code in pages:
            if (found := _BEATS.search(code.text)) is not None and _milliseconds(found[1] or found[2]) < _HIDDEN_S * 1000:
                yield _fact("both.patience-below-hidden-timers", code, found)
                break


def _other_fields(servers: list[Code], pages: list[Code]) -> Iterator[PatternFacts]:
    """The page reads a field that the server's code does not know, and the server writes one that means the same under another name."""
    text = "\n".join(code.text for code in servers)
    if _RENAMES.search(text) or not _AS_JSON.search(text):
        return
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    read = {name for code in pages for name, _ in _fields_read(code.text)}
    written = {name for found in _KEYS_WRITTEN.finditer(text) for name in found.groups() if name} - read
    loose = any(code.language in ("csharp", "java", "kotlin") for code in servers)
    for code in pages:
        fields = list(_fields_read(code.text))
        if not any(name in words or (found.re is _TAKEN_APART and found[1] in text) for name, found in fields):
            continue
        for name, found in fields:
            if name not in words and any(_means(name, one, loose=loose) for one in written):
                yield _fact("both.other-field", code, found)
                return


def _fields_read(text: str) -> "Iterator[tuple[str, re.Match[str]]]":
    """Yield the fields of parsed messages that a page reads, with the place of each."""
    for handled in list(_TAKEN_APART.finditer(text))[:40]:
        for name in re.findall(r"(\w+)\s*(?::[^,}]*)?(?:=[^,}]*)?(?:,|$)", handled[2]):
            yield name, handled
    for made in list(_MESSAGE.finditer(text))[:20]:
        if made[2]:
            rest = text[made.end() : made.end() + 3000]
            for found in list(re.compile(rf"(?<![\w.]){re.escape(made[2])}\??\.(\w+)").finditer(text, made.end(), made.end() + len(rest)))[
                :60
            ]:
                if found[1] not in _BUILT_IN:
                    yield found[1], found
        else:
            for name in re.findall(r"(\w+)\s*(?::[^,}]*)?(?:=[^,}]*)?(?:,|$)", made[1]):
                yield name, made


def _means(read: str, written: str, *, loose: bool) -> bool:
    """Tell whether two names are meant for the same: alike but for spelling, or both words for what a message carries.

    loose: the first letter's case is left to the library that writes JSON.
    """
    if loose and read[:1].lower() + read[1:] == written[:1].lower() + written[1:]:
        return False
    plain = re.sub(r"_", "", read).lower() == re.sub(r"_", "", written).lower()
    short, long = sorted((read.lower(), written.lower()), key=len)
    cut = len(short) > 2 and len(long) > len(short) + 2 and long.startswith(short)
    return (plain and len(read) > 2) or cut or (read in _CONTENT and written in _CONTENT) or (read in _KIND and written in _KIND)


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
