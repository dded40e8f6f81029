"""Sockets that end without a close frame as soon as the page has said something: the application fails at that message (area F)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import EchoFacts, Frame, SignatureFacts
from wsbook.finding import Finding, Proof
from wsbook.rules.lives import Life, data_of, groups_of, lives_of
from wsbook.rules.make import fault, proof, unknown
from wsbook.wire.messages import is_heartbeat
from wsbook.words import duration_text

__all__ = ["judge_hang_ups"]

_RAISED = "backend.exception-in-handler"
_FEWEST = 3
"""Sockets that must end so, and every one that the page spoke on: a restart or a proxy's limit is no answer to a message."""
_AT_ONCE_S = 1.0
_BIG_BYTES = 60_000
"""A larger message may end a socket by its size."""
_TELLS = 0.4
"""How likely a known text of the log must be the failure of a handler."""


def judge_hang_ups(evidence: Evidence) -> Iterator[Finding]:
    """Judge whether every socket that the page spoke on was hung up on."""
    for group in groups_of(lives_of(evidence)):
        spoken = [(life, last) for life in group if (last := _last_said(life)) is not None]
        cut = [(life, last) for life, last in spoken if _hung_up(life, last)]
        if len(cut) < _FEWEST or len(cut) < len(spoken):
            continue
        life, last = cut[0]
        after_s = max((one.session.age_s or 0.0) - said.at_s for one, said in cut if one.session)
        words = f"{len(cut)} of {len(spoken)} sockets ended without a close frame within {duration_text(after_s)} of the page's message"
        shown = proof(life.seen, f"{words}: {last.text[:120]}")
        if logged := _logged(evidence):
            yield fault(_RAISED, 0.88, f"{words}, and the log tells of a handler that failed", shown, logged)
        elif _others_pass(evidence):
            yield fault(_RAISED, 0.6, f"{words}, and other messages pass: the application fails at this one", shown)
        else:
            yield unknown(_RAISED, 0.35, f"{words}: the application may fail at it; give its log", shown)


def _last_said(life: Life) -> Frame | None:
    """Return the page's last message, None when it said nothing or was answered after it."""
    frames = life.session.frames if life.session and life.session.frame_count <= len(life.session.frames) else ()
    said = [frame for frame in frames if frame.direction == "sent" and not is_heartbeat(frame.text, frame.opcode)]
    return said[-1] if said else None


def _hung_up(life: Life, last: Frame) -> bool:
    session = life.session
    if session is None or not life.broke or session.close_code not in (None, 1006) or session.age_s is None:
        return False
    answered = any(frame.at_s >= last.at_s for frame in data_of(session.frames))
    return not answered and last.size_bytes < _BIG_BYTES and session.age_s - last.at_s <= _AT_ONCE_S


def _logged(evidence: Evidence) -> Proof | None:
    found = [(seen, facts) for seen, facts in evidence.of(SignatureFacts) if dict(facts.causes).get(_RAISED, 0.0) >= _TELLS]
    return proof(found[0][0], found[0][1].text) if found else None


def _others_pass(evidence: Evidence) -> bool:
    return any(facts.echoes and all(trial.ok for trial in facts.trials) for _, facts in evidence.of(EchoFacts))
