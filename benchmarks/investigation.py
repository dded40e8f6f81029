"""Where the time of a whole investigation goes: the lab, quick budget, through the notebooks, kernel starts included.

    python benchmarks/investigation.py [--rounds 3] [--keep FOLDER] [--fault SLUG]

Runs `wsbook run` and reads its record: the wall time of every notebook and step, and of what is around them. Meanwhile the CPU time of the
command and of every process below it is read a few times a second, so that waiting shows apart from work: a machine with two cores gives
two CPU seconds in each second. What a process spends between the last reading and its end is missing. Steps that run side by side share
the CPU time of that moment, so the column does not add up.

The bar: the fastest round takes at most 60 s. The load average says what else the machine does meanwhile.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

BAR_S = 60.0
EVERY_S = 0.2
KINDS = ("ipykernel", "wsbook.lab", "caddy", "chromium", "firefox", "playwright", "load_worker", "wsbook run")
"""Words of a command line, the first that fits names the program."""


def kind_of(process: psutil.Process) -> str:
    """Return which part of an investigation a process is."""
    line = " ".join(process.cmdline())
    return next((kind for kind in KINDS if kind in line), process.name())


class Meter:
    """Reads the CPU seconds of a process and of all below it, until end()."""

    def __init__(self, root: int) -> None:
        self._root = psutil.Process(root)
        self._over = threading.Event()
        self._spent: dict[tuple[int, float], tuple[str, float]] = {}
        self.readings: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._over.wait(EVERY_S):
            for process in self._family():
                self._note(process)
            self.readings.append((time.time(), sum(spent for _, spent in self._spent.values())))

    def end(self) -> None:
        """Read no more."""
        self._over.set()
        self._thread.join()

    def _family(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return []

    def _note(self, process: psutil.Process) -> None:
        try:
            key, times = (process.pid, process.create_time()), process.cpu_times()
            known = self._spent.get(key)
            kind = known[0] if known else kind_of(process)  # read once: a program that is being replaced still has its parent's line
            self._spent[key] = (kind_of(process) if known and known[0] != kind else kind, times.user + times.system)
        except psutil.Error:
            return

    def between(self, begin: float, end: float) -> float:
        """Return the CPU seconds that were spent between two instants of time.time()."""
        return self._until(end) - self._until(begin)

    def _until(self, instant: float) -> float:
        index = bisect_right(self.readings, (instant, float("inf")))
        return self.readings[index - 1][1] if index else 0.0

    def kinds(self) -> Counter[str]:
        """Return the CPU seconds of each kind of program."""
        found: Counter[str] = Counter()
        for kind, spent in self._spent.values():
            found[kind] += spent
        return found


def seconds_of(text: str) -> float:
    """Return an instant of the record as time.time() tells it."""
    return datetime.fromisoformat(text).timestamp()


def spans(record: Path) -> Iterator[tuple[str, float, float]]:
    """Yield (name, begin, end) of every notebook and every step of a record, in order of their begin."""
    found = []
    for path in sorted(record.glob("0*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        made = [cell["metadata"]["papermill"] for cell in cells if cell["metadata"].get("papermill", {}).get("end_time")]
        found.append((path.stem, seconds_of(made[0]["start_time"]), seconds_of(made[-1]["end_time"])))
    begun: dict[str, float] = {}
    for line in (record / "observations.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "begun" in row:
            begun[row["begun"]] = seconds_of(row["at"])
        elif "done" in row:
            found.append((f"  step {row['done']}", begun[row["done"]], seconds_of(row["at"])))
    yield from sorted(found, key=lambda span: (span[1], -span[2]))


def run_once(record: Path, fault: str) -> dict[str, tuple[float, float]]:
    """Investigate the lab once, print where the time went, and return wall and CPU seconds of every part."""
    command = [sys.executable, "-m", "wsbook", "run", "--out", str(record), "--json", *(["--fault", fault] if fault else [])]
    begin, before = time.time(), os.getloadavg()[0]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # each process would compile wsbook
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        meter = Meter(process.pid)
        said, _ = process.communicate()
    end = time.time()
    meter.end()
    found: dict[str, Any] = json.loads(said)
    parts = {name: (stop - start, meter.between(start, stop)) for name, start, stop in spans(record)}
    notebooks = [(start, stop) for name, start, stop in spans(record) if not name.startswith(" ")]
    inside = sum(stop - start for start, stop in notebooks)
    parts["before the first cell"] = (notebooks[0][0] - begin, meter.between(begin, notebooks[0][0]))
    parts["between notebooks"] = (notebooks[-1][1] - notebooks[0][0] - inside, 0.0)
    parts["after the last cell"] = (end - notebooks[-1][1], meter.between(notebooks[-1][1], end))
    parts["total"] = (end - begin, meter.between(begin, end))
    print(f"root causes: {', '.join(found['root_causes']) or 'none'}; load average {before:.1f} before, {os.getloadavg()[0]:.1f} after")
    print("CPU seconds: " + ", ".join(f"{kind} {spent:.1f}" for kind, spent in meter.kinds().most_common() if spent >= 0.1), flush=True)
    return parts


def show(rounds: list[dict[str, tuple[float, float]]]) -> None:
    """Print each part with the median of its wall and CPU seconds, and how busy two cores were."""
    print(f"\n{'part':<28}{'wall s':>8}{'least':>8}{'CPU s':>8}{'of 2 cores':>12}")
    for name in rounds[0]:
        walls = [one[name][0] for one in rounds if name in one]
        wall, cpu = statistics.median(walls), statistics.median(one[name][1] for one in rounds if name in one)
        print(f"{name:<28}{wall:>8.1f}{min(walls):>8.1f}{cpu:>8.1f}{cpu / wall / 2:>12.0%}" if wall else name)


def main() -> int:
    """Run the rounds, print the table, and return 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder for the records")
    parser.add_argument("--fault", default="")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch)
        rounds = [run_once(folder / f"record-{number}", asked.fault) for number in range(asked.rounds)]
        show(rounds)
    fastest = min(one["total"][0] for one in rounds)
    print(f"\nfastest round {fastest:.1f} s, bar {BAR_S:g} s")
    return int(fastest > BAR_S)


if __name__ == "__main__":
    sys.exit(main())
