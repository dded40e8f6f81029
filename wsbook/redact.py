"""Secrets never reach a record: every text passes through here before it is written or shown.

Knows what secrets look like and which values were used; knows nothing of files or notebooks.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from itertools import count
from typing import Any, TypeVar
from urllib.parse import quote

from msgspec import convert, to_builtins

from wsbook.secret import SEALED, SECRET_HEADERS, has_reference, reference_names, resolve
from wsbook.secret_forms import HIDDEN, cookie_spans, looks_random, names_secret, packed_texts, secret_protocols, secret_spans

__all__ = ["HIDDEN", "Redactor", "seal", "seal_header", "seal_protocols", "seal_whole"]

_PARTS = re.compile(r"[\n;]|: ")
"""What separates values in a list of headers: ``env:NAME`` counts as a reference only as a whole value."""
_REFERENCE = re.compile(r"\$\{(?:(?:env|file):[^}\s]+|[A-Z_][A-Z0-9_]*)\}|\$\(cat [^)\s]+\)|env:\w+")
"""To a secret: ours, and a shell's, as the commands of equivalents.py name it."""

_LISTS: dict[str, Callable[[str], Iterable[tuple[int, int]]]] = {
    "cookie": cookie_spans,
    "set-cookie": cookie_spans,
    "sec-websocket-protocol": secret_protocols,
}
"""Headers of which only parts are secret, and where these stand."""
_LEARNT, _MOST_KNOWN, _LONGEST_NAME = 10, 400, 100

T = TypeVar("T")


def _spans(text: str) -> list[tuple[int, int]]:
    """Return the spans of secrets in a text, references to secrets and what is hidden already excepted."""
    references = [match.span() for match in _REFERENCE.finditer(text)]
    return [
        (start, end)
        for start, end in secret_spans(text)
        if not text.startswith(HIDDEN, start) and not any(start < last and first < end for first, last in references)
    ]


def _replace(text: str, replacement: Iterable[str]) -> str:
    pieces, position = [], 0
    for (start, end), new in zip(_spans(text), replacement, strict=False):
        pieces += [text[position:start], new]
        position = end
    return "".join([*pieces, text[position:]])


def _hide_spans(value: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        value = f"{value[:start]}{HIDDEN}{value[end:]}"
    return value


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
        values = [resolve(f"${{{name}}}") for name in names]
        return cls([*values, *(value[start:end] for value in values for start, end in cookie_spans(value))])

    def text(self, text: str) -> str:
        """Return the text without secrets; halves of characters, which no file can hold, are told by their number."""
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode()
        for value in self._known:
            text = text.replace(value, HIDDEN)
        if self._known:
            packed = [span for span, inside in packed_texts(text) if any(value in inside for value in self._known)]
            text = _hide_spans(text, packed)
        return _replace(text, (HIDDEN for _ in iter(int, 1)))

    def header(self, name: str, value: str) -> str:
        """Return a header's value without secrets; references stay."""
        lower = name.lower()
        if lower in _LISTS:
            shown = self.text(value)
            return _hide_spans(shown, _LISTS[lower](shown)) if not _REFERENCE.search(value) else shown
        if (lower in SECRET_HEADERS or names_secret(name)) and not _REFERENCE.search(value):
            scheme, space, rest = value.partition(" ")
            return f"{scheme} {HIDDEN}" if space and rest else HIDDEN
        return self.text(value)

    def value(self, value: T) -> T:
        """Return a copy of a value (struct, mapping, sequence) without secrets; header pairs are known by their name.

        What a pair gives away is hidden in the whole of the value, and in everything that comes later.
        """
        built = to_builtins(value)
        self._learn(secret for name, said in _pairs(built) for secret in _values(name, said))
        return convert(self._walk(built), type(value), strict=False)

    def _learn(self, secrets: Iterable[str]) -> None:
        new = {form for secret in secrets if looks_random(secret, _LEARNT) for form in _forms(secret)} - set(self._known)
        if new and len(self._known) < _MOST_KNOWN:
            self._known = sorted([*self._known, *new], key=len, reverse=True)

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            walked = {self.text(key) if isinstance(key, str) else key: self._walk(item) for key, item in value.items()}
            if _is_named(value):
                walked["value"] = self.header(value["name"], value["value"])
            return walked
        if isinstance(value, list | tuple):
            return [value[0], self.header(value[0], value[1])] if _is_pair(value) else [self._walk(item) for item in value]
        return value


def _is_pair(value: Any) -> bool:
    return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str) and _tells(value[0])


def _is_named(value: dict[Any, Any]) -> bool:
    return isinstance(value.get("name"), str) and isinstance(value.get("value"), str) and _tells(value["name"])


def _tells(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and (name.lower() in SECRET_HEADERS or name.lower() in _LISTS or names_secret(name))


def _pairs(value: Any) -> Iterator[tuple[str, str]]:
    """Yield every name with a value that is a secret because of it."""
    if isinstance(value, dict):
        if _is_named(value):
            yield value["name"], value["value"]
        for item in value.values():
            yield from _pairs(item)
    elif isinstance(value, list | tuple):
        if _is_pair(value):
            yield value[0], value[1]
        else:
            for item in value:
                yield from _pairs(item)


def _values(name: str, value: str) -> Iterator[str]:
    """Yield the secrets in what stands behind a name: all of it, or the values of cookies, or the tokens among subprotocols."""
    spans = _LISTS.get(name.lower())
    if _REFERENCE.search(value):
        return
    yield from (value[start:end] for start, end in spans(value)) if spans else (value.rpartition(" ")[2],)


def _forms(value: str) -> set[str]:
    """Return the encodings in which a value may turn up."""
    return {value, quote(value, safe=""), base64.b64encode(value.encode()).decode(), base64.urlsafe_b64encode(value.encode()).decode()}


def seal_header(line: str, environ: MutableMapping[str, str]) -> str:
    """Return a header line, its value sealed whole where the name, or the looks of the value, say that it is a secret; cookies too."""
    name, colon, value = line.partition(":")
    scheme, space, rest = value.strip().partition(" ")
    if not colon or has_reference(value.strip()):
        return line
    if name.strip().lower() == "sec-websocket-protocol":
        return f"{name}:{seal_protocols(value, environ)}"
    if not (_tells(name.strip()) or looks_random(value.strip(), _LEARNT)):
        return seal(line, environ)
    if space and rest and scheme.isalnum():
        return f"{name}: {scheme} {seal_whole(rest, environ)}"
    return f"{name}: {seal_whole(value.strip(), environ)}"


def seal_protocols(text: str, environ: MutableMapping[str, str]) -> str:
    """Return a list of subprotocols, separated by commas, with the tokens in it sealed."""
    for start, end in sorted(secret_protocols(text), reverse=True):
        if not has_reference(text[start:end]):
            text = f"{text[:start]}{seal_whole(text[start:end], environ)}{text[end:]}"
    return seal(text, environ)


def seal_whole(secret: str, environ: MutableMapping[str, str]) -> str:
    """Return the reference to a secret, which is in environ from now on."""
    name = next(name for number in count(1) if (name := f"{SEALED}{number}") not in environ)
    environ[name] = secret
    return f"${{env:{name}}}"


def seal(text: str, environ: MutableMapping[str, str]) -> str:
    """Return the text with its secrets moved into environ and ``${env:WSBOOK_SECRET_n}`` in their place.

    So that a secret typed on a command line reaches the probes, but neither the notebooks' parameters nor the record.
    """
    return _replace(text, [seal_whole(text[start:end], environ) for start, end in _spans(text)])
