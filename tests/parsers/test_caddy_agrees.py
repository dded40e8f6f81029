"""What is read of Caddy configurations agrees with what Caddy does: handler, path, tunnel, Host, and how long a silent one lives."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from parsers.fixed import read
from parsers.stub_upstream import HANDSHAKE, handshake, started, upstream

from wsbook import validators
from wsbook.parsers.proxies.caddy import parse as caddy
from wsbook.programs import clean_environment, find_program, free_ports

ONE, TWO = "127.0.0.1:ONE", "127.0.0.1:TWO"
REST = f"\nreverse_proxy {TWO}"
FIREFOX = HANDSHAKE.replace("Connection: Upgrade", "Connection: keep-alive, Upgrade")
CHROME_ONLY = ("exact Connection",)


def proxy(*lines: str) -> str:
    return f"reverse_proxy {ONE} {{\n" + "\n".join(lines) + "\n}"


CASES = {
    "plain": (f"reverse_proxy {ONE}", "/ws"),
    "path": (f"reverse_proxy /ws {ONE}{REST}", "/ws"),
    "path below": (f"reverse_proxy /ws {ONE}{REST}", "/ws/a"),
    "prefix": (f"reverse_proxy /ws* {ONE}{REST}", "/wsx"),
    "prefix of parts": (f"reverse_proxy /ws/* {ONE}{REST}", "/ws"),
    "case of paths": (f"reverse_proxy /WS* {ONE}{REST}", "/ws/a"),
    "suffix": (f"@s path *.sock\nreverse_proxy @s {ONE}{REST}", "/a/b.sock"),
    "inside": (f"reverse_proxy /a/*/ws {ONE}{REST}", "/a/b/ws"),
    "inside, two parts": (f"reverse_proxy /a/*/ws {ONE}{REST}", "/a/b/c/ws"),
    "query left": (f"reverse_proxy /ws {ONE}{REST}", "/ws?a=1"),
    "handshake matcher": (f"@ws {{\nheader Connection *Upgrade*\nheader Upgrade websocket\n}}\nreverse_proxy @ws {ONE}{REST}", "/ws"),
    "case of a header": (f"@ws header Upgrade WebSocket\nreverse_proxy @ws {ONE}{REST}", "/ws"),
    "exact Connection": (f"@ws header Connection Upgrade\nreverse_proxy @ws {ONE}{REST}", "/ws"),
    "header absent": (f"@ws header !Upgrade\nreverse_proxy @ws {ONE}{REST}", "/ws"),
    "header there": (f"@ws header Sec-WebSocket-Key *\nreverse_proxy @ws {ONE}{REST}", "/ws"),
    "header_regexp": (f"@ws header_regexp Upgrade (?i)^WebSocket$\nreverse_proxy @ws {ONE}{REST}", "/ws"),
    "path_regexp": (f"@ws path_regexp ^/(ws|live)/\nreverse_proxy @ws {ONE}{REST}", "/live/a"),
    "not": (f"@no {{\nnot path /api/*\n}}\nreverse_proxy @no {ONE}{REST}", "/ws"),
    "not, inside": (f"@no {{\nnot path /api/*\n}}\nreverse_proxy @no {ONE}{REST}", "/api/ws"),
    "method": (f"@p method POST\nreverse_proxy @p {ONE}{REST}", "/ws"),
    "two of one kind": (f"@p path /a /ws\nreverse_proxy @p {ONE}{REST}", "/ws"),
    "longest first": (f"reverse_proxy /a/* {TWO}\nreverse_proxy /a/b/* {ONE}", "/a/b/c"),
    "handle before proxy": (f"reverse_proxy /ws {TWO}\nhandle /ws {{\nreverse_proxy {ONE}\n}}", "/ws"),
    "handle_path": (f"handle_path /api/* {{\nreverse_proxy {ONE}\n}}{REST}", "/api/ws"),
    "handles by length": (
        f"handle /api/* {{\nreverse_proxy {TWO}\n}}\nhandle /api/live/* {{\nreverse_proxy {ONE}\n}}\nhandle {{\nrespond 404\n}}",
        "/api/live/a",
    ),
    "empty handle": (f"handle /ws* {{\n}}\nhandle {{\nreverse_proxy {ONE}\n}}", "/ws"),
    "route in order": (f"route {{\nreverse_proxy /ws* {ONE}\nreverse_proxy {TWO}\n}}", "/ws"),
    "route, catch-all first": (f"route {{\nreverse_proxy {TWO}\nreverse_proxy /ws* {ONE}\n}}", "/ws"),
    "strip_prefix": (f"handle /ws* {{\nuri strip_prefix /ws\nreverse_proxy {ONE}\n}}", "/ws/a"),
    "stripped before the matcher": (f"uri strip_prefix /ws\nreverse_proxy /ws* {ONE}{REST}", "/ws/a"),
    "rewrite": (f"rewrite /ws /live{{uri}}\nreverse_proxy {ONE}", "/ws"),
    "rewrite elsewhere": (f"rewrite /no /live{{uri}}\nreverse_proxy {ONE}", "/ws"),
    "rewrite in the proxy": (proxy("rewrite /x{uri}"), "/ws"),
    "page first": (f"root * FOLDER\ntry_files {{path}} /index.html\nreverse_proxy /ws* {ONE}\nfile_server", "/ws"),
    "page in its own handle": (
        f"handle /ws* {{\nreverse_proxy {ONE}\n}}\nhandle {{\nroot * FOLDER\ntry_files {{path}} /index.html\nfile_server\n}}", "/ws",
    ),
    "respond": (f"respond /ws 403\nreverse_proxy {ONE}", "/ws"),
    "respond in general": (f"respond 404\nreverse_proxy /ws {ONE}", "/ws"),
    "redir": (f"redir /ws /ws/ 308\nreverse_proxy {ONE}", "/ws"),
    "file_server": (f"root * FOLDER\nreverse_proxy /ws {ONE}\nfile_server", "/ws/"),
    "Upgrade deleted": (proxy("header_up -Upgrade"), "/ws"),
    "Connection deleted": (proxy("header_up -Conn*"), "/ws"),
    "Connection close": (proxy("header_up Connection close"), "/ws"),
    "Connection set": (proxy("header_up Connection upgrade", "header_up Upgrade websocket"), "/ws"),
    "Connection copied": (proxy("header_up Connection {header.Connection}"), "/ws"),
    "old placeholder": (proxy("header_up Connection {>Connection}"), "/ws"),
    "request_header": (f"request_header -Connection\nreverse_proxy {ONE}", "/ws"),
    "Host": (proxy("header_up Host {upstream_hostport}"), "/ws"),
    "snippet": ("import ups /ws", "/ws"),
    "snippet elsewhere": (f"import ups /no{REST}", "/ws"),
    "to": (f"reverse_proxy {{\nto {ONE}\n}}", "/ws"),
}  # fmt: skip
HEAD = f"{{\nadmin off\nauto_https off\n}}\n(ups) {{\nreverse_proxy {{args[0]}} {ONE}\n}}\n"
LIMITS = {
    "read_timeout": (proxy("transport http {", "read_timeout 1s", "}"), 1.0),
    "stream_timeout": (proxy("stream_timeout 1500ms"), 1.5),
}


class _Served:
    """One Caddy with every case at a port of its own."""

    def __init__(self, folder: Path, one: int, two: int) -> None:
        self.folder, self.ports, self.upstreams = folder, free_ports([*CASES, *LIMITS]), {"one": str(one), "two": str(two)}
        bodies = {n: c[0] for n, c in (*CASES.items(), *LIMITS.items())}
        text = HEAD + "".join(f"http://:{self.ports[name]} {{\n{body}\n}}\n" for name, body in bodies.items())
        self.text = text.replace(":ONE", f":{one}").replace(":TWO", f":{two}").replace("FOLDER", str(folder))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Served]:
    program = find_program("caddy")
    if program is None:
        pytest.skip("needs caddy")
    folder = tmp_path_factory.mktemp("caddy")
    (folder / "index.html").write_text("the page")
    environment = clean_environment(HOME=str(folder), XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder))
    command = [program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    with upstream("one") as one, upstream("two") as two:
        for _ in range(4):
            deployed = _Served(folder, one, two)
            (folder / "Caddyfile").write_text(deployed.text)
            with started(command, deployed.ports.values(), str(folder), env=environment) as is_up:
                if is_up:
                    yield deployed
                    return
    pytest.fail("Caddy does not start")


def differences(name: str, path: str, shown: dict[str, Any], served: _Served, text: str) -> list[str]:
    """Return where reading and running differ for one case."""
    routes, _ = read(text, "caddyfile", endpoint_path=path, endpoint_port=served.ports[name])
    serving = [r for r in routes if r.serves and r.upstream]
    seen, found = shown["seen"], []
    if seen is None:
        return [f"{name}: {serving[0].matcher} serves, Caddy answers {shown['status']}"] if serving else []
    if len(serving) != 1:
        return [f"{name}: {[(r.matcher, r.serves, r.upstream) for r in routes if r.serves is not False]}, Caddy: {seen}"]
    (route,) = serving
    if route.upstream.rpartition(":")[2] != served.upstreams[seen["name"]]:
        found.append(f"{name}: {route.upstream}, Caddy: {seen['name']}")
    if route.upstream_path != seen["line"].split()[1].partition("?")[0]:
        found.append(f"{name}: {route.upstream_path}, Caddy: {seen['line']}")
    passes = all(s and (s.value == "forwarded" or s.value in ("upgrade", "websocket")) for s in (route.upgrade, route.connection))
    if passes is not (shown["status"] == 101):
        found.append(f"{name}: {route.upgrade} {route.connection}, Caddy: {shown['status']}")
    if route.host and (route.host.value == "forwarded") is not (seen["headers"]["host"] == "a.test"):
        found.append(f"{name}: Host {route.host}, Caddy: {seen['headers']['host']}")
    return found


@pytest.fixture(scope="module")
def shown(served: _Served) -> dict[str, list[dict[str, Any]]]:
    def ask(name: str) -> list[dict[str, Any]]:
        kinds = (HANDSHAKE,) if name in CHROME_ONLY else (HANDSHAKE, FIREFOX)
        return [handshake(served.ports[name], CASES[name][1], upgrade=words) for words in kinds]

    with ThreadPoolExecutor(16) as pool:
        return dict(zip(CASES, pool.map(ask, CASES), strict=True))


@pytest.mark.parametrize("way", ["adapted", "read", "json"])
def test_handler_path_and_tunnel_are_those_of_caddy(
    way: str, served: _Served, shown: dict[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = served.text
    if way == "adapted":
        monkeypatch.setattr(validators, "adapt_caddy", cache(validators.adapt_caddy))
    elif way == "read":
        monkeypatch.setattr(caddy, "judged_by_caddy", lambda *_: None)
    else:
        text = validators.adapt_caddy(text) or ""
    found = [x for name, answers in shown.items() for one in answers for x in differences(name, CASES[name][1], one, served, text)]
    assert found == [], "\n".join(found)


def test_the_limit_of_a_tunnel_is_that_of_caddy(served: _Served) -> None:
    def run(name: str) -> tuple[str, float, float]:
        routes, _ = read(served.text, "caddyfile", endpoint_path="/ws", endpoint_port=served.ports[name])
        (route,) = [r for r in routes if r.serves]
        told = [s.value for s in (route.idle_s, route.lifetime_s) if s and s.value]
        return name, float(told[0]), handshake(served.ports[name], hold=True, wait_s=6)["lived_s"] or 0.0

    with ThreadPoolExecutor(len(LIMITS)) as pool:
        results = list(pool.map(run, LIMITS))
    assert {name: told for name, told, _ in results} == {name: limit for name, (_, limit) in LIMITS.items()}
    assert [(name, told, lived) for name, told, lived in results if abs(told - lived) > 0.4] == []
