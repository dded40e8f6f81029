"""What a finding is completed with: remedy, and commands that prove the fix."""

from msgspec.structs import replace
from observations import answer, findings

from wsbook.facts import UpgradeFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation

CURL = "curl -i http://shop.test/ws"


def refused(status: int) -> Observation:
    seen = answer(status)
    assert isinstance(seen.facts, UpgradeFacts)
    return replace(seen, facts=replace(seen.facts, commands=(("curl", CURL), ("websocat", "websocat ws://shop.test/ws"))))


def test_a_fault_is_checked_by_the_command_of_its_attempt() -> None:
    (found,) = [one for one in findings(refused(429)) if one.cause == "load.rate-limited"]
    assert found.check.splitlines()[:2] == ["wsbook run ws://shop.test/ws --steps 1.3", CURL]


def test_what_rests_on_no_attempt_of_ours_has_no_such_command() -> None:
    assert all(CURL not in one.check for one in findings(answer(429)))
    assert all(CURL not in one.check for one in findings(refused(101)) if one.verdict is not Verdict.FAULT)
