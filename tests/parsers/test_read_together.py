"""A folder of files whose kinds nobody names is read as one piece of software, each side beside the other."""

from pathlib import Path

from wsbook.facts import PatternFacts, TextFacts
from wsbook.parsers.read import read_artifact

SERVER = (
    "from fastapi import FastAPI, WebSocket\napp = FastAPI()\n@app.websocket('/x')\nasync def x(ws: WebSocket):\n    await ws.accept()\n"
)
PAGE = "<script>const ws = new WebSocket('wss://a.example/x'); ws.onmessage = (e) => show(e.data)</script>"


def read(tmp_path: Path, files: dict[str, str]) -> tuple[set[str], list[str]]:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    seen = read_artifact(str(tmp_path))
    patterns = {one.facts.pattern for one in seen if isinstance(one.facts, PatternFacts) and not one.facts.ok}
    return patterns, sorted(one.facts.kind for one in seen if isinstance(one.facts, TextFacts))


def test_what_it_needs_is_read_beside_the_code(tmp_path: Path) -> None:
    patterns, kinds = read(tmp_path, {"app/main.py": SERVER, "requirements.txt": "fastapi\nuvicorn==0.30\n"})
    assert "project.uvicorn-without-sockets" in patterns
    assert kinds == ["backend_source"]


def test_how_it_is_started_is_read_beside_the_code_and_stays_a_configuration(tmp_path: Path) -> None:
    service = "apiVersion: apps/v1\nkind: Deployment\nspec:\n  replicas: 3\n"
    patterns, kinds = read(tmp_path, {"main.py": SERVER + "clients = set()\n", "deployment.yaml": service})
    assert "project.in-process-registry-workers" in patterns
    assert "backend_source" in kinds


def test_both_sides_are_read_apart(tmp_path: Path) -> None:
    assert read(tmp_path, {"main.py": SERVER, "index.html": PAGE})[1] == ["backend_source", "frontend_source"]
