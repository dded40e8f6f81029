"""JSON objects from peers, read without trust: wrong types and broken texts are absent, never an exception."""

import json
from typing import Any

__all__ = ["number", "parse_json", "parse_object", "texts", "word"]

_LIMIT = 1 << 20


def parse_json(text: str) -> Any:
    """Return the value in a JSON text, None for one that is broken, nested too deeply or longer than 1 MiB."""
    try:
        return json.loads(text) if len(text) <= _LIMIT else None
    except (ValueError, RecursionError):
        return None


def parse_object(text: str) -> dict[str, Any]:
    """Return the object in a JSON text, {} for anything else."""
    found = parse_json(text)
    return found if isinstance(found, dict) else {}


def word(found: dict[str, Any], key: str, limit: int = 200) -> str:
    """Return a text of an object, cut to limit; "" when it is none."""
    value = found.get(key)
    return value[:limit] if isinstance(value, str) else ""


def number(found: dict[str, Any], key: str) -> int | None:
    """Return a whole number of an object, None when it is none."""
    value = found.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def texts(found: dict[str, Any], key: str) -> tuple[str, ...]:
    """Return the texts in a list of an object, at most twenty, each cut to 60 characters."""
    value = found.get(key)
    return tuple(one[:60] for one in value[:20] if isinstance(one, str)) if isinstance(value, list) else ()
