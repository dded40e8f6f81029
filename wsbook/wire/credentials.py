"""Which parts of a request carry credentials, and how they are shown: by name, never by value. No I/O."""

import base64
import binascii
import re
from urllib.parse import urlsplit, urlunsplit

from wsbook.attempt import Attempt
from wsbook.facts import Credential, Headers
from wsbook.secret import SECRET_HEADERS, has_reference
from wsbook.secret_forms import HIDDEN
from wsbook.wire.dialects.objects import parse_object

__all__ = [
    "cookie_names",
    "credential_values",
    "credentials_of",
    "has_hidden_credential",
    "hide_credentials",
    "only_ambient",
    "without_credentials",
]

_CREDENTIALS = frozenset({"cookie", "authorization", "proxy-authorization"})
_COUNTED = re.compile(r"\(\d+ characters\)")
"""What a recording's reader keeps of a credential: its length, which can be a cause (parsers/recordings/har.py)."""
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
        return "; ".join(f"{pair['name'].strip()}={HIDDEN}" for pair in _PAIR.finditer(value)) or HIDDEN
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {HIDDEN}" if space else HIDDEN


def has_hidden_credential(name: str, value: str) -> bool:
    """Tell whether a header carries a credential whose value was hidden when it was recorded, or when the recording was read."""
    return name.lower() in _CREDENTIALS and (HIDDEN in value or not value.strip() or bool(_COUNTED.fullmatch(value)))


_PARAMETER = re.compile(
    r"(?:[\w.-]*(?:token|secret|passw(?:or)?d|passwd|pwd|api[_-]?key|access[_-]?key|signature|credential|jwt|ticket|session[_-]?id)"
    r"|auth|authorization|bearer|key|sig|session)\Z",
    re.IGNORECASE,
)
"""How parameters of a query that hold a credential are called; ``sid`` is a session of the transport."""
_JWT = re.compile(r"eyJ[\w-]{5,}\.([\w-]{5,})\.[\w-]*")  # RFC 7519
_IN_SUBPROTOCOL = re.compile(r"(?:base64url\.bearer\.|eyJ[\w-]{5,}\.|(?:token|bearer|auth|jwt)[-._].{8,})", re.IGNORECASE)
_MARKERS = frozenset({"access_token", "access-token", "authorization", "auth", "bearer", "jwt", "token"})
"""Subprotocols after which the next one is the credential itself."""
_AMBIENT_SCHEMES = frozenset({"basic", "digest", "negotiate", "ntlm"})
"""Schemes that a browser answers by itself from a login that it remembers (Fetch standard, authentication entries)."""


def _expiry(value: str) -> float | None:
    """Return the exp claim of a JWT in a text (RFC 7519 section 4.1.4), unverified; None when there is none."""
    found = _JWT.search(value)
    if found is None:
        return None
    try:
        claims = parse_object(base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode("utf-8", "replace"))
    except (binascii.Error, ValueError):
        return None
    expires = claims.get("exp")
    return float(expires) if isinstance(expires, int | float) and not isinstance(expires, bool) and 0 < expires < 1e11 else None


def credentials_of(attempt: Attempt) -> tuple[Credential, ...]:
    """Return what an attempt proves itself with; its secret references are to be resolved before, by whoever dials."""
    found: list[Credential] = []
    if attempt.endpoint.userinfo:
        found.append(Credential(place="URL", name="user and password", scheme="Basic", ambient=None))
    for name, value in attempt.headers:
        if name.lower() == "cookie":
            pairs = ((pair["name"].strip(), pair["value"]) for pair in _PAIR.finditer(value))
            found += [Credential(place="header", name=f"Cookie {one}", ambient=True, expires_at=_expiry(held)) for one, held in pairs]
        elif _is_credential(name):
            scheme = value.partition(" ")[0][:20] if name.lower() == "authorization" and " " in value else ""
            ambient = None if scheme.lower() in _AMBIENT_SCHEMES else False
            found.append(Credential(place="header", name=name, scheme=scheme, ambient=ambient, expires_at=_expiry(value)))
    for pair in attempt.endpoint.query.split("&"):
        name, _, value = pair.partition("=")
        if value and _PARAMETER.match(name):
            found.append(Credential(place="query", name=name[:60], expires_at=_expiry(value)))
    plain = _plain_subprotocols(attempt.subprotocols)
    secret = [one for one in attempt.subprotocols if one not in plain and one.lower() not in _MARKERS]
    found += [Credential(place="subprotocol", name="Sec-WebSocket-Protocol", expires_at=_expiry(one)) for one in secret]
    return tuple(found)


def _is_credential(name: str) -> bool:
    return name.lower() in SECRET_HEADERS - {"proxy-authorization", "set-cookie"}


def _plain_subprotocols(offered: tuple[str, ...]) -> tuple[str, ...]:
    kept: list[str] = []
    for number, name in enumerate(offered):
        marked = number > 0 and offered[number - 1].lower() in _MARKERS
        if not (marked or has_reference(name) or _IN_SUBPROTOCOL.match(name) or (name.lower() in _MARKERS and number + 1 < len(offered))):
            kept.append(name)
    return tuple(kept)


def _plain_url(attempt: Attempt) -> str:
    """Return the URL without userinfo and without the parameters that hold a credential."""
    parts = urlsplit(attempt.endpoint.url)
    kept = "&".join(pair for pair in parts.query.split("&") if not (pair.partition("=")[2] and _PARAMETER.match(pair.partition("=")[0])))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, kept, ""))


def without_credentials(attempt: Attempt, label: str, *, keep_ambient: bool = False) -> Attempt | None:
    """Return the variant without what credentials_of() names, None when it has nothing of that.

    keep_ambient: what a browser adds by itself stays, as in the request of a page that knows no secret.
    """
    headers = tuple(
        (name, value)
        for name, value in attempt.headers
        if not _is_credential(name) or (keep_ambient and (name.lower() == "cookie" or _is_ambient(name, value)))
    )
    subprotocols = _plain_subprotocols(attempt.subprotocols)
    url = _plain_url(attempt)
    if keep_ambient and attempt.endpoint.userinfo:
        scheme, _, rest = url.partition("://")
        url = f"{scheme}://{attempt.endpoint.userinfo}@{rest}"
    same_url = _plain_url(attempt) == attempt.endpoint.url and (keep_ambient or not attempt.endpoint.userinfo)
    if headers == attempt.headers and subprotocols == attempt.subprotocols and same_url:
        return None
    return attempt.change(label, headers=headers, url=url, subprotocols=subprotocols)


def _is_ambient(name: str, value: str) -> bool:
    return name.lower() == "authorization" and value.partition(" ")[0].lower() in _AMBIENT_SCHEMES


def only_ambient(attempt: Attempt, label: str) -> Attempt | None:
    """Return the variant with what a browser adds by itself alone, None when that is all that there is."""
    return without_credentials(attempt, label, keep_ambient=True)
