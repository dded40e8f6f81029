"""Worked cases, as their words: which causes a text resembles when nothing in it is known. Reads precedents.json once; judges nothing.

The file holds words and word pairs only; benchmarks/precedents.py makes it from cases.

Similarity is the cosine of word and word-pair weights (tf-idf, Salton and Buckley 1988). It is a guess by vocabulary: what a
program printed, a source says or a probe measured always outranks it.
"""

import json
import math
import re
from collections import Counter, defaultdict
from functools import cache
from importlib.resources import files
from itertools import pairwise

from msgspec import Struct

from wsbook.causes import causes

__all__ = ["COMMON", "SCHEMA", "Resemblance", "resembling", "terms"]

SCHEMA = "wsbook.precedents/1"

COMMON = 0.2
"""Terms that more than this part of the cases have say nothing."""
OTHERS = 0.5
"""How much each of the three next cases of a cause counts beside the nearest one."""
LEAST = 0.02
SHARED = 6
_STOP = frozenset(
    re.findall(
        r"\w+",
        """
    the and for with that this not from are was has have its but one all can into out who what which then than them they only over when
    while will per our example test
""",
    )
)


class Resemblance(Struct, frozen=True, kw_only=True):
    """A cause that a text resembles. score: 0..1 and a little above. shared: the most telling terms in common with its nearest case."""

    cause: str
    score: float
    shared: tuple[str, ...]


def terms(text: str) -> set[str]:
    """Return the words, status codes and word pairs of a text; names in camel case fall into their words."""
    split = re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower()
    words = [word for word in re.findall(r"[a-z]{2,30}|\b[1-5]\d\d\d?\b", split) if word not in _STOP]
    return {*words, *(f"{one} {other}" for one, other in pairwise(words))}


@cache
def _memory() -> tuple[dict[str, float], list[tuple[str, dict[str, float]]]]:
    """Return (weight of each term, the cases as (cause, unit vector)); the catalogue's own entries are cases too."""
    known = json.loads(files("wsbook").joinpath("precedents.json").read_text(encoding="utf-8"))["cases"]
    cases = [(slug, frozenset(words)) for slug, words in known]
    cases += [
        (slug, frozenset(terms(f"{slug.replace('-', ' ')} {one.title} {one.meaning} {one.remedy} {one.test}")))
        for slug, one in causes().items()
    ]
    counts = Counter(term for _, words in cases for term in words)
    weights = {term: math.log(len(cases) / count) for term, count in counts.items() if count < COMMON * len(cases)}
    return weights, [(slug, _vector(words, weights)) for slug, words in cases]


def _vector(words: "frozenset[str] | set[str]", weights: dict[str, float]) -> dict[str, float]:
    found = {word: weights[word] for word in words if word in weights}
    length = math.sqrt(sum(weight * weight for weight in found.values())) or 1.0
    return {word: weight / length for word, weight in found.items()}


def resembling(text: str, most: int = 6) -> tuple[Resemblance, ...]:
    """Return the causes that a text resembles, best first, at most so many."""
    weights, cases = _memory()
    asked = _vector(terms(text), weights)
    near: dict[str, list[tuple[float, dict[str, float]]]] = defaultdict(list)
    for slug, case in cases:
        score = sum(weight * case[word] for word, weight in asked.items() if word in case)
        if score > LEAST:
            near[slug].append((score, case))
    found = []
    for slug, scored in near.items():
        ranked = sorted(scored, key=lambda entry: -entry[0])
        shared = sorted(asked.keys() & ranked[0][1].keys(), key=lambda word: -asked[word] * ranked[0][1][word])
        score = ranked[0][0] + OTHERS * sum(entry[0] for entry in ranked[1:4])
        found.append(Resemblance(cause=slug, score=round(score, 4), shared=tuple(shared[:SHARED])))
    return tuple(sorted(found, key=lambda one: (-one.score, one.cause))[:most])
