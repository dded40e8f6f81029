"""Measures how much more CPU reading a large access log costs than counting its lines (target 6 of the project's performance goals).

    python benchmarks/logs.py [--size 1024] [--sockets 0.001] [--rounds 3] [--folder /tmp]

Writes an access log of --size MiB in the combined format with a duration, of which the share --sockets are upgrades, and runs in turn,
each in a process of its own: counting line feeds in chunks of 4 MiB; reading the log as `wsbook read` does, down to the table of requests.
CPU is that of the whole process, imports included; reading is also given without what importing pandas for the table costs. The file is
deleted at the end.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "curl/8.5.0",
)
PATHS = (
    "/",
    "/index.html",
    "/assets/app.8f3c.js",
    "/api/orders/{}",
    "/api/items?page={}",
    "/img/{}.webp",
    "/login",
    "/static/css/main.css",
)
LINE = '10.1.{}.{} - - [12/Mar/2026:{:02}:{:02}:{:02} +0000] "GET {} HTTP/1.1" {} {} "https://shop.test/" "{}" {:.3f}\n'


def lines(size_bytes: int, sockets: float) -> Iterator[bytes]:
    """Yield the lines of a shop's log over one day, a few of them handshakes and their failures."""
    dice, written, number = random.Random(1), 0, 0
    while written < size_bytes:
        number += 1
        at = written * 86_399 // size_bytes
        if dice.random() < sockets:
            path, status, took = f"/ws?token={number:x}", dice.choice((101, 101, 101, 400, 403, 502)), dice.expovariate(1 / 60)
        else:
            path, status, took = dice.choice(PATHS).format(dice.randrange(10_000)), dice.choice((200,) * 18 + (304, 404)), dice.random()
        clock = (at // 3600, at // 60 % 60, at % 60)
        text = LINE.format(number % 251, number % 199, *clock, path, status, dice.randrange(100_000), dice.choice(AGENTS), took).encode()
        written += len(text)
        yield text


def count(path: str) -> None:
    total = 0
    with Path(path).open("rb") as source:
        while chunk := source.read(4 * 2**20):
            total += chunk.count(b"\n")
    print(f"{total:,} lines")


def read(path: str) -> None:
    import time

    from wsbook.parsers.read import read_artifact

    observations = read_artifact(path)
    before = time.process_time()
    import pandas  # noqa: F401

    from wsbook.views.tables import table_access

    imported = time.process_time() - before
    table = table_access(observations)
    print(imported)
    print(f"{len(table)} rows", file=sys.stderr)


def measure(command: str, path: str) -> tuple[float, float, str]:
    """Return (CPU seconds, peak MiB, what it printed) of one run."""
    with subprocess.Popen([sys.executable, __file__, "--run", command, "--file", path], stdout=subprocess.PIPE, text=True) as child:
        shown = child.stdout.read() if child.stdout else ""
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, shown.strip()


def spread(values: list[float]) -> str:
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=1024, help="MiB of log")
    parser.add_argument("--sockets", type=float, default=0.001, help="share of lines that are upgrades")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--run", choices=("count", "read"), help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        {"count": count, "read": read}[asked.run](asked.file)
    else:
        compare(asked)


def compare(asked: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        path = Path(folder) / "access.log"
        with path.open("wb") as target:
            target.writelines(lines(asked.size * 2**20, asked.sockets))
        whole, bare, peaks = [], [], []
        for number in range(asked.rounds):
            counting, _, shown = measure("count", str(path))
            reading, peak, imported = measure("read", str(path))
            whole.append(reading / counting)
            bare.append((reading - float(imported)) / counting)
            peaks.append(peak)
            print(f"round {number + 1}: counting {counting:.2f} CPU s ({shown}), reading {reading:.2f} CPU s, peak {peak:.0f} MiB")
    print(f"ratio min / median / max: {spread(bare)}, with the import of pandas for the table {spread(whole)}; peak {max(peaks):.0f} MiB")


if __name__ == "__main__":
    main()
