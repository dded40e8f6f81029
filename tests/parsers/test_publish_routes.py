"""Where a backend's source lets somebody publish."""

from pathlib import Path

import pytest

from wsbook.errors import UnreadableInputError
from wsbook.parsers.code.publish_routes import find_publish_routes

ROWS = [
    ("app.js", "app.get('/x', show);\napp.post('/publish', (req, res) => { io.emit('news', req.body); });", ("POST", "/publish", 2)),
    ("main.py", '@app.post("/events")\nasync def events(body: Event):\n    await manager.broadcast(body.text)\n', ("POST", "/events", 1)),
    ("app.py", '@app.route("/send", methods=["POST"])\ndef send():\n    socketio.emit("news", request.json)\n', ("POST", "/send", 1)),
    (
        "srv.py",
        'app.router.add_post("/emit", emit)\nasync def emit(r):\n    await ws.send_str("x")\n',
        ("POST", "/emit", 1),
    ),
    ("C.java", '@PostMapping("/notify")\nvoid n(@RequestBody M m) { template.convertAndSend("/topic/n", m); }', ("POST", "/notify", 1)),
    ("main.go", 'http.HandleFunc("POST /push", func(w, r) {\n  c.WriteMessage(1, b)\n})', ("POST", "/push", 1)),
    ("P.cs", '[HttpPost("alerts")]\npublic Task A() => hub.Clients.All.SendAsync("a");', ("POST", "/alerts", 1)),
    ("sub.py", "pubsub = r.pubsub()\nawait pubsub.subscribe('app:news')\n", ("", "app:news", 2)),
    ("quiet.js", "app.post('/login', (req, res) => { res.json(check(req.body)); });", None),
    ("reads.js", "app.get('/publish', (req, res) => { io.emit('x'); });", None),
]


@pytest.mark.parametrize(("name", "text", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_a_route_that_publishes_is_found(tmp_path: Path, name: str, text: str, expected: tuple[str, str, int] | None) -> None:
    (tmp_path / name).write_text(text)
    found = [(one.method, one.path, one.line) for one in find_publish_routes([str(tmp_path)])]
    assert found == ([expected] if expected else [])


def test_the_likeliest_come_first_and_few(tmp_path: Path) -> None:
    routes = ["/rooms/:id/publish", "/a", "/publish", "/b", "/c", "/d"]
    (tmp_path / "app.js").write_text("\n".join(f"app.post('{route}', (q, s) => {{ io.emit('x'); }});" for route in routes))
    found = find_publish_routes([str(tmp_path)])
    assert [one.path for one in found] == ["/publish", "/a", "/b", "/c", "/d"]
    with pytest.raises(UnreadableInputError):
        find_publish_routes([str(tmp_path / "absent")])
