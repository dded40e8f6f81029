"""What is read of Apache configurations agrees with what Apache does: rule, path, Host, tunnel, and how long a silent one lives."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from parsers.fixed import read
from parsers.stub_upstream import HANDSHAKE, handshake, started, upstream

from wsbook.programs import find_program, free_ports

FOLDER = Path("/usr/lib/apache2/modules")
MODULES = "mpm_event authz_core proxy proxy_http rewrite headers alias env setenvif slotmem_shm proxy_balancer lbmethod_byrequests"
ON = "RewriteEngine On\n"
COND = "RewriteCond %{HTTP:Upgrade} =websocket [NC]\n"
ONE, TWO = "127.0.0.1:ONE", "127.0.0.1:TWO"
REST = f"ProxyPass / http://{TWO}/\n"
FIREFOX = HANDSHAKE.replace("Connection: Upgrade", "Connection: keep-alive, Upgrade")

CASES = {
    "plain": (f"ProxyPass / http://{ONE}/", "/ws"),
    "upgrade": (f"ProxyPass / http://{ONE}/ upgrade=websocket", "/ws"),
    "upgrade ANY": (f"ProxyPass / http://{ONE}/ upgrade=ANY", "/ws"),
    "upgrade NONE": (f"ProxyPass / http://{ONE}/ upgrade=NONE", "/ws"),
    "ws": (f"ProxyPass /ws ws://{ONE}/live\n{REST}", "/ws/a?b=1"),
    "ws, another path": (f"ProxyPass /ws ws://{ONE}/live\n{REST}", "/x"),
    "segment": (f"ProxyPass /ws ws://{ONE}/ws\n{REST}", "/wsx"),
    "slash wanted": (f"ProxyPass /ws/ ws://{ONE}/ws/\n{REST}", "/ws"),
    "glued": (f"ProxyPass /ws/ ws://{ONE}/ws", "/ws/x"),
    "double slash": (f"ProxyPass /ws ws://{ONE}/ws\n{REST}", "//ws"),
    "shadowed": (f"{REST}ProxyPass /ws ws://{ONE}/ws", "/ws"),
    "excluded": (f"ProxyPass /ws !\nProxyPass / http://{ONE}/ upgrade=websocket", "/ws"),
    "Location": (f"{REST}<Location /ws>\nProxyPass ws://{ONE}/ws\n</Location>", "/ws/a"),
    "Location over ProxyPass": (f"<Location />\nProxyPass http://{TWO}/\n</Location>\nProxyPass /ws ws://{ONE}/ws", "/ws"),
    "last Location": (
        f"<Location /ws/a>\nProxyPass ws://{ONE}/A\n</Location>\n<Location /ws>\nProxyPass ws://{TWO}/B\n</Location>", "/ws/a",
    ),
    "LocationMatch": (f"<LocationMatch ^/ws/(.*)$>\nProxyPassMatch ws://{ONE}/m/$1\n</LocationMatch>\n{REST}", "/ws/a"),
    "Location ~": (f"<Location ~ ^/ws/(.*)$>\nProxyPass ws://{ONE}/m/$1\n</Location>\n{REST}", "/ws/a"),
    "ProxyPassMatch": (f"ProxyPassMatch ^/ws/(.*)$ ws://{ONE}/m/$1\n{REST}", "/ws/a"),
    "ProxyPassMatch without group": (f"ProxyPassMatch ^/ws ws://{ONE}/m\n{REST}", "/ws/a"),
    "rewrite": (f"{ON}{COND}RewriteRule ^/?(.*) ws://{ONE}/$1 [P,L]\n{REST}", "/ws/a"),
    "rewrite with query": (f"{ON}RewriteRule ^/ws/(.*) ws://{ONE}/x/$1?q=1 [P,QSA]\n{REST}", "/ws/a?b=1"),
    "rewrite fixed": (f"{ON}RewriteRule ^/ws ws://{ONE}/fixed [P]\n{REST}", "/ws/a"),
    "rewrite to http": (f"{ON}{COND}RewriteRule ^/?(.*) http://{ONE}/$1 [P,L]\n{REST}", "/ws"),
    "engine off": (f"{COND}RewriteRule ^/?(.*) ws://{ONE}/$1 [P,L]\n{REST}", "/ws"),
    "case": (f"{ON}RewriteCond %{{HTTP:Upgrade}} ^WebSocket$\nRewriteRule ^/?(.*) ws://{ONE}/$1 [P,L]\n{REST}", "/ws"),
    "whole Connection": (f"{ON}RewriteCond %{{HTTP:Connection}} ^Upgrade$\nRewriteRule (.*) ws://{ONE}$1 [P]\n{REST}", "/ws"),
    "or": (
        f"{ON}RewriteCond %{{HTTP:Upgrade}} x [OR]\nRewriteCond %{{REQUEST_URI}} ^/WS [NC]\nRewriteRule (.*) ws://{ONE}$1 [P]\n{REST}",
        "/ws",
    ),
    "query": (
        f"{ON}RewriteCond %{{QUERY_STRING}} transport=websocket [NC]\nRewriteRule /(.*) ws://{ONE}/$1 [P,L]\n{REST}",
        "/socket.io/?EIO=4&transport=websocket",
    ),
    "query absent": (
        f"{ON}RewriteCond %{{QUERY_STRING}} transport=websocket\nRewriteRule /(.*) ws://{ONE}/$1 [P,L]\n{REST}", "/socket.io/?EIO=4",
    ),
    "negated": (f"{ON}RewriteCond %{{HTTP:Upgrade}} !=websocket\nRewriteRule /(.*) http://{TWO}/$1 [P]\n{REST}", "/ws"),
    "without slash": (f"{ON}RewriteRule ^ws ws://{ONE}/x [P]\n{REST}", "/ws"),
    "without P": (f"{ON}RewriteRule ^/?(.*) ws://{ONE}/$1 [L]\n{REST}", "/ws"),
    "redirected": (f"{ON}RewriteRule ^/ws$ /ws/ [R=301,L]\n{REST}", "/ws"),
    "forbidden": (f"{ON}RewriteRule ^/ws - [F]\n{REST}", "/ws"),
    "rule in a Location": (f"<Location /ws>\n{ON}RewriteRule .* ws://{ONE}/in [P]\n</Location>\n{REST}", "/ws"),
    "rule in an If": (f'<If "%{{HTTP:Upgrade}} =~ /websocket/i">\n{ON}RewriteRule (.*) ws://{ONE}/if [P]\n</If>\n{REST}', "/ws"),
    "Upgrade removed": (f"RequestHeader unset Upgrade\nProxyPass / ws://{ONE}/", "/ws"),
    "Upgrade removed elsewhere": (f"<Location /x>\nRequestHeader unset Upgrade\n</Location>\nProxyPass / ws://{ONE}/", "/ws"),
    "Connection removed": (f"RequestHeader unset Connection\nProxyPass / ws://{ONE}/", "/ws"),
    "Upgrade set": (f"RequestHeader set Upgrade websocket\nProxyPass / http://{ONE}/", "/ws"),
    "Host": (f"ProxyPreserveHost On\nProxyPass / ws://{ONE}/", "/ws"),
    "balancer": (f"<Proxy balancer://c1>\nBalancerMember ws://{ONE}\n</Proxy>\nProxyPass /ws balancer://c1/x", "/ws/y"),
    "balancer of http": (f"<Proxy balancer://c2>\nBalancerMember http://{ONE}\n</Proxy>\nProxyPass /ws balancer://c2/ws", "/ws"),
    "balancer with upgrade": (
        f"<Proxy balancer://c3>\nBalancerMember http://{ONE} upgrade=websocket\n</Proxy>\nProxyPass /ws balancer://c3", "/ws/x",
    ),
    "HTTP/1.0": (f"SetEnv force-proxy-request-1.0 1\nProxyPass / ws://{ONE}/", "/ws"),
    "of the main server": (f"ProxyPass /main ws://{ONE}/vhost\n{REST}", "/main"),
}  # fmt: skip
MAIN = f"ProxyPass /main ws://{TWO}/main\n"
LIMITS = {
    "Timeout": ("Timeout 1\nProxyPass / ws://127.0.0.1:ONE/", 1.0),
    "the longer one": ("Timeout 1\nProxyTimeout 2\nProxyPass / ws://127.0.0.1:ONE/", 2.0),
    "the shorter worker": ("Timeout 2\nProxyPass / ws://127.0.0.1:ONE/ timeout=1", 2.0),
    "both in http": ("Timeout 1\nProxyPass / http://127.0.0.1:ONE/ timeout=2 upgrade=websocket", 2.0),
}


class _Served:
    """One Apache with every case in a virtual host of its own."""

    def __init__(self, folder: Path, one: int, two: int) -> None:
        self.folder, self.ports = folder, free_ports([*CASES, *LIMITS])
        self.text = self.write({**{n: c[0] for n, c in CASES.items()}, **{n: c[0] for n, c in LIMITS.items()}}, one, two)

    def write(self, hosts: dict[str, str], one: int, two: int) -> str:
        loads = [f"LoadModule {m}_module {FOLDER}/mod_{m}.so" for m in MODULES.split() if (FOLDER / f"mod_{m}.so").exists()]
        head = [
            f"PidFile {self.folder}/pid",
            "ServerName main.test",
            f"ErrorLog {self.folder}/error.log",
            f"DefaultRuntimeDir {self.folder}",
        ]
        blocks = [
            f"Listen 127.0.0.1:{self.ports[name]}\n<VirtualHost *:{self.ports[name]}>\nServerName a.test\n{lines}\n</VirtualHost>"
            for name, lines in hosts.items()
        ]
        text = "\n".join([*head, *loads, MAIN, *blocks]) + "\n"
        return text.replace("127.0.0.1:ONE", f"127.0.0.1:{one}").replace("127.0.0.1:TWO", f"127.0.0.1:{two}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Served]:
    folder = tmp_path_factory.mktemp("apache")
    command = [str(find_program("apache2")), "-DFOREGROUND", "-d", str(folder), "-f", "a.conf"]
    with upstream("one") as one, upstream("two") as two:
        for _ in range(4):
            deployed = _Served(folder, one, two)
            (folder / "a.conf").write_text(deployed.text)
            with started(command, deployed.ports.values(), str(folder)) as is_up:
                if is_up:
                    yield deployed
                    return
    pytest.fail("Apache does not start")


def differences(name: str, path: str, shown: dict[str, Any], served: _Served) -> list[str]:
    """Return where reading and running differ for one case."""
    routes, _ = read(served.text, "apache_conf", endpoint_path=path, endpoint_port=served.ports[name], endpoint_host="a.test")
    serving = [r for r in routes if r.serves and r.upstream]
    seen, found = shown["seen"], []
    if seen is None:
        return [f"{name}: {serving[0].matcher} serves, Apache answers {shown['status']}"] if serving else []
    if len(serving) != 1:
        return [f"{name}: {[(r.matcher, r.serves, r.upstream) for r in routes if r.serves is not False]}, Apache: {seen}"]
    (route,) = serving
    if route.upstream_path != seen["line"].split()[1].partition("?")[0]:
        found.append(f"{name}: {route.upstream_path}, Apache: {seen['line']}")
    passes = route.upgrade is not None and route.upgrade.value == "forwarded" and route.http_version is not None
    if (passes and route.http_version is not None and route.http_version.value == "1.1") is not (shown["status"] == 101):
        found.append(f"{name}: {route.upgrade}, Apache: {shown['status']}")
    if route.host and (route.host.value == "forwarded") is not (seen["headers"]["host"] == "a.test"):
        found.append(f"{name}: Host {route.host}, Apache: {seen['headers']['host']}")
    return found


@needs("apache2")
def test_rule_path_and_tunnel_are_those_of_apache(served: _Served) -> None:
    def run(name: str) -> list[str]:
        path = CASES[name][1]
        shown = [
            handshake(served.ports[name], path, upgrade=words) for words in ((HANDSHAKE, FIREFOX) if "whole" not in name else (HANDSHAKE,))
        ]
        return [line for one in shown for line in differences(name, path, one, served)]

    with ThreadPoolExecutor(16) as pool:
        found = [line for lines in pool.map(run, CASES) for line in lines]
    assert found == [], "\n".join(found)


@needs("apache2")
def test_the_limit_of_a_silent_tunnel_is_that_of_apache(served: _Served) -> None:
    def run(name: str) -> tuple[str, float, float]:
        routes, _ = read(served.text, "apache_conf", endpoint_path="/ws", endpoint_port=served.ports[name], endpoint_host="a.test")
        (route,) = [r for r in routes if r.serves]
        assert route.idle_s
        return name, float(route.idle_s.value or 0), handshake(served.ports[name], hold=True, wait_s=6)["lived_s"] or 0.0

    with ThreadPoolExecutor(len(LIMITS)) as pool:
        results = list(pool.map(run, LIMITS))
    assert {name: told for name, told, _ in results} == {name: limit for name, (_, limit) in LIMITS.items()}
    assert [(name, told, lived) for name, told, lived in results if abs(told - lived) > 0.4] == []
