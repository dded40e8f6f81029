"""Which instants in a log are only those of our own experiments."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from observations import TARGET, answer, seen

from wsbook.attempt import NO_CREDENTIALS, OTHER_SCHEME
from wsbook.evidence import Evidence
from wsbook.facts import AffinityFacts, Conversation, DialectFacts, DialectStep, Facts, FrameTrial, FramingFacts, SizeFacts, TlsScanFacts
from wsbook.observation import Observation
from wsbook.rules.own_traces import only_ours, provoked, without_ours

START = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def at(observation: Observation, after_s: float) -> Observation:
    return replace(observation, observed_at=START + timedelta(seconds=after_s), duration_s=0.1)


BASELINE = at(answer(101), 0.0)
VARIANT = at(answer(400, changed=OTHER_SCHEME), 2.0)
SCAN = at(seen(TlsScanFacts(host="shop.test", port=443), probe="tls-scan"), 4.0)


@pytest.mark.parametrize(
    ("after_s", "ours"),
    [([0.05], False), ([2.05], True), ([4.05], True), ([2.05, 4.05], True), ([2.05, 0.05], False), ([8.0], False), ([], False)],
)
def test_instants(after_s: list[float], ours: bool) -> None:
    question = only_ours(Evidence(TARGET, [BASELINE, VARIANT, SCAN]))
    assert question([START.timestamp() + seconds for seconds in after_s]) is ours


@pytest.mark.parametrize(("second", "ours"), [(0.0, False), (2.0, True), (4.0, True), (7.0, False)])
def test_whole_seconds(second: float, ours: bool) -> None:
    assert only_ours(Evidence(TARGET, [BASELINE, VARIANT, SCAN]))([float(int(START.timestamp())) + second]) is ours


@pytest.mark.parametrize(
    ("status", "ours"),
    [(0, False), (101, False), (401, True), (500, False)],
    ids=["unknown", "the baseline's", "the variant's", "nobody's"],
)
def test_an_answer_that_only_a_variant_got_is_its_trace(status: int, ours: bool) -> None:
    beside = at(answer(401, changed=NO_CREDENTIALS), 0.02)
    question = only_ours(Evidence(TARGET, [BASELINE, beside]))
    assert question([START.timestamp() + 0.05], (), status) is ours


def test_nothing_was_tried() -> None:
    assert only_ours(Evidence(TARGET, []))([START.timestamp()]) is False


@pytest.mark.parametrize(
    ("seen_before", "kept"),
    [([BASELINE, VARIANT], [3.0, 5.0]), ([SCAN], [0.05, 2.05, 3.0, 5.0]), ([], [0.05, 2.05, 3.0, 5.0])],
    ids=["attempts of either kind", "no attempt", "nothing was tried"],
)
def test_instants_without_those_of_our_attempts(seen_before: list[Observation], kept: list[float]) -> None:
    times = [START.timestamp() + seconds for seconds in (0.05, 2.05, 3.0, 5.0)]
    assert without_ours(Evidence(TARGET, seen_before))(times) == tuple(START.timestamp() + seconds for seconds in kept)


LOST = Conversation(dialect="engine.io", series="plain", requests=4, lost=2)
VERSION = DialectStep(name="polling handshake, EIO=3", ok=None, detail="HTTP 400", status=400)
ENDED = FrameTrial(name="an unmasked frame", section="5.1", must=True, ok=True, detail="closed", ended=True)


@pytest.mark.parametrize(
    ("facts", "causes"),
    [
        (AffinityFacts(url=TARGET.url, conversations=(LOST,)), {"cluster.no-sticky-session"}),
        (AffinityFacts(url=TARGET.url, conversations=(replace(LOST, lost=0),)), set()),
        (DialectFacts(url=TARGET.url, dialect="engine.io", pairs=4, pairs_lost=1), {"cluster.no-sticky-session"}),
        (DialectFacts(url=TARGET.url, dialect="engine.io", steps=(VERSION,)), {"endpoint.protocol-library-mismatch"}),
        (DialectFacts(url=TARGET.url, dialect="engine.io", steps=(replace(VERSION, ok=True),)), set()),
        (FramingFacts(url=TARGET.url, trials=(ENDED,)), {"backend.exception-in-handler", "message.format-mismatch"}),
        (SizeFacts(url=TARGET.url, accepted_bytes=1024, limit_bytes=4096, refused_bytes=2048), {"frame.message-too-big"}),
    ],
)
def test_what_our_messages_and_sessions_leave_in_a_log(facts: Facts, causes: set[str]) -> None:
    assert provoked(Evidence(TARGET, [seen(facts, probe="a probe")])) == causes
