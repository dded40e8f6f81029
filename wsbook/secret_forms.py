"""Where secrets stand in a text: by their form, by the name before them, or packed in Base64. Knows texts only.

The knowledge is in secret_forms.toml. Everything here takes time in proportion to the length of the text, whatever stands in it: no
pattern repeats a repetition, and what may be repeated before a match is bounded.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from wsbook.datafile import read_table

__all__ = [
    "COOKIE_ATTRIBUTES",
    "HIDDEN",
    "cookie_spans",
    "hide_secrets",
    "looks_random",
    "names_secret",
    "packed_texts",
    "secret_protocols",
    "secret_spans",
]

Span = tuple[int, int]

HIDDEN = "***"
"""What stands in the place of a secret."""

COOKIE_ATTRIBUTES = frozenset(["path", "domain", "expires", "max-age", "samesite", "priority"])
"""Attributes of Set-Cookie with a value (RFC 6265bis section 5.6), which diagnosis needs."""

_QUOTE = r"(?:\\{0,8}[\"'`]|&(?:quot|apos|#34|#39|#x27);|%(?:25)*2[27]|\\{1,4}u002[27])"
_EQUALS = r"(?:=>|:=|=|%(?:25)*3D|:|%(?:25)*3A)"
_GAP = r"(?:\\{0,2}[ \t]|%(?:25)*20|\+)"
_FREE_CHARACTER = r"(?:(?!%(?:25)*26|&amp;|&quot;|&#3|\\{1,8}[\"'nrt]|%(?:25)*2[27])[^\s&;,\"'`<>)\](}])"
_FREE, _FREE_REST = (re.compile(rf"{_FREE_CHARACTER}{{{least},{most}}}") for least, most in ((1, 80), (0, 8000)))
_QUOTED, _QUOTED_REST = (re.compile(rf"(?:(?!{_QUOTE})[^\r\n]){{{least},{most}}}") for least, most in ((1, 80), (0, 8000)))
"""A value up to the length that suffices to judge it, and the rest of it: judging all of it again and again would take quadratic time."""
_PEM = re.compile(
    r"-----BEGIN[ %\w+]{0,40}PRIVATE(?: |%(?:25)*20|\+)KEY(?:(?: |%(?:25)*20|\+)BLOCK)?-----(?P<secret>(?:(?!-----)[\s\S]){1,20000})"
)
_PACKED = re.compile(r"(?<![\w+/-])[\w+/-]{24,}={0,2}")
_BESIDE = rf"{_QUOTE}?[,\s]{{1,60}}{_QUOTE}?[Vv]alue{_QUOTE}?\s{{0,20}}[:=]\s{{0,20}}"
"""Between a name and its value where both are values of fields: ``{key: authorization, value: …}``."""
_LINK = rf"(?:{_BESIDE}|{_QUOTE}?\s{{0,4}}(?:{_EQUALS}|,)\s{{0,4}}|[ \t]{{1,20}}){_QUOTE}?"
_COOKIE_LINE = re.compile(rf"(?:\bSet-|(?<![\w-]))Cookie{_LINK}(?P<all>[^\r\n\"=;\s]{{1,200}}=[^\r\n\"]{{1,16000}})", re.IGNORECASE)
_COOKIE_PAIR = re.compile(r"(?P<name>[^=;\s]{1,200})=(?P<value>[^;\s]{1,8000})")
_PROTOCOL_LINE = re.compile(rf"\bSec-WebSocket-Protocol{_LINK}(?P<all>[\w!#$%&'*+.^|~, /=\\-]{{1,8000}})", re.IGNORECASE)
_AUTHORIZATION = re.compile(
    r"^\s{0,40}(?:[<>]\s{0,4})?(?:Proxy-)?Authorization\s{0,4}:[ \t]{0,4}(?:[A-Za-z][\w-]{1,30}[ \t]+)?(?P<secret>[^\s][^\r\n]{0,8000})",
    re.IGNORECASE | re.MULTILINE,
)
_PLACEHOLDER = re.compile(r"\$[\w{(]|%\{|\{|<|\*\*\*|…|\[|:\w|@\{|env:|#\{|%s|%v|\.\.\.")
_FILE = re.compile(r"[.~]{0,2}/[\w./-]*\Z")
_WORDS = re.compile(r"(?:[a-z]+|[A-Z][a-z]+)(?:[A-Z][a-z]{2,})*\Z|[A-Z_]+\Z|[a-z_]+\Z")
_LONGEST, _JUDGED = 24, 64
_WORD_TABLES = ("strong", "weak", "weakest")
_ESCAPED = re.compile(r"\A(?:25)*[0-9A-F]{2}")
_NAME_BEFORE = re.compile(r"[\w.-]{0,40}\Z")
_QUERY = re.compile(r"(?:[?&;]|%(?:25){0,3}(?:3F|26))[\w.-]{0,40}\Z", re.IGNORECASE)
"""The end of what stands before a name in a query, escaped or not."""


@cache
def _table() -> dict[str, frozenset[str]]:
    return {name: frozenset(words) for name, words in read_table("secret_forms.toml")["names"].items()}


@cache
def _forms() -> tuple[tuple[tuple[str, ...], re.Pattern[str], bool, bool], ...]:
    """Return what must stand in the text, regex, whether its match may be a word, and whether it must be made at random."""
    rows = read_table("secret_forms.toml")["form"]
    return tuple((tuple(form["near"]), re.compile(form["regex"]), form.get("check", False), form.get("random", False)) for form in rows)


def _spelled(word: str) -> str:
    """Return the regex of a word with any separators between the parts that the catalogue joins."""
    parts = re.sub(r"(?<=[a-z]{3})(?=(?:key|id|auth|pass)\Z)|(?<=api|jse|ses)(?=key|ssionid)", "-", word).split("-")
    return r"[ _.-]?".join(parts)


@cache
def _named() -> re.Pattern[str]:
    """Return the regex of a name and what links it to its value; whether that is a secret says _is_secret()."""
    words = sorted((word for words in _WORD_TABLES for word in _table()[words]), key=len, reverse=True)
    schemes = "|".join(sorted(map(re.escape, _table()["schemes"]), key=len, reverse=True))
    strong = rf"(?P<apart>{_GAP}{{0,20}})(?P<equals>{_EQUALS}){_GAP}{{0,20}}"
    listed = rf"(?P<listed>(?<=[\"'`;])\s{{0,20}},\s{{0,20}}(?={_QUOTE}))"
    return re.compile(
        rf"(?P<word>{'|'.join(map(_spelled, words))})(?P<ending>[\w.-]{{0,24}}?)(?:{_BESIDE}|{_QUOTE}?\]?"
        rf"(?:{strong}|{listed}|(?P<loose>[ \t]{{1,20}})))(?P<quote>{_QUOTE})?(?:(?:{schemes}){_GAP}{{1,4}})?",
        re.IGNORECASE,
    )


@cache
def _beginnings() -> tuple[str, ...]:
    """Return what the words of _named() begin with, none the beginning of another."""
    words = sorted({re.split(r"[^a-z]", _spelled(word).replace("[ _.-]?", " "))[0] for words in _WORD_TABLES for word in _table()[words]})
    return tuple(word for word in words if not any(word != other and word.startswith(other) for other in words))


def looks_random(text: str, least: int = 12) -> bool:
    """Tell whether a text is made at random rather than of words: its letters and figures change their class all the time."""
    kinds = [0 if c.islower() else 1 if c.isupper() else 2 for c in text[:_JUDGED] if c.isalnum()]
    if len(kinds) < least:
        return False
    changes = sum(a != b for a, b in pairwise(kinds)) / (len(kinds) - 1)
    figures = kinds.count(2) / len(kinds)
    hexadecimal = 0.2 <= figures < 1 and all(c in "0123456789abcdefABCDEF" for c in text[:_JUDGED] if c.isalnum())
    return hexadecimal or (changes >= (0.28 if figures else 0.43) and len({*kinds}) > 1)


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def names_secret(name: str) -> bool:
    """Tell whether the value of a header, field or setting of this name is a secret whatever it looks like."""
    folded = _folded(name)
    if not folded or folded in _table()["never"] or any(folded.endswith(word) for word in _table()["harmless"]):
        return False
    return any(word in folded for word in _table()["strong"])


def secret_protocols(value: str) -> Iterator[Span]:
    """Yield where tokens stand in a list of subprotocols: behind a name that announces them, or plainly no name."""
    announced = False
    for item in re.finditer(r"[^,\s\\]+", value):
        name = _folded(item[0])
        if announced or (looks_random(item[0], 16) and not item[0].startswith("eyJ")):
            yield item.span()
        announced = name in _table()["strong"] or name in ("auth", "accesstoken", "authtoken", "idtoken", "bearertoken")


def cookie_spans(value: str) -> Iterator[Span]:
    """Yield where the values stand in a Cookie or Set-Cookie header; names and attributes are needed for diagnosis."""
    for pair in _COOKIE_PAIR.finditer(value):
        if pair["name"].lower().strip() not in COOKIE_ATTRIBUTES:
            yield pair.span("value")


def secret_spans(text: str) -> list[Span]:
    """Return where secrets stand in a text, in order, none overlapping."""
    small = text.lower()
    found = sorted({*_by_form(text, small), *_by_name(text, small), *_in_lists(text, small), *_packed(text)})
    spans: list[Span] = []
    for start, end in found:
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        elif start < end:
            spans.append((start, end))
    return spans


def hide_secrets(text: str) -> str:
    """Return the text without what looks like a secret: for whoever cuts or rewrites a text before the redactor sees it."""
    for start, end in reversed(secret_spans(text)):
        text = f"{text[:start]}{HIDDEN}{text[end:]}"
    return text


def _by_form(text: str, small: str) -> Iterator[Span]:
    for match in _PEM.finditer(text) if "private" in small else ():
        yield match.span("secret")
    for match in _AUTHORIZATION.finditer(text) if "authorization" in small else ():
        if not _PLACEHOLDER.match(match["secret"]) and "${" not in match["secret"] and "env:" not in match["secret"]:
            yield match.span("secret")
    for near, pattern, check, random in _forms():
        for match in pattern.finditer(text) if any(one in small for one in near) else ():
            value = match["secret"]
            word = check and (value.lower() in _table()["plain"] or _WORDS.match(value.rstrip(".,:;")))
            if not (_PLACEHOLDER.match(value) or word or (random and not looks_random(value))):
                yield match.span("secret")


def _in_lists(text: str, small: str) -> Iterator[Span]:
    for name, lines, inside in (("cookie", _COOKIE_LINE, cookie_spans), ("sec-websocket-protocol", _PROTOCOL_LINE, secret_protocols)):
        for line in lines.finditer(text) if name in small else ():
            for start, end in inside(line["all"]):
                if not _PLACEHOLDER.match(line["all"], start) and "%{" not in line["all"][start:end]:
                    yield line.start("all") + start, line.start("all") + end


def _names(text: str, small: str) -> Iterator[int]:
    """Yield where a name may begin, in order; a search for fixed texts is far quicker than one for a regex."""
    if len(small) != len(text):  # a letter that is two in small ones
        yield from (match.start() for match in re.finditer("|".join(_beginnings()), text, re.IGNORECASE))
        return
    places = []
    for word in _beginnings():
        place = small.find(word)
        while place >= 0:
            places.append(place)
            place = small.find(word, place + 1)
    yield from sorted(places)


def _by_name(text: str, small: str) -> Iterator[Span]:
    position = 0
    for place in _names(text, small):
        match = _named().match(text, place) if place >= position else None
        if match is None:
            continue
        first, rest = (_QUOTED, _QUOTED_REST) if match["quote"] else (_FREE, _FREE_REST)
        value = first.match(text, match.end())
        if value and _is_secret(text, match, value):
            position = rest.match(text, value.end()).end()  # type: ignore[union-attr]  # matches the empty text too
            yield value.start(), position


def _is_secret(text: str, match: re.Match[str], value: re.Match[str]) -> bool:
    """Tell whether what stands behind a name is a secret: by the whole name, by what links the two, and by the value."""
    said, word, ending, start = value[0], match["word"], match["ending"], match.start("word")
    if _PLACEHOLDER.match(said) or said.lower().rstrip(".!") in _table()["plain"]:
        return False
    prefix = _NAME_BEFORE.search(text, max(0, start - 40), start)[0]  # type: ignore[index]  # matches the empty text too
    before = text[max(0, start - len(prefix) - 6) : start - len(prefix)]
    name, folded, end = _folded(f"{prefix}{word}{ending}"), _folded(word), _folded(ending)
    if any(name.endswith(one) for one in _table()["never"]) or (match["listed"] is not None and before[-1:] not in ("'", '"', "`")):
        return False
    whole = ending in ("", "s") or not ending[0].isalpha() or (ending[0].isupper() and word[-1].islower())
    strong = folded in _table()["strong"] and whole and not any(end.endswith(one) for one in _table()["harmless"])
    begun = whole and _begins(_ESCAPED.sub("", prefix) if before.endswith("%") else prefix, word)
    weak = folded in _table()["weak"] and begun and not ending
    if match["loose"] is not None:
        marked = match["quote"] is not None or prefix.startswith("--")
        return ((strong or begun) and looks_random(said, 8)) or (strong and marked and not _is_prose(folded, said, text, match, value))
    if _QUERY.search(before + prefix) and (strong or weak):
        return True
    if strong or (weak and folded != "key" and match["equals"] == "=" and not match["apart"] and match["quote"] is None):
        return not _is_code(text, match, value)
    return begun and looks_random(said, 10)


def _is_prose(word: str, said: str, text: str, match: re.Match[str], value: re.Match[str]) -> bool:
    """Tell whether what follows a name after a space only is no value of it: ``unexpected token 'else'``."""
    chosen = word in _table()["passwords"]
    return len(said) < 6 or " " in said or (bool(_WORDS.match(said)) and not chosen) or _is_code(text, match, value)


def _begins(prefix: str, word: str) -> bool:
    """Tell whether a word begins one in a name: accessToken, access_token, not in "monkey"."""
    return not prefix[-1:].isalpha() or (word[0].isupper() and (prefix[-1].islower() or word.isupper()))


def _is_code(text: str, match: re.Match[str], value: re.Match[str]) -> bool:
    """Tell whether a value is an expression, a type or a word of prose rather than the secret itself."""
    said = value[0]
    if match["quote"] is not None:
        return len(said.split()) > 3 or said.isspace()
    if text[value.end() : value.end() + 1] == "(":
        return True
    chosen = _folded(match["word"]) in _table()["passwords"] and not names_secret(said) and "." not in said
    parts = re.split(r"[.?]+", said.strip("$"))
    words = len(said) <= _LONGEST * len(parts) and all(_WORDS.match(part) for part in parts if part)
    return bool(_FILE.match(said)) or (words and not chosen) or (said.isdigit() and len(said) < 4)


def packed_texts(text: str) -> Iterator[tuple[Span, str]]:
    """Yield runs of Base64 that hold a text, as recordings hold binary frames, and that text."""
    for run in _PACKED.finditer(text):
        packed = run[0].rstrip("=").replace("-", "+").replace("_", "/")
        packed = packed[: len(packed) - (len(packed) % 4 == 1)]  # cut off in the middle of a byte
        try:
            inside = base64.b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-8", "ignore")
        except (binascii.Error, ValueError):
            continue
        if len(inside) >= 0.7 * len(packed) and sum(c.isprintable() or c in "\r\n\t" for c in inside) >= 0.95 * len(inside):
            yield run.span(), inside


def _packed(text: str) -> Iterator[Span]:
    yield from (span for span, inside in packed_texts(text) if secret_spans(inside))
