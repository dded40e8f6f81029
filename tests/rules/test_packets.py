"""From which size on do packets vanish?"""

import pytest
from observations import findings, seen

from wsbook.facts import PacketFacts, PacketTrial
from wsbook.finding import Verdict
from wsbook.observation import Observation, Reason, Source, not_run

SLUG = "net.mtu-blackhole"


def sent(what: str = "message", **sizes: str) -> list[PacketTrial]:
    """Return trials: s500="answered" is 500 bytes."""
    return [
        PacketTrial(
            what=what,
            size_bytes=int(name[1:]),
            outcome=outcome,
            unacked=2 if outcome == "lost" else 0,
            retransmits=3 if outcome == "lost" else 0,
            mss_bytes=1448,
        )
        for name, outcome in sizes.items()
    ]


def gap(what: str, size: int) -> PacketTrial:
    return PacketTrial(what=what, size_bytes=size, outcome="stalled", unacked=0, retransmits=0, out_of_order=3)


def packets(*trials: PacketTrial) -> Observation:
    return seen(PacketFacts(url="ws://shop.test/ws", trials=trials, patience_s=1.4), step="2.1", probe="packets")


ROWS: list[tuple[str, list[PacketTrial], list[tuple[Verdict, float]]]] = [
    ("all arrive", sent(s500="answered", s65536="answered"), [(Verdict.CLEAR, 0.9)]),
    ("lost above the MTU", sent(s500="answered", s1200="answered", s1300="lost", s65536="lost"), [(Verdict.FAULT, 0.95)]),
    ("silence above the MTU", sent(s500="answered", s1300="answered", s1400="stalled", s4096="stalled"), [(Verdict.FAULT, 0.75)]),
    ("gaps in the answer", [*sent(s500="answered"), gap("message", 1400)], [(Verdict.FAULT, 0.92)]),
    ("a TLS handshake with gaps", [gap("TLS handshake", 0), gap("TLS handshake", 0)], [(Verdict.FAULT, 0.92)]),
    ("a TLS handshake without", sent("TLS handshake", s0="stalled"), []),
    ("some TLS handshakes only", [gap("TLS handshake", 0), *sent("request", s500="answered")], []),
    ("silence above two packets", sent(s500="answered", s2900="answered", s4096="stalled"), [(Verdict.UNKNOWN, 0.35)]),
    ("silence far above", sent(s500="answered", s4096="answered", s65536="stalled"), [(Verdict.UNKNOWN, 0.15)]),
    ("one in between", sent(s500="answered", s1300="stalled", s65536="answered"), [(Verdict.UNKNOWN, 0.15)]),
    ("refused by size", sent(s500="answered", s65536="refused"), [(Verdict.CLEAR, 0.9)]),
    ("nothing arrives", sent(s500="stalled", s65536="stalled"), []),
    ("nothing was sent", [], []),
]


@pytest.mark.parametrize(("trials", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_sizes(trials: list[PacketTrial], expected: list[tuple[Verdict, float]]) -> None:
    found = [one for one in findings(packets(*trials)) if one.cause == SLUG]
    assert [(one.verdict, one.confidence) for one in found] == expected


def test_requests_and_messages_together_are_one_finding() -> None:
    holes = {"s500": "answered", "s1300": "lost"}
    found = [one for one in findings(packets(*sent(**holes), *sent("request", **holes))) if one.cause == SLUG]
    assert [one.verdict for one in found] == [Verdict.FAULT]
    assert "2 segments of 1448 B sent again 3 times, never acknowledged" in found[0].summary


def test_what_did_not_run_says_nothing() -> None:
    observation = not_run(Source(step="2.1", probe="packets"), Reason.SKIPPED, "the endpoint is not reached")
    assert not [one for one in findings(observation) if one.cause == SLUG]
