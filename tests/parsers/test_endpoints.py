"""The URLs that frontend code builds, what servers offer, and the defects that a URL shows by itself."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.facts import EndpointFacts, PatternFacts, TextFacts
from wsbook.parsers.code.sources import parse_source_text, parse_sources

PAGE = "https://app.test/x/"


def dialled(text: str, *, page_url: str = PAGE, artifact: str = "a.ts") -> list[tuple[str | None, str]]:
    observations = parse_source_text(text, artifact=artifact, side="frontend", step="1.1", page_url=page_url)
    return [(o.facts.url, o.facts.condition) for o in observations if isinstance(o.facts, EndpointFacts)]


def offered(text: str, artifact: str) -> set[tuple[str, str | None, int | None]]:
    observations = parse_source_text(text, artifact=artifact, side="backend", step="1.1")
    return {(o.facts.library, o.facts.path, o.facts.port) for o in observations if isinstance(o.facts, EndpointFacts)}


@pytest.mark.parametrize(
    ("code", "url"),
    [
        ("new WebSocket('wss://h.test/ws')", "wss://h.test/ws"),
        ("const HOST = 'h.test', PATH = '/ws'; new WebSocket('wss://' + HOST + ':8443' + PATH)", "wss://h.test:8443/ws"),
        (
            "const p = location.protocol === 'https:' ? 'wss:' : 'ws:'; new WebSocket(`${p}//${window.location.host}/ws`)",
            "wss://app.test/ws",
        ),
        ("new WebSocket(`ws${location.protocol.slice(4)}//${location.host}/ws`)", "wss://app.test/ws"),
        ("new WebSocket(location.origin.replace(/^http/, 'ws') + '/ws')", "wss://app.test/ws"),
        ("new WebSocket(new URL('../live', location.href.replace(/^http/, 'ws')))", "wss://app.test/live"),
        ("const u = new URL('/ws', location.href); u.protocol = u.protocol.replace('http', 'ws'); new WebSocket(u)", "wss://app.test/ws"),
        ("const u = new URL(location.href); u.protocol = 'wss:'; u.pathname = '/ws'; new WebSocket(u.toString())", "wss://app.test/ws"),
        ("const cfg = { ws: { url: 'wss://h.test/a' }, u: 'wss://h.test/b' }; new WebSocket(cfg.u)", "wss://h.test/b"),
        ("let u = 'wss://h.test'; u += '/ws'; new WebSocket(u)", "wss://h.test/ws"),
        ("function url(room) { return `wss://h.test/${'r'}` } new WebSocket(url(7))", "wss://h.test/r"),
        ("class A { base = 'wss://h.test'; open() { return new WebSocket(this.base + '/ws') } }", "wss://h.test/ws"),
        ("function open(u) { return new WebSocket(u) } open('wss://h.test/ws')", "wss://h.test/ws"),
        ("new WebSocket(`wss://h.test/ws?token=${token}`)", "wss://h.test/ws"),
        ("new WebSocket('/ws')", "wss://app.test/ws"),
        ("new WebSocket(getUrl())", None),
        ("new WebSocket(`wss://h.test/${room}`)", None),
        ("new ReconnectingWebSocket('wss://h.test/ws')", "wss://h.test/ws"),
        ("new SockJS('/sock')", "https://app.test/sock"),
        ("import { io } from 'socket.io-client'; io()", "https://app.test/socket.io/"),
        ("io('https://h.test/admin', { path: '/rt' })", "https://h.test/rt/"),
        ("new signalR.HubConnectionBuilder().withUrl('/hub').build()", "https://app.test/hub"),
        ("import { createClient } from 'graphql-ws'; createClient({ url: 'wss://h.test/graphql' })", "wss://h.test/graphql"),
        ("new Client({ brokerURL: 'wss://h.test/stomp' })", "wss://h.test/stomp"),
        ("new Client({ webSocketFactory: () => new SockJS('https://h.test/s') })", "https://h.test/s"),
        ("import { Socket } from 'phoenix'; new Socket('/socket', {})", "wss://app.test/socket/websocket"),
        ("createConsumer()", "wss://app.test/cable"),
        ("useWebSocket('wss://h.test/ws', {})", "wss://h.test/ws"),
    ],
)
def test_tells_what_is_dialled(code: str, url: str | None) -> None:
    assert [found for found, _ in dialled(code)] == [url]


def test_keeps_every_branch_with_its_condition() -> None:
    code = "let u; if (flag) { u = 'wss://a.test/ws' } else { u = 'wss://b.test/ws' } new WebSocket(u)"
    assert dialled(code) == [("wss://a.test/ws", "flag"), ("wss://b.test/ws", "not (flag)")]
    assert dialled("new WebSocket(flag ? 'wss://a.test' : 'wss://b.test')") == [("wss://a.test", "flag"), ("wss://b.test", "not (flag)")]


def test_without_a_page_the_path_is_still_known() -> None:
    code = "new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/a`)"
    observations = parse_source_text(code, artifact="a.js", side="frontend", step="1.1")
    facts = [o.facts for o in observations if isinstance(o.facts, EndpointFacts)]
    assert {(f.url, f.path) for f in facts} == {(None, "/ws/a")}


@pytest.mark.parametrize("artifact", ["a.vue", "a.svelte", "a.html"])
def test_reads_script_blocks_with_their_lines(artifact: str) -> None:
    text = "<template>\n<p/>\n</template>\n<script lang='ts'>\nconst s: WebSocket = new WebSocket('wss://h.test/ws')\n</script>"
    (endpoint,) = [
        o.facts for o in parse_source_text(text, artifact=artifact, side="frontend", step="1.1") if isinstance(o.facts, EndpointFacts)
    ]
    assert (endpoint.line, endpoint.url, endpoint.port) == (5, "wss://h.test/ws", 443)


def test_reads_the_environment_and_other_files_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("VITE_WS=wss://dev.test/ws\n")
    (tmp_path / ".env.production").write_text('export VITE_WS="wss://prod.test/ws" # live\n')
    (tmp_path / ".env.example").write_text("VITE_WS=wss://example.test/ws\n")
    (tmp_path / "config.ts").write_text("export const BASE = 'wss://h.test'")
    (tmp_path / "a.ts").write_text("import { BASE } from './config'\nnew WebSocket(import.meta.env.VITE_WS)\nnew WebSocket(BASE + '/b')")
    (tmp_path / "a.test.ts").write_text("new WebSocket('ws://localhost:1')")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "x.js").write_text("new WebSocket('ws://localhost:2')")
    (tmp_path / "link.ts").symlink_to(tmp_path / "a.ts")
    found = [o.facts.url for o in parse_sources([str(tmp_path)], side="frontend", step="1.1") if isinstance(o.facts, EndpointFacts)]
    assert found == ["wss://prod.test/ws", "wss://h.test/b"]


def test_a_build_is_read_when_nothing_else_is_there(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "a.js").write_text("new WebSocket('wss://h.test/ws')")
    assert [o.facts.url for o in parse_sources([str(tmp_path)], side="frontend", step="1.1")[1:] if isinstance(o.facts, EndpointFacts)]


@pytest.mark.parametrize(
    ("code", "page", "patterns"),
    [
        ("new WebSocket('wss://h.test/ws')", PAGE, []),
        ("new WebSocket((location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + '/ws')", "", []),
        ("new WebSocket('wss://$host/ws')", PAGE, []),
        ("new WebSocket('ws://h.test/ws')", PAGE, ["url.mixed-content"]),
        ("new WebSocket('ws://h.test/ws')", "", ["url.insecure-scheme"]),
        ("new WebSocket('ws://' + location.host + '/ws')", "", ["url.insecure-scheme"]),
        ("new WebSocket('ws://localhost:8000/ws')", PAGE, ["url.localhost"]),
        ("new WebSocket('ws://localhost:8000/ws')", "http://localhost:3000/", []),
        ("new WebSocket(process.env.NODE_ENV === 'development' ? 'ws://localhost:1/ws' : 'wss://h.test/ws')", "", []),
        ("new WebSocket(process.env.WS_URL || 'ws://localhost:1/ws')", "", ["url.localhost-fallback"]),
        ("new WebSocket(location.hostname === 'localhost' ? 'ws://192.168.1.4/ws' : 'wss://h.test/ws')", "", []),
        ("new WebSocket('ws://backend:8000/ws')", "", ["url.internal-host", "url.insecure-scheme"]),
        ("new WebSocket('wss://10.0.0.7/ws')", "", ["url.internal-host"]),
        ("new WebSocket('https://h.test/ws')", "", ["url.http-scheme"]),
        ("new SockJS('wss://h.test/ws')", "", ["url.ws-scheme-for-http-library"]),
        ("new WebSocket('wss://' + 'https://h.test' + '/ws')", "", ["url.glued"]),
        ("new WebSocket('wss://h.test:/ws')", "", []),
        ("new WebSocket('wss://h.test:undefined/ws')", "", ["url.glued"]),
        ("new WebSocket('wss:///ws')", "", ["url.glued"]),
        ("Meteor.connect('wss://h.test')", "", ["url.library-path-missing"]),
        ("io('https://h.test')", PAGE, []),
    ],
)
def test_judges_the_url_in_the_light_of_the_page(code: str, page: str, patterns: list[str]) -> None:
    observations = parse_source_text(code, artifact="a.js", side="frontend", step="1.1", page_url=page)
    assert [o.facts.pattern for o in observations if isinstance(o.facts, PatternFacts)] == patterns


@pytest.mark.parametrize(
    ("code", "artifact", "expected"),
    [
        ("@app.websocket('/ws/{room}')\nasync def f(w): ...", "a.py", {("fastapi", "/ws/{room}", None)}),
        ("r = APIRouter(prefix='/api')\n@r.websocket('/ws')\nasync def f(w): ...", "a.py", {("fastapi", "/api/ws", None)}),
        ("routes = [WebSocketRoute('/ws', endpoint=f)]", "a.py", {("fastapi", "/ws", None)}),
        ("urls = [re_path(r'^ws/chat/(?P<room>\\w+)/$', C.as_asgi())]", "a.py", {("channels", "/ws/chat/{room}/", None)}),
        ("urls = [path('ws/<str:room>/', C.as_asgi())]", "a.py", {("channels", "/ws/{room}/", None)}),
        ("w = web.WebSocketResponse()\napp.router.add_get('/ws', h)\nweb.run_app(app, port=81)", "a.py",
         {("aiohttp", "/ws", None), ("uvicorn", None, 81)}),
        ("class H(WebSocketHandler): ...\nApplication([(r'/ws', H)])", "a.py", {("tornado", "/ws", None)}),
        ("sock = Sock(app)\n@sock.route('/echo')\ndef f(ws): ...", "a.py", {("flask-sock", "/echo", None)}),
        ("import websockets\nasync with websockets.serve(h, '0.0.0.0', 8765): ...", "a.py", {("websockets", None, 8765)}),
        (
            "import websockets\ndef check(c, request):\n    if request.path != '/feed':\n        return c.respond(404, '')",
            "a.py",
            {("websockets", "/feed", None)},
        ),
        (
            "const ws = new WebSocketServer({ noServer: true });\n"
            "http.on('upgrade', (req, socket) => { const { pathname } = new URL(req.url, base); if (pathname === '/feed') ok(); });",
            "a.js",
            {("ws", None, None), ("ws", "/feed", None)},
        ),
        ("uvicorn.run('a:app', host='0.0.0.0', port=8001)", "a.py", {("uvicorn", None, 8001)}),
        ("new WebSocket.Server({ port: 8080, path: '/ws' })", "a.js", {("ws", "/ws", 8080)}),
        ("const PORT = process.env.PORT || 3000; new WebSocketServer({ server }); server.listen(PORT)", "a.js",
         {("ws", None, None), ("node", None, 3000)}),
        ("const { Server } = require('socket.io'); new Server(http, { path: '/rt' })", "a.js", {("socket.io", "/rt/", None)}),
        ("const io = require('socket.io')(http)", "a.js", {("socket.io", "/socket.io/", None)}),
        ("app.ws('/echo', f)", "a.js", {("express-ws", "/echo", None)}),
        ('import "github.com/gorilla/websocket"\nfunc main() { http.HandleFunc("/ws", h); http.ListenAndServe(":8080", nil) }', "a.go",
         {("gorilla", "/ws", None), ("go", None, 8080)}),
        ('class C { void r(R registry) { registry.addHandler(h(), "/ws"); registry.addEndpoint("/stomp").withSockJS(); } }', "a.java",
         {("spring", "/ws", None), ("sockjs", "/stomp", None)}),
        ("FROM x\nEXPOSE 8000\nCMD [\"uvicorn\", \"a:app\", \"--port\", \"8000\"]", "Dockerfile",
         {("docker", None, 8000), ("uvicorn", None, 8000)}),
        ("web: daphne -b 0.0.0.0 -p 8001 a.asgi:application", "Procfile", {("daphne", None, 8001)}),
    ],
)  # fmt: skip
def test_tells_what_a_backend_offers(code: str, artifact: str, expected: set[tuple[str, str | None, int | None]]) -> None:
    assert offered(code, artifact) == expected


def test_refuses_what_is_missing_or_binary(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError):
        parse_sources([str(tmp_path / "gone")], side="frontend", step="1.1")
    with pytest.raises(UnreadableInputError):
        parse_source_text("a\0", artifact="a.js", side="frontend", step="1.1")


def test_names_that_refer_to_one_another_end() -> None:
    code = "let a, b; " + "a = b + b; b = a + a; " * 20 + "new WebSocket(a)"
    assert {url for url, _ in dialled(code)} == {None}


_WORDS = [
    "new WebSocket(",
    "`ws://${",
    "}`",
    "'",
    '"',
    "(",
    ")",
    "{",
    "}",
    "a",
    "=",
    "+",
    "?",
    ":",
    "||",
    "location.host",
    "new URL(",
    ",",
    ";",
]
_WORDS += [
    *("webSocket(", "@ServerEndpoint(", "r.Group(", "http.HandleFunc(", "app.mount(", "include_router(", "prefix=", "server:", "port: 80"),
    "io(",
    ".replace(/(a+)+$/, ",
    "function a(",
    "return",
    "if (",
    "=>",
    "this.",
    "\\",
    "$1",
    "wss://[",
    "class A {",
    "import.meta.env.X",
]


_ARTIFACTS = (
    *((name, "frontend") for name in ("a.tsx", "a.html", "vite.config.ts", "a.py", "a.go", "a.dart")),
    *((name, "backend") for name in ("a.py", "a.js", "a.go", "a.java", "a.kt", "a.rb", "Dockerfile", "application.yml")),
)


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.lists(st.sampled_from(_WORDS), max_size=60).map(" ".join), st.text(max_size=200)), st.sampled_from(["", PAGE]))
def test_any_text_is_read_or_refused(text: str, page: str) -> None:
    for artifact, side in _ARTIFACTS:
        try:
            observations = parse_source_text(text, artifact=artifact, side=side, step="1.1", page_url=page)
        except UnreadableInputError:
            continue
        assert isinstance(observations[0].facts, TextFacts)
