"""Steps that are begun ahead of their turn: beside the others, waited for, ended with the case, and never looked at twice."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from wsbook.case import Case
from wsbook.errors import UsageError
from wsbook.facts import IdleFacts
from wsbook.observation import Source, observed
from wsbook.record import Record
from wsbook.steps import STEPS, Looking, Step
from wsbook.target import Budget, parse_target


class Silence:
    """A step that waits until it is let go, and counts how often it was begun and ended."""

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.over = asyncio.Event()

    async def look(self, look: Looking) -> None:
        self.begun += 1
        try:
            look.progress("waiting", 0.5)
            await self.over.wait()
            facts = IdleFacts(silence_s=1.0, traffic="none", survived=True, lived_s=1.0, ended="open")
            look.add(observed(Source(step="3.4", probe="idle", hop="endpoint"), facts, duration_s=1.0))
        finally:
            self.ended += 1


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[Looking], Awaitable[None]]], None]:
    def plant(number: str, look: Callable[[Looking], Awaitable[None]]) -> None:
        monkeypatch.setitem(STEPS, number, Step(number=number, title="planted", question="?", look=look))

    return plant


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    target = parse_target("")
    with Case(target, Budget.named("quick"), Record.create(tmp_path / "record", target)) as one:
        yield one


async def test_a_step_begun_ahead_is_waited_for(case: Case, planted: Callable[..., None]) -> None:
    silence, order = Silence(), list[str]()

    async def publish(look: Looking) -> None:
        await look.settled("3.4")
        order.append("published")

    planted("3.4", silence.look)
    planted("3.2", publish)
    case.begin("3.4")
    case.begin("3.4")
    asyncio.get_running_loop().call_later(0.05, lambda: (order.append("over"), silence.over.set()))
    await case.run("3.2")
    assert order == ["over", "published"]
    assert case.done("3.4") and (silence.begun, silence.ended) == (1, 1)
    result = case.result("3.4")
    assert len(result.observations) == 1 and 0.04 < result.duration_s < 30


async def test_its_turn_waits_for_what_is_left_and_tells_progress(case: Case, planted: Callable[..., None]) -> None:
    silence, said = Silence(), list[str]()

    async def look(look: Looking) -> None:
        await asyncio.sleep(0)
        await silence.look(look)

    planted("3.4", look)
    case.begin("3.4")
    asyncio.get_running_loop().call_later(0.05, silence.over.set)
    result = await case.run("3.4", lambda text, fraction: said.append(text))
    assert len(result.observations) == 1 and silence.begun == 1
    assert said == ["3.4 waiting"]
    again = await case.run("3.4")
    assert silence.begun == 2 and len(again.observations) == 1


async def test_a_bug_in_a_step_begun_ahead_is_an_observation(case: Case, planted: Callable[..., None]) -> None:
    async def broken(look: Looking) -> None:
        raise ValueError("planted")

    planted("3.4", broken)
    case.begin("3.4")
    result = await case.run("3.4")
    assert result.observations[0].failure is not None and "planted" in result.observations[0].failure.message


async def test_closing_ends_what_still_looks(case: Case, planted: Callable[..., None]) -> None:
    silence = Silence()
    planted("3.4", silence.look)
    case.begin("3.4")
    await asyncio.sleep(0)
    case.close()
    await asyncio.sleep(0.01)
    assert (silence.begun, silence.ended) == (1, 1) and not case.done("3.4")
    assert case.record is not None and "3.4" not in case.record.done()


async def test_cancelling_the_turn_cancels_the_look(case: Case, planted: Callable[..., None]) -> None:
    silence = Silence()
    planted("3.4", silence.look)
    case.begin("3.4")
    turn = asyncio.ensure_future(case.run("3.4"))
    await asyncio.sleep(0.01)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await asyncio.sleep(0.01)
    assert silence.ended == 1


async def test_there_is_no_such_step(case: Case) -> None:
    with pytest.raises(UsageError, match="no step"):
        case.begin("9.9")
