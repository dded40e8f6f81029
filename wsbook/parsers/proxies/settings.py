"""Settings that can hurt a WebSocket although no parser knows them: settings.toml over statements. The last resort, never a fault."""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.facts import Facts, PatternFacts, Suspicion, SuspicionFacts
from wsbook.parsers.proxies.statements import said_in

__all__ = ["MOST", "Hazard", "hazards", "suspect", "suspicions"]

MOST = 20
"""Possibilities of one file; the rules choose the few that fit."""

_TRIES = 50
"""Places of one word in a file that are looked at."""

_STATEMENT = 400
"""Letters of a statement that an expression sees."""


class Hazard(Struct, frozen=True, kw_only=True):
    """One setting, or with unless the lack of one, that can be the cause when nothing else is.

    words: texts in small letters of which every match holds one; they are searched before the expression is tried. line: expression on
    one statement, see statements.py. unless: expression that no statement of the file may match. causes: slug → weight, below 0.4.
    example, healthy: texts that do and do not match.
    """

    kinds: tuple[str, ...]
    words: tuple[str, ...]
    line: str
    causes: dict[str, float]
    note: str
    source: str
    example: str
    healthy: str
    unless: str = ""


@cache
def hazards() -> dict[str, Hazard]:
    """Return every row of settings.toml by its id."""
    return convert(read_table("parsers/proxies/settings.toml"), dict[str, Hazard])


def suspect(text: str, kind: str, file: str, known: Iterable[Facts]) -> tuple[SuspicionFacts, ...]:
    """Return the possibilities that a configuration leaves open as one fact, none when there are none.

    known: what the parser of the kind found; causes that it speaks about are left to it.
    """
    silent = {facts.cause for facts in known if isinstance(facts, PatternFacts)}
    best: dict[str, Suspicion] = {}
    for one in suspicions(text, kind, silent):
        if one.cause not in best or one.weight > best[one.cause].weight:
            best[one.cause] = one
    likeliest = tuple(sorted(best.values(), key=lambda one: -one.weight)[:MOST])
    return (SuspicionFacts(file=file, suspicions=likeliest),) if likeliest else ()


def suspicions(text: str, kind: str, silent: Collection[str] = ()) -> Iterator[Suspicion]:
    """Yield what every row finds at its first place, in the order of the table. silent: causes that are not asked for."""
    statements = said_in(text, kind)
    joined = "\n".join(words[:_STATEMENT] for _, words in statements)
    lowered = joined.lower() if joined.isascii() else joined.translate(_SMALL)
    for name, row, line, unless in _compiled(kind):
        causes = [slug for slug in row.causes if slug not in silent]
        place = _place(joined, lowered, row.words, line) if causes else None
        if place is None or (unless and unless.search(joined)):
            continue
        number, words = statements[joined.count("\n", 0, place)]
        for slug in causes:
            yield Suspicion(setting=name, cause=slug, line=number, excerpt=words[:200], weight=row.causes[slug], note=row.note)


def _place(joined: str, lowered: str, words: tuple[str, ...], line: re.Pattern[str]) -> int | None:
    """Return where the first statement that an expression matches begins; None when there is none."""
    found = (_first(joined, lowered, word, line) for word in words)
    return min((place for place in found if place is not None), default=None)


def _first(joined: str, lowered: str, word: str, line: re.Pattern[str]) -> int | None:
    place = lowered.find(word)
    for _ in range(_TRIES):
        if place < 0:
            return None
        start, end = joined.rfind("\n", 0, place) + 1, joined.find("\n", place)
        if line.search(joined[start : end if end >= 0 else None]):
            return start
        place = lowered.find(word, end) if end >= 0 else -1
    return None


_SMALL = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
"""Lowers without changing the length, which letters outside ASCII would."""


@cache
def _compiled(kind: str) -> tuple[tuple[str, Hazard, re.Pattern[str], re.Pattern[str] | None], ...]:
    flags = re.IGNORECASE | re.MULTILINE
    return tuple(
        (name, row, re.compile(row.line, flags), re.compile(row.unless, flags) if row.unless else None)
        for name, row in hazards().items()
        if kind in row.kinds
    )
