"""Pasted texts that are several things at once."""

from pathlib import Path

import pytest

from wsbook.facts import EndpointFacts, SignatureFacts
from wsbook.observation import Observation
from wsbook.parsers.detect import detect_kind
from wsbook.parsers.pasted import split_pasted
from wsbook.parsers.read import read_artifact, read_text

CODE = "const ws = new WebSocket('wss://rt.a.example/ws')\nws.onmessage = (e) => draw(e.data)\n"
SAID = "WebSocket connection to 'wss://rt.a.example/ws' failed: Error in connection establishment: net::ERR_NAME_NOT_RESOLVED\n"
CONFIG = "server {\n  listen 80;\n  location /ws {\n    proxy_pass http://127.0.0.1:9000;\n  }\n}\n"
PYTHON = "from fastapi import FastAPI\n\napp = FastAPI()\n\n@app.websocket('/ws')\nasync def ws(socket):\n    await socket.accept()\n"


def kinds(text: str) -> list[str]:
    return [kind for kind, _ in split_pasted(text, detect_kind("", text.encode()))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{CODE}\n{SAID}", {"frontend_source", "browser_console"}),
        (f"```js\n{CODE}```\nthe console says\n\n```\n{SAID}```\n", {"frontend_source", "browser_console"}),
        (f"{CONFIG}\n{SAID}", {"nginx_conf", "browser_console"}),
    ],
)
def test_parts_are_told_apart(text: str, expected: set[str]) -> None:
    assert set(kinds(text)) == expected


PROSE = f"It reconnects by itself when the connection is closed.\n\n{CODE}\nThe upgrade is refused where the origin is not allowed.\n"


@pytest.mark.parametrize("text", [CODE, SAID, CONFIG, PYTHON, PROSE, f"{CODE}\n{CODE}", f"{PYTHON}\n\n{PYTHON}"])
def test_what_is_one_thing_stays_one(text: str) -> None:
    assert len(kinds(text)) == 1


@pytest.mark.parametrize(
    "text", [f"{CODE}\n{SAID}", f"{CODE}\n\n```\n{SAID}```\n"], ids=["one below the other", "fenced after empty lines"]
)
def test_parts_are_as_long_as_the_whole(text: str) -> None:
    parts = list(split_pasted(text, "frontend_source"))
    assert len(parts) == 2
    assert all(part.count("\n") == text.count("\n") for _, part in parts)


def test_lines_keep_their_numbers() -> None:
    text = f"{CODE}\n{SAID}"

    def lines(kind: type) -> list[int]:
        found: list[Observation] = [seen for seen in read_text(text) if isinstance(seen.facts, kind)]
        return [seen.source.line for seen in found]

    assert lines(SignatureFacts)[0] == 4 and lines(EndpointFacts) == [1]


def test_a_kind_that_is_named_is_believed() -> None:
    assert not any(isinstance(seen.facts, SignatureFacts) for seen in read_text(f"{CODE}\n{SAID}", kind="frontend_source"))


@pytest.mark.parametrize(("name", "apart"), [("issue.txt", True), ("issue.md", True), ("issue", True), ("app.ts", False)])
def test_a_file_that_was_pasted_together(name: str, apart: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(f"{CODE}\n{SAID}", encoding="utf-8")
    seen = read_artifact(str(path))
    held = [any(isinstance(one.facts, kind) for one in seen) for kind in (EndpointFacts, SignatureFacts)]
    assert all(held) is apart and any(held)
