"""What back ends offer: routes under their prefixes, listeners with the address they bind, protocol majors."""

# ruff: noqa: E501 (a row is a program)

import time
from pathlib import Path

import pytest

from wsbook.facts import EndpointFacts
from wsbook.parsers.sources import parse_source_text, parse_sources


def offers(files: dict[str, str], folder: Path) -> list[EndpointFacts]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [o.facts for o in parse_sources([str(folder)], side="backend", step="1.1") if isinstance(o.facts, EndpointFacts)]


FLASK_SOCKETIO = "from flask_socketio import SocketIO\nsocketio = SocketIO(app)\nsocketio.run(app, host='0.0.0.0', port=5000)"
GORILLA = 'import "github.com/gorilla/websocket"\nfunc serve(w http.ResponseWriter, r *http.Request) { c, _ := upgrader.Upgrade(w, r, nil); c.Close() }\n'


@pytest.mark.parametrize(
    ("files", "paths"),
    [
        ({"m.py": "from fastapi import FastAPI\nfrom api import live\napp = FastAPI()\napp.include_router(live.router, prefix='/api')",
          "api/__init__.py": "", "api/live.py": "router = APIRouter(prefix='/live')\n@router.websocket('/ws/{room}')\nasync def f(ws): ..."}, ["/api/live/ws/{room}"]),
        ({"app/main.py": "from .v1 import api\napp.include_router(api, prefix=settings.API)", "app/v1/__init__.py": "from .routes import router as api",
          "app/v1/routes.py": "router = APIRouter()\n@router.websocket('/ws')\nasync def f(ws): ...", "app/core.py": "class Settings:\n    API: str = '/api/v1'\nsettings = Settings()"}, ["/api/v1/ws"]),
        ({"a.py": "app.include_router(r, prefix=load())\n@r.websocket('/ws')\nasync def f(ws): ..."}, ["*/ws"]),
        ({"a.py": "routes = [Mount('/api', routes=[WebSocketRoute('/ws', f), Route('/x', g)])]"}, ["/api/ws"]),
        ({"a.py": "sub = FastAPI()\n@sub.websocket('/ws')\nasync def f(ws): ...\napp.mount('/rt', sub)"}, ["/rt/ws"]),
        ({"asgi.py": "from chat.routing import websocket_urlpatterns\nr = URLRouter(websocket_urlpatterns)",
          "chat/routing.py": "from . import consumers\nwebsocket_urlpatterns = [re_path(r'^ws/(?P<room>[-\\w]+)/?$', consumers.C.as_asgi())]"}, ["/ws/{room}/?"]),
        ({"asgi.py": "import chat.routing\nr = URLRouter([path('live/', URLRouter(chat.routing.urls))])",
          "chat/routing.py": "urls = [path('chat/<int:pk>/', C.as_asgi())]"}, ["/live/chat/{pk}/"]),
        ({"a.py": "from aiohttp import web\nasync def live(request):\n    ws = web.WebSocketResponse()\nasync def page(request): ...\napp.add_routes([web.get('/', page), web.get('/l', live)])"}, ["/l"]),
        ({"a.py": "routes = web.RouteTableDef()\n@routes.get('/l')\nasync def live(request):\n    ws = web.WebSocketResponse()\n@routes.get('/p')\nasync def p(r): ..."}, ["/l"]),
        ({"a.py": "async def live(request):\n    ws = web.WebSocketResponse()\nsub = web.Application()\nsub.router.add_get('/l', live)\napp.add_subapp('/api/', sub)"}, ["/api/l"]),
        ({"a.py": "import tornado.web\nclass Page(tornado.web.RequestHandler): ...\nclass Live(tornado.websocket.WebSocketHandler): ...\ntornado.web.Application([(r'/', Page), (r'/live/(\\d+)', Live)])"}, ["/live/{…}"]),
        ({"a.py": "from flask_sock import Sock\nbp = Blueprint('b', __name__, url_prefix='/api')\nsock = Sock(bp)\n@sock.route('/echo')\ndef f(ws): ..."}, ["/api/echo"]),
        ({"a.py": FLASK_SOCKETIO}, ["/socket.io/"]),
        ({"a.py": "import socketio\nsio = socketio.AsyncServer()\napp = socketio.ASGIApp(sio, socketio_path='/rt/socket.io')"}, ["/rt/socket.io/"]),
        ({"a.js": "const express = require('express'); const app = express(); require('express-ws')(app);\nconst live = require('./live'); app.use('/api', live);",
          "live.js": "const router = require('express').Router();\nrouter.ws('/ws/:id', (ws) => {});\nmodule.exports = router;"}, ["/api/ws/{id}"]),
        ({"a.ts": "import routes from './routes'; fastify.register(routes, { prefix: '/v1' })",
          "routes.ts": "export default async function (app) { app.get('/ws', { websocket: true }, (c) => {}) }"}, ["/v1/ws"]),
        ({"a.ts": "@WebSocketGateway({ cors: true })\nexport class G {}\nimport 'socket.io'"}, ["/socket.io/"]),
        ({"a.ts": "@WebSocketGateway(8081, { path: '/live' })\nexport class G {}", "m.ts": "app.useWebSocketAdapter(new WsAdapter(app))"}, ["/live"]),
        ({"a.js": "const echo = sockjs.createServer({ prefix: '/echo' }); echo.installHandlers(server, { prefix: '/echo' })"}, ["/echo"]),
        ({"a.js": "uWS.App().ws('/live/*', { message() {} }).listen(9001, () => {})"}, ["/live/*"]),
        ({"a.ts": "app.get('/ws', upgradeWebSocket((c) => ({})))"}, ["/ws"]),
        ({"a.go": GORILLA + 'func main() { http.HandleFunc("/", home); http.HandleFunc("/live", serve) }'}, ["/live"]),
        ({"a.go": GORILLA + 'func main() { mux.HandleFunc("GET /live/{id}", func(w http.ResponseWriter, r *http.Request) { serve(w, r) }) }'}, ["/live/{id}"]),
        ({"a.go": GORILLA + 'func main() { r.Route("/api", func(r chi.Router) { r.Route("/v1", func(r chi.Router) { r.Get("/live", serve) }) }) }'}, ["/api/v1/live"]),
        ({"a.go": GORILLA + 'func routes(g *gin.RouterGroup) { g.GET("/live", func(c *gin.Context) { serve(c.Writer, c.Request) }) }', "m.go": 'func main() { routes(r.Group("/api")) }'}, ["/api/live"]),
        ({"a.go": GORILLA + 'func main() { s := r.PathPrefix("/api").Subrouter(); s.HandleFunc("/live", serve) }'}, ["/api/live"]),
        ({"a.go": GORILLA + 'func sub() http.Handler { r := chi.NewRouter(); r.Get("/live", serve); return r }\nfunc main() { root.Mount("/rt", sub()) }'}, ["/rt/live"]),
        ({"a.go": 'func main() { api := app.Group("/api"); api.Get("/live/:id", websocket.New(func(c *websocket.Conn) {})) }'}, ["/api/live/{id}"]),
        ({"src/main/java/W.java": 'class W { static final String P = "/live"; void r(R registry) { registry.addHandler(h, P, "/b").setAllowedOrigins("*"); } }',
          "src/main/resources/application.properties": "server.servlet.context-path=/app\nserver.port=9090"}, ["/app/live"]),
        ({"E.java": '@ServerEndpoint(value = "/chat/{room}", decoders = D.class)\npublic class E {}'}, ["/chat/{room}"]),
        ({"a.kt": 'routing { route("/api") { webSocket("/live") { } } }'}, ["/api/live"]),
        ({"P.cs": 'app.MapHub<ChatHub>("/hub");'}, ["/hub"]),
        ({"endpoint.ex": '  socket "/socket", MyAppWeb.UserSocket,\n    websocket: true'}, ["/socket/websocket"]),
        ({"routes.rb": "mount ActionCable.server => '/cable'"}, ["/cable"]),
        ({"a.py": "import websockets\nasync def h(ws):\n    if ws.request.path == '/a': ..."}, ["/a"]),
        ({"a.py": "PATHS = {}\nprint('/ws')"}, []),
        ({"a.go": 'func main() { http.HandleFunc("/wsdl", soap) }\nfunc soap(w http.ResponseWriter, r *http.Request) { }'}, []),
    ],
)  # fmt: skip
def test_paths(files: dict[str, str], paths: list[str], tmp_path: Path) -> None:
    assert list(dict.fromkeys(f.path for f in offers(files, tmp_path) if f.path is not None)) == paths


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"Dockerfile": 'CMD ["uvicorn", "a:app", "--host", "0.0.0.0", "--port", "80"]'}, {("uvicorn", 80, "0.0.0.0", None)}),
        ({"Dockerfile": 'CMD ["uvicorn", "a:app"]'}, {("uvicorn", 8000, "127.0.0.1", None)}),
        ({"Dockerfile": "RUN pip install uvicorn\nEXPOSE 8000"}, {("docker", 8000, "", None)}),
        ({"Procfile": "web: gunicorn -k uvicorn.workers.UvicornWorker -b 0.0.0.0:9000 a:app"}, {("gunicorn", 9000, "0.0.0.0", None)}),
        ({"docker-compose.yml": 'services:\n  a:\n    ports:\n      - "8080:80"\n      - 127.0.0.1:9000:9000\n'}, {("compose", 80, "", 8080), ("compose", 9000, "", 9000)}),
        ({"a.js": "server.listen(3000, '127.0.0.1')"}, {("node", 3000, "127.0.0.1", None)}),
        ({"a.js": "server.listen(Number(process.env.PORT || 3000))"}, {("node", 3000, "", None)}),
        ({"a.py": "import websockets\nPORT = 8765\nwebsockets.serve(h, 'localhost', PORT)"}, {("websockets", 8765, "localhost", None)}),
        ({"a.py": "PORT = int(os.environ.get('PORT', 8001))\nuvicorn.run(app, host='0.0.0.0', port=PORT)"}, {("uvicorn", 8001, "0.0.0.0", None)}),
        ({"a.go": 'import "net/http"\nfunc main() { http.ListenAndServe("127.0.0.1:8080", nil) }'}, {("go", 8080, "127.0.0.1", None)}),
        ({"src/main/resources/application.yml": "server:\n  port: 9090\n  servlet:\n    context-path: /x"}, {("spring", 9090, "", None)}),
    ],
)  # fmt: skip
def test_listeners(files: dict[str, str], expected: set[tuple[str, int, str, int | None]], tmp_path: Path) -> None:
    assert {(f.library, f.port, f.bind, f.published) for f in offers(files, tmp_path) if f.port} == expected


@pytest.mark.parametrize(
    ("files", "library", "version"),
    [
        ({"package.json": '{"dependencies": {"socket.io": "^2.5.0"}}', "a.js": "require('socket.io')(http)"}, "socket.io", "3"),
        ({"package.json": '{"dependencies": {"socket.io": "4.7"}}', "a.js": "require('socket.io')(http, { allowEIO3: true })"}, "socket.io", "3,4"),
        ({"requirements.txt": "Flask-SocketIO==5.3.6\n", "a.py": FLASK_SOCKETIO}, "socket.io", "4"),
        ({"requirements.txt": "flask_socketio==4.3\n", "a.py": FLASK_SOCKETIO}, "socket.io", "3"),
        ({"a.py": FLASK_SOCKETIO}, "socket.io", ""),
        ({"a.ts": "import { useServer } from 'graphql-ws/use/ws'; const w = new WebSocketServer({ server, path: '/graphql' }); useServer({ schema }, w)"}, "graphql-ws", ""),
        ({"a.ts": "SubscriptionServer.create({ schema }, { server, path: '/graphql' })"}, "subscriptions-transport-ws", ""),
        ({"W.java": 'class W { void r(S s) { s.addEndpoint("/s").setAllowedOrigins("*").withSockJS(); } }'}, "sockjs", ""),
        ({"W.java": 'class W { void r(S s) { s.addEndpoint("/s"); s.other().withSockJS(); } }'}, "stomp", ""),
    ],
)  # fmt: skip
def test_libraries_and_majors(files: dict[str, str], library: str, version: str, tmp_path: Path) -> None:
    assert (library, version) in {(f.library, f.version) for f in offers(files, tmp_path) if f.path is not None}


@pytest.mark.parametrize(
    ("name", "unit", "times"),
    [
        ("docker-compose.yml", "- '80:80'\n", 50_000),
        ("a.kt", 'webSocket("/a") {\n', 30_000),
        ("a.java", "@ServerEndpoint(", 4_000),
        ("Dockerfile", "uvicorn a:app --host ", 30_000),
        ("application.yml", "a:\n b:\n", 50_000),
        ("a.py", "A = A + A\nr = APIRouter(prefix=A)\n", 2_000),
        ("a.go", 'r.Mount("/a", f())\n', 2_000),
        ("a.js", "app.use('/a', r); r.use('/b', app);\n", 2_000),
    ],
)
def test_repetition_stays_within_seconds(name: str, unit: str, times: int) -> None:
    before = time.process_time()
    parse_source_text(unit * times, artifact=name, side="backend", step="1.1")
    assert time.process_time() - before < 5
