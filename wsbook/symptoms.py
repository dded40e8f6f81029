"""What people say when updates do not arrive, and which causes that speaks for: reads symptoms.toml once, judges words.

Pure. Knows no probe, no parser and no rule: a symptom is told, never measured, so nothing here is a verdict.

Patterns are plain words: a space stands for anything that is no letter or digit, `..` for a gap of up to 60 characters, `*` for the
rest of a word, `(a|b)` for alternatives, `<name>` for a class of symptoms.toml; ` & ` joins parts that occur anywhere, `!` denies one.
"""

import re
import unicodedata
from difflib import get_close_matches
from functools import cache

from msgspec import Struct, convert

from wsbook.causes import causes
from wsbook.datafile import read_table
from wsbook.facts import SymptomFacts

__all__ = [
    "Age",
    "Candidate",
    "Limit",
    "Symptom",
    "ages",
    "limits",
    "normalise",
    "place_of",
    "rank_symptoms",
    "symptom_candidates",
    "symptoms",
]

MAX_TEXT = 10_000
MAX_UNKNOWN_WORDS = 40
NUMBER_SCORE = 4.0
STRONG_SCORE = 3.0
WORD_SCORE = 1.5
STRONG_HINT = 0.6
WORD_HINT = 0.3
START, END, LETTERS = r"(?<![^\W_])", r"(?![^\W_])", r"[^\W_]{0,40}"
"""Edges and rest of a word; an underscore separates words, as in error names."""
FREQUENT = {"high": 1.0, "med": 0.95, "low": 0.88}
"""Factor of a cause by its frequency in the catalogue: breaks ties, decides nothing."""


class Candidate(Struct, frozen=True, kw_only=True):
    """A cause that a symptom may stand for. prior: 0..1 within the symptom. test: the cheapest test that separates it from the others."""

    cause: str
    prior: float
    test: str


class Symptom(Struct, frozen=True, kw_only=True):
    """One thing that people see. status, close_codes: numbers that point to it by themselves. strong, words: patterns, see above."""

    slug: str
    title: str
    candidates: tuple[Candidate, ...]
    status: tuple[int, ...] = ()
    close_codes: tuple[int, ...] = ()
    strong: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


class Age(Struct, frozen=True, kw_only=True):
    """A known lifetime of sockets, tolerance in seconds. needs_silence: only idle sockets end then; None when it does not matter."""

    age_s: float
    tolerance_s: float
    cause: str
    note: str
    needs_silence: bool | None = None
    weight: float = 0.5


class Limit(Struct, frozen=True, kw_only=True):
    """A known number of connections at which something is full."""

    count: int
    cause: str
    note: str


class _Close(Struct, frozen=True, kw_only=True):
    code: int
    causes: dict[str, float]


class _Told(Struct, frozen=True, kw_only=True):
    """Words that name a place and the causes that become likelier there."""

    name: str
    words: tuple[str, ...]
    causes: dict[str, float] = {}


class _Hint(Struct, frozen=True, kw_only=True):
    strong: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


class _Product(Struct, frozen=True, kw_only=True):
    """A named product and the causes that only it can have."""

    words: tuple[str, ...]
    causes: tuple[str, ...]


class _Book(Struct, frozen=True, kw_only=True):
    spelling: dict[str, str]
    vocabulary: tuple[str, ...]
    classes: dict[str, str]
    symptoms: dict[str, dict[str, object]]
    ages: tuple[Age, ...]
    limits: tuple[Limit, ...]
    closes: tuple[_Close, ...]
    places: tuple[_Told, ...]
    hints: dict[str, _Hint]
    products: dict[str, _Product]


@cache
def _book() -> _Book:
    return convert(read_table("symptoms.toml"), _Book)


@cache
def symptoms() -> dict[str, Symptom]:
    """Return every symptom by slug, in the order of the book: connecting, dropping, wrong data."""
    return {slug: convert({"slug": slug, **fields}, Symptom) for slug, fields in _book().symptoms.items()}


def ages() -> tuple[Age, ...]:
    """Return the known lifetimes of sockets, shortest first."""
    return _book().ages


def limits() -> tuple[Limit, ...]:
    """Return the known connection limits, smallest first."""
    return _book().limits


def normalise(text: str) -> str:
    """Return the text as patterns expect it: lower case, plain quotes, known misspellings corrected, at most 10,000 characters."""
    plain = unicodedata.normalize("NFKC", text[:MAX_TEXT])[:MAX_TEXT].lower().replace("\u2019", "'")
    plain = re.sub(r"\s+", " ", re.sub(r"([^\w\s])\1{2,}", r"\1", plain)).strip()
    for wrong, right in _spelling():
        plain = wrong.sub(right, plain)
    return _corrected(plain)[:MAX_TEXT]


@cache
def _spelling() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(rf"(?<!\w)(?:{wrong})(?!\w)"), right) for wrong, right in _book().spelling.items())


def _corrected(plain: str) -> str:
    """Replace long unknown words that are one slip away from a word of the vocabulary."""
    known = set(_book().vocabulary)
    unknown = [word for word in dict.fromkeys(re.findall(r"(?<![\w/.@-])[a-z]{7,20}(?![\w/@-])", plain)) if word not in known]
    for word in unknown[:MAX_UNKNOWN_WORDS]:
        near = get_close_matches(word, _book().vocabulary, n=1, cutoff=0.9)
        if near and (near[0][0], near[0][-2:]) == (word[0], word[-2:]):
            plain = re.sub(rf"(?<!\w){word}(?!\w)", near[0], plain)
    return plain


def _source(phrase: str) -> str:
    """Translate one part of a pattern into a regular expression."""
    expanded = re.sub(r"<(\w+)>", lambda found: f"({_book().classes[found[1]]})", phrase.strip())
    gapped = re.sub(r"\s*\.\.\s*", "\0", expanded.replace("_", " "))
    optional = re.sub(r"\s+\?", r"[\\W_]{0,3}", gapped.replace("*", LETTERS).replace("(", "(?:"))
    spaced = re.sub(r"\s+", r"[\\W_]+", optional)
    return rf"{START}(?:{spaced}){END}".replace("\0", END + ".{0,60}?" + START)


@cache
def _compiled(pattern: str) -> tuple[tuple[bool, re.Pattern[str]], ...]:
    parts = [part.strip() for part in pattern.split(" & ")]
    return tuple((not part.startswith("!"), re.compile(_source(part.removeprefix("!")))) for part in parts)


def _says(pattern: str, plain: str) -> bool:
    return all(bool(part.search(plain)) is wanted for wanted, part in _compiled(pattern))


def _count(patterns: tuple[str, ...], plain: str) -> int:
    return sum(1 for pattern in patterns if _says(pattern, plain))


def place_of(plain: str) -> str:
    """Return the places that a normalised text names, in our words, joined by "; "."""
    return "; ".join(place.name for place in _book().places if _count(place.words, plain))


def rank_symptoms(
    plain: str, *, status: int | None = None, close_code: int | None = None, age_s: float | None = None
) -> tuple[tuple[str, float], ...]:
    """Return (slug, score) of the symptoms that a normalised text and its numbers fit, best first.

    A number that points to a symptom counts 4, a strong pattern 3, other words 1.5 each up to three of them.
    """
    scores: dict[str, float] = {}
    for slug, symptom in symptoms().items():
        score = STRONG_SCORE * min(2, _count(symptom.strong, plain)) + WORD_SCORE * min(3, _count(symptom.words, plain))
        score += NUMBER_SCORE * ((status in symptom.status) + (close_code in symptom.close_codes))
        if slug == "closed-constant-age" and age_s is not None and _says("<drop>|<idle>", plain):
            score += NUMBER_SCORE
        if score:
            scores[slug] = score
    return tuple(sorted(scores.items(), key=lambda item: -item[1]))


def symptom_candidates(facts: SymptomFacts) -> tuple[tuple[str, float], ...]:
    """Return (cause, score 0..1) for what was told, likeliest first, at most 20.

    Symptoms, known ages and connection numbers, close codes, places and telling words each support causes; independent support adds up
    as 1 - (1 - a)(1 - b). Causes of another product than the one that is named count half.
    """
    plain = normalise(facts.text)
    support: dict[str, float] = {}
    for cause, weight in (
        *_from_symptoms(facts, plain),
        *_from_age(facts.age_s, plain),
        *_from_limits(plain),
        *((cause, weight) for close in _book().closes if close.code == facts.close_code for cause, weight in close.causes.items()),
        *((cause, weight) for place in _book().places if place.name in facts.place.split("; ") for cause, weight in place.causes.items()),
        *_from_hints(plain),
    ):
        support[cause] = 1.0 - (1.0 - support.get(cause, 0.0)) * (1.0 - min(0.95, weight))
    ranked = [(cause, round(score * _fit(cause, plain), 4)) for cause, score in support.items()]
    return tuple(sorted(ranked, key=lambda item: (-item[1], item[0])))[:20]


def _from_symptoms(facts: SymptomFacts, plain: str) -> list[tuple[str, float]]:
    """Weigh candidates by the symptom's score; symptoms chosen from a list without words count like a strong pattern."""
    told = dict(rank_symptoms(plain, status=facts.status, close_code=facts.close_code, age_s=facts.age_s))
    scores = {slug: max(told.get(slug, 0.0), 0.0 if told else STRONG_SCORE) for slug in facts.symptoms if slug in symptoms()}
    return [
        (candidate.cause, candidate.prior * score / (score + 2.0))
        for slug, score in list(scores.items())[:5]
        for candidate in symptoms()[slug].candidates
    ]


def _from_age(age_s: float | None, plain: str) -> list[tuple[str, float]]:
    """Weigh the known lifetimes: said silence speaks for idle limits, said traffic against them."""
    if age_s is None or not _says("<drop>|<idle>", plain):
        return []
    idle, active = _says("<idle>", plain), _says("<active>", plain)
    found = []
    for age in ages():
        if abs(age.age_s - age_s) <= age.tolerance_s:
            fits = 0.3 if (active and age.needs_silence) or (idle and not active and age.needs_silence is False) else 1.0
            found.append((age.cause, age.weight * fits))
    return found


def _from_limits(plain: str) -> list[tuple[str, float]]:
    if not _says("<many>", plain):
        return []
    numbers = {
        float(number.replace(",", "")) * (1000 if kilo else 1)
        for number, kilo in re.findall(r"(?<![\w.:])(\d[\d,]{0,6})(k?)(?=\W|th|$)", plain)
    }
    return [(limit.cause, 0.5) for limit in limits() if any(abs(limit.count - number) <= 0.01 * limit.count for number in numbers)]


def _from_hints(plain: str) -> list[tuple[str, float]]:
    found = []
    for cause, hint in _book().hints.items():
        found += [(cause, STRONG_HINT)] * min(2, _count(hint.strong, plain))
        found += [(cause, WORD_HINT)] * min(3, _count(hint.words, plain))
    return found


def _fit(cause: str, plain: str) -> float:
    """Return the factor for a cause: its frequency, halved when it belongs to a product and only others are named."""
    named = {name for name, product in _book().products.items() if _count(product.words, plain)}
    owners = {name for name, product in _book().products.items() if cause in product.causes}
    return FREQUENT[causes()[cause].frequency] * (0.5 if owners and named and not owners & named else 1.0)
