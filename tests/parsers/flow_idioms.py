"""Rows of defects of server code that are found by following names, calls and blocks: id, name of the file, a faulty piece, the same in order."""

FASTAPI = "from fastapi import FastAPI, WebSocket, WebSocketDisconnect, Depends, Request, APIRouter\napp = FastAPI()\n"
WS = "import { WebSocketServer, WebSocket } from 'ws'\n"
GORILLA = 'package a\nimport "github.com/gorilla/websocket"\n'

PYTHON = [
    ("py.blocking-call", "async def h(ws):\n    async for m in ws:\n        time.sleep(1)\n", "async def h(ws):\n    async for m in ws:\n        await asyncio.sleep(1)\n"),
    ("py.blocking-call", "from time import sleep as nap\nasync def h(ws):\n    nap(3)\n", "from asyncio import sleep as nap\nasync def h(ws):\n    await nap(3)\n"),
    ("py.blocking-call", "s = requests.Session()\nasync def h(ws):\n    s.get(u)\n", "s = httpx.AsyncClient()\nasync def h(ws):\n    await s.get(u)\n"),
    ("py.blocking-call", "import queue\nq = queue.Queue()\nasync def pump(ws):\n    while True:\n        await ws.send(q.get())\n",
     "import asyncio\nq = asyncio.Queue()\nasync def pump(ws):\n    while True:\n        await ws.send(await q.get())\n"),
    ("py.blocking-call", "import psycopg2\nconn = psycopg2.connect(d)\nasync def h(ws):\n    cur = conn.cursor()\n    cur.execute(q)\n",
     "import psycopg\nasync def h(ws):\n    async with pool.connection() as conn:\n        await conn.execute(q)\n"),
    ("py.blocking-call", "import redis\nr = redis.Redis()\nasync def h(ws):\n    for m in r.pubsub().listen():\n        await ws.send(m)\n",
     "import redis.asyncio as redis\nr = redis.Redis()\nasync def h(ws):\n    async for m in r.pubsub().listen():\n        await ws.send(m)\n"),
    ("py.blocking-call", "class H(tornado.websocket.WebSocketHandler):\n    def on_message(self, m):\n        subprocess.run(['x', m])\n",
     "class H(tornado.websocket.WebSocketHandler):\n    async def on_message(self, m):\n        await loop.run_in_executor(None, subprocess.run, ['x', m])\n"),
    ("py.blocking-call", "import socketio, time\nsio = socketio.AsyncServer()\n@sio.on('x')\ndef x(sid, d):\n    time.sleep(2)\n",
     "import socketio, time\nsio = socketio.Server()\n@sio.on('x')\ndef x(sid, d):\n    time.sleep(2)\n"),
    ("py.blocking-call", "async def main():\n    while True:\n        time.sleep(5)\n        await tick()\n", "async def main():\n    conn = psycopg2.connect(d)\n    await serve(conn)\n"),
    ("py.blocking-helper", "def look(q):\n    return requests.get(u).json()\nasync def h(ws):\n    await ws.send_json(look(1))\n",
     "def look(q):\n    return requests.get(u).json()\nasync def h(ws):\n    await ws.send_json(await asyncio.to_thread(look, 1))\n"),
    ("py.blocking-helper", "class S:\n    def hash(self, p):\n        return bcrypt.hashpw(p, s)\n    async def h(self, ws):\n        self.hash(await ws.recv())\n",
     "class S:\n    @sync_to_async\n    def hash(self, p):\n        return bcrypt.hashpw(p, s)\n    async def h(self, ws):\n        await self.hash(await ws.recv())\n"),
    ("py.blocking-loop", "from kafka import KafkaConsumer\nfeed = KafkaConsumer('t')\nasync def pump():\n    for m in feed:\n        await tell(m)\n",
     "from aiokafka import AIOKafkaConsumer\nfeed = AIOKafkaConsumer('t')\nasync def pump():\n    async for m in feed:\n        await tell(m)\n"),
    ("py.blocking-shortly", "async def h(ws):\n    db = sqlite3.connect('a')\n", "async def h(ws):\n    db = await aiosqlite.connect('a')\n"),
    ("py.computing", "async def h(ws):\n    for i in range(50_000_000):\n        x += i\n", "async def h(ws):\n    for i in range(50):\n        x += i\n"),
    ("py.registry-never-shrinks", "class M:\n    def __init__(self): self.live = {}\n    async def join(self, uid, ws: WebSocket):\n        self.live[uid] = ws\n"
     "    async def tell(self, t):\n        for ws in list(self.live.values()):\n            await ws.send_text(t)\n",
     "class M:\n    def __init__(self): self.live = {}\n    async def join(self, uid, ws: WebSocket):\n        self.live[uid] = ws\n    def part(self, uid):\n        self.live.pop(uid, None)\n"
     "    async def tell(self, t):\n        for ws in list(self.live.values()):\n            await ws.send_text(t)\n"),
    ("py.registry-never-shrinks", "class H(tornado.websocket.WebSocketHandler):\n    def open(self):\n        PEERS.append(self)\ndef tell(t):\n    for p in PEERS:\n        p.write_message(t)\n",
     "class H(tornado.websocket.WebSocketHandler):\n    def open(self):\n        PEERS.append(self)\n    def on_close(self):\n        PEERS.remove(self)\ndef tell(t):\n    for p in PEERS:\n        p.write_message(t)\n"),
    ("py.removal-not-reached", "room = set()\nasync def h(ws):\n    room.add(ws)\n    while True:\n        await tell(await ws.receive_text())\n    room.discard(ws)\n",
     "room = set()\nasync def h(ws):\n    room.add(ws)\n    try:\n        while True:\n            await tell(await ws.receive_text())\n    finally:\n        room.discard(ws)\n"),
    ("py.removal-not-reached", "hub = Hub()\nclass Hub:\n    def add(self, ws): self.all.add(ws)\n    def leave(self, ws): self.all.discard(ws)\nasync def h(ws):\n    hub.add(ws)\n    while True:\n"
     "        m = await ws.receive_json()\n    hub.leave(ws)\n",
     "hub = Hub()\nclass Hub:\n    def add(self, ws): self.all.add(ws)\n    def leave(self, ws): self.all.discard(ws)\nasync def h(ws):\n    hub.add(ws)\n    try:\n        while True:\n"
     "            m = await ws.receive_json()\n    except WebSocketDisconnect:\n        pass\n    hub.leave(ws)\n"),
    ("py.live-collection", "subs = set()\nasync def h(ws):\n    subs.add(ws)\n    try:\n        await ws.wait_closed()\n    finally:\n        subs.discard(ws)\n"
     "async def tell(t):\n    for s in subs:\n        try:\n            await s.send(t)\n        except OSError:\n            pass\n",
     "subs = set()\nasync def h(ws):\n    subs.add(ws)\n    try:\n        await ws.wait_closed()\n    finally:\n        subs.discard(ws)\n"
     "async def tell(t):\n    for s in tuple(subs):\n        try:\n            await s.send(t)\n        except OSError:\n            pass\n"),
    ("py.live-collection", "rooms = defaultdict(set)\nasync def join(r, ws):\n    rooms[r].add(ws)\nasync def tell(r, t):\n    here = rooms[r]\n    for s in here:\n        await s.send_str(t)\nasync def part(r, ws):\n    rooms[r].discard(ws)\n",
     "rooms = defaultdict(WeakSet)\nasync def join(r, ws):\n    rooms[r].add(ws)\nasync def tell(r, t):\n    here = rooms[r]\n    for s in here:\n        await s.send_str(t)\nasync def part(r, ws):\n    rooms[r].discard(ws)\n"),
    ("py.changed-in-its-loop", "live = {}\nasync def h(uid, ws):\n    live[uid] = ws\ndef sweep():\n    for uid, ws in live.items():\n        if ws.closed:\n            del live[uid]\n",
     "live = {}\nasync def h(uid, ws):\n    live[uid] = ws\ndef sweep():\n    for uid, ws in list(live.items()):\n        if ws.closed:\n            del live[uid]\n"),
    ("py.list-shrinks-in-its-loop", "class M:\n    active: list[WebSocket] = []\n    async def join(self, ws: WebSocket):\n        self.active.append(ws)\n    async def tell(self, t):\n        for ws in self.active:\n"
     "            try:\n                await ws.send_text(t)\n            except RuntimeError:\n                self.active.remove(ws)\n",
     "class M:\n    active: list[WebSocket] = []\n    async def join(self, ws: WebSocket):\n        self.active.append(ws)\n    async def tell(self, t):\n        for ws in self.active[:]:\n"
     "            try:\n                await ws.send_text(t)\n            except RuntimeError:\n                self.active.remove(ws)\n"),
    ("py.feeding-loop-dies", "async def pump():\n    while True:\n        rows = await db.fetch(q)\n        await hub.broadcast(rows)\n        await asyncio.sleep(1)\nasync def start():\n    tasks.add(asyncio.create_task(pump()))\n",
     "async def pump():\n    while True:\n        try:\n            rows = await db.fetch(q)\n            await hub.broadcast(rows)\n        except OSError as e:\n            log.warning(e)\n        await asyncio.sleep(1)\n"
     "async def start():\n    tasks.add(asyncio.create_task(pump()))\n"),
    ("py.feeding-loop-dies", "async def relay():\n    async for m in pubsub.listen():\n        await publish_all(json.loads(m['data']))\nasync def start(app):\n    app['t'] = asyncio.create_task(relay())\n",
     "async def relay():\n    while True:\n        try:\n            async for m in pubsub.listen():\n                await publish_all(json.loads(m['data']))\n        except ConnectionError:\n            await asyncio.sleep(1)\n"
     "async def start(app):\n    app['t'] = asyncio.create_task(relay())\n"),
    ("py.feeding-loop-dies", "def run():\n    while True:\n        try:\n            socketio.emit('t', read())\n        except Exception:\n            log.exception('x')\n            break\nsocketio.start_background_task(run)\n",
     "def run():\n    while True:\n        try:\n            socketio.emit('t', read())\n        except Exception:\n            log.exception('x')\n            socketio.sleep(1)\nsocketio.start_background_task(run)\n"),
    ("py.never-awaited", "async def broadcast(t): ...\nasync def h(ws):\n    async for m in ws:\n        broadcast(m)\n", "async def broadcast(t): ...\nasync def h(ws):\n    async for m in ws:\n        await broadcast(m)\n"),
    ("py.never-awaited", "async def h(websocket):\n    websocket.send_text('hello')\n", "async def h(websocket):\n    await websocket.send_text('hello')\n"),
    ("py.middleware-for-http", "class Log:\n    async def __call__(self, scope, receive, send):\n        t = scope['method']\n        await self.app(scope, receive, send)\n",
     "class Log:\n    async def __call__(self, scope, receive, send):\n        t = scope['method'] if scope['type'] == 'http' else 'WS'\n        await self.app(scope, receive, send)\n"),
    ("py.middleware-drops-sockets", "class Log:\n    async def __call__(self, scope, receive, send):\n        if scope['type'] != 'http':\n            return\n        await self.app(scope, receive, send)\n",
     "class Log:\n    async def __call__(self, scope, receive, send):\n        if scope['type'] != 'http':\n            return await self.app(scope, receive, send)\n        await self.app(scope, receive, send)\n"),
    ("py.dependency-for-http", FASTAPI + "bearer = HTTPBearer()\nfrom fastapi.security import HTTPBearer\n@app.websocket('/x')\nasync def x(ws: WebSocket, t=Depends(bearer)):\n    await ws.accept()\n",
     FASTAPI + "def token(ws: WebSocket): ...\n@app.websocket('/x')\nasync def x(ws: WebSocket, t=Depends(token)):\n    await ws.accept()\n"),
    ("py.request-dependency-for-all", FASTAPI + "def who(request: Request): ...\nr = APIRouter(dependencies=[Depends(who)])\n@r.websocket('/x')\nasync def x(ws: WebSocket):\n    await ws.accept()\n",
     FASTAPI + "def who(conn: HTTPConnection): ...\nr = APIRouter(dependencies=[Depends(who)])\n@r.websocket('/x')\nasync def x(ws: WebSocket):\n    await ws.accept()\n"),
    ("py.orm-on-the-loop", "class C(AsyncWebsocketConsumer):\n    async def receive(self, text_data):\n        u = User.objects.get(pk=1)\n",
     "class C(AsyncWebsocketConsumer):\n    async def receive(self, text_data):\n        u = await User.objects.aget(pk=1)\n"),
    ("py.orm-on-the-loop", "class C(AsyncWebsocketConsumer):\n    async def receive(self, text_data):\n        async_to_sync(self.channel_layer.group_send)('a', {})\n",
     "class C(WebsocketConsumer):\n    def receive(self, text_data):\n        async_to_sync(self.channel_layer.group_send)('a', {})\n"),
    ("py.never-accepted", FASTAPI + "@app.websocket('/x')\nasync def x(ws: WebSocket):\n    while True:\n        await ws.send_text(await ws.receive_text())\n",
     FASTAPI + "@app.websocket('/x')\nasync def x(ws: WebSocket):\n    await ws.accept()\n    while True:\n        await ws.send_text(await ws.receive_text())\n"),
    ("py.told-in-transaction", "async def save(db, o):\n    db.add(o)\n    await bus.publish('o', o.id)\n    await db.commit()\n", "async def save(db, o):\n    db.add(o)\n    await db.commit()\n    await bus.publish('o', o.id)\n"),
    ("py.told-in-transaction", "def save(r):\n    with transaction.atomic():\n        o.save()\n        async_to_sync(layer.group_send)('g', m)\n",
     "def save(r):\n    with transaction.atomic():\n        o.save()\n        transaction.on_commit(lambda: async_to_sync(layer.group_send)('g', m))\n"),
    ("py.limit-around-the-handler", "@web.middleware\nasync def limit(request, handler):\n    return await asyncio.wait_for(handler(request), 30)\n",
     "@web.middleware\nasync def limit(request, handler):\n    if request.headers.get('Upgrade'):\n        return await handler(request)\n    return await asyncio.wait_for(handler(request), 30)\n"),
    ("py.queue-without-limit", "class Client:\n    def __init__(self, ws):\n        self.queue = asyncio.Queue()\ndef tell(t):\n    for c in clients:\n        c.queue.put_nowait(t)\n",
     "class Client:\n    def __init__(self, ws):\n        self.queue = asyncio.Queue(100)\ndef tell(t):\n    for c in clients:\n        c.queue.put_nowait(t)\n"),
    ("py.cookie-of-any-page", FASTAPI + "@app.websocket('/x')\nasync def x(ws: WebSocket):\n    u = ws.cookies.get('sid')\n    await ws.accept()\n",
     FASTAPI + "@app.websocket('/x')\nasync def x(ws: WebSocket):\n    if ws.headers.get('origin') not in PAGES: return\n    u = ws.cookies.get('sid')\n    await ws.accept()\n"),
]  # fmt: skip

NODE = [
    ("node.blocking-call", WS + "wss.on('connection', (ws) => ws.on('message', (m) => ws.send(pdf(m)))); function pdf(m) { return execSync('wk ' + m) }",
     WS + "const tls = readFileSync('k'); wss.on('connection', (ws) => ws.on('message', async (m) => ws.send(await pdf(m))))"),
    ("node.computing", WS + "wss.on('connection', (ws) => ws.on('message', (m) => { const t = Date.now(); while (Date.now() - t < 500) {} }))",
     WS + "wss.on('connection', (ws) => ws.on('message', async (m) => { while (Date.now() - t < 500) { await pause(10) } }))"),
    ("node.registry-never-shrinks", WS + "const all = []; wss.on('connection', (ws) => { all.push(ws) }); export const tell = (t) => all.forEach((c) => c.send(t))",
     WS + "let all = []; wss.on('connection', (ws) => { all.push(ws); ws.on('close', () => { all = all.filter((c) => c !== ws) }) }); export const tell = (t) => all.forEach((c) => c.send(t))"),
    ("node.registry-never-shrinks", WS + "const by = {}; wss.on('connection', (ws, req) => { by[req.url] = ws }); export const tell = (id, t) => by[id].send(t)",
     WS + "const by = {}; wss.on('connection', (ws, req) => { by[req.url] = ws; ws.on('close', () => delete by[req.url]) }); export const tell = (id, t) => by[id].send(t)"),
    ("node.listener-stays", WS + "wss.on('connection', (ws) => { prices.on('tick', (t) => ws.send(t)) })",
     WS + "wss.on('connection', (ws) => { const put = (t) => ws.send(t); prices.on('tick', put); ws.on('close', () => prices.off('tick', put)) })"),
    ("node.timer-stays", WS + "wss.on('connection', (ws) => { setInterval(() => ws.send(now()), 1000) })",
     WS + "wss.on('connection', (ws) => { const t = setInterval(() => ws.send(now()), 1000); ws.on('close', () => clearInterval(t)) })"),
    ("node.connection-of-a-connection", WS + "wss.on('connection', (ws) => { const up = net.connect(5900, 'vnc'); up.on('data', (d) => ws.send(d)); ws.on('message', (m) => up.write(m)) })",
     WS + "wss.on('connection', (ws) => { const up = net.connect(5900, 'vnc'); up.on('data', (d) => ws.send(d)); ws.on('message', (m) => up.write(m)); ws.on('close', () => up.destroy()) })"),
    ("node.list-shrinks-in-its-loop", "peers.forEach((p, i) => { if (p.readyState !== 1) peers.splice(i, 1); else p.send(t) })", "peers = peers.filter((p) => p.readyState === 1); peers.forEach((p) => p.send(t))"),
    ("node.two-servers", WS + "const a = new WebSocketServer({ server, path: '/a' }); const b = new WebSocketServer({ server, path: '/b' })",
     WS + "const a = new WebSocketServer({ server: one, path: '/a' }); const b = new WebSocketServer({ server: two, path: '/b' })"),
    ("node.two-servers", "import { Server } from 'socket.io'; const io = new Server(http); const raw = new WebSocketServer({ server: http, path: '/raw' })",
     "import { Server } from 'socket.io'; const io = new Server(http); const raw = new WebSocketServer({ noServer: true }); http.on('upgrade', (q, s, h) => { if (q.url === '/raw') raw.handleUpgrade(q, s, h, go) })"),
    ("node.two-servers", "import { Server } from 'socket.io'; const io = new Server(http); http.on('upgrade', (q, s, h) => { if (q.url === '/raw') raw.handleUpgrade(q, s, h, go); else s.destroy() })",
     "import { Server } from 'socket.io'; const io = new Server(http); http.on('upgrade', (q, s, h) => { if (q.url === '/raw') raw.handleUpgrade(q, s, h, go) })"),
    ("node.two-servers", "srv.on('upgrade', (q, s, h) => { if (q.url.startsWith('/a')) x.handleUpgrade(q, s, h, f) }); srv.on('upgrade', (q, s, h) => { if (q.url.startsWith('/a/b')) y.handleUpgrade(q, s, h, f) })",
     "srv.on('upgrade', (q, s, h) => { if (q.url.startsWith('/a')) x.handleUpgrade(q, s, h, f) }); srv.on('upgrade', (q, s, h) => { if (q.url.startsWith('/b')) y.handleUpgrade(q, s, h, f) })"),
    ("node.buffer-taken-for-text", WS + "wss.on('connection', (ws) => ws.on('message', (m) => { if (m === 'ping') ws.send('pong') }))",
     WS + "wss.on('connection', (ws) => ws.on('message', (m) => { if (m.toString() === 'ping') ws.send('pong') }))"),
    ("node.buffer-passed-on", WS + "wss.on('connection', (ws) => ws.on('message', (m) => { const d = JSON.parse(m); log(d); for (const c of wss.clients) c.send(m) }))",
     WS + "wss.on('connection', (ws) => ws.on('message', (m) => { const d = JSON.parse(m); log(d); for (const c of wss.clients) c.send(m.toString()) }))"),
    ("send.relayed-as-it-came", WS + "wss.on('connection', (ws) => ws.on('message', (m) => { for (const c of wss.clients) c.send(m) }))",
     WS + "wss.on('connection', (ws) => ws.on('message', (m, binary) => { for (const c of wss.clients) c.send(m, { binary }) }))"),
    ("node.told-in-transaction", "await prisma.$transaction(async (tx) => { await tx.order.update(o); io.to(r).emit('order', o) })", "await prisma.$transaction(async (tx) => { await tx.order.update(o) }); io.to(r).emit('order', o)"),
    ("node.told-in-transaction", "async function pay(o) { await c.query('BEGIN'); await c.query('update'); io.emit('paid', o); await c.query('COMMIT') }",
     "async function pay(o) { await c.query('BEGIN'); await c.query('update'); await c.query('COMMIT'); io.emit('paid', o) }"),
    ("node.timer-on-the-socket", "const web = http.createServer(app); web.on('connection', (s) => { setTimeout(() => s.destroy(), 30000) })",
     "const web = http.createServer(app); web.on('connection', (s) => { s.setNoDelay(true) })"),
    ("node.each-instance-tells-all", "io.adapter(createAdapter(pub, sub)); feed.subscribe('alerts', (a) => io.emit('alert', a))", "io.adapter(createAdapter(pub, sub)); feed.subscribe('alerts', (a) => io.local.emit('alert', a))"),
]  # fmt: skip

GO = [
    ("go.two-writers", GORILLA + "func h(c *websocket.Conn) {\n go func() { for range t.C { c.WriteMessage(9, nil) } }()\n for { m := <-in; c.WriteJSON(m) }\n}",
     GORILLA + "func h(c *websocket.Conn) {\n go func() { for range t.C { c.WriteControl(9, nil, d) } }()\n for { m := <-in; c.WriteJSON(m) }\n}"),
    ("go.two-writers", GORILLA + "func (p *P) run() {\n go p.beat()\n for m := range p.in { p.c.WriteJSON(m) }\n}\nfunc (p *P) beat() { for range t.C { p.c.WriteMessage(9, nil) } }",
     GORILLA + "func (p *P) run() {\n go p.read()\n for m := range p.in { p.c.WriteJSON(m) }\n}\nfunc (p *P) read() { for { p.c.ReadMessage() } }"),
    ("go.broadcast-by-each", GORILLA + "func h(c *websocket.Conn) { for { _, m, _ := c.ReadMessage(); all(m) } }\nfunc all(m []byte) { for c := range conns { c.WriteMessage(1, m) } }",
     GORILLA + "func h(c *websocket.Conn) { for { _, m, _ := c.ReadMessage(); all(m) } }\nfunc all(m []byte) { mu.Lock(); defer mu.Unlock(); for c := range conns { c.WriteMessage(1, m) } }"),
    ("go.never-read", GORILLA + "func h(w http.ResponseWriter, r *http.Request) { conn, _ := up.Upgrade(w, r, nil)\n for m := range feed { if conn.WriteJSON(m) != nil { return } } }",
     GORILLA + "func h(w http.ResponseWriter, r *http.Request) { conn, _ := up.Upgrade(w, r, nil)\n go drain(conn)\n for m := range feed { if conn.WriteJSON(m) != nil { return } } }"),
    ("go.map-without-lock", GORILLA + "var peers = map[*websocket.Conn]bool{}\nfunc h(w http.ResponseWriter, r *http.Request) { c, _ := up.Upgrade(w, r, nil); peers[c] = true; defer delete(peers, c) }\nfunc all(m []byte) { for c := range peers { c.WriteMessage(1, m) } }",
     GORILLA + "var mu sync.Mutex\nvar peers = map[*websocket.Conn]bool{}\nfunc h(w http.ResponseWriter, r *http.Request) { c, _ := up.Upgrade(w, r, nil); mu.Lock(); peers[c] = true; mu.Unlock(); defer drop(c) }\n"
     "func all(m []byte) { mu.Lock(); defer mu.Unlock(); for c := range peers { c.WriteMessage(1, m) } }"),
    ("go.loop-leaves-on-error", GORILLA + "func all(m []byte) error { for c := range peers { if err := c.WriteMessage(1, m); err != nil { return err } }; return nil }",
     GORILLA + "func all(m []byte) { for c := range peers { if err := c.WriteMessage(1, m); err != nil { delete(peers, c) } } }"),
    ("go.hub-waits", GORILLA + "func (h *H) run() { for m := range h.in { for c := range h.all { c.out <- m } } }", GORILLA + "func (h *H) run() { for m := range h.in { for c := range h.all { select { case c.out <- m: default: drop(c) } } } }"),
    ("go.hub-waits-bounded", GORILLA + "func (h *H) run() { for m := range h.in { for c := range h.all { c.out <- m } } }\nfunc w() { c.SetWriteDeadline(d) }",
     GORILLA + "func (h *H) run() { for m := range h.in { for c := range h.all { select { case c.out <- m: default: drop(c) } } } }\nfunc w() { c.SetWriteDeadline(d) }"),
    ("go.ping-slower-than-patience", GORILLA + "const wait = 30 * time.Second\nconst beat = 40 * time.Second\nfunc h() { c.SetReadDeadline(time.Now().Add(wait)); c.SetPongHandler(f); t := time.NewTicker(beat); c.WriteMessage(websocket.PingMessage, nil) }",
     GORILLA + "const wait = 30 * time.Second\nconst beat = (wait * 9) / 10\nfunc h() { c.SetReadDeadline(time.Now().Add(wait)); c.SetPongHandler(f); t := time.NewTicker(beat); c.WriteMessage(websocket.PingMessage, nil) }"),
    ("go.pongs-of-no-ping", GORILLA + "func h() { c, _ := up.Upgrade(w, r, nil); c.SetReadDeadline(time.Now().Add(60 * time.Second)); c.SetPongHandler(f) }",
     GORILLA + "func h() { c, _ := up.Upgrade(w, r, nil); c.SetReadDeadline(time.Now().Add(60 * time.Second)); c.SetPongHandler(f); c.WriteControl(websocket.PingMessage, nil, d) }"),
    ("go.deadline-once", GORILLA + "func h() { c.SetReadDeadline(time.Now().Add(60 * time.Second)); for { c.ReadMessage() } }", GORILLA + "func h() { for { c.SetReadDeadline(time.Now().Add(60 * time.Second)); c.ReadMessage() } }"),
    ("go.registry-never-shrinks", GORILLA + "func (s *S) add(id string, c *websocket.Conn) { s.peers[id] = c }\nfunc (s *S) all(m []byte) { for _, c := range s.peers { c.WriteMessage(1, m) } }",
     GORILLA + "func (s *S) add(id string, c *websocket.Conn) { s.peers[id] = c }\nfunc (s *S) del(id string) { delete(s.peers, id) }\nfunc (s *S) all(m []byte) { for _, c := range s.peers { c.WriteMessage(1, m) } }"),
    ("go.outbox-without-limit", GORILLA + "type p struct { box [][]byte }\nfunc (s *p) push(b []byte) { s.box = append(s.box, b) }\nfunc (s *p) next() { m := s.box[0]; s.box = s.box[1:]; s.c.WriteMessage(1, m) }",
     GORILLA + "type p struct { box [][]byte }\nfunc (s *p) push(b []byte) { if len(s.box) > limit { s.c.Close(); return }; s.box = append(s.box, b) }\nfunc (s *p) next() { m := s.box[0]; s.box = s.box[1:]; s.c.WriteMessage(1, m) }"),
    ("go.timeout-handler", GORILLA + "func live(w http.ResponseWriter, r *http.Request) { up.Upgrade(w, r, nil) }\nfunc main() { mux := http.NewServeMux(); mux.HandleFunc(\"/l\", live); http.ListenAndServe(\":1\", http.TimeoutHandler(mux, d, \"\")) }",
     GORILLA + "func live(w http.ResponseWriter, r *http.Request) { up.Upgrade(w, r, nil) }\nfunc main() { api := http.NewServeMux(); top := http.NewServeMux(); top.HandleFunc(\"/l\", live); top.Handle(\"/\", http.TimeoutHandler(api, d, \"\")) }"),
]  # fmt: skip

JAVA = [
    ("java.several-threads-send", "class A { void t(String m) { for (Session s : open) pool.submit(() -> { s.getBasicRemote().sendText(m); }); } }",
     "class A { void t(String m) { for (Session s : open) pool.submit(() -> { synchronized (s) { s.getBasicRemote().sendText(m); } }); } }"),
    ("java.each-handler-sends-to-all", "class A extends TextWebSocketHandler { public void handleTextMessage(WebSocketSession f, TextMessage m) { for (WebSocketSession s : open) { try { s.sendMessage(m); } catch (Exception e) { } } } }",
     "class A extends TextWebSocketHandler { public void handleTextMessage(WebSocketSession f, TextMessage m) { f.sendMessage(m); } }"),
    ("java.plain-collection", "class A { private final Set<Session> open = new HashSet<>(); @OnOpen public void o(Session s) { open.add(s); } @OnClose public void c(Session s) { open.remove(s); } void t() { for (Session s : open) { s.getAsyncRemote().sendText(m); } } }",
     "class A { private final Set<Session> open = ConcurrentHashMap.newKeySet(); @OnOpen public void o(Session s) { open.add(s); } @OnClose public void c(Session s) { open.remove(s); } void t() { for (Session s : open) { s.getAsyncRemote().sendText(m); } } }"),
    ("java.registry-never-shrinks", "class A { private final List<WebSocketSession> open = new CopyOnWriteArrayList<>(); void e(WebSocketSession s) { open.add(s); } void t() { for (WebSocketSession s : open) { s.sendMessage(m); } } }",
     "class A { private final List<WebSocketSession> open = new CopyOnWriteArrayList<>(); void e(WebSocketSession s) { open.add(s); } void c(WebSocketSession s) { open.remove(s); } void t() { for (WebSocketSession s : open) { s.sendMessage(m); } } }"),
    ("java.told-in-transaction", "class A { @Transactional public void close(long id) { repo.save(x); broker.convertAndSend(\"/topic/t\", id); } }", "class A { @Transactional public void close(long id) { repo.save(x); events.publishEvent(new Closed(id)); } }"),
    ("java.timer-ends", "class A { void s() { timer.scheduleAtFixedRate(this::tick, 0, 1, SECONDS); } void tick() { hub.publish(source.next()); } }",
     "class A { void s() { timer.scheduleAtFixedRate(this::tick, 0, 1, SECONDS); } void tick() { try { hub.publish(source.next()); } catch (RuntimeException e) { log(e); } } }"),
    ("java.blocks-the-loop", "class A extends SimpleChannelInboundHandler<TextWebSocketFrame> { protected void channelRead0(ChannelHandlerContext c, TextWebSocketFrame f) { Thread.sleep(100); } }",
     "class A extends SimpleChannelInboundHandler<TextWebSocketFrame> { protected void channelRead0(ChannelHandlerContext c, TextWebSocketFrame f) { pool.submit(() -> work(f)); } }"),
]  # fmt: skip

OTHERS = [
    ("origin.entry-never-equals", "PAGES = ['https://a.example/']\nasync def main():\n    serve(h, origins=PAGES)\n", "PAGES = ['https://a.example']\nasync def main():\n    serve(h, origins=PAGES)\n"),
    ("origin.entry-never-equals", "ALLOWED = {'https://a.example:443'}\ndef ok(origin): return origin in ALLOWED\n", "ALLOWED = {'https://a.example:8443'}\ndef ok(origin): return origin in ALLOWED\n"),
    ("origin.entry-in-cors", "app.add_middleware(CORSMiddleware, allow_origins=['https://a.example/'])\n", "app.add_middleware(CORSMiddleware, allow_origins=['https://a.example'])\n"),
]  # fmt: skip

FLOW_IDIOMS = [
    (pattern, artifact, faulty, healthy)
    for rows, artifact in ((PYTHON, "a.py"), (NODE, "a.ts"), (GO, "a.go"), (JAVA, "a.java"), (OTHERS, "a.py"))
    for pattern, faulty, healthy in rows
]
