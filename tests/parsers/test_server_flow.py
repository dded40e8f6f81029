"""Defects of server code that are found by following names, calls and blocks: each is found, and the same code in order has none."""

from pathlib import Path

import pytest
from parsers.flow_idioms import FLOW_IDIOMS
from parsers.test_source_review import defects

from wsbook.facts import PatternFacts
from wsbook.parsers.code.sources import parse_sources
from wsbook.parsers.pattern_table import config_patterns


@pytest.mark.parametrize(
    ("pattern", "artifact", "faulty", "healthy"), FLOW_IDIOMS, ids=[f"{row[0]}-{i}" for i, row in enumerate(FLOW_IDIOMS)]
)
def test_follows(pattern: str, artifact: str, faulty: str, healthy: str) -> None:
    assert pattern in defects(faulty, "backend", artifact)
    assert pattern not in defects(healthy, "backend", artifact)


def test_every_pattern_that_is_followed_has_a_row() -> None:
    own = {name for name in config_patterns() if name.startswith(("py.", "node.", "go.", "java.", "origin.", "send."))}
    assert own == {row[0] for row in FLOW_IDIOMS}


def found(tmp_path: Path, files: dict[str, str]) -> set[str]:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    seen = parse_sources([str(tmp_path)], side="backend", step="3.2")
    return {one.facts.pattern for one in seen if isinstance(one.facts, PatternFacts) and not one.facts.ok}


SOCKET_APP = "from starlette.routing import WebSocketRoute\nroutes = [WebSocketRoute('/x', x)]\nlisteners = set()\n"


@pytest.mark.parametrize(
    ("pattern", "files", "remedy"),
    [
        ("project.in-process-registry-workers", {"a.py": SOCKET_APP, "x.service": "ExecStart=uvicorn a:app --workers 3\n"},
         {"x.service": "ExecStart=uvicorn a:app --workers 1\n"}),
        ("project.in-process-registry-workers", {"a.py": SOCKET_APP, "gunicorn.conf.py": "workers = multiprocessing.cpu_count() * 2 + 1\n"},
         {"gunicorn.conf.py": "workers = 1\n"}),
        ("project.in-process-registry-workers", {"a.py": SOCKET_APP, "compose.yaml": "services:\n  web:\n    deploy:\n      replicas: 3\n"},
         {"compose.yaml": "services:\n  web:\n    image: a\n  jobs:\n    command: celery -A a worker\n    deploy:\n      replicas: 3\n"}),
        ("project.emits-in-one-process", {"a.js": "const { Server } = require('socket.io'); io.emit('x')", "start.sh": "pm2 start a.js -i max\n"},
         {"a.js": "const { Server } = require('socket.io'); io.adapter(createAdapter(p, s)); io.emit('x')"}),
        ("project.other-app-key", {".env": "REVERB_APP_KEY=abc\nVITE_REVERB_APP_KEY=xyz\n", "a.js": "new Echo()"},
         {".env": "REVERB_APP_KEY=abc\nVITE_REVERB_APP_KEY=\"${REVERB_APP_KEY}\"\n"}),
        ("project.uvicorn-without-sockets", {"a.py": SOCKET_APP, "requirements.txt": "starlette\nuvicorn==0.30\n"},
         {"requirements.txt": "starlette\nuvicorn[standard]==0.30\n"}),
        ("project.plain-server-under-sockets", {"a.py": SOCKET_APP, "Procfile": "web: gunicorn a:app -b :80\n"},
         {"Procfile": "web: gunicorn a:app -k uvicorn.workers.UvicornWorker -b :80\n"}),
        ("project.plain-server-under-sockets", {"a.py": SOCKET_APP, "deploy.sh": "waitress-serve --port=80 a:app\n"},
         {"deploy.sh": "hypercorn a:app --bind 0.0.0.0:80\n"}),
        ("project.few-descriptors", {"a.py": SOCKET_APP + "# websocket", "a.service": "LimitNOFILE=1024\n"}, {"a.service": "LimitNOFILE=65536\n"}),
        ("project.bus-names-differ", {"a.js": "redis.publish('prices', x)", "b.js": "sub.subscribe('price', f) // ws"}, {"b.js": "sub.subscribe('prices', f) // ws"}),
        ("project.bus-names-differ", {"a.py": "m = socketio.AsyncRedisManager(url, channel='shop')\n", "b.py": "m = socketio.RedisManager(url, write_only=True)\n"},
         {"b.py": "m = socketio.RedisManager(url, write_only=True, channel='shop')\n"}),
        ("project.sockets-for-development-only", {"a.js": "const { WebSocketServer } = require('ws')", "Dockerfile": "RUN npm ci --omit=dev\n",
          "package.json": '{"dependencies": {"express": "4"}, "devDependencies": {"ws": "8"}}'}, {"package.json": '{"dependencies": {"ws": "8"}, "devDependencies": {"jest": "29"}}'}),
        ("project.each-instance-produces", {"a.ts": "const io = new Server(s, { adapter: createAdapter(p, q) })\nconst tick = async () => io.emit('t', await now())\nsetInterval(tick, 1000)",
          "k8s.yaml": "spec:\n  replicas: 3\n"}, {"k8s.yaml": "spec:\n  replicas: 1\n"}),
        ("project.each-instance-produces", {"a.py": SOCKET_APP + "async def tick():\n    while True:\n        await redis.publish('t', now())\n@app.on_event('startup')\nasync def up():\n    app.t = asyncio.create_task(tick())\n",
          "a.service": "ExecStart=uvicorn a:app --workers 2\n"}, {"a.service": "ExecStart=uvicorn a:app --workers 1\n"}),
        ("py.blocking-helper", {"store.py": "import requests\ndef look(q):\n    return requests.get(q)\n", "a.py": "from store import look\nasync def h(ws):\n    look(1)\n"},
         {"store.py": "async def look(q):\n    return 1\n", "a.py": "from store import look\nasync def h(ws):\n    await look(1)\n"}),
    ],
)  # fmt: skip
def test_reads_several_files_together(tmp_path: Path, pattern: str, files: dict[str, str], remedy: dict[str, str]) -> None:
    assert pattern in found(tmp_path, files)
    assert pattern not in found(tmp_path, remedy)
