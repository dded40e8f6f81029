"""Code suggests, experiments show: what becomes of findings on source when the same cause was measured."""

import pytest
from msgspec.structs import replace
from observations import seen

from wsbook.evidence import Evidence
from wsbook.facts import OutageFacts, PatternFacts, RehearsalFacts, Trial
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.measured import with_measurements
from wsbook.target import parse_target

SLUG, OTHER = "client.no-reconnect", "heartbeat.absent-or-too-slow"


def _pattern() -> Observation:
    facts = PatternFacts(pattern="p", cause=SLUG, ok=False, file="src/live.js", line=7, excerpt="new WebSocket(url)")
    found = seen(facts, step="3.1", probe="read", hop="")
    return replace(found, source=replace(found.source, artifact="src/live.js", line=7))


CODE = _pattern()
LIVE = seen(OutageFacts(way="rst", answer="refuse", lasted_s=4.0, watched_s=12.0), step="3.1", probe="reconnect", hop="browser")


def _joined(*findings: Finding) -> list[Finding]:
    return list(with_measurements(Evidence(parse_target("ws://shop.test/ws"), [CODE, LIVE]), findings))


SUGGESTIONS = [fault(SLUG, 0.8, "live.js:7: no handler", proof(CODE, "x")), unknown(SLUG, 0.8, "maybe", proof(CODE, "x"))]


@pytest.mark.parametrize("suggestion", SUGGESTIONS)
def test_a_measured_fault_carries_the_place_in_the_code(suggestion: Finding) -> None:
    measured = fault(SLUG, 0.93, "no attempt in 12 s", proof(LIVE, "rst, then nothing"))
    (found,) = _joined(suggestion, measured)
    assert (found.confidence, found.summary) == (0.93, "no attempt in 12 s")
    assert [one.where for one in found.evidence][-1] == "src/live.js:7" and len(found.evidence) == 2


def test_a_guess_does_not_take_the_place_of_what_code_shows_surer() -> None:
    code, guess = fault(SLUG, 0.8, "live.js:7: no handler", proof(CODE, "x")), fault(SLUG, 0.46, "one of three", proof(LIVE, "y"))
    kept, supported = _joined(code, guess)
    assert kept is code
    assert supported.confidence == 0.46 and len(supported.evidence) == 2


@pytest.mark.parametrize("suggestion", SUGGESTIONS)
def test_a_measurement_speaks_against_what_code_suggests(suggestion: Finding) -> None:
    lowered, kept = _joined(suggestion, clear(SLUG, "open again after 1.2 s", proof(LIVE, "redials")))
    assert lowered.verdict is Verdict.UNKNOWN and lowered.confidence == 0.2
    assert "measured: open again after 1.2 s" in lowered.summary
    assert kept.verdict is Verdict.CLEAR


def test_a_rehearsal_shows_what_a_file_does_and_a_measurement_whether_that_harms() -> None:
    sticky = "cluster.no-sticky-session"
    rehearsal = RehearsalFacts(product="caddy", version="2", file="Caddyfile", url="/ws", before=Trial())
    tried = seen(rehearsal, step="2.2", probe="rehearsal", hop="")
    suggestion = fault(sticky, 0.6, "Caddyfile:9: picked at random", proof(CODE, "x"), proof(tried, "one with this change, 2 without"))
    found = with_measurements(
        Evidence(parse_target("ws://shop.test/ws"), [CODE, LIVE, tried]), [suggestion, clear(sticky, "one request", proof(LIVE, "x"))]
    )
    assert [one.verdict for one in found] == [Verdict.UNKNOWN, Verdict.CLEAR]


@pytest.mark.parametrize(
    "findings",
    [
        # A silence that was survived says nothing of longer ones.
        [fault(OTHER, 0.7, "no ping", proof(CODE, "x")), clear(OTHER, "20 s survived", proof(LIVE, "x"))],
        # What code itself clears is no measurement.
        [fault(SLUG, 0.7, "no handler", proof(CODE, "x")), clear(SLUG, "a guard", proof(CODE, "y"))],
        # Nothing was measured.
        [fault(SLUG, 0.7, "no handler", proof(CODE, "x"))],
        # Another cause was measured.
        [fault(SLUG, 0.7, "no handler", proof(CODE, "x")), fault(OTHER, 0.9, "dies after 5 s", proof(LIVE, "x"))],
        # Nobody suggested anything.
        [fault(SLUG, 0.9, "no attempt", proof(LIVE, "x"))],
        [clear(SLUG, "open again", proof(LIVE, "x"))],
        # A finding without evidence that is kept here.
        [fault(SLUG, 0.7, "told"), clear(SLUG, "open again", proof(LIVE, "x"))],
    ],
)
def test_everything_else_stays_as_it_is(findings: list[Finding]) -> None:
    assert _joined(*findings) == findings
