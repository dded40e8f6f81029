"""wsbook run --out FOLDER: what is continued, with what, and what a record of somebody else's may not have."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_cli import wsbook

from wsbook.record import Record
from wsbook.runner import RunSummary
from wsbook.target import Target, parse_target

OTHERS = [
    ({"trigger": "RUN touch x {marker}"}, "runs a command on this machine: touch x {marker}"),
    ({"headers": ["X-Key: env:AWS_KEY"]}, "sends env:AWS_KEY of this machine to shop.test"),
    ({"owned": True}, "says that shop.test is yours"),
    ({"configs": ["/nowhere/nginx.conf"]}, "/nowhere/nginx.conf"),
]


class Runs:
    """Stands for the notebooks: remembers what they were asked, and finishes some steps."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], tuple[str, ...]]] = []
        self.finishes: tuple[str, ...] = ("1.3",)
        self.complete = True
        self.port = 0

    def __call__(self, parameters: dict[str, Any], *, record: Path, steps: tuple[str, ...], **more: Any) -> RunSummary:
        self.asked.append((parameters, tuple(steps)))
        kept = Record(record)
        for step in self.finishes:
            kept.begin(step)
            kept.finish(step, 0.1)
        kept.write_json("run.json", {"complete": self.complete})
        return RunSummary(notebooks=(), pictures=0, duration_s=0.0, spent_s={})

    @contextmanager
    def lab(self, fault: str = "") -> Iterator[Any]:
        self.port += 1
        target = parse_target(f"ws://127.0.0.1:{self.port}/ws")
        yield SimpleNamespace(target=lambda: target, fault=fault)

    @property
    def urls(self) -> list[str]:
        return [parameters["url"] for parameters, _ in self.asked]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs()
    monkeypatch.setattr("wsbook.cli.investigate.run_notebooks", runs)
    monkeypatch.setattr("wsbook.lab.start_lab", runs.lab)
    return runs


def test_a_lab_that_is_started_again_is_the_same_target(runs: Runs, tmp_path: Path, monkeypatch, capsys) -> None:
    words = ("run", "--fault", "net.refused", "--steps", "1.3,2.2", "--out", str(tmp_path / "r"))
    wsbook(capsys, monkeypatch, *words)
    _, out, err = wsbook(capsys, monkeypatch, *words)
    assert err == ""
    assert "continued  finished before: 1.3\n" in out
    assert runs.urls == ["ws://127.0.0.1:1/ws", "ws://127.0.0.1:2/ws"]
    assert (Record(tmp_path / "r").target().url, Record(tmp_path / "r").lab()) == ("ws://127.0.0.1:2/ws", "net.refused")


def test_the_folder_alone_knows_the_lab_the_steps_and_the_budget(runs: Runs, tmp_path: Path, monkeypatch, capsys) -> None:
    runs.complete = False
    options = ("--fault", "net.refused", "--steps", "1.3,2.2", "--budget", "standard", "--symptom", "1006 after 60 s")
    wsbook(capsys, monkeypatch, "run", *options, "--out", str(tmp_path / "r"))
    wsbook(capsys, monkeypatch, "run", "--out", str(tmp_path / "r"))
    (_, steps), (second, again) = runs.asked
    assert (steps, again) == (("0", "1.3", "2.2"), ("0", "1.3", "2.2"))
    assert (second["budget"], second["symptom"]) == ("standard", "1006 after 60 s")
    assert Record(tmp_path / "r").lab() == "net.refused"


@pytest.mark.parametrize(("complete", "wanted", "expected"), [(False, (), ("1.3",)), (True, (), ()), (True, ("--steps", "2.1"), ("2.1",))])
def test_what_was_brought_to_its_end_goes_on_with_the_rest(
    runs: Runs, tmp_path: Path, monkeypatch, capsys, complete: bool, wanted: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    runs.complete = complete
    wsbook(capsys, monkeypatch, "run", "ws://127.0.0.1:9/", "--steps", "1.3", "--out", str(tmp_path / "r"))
    wsbook(capsys, monkeypatch, "run", *wanted, "--out", str(tmp_path / "r"))
    assert runs.asked[1][1] == expected
    assert runs.urls == ["ws://127.0.0.1:9/"] * 2


def test_the_lab_with_another_fault_is_another_target(runs: Runs, tmp_path: Path, monkeypatch, capsys) -> None:
    wsbook(capsys, monkeypatch, "run", "--fault", "net.refused", "--out", str(tmp_path / "r"))
    code, _, err = wsbook(capsys, monkeypatch, "run", "--fault", "net.reset", "--out", str(tmp_path / "r"))
    assert code == 2
    assert "the lab with net.refused; choose another folder" in err


@pytest.mark.parametrize("words", [("ws://127.0.0.1:8/",), ("--fault", "net.refused")])
def test_another_target_is_refused(runs: Runs, tmp_path: Path, monkeypatch, capsys, words: tuple[str, ...]) -> None:
    wsbook(capsys, monkeypatch, "run", "ws://127.0.0.1:9/", "--out", str(tmp_path / "r"))
    code, _, err = wsbook(capsys, monkeypatch, "run", *words, "--out", str(tmp_path / "r"))
    assert code == 2
    assert "another target" in err
    assert len(runs.asked) == 1


@pytest.mark.parametrize(("more", "said"), OTHERS)
def test_somebody_elses_record_is_not_continued_blindly(
    runs: Runs, tmp_path: Path, monkeypatch, capsys, more: dict[str, Any], said: str
) -> None:
    target: Target = parse_target("wss://shop.test/ws", **more)
    Record.create(tmp_path / "r", target)
    code, _, err = wsbook(capsys, monkeypatch, "run", "--out", str(tmp_path / "r"))
    assert code == 2
    assert said in err and len(err.strip().splitlines()) == 1
    assert runs.asked == []


def test_a_folder_of_something_else_is_left_as_it_is(runs: Runs, tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    code, _, err = wsbook(capsys, monkeypatch, "run", "ws://127.0.0.1:9/", "--out", str(tmp_path))
    assert code == 2
    assert "not empty and no record" in err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
