"""Every defect of nginx configurations: one that has it and the nearest healthy one that has not."""

import pytest

from wsbook.facts import PatternFacts
from wsbook.parsers.pattern_table import config_patterns
from wsbook.parsers.proxies import parse_config

GOOD = """proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme; proxy_read_timeout 1h;"""
PASS = f"proxy_pass http://b:8000; {GOOD}"
ONLY = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
MAPPED = ONLY.replace('"upgrade"', "$connection_upgrade")
MAP = "map $http_upgrade $connection_upgrade { default upgrade; '' close; }"
WS = f"location /ws {{ {PASS} }}"


def ws(lines: str, *, path: str = "/ws") -> str:
    """Return a location that passes the handshake, with more lines."""
    return f"location {path} {{ {lines} {PASS} }}"


def named(line: str, text: str) -> str:
    """Return a location with another line for a header."""
    return f"location /ws {{ proxy_pass http://b:8000; {GOOD.replace(f'proxy_set_header {line};', text)} }}"


def http(text: str, main: str = "") -> str:
    return f"{main} http {{ {text} }}"


def two(first: str, second: str) -> str:
    """Return a server of port 80 that leads to another one of the same nginx."""
    inner = f"server {{ listen {first}; {WS} }}"
    return http(f"{inner} server {{ listen 80; location /ws {{ proxy_pass {second}; {GOOD} }} }}")


ROWS: dict[str, tuple[str, str]] = {
    "upgrade-literal-wrong": (MAP + named("Upgrade $http_upgrade", "proxy_set_header Upgrade $connection_upgrade;"), WS),
    "connection-literal-wrong": (named('Connection "upgrade"', "proxy_set_header Connection keep-alive;"), WS),
    "map-missing": (
        http(f"server {{ location /ws {{ proxy_pass http://b; {MAPPED} }} }}"),
        http(f"{MAP} server {{ location /ws {{ proxy_pass http://b; {MAPPED} }} }}"),
    ),
    "forwarded-proto-wrong": (named("X-Forwarded-Proto $scheme", "proxy_set_header X-Forwarded-Proto wss;"), WS),
    "forwarded-proto-missing": (named("X-Forwarded-Proto $scheme", ""), f"server {{ listen 80; {WS} }}"),
    "forwarded-host-with-port": (
        ws("proxy_set_header X-Forwarded-Host $host:$server_port;"),
        ws("proxy_set_header X-Forwarded-Host $host;"),
    ),
    "plain-to-tls-port": ("location /ws { proxy_pass http://b:443; }", "location /ws { proxy_pass https://b:443; }"),
    "tls-to-plain-port": ("location /ws { proxy_pass https://b:80; }", "location /ws { proxy_pass http://b:80; }"),
    "plain-to-usual-tls-port": ("location /vnc { proxy_pass http://pve.lan:8006; }", "location /vnc { proxy_pass https://pve.lan:8006; }"),
    "plain-to-own-tls": (two("127.0.0.1:8443 ssl", "http://127.0.0.1:8443"), two("127.0.0.1:8443 ssl", "https://127.0.0.1:8443")),
    "tls-to-own-plain": (two("127.0.0.1:8081", "https://127.0.0.1:8081"), two("127.0.0.1:8081", "http://127.0.0.1:8081")),
    "proxy-protocol-missing": (
        http(f"server {{ listen 8443 ssl proxy_protocol; {WS} }}", "stream { server { listen 443; proxy_pass 127.0.0.1:8443; } }"),
        http(
            f"server {{ listen 8443 ssl proxy_protocol; {WS} }}",
            "stream { server { listen 443; proxy_protocol on; proxy_pass 127.0.0.1:8443; } }",
        ),
    ),
    "proxy-protocol-unexpected": (
        http(f"server {{ listen 8443 ssl; {WS} }}", "stream { server { listen 443; proxy_protocol on; proxy_pass 127.0.0.1:8443; } }"),
        http(f"server {{ listen 8443 ssl; {WS} }}", "stream { server { listen 443; proxy_pass 127.0.0.1:8443; } }"),
    ),
    "h2-to-upstream": (WS.replace("proxy_http_version 1.1", "proxy_http_version 2"), WS),
    "library-prefix-stripped": (
        "location /socket.io/ { proxy_pass http://b/; }",
        "location /socket.io/ { proxy_pass http://b/socket.io/; }",
    ),
    "slash-glued": ("location /ws/ { proxy_pass http://b/ws; }", "location /ws/ { proxy_pass http://b/ws/; }"),
    "slash-doubled": ("location /ws { proxy_pass http://b/ws/; }", "location /ws { proxy_pass http://b/ws; }"),
    "slash-doubled-below": ("location /ws { proxy_pass http://b/ws/; }", "location /ws { proxy_pass http://b/ws; }"),
    "slash-doubled-at-root": ("location /ws { proxy_pass http://b/; }", "location /ws/ { proxy_pass http://b/; }"),
    "location-slash-redirect": (ws("", path="/ws/room/"), ws("", path="/ws/room")),
    "redirected": ("location /ws { return 301 /live/; }", WS),
    "location-not-proxied": ("server { location / { try_files $uri /index.html; } location /api { proxy_pass http://b; } }", WS),
    "location-shadowed": (
        f"server {{ {ws('', path='/live/')} location ~ ^/(news|live)/ {{ fastcgi_pass f:9000; }} }}",
        f"server {{ {ws('', path='^~ /live/')} location ~ ^/(news|live)/ {{ fastcgi_pass f:9000; }} }}",
    ),
    "exact-location": (
        f"server {{ {ws('', path='= /ws')} location / {{ try_files $uri =404; }} }}",
        f"server {{ {ws('', path='= /ws')} {ws('', path='/ws/')} }}",
    ),
    "default-elsewhere": (
        f"server {{ listen 80 default_server; root /w; }} server {{ listen 80; server_name rt.example; {WS} }}",
        f"server {{ listen 80 default_server; return 444; }} server {{ listen 80; server_name rt.example; {WS} }}",
    ),
    "fastcgi-no-websocket": ("location ~ ^/ws { fastcgi_pass php:9000; }", WS),
    "grpc-no-websocket": ("location /ws { grpc_pass grpc://b; }", WS),
    "uwsgi-server": ("location /ws { include uwsgi_params; uwsgi_pass b:3031; }", WS),
    "refused": ("location /ws { if ($http_upgrade) { return 403; } proxy_pass http://b; }", ws("if ($http_upgrade = '') { return 403; }")),
    "upgrade-test-case": (
        f"location / {{ if ($http_upgrade = WebSocket) {{ proxy_pass http://w; }} {PASS} }}",
        f"location / {{ if ($http_upgrade ~* WebSocket) {{ proxy_pass http://w; }} {PASS} }}",
    ),
    "guard-upgraded": (
        f"server {{ {GOOD} location /ws {{ auth_request /a; proxy_pass http://b; }} location = /a {{ proxy_pass http://login; }} }}",
        f"server {{ {ws('auth_request /a;')} location = /a {{ proxy_pass http://login; }} }}",
    ),
    "socket-scheme": ("location /ws { proxy_pass ws://b:3000; }", "location /ws { proxy_pass http://b:3000; }"),
    "nothing-for-sockets": (
        "server { location / { try_files $uri /index.html; } location /api { proxy_pass http://b; } }",
        f"server {{ location / {{ try_files $uri /index.html; }} location /api {{ proxy_pass http://b; }} {WS} }}",
    ),
    "twin-lacks-upgrade": (
        f"server {{ listen 80; {ws('', path='/')} }} server {{ listen 443 ssl; location / {{ proxy_pass http://b; }} }}",
        f"server {{ listen 80; location / {{ proxy_pass http://b; }} }} server {{ listen 443 ssl; {ws('', path='/')} }}",
    ),
    "firefox-refused": (
        "map $http_connection $c { Upgrade upgrade; } " + named('Connection "upgrade"', "proxy_set_header Connection $c;"),
        "map $http_connection $c { ~*upgrade upgrade; } " + named('Connection "upgrade"', "proxy_set_header Connection $c;"),
    ),
    "headers-not-passed": (ws("proxy_pass_request_headers off;"), ws("proxy_pass_request_headers on;")),
    "handshake-header-changed": (ws("proxy_hide_header Sec-WebSocket-Accept;"), ws("proxy_hide_header X-Powered-By;")),
    "method-changed": (ws("proxy_method POST;"), ws("proxy_method GET;")),
    "subprotocol-dropped": (
        ws('proxy_set_header Sec-WebSocket-Protocol "";'),
        ws("proxy_set_header Sec-WebSocket-Protocol $http_sec_websocket_protocol;"),
    ),
    "credential-dropped": (ws('proxy_set_header Cookie "";'), ws("proxy_set_header Cookie $http_cookie;")),
    "password": (ws("auth_basic Intern;"), ws("auth_basic off;")),
    "guard": (ws("auth_request /check;"), ws("auth_request off;")),
    "firewall": (ws("modsecurity on;"), "modsecurity on; " + ws("modsecurity off;")),
    "origin-refused": (ws("if ($http_origin != https://a.example) { return 403; }"), ws("if ($http_x_debug) { return 403; }")),
    "origin-replaced": (ws('proxy_set_header Origin "";'), ws("proxy_set_header Origin $http_origin;")),
    "host-replaced": (
        named("Host $host", "proxy_set_header Host localhost;"),
        "location /ws { proxy_pass https://rt.example.com; " + GOOD.replace("$host", "rt.example.com") + " proxy_ssl_server_name on; }",
    ),
    "host-default": (f"location /ws {{ proxy_pass http://b; {ONLY} }}", WS),
    "host-with-port": (
        f"server {{ listen 443 ssl; {named('Host $host', 'proxy_set_header Host $host:$server_port;')} }}",
        f"server {{ listen 8080; {named('Host $host', 'proxy_set_header Host $host:$server_port;')} }}",
    ),
    "requests-limited": (
        f"limit_req_zone $binary_remote_addr zone=a:1m rate=6r/m; server {{ {ws('limit_req zone=a;')} }}",
        f"limit_req_zone $binary_remote_addr zone=a:1m rate=5r/s; server {{ {ws('limit_req zone=a burst=100;')} }}",
    ),
    "connections-limited": (ws("limit_conn addr 5;"), ws("limit_conn addr 5000;")),
    "few-connections": (
        http(f"server {{ {WS} }}", "events { worker_connections 512; }"),
        http(f"server {{ {WS} }}", "worker_processes auto; events { worker_connections 512; }"),
    ),
    "few-files": (
        http(f"server {{ {WS} }}", "worker_rlimit_nofile 1024; events { worker_connections 8192; }"),
        http(f"server {{ {WS} }}", "worker_rlimit_nofile 32768; events { worker_connections 8192; }"),
    ),
    "reload-closes": (http(f"server {{ {WS} }}", "worker_shutdown_timeout 5s;"), http(f"server {{ {WS} }}")),
    "client-certificate": (f"server {{ ssl_verify_client optional; {WS} }}", f"server {{ ssl_verify_client off; {WS} }}"),
    "header-buffers-small": (
        f"server {{ large_client_header_buffers 4 2k; {WS} }}",
        f"server {{ large_client_header_buffers 4 16k; {WS} }}",
    ),
    "http2-without-tls": (f"server {{ listen 80 http2; {WS} }}", f"server {{ listen 443 ssl http2; {WS} }}"),
    "no-server-name": (
        f"location /ws {{ proxy_pass https://rt.partner.example; {GOOD} }}",
        f"location /ws {{ proxy_pass https://rt.partner.example; proxy_ssl_server_name on; {GOOD} }}",
    ),
    "name-resolved-once": (
        f"server {{ resolver 127.0.0.11; {WS} }}",
        f"server {{ resolver 127.0.0.11; location /ws {{ set $up b; proxy_pass http://$up:8000; {GOOD} }} }}",
    ),
    "servers-down": (
        f"upstream b {{ server x down; }} location /ws {{ proxy_pass http://b; {GOOD} }}",
        f"upstream b {{ server x down; server y; }} location /ws {{ proxy_pass http://b; {GOOD} }}",
    ),
    "no-stickiness": (
        f"upstream n {{ hash $request_uri; server x; server y; }} location /socket.io/ {{ proxy_pass http://n; {GOOD} }}",
        f"upstream n {{ hash $cookie_io; server x; server y; }} location /socket.io/ {{ proxy_pass http://n; {GOOD} }}",
    ),
    "few-connections-upstream": (
        f"upstream b {{ server x max_conns=100; }} location /ws {{ proxy_pass http://b; {GOOD} }}",
        f"upstream b {{ server x max_conns=0; }} location /ws {{ proxy_pass http://b; {GOOD} }}",
    ),
    "policy-forbids": (
        f"server {{ add_header Content-Security-Policy \"default-src 'self'; connect-src https://api.example\"; {WS} }}",
        f"server {{ add_header Content-Security-Policy \"default-src 'none'; connect-src 'self'\"; {WS} }}",
    ),
    "extensions-changed": (
        ws("add_header Sec-WebSocket-Extensions permessage-deflate always;"),
        ws('add_header Sec-WebSocket-Extensions x; proxy_set_header Sec-WebSocket-Extensions "";'),
    ),
    "certificate-unused": (f"server {{ listen 8443; ssl_certificate a; {WS} }}", f"server {{ listen 8443 ssl; ssl_certificate a; {WS} }}"),
    "plain-at-443": (f"server {{ listen 443; {WS} }}", f"server {{ listen 443 quic; {WS} }}"),
    "leaf-only": (
        f"server {{ listen 443 ssl; ssl_certificate /etc/letsencrypt/live/a/cert.pem; {WS} }}",
        f"server {{ listen 443 ssl; ssl_certificate /etc/letsencrypt/live/a/fullchain.pem; {WS} }}",
    ),
    "old-tls-only": (f"server {{ ssl_protocols TLSv1 TLSv1.1; {WS} }}", f"server {{ ssl_protocols TLSv1.2 TLSv1.3; {WS} }}"),
    "stream-timeout": (
        "stream { server { listen 8084; proxy_pass b:1; proxy_timeout 90s; } }",
        "stream { server { listen 8084; proxy_pass b:1; } }",
    ),
    "stream-buffered": ("location /events { proxy_pass http://b; }", "location /events { proxy_pass http://b; proxy_buffering off; }"),
    "forwarded-proto-behind-tls": (
        f"server {{ listen 80; {WS} }}",
        f"server {{ listen 80; {named('X-Forwarded-Proto $scheme', 'proxy_set_header X-Forwarded-Proto https;')} }}",
    ),
}
"""Pattern without its nginx. → a configuration that has it, and a healthy one."""

_AT_WS = ("redirected", "location-not-proxied", "refused", "forwarded-proto-behind-tls", "fastcgi-no-websocket", "grpc-no-websocket")
PATHS = {"location-slash-redirect": "/ws/room", "slash-doubled": "/ws/a", "uwsgi-server": "/ws"} | dict.fromkeys(_AT_WS, "/ws")
PORTS = {"forwarded-proto-behind-tls": 443}


def found(name: str, text: str) -> list[str]:
    seen = parse_config(text, kind="nginx_conf", artifact="nginx.conf", endpoint_path=PATHS.get(name, ""), endpoint_port=PORTS.get(name, 0))
    return [o.facts.pattern.removeprefix("nginx.") for o in seen if isinstance(o.facts, PatternFacts)]


@pytest.mark.parametrize("name", ROWS)
def test_a_defect_is_found_where_it_is_and_only_there(name: str) -> None:
    faulty, healthy = ROWS[name]
    assert name in found(name, faulty)
    assert name not in found(name, healthy)


def test_every_pattern_of_nginx_has_its_row() -> None:
    assert set(ROWS) == {p.id.removeprefix("nginx.") for p in config_patterns().values() if p.id.startswith("nginx.")}


@pytest.mark.parametrize("name", ROWS)
def test_the_healthy_ones_have_no_fault_at_all(name: str) -> None:
    proven = {p.id.removeprefix("nginx.") for p in config_patterns().values() if p.weight >= 0.5}
    assert proven.isdisjoint(found(name, ROWS[name][1]))
