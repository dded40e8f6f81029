"""Backends that HAProxy names by an expression: ``use_backend %[path,map_beg(hosts.map,web)]``. Knows maps, not files.

Source: HAProxy configuration manual, use_backend and the converters map, map_beg, map_dir, map_end, map_reg, map_str, map_sub.
"""

import re
from collections.abc import Callable

from wsbook.parsers.proxies.artifact import try_regex
from wsbook.parsers.proxies.haproxy.acls import Handshake, fetched

__all__ = ["backends_named"]

_MAP = re.compile(r"^%\[(?P<fetch>[^,\]]+(?:,(?:lower|upper))*),map(?:_(?P<how>\w+))?\((?P<file>[^,)]+)(?:,(?P<other>[^)]*))?\)\]$")


def backends_named(word: str, asked: Handshake, read: Callable[[str], tuple[str, ...] | None]) -> list[str] | None:
    """Return the backends that a word of use_backend can mean for the handshake; None when it can be any.

    read: gives the lines of a map file, None when it is not known.
    """
    if "%" not in word:
        return [word]
    found = _MAP.match(word)
    lines = read(found["file"].strip()) if found else None
    if found is None or lines is None:
        return None
    pairs = [(parts[0], parts[1]) for parts in (line.split(None, 1) for line in lines) if len(parts) == 2]
    seen = fetched(found["fetch"], asked)
    if not isinstance(seen, str):
        return list(dict.fromkeys([*(name for _, name in pairs), *filter(None, [found["other"]])]))
    hit = next((name for key, name in pairs if _fits(found["how"] or "str", key, seen)), found["other"])
    return [hit.strip()] if hit else []


def _fits(how: str, key: str, seen: str) -> bool:
    regex = try_regex(key) if how == "reg" else None
    tests = {"beg": seen.startswith(key), "end": seen.endswith(key), "sub": key in seen, "dir": f"/{key.strip('/')}/" in f"{seen}/"}
    return bool(regex and regex.search(seen[:500])) if how == "reg" else tests.get(how, seen == key)
