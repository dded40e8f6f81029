"""What an expression of a script can be: texts that may be partly unknown, and references to things that are no text. Evaluates nothing."""

import re
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

__all__ = ["HOST", "MAX_VALUES", "NOTHING", "ORIGIN", "PROTOCOL", "UNKNOWN", "Ref", "Value", "agree", "is_known", "joined", "unique"]

UNKNOWN = "\ue000"
"""Anything."""
HOST = "\ue001"
"""A host with or without port: location.host, or a variable that says so by its name."""
PROTOCOL = "\ue002"
"""The page's protocol, http: or https:."""
ORIGIN = "\ue003"
"""The page's protocol, two slashes and host."""

MAX_VALUES = 8
_MAX_TEXT = 4000
_OPEN = re.compile(f"[{UNKNOWN}{HOST}{PROTOCOL}{ORIGIN}]")


class Ref(Struct, frozen=True, kw_only=True):
    """Something that is no text: kind node (an object, array, function, class, enum, instance or JSX element in the code), location, env,
    module, or state (what React's useState holds).

    node: the syntax node. frame: where it stands, see evaluate.Frame.
    """

    kind: str
    node: Any = None
    frame: Any = None


class Value(Struct, frozen=True, kw_only=True):
    """One possible meaning. condition: source of the tests under which it holds, "" always. ref: given when it is no text."""

    text: str = UNKNOWN
    condition: str = ""
    ref: Ref | None = None

    def also(self, condition: str) -> "Value":
        """Return the same meaning under one more condition."""
        if not condition or condition in self.condition:
            return self
        return replace(self, condition=" and ".join(filter(None, (self.condition, condition)))[:200])


NOTHING = [Value()]
"""What nothing is known about."""


def is_known(text: str) -> bool:
    """Whether no part of a text is unknown."""
    return not _OPEN.search(text)


def joined(left: list[Value], right: list[Value]) -> list[Value]:
    """Return every text of left followed by every one of right, those left out whose conditions exclude one another."""
    pairs = [
        Value(text=(a.text + b.text)[:_MAX_TEXT], condition=a.condition).also(b.condition)
        for a in left
        for b in right
        if agree(a.condition, b.condition)
    ]
    return pairs[:MAX_VALUES] or NOTHING


def agree(one: str, other: str) -> bool:
    """Whether two conditions can hold together: no test of one is the negation of a test of the other."""
    tests, others = set(one.split(" and ")) - {""}, set(other.split(" and ")) - {""}
    return not any(f"not ({test})" in others for test in tests) and not any(f"not ({test})" in tests for test in others)


def unique(values: list[Value]) -> list[Value]:
    """Return the values without repetitions, at most eight."""
    return list(dict.fromkeys(values))[:MAX_VALUES]
