"""How sockets ended: what a close code says, unless our own odd messages asked for it."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from observations import roots, seen

from wsbook.facts import EchoFacts, SessionFacts
from wsbook.observation import Observation

ECHO = replace(seen(EchoFacts(url="", echoes=None), probe="echo"), duration_s=0.5)
"""A message of ours that the application does not know, and all that followed from it."""


def logged(code: int, after_s: float | None, *marks: str) -> Observation:
    """Return the life of a socket as a log tells it, so long after our message began; None: the log has no times."""
    ended_at = None if after_s is None else (ECHO.observed_at + timedelta(seconds=after_s)).timestamp()
    facts = SessionFacts(url="", ended="close", close_code=code, age_s=0.02, ended_at=ended_at, marks=marks)
    return seen(facts, step="1.4", probe="backend_log", hop="")


@pytest.mark.parametrize("code", [1003, 1008, 1011, 4401])
@pytest.mark.parametrize(
    ("after_s", "tried", "told"),
    [(0.3, True, False), (0.3, False, True), (-30.0, True, True), (200.0, True, True), (None, True, True)],
    ids=["as we sent it", "nothing was sent", "before", "later", "the log has no times"],
)
def test_what_our_own_message_provoked_is_no_fault(code: int, after_s: float | None, tried: bool, told: bool) -> None:
    assert bool(roots(logged(code, after_s), *([ECHO] if tried else []))) is told
