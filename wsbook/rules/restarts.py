"""Sockets of the idle ladder that were cut together, whatever their silence: a reload or restart of a hop, and no limit (step 3.4)."""

from collections.abc import Iterator, Sequence

from wsbook.evidence import Evidence
from wsbook.facts import IdleFacts, SignatureFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof
from wsbook.rules.rungs import Rung, age_of

__all__ = ["RELOADS", "are_cut", "judge_restarts"]

_SAME = 1.3
"""A life up to this much longer than another ended for the same limit."""
_OF_RESTARTS = (None, 1001, 1005, 1006, 1012)
"""How sockets end in a restart (RFC 6455 section 7.4.1); another code has another reason."""
_TOGETHER_S = 0.7
"""Sockets that end within this time end together."""
RELOADS = frozenset({"reload-proxy", "server-shutdown", "mass-close", "shutdown-closes-sockets"})
"""Signatures that tell of a reload or restart."""
_NEAR_S = 120.0
"""A reload that a log tells of counts when it is not older than this before the ladder."""


def are_cut(evidence: Evidence, rungs: Sequence[Rung]) -> bool:
    """Tell whether deaths at one place are no limit's: they contradict every limit, or all end together and a log tells of a reload."""
    rungs = [rung for rung in rungs if rung[1].survived or rung[1].close_code in _OF_RESTARTS]
    together = _end_together(rungs) and not _lives_past(rungs) and _reload(evidence) is not None
    return _in_one_moment(rungs) or _contradict(rungs) or together


def _end(rung: Rung) -> float:
    return rung[0].observed_at.timestamp() + rung[1].lived_s


def _end_together(rungs: Sequence[Rung]) -> bool:
    """Tell whether busy and silent sockets ended within one moment of the clock."""
    died = [rung for rung in rungs if not rung[1].survived]
    ends = {kind: [_end(rung) for rung in died if (rung[1].traffic == "none") is kind] for kind in (True, False)}
    return any(abs(one - other) <= _TOGETHER_S for one in ends[True] for other in ends[False])


def _in_one_moment(rungs: Sequence[Rung]) -> bool:
    """Tell whether busy sockets of different ages ended together: the one that was opened later was no older than its own limit."""
    busy = [rung for rung in rungs if not rung[1].survived and rung[1].traffic in ("client", "ping")]
    late = [rung for rung in busy if rung[1].delay_s > 2 * _TOGETHER_S]
    return any(abs(_end(one) - _end(other)) <= _TOGETHER_S for one in late for other in busy if other[1].delay_s == 0)


def _lives_past(rungs: Sequence[Rung]) -> bool:
    """Tell whether a socket that was opened later lived on when the busy ones ended: then it was their age, and nothing cut them all."""
    busy = [_end(rung) for rung in rungs if not rung[1].survived and rung[1].traffic in ("client", "ping") and rung[1].delay_s == 0]
    late = [_end(rung) for rung in rungs if rung[1].delay_s > 2 * _TOGETHER_S]
    return bool(busy) and any(one > max(busy) + _TOGETHER_S for one in late)


def _contradict(rungs: Sequence[Rung]) -> bool:
    """Tell whether one silent socket died younger than another grew in silence; deaths without a word are noticed late and do not count.

    Where no socket at all grew older than those that died, it may still be a limit of age.
    """
    silent = [facts for _, facts in rungs if facts.traffic == "none"]
    died = [facts for facts in silent if not facts.survived and facts.ended != "silence"]
    survived = [facts.silence_s for facts in silent if facts.survived]
    youngest_s = min((age_of(facts) for facts in died), default=0.0)
    cut = any(facts.traffic == "client" and not facts.survived for _, facts in rungs)  # else messages may have saved those who sent some
    oldest_s = max((_oldest(facts) for _, facts in rungs if cut or facts.traffic not in ("client", "listen")), default=0.0)
    outlived = oldest_s > youngest_s * _SAME
    return bool(died) and bool(survived) and outlived and min(map(_quietest, died)) * _SAME < max(survived)


def _quietest(facts: IdleFacts) -> float:
    """Return for how long a socket was silent when it ended, in the direction that was silent longer: a limit may count that one alone."""
    return max(facts.lived_s, facts.sent_quiet_s or 0.0, facts.received_quiet_s or 0.0)


def _oldest(facts: IdleFacts) -> float:
    return age_of(facts) if facts.age_s is not None else max(facts.silence_s if facts.survived else 0.0, facts.lived_s)


def judge_restarts(evidence: Evidence) -> Iterator[Finding]:
    """Judge deaths at the endpoint that no limit explains; where the application's own sockets die too, it is the application."""
    outer = [rung for rung in evidence.of(IdleFacts) if rung[0].source.hop == "endpoint"]
    if not are_cut(evidence, outer):
        return
    died = [rung for rung in outer if not rung[1].survived]
    inner = [facts for seen, facts in evidence.of(IdleFacts) if seen.source.hop not in ("", "endpoint")]
    ages = sorted(age_of(facts) for _, facts in died)
    spread = f"{ages[0]:.3g} to {ages[-1]:.3g} s" if ages[-1] - ages[0] > _TOGETHER_S else f"{ages[0]:.3g} s"
    oldest = max((facts.silence_s for _, facts in outer if facts.survived and facts.traffic == "none"), default=0.0)
    others = f"others lived {oldest:.3g} s in silence" if _contradict(outer) else "busy and silent ones in one moment"
    words = f"{len(died)} sockets were cut at an age of {spread}, {others}: it is no limit of silence"
    where = ", those at the application live on" if inner and all(facts.survived for facts in inner) else ""
    told = _reload(evidence)
    proofs = [
        proof(seen, f"{facts.traffic if facts.traffic != 'none' else 'silent'}: ended after {age_of(facts):.3g} s")
        for seen, facts in died[:4]
    ]
    if told is not None:
        words += f"; {told[1].text[:120]}"
        proofs.append(proof(told[0], told[1].text))
    yield fault("lifecycle.restart-drops", 0.93 if told else 0.8 if where and len(died) > 1 else 0.6, f"{words}{where}", *proofs)


def _reload(evidence: Evidence) -> tuple[Observation, SignatureFacts] | None:
    """Return a text of a log that tells of a reload during the investigation."""
    begin = min(seen.observed_at.timestamp() for seen in evidence.observations) - _NEAR_S
    told = [one for one in evidence.of(SignatureFacts) if one[1].signature in RELOADS]
    return next((one for one in told if any(time >= begin for time in one[1].times)), None)
