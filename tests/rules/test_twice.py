"""Upgrades that are answered twice."""

import pytest
from msgspec.structs import replace
from observations import answer, findings

from wsbook.facts import UpgradeFacts
from wsbook.finding import Verdict


@pytest.mark.parametrize(
    ("status", "second", "fault"),
    [
        (101, "HTTP/1.1 400 Bad Request", True),
        (101, "HTTP/1.1 101 Switching Protocols", True),
        (101, "", False),
        (400, "", False),
    ],
)
def test_a_second_answer(status: int, second: str, fault: bool) -> None:
    made = answer(status)
    assert isinstance(made.facts, UpgradeFacts)
    found = findings(replace(made, facts=replace(made.facts, second_answer=second)))
    named = [one.confidence for one in found if (one.cause, one.verdict) == ("backend.multiple-upgrade-handlers", Verdict.FAULT)]
    assert named == ([0.95] if fault else [])


def test_engine_io_answers_twice_by_itself() -> None:
    made = answer(101, url="ws://shop.test/socket.io/?EIO=3&transport=websocket")
    assert isinstance(made.facts, UpgradeFacts)
    found = findings(replace(made, facts=replace(made.facts, second_answer="HTTP/1.1 400 Bad Request")))
    assert [one.confidence for one in found if one.cause == "backend.multiple-upgrade-handlers"] == [0.5]
