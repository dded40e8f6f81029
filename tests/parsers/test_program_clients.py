"""Programs that are no browsers dial too: Python, Go, Java and others."""

# ruff: noqa: E501 (a row is a program)

import pytest

from wsbook.facts import EndpointFacts
from wsbook.parsers.sources import parse_source_text


@pytest.mark.parametrize(
    ("code", "artifact", "library", "origin", "path"),
    [
        ("import websockets\nasync def f():\n    async with websockets.connect('wss://h.test/a') as ws: ...", "a.py", "native", "wss://h.test", "/a"),
        ("import websockets\nHOST = 'h.test'\nURI = f'ws://{HOST}:8765/a'\nwebsockets.connect(URI, ping_interval=None)", "a.py", "native", "ws://h.test:8765", "/a"),
        ("from websockets.sync.client import connect\nwith connect('ws://localhost:8765') as ws: ...", "a.py", "native", "ws://localhost:8765", "/"),
        ("async with session.ws_connect('http://h.test/ws') as ws: ...", "a.py", "native", "http://h.test", "/ws"),
        ("import websocket\nwebsocket.WebSocketApp(os.environ.get('U', 'ws://h.test/a'), on_message=f)", "a.py", "native", "ws://h.test", "/a"),
        ("import socketio\nsio = socketio.AsyncClient()\nawait sio.connect('http://localhost:5000')", "a.py", "socket.io", "http://localhost:5000", "/socket.io/"),
        ("import websockets\nwebsockets.connect(make())", "a.py", None, None, None),
        ('import "github.com/gorilla/websocket"\nvar addr = flag.String("addr", "localhost:8080", "x")\nfunc main() { u := url.URL{Scheme: "ws", Host: *addr, Path: "/echo"}\nc, _, err := websocket.DefaultDialer.Dial(u.String(), nil) }', "a.go", "native", "ws://localhost:8080", "/echo"),
        ('import "nhooyr.io/websocket"\nfunc f() { c, _, err := websocket.Dial(ctx, fmt.Sprintf("wss://%s/ws/%d", "h.test", id), nil) }', "a.go", "native", "wss://h.test", "/ws/{…}"),
        ('class A { void f() { HttpClient.newHttpClient().newWebSocketBuilder().buildAsync(URI.create("wss://h.test/a"), listener); } }', "A.java", "native", "wss://h.test", "/a"),
        ('class A { static final String U = "wss://h.test"; void f() { Request r = new Request.Builder().url(U + "/a").build(); client.newWebSocket(r, l); } }', "A.java", "native", "wss://h.test", "/a"),
        ('val request = Request.Builder().url("wss://h.test/rooms/$id").build()', "A.kt", "native", "wss://h.test", "/rooms/{…}"),
        ("final channel = WebSocketChannel.connect(Uri.parse('wss://h.test/a'));", "a.dart", "native", "wss://h.test", "/a"),
        ('await socket.ConnectAsync(new Uri("wss://h.test/a"), token);', "a.cs", "native", "wss://h.test", "/a"),
    ],
)  # fmt: skip
def test_dials(code: str, artifact: str, library: str | None, origin: str | None, path: str | None) -> None:
    found = [o.facts for o in parse_source_text(code, artifact=artifact, side="frontend", step="1.1")]
    expected = [(library, origin, path)] if library else []
    assert [(f.library, f.origin, f.path) for f in found if isinstance(f, EndpointFacts)] == expected
