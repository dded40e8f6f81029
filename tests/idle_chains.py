"""Real proxies with idle limits in front of one server that keeps every connection: one process a product serves every limit at once."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from hop_products import user_lines

from wsbook.programs import clean_environment, find_program, free_ports

NGINX = """
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
            proxy_read_timeout {ms}ms; proxy_send_timeout {ms}ms;
            proxy_pass http://127.0.0.1:{app};
        }}
    }}"""
HAPROXY = """
listen limit{port}
    bind 127.0.0.1:{port}
    timeout tunnel {ms}ms
    {more}
    server app 127.0.0.1:{app}
"""
CADDY = """
http://127.0.0.1:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{app} {{
        {option}
    }}
}}
"""


def _nginx(limits_s: Sequence[float], ports: Sequence[int], app: int, folder: Path, more: str) -> tuple[str, list[str]]:
    servers = "".join(NGINX.format(port=port, ms=round(limit * 1000), app=app) for limit, port in zip(limits_s, ports, strict=True))
    temp = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    head = f"{user_lines('nginx')}\npid {folder}/pid;\nerror_log stderr crit;\nevents {{}}\n"
    return f"{head}http {{\n    access_log off;\n{temp}{servers}\n}}\n", ["-p", str(folder), "-e", "stderr", "-g", "daemon off;", "-c"]


def _haproxy(limits_s: Sequence[float], ports: Sequence[int], app: int, folder: Path, more: str) -> tuple[str, list[str]]:
    head = "defaults\n    mode http\n    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n"
    limits = zip(limits_s, ports, strict=True)
    return head + "".join(HAPROXY.format(port=port, ms=round(limit * 1000), app=app, more=more) for limit, port in limits), ["-db", "-f"]


def _caddy(limits_s: Sequence[float], ports: Sequence[int], app: int, folder: Path, more: str) -> tuple[str, list[str]]:
    text = "{\n    admin off\n    auto_https off\n    persist_config off\n}\n"
    for limit, port in zip(limits_s, ports, strict=True):
        ms = round(limit * 1000)
        option = more.format(ms=ms) or f"transport http {{\n            read_timeout {ms}ms\n        }}"
        text += CADDY.format(port=port, app=app, option=option)
    return text, ["run", "--adapter", "caddyfile", "--config"]


_MAKE = {"nginx": _nginx, "haproxy": _haproxy, "caddy": _caddy}


async def _listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


def _written(product: str, limits_s: Sequence[float], ports: Sequence[int], app: int, folder: Path, more: str) -> list[str]:
    """Write the configuration; return the arguments that start the program with it."""
    text, arguments = _MAKE[product](limits_s, ports, app, folder, more)
    config = folder / "config"
    config.write_text(text)
    return [*arguments, str(config)]


@contextlib.asynccontextmanager
async def limited(product: str, limits_s: Sequence[float], app: int, *, more: str = "") -> AsyncIterator[dict[float, str]]:
    """Run a proxy that passes to the port app with each of the limits; yield limit → URL. more: lines of the product's own."""
    program = find_program(product)
    assert program
    ports = list(free_ports([f"limit{index}" for index in range(len(limits_s))]).values())
    with tempfile.TemporaryDirectory() as name:
        environment = clean_environment(HOME=name, XDG_DATA_HOME=name, XDG_CONFIG_HOME=name)
        arguments = _written(product, limits_s, ports, app, Path(name), more)
        nothing = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(program, *arguments, env=environment, stdout=nothing, stderr=nothing)
        try:
            for port in ports:
                await _listening(port)
            yield {limit: f"ws://127.0.0.1:{port}/" for limit, port in zip(limits_s, ports, strict=True)}
        finally:
            process.terminate()
            await process.wait()
