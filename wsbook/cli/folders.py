"""wsbook new: a folder for one investigation. Overwrites nothing."""

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

from rich.console import Console
from rich.text import Text

from wsbook.errors import UsageError
from wsbook.folder import ARTIFACTS
from wsbook.redact import Redactor
from wsbook.runner import notebook_folder
from wsbook.target import parse_endpoint

__all__ = ["copy_notebooks", "make_folder"]

_IGNORED = """\
# Logs, configurations and recordings as they were given may hold secrets; what is read of them stands in the records without these.
/artifacts/*
!/artifacts/README.md
.env
*.pem
*.key
.ipynb_checkpoints/
"""

_ABOUT = """\
Put logs, configurations, browser recordings (HAR) and console texts here, and name them in ../target.toml. They are read and never
sent anywhere. Git ignores them, since they may hold secrets.
"""


def copy_notebooks(folder: Path) -> None:
    """Copy the notebooks that a folder lacks."""
    for notebook in sorted(notebook_folder().glob("*.ipynb")):
        if not (folder / notebook.name).exists():
            shutil.copy(notebook, folder / notebook.name)


def _target_text(url: str) -> str:
    """Return target.toml with the endpoint in it.

    Raises:
        UsageError: url is no ws or wss URL, or holds a secret.
    """
    text = files("wsbook.cli").joinpath("new_target.toml").read_text(encoding="utf-8")
    if not url:
        return text
    parse_endpoint(url, ("ws", "wss"))
    if (shown := Redactor().text(url)) != url:
        raise UsageError(f"the URL holds a secret; write a reference in its place, such as ${{env:WS_TOKEN}}: {shown}")
    return text.replace('url = ""', f"url = {json.dumps(url)}", 1)


def make_folder(folder: Path, url: str, console: Console) -> None:
    """Make an investigation folder: notebooks, target.toml, artifacts/, .gitignore, and a git repository where git is installed.

    Raises:
        UsageError: the folder is there and not empty, or cannot be made; or the URL cannot be used.
    """
    target = _target_text(url)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder; choose another name")
    try:
        (folder / ARTIFACTS).mkdir(parents=True)
        (folder / ARTIFACTS / "README.md").write_text(_ABOUT, encoding="utf-8")
        (folder / "target.toml").write_text(target, encoding="utf-8")
        (folder / ".gitignore").write_text(_IGNORED, encoding="utf-8")
        copy_notebooks(folder)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}") from error
    _tell(folder, _begin_history(folder), console)


def _tell(folder: Path, history: str, console: Console) -> None:
    contents = {
        "target.toml": "what is investigated; fill in what you know",
        f"{ARTIFACTS}/": "for logs, configurations and recordings; git ignores them",
        "00_start.ipynb …": "the notebooks",
        ".git": history,
    }
    console.print(Text(str(folder.absolute()), style="bold"), soft_wrap=True)
    for name, about in contents.items():
        console.print(Text(f"  {name:<18} {about}"))
    commands = {
        f"wsbook open {folder}": "the notebooks in JupyterLab",
        f"wsbook run --target {folder}": "all of them at once, with a record",
    }
    console.print()
    for command, about in commands.items():
        console.print(Text(f"  {command:<{max(map(len, commands)) + 2}} {about}"), soft_wrap=True)


def _begin_history(folder: Path) -> str:
    """Make a git repository with a first commit, and say what was done; inside another repository nothing is made."""
    git = shutil.which("git")
    if git is None:
        return "none; git is not installed"

    def run(*words: str) -> bool:
        done = subprocess.run([git, "-C", str(folder), *words], capture_output=True, stdin=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    if run("rev-parse", "--is-inside-work-tree"):
        return "none; the folder lies in a repository already"
    if not run("init", "--quiet"):
        return "none; git init failed"
    named = run("config", "user.name") and run("config", "user.email")
    if named and run("add", "--all") and run("commit", "--quiet", "--message", "An investigation begins"):
        return "a repository with a first commit"
    return "a repository; nothing is committed yet"
