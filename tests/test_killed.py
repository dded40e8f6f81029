"""A run that is killed at any moment leaves a record that can be read and continued, and no process."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wsbook.record import Record
from wsbook.report import write_report
from wsbook.whole import hold_folder

STEPS = "1.3,2.2"
MARK = "WSBOOK_TEST_OF_KILLED_RUNS"
LONGEST_S = 120.0


def exists(name: str) -> Callable[[Path], bool]:
    return lambda folder: (folder / name).exists()


def lines(count: int) -> Callable[[Path], bool]:
    def enough(folder: Path) -> bool:
        path = folder / "observations.jsonl"
        return path.exists() and path.read_bytes().count(b"\n") >= count

    return enough


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "before anything": lambda folder: True,
    "the folder is made": lambda folder: folder.exists(),
    "the target is written": exists("target.toml"),
    "a step has begun": lines(1),
    "a step is half done": lines(9),
    "a step is about done": lines(18),
    "the first notebook": exists("00_start.ipynb"),
    "the third notebook": exists("02_network_infrastructure.ipynb"),
    "the last notebook": exists("05_findings.ipynb"),
    "the run is told": exists("run.json"),
    "the ticket is written": exists("report.md"),
}
"""What has happened when a run is killed; a random while later, as it is then doing the next thing."""


class Run:
    """wsbook run in a process group of its own."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.mark = f"{MARK}={folder}".encode()
        words = [sys.executable, "-m", "wsbook", "run", "--out", str(folder), *more]
        environ = {**os.environ, MARK: str(folder)}
        self.process = subprocess.Popen(
            words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def kill_after(self, happened: Callable[[], bool], later_s: float) -> None:
        """Kill the group once something has happened, and a while later; a run that ends before is no less welcome."""
        deadline = time.monotonic() + LONGEST_S
        while self.process.poll() is None and not happened():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        try:
            self.process.wait(later_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def end(self) -> tuple[int, str]:
        try:
            out, _ = self.process.communicate(timeout=LONGEST_S)
        finally:
            self.process.kill()
        return self.process.returncode, out

    def alive(self) -> dict[int, str]:
        """Return every process that this run started, or that these started: they inherit its environment."""
        found = {}
        for place in Path("/proc").iterdir():
            if place.name.isdigit():
                try:
                    running = not re.search(r"\) Z ", (place / "stat").read_text())
                    if running and self.mark in (place / "environ").read_bytes():
                        found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]
                except OSError:
                    continue
        return found

    def is_gone(self, longest_s: float = 15.0) -> bool:
        deadline = time.monotonic() + longest_s
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.alive()


def readable(folder: Path) -> set[str]:
    """Check that whatever a killed run left can be read; return the steps that it finished."""
    if not (folder / "target.toml").exists():
        return set()
    for path in [*folder.glob("*.json"), *folder.glob("*.ipynb")]:
        assert isinstance(json.loads(path.read_text()), dict), path
    observations = folder / "observations.jsonl"
    for line in observations.read_text().splitlines()[:-1] if observations.exists() else ():
        assert json.loads(line)
    report = write_report(folder).read_text()
    assert "<html" in report and "1.3" in report
    return set(Record(folder).done())


def begun(folder: Path) -> list[str]:
    """Return the steps in the order in which they were begun, repeated when they were begun again."""
    told = (json.loads(line) for line in (folder / "observations.jsonl").read_text().splitlines() if line.startswith('{"begun"'))
    return [line["begun"] for line in told]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_any_moment_it_can_be_read_and_continued(tmp_path: Path, seed: int) -> None:
    chance, folder = random.Random(seed), tmp_path / "record"
    moments = sorted(chance.sample(list(MOMENTS), 5), key=list(MOMENTS).index)
    finished: dict[str, int] = {}
    for moment in moments:
        run = Run(folder, "--steps", STEPS)
        run.kill_after(lambda wanted=MOMENTS[moment]: wanted(folder), chance.uniform(0.0, 0.6))
        assert run.is_gone(), (moment, run.alive())
        for step in readable(folder):
            finished.setdefault(step, begun(folder).count(step))
        for name in ("run.json", "report.md", *(path.name for path in folder.glob("*.ipynb"))):
            (folder / name).unlink(missing_ok=True)  # so that the next moment is one of the next run
    code, out = Run(folder).end()  # of the lab, and of the steps, the record knows
    assert code == 0, out
    assert json.loads((folder / "run.json").read_text())["complete"] is True
    steps = json.loads((folder / "findings.json").read_text())["steps"]
    assert {step for step, said in steps.items() if said["verdict"] == "clear"} == {"1.3", "2.2"}
    assert set(Record(folder).done()) == {"1.3", "2.2"}
    assert {step: begun(folder).count(step) for step in finished} == finished, "a finished step was looked at again"
    assert not list(folder.glob(".*"))


def test_a_second_run_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    with hold_folder(tmp_path / "record"):
        code, out = Run(tmp_path / "record", "ws://127.0.0.1:9/", "--steps", "1.3").end()
    assert code == 2
    assert out.startswith("wsbook: another run is writing to") and len(out.strip().splitlines()) == 1
    assert list((tmp_path / "record").iterdir()) == []


@pytest.mark.slow
def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); from wsbook.cli import main; main()"
    words = ["run", "ws://127.0.0.1:9/", "--steps", "1.3", "--out", str(tmp_path / "record")]
    done = subprocess.run([sys.executable, "-c", limited, *words], capture_output=True, text=True, timeout=LONGEST_S, check=False)
    assert done.returncode == 3, done.stdout
    assert re.fullmatch(r"wsbook: \S+ cannot be written: File too large", done.stderr.strip().splitlines()[-1])
    assert "Traceback" not in done.stderr
    assert readable(tmp_path / "record") <= {"1.3"} if (tmp_path / "record").exists() else True
