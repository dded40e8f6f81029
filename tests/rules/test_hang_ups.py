"""Sockets that are hung up on as soon as the page speaks: the handler fails at the message, unless something else ends them."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from observations import findings, roots, seen

from wsbook.facts import EchoFacts, EchoTrial, Frame, SessionFacts, SignatureFacts, UpgradeFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation

SLUG = "backend.exception-in-handler"
URL = "ws://shop.test/ws"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def frame(at_s: float, text: str, direction: str = "sent", size_bytes: int = 0) -> Frame:
    return Frame(at_s=at_s, direction=direction, opcode=1, size_bytes=size_bytes or len(text), text=text)


def socket(number: int, *frames: Frame, age_s: float | None = 0.05, probe: str = "browser", **more: object) -> list[Observation]:
    """Return one socket of the page, which broke at this age."""
    session = SessionFacts(url=URL, frames=frames, frame_count=len(frames), age_s=age_s, **more)  # type: ignore[arg-type]
    upgrade = UpgradeFacts(url=URL, accepted=True, status=101, extensions=("permessage-deflate",))
    at = START + timedelta(seconds=number)
    return [replace(seen(facts, step="1.2", probe=probe, hop="browser"), observed_at=at) for facts in (upgrade, session)]


def sockets(count: int, *frames: Frame, **more: object) -> list[Observation]:
    return [one for number in range(count) for one in socket(number, *frames, **more)]  # type: ignore[arg-type]


SUBSCRIBE = frame(0.01, '{"type":"subscribe"}')
LOG = seen(
    SignatureFacts(
        signature="handler-exception", program="asgi", count=3, text="ERROR: Exception in ASGI application", causes=((SLUG, 0.62),)
    ),
    step="1.4",
    probe="backend_log",
    hop="",
)
OTHER_LOG = seen(
    SignatureFacts(signature="python-traceback", program="python", count=1, text="Traceback", causes=((SLUG, 0.2),)),
    step="1.4",
    probe="log",
)
ECHOES = seen(
    EchoFacts(url=URL, echoes=True, trials=(EchoTrial(kind="json", size_bytes=105, ok=True, sent_wire_bytes=81),)), step="1.3", probe="echo"
)


@pytest.mark.parametrize(
    ("observations", "verdict"),
    [
        ([*sockets(3, SUBSCRIBE), LOG], Verdict.FAULT),
        ([*sockets(3, SUBSCRIBE), ECHOES], Verdict.FAULT),
        ([*sockets(3, SUBSCRIBE)], Verdict.UNKNOWN),
        ([*sockets(3, SUBSCRIBE), OTHER_LOG], Verdict.UNKNOWN),
        ([*sockets(2, SUBSCRIBE), ECHOES], None),
        ([*sockets(3, SUBSCRIBE), *socket(9, SUBSCRIBE, frame(0.02, '{"type":"subscribed"}', "received"), ended="open"), ECHOES], None),
        ([*sockets(3, SUBSCRIBE, frame(0.02, '{"type":"subscribed"}', "received")), ECHOES], None),
        ([*sockets(3, SUBSCRIBE, age_s=30.0), ECHOES], None),
        ([*sockets(3, SUBSCRIBE, age_s=None), ECHOES], None),
        ([*sockets(3, SUBSCRIBE, close_code=1000, ended="close"), ECHOES], None),
        ([*sockets(3, SUBSCRIBE, close_code=4401, ended="close"), ECHOES], None),
        ([*sockets(3, SUBSCRIBE, closed_by="us"), ECHOES], None),
        ([*sockets(3, frame(0.01, "x" * 100, size_bytes=100_000)), ECHOES], None),
        ([*sockets(3), ECHOES], None),
        ([*sockets(3, SUBSCRIBE, probe="session"), ECHOES], None),
        ([ECHOES, LOG], None),
    ],
    ids=[
        "the log tells",
        "other messages pass",
        "nothing else is known",
        "a traceback may be another's",
        "two may be chance",
        "one socket was answered",
        "the message was answered",
        "much later",
        "no age",
        "the page left",
        "refused in words",
        "closed by the page",
        "a large message",
        "the page said nothing",
        "our own sockets",
        "no socket",
    ],
)
def test_sockets_that_end_at_a_message(observations: list[Observation], verdict: Verdict | None) -> None:
    found = [one for one in findings(*observations) if one.cause == SLUG and "sockets ended" in one.summary]
    assert [one.verdict for one in found] == ([verdict] if verdict else [])


def test_compression_that_carries_our_messages_did_not_break_the_pages() -> None:
    assert "frame.compression-broken" in roots(*socket(0, SUBSCRIBE))
    assert "frame.compression-broken" not in roots(*socket(0, SUBSCRIBE), ECHOES)
