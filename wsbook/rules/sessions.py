"""How open sockets ended: close codes, ages and silence, seen by a browser, a recording or a probe (areas G, H, K)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import SessionFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.known import causes_of_age
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.own_traces import only_ours
from wsbook.words import duration_text

__all__ = ["judge_sessions"]

_BY_CODE: dict[int, tuple[tuple[str, float, str], ...]] = {
    1002: (("frame.protocol-violation", 0.6, "a protocol error"),),
    1003: (("message.format-mismatch", 0.5, "a kind of data that the peer does not take"),),
    1007: (("frame.protocol-violation", 0.7, "text that is no UTF-8"),),
    1008: (("auth.credential-not-sent", 0.4, "a policy violation"), ("origin.not-in-allowlist", 0.25, "a policy violation")),
    1009: (("frame.message-too-big", 0.9, "a message that is too big"),),
    1011: (("backend.exception-in-handler", 0.7, "an error inside the server"),),
    1012: (("lifecycle.restart-drops", 0.7, "a restart of the server"),),
    1013: (("load.connection-cap", 0.45, "overload"),),
    4401: (("auth.credential-not-sent", 0.5, "a missing login"), ("auth.token-expired-on-reconnect", 0.4, "a missing login")),
    4406: (("subprotocol.mismatch", 0.75, "a subprotocol that is not supported"),),
}
"""Close code (RFC 6455 section 7.4.1; 44xx as in the graphql-transport-ws protocol) → causes, confidence, what it reports."""


_BUSY_S = 5.0
"""A socket that was silent for less before its end did not end for silence."""
_UNTOLD = 0.4
"""What an age is worth when the log does not say that the end was no deliberate one."""


def judge_sessions(evidence: Evidence) -> Iterator[Finding]:
    """Judge every socket that somebody else closed, or that broke; those of a log that our own odd messages provoked left out."""
    ours = only_ours(evidence)
    for seen, facts in evidence.of(SessionFacts):
        if facts.closed_by == "us" or facts.ended == "open" or (facts.ended_at is not None and ours((facts.ended_at,), facts.marks)):
            continue
        if facts.close_code in _BY_CODE:
            yield from _judge_code(seen, facts)
        elif facts.ended in ("fin", "rst", "silence") or facts.close_code in (None, 1006):
            yield from _judge_age(seen, facts)  # a recording without a close code does not tell who ended it


def _judge_code(seen: Observation, facts: SessionFacts) -> Iterator[Finding]:
    age = f" after {duration_text(facts.age_s)}" if facts.age_s is not None else ""
    said = f" ({facts.close_reason[:80]})" if facts.close_reason else ""
    if facts.close_code == 1011 and "ping" in facts.close_reason.lower():
        yield fault(
            "backend.blocking-call-in-event-loop",
            0.4,
            f"closed with 1011{said}{age}: a pong did not come in time",
            proof(seen, "close 1011"),
        )
        yield fault(
            "heartbeat.timeout-too-short", 0.4, f"closed with 1011{said}{age}: a pong did not come in time", proof(seen, "close 1011")
        )
        return
    for slug, confidence, words in _BY_CODE[facts.close_code or 0]:
        yield fault(slug, confidence, f"closed with {facts.close_code}{said}{age}: {words}", proof(seen, f"close {facts.close_code}{said}"))


def _judge_age(seen: Observation, facts: SessionFacts) -> Iterator[Finding]:
    """A socket that broke at an age, or after a silence, that a known program ends sockets at."""
    if facts.age_s is None or facts.age_s < 5:
        return
    silence_s = facts.idle_s
    words = f"ended without a close frame after {duration_text(facts.age_s)}"
    if silence_s is not None:
        words += f", {duration_text(silence_s)} of them silent"
    told = facts.ended != "unknown" or facts.close_code is not None
    if silence_s is None and facts.frame_count >= facts.age_s:
        silence_s = facts.age_s / facts.frame_count  # so many messages leave no long silence
    if silence_s is not None and silence_s < _BUSY_S and abs(facts.age_s - 30 * round(facts.age_s / 30)) <= 0.5:
        for slug in ("proxy.max-lifetime", "backend.request-timeout-on-socket"):
            yield unknown(slug, 0.35, f"{words} with traffic up to the end: a limit of the whole duration", proof(seen, words))
    for slug, likely in causes_of_age(facts.age_s, silence_s):
        yield unknown(slug, likely if told else likely * _UNTOLD, words, proof(seen, words))
