"""wsbook load as a person and a pipeline start it: figures, exit codes, and what an interrupt leaves.

A machine that is busy with other things makes runs void, which is the tool's duty to say: then counts stand, and the exit code is 3.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from load_servers import loaded_server

COMMAND = (sys.executable, "-m", "wsbook", "load")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with loaded_server() as url:
        yield url


def loaded(*options: str) -> tuple[dict[str, Any], int]:
    done = subprocess.run([*COMMAND, *options, "--json"], capture_output=True, text=True, timeout=120, check=False)
    return json.loads(done.stdout), done.returncode


def test_every_message_of_a_run_is_accounted_for(server: str, tmp_path: Path) -> None:
    out = tmp_path / "load.json"
    document, code = loaded(f"{server}/echo", "--rate", "200", "--seconds", "1", "--connections", "4", "--size", "100", "--out", str(out))
    assert (document["schema"], document["outcome"], document["why"], document["url"]) == (
        "wsbook.load/1",
        "answered",
        "",
        f"{server}/echo",
    )
    assert [document[name] for name in ("sent", "received", "lost", "duplicated", "reordered", "unsent")] == [200, 200, 0, 0, 0, 0]
    assert 0 < document["p50_s"] <= document["p99_s"] <= document["max_s"] and document["cpu_s"] > 0
    (run,) = document["runs"]
    assert (run["rate"], run["size_bytes"], run["connections"], run["opened"]) == (200, 100, 4, 4)
    assert run["generator"]["engine"] == "numpy" and run["histogram"] and run["servers"][0]["samples"]
    assert code == document["exit_code"] == (3 if document["void"] else 0)
    assert json.loads(out.read_text()) == document


@pytest.mark.parametrize(
    ("way", "counts"), [("loses", (400, 396, 4, 0, 0)), ("twice", (400, 400, 0, 4, 0)), ("swaps", (400, 400, 0, 0, 4))]
)
def test_what_a_server_does_wrong_is_counted_exactly(way: str, counts: tuple[int, ...]) -> None:
    with loaded_server() as server:
        document, code = loaded(
            f"{server}/{way}?every=100", "--rate", "400", "--seconds", "1", "--connections", "1", "--answered-by", "echo"
        )
    assert tuple(document[name] for name in ("sent", "received", "lost", "duplicated", "reordered")) == counts
    assert code == (3 if document["void"] else 1)


def test_thresholds_decide(server: str) -> None:
    few = (f"{server}/echo", "--rate", "100", "--seconds", "0.5", "--connections", "2")
    document, code = loaded(*few, "--threshold", "lost = 0, sent = 50", "--threshold", "p99 < 1 min")
    assert [one["holds"] for one in document["thresholds"]] == [None if document["void"] else True] * 3
    assert code == (3 if document["void"] else 0)
    document, code = loaded(*few, "--threshold", "sent > 1000")
    assert code == (3 if document["void"] else 1)


def test_a_grid_has_a_run_for_each_combination(server: str) -> None:
    document, _ = loaded(f"{server}/text", "--rate", "50,100", "--size", "64,1KiB", "--connections", "2", "--seconds", "0.4")
    assert [(run["rate"], run["size_bytes"]) for run in document["runs"]] == [(50, 64), (100, 64), (50, 1024), (100, 1024)]
    assert document["sent"] == document["received"] == 120


def test_broadcasts_and_sequences_are_counted_by_who_listens(server: str) -> None:
    document, _ = loaded(f"{server}/others", "--rate", "50", "--seconds", "1", "--connections", "4")
    assert (document["runs"][0]["answered_by"], document["sent"], document["received"], document["lost"]) == ("broadcast", 50, 150, 0)
    document, _ = loaded(f"{server}/numbers", "--sequence", "$.data[0].seq", "--seconds", "1", "--connections", "3")
    assert document["runs"][0]["answered_by"] == "sequence" and document["sent"] == 0 and document["received"] > 20 and not document["lost"]


def test_connections_that_are_refused_are_told(server: str) -> None:
    document, code = loaded(f"{server}/echo?most=3", "--rate", "50", "--seconds", "0.5", "--connections", "5", "--answered-by", "echo")
    assert (document["runs"][0]["asked"], document["runs"][0]["opened"]) == (5, 3) and "503" in document["errors"][0]
    assert code == (3 if document["void"] else 1)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("/mute", "--rate", "10"), 3, "give --send"),
        (("ws://127.0.0.1:9/", "--rate", "10"), 3, "refused"),
        (("ws://shop.example/", "--rate", "10"), 3, "--i-own-this"),
    ],
)
def test_what_could_not_be_loaded_says_why(server: str, options: tuple[str, ...], code: int, words: str) -> None:
    url = options[0] if "://" in options[0] else server + options[0]
    document, ended = loaded(url, *options[1:])
    assert ended == code and words in document["why"] and document["runs"] == [] and document["sent"] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rate", "fast"), "is no number"),
        ((), "give --rate, --window or --ramp"),
        (("--rate", "1", "--trouble", "5 burn"), "is not of the form"),
    ],
)
def test_usage_is_one_sentence(options: tuple[str, ...], words: str) -> None:
    done = subprocess.run([*COMMAND, "ws://127.0.0.1:9/", *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.startswith("wsbook: ") and words in done.stderr and done.stderr.count("\n") == 1


def test_a_person_reads_it_without_a_terminal(server: str) -> None:
    options = (f"{server}/echo", "--rate", "100", "--seconds", "0.5", "--connections", "2")
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=60, check=False)
    assert "100/s, 64 B, 2 connections, 500 ms" in done.stdout and "echo · 2 connections · 64 B · numpy" in done.stdout
    assert "\x1b" not in done.stdout and done.stderr == ""


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def _begun(pid: int) -> int:
    """Return the generator of a load once it has sent for a moment: it connects right before."""
    deadline = time.monotonic() + 60
    while not (found := children(pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    while not psutil.Process(found[0]).net_connections("tcp") and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.7)
    return found[0]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupt_keeps_what_was_counted_and_leaves_nothing(server: str, how: signal.Signals) -> None:
    options = (f"{server}/echo", "--rate", "100", "--seconds", "60", "--answered-by", "echo", "--json")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as running:
        generator = _begun(running.pid)
        begin = time.monotonic()
        running.send_signal(how)
        out, _ = running.communicate(timeout=30)
    assert time.monotonic() - begin < 20
    deadline = time.monotonic() + 5
    while alive(generator) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(generator)
    if how is not signal.SIGKILL:
        document = json.loads(out)
        assert running.returncode == 3 and document["void"] and 0 < document["sent"] < 6000
        assert document["sent"] == document["received"] + document["lost"]
