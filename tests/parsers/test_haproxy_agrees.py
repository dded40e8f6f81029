"""What is read of HAProxy configurations agrees with what HAProxy does: backend, path, headers, and how long a silent tunnel lives."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from parsers.fixed import read
from parsers.stub_upstream import HANDSHAKE, handshake, started, upstream

from wsbook.programs import find_program, free_ports

FIREFOX = HANDSHAKE.replace("Connection: Upgrade", "Connection: keep-alive, Upgrade")
HEAD = "defaults\n  mode http\n  timeout connect 2s\n  timeout client 30s\n  timeout server 30s\n"
FRONT = "frontend f\n  bind 127.0.0.1:PORT\n"
BACKS = "  default_backend b\nbackend b\n  server s 127.0.0.1:ONE\nbackend c\n  server s 127.0.0.1:TWO\n"
LISTEN = HEAD + "listen l\n  bind 127.0.0.1:PORT\n  use_backend c if { path PATH }\n  server s 127.0.0.1:ONE\n" + BACKS[20:]


def front(*lines: str) -> str:
    return HEAD + FRONT + "".join(f"  {line}\n" for line in lines) + BACKS


CASES = {
    "default": (front(), "/ws"),
    "path_beg": (front("use_backend c if { path_beg /ws }"), "/ws/a"),
    "path_beg boundary": (front("use_backend c if { path_beg /ws }"), "/wsx"),
    "path exact": (front("use_backend c if { path /ws }"), "/ws/a"),
    "path -i": (front("use_backend c if { path -i /WS }"), "/ws"),
    "path_reg": (front("use_backend c if { path_reg -i ^/WS(/|$) }"), "/ws/"),
    "path -m end": (front("use_backend c if { path -m end .sock }"), "/a.sock"),
    "path_dir": (front("use_backend c if { path_dir a/b }"), "/x/a/b/c"),
    "path_dir part": (front("use_backend c if { path_dir b }"), "/x/bc"),
    "path_sub": (front("use_backend c if { path_sub -i SOCK }"), "/a/socket"),
    "query": (front("use_backend c if { url_param(transport) websocket }"), "/socket.io/?a=1&transport=websocket"),
    "query absent": (front("use_backend c if { url_param(transport) -m found }"), "/socket.io/?a=1"),
    "pathq": (front("use_backend c if { pathq /ws?x=1 }"), "/ws?x=1"),
    "upgrade": (front("acl u hdr(Upgrade) -i WebSocket", "use_backend c if u"), "/ws"),
    "upgrade case": (front("acl u hdr(Upgrade) WebSocket", "use_backend c if u"), "/ws"),
    "connection": (front("acl u hdr(Connection) -i upgrade", "use_backend c if u"), "/ws"),
    "key found": (front("use_backend c if { hdr(Sec-WebSocket-Key) -m found }"), "/ws"),
    "hdr_cnt": (front("use_backend c if { hdr_cnt(upgrade) gt 0 }"), "/ws"),
    "or": (front("use_backend c if { path /n } or { path /ws } !{ method POST }"), "/ws"),
    "two lines of an ACL": (front("acl a path /n", "acl a path /ws", "use_backend c if a"), "/ws"),
    "unless": (front("use_backend c unless { path /ws } || { path /x }"), "/ws"),
    "predefined": (front("use_backend c if METH_GET HTTP_1.1"), "/ws"),
    "first wins": (front("use_backend c if { path_beg /w }", "use_backend b if { path /ws }"), "/ws"),
    "replace-path": (front("http-request replace-path /ws(.*) /live\\1"), "/ws/a?b=1"),
    "replace-path condition": (front("http-request replace-path /ws(.*) /live\\1 if { path_beg /no }"), "/ws/a"),
    "order of paths": (front("http-request replace-path /ws(.*) /a\\1", "http-request set-path /p%[path]"), "/ws"),
    "regsub": (front("http-request set-path %[path,regsub(^/api/,/)]"), "/api/ws"),
    "replace-uri": (front("http-request replace-uri ^/ws(.*) /u\\1"), "/ws/a?x=1"),
    "path seen by use_backend": (front("http-request set-path /fe%[path]", "use_backend c if { path_beg /fe }"), "/ws"),
    "path in the backend": (front("use_backend c if { path /ws }").replace("TWO", "TWO\n  http-request set-path /be%[path]"), "/ws"),
    "Upgrade deleted": (front("http-request del-header Upgrade"), "/ws"),
    "deleted by beginning": (front("http-request del-header up -m beg"), "/ws"),
    "Connection deleted": (front("http-request del-header Connection"), "/ws"),
    "Connection close": (front("http-request set-header Connection close"), "/ws"),
    "Connection upgrade": (front("http-request set-header Connection upgrade"), "/ws"),
    "Upgrade replaced": (front("http-request replace-header Upgrade .* h2c"), "/ws"),
    "deleted elsewhere": (front("http-request del-header Upgrade if { path_beg /api }"), "/ws"),
    "host": (front("http-request set-header Host x.test"), "/ws"),
    "httpclose": (front("option httpclose"), "/ws"),
    "server-close": (front("option http-server-close", "option forwardfor"), "/ws"),
    "tcp": (front().replace("mode http", "mode tcp"), "/ws"),
    "listen": (LISTEN.replace("PATH", "/ws"), "/ws"),
    "listen itself": (LISTEN.replace("PATH", "/n"), "/ws"),
    "named defaults": (front().replace("defaults", "defaults d").replace("backend b\n  server", "backend b from d\n  server"), "/ws"),
    "map": (front("use_backend %[path,map_beg(paths.map,b)]"), "/live/a"),
    "map default": (front("use_backend %[path,map_beg(paths.map,c)]"), "/x"),
    "pattern file": (front("use_backend c if { path_beg -f paths.lst }"), "/live/a"),
    "denied": (front("http-request deny if { path /ws }"), "/ws"),
    "returned": (front("http-request return status 200 if { path_beg /ws }"), "/ws"),
    "redirected": (front("http-request redirect location /live if { path /ws }"), "/ws"),
    "monitor": (front("monitor-uri /ws"), "/ws"),
    "no backend": (HEAD + FRONT + "  use_backend b if { path /n }\n" + BACKS[20:], "/ws"),
}  # fmt: skip
FILES = {"paths.map": "# paths\n/live c\n/ b\n", "paths.lst": "/live\n/rt\n"}

LIMITS = {
    "client": ("", 1, 9, 1.0),
    "server": ("", 9, 1, 1.0),
    "tunnel longer": ("  timeout tunnel 1500ms\n", 1, 1, 1.5),
    "tunnel shorter": ("  timeout tunnel 1s\n", 9, 9, 1.0),
    "others": ("  timeout http-keep-alive 500ms\n  timeout http-request 500ms\n  timeout client-fin 500ms\n", 9, 1, 1.0),
}


Told = tuple[str, Path, list[dict[str, Any]]]
"""The text that was served, its folder, and what came back."""


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, int]]:
    with upstream("b") as one, upstream("c") as two:
        yield {"ONE": one, "TWO": two}


def ask(name: str, text: str, folder: Path, upstreams: dict[str, int], requests: list[dict[str, Any]]) -> Told:
    """Serve a configuration with HAProxy and make handshakes."""
    folder = folder / name.replace(" ", "_")
    folder.mkdir()
    for file, content in FILES.items():
        (folder / file).write_text(content)
    for _ in range(4):
        port = free_ports(["a"])["a"]
        own = text
        for word, number in {"PORT": port, **upstreams}.items():
            own = own.replace(word, str(number))
        (folder / "haproxy.cfg").write_text(own)
        with started([str(find_program("haproxy")), "-db", "-f", "haproxy.cfg"], [port], str(folder)) as is_up:
            if is_up:
                return own, folder, [handshake(port, **request) for request in requests]
    pytest.fail(f"{name}: HAProxy does not start")


def differences(name: str, text: str, path: str, shown: dict[str, Any], folder: Path) -> list[str]:
    """Return where reading and running differ for one case."""
    routes, _ = read(text, "haproxy_cfg", endpoint_path=path, folder=str(folder))
    serving = [r for r in routes if r.serves]
    seen, found = shown["seen"], []
    if seen is None:
        return [f"{name}: {serving[0].matcher} serves, HAProxy answers {shown['status']}"] if serving else []
    if len(serving) != 1:
        return [f"{name}: {[(r.matcher, r.serves) for r in routes]}, HAProxy: {seen}"]
    (route,) = serving
    target = route.matcher.rpartition(" ")[2] if "→" in route.matcher else "b"
    if target != seen["name"]:
        found.append(f"{name}: {route.matcher}, HAProxy: {seen['name']}")
    if route.upstream_path != seen["line"].split()[1].partition("?")[0]:
        found.append(f"{name}: {route.upstream_path}, HAProxy: {seen['line']}")
    passes = all(s and (s.value == "forwarded" or s.value in ("upgrade", "websocket")) for s in (route.upgrade, route.connection))
    if passes is not (shown["status"] == 101):
        found.append(f"{name}: {route.upgrade}, {route.connection}, HAProxy: {shown['status']}")
    host = route.host.value if route.host else ""
    if (host == "forwarded") is not (seen["headers"]["host"] == "a.test"):
        found.append(f"{name}: Host {host}, HAProxy: {seen['headers']['host']}")
    return found


@needs("haproxy")
def test_backend_path_and_headers_are_those_of_haproxy(upstreams: dict[str, int], tmp_path: Path) -> None:
    def run(name: str) -> list[str]:
        text, path = CASES[name]
        requests = [{"path": path, "upgrade": words} for words in (HANDSHAKE, FIREFOX)]
        own, folder, shown = ask(name, text, tmp_path, upstreams, requests)
        return [line for one in shown for line in differences(name, own, path, one, folder)]

    with ThreadPoolExecutor(8) as pool:
        found = [line for lines in pool.map(run, CASES) for line in lines]
    assert found == [], "\n".join(found)


@needs("haproxy")
def test_the_limit_of_a_silent_tunnel_is_that_of_haproxy(upstreams: dict[str, int], tmp_path: Path) -> None:
    def run(name: str) -> tuple[str, float, float]:
        line, client, server, _ = LIMITS[name]
        text = front().replace("client 30s", f"client {client}s").replace("server 30s", f"server {server}s\n{line.rstrip()}")
        own, _, (shown,) = ask(name, text, tmp_path, upstreams, [{"hold": True, "wait_s": 6}])
        (route,) = [r for r in read(own, "haproxy_cfg", endpoint_path="/ws")[0] if r.serves]
        assert route.idle_s
        return name, float(route.idle_s.value or 0), shown["lived_s"] or 0.0

    with ThreadPoolExecutor(len(LIMITS)) as pool:
        results = list(pool.map(run, LIMITS))
    assert {name: told for name, told, _ in results} == {name: limit for name, (*_, limit) in LIMITS.items()}
    assert [(name, told, lived) for name, told, lived in results if abs(told - lived) > 0.4] == []
