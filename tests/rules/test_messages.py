"""Sizes, unusual frames and compression: a limit alone is no fault, an odd frame at most a warning, compression only by comparison."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from observations import answer, findings, roots, seen
from observations import failed as failed_attempt

from wsbook.facts import CompressionFacts, FrameTrial, FramingFacts, SessionFacts, SignatureFacts, SizeFacts, Stream, SymptomFacts
from wsbook.finding import Finding, Severity, Verdict
from wsbook.observation import Observation, Reason

URL = "ws://shop.test/ws"
BIG = "frame.message-too-big"


def size(accepted: int, refused: int | None, *, hop: str = "endpoint", how: str = "close", code: int | None = 1009) -> Observation:
    facts = SizeFacts(
        url=URL,
        accepted_bytes=accepted,
        refused_bytes=refused,
        limit_bytes=1 << 20,
        how=how if refused else "",
        close_code=code if refused and how == "close" else None,
    )
    return seen(facts, probe="size", hop=hop)


def of(slug: str, *observations: Observation) -> list[Finding]:
    return [found for found in findings(*observations) if found.cause == slug]


# Sizes


def told(text: str, code: int | None = None) -> Observation:
    return seen(SymptomFacts(text=text, close_code=code), step="0", probe="symptom", hop="")


def closed(code: int, by: str = "peer") -> Observation:
    return seen(SessionFacts(url=URL, ended="close", closed_by=by, close_code=code, age_s=2.0), step="1.2", probe="har")


def printed(*, times: tuple[float, ...], sure: float = 0.9) -> Observation:
    facts = SignatureFacts(signature="x", program="many", count=1, text="too big", causes=((BIG, sure),), times=times)
    return seen(facts, step="1.4", probe="backend_log", hop="")


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        ([size(8_192, 9_000)], Verdict.CLEAR),
        ([size(1 << 20, None)], Verdict.CLEAR),
        ([size(8_192, 9_000), told("updates stop after an hour")], Verdict.CLEAR),
        ([size(8_192, 9_000), told("works for a large number of clients")], Verdict.CLEAR),
        ([size(8_192, 9_000), told("closed with 1009", 1009)], Verdict.FAULT),
        ([size(8_192, 9_000), told("dies when a big image is sent")], Verdict.FAULT),
        ([size(8_192, 9_000), told("messages above 1 MB never arrive")], Verdict.FAULT),
        ([size(1 << 20, 1_049_600), told("a 1 MB snapshot closes the socket")], Verdict.FAULT),
        ([size(1 << 20, 1_049_600), told("updates of 64 KB are lost")], Verdict.CLEAR),
        ([size(1 << 20, 1_049_600), told("memory grows to 500 MB with large messages")], Verdict.CLEAR),
        ([size(1 << 20, 1_049_600), told("no updates after a long time")], Verdict.CLEAR),
        ([size(8_192, 9_000), closed(1009)], Verdict.FAULT),
        ([size(8_192, 9_000), closed(1009, by="us")], Verdict.CLEAR),
        ([size(8_192, 9_000), closed(1000)], Verdict.CLEAR),
        ([size(8_192, 9_000), printed(times=(1.0e9,))], Verdict.FAULT),
        ([size(8_192, 9_000), printed(times=(1.0e9,), sure=0.1)], Verdict.CLEAR),
        ([size(8_192, 9_000), answer(101), printed(times=())], Verdict.CLEAR),
    ],
)
def test_a_limit_is_a_fault_only_when_somebody_needs_more(evidence: list[Observation], verdict: Verdict) -> None:
    told_of = [found for found in of(BIG, *evidence) if found.verdict is not Verdict.UNKNOWN]
    assert {found.verdict for found in told_of} == {verdict}
    if verdict is Verdict.CLEAR:
        assert {found.severity for found in told_of} == {Severity.INFO}


def test_our_own_large_messages_in_the_log_prove_nothing() -> None:
    measured = size(8_192, 9_000)
    own = printed(times=(measured.observed_at.timestamp() + 0.0005,))
    before = replace(answer(101), observed_at=measured.observed_at - timedelta(seconds=5))
    assert {found.verdict for found in of(BIG, before, measured, own)} == {Verdict.CLEAR}


@pytest.mark.parametrize(
    ("accepted", "refused", "named"),
    [
        (8_192, 8_704, "Tomcat"),
        (32_768, 33_280, "SignalR"),
        (999_424, 1_000_448, "Socket.IO"),
        (1_048_576, 1_049_600, "websockets (Python)"),
        (5_000, 5_900, ""),
    ],
)
def test_the_default_that_fits_is_named(accepted: int, refused: int, named: str) -> None:
    (found,) = of(BIG, size(accepted, refused))
    assert (named in found.summary) if named else ("default of" not in found.summary)


@pytest.mark.parametrize(
    ("inner", "words"),
    [(size(1 << 20, None, hop="app"), "app takes it, so what stands before it refuses"), (size(8_192, 9_000, hop="app"), "by app itself")],
)
def test_the_hop_that_refuses_is_named(inner: Observation, words: str) -> None:
    (found,) = of(BIG, size(8_192, 9_000), inner)
    assert words in found.summary


def test_silence_at_the_size_of_a_packet_is_another_matter() -> None:
    assert of(BIG, size(1_400, 1_500, how="silence")) == []
    (found,) = of("net.mtu-blackhole", size(1_400, 1_500, how="silence"))
    assert found.verdict is Verdict.UNKNOWN
    assert of("net.mtu-blackhole", size(1_400, 1_500)) == []
    assert of("net.mtu-blackhole", size(9_000, 9_500, how="silence")) == []


# Frames


def framing(*outcomes: tuple[bool, bool | None], ended_by: str = "") -> Observation:
    trials = tuple(
        FrameTrial(name=f"thing {number}", section="5.4", must=must, ok=ok, detail="told") for number, (must, ok) in enumerate(outcomes)
    )
    return seen(FramingFacts(url=URL, trials=trials, ended_by=ended_by), probe="framing")


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([(True, True), (True, False)], Verdict.FAULT),
        ([(True, True), (False, False)], Verdict.CLEAR),
        ([(True, True)], Verdict.CLEAR),
        ([(True, None)], None),
        ([(True, None), (True, False)], None),
        ([], None),
    ],
)
def test_unusual_frames(outcomes: list[tuple[bool, bool | None]], verdict: Verdict | None) -> None:
    found = of("frame.protocol-violation", framing(*outcomes))
    assert [one.verdict for one in found] == ([verdict] if verdict else [])
    if verdict is Verdict.FAULT:
        assert (found[0].severity, found[0].confidence < 0.5) == (Severity.WARNING, True)


def test_a_peer_that_closes_at_once_looks_at_no_frames() -> None:
    watched = answer(101, step="3.3")
    away = replace(watched, facts=replace(watched.facts, ended="close", close_code=1011))
    broken = framing((True, True), (True, False))
    assert [one.verdict for one in of("frame.protocol-violation", broken, watched)] == [Verdict.FAULT]
    assert of("frame.protocol-violation", broken, away) == []


def test_an_end_that_we_provoked_is_not_the_handlers() -> None:
    traceback = seen(
        SignatureFacts(signature="x", program="many", count=1, text="Traceback", causes=(("backend.exception-in-handler", 0.7),)),
        step="1.4",
        probe="backend_log",
        hop="",
    )
    assert roots(answer(101), traceback) == ["backend.exception-in-handler"]
    assert "backend.exception-in-handler" not in roots(answer(101), framing((True, False), ended_by="thing 0"), traceback)


# Compression


def stream(**fields: object) -> Stream:
    return Stream(**{"agreed": "permessage-deflate", "answered": 3, "sent_bytes": 100, "sent_wire_bytes": 20, **fields})  # type: ignore[arg-type]


def compression(compressed: Stream, plain: Stream | None, hop: str = "endpoint") -> Observation:
    return seen(CompressionFacts(url=URL, offered="permessage-deflate", compressed=compressed, plain=plain), probe="compression", hop=hop)


FINE, BARE = stream(), stream(agreed="")
BROKEN = {"ended": "close", "closed_by": "us", "close_code": 1002, "answered": 0, "error_text": "reserved bits must be 0"}


@pytest.mark.parametrize(
    ("compressed", "plain", "verdict"),
    [
        (stream(**BROKEN), BARE, Verdict.FAULT),
        (stream(ended="fin", closed_by="peer", answered=0), BARE, Verdict.FAULT),
        (stream(ended="rst", closed_by="peer", answered=0), BARE, Verdict.FAULT),
        (stream(answered=0), BARE, Verdict.FAULT),
        (stream(ended="fin", closed_by="peer"), BARE, Verdict.CLEAR),
        (stream(ended="close", closed_by="us", close_code=1002), BARE, Verdict.FAULT),
        (FINE, BARE, Verdict.CLEAR),
        (stream(answered=2), BARE, Verdict.CLEAR),
        (stream(**BROKEN), stream(agreed="", **BROKEN), None),
        (stream(ended="close", closed_by="peer", close_code=1000), BARE, Verdict.CLEAR),
        (stream(answered=0), stream(agreed="", answered=0), None),
        (FINE, stream(agreed="", ended="rst", answered=0), None),
        (stream(**BROKEN), None, None),
        (stream(agreed="", **BROKEN), BARE, None),
    ],
)
def test_compression_is_judged_by_comparison(compressed: Stream, plain: Stream | None, verdict: Verdict | None) -> None:
    found = of("frame.compression-broken", compression(compressed, plain))
    assert [one.verdict for one in found] == ([verdict] if verdict else [])


def test_the_hop_before_which_compression_breaks() -> None:
    (found,) = of("frame.compression-broken", compression(stream(**BROKEN), BARE), compression(FINE, BARE, hop="app"))
    assert "at app they pass" in found.summary
    assert of("frame.compression-broken", compression(stream(**BROKEN), BARE, hop="app")) == []


def test_nothing_is_found_where_nothing_was_measured() -> None:
    names = {found.cause for found in findings(failed_attempt("tcp", Reason.REFUSED))}
    assert not names & {BIG, "frame.protocol-violation", "frame.compression-broken"}
