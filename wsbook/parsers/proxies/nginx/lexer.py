"""Words of an nginx configuration with their lines. Knows how nginx reads words, not what a directive is.

Source: ngx_conf_file.c (ngx_conf_read_token), and for blocks of other languages the manuals of OpenResty's Lua module. Text that ends
in the middle of a word is read as far as it goes, since people paste pieces.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["Word", "words"]

_TOKEN = re.compile(
    r"""(?P<space>\s++)|(?P<comment>\#[^\n]*+)|(?P<mark>[{};])
    |"(?P<double>(?:\\.|[^"\\])*+)"|'(?P<single>(?:\\.|[^'\\])*+)'|(?P<broken>["'][^\n;{}]*+)
    |(?P<word>(?:\\.|\$\{|[^\s;{\\])++|\\)""",
    re.DOTALL | re.VERBOSE,
)
_LUA = re.compile(
    r"""(?:--)?\[(?P<level>=*)\[|--[^\n]*+|"(?:\\.|[^"\\\n])*+"|'(?:\\.|[^'\\\n])*+'|(?P<brace>[{}])|[^{}"'\[-]++|.""",
    re.DOTALL,
)
_FOREIGN = re.compile(r"\w+_by_lua_block\Z")
_ESCAPE = re.compile(r"\\([\"'\\trn])")
_MEANT = {"t": "\t", "r": "\r", "n": "\n"}


class Word(Struct, frozen=True, gc=False):
    """One word, or one of ``{ } ;`` when mark is set. line: where it begins; a quoted word may span lines.

    start, end: offsets in the text.
    """

    text: str
    line: int
    mark: bool = False
    start: int = 0
    end: int = 0


def words(text: str) -> Iterator[Word]:
    """Yield the words of a configuration without its comments; the body of a block of Lua is left out."""
    at, line, first = 0, 1, ""
    while match := _TOKEN.match(text, at):
        kind, found = match.lastgroup or "", match[0]
        at = match.end()
        if kind == "mark":
            yield Word(found, line, mark=True, start=match.start(), end=at)
            if found == "{" and _FOREIGN.match(first):
                end = _after_lua(text, at)
                line += text.count("\n", at, end)
                at = end
                yield Word("}", line, mark=True, start=at - 1, end=at)
            first = ""
        elif kind not in ("space", "comment"):
            word = _unescaped(match[kind])
            first = first or word
            yield Word(word, line, start=match.start(), end=at)
        line += found.count("\n")


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda m: _MEANT.get(m[1], m[1]), text) if "\\" in text else text


def _after_lua(text: str, at: int) -> int:
    """Return where a block of Lua that begins here is over, after its closing brace."""
    depth = 1
    while match := _LUA.match(text, at):
        at = match.end()
        if match["level"] is not None:
            closing = f"]{match['level']}]"
            at = text.find(closing, at)
            if at < 0:
                break
            at += len(closing)
        depth += {"{": 1, "}": -1}.get(match["brace"] or "", 0)
        if depth == 0:
            return at
    return len(text)
