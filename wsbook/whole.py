"""Files that are whole or not there, and folders that one run at a time writes to, whatever ends the run.

Knows nothing of what is in them.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wsbook.errors import UnwritableError, UsageError

__all__ = ["append_line", "hold_folder", "remove_leftovers", "unwritable", "write_atomically"]

_SUFFIX = ".part"
_EVERY_S = 0.1


@contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """Turn what the system refuses, such as a full disk, into one sentence.

    Raises:
        UnwritableError: it refuses to write.
    """
    try:
        yield
    except OSError as error:
        raise UnwritableError(f"{path} cannot be written: {error.strerror or error}") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old or the new content and nothing between.

    Raises:
        UnwritableError: the system refuses, as when the disk is full; the old content is still there.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    with unwritable(path):
        try:
            scratch.write_bytes(data)
            scratch.replace(path)
        except OSError:
            with suppress(OSError):
                scratch.unlink()
            raise


def append_line(path: Path, line: bytes) -> None:
    """Append a line to a file. A line before it that a crash or a full disk left unfinished ends first, so that it spoils no other.

    Raises:
        UnwritableError: the system refuses.
    """
    with unwritable(path), path.open("ab") as file:
        begun = file.tell() and not _ends_with_newline(path)
        file.write((b"\n" if begun else b"") + line + b"\n")


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files of runs that were killed. Only who holds the folder may do so."""
    for path in folder.glob(f".*{_SUFFIX}"):
        with suppress(OSError):
            path.unlink()


@contextmanager
def hold_folder(folder: Path, patience_s: float = 4.0) -> Iterator[int]:
    """Hold a folder, which is made when it is not there, for one writer; yield the descriptor that holds it.

    The lock is the system's (flock): it is gone the moment the last process that has the descriptor ends, however it ends. Processes
    that write on our behalf are given it, so that nobody else writes before they have noticed our end; for that we wait patience_s.
    Where there is no flock nothing is held.

    Raises:
        UsageError: another process holds it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}") from error
    try:
        if not _locked(descriptor, patience_s):
            raise UsageError(f"another run is writing to {folder}; wait for its end or choose another folder with --out")
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int, patience_s: float) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_EVERY_S)
        except OSError:  # a file system without locks
            return True
        else:
            return True
