"""Several instances of a small application, and real balancers in front of them: all policies of a product in one process.

The instances live in a thread of their own. The path says what the application does, the query how an answer names its instance:
``/all?name=header&cookie=route``.
"""

import asyncio
import contextlib
import http.client
import json
import secrets
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import socketio
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from wsbook.programs import clean_environment, find_program, free_ports

COUNTS = (1, 2, 4)
NGINX = {
    "round robin": "",
    "ip_hash": "ip_hash;",
    "hash address": "hash $remote_addr;",
    "hash consistent": "hash $remote_addr consistent;",
    "hash cookie": "hash $cookie_route;",
    "random": "random;",
    "least_conn": "least_conn;",
}
HAPROXY = {
    "roundrobin": "balance roundrobin",
    "source": "balance source",
    "cookie": "balance roundrobin\n    cookie SERVERID insert indirect nocache",
    "leastconn": "balance leastconn",
    "random": "balance random",
}
CADDY = {"round_robin": "round_robin", "cookie": "cookie", "ip_hash": "ip_hash", "random": "random", "first": "first"}
POLICIES = {"nginx": NGINX, "haproxy": HAPROXY, "caddy": CADDY}


class Instances:
    """The instances a, b, c and d: what one of them publishes goes to all that the path connects."""

    def __init__(self, names: str = "abcd") -> None:
        self.names = names
        self.sockets: dict[tuple[str, str], list[ServerConnection]] = {}

    def reached(self, path: str, own: str, told: set[str]) -> dict[str, int]:
        """Return instance → copies of what is published at one of those in use."""
        others = dict.fromkeys(told - {own}, 1)
        last, first = max(told), min(told)
        return {
            "/all": {own: 1, **others},
            "/others": {own: 1, **others},  # the sender itself excepted
            "/alone": {own: 1},
            "/half": {name: 1 for name in told if own == name or last not in (own, name)},  # the last one is off the bus
            "/deaf": {own: 1, **{name: 1 for name in told if name != last}},  # the last one does not hear the bus
            "/mute": {own: 1} if own == last else {own: 1, **others},  # the last one's messages do not reach the bus
            "/copies": {name: len(told) for name in told},  # each one publishes what it hears
            "/local-twice": {own: 2, **others},
            "/from-first": {own: 1, **others} if own == first else {own: 1},
        }.get(path, {})

    def handle(self, name: str) -> Callable[[ServerConnection], "asyncio.Future[None]"]:
        async def session(socket: ServerConnection) -> None:
            parts = urlsplit(socket.request.path)  # type: ignore[union-attr]
            room = parts.path + "?" + parse_qs(parts.query).get("room", [""])[0]
            if "name=message" in parts.query:
                await socket.send(json.dumps({"type": "hello", "server": {"pid": 1000 + ord(name), "time": time.time()}}))
            members = self.sockets.setdefault((room, name), [])
            members.append(socket)
            try:
                with contextlib.suppress(ConnectionClosed):
                    async for message in socket:
                        await self.publish(room, parts.path, name, str(message), socket)
            finally:
                members.remove(socket)

        return session  # type: ignore[return-value]

    async def publish(self, room: str, path: str, own: str, message: str, sender: ServerConnection | None) -> None:
        if path == "/echo" and sender is not None:
            await sender.send(message)
        told = {name for where, name in self.sockets if where == room and self.sockets[where, name]} | {own}
        for name, copies in self.reached(path, own, told).items():
            for socket in list(self.sockets.get((room, name), [])):
                with contextlib.suppress(ConnectionClosed):
                    for _ in range(copies if path != "/others" or socket is not sender else 0):
                        await socket.send(message)

    def answer(self, name: str) -> Callable[[ServerConnection, Request, Response], None]:
        def headers(socket: ServerConnection, request: Request, response: Response) -> None:
            query = parse_qs(urlsplit(request.path).query)
            response.headers["Server"] = "ticker/1.0"
            if query.get("name") == ["header"]:
                response.headers["X-Instance"] = name
            if "cookie" in query and f"{query['cookie'][0]}=" not in request.headers.get("Cookie", ""):
                response.headers["Set-Cookie"] = f"{query['cookie'][0]}={secrets.token_hex(8)}; Path=/; HttpOnly"

        return headers

    def ask(self, name: str) -> Callable[[ServerConnection, Request], "asyncio.Future[Response | None]"]:
        async def request(socket: ServerConnection, request: Request) -> Response | None:
            parts = urlsplit(request.path)
            query = parse_qs(parts.query)
            if parts.path == "/bad-c" and name == "c":
                return socket.respond(http.HTTPStatus.INTERNAL_SERVER_ERROR, "no")
            if "emit" in query:
                path = parts.path
                await self.publish(path + "?" + query.get("room", [""])[0], path, name, f"event {query['emit'][0]}", None)
                return socket.respond(http.HTTPStatus.OK, "sent")
            return None

        return request  # type: ignore[return-value]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[list[int]]:
        async with contextlib.AsyncExitStack() as stack:
            ports = []
            for name in self.names:
                server = serve(
                    self.handle(name),  # type: ignore[arg-type]
                    "127.0.0.1",
                    0,
                    process_request=self.ask(name),  # type: ignore[arg-type]
                    process_response=self.answer(name),
                    compression=None,
                )
                running = await stack.enter_async_context(server)
                ports.append(next(iter(running.sockets)).getsockname()[1])
            yield ports


@contextlib.asynccontextmanager
async def socketio_instances(count: int) -> AsyncIterator[list[int]]:
    """Run python-socketio's server several times, each with sessions of its own."""
    runners, ports = [], []
    for _ in range(count):
        server = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins="*")
        application = web.Application()
        server.attach(application)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        ports.append(runner.addresses[0][1])
    try:
        yield ports
    finally:
        for runner in runners:
            await runner.cleanup()


class Cluster:
    """Running instances and balancers. url(product, policy, count) leads through one of them to that many instances."""

    def __init__(self, plain: list[int], sessions: list[int], ports: dict[str, int]) -> None:
        self.plain, self.sessions, self._ports = plain, sessions, ports

    def url(self, product: str, policy: str, count: int, path: str = "/all?name=header", kind: str = "plain") -> str:
        return f"ws://127.0.0.1:{self._ports[_key(kind, product, policy, count)]}{path}"


def _key(kind: str, product: str, policy: str, count: int) -> str:
    return f"{kind}-{product}-{policy}-{count}".replace(" ", "_")


KINDS = {"plain": COUNTS, "sessions": (2,), "broken": (2,)}
"""Kind of backend → how many of it stand behind each balancer; of the broken ones the last does not listen."""


def _places() -> list[tuple[str, str, str, int]]:
    every = [(kind, product, policy, n) for kind in KINDS for product in POLICIES for policy in POLICIES[product] for n in KINDS[kind]]
    return [place for place in every if place[0] != "broken" or place[2] in ("roundrobin", "round_robin", "round robin")]


def _nginx(port: int, policy: str, servers: list[int], name: str) -> str:
    lines = " ".join(f"server 127.0.0.1:{server} max_fails=0;" for server in servers)
    passing = (
        "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $up; proxy_set_header Host $http_host;"
    )
    return (
        f"upstream {name} {{ {NGINX[policy]} {lines} }}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{name}; proxy_next_upstream off; {passing} }} }}\n"
    )


def _haproxy(port: int, policy: str, servers: list[int], name: str) -> str:
    lines = "\n".join(f"    server s{n} 127.0.0.1:{server} cookie s{n}" for n, server in enumerate(servers))
    return f"listen {name}\n    bind 127.0.0.1:{port}\n    {HAPROXY[policy]}\n{lines}\n"


def _caddy(port: int, policy: str, servers: list[int], name: str) -> str:
    to = " ".join(f"127.0.0.1:{server}" for server in servers)
    return f"http://:{port} {{\n\tbind 127.0.0.1\n\treverse_proxy {to} {{\n\t\tlb_policy {CADDY[policy]}\n\t}}\n}}\n"


def _write(folder: Path, backends: dict[str, list[int]], ports: dict[str, int]) -> dict[str, list[str]]:
    """Write one configuration for each product and return the commands."""
    make = {"nginx": _nginx, "haproxy": _haproxy, "caddy": _caddy}
    sites = dict.fromkeys(POLICIES, "")
    for kind, product, policy, count in _places():
        key = _key(kind, product, policy, count)
        sites[product] += make[product](ports[key], policy, backends[kind][:count], key.replace("-", "_"))
    temp = "".join(f"{n}_temp_path {folder}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"worker_processes 1; pid {folder}/pid; error_log {folder}/nginx.log;\nevents {{ worker_connections 1024; }}\n"
        f"http {{ access_log off; {temp} map $http_upgrade $up {{ default upgrade; '' close; }}\n{sites['nginx']} }}\n"
    )
    times = "timeout connect 2s\n    timeout client 30s\n    timeout server 30s\n    timeout tunnel 1h"
    (folder / "haproxy.cfg").write_text(
        f"global\n    maxconn 1000\ndefaults\n    mode http\n    retries 0\n    {times}\n{sites['haproxy']}"
    )
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n\tgrace_period 1s\n}}\n{sites['caddy']}")
    programs = {name: find_program(name) or name for name in POLICIES}
    return {
        "nginx": [programs["nginx"], "-p", str(folder), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/nginx.log", "-g", "daemon off;"],
        "haproxy": [programs["haproxy"], "-db", "-f", f"{folder}/haproxy.cfg"],
        "caddy": [programs["caddy"], "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"],
    }


def _listens(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.connect()
    except OSError:
        return False
    connection.close()
    return True


@contextlib.contextmanager
def _proxies(commands: dict[str, list[str]], folder: Path, ports: list[int]) -> Iterator[None]:
    environment = clean_environment(HOME=str(folder), XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder))
    with contextlib.ExitStack() as stack:
        for name, command in commands.items():
            output = stack.enter_context((folder / f"{name}.out").open("w"))
            process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
            stack.callback(process.wait, 5)
            stack.callback(process.terminate)
        deadline = time.monotonic() + 10
        while not all(map(_listens, ports)):
            assert time.monotonic() < deadline, {name: (folder / f"{name}.out").read_text()[-500:] for name in commands}
            time.sleep(0.05)
        yield


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Run everything: four plain instances, two of Socket.IO, and every balancer in front of 1, 2 and 4 of them."""
    started, ports = threading.Event(), dict[str, list[int]]()
    loop = asyncio.new_event_loop()
    ending = asyncio.Event()

    async def serve_all() -> None:
        async with Instances().running() as plain, socketio_instances(2) as sessions:
            ports.update(plain=plain, sessions=sessions, broken=[plain[0], *free_ports(["dead"]).values()])
            started.set()
            await ending.wait()

    def run() -> None:
        loop.run_until_complete(serve_all())
        left = asyncio.all_tasks(loop)  # heartbeats of sessions
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        own = free_ports(_key(*place) for place in _places())
        with _proxies(_write(folder, ports, own), folder, list(own.values())):
            yield Cluster(ports["plain"], ports["sessions"], own)
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(10)
        loop.close()
