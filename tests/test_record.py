"""A record keeps what was seen, whatever happens to the one that writes it."""

from pathlib import Path

import pytest

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.facts import TextFacts
from wsbook.observation import Observation, Source, observed
from wsbook.record import Record
from wsbook.redact import Redactor
from wsbook.target import parse_target

TARGET = parse_target("wss://shop.test/ws", hops=["app=ws://127.0.0.1:1/ws"], trigger="POST http://shop.test/p {marker}")


def seen(step: str = "1.4", program: str = "nginx") -> Observation:
    return observed(Source(step=step, probe="log"), TextFacts(kind="backend_log", program=program))


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    record = Record.create(tmp_path / "r", TARGET, budget="standard", lab="healthy", command="run")
    written = record.add(seen())
    again = Record(tmp_path / "r")
    assert again.target() == TARGET
    assert (again.budget(), again.lab()) == ("standard", "healthy")
    assert again.observations() == [written]
    assert again.read_json("environment.json")["command"] == "run"
    assert again.read_json("nothing.json") is None


def test_a_step_that_is_begun_again_replaces_what_it_saw(tmp_path: Path) -> None:
    record = Record.create(tmp_path / "r", TARGET)
    for program in ("first", "second"):
        record.begin("1.4")
        record.add(seen(program=program))
        record.finish("1.4", 1.5)
    record.add(seen(step="2.2", program="other"))
    assert [entry.facts.program for entry in record.observations() if isinstance(entry.facts, TextFacts)] == ["second", "other"]
    assert record.done() == {"1.4": 1.5}


def test_a_killed_writer_loses_one_line_at_most(tmp_path: Path) -> None:
    record = Record.create(tmp_path / "r", TARGET)
    record.add(seen(program="kept"))
    file = tmp_path / "r" / "observations.jsonl"
    with file.open("ab") as half:
        half.write(b'{"observation": {"source": {"st')
    record.add(seen(program="later"))
    assert [entry.facts.program for entry in record.observations() if isinstance(entry.facts, TextFacts)] == ["kept", "later"]


def test_secrets_do_not_reach_the_disk(tmp_path: Path) -> None:
    target = parse_target("wss://shop.test/ws?token=${env:T}")
    record = Record.create(tmp_path / "r", target, Redactor(["s3cr3t"]), command="run wss://shop.test/ws?token=s3cr3t")
    record.add(seen(program="said s3cr3t"))
    record.write_json("findings.json", {"a": "s3cr3t"})
    assert not [path for path in (tmp_path / "r").rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    assert Record(tmp_path / "r").target() == target


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="not empty"):
        Record.create(tmp_path, TARGET)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    Record.create(tmp_path / "r", TARGET)
    with pytest.raises(UsageError, match="another target"):
        Record.create(tmp_path / "r", parse_target("ws://other.test/"))


def test_a_lab_that_is_started_again_replaces_its_addresses_and_nothing_else(tmp_path: Path) -> None:
    first, second = (parse_target(f"ws://127.0.0.1:{port}/ws") for port in (1, 2))
    record = Record.create(tmp_path / "r", first, lab="net.refused", budget="standard", steps=("1.3", "2.2"))
    record.add(seen(program="kept"))
    record.finish("1.4", 1.0)
    again = Record.create(tmp_path / "r", second, lab="net.refused")
    assert again.target() == second
    assert (again.budget(), again.lab(), again.steps()) == ("standard", "net.refused", ("1.3", "2.2"))
    assert len(again.observations()) == 1 and again.done() == {"1.4": 1.0}
    for lab in ("", "healthy"):
        with pytest.raises(UsageError, match="another target"):
            Record.create(tmp_path / "r", first, lab=lab)


def test_what_a_killed_run_did_not_write_is_written_later(tmp_path: Path) -> None:
    Record.create(tmp_path / "r", TARGET)
    (tmp_path / "r" / "environment.json").unlink()
    assert Record.create(tmp_path / "r", TARGET, command="again").read_json("environment.json")["command"] == "again"


def test_what_is_no_record_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no record"):
        Record(tmp_path).target()
    (tmp_path / "target.toml").write_text("= broken")
    with pytest.raises(UnreadableInputError, match="cannot be read"):
        Record(tmp_path).target()
    (tmp_path / "target.toml").write_text("[target]\nurl = 5")
    with pytest.raises(UnreadableInputError, match="does not describe"):
        Record(tmp_path).target()


def test_a_record_that_nobody_could_read_keeps_no_more_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsbook.record.MOST_BYTES", 2_000_000)
    record = Record.create(tmp_path / "r", TARGET)
    for _ in range(4):
        last = record.add(observed(Source(step="1.4", probe="log"), TextFacts(kind="backend_log", program="x " * 500_000)))
    assert last.facts is None and last.failure is not None and "2 MB" in last.failure.message
    assert (tmp_path / "r" / "observations.jsonl").stat().st_size < 4_000_000
    assert len(record.observations()) == 4


def test_line_ends_of_unicode_end_no_line(tmp_path: Path) -> None:
    record = Record.create(tmp_path / "r", TARGET)
    record.add(seen(program="one\u2028two\x85three\u2029four"))
    assert len((tmp_path / "r" / "observations.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    (again,) = record.observations()
    assert isinstance(again.facts, TextFacts) and again.facts.program == "one\u2028two\x85three\u2029four"


def test_halves_of_characters_break_no_record(tmp_path: Path) -> None:
    record = Record.create(tmp_path / "r", TARGET)
    written = record.add(seen(program="half \ud83d of one"))
    assert isinstance(written.facts, TextFacts) and written.facts.program == "half \\ud83d of one"
    assert record.observations() == [written]
