"""wsbook open: JupyterLab on an investigation, until Ctrl-C. Ends what it started."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.text import Text

from wsbook.cli.folders import copy_notebooks, make_folder
from wsbook.errors import UsageError, WsbookError
from wsbook.words import cap

__all__ = ["open_jupyterlab"]

_FIRST = "00_start.ipynb"
_LOG = "jupyterlab.log"
_STAMP = re.compile(r"^\[\w [^\]]{0,60}\] (?:ERROR: )?")
_READY_S = 90.0
_END_S = 20.0
_SERVER = {"ServerApp": {"tornado_settings": {"websocket_max_message_size": 64 * 2**20}}}
"""A file chosen in a form comes as one message, and Tornado drops the connection at 10 MiB, before
the form can say that it is too large."""
_NO_NEWS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
"""Without it JupyterLab asks at its first start whether it may fetch news."""


def open_jupyterlab(place: Path | None, console: Console, *, browser: bool = True, port: int = 0) -> int:
    """Run JupyterLab on a folder until Ctrl-C, and return 0; a folder that is not there is made as wsbook new makes it.

    place: None means the current folder when it has the notebooks, else the folder "investigation" in it.
    port: where to listen on 127.0.0.1; 0 means 8888 or the next one that is free.

    Raises:
        UsageError: the folder or the port cannot be used, or JupyterLab is not installed. WsbookError: it did not start.
    """
    if find_spec("jupyterlab") is None:
        raise UsageError(f"JupyterLab is not installed here; {sys.executable} -m pip install jupyterlab")
    folder = place or (Path() if Path(_FIRST).exists() else Path("investigation"))
    if folder.is_dir() and any(folder.iterdir()):
        _complete(folder)
    else:
        make_folder(folder, "", console)
    console.print(Text(f"starting JupyterLab on {folder.absolute()}"), soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="wsbook-open-") as scratch, _running(folder, Path(scratch), browser, port) as (server, token):
        address = _address(server, Path(scratch))
        try:
            console.print(Text(f"\n  {address}lab/tree/{_FIRST}?token={token}\n", style="bold"), soft_wrap=True)
            console.print("Ctrl-C ends it, with its kernels and what they started")
            server.wait()
        except KeyboardInterrupt:
            console.print("\nending the kernels")
            return 0
        raise WsbookError(f"JupyterLab ended by itself with exit code {server.returncode}: {_last_words(Path(scratch))}")


def _complete(folder: Path) -> None:
    try:
        copy_notebooks(folder)
    except OSError as error:
        raise UsageError(f"{folder} cannot be used: {error.strerror}") from error


@contextmanager
def _running(folder: Path, scratch: Path, browser: bool, port: int) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Yield JupyterLab and its token; end it, in a session of its own so that Ctrl-C reaches only us and it asks nothing."""
    settings = scratch / "config" / "labconfig"
    settings.mkdir(parents=True)
    (settings / "default_setting_overrides.json").write_text(json.dumps(_NO_NEWS), encoding="utf-8")
    (scratch / "config" / "jupyter_server_config.json").write_text(json.dumps(_SERVER), encoding="utf-8")
    options = ["--ServerApp.ip=127.0.0.1", "--MappingKernelManager.transport_encryption=auto", "--log-level=ERROR"]
    options += [f"--ServerApp.root_dir={folder.absolute()}", f"--LabApp.default_url=/lab/tree/{_FIRST}"]
    options += [] if browser else ["--no-browser"]
    options += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"] if port else []
    options += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    token = secrets.token_urlsafe(24)
    places = os.pathsep.join(filter(None, (str(scratch / "config"), os.environ.get("JUPYTER_CONFIG_PATH"))))
    environ = {**os.environ, "JUPYTER_TOKEN": token, "JUPYTER_CONFIG_PATH": places, "JUPYTER_RUNTIME_DIR": str(scratch / "runtime")}
    if hangup := getattr(signal, "SIGHUP", None):
        signal.signal(hangup, signal.getsignal(signal.SIGTERM))
    command = [sys.executable, "-m", "jupyterlab", *options]
    with (scratch / _LOG).open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield server, token
    finally:
        _end(server)


def _last_words(scratch: Path) -> str:
    """Return the last line that the server wrote before it ended."""
    lines = (scratch / _LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return cap(_STAMP.sub("", lines[-1]), 300) if lines else "it said nothing"


def _end(server: "subprocess.Popen[bytes]") -> None:
    """Ask the server to end, which ends its kernels first; make it end when it does not."""
    if server.poll() is not None:
        return
    server.terminate()
    try:
        server.wait(_END_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        server.kill()
        server.wait()


def _address(server: "subprocess.Popen[bytes]", scratch: Path) -> str:
    """Return http://127.0.0.1:PORT/ when the server answers there, as its own note in the runtime folder says.

    Raises:
        WsbookError: it ended, or is not there after a minute and a half.
    """
    note = scratch / "runtime" / f"jpserver-{server.pid}.json"
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise WsbookError(f"JupyterLab did not start; it ended with exit code {server.returncode}: {_last_words(scratch)}")
        try:
            return str(json.loads(note.read_text(encoding="utf-8"))["url"])
        except (OSError, ValueError, KeyError):  # not written yet, or half written
            time.sleep(0.1)
    raise WsbookError(f"JupyterLab did not start within {_READY_S:.0f} s")
