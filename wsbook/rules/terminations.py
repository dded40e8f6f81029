"""How proxies say that a request ended, in words, and what it stands for: HAProxy's states, Envoy's flags, ALB's statuses, CloudFront's
results (step 1.4). The knowledge stands in terminations.toml."""

import re
from collections.abc import Iterator
from functools import cache
from statistics import median

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.facts import AccessFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof, unknown
from wsbook.words import quantity

__all__ = ["explain_termination", "judge_termination"]

_LIKELY = 0.2
"""Below this a termination only hints."""
_STATE = re.compile(r"^[CSPLRIDUKcs-][RQCHDLT-](?:[NIDVEUO-][NIUPRD-])?$")


class _Meaning(Struct, frozen=True):
    """What one value says. status: answers that it must come with, () any. cause: "" when it is normal or says nothing."""

    words: str = ""
    cause: str = ""
    weight: float = 0.0
    status: tuple[int, ...] = ()


class _Table(Struct, frozen=True):
    who: dict[str, str]
    when: dict[str, str]
    haproxy: dict[str, _Meaning]
    flags: dict[str, _Meaning]
    alb: dict[int, _Meaning]
    results: dict[str, _Meaning]


@cache
def _table() -> _Table:
    table = read_table("rules/terminations.toml")

    def meanings(rows: list[dict[str, object]], key: str) -> dict[object, object]:
        return {row.pop(key): row for row in rows}

    haproxy = table["haproxy"]
    known = {"who": haproxy["who"], "when": haproxy["when"], "haproxy": meanings(haproxy["state"], "state")}
    known |= {"flags": meanings(table["envoy"]["flag"], "flag"), "alb": meanings(table["alb"]["status"], "status")}
    return convert(known | {"results": meanings(table["cloudfront"]["result"], "result")}, _Table)


def _meanings(facts: AccessFacts) -> Iterator[_Meaning]:
    """Yield what a request's end says, in words; nothing for a normal end that is not worth a word."""
    table, text = _table(), facts.termination
    if _STATE.match(text):
        known = table.haproxy.get(text[:2], _Meaning())
        words = f"{table.who[text[0]]} {table.when[text[1]]}" if text[:2] != "--" else table.who["-"]
        yield _Meaning(words, known.cause, known.weight, known.status)
        return
    yield from (table.flags[flag] for flag in text.split(",") if flag in table.flags)
    yield from (table.results[name] for name in (text,) if name in table.results)
    if facts.program == "alb" and facts.status in table.alb:
        yield table.alb[facts.status]


def explain_termination(facts: AccessFacts) -> str:
    """Return in words how a request ended, "" when its log does not say or the value is not known."""
    return "; ".join(meaning.words for meaning in _meanings(facts))


def judge_termination(seen: Observation, facts: AccessFacts) -> Iterator[Finding]:
    """Judge how alike requests ended."""
    age = f" after {median(facts.durations_s):.3g} s" if facts.durations_s else ""
    named = facts.termination or str(facts.status)
    for meaning in _meanings(facts):
        if meaning.cause and (not meaning.status or facts.status in meaning.status):
            summary = f"{quantity(facts.count, 'request')} ended with {named}{age}: {meaning.words}"
            say = fault if meaning.weight >= _LIKELY else unknown
            yield say(meaning.cause, meaning.weight, summary, proof(seen, facts.text))
