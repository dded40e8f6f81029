"""Files that grow, are cut, replaced, or are not there yet."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from wsbook.probes import trace_log
from wsbook.probes.trace_log import Tail, follow_log
from wsbook.probes.trace_watch import Run, Watch

NEEDLE = b"wsbook-0"


def _read(tail: Tail) -> list[str]:
    time.sleep(0.06)
    return [line for _ in range(4) for line in tail.read(NEEDLE)]


def test_only_what_is_appended_and_only_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("wsbook-0 before\n")
    tail = Tail(path)
    with path.open("a") as file:
        file.write("one wsbook-0-1\nother\ntwo wsb")
        file.flush()
        assert _read(tail) == ["one wsbook-0-1"]
        file.write("ook-0-2\r\n")
    assert _read(tail) == ["two wsbook-0-2"] and tail.found
    tail.close()


@pytest.mark.parametrize("how", ["renamed", "cut", "deleted and made anew"])
def test_a_log_that_is_rotated(tmp_path: Path, how: str) -> None:
    path = tmp_path / "log"
    path.write_text("first\n" * 10)
    tail = Tail(path)
    with path.open("a") as file:
        file.write("old wsbook-0-1\n")
    if how == "cut":
        assert _read(tail) == ["old wsbook-0-1"]
        os.truncate(path, 0)
    elif how == "renamed":
        path.rename(tmp_path / "log.1")
    else:
        path.unlink()
    with path.open("a") as file:
        file.write("new wsbook-0-2\n")
    assert _read(tail) == (["new wsbook-0-2"] if how == "cut" else ["old wsbook-0-1", "new wsbook-0-2"])
    tail.close()


def test_a_log_that_appears_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = Tail(path)
    assert _read(tail) == [] and not tail.found
    path.write_text("first wsbook-0-1\n")
    assert _read(tail) == ["first wsbook-0-1"] and tail.found
    tail.close()


def test_no_more_is_read_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_log, "LOG_BYTES", 1_000)
    path = tmp_path / "log"
    path.write_text("")
    tail = Tail(path)
    path.write_text("x" * 5_000 + "\nwsbook-0-1\n")
    assert _read(tail) == [] and tail.left == 0
    tail.close()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Tail(tmp_path)


def test_lines_are_quoted_with_their_event_and_troubles_are_overheard(tmp_path: Path) -> None:
    path, run = tmp_path / "log", Run(marker="wsbook-0", set_off=1)
    watch = Watch("log a", "log", run)
    path.touch()
    tail = Tail(path)

    async def follow() -> None:
        task = asyncio.ensure_future(follow_log(watch, tail, run, None))
        path.write_text(f"took wsbook-0-0\nsaid nothing\nWARNING cannot send {'x' * 1000}\nERROR not yet set off wsbook-0-1\n")
        await asyncio.sleep(0.5)
        task.cancel()

    asyncio.run(asyncio.wait_for(follow(), 5.0))
    tail.close()
    assert [text for _, text in watch.quotes[0]] == ["took wsbook-0-0"] and watch.quotes.keys() == {0}
    assert [len(text) for _, text in watch.overheard] == [500]
