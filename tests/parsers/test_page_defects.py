"""Pages: what each module of parsers/code finds and what clears it, and healthy pages with one change each, whose cause is named first."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from parsers.test_source_review import defects

from wsbook.evidence import Evidence
from wsbook.facts import PatternFacts
from wsbook.finding import PROVEN, Verdict
from wsbook.parsers.code.sources import parse_source_text, parse_sources
from wsbook.parsers.pattern_table import config_patterns
from wsbook.rules import judge
from wsbook.target import parse_target

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
BROKEN = [json.loads(line) for line in (SAMPLES / "cases" / "broken_pages.jsonl").read_text(encoding="utf-8").splitlines()]

DIALS = "let n = 0; function go() { ws = new WebSocket(u); ws.onclose = () => setTimeout(go, 500 * 2 ** n++) }"
PAIRS = [
    # options of client libraries
    ("options.no-reconnect", "mqtt.connect(u, { reconnectPeriod: 0 })", "mqtt.connect(u, { reconnectPeriod: 500 })"),
    ("options.no-reconnect", "const off = false; const c = new Client({ brokerURL: u, reconnectDelay: 0 }) // stomp",
     "const c = new Client({ brokerURL: u, reconnectDelay: 4000 }) // stomp"),
    ("options.no-reconnect-asked", "import useWebSocket from 'react-use-websocket'; useWebSocket(u, { onMessage })",
     "import useWebSocket from 'react-use-websocket'; useWebSocket(u, { ...shared })"),
    ("options.ends-for-ever", "import { webSocket } from 'rxjs/webSocket'; webSocket(u).subscribe(draw)",
     "import { webSocket } from 'rxjs/webSocket'; webSocket(u).pipe(retry({ delay: wait })).subscribe(draw)"),
    ("options.gives-up", "new ReconnectingWebSocket(u, [], { maxRetries: 4 })", "new ReconnectingWebSocket(u, [], { maxRetries: 400 })"),
    ("options.hammers", "import { Socket } from 'phoenix'; new Socket('/s', { reconnectAfterMs: () => 50 })",
     "import { Socket } from 'phoenix'; new Socket('/s', { reconnectAfterMs: (n) => [50, 900, 5000, 20000][n] ?? 30000 })"),
    ("options.same-delay", "createClient({ url, retryWait: () => new Promise((r) => setTimeout(r, 3000)) }) // graphql-ws",
     "createClient({ url, retryWait: (n) => new Promise((r) => setTimeout(r, 500 * 2 ** n)) }) // graphql-ws"),
    ("options.retries-at-once", "webSocket(u).pipe(retry())", "webSocket(u).pipe(retry({ count: 9, delay: grow }))"),
    ("options.retries-for-ever", "createClient({ url, shouldRetry: () => true }) // graphql-ws",
     "createClient({ url, shouldRetry: (e) => e.code !== 4403 }) // graphql-ws"),
    ("options.token-read-once", "const u = `wss://a/?token=${jwt}`; new ReconnectingWebSocket(u)",
     "const u = () => `wss://a/?token=${jwt()}`; new ReconnectingWebSocket(u)"),
    ("options.token-read-once", "new HubConnectionBuilder().withUrl(u, { accessTokenFactory: () => token }).withAutomaticReconnect()",
     "new HubConnectionBuilder().withUrl(u, { accessTokenFactory: () => freshToken() }).withAutomaticReconnect()"),
    ("options.beats-off", "new Client({ brokerURL: u, heartbeatOutgoing: 0 }) // stomp",
     "new Client({ brokerURL: u, heartbeatOutgoing: 9000 }) // stomp"),
    ("options.beats-slow", "mqtt.connect(u, { keepalive: 90 })", "mqtt.connect(u, { keepalive: 30 })"),
    ("options.no-heartbeat", "import { useWebSocket } from '@vueuse/core'; useWebSocket(u, { autoReconnect: true })",
     "import { useWebSocket } from '@vueuse/core'; useWebSocket(u, { autoReconnect: true, heartbeat: true })"),
    ("options.subscribed-once", "mqtt.connect(u, { resubscribe: false })", "mqtt.connect(u, { resubscribe: true })"),
    # what a reconnect does
    ("reconnect.token-read-once", f"const token = load(); {DIALS.replace('(u)', '(`wss://a/?t=${token}`)')}",
     f"{DIALS.replace('{ ws', '{ const token = load(); ws').replace('(u)', '(`wss://a/?t=${token}`)')}"),
    ("reconnect.random-alone", "function go() { ws = new WebSocket(u); ws.onclose = () => setTimeout(go, 900 * Math.random()) }", DIALS),
    ("reconnect.no-ceiling", DIALS, DIALS.replace("500 * 2 ** n++", "Math.min(30000, 500 * 2 ** n++)")),
    ("reconnect.no-jitter", DIALS.replace("500 * 2 ** n++", "Math.min(30000, 500 * 2 ** n++)"),
     DIALS.replace("500 * 2 ** n++", "Math.random() * Math.min(30000, 500 * 2 ** n++)")),
    ("reconnect.code-left-out",
     "function go() { ws = new WebSocket(u); ws.onclose = (e) => { if (e.code === 1006) return; setTimeout(go, grow()) } }",
     "function go() { ws = new WebSocket(u); ws.onclose = (e) => { if (e.code === 1000) return; setTimeout(go, grow()) } }"),
    ("reconnect.fatal-code-tried-again",
     "function go() { ws = new WebSocket(u); ws.onclose = (e) => { if (e.code === 4401) show('signed out'); "
     "setTimeout(go, grow()) } }",
     "function go() { ws = new WebSocket(u); ws.onclose = (e) => { if (e.code === 4401) return show('signed out'); "
     "setTimeout(go, grow()) } }"),
    ("reconnect.constant", "let n = 0; function go() { ws = new WebSocket(u); ws.onclose = () => setTimeout(go, 500 * 2 ** n) }", DIALS),
    # what an opening does
    ("opening.asked-only-once",
     f"let told = false; ws.onopen = () => {{ if (told) return; told = true; ws.send('{{\"op\":\"subscribe\"}}') }}; {DIALS}",
     f"ws.onopen = () => {{ ws.send('{{\"op\":\"subscribe\"}}') }}; {DIALS}"),
    ("opening.not-asked-again", "const s = new ReconnectingWebSocket(u); follow.onclick = () => s.send(JSON.stringify({ type: 'watch' }))",
     "const s = new ReconnectingWebSocket(u); s.onopen = () => s.send(JSON.stringify({ type: 'watch' }))"),
    ("opening.asked-where-it-is-shown", "import { socket } from './s'; useEffect(() => { socket.emit('join', id) }, [id])",
     "import { socket } from './s'; useEffect(() => { socket.emit('say', id) }, [id])"),
    ("opening.handler-added", f"{DIALS}; ws.onopen = () => {{ button.addEventListener('click', say) }}",
     f"{DIALS}; ws.onopen = () => {{ button.onclick = say }}"),
    ("opening.nothing-fetched", "const c = io(u); fetch('/all').then(draw); c.on('order', add)",
     "const c = io(u); c.on('connect', () => fetch('/all').then(draw)); c.on('order', add)"),
    # components
    ("component.socket-stays", "$effect(() => { const s = new WebSocket(u); return () => clearTimeout(t) })",
     "$effect(() => { const s = new WebSocket(u); return () => s.close() })"),
    ("component.listener-stays", "useEffect(() => { socket.on('a', f); return () => clearTimeout(t) }, [])",
     "useEffect(() => { socket.on('a', f); return () => socket.off('a', f) }, [])"),
    ("component.listener-per-action", "import s from 's'; function toggle() { socket.on('a', f) }",
     "import s from 's'; function toggle() { socket.once('a', f) }"),
    ("component.subscription-stays",
     "class C extends Controller { connect() { consumer.subscriptions.create('A', { received(d) { put(d) } }) } }",
     "class C extends Controller { connect() { this.s = consumer.subscriptions.create('A', {}) } disconnect() { "
     "this.s.unsubscribe() } }"),
    ("component.dialled-without-closing", "function go() { ws = new WebSocket(u) } window.addEventListener('online', go)",
     "function go() { ws?.close(); ws = new WebSocket(u) } window.addEventListener('online', go)"),
    ("component.connects-on-every-render", "useEffect(() => { socket.connect(); return () => socket.disconnect() })",
     "useEffect(() => { socket.connect(); return () => socket.disconnect() }, [])"),
    ("component.effect-reads-what-it-writes",
     "let all = $state([]); $effect(() => { note(all.length); const s = new WebSocket(u); s.onmessage = (e) => { all = "
     "[e, ...all] }; return () => s.close() })",
     "let all = $state([]); $effect(() => { const s = new WebSocket(u); s.onmessage = (e) => { all = [e, ...all] }; "
     "return () => s.close() })"),
    ("component.not-reactive",
     "let { id } = $props();\nlet all = [];\nconst s = new WebSocket(u);\ns.onmessage = (e) => { all.push(e.data) }",
     "let { id } = $props();\nlet all = $state([]);\nconst s = new WebSocket(u);\ns.onmessage = (e) => { all.push(e.data) }"),
    # state
    ("state.stale-copy", "const before = all; ws.onmessage = (e) => { all = [e.data, ...before] }",
     "ws.onmessage = (e) => { all = [e.data, ...all] }"),
    # messages
    ("message.parsed-unguarded",
     "client.subscribe('/topic/a', (frame) => show(frame)); function show(f) { draw(JSON.parse(f.body)) } // stomp",
     "client.subscribe('/topic/a', (frame) => show(frame)); function show(f) { try { draw(JSON.parse(f.body)) } catch { "
     "note() } } // stomp"),
    ("message.parse-ends-the-stream", "import 'rxjs'; webSocket(u).pipe(map((text) => JSON.parse(text))).subscribe(draw)",
     "import 'rxjs'; webSocket(u).pipe(map((text) => parsed(text))).subscribe(draw)"),
    ("message.handler-after-start", "hub.start().then(() => { hub.on('price', draw) })",
     "hub.on('price', draw); hub.start().then(() => { hub.invoke('go') })"),
    ("message.handler-waits-for-data",
     "fetch('/r').then(setRates); useEffect(() => { if (!sock || !rates) return; sock.addEventListener('message', on) }, [sock, rates])",
     "fetch('/r').then(setRates); useEffect(() => { if (!sock) return; sock.addEventListener('message', on) }, [sock])"),
    ("message.overtaken", "open(u, async (m) => { if (m.image) { const i = await load(m.url); put(i) } else { put(m) } })",
     "open(u, async (m) => { const i = await load(m.url); put(i) })"),
    ("message.no-event-of-sockets", "const s = new WebSocket(u); s.addEventListener('messages', on)",
     "const s = new WebSocket(u); s.addEventListener('message', on)"),
    ("message.sent-before-opening", "class C { ngOnInit() { this.ws = new WebSocket(u); this.ask() } ask() { this.ws.send('a') } }",
     "class C { ngOnInit() { this.ws = new WebSocket(u); this.ws.onopen = () => this.ask() } ask() { this.ws.send('a') } }"),
    ("message.sent-in-any-state", "ws = new WebSocket(u); function send(m) { ws.send(m) }",
     "ws = new WebSocket(u); function send(m) { if (ws.readyState === 1) ws.send(m) }"),
    ("message.stored-one-by-one", "ws.onmessage = (e) => { store.dispatch(put(e.data)) }", "ws.onmessage = (e) => { batch.push(e.data) }"),
    ("message.state-returned-unchanged", "function r(state, a) { const next = state; next[a.id] = a; return next } useReducer(r, {})",
     "function r(state, a) { const next = { ...state }; next[a.id] = a; return next } useReducer(r, {})"),
    # who dials, when, and what goes out
    ("dial.retried-twice",
     "function go() { ws = new WebSocket(u); ws.onerror = later; ws.onclose = later } const later = () => setTimeout(go, d())",
     "function go() { ws = new WebSocket(u); ws.onerror = note; ws.onclose = later } const later = () => setTimeout(go, d())"),
    ("dial.retried-twice",
     "class F { go() { this.ws = new WebSocket(u); this.ws.onerror = () => this.later(); this.ws.onclose = () => this.later() } "
     "later() { setTimeout(() => this.go(), d()) } }",
     "class F { go() { this.ws = new WebSocket(u); this.ws.onerror = () => this.later(); this.ws.onclose = () => this.later() } "
     "later() { clearTimeout(this.t); this.t = setTimeout(() => this.go(), d()) } }"),
    ("dial.beside-the-library", "function go() { s = io('/a'); s.on('disconnect', () => setTimeout(go, 900)) }",
     "function go() { s = io('/a', { reconnection: false }); s.on('disconnect', () => setTimeout(go, 900)) }"),
    ("dial.replaced-without-closing", "let c; function go() { c = new Client({ brokerURL: u }); c.activate() } user$.subscribe(() => go())",
     "let c; function go() { c?.deactivate(); c = new Client({ brokerURL: u }); c.activate() } user$.subscribe(() => go())"),
    ("dial.replaced-without-closing", "watch(room, () => { ws = new WebSocket(u + room.value) })",
     "watch(room, () => { ws.close(); ws = new WebSocket(u + room.value) })"),
    ("dial.polled-fast", "function keep() { if (!ws) ws = new WebSocket(u) } setInterval(keep, 500)",
     "function keep() { if (!ws) ws = new WebSocket(u) } setInterval(keep, 30000)"),
    ("dial.polled", "setInterval(() => { if (gone) ws = new WebSocket(u) }, 10_000)",
     "setInterval(() => { if (Date.now() - last > 60_000) ws = new WebSocket(u) }, 10_000)"),
    ("dial.sent-by-the-clock", "const ws = new WebSocket(u); setTimeout(() => ws.send('hi'), 200)",
     "const ws = new WebSocket(u); setTimeout(() => ws.readyState === 1 && ws.send('hi'), 200)"),
    ("dial.sent-by-the-clock", "this.ws = new WebSocket(u); requestAnimationFrame(() => { this.ws.send(size()) })",
     "this.ws = new WebSocket(u); this.ws.onopen = () => requestAnimationFrame(() => { this.ws.send(size()) })"),
    ("dial.sent-with-another-answer", "const sock = Live.connect('/p'); $.getJSON('/me').done((me) => { sock.send(me.id) })",
     "const sock = Live.connect('/p'); $.getJSON('/me').done((me) => { queue(me.id) })"),
    ("dial.channels-without-credential",
     "new Echo({ broadcaster: 'reverb', authEndpoint: 'https://api.b.example/broadcasting/auth' }).private('a')",
     "new Echo({ broadcaster: 'reverb', authEndpoint: 'https://api.b.example/broadcasting/auth', bearerToken: t() }).private('a')"),
    ("dial.channels-without-credential",
     "new Pusher(k, { channelAuthorization: { endpoint: 'https://api.b.example/p' } }).subscribe('private-a')",
     "new Pusher(k, { channelAuthorization: { endpoint: '/p' } }).subscribe('private-a')"),
    ("dial.beat-unanswered", "const ws = new WebSocket(u); setInterval(() => ws.send('ping'), 20000)",
     "const ws = new WebSocket(u); setInterval(() => { ws.send('ping'); if (Date.now() - heard > 60000) ws.close() }, 20000)"),
    ("dial.trusts-state-after-sleep",
     "AppState.addEventListener('change', (s) => { if (s === 'active' && ws.readyState === WebSocket.CLOSED) go() })",
     "AppState.addEventListener('change', (s) => { if (s === 'active') { ws.close(); go() } })"),
    ("dial.connects-once", "const c = Stomp.over(s); c.connect({}, ready, (e) => { show(e) })",
     "const c = Stomp.over(s); c.reconnect_delay = 5000; c.connect({}, ready, (e) => { show(e) })"),
    ("reconnect.immediate", "async function run() { while (true) { const ws = new WebSocket(u); await closed(ws) } }",
     "async function run() { while (true) { const ws = new WebSocket(u); await closed(ws); await sleep(grow()) } }"),
    # what comes before what
    ("order.listens-late", "async function f() { const s = io('/t'); const a = await art(); s.on('state', (x) => draw(a, x)) }",
     "async function f() { const a = await art(); const s = io('/t'); s.on('state', (x) => draw(a, x)) }"),
    ("order.listens-late", "const ws = new WebSocket(u); import('./r').then((r) => { ws.onmessage = (e) => r.put(e.data) })",
     "const ws = new WebSocket(u); ws.onmessage = keep; import('./r').then((r) => { ws.onmessage = (e) => r.put(e.data) })"),
    ("order.snapshot-first", "this.http.get('/all').subscribe((all) => { this.all = all; this.stomp.subscribe('/topic/a', put) })",
     "this.http.get('/ticket').subscribe((ticket) => { this.stomp.subscribe('/topic/a', put) })"),
    ("order.snapshot-first",
     "const { data } = useQuery(q); useEffect(() => { if (!data) return; return live.subscribe('a', put) }, [data])",
     "const { data } = useQuery(q); useEffect(() => live.subscribe('a', put), [])"),
    ("order.answers-overtake", "s.on('changed', async ({ id }) => { const r = await fetch(`/a/${id}`); put(id, await r.json()) })",
     "s.on('changed', ({ id }) => { queryClient.invalidateQueries(['a', id]) })"),
    ("order.answers-overtake", "channel.bind('saved', (e) => { fetch('/a/' + e.id).then((r) => r.json()).then(put) })",
     "channel.bind('saved', (e) => { fetch('/a/' + e.id).then((r) => r.json()).then((d) => { if (d.version > known(e.id)) put(d) }) })"),
    ("order.stays-busy", "function drain() { if (busy) return; busy = true; while (q.length) put(JSON.parse(q.shift())); busy = false }",
     "function drain() { if (busy) return; busy = true; try { while (q.length) put(JSON.parse(q.shift())) } finally { busy = false } }"),
    ("order.work-for-each", "f.onsample = (s) => { all.push(s); chart.update(); localStorage.setItem('a', JSON.stringify(all)) }",
     "f.onsample = (s) => { all.push(s) }; requestAnimationFrame(() => chart.update())"),
    ("order.list-copied-for-each", "useEffect(() => book(s, (l) => { setAll((old) => [...old, l].sort(by)) }), [s])",
     "useEffect(() => book(s, (l) => { setLast(l) }), [s])"),
    ("order.layout-for-each", "open(u, { onText(t) { pane.append(t); pane.scrollTop = pane.scrollHeight } })",
     "open(u, { onText(t) { pane.append(t) } })"),
    ("order.noted-in-vain", f"let lastSeq = 0; {DIALS}; ws.onmessage = (e) => {{ lastSeq = e.seq }}",
     f"let lastSeq = 0; {DIALS}; ws.onmessage = (e) => {{ lastSeq = e.seq }}; ws.onopen = () => ws.send(lastSeq)"),
    ("order.noted-in-vain", f"class C {{ f() {{ {DIALS}; ws.onmessage = (e) => {{ this.lastId = e.id; show(e) }} }} }}",
     f"class C {{ f() {{ {DIALS}; ws.onmessage = (e) => {{ this.lastId = e.id; show(e) }}; ask(this.lastId) }} }}"),
    # gaps of older rules
    ("component.never-leaves", "class A extends Controller { connect() { this.s = new WebSocket(u) } } // @hotwired/stimulus",
     "class A extends Controller { connect() { this.s = new WebSocket(u) } disconnect() { this.s.close() } } // @hotwired/stimulus"),
    ("component.listener-stays", "onMounted(() => { live.on('a', f) }); onUnmounted(() => clearTimeout(t))",
     "onMounted(() => { off = live.on('a', f) }); onUnmounted(() => off?.())"),
    ("opening.asked-only-once",
     f"let told = false; ws.onopen = () => {{ if (told) return; told = true; ws.send('{{\"op\":\"watch\"}}') }}; {DIALS}",
     f"let gone = false; ws.onopen = () => {{ if (gone) return; ws.send('watch') }}; function end() {{ gone = true }} {DIALS}"),
    ("state.changed-in-place",
     "const [rows] = useState(new Map()); f((r) => rows.set(r.id, r)); return <ul>{[...rows.values()].map(row)}</ul>",
     "const [rows, set] = useState(new Map()); f((r) => set(new Map(rows).set(r.id, r))); return <ul>{[...rows.values()].map(row)}</ul>"),
    ("reconnect.immediate", "function go() { ws = new WebSocket(u); ws.onclose = () => { if (!gone) queueMicrotask(go) } }", DIALS),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "faulty", "healthy"), PAIRS, ids=[row[0] for row in PAIRS])
def test_a_defect_is_found_and_its_remedy_is_not(pattern: str, faulty: str, healthy: str) -> None:
    assert pattern in defects(faulty, "frontend", "a.tsx")
    assert pattern not in defects(healthy, "frontend", "a.tsx")


PAGE = "import { io } from 'socket.io-client'; const socket = io(); socket.on('{name}', draw)"
SERVER = "import { Server } from 'socket.io'; const io = new Server(3000); io.on('connection', (s) => { {sends} })"
NAMES = [
    ("news:added", "s.emit('news_added', n)", ["names.nobody-emits"]),
    ("added", "s.emit('news.added', n)", ["names.nobody-emits"]),
    ("price", "s.emit('price-list', n)", ["names.other-name"]),
    ("news", "s.emit('news', n)", []),
    ("price", "s.emit(kind(n), n)", []),
    ("connect_error", "s.emit('connect-error', n)", []),
    ("weather", "s.emit('price', n)", []),
    ("orders:update", "s.emit('order:updated', n)", ["names.nobody-emits"]),
    ("bookings.change", "s.emit(`bookingChanged`, n)", ["names.nobody-emits"]),
    ("seat_free", "s.emit(taken ? 'seat_taken' : 'seatFree', n)", ["names.nobody-emits"]),
]


@pytest.mark.parametrize(("name", "sends", "patterns"), NAMES, ids=[row[0] + " " + row[1] for row in NAMES])
def test_names_are_compared_with_what_the_other_side_sends(name: str, sends: str, patterns: list[str], tmp_path: Path) -> None:
    files = {"web/page.ts": PAGE.replace("{name}", name), "server/app.ts": SERVER.replace("{sends}", sends)}
    assert _found(files, tmp_path, "names.") == patterns


def test_without_the_other_side_no_name_is_wrong(tmp_path: Path) -> None:
    assert _found({"web/page.ts": PAGE.replace("{name}", "news:added")}, tmp_path, "names.") == []


BOTH = [
    ("both.binary-parsed-as-text", "ws.onmessage = (e) => draw(JSON.parse(e.data))", "async def f(ws):\n    await ws.send_bytes(pack())\n"),
    ("", "ws.onmessage = async (e) => draw(JSON.parse(await e.data.text()))", "async def f(ws):\n    await ws.send_bytes(pack())\n"),
    ("", "ws.onmessage = (e) => draw(JSON.parse(e.data))", "async def f(ws):\n    await ws.send_json(x)\n"),
    ("both.patience-below-hidden-timers", "setInterval(sendHeartbeat, 5000)",
     "def check(p, now):\n    if now - p.last_seen > 20:\n        p.close()\n"),
    ("", "setInterval(sendHeartbeat, 5000)", "def check(p, now):\n    if now - p.last_seen > 180:\n        p.close()\n"),
    ("both.subprotocol-not-offered", "const ws = new WebSocket(url)",
     "def h(ws):\n    if 'chat' not in ws.subprotocols or ws.subprotocol is None:\n        ws.close()\n"),
    ("", "const ws = new WebSocket(url, ['chat'])",
     "def h(ws):\n    if 'chat' not in ws.subprotocols or ws.subprotocol is None:\n        ws.close()\n"),
    ("both.several-documents", "ws.onmessage = (e) => draw(JSON.parse(e.data))",
     "async def f(ws, all):\n    await ws.send_text('\\n'.join(json.dumps(x) for x in all))\n"),
    ("", "ws.onmessage = (e) => e.data.split('\\n').forEach((t) => draw(JSON.parse(t)))",
     "async def f(ws, all):\n    await ws.send_text('\\n'.join(json.dumps(x) for x in all))\n"),
    ("both.other-field", "ws.onmessage = (e) => { const m = JSON.parse(e.data); if (m.type === 'line') draw(m.payload) }",
     "async def f(ws, x):\n    await ws.send_json({'type': 'line', 'data': x})\n"),
    ("both.other-field", "ws.onmessage = (e) => { const { type, alertText } = JSON.parse(e.data); show(type, alertText) }",
     "async def f(ws, x):\n    await ws.send_json({'type': 'alert', 'alert_text': x})\n"),
    ("", "ws.onmessage = (e) => { const { type, alertText } = JSON.parse(e.data); show(type, alertText) }",
     "class A(Model):\n    type: str\n    alert_text: str\n    model_config = {'alias_generator': to_camel}\n\nasync def f(ws, a):\n"
     "    await ws.send_json(a)\n"),
    ("", "ws.onmessage = (e) => { const m = JSON.parse(e.data); if (m.type === 'line') draw(m.data, m.length) }",
     "async def f(ws, x):\n    await ws.send_json({'type': 'line', 'data': x})\n"),
    ("names.nobody-emits", "const by = { 'user.joined': a, 'user.left': b }; ws.onmessage = (e) => by[read(e).type]()",
     "def f(ws):\n    ws.send_json({'type': 'user-joined'})\n\ndef g(ws):\n    ws.send_json({'type': 'user-left'})\n"),
    ("names.other-field", "ws.onmessage = (e) => { const m = read(e); switch (m.type) { case 'moved': draw(m) } }",
     "def f(ws):\n    ws.send_json({'event': 'moved'})\n"),
    ("", "ws.onmessage = (e) => { const m = read(e); switch (m.event) { case 'moved': draw(m) } }",
     "def f(ws):\n    ws.send_json({'event': 'moved'})\n"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "page", "server"), BOTH, ids=[row[0] or row[1][:30] for row in BOTH])
def test_a_page_and_its_server_are_read_together(pattern: str, page: str, server: str, tmp_path: Path) -> None:
    assert _found({"web/page.js": page, "server/app.py": server}, tmp_path, ("names.", "both.")) == ([pattern] if pattern else [])


def test_a_function_that_makes_a_socket_for_each_caller(tmp_path: Path) -> None:
    files = {"s.ts": "export function live() { return new WebSocket(u) }", "a.ts": "live().onmessage = f", "b.ts": "const s = live()"}
    assert _found(files, tmp_path, "component.factory") == ["component.factory-of-sockets"]
    del files["b.ts"]
    (tmp_path / "b.ts").unlink()
    assert _found(files, tmp_path, "component.factory") == []


def _found(files: dict[str, str], folder: Path, kinds: str | tuple[str, ...]) -> list[str]:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    facts = [seen.facts for seen in parse_sources([str(folder)], side="frontend", step="3.1")]
    return sorted({fact.pattern for fact in facts if isinstance(fact, PatternFacts) and not fact.ok and fact.pattern.startswith(kinds)})


@pytest.mark.parametrize("case", BROKEN, ids=[f"{case['page']} {case['cause']}" for case in BROKEN])
def test_one_change_to_a_healthy_page_is_named_first(case: dict[str, object]) -> None:
    name = str(case["page"])
    text = (SAMPLES / "sources" / "healthy" / "frontend" / name).read_text(encoding="utf-8")
    for old, new in case["edits"]:  # type: ignore[attr-defined]
        assert old in text
        text = text.replace(old, new)
    seen = [replace(one, id=f"3.1-{n}") for n, one in enumerate(parse_source_text(text, artifact=name, side="frontend", step="3.1"))]
    findings, _ = judge(Evidence(parse_target(""), seen))
    named = [found.cause for found in findings if found.verdict in (Verdict.FAULT, Verdict.UNKNOWN)]
    assert named[:1] == [case["cause"]]
    assert {found.cause for found in findings if found.verdict is Verdict.FAULT} <= {case["cause"]}


def test_every_pattern_of_these_kinds_has_a_row() -> None:
    kinds = ("options.", "opening.", "component.", "message.", "names.", "both.", "dial.", "order.")
    rows = {row[0] for row in (*PAIRS, *BOTH)} | {name for row in NAMES for name in row[2]} | {"component.factory-of-sockets"}
    assert {name for name in config_patterns() if name.startswith(kinds)} <= rows


def test_a_hint_is_no_fault() -> None:
    weak = ("reconnect.no-jitter", "options.same-delay", "message.parsed-unguarded", "options.token-read-once", "opening.nothing-fetched")
    assert all(config_patterns()[name].weight < PROVEN for name in weak)
