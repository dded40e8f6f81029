"""What logs say while somebody watches: prints known texts as they are written, until Ctrl-C or the end of a run."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from wsbook.errors import UsageError
from wsbook.parsers.logs.follow import Watch
from wsbook.secret_forms import hide_secrets
from wsbook.words import cap, plain

__all__ = ["follow_logs", "following"]

_EVERY_S = 0.3


def _tell(console: Console, watch: Watch) -> None:
    for notice in watch.look():
        cause = notice.causes[0] if notice.causes else "refused"
        text = cap(hide_secrets(notice.text), 200)
        console.print(Text.assemble((f"{plain(Path(notice.path).name)}  ", "#999999"), (f"{cause}  ", "#D55E00"), text), soft_wrap=True)


@contextmanager
def following(paths: Sequence[str], console: Console) -> Iterator[None]:
    """Tell what is written to logs while the body runs; what the body wrote last is told before this ends."""
    watch, stop = Watch(paths), threading.Event()

    def run() -> None:
        while not stop.wait(_EVERY_S):
            _tell(console, watch)

    thread = threading.Thread(target=run, name="wsbook-follow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5)
        _tell(console, watch)
        watch.close()


def follow_logs(paths: Sequence[Path], console: Console, stop: threading.Event | None = None) -> None:
    """Tell what is written to logs until Ctrl-C, or until stop is set.

    Raises:
        UsageError: a path is a folder.
    """
    for path in paths:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; --follow watches files")
    stop = stop or threading.Event()
    with following([str(path) for path in paths], console):
        console.print(f"watching {plain(', '.join(map(str, paths)))}; Ctrl-C ends", style="#999999", soft_wrap=True, markup=False)
        try:
            stop.wait()
        except KeyboardInterrupt:
            console.print("stopped", style="#999999")
