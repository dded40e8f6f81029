"""Source patterns: each defect is found, each guard makes it healthy, and healthy programs of many styles stay without a fault."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parsers.page_idioms import PAGE_IDIOMS
from parsers.server_idioms import SERVER_IDIOMS
from parsers.test_source_review import BACKEND, FRONTEND

from wsbook.errors import UnreadableInputError
from wsbook.facts import PatternFacts, TextFacts
from wsbook.finding import PROVEN
from wsbook.parsers.code.sources import parse_source_text, parse_sources
from wsbook.parsers.pattern_table import config_patterns, source_patterns

FAULT = PROVEN
"""Below this weight a pattern is a hint that needs other evidence."""


def found(code: str, side: str, artifact: str, *, ok: bool = False) -> dict[str, str]:
    observations = parse_source_text(code, artifact=artifact, side=side, step="3.1" if side == "frontend" else "3.2")
    return {o.facts.pattern: o.facts.cause for o in observations if isinstance(o.facts, PatternFacts) and o.facts.ok is ok}


FRONTEND_FAULTS = [
    ("ws.onmessage = (e) => { const d = JSON.parse(e.data); draw(d) }", "js.parse-unguarded"),
    ("const s = new WebSocket(u); s.onmessage = on; function on(ev) { draw(JSON.parse(ev.data)) }", "js.parse-unguarded-named"),
    ("const s = io(u, { reconnection: false })", "js.reconnect-off"),
    ("io(u, { reconnectionAttempts: 3 })", "js.reconnect-gives-up"),
    ("s.onclose = (e) => { if (e.code === 1006) { connect() } }", "js.reconnect-one-code"),
    ("new signalR.HubConnectionBuilder().withUrl('/h').build().start()", "js.signalr-no-reconnect"),
    ("async function f() { const s = new WebSocket(u); const c = await load(); s.onmessage = on }", "js.listener-after-await"),
    ("const s = new WebSocket(u); setTimeout(() => { s.onmessage = on }, 10)", "js.listener-after-timeout"),
    ("socket.on('connect', () => { socket.on('news', draw) })", "js.listeners-in-connect"),
    ("const s = new ReconnectingWebSocket(u); s.addEventListener('open', () => { "
     "s.addEventListener('message', on) })", "js.listeners-in-open"),
    ("const s = new WebSocket(u); s.send('hi')", "js.send-before-open"),
    ("this.s = new WebSocket(u); this.s.send('hi')", "js.send-before-open"),
    ("s.onopen = () => setOnline(true)", "js.open-without-subscribe"),
    ("s.onopen = () => setOnline(true); function follow(t) { s.send(JSON.stringify({ type: 'subscribe', t })) }",
     "opening.not-asked-again"),
    ("const s = io(u); s.emit('join', room); s.on('connect', () => setOnline(true))", "js.join-once"),
    ("const c = new HubConnectionBuilder().withAutomaticReconnect().build(); c.start().then(() => c.invoke('JoinGroup', g))",
     "js.signalr-join-once"),
    ("connectSocket(); watch(user, () => connectSocket())", "js.connect-in-callback"),
    ("function App() { const s = new WebSocket(u); s.onmessage = on; return <p>x</p> }", "js.socket-per-render"),
    ("document.addEventListener('visibilitychange', () => { if (s.readyState === WebSocket.CLOSED) connect() })", "js.trusts-ready-state"),
    ("s.onmessage = (e) => setRows(rows => [JSON.parse(e.data), ...rows])", "js.render-per-message"),
    ("socket.on('connect', () => console.log(socket.recovered))", "js.recovery-unused"),
    ("window.Echo.channel('orders').listen('order.shipped', draw)", "js.echo-name-without-dot"),
    ("useEffect(() => { const s = new WebSocket(u); return () => s.close() })", "react.effect-without-deps"),
    ("useEffect(() => { const s = new WebSocket(u); s.onmessage = on }, [])", "react.effect-without-cleanup"),
    ("const [m, setM] = useState([]); useEffect(() => { const s = new WebSocket(u); s.onmessage = e => "
     "setM([...m, e]); return () => s.close() }, [m])",
     "react.effect-unstable-deps"),
    ("function A() { const opts = { a: 1 }; useEffect(() => { const s = io(u, opts); return () => s.disconnect() }, [opts]); return <p/> }",
     "react.effect-unstable-deps"),
    ("const [m, setM] = useState([]); useEffect(() => { const s = io(u); s.on('x', e => setM([...m, e])); return () => s.close() }, [])",
     "react.stale-state"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "pattern"), FRONTEND_FAULTS)
def test_finds_the_frontend_defect(code: str, pattern: str) -> None:
    assert pattern in found(code, "frontend", "a.tsx")


BACKEND_FAULTS = [
    ("async def h(ws):\n    time.sleep(1)\n", "a.py", "py.blocking-call"),
    ("async def h(ws):\n    r = requests.get(u)\n", "a.py", "py.blocking-call"),
    ("async def b(m):\n    for c in clients:\n        await c.send_text(m)\n", "a.py", "py.broadcast-unguarded"),
    ("async def b(m):\n    try:\n        for c in clients:\n            await c.send(m)\n    except E:\n "
     "       pass\n", "a.py", "py.broadcast-unguarded"),
    ("async def b(m):\n    await asyncio.gather(*[c.send(m) for c in clients])\n", "a.py", "py.broadcast-gather"),
    ("async def b(m):\n    for c in clients:\n        await c.send_json(m)\n", "a.py", "py.serialise-per-client"),
    ("connected = set()\n", "a.py", "py.in-process-registry"),
    ("uvicorn.run('a:app', workers=4)\n", "a.py", "py.in-process-registry-workers"),
    ("clients = set()\nuvicorn.run('a:app', workers=4)\n", "a.py", "project.in-process-registry-workers"),
    ("CHANNEL_LAYERS = {'default': {'BACKEND': 'channels.layers.InMemoryChannelLayer'}}\n", "a.py", "py.in-memory-layer"),
    ("s = SocketIO(message_queue='redis://')\ns.init_app(app)\n", "a.py", "py.queue-lost-by-init-app"),
    ("async def f():\n    asyncio.create_task(pump())\n", "a.py", "py.task-not-kept"),
    ("async def pump():\n    while True:\n        await q.get()\n\nt = asyncio.create_task(pump())\n"
     "", "a.py", "py.background-loop-unguarded"),
    ("async def h(ws):\n    connections.append(ws)\n    for c in connections: await c.send(1)\n", "a.py", "py.registry-never-shrinks"),
    ("def f(request):\n    return request.headers.get('Connection') == 'Upgrade'\n", "a.py", "py.header-exact"),
    ("@app.websocket('/ws')\nasync def h(ws: WebSocket, db=Depends(get_db)):\n    ...\n", "a.py", "py.db-session-for-socket"),
    ("@app.websocket('/ws')\nasync def h(ws: WebSocket, request: Request):\n    ...\n", "a.py", "py.request-in-websocket"),
    ("def d(request: Request): ...\nr = APIRouter(dependencies=[Depends(d)])\n@r.websocket('/ws')\nasync def h(ws): ...\n", "a.py",
     "py.request-dependency-for-all"),
    ("class WebSocketClient:\n    def __init__(self):\n        self.q = asyncio.Queue()\n", "a.py", "py.unbounded-queue"),
    ("websockets.serve(h, '', 1, ping_interval=None)\n", "a.py", "py.keepalive-off"),
    ("websockets.serve(h, '', 1, ping_interval=60)\n", "a.py", "py.heartbeat-slow"),
    ("websockets.serve(h, '', 1, ping_timeout=2)\n", "a.py", "py.ping-timeout-short"),
    ("async def s(l):\n    await l.group_send('g', {'type': 'chat.message', 't': 1})\nclass "
     "C(AsyncWebsocketConsumer):\n    async def chat(self, e): ...\n",
     "a.py", "project.channel-type-without-method"),
    ("const a = new WebSocketServer({ server, path: '/a' }); const b = new WebSocketServer({ server, "
     "path: '/b' })", "a.js", "node.two-servers"),
    ("server.on('upgrade', (req) => { if (req.headers.upgrade !== 'websocket') return })", "a.js", "node.header-exact"),
    ("wss.on('connection', ws => { ws.on('message', m => { const c = fs.readFileSync('x') }) })", "a.js", "node.blocking-call"),
    ("ws.on('message', m => handle(JSON.parse(m)))", "a.js", "node.parse-unguarded"),
    ("wss.clients.forEach(c => { c.send(JSON.stringify(state)) })", "a.js", "node.serialise-per-client"),
    ("new Server(http, { pingInterval: 60000 })", "a.js", "node.heartbeat-slow"),
    ("new Server(http, { pingTimeout: 2000 })", "a.js", "node.ping-timeout-short"),
    ("type rec struct { http.ResponseWriter; code int }", "a.go", "go.wrapper-without-hijack"),
    ('import "github.com/gorilla/websocket"\nfunc main() { h := http.TimeoutHandler(m, 1, "") }', "a.go", "go.timeout-handler"),
    ('func f(r *http.Request) bool { return r.Header.Get("Connection") == "Upgrade" }', "a.go", "go.header-exact"),
    ("class A { void b() { for (WebSocketSession s : all) { s.sendMessage(m); } } }", "a.java", "java.concurrent-send"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "artifact", "pattern"), BACKEND_FAULTS)
def test_finds_the_backend_defect(code: str, artifact: str, pattern: str) -> None:
    assert pattern in found(code, "backend", artifact)


SAMPLES = Path(__file__).parents[2] / "data" / "samples" / "sources"
HEALTHY = sorted((SAMPLES / "healthy").glob("*/*"))


@pytest.mark.parametrize("path", HEALTHY, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_healthy_programs_have_no_fault(path: Path) -> None:
    side = path.parent.name
    step = "3.1" if side == "frontend" else "3.2"
    observations = [*parse_sources([str(path)], side=side, step=step), *parse_sources([str(path)], side=side, step="1.1")]
    faults = [o.facts for o in observations if isinstance(o.facts, PatternFacts) and not o.facts.ok and o.facts.weight >= FAULT]
    assert faults == []


def test_there_are_enough_healthy_programs() -> None:
    assert min(sum(p.parent.name == side for p in HEALTHY) for side in ("frontend", "backend")) >= 10


@pytest.mark.parametrize(
    ("code", "side", "pattern"),
    [
        ("new signalR.HubConnectionBuilder().withAutomaticReconnect().build()", "frontend", "js.signalr-no-reconnect"),
        ("socket.on('connect', () => { socket.off('x'); })", "frontend", ""),
    ],
)
def test_a_guard_is_reported_as_healthy(code: str, side: str, pattern: str) -> None:
    assert not pattern or pattern in found(code, side, "a.ts", ok=True)


def test_a_comment_is_no_guard() -> None:
    assert "reconnect.none" in found("// reconnect later\nconst s = new WebSocket(u); s.onclose = note", "frontend", "a.ts")


def test_workers_in_a_start_command_meet_the_registry_in_the_code(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("active = []\n")
    (tmp_path / "Dockerfile").write_text('FROM x\nCMD ["uvicorn", "app:app", "--workers", "4"]\n')
    facts = [o.facts for o in parse_sources([str(tmp_path)], side="backend", step="3.2") if isinstance(o.facts, PatternFacts)]
    (fact,) = [f for f in facts if f.pattern == "project.in-process-registry-workers"]
    assert (fact.file, fact.line) == (str(tmp_path / "Dockerfile"), 2)
    (tmp_path / "bus.py").write_text("import redis\n")
    again = [o.facts for o in parse_sources([str(tmp_path)], side="backend", step="3.2") if isinstance(o.facts, PatternFacts)]
    assert all(f.ok or f.cause != "cluster.no-pubsub-across-workers" for f in again)


def test_every_source_pattern_has_a_fault_in_these_tables() -> None:
    tested = {row[-1] for row in (*FRONTEND_FAULTS, *BACKEND_FAULTS)} | {
        row[0] for row in (*FRONTEND, *BACKEND, *PAGE_IDIOMS, *SERVER_IDIOMS)
    }
    assert {p.id for p in source_patterns()} - tested == {"java.socket-io-polling", "js.server-named-events"}
    assert {p for p in config_patterns() if p.startswith(("react.", "project."))} - tested == {
        "project.polling-workers",
        *("project.emits-in-one-process", "project.other-app-key", "project.uvicorn-without-sockets"),  # test_server_flow.py
        *("project.plain-server-under-sockets", "project.few-descriptors", "project.each-instance-produces"),
        *("project.bus-names-differ", "project.sockets-for-development-only"),
    }


@settings(deadline=5000, max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            [row[0][i : i + 25] for row in (*FRONTEND_FAULTS, *BACKEND_FAULTS) for i in range(0, 100, 25)] + ["{", "}", "(", "\n", "`"]
        ),
        max_size=20,
    ).map("".join)
)
def test_any_mixture_is_read(text: str) -> None:
    for artifact, side in (("a.tsx", "frontend"), ("a.py", "backend"), ("a.ts", "backend"), ("a.go", "backend"), ("a.java", "backend")):
        try:
            observations = parse_source_text(text, artifact=artifact, side=side, step="")
        except UnreadableInputError:
            continue
        assert isinstance(observations[0].facts, TextFacts)


def test_an_expression_alone_is_a_possibility_and_no_fault() -> None:
    """It sees no structure: over well-kept libraries such expressions were wrong too often to accuse anybody."""
    assert [pattern.id for pattern in source_patterns() if pattern.text and pattern.weight >= PROVEN] == []
