"""Nothing of a lab outlives its owner, whatever ends the owner; nothing is left half started."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import needs
from lab.lab_client import alive, family, processes_of

from wsbook.errors import UsageError
from wsbook.lab import start_lab
from wsbook.lab.processes import EarlyEndError, Process, hold, wait_until_ready
from wsbook.programs import free_ports

PROXIES = [pytest.param("caddy"), *(pytest.param(name, marks=needs(name)) for name in ("nginx", "haproxy", "apache"))]

OWNER = """
import json, sys, time
from wsbook.lab import describe, start_lab
lab = start_lab(proxy=sys.argv[1])
print(json.dumps(describe(lab)), flush=True)
time.sleep(60)
"""


def gone(pids: set[int], longest_s: float = 4.0) -> bool:
    deadline = time.monotonic() + longest_s
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Owner:
    """A process of its own that holds a lab."""

    def __init__(self, proxy: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", OWNER, proxy], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout is not None
        self.lab = json.loads(self.process.stdout.readline())
        self.pids = family(self.process.pid) - {self.process.pid}
        self.keeper = next(pid for pid in self.pids if "keeper.py" in Path(f"/proc/{pid}/cmdline").read_text())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        for pid in self.pids:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.lab["folder"], ignore_errors=True)


@pytest.fixture
def owner(request: pytest.FixtureRequest) -> Iterator[Owner]:
    owner = Owner(request.param)
    yield owner
    owner.close()


@pytest.mark.parametrize("proxy", PROXIES)
def test_stop_leaves_nothing(proxy: str) -> None:
    lab = start_lab(proxy=proxy)
    pids = processes_of(lab)
    assert len(pids) >= 4
    assert all(alive(pid) for pid in pids)
    lab.stop()
    lab.stop()
    assert not any(alive(pid) for pid in pids)
    assert not lab.folder.exists()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
@pytest.mark.parametrize("owner", PROXIES, indirect=True)
def test_owner_killed(owner: Owner, signum: signal.Signals) -> None:
    assert len(owner.pids) >= 5
    owner.process.send_signal(signum)
    owner.process.wait(5)
    assert gone(owner.pids)
    assert not Path(owner.lab["folder"]).exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs PR_SET_PDEATHSIG")
@pytest.mark.parametrize("owner", PROXIES, indirect=True)
def test_keeper_killed(owner: Owner) -> None:
    os.kill(owner.keeper, signal.SIGKILL)
    assert gone(owner.pids - {owner.keeper})


def test_started_in_a_thread_that_ends() -> None:
    async def start_and_look() -> bool:
        with await asyncio.to_thread(start_lab) as lab:
            await asyncio.sleep(0.3)
            return all(alive(pid) for pid in processes_of(lab))

    assert asyncio.run(start_and_look())


def test_two_labs_do_not_meet() -> None:
    with start_lab() as one, start_lab() as other:
        assert one.folder != other.folder
        assert not {one.url, *one.hops.values()} & {other.url, *other.hops.values()}
        one.stop()
        assert all(alive(pid) for pid in processes_of(other))


def test_a_given_folder_is_kept(tmp_path: Path) -> None:
    with start_lab("tls.cert-expired", folder=tmp_path / "lab") as lab:
        assert lab.folder == tmp_path / "lab"
    for name in ("proxy/Caddyfile", "backend/server.py", "frontend/app.js", "logs/a.log", "tls/ca.pem"):
        assert (tmp_path / "lab" / name).stat().st_size > 0
    with pytest.raises(UsageError, match="is not empty"):
        start_lab(folder=tmp_path / "lab")


def test_an_early_end_says_why(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", "print('no such thing'); raise SystemExit(3)")
    held = hold([Process(name="job", argv=argv, cwd=str(tmp_path), env={}, output=str(tmp_path / "job.log"), gentle=False)], "")
    with pytest.raises(EarlyEndError, match="the lab's job ended with status 3: no such thing"):
        wait_until_ready(held, [1], [1], 5.0)
    held.stop()


def test_a_silent_lab_is_given_up(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", "import time; time.sleep(60)")
    held = hold([Process(name="job", argv=argv, cwd=str(tmp_path), env={}, output=str(tmp_path / "job.log"), gentle=False)], "")
    with pytest.raises(EarlyEndError, match=r"did not answer within 0\.3 s"):
        wait_until_ready(held, list(free_ports(["x"]).values()), [1], 0.3)
    held.stop()
    assert gone(set(held.pids.values()))


def test_a_failed_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "wsbook.lab.deployment.tempfile.mkdtemp",
        lambda prefix: str(tmp_path.joinpath("lab")) if not tmp_path.joinpath("lab").mkdir() else "",
    )
    monkeypatch.setattr("wsbook.lab.deployment.read_template", lambda name: "no { such configuration")
    with pytest.raises(EarlyEndError, match="caddy ended with status 1"):
        start_lab()
    assert not (tmp_path / "lab").exists()


def test_a_port_taken_meanwhile_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        taken = [{"ws_a": occupant.getsockname()[1]}]
        monkeypatch.setattr("wsbook.lab.deployment.free_ports", lambda names: free_ports(names) | (taken.pop() if taken else {}))
        with start_lab() as lab:
            assert not taken
            assert str(occupant.getsockname()[1]) not in lab.hops["app"]


def test_start_is_fast() -> None:
    begin = time.monotonic()
    with start_lab():
        assert time.monotonic() - begin < 3.0  # 0.3 s alone, 1.5 s promised, twice that on a busy machine
