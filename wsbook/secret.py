"""References to secrets, resolved only when dialling.

A text may hold ``${env:NAME}`` or ``${file:/path}`` anywhere, or be ``env:NAME`` as a whole. Targets, records and
notebooks keep the reference; the value exists in memory while a request is written, and nowhere else.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from wsbook.errors import SecretMissingError

__all__ = ["SEALED", "SECRET_HEADERS", "has_reference", "reference_names", "resolve", "without_references"]

SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "apikey"}
    | {"x-auth-token", "x-access-token", "x-csrf-token", "x-xsrf-token", "x-session-id", "x-session-token"}
    | {"x-amz-security-token", "x-goog-iap-jwt-assertion", "cf-access-jwt-assertion"}
)
"""Headers whose value is a secret whatever it looks like, in lower case."""

SEALED = "WSBOOK_SECRET_"
"""Beginning of the variables that hold what was typed in clear; programs that we start do not get them."""

_REFERENCE = re.compile(r"\$\{(?P<kind>env|file):(?P<name>[^}\s]+)\}")
_WHOLE = re.compile(r"(?P<kind>env):(?P<name>[A-Za-z_][A-Za-z0-9_]*)")


def _inline(text: str) -> str:
    return f"${{{text}}}" if _WHOLE.fullmatch(text) else text


def has_reference(text: str) -> bool:
    """Tell whether the text holds a secret reference."""
    return bool(_REFERENCE.search(_inline(text)))


def reference_names(text: str) -> tuple[str, ...]:
    """Return the references in the text as ``env:NAME`` or ``file:PATH``, in order."""
    return tuple(f"{m['kind']}:{m['name']}" for m in _REFERENCE.finditer(_inline(text)))


def without_references(text: str) -> str:
    """Return the text with a letter in the place of each reference, to see whether the rest of it is well formed."""
    return _REFERENCE.sub("x", _inline(text))


def resolve(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the text with every reference replaced by its value.

    environ: None means the process environment.

    Raises:
        SecretMissingError: a variable is not set or a file cannot be read.
    """
    variables = os.environ if environ is None else environ

    def value(match: re.Match[str]) -> str:
        kind, name = match["kind"], match["name"]
        if kind == "env":
            if name not in variables:
                raise SecretMissingError(f"the variable {name} is not set; export it before the run")
            return variables[name]
        try:
            return Path(name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SecretMissingError(f"the secret file {name} cannot be read: {error.strerror}") from error

    return _REFERENCE.sub(value, _inline(text))
