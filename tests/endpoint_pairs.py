"""Pairs of a front end and a back end, as different people write them, with the part that differs and the cause that it stands for."""

# ruff: noqa: E501 (a row is a program)

from typing import NamedTuple

__all__ = ["PAIRS", "Row"]


class Row(NamedTuple):
    """front, back: file → text. page: where the page is. nginx: configuration of the proxy, "" none. part: "" when the sides match."""

    name: str
    front: dict[str, str]
    back: dict[str, str]
    page: str
    part: str = ""
    cause: str = ""
    nginx: str = ""


NATIVE = "const ws = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/chat`);\nws.onmessage = (e) => render(e.data);\n"
FASTAPI = "from fastapi import FastAPI, WebSocket\napp = FastAPI()\n\n@app.websocket('/ws/chat')\nasync def chat(ws: WebSocket):\n    await ws.accept()\n"

PAIRS = (
    # Both sides agree
    Row("fastapi plain", {"app.js": NATIVE}, {"main.py": FASTAPI}, "https://chat.example/"),
    Row("fastapi path parameter and template", {"c.ts": "export function connect(id: number) {\n  const base = import.meta.env.VITE_API_WS;\n  return new WebSocket(`${base}/items/${id}/ws`);\n}", ".env.production": "VITE_API_WS=wss://shop.example/api"},
        {"main.py": "app = FastAPI()\napi = APIRouter(prefix='/api')\n@api.websocket('/items/{item_id}/ws')\nasync def w(websocket: WebSocket, item_id: str): ...\napp.include_router(api)"}, "https://shop.example/"),
    Row("starlette mounts", {"m.js": "var u = new URL('/feeds/ticker', window.location); u.protocol = u.protocol.replace('http', 'ws'); var s = new WebSocket(u);"},
        {"app.py": "from starlette.routing import Mount, WebSocketRoute\nfeeds = [WebSocketRoute('/ticker', Ticker)]\napp = Starlette(routes=[Mount('/feeds', routes=feeds)])"}, "http://t.example/"),
    Row("django channels", {"templates/room.html": "<script>\nconst roomName = JSON.parse(document.getElementById('room-name').textContent);\nconst chatSocket = new WebSocket('ws://' + window.location.host + '/ws/chat/' + roomName + '/');\n</script>"},
        {"mysite/asgi.py": "from chat.routing import websocket_urlpatterns\napplication = ProtocolTypeRouter({'websocket': URLRouter(websocket_urlpatterns)})", "chat/routing.py": "from django.urls import re_path\nfrom . import consumers\nwebsocket_urlpatterns = [\n    re_path(r'ws/chat/(?P<room_name>\\w+)/$', consumers.ChatConsumer.as_asgi()),\n]"}, "http://127.0.0.1:8000/chat/lobby/"),
    Row("aiohttp", {"i.html": "<body><script>let sock = new WebSocket('wss://' + document.location.host + '/stream')</script>"},
        {"srv.py": "from aiohttp import web\nclass Stream(web.View):\n    async def get(self):\n        ws = web.WebSocketResponse()\napp = web.Application()\napp.router.add_view('/stream', Stream)\n"}, "https://a.example/"),
    Row("tornado", {"a.js": "conn = new WebSocket(location.origin.replace(/^http/, 'ws') + '/feed/42');"}, {"s.py": "import tornado.websocket\nclass Feed(tornado.websocket.WebSocketHandler):\n    def open(self, n): ...\napp = tornado.web.Application([(r'/', Main), (r'/feed/([0-9]+)', Feed)])\napp.listen(8888)"}, "https://f.example/"),
    Row("flask-socketio", {"p.html": "<script src='https://cdn.socket.io/4.7.5/socket.io.min.js'></script><script>const socket = io();</script>", }, {"requirements.txt": "flask==3.0\nflask-socketio==5.3.6\n", "app.py": "from flask_socketio import SocketIO\nsocketio = SocketIO(app, cors_allowed_origins='*')\nif __name__ == '__main__':\n    socketio.run(app)"}, "https://s.example/"),
    Row("socket.io own path", {"s.ts": "import { io } from 'socket.io-client';\nexport const socket = io({ path: '/realtime', transports: ['websocket'] });", "package.json": '{"dependencies": {"socket.io-client": "^4.7.0"}}'},
        {"index.ts": "import { Server } from 'socket.io';\nconst io = new Server(httpServer, { path: '/realtime', cors: { origin: true } });", "package.json": '{"dependencies": {"socket.io": "^4.6.0"}}'}, "https://x.example/"),
    Row("socket.io 2 client, server allows it", {"s.js": "const socket = require('socket.io-client')('https://x.example');", "package.json": '{"dependencies": {"socket.io-client": "2.5.0"}}'},
        {"i.js": "const io = require('socket.io')(server, { allowEIO3: true })", "package.json": '{"dependencies": {"socket.io": "4.7.0"}}'}, "https://x.example/"),
    Row("ws with server", {"l.js": "class Live { constructor() { this.url = Live.url(); } static url() { const { protocol, host } = window.location; return (protocol === 'https:' ? 'wss://' : 'ws://') + host + '/live'; } open() { this.ws = new WebSocket(this.url); } }\nnew Live().open();"},
        {"server.js": "const wss = new WebSocket.Server({ server, path: '/live' });\nserver.listen(8080);"}, "https://l.example/"),
    Row("express-ws router", {"a.ts": "import ReconnectingWebSocket from 'reconnecting-websocket';\nconst rws = new ReconnectingWebSocket('wss://e.example/api/events');"},
        {"app.js": "const app = require('express')();\nrequire('express-ws')(app);\napp.use('/api', require('./events'));", "events.js": "const { Router } = require('express');\nconst r = Router();\nr.ws('/events', (ws, req) => {});\nmodule.exports = r;"}, "https://e.example/"),
    Row("fastify plugin", {"a.tsx": "const { lastMessage } = useWebSocket('wss://f.example/v1/feed');"}, {"app.ts": "import feed from './feed';\nconst app = Fastify();\napp.register(websocket);\napp.register(feed, { prefix: '/v1' });", "feed.ts": "export default async (fastify: FastifyInstance) => {\n  fastify.get('/feed', { websocket: true }, (socket, req) => {});\n};"}, "https://f.example/"),
    Row("nest with ws adapter", {"a.ts": "const subject = webSocket<Msg>({ url: `wss://${environment.host}/events` });\n", "environment.ts": "export const environment = { host: 'n.example' };"}, {"g.ts": "@WebSocketGateway({ path: '/events' })\nexport class EventsGateway {}", "main.ts": "app.useWebSocketAdapter(new WsAdapter(app));\nawait app.listen(3000);"}, "https://n.example/"),
    Row("gorilla mux subrouter", {"a.js": "const socket = new WebSocket('wss://g.example/api/v1/ws');"}, {"main.go": 'package main\nfunc main() {\n\tr := mux.NewRouter()\n\tv1 := r.PathPrefix("/api/v1").Subrouter()\n\tv1.HandleFunc("/ws", handleWS)\n\thttp.ListenAndServe(":8000", r)\n}\nfunc handleWS(w http.ResponseWriter, r *http.Request) {\n\tc, err := upgrader.Upgrade(w, r, nil)\n}'}, "https://g.example/"),
    Row("spring sockjs", {"app.js": "var stompClient = Stomp.over(new SockJS('/gs-guide-websocket'));"}, {"src/main/java/C.java": 'public class C implements WebSocketMessageBrokerConfigurer {\n  public void registerStompEndpoints(StompEndpointRegistry registry) {\n    registry.addEndpoint("/gs-guide-websocket").setAllowedOriginPatterns("*").withSockJS();\n  }\n}'}, "https://sp.example/"),
    Row("stomp over the plain door of sockjs", {"a.ts": "const client = new Client({ brokerURL: 'wss://sp.example/portfolio/websocket' });"}, {"C.java": 'class C { void registerStompEndpoints(StompEndpointRegistry r) { r.addEndpoint("/portfolio").withSockJS(); } }'}, "https://sp.example/"),
    Row("signalr", {"a.ts": "const c = new signalR.HubConnectionBuilder().withUrl('/hubs/chat').withAutomaticReconnect().build();"}, {"Program.cs": 'app.MapHub<ChatHub>("/hubs/chat");'}, "https://d.example/"),
    Row("phoenix", {"a.js": "import { Socket } from 'phoenix';\nlet socket = new Socket('/socket', { params: { token } });"}, {"lib/endpoint.ex": '  socket "/socket", AppWeb.UserSocket, websocket: true\n'}, "https://p.example/"),
    Row("vite proxy strips the prefix", {"vite.config.ts": "export default defineConfig({ server: { proxy: { '/api': { target: 'http://localhost:8000', ws: true, rewrite: (path) => path.replace(/^\\/api/, '') } } } })", "src/a.ts": "new WebSocket(`ws://${location.host}/api/ws`)"},
        {"main.py": "@app.websocket('/ws')\nasync def f(ws): ..."}, "http://localhost:5173/"),
    Row("nginx strips the prefix", {"a.js": "new WebSocket('wss://' + location.host + '/rt/ws/chat')"}, {"main.py": FASTAPI}, "https://n.example/", nginx="server { listen 443 ssl; server_name n.example; location /rt/ { proxy_pass http://app:8000/; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; } }"),
    Row("graphql-ws", {"u.ts": "import { createClient } from 'graphql-ws';\nconst wsClient = createClient({ url: 'wss://q.example/graphql' });\nexport const client = new Client({ exchanges: [subscriptionExchange({ forwardSubscription: (r) => ({ subscribe: (s) => ({ unsubscribe: wsClient.subscribe(r, s) }) }) })] });"},
        {"s.ts": "import { useServer } from 'graphql-ws/lib/use/ws';\nconst w = new WebSocketServer({ server, path: '/graphql' });\nuseServer({ schema }, w);"}, "https://q.example/"),
    Row("websockets serves any path", {"a.html": "<script>const websocket = new WebSocket('ws://localhost:8765/');</script>"}, {"s.py": "import asyncio, websockets\nasync def main():\n    async with websockets.serve(echo, 'localhost', 8765):\n        await asyncio.Future()"}, "http://localhost:8080/"),
    # The path
    Row("prefix forgotten", {"app.js": NATIVE}, {"main.py": "from fastapi import FastAPI\nimport chat\napp = FastAPI()\napp.include_router(chat.router, prefix='/api')", "chat.py": "router = APIRouter()\n@router.websocket('/ws/chat')\nasync def c(ws): ..."}, "https://chat.example/", "path", "endpoint.wrong-path"),
    Row("slash at the end", {"a.js": "new WebSocket('wss://' + location.host + '/ws/alerts')"}, {"r.py": "websocket_urlpatterns = [path('ws/alerts/', AlertConsumer.as_asgi())]"}, "https://al.example/", "slash", "endpoint.wrong-path"),
    Row("upper and lower case", {"a.js": "new WebSocket(`wss://c.example/ws/LiveFeed`)"}, {"a.go": 'import "nhooyr.io/websocket"\nfunc main() { http.HandleFunc("/ws/livefeed", h) }\nfunc h(w http.ResponseWriter, r *http.Request) { c, err := websocket.Accept(w, r, nil) }'}, "https://c.example/", "case", "endpoint.wrong-path"),
    Row("context path forgotten", {"a.js": "const sock = new WebSocket('wss://j.example/ticker');"}, {"src/main/java/W.java": 'class W implements WebSocketConfigurer { public void registerWebSocketHandlers(WebSocketHandlerRegistry r) { r.addHandler(handler(), "/ticker"); } }', "src/main/resources/application.properties": "server.servlet.context-path=/portal\n"}, "https://j.example/", "path", "endpoint.wrong-path"),
    Row("jakarta, other name", {"a.js": "var ws = new WebSocket('wss://jk.example/shop/updates/7');"}, {"E.java": '@ServerEndpoint("/shop/notifications/{user}")\npublic class E {}'}, "https://jk.example/", "path", "endpoint.wrong-path"),
    Row("socket.io path on one side only", {"a.js": "import { io } from 'socket.io-client'; io('https://x.example');"}, {"i.js": "const { Server } = require('socket.io');\nnew Server(http, { path: '/ws/socket.io' });"}, "https://x.example/", "path", "endpoint.wrong-path"),
    Row("rewrite takes too much", {"a.js": "new WebSocket('wss://' + location.host + '/api/live')"}, {"s.js": "new WebSocketServer({ server, path: '/api/live' });"}, "https://r.example/"),
    # The library and its major
    Row("socket.io client, raw server", {"a.ts": "import io from 'socket.io-client';\nconst socket = io('https://l.example');"}, {"s.py": "import websockets\nstart = websockets.serve(handler, '0.0.0.0', 8765)"}, "https://l.example/", "library", "endpoint.protocol-library-mismatch"),
    Row("raw client, socket.io server", {"a.js": "const ws = new WebSocket('wss://l.example/');"}, {"s.js": "const io = require('socket.io')(server);\nserver.listen(3000);"}, "https://l.example/", "library", "endpoint.protocol-library-mismatch"),
    Row("raw client, nest without adapter", {"a.vue": "<script setup>\nconst { data } = useWebSocket('wss://n.example/events')\n</script>"}, {"g.ts": "import { Server } from 'socket.io';\n@WebSocketGateway({ cors: true })\nexport class G { @WebSocketServer() server: Server; }"}, "https://n.example/", "library", "endpoint.protocol-library-mismatch"),
    Row("sockjs client, raw stomp endpoint", {"a.js": "const c = new Client({ webSocketFactory: () => new SockJS('/ws') });"}, {"C.java": 'class C { void registerStompEndpoints(StompEndpointRegistry r) { r.addEndpoint("/ws").setAllowedOrigins("*"); } }'}, "https://st.example/", "library", "endpoint.protocol-library-mismatch"),
    Row("raw stomp client, sockjs endpoint", {"a.js": "const c = new StompJs.Client({ brokerURL: 'wss://st.example/ws' });"}, {"C.java": 'class C { void registerStompEndpoints(StompEndpointRegistry r) { r.addEndpoint("/ws").withSockJS(); } }'}, "https://st.example/", "library", "endpoint.protocol-library-mismatch"),
    Row("transport-ws client, graphql-ws server", {"a.ts": "import { SubscriptionClient } from 'subscriptions-transport-ws';\nconst c = new SubscriptionClient(`wss://${location.host}/graphql`, { reconnect: true });"}, {"s.ts": "import { useServer } from 'graphql-ws/use/ws';\nconst w = new WebSocketServer({ server, path: '/graphql' }); useServer({ schema }, w);"}, "https://q.example/", "library", "endpoint.protocol-library-mismatch"),
    Row("socket.io 2 client, flask-socketio 5", {"p.html": "<script src='https://cdnjs.cloudflare.com/ajax/libs/socket.io/2.3.0/socket.io.js'></script><script>var socket = io.connect('https://' + document.domain);</script>"}, {"requirements.txt": "Flask-SocketIO==5.3.4\npython-socketio==5.9\n", "a.py": "from flask_socketio import SocketIO\nsocketio = SocketIO(app)"}, "https://fl.example/", "version", "endpoint.protocol-library-mismatch"),
    Row("socket.io 4 client, 2 server", {"a.js": "import { io } from 'socket.io-client'; io();", "package.json": '{"dependencies": {"socket.io-client": "~4.5"}}'}, {"a.js": "const io = require('socket.io').listen(server)\nrequire('socket.io')(server)", "package.json": '{"dependencies": {"socket.io": "2.4.1"}}'}, "https://v.example/", "version", "endpoint.protocol-library-mismatch"),
    # Host, scheme, port
    Row("localhost left in", {"a.js": "const API = 'http://localhost:8000';\nconst ws = new WebSocket(API.replace('http', 'ws') + '/ws/chat');"}, {"main.py": FASTAPI}, "https://chat.example/", "host", "endpoint.localhost-or-internal-address"),
    Row("name of a container", {".env.production": "VITE_WS=ws://backend:8000/ws/chat", "a.ts": "new WebSocket(import.meta.env.VITE_WS)"}, {"main.py": FASTAPI, "docker-compose.yml": "services:\n  backend:\n    ports:\n      - '8000:8000'\n"}, "http://chat.example/", "host", "endpoint.localhost-or-internal-address"),
    Row("ws from an https page", {"a.js": "const socket = new WebSocket('ws://' + window.location.hostname + '/ws/chat');"}, {"main.py": FASTAPI}, "https://chat.example/", "scheme", "endpoint.mixed-content"),
    Row("wss to the plain port", {"a.js": "new WebSocket('wss://localhost:8080/live')"}, {"s.js": "const wss = new WebSocketServer({ port: 8080, path: '/live' });"}, "http://localhost:3000/", "", "endpoint.tls-to-plain-port"),
    Row("ws to the TLS port", {"a.js": "new WebSocket('ws://tl.example:8443/live')"}, {"s.go": 'import "github.com/gorilla/websocket"\nfunc main() { http.HandleFunc("/live", h); http.ListenAndServeTLS(":8443", "c.pem", "k.pem", nil) }\nfunc h(w http.ResponseWriter, r *http.Request) { u.Upgrade(w, r, nil) }'}, "http://tl.example/", "", "endpoint.plain-to-tls-port"),
    Row("port of another program", {"a.js": "new WebSocket('ws://localhost:8080/ws/chat')"}, {"main.py": FASTAPI + "import uvicorn\nuvicorn.run(app, host='0.0.0.0', port=8000)"}, "http://localhost:3000/", "port", "net.not-listening-outside"),
    Row("loopback in a container", {"a.js": NATIVE}, {"main.py": FASTAPI, "Dockerfile": "FROM python:3.12\nEXPOSE 8000\nCMD uvicorn main:app --port 8000\n"}, "https://chat.example/", "", "net.not-listening-outside"),
    Row("http scheme for a raw socket", {"a.js": "const BASE = 'https://chat.example';\nnew WebSocket(BASE + '/ws/chat');"}, {"main.py": FASTAPI}, "https://chat.example/", "", "endpoint.url-invalid"),
)  # fmt: skip
