"""Rows of defects of page code in many languages: id of the pattern, name of the file, a faulty piece, the same in order."""

PAGE_IDIOMS = [
    (
        "page.this-of-plain-function",
        "a.ts",
        "class A { go() { this.s.addEventListener('message', function (m) { this.rows.push(m.data) }) } }",
        "class A { go() { this.s.addEventListener('message', (m) => { this.rows.push(m.data) }) } }",
    ),
    (
        "page.arrow-in-options",
        "a.js",
        "export default { sockets: { joined: (who) => { this.people.push(who) } } }",
        "export default { sockets: { joined(who) { this.people.push(who) } } }",
    ),
    (
        "page.change-detection-not-told",
        "a.ts",
        (
            "@Component({ changeDetection: ChangeDetectionStrategy.OnPush }) class A { go() { this.live.subscribe((p) "
            "=> { this.price = p }) } }"
        ),
        (
            "@Component({ changeDetection: ChangeDetectionStrategy.OnPush }) class A { go() { this.live.subscribe((p) "
            "=> { this.price = p; this.cdr.markForCheck() }) } }"
        ),
    ),
    (
        "page.reactive-value-replaced",
        "a.ts",
        "let rows = reactive([])\nws.onmessage = (e) => { rows = JSON.parse(e.data) }",
        "const rows = ref([])\nws.onmessage = (e) => { rows.value = JSON.parse(e.data) }",
    ),
    (
        "page.index-or-property-added",
        "a.js",
        "socket.on('price', (p) => { this.prices[p.symbol] = p.value })",
        "socket.on('price', (p) => { this.$set(this.prices, p.symbol, p.value) })",
    ),
    (
        "page.reducer-changes-state",
        "a.js",
        "function chat(state, a) { switch (a.type) { case 'message': state.items.push(a.item); return state } } // socket",
        ("function chat(state, a) { switch (a.type) { case 'message': return { ...state, items: [...state.items, a.item] } } } // socket"),
    ),
    (
        "page.shown-from-a-ref",
        "a.tsx",
        "socket.on('n', (n) => { count.current = n }); return <b>{count.current}</b>",
        "socket.on('n', (n) => { setCount(n) }); return <b>{count}</b>",
    ),
    (
        "page.drawn-on-a-foreign-thread",
        "a.kt",
        "override fun onMessage(ws: WebSocket, text: String) { status.setText(text) }",
        "override fun onMessage(ws: WebSocket, text: String) { runOnUiThread { status.setText(text) } }",
    ),
    (
        "page.flutter-without-set-state",
        "a.dart",
        "class S extends State<Feed> { void go() { channel.stream.listen((m) { rows.add(m); }); } }",
        "class S extends State<Feed> { void go() { channel.stream.listen((m) { setState(() { rows.add(m); }); }); } }",
    ),
    (
        "page.live-data-same-object",
        "a.kt",
        "val chat = MutableLiveData<MutableList<String>>()\nfun onMessage(t: String) { chat.value?.add(t) }",
        "val chat = MutableLiveData<List<String>>()\nfun onMessage(t: String) { chat.postValue(chat.value.orEmpty() + t) }",
    ),
    (
        "page.redrawn-from-scratch",
        "a.js",
        "socket.on('point', (p) => { series.push(p); chart.update() })",
        "socket.on('point', (p) => { series.push(p); requestAnimationFrame(draw) })",
    ),
    (
        "page.state-copied-per-message",
        "a.tsx",
        "socket.on('line', (l) => { setLines(all => [...all, l]) })",
        "socket.on('line', (l) => { setLines(all => [...all.slice(-200), l]) })",
    ),
    (
        "page.refetched-per-message",
        "a.ts",
        "channel.listen('OrderChanged', () => queryClient.invalidateQueries(['orders']))",
        "channel.listen('OrderChanged', debounce(() => queryClient.invalidateQueries(['orders']), 500))",
    ),
    (
        "page.handlers-on-each-visit",
        "a.js",
        "document.addEventListener('turbo:load', () => { socket.on('bid', show) })",
        "document.addEventListener('turbo:load', () => { socket.off('bid'); socket.on('bid', show) })",
    ),
    (
        "page.handlers-on-each-click",
        "a.js",
        "button.addEventListener('click', () => { socket.on('reply', show); socket.emit('ask') })",
        "socket.on('reply', show); button.addEventListener('click', () => { socket.emit('ask') })",
    ),
    (
        "page.handlers-on-each-reconnect",
        "a.cs",
        'hub.Reconnected += id => { hub.On<string>("Said", Show); return Task.CompletedTask; };',
        'hub.On<string>("Said", Show); hub.Reconnected += id => Join();',
    ),
    (
        "page.handlers-of-a-screen",
        "a.dart",
        "void initState() { super.initState(); socket.on('ride', update); }",
        "void initState() { super.initState(); socket.on('ride', update); }\nvoid dispose() { socket.off('ride', update); }",
    ),
    (
        "page.opened-in-callback-of-visit",
        "a.dart",
        "Widget build(BuildContext c) { final ch = WebSocketChannel.connect(uri); return Feed(ch); }",
        "Widget build(BuildContext c) { return Feed(widget.channel); }",
    ),
    (
        "page.opened-on-mount-never-closed",
        "a.js",
        "export default { mounted() { this.ws = new WebSocket(u); this.ws.onmessage = this.on } }",
        ("export default { mounted() { this.ws = new WebSocket(u); this.ws.onmessage = this.on }, unmounted() { this.ws.close() } }"),
    ),
    (
        "page.misspelt-handler",
        "a.js",
        "const ws = new WebSocket(u); ws.onMessage = draw",
        "const ws = new WebSocket(u); ws.onmessage = draw",
    ),
    (
        "page.native-socket-named-event",
        "a.js",
        "const feed = new WebSocket(u); feed.addEventListener('trade', draw)",
        "const feed = new WebSocket(u); feed.addEventListener('message', draw)",
    ),
    (
        "page.library-name-of-event",
        "a.js",
        "const socket = io(); socket.on('connected', hello)",
        "const socket = io(); socket.on('connect', hello)",
    ),
    (
        "page.other-user-destination",
        "a.js",
        "stomp.subscribe('topic/news', draw) // socket",
        "stomp.subscribe('/topic/news', draw) // socket",
    ),
    ("page.late-handler", "a.ts", "await hub.start();\nhub.on('Said', show)", "hub.on('Said', show);\nawait hub.start();"),
    (
        "page.read-aside",
        "a.js",
        "ws.onmessage = (e) => { e.data.text().then(apply) }",
        "ws.binaryType = 'arraybuffer'; ws.onmessage = (e) => { apply(dec.decode(e.data)) }",
    ),
    ("page.text-or-binary", "a.js", "ws.send({ type: 'hello' })", "ws.send(JSON.stringify({ type: 'hello' }))"),
    (
        "page.bytes-of-a-blob",
        "a.js",
        "const ws = new WebSocket(u); ws.onmessage = (e) => draw(new Uint8Array(e.data))",
        "const ws = new WebSocket(u); ws.binaryType = 'arraybuffer'; ws.onmessage = (e) => draw(new Uint8Array(e.data))",
    ),
    (
        "page.json-expected",
        "a.ts",
        "const live = webSocket('wss://a.example/x')",
        "const live = webSocket({ url: 'wss://a.example/x', deserializer: (e) => e.data })",
    ),
    (
        "page.several-in-one-frame",
        "a.js",
        "// the server sends nd-json\nws.onmessage = (e) => put(JSON.parse(e.data))",
        "// the server sends nd-json\nws.onmessage = (e) => e.data.split('\\n').map((l) => put(JSON.parse(l)))",
    ),
    (
        "page.one-read-is-one-message",
        "a.cs",
        "var r = await ws.ReceiveAsync(buffer, ct); var m = JsonSerializer.Deserialize<Tick>(buffer);",
        (
            "do { r = await ws.ReceiveAsync(buffer, ct); ms.Write(buffer); } while (!r.EndOfMessage); var m = "
            "JsonSerializer.Deserialize<Tick>(ms);"
        ),
    ),
    (
        "page.swallowed-error",
        "a.js",
        "ws.onmessage = (e) => { try { show(JSON.parse(e.data)) } catch (x) {} }",
        "ws.onmessage = (e) => { try { show(JSON.parse(e.data)) } catch (x) { report(x) } }",
    ),
    (
        "page.insecure-scheme-alone",
        "a.js",
        "const socket = new WebSocket('ws://' + location.host + '/x')",
        "const socket = new WebSocket((location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + '/x')",
    ),
    (
        "page.insecure-literal",
        "a.py",
        "ws = websocket.create_connection('ws://feed.shop.example/v1')",
        "ws = websocket.create_connection('wss://feed.shop.example/v1')",
    ),
    ("page.dials-any-address", "a.js", "const s = new WebSocket('ws://0.0.0.0:9000')", "const s = new WebSocket('wss://a.example')"),
    ("page.dials-service-name", "a.js", "const s = new WebSocket('ws://backend:9000/ws')", "const s = new WebSocket('wss://a.example/ws')"),
    (
        "page.port-after-path",
        "a.js",
        "const s = new WebSocket(`wss://${location.origin}/ws`)",
        "const s = new WebSocket(`wss://${location.host}/ws`)",
    ),
    ("page.url-not-whole", "a.js", "const s = new WebSocket('/live')", "const s = new WebSocket('wss://a.example/live')"),
    (
        "page.setting-of-another-bundler",
        "a.js",
        "const s = new WebSocket(import.meta.env.REACT_APP_WS)",
        "const s = new WebSocket(import.meta.env.VITE_WS)",
    ),
    (
        "page.path-of-library-in-url",
        "a.js",
        "const s = io('https://a.example/api/live')",
        "const s = io('https://a.example', { path: '/api/live' })",
    ),
    ("page.path-hint", "a.js", "const c = Stomp.over(new WebSocket(u))", "const c = new Client({ webSocketFactory: f }) // socket"),
    (
        "page.raw-socket-to-library",
        "a.js",
        "const s = new WebSocket('wss://a.example/socket.io/')",
        "const s = new WebSocket('wss://a.example/live')",
    ),
    ("page.library-to-raw-server", "a.js", "const s = io('wss://a.example/ws')", "const s = io('https://a.example')"),
    (
        "page.graphql-without-subprotocol",
        "a.js",
        "const s = new WebSocket('wss://a.example/graphql')",
        "const s = new WebSocket('wss://a.example/graphql', 'graphql-transport-ws')",
    ),
    ("page.token-as-subprotocol", "a.js", "const s = new WebSocket(url, ['access', session.token])", "const s = new WebSocket(url)"),
    ("page.subprotocol-offered", "a.js", "const s = new WebSocket(url, 'chat.v2')", "const s = new WebSocket(url)"),
    (
        "page.headers-cannot-be-sent",
        "a.js",
        "const es = new EventSource('/events', { headers: { Authorization: t } })",
        "const es = new EventSource('/events', { withCredentials: true })",
    ),
    (
        "page.credentials-in-url",
        "a.js",
        "const s = new WebSocket('wss://bob:secret@a.example/x')",
        "const s = new WebSocket('wss://a.example/x')",
    ),
    (
        "page.cookie-not-sent-across",
        "a.js",
        "const s = io('https://api.a.example')",
        "const s = io('https://api.a.example', { withCredentials: true })",
    ),
    (
        "page.token-after-the-fact",
        "a.js",
        (
            "const http = setContext(() => ({ headers: { authorization: jwt } }));"
            "const link = new GraphQLWsLink(createClient({ url: 'wss://a.example/graphql' }))"
        ),
        "const link = new GraphQLWsLink(createClient({ url: 'wss://a.example/graphql', connectionParams: auth }))",
    ),
    (
        "page.token-read-once",
        "a.ts",
        "new HubConnectionBuilder().withUrl('/h', { accessTokenFactory: () => this.token })",
        "new HubConnectionBuilder().withUrl('/h', { accessTokenFactory: () => this.auth.fresh() })",
    ),
    (
        "page.url-with-token-kept",
        "a.js",
        "const url = `wss://a.example/ws?token=${jwt}`\nfunction reconnect() { ws = new WebSocket(url) }",
        "function reconnect() { ws = new WebSocket(`wss://a.example/ws?token=${fresh()}`) }",
    ),
    ("page.app-key-wrong", "a.js", "const p = new Pusher('1234567')", "const p = new Pusher('a1b2c3d4e5f60718293a')"),
    ("page.app-key-elsewhere", "a.js", "const e = new Echo({ broadcaster: 'reverb' })", "const e = new Echo({ broadcaster: 'socket.io' })"),
    (
        "page.sent-right-after-opening",
        "a.js",
        "stomp.activate();\nstomp.publish({ destination: '/app/hi' })",
        "await stomp.activate();\nstomp.publish({ destination: '/app/hi' })",
    ),
    ("page.send-on-a-guess", "a.js", "setTimeout(() => ws.send('hi'), 500)", "ws.onopen = () => ws.send('hi')"),
    (
        "page.event-source-closed-on-error",
        "a.js",
        "const es = new EventSource('/e'); es.onerror = () => es.close()",
        "const es = new EventSource('/e'); es.onerror = () => badge('wait')",
    ),
    ("page.clean-close-is-final", "a.js", "ws.onclose = (e) => { if (e.wasClean) return; again() }", "ws.onclose = (e) => { again() }"),
    (
        "page.library-gives-up",
        "a.ts",
        "const hub = new HubConnectionBuilder().withUrl('/h').withAutomaticReconnect().build()",
        "const hub = new HubConnectionBuilder().withUrl('/h').withAutomaticReconnect(policy).build()",
    ),
    (
        "page.end-is-only-noted",
        "a.swift",
        'func websocketDidDisconnect(socket: WebSocketClient, error: Error?) {\n  print("gone")\n}',
        "func websocketDidDisconnect(socket: WebSocketClient, error: Error?) {\n  scheduleReconnect()\n}",
    ),
    (
        "page.again-at-once",
        "a.dart",
        "channel.stream.listen(show, onDone: () {\n  connect();\n});",
        "channel.stream.listen(show, onDone: () {\n  Timer(wait(), connect);\n});",
    ),
    (
        "page.again-after-the-same-time",
        "a.py",
        (
            "while True:\n    try:\n        run(websockets.connect(u))\n    except ConnectionClosed:\n        time.sleep(5)\n"
            "        continue\n"
        ),
        (
            "while True:\n    try:\n        run(websockets.connect(u))\n    except ConnectionClosed:\n"
            "        time.sleep(min(60, 2 ** n))\n        continue\n"
        ),
    ),
    (
        "page.library-same-delay",
        "a.js",
        "const c = new Client({ brokerURL: u, reconnectDelay: 3000 })",
        "const c = new Client({ brokerURL: u, reconnectDelay: 3000, reconnectTimeMode: ReconnectionTimeMode.EXPONENTIAL })",
    ),
    (
        "page.random-but-not-growing",
        "a.js",
        "ws.onclose = () => { setTimeout(open, 500 + Math.random() * 3000) }",
        "ws.onclose = () => { setTimeout(open, Math.random() * 500 * 2 ** n) }",
    ),
    (
        "page.subscribed-at-first-opening",
        "a.js",
        "socket.once('connect', () => socket.emit('join', room))",
        "socket.on('connect', () => socket.emit('join', room))",
    ),
    (
        "page.subscription-not-repeated",
        "a.kt",
        (
            "override fun onOpen(w: WebSocket, r: Response) { up.value = true }\n"
            "override fun onFailure(w: WebSocket, t: Throwable, r: Response?) { retry() }\nfun watch(id: String) { ws.send(id) }"
        ),
        (
            "override fun onOpen(w: WebSocket, r: Response) { topics.forEach { ws.send(it) } }\n"
            "override fun onFailure(w: WebSocket, t: Throwable, r: Response?) { retry() }\nfun watch(id: String) { ws.send(id) }"
        ),
    ),
    (
        "page.dotnet-group-joined-once",
        "a.cs",
        ('var hub = new HubConnectionBuilder().WithUrl(u).WithAutomaticReconnect().Build(); await hub.InvokeAsync("JoinGroup", g);'),
        (
            "var hub = new HubConnectionBuilder().WithUrl(u).WithAutomaticReconnect().Build(); hub.Reconnected += _ "
            '=> hub.InvokeAsync("JoinGroup", g);'
        ),
    ),
    (
        "page.subscribed-outside-on-connect",
        "a.py",
        "client.connect('broker')\nclient.subscribe('plant/#')\nclient.loop_forever() # websockets\n",
        "client.on_connect = subscribe\nclient.connect('broker') # websockets\n",
    ),
    (
        "page.nothing-asked-after-reconnect",
        "a.js",
        "ws.onopen = () => { setConnected(true) }; ws.onclose = () => { setTimeout(connect, wait()) }",
        "ws.onopen = () => { refetch() }; ws.onclose = () => { setTimeout(connect, wait()) }",
    ),
    (
        "page.recovery-not-possible",
        "a.py",
        "c = Client(clean_session=True) # websockets\n",
        "c = Client(clean_session=False) # websockets\n",
    ),
    (
        "page.effect-of-strict-mode",
        "a.tsx",
        "useEffect(() => { const s = new WebSocket(u); return () => s.close() }, [])",
        "useEffect(() => { const s = new WebSocket(u); return () => { if (s.readyState === 1) s.close() } }, [])",
    ),
    (
        "page.watchdog-of-seconds",
        "a.js",
        "setInterval(() => { if (Date.now() - lastPong > 15000) ws.close() }, 5000)",
        "setInterval(() => { if (Date.now() - lastPong > 150000) ws.close() }, 5000)",
    ),
    (
        "page.frames-of-a-hidden-tab",
        "a.js",
        "ws.onmessage = (e) => { all.push(e); requestAnimationFrame(draw) }",
        "ws.onmessage = (e) => { if (document.hidden) return; requestAnimationFrame(draw) }",
    ),
    (
        "page.trusts-open-after-sleep",
        "a.ts",
        "window.addEventListener('focus', () => {\n  if (ws.readyState !== WebSocket.OPEN) open()\n})",
        "window.addEventListener('focus', () => {\n  probe()\n  if (ws.readyState !== WebSocket.OPEN) open()\n})",
    ),
    (
        "page.killed-without-word",
        "a.js",
        "window.addEventListener('pagehide', () => ws.close())",
        "window.addEventListener('pagehide', () => ws.close()); window.addEventListener('pageshow', open)",
    ),
    ("page.no-sign-of-life", "a.js", "const s = new WebSocket(u)", "const s = new WebSocket(u); setInterval(ping, 20000)"),
    (
        "page.client-without-ping",
        "a.kt",
        "val c = OkHttpClient()\nval ws: WebSocket = c.newWebSocket(r, l)",
        "val c = OkHttpClient.Builder().pingInterval(20, SECONDS).build()\nval ws: WebSocket = c.newWebSocket(r, l)",
    ),
    ("page.stomp-heartbeat-off", "a.js", "client.heartbeat.outgoing = 0 // socket", "client.heartbeat.outgoing = 20000 // socket"),
    (
        "page.heartbeat-one-way",
        "a.rs",
        "loop { match socket.next().await { Some(_) => last_seen = Instant::now(), None => break } }",
        "loop { match socket.next().await { Some(Ok(Message::Text(t))) => last_data = Instant::now(), _ => {} } }",
    ),
    ("page.heartbeat-impatient", "a.ts", "hub.serverTimeoutInMilliseconds = 5000", "hub.serverTimeoutInMilliseconds = 60000"),
    (
        "page.socket-per-row",
        "a.js",
        "devices.forEach((d) => { new WebSocket(base + d.id) })",
        "const ws = new WebSocket(base); devices.forEach((d) => ws.send(d.id))",
    ),
    (
        "page.socket-per-repeated-component",
        "a.js",
        "const ws = new WebSocket(`wss://a.example/${props.item.id}`)",
        "const ws = new WebSocket(`wss://a.example/all`)",
    ),
    ("page.stream-over-http1", "a.js", "const es = new EventSource('/e')", "const es = new BroadcastChannel('e')"),
    (
        "page.sends-every-movement",
        "a.js",
        "canvas.addEventListener('pointermove', (e) => socket.emit('at', e.x))",
        "canvas.addEventListener('pointermove', throttle((e) => socket.emit('at', e.x), 50))",
    ),
    (
        "page.large-message",
        "a.js",
        "reader.onload = () => { socket.emit('photo', reader.result) }",
        "for (const part of file.slice(0, n)) socket.emit('photo', part)",
    ),
    (
        "page.policy-word-in-url",
        "a.js",
        "const s = new WebSocket('wss://a.example/analytics')",
        "const s = new WebSocket('wss://a.example/live')",
    ),
    (
        "page.port-of-development",
        "a.js",
        "const s = new WebSocket('wss://a.example:3000/x')",
        "const s = new WebSocket('wss://a.example/x')",
    ),
    (
        "page.plain-to-port-of-tls",
        "a.js",
        "const s = new WebSocket('ws://a.example:443/x')",
        "const s = new WebSocket('wss://a.example:443/x')",
    ),
    (
        "page.address-not-in-certificate",
        "a.js",
        "const s = new WebSocket('wss://203.0.113.9/x')",
        "const s = new WebSocket('wss://a.example/x')",
    ),
    (
        "page.certificate-not-checked",
        "a.py",
        "ctx.verify_mode = ssl.CERT_NONE\nws = websockets.connect(u, ssl=ctx)\n",
        "ctx.load_verify_locations(ca)\nws = websockets.connect(u, ssl=ctx)\n",
    ),
    (
        "page.tries-by-interval",
        "a.js",
        "setInterval(() => { if (ws.readyState === 3) connectAgain() }, 3000)",
        "ws.onclose = () => setTimeout(connectAgain, wait *= 2)",
    ),
    (
        "page.subscribed-after-first-connect",
        "a.ts",
        "client.connect(u).then(() => { client.subscribe('/topic/a', draw) })",
        "client.onConnect = () => { client.subscribe('/topic/a', draw) }; client.connect(u)",
    ),
    (
        "page.sends-while-connecting",
        "a.js",
        "const s = new WebSocket(u);\nfunction ask(x) { s.send(x) }\nask('rates');\n",
        "const s = new WebSocket(u);\nfunction ask(x) { s.send(x) }\ns.onopen = () => ask('rates');\n",
    ),
    (
        "page.http-setting-for-socket",
        "a.js",
        "const s = new WebSocket(`${config.apiUrl}/live`)",
        "const s = new WebSocket(config.socketUrl)",
    ),
    (
        "page.element-per-message",
        "a.js",
        "socket.on('log', (l) => { box.appendChild(row(l)) })",
        "socket.on('log', (l) => { box.appendChild(row(l)); box.firstChild.remove() })",
    ),
    (
        "page.opened-in-hook-or-body",
        "a.ts",
        "export const useLive = (room) => { const s = io(url + room); return s }",
        "export const useLive = (room) => { const s = useMemo(() => io(url + room), [room]); return s }",
    ),
    (
        "page.one-life-only",
        "a.py",
        "async with websockets.connect(u) as ws:\n    async for m in ws:\n        show(m)\n",
        "async for ws in websockets.connect(u):\n    async for m in ws:\n        show(m)\n",
    ),
    (
        "page.token-kept-by-another-client",
        "a.ts",
        "axios.defaults.headers.Authorization = 'Bearer ' + t; const c = new Client({ brokerURL: u }) // socket",
        "const c = new Client({ brokerURL: u, connectHeaders: { Authorization: 'Bearer ' + t } }) // socket",
    ),
    (
        "page.named-event-of-stream",
        "a.js",
        "// the server writes event: price\nconst es = new EventSource('/e'); es.onmessage = draw",
        "// the server writes event: price\nconst es = new EventSource('/e'); es.addEventListener('price', draw)",
    ),
    (
        "page.ended-by-the-server",
        "a.js",
        "socket.on('disconnect', (why) => note(why))",
        "socket.on('disconnect', (why) => { if (why === 'io server disconnect') socket.connect() })",
    ),
    (
        "page.sent-subscription-is-not-kept",
        "a.js",
        "const s = new ReconnectingWebSocket(u); button.onclick = () => s.send(JSON.stringify({ op: 'subscribe', id }))",
        "const s = new ReconnectingWebSocket(u); s.onopen = () => s.send(JSON.stringify({ op: 'subscribe', id }))",
    ),
    (
        "page.constructor-sends",
        "a.js",
        "class A { constructor() { this.s = new WebSocket(u); this.greet() } greet() { this.s.send('hi') } }",
        ("class A { constructor() { this.s = new WebSocket(u); this.s.onopen = () => this.greet() } greet() { this.s.send('hi') } }"),
    ),
    (
        "page.opened-by-watcher",
        "a.js",
        "watch(room, () => { new WebSocket(base + room.value).onmessage = put })",
        "watch(room, () => { ws.close(); ws = new WebSocket(base + room.value) })",
    ),
    (
        "page.list-grows-unseen",
        "a.js",
        "let rows = []\nsocket.on('row', (r) => { rows.push(r) })",
        "let rows = []\nsocket.on('row', (r) => { rows.push(r); redraw(rows) })",
    ),
    (
        "page.handler-in-body",
        "a.tsx",
        (
            "function Room({ id }) {\n  const [m, setM] = useState([])\n  chatSocket.on('line', (l) => setM((x) => [l, ...x]))\n"
            "  return <List rows={m} />\n}"
        ),
        (
            "function Room({ id }) {\n  const [m, setM] = useState([])\n  useEffect(() => listen(id, setM), [id])\n"
            "  return <List rows={m} />\n}"
        ),
    ),
    (
        "page.retried-without-subscription",
        "a.ts",
        "const live = webSocket(url).pipe(retry({ delay: 900 })); out.next({ op: 'subscribe', id })",
        ("const live = webSocket({ url, openObserver: { next: () => out.next({ op: 'subscribe', id }) } }).pipe(retry({ delay: 900 }))"),
    ),
    # more idioms
    (
        "page.plain-beside-secure-page",
        "a.js",
        "var s = new WebSocket('ws://' + document.domain + ':6060'); if (location.protocol === 'https:') lock.show()",
        "var s = new WebSocket((location.protocol === 'https:' ? 'wss://' : 'ws://') + document.domain)",
    ),
    (
        "page.address-of-this-machine",
        "config.js",
        "export default { api: 'https://api.example.com', socket: 'ws://127.0.0.1:3333/rider' }",
        "export default { socket: isDev ? 'ws://127.0.0.1:3333/rider' : 'wss://api.example.com/rider' }",
    ),
    (
        "page.scheme-not-of-sockets",
        "a.js",
        "var live = new WebSocket(window.location.hostname + '/live')",
        "var live = new WebSocket('wss://' + window.location.hostname + '/live')",
    ),
    (
        "page.address-without-path",
        "a.ts",
        "const c = new WebSocket(`ws://${location.hostname}:27823`)",
        "const c = new WebSocket(`ws://${location.hostname}:27823/console`)",
    ),
    (
        "page.library-beside-its-path",
        "a.js",
        "const mm = io('https://mm.example.com', { path: '/api/v4/websocket' })",
        "const mm = io('https://mm.example.com', { path: '/socket.io' })",
    ),
    (
        "page.interceptor-does-not-reach-sockets",
        "a.ts",
        "// auth.interceptor adds Authorization: Bearer to requests\nlive$ = webSocket(`wss://${env.host}/live`)",
        ("// auth.interceptor adds Authorization: Bearer to requests\nlive$ = webSocket(`wss://${env.host}/live?ticket=${t}`)"),
    ),
    (
        "page.url-with-token-of-construction",
        "a.ts",
        (
            "class A { constructor(a) { this.url = `wss://x/n?token=${a.accessToken}` } open() { const s = new "
            "WebSocket(this.url); s.onclose = () => later(() => this.open()) } }"
        ),
        (
            "class A { async open() { const s = new WebSocket(`wss://x/n?token=${await this.auth.fresh()}`); s.onclose = "
            "() => later(() => this.open()) } }"
        ),
    ),
    (
        "page.app-key-of-the-manual",
        "a.js",
        "window.Echo = new Echo({ broadcaster: 'reverb', key: 'my-app-key' })",
        "window.Echo = new Echo({ broadcaster: 'reverb', key: import.meta.env.VITE_REVERB_APP_KEY })",
    ),
    (
        "page.host-changed-by-dev-proxy",
        "vite.config.ts",
        ("export default { server: { proxy: { '/ws': { target: 'http://127.0.0.1:8085', ws: true, changeOrigin: true } } } }"),
        ("export default { server: { proxy: { '/ws': { target: 'http://127.0.0.1:8085', ws: true, changeOrigin: false } } } }"),
    ),
    (
        "page.tls-port-spoken-to-plainly",
        "a.js",
        "const s = new WebSocket('ws://gw.example.com:8883/mqtt', 'mqtt')",
        "const s = new WebSocket('wss://gw.example.com:8883/mqtt', 'mqtt')",
    ),
    (
        "page.tls-to-a-broker-of-plain-text",
        "a.js",
        "const c = mqtt.connect('wss://broker.example.com:9001')",
        "const c = mqtt.connect('wss://broker.example.com:8884')",
    ),
    (
        "page.long-polling-first",
        "a.js",
        "const s = io('https://rt.example.com', { transports: ['polling'] })",
        "const s = io('https://rt.example.com', { transports: ['websocket'] })",
    ),
    (
        "page.error-thrown-away-after-loop",
        "a.js",
        "(async () => { for await (const t of frames(ws)) { draw(JSON.parse(t)) } })().catch(() => {})",
        "(async () => { for await (const t of frames(ws)) { draw(JSON.parse(t)) } })().catch(report)",
    ),
    (
        "page.not-every-frame-is-json",
        "a.js",
        "s.onmessage = (e) => { const d = JSON.parse(e.data) } // server also sends the heart emoji",
        ("s.onmessage = (e) => { try { const d = JSON.parse(e.data) } catch (x) { note(x) } } // server also sends the heart emoji"),
    ),
    (
        "page.sends-without-waiting",
        "a.js",
        (
            "const conn = new WebSocket(url);\nfunction login(n) { conn.send(n) "
            "}\ndocument.addEventListener('DOMContentLoaded', () => login(1))"
        ),
        "const conn = new WebSocket(url);\nconn.onopen = () => login(1)\nfunction login(n) { conn.send(n) }",
    ),
    (
        "page.sent-when-the-page-is-ready",
        "a.js",
        (
            "const conn = new WebSocket(url);\nfunction login(n) { conn.send(n) "
            "}\ndocument.addEventListener('DOMContentLoaded', () => login(1))"
        ),
        "const conn = new WebSocket(url);\nconn.onopen = () => login(1)\nfunction login(n) { conn.send(n) }",
    ),
    (
        "page.subscribed-only-the-first-time",
        "a.js",
        (
            "const joined = new Set(); function ensure(id) { if (joined.has(id)) return; sock.send(sub(id)); "
            "joined.add(id) } function reopen() { sock = new WebSocket(U); sock.onclose = () => later(reopen) }"
        ),
        (
            "const joined = new Set(); function ensure(id) { if (joined.has(id)) return; sock.send(sub(id)); "
            "joined.add(id) } function reopen() { sock = new WebSocket(U); sock.onclose = () => { joined.clear(); "
            "later(reopen) } }"
        ),
    ),
    (
        "page.joined-again-and-nothing-fetched",
        "a.js",
        "socket.on('connect', () => { socket.emit('rooms.enter', { id }) }); socket.on('chat.receive', appendMessage)",
        ("socket.on('connect', () => { socket.emit('rooms.enter', { id, since: last.id }) }); socket.on('chat.receive', appendMessage)"),
    ),
    (
        "page.loaded-once-then-retried",
        "a.ts",
        (
            "ngOnInit() { this.http.get('/api/r').subscribe(r => this.list = r); this.ws.messages$.pipe(retry({ delay: "
            "grow })).subscribe(r => this.list = [r, ...this.list]) }"
        ),
        (
            "ngOnInit() { this.ws.open$.pipe(switchMap(() => this.http.get('/api/r'))).subscribe(r => this.list = r); "
            "this.ws.messages$.pipe(retry({ delay: grow })).subscribe(r => this.list = [r, ...this.list]) }"
        ),
    ),
    (
        "page.polled-for-death",
        "a.js",
        "setInterval(() => { if (!sock || sock.readyState === 3) { sock = new WebSocket(U) } }, 15000)",
        (
            "function again() { setTimeout(() => { sock = new WebSocket(U); sock.onclose = again }, Math.random() * "
            "Math.min(30000, 500 * 2 ** n++)) }"
        ),
    ),
    (
        "page.effect-under-strict-mode",
        "a.tsx",
        ("useEffect(() => { const ws = new WebSocket(u); return () => ws.close() }, [])\n// main.tsx: <StrictMode><App /></StrictMode>"),
        (
            "useEffect(() => { const ws = new WebSocket(u); return () => { if (ws.readyState === 1) ws.close(); else "
            "ws.onopen = () => ws.close() } }, [])\n// <StrictMode>"
        ),
    ),
    (
        "page.socket-of-each-subscriber",
        "a.js",
        ("export const live = { subscribe(run) { const ws = new WebSocket(u); ws.onmessage = (m) => run(m.data); return () => {} } }"),
        (
            "export const live = { subscribe(run) { if (!n++) ws = new WebSocket(u); ws.onmessage = (m) => run(m.data); "
            "return () => { if (!--n) ws.close() } } }"
        ),
    ),
    (
        "page.error-handler-alone",
        "a.js",
        "const ws = new WebSocket(u); ws.onerror = (e) => console.error('stream', e)",
        "const ws = new WebSocket(u); ws.onerror = (e) => console.error('stream', e); ws.onclose = () => later(open)",
    ),
    (
        "page.drawn-for-each-part",
        "a.tsx",
        "socket.onmessage = (e) => { for (const u of decode(e.data)) { setNodes((n) => new Map(n).set(u.id, u)) } }",
        "socket.onmessage = (e) => { buffer.push(...decode(e.data)); requestAnimationFrame(drain) }",
    ),
    (
        "page.list-without-end",
        "a.js",
        "const lines = ref([]); socket.on('log', (l) => lines.value.push(l))",
        ("const lines = ref([]); socket.on('log', (l) => { lines.value.push(l); if (lines.value.length > 500) lines.value.shift() })"),
    ),
    (
        "page.listener-of-each-visit",
        "a.js",
        "export default { activated() { this.$socket.client.on('order:new', this.notify) } }",
        (
            "export default { activated() { this.$socket.client.on('order:new', this.notify) }, deactivated() { "
            "this.$socket.client.off('order:new', this.notify) } }"
        ),
    ),
    (
        "page.listens-after-waiting",
        "a.ts",
        (
            "class Q { private ws = new WebSocket(env.q); constructor(p) { p.load().subscribe(() => { "
            "this.ws.addEventListener('message', on) }) } }"
        ),
        (
            "class Q { private ws = new WebSocket(env.q); constructor(p) { this.ws.addEventListener('message', on); "
            "p.load().subscribe(() => { this.ready = true }) } }"
        ),
    ),
    (
        "page.shown-as-it-came",
        "a.js",
        "echo.onmessage = (ev) => { out.textContent = 'response: ' + ev.data }",
        ("echo.onmessage = async (ev) => { out.textContent = typeof ev.data === 'string' ? ev.data : await ev.data.text() }"),
    ),
    (
        "page.whole-document-sent",
        "a.js",
        "var src = ace.edit('e').getValue();\nsock.send(JSON.stringify({ t: 'upload', code: src }))",
        "sock.send(JSON.stringify({ t: 'edit', at: 3, insert: 'x' }))",
    ),
    (
        "page.beats-one-way",
        "a.js",
        "new Client({ brokerURL: u, heartbeatIncoming: 10000, heartbeatOutgoing: 0 })",
        "new Client({ brokerURL: u, heartbeatIncoming: 10000, heartbeatOutgoing: 10000 })",
    ),
    (
        "page.beats-only-in-silence-of-the-other",
        "a.py",
        (
            "async def beat(self):\n    while True:\n        if time.monotonic() - self.last_activity > 10:\n            "
            "await self.ws.send('x')\n\nasync def read(self):\n    async for f in self.ws:\n        self.last_activity = "
            "time.monotonic()\n"
        ),
        "async def beat(self):\n    while True:\n        await asyncio.sleep(10)\n        await self.ws.send('x')\n",
    ),
    (
        "page.setting-as-address",
        "a.js",
        "const ws = new WebSocket(process.env.API + '/socket')",
        "const ws = new WebSocket(process.env.WS_URL + '/socket')",
    ),
    (
        "page.sockjs-to-a-raw-server",
        "a.js",
        "// server.py uses websockets.serve\nconst s = new SockJS('http://rt.example.com/x')",
        "// server.js uses sockjs\nconst s = new SockJS('http://rt.example.com/x')",
    ),
    (
        "page.token-in-a-lasting-request",
        "a.kt",
        (
            'val request = Request.Builder().url(u).header("Authorization", "Bearer " + session.token).build()\nfun '
            "reconnect() { client.newWebSocket(request, listener) }"
        ),
        (
            'fun reconnect() { val request = Request.Builder().url(u).header("Authorization", "Bearer " + '
            "session.refresh()).build()\nclient.newWebSocket(request, listener) }"
        ),
    ),
    (
        "page.sent-right-after-construction",
        "a.js",
        (
            "class Api { constructor(u) { this.ws = new WebSocket(u) } call(m) { this.ws.send(m) } }\nconst api = new "
            "Api(URL);\napi.call(1);"
        ),
        (
            "class Api { constructor(u) { this.ws = new WebSocket(u); this.ws.onopen = () => this.flush() } call(m) { "
            "this.queue.push(m) } flush() { this.ws.send(this.queue.shift()) } }\nconst api = new Api(URL);\napi.call(1);"
        ),
    ),
    (
        "page.made-null-without-a-word",
        "a.js",
        ("socket.addEventListener('message', async (e) => { const m = await decode(e.data).catch(() => null); if (m) store.apply(m) })"),
        ("socket.addEventListener('message', async (e) => { const m = await decode(e.data).catch(report); if (m) store.apply(m) })"),
    ),
    (
        "page.cold-stream-for-each-caller",
        "a.ts",
        "class FeedService { stream() { return webSocket(this.url) } }",
        "class FeedService { private s = webSocket(this.url).pipe(share()); stream() { return this.s } }",
    ),
    (
        "page.asked-after-reconnecting-socket",
        "a.js",
        ("const ws = new ReconnectingWebSocket(url); function watch(sym) { ws.send(JSON.stringify({ op: 'sub', sym })) } watch('BTC')"),
        "const ws = new ReconnectingWebSocket(url); ws.onopen = () => ws.send(JSON.stringify({ op: 'sub', sym }))",
    ),
    (
        "page.dispatched-for-each",
        "a.js",
        "ws.onmessage = e => { dispatch({ type: 'tick', payload: e.data }) }",
        "ws.onmessage = e => { buffer.push(e.data) }",
    ),
    (
        "page.same-object-set-again",
        "a.jsx",
        "ws.onmessage = e => { state.items.push(JSON.parse(e.data)); setState(state) }",
        "ws.onmessage = e => { setState({ ...state, items: [...state.items, JSON.parse(e.data)] }) }",
    ),
    (
        "page.dev-proxy-drops-upgrades",
        "vue.config.js",
        "module.exports = { devServer: { proxy: { '/': { target: u, ws: true, headers: { Connection: 'keep-alive' } } } } }",
        "module.exports = { devServer: { proxy: { '/': { target: u, ws: true, headers: { 'X-From': 'dev' } } } } }",
    ),
    (
        "page.hears-no-beats",
        "a.ts",
        "new Client({ brokerURL: u, heartbeatIncoming: 0, heartbeatOutgoing: 10000 })",
        "new Client({ brokerURL: u, heartbeatIncoming: 10000, heartbeatOutgoing: 10000 })",
    ),
    (
        "js.echo-name-without-dot",
        "a.js",
        "Echo.private('room').listen('App.Events.Shipped', draw)",
        "Echo.private('room').listen('.App.Events.Shipped', draw)",
    ),
    (
        "page.dev-proxy-without-upgrades",
        "vue.config.js",
        "module.exports = { devServer: { proxy: { '/ws': { target: 'http://localhost:8080' } } } }",
        "module.exports = { devServer: { proxy: { '/ws': { target: 'http://localhost:8080', ws: true } } } }",
    ),
    (
        "page.plain-scheme-parsed",
        "a.dart",
        "final c = WebSocketChannel.connect(Uri.parse('ws://api.example.com/live'));",
        "final c = WebSocketChannel.connect(Uri.parse('wss://api.example.com/live'));",
    ),
    (
        "page.scheme-left-out",
        "a.js",
        "const s = new WebSocket('//' + location.host + '/ws')",
        "const s = new WebSocket('wss://' + location.host + '/ws')",
    ),
    (
        "page.caught-and-dropped",
        "a.dart",
        "ch.stream.listen((d) { try { apply(jsonDecode(d)); } catch (_) {} });",
        "ch.stream.listen((d) { try { apply(jsonDecode(d)); } catch (e) { report(e); } });",
    ),
    (
        "page.loop-with-one-delay",
        "a.js",
        ("while (true) { try { await listen() } catch (e) { log(e) } await new Promise(r => setTimeout(r, 1000)) } // socket"),
        (
            "while (true) { try { await listen() } catch (e) { log(e) } await new Promise(r => setTimeout(r, Math.random() "
            "* 2 ** n++)) } // socket"
        ),
    ),
    (
        "page.link-without-credentials",
        "a.ts",
        "const link = new WebSocketLink({ uri: URL, options: { reconnect: true } })",
        "const link = new WebSocketLink({ uri: URL, options: { connectionParams: () => ({ token: token() }) } })",
    ),
    (
        "page.pings-that-nobody-waits-for",
        "a.ts",
        "const client = createClient({ url: 'wss://a.example/graphql', keepAlive: 10_000 })",
        "const client = createClient({ url: 'wss://a.example/graphql', keepAlive: 10_000, on: { ping: arm, pong: disarm } })",
    ),
    (
        "page.raw-client-of-a-sockjs-endpoint",
        "a.java",
        "registry.addEndpoint(\"/ws\").withSockJS();\nchannel = WebSocketChannel.connect(Uri.parse('wss://a.example/ws'));",
        "registry.addEndpoint(\"/ws\").withSockJS();\nchannel = WebSocketChannel.connect(Uri.parse('wss://a.example/ws/websocket'));",
    ),
    (
        "page.subscribes-without-end",
        "a.tsx",
        "useEffect(() => { subscribeToMore({ document: ADDED, updateQuery: join }) }, [])",
        "useEffect(() => { return subscribeToMore({ document: ADDED, updateQuery: join }) }, [])",
    ),
]
