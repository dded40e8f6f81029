"""Lists of allowed origins in code of any language: entries that no browser's Origin ever equals.

An Origin is scheme, host and port in lower case, without a path and without the scheme's own port (RFC 6454 section 6.2).
"""

import re
from collections.abc import Iterable, Iterator

from wsbook.facts import PatternFacts
from wsbook.parsers.code.source_files import Code
from wsbook.parsers.pattern_table import entry, pattern_found

__all__ = ["origin_list_patterns"]

_ENTRY = re.compile(r"[\"'`](https?://[^\"'`\s/]+)(/[^\"'`\s]*)?[\"'`]")
_TOLERANT = re.compile(
    r"(?i)rstrip\(\s*['\"]/|\.replace\(\s*/\\?/\+?\$/|TrimSuffix\([^)]*\"/\"|TrimRight\([^)]*\"/\"|startsWith\(|startswith\(|HasPrefix\("
    r"|new URL\(|urlparse\(|urlsplit\("
    r"|url\.Parse\(|URI\.create\(|setAllowedOrigins|OriginValidator|removeSuffix\(|chomp\(|trimEnd\(|TrimEnd\("
)
"""What makes both sides alike before they are compared, or compares parts."""

_CHECKS = (
    r"\borigins\s*=\s*(?:\w+\.)*{name}\b",
    r"(?i)\borigin\w*\)?\s+(?:not\s+)?in\s+(?:\w+\.)*{name}\b",
    r"\b{name}\.(?:has|includes|contains|indexOf|include\?|containsKey|some)\(\s*[^)]*(?i:origin)",
    r"(?i)in_array\([^)]*origin[^)]*\b{name}\b",
    r"\b{name}\[[^\]]*(?i:origin)[^\]]*\]",
    r"(?i)slices\.Contains\([^)]*\b{name}\b[^)]*origin",
    r"(?i:originWhitelist|allowedOrigins|allowed_origins|cors_allowed_origins|allowed_request_origins|check_origin|origins)\s*[:=(]\s*(?:\w+\.)*{name}\b",
)
_NAMES_ORIGIN = re.compile(r"(?i)\borigins?\b|origins?$|_origins?_|Origins?[A-Z]|^cors|page_?url")
_CORS_ONLY = re.compile(r"(?i)CORSMiddleware|enableCors|UseCors|WithOrigins|@CrossOrigin|cors\(\{|allow_origins")
_MAX_ENTRIES = 200


def origin_list_patterns(codes: Iterable[Code]) -> Iterator[PatternFacts]:
    """Yield the entries that never match, each file's first."""
    given = list(codes)
    everything = "\n".join(code.text for code in given)
    if not re.search(r"(?i)origin", everything):
        return
    for code in given:
        if _TOLERANT.search(code.text):
            continue
        for found in list(_ENTRY.finditer(code.text))[:_MAX_ENTRIES]:
            name = _name_of_list(code.text, found.start())
            if name and _never_equals(found[1], found[2] or "") and not _also_right(code.text, found[1]) and _is_checked(name, everything):
                checked_by_cors = _CORS_ONLY.search(code.text) is not None and not re.search(_compared(name), everything)
                yield _fact("origin.entry-in-cors" if checked_by_cors else "origin.entry-never-equals", code, found)
                break


def _never_equals(origin: str, rest: str) -> bool:
    scheme, _, authority = origin.partition("://")
    own_port = authority.endswith(":443") if scheme == "https" else authority.endswith(":80")
    return rest != "" or own_port or bool(re.search(r"[A-Z]", authority) and not re.search(r"[${]", authority))


def _also_right(text: str, origin: str) -> bool:
    """Tell whether the same origin stands there in its right form too."""
    right = re.sub(r"(?<=^https:)(//[^:]+):443$|(?<=^http:)(//[^:]+):80$", r"\1\2", origin)
    return re.search(rf"[\"'`]{re.escape(right)}[\"'`]", text) is not None


def _name_of_list(text: str, start: int) -> str:
    """Return the name to which the list around an entry is assigned, "" when it is no list or value of a name."""
    before = text[max(0, start - 600) : start]
    opening = max((before.rfind(bracket) for bracket in "[{("), default=-1)
    if opening >= 0 and not re.search(r"[\]})]", before[opening:]):
        before = before[:opening]
        named = re.search(
            r"([\w.\[\]\"']+)[\"']?\s*(?::[^=\n]{1,60})?(?:=>|:=|=|:|\()\s*(?:new\s+\w*\s*|\w+(?:\.\w+)*\s*\(?|\[\]string|map\[string\]\w+(?:\{\})?|&?\w*)?\s*[\[({]*\s*$",
            before,
        )
    else:
        named = re.search(r"([\w.]+)[\"']?\s*(?::[^=\n]{1,60})?(?:=>|:=|={1,3}|!==?|:)\s*$", before)
    return re.sub(r"\W+$", "", named[1]).rpartition(".")[2].strip("\"'") if named else ""


def _compared(name: str) -> str:
    return "|".join(pattern.format(name=re.escape(name)) for pattern in _CHECKS[1:6]).replace("(?i)", "")


def _is_checked(name: str, everything: str) -> bool:
    if _NAMES_ORIGIN.search(name):
        return True
    return any(re.search(pattern.format(name=re.escape(name)), everything) for pattern in _CHECKS)


def _fact(pattern: str, code: Code, found: "re.Match[str]") -> PatternFacts:
    return pattern_found(entry(pattern), code.artifact, code.text.count("\n", 0, found.start()) + code.line, found[0])
