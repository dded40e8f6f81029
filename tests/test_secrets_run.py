"""A whole run in a process of its own, with notebooks and pictures, leaves no secret: not in its record, not on the screen."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from misbehaving import misbehaving
from secret_kinds import KINDS, Secret, secrets_of
from secret_places import PLACES
from secret_search import found_in, parts_of
from test_secrets_live import PARAMETERS, PASSWORD, SECRETS, TOKEN, UNKNOWN, accepting, texts_below

OPTIONS = {"nginx.conf": "--config", "ingress.yaml": "--config", "backend.log": "--log", "json.log": "--log", "access.log": "--log"} | {
    "recording.har": "--har", "console.txt": "--console", "client.js": "--frontend", "server.py": "--backend"
}  # fmt: skip
"""Artifact → the option that takes it."""


def given(folder: Path) -> tuple[list[str], list[Secret]]:
    """Write each artifact with a secret of another kind; return the options that name them, and the secrets."""
    words, secrets = [], []
    for number, (name, option) in enumerate(OPTIONS.items()):
        secret = secrets_of(KINDS[number], 1, seed=7)[0]
        path = folder / f"{number}-{name}"
        path.write_text(PLACES[name][2](secret), encoding="utf-8")
        words += [option, str(path)]
        secrets.append(secret)
    return words, secrets


@pytest.mark.slow
async def test_a_whole_run_leaves_no_secret(tmp_path: Path) -> None:
    words, secrets = given(tmp_path)
    headers = [word for line in PARAMETERS["headers"].splitlines() for word in ("--header", line)]
    offered = [word for name in PARAMETERS["subprotocols"].split(", ") for word in ("--subprotocol", name)]
    record = tmp_path / "record"
    async with misbehaving(way=accepting) as server:
        url = server.url("/way").replace("://", f"://app:{PASSWORD}@") + f"?token={TOKEN}&room=1"
        told = ["--symptom", f"I send token={TOKEN} and X-Vendor {UNKNOWN} and it closes with 4001"]
        steps = ["--steps", "1.1,1.2,1.3,1.4,2.2,3.1", "--out", str(record)]
        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wsbook", "run", url, *headers, *offered, *words, *told, *steps),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "COLUMNS": "200"},
        )
        shown = b"".join(await asyncio.wait_for(run.communicate(), 240)).decode()
    assert run.returncode in (0, 1), shown
    parts = parts_of([*SECRETS, *(secret.private for secret in secrets)])
    texts = texts_below(record)
    assert {"01_initial_diagnosis.ipynb", "05_findings.ipynb", "report.html", "report.md", "run.json", "environment.json"} <= set(texts)
    assert json.loads(texts["run.json"])["complete"] is True
    assert {name: found for name, text in texts.items() if (found := found_in(text, parts))} == {}
    assert not found_in(shown, parts)
    assert not [name for name in texts if name.startswith(".")]
