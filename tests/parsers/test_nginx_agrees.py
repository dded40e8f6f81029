"""What is computed from a configuration is what a running nginx does: generated files, a stub that tells what it received."""

import asyncio
import contextlib
import http.client
import json
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import find, needs
from parsers.nginx_maker import HOSTS, PATHS, Maker, write

from wsbook.facts import RouteFacts, Setting
from wsbook.parsers.proxies import parse_config
from wsbook.programs import free_ports

CONFIGURATIONS = 48
REQUESTS = 8
ORIGIN = "http://page.example"


class Stub:
    """A backend at several ports that answers a request with what it was, in a thread of its own."""

    def __init__(self, ports: list[int], *, upgrades: bool = False) -> None:
        self.ports, self.upgrades = ports, upgrades
        self.ready, self.stop = threading.Event(), asyncio.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    async def serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            for port in self.ports:
                await stack.enter_async_context(await asyncio.start_server(self.answer, "127.0.0.1", port))
            self.ready.set()
            await self.stop.wait()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("sockname")[1]
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        if self.upgrades:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            await reader.read()
        else:
            headers = [line.partition(": ")[::2] for line in head[1:] if line]
            body = json.dumps({"port": port, "line": head[0], "headers": headers}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nX-Stub: 1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()
        await writer.wait_closed()

    def __enter__(self) -> "Stub":
        self.thread.start()
        assert self.ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(5)


@contextmanager
def running(folder: Path, port: int) -> Iterator[None]:
    """Run nginx until the block ends; begin when its port answers."""
    command = [str(find("nginx")), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, f"{process.stderr.read() if process.stderr else ''}\n{(folder / 'nginx.conf').read_text()}"
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=5)


def ask(port: int, host: str, path: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
    sent = {"Host": f"{host}:{port}", "Upgrade": "websocket", "Connection": "Upgrade", "Origin": ORIGIN, "Sec-WebSocket-Version": "13"}
    for name, value in (sent | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def expected(setting: Setting | None, name: str, received: list[str], host: str) -> bool:
    """Whether a setting says what the stub received in a header."""
    value = setting.value if setting else None
    if value == "absent":
        return received == []
    if name == "host" and value == "forwarded":
        return received[0].partition(":")[0].lower() == host.lower()
    sent = {"upgrade": "websocket", "connection": "Upgrade", "origin": ORIGIN}.get(name)
    return value is not None and ", ".join(received) == (sent if value == "forwarded" else value).replace("$host", host.lower())


def compare(maker: Maker, route: RouteFacts, port: int, host: str, path: str) -> list[str]:
    """Return in which respects a route and a running nginx disagree."""
    answer, body = ask(port, host, path)
    wrong = [] if answer.getheader("X-Block") == f"{route.file}:{route.line}" else [f"block {answer.getheader('X-Block')}"]
    if answer.getheader("X-Stub") is None or not route.upstream:
        handed = route.upstream and not (answer.status == 502 and "127.0.0.1:3" in route.upstream)
        return wrong + ([f"status {answer.status}"] if handed or answer.getheader("X-Stub") else [])
    seen = json.loads(body)
    target, version = seen["line"].split()[1:]
    authority = route.upstream.partition("://")[2].partition("/")[0]
    ports = maker.backends.get(authority) or [int(authority.rpartition(":")[2])]
    wrong += [f"upstream {seen['port']}"] * (seen["port"] not in ports) + [f"servers {ports}"] * (route.servers != len(ports))
    wrong += [f"path {target}"] * (target.partition("?")[0] != route.upstream_path)
    wrong += [f"version {version}"] * (version != f"HTTP/{route.http_version.value if route.http_version else ''}")
    for name in ("upgrade", "connection", "host", "origin"):
        received = [value for key, value in seen["headers"] if key.lower() == name]
        wrong += [] if expected(getattr(route, name), name, received, host) else [f"{name} {received}"]
    return wrong


def disagreements(seed: int, folder: Path, backends: list[int]) -> list[str]:
    """Return where one generated configuration and nginx differ, each with what is needed to see it again."""
    ports = list(free_ports(["first", "second"]).values())
    maker = Maker(seed, ports, backends)
    text = write(maker, folder)
    choose = random.Random(seed)
    found = []
    with running(folder, ports[0]):
        for _ in range(REQUESTS):
            port, host, path = choose.choice(ports), choose.choice(HOSTS), choose.choice(PATHS)
            given = {"endpoint_path": path, "endpoint_host": host, "endpoint_port": port}
            seen = parse_config(text, kind="nginx_conf", artifact=f"{folder}/nginx.conf", folder=str(folder), version="1.22.1", **given)
            routes = [o.facts for o in seen if isinstance(o.facts, RouteFacts) and o.facts.serves]
            wrong = compare(maker, routes[0], port, host, path) if len(routes) == 1 else [f"{len(routes)} routes"]
            found += [f"seed {seed}, {host}:{port}{path}: {'; '.join(wrong)} against {routes[:1]}"] if wrong else []
    return found


@needs("nginx")
def test_agrees_with_a_running_nginx_on_generated_configurations(tmp_path: Path) -> None:
    backends = list(free_ports(["b1", "b2", "b3", "b4"]).values())
    with Stub(backends), ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(disagreements, seed, tmp_path / str(seed), backends) for seed in range(CONFIGURATIONS)]
        assert [line for job in jobs for line in job.result()] == []


LIMITS = """location /default { %s }
location /own/ { proxy_read_timeout 1s; %s location /own/inner { %s } }
location /other { proxy_send_timeout 1s; proxy_read_timeout 2000ms; %s }
location /regex { location ~ x$ { proxy_read_timeout 2; %s } proxy_read_timeout 1; }"""


async def silence_s(port: int, path: str) -> float:
    """Return after how many seconds without a byte a tunnel is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode())
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    began = time.monotonic()
    await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return time.monotonic() - began


@needs("nginx")
def test_idle_limits_are_those_of_a_running_nginx(tmp_path: Path) -> None:
    """Limits of 1 and 2 s at every level, all measured side by side."""
    ports = free_ports(["http", "backend"])
    passed = f"proxy_pass http://127.0.0.1:{ports['backend']};"
    temps = " ".join(f"{kind}_temp_path {tmp_path}/t;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    upgrade = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
    text = f"""daemon off; master_process off; pid {tmp_path}/pid; events {{}}
http {{ access_log off; {temps} {upgrade} proxy_read_timeout 1500ms; keepalive_timeout 1s; send_timeout 1s;
server {{ listen 127.0.0.1:{ports["http"]}; {LIMITS.replace("%s", passed)} }} }}"""
    (tmp_path / "nginx.conf").write_text(text)
    paths = ["/default", "/own/x", "/own/inner", "/other", "/regex/x"]

    async def measure() -> list[float]:
        return await asyncio.gather(*(silence_s(ports["http"], path) for path in paths))

    with Stub([ports["backend"]], upgrades=True), running(tmp_path, ports["http"]):
        measured = asyncio.run(measure())
    for path, seconds in zip(paths, measured, strict=True):
        seen = parse_config(text, kind="nginx_conf", artifact="nginx.conf", endpoint_path=path)
        (limit,) = [o.facts.idle_s.value for o in seen if isinstance(o.facts, RouteFacts) and o.facts.serves and o.facts.idle_s]
        assert float(limit or 0) == pytest.approx(seconds, abs=0.4), path
