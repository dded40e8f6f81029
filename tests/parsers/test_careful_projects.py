"""Backends in order that resemble faulty ones in what they are started with, publish, measure and keep: none of it is a fault."""

# ruff: noqa: E501 (a row is a program)

from pathlib import Path

import pytest
from parsers.test_server_flow import SOCKET_APP, found

from wsbook.parsers.pattern_table import config_patterns

PROJECTS: list[dict[str, str]] = [
    {"a.py": SOCKET_APP, "compose.yaml": "services:\n  web:\n    command: gunicorn a.wsgi:app\n  live:\n    command: daphne a.asgi:app\n"},
    {"a.py": SOCKET_APP, "gunicorn.conf.py": "worker_class = 'uvicorn.workers.UvicornWorker'\n", "Procfile": "web: gunicorn a:app\n"},
    {
        "site.py": "app = Flask('x')\n",
        "live.py": SOCKET_APP + "uvicorn.run(app)\n",
        "Procfile": "web: gunicorn site:app\nlive: python live.py\n",
    },
    {"a.js": "redis.publish('jobs', x)\nsub.subscribe('news', f) // ws"},
    {"a.js": "redis.publish('prices:eur', x)\nsub.pSubscribe('prices:*', f) // ws"},
    {
        "a.js": "const MAX = 5 * 1024 * 1024\nnew WebSocketServer({ server, maxPayload: 65536 })\napp.post('/up', (req, res) => { if (req.body.length > MAX) res.end() })"
    },
    {
        "a.ts": "const io = new Server(s, { adapter: createAdapter(p, q), transports: ['websocket'] })\nsetInterval(() => redis.publish('alive', hostname()), 9e3)",
        "k8s.yaml": "spec:\n  replicas: 3\n",
    },
    {
        "a.ts": "async function pump() { for (;;) { try { for await (const m of src) hub.broadcast(m) } catch (e) { log(e) } } }\nvoid pump()"
    },
    {"a.ts": "async function main() { for await (const m of src) hub.broadcast(m) }\nmain().catch((e) => { log(e); process.exit(1) })"},
    {
        "a.py": "users = {}\nasync def h(ws):\n    key = f'u:{ws.user}'\n    users[key] = ws\n    try:\n        async for m in ws:\n            pass\n"
        "    finally:\n        users.pop(f'u:{ws.user}', None)\n"
    },
    {
        "a.go": 'package a\nimport "github.com/gorilla/websocket"\nfunc relay(in, out *websocket.Conn) {\n\tgo func() { for { t, b, err := out.ReadMessage(); '
        "if err != nil { return }; in.WriteMessage(t, b) } }()\n\tfor { t, b, err := in.ReadMessage(); if err != nil { return }; out.WriteMessage(t, b) }\n}\n"
    },
    {
        "a.py": "async def bridge(ws):\n    async with aiohttp.ClientSession() as s:\n        up = await s.ws_connect(U)\n        try:\n"
        "            async for m in ws:\n                await up.send_str(m)\n        finally:\n            await up.close()\n"
    },
]


@pytest.mark.parametrize("files", PROJECTS, ids=[f"{next(iter(files))}-{number}" for number, files in enumerate(PROJECTS)])
def test_what_is_in_order_is_no_fault(tmp_path: Path, files: dict[str, str]) -> None:
    weights = {name: pattern.weight for name, pattern in config_patterns().items()}
    assert [name for name in found(tmp_path, files) if weights.get(name, 0) >= 0.5] == []
