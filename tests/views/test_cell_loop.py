"""Calls from another thread are made in the loop in which they were prepared."""

import asyncio
import threading

from wsbook.views.cell_loop import in_cell_loop


async def test_a_call_from_a_thread_with_another_loop_is_made_in_ours() -> None:
    made: list[tuple[int, str]] = []
    done = asyncio.Event()

    def note(word: str) -> None:
        made.append((threading.get_ident(), word))
        done.set()

    call = in_cell_loop(note)

    async def elsewhere() -> None:
        call("from elsewhere")

    await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
    async with asyncio.timeout(2):
        await done.wait()
    assert made == [(threading.get_ident(), "from elsewhere")]


async def test_a_call_in_the_same_loop_is_made_at_once() -> None:
    made: list[str] = []
    in_cell_loop(made.append)("now")
    assert made == ["now"]


def test_without_a_loop_the_call_is_made_as_it_comes() -> None:
    made: list[str] = []
    in_cell_loop(made.append)("now")
    assert made == ["now"]
