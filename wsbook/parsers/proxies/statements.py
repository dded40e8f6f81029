"""A configuration as plain statements, one directive or ``key: value`` each, whatever its notation. Knows no product's meaning."""

import re
from collections.abc import Iterator

__all__ = ["said_in"]

Statement = tuple[int, str]
"""Line number and words with single spaces, without comments, braces and, where keys have values, quotes."""

_TREES = frozenset(("traefik", "envoy", "k8s_ingress", "alb_attributes"))
_JSON = re.compile(r"\s*[\[{]\s*[\"\[{]")
_BLOCK_COMMENT = re.compile(r"/\*[^*]*(?:\*(?!/)[^*]*)*\*/")
_COMMENT = re.compile(r"(?:^|(?<=[\s;{}]))#.*|(?:^|(?<=\s))//.*|^\s*;.*")
_HASH = re.compile(r"(?:^|(?<=[\s;{}]))#.*")
_MARKS = re.compile(r"[{}\[\],](?=[\s\"'{}\[\],]|$)")
_NGINX = re.compile(r"[;{}]")
_NAMES, _VALUES = ("key: ", "name: ", "field: "), ("value: ", "stringvalue: ", "expected: ")


def said_in(text: str, kind: str) -> list[Statement]:
    """Return the statements of a configuration in the order of the file. A name and a value in two of them make a further one."""
    if kind in _TREES or _JSON.match(text):
        bare = _BLOCK_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
        return list(_paired(_pairs(bare)))
    if kind == "nginx_conf":
        return [(number, words) for number, line in _lines(text, _HASH) for part in _NGINX.split(line) if (words := _spaced(part))]
    return [(number, words) for number, line in _lines(text, _HASH) if (words := _spaced(line).removesuffix(" {"))]


def _lines(text: str, comment: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines without comments, those that a backslash continues as one."""
    begun, held = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        bare = comment.sub("", line) if "#" in line or "//" in line or ";" in line else line
        if bare.rstrip().endswith("\\") and len(held) < 2_000:
            begun, held = begun or number, f"{held}{bare.rstrip()[:-1]} "
            continue
        yield begun or number, held + bare
        begun, held = 0, ""
    if held:
        yield begun, held


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _pairs(text: str) -> Iterator[Statement]:
    for number, line in _lines(text, _COMMENT):
        for part in _MARKS.split(line):
            words = _spaced(part.replace('"', "").replace("'", "")).removeprefix("- ").removeprefix("--")
            if words:
                yield number, _pair(words)


def _pair(words: str) -> str:
    """Return ``key: value`` for a key and a value in the notation of YAML, JSON, TOML, HCL, labels or arguments; else the words."""
    ends = [place for mark in ":=" if (place := words.find(mark)) > 0]
    key, value = (words[: min(ends)].rstrip(), words[min(ends) + 1 :]) if ends else (words, "")
    return f"{key}: {value.strip()}" if ends and not value.startswith("//") else words


def _paired(statements: Iterator[Statement]) -> Iterator[Statement]:
    """Yield the statements, and after the name and the value of a list's entry what they say together."""
    before = ""
    for number, words in statements:
        yield number, words
        small = words[:20].lower()
        if before and small.startswith(_VALUES):
            yield number, f"{before}: {words.partition(': ')[2]}"
        before = words.partition(": ")[2] if small.startswith(_NAMES) else ""
