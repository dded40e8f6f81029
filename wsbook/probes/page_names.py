"""Which names stand in the scripts of a page, and which of them resemble one that a message calls itself.

Looks at texts only, runs nothing. This module must not know how scripts are read out of a browser.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

__all__ = ["Names"]

_LITERAL = re.compile(r"""(["'`])([\w.:/@#-]{2,80})\1""")
_KEY = re.compile(r"(?<![\w$])([A-Za-z_$][\w$]{2,60})\s*(?::|=>|\(\s*[\w$,{} ]*\)\s*\{)")
"""A member of an object, or a method, by whose name a message may find its function."""
_MOST, _ALIKE, _RATIO = 40_000, 5, 0.8
_PARTS = re.compile(r"[^0-9A-Za-z]+|(?<=[a-z0-9])(?=[A-Z])")


def _parts(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case, each in the singular: orderCreated, ORDER_CREATED and .orders.created are alike."""
    return tuple(_singular(part.lower()) for part in _PARTS.split(name) if part)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


class Names:
    """The names in some scripts. literals: quoted ones; keys: of members and methods."""

    def __init__(self, sources: Iterable[str]) -> None:
        self.literals: set[str] = set()
        self.keys: set[str] = set()
        self._sources = tuple(sources)
        for text in self._sources:
            if len(self.literals) < _MOST:
                self.literals.update(found[1] for found in _LITERAL.findall(text))
            if len(self.keys) < _MOST:
                self.keys.update(_KEY.findall(text))

    def knows(self, value: str) -> bool:
        """Tell whether a value stands there as it is: quoted, as the name of a member or method, or behind a dot, as in Kind.created."""
        if value in self.literals or value in self.keys:
            return True
        escaped = value.replace("\\", "\\\\")
        quoted = [f"{mark}{escaped}{mark}" for mark in "\"'`"]
        return any(one in text for one in quoted for text in self._sources) or self._dotted(value)

    def _dotted(self, value: str) -> bool:
        if not re.fullmatch(r"[A-Za-z_$][\w$]*", value):
            return False
        written = re.compile(rf"[\w$)\]?][.]\s*{re.escape(value)}(?![\w$])")
        return any(written.search(_LITERAL.sub('""', text)) for text in self._sources if value in text)

    def alike(self, value: str) -> tuple[str, ...]:
        """Return up to five names that differ from the value in case, separators, a plural, a part before or behind, or a few letters."""
        wanted = _parts(value)
        if not wanted:
            return ()
        scores = {name: score for name in self._near(wanted) if name != value and (score := _likeness(wanted, name)) > 0}
        return tuple(sorted(scores, key=lambda name: (-scores[name], name not in self.literals, name))[:_ALIKE])

    def _near(self, wanted: tuple[str, ...]) -> Iterator[str]:
        """Yield the names that share a word with the wanted ones, or begin alike and are about as long: comparing all takes too long."""
        words, first, size = [word for word in wanted if len(word) > 2], wanted[0][0], len("".join(wanted))
        for name in self.literals | self.keys:
            low = name.lower()
            if any(word in low for word in words) or (low.lstrip("._/#@-")[:1] == first and abs(len(low) - size) <= 0.4 * size):
                yield name


def _likeness(wanted: tuple[str, ...], name: str) -> float:
    """Return how much a name is like the wanted words, 0 when it is not."""
    found = _parts(name)
    if not found:
        return 0.0
    if found == wanted:
        return 2.0
    if sorted(found) == sorted(wanted) and len(wanted) > 1:
        return 1.5
    if len(wanted) > 1 and len(found) > 1 and (found[-len(wanted) :] == wanted or wanted[-len(found) :] == found):
        return 1.4
    one, other = "".join(wanted), "".join(found)
    if one == other:
        return 2.0
    if min(len(one), len(other)) < 4:
        return 0.0
    if (len(found) == 1 and other == wanted[-1]) or (len(wanted) == 1 and found[-1] == one):
        return 1.0
    return _close(one, other)


def _close(one: str, other: str) -> float:
    """Return the share of letters that two words have in common in order, 0 when it is small."""
    if 2 * min(len(one), len(other)) / (len(one) + len(other)) < _RATIO:
        return 0.0
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    ratio = matcher.ratio() if matcher.quick_ratio() >= _RATIO else 0.0
    return ratio if ratio >= _RATIO else 0.0
