"""A load of the user's own choice: refused where it must be, and sent as it was asked for."""

from typing import Any

import pytest

from wsbook.errors import UsageError
from wsbook.load_plan import LoadPlan
from wsbook.observation import Outcome, Reason
from wsbook.probes import load
from wsbook.steps.own_load import OwnLoad, own_load_command, send_own_load
from wsbook.target import parse_target


def silent(words: str, share: float) -> None:
    assert words
    assert 0 <= share < 1


async def test_a_host_that_is_not_the_users_is_left_alone() -> None:
    seen = await send_own_load(parse_target("wss://shop.example/ws"), OwnLoad(), silent)
    assert seen.outcome is Outcome.NOT_RUN
    assert seen.failure is not None and seen.failure.reason is Reason.NOT_PERMITTED


async def test_what_cannot_be_sent_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="connections 0 is not within"):
        await send_own_load(parse_target("ws://127.0.0.1:9/ws"), OwnLoad(connections=0), silent)


async def test_the_figures_and_what_the_target_says_of_messages_go_into_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[LoadPlan], dict[str, Any]]] = []

    async def probe_load(plans: list[LoadPlan], **more: Any) -> str:
        asked.append((plans, more))
        more["on_progress"](plans[0], {"phase": "sending", "at_s": 1.0, "sent": 20, "received": 19})
        return "seen"

    monkeypatch.setattr(load, "probe_load", probe_load)
    told: list[tuple[str, float]] = []
    target = parse_target("ws://127.0.0.1:9/ws", message='{"text": "{marker}"}')
    wanted = OwnLoad(rate=20, connections=3, size_bytes=128, seconds=4)
    assert await send_own_load(target, wanted, lambda words, share: told.append((words, share))) == "seen"
    ((plan,), more) = asked[0]
    assert (plan.rate, plan.connections, plan.size_bytes, plan.seconds) == (20, 3, 128, 4)
    assert plan.template == '{"text": "{marker}"}'
    assert (more["step"], more["owned"]) == ("4.2", False)
    assert told == [("sending: 20 sent, 19 came back", 0.25)]


def test_the_command_sends_the_same() -> None:
    command = own_load_command(parse_target("ws://127.0.0.1:9/ws"), OwnLoad(rate=20, seconds=4))
    assert command == "wsbook load ws://127.0.0.1:9/ws --rate 20 --connections 10 --size 64 --seconds 4"
