"""Defects of source that need more than one place in the code: each is found, and the same code with its remedy has none."""

import pytest
from parsers.page_idioms import PAGE_IDIOMS
from parsers.server_idioms import SERVER_IDIOMS

from wsbook.facts import PatternFacts
from wsbook.parsers.code.sources import parse_source_text
from wsbook.parsers.pattern_table import config_patterns, source_patterns

GOPHER = 'import "github.com/gorilla/websocket"\n'

FRONTEND = [
    ("reconnect.none", "const s = new WebSocket(u); s.onclose = () => setStatus('offline')",
     "function dial() { const s = new WebSocket(u); s.onclose = () => setTimeout(dial, wait *= 2) } let wait = 9; dial()"),
    ("reconnect.none", "class Feed { start() { this.s = new WebSocket(u); this.s.addEventListener('close', this.gone) } gone() { mark() } }",
     "class Feed { start() { this.s = new WebSocket(u); this.s.addEventListener('close', () => this.again()) } "
     "again() { setTimeout(() => this.start(), this.ms *= 2) } }"),
    ("reconnect.not-shown", "const s = new WebSocket(u); s.onmessage = draw",
     "const s = new WebSocket(u); s.onclose = scheduleReconnect"),
    ("reconnect.immediate", "function link() { s = new WebSocket(u); s.onclose = () => { s = null; link() } }",
     "function link() { s = new WebSocket(u); s.onclose = () => { s = null; setTimeout(link, pause()) } }"),
    ("reconnect.immediate", "function link() { s = new WebSocket(u); s.onclose = link }",
     "function link() { s = new WebSocket(u); s.onclose = async () => { await pause(); link() } }"),
    ("reconnect.constant", "const EVERY = 2000; class A { go() { this.s = new WebSocket(u); this.s.onclose = () => setTimeout(() => this.go(), EVERY) } }",
     "class A { n = 0; go() { this.s = new WebSocket(u); this.s.onclose = () => setTimeout(() => this.go(), 500 * 2 ** this.n++) } }"),
    ("reconnect.constant", "function go() { const s = new WebSocket(u); s.onclose = () => setTimeout(go, 1000) }",
     "let ms = 500; function go() { const s = new WebSocket(u); s.onclose = () => { setTimeout(go, ms); ms = ms * 2 } }"),
    ("reconnect.gives-up", "let tries = 0; function go() { const s = new WebSocket(u); s.onclose = () => { if (tries >= 5) return; tries++; "
     "setTimeout(go, 300 * 2 ** tries) } }",
     "let tries = 0; function go() { const s = new WebSocket(u); s.onclose = () => { tries++; setTimeout(go, 300 * 2 ** tries) } }"),
    ("listener.never-removed", "import { hub } from './hub'; onMounted(() => { hub.on('bid', show) })",
     "import { hub } from './hub'; onMounted(() => { hub.on('bid', show) }); onUnmounted(() => hub.off('bid', show))"),
    ("listener.never-removed", "import bus from 'bus'; class A { ngOnInit() { bus.addListener('price', this.draw) } }",
     "import bus from 'bus'; class A { ngOnInit() { this.stop = bus.addListener('price', this.draw) } }"),
    ("listener.name-spelled-otherwise", "type In = { type: 'cursor_moved' } | { type: 'left' }; const on = { cursorMoved: move, left: drop }; "
     "s.onmessage = (e) => { const m = parse(e); on[m.type]?.(m) }",
     "type In = { type: 'cursor_moved' } | { type: 'left' }; const on = { cursor_moved: move, left: drop }; "
     "s.onmessage = (e) => { const m = parse(e); on[m.type]?.(m) }"),
    ("listener.name-almost-alike", "// the server: io.emit('priceChange', p)\nsocket.on('price_changes', draw)",
     "// the server: io.emit('priceChange', p)\nsocket.on('priceChange', draw)"),
    ("listener.groups-not-joined-again", "const c = new H().withAutomaticReconnect().build(); c.onreconnected(() => hide()); c.invoke('JoinRoom', r)",
     "const c = new H().withAutomaticReconnect().build(); c.onreconnected(() => c.invoke('JoinRoom', r)); c.invoke('JoinRoom', r)"),
    ("listener.no-catch-up", "const c = io(u); const all = fetch('/api/all'); c.on('connect', () => badge('live'))",
     "const c = io(u); c.on('connect', () => { badge('live'); fetch('/api/all').then(draw) })"),
    ("listener.no-catch-up", "import { Client } from '@stomp/stompjs'; let done = false; c.onConnect = async () => { if (!done) { done = true; await fetch('/h') } }",
     "import { Client } from '@stomp/stompjs'; c.onConnect = async () => { await fetch('/h') }"),
    ("listener.send-before-open", "class F { connect() { this.ws = new WebSocket(u); } sub(x) { this.ws.send(x) } } const f = new F(); f.connect(); f.sub('a')",
     "class F { connect() { this.ws = new WebSocket(u); } sub(x) { if (this.ws.readyState === 1) this.ws.send(x) } } "
     "const f = new F(); f.connect(); f.sub('a')"),
    ("listener.socket-per-caller", "export function live(t) {\n  const ws = new WebSocket(u + t)\n  ws.onmessage = put\n  return { subscribe: store.subscribe }\n}",
     "export function live(t) {\n  const ws = new WebSocket(u + t)\n  ws.onmessage = put\n  return { stop: () => ws.close() }\n}"),
    ("state.stale-read", "const [room, setRoom] = useState('a'); useEffect(() => { socket.on('line', (l) => { if (l.room === room) add(l) }); "
     "return () => socket.off('line') }, [socket])",
     "const [room, setRoom] = useState('a'); useEffect(() => { socket.on('line', (l) => { if (l.room === room) add(l) }); "
     "return () => socket.off('line') }, [socket, room])"),
    ("state.stale-read", "const [n, setN] = useState(0); const up = useCallback((e) => { setN(n + 1) }, []); ws.onmessage = up",
     "const [n, setN] = useState(0); const up = useCallback((e) => { setN((n) => n + 1) }, []); ws.onmessage = up"),
    ("state.stale-read", "const { rows } = useStore(); useEffect(() => { const s = io(u); s.on('row', (r) => put([...rows, r])); return () => s.close() }, [])",
     "const { rows } = useStore(); useEffect(() => { const s = io(u); s.on('row', (r) => put([...rows, r])); return () => s.close() }, [rows])"),
    ("state.stale-callback", "function Live({ onQuote }) { useEffect(() => { const s = new WebSocket(u); s.onmessage = (e) => onQuote(e.data); return () => s.close() }, []) }",
     "function Live({ onQuote }) { useEffect(() => { const s = new WebSocket(u); s.onmessage = (e) => onQuote(e.data); return () => s.close() }, [onQuote]) }"),
    ("react.listener-without-cleanup", "useEffect(() => { chatSocket.on('line', show) }, [room])",
     "useEffect(() => { chatSocket.on('line', show); return () => chatSocket.off('line', show) }, [room])"),
    ("state.changed-in-place", "bus.on('t', (s) => { setPoints((old) => { old.push(s); return old }) })",
     "bus.on('t', (s) => { setPoints((old) => [...old, s]) })"),
    ("state.changed-in-place", "import { onMount } from 'svelte'\nlet jobs = []\nonMount(() => connect((j) => { jobs.push(j) }))",
     "import { onMount } from 'svelte'\nlet jobs = []\nonMount(() => connect((j) => { jobs.push(j); jobs = jobs }))"),
    ("state.overtaken", "ws.addEventListener('message', async (e) => { const b = await e.data.arrayBuffer(); apply(b) })",
     "ws.addEventListener('message', (e) => { chain = chain.then(() => e.data.arrayBuffer()).then(apply) })"),
    ("state.drawn-per-message", "class A { ngOnInit() { this.feed.events$.subscribe((e) => { this.rows.push(e); this.cdr.detectChanges() }) } }",
     "class A { ngOnInit() { this.feed.events$.pipe(auditTime(50)).subscribe((e) => { this.rows.push(e); this.cdr.detectChanges() }) } }"),
    ("state.snapshot-before-subscription", "async function open() { const all = await fetch('/orders'); draw(all); const es = new EventSource('/stream'); es.onmessage = put }",
     "async function open() { const es = new EventSource('/stream'); es.onmessage = keep; const all = await fetch('/orders'); draw(all) }"),
    ("listener.added-in-action", "const sendMessage = (m) => { socket.on('reply', show); socket.emit('say', m) }",
     "socket.on('reply', show); const sendMessage = (m) => { socket.emit('say', m) }"),
    ("js.socket-as-initial-value", "const { current: socket } = useRef(io(url))", "const ref = useRef(null); ref.current ??= io(url)"),
    ("js.headers-in-browser", "const s = new WebSocket(u, [], { headers: { Authorization: t } })",
     "import WebSocket from 'ws'; const s = new WebSocket(u, [], { headers: { Authorization: t } })"),
    ("js.token-in-fixed-url", "const s = new ReconnectingWebSocket(`wss://a/ws?token=${jwt}`)",
     "const s = new ReconnectingWebSocket(async () => `wss://a/ws?token=${await fresh()}`)"),
    ("js.token-fixed-option", "const s = io(u, { auth: { token: jwt } })",
     "const s = io(u, { auth: (cb) => cb({ token: fresh() }) })"),
    ("js.insecure-literal", "export const feed = { url: 'ws://events.shop.example/v2' }; new Socket(feed)",
     "export const feed = { url: 'wss://events.shop.example/v2' }; new Socket(feed)"),
    ("js.heartbeat-interval-slow", "ws.onopen = () => setInterval(() => ws.send('ping'), 90 * 1000)",
     "ws.onopen = () => setInterval(() => ws.send('ping'), 25 * 1000)"),
    ("js.heartbeat-constant-slow", "const HEARTBEAT_MS = 120_000; ws.onopen = () => setInterval(beat, HEARTBEAT_MS)",
     "const HEARTBEAT_MS = 20_000; ws.onopen = () => setInterval(beat, HEARTBEAT_MS)"),
    ("js.watchdog-fed-by-pongs", "ws.onmessage = (e) => { lastRx = Date.now(); if (e.data === 'pong') return; draw(e) }",
     "ws.onmessage = (e) => { if (e.data === 'pong') return; lastRx = Date.now(); draw(e) }"),
    ("js.legacy-graphql-protocol", "import { SubscriptionClient } from 'subscriptions-transport-ws'; const websocket = 1",
     "import { createClient } from 'graphql-ws'; const websocket = 1"),
]  # fmt: skip

BACKEND = [
    ("any.two-writers", "a.go", GOPHER + "func f(c *websocket.Conn) {\n go func() {\n  for range t.C { c.WriteJSON(1) }\n }()\n c.WriteJSON(2)\n}\n",
     GOPHER + "func f(c *websocket.Conn) {\n go func() {\n  for range t.C { mu.Lock(); c.WriteJSON(1) }\n }()\n c.WriteJSON(2)\n}\n"),
    ("any.gone-connections-kept", "a.mjs", "gw.send(new PostToConnectionCommand({ ConnectionId: id, Data }))",
     "try { await gw.send(new PostToConnectionCommand({ ConnectionId: id, Data })) } catch (e) { if (e.name === 'GoneException') drop(id) }"),
    ("any.server-write-timeout", "a.go", 'func s() { w.Header().Set("Content-Type", "text/event-stream"); srv := http.Server{WriteTimeout: 30 * time.Second} }',
     'func s() { w.Header().Set("Content-Type", "text/event-stream"); srv := http.Server{WriteTimeout: 0} }'),
    ("any.server-request-timeout", "a.js", "const wss = new WebSocketServer({ noServer: true }); server.setTimeout(30_000)",
     "const wss = new WebSocketServer({ noServer: true }); server.setTimeout(0)"),
    ("any.upgrade-taken-twice", "a.js", "app.register(require('@fastify/websocket')); app.server.on('upgrade', (q, s, h) => wss.handleUpgrade(q, s, h, done))",
     "app.register(require('@fastify/websocket')); app.server.on('upgrade', (q, s, h) => { if (q.url === '/x') wss.handleUpgrade(q, s, h, done) })"),
    ("any.each-instance-consumes", "a.ts", "const consumer = kafka.consumer({ groupId: `ws-${hostname()}` }); run((m) => io.emit('alert', m)); channel",
     "const consumer = kafka.consumer({ groupId: 'ws' }); run((m) => io.emit('alert', m)); channel"),
    ("any.each-instance-polls", "a.js", "io.adapter(createAdapter(pub, sub)); setInterval(async () => { io.emit('rates', await load()) }, 1000)",
     "io.adapter(createAdapter(pub, sub)); setInterval(async () => { if (leader()) io.emit('rates', await load()) }, 1000)"),
    ("any.origin-not-checked", "a.go", "var upgrader = websocket.Upgrader{CheckOrigin: func(r *http.Request) bool { return true }}",
     "var upgrader = websocket.Upgrader{CheckOrigin: func(r *http.Request) bool { return known[r.Header.Get(\"Origin\")] }}"),
    ("any.origin-not-checked", "a.py", "class H(WebSocketHandler):\n    def check_origin(self, origin):\n        return True\n",
     "class H(WebSocketHandler):\n    def check_origin(self, origin):\n        return origin in KNOWN\n"),
    ("any.origin-open-with-cookies", "a.py", "session.cookie(samesite='None')\n@app.websocket('/ws')\nasync def h(ws): ...\n",
     "session.cookie(samesite='None')\nORIGINS = {'https://a.example'}\n@app.websocket('/ws')\nasync def h(ws): ...\n"),
    ("any.origin-entry-never-equal", "a.py", "ALLOWED_ORIGINS = ['https://a.example:443']\nasync def h(websocket): ...\n",
     "ALLOWED_ORIGINS = ['https://a.example']\nasync def h(websocket): ...\n"),
    ("any.sent-before-commit", "a.py", "async def save(db, order):\n    db.add(order)\n    await bus.publish('orders', order.id)\n    await db.commit()\n# websocket\n",
     "async def save(db, order):\n    db.add(order)\n    await db.commit()\n    await bus.publish('orders', order.id)\n# websocket\n"),
    ("any.drops-when-full", "a.py", "async def h(ws):\n    try:\n        q.put_nowait(m)\n    except asyncio.QueueFull:\n        pass\n",
     "async def h(ws):\n    try:\n        q.put_nowait(m)\n    except asyncio.QueueFull:\n        await ws.close(1013)\n"),
    ("any.work-before-accept", "a.py", "async def h(websocket):\n    plan = await load_history(tenant)\n    await websocket.accept()\n",
     "async def h(websocket):\n    await websocket.accept()\n    plan = await load_history(tenant)\n"),
    ("any.session-for-socket", "a.py", "@router.websocket('/t')\nasync def t(ws: WebSocket, db: DB):\n    ...\n",
     "@router.websocket('/t')\nasync def t(ws: WebSocket):\n    ...\n"),
    ("any.connection-not-closed", "a.go", GOPHER + "func f() { down, err := upgrader.Upgrade(w, r, nil)\n go pipe(down) }",
     GOPHER + "func f() { down, err := upgrader.Upgrade(w, r, nil)\n defer down.Close()\n pipe(down) }"),
    ("any.frame-by-hand", "a.py", "async def send(sock, t):\n    sock.write(bytes([0x81, 126]) + struct.pack('<H', len(t)) + t)\n",
     "async def send(sock, t):\n    sock.write(bytes([0x81, 126]) + struct.pack('!H', len(t)) + t)\n"),
    ("any.accept-by-hand", "a.py", "a = hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').hexdigest()\n",
     "a = base64.b64encode(hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest())\n"),
    ("any.app-run-under-socketio", "a.py", "socketio = SocketIO(app, async_mode='eventlet')\napp.run(port=5000)\n",
     "socketio = SocketIO(app, async_mode='eventlet')\nsocketio.run(app, port=5000)\n"),
    ("any.wsgi-under-channels", "a.py", "# fastapi\nCMD = 'gunicorn app.main:app --bind :80'\nasync def h(websocket): ...\nfrom fastapi import FastAPI\n",
     "CMD = 'gunicorn -k uvicorn.workers.UvicornWorker app.main:app'\nasync def h(websocket): ...\nfrom fastapi import FastAPI\n"),
    ("any.bound-to-loopback", "a.js", "new WebSocketServer({ host: '127.0.0.1', port: 1 }) // see the Dockerfile",
     "new WebSocketServer({ host: '0.0.0.0', port: 1 }) // see the Dockerfile"),
    ("any.bus-of-one-process", "a.py", "production:\n  adapter: async\n# channel\nsocket = 1\n", "production:\n  adapter: redis\n# channel\nsocket = 1\n"),
    ("any.compression-contexts", "a.js", "new WebSocketServer({ perMessageDeflate: true })", "new WebSocketServer({ perMessageDeflate: false })"),
    ("any.proxy-without-upgrade", "a.js", "const p = httpProxy.createProxyServer({ target: u }); app.use((q, s) => p.web(q, s))",
     "const p = httpProxy.createProxyServer({ target: u, ws: true }); app.use((q, s) => p.web(q, s))"),
    ("any.never-acknowledged", "a.py", "async def f(ws):\n    for e in await r.xreadgroup(g, me, s):\n        await ws.send(e)\n",
     "async def f(ws):\n    for e in await r.xreadgroup(g, me, s):\n        await ws.send(e)\n        await r.xack(s, g, e)\n"),
    ("any.localhost-in-node", "a.js", "const up = new WebSocket('ws://localhost:7000/x') // it listens on 127.0.0.1\nserver('127.0.0.1')",
     "const up = new WebSocket('ws://127.0.0.1:7000/x')\nserver('127.0.0.1')"),
    ("any.no-limit-per-client", "a.js", "const wss = new WebSocketServer({ port: 1 })\nsrc.on('frame', (f) => {\n  for (const c of wss.clients) { c.send(f) }\n})",
     "const wss = new WebSocketServer({ port: 1 })\nsrc.on('frame', (f) => {\n  for (const c of wss.clients) { if (c.bufferedAmount < 9) c.send(f) }\n})"),
    ("any.loopback-only", "a.js", "app.listen('localhost', 2002, (token) => socket)", "app.listen('0.0.0.0', 2002, (token) => socket)"),
    ("any.emitted-from-a-worker", "a.py", "socketio = SocketIO(app)\n@celery.task\ndef tell():\n    socketio.emit('x')\n",
     "socketio = SocketIO(app, message_queue='redis://')\n@celery.task\ndef tell():\n    socketio.emit('x')\n"),
    ("java.blocking-handler", "a.java", "class A { public void onOpen(WebSocket c) { Thread.sleep(1000); c.close(); } }",
     "class A { public void onOpen(WebSocket c) { pool.submit(() -> c.close()); } }"),
    ("any.serialise-in-loop", "a.js", "for (const sub of subscribers) sub.channel.write(`data: ${JSON.stringify(tick)}`)",
     "const text = JSON.stringify(tick); for (const sub of subscribers) sub.channel.write(text)"),
    ("any.stream-without-buffering-hint", "a.py", "def events(request):\n    return Stream(request, content_type='text/event-stream')\n",
     "def events(request):\n    r = Stream(request, content_type='text/event-stream')\n    r['X-Accel-Buffering'] = 'no'\n"),
    ("any.broker-without-heartbeat", "a.java", 'class C { void b(MessageBrokerRegistry r) { r.enableSimpleBroker("/topic"); } } // websocket',
     'class C { void b(MessageBrokerRegistry r) { r.enableSimpleBroker("/topic").setHeartbeatValue(new long[]{9, 9}); } } // websocket'),
    ("py.handler-unguarded", "a.py", "async def h(websocket):\n    async for raw in websocket:\n        m = json.loads(raw)\n",
     "async def h(websocket):\n    async for raw in websocket:\n        try:\n            m = json.loads(raw)\n        except ValueError:\n            continue\n"),
]  # fmt: skip


def defects(code: str, side: str, artifact: str) -> set[str]:
    seen = parse_source_text(code, artifact=artifact, side=side, step="3.1" if side == "frontend" else "3.2")
    return {o.facts.pattern for o in seen if isinstance(o.facts, PatternFacts) and not o.facts.ok}


@pytest.mark.parametrize(("pattern", "faulty", "healthy"), FRONTEND, ids=[f"{row[0]}-{i}" for i, row in enumerate(FRONTEND)])
def test_frontend(pattern: str, faulty: str, healthy: str) -> None:
    assert pattern in defects(faulty, "frontend", "a.tsx")
    assert pattern not in defects(healthy, "frontend", "a.tsx")


@pytest.mark.parametrize(("pattern", "artifact", "faulty", "healthy"), BACKEND, ids=[f"{row[0]}-{i}" for i, row in enumerate(BACKEND)])
def test_backend(pattern: str, artifact: str, faulty: str, healthy: str) -> None:
    assert pattern in defects(faulty, "backend", artifact)
    assert pattern not in defects(healthy, "backend", artifact)


def test_somebody_elses_reconnecting_is_not_denied() -> None:
    for code in (
        "const s = new WebSocket(u); s.onclose = (e) => props.onClose(e)",
        "import RWS from 'reconnecting-websocket'; const s = new WebSocket(u)",
        "const wss = new WebSocketServer({ port }); const s = new WebSocket(u)",
        "const s = new WebSocket(u); window.addEventListener('online', () => open()); function open() { s = new WebSocket(u) }",
    ):
        assert not {name for name in defects(code, "frontend", "a.ts") if name.startswith("reconnect.")}, code


ELSEWHERE = {"state.stale-copy"} | {
    f"reconnect.{name}"
    for name in ("token-read-once", "random-alone", "no-ceiling", "no-jitter", "code-left-out", "fatal-code-tried-again")
}
"""Those that test_page_defects.py has rows for."""


def test_every_pattern_of_these_kinds_has_a_row() -> None:
    rows = {row[0] for row in (*FRONTEND, *BACKEND, *PAGE_IDIOMS, *SERVER_IDIOMS)}
    own = {name for name in config_patterns() if name.startswith(("reconnect.", "listener.", "state."))}
    assert own - ELSEWHERE <= rows
    assert {pattern.id for pattern in source_patterns() if pattern.text} <= rows
