"""A fleet: polite, resumed after a kill, and what hangs or crashes is a row that says so."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fleet_servers import fleet_servers
from test_cli import wsbook

from wsbook.errors import UsageError
from wsbook.finding import Verdict
from wsbook.report.fleet import FleetRow, State
from wsbook.runner import fleet_hands
from wsbook.runner.fleet import FleetPlan, _Line, _table, finished_rows, run_fleet, time_limit
from wsbook.runner.fleet_targets import Entry, read_targets
from wsbook.runner.fleet_worker import Job, answer_job, chosen_steps

FAKE = Path(__file__).parent / "fake_fleet_worker.py"


@pytest.fixture
def _fake_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_hands, "WORKER", (sys.executable, str(FAKE)))


def entries(*urls: str, tmp_path: Path) -> tuple[Entry, ...]:
    path = tmp_path / "targets.csv"
    path.write_text("url\n" + "".join(f"{url}\n" for url in urls))
    return read_targets(path)


def plan(tmp_path: Path, **options: Any) -> FleetPlan:
    return FleetPlan(folder=tmp_path / "fleet", **{"workers": 2, "per_second": 0.0, **options})


def gone(pid: int) -> bool:
    """Tell whether a process has ended, within a few seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.usefixtures("_fake_workers")
def test_every_target_is_a_row_whatever_became_of_it(tmp_path: Path) -> None:
    paths = ("fault", "clear", "crash", "break", "unusable", "hang")
    targets = entries(*(f"ws://{path}.example/{path}" for path in paths), "ws://fault.example/fault", tmp_path=tmp_path)
    rows = run_fleet(targets, plan(tmp_path, limit_s=6.0))
    assert [(row.url, row.line) for row in rows] == [(entry.url, entry.line) for entry in targets]
    assert [row.state for row in rows[:6]] == [State.DONE, State.DONE, State.CRASHED, State.CRASHED, State.UNUSABLE, State.LATE]
    assert [row.problem for row in rows[2:6]] == [
        "the process that investigated it ended by signal 9",
        "the process that investigated it ended by exit code 1: RuntimeError: a bug of ours at ?token=***",
        "the file is on another machine",
        "did not end within 6 s",
    ]
    assert (rows[6].same_as, rows[6].causes) == (2, rows[0].causes)
    assert [row.verdict for row in rows[:2]] == [Verdict.FAULT, Verdict.CLEAR]
    assert (rows[5].verdict, rows[5].summary) == (Verdict.FAULT, "seen before the end")  # what the record held was judged
    assert gone(int((tmp_path / "fleet" / rows[5].record / "child").read_text()))
    with (tmp_path / "fleet" / "results.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["state"] for row in table] == [*(row.state.value for row in rows[:6]), "same as line 2"]
    assert table[0]["root_causes"] == "endpoint.wrong-path net.refused"
    assert table[0]["summary"] == "'=cmd()"
    assert "5 of 6" not in (tmp_path / "fleet" / "fleet.html").read_text()


def starts(path: Path) -> list[tuple[str, float, int]]:
    words = [line.split() for line in path.read_text().splitlines()]
    return [(url, float(at), int(pid)) for url, at, pid in words]


@pytest.mark.usefixtures("_fake_workers")
def test_a_host_is_looked_at_once_at_a_time_and_no_faster_than_asked(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FLEET_STARTS", str(tmp_path / "starts"))
    urls = [f"ws://{host}.example/slow{number}" for number in range(4) for host in "ab"]
    run_fleet(entries(*urls, tmp_path=tmp_path), plan(tmp_path, workers=4))
    seen = starts(tmp_path / "starts")
    for host in "ab":
        own = [at for url, at, _ in seen if url.startswith(f"ws://{host}.")]
        assert len(own) == 4
        assert all(later - before >= 0.24 for before, later in pairwise(own))


async def test_investigations_begin_no_faster_than_asked(tmp_path: Path) -> None:
    line = _Line(entries(*(f"ws://a.example/{number}" for number in range(9)), tmp_path=tmp_path), 3, 20.0)
    instants: list[float] = []
    all_begun = asyncio.Event()

    async def work() -> None:
        while True:
            async with line.next():
                instants.append(time.monotonic())
            if len(instants) == 9:
                all_begun.set()

    tasks = [asyncio.create_task(work()) for _ in range(5)]
    async with asyncio.timeout(20):
        await all_begun.wait()
    for task in tasks:
        task.cancel()
    assert len(instants) == 9
    assert instants[-1] - instants[0] >= 8 / 20 - 0.01
    assert all(later - before > 0.001 for before, later in pairwise(instants))


@pytest.mark.usefixtures("_fake_workers")
def test_processes_are_replaced_after_some_targets(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FLEET_STARTS", str(tmp_path / "starts"))
    monkeypatch.setattr(fleet_hands, "_MOST_JOBS", 3)
    run_fleet(entries(*(f"ws://h{number}.example/clear" for number in range(7)), tmp_path=tmp_path), plan(tmp_path, workers=1))
    assert len({pid for _, _, pid in starts(tmp_path / "starts")}) == 3


DRIVER = """
import sys
from wsbook import cli
from wsbook.runner import fleet_hands
fleet_hands.WORKER = (sys.executable, {fake!r})
cli.main()
"""


def start(tmp_path: Path, *words: str, **environ: str) -> "subprocess.Popen[str]":
    """Start the command with fake workers, in a session of its own as a shell would."""
    command = [sys.executable, "-c", DRIVER.format(fake=str(FAKE)), "fleet", "targets.csv", "--per-second", "0", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **environ}, start_new_session=True, **pipes)


def wait_for_rows(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(finished_rows(folder)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_fleet_goes_on_where_it_was(tmp_path: Path) -> None:
    targets = entries(*(f"ws://h{number}.example/slow" for number in range(16)), tmp_path=tmp_path)
    noted, folder = tmp_path / "starts", tmp_path / "records" / "fleet-targets"
    killed = start(tmp_path, "--workers", "2", FLEET_STARTS=str(noted))
    wait_for_rows(folder, 4)
    killed.kill()
    killed.communicate()
    finished = finished_rows(folder)
    assert 4 <= len(finished) < 16
    assert all(gone(pid) for pid in {pid for _, _, pid in starts(noted)})
    with (folder / "results.jsonl").open("ab") as file:
        file.write(b'{"line":99,"key":"half')  # as a kill in the middle of a line leaves it
    noted.unlink()
    again = start(tmp_path, "--workers", "2", FLEET_STARTS=str(noted))
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    left = {url for url, _, _ in starts(noted)}
    assert not left & {row.url for row in finished.values()}
    assert len(left) + len(finished) == 16
    assert [row.url for row in finished_rows(folder).values()] and len(finished_rows(folder)) == len(targets)
    assert "0 of 16 targets have a fault, 16 are clear" in out
    third = start(tmp_path)
    assert "All of them had a result before" in third.communicate(timeout=60)[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_fleet_ends_cleanly_and_says_how_to_go_on(number: int, tmp_path: Path) -> None:
    entries(*(f"ws://h{number}.example/slow" for number in range(40)), tmp_path=tmp_path)
    noted = tmp_path / "starts"
    process = start(tmp_path, "--out", "mine", FLEET_STARTS=str(noted))
    wait_for_rows(tmp_path / "mine", 2)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "this goes on from there: wsbook fleet targets.csv --per-second 0 --out mine" in out.replace("-c fleet", "wsbook fleet")
    assert "Traceback" not in out + err
    assert all(gone(pid) for pid in {pid for _, _, pid in starts(noted)})
    with (tmp_path / "mine" / "results.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(finished_rows(tmp_path / "mine")) < 40


@pytest.mark.usefixtures("_fake_workers")
def test_two_runs_do_not_share_a_folder_and_other_steps_need_another(tmp_path: Path) -> None:
    targets = entries(*(f"ws://h{number}.example/slow" for number in range(8)), tmp_path=tmp_path)
    first = threading.Thread(target=run_fleet, args=(targets, plan(tmp_path)))
    first.start()
    try:
        wait_for_rows(tmp_path / "fleet", 1)
        with pytest.raises(UsageError, match="another wsbook fleet works in"):
            run_fleet(targets, plan(tmp_path))
    finally:
        first.join()
    with pytest.raises(UsageError, match=r'was made with steps \[\], and now \["1.3"\] is asked for'):
        run_fleet(targets, plan(tmp_path, steps=("1.3",)))


@pytest.mark.usefixtures("_fake_workers")
def test_what_was_not_completed_is_tried_again_when_asked(tmp_path: Path, monkeypatch) -> None:
    targets = entries("ws://a.example/clear", "ws://b.example/crash", tmp_path=tmp_path)
    run_fleet(targets, plan(tmp_path))
    monkeypatch.setenv("FLEET_STARTS", str(tmp_path / "starts"))
    run_fleet(targets, plan(tmp_path))
    assert not (tmp_path / "starts").exists()
    run_fleet(targets, plan(tmp_path, retry=True))
    assert [url for url, _, _ in starts(tmp_path / "starts")] == ["ws://b.example/crash"]


def test_a_cell_that_a_spreadsheet_would_run_is_text() -> None:
    row = FleetRow(line=2, key="k", url="@SUM(1)", state=State.DONE, verdict=Verdict.CLEAR, summary="+1", problem="-1")
    assert _table([row]).splitlines()[1] == "2,'@SUM(1),done,clear,,,'+1,'-1,0.0,"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--steps", "9.9"], "no step '9.9'"),
        (["--budget", "huge"], "budget 'huge'"),
        (["--workers", "1000"], "--workers 1000 is not within 1..64"),
        (["--per-second", "-1"], "--per-second -1 is not within"),
        (["--dask", "nowhere"], "not of the form tcp://host:8786 or local:4"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(words: list[str], said: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets.csv").write_text("url\nws://a.example/\n")
    code, out, err = wsbook(capsys, monkeypatch, "fleet", "targets.csv", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.usefixtures("_fake_workers")
@pytest.mark.parametrize(("path", "expected"), [("clear", 0), ("fault", 1), ("crash", 3)])
def test_the_exit_code_and_the_document_say_what_was_found(path: str, expected: int, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets.csv").write_text(f"url\nws://a.example/{path}\nws://b.example/clear\nws://b.example/clear\n")
    code, out, err = wsbook(capsys, monkeypatch, "fleet", "targets.csv", "--json", "--per-second", "0")
    document = json.loads(out)
    assert code == expected
    assert (document["schema"], document["targets"], document["incomplete"]) == ("wsbook.fleet/1", 2, int(path == "crash"))
    assert document["root_causes"] == ({"clear": {}, "fault": {"endpoint.wrong-path": 1}, "crash": {"net.refused": 1}}[path])
    assert len(document["results"]) == 3
    assert Path(document["page"]).is_file()
    assert "ws://b.example/clear" in err


def test_steps_are_taken_in_order_and_what_was_told_is_heard() -> None:
    assert chosen_steps(("2.1", "1.3"), "") == ("1.3", "2.1")
    assert chosen_steps(("1.3",), "1006 after 60 s") == ("0", "1.3")
    assert len(chosen_steps((), "")) == 13


def test_a_target_may_take_three_times_its_budget_and_a_minute(tmp_path: Path) -> None:
    assert time_limit(plan(tmp_path)) == 195
    assert time_limit(plan(tmp_path, limit_s=7)) == 7


def test_a_record_travels_and_nothing_leads_out_of_its_folder(tmp_path: Path) -> None:
    import io
    import zipfile

    (tmp_path / "record").mkdir()
    (tmp_path / "record" / "report.html").write_text("a report")
    fleet_hands.unpack(fleet_hands.pack(tmp_path / "record"), tmp_path / "there")
    assert (tmp_path / "there" / "report.html").read_text() == "a report"
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr("../evil", "x")
        archive.writestr("fine", "x")
    fleet_hands.unpack(into.getvalue(), tmp_path / "there")
    assert not (tmp_path / "evil").exists()
    assert (tmp_path / "there" / "fine").exists()
    assert fleet_hands.pack(tmp_path / "missing")[:2] == b"PK"


def test_a_target_with_secrets_is_the_same_in_whichever_process(tmp_path: Path, monkeypatch) -> None:
    """A killed run's record is continued by another process, which has sealed other secrets before."""
    for name in [name for name in os.environ if name.startswith("WSBOOK_SECRET_")]:
        monkeypatch.delenv(name)  # a worker begins without what this process has sealed for other tests
    jobs = [
        Job(record=str(tmp_path / name), parameters={"url": f"ws://127.0.0.1:1/?token=s3cr3t-{name}"}, steps=("1.4",))
        for name in ("a", "b")
    ]
    assert [answer_job(job).state for job in (jobs[0], jobs[1], jobs[0])] == [State.DONE] * 3
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "s3cr3t" not in written


class FakeClient:
    """A scheduler's client whose workers never answer and may be gone."""

    def __init__(self, *workers: str) -> None:
        self.workers = set(workers)

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.workers, 1)

    def submit(self, *_: Any, **options: Any) -> Any:
        assert (options["retries"], options["allow_other_workers"], options["pure"]) == (0, False, False)
        self.workers.discard(options["workers"][0])
        return SimpleNamespace(done=lambda: False, cancel=lambda force: None)


async def test_a_dask_worker_that_dies_is_a_row_and_its_place_is_taken(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(fleet_hands, "_SAVE_S", 0.1)
    client, taken = FakeClient("tcp://a", "tcp://b", "tcp://c"), set[str]()
    first, second = (fleet_hands.DaskHand(client, worker, taken) for worker in ("tcp://a", "tcp://b"))
    job = Job(record=str(tmp_path / "record"), parameters={})
    answer = await first.investigate(job, 5.0)
    assert (answer.state, answer.problem) == (State.CRASHED, "the worker tcp://a died")
    assert await first.fit()
    assert taken == {"tcp://b", "tcp://c"}  # not the one that the other has
    assert (await first.investigate(job, 5.0)).problem == "the worker tcp://c died"
    assert not await first.fit()
    assert await second.fit()


@pytest.mark.slow
def test_eighteen_endpoints_with_five_faults_are_told_apart_and_a_kill_costs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    with fleet_servers(18) as targets:
        (tmp_path / "targets.csv").write_text("url\n" + "".join(f"{target.url}\n" for target in targets))
        words = ["fleet", "targets.csv", "--steps", "1.3", "--workers", "4", "--out", str(folder), "--per-second", "0"]
        command = [sys.executable, "-m", "wsbook", *words]
        killed = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_rows(folder, 4)
        killed.kill()
        killed.wait()
        first = finished_rows(folder)
        stamps = {key: (folder / "records" / key / "report.html").stat().st_mtime_ns for key in first}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    rows = finished_rows(folder)
    assert done.returncode == 1, done.stderr
    assert {key: (folder / "records" / key / "report.html").stat().st_mtime_ns for key in first} == stamps
    by_url = {row.url: row for row in rows.values()}
    assert {target: _named(by_url[target.url]) for target in targets} == {target: target.cause for target in targets}
    assert all(row.state is State.DONE for row in rows.values())
    assert "15 of 18 targets have a fault, 3 are clear" in done.stdout


def _named(row: FleetRow) -> str:
    return row.causes[0][0] if row.causes else ""


@pytest.mark.slow
def test_workers_of_a_local_cluster_send_their_records_back(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with fleet_servers(3, first=100) as targets:
        own = entries(*(target.url for target in targets), tmp_path=tmp_path)
        rows = run_fleet(own, plan(tmp_path, steps=("1.3",), dask="local:2"))
    assert [_named(row) for row in rows] == [target.cause for target in targets]
    for row in rows:
        assert {"report.html", "target.toml", "observations.jsonl"} <= {path.name for path in (tmp_path / "fleet" / row.record).iterdir()}


@pytest.mark.slow
def test_notebooks_are_left_in_the_records_when_asked(tmp_path: Path) -> None:
    with fleet_servers(1, first=120) as targets:
        (row,) = run_fleet(entries(targets[0].url, tmp_path=tmp_path), plan(tmp_path, steps=("1.3",), notebooks=True))
    assert (row.state, row.verdict, row.problem) == (State.DONE, Verdict.CLEAR, "")
    names = {path.name for path in (tmp_path / "fleet" / row.record).iterdir()}
    assert {"01_initial_diagnosis.ipynb", "05_findings.ipynb", "report.html"} <= names
