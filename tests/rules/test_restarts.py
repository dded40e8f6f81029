"""Sockets that are cut whatever their silence: a reload, and no limit."""

import time
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from observations import answer, findings, rung, seen

from wsbook.facts import SignatureFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation

SLUG = "lifecycle.restart-drops"
NOW = time.time()


def reloaded(ago_s: float = 5.0, signature: str = "reload-proxy") -> Observation:
    line = SignatureFacts(
        signature=signature, program="nginx", count=1, text="signal 1 (SIGHUP) received, reconfiguring", times=(NOW - ago_s,)
    )
    return seen(line, step="1.4", probe="log", hop="")


def at(moment_s: float, made: Observation) -> Observation:
    """Return a rung that began so many seconds after the others."""
    return replace(made, observed_at=datetime.fromtimestamp(NOW + moment_s, UTC))


SURVIVORS = [rung("endpoint", 2.0), rung("endpoint", 5.0)]
CUT = [rung("endpoint", 1.0, 0.9), rung("endpoint", 8.0, 5.9)]
APP = [rung("app", 8.0)]
TOGETHER = [at(0, rung("endpoint", 8.0, 6.4)), at(0, rung("endpoint", 8.0, 6.5, traffic="client")), rung("endpoint", 5.0)]


@pytest.mark.parametrize(
    ("observations", "confidence"),
    [
        ([*CUT, *SURVIVORS, *APP], 0.8),
        ([*CUT, *SURVIVORS, *APP, reloaded()], 0.93),
        ([*CUT, *SURVIVORS], 0.6),
        ([CUT[0], *SURVIVORS, *APP], 0.6),
        ([*TOGETHER, *APP, reloaded()], 0.93),
        ([*TOGETHER, *APP, reloaded(3600)], None),
        ([*TOGETHER, *APP, reloaded(signature="close-1006")], None),
        ([*TOGETHER, *APP], None),
        ([rung("endpoint", 8.0, 3.0), rung("endpoint", 5.0, 3.1), rung("endpoint", 2.0), *APP], None),
        # the peer said something meanwhile, and the limit counts what we send alone
        ([rung("endpoint", 8.0, 0.9, age_s=3.1, sent_quiet_s=3.0), rung("endpoint", 2.6, age_s=6.0), *APP], None),
        ([rung("endpoint", 8.0, 0.9, age_s=3.1, sent_quiet_s=1.0), rung("endpoint", 2.6, age_s=6.0), *APP], 0.6),
        ([rung("endpoint", 8.0, 6.0, ended="silence"), rung("endpoint", 12.0), *APP], None),
        ([*SURVIVORS, *APP], None),
        ([reloaded()], None),
    ],
    ids=[
        "ages contradict a limit",
        "and a log tells",
        "nothing known of the application",
        "one socket alone",
        "all at once, and a log tells",
        "an old reload",
        "another text",
        "all at once: a lifetime",
        "a limit",
        "a limit of one direction",
        "cut while neither direction was silent for long",
        "death without a word",
        "healthy",
        "no ladder",
    ],
)
def test_what_is_cut_is_no_limit(observations: list[Observation], confidence: float | None) -> None:
    found = findings(answer(101), *observations)
    told = [one.confidence for one in found if one.cause == SLUG and one.step and "cut at an age" in one.summary]
    assert told == ([confidence] if confidence else [])
    limits = [one for one in found if one.verdict is Verdict.FAULT and ("idle-timeout" in one.cause or "max-lifetime" in one.cause)]
    assert not (limits and told)
