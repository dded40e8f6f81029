"""Chains of real proxies in front of real servers, for tests of hop comparison: one process a product serves every chain at once.

    async with running([Chain("aiohttp", (Hop("nginx"), Hop("haproxy", "drop")))]) as targets: ...

A hop names its product and how it is broken (BROKEN); hops are listed from the application outwards, and the last one is the endpoint.
"""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import trustme
import uvicorn
from aiohttp import web
from websockets.asyncio.server import serve

from wsbook.lab.proxies import apache_modules
from wsbook.programs import clean_environment, find_program, free_ports
from wsbook.target import Target, parse_target

PATHS = {"socket.io": "/socket.io/?EIO=4&transport=websocket"}
ORIGIN = "https://shop.example"


class Hop(NamedTuple):
    product: str
    broken: str = ""


class Chain(NamedTuple):
    """app: kind of server in APPS. tls: every hop listens with TLS, of a private authority, and encrypts again to the next proxy."""

    app: str
    hops: tuple[Hop, ...]
    tls: bool = False

    @property
    def name(self) -> str:
        words = [self.app, *(f"{hop.product}{f'!{hop.broken}' if hop.broken else ''}" for hop in self.hops)]
        return f"{' < '.join(words)}{' tls' if self.tls else ''}"


class Place(NamedTuple):
    """One hop as its configuration needs it. up_tls: the place behind speaks TLS; dead: a port where nobody listens."""

    hop: Hop
    port: int
    up: int
    tls: bool
    up_tls: bool
    dead: int

    @property
    def upstream(self) -> int:
        return self.dead if self.hop.broken == "dead" else self.up

    @property
    def scheme(self) -> str:
        return "https" if self.up_tls and self.hop.broken != "plain-to-tls" else "http"


NGINX = {
    "drop": "",
    "close": 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "close";',
    "http10": "proxy_http_version 1.0;",
    "key": 'proxy_set_header Sec-WebSocket-Key "";',
    "origin": 'proxy_set_header Origin "";',
    "host": "proxy_set_header Host internal.example;",
    "cookie": 'proxy_set_header Cookie "";',
    "path": "rewrite ^ /elsewhere break;",
    "root": "rewrite ^ / break;",
    "query": "set $args '';",
    "deny": "if ($http_upgrade) { return 403; }",
    "no-route": "return 404;",
    "html": "default_type text/html; return 200 '<!doctype html><title>Shop</title>';",
    "redirect": "return 301 /login/;",
    "reject": "if ($http_upgrade) { return 444; }",
    "add-extension": "proxy_set_header Sec-WebSocket-Extensions ''; add_header Sec-WebSocket-Extensions permessage-deflate always;",
    "protocol": "proxy_hide_header Sec-WebSocket-Protocol;",
}


def nginx(place: Place) -> str:
    broken = place.hop.broken
    tokens = "" if broken in ("drop", "close") else "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $upgraded;"
    version = "" if broken == "http10" else "proxy_http_version 1.1;"
    host = "" if broken == "host" else "proxy_set_header Host $http_host;"
    name = "" if broken == "sni" else "proxy_ssl_server_name on; proxy_ssl_name localhost; proxy_ssl_verify on;"
    return f"""
    server {{
        listen 127.0.0.1:{place.port}{" ssl" if place.tls else ""};
        location / {{
            {tokens} {version} {host} {name}
            {NGINX.get(broken, "")}
            proxy_pass {place.scheme}://127.0.0.1:{place.upstream};
        }}
    }}"""


HAPROXY = {
    "drop": ("http-request del-header Upgrade", "http-request del-header Connection"),
    "key": ("http-request del-header Sec-WebSocket-Key",),
    "origin": ("http-request del-header Origin",),
    "host": ("http-request set-header Host internal.example",),
    "cookie": ("http-request del-header Cookie",),
    "path": ("http-request set-path /elsewhere",),
    "root": ("http-request set-path /",),
    "deny": ("http-request deny deny_status 403 if { req.hdr(Upgrade) -m found }",),
    "no-route": ("http-request return status 404",),
    "html": ("http-request return status 200 content-type text/html string '<title>Shop</title>'",),
    "redirect": ("http-request redirect code 301 location /login/",),
    "reject": ("http-request reject if { req.hdr(Upgrade) -m found }",),
    "protocol": ("http-response del-header Sec-WebSocket-Protocol",),
    "accept": ("http-response set-header Sec-WebSocket-Accept s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",),
}


def haproxy(place: Place) -> str:
    tls = " ssl verify required ca-file @folder@/ca.pem" if place.scheme == "https" else ""
    name = "" if place.hop.broken == "sni" or not tls else " sni str(localhost)"
    rules = "\n    ".join(HAPROXY.get(place.hop.broken, ()))
    bind = " ssl crt @folder@/server.pem strict-sni" if place.tls else ""
    return f"""
listen at{place.port}
    bind 127.0.0.1:{place.port}{bind}
    {rules}
    server behind 127.0.0.1:{place.upstream}{tls}{name}
"""


def passthrough(place: Place) -> str:
    """HAProxy that passes TLS on as it comes."""
    return f"\nlisten at{place.port}\n    mode tcp\n    bind 127.0.0.1:{place.port}\n    server behind 127.0.0.1:{place.upstream}\n"


CADDY = {
    "drop": "header_up -Upgrade\nheader_up -Connection",
    "key": "header_up -Sec-WebSocket-Key",
    "origin": "header_up -Origin",
    "host": "header_up Host internal.example",
    "cookie": "header_up -Cookie",
}
CADDY_BEFORE = {
    "path": "rewrite * /elsewhere",
    "root": "rewrite * /",
    "query": "uri query -room",
    "deny": "@upgrade header Upgrade *\nrespond @upgrade 403",
    "no-route": "respond 404",
    "html": 'header Content-Type text/html\nrespond "<title>Shop</title>" 200',
    "redirect": "redir * /login/ 301",
    "reject": "@upgrade header Upgrade *\nabort @upgrade",
}


def caddy(place: Place) -> str:
    name = "" if place.hop.broken == "sni" else "tls_server_name localhost"
    trust = f"transport http {{\ntls\n{name}\ntls_trust_pool file @folder@/ca.pem\n}}" if place.scheme == "https" else ""
    host = "" if place.hop.broken == "host" else "header_up Host {http.request.hostport}"
    return f"""
{"https" if place.tls else "http"}://:{place.port} {{
    bind 127.0.0.1
    {"tls @folder@/cert.pem @folder@/key.pem" if place.tls else ""}
    {CADDY_BEFORE.get(place.hop.broken, "")}
    reverse_proxy {place.scheme}://127.0.0.1:{place.upstream} {{
        {host}
        {CADDY.get(place.hop.broken, "")}
        {trust}
    }}
}}
"""


APACHE = {
    "http10": "SetEnv force-proxy-request-1.0 1",
    "key": "RequestHeader unset Sec-WebSocket-Key",
    "origin": "RequestHeader unset Origin",
    "cookie": "RequestHeader unset Cookie",
    "deny": "<If \"-n req('Upgrade')\">\nRequire all denied\n</If>",
    "redirect": 'RedirectMatch 301 ^ /login/\nProxyPass / "!"',
    "no-route": 'ProxyPass / "!"',
}
_REWRITES = {"path": "elsewhere", "root": ""}


def apache(place: Place) -> str:
    broken = place.hop.broken
    upgrade = "" if broken == "drop" else " upgrade=websocket"
    target = f"{place.scheme}://127.0.0.1:{place.upstream}/"
    rule = f'ProxyPassMatch "^.*$" {target}{_REWRITES[broken]}' if broken in _REWRITES else f"ProxyPass / {target}"
    return f"""
Listen 127.0.0.1:{place.port}
<VirtualHost 127.0.0.1:{place.port}>
    {"SSLEngine on" if place.tls else ""}
    ProxyPreserveHost {"Off" if broken == "host" else "On"}
    {"RequestHeader set Host internal.example early" if broken == "host" else ""}
    {APACHE.get(broken, "")}
    {rule}{upgrade}
</VirtualHost>
"""


def squid(place: Place) -> str:
    """Squid as an accelerator; without the line about upgrades it drops their headers, as it does by default."""
    allowed = "" if place.hop.broken == "drop" else f"http_upgrade_request_protocols websocket allow at{place.port}"
    return f"""
http_port 127.0.0.1:{place.port} accel vhost name=port{place.port}
acl at{place.port} myportname port{place.port}
cache_peer 127.0.0.1 parent {place.upstream} 0 no-query no-digest originserver name=behind{place.port}
cache_peer_access behind{place.port} allow at{place.port}
{allowed}
"""


class Product(NamedTuple):
    """piece: one hop's part of the configuration. head: what stands before all of them, with @folder@, and {} for the parts."""

    program: str
    piece: Callable[[Place], str]
    head: str
    argv: Callable[[str, str], list[str]]


PRODUCTS = {
    "nginx": Product(
        "nginx",
        nginx,
        """{user}worker_processes 1; pid @folder@/nginx.pid; error_log @folder@/nginx.log; daemon off;
events {{ worker_connections 8000; }}
http {{
    access_log off; server_tokens off;
    client_body_temp_path @folder@/t1; proxy_temp_path @folder@/t2; fastcgi_temp_path @folder@/t3;
    uwsgi_temp_path @folder@/t4; scgi_temp_path @folder@/t5;
    map $http_upgrade $upgraded {{ default upgrade; '' close; }}
    ssl_certificate @folder@/cert.pem; ssl_certificate_key @folder@/key.pem;
    proxy_ssl_trusted_certificate @folder@/ca.pem;
    {parts}
}}
""",
        lambda program, config: [program, "-c", config, "-e", f"{config}.log"],
    ),
    "haproxy": Product(
        "haproxy",
        haproxy,
        """global
    maxconn 8000
defaults
    mode http
    retries 1
    timeout connect 3s
    timeout client 20s
    timeout server 20s
    timeout tunnel 1h
{parts}""",
        lambda program, config: [program, "-db", "-f", config],
    ),
    "caddy": Product(
        "caddy",
        caddy,
        "{{\n admin off\n auto_https off\n persist_config off\n grace_period 1s\n log {{\n level ERROR\n }}\n}}\n{parts}",
        lambda program, config: [program, "run", "--config", config, "--adapter", "caddyfile"],
    ),
    "apache": Product(
        "apache",
        apache,
        """ServerRoot @folder@
DefaultRuntimeDir @folder@
PidFile @folder@/httpd.pid
ServerName localhost
{user}
ErrorLog @folder@/httpd.log
{modules}
ServerLimit 2
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 128
ProxyTimeout 10
SSLCertificateFile @folder@/cert.pem
SSLCertificateKeyFile @folder@/key.pem
SSLProxyEngine on
SSLProxyCACertificateFile @folder@/ca.pem
SSLProxyVerify require
SSLProxyCheckPeerName off
{parts}""",
        lambda program, config: [program, "-f", config, "-DFOREGROUND"],
    ),
}
PRODUCTS["squid"] = Product(
    "squid",
    squid,
    """pid_filename none
cache_log /dev/null
access_log none
cache deny all
shutdown_lifetime 0 seconds
visible_hostname localhost
http_access allow all
{parts}""",
    lambda program, config: [program, "-N", "-f", config],
)
_MODULES = "mpm_event authz_core alias headers env rewrite setenvif slotmem_shm socache_shmcb proxy proxy_http ssl"


def _apache_modules() -> str:
    folder, beside = apache_modules(tls=False)
    return "\n".join([beside, *(f"LoadModule {name}_module {folder}/mod_{name}.so" for name in _MODULES.split())])


def _user(product: str) -> str:
    """As root, nginx keeps our rights to the folder and Apache must give them up."""
    if os.geteuid() != 0:
        return ""
    return {"nginx": "user root root; ", "apache": "User nobody\nGroup nogroup"}.get(product, "")


def _write_tls(folder: Path) -> None:
    folder.chmod(0o711)  # Apache's workers give up root's rights
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    for name, content in (("cert.pem", chain), ("key.pem", leaf.private_key_pem.bytes())):
        (folder / name).write_bytes(content)
    (folder / "server.pem").write_bytes(chain + leaf.private_key_pem.bytes())


async def _websockets_app(stack: contextlib.AsyncExitStack) -> int:
    async def session(socket: object) -> None:
        await socket.send("hello")  # type: ignore[attr-defined]
        await socket.wait_closed()  # type: ignore[attr-defined]

    def check(connection: object, request: object) -> object:
        path, asked = request.path.partition("?")[0], request.headers  # type: ignore[attr-defined]
        if path != "/ws":
            return connection.respond(404, f"no route for {path}\n")  # type: ignore[attr-defined]
        if asked.get("Cookie", "") != "session=1":
            return connection.respond(401, "who are you\n")  # type: ignore[attr-defined]
        return None

    server = await stack.enter_async_context(
        serve(session, "127.0.0.1", 0, process_request=check, subprotocols=["ticker.v2"], compression=None)  # type: ignore[arg-type]
    )
    return int(server.sockets[0].getsockname()[1])


async def _aiohttp_app(stack: contextlib.AsyncExitStack) -> int:
    async def room(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Origin") != ORIGIN or request.host.partition(":")[0] not in ("127.0.0.1", "localhost"):
            raise web.HTTPForbidden(text=f"origin {request.headers.get('Origin')} is not allowed at {request.host}")
        if "room" not in request.query:
            raise web.HTTPBadRequest(text="which room?")
        opened = web.WebSocketResponse()
        await opened.prepare(request)
        await opened.send_str("hello")
        async for _ in opened:
            pass
        return opened

    return await _serve_aiohttp(room, stack)


async def _echo_app(stack: contextlib.AsyncExitStack) -> int:
    """Say which headers arrived, in the first message or in the refusal, as backends for tests do."""

    async def say(request: web.Request) -> web.StreamResponse:
        said = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
        opened = web.WebSocketResponse(timeout=0.1)
        if not opened.can_prepare(request):
            return web.Response(status=400, text=said)
        await opened.prepare(request)
        await opened.send_str(f"GET {request.path} HTTP/1.1\n{said}")
        async for _ in opened:
            pass
        return opened

    return await _serve_aiohttp(say, stack)


async def _serve_aiohttp(handler: Callable[[web.Request], Awaitable[web.StreamResponse]], stack: contextlib.AsyncExitStack) -> int:
    application = web.Application()
    application.router.add_get("/ws", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])


async def _asgi(scope: dict, receive: Callable, send: Callable) -> None:
    """Answer as Starlette does: unknown sockets are closed before they are accepted, which is a 403; other requests get 404."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"detail":"Not Found"}'})
    elif scope["type"] == "websocket":
        await receive()
        if scope["path"] != "/ws":
            await send({"type": "websocket.close", "code": 1000})
            return
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        while (await receive())["type"] != "websocket.disconnect":
            pass


async def _uvicorn_app(stack: contextlib.AsyncExitStack) -> int:
    port = free_ports(["uvicorn"])["uvicorn"]
    server = uvicorn.Server(uvicorn.Config(_asgi, host="127.0.0.1", port=port, ws="wsproto", lifespan="off", log_level="critical"))
    task = asyncio.create_task(server._serve())

    async def end() -> None:
        server.should_exit = server.force_exit = True
        await task

    stack.push_async_callback(end)
    return port


async def _node_app(stack: contextlib.AsyncExitStack) -> int:
    from dialect_servers import node

    return await stack.enter_async_context(node("socket.io"))


APPS = {"echo": _echo_app, "websockets": _websockets_app, "aiohttp": _aiohttp_app, "asgi": _uvicorn_app, "socket.io": _node_app}
QUERIES = {"aiohttp": "?room=1"}


class NotStartedError(Exception):
    """A program ended early or does not listen: somebody else may have taken a port between its choice and the start."""


async def _listening(port: int, programs: list[asyncio.subprocess.Process], folder: Path) -> None:
    for _ in range(500):
        if any(program.returncode is not None for program in programs):
            break
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        except OSError:
            await asyncio.sleep(0.02)
    raise NotStartedError(f"nobody listens at {port}: {_said(folder)}")


def _said(folder: Path) -> str:
    return " ".join(path.read_text(errors="replace")[-600:] for kind in ("*.out", "*.log") for path in folder.glob(kind))


async def _start(name: str, parts: list[str], folder: Path, stack: contextlib.AsyncExitStack) -> asyncio.subprocess.Process:
    product = PRODUCTS[name]
    program = find_program(product.program)
    assert program
    modules = _apache_modules() if name == "apache" else ""
    text = product.head.format(parts="\n".join(parts), user=_user(name), modules=modules).replace("@folder@", str(folder))
    config = folder / f"{name}.conf"
    config.write_text(text)
    environment = clean_environment(HOME=str(folder), XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder))
    with (folder / f"{name}.out").open("wb") as output:
        process = await asyncio.create_subprocess_exec(*product.argv(program, str(config)), env=environment, stdout=output, stderr=output)

    async def end() -> None:
        if process.returncode is None:
            process.terminate()
        await process.wait()

    stack.push_async_callback(end)
    return process


def _bound() -> socket.socket:
    """Return a socket that holds a port where nobody listens."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held


def _places(chain: Chain, app: int, ports: Iterable[int], dead: int) -> list[Place]:
    found: list[Place] = []
    up, up_tls = app, False
    for hop in chain.hops:
        place = Place(hop, next(iter(ports)), up, chain.tls, up_tls, dead)
        found.append(place)
        up, up_tls = place.port, chain.tls
    return found


def _target(chain: Chain, app: int, places: list[Place], ca: str) -> Target:
    path = PATHS.get(chain.app, f"/ws{QUERIES.get(chain.app, '')}")
    scheme, host = ("wss", "localhost") if chain.tls else ("ws", "127.0.0.1")
    inner = [f"hop{number}-{place.hop.product}={scheme}://{host}:{place.port}{path}" for number, place in enumerate(places[:-1], start=1)]
    return parse_target(
        f"{scheme}://{host}:{places[-1].port}{path}",
        origin=ORIGIN,
        headers=["Cookie: session=1"],
        subprotocols=["ticker.v2"] if chain.app == "websockets" else [],
        hops=[f"app=ws://127.0.0.1:{app}{path}", *inner],
        ca_file=ca,
    )


async def _run(chains: list[Chain], stack: contextlib.AsyncExitStack) -> list[Target]:
    """Start everything; what is started ends with the stack."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wsbook-chains-")))
    _write_tls(folder)
    apps = {kind: await APPS[kind](stack) for kind in {chain.app for chain in chains}}
    ports = iter(free_ports(f"{number}" for number in range(sum(len(chain.hops) for chain in chains))).values())
    dead = stack.enter_context(contextlib.closing(_bound()))
    laid = [_places(chain, apps[chain.app], ports, dead.getsockname()[1]) for chain in chains]
    parts: dict[str, list[str]] = {}
    for place in (place for places in laid for place in places):
        product = "haproxy" if place.hop.product == "passthrough" else place.hop.product
        piece = passthrough if place.hop.product == "passthrough" else PRODUCTS[product].piece
        parts.setdefault(product, []).append(piece(place).replace("@folder@", str(folder)))
    for late in (False, True):  # Squid takes a peer that does not listen yet for dead
        started = await asyncio.gather(*(_start(name, own, folder, stack) for name, own in parts.items() if (name == "squid") is late))
        mine = [place.port for places in laid for place in places if (place.hop.product == "squid") is late]
        await asyncio.gather(*(_listening(port, started, folder) for port in mine))
    return [_target(chain, apps[chain.app], places, str(folder / "ca.pem")) for chain, places in zip(chains, laid, strict=True)]


@contextlib.asynccontextmanager
async def running(chains: list[Chain], tries: int = 4) -> AsyncIterator[list[Target]]:
    """Run every chain; yield their targets in order, each with all of its hops."""
    for left in range(tries, 0, -1):
        async with contextlib.AsyncExitStack() as stack:
            try:
                targets = await _run(chains, stack)
            except NotStartedError:
                if left == 1:
                    raise
                continue
            yield targets
            return
