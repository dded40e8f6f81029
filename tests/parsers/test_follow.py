"""Growing logs: new lines only, through rotation, truncation and a file that comes later."""

from pathlib import Path

import pytest

from wsbook.parsers.follow import Follower, Watch

REFUSED = "2026/03/12 10:01:00 [error] 29#29: *7 connect() failed (111: Connection refused) while connecting to upstream\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a.log"
    path.write_text("old\n")
    return path


def add(path: Path, text: str) -> None:
    with path.open("a") as target:
        target.write(text)


def test_only_new_and_complete_lines(log: Path) -> None:
    follower = Follower(str(log))
    assert follower.lines() == []
    add(log, "one\r\ntw")
    assert follower.lines() == ["one"]
    add(log, "o\n")
    assert follower.lines() == ["two"]
    follower.close()


def test_rotation_and_truncation_survive(log: Path) -> None:
    follower = Follower(str(log))
    add(log, "before\n")
    log.rename(log.with_suffix(".1"))
    add(log.with_suffix(".1"), "late\n")
    assert follower.lines() == ["before", "late"]
    log.write_text("after\n")
    assert follower.lines() == ["after"]
    log.write_text("x\n")
    assert follower.lines() == ["x"]
    follower.close()


def test_a_file_that_comes_later_is_read_from_its_beginning(tmp_path: Path) -> None:
    follower = Follower(str(tmp_path / "later.log"))
    assert follower.lines() == []
    (tmp_path / "later.log").write_text("first\n")
    assert follower.lines() == ["first"]
    follower.close()


def test_known_texts_and_refusals_are_told(log: Path) -> None:
    watch = Watch([str(log)])
    add(log, f'nothing\n{REFUSED}1.2.3.4 - - [12/Mar/2026:10:00:01 +0000] "GET /page HTTP/1.1" 404 5\n')
    add(log, '1.2.3.4 - - [12/Mar/2026:10:00:01 +0000] "GET /hub HTTP/1.1" 418 5\n\0\xff\n')
    told = watch.look()
    assert [(notice.causes[:1], notice.text[:12]) for notice in told] == [
        (("proxy.upstream-unreachable",), "2026/03/12 1"),
        ((), "1.2.3.4 - - "),
    ]
    assert watch.look() == []
    watch.close()
