"""Kinds of artifacts by content, by name, and when neither says anything."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.parsers.detect import KINDS, detect_kind

SAMPLES = Path(__file__).parents[2] / "data" / "samples"

CONTENTS = [
    ("nginx_conf", "server {\n  listen 80;\n  location /rt/ {\n    proxy_pass http://127.0.0.1:9000;\n  }\n}"),
    ("nginx_conf", "map $http_upgrade $connection_upgrade { default upgrade; '' close; }"),
    ("haproxy_cfg", "defaults\n  timeout client 50s\nbackend rt\n  server a 10.0.0.4:9000 check\n"),
    ("apache_conf", "ProxyPass /rt ws://127.0.0.1:9000/rt\nProxyPassReverse /rt ws://127.0.0.1:9000/rt"),
    ("caddyfile", "rt.example.test {\n\treverse_proxy 127.0.0.1:9000\n}"),
    ("traefik", "http:\n  routers:\n    rt:\n      rule: Host(`a`)\nentryPoints:\n  web:\n    address: :80"),
    (
        "envoy",
        "static_resources:\n  listeners:\n  - filter_chains:\n    - filters:\n      - name: envoy.filters.network.http_connection_manager",
    ),
    ("k8s_ingress", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: rt"),
    ("alb_attributes", '{"Attributes": [{"Key": "idle_timeout.timeout_seconds", "Value": "60"}]}'),
    ("backend_log", "2026-03-12 10:00:00,101 ERROR app crashed\nTraceback (most recent call last):\nKeyError: 'x'"),
    ("backend_log", "[W 2026-03-12 10:00:00.101 ServerApp] something"),
    ("access_log", '10.0.0.1 - - [12/Mar/2026:10:00:01 +0000] "GET /rt HTTP/1.1" 101 12 "-" "-"'),
    ("browser_console", "WebSocket connection to 'wss://a.example/rt' failed: "),
    ("browser_console", "InvalidStateError: An attempt was made to use an object that is not, or is no longer, usable\n    at Feed.send"),
    ("frontend_source", "val client = OkHttpClient.Builder()\n    .readTimeout(0, TimeUnit.MILLISECONDS)\n    .build()"),
    ("frontend_source", "let task = session.webSocketTask(with: url)\ntask.resume()"),
    ("frontend_source", '{ "/ws": { "target": "http://localhost:8080", "secure": false } }'),
    ("backend_log", "java.io.EOFException\n    at okio.RealBufferedSource.require(RealBufferedSource.kt:199)"),
    ("browser_console", "10-31 14:02:11.531 30102-30145/? W/ReactNativeJS: 'websocket: connection error'"),
    ("browser_console", "10-31 14:02:11.531  3557  4263 I ReactNativeJS: socket opened"),
    ("browser_console", "E/flutter (31920): [ERROR:flutter/lib/ui/ui_dart_state.cc(148)] something"),
    ("browser_console", 'nw_write_request_report [C20] Send failed with error "Socket is not connected"'),
    ("frontend_source", "Echo.private('orders.' + id)\n    .listen('.shipped', draw)"),
    ("backend_source", "const tell = (text) => {\n  for (const [client] of clients) {\n    client.send(text);\n  }\n};"),
    ("traefik", "app:\n  labels:\n    - traefik.frontend.rule=PathPrefix:/live\n    - traefik.port=80"),
    ("backend_source", "[Unit]\nDescription=site\n[Service]\nExecStart=/srv/venv/bin/gunicorn site.wsgi:application"),
    ("backend_source", "[program:site]\ndirectory=/srv/site\ncommand=/srv/venv/bin/daphne site.asgi:application"),
    ("backend_source", "bind = '0.0.0.0:8000'\nworkers = 4\nworker_class = 'uvicorn.workers.UvicornWorker'\npreload_app = True"),
    ("frontend_source", "const ws = new WebSocket(`wss://${location.host}/rt`);\nws.onmessage = (e) => draw(e.data);"),
    ("backend_source", "from fastapi import FastAPI\napp = FastAPI()\n@app.websocket('/rt')\nasync def rt(ws):\n    await ws.accept()"),
    ("backend_log", "1718000000.100      2 10.0.0.4 TCP_DENIED/403 3891 CONNECT a.example:8443 - HIER_NONE/- text/html"),
    ("har", '{"log": {"version": "1.2", "entries": []}}'),
    ("http_dump", "> GET /rt HTTP/1.1\n> Host: a\n>\n< HTTP/1.1 403 Forbidden\n<"),
    ("", "lorem ipsum dolor sit amet"),
    ("", ""),
]


@pytest.mark.parametrize(("kind", "text"), CONTENTS)
def test_content_tells_the_kind(kind: str, text: str) -> None:
    assert detect_kind("", text.encode()) == kind


@pytest.mark.parametrize(
    ("kind", "name"),
    [("haproxy_cfg", "haproxy.cfg"), ("caddyfile", "Caddyfile"), ("backend_log", "app.log.1.gz"), ("backend_source", "Dockerfile")],
)
def test_name_decides_where_content_says_nothing(kind: str, name: str) -> None:
    assert detect_kind(name, b"nothing in particular") == kind


def test_content_weighs_more_than_a_wrong_name() -> None:
    assert detect_kind("notes.py", b"server {\n location / {\n proxy_pass http://b;\n}\n}") == "nginx_conf"


def test_binary_has_no_kind() -> None:
    assert detect_kind("app.log", b"\x7fELF\0\0\0\1") == ""


@pytest.mark.parametrize("path", sorted((SAMPLES / "logs").glob("healthy-*.log")), ids=lambda p: p.stem)
def test_sample_logs_are_logs(path: Path) -> None:
    assert detect_kind("", path.read_bytes()) in ("backend_log", "access_log")


@given(st.text(max_size=200), st.binary(max_size=2000))
def test_anything_gets_a_known_kind_or_none(name: str, head: bytes) -> None:
    assert detect_kind(name, head) in {*KINDS, ""}
