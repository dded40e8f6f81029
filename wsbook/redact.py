"""Secrets never reach a record: every text passes through here before it is written or shown.

Knows what secrets look like and which values were used; knows nothing of files or notebooks.
"""

import base64
import re
from collections.abc import Iterable, MutableMapping
from typing import Any, TypeVar
from urllib.parse import quote

from msgspec import convert, to_builtins

from wsbook.secret import SECRET_HEADERS, reference_names, resolve

__all__ = ["HIDDEN", "Redactor", "seal"]

HIDDEN = "***"

_NAME = (
    r"(?:[\w.-]*(?:token|secret|passw(?:or)?d|passwd|pwd|api[_-]?key|access[_-]?key|private[_-]?key|signature|credential|jwt|ticket|session[_-]?id)"
    r"|auth|authorization|sid|sig|key|code|session|sess(?:ion)?_?(?:id)?)"
)
_VALUE = r"[^\s&;,\"'<>)\]}]+"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?P<secret>[\s\S]{1,10000}?)-----END",
        r"\b(?P<secret>eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?)",  # JWT, RFC 7519
        r"://(?P<secret>[^/\s:@\"'<>]*:[^/\s@\"'<>]+)@",  # RFC 3986 userinfo; Redis knows passwords without a user
        rf"[?&;]{_NAME}=(?P<secret>{_VALUE})",
        r"\b(?:Bearer|Basic|Digest|Negotiate)\s+(?P<secret>[\w.~+/=-]{6,})",
        r"^\s*(?:[<>]\s*)?(?:Proxy-)?Authorization\s*:\s*+(?![^\r\n]*(?:\$\{|env:))(?P<secret>[^\r\n]+)",
        r"\b(?:Set-)?Cookie\s*:\s*+(?![^\r\n]*(?:\$\{|env:))(?P<secret>[^\r\n\"]+)",
        rf"[\"']?\b[\w.-]*(?:token|secret|passw(?:or)?d|passwd|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)[\"']?\s*[:=]\s*[\"']?(?P<secret>{_VALUE})",
        r"\b(?P<secret>(?:AKIA|ASIA)[A-Z0-9]{16})\b",  # AWS access key id
        r"\b(?P<secret>(?:gh[pousr]_|github_pat_|xox[abpros]-|sk_live_|sk-|glpat-|AIza)[\w-]{16,})",
    )
)
_COOKIE_PAIR = re.compile(r"(?P<name>[^=;\s]+)=(?P<value>[^;]*)")
_COOKIE_ATTRIBUTES = frozenset(["path", "domain", "expires", "max-age", "samesite", "priority"])
_PARTS = re.compile(r"[\n;]|: ")
"""What separates values in a list of headers: ``env:NAME`` counts as a reference only as a whole value."""
_REFERENCE = re.compile(r"\$\{(?:(?:env|file):[^}\s]+|[A-Z_][A-Z0-9_]*)\}|\$\(cat [^)\s]+\)|env:\w+")
"""To a secret: ours, and a shell's, as the commands of equivalents.py name it."""

T = TypeVar("T")


def _spans(text: str) -> list[tuple[int, int]]:
    """Return the non-overlapping spans of secrets in a text, references to secrets excepted."""
    found = sorted(match.span("secret") for pattern in _PATTERNS for match in pattern.finditer(text))
    references = [match.span() for match in _REFERENCE.finditer(text)]
    spans: list[tuple[int, int]] = []
    for start, end in found:
        if text[start:end].startswith(HIDDEN) or any(start < last and first < end for first, last in references):
            continue
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _replace(text: str, replacement: Iterable[str]) -> str:
    pieces, position = [], 0
    for (start, end), new in zip(_spans(text), replacement, strict=False):
        pieces += [text[position:start], new]
        position = end
    return "".join([*pieces, text[position:]])


def _hide_cookie(value: str) -> str:
    """Keep the names of cookies and their attributes, which diagnosis needs, and hide every value."""

    def hide(pair: re.Match[str]) -> str:
        keep = pair["name"].lower() in _COOKIE_ATTRIBUTES
        return pair[0] if keep else f"{pair['name']}={HIDDEN}"

    return _COOKIE_PAIR.sub(hide, value) if "=" in value else HIDDEN


class Redactor:
    """Hides what looks like a secret, and every value that is known to be one.

    known: values in use during this run; values shorter than four characters are ignored because they would hide everything.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        forms = {form for value in known if len(value) >= 4 for form in _forms(value)}
        self._known = sorted(forms, key=len, reverse=True)

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Redactor":
        """Return the redactor that knows every secret that the references in texts name; header lines may stand in a text.

        Raises:
            SecretMissingError: a reference names nothing.
        """
        names = {name for text in texts for part in (text, *_PARTS.split(text)) for name in reference_names(part.strip())}
        return cls(resolve(f"${{{name}}}") for name in names)

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        for value in self._known:
            text = text.replace(value, HIDDEN)
        return _replace(text, (HIDDEN for _ in iter(int, 1)))

    def header(self, name: str, value: str) -> str:
        """Return a header's value without secrets; references stay."""
        lower = name.lower()
        if lower in ("cookie", "set-cookie"):
            return _hide_cookie(self.text(value)) if not _REFERENCE.fullmatch(value) else value
        if lower in SECRET_HEADERS and not _REFERENCE.search(value):
            scheme, space, rest = value.partition(" ")
            return f"{scheme} {HIDDEN}" if space and rest else HIDDEN
        return self.text(value)

    def value(self, value: T) -> T:
        """Return a copy of a value (struct, mapping, sequence) without secrets; header pairs are known by their name."""
        return convert(self._walk(to_builtins(value)), type(value), strict=False)

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self._walk(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str) and value[0].lower() in SECRET_HEADERS:
                return [value[0], self.header(value[0], value[1])]
            return [self._walk(item) for item in value]
        return value


def _forms(value: str) -> set[str]:
    """Return the encodings in which a value may turn up."""
    return {value, quote(value, safe=""), base64.b64encode(value.encode()).decode(), base64.urlsafe_b64encode(value.encode()).decode()}


def seal(text: str, environ: MutableMapping[str, str]) -> str:
    """Return the text with its secrets moved into environ and ``${env:WSBOOK_SECRET_n}`` in their place.

    So that a secret typed on a command line reaches the probes, but neither the notebooks' parameters nor the record.
    """
    names = []
    for start, end in _spans(text):
        name = f"WSBOOK_SECRET_{sum(key.startswith('WSBOOK_SECRET_') for key in environ) + 1}"
        environ[name] = text[start:end]
        names.append(f"${{env:{name}}}")
    return _replace(text, names)
