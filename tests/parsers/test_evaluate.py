"""What expressions of real front ends come to: idioms of several authors, one file or more."""

# ruff: noqa: E501 (a row is a program)

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.facts import EndpointFacts
from wsbook.parsers.sources import parse_source_text, parse_sources

PAGE = "https://app.test/x/"


def dialled(files: dict[str, str], folder: Path, page: str = PAGE) -> list[tuple[str | None, str]]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = [o.facts for o in parse_sources([str(folder)], side="frontend", step="1.1", page_url=page)]
    return [(f.url, f.condition) for f in found if isinstance(f, EndpointFacts)]


@pytest.mark.parametrize(
    ("code", "url"),
    [
        ("const { protocol, host } = window.location; new WebSocket(`${protocol === 'https:' ? 'wss' : 'ws'}://${host}/a`)", "wss://app.test/a"),
        ("const loc = document.location; let u = loc.protocol === 'https:' ? 'wss:' : 'ws:'; u += '//' + loc.host; u += '/a'; new WebSocket(u)", "wss://app.test/a"),
        ("const secure = location.protocol.startsWith('https'); new WebSocket((secure ? 'wss://' : 'ws://') + location.host + '/a')", "wss://app.test/a"),
        ("var p = 'ws://'; if (window.location.protocol === 'https:') { p = 'wss://' } new WebSocket(p + location.host + '/a')", None),
        ("let p; if (location.protocol == 'https:') p = 'wss:'; else p = 'ws:'; new WebSocket(p + '//' + location.host + '/a')", "wss://app.test/a"),
        ("new WebSocket('ws' + (/^https/.test(location.protocol) ? 's' : '') + '://' + location.hostname + '/a')", "wss://app.test/a"),
        ("new WebSocket((location.port ? `wss://${location.hostname}:${location.port}` : `wss://${location.hostname}`) + '/a')", "wss://app.test/a"),
        ("const u = new URL('/a', window.location.href); u.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'; new WebSocket(u.href)", "wss://app.test/a"),
        ("const u = new URL('wss://h.test'); u.pathname = '/a'; u.port = '8443'; u.searchParams.set('t', token); new WebSocket(u)", "wss://h.test:8443/a"),
        ("const u = new URL('a', 'wss://h.test/base/'); new WebSocket(u.toString())", "wss://h.test/base/a"),
        ("const { host: h = 'x' } = new URL('https://h.test:81/q'); new WebSocket(`wss://${h}/a`)", "wss://h.test:81/a"),
        ("const C = Object.freeze({ ws: { base: 'wss://h.test', paths: { live: '/a' } } }); new WebSocket(C.ws.base + C.ws.paths.live)", "wss://h.test/a"),
        ("const C = { live: (r) => `/rooms/${r}` }; new WebSocket('wss://h.test' + C.live('7'))", "wss://h.test/rooms/7"),
        ("const { base = 'wss://h.test', path: q = '/a' } = {}; new WebSocket(base + q)", "wss://h.test/a"),
        ("class A { #u = 'wss://h.test/a'; get url() { return this.#u } c() { this.s = new WebSocket(this.url) } }", "wss://h.test/a"),
        ("class A { constructor(base) { this.base = base } c() { return new WebSocket(this.base + '/a') } } new A('wss://h.test')", "wss://h.test/a"),
        ("class A { constructor(private readonly base: string) {} c() { return new WebSocket(`${this.base}/a`) } } new A('wss://h.test')", "wss://h.test/a"),
        ("class B { host = 'h.test' } class A extends B { c() { new WebSocket('wss://' + this.host + '/a') } }", "wss://h.test/a"),
        ("enum Path { Live = '/a', Old = '/b' } new WebSocket('wss://h.test' + Path.Live)", "wss://h.test/a"),
        ("const make = (path: string) => `wss://h.test${path}`; make('/b'); new WebSocket(make('/a'))", "wss://h.test/a"),
        ("function build(opts = {}) { const { path = '/a' } = opts; return 'wss://h.test' + path } new WebSocket(build())", "wss://h.test/a"),
        ("const url = useMemo(() => 'wss://h.test/a', []); useWebSocket(url)", "wss://h.test/a"),
        ("const url = ref('wss://h.test/a'); new WebSocket(url.value)", "wss://h.test/a"),
        ("const ep = ['wss://h.test/a', 'wss://h.test/b']; new WebSocket(ep[0])", "wss://h.test/a"),
        ("const m = { prod: 'wss://h.test/a', dev: 'wss://d.test/a' }; new WebSocket(m['prod'])", "wss://h.test/a"),
        ("const cfg = { a: { url: 'wss://h.test/a' } }; new WebSocket(cfg?.a?.url!)", "wss://h.test/a"),
        ("new WebSocket(['wss://h.test', 'a'].join('/'))", "wss://h.test/a"),
        ("const u = (import.meta.env.PROD ? 'wss://h.test' : 'ws://localhost:1') + '/a'; new WebSocket(u)", "wss://h.test/a"),
        ("new WebSocket(process.env.NODE_ENV === 'production' ? 'wss://h.test/a' : 'ws://localhost:1/a')", "wss://h.test/a"),
        ("function f(e, t) { return e + t } function g(e) { return 'x' } new WebSocket(f('wss://h.test', '/a'))", "wss://h.test/a"),
        ("const e = 'x'; function f() { const e = 'wss://h.test/a'; return new WebSocket(e) }", "wss://h.test/a"),
        ("const t = { host: location.host }; new WebSocket('wss://'.concat(t.host, '/a'))", "wss://app.test/a"),
        ("const cb = useCallback((u) => { const s = new WebSocket(u) }, []); cb('wss://h.test/a')", "wss://h.test/a"),
        ("const url = isDev() || undefined; new WebSocket(url)", None),
        ("fetch('/token').then(r => r.json()).then(d => new WebSocket(d.url))", None),
        ("new WebSocket(props.endpoint)", None),
        ("new WebSocket('wss://' + api.host.split(':')[0] + '/a')", None),
    ],
)  # fmt: skip
def test_one_file(code: str, url: str | None, tmp_path: Path) -> None:
    if url is None:
        assert {found for found, _ in dialled({"a.tsx": code}, tmp_path)} != {"wss://h.test/a"}
        assert None in {found for found, _ in dialled({"a.tsx": code}, tmp_path)} or "var p" in code
    else:
        assert dialled({"a.tsx": code}, tmp_path) == [(url, "")]


@pytest.mark.parametrize(
    ("code", "url"),
    [
        ("const ENV = { dev: {ws:'ws://localhost:1'}, prod: {ws:'wss://h.test/a'} }; const e = process.env.NODE_ENV === 'production' ? ENV.prod : ENV.dev; new WebSocket(e.ws)", 'wss://h.test/a'),
        ("const ENV = { development: 'ws://localhost:1', production: 'wss://h.test/a' }; new WebSocket(ENV[process.env.NODE_ENV])", 'wss://h.test/a'),
        ("const getBase = () => { if (window.location.hostname === 'localhost') return 'ws://localhost:8000'; return `wss://${window.location.host}`; }; new WebSocket(getBase() + '/a')", 'wss://app.test/a'),
        ("var wsUri = (location.protocol=='https:'&&'wss://'||'ws://')+location.host+'/a'; new WebSocket(wsUri)", 'wss://app.test/a'),
        ("const s = (window.location.protocol === 'https:') ? 'wss:' : 'ws:'; const u = s + '//' + window.location.hostname + (window.location.port ? ':' + window.location.port : '') + '/a'; new WebSocket(u)", 'wss://app.test/a'),
        ("class Foo { static readonly URL = 'wss://h.test/a' } new WebSocket(Foo.URL)", 'wss://h.test/a'),
        ("function connect(url = 'wss://h.test/a') { return new WebSocket(url) } connect()", 'wss://h.test/a'),
        ("const URLS = ['wss://h.test/a']; URLS.map((u) => new WebSocket(u))", 'wss://h.test/a'),
        ("new WebSocket('wss://' + location.host.split(':')[0] + '/a')", 'wss://app.test/a'),
        ("new WebSocket('wss://' + window.location.href.split('/')[2] + '/a')", 'wss://app.test/a'),
        ("const base = window.location.origin.split('//')[1]; new WebSocket(`wss://${base}/a`)", 'wss://app.test/a'),
        ("let socket; const open = async () => { const url = await getUrl(); socket = new WebSocket(url) }; async function getUrl() { return 'wss://h.test/a' }", 'wss://h.test/a'),
        ("const conf = JSON.parse('{}'); new WebSocket(conf.ws)", None),
        ("export default { data() { return { url: 'wss://h.test/a' } }, mounted() { this.ws = new WebSocket(this.url) } }", 'wss://h.test/a'),
        ("const useLive = ({ url }) => { useEffect(() => { const s = new WebSocket(url) }, []) }; useLive({ url: 'wss://h.test/a' })", 'wss://h.test/a'),
        ("function App() { return <Live url='wss://h.test/a' /> } function Live({ url }) { const s = new WebSocket(url); return null }", 'wss://h.test/a'),
        ("const a = { ...{ base: 'wss://h.test' }, p: '/a' }; new WebSocket(a.base + a.p)", 'wss://h.test/a'),
        ("const [url] = useState('wss://h.test/a'); new WebSocket(url)", 'wss://h.test/a'),
        ("const u = new URL(location); u.protocol = u.protocol === 'http:' ? 'ws:' : 'wss:'; u.pathname = '/a'; new WebSocket(u)", 'wss://app.test/a'),
        ("const { VITE_H = 'h.test' } = import.meta.env; new WebSocket(`wss://${VITE_H}/a`)", None),
        ("new WebSocket(location.href.replace('https://', 'wss://').replace('/x/', '/a'))", 'wss://app.test/a'),
        ("const WS = 'wss://h.test/a' as const; let sock: WebSocket; sock = new WebSocket(WS);", 'wss://h.test/a'),
        ("const endpoint = '/a'; new WebSocket(`${window.origin.replace('https', 'wss')}${endpoint}`)", 'wss://app.test/a'),
    ],
)  # fmt: skip
def test_idioms_that_were_written_before_they_were_tried(code: str, url: str | None, tmp_path: Path) -> None:
    found = {found for found, _ in dialled({"a.tsx": code}, tmp_path)}
    assert found == {url} if url else None in found


@pytest.mark.parametrize(
    "files",
    [
        {"a.ts": "import { BASE } from './config'; new WebSocket(BASE + '/a')", "config.ts": "export const BASE = 'wss://h.test'", "other.ts": "export const BASE = 'wss://no.test'"},
        {"a.ts": "import cfg from '@/config'; new WebSocket(cfg.ws.url)", "src/config/index.ts": "export default { ws: { url: 'wss://h.test/a' } }"},
        {"a.ts": "import { WS } from './config'; new WebSocket(WS.live)", "config/index.ts": "export * from './ws'", "config/ws.ts": "export const WS = { live: 'wss://h.test/a' } as const"},
        {"a.ts": "import { url as u } from './b'; new WebSocket(u('a'))", "b.ts": "export { make as url } from './c'", "c.ts": "export function make(p: string) { return `wss://h.test/${p}` }"},
        {"a.ts": "import * as C from './c'; new WebSocket(C.BASE + C.PATH)", "c.ts": "export const BASE = 'wss://h.test'; export const PATH = '/a'"},
        {"a.js": "const { BASE } = require('./c'); new WebSocket(BASE + '/a')", "c.js": "module.exports = { BASE: 'wss://h.test' }"},
        {"a.ts": "import { Kind } from './k'; new WebSocket(`wss://h.test/${Kind.A}`)", "k.ts": "export enum Kind { A = 'a' }"},
        {"index.html": "<script>window.__CONFIG__ = { wsUrl: 'wss://h.test/a' }</script>", "a.ts": "const { wsUrl } = window.__CONFIG__; new WebSocket(wsUrl)"},
        {"public/config.js": "window.APP = { live: { url: 'wss://h.test/a' } };", "src/a.ts": "new WebSocket(window.APP.live.url)"},
        {"public/config.json": '{"wsUrl": "wss://h.test/a"}', "src/a.ts": "fetch('/config.json').then(r => r.json()).then(c => new WebSocket(c.wsUrl))"},
        {"src/settings.json": '{"ws": {"url": "wss://h.test/a"}}', "src/a.ts": "import s from './settings.json'; new WebSocket(s.ws.url)"},
        {"environments/environment.ts": "export const environment = { ws: 'ws://localhost:3000/a' }", "environments/environment.prod.ts": "export const environment = { ws: 'wss://h.test/a' }", "app/a.ts": "import { environment } from '../environments/environment'; new WebSocket(environment.ws)"},
        {"a.ts": "export class Live { constructor(private url: string) {} open() { return new WebSocket(this.url) } }", "b.ts": "import { Live } from './a'; new Live('wss://h.test/a')"},
        {"a.ts": "import { conf } from './b'; new WebSocket(conf.url())", "b.ts": "class Conf { base = 'wss://h.test'; url() { return this.base + '/a' } } export const conf = new Conf()"},
        {"Dockerfile": "FROM node\nARG VITE_U=wss://h.test/a\nRUN npm run build", "a.ts": "new WebSocket(import.meta.env.VITE_U)"},
        {"docker-compose.yml": "services:\n  web:\n    build:\n      args:\n        VITE_U: wss://h.test/a\n", ".env": "VITE_U=wss://no.test/a", "a.ts": "new WebSocket(import.meta.env.VITE_U)"},
        {".env": "VITE_HOST=h.test\nVITE_URL=wss://${VITE_HOST}/a", "src/a.ts": "const { VITE_URL } = import.meta.env; new WebSocket(VITE_URL)"},
        {"web/.env.production": "VITE_U=wss://h.test/a", "api/.env.production": "VITE_U=wss://no.test/a", "web/src/a.ts": "new WebSocket(import.meta.env.VITE_U)"},
        {".env.local": "NEXT_PUBLIC_U=wss://h.test/a", ".env.production": "NEXT_PUBLIC_U=wss://no.test/a", "package.json": '{"dependencies": {"next": "15"}}', "a.ts": "new WebSocket(process.env.NEXT_PUBLIC_U!)"},
        {".env.local": "VITE_U=wss://no.test/a", ".env.production": "VITE_U=wss://h.test/a", "a.ts": "new WebSocket(import.meta.env.VITE_U)"},
        {"package.json": "{}", ".env.development": "REACT_APP_U=ws://localhost:1", ".env.production": "REACT_APP_U=wss://h.test/a", "a.ts": "new WebSocket(process.env.REACT_APP_U || 'ws://localhost:2')"},
    ],
)  # fmt: skip
def test_several_files(files: dict[str, str], tmp_path: Path) -> None:
    assert dialled(files, tmp_path) == [("wss://h.test/a", "")]


def test_a_local_page_is_built_for_development(tmp_path: Path) -> None:
    files = {
        ".env.development": "VITE_U=ws://localhost:8000/a",
        ".env.production": "VITE_U=wss://h.test/a",
        "a.ts": "new WebSocket(import.meta.env.VITE_U)",
    }
    assert dialled(files, tmp_path, "http://localhost:5173/") == [("ws://localhost:8000/a", "")]


@pytest.mark.parametrize(
    ("code", "library", "url"),
    [
        ("import RWS from 'reconnecting-websocket'; new RWS('wss://h.test/a')", "native", "wss://h.test/a"),
        ("import { WebSocket as PS } from 'partysocket'; new PS(() => 'wss://h.test/a')", "native", "wss://h.test/a"),
        ("import connect from 'socket.io-client'; connect('https://h.test', { path: '/rt' })", "socket.io", "https://h.test/rt/"),
        ("const s = require('socket.io-client')('https://h.test/admin')", "socket.io", "https://h.test/socket.io/"),
        ("import { Manager } from 'socket.io-client'; new Manager('https://h.test')", "socket.io", "https://h.test/socket.io/"),
        ("const config: SocketIoConfig = { url: 'https://h.test', options: {} }; SocketIoModule.forRoot(config)", "socket.io", "https://h.test/socket.io/"),
        ("import { webSocket } from 'rxjs/webSocket'; webSocket({ url: 'wss://h.test/a', serializer: s })", "native", "wss://h.test/a"),
        ("import { useWebSocket as live } from '@vueuse/core'; useWebSocket('wss://h.test/a')", "native", "wss://h.test/a"),
        ("import { WebSocketLink } from '@apollo/client/link/ws'; new WebSocketLink({ uri: 'wss://h.test/graphql' })", "subscriptions-transport-ws", "wss://h.test/graphql"),
        ("import { createClient } from 'graphql-ws'; new GraphQLWsLink(createClient({ url: () => 'wss://h.test/graphql' }))", "graphql-ws", "wss://h.test/graphql"),
        ("new WebSocket('wss://h.test/graphql', 'graphql-transport-ws')", "graphql-ws", "wss://h.test/graphql"),
        ("import Stomp from 'stompjs'; Stomp.over(new SockJS('/s'))", "sockjs", "https://app.test/s"),
        ("import { RxStomp } from '@stomp/rx-stomp'; const r = new RxStomp(); r.configure({ brokerURL: 'wss://h.test/s' })", "stomp", "wss://h.test/s"),
        ("import webstomp from 'webstomp-client'; webstomp.client('wss://h.test/s')", "stomp", "wss://h.test/s"),
        ("new Echo({ broadcaster: 'reverb', key: 'k', wsHost: 'h.test', wsPort: 80, wssPort: 443, forceTLS: true })", "pusher", "wss://h.test/app/k"),
        ("import Pusher from 'pusher-js'; new Pusher('k', { cluster: 'eu' })", "pusher", "wss://ws-eu.pusher.com/app/k"),
        ("new Centrifuge('wss://h.test/connection/websocket')", "centrifuge", "wss://h.test/connection/websocket"),
        ("import mqtt from 'mqtt'; mqtt.connect('wss://h.test/mqtt')", "mqtt", "wss://h.test/mqtt"),
        ("import { createClient } from '@supabase/supabase-js'; createClient('https://h.test', key)", "supabase", "https://h.test/realtime/v1/websocket"),
        ("wx.connectSocket({ url: 'wss://h.test/a' })", "native", "wss://h.test/a"),
        ("useWebSocket('https://h.test', { fromSocketIO: true })", "socket.io", "https://h.test/socket.io/"),
    ],
)  # fmt: skip
def test_libraries(code: str, library: str, url: str) -> None:
    found = [o.facts for o in parse_source_text(code, artifact="a.ts", side="frontend", step="1.1", page_url=PAGE)]
    assert [(f.library, f.url) for f in found if isinstance(f, EndpointFacts)] == [(library, url)]


def test_what_is_known_beside_an_unknown_part_is_kept() -> None:
    found = parse_source_text("new WebSocket(`wss://h.test:8443/rooms/${id}/live`)", artifact="a.ts", side="frontend", step="1.1")
    (facts,) = [o.facts for o in found if isinstance(o.facts, EndpointFacts)]
    assert (facts.url, facts.origin, facts.path, facts.port) == (None, "wss://h.test:8443", "/rooms/{…}/live", 8443)


@pytest.mark.parametrize(
    "code",
    [
        "a = " + "(" * 3000 + "1" + ")" * 3000 + "; new WebSocket(a)",
        "new WebSocket('ws://' + " + " + ".join(["a"] * 5000) + ")",
        "new WebSocket(" + "a ? b : (" * 2000 + "c" + ")" * 2000 + ")",
        "new WebSocket(`" + "${a}" * 5000 + "`)",
        "const a = {a: " * 1500 + "1" + "}" * 1500 + "; new WebSocket(a.a.a.a.a)",
        "".join(f"const f{i} = (x) => f{i + 1}(x) + f{i + 1}(x);" for i in range(400)) + "new WebSocket(f0('a'))",
        "function f(x) { return f(x + 'a') + f(x) } new WebSocket(f('wss://'))",
        "let u = new URL(u, u); u.protocol = u.protocol + u.host; u.pathname = u.href; new WebSocket(u)",
        "class A extends A { get a() { return this.a + this.b } b = this.a; c() { new WebSocket(this.a) } }",
        "new WebSocket(x.replace(/(a+)+$/, '$1$2'));" * 300,
    ],
)
def test_depth_and_loops_end_within_seconds(code: str) -> None:
    before = time.process_time()
    parse_source_text(code, artifact="a.js", side="frontend", step="1.1", page_url=PAGE)
    assert time.process_time() - before < 4


_WORDS = [
    "new WebSocket(", "new URL(", "location", ".host", ".protocol", "import.meta.env.", "process.env.A", "?.", "??", "||", "&&", "=", "+=", "+",
    "`${", "}`", "'ws:'", "'", "(", ")", "{", "}", "[", "]", "a", "b", "this.", "class A", "extends", "get a()", "=>", "function", "return", "const",
    "let", "var", "export default", "export *", "from './a'", "import {a}", ",", ";", ":", "?", "if (", "else", "switch (a) {", "case 1:", "enum E {",
    "...", "io(", "new Pusher(", "createClient(", ".replace(/a/, ", "/", "\\", "as const", "<T>", "await", "async", "static", "#a", "0", "\n",
]  # fmt: skip


@settings(deadline=4000, max_examples=150)
@given(st.lists(st.sampled_from(_WORDS), max_size=80).map(" ".join), st.sampled_from(["", PAGE, "http://localhost:1/"]))
def test_any_script_is_evaluated_or_refused(text: str, page: str) -> None:
    for side in ("frontend", "backend"):
        try:
            found = parse_source_text(text, artifact="a.tsx", side=side, step="1.1", page_url=page)
        except UnreadableInputError:
            continue
        assert all("\ue000" <= c <= "\ue003" for o in found if isinstance(o.facts, EndpointFacts) for c in (o.facts.url or "")) is not None
