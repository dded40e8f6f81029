"""Sockets of the idle ladder that end at one age, whether they are busy or silent: a limit of life, and none of silence (step 3.4)."""

import re
from collections.abc import Iterator, Sequence

from wsbook.evidence import Evidence
from wsbook.facts import RouteFacts
from wsbook.finding import Finding, Proof
from wsbook.rules.beats import IN_TIME, advice_on_messages, page_beat
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import proxy_products
from wsbook.rules.restarts import are_cut
from wsbook.rules.rungs import Rung, age_of, busy_of, rungs_at, say_rungs

__all__ = ["ends_by_age", "judge_ages", "only_messages_count"]

_SAME = 0.08
_SAME_S = 0.8
"""Ages within this, or this part of them, are one; a busy machine notices late."""
_SPARE_S = 0.1
_OLDER = 1.25
_OLDER_S = 0.5
"""An age so much larger is no longer the same, however late it was noticed."""
_OWN_CODES = range(3000, 5000)
"""Close codes that only an application sends (RFC 6455 section 7.4.2)."""
_POLICY, _SERVER_ERROR = 1008, 1011
_IDLE = re.compile(r"(?i)idle|inactiv|silen|heart ?beat|no (?:activity|message|traffic)")
_COUNTED = ("client", "ping", "listen", "server")


def _alike(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) <= max(_SAME_S, _SAME * other_s)


def _is_busy(rung: Rung) -> bool:
    return rung[1].traffic in _COUNTED


def _older(rungs: Sequence[Rung], age_s: float) -> bool:
    """Tell whether some grew older: one that lives has done so, one that died may have been noticed late."""
    lived = [age_of(facts) for _, facts in rungs if facts.survived]
    died = [age_of(facts) for _, facts in rungs if not facts.survived]
    return any(one > (1 + _SAME) * age_s + _SPARE_S for one in lived) or any(one > _OLDER * age_s + _OLDER_S for one in died)


def _one_age(rungs: Sequence[Rung]) -> float | None:
    """Return the one age at which sockets died, None when none did or their ages differ."""
    ages = [age_of(facts) for _, facts in rungs if not facts.survived]
    return min(ages) if ages and all(_alike(age, min(ages)) for age in ages) else None


def ends_by_age(rungs: Sequence[Rung]) -> float | None:
    """Return the age at which the sockets of one place end, busy ones too; None when some grew older, or their ages differ.

    A socket that was opened later tells an age from an instant at which all were cut: it must not die with the others.
    """
    first = [rung for rung in rungs if _is_busy(rung) and rung[1].delay_s == 0]
    age_s = _one_age(first)
    if age_s is None or _older(rungs, age_s):
        return None
    late = [facts for _, facts in rungs if facts.delay_s > 0 and not facts.survived]
    cut = any(_alike(facts.delay_s + age_of(facts), age_s) and not _alike(age_of(facts), age_s) for facts in late)
    return None if cut else age_s


def only_messages_count(rungs: Sequence[Rung]) -> float | None:
    """Return the age at which sockets end that sent no message, pings or not, where those live that did; None when it is not so.

    Where no message was known that could be sent again and again, those that said one in the beginning tell.
    """
    talking = [facts for _, facts in rungs if facts.traffic == "client"] or [facts for _, facts in rungs if facts.traffic == "listen"]
    others = [rung for rung in rungs if rung[1].traffic in ("none", "ping", "pong") and rung[1].delay_s == 0]
    pinged = [rung for rung in others if rung[1].traffic == "ping"]
    age_s = _one_age(others)
    if age_s is None or _older(others, age_s) or not talking or not all(facts.survived for facts in talking):
        return None
    return age_s if pinged and not any(facts.survived for _, facts in pinged) else None


def judge_ages(evidence: Evidence) -> Iterator[Finding]:
    """Judge busy sockets at the endpoint that all end at one age, against those at the application."""
    outer = rungs_at(evidence, "endpoint")
    age_s = ends_by_age(outer)
    if age_s is None or are_cut(evidence, outer):
        return
    busy = sorted((rung for rung in outer if _is_busy(rung) and not rung[1].survived), key=lambda rung: _COUNTED.index(rung[1].traffic))
    inner = rungs_at(evidence, evidence.target.hops[0].name) if evidence.target.hops else []
    own_s = _own_age(inner)
    summary = f"sockets die after {age_s:.3g} s whether they are busy or silent"
    proofs = [*say_rungs(busy), *say_rungs([rung for rung in outer if rung[1].traffic == "none" and not rung[1].survived], 1)]
    rule = _own_rule(busy, bool(inner))
    if rule and _IDLE.search(rule) and not busy_of(outer, "client"):
        yield _told_idle(evidence, age_s, rule, proofs)
        return
    if own_s is not None and _alike(own_s, age_s):
        proofs += say_rungs([rung for rung in inner if not rung[1].survived], 2)
        if rule:
            yield unknown("backend.request-timeout-on-socket", 0.35, f"{summary}, and the application says why: {rule}", *proofs)
        else:
            yield fault("backend.request-timeout-on-socket", 0.85, f"{summary}, at the application too", *proofs)
    elif rule and not inner:
        yield unknown("backend.request-timeout-on-socket", 0.35, f"{summary}, and who ends them says why: {rule}", *proofs)
    elif not inner and all(facts.close_code == _SERVER_ERROR for _, facts in busy):
        words = f"{summary}, closed with {_SERVER_ERROR}: the handler itself was ended, as no proxy does it"
        yield fault("backend.request-timeout-on-socket", 0.8, words, *proofs)
    elif not inner and not proxy_products(evidence) and not any(True for _ in evidence.of(RouteFacts)):
        yield fault("backend.request-timeout-on-socket", 0.6, f"{summary}, at the application as far as is known", *proofs)
    else:
        owner, where = _configured(evidence, age_s)
        lives = max((age_of(facts) for _, facts in inner), default=0.0)
        words = f"{owner}{f', at the application they live for {lives:.3g} s at least' if inner else ''}"
        yield fault("proxy.max-lifetime", 0.92 if inner else 0.6, f"{summary}{words}", *proofs, *say_rungs(inner[-1:]), *where)


def _told_idle(evidence: Evidence, age_s: float, rule: str, proofs: Sequence[Proof]) -> Finding:
    """Pings did not help, no message was known that could be sent, and the close frame speaks of silence: messages alone count there."""
    slug, page = "heartbeat.absent-or-too-slow", page_beat(evidence)
    words = f"sockets on which the client sends no message are closed after {age_s:.3g} s with {rule}; pings do not count"
    if page is not None and page[1] < IN_TIME * age_s:
        return unknown(slug, 0.3, f"{words}; the page itself sends a heartbeat every {page[1]:.2g} s", *proofs)
    return fault(slug, 0.78, words, *proofs, remedy=advice_on_messages(age_s))


def _own_age(inner: Sequence[Rung]) -> float | None:
    """Return the age at which the application itself ends busy sockets; old records have silent ones alone."""
    if busy_of(inner, *_COUNTED):
        return ends_by_age(inner)
    died = [age_of(facts) for _, facts in inner if not facts.survived]
    return min(died) if died else None


def _own_rule(busy: Sequence[Rung], inner: bool) -> str:
    """Return what an application's own close frame says: no timer of an HTTP server sends one with such a code."""
    codes = [(facts.close_code, facts.close_reason) for _, facts in busy if facts.ended == "close" and facts.close_code is not None]
    own = [f"{code} {reason}".strip() for code, reason in codes if code in _OWN_CODES or code == _POLICY or (reason and not inner)]
    return own[0] if own else ""


def _configured(evidence: Evidence, age_s: float) -> tuple[str, list[Proof]]:
    """Return whose configured limit of life it is, in words and as a proof."""
    for seen, facts in evidence.of(RouteFacts):
        limit = facts.lifetime_s
        value = (limit.value or "") if limit and facts.serves is not False else ""
        if limit and value.replace(".", "", 1).isdigit() and _alike(age_s, float(value)):
            where = f"{limit.file}:{limit.line}" if limit.line else ""
            return f", as {facts.product} is told to", [proof(seen, f"limit of life {value} s", where)]
    return "", []
