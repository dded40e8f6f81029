"""Changes of nginx configurations: nginx accepts the changed text, the defect is gone when it is read again, nothing else is touched."""

import re

import pytest
from conftest import needs

from wsbook.evidence import Evidence
from wsbook.facts import Fix, PatternFacts, RouteFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.parsers.proxies import parse_config
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.fixing import apply_changes
from wsbook.parsers.proxies.rehearsing.nginx import adapt_nginx
from wsbook.parsers.proxies.rehearsing.stage import Ask, Stage
from wsbook.probes.rehearsal import CERTIFICATE
from wsbook.probes.rehearsal_stub import stand_in_certificate
from wsbook.rules import judge
from wsbook.target import Target
from wsbook.validators import validate

STAGE = Stage(listen=tuple(range(32100, 32112)), plain=(32120, 32121, 32122, 32123), secure=(32130, 32131, 32132, 32133))
MAP = "map $http_upgrade $connection_upgrade { default upgrade; '' close; }"
HEADERS = """
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;"""


def whole(inside: str, *, http: str = "", server: str = "listen 80;") -> str:
    """Return a configuration as people write it around one location's lines."""
    return f"""user www-data;
events {{ worker_connections 1024; }}
http {{
    {http}
    server {{
        {server}
        {inside}
    }}
}}
"""


def ws(lines: str, matcher: str = "/ws", target: str = "http://app:8000") -> str:
    return f"""location {matcher} {{
            proxy_pass {target};{lines}
        }}"""


UPGRADE, LOST, OLD = "proxy.upgrade-header-missing", "proxy.set-header-inheritance-lost", "proxy.http-1.0-upstream"
IDLE, PATH, FORWARDED = "proxy.idle-timeout-nginx", "proxy.path-rewrite-wrong", "proxy.forwarded-headers-wrong"
STICKY, LOCATION = "cluster.no-sticky-session", "proxy.ws-location-missing"
TWO = "upstream app { server a:1; server b:2; }"
GOOD = HEADERS + "\n            proxy_read_timeout 1h;"

DEFECTS: dict[str, tuple[str, str, str]] = {
    "nothing set": (whole(ws("")), "/ws", UPGRADE),
    "nothing set, with the map": (whole(ws(""), http=MAP), "/ws", UPGRADE),
    "nothing set, another map": (whole(ws(""), http=MAP.replace("connection_upgrade", "conn")), "/ws", UPGRADE),
    "one line": (whole("location /ws { proxy_pass http://app:8000; }"), "/ws", UPGRADE),
    "a fragment": ("location /ws {\n\tproxy_pass http://app:8000;\n}\n", "/ws", UPGRADE),
    "a server alone": ("server {\r\n  listen 80;\r\n  location /ws {\r\n    proxy_pass http://app:8000;\r\n  }\r\n}\r\n", "/ws", UPGRADE),
    "headers of the server are kept": (whole(ws(""), server="listen 80;\n        proxy_set_header Host $host;"), "/ws", UPGRADE),
    "Upgrade without Connection": (whole(ws("\n            proxy_set_header Upgrade $http_upgrade;")), "/ws", UPGRADE),
    "Connection without Upgrade": (whole(ws('\n            proxy_set_header Connection "upgrade";')), "/ws", UPGRADE),
    "Connection keep-alive": (whole(ws(HEADERS.replace("$connection_upgrade", "keep-alive"))), "/ws", UPGRADE),
    "Connection emptied": (whole(ws(HEADERS.replace("$connection_upgrade", '""'))), "/ws", UPGRADE),
    "Upgrade from the wrong variable": (whole(ws(HEADERS.replace("$http_upgrade", "$connection_upgrade")), http=MAP), "/ws", UPGRADE),
    "map missing": (whole(ws(HEADERS)), "/ws", UPGRADE),
    "map that closes": (whole(ws(HEADERS), http="map $http_upgrade $connection_upgrade { default close; }"), "/ws", UPGRADE),
    "lost by inheritance": (
        whole(ws("\n            proxy_set_header X-Real-IP $remote_addr;"), http=MAP, server="listen 80;" + HEADERS),
        "/ws",
        LOST,
    ),
    "version missing": (whole(ws(HEADERS.replace("proxy_http_version 1.1;", "")), http=MAP), "/ws", OLD),
    "version written": (whole(ws(HEADERS.replace("1.1", "1.0")), http=MAP), "/ws", OLD),
    "version of the server": (
        whole(ws(HEADERS.replace("proxy_http_version 1.1;", "")), http=MAP, server="listen 80;\n proxy_http_version 1.0;"),
        "/ws",
        OLD,
    ),
    "idle by default": (whole(ws(HEADERS), http=MAP), "/ws", IDLE),
    "idle written": (whole(ws(HEADERS + "\n            proxy_read_timeout 30s;  # as before"), http=MAP), "/ws", IDLE),
    "idle of the server": (whole(ws(HEADERS), http=MAP, server="listen 80;\n        proxy_read_timeout 20s;"), "/ws", IDLE),
    "idle of a TCP server": (
        "stream {\n    server {\n        listen 84;\n        proxy_pass app:1;\n        proxy_timeout 30s;\n    }\n}\n",
        "",
        IDLE,
    ),
    "X-Forwarded-Proto wss": (whole(ws(GOOD + "\n            proxy_set_header X-Forwarded-Proto wss;"), http=MAP), "/ws", FORWARDED),
    "port 443 in plain": (whole(ws(GOOD, target="http://10.0.0.1:443"), http=MAP), "/ws", "endpoint.plain-to-tls-port"),
    "port 80 in TLS": (whole(ws(GOOD, target="https://10.0.0.1:80"), http=MAP), "/ws", "endpoint.tls-to-plain-port"),
    "prefix of the library stripped": (whole(ws(GOOD, "/socket.io/", "http://app:8000/"), http=MAP), "/socket.io/", PATH),
    "glued": (whole(ws(GOOD, "/ws/", "http://app:8000/live"), http=MAP), "/ws/chat", PATH),
    "no stickiness": (whole(ws(GOOD, "/socket.io/", "http://app"), http=f"{MAP}\n    {TWO}"), "/socket.io/", STICKY),
    "no stickiness, least_conn": (
        whole(ws(GOOD, "/socket.io/", "http://app"), http=f"{MAP}\n    {TWO.replace('{', '{ least_conn;')}"),
        "/socket.io/",
        STICKY,
    ),
    "slash of the location": (whole(ws(GOOD, "/ws/"), http=MAP), "/ws", "handshake.redirected"),
    "Firefox is refused": (
        whole(ws(GOOD), http="map $http_connection $connection_upgrade { Upgrade upgrade; default close; }"),
        "/ws",
        UPGRADE,
    ),
    "Firefox is refused by an if": (
        whole(
            "location /ws {\n            if ($http_connection = Upgrade) { proxy_pass http://app:8000; }\n            "
            + GOOD.strip()
            + "\n        }",
            http=MAP,
        ),
        "/ws",
        UPGRADE,
    ),
    "Host of the upstream": (whole(ws(GOOD), http=MAP), "/ws", "origin.proxy-rewrites-host"),
    "Host replaced": (whole(ws(GOOD + "\n            proxy_set_header Host localhost;"), http=MAP), "/ws", "origin.proxy-rewrites-host"),
    "no server name": (whole(ws(GOOD, target="https://partner.example"), http=MAP), "/ws", "tls.sni-missing"),
    "headers not passed": (
        whole(ws(GOOD + "\n            proxy_pass_request_headers off;"), http=MAP),
        "/ws",
        "handshake.invalid-exchange",
    ),
    "subprotocol dropped": (
        whole(ws(GOOD + '\n            proxy_set_header Sec-WebSocket-Protocol "";'), http=MAP),
        "/ws",
        "subprotocol.mismatch",
    ),
    "slash doubled": (whole(ws(GOOD, "/ws", "http://app:8000/"), http=MAP), "/ws/chat", PATH),
    "exact location": (whole(ws(GOOD, "= /ws") + "\n        location / { root /srv; }", http=MAP), "", LOCATION),
    "shadowed by an expression": (
        whole(ws(GOOD) + "\n        location ~ ^/(ws|api) { proxy_pass http://app:8000; }", http=MAP),
        "",
        LOCATION,
    ),
    "test of Upgrade in capitals": (
        whole(
            'location / {\n            if ($http_upgrade = "WebSocket") { proxy_pass http://app:8000; }\n            root /srv;\n        }'
        ),
        "/ws",
        LOCATION,
    ),
    "scheme of sockets": (whole(ws(GOOD, target="ws://app:8000"), http=MAP), "/ws", "endpoint.url-invalid"),
    "method changed": (whole(ws(GOOD + "\n            proxy_method POST;"), http=MAP), "/ws", "handshake.invalid-exchange"),
    "every server down": (
        whole(ws(GOOD, target="http://app"), http=MAP + " upstream app { server a:1 down; }"),
        "/ws",
        "proxy.upstream-unreachable",
    ),
    "few connections": (whole(ws(GOOD), http=MAP).replace("1024", "64"), "/ws", "load.connection-cap"),
    "a reload closes": ("worker_shutdown_timeout 10s;\n" + whole(ws(GOOD), http=MAP), "/ws", "lifecycle.restart-drops"),
    "the page answers": (
        whole(
            ws("", "/api") + "\n        location / { root /srv; try_files $uri /index.html; }",
            server="listen 80;\n        proxy_set_header Host $host;",
        ),
        "/ws",
        LOCATION,
    ),
    "an if that hands on": (
        whole("location / {\n            if ($http_upgrade) { proxy_pass http://app:8000; }\n            root /srv;\n        }"),
        "/ws",
        UPGRADE,
    ),
}


def read(text: str, path: str) -> list[Observation]:
    return parse_config(text, kind="nginx_conf", artifact="nginx.conf", endpoint_path=path)


def accused(text: str, path: str) -> dict[str, float]:
    """Return the causes that the file stands for, with how sure."""
    findings, _ = judge(Evidence(Target(url=f"ws://shop.test{path}"), read(text, path)))
    return {found.cause: found.confidence for found in findings if found.verdict in (Verdict.FAULT, Verdict.UNKNOWN) and found.confidence}


def fixes(text: str, path: str) -> dict[str, Fix]:
    found: dict[str, Fix] = {}
    for seen in read(text, path):
        if isinstance(seen.facts, RouteFacts):
            found |= {cause: fix for fix in reversed(seen.facts.fixes) for cause in fix.causes}
        elif isinstance(seen.facts, PatternFacts) and seen.facts.fix:
            found[seen.facts.cause] = seen.facts.fix
    return found


def serving_line(text: str, path: str) -> RouteFacts:
    return next(s.facts for s in read(text, path) if isinstance(s.facts, RouteFacts) and s.facts.serves)


def accepted(text: str, path: str) -> str:
    """Return what nginx complains of in a text, "" nothing."""
    route = serving_line(text, path)
    if "stream {" in text:
        return ""  # the module may not be installed, and nothing in it concerns an upgrade
    ask = Ask(file=route.file, line=route.line, matcher=route.matcher, resource=path or "/")
    adapted = adapt_nginx(Artifact(text=text, name="nginx.conf", endpoint_path=path), STAGE, ask)
    ports = (*STAGE.listen, *STAGE.plain, *STAGE.secure)
    said = validate("nginx", {**adapted.files, CERTIFICATE: stand_in_certificate()}, ports)
    assert said.accepted is not None, said.complaint
    return said.complaint


@needs("nginx")
@pytest.mark.parametrize("name", DEFECTS)
def test_nginx_accepts_the_changed_text_and_the_defect_is_gone(name: str) -> None:
    text, path, cause = DEFECTS[name]
    fix = fixes(text, path)[cause]
    changed = apply_changes(text, fix.changes)
    assert accepted(changed, path) == ""
    assert cause in accused(text, path)
    assert cause not in accused(changed, path)


@pytest.mark.parametrize("name", DEFECTS)
def test_no_line_is_set_twice_and_the_layout_is_kept(name: str) -> None:
    text, path, cause = DEFECTS[name]
    fix = fixes(text, path)[cause]
    changed = apply_changes(text, fix.changes)
    for block in re.findall(r"location [^{}]*\{([^{}]*)\}", changed):
        names = re.findall(r"(proxy_set_header \S+|proxy_http_version|proxy_read_timeout|proxy_pass)\s", block)
        assert len(names) == len({name.lower() for name in names})
    assert changed.count("\r\n") == changed.count("\n") if "\r\n" in text else "\r" not in changed
    added = [line for line in changed.splitlines() if line not in text.splitlines()]
    assert all(("\t" in line[:2]) == ("\n\t" in text) for line in added if line[:1].isspace())
    assert fix.diff.startswith("--- nginx.conf.orig\n+++ nginx.conf\n")


def test_what_a_block_inherits_is_repeated_when_it_gets_lines_of_its_own() -> None:
    text, path, cause = DEFECTS["headers of the server are kept"]
    assert "+            proxy_set_header Host $host;" in fixes(text, path)[cause].diff


def test_a_map_that_is_there_is_used() -> None:
    text, path, cause = DEFECTS["nothing set, another map"]
    diff = fixes(text, path)[cause].diff
    assert "+            proxy_set_header Connection $conn;" in diff
    assert "map" not in "".join(line for line in diff.splitlines() if line.startswith("+"))


HEALTHY = whole(ws(GOOD + "\n            proxy_set_header Host $host;\n            proxy_set_header X-Forwarded-Proto $scheme;"), http=MAP)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (HEALTHY, "/ws"),
        (whole("location / { return 200; }"), "/ws"),
        (whole(ws("", "/api") + ws("", "/b", "http://b")), "/ws"),
        ("server { location /ws { proxy_pass http://a; ", "/ws"),
        ("location /ws { proxy_pass http://a; }}}", "/ws"),
    ],
)
def test_healthy_files_and_broken_ones_get_no_change(text: str, path: str) -> None:
    assert fixes(text, path) == {}
