"""wsbook run hands on what was typed."""

import sys
from pathlib import Path
from typing import Any

import pytest

from wsbook import cli
from wsbook.cli import investigate
from wsbook.cli.investigate import Request


def asked(monkeypatch: pytest.MonkeyPatch, *words: str) -> Request:
    """Run the command up to where it would begin; return what it asks for."""
    seen: list[Request] = []

    def begin(request: Request, console: Any) -> dict[str, Any]:
        seen.append(request)
        return {"findings": []}

    monkeypatch.setattr(investigate, "investigate", begin)
    monkeypatch.setattr(sys, "argv", ["wsbook", "run", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    return seen[0]


def test_paths_are_made_absolute_since_the_notebooks_run_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"config": "configs", "log": "logs", "frontend": "frontend", "backend": "backend", "har": "har", "console": "console"}
    options |= {"ca": "ca_file", "schema": "schema"}
    request = asked(monkeypatch, "ws://shop.test/ws", *(word for name in options for word in (f"--{name}", f"sub/{name}.txt")))
    assert request.parameters == {"url": "ws://shop.test/ws"} | {
        parameter: str(tmp_path / "sub" / f"{name}.txt") for name, parameter in options.items()
    }


def test_what_may_be_given_again_is_kept_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    request = asked(
        monkeypatch, "ws://shop.test/ws", "--log", "a.log", "--log", "/var/b.log", "--header", "A: 1", "--header", "B: 2", "--i-own-this"
    )
    assert request.parameters["logs"] == f"{tmp_path}/a.log\n/var/b.log"
    assert request.parameters["headers"] == "A: 1\nB: 2"
    assert request.parameters["owned"] is True
    assert request.budget == "quick"
