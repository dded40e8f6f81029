"""How long an expression of a stranger's configuration may search: an upper bound of its ways through a path. Matches nothing.

Python's engine backtracks: ``(a|a)*`` doubles its ways with each letter, and each further ``.*`` multiplies them by the length. The
parsed expression tells both beforehand. A repeat that can only end where it does, as ``[^/]+`` before a slash, has one way.
"""

import re
from typing import Any, TypeAlias

__all__ = ["LENGTH", "WAYS", "ways"]

LENGTH = 64
"""Letters of a path that bounds are computed for."""

WAYS = 300_000
"""Expressions with more ways are not tried: three open repeats on a path of LENGTH take some hundredths of a second."""

_HOPELESS = float("inf")
_parser: Any = re._parser  # type: ignore[attr-defined]
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_ZERO_WIDTH = ("ASSERT", "ASSERT_NOT")
Item: TypeAlias = tuple[Any, Any]
"""Name and operands of one element of a parsed expression."""


def ways(pattern: str, flags: int = 0) -> float:
    """Return an upper bound of the ways in which an expression can fail on a path; infinite when it grows exponentially.

    Raises:
        re.error, OverflowError, RecursionError: it is no expression.
    """
    return _sequence(list(_parser.parse(pattern, flags)), [])


def _sequence(items: list[Item], after: list[Item]) -> float:
    product = 1.0
    for number, item in enumerate(items):
        product *= _ways(item, _first(items[number + 1 :], after))
    return product


def _ways(item: Item, after: list[Item]) -> float:
    name, value = str(item[0]), item[1]
    if name in _REPEATS:
        return _repeat(int(value[0]), int(value[1]), list(value[2]), after)
    if name == "SUBPATTERN":
        return _sequence(list(value[3]), after)
    if name == "ATOMIC_GROUP":
        return _sequence(list(value), after)
    if name in _ZERO_WIDTH:
        return _sequence(list(value[1]), [])
    if name == "BRANCH":
        return _branch([list(one) for one in value[1]], after)
    return float(LENGTH) if name.startswith("GROUPREF") else 1.0


def _repeat(least: int, most: int, body: list[Item], after: list[Item]) -> float:
    """Return the counts that a repeat can end with, times the ways of its body as often as it is repeated."""
    times, begin = min(most, LENGTH), _first(body, after)
    inside = _sequence(body, [*begin, *after] if times > 1 else after)
    counts = 1.0 if inside == 1 and _apart(begin, after) else float(max(times - least, 0) + 1)
    if inside > 1 and times > 3:
        return _HOPELESS
    return counts * inside**times


def _branch(branches: list[list[Item]], after: list[Item]) -> float:
    """Return the ways of alternatives; those that begin with different letters exclude one another."""
    inside, begin = [_sequence(one, after) for one in branches], [_first(one, after) for one in branches]
    exclusive = all(_apart(one, other) for number, one in enumerate(begin) for other in begin[number + 1 :])
    return max(inside) if exclusive else sum(inside)


def _first(items: list[Item], after: list[Item]) -> list[Item]:
    """Return what can stand first in a sequence, and behind it where it can be empty."""
    found: list[Item] = []
    for name, value in items:
        if str(name) in _ZERO_WIDTH or (str(name) == "AT" and not str(value).startswith("AT_END")):
            continue
        begin, empty = _begin(str(name), value)
        found += begin or [(name, value)]
        if not empty:
            return found
    return found + after


def _begin(name: str, value: Any) -> tuple[list[Item], bool]:
    """Return what can stand first in one compound element, and whether that element can be empty."""
    if name in _REPEATS:
        return _first(list(value[2]), []), int(value[0]) == 0
    if name in ("SUBPATTERN", "ATOMIC_GROUP"):
        inner = list(value[3] if name == "SUBPATTERN" else value)
        return _first(inner, []), _empty(inner)
    if name == "BRANCH":
        branches = [list(one) for one in value[1]]
        return [item for one in branches for item in _first(one, [])], any(_empty(one) for one in branches)
    return [], False


def _empty(items: list[Item]) -> bool:
    return all(str(name) in (*_ZERO_WIDTH, "AT") or _begin(str(name), value)[1] for name, value in items)


def _apart(these: list[Item], those: list[Item]) -> bool:
    """Whether no letter begins one of these and one of those."""
    return all(_differ(one, other) for one in these for other in those)


def _differ(one: Item, other: Item) -> bool:
    if "AT" in (str(one[0]), str(other[0])):
        return True
    for single, letter in ((one, other), (other, one)):
        if str(letter[0]) == "LITERAL":
            return not any(
                _matches(single, ord(case)) for case in {*chr(letter[1]).lower()[:1], *chr(letter[1]).upper()[:1], chr(letter[1])}
            )
    return False


def _matches(single: Item, letter: int) -> bool:
    name, value = str(single[0]), single[1]
    if name == "IN":
        negated = str(value[0][0]) == "NEGATE"
        return any(_matches(one, letter) for one in value if str(one[0]) != "NEGATE") != negated
    if name in ("LITERAL", "NOT_LITERAL"):
        return bool(value == letter) == (name == "LITERAL")
    if name == "RANGE":
        return bool(value[0] <= letter <= value[1])
    if name == "CATEGORY" and str(value) in ("CATEGORY_DIGIT", "CATEGORY_WORD", "CATEGORY_SPACE"):
        return re.match({"D": r"\d", "W": r"\w", "S": r"\s"}[str(value)[9]], chr(letter)) is not None
    return True
