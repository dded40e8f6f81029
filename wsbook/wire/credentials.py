"""Which request headers carry credentials, and how they are shown: by name, never by value. No I/O."""

import re

from wsbook.facts import Headers

__all__ = ["cookie_names", "credential_values", "has_hidden_credential", "hide_credentials"]

_HIDDEN = "***"
_CREDENTIALS = frozenset({"cookie", "authorization", "proxy-authorization"})
_PAIR = re.compile(r"\s*(?P<name>[^=;]*)=(?P<value>[^;]*)")


def cookie_names(headers: Headers) -> tuple[str, ...]:
    """Return the names of the cookies in a request, in order (RFC 6265 section 4.2)."""
    values = (value for name, value in headers if name.lower() == "cookie")
    return tuple(pair["name"].strip() for value in values for pair in _PAIR.finditer(value))


def credential_values(headers: Headers) -> tuple[str, ...]:
    """Return the secret parts of a request's headers that are long enough to be told from other text, longest first."""
    found = set()
    for name, value in headers:
        if name.lower() == "cookie":
            found |= {pair["value"].strip() for pair in _PAIR.finditer(value)}
        elif name.lower() in _CREDENTIALS:
            found.add(value.partition(" ")[2] or value)
    return tuple(sorted((value for value in found if len(value) >= 4), key=len, reverse=True))


def hide_credentials(headers: Headers) -> Headers:
    """Return the headers with the values of cookies and credentials replaced by ``***``; names and schemes stay."""
    return tuple((name, _hidden(name.lower(), value)) for name, value in headers)


def _hidden(name: str, value: str) -> str:
    if name not in _CREDENTIALS:
        return value
    if name == "cookie":
        return "; ".join(f"{pair['name'].strip()}={_HIDDEN}" for pair in _PAIR.finditer(value)) or _HIDDEN
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {_HIDDEN}" if space else _HIDDEN


def has_hidden_credential(name: str, value: str) -> bool:
    """Tell whether a header carries a credential whose value was hidden when it was recorded."""
    return name.lower() in _CREDENTIALS and (_HIDDEN in value or not value.strip())
