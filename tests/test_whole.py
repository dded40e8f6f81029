"""Files are whole or not there, and one run at a time writes to a folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wsbook.errors import UnwritableError, UsageError
from wsbook.whole import append_line, hold_folder, remove_leftovers, write_atomically

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from wsbook.whole import hold_folder
with hold_folder(Path(sys.argv[1])) as descriptor:
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=(descriptor,))
    print(worker.pid, flush=True)
    time.sleep(60)
"""

SMALL_DISK = """
import resource, sys
from pathlib import Path
from wsbook.errors import UnwritableError
from wsbook.whole import append_line, write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
folder = Path(sys.argv[1])
"""
FULL_FILE = """
write_atomically(folder / "a.json", b"old")
try:
    write_atomically(folder / "a.json", b"x" * 5000)
except UnwritableError as error:
    assert str(error).endswith("a.json cannot be written: File too large"), error
else:
    sys.exit("nothing was said")
"""
CUT_LINE = """
lines = folder / "lines"
append_line(lines, b"first")
try:
    append_line(lines, b"x" * 5000)
except UnwritableError:
    with lines.open("r+b") as file:
        file.truncate(100)
    append_line(lines, b"last")
else:
    sys.exit("nothing was said")
"""


def test_a_file_is_replaced_and_nothing_is_left(tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        write_atomically(tmp_path / "a.json", content)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": b"new"}


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnwritableError, match=r"nowhere/a\.json cannot be written: No such file or directory"):
        write_atomically(tmp_path / "nowhere" / "a.json", b"")
    with pytest.raises(UnwritableError, match=r"cannot be written: Is a directory"):
        append_line(tmp_path, b"")


def on_a_small_disk(code: str, folder: Path) -> None:
    """Run code where no file can grow beyond 4 KiB, as on a disk that is full: in a process of its own, since tests may write to a file."""
    done = subprocess.run([sys.executable, "-c", SMALL_DISK + code, str(folder)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    on_a_small_disk(FULL_FILE, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": b"old"}


def test_a_line_that_was_cut_spoils_no_other(tmp_path: Path) -> None:
    on_a_small_disk(CUT_LINE, tmp_path)
    assert [line[:5] for line in (tmp_path / "lines").read_bytes().splitlines()] == [b"first", b"xxxxx", b"last"]


def test_leftovers_of_killed_runs_go(tmp_path: Path) -> None:
    for name in (".a.json.17.part", ".git", "a.json", "b.part"):
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".git", "a.json", "b.part"}


def test_a_folder_is_held_once(tmp_path: Path) -> None:
    with hold_folder(tmp_path / "r"):
        with pytest.raises(UsageError, match="another run is writing to"), hold_folder(tmp_path / "r", 0.2):
            pass
        with hold_folder(tmp_path / "other", 0.2):
            assert (tmp_path / "other").is_dir()
    with hold_folder(tmp_path / "r", 0.2):
        assert list((tmp_path / "r").iterdir()) == []


def test_a_killed_holder_holds_until_its_workers_have_ended(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        worker = int(holder.stdout.readline())
        holder.kill()
        holder.wait()
        try:
            with pytest.raises(UsageError, match="another run"), hold_folder(tmp_path, 0.3):
                pass
        finally:
            os.kill(worker, signal.SIGKILL)
        started = time.monotonic()
        with hold_folder(tmp_path, 5.0):
            assert time.monotonic() - started < 4.0


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file/r cannot be made: Not a directory"), hold_folder(tmp_path / "file" / "r"):
        pass
