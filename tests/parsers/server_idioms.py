"""Rows of defects of server code in many languages: id of the pattern, name of the file, a faulty piece, the same in order."""

SERVER_IDIOMS = [
    (
        "serve.reads-on-after-an-error",
        "a.go",
        'import "github.com/gorilla/websocket"\nfunc pump(c *websocket.Conn) {\n\tfor {\n\t\t_, b, err := c.ReadMessage()\n\t\tif err != nil {\n\t\t\tlog.Print(err)\n\t\t\tcontinue\n\t\t}\n\t\tuse(b)\n\t}\n}\n',
        'import "github.com/gorilla/websocket"\nfunc pump(c *websocket.Conn) {\n\tfor {\n\t\t_, b, err := c.ReadMessage()\n\t\tif err != nil {\n\t\t\tlog.Print(err)\n\t\t\treturn\n\t\t}\n\t\tif len(b) == 0 {\n\t\t\tcontinue\n\t\t}\n\t}\n}\n',
    ),
    (
        "serve.nest-listens-elsewhere",
        "main.ts",
        "const http = express()\nconst nest = await NestFactory.create(Live, new ExpressAdapter(http)) // websocket\nawait nest.init()\nhttp.listen(3000)\n",
        "const http = express()\nconst nest = await NestFactory.create(Live, new ExpressAdapter(http)) // websocket\nawait nest.listen(3000)\n",
    ),
    (
        "serve.sockets-not-switched-on",
        "a.cs",
        "void Configure(IApplicationBuilder app) { app.Use(async (c, next) => { if (c.WebSockets.IsWebSocketRequest) await Run(c); }); }\n",
        "void Configure(IApplicationBuilder app) { app.UseWebSockets(); app.Use(async (c, n) => { if (c.WebSockets.IsWebSocketRequest) await Run(c); }); }\n",
    ),
    (
        "serve.takes-the-others-upgrades",
        "a.js",
        "import next from 'next'\nconst wss = new WebSocketServer({ server: http, path: '/api/live' })\n",
        "import next from 'next'\nconst wss = new WebSocketServer({ noServer: true })\n",
    ),
    (
        "serve.greenlets-several-times",
        "a.ini",
        "[program:live]\ncommand=/srv/bin/gunicorn -k eventlet --workers=4 live:app\n; socketio\n",
        "[program:live]\ncommand=/srv/bin/gunicorn -k eventlet --workers=1 live:app\n; socketio\n",
    ),
    (
        "serve.sleeps-among-greenlets",
        "a.py",
        "from flask_socketio import SocketIO\nsocketio = SocketIO(app, async_mode='eventlet')\ndef feed():\n    while True:\n        time.sleep(1)\n",
        "from flask_socketio import SocketIO\nsocketio = SocketIO(app, async_mode='eventlet')\ndef feed():\n    while True:\n        socketio.sleep(1)\n",
    ),
    (
        "send.before-the-subscription-stands",
        "A.java",
        '@SubscribeMapping("/jobs")\npublic List<Job> jobs() {\n  template.convertAndSend("/topic/jobs", now());\n  return all();\n}\n',
        '@SubscribeMapping("/jobs")\npublic List<Job> jobs() {\n  return all();\n}\n',
    ),
    (
        "keep.period-of-half-a-minute",
        "a.rs",
        "const HEARTBEAT: Duration = Duration::from_secs(30);\nasync fn run(socket: WebSocket) { tick(HEARTBEAT).await }\n",
        "const HEARTBEAT: Duration = Duration::from_secs(15);\nasync fn run(socket: WebSocket) { tick(HEARTBEAT).await }\n",
    ),
    (
        "keep.slower-than-the-client-waits",
        "a.cs",
        "services.AddSignalR(o => { o.KeepAliveInterval = TimeSpan.FromSeconds(45); });\n",
        "services.AddSignalR(o => { o.KeepAliveInterval = TimeSpan.FromSeconds(10); });\n",
    ),
    (
        "any.origin-against-the-hop",
        "a.exs",
        'config :live, LiveWeb.Endpoint, url: [host: "live.example.org"], check_origin: :conn # socket\n',
        'config :live, LiveWeb.Endpoint, url: [host: "live.example.org"], check_origin: true # socket\n',
    ),
    (
        "any.page-wants-tls-of-plain-port",
        "a.php",
        "<?php\n$s = IoServer::factory(new HttpServer(new WsServer(new Chat())), 9443);\n?>\nnew WebSocket('wss://example.org:9443/')\n",
        "<?php\n$s = IoServer::factory(new HttpServer(new WsServer(new Chat())), 9443);\n?>\nnew WebSocket('wss://example.org/chat')\n",
    ),
    (
        "serve.socketio-under-sync-workers",
        "a.py",
        "# gunicorn app:app\nsocketio = SocketIO(app)\n",
        "# gunicorn -k eventlet app:app\nsocketio = SocketIO(app)\n",
    ),
    (
        "serve.asgi-part-missing",
        "a.py",
        "INSTALLED_APPS = ['channels']\nWSGI_APPLICATION = 'a.wsgi.application'\n",
        "INSTALLED_APPS = ['channels']\nWSGI_APPLICATION = 'a.wsgi.application'\nASGI_APPLICATION = 'a.asgi.application'\n",
    ),
    (
        "serve.other-server-listens",
        "a.js",
        "const server = http.createServer(app); const io = new Server(server); app.listen(3000)",
        "const server = http.createServer(app); const io = new Server(server); server.listen(3000)",
    ),
    (
        "serve.no-process-stays",
        "a.js",
        "export default function handler(req, res) { res.socket.server.io = new Server(res.socket.server) }",
        "const io = new Server(http) // socket",
    ),
    (
        "serve.bound-inside",
        "a.rs",
        'let addr = "127.0.0.1:9001"; let l = TcpListener::bind(addr).await?; // websocket',
        'let addr = "0.0.0.0:9001"; let l = TcpListener::bind(addr).await?; // websocket',
    ),
    (
        "serve.one-family-only",
        "a.js",
        "// binds 127.0.0.1 only\nconst up = 'ws://localhost:7000'",
        "// binds 127.0.0.1 only\nconst up = 'ws://127.0.0.1:7000'",
    ),
    ("serve.connections-capped", "a.py", "uvicorn.run(app, limit_concurrency=100) # websocket\n", "uvicorn.run(app) # websocket\n"),
    (
        "serve.certificate-without-chain",
        "a.js",
        "const server = https.createServer({ cert: readFileSync('/etc/letsencrypt/live/a/cert.pem') }) // socket",
        "const server = https.createServer({ cert: readFileSync('/etc/letsencrypt/live/a/fullchain.pem') }) // socket",
    ),
    (
        "serve.tls-narrow",
        "a.go",
        "cfg := &tls.Config{MinVersion: tls.VersionTLS13} // websocket",
        "cfg := &tls.Config{MinVersion: tls.VersionTLS12} // websocket",
    ),
    (
        "serve.client-certificate-asked",
        "a.js",
        "const s = https.createServer({ requestCert: true }) // socket",
        "const s = https.createServer({ requestCert: false }) // socket",
    ),
    (
        "serve.h2-only",
        "a.js",
        "const s = http2.createSecureServer({ key }); new WebSocketServer({ server: s })",
        "const s = http2.createSecureServer({ key, allowHTTP1: true }); new WebSocketServer({ server: s })",
    ),
    (
        "serve.recycled-workers",
        "a.py",
        "max_requests = 500\nworker_class = 'uvicorn.workers.UvicornWorker'\n",
        "worker_class = 'uvicorn.workers.UvicornWorker'\n",
    ),
    (
        "serve.header-compared-literally",
        "a.php",
        "if ($headers['Connection'] !== 'Upgrade') { return 400; }",
        "if (!in_array('upgrade', tokens($headers['Connection']))) { return 400; }",
    ),
    ("serve.wrapped-answer", "a.go", 'r.Use(middleware.Compress(5)); r.Get("/ws", live) // websocket', 'r.Get("/ws", live) // websocket'),
    (
        "serve.asgi-part-for-http-only",
        "a.py",
        "class M:\n    async def __call__(self, scope, receive, send):\n        log(scope['method'])\n",
        (
            "class M:\n    async def __call__(self, scope, receive, send):\n        if scope['type'] == 'http':\n"
            "            log(scope['method'])\n"
        ),
    ),
    ("serve.order-of-parts", "a.cs", "app.MapControllers();\napp.UseWebSockets();", "app.UseWebSockets();\napp.MapControllers();"),
    ("serve.request-hooks-in-socket", "a.js", "io.use(session({ secret }))", "io.engine.use(session({ secret })) // socket"),
    (
        "serve.upgraded-in-handler",
        "a.js",
        "app.get('/live', (q, r) => { const wss = new WebSocketServer({ server }) })",
        "const wss = new WebSocketServer({ server }); app.get('/live', page)",
    ),
    ("serve.two-libraries", "a.js", "expressWs(app, server); new WebSocketServer({ server })", "expressWs(app, server)"),
    (
        "serve.accept-by-hand-wrong",
        "a.py",
        "MAGIC = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B12'\n",
        "MAGIC = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'\n",
    ),
    ("serve.route-not-get", "a.js", "app.post('/ws', upgrade)", "app.get('/ws', upgrade)"),
    (
        "serve.headers-passed-through",
        "a.js",
        "wss.on('connection', (c, req) => { const up = new WebSocket(t, { headers: req.headers }) })",
        "wss.on('connection', (c, req) => { const up = new WebSocket(t, { headers: { cookie: req.headers.cookie } }) })",
    ),
    (
        "serve.no-subprotocol-in-answer",
        "a.rb",
        'socket.write "Sec-WebSocket-Accept: #{key}\\r\\n"',
        'socket.write "Sec-WebSocket-Accept: #{key}\\r\\nSec-WebSocket-Protocol: #{p}\\r\\n"',
    ),
    (
        "serve.subprotocol-read-not-answered",
        "a.py",
        "async def h(ws):\n    token = ws.headers['sec-websocket-protocol']\n    await ws.accept()\n",
        "async def h(ws):\n    token = ws.headers['sec-websocket-protocol']\n    await ws.accept(subprotocol=token)\n",
    ),
    ("serve.older-graphql-protocol", "a.ts", "SubscriptionServer.create({ schema }, { server })", "useServer({ schema }, wss)"),
    (
        "serve.short-handshake",
        "a.py",
        "ws = await websockets.connect(u, open_timeout=1)\n",
        "ws = await websockets.connect(u, open_timeout=10)\n",
    ),
    ("serve.large-headers", "a.js", "res.cookie('state', JSON.stringify(state)) // socket", "res.cookie('sid', id) // socket"),
    (
        "serve.redirects-everything",
        "a.rb",
        "config.force_ssl = true\nconfig.action_cable.url = u",
        "config.force_ssl = false\nconfig.action_cable.url = u",
    ),
    (
        "serve.origin-compared-in-part",
        "a.go",
        'func ok(r *http.Request) bool { return strings.HasSuffix(origin, "a.example") } // websocket',
        'func ok(r *http.Request) bool { return origin == "https://a.example" } // websocket',
    ),
    (
        "serve.any-origin",
        "a.cs",
        "p.SetIsOriginAllowed(_ => true).AllowCredentials(); // SignalR hub",
        'p.WithOrigins("https://a.example").AllowCredentials(); // SignalR hub',
    ),
    (
        "serve.cookie-and-no-origin",
        "a.py",
        "async def h(websocket):\n    user = who(websocket.cookies['sid'])\n",
        "async def h(websocket):\n    check(websocket.headers['origin'])\n    user = who(websocket.cookies['sid'])\n",
    ),
    ("serve.no-word-of-origin", "a.rs", "let ws = accept_async(stream).await?;", "let ws = accept_hdr_async(stream, check_origin).await?;"),
    (
        "serve.origin-of-development",
        "a.py",
        "origins = ['http://localhost:3000']\nasync def h(websocket): ...\n",
        "origins = ['https://a.example']\nasync def h(websocket): ...\n",
    ),
    (
        "serve.origin-entry-of-other-form",
        "a.go",
        'websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{"https://a.example"}})',
        'websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{"a.example"}})',
    ),
    (
        "serve.wildcard-with-credentials",
        "a.js",
        "new Server(http, { cors: { origin: '*', credentials: true } })",
        "new Server(http, { cors: { origin: 'https://a.example', credentials: true } })",
    ),
    (
        "serve.same-origin-by-default",
        "a.java",
        'class C { void r(StompEndpointRegistry g) { g.addEndpoint("/live"); } }',
        'class C { void r(StompEndpointRegistry g) { g.addEndpoint("/live").setAllowedOrigins("https://a.example"); } }',
    ),
    (
        "serve.host-list-of-development",
        "a.py",
        "ALLOWED_HOSTS = ['localhost', '127.0.0.1']\n# channels\n",
        "ALLOWED_HOSTS = ['a.example']\n# channels\n",
    ),
    (
        "serve.header-a-browser-cannot-send",
        "a.js",
        "io.use((socket, next) => check(socket.handshake.headers['authorization'], next))",
        "io.use((socket, next) => check(socket.handshake.auth.token, next))",
    ),
    (
        "serve.cookie-kept-at-home",
        "a.js",
        "app.use(session({ cookie: { sameSite: 'strict' } })) // socket",
        "app.use(session({ cookie: { secure: true } })) // socket",
    ),
    (
        "serve.limit-on-the-whole",
        "a.go",
        "ctx, cancel := context.WithTimeout(r.Context(), time.Minute)\nc, err := websocket.Accept(w, r, nil)",
        "ctx := r.Context()\nc, err := websocket.Accept(w, r, nil)",
    ),
    (
        "serve.read-deadline-once",
        "a.go",
        "c.SetReadDeadline(time.Now().Add(time.Minute)) // websocket",
        "c.SetReadDeadline(time.Now().Add(time.Minute)); c.SetPongHandler(f) // websocket",
    ),
    (
        "serve.idle-limit-in-program",
        "a.java",
        "class A { void o(Session s) { s.setMaxIdleTimeout(30000); } } // websocket",
        "class A { void o(Session s) { s.setMaxIdleTimeout(NEVER); } } // websocket",
    ),
    (
        "serve.no-ping-by-default",
        "a.kt",
        'install(WebSockets)\nwebSocket("/x") { }',
        'install(WebSockets) { pingPeriod = 20.seconds }\nwebSocket("/x") { }',
    ),
    (
        "serve.cloud-limit-unmet",
        "a.cs",
        "app.UseWebSockets();",
        "app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = TimeSpan.FromSeconds(30) });",
    ),
    (
        "serve.nobody-checks-life",
        "a.go",
        "for { _, m, err := c.ReadMessage() } // websocket",
        "c.SetReadDeadline(soon()); for { _, m, err := c.ReadMessage() } // websocket",
    ),
    ("serve.small-limit", "a.go", "c.SetReadLimit(512) // websocket", "c.SetReadLimit(4 << 20) // websocket"),
    (
        "serve.default-limit",
        "a.js",
        "const io = new Server(http); io.on('connection', (s) => s.on('photo upload', save))",
        "const io = new Server(http, { maxHttpBufferSize: 2e7 }); io.on('connection', (s) => s.on('photo upload', save))",
    ),
    (
        "serve.frames-by-hand-wrong",
        "a.php",
        "fwrite($socket, chr(129) . chr(strlen($m)) . $m);",
        "fwrite($socket, chr(129) . chr(126) . pack('n', strlen($m)) . $m);",
    ),
    (
        "serve.parse-unguarded",
        "a.rb",
        "ws.on_message { |m| data = JSON.parse(m) }",
        "ws.on_message { |m| begin; data = JSON.parse(m); rescue JSON::ParserError; end }",
    ),
    (
        "serve.async-handler-unguarded",
        "a.js",
        "socket.on('order', async (o) => { await save(o) })",
        "socket.on('order', async (o) => { try { await save(o) } catch (e) { tell(e) } })",
    ),
    (
        "serve.no-error-listener",
        "a.js",
        "const wss = new WebSocketServer({ port: 1 }); wss.on('connection', (ws) => greet(ws))",
        "const wss = new WebSocketServer({ port: 1 }); wss.on('connection', (ws) => { ws.on('error', log); greet(ws) })",
    ),
    (
        "serve.waits-in-the-loop",
        "a.rs",
        "async fn live(ws: WebSocket) { loop { std::thread::sleep(SECOND); } }",
        "async fn live(ws: WebSocket) { loop { tokio::time::sleep(SECOND).await; } }",
    ),
    (
        "serve.session-around-the-loop",
        "a.py",
        ("async def h(ws):\n    async with pool.acquire() as db:\n        while True:\n            q = await ws.receive_text()\n"),
        (
            "async def h(ws):\n    while True:\n        q = await ws.receive_text()\n        async with pool.acquire() as db:\n"
            "            await db.run(q)\n"
        ),
    ),
    (
        "serve.opened-per-connection",
        "a.js",
        "io.on('connection', (s) => { const sub = createClient(); sub.subscribe('x') })",
        "io.on('connection', (s) => { const sub = createClient(); s.on('disconnect', () => sub.quit()) })",
    ),
    (
        "serve.ports-of-one-address",
        "a.py",
        "for i in range(50000):\n    conns.append(websockets.connect(u))\n",
        "for i in range(500):\n    conns.append(websockets.connect(u))\n",
    ),
    (
        "serve.buffered-stream",
        "a.js",
        "app.use(compression()); app.get('/e', (q, r) => r.set('Content-Type', 'text/event-stream'))",
        "app.use(compression()); app.get('/e', (q, r) => { r.set('Content-Type', 'text/event-stream'); r.flush() })",
    ),
    (
        "send.one-error-ends-the-loop",
        "a.rb",
        "clients.each { |c| c.send(text) } # websocket",
        "clients.each { |c| begin; c.send(text); rescue IOError; end } # websocket",
    ),
    (
        "send.loop-leaves-on-error",
        "a.go",
        "for c := range hub.clients {\n if err := c.conn.WriteMessage(1, m); err != nil {\n  return\n }\n}",
        "for c := range hub.clients {\n if err := c.conn.WriteMessage(1, m); err != nil {\n  hub.drop(c)\n }\n}",
    ),
    (
        "send.loop-leaves-on-error",
        "a.go",
        "for id, c := range hub.clients {\n if err := c.WriteMessage(1, m); err != nil {\n  break\n }\n}",
        "for m := range c.send {\n if err := c.conn.WriteMessage(1, m); err != nil {\n  return\n }\n}",
    ),
    (
        "send.task-dies-alone",
        "a.go",
        "go func() {\n for e := range source {\n  if err := hub.Tell(e); err != nil {\n   return\n  }\n }\n}()\n// websocket",
        "go func() {\n for e := range queue {\n  if err := conn.WriteJSON(e); err != nil {\n   return\n  }\n }\n}()\n// websocket",
    ),
    (
        "send.two-at-once",
        "a.cs",
        "Parallel.ForEach(sockets, s => s.SendAsync(m, t, true, ct)); // websocket",
        "foreach (var s in sockets) { await gate[s].WaitAsync(); await s.SendAsync(m, t, true, ct); } // websocket",
    ),
    (
        "send.turned-into-text-each-time",
        "a.cs",
        "foreach (var client in clients) {\n  client.Send(JsonSerializer.Serialize(state));\n}",
        "var text = JsonSerializer.Serialize(state);\nforeach (var client in clients) {\n  client.Send(text);\n}",
    ),
    (
        "send.everybody-to-everybody",
        "a.js",
        "socket.on('cursor', (c) => { socket.broadcast.emit('cursor', c) })",
        "socket.on('cursor', throttle((c) => { socket.broadcast.emit('cursor', c) }))",
    ),
    (
        "send.kept-for-ever",
        "a.cs",
        "sockets.TryAdd(id, socket);",
        "sockets.TryAdd(id, socket); closed += () => sockets.TryRemove(id, out _);",
    ),
    (
        "send.goes-on-after-the-end",
        "a.js",
        "io.on('connection', (s) => { setInterval(() => s.emit('t', now()), 1000) })",
        (
            "io.on('connection', (s) => { const t = setInterval(() => s.emit('t', now()), 1000); s.on('disconnect', "
            "() => clearInterval(t)) })"
        ),
    ),
    (
        "py.handler-unguarded",
        "a.py",
        "async def live(websocket):\n    async for raw in websocket:\n        take(json.loads(raw))\n",
        "async def follow():\n    async with websockets.connect(u) as websocket:\n        async for raw in websocket:\n            take(json.loads(raw))\n",
    ),
    (
        "serve.beside-a-development-server",
        "a.js",
        "const pages = next({ dev }); const app = express(); const live = expressWs(app); app.ws('/live', talk)",
        "const app = express(); const live = expressWs(app); app.ws('/live', talk)",
    ),
    (
        "any.wsgi-in-plain-workers",
        "pasted text",
        "[Service]\nExecStart=/srv/venv/bin/gunicorn --workers 3 site.wsgi:application\n",
        "[Service]\nExecStart=/srv/venv/bin/gunicorn -k uvicorn.workers.UvicornWorker --workers 3 site.asgi:application\n",
    ),
    (
        "send.several-processes",
        "pasted text",
        "bind = '0.0.0.0:80'\nworkers = 4\nworker_class = 'uvicorn.workers.UvicornWorker'\n",
        "bind = '0.0.0.0:80'\nworkers = 1\nworker_class = 'uvicorn.workers.UvicornWorker'\n",
    ),
    (
        "send.within-one-process",
        "a.java",
        "class A { Map<String, WebSocketSession> m = new HashMap<String, WebSocketSession>(); }",
        ("class A { Map<String, WebSocketSession> m = new HashMap<String, WebSocketSession>(); RedisMessageListenerContainer c; }"),
    ),
    (
        "send.session-bound-to-instance",
        "a.cs",
        "services.AddSignalR().AddStackExchangeRedis(url); // hub",
        'services.AddSignalR().AddStackExchangeRedis(url); // hub\nvar note = "sticky";',
    ),
    (
        "send.several-processes-no-stickiness",
        "a.js",
        "for (const c of os.cpus()) cluster.fork(); const io = require('socket.io')(http)",
        "const io = require('socket.io')(http)",
    ),
    (
        "send.each-instance-passes-on",
        "a.js",
        "io.adapter(createAdapter(pub, sub)); consumer.on('message', (m) => { io.emit('alert', m) })",
        "io.adapter(createAdapter(pub, sub)); consumer.on('message', (m) => { io.local.emit('alert', m) })",
    ),
    (
        "send.bus-elsewhere",
        "a.py",
        "CHANNEL_LAYERS = {'default': {'CONFIG': {'hosts': [('127.0.0.1', 6379)]}}}\n",
        "CHANNEL_LAYERS = {'default': {'CONFIG': {'hosts': [('redis', 6379)]}}}\n",
    ),
    (
        "send.bus-not-connected",
        "a.js",
        "import { createClient } from 'redis'; const p = createClient(); io.adapter(createAdapter(p, p.duplicate()))",
        "import { createClient } from 'redis'; const p = createClient(); await p.connect(); io.adapter(createAdapter(p, s))",
    ),
    (
        "send.event-without-interface",
        "a.php",
        "class Sold { public function broadcastOn() { return new Channel('x'); } }",
        "class Sold implements ShouldBroadcast { public function broadcastOn() { return new Channel('x'); } }",
    ),
    (
        "send.queue-without-limit",
        "a.cs",
        "var outbox = Channel.CreateUnbounded<string>(); // websocket\nsocket.Use(outbox);",
        "var outbox = Channel.CreateBounded<string>(64); // websocket\nsocket.Use(outbox);",
    ),
    (
        "send.faster-than-read",
        "a.js",
        "camera.on('frame', (f) => ws.send(f))",
        "camera.on('frame', (f) => { if (ws.bufferedAmount < 1e6) ws.send(f) })",
    ),
    (
        "send.waits-for-each",
        "a.cs",
        "foreach (var s in sockets)\n  await s.SendAsync(m, t, true, ct);",
        "await Task.WhenAll(sockets.Select(s => s.SendAsync(m, t, true, ct)));",
    ),
    (
        "send.dropped-silently",
        "a.rs",
        "let _ = client.tx.try_send(frame); // websocket",
        "if client.tx.try_send(frame).is_err() { client.kick(); } // websocket",
    ),
    (
        "send.at-most-once",
        "a.js",
        "channel.consume('q', (m) => io.emit('x', m), { noAck: true })",
        "channel.consume('q', (m) => { io.emit('x', m); channel.ack(m) })",
    ),
    (
        "send.handled-side-by-side",
        "a.go",
        "for {\n _, m, err := c.ReadMessage()\n go handle(m)\n}",
        "for {\n _, m, err := c.ReadMessage()\n handle(m)\n}",
    ),
    (
        "send.told-inside-transaction",
        "a.php",
        "DB::transaction(function () use ($o) { $o->save(); broadcast(new Sold($o)); });",
        "DB::transaction(function () use ($o) { $o->save(); });\nDB::afterCommit(fn () => broadcast(new Sold($o)));",
    ),
    (
        "send.state-before-subscription",
        "a.js",
        "socket.emit('snapshot', await load(room));\nsocket.join(room);",
        "socket.join(room);\nsocket.emit('snapshot', await load(room));",
    ),
    (
        "send.again-without-key",
        "a.js",
        "ws.on('open', () => { pending.forEach((m) => ws.send(m)) })",
        "ws.on('open', () => { pending.splice(0).forEach((m) => ws.send(m)) })",
    ),
    (
        "send.small-buffer-of-bus",
        "a.py",
        "CHANNEL_LAYERS = {'default': {'CONFIG': {'capacity': 10}}}\n",
        "CHANNEL_LAYERS = {'default': {'CONFIG': {}}}\n",
    ),
    (
        "send.task-dies-alone",
        "a.java",
        "class A { void s() { pool.scheduleAtFixedRate(this::push, 0, 1, SECONDS); } } // websocket",
        (
            "class A { void s() { pool.scheduleAtFixedRate(() -> { try { push(); } catch (Exception e) { log(e); } }, "
            "0, 1, SECONDS); } } // websocket"
        ),
    ),
    (
        "send.text-of-binary",
        "a.js",
        "ws.on('message', (m) => { if (m === 'ping') pong(ws) })",
        "ws.on('message', (m) => { if (m.toString() === 'ping') pong(ws) })",
    ),
    (
        "send.relayed-as-it-came",
        "a.js",
        "wss.on('connection', (a) => a.on('message', (m) => { others(a).forEach((b) => b.send(m)) }))",
        ("wss.on('connection', (a) => a.on('message', (m, isBinary) => { others(a).forEach((b) => b.send(m, { binary: isBinary })) }))"),
    ),
    (
        "serve.computes-in-the-loop",
        "a.js",
        "socket.on('job', (j) => socket.emit('done', simulateMarket(j)))",
        "socket.on('job', (j) => worker.postMessage(['simulateMarket', j]))",
    ),
    (
        "serve.unknown-event-has-no-clause",
        "a.ex",
        'def handle_in("ping", _, socket), do: {:reply, :ok, socket} # channel',
        ('def handle_in("ping", _, socket), do: {:reply, :ok, socket}\ndef handle_in(_other, _, socket), do: {:noreply, socket} # channel'),
    ),
    (
        "send.list-changed-in-its-loop",
        "a.java",
        "for (WsContext peer : peers) {\n  if (!peer.send(m)) peers.remove(peer);\n}",
        "for (WsContext peer : List.copyOf(peers)) {\n  if (!peer.send(m)) peers.remove(peer);\n}",
    ),
    (
        "serve.synchronous-client-in-async",
        "a.py",
        "async def receive(self, ws):\n    rows = db.query(Order)\n    await ws.send(rows)\n",
        "async def receive(self, ws):\n    rows = await to_thread(db.query, Order)\n    await ws.send(rows)\n",
    ),
    (
        "serve.compressed-for-each",
        "a.go",
        "var up = websocket.Upgrader{EnableCompression: true}",
        "var up = websocket.Upgrader{EnableCompression: false}",
    ),
    (
        "send.state-not-looked-at",
        "a.js",
        "wss.clients.forEach((c) => c.send(m))",
        "wss.clients.forEach((c) => { if (c.readyState === 1) c.send(m) })",
    ),
    (
        "send.emitter-without-bus",
        "a.py",
        "outside = SocketIO()\noutside.emit('done')\n",
        "outside = SocketIO(message_queue=url)\noutside.emit('done')\n",
    ),
    (
        "serve.origins-are-the-hosts",
        "a.py",
        "app = AllowedHostsOriginValidator(inner)\n# channels\n",
        "ALLOWED_HOSTS = ['*']\napp = AllowedHostsOriginValidator(inner)\n# channels\n",
    ),
    # more idioms
    (
        "admit.login-page-for-everything",
        "a.java",
        (
            'http.authorizeHttpRequests(a -> a.anyRequest().authenticated()).formLogin(f -> f.loginPage("/login")); // '
            'registry.addEndpoint("/tracker")'
        ),
        (
            'http.authorizeHttpRequests(a -> a.requestMatchers("/tracker/**").permitAll().anyRequest().authenticated()).for'
            'mLogin(f -> f.loginPage("/login")); // registry.addEndpoint("/tracker") websocket'
        ),
    ),
    (
        "admit.slash-put-right",
        "a.go",
        'mux.HandleFunc("/ws/", serveWs) // websocket',
        'mux.HandleFunc("/ws", serveWs) // websocket',
    ),
    (
        "admit.hand-written-101-incomplete",
        "a.py",
        "sock.sendall(b'HTTP/1.1 101 Switching Protocols\\r\\nConnection: keep-alive\\r\\nSec-WebSocket-Accept: x\\r\\n\\r\\n')",
        (
            "sock.sendall(b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: "
            "Upgrade\\r\\nSec-WebSocket-Accept: x\\r\\n\\r\\n')"
        ),
    ),
    (
        "admit.path-pattern-strict",
        "routing.py",
        "websocket_urlpatterns = [re_path(r'^api/v1/rover/$', RoverConsumer.as_asgi())]",
        "application = ProtocolTypeRouter({'websocket': URLRouter(routes)})",
    ),
    (
        "admit.pattern-begins-with-a-slash",
        "routing.py",
        "urls = [re_path(r'^/ws/chat/$', ChatConsumer.as_asgi())] # websocket",
        "urls = [re_path(r'^ws/chat/$', ChatConsumer.as_asgi())] # websocket",
    ),
    (
        "admit.frames-without-a-library",
        "a.py",
        "async with websockets.serve(handle, '0.0.0.0', 8765): ...",
        "sio = socketio.AsyncServer()",
    ),
    (
        "admit.library-beside-raw-server",
        "a.js",
        "const io = new Server(httpServer); const gql = new WebSocketServer({ server: httpServer, path: '/graphql' })",
        ("const io = new Server(httpServer, { destroyUpgrade: false }); const gql = new WebSocketServer({ noServer: true })"),
    ),
    (
        "admit.origin-against-host",
        "a.js",
        "server.on('upgrade', (req, s) => { if (new URL(req.headers.origin).host !== req.headers.host) s.destroy() })",
        (
            "server.on('upgrade', (req, s) => { if (new URL(req.headers.origin).host !== (req.headers['x-forwarded-host'] "
            "?? req.headers.host)) s.destroy() })"
        ),
    ),
    (
        "admit.origin-kept-in-a-name",
        "a.js",
        "const from = new URL(req.headers.origin).host; if (from !== req.headers.host) end(403)",
        "const from = new URL(req.headers.origin).host; if (!allowed.has(from)) end(403)",
    ),
    (
        "admit.cookie-of-any-page",
        "a.ts",
        (
            "Bun.serve({ async fetch(req, server) { const user = await userFromCookie(req.headers.get('cookie')); if "
            "(server.upgrade(req)) return } })"
        ),
        (
            "Bun.serve({ async fetch(req, server) { if (!same(req.headers.get('origin'))) return no; const user = await "
            "userFromCookie(req.headers.get('cookie')); if (server.upgrade(req)) return } })"
        ),
    ),
    (
        "admit.counted-per-address",
        "a.js",
        (
            "server.on('upgrade', (req, s) => { const ip = req.socket.remoteAddress; if (++hits[ip] > 10) return "
            "s.end('HTTP/1.1 429 Too Many Requests') })"
        ),
        "server.on('upgrade', (req, s) => { wss.handleUpgrade(req, s, head, open) })",
    ),
    (
        "keep.own-idle-limit",
        "a.erl",
        "init(Req, State) -> {cowboy_websocket, Req, State}. % socket",
        "init(Req, State) -> {cowboy_websocket, Req, State, #{idle_timeout => infinity}}. % socket",
    ),
    (
        "keep.read-limit-in-the-pipeline",
        "a.java",
        ('ch.pipeline().addLast(new ReadTimeoutHandler(60)); ch.pipeline().addLast(new WebSocketServerProtocolHandler("/push"));'),
        'ch.pipeline().addLast(new WebSocketServerProtocolHandler("/push"));',
    ),
    (
        "keep.compression-of-each-connection",
        "a.erl",
        "Opts = #{compress => true, deflate_opts => #{mem_level => 9}}, {cowboy_websocket, Req, #{}, Opts}.",
        "Opts = #{idle_timeout => infinity}, {cowboy_websocket, Req, #{}, Opts}.",
    ),
    (
        "keep.another-client-for-each",
        "a.java",
        (
            "vertx.createHttpServer().webSocketHandler(ws -> { HttpClient up = vertx.createHttpClient(); "
            "up.webSocket(7001, h, p, ar -> relay(ar)); })"
        ),
        (
            "vertx.createHttpServer().webSocketHandler(ws -> { HttpClient up = vertx.createHttpClient(); ws.closeHandler(x "
            "-> up.close()); })"
        ),
    ),
    (
        "keep.redialled-without-closing",
        "a.go",
        (
            "func stream(ctx context.Context) { for ctx.Err() == nil { c, _, _ := websocket.DefaultDialer.Dial(u, nil)\ngo "
            "func() { <-ctx.Done(); c.Close() }()\nread(c) } }"
        ),
        "func stream(ctx context.Context) { for ctx.Err() == nil { once(ctx) } }",
    ),
    (
        "keep.client-with-its-own-limit",
        "a.cpp",
        "client c; c.init_asio(); c.set_message_handler(&on_map); c.connect(con); // websocket",
        "client c; c.init_asio(); c.set_max_message_size(1 << 28); c.set_message_handler(&on_map); // websocket",
    ),
    (
        "keep.frames-by-hand",
        "a.java",
        "out.write(0x81); out.write(msg.length()); out.write(msg.getBytes(UTF_8)); // websocket",
        "out.write(0x81); if (n < 126) out.write(n); else { out.write(126); } // websocket",
    ),
    (
        "send.loop-that-dies-quietly",
        "a.go",
        "func (s *Server) poll() { defer func() { recover() }()\nfor range time.Tick(d) { s.hub.Broadcast(load()) } }",
        ("func (s *Server) poll() { for range time.Tick(d) { s.once() } }\nfunc (s *Server) once() { s.hub.Broadcast(load()) }"),
    ),
    (
        "send.each-node-does-the-work",
        "a.ex",
        ('defmodule P do\n  use GenServer\n  def handle_info(:tick, s) do\n    Web.Endpoint.broadcast("scores", "row", s)\n  end\nend'),
        (
            "defmodule P do\n  use GenServer\n  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: {:global, "
            'P})\n  def handle_info(:tick, s) do\n    Web.Endpoint.broadcast("scores", "row", s)\n  end\nend'
        ),
    ),
    (
        "send.everything-to-everybody",
        "a.py",
        (
            "async def on_cursor(self, who, pos):\n    for ws in list(self.peers):\n        await ws.send(json.dumps({'all': "
            "self.cursors}))\n"
        ),
        (
            "async def on_cursor(self, who, pos):\n    text = json.dumps({'who': who, 'pos': pos})\n    "
            "websockets.broadcast(self.peers, text)\n"
        ),
    ),
    (
        "send.throws-inside-the-loop",
        "a.ts",
        (
            "function say(t) {\n  for (const [id, c] of clients) {\n    if (c.ws.readyState !== 1) throw new Error(`client "
            "${id} gone`);\n    c.ws.send(t);\n  }\n}"
        ),
        ("function say(t) {\n  for (const [id, c] of clients) {\n    if (c.ws.readyState !== 1) continue;\n    c.ws.send(t);\n  }\n}"),
    ),
    (
        "send.registry-filled-alone",
        "a.java",
        (
            '@ServerEndpoint("/d") class D { static final Map<String, Session> open = new HashMap<>(); @OnOpen public void '
            'in(Session s) { open.put(s.getId(), s); } @OnClose public void out(Session s) { log.info("bye"); } }'
        ),
        (
            '@ServerEndpoint("/d") class D { static final Map<String, Session> open = new HashMap<>(); @OnOpen public void '
            "in(Session s) { open.put(s.getId(), s); } @OnClose public void out(Session s) { open.remove(s.getId()); } }"
        ),
    ),
    (
        "send.timer-of-a-gone-client",
        "a.js",
        (
            "wsServer.on('request', (rq) => { const c = rq.accept('t', rq.origin); setInterval(() => c.sendUTF(now()), "
            "1000); c.on('close', () => log('left')) })"
        ),
        (
            "wsServer.on('request', (rq) => { const c = rq.accept('t', rq.origin); const t = setInterval(() => "
            "c.sendUTF(now()), 1000); c.on('close', () => clearInterval(t)) })"
        ),
    ),
    (
        "send.several-callbacks-one-socket",
        "a.cs",
        (
            "bus.Subscribe<A>(o => ws.SendAsync(Json(o), Text, true, default)); bus.Subscribe<B>(s => "
            "ws.SendAsync(Json(s), Text, true, default));"
        ),
        (
            "bus.Subscribe<A>(o => queue.Writer.TryWrite(o)); bus.Subscribe<B>(s => queue.Writer.TryWrite(s)); // "
            "ws.SendAsync reads the queue"
        ),
    ),
    (
        "admit.plain-server-dialled-with-tls",
        "a.js",
        "const hub = new WebSocketServer({ port: 7070 }); const probe = new WebSocket('wss://localhost:7070')",
        "const hub = new WebSocketServer({ port: 7070 }); const probe = new WebSocket('ws://localhost:7070')",
    ),
    (
        "keep.process-of-each-connection",
        "a.py",
        (
            "@app.websocket('/logs')\nasync def logs(ws):\n    p = await asyncio.create_subprocess_exec('tail', '-f', P)\n    "
            "async for line in p.stdout:\n        await ws.send_text(line)\n"
        ),
        (
            "@app.websocket('/logs')\nasync def logs(ws):\n    p = await asyncio.create_subprocess_exec('tail', '-f', P)\n    "
            "try:\n        async for line in p.stdout:\n            await ws.send_text(line)\n    finally:\n        p.kill()\n"
        ),
    ),
    (
        "keep.limit-set-small",
        "a.java",
        "@Bean ServletServerContainerFactoryBean c() { c.setMaxTextMessageBufferSize(8192); return c; } // websocket",
        "@Bean ServletServerContainerFactoryBean c() { c.setMaxTextMessageBufferSize(8388608); return c; } // websocket",
    ),
    (
        "admit.netloc-of-origin",
        "a.py",
        "def check_origin(self, origin):\n    return urlparse(origin).netloc == self.request.host\n",
        "def check_origin(self, origin):\n    return urlparse(origin).netloc in ALLOWED\n",
    ),
    (
        "keep.deadline-of-seconds",
        "a.go",
        "conn.SetReadDeadline(time.Now().Add(5 * time.Second)); conn.SetPongHandler(f)",
        "conn.SetReadDeadline(time.Now().Add(90 * time.Second)); conn.SetPongHandler(f)",
    ),
    (
        "send.unchecked-input",
        "a.py",
        "@socketio.on('move')\ndef move(data):\n    board[data['x']] = data['v']\n",
        (
            "@socketio.on('move')\ndef move(data):\n    try:\n        board[data['x']] = data['v']\n    except (KeyError, "
            "TypeError):\n        emit('bad')\n"
        ),
    ),
    (
        "send.loop-over-live-sessions-unguarded",
        "a.rs",
        "for session in sessions.values() {\n    session.do_send(Msg(text.clone())).unwrap();\n}",
        "for session in sessions.values() {\n    let _ = session.do_send(Msg(text.clone()));\n}",
    ),
    (
        "send.map-of-flags",
        "a.cs",
        ("public override Task OnConnectedAsync() { Users[Context.ConnectionId] = Name; return base.OnConnectedAsync(); } // hub"),
        (
            "public override Task OnConnectedAsync() { Users[Context.ConnectionId] = Name; return base.OnConnectedAsync(); "
            "} public override Task OnDisconnectedAsync(Exception e) { Users.TryRemove(Context.ConnectionId, out _); "
            "return base.OnDisconnectedAsync(e); } // hub"
        ),
    ),
    (
        "send.replicas-without-stickiness",
        "a.js",
        "const io = new Server(http)\nconst replicas = 3",
        "const io = new Server(http, { transports: ['websocket'] })\nconst replicas = 3",
    ),
    (
        "send.one-client-for-both",
        "a.js",
        "io.adapter(createAdapter(pub, pub))",
        "io.adapter(createAdapter(pub, pub.duplicate()))",
    ),
    (
        "send.grows-for-slow-readers",
        "a.go",
        "for _, c := range clients { c.out = append(c.out, msg) }",
        "for _, c := range clients { if len(c.out) > 100 { c.Close(); continue }; c.out = append(c.out, msg) }",
    ),
    (
        "send.never-committed",
        "a.js",
        "const c = kafka.consumer({ autoCommit: false }); c.on('message', m => io.emit('order', m))",
        "const c = kafka.consumer({ autoCommit: false }); c.on('message', m => { io.emit('order', m); c.commit() })",
    ),
    (
        "send.answered-when-done",
        "a.js",
        "ws.on('message', async m => { const r = await save(m); broadcast(r) })",
        "ws.on('message', m => { chain = chain.then(() => save(m)).then(broadcast) })",
    ),
    (
        "admit.subprotocol-refused",
        "a.js",
        "const wss = new WebSocketServer({ port, handleProtocols: (p) => p.has('v2.chat') ? 'v2.chat' : false })",
        "const wss = new WebSocketServer({ port })",
    ),
    (
        "admit.requirements-without-sockets",
        "main.py",
        "# requirements: uvicorn\n@app.websocket('/ws')\nasync def f(ws): ...\n",
        "# requirements: uvicorn[standard]\n@app.websocket('/ws')\nasync def f(ws): ...\n",
    ),
    (
        "send.attached-and-never-detached",
        "a.php",
        (
            "public function onOpen(ConnectionInterface $conn) { $this->clients->attach($conn); } public function "
            "onClose($conn) { echo 'bye'; }"
        ),
        (
            "public function onOpen(ConnectionInterface $conn) { $this->clients->attach($conn); } public function "
            "onClose($conn) { $this->clients->detach($conn); }"
        ),
    ),
    (
        "send.write-while-writing",
        "a.cpp",
        "void session::send(std::string m) { ws_.async_write(net::buffer(m), [](auto ec, auto n) {}); } // websocket",
        (
            "void session::send(std::string m) { queue_.push_back(m); if (queue_.size() == 1) write(); } void "
            "session::write() { ws_.async_write(net::buffer(queue_.front()), f); } // websocket"
        ),
    ),
    (
        "serve.hijack-under-forking-server",
        "a.rb",
        "# unicorn -c config/unicorn.rb\nws = Faye::WebSocket.new(env)\n",
        "# puma -C config/puma.rb\nws = Faye::WebSocket.new(env)\n",
    ),
    (
        "serve.pair-compared-literally",
        "a.rs",
        'if req.headers().get(header::CONNECTION) != Some(&HeaderValue::from_static("upgrade")) { return Err(Refused); } // websocket\n',
        'if !header_contains(req.headers(), header::CONNECTION, "upgrade") { return Err(Refused); } // websocket\n',
    ),
    (
        "serve.pair-compared-literally",
        "a.py",
        "async def f(scope, receive, send):\n    return (b'connection', b'Upgrade') in scope['headers']\n",
        "async def f(scope, receive, send):\n    return any(k == b'connection' and b'upgrade' in v.lower() for k, v in scope['headers'])\n",
    ),
    (
        "admit.asked-and-not-offered",
        "a.go",
        "var up = websocket.Upgrader{ReadBufferSize: 1}\n// stations send Sec-WebSocket-Protocol: ocpp1.6\n",
        'var up = websocket.Upgrader{Subprotocols: []string{"ocpp1.6"}}\n// stations send Sec-WebSocket-Protocol: ocpp1.6\n',
    ),
    (
        "admit.token-of-the-first-attempt",
        "a.kt",
        'val request = Request.Builder().url(u).header("Authorization", token()).build()\nfun again() { http.newWebSocket(request, this) }\n',
        'fun again() { http.newWebSocket(Request.Builder().url(u).header("Authorization", token()).build(), this) }\n',
    ),
    (
        "keep.large-files-under-default",
        "a.py",
        "# pictures of 5 MB\nsio = socketio.AsyncServer()\n@sio.event\nasync def upload(sid, image): ...\n",
        "# pictures of 5 MB\nsio = socketio.AsyncServer(max_http_buffer_size=10**7)\n@sio.event\nasync def upload(sid, image): ...\n",
    ),
    (
        "keep.idle-limit-of-the-session",
        "a.java",
        "class A { @OnOpen void o(Session s) { s.setMaxIdleTimeout(30_000); } }",
        "class A { @OnOpen void o(Session s) { s.setMaxIdleTimeout(30_000); s.getBasicRemote().sendPing(b); } }",
    ),
    (
        "keep.silence-is-never-noticed",
        "a.py",
        "async def main():\n    await websockets.serve(h, '', 1, ping_interval=None)\n",
        "async def main():\n    await websockets.serve(h, '', 1, ping_interval=20)\n",
    ),
    (
        "send.tasks-without-turns",
        "a.cs",
        "Task.Run(async () => { await ws.SendAsync(a, t, true, c); }); Task.Run(async () => { await ws.SendAsync(b, t, true, c); });",
        "Task.Run(async () => { await one.WaitAsync(); await ws.SendAsync(a, t, true, c); }); Task.Run(async () => { await ws.SendAsync(b, t, true, c); });",
    ),
    (
        "send.transport-without-library",
        "a.py",
        "from flask_socketio import SocketIO\nsio = SocketIO(app, async_mode='threading')\n",
        "from flask_socketio import SocketIO\nsio = SocketIO(app, async_mode='threading')  # with simple-websocket\n",
    ),
    (
        "keep.simple-broker-without-beats",
        "a.java",
        'class A { void c(R r) { r.enableSimpleBroker("/t"); } }',
        'class A { void c(R r) { r.enableSimpleBroker("/t").setHeartbeatValue(b).setTaskScheduler(s); } }',
    ),
    (
        "keep.watch-fed-by-pongs",
        "a.js",
        "const ws = new WebSocket(url); ws.on('message', (m) => { lastSeen = Date.now(); use(m) }); ws.on('pong', () => { lastSeen = Date.now() })",
        "const ws = new WebSocket(url); ws.on('message', (m) => { lastSeen = Date.now(); use(m) }); ws.on('pong', () => { alive = true })",
    ),
    (
        "keep.store-of-connections-never-shrinks",
        "a.py",
        "def connect(e, c):\n    table.put_item(Item={'connectionId': e['id']})\n",
        "def connect(e, c):\n    table.put_item(Item={'connectionId': e['id']})\ndef disconnect(e, c):\n    table.delete_item(Key={'connectionId': e['id']})\n",
    ),
    (
        "send.no-look-at-what-waits",
        "a.js",
        "wss.clients.forEach((c) => c.send(m))",
        "wss.clients.forEach((c) => { if (c.bufferedAmount < 1e6) c.send(m) })",
    ),
    (
        "send.object-as-text",
        "a.py",
        "async def h(ws):\n    payload = {'a': 1}\n    await ws.send(f'{payload}')\n",
        "async def h(ws):\n    payload = {'a': 1}\n    await ws.send(json.dumps(payload))\n",
    ),
    (
        "send.object-never-made-text",
        "a.js",
        "const update = { id: o.id };\nfor (const c of wss.clients) c.send(`${update}`);",
        "const update = { id: o.id };\nfor (const c of wss.clients) c.send(JSON.stringify(update));",
    ),
    (
        "send.object-printed",
        "a.go",
        'package a\nfunc p(c *websocket.Conn) { c.WriteMessage(1, []byte(fmt.Sprintf("%+v", ev))) }',
        "package a\nfunc p(c *websocket.Conn) { c.WriteJSON(ev) }",
    ),
    (
        "send.map-printed",
        "a.java",
        "class A { void p(Session s) { Map<String, Object> m = new HashMap<>(); s.getBasicRemote().sendText(m.toString()); } }",
        "class A { void p(Session s) { Map<String, Object> m = new HashMap<>(); s.getBasicRemote().sendText(json.write(m)); } }",
    ),
    (
        "send.text-twice",
        "a.py",
        "async def h(ws):\n    await ws.send_json(json.dumps(m))\n",
        "async def h(ws):\n    await ws.send_json(m)\n",
    ),
    (
        "send.made-for-one-server-heard-by-another",
        "a.js",
        "const site = express(); const srv = http.createServer(site); new WebSocketServer({ server: srv }); site.listen(80)",
        "const site = express(); const srv = http.createServer(site); new WebSocketServer({ server: srv }); srv.listen(80)",
    ),
    (
        "send.receiver-gone-for-good",
        "a.go",
        "package a\nfunc (h *Hub) run() {\n\tfor {\n\t\tm, err := sub.ReceiveMessage(ctx)\n\t\tif err != nil {\n\t\t\treturn\n\t\t}\n\t\th.broadcast <- m\n\t}\n}\n",
        "package a\nfunc (h *Hub) run() {\n\tfor {\n\t\tm, err := sub.ReceiveMessage(ctx)\n\t\tif err != nil {\n\t\t\ttime.Sleep(time.Second)\n\t\t\tcontinue\n\t\t}\n\t\th.broadcast <- m\n\t}\n}\n",
    ),
    (
        "send.go-map-never-shrinks",
        "a.go",
        "package a\ntype H struct { users map[string]*websocket.Conn }\nfunc (h *H) in(u string, c *websocket.Conn) { h.users[u] = c }\n",
        "package a\ntype H struct { users map[string]*websocket.Conn }\nfunc (h *H) in(u string, c *websocket.Conn) { h.users[u] = c }\nfunc (h *H) out(u string) { delete(h.users, u) }\n",
    ),
    (
        "send.loop-runs-in-a-pool",
        "A.java",
        "class A { void s() { pool.submit(() -> { while (true) { hub.broadcast(queue.take()); } }); } }",
        "class A { void s() { pool.submit(() -> { while (true) { try { hub.broadcast(queue.take()); } catch (Exception e) { log(e); } } }); } }",
    ),
    (
        "send.time-for-the-whole-conversation",
        "a.py",
        "async def x(ws):\n    async with asyncio.timeout(300):\n        async for t in ws.iter_text():\n            pass\n",
        "async def x(ws):\n    while True:\n        async with asyncio.timeout(300):\n            t = await ws.receive_text()\n",
    ),
    (
        "send.guarded-as-a-whole",
        "a.kt",
        "suspend fun tell(t: String) {\n    try {\n        sessions.forEach { it.send(Frame.Text(t)) }\n    } catch (e: IOException) {\n    }\n}\n",
        "suspend fun tell(t: String) {\n    sessions.forEach {\n        try { it.send(Frame.Text(t)) } catch (e: IOException) { }\n    }\n}\n",
    ),
    (
        "send.record-as-its-own-text",
        "a.js",
        "for (const c of wss.clients) c.send(order.toString())",
        "for (const c of wss.clients) c.send(JSON.stringify(order))",
    ),
]
