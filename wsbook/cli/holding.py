"""wsbook lab and wsbook open: programs that stay until they are told to stop."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from rich.console import Console

from wsbook.causes import cause
from wsbook.errors import UsageError
from wsbook.runner import notebook_folder

__all__ = ["hold_lab", "list_faults", "make_folder", "open_jupyterlab"]


def list_faults(console: Console) -> None:
    """Print the faults that the lab can have."""
    from wsbook.lab import FAULTS

    for slug, fault in sorted(FAULTS.items()):
        console.print(f"{slug:<36} {cause(fault.named).title if not fault.cause else fault.shows}", markup=False)


def hold_lab(fault: str, proxy: str, console: Console, *, machine: bool) -> None:
    """Start the lab and hold it until SIGINT or SIGTERM; machine prints one JSON line on standard output first.

    Raises:
        UsageError: unknown fault or proxy, or a program that it needs is missing.
    """
    from wsbook.lab import describe, start_lab

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with start_lab(fault, proxy=proxy) as lab:
        description = describe(lab)
        if machine:
            print(json.dumps(description), flush=True)
        else:
            console.print(f"lab with {fault or 'no fault'} behind {lab.proxy}; Ctrl-C stops it")
            for name in ("page", "url", "hops", "configs", "logs", "frontend", "backend", "trigger"):
                console.print(f"  {name:<9} {description[name]}", markup=False, soft_wrap=True)
        while not stop.wait(0.5):
            pass


def _copy_notebooks(folder: Path) -> None:
    for notebook in sorted(notebook_folder().glob("*.ipynb")):
        shutil.copy(notebook, folder / notebook.name)


def make_folder(folder: Path, console: Console) -> None:
    """Make an investigation folder: notebooks, artifacts/, .gitignore, and a git repository where git is installed.

    Raises:
        UsageError: the folder is there and not empty, or cannot be made.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder; choose another name")
    try:
        (folder / "artifacts").mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}") from error
    _copy_notebooks(folder)
    (folder / ".gitignore").write_text(".ipynb_checkpoints/\n.env\n*.pem\n", encoding="utf-8")
    if git := shutil.which("git"):
        subprocess.run([git, "init", "--quiet", str(folder)], check=False)
    console.print(f"{folder.absolute()}: put logs, configurations and recordings into artifacts/, then: wsbook open {folder}", markup=False)


def open_jupyterlab(folder: Path, console: Console) -> int:
    """Copy the notebooks into a folder that has none and run JupyterLab on it; return its exit code.

    Raises:
        UsageError: the folder cannot be used, or JupyterLab is not installed.
    """
    if shutil.which("jupyter-lab", path=str(Path(sys.executable).parent)) is None and shutil.which("jupyter-lab") is None:
        raise UsageError("JupyterLab is not installed here; pip install jupyterlab")
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob("*.ipynb")):
        _copy_notebooks(folder)
        console.print(f"notebooks are in {folder.absolute()}", markup=False, soft_wrap=True)
    first = folder / "00_start.ipynb"
    options = ["--ServerApp.ip=127.0.0.1", "--MappingKernelManager.transport_encryption=auto"]
    command = [sys.executable, "-m", "jupyterlab", *options, str(first if first.exists() else folder)]
    return subprocess.call(command, env={**os.environ, "WSBOOK_INTERACTIVE": "1"})
