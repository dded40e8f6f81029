"""Defects of HAProxy, Apache and Caddy beyond headers: each is found where it is, and not in what differs by one thing only."""

import json
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parsers.fixed import HINT

from wsbook.errors import UnreadableInputError
from wsbook.facts import PatternFacts, RouteFacts, TextFacts
from wsbook.parsers.detect import detect_kind
from wsbook.parsers.proxies import parse_config

HEAD = "defaults\n  mode http\n  timeout tunnel 1h\n"
KINDS = {"haproxy": "haproxy_cfg", "apache": "apache_conf", "caddy": "caddyfile"}


def patterns(product: str, text: str, **given: str) -> list[str]:
    """Return the ids of all defects, hints included."""
    seen = parse_config(text, kind=KINDS[product], artifact="file", **given)
    return [o.facts.pattern for o in seen if isinstance(o.facts, PatternFacts)]


def haproxy(front: str = "", back: str = "", server: str = "server s 10.0.0.1:8000", bind: str = "bind :80") -> str:
    return f"{HEAD}frontend f\n  {bind}\n  {front}\n  default_backend b\nbackend b\n  {back}\n  {server}\n"


def apache(lines: str, host: str = "*:80") -> str:
    return f"Timeout 3600\n<VirtualHost {host}>\n{lines}\n</VirtualHost>\n"


def caddy(lines: str, site: str = "a.test") -> str:
    return f"{site} {{\n{lines}\n}}\n"


WS = "ProxyPass /live ws://10.0.0.1:8000/live"
CSP = "Content-Security-Policy"
TLS = "bind :443 ssl crt site.pem"

CASES = [
    ("haproxy", haproxy("http-request deny if { path_beg /ws }"), "/ws", "haproxy.upgrade-refused", True),
    ("haproxy", haproxy("http-request deny if { path_beg /admin }"), "/ws", "haproxy.upgrade-refused", False),
    ("haproxy", haproxy("http-request deny if { hdr(Upgrade) -i websocket }"), "", "haproxy.upgrade-refused", True),
    ("haproxy", haproxy("http-request redirect location /new if { path /ws }"), "/ws", "haproxy.upgrade-redirected", True),
    ("haproxy", haproxy("http-request redirect scheme https unless { ssl_fc }", bind=TLS), "/ws", "haproxy.upgrade-redirected", False),
    ("haproxy", haproxy("http-request redirect scheme https unless { ssl_fc }"), "/ws", "haproxy.redirect-behind-tls", True),
    ("haproxy", haproxy("http-request return status 200 if { path_beg /ws }"), "/ws", "haproxy.answered-here", True),
    ("haproxy", haproxy("http-request return status 200 if { path_beg /health }"), "/ws", "haproxy.answered-here", False),
    ("haproxy", HEAD + "frontend f\n  bind :80\nbackend b\n  server s 10.0.0.1:80\n", "", "haproxy.no-backend", True),
    ("haproxy", HEAD + "frontend f\n  bind :80\n  redirect scheme https\nbackend b\n  server s h:1\n", "", "haproxy.no-backend", False),
    ("haproxy", haproxy("use_backend b if { path_beg /ws } { method POST }"), "", "haproxy.condition-never-holds", True),
    ("haproxy", haproxy("use_backend b if { path_beg /ws } { method GET }"), "", "haproxy.condition-never-holds", False),
    ("haproxy", haproxy("http-request replace-path /svc/ws/(.*) /\\1"), "", "haproxy.path-shortened", True),
    ("haproxy", haproxy("http-request replace-path /svc/ws/(.*) /ws/\\1"), "", "haproxy.path-shortened", False),
    ("haproxy", haproxy("http-request set-path /"), "", "haproxy.path-shortened", True),
    ("haproxy", haproxy("http-request deny unless { src 10.0.0.0/8 }"), "", "haproxy.address-required", True),
    ("haproxy", haproxy("http-request deny if { path_beg /admin } !{ src 10.0.0.0/8 }"), "", "haproxy.address-required", False),
    ("haproxy", haproxy("http-request del-header Sec-WebSocket-Key"), "", "proxy.drops-key", True),
    ("haproxy", haproxy("http-request del-header sec-websocket- -m beg"), "", "proxy.drops-subprotocol", True),
    ("haproxy", haproxy("http-request del-header Sec-WebSocket-Extensions"), "", "proxy.drops-key", False),
    ("haproxy", haproxy("http-response del-header Upgrade"), "", "proxy.drops-answer", True),
    ("haproxy", haproxy("http-response del-header Server"), "", "proxy.drops-answer", False),
    ("haproxy", haproxy("http-request del-header Cookie"), "", "proxy.drops-credential", True),
    ("haproxy", haproxy("http-request set-header Host app.internal"), "", "haproxy.host-replaced", True),
    ("haproxy", haproxy("http-request set-header Host %[req.hdr(host)]"), "", "haproxy.host-replaced", False),
    ("haproxy", haproxy("http-request set-header X-Forwarded-Proto http", bind=TLS), "", "haproxy.forwarded-proto-wrong", True),
    ("haproxy", haproxy("http-request set-header X-Forwarded-Proto https", bind=TLS), "", "haproxy.forwarded-proto-missing", False),
    ("haproxy", haproxy(bind=TLS), "", "haproxy.forwarded-proto-missing", True),
    ("haproxy", haproxy(server="server s 10.0.0.1:80 ssl verify none"), "", "haproxy.tls-to-plain-port", True),
    ("haproxy", haproxy(server="server s 10.0.0.1:8443 ssl verify none"), "", "haproxy.tls-to-usual-port", False),
    ("haproxy", haproxy("", "option httpchk GET /ws", "server s 10.0.0.1:1 check"), "/ws", "haproxy.health-check-of-endpoint", True),
    ("haproxy", haproxy(back="option httpchk GET /ws"), "/ws", "haproxy.health-check-of-endpoint", False),
    ("haproxy", haproxy(back="option httpchk GET /up", server="server s h:1 check"), "/ws", "haproxy.health-check-of-endpoint", False),
    ("haproxy", haproxy("http-request deny if { sc_http_req_rate(0) gt 20 }"), "", "haproxy.rate-limited", True),
    ("haproxy", haproxy("tcp-request connection reject if { src_conn_cur gt 5 }"), "", "haproxy.connections-limited", True),
    ("haproxy", "global\n  maxconn 100\n" + haproxy(), "", "haproxy.few-connections", True),
    ("haproxy", "global\n  maxconn 20000\n" + haproxy(), "", "haproxy.few-connections", False),
    ("haproxy", "global\n  tune.http.maxhdr 20\n" + haproxy(), "", "haproxy.headers-limited", True),
    ("haproxy", "global\n  hard-stop-after 30s\n" + haproxy(), "", "haproxy.hard-stop", True),
    ("haproxy", haproxy(bind=TLS + " verify optional ca-file ca.pem"), "", "proxy.client-certificate", True),
    ("haproxy", haproxy(bind="bind :443 ssl crt /etc/letsencrypt/live/a/cert.pem"), "", "proxy.certificate-alone", True),
    ("haproxy", haproxy(bind=TLS + " alpn h2"), "", "proxy.h2-only", True),
    ("haproxy", haproxy(bind=TLS + " alpn h2,http/1.1"), "", "proxy.h2-only", False),
    ("haproxy", "# docker compose\n" + haproxy(server="server s localhost:8000"), "", "proxy.loopback-of-container", True),
    ("haproxy", haproxy(server="server s localhost:8000"), "", "proxy.loopback-of-container", False),
    ("apache", apache(f"{WS}\n<Location /live>\nRequire all denied\n</Location>"), "/live", "apache.upgrade-refused", True),
    ("apache", apache(f"{WS}\n<Location /admin>\nRequire all denied\n</Location>"), "/live", "apache.upgrade-refused", False),
    ("apache", apache(f"RewriteEngine On\nRewriteRule ^/live - [F]\n{WS}"), "/live", "apache.upgrade-refused", True),
    ("apache", apache(f"RewriteEngine On\nRewriteRule ^/live$ /live/ [R]\n{WS}"), "/live", "apache.upgrade-redirected", True),
    ("apache", apache(f"RewriteEngine On\nRewriteRule ^/live$ /live/ [R]\n{WS}"), "/live/a", "apache.upgrade-redirected", False),
    ("apache", apache(f"<Proxy *>\nRequire all denied\n</Proxy>\n{WS}"), "", "apache.upgrade-refused", True),
    ("apache", apache(f"<Proxy *>\nRequire all granted\n</Proxy>\n{WS}"), "", "apache.upgrade-refused", False),
    ("apache", apache(f"ProxyPass /live !\n{WS}"), "/live", "apache.excluded", True),
    ("apache", apache(f"{WS}\nProxyPass /live !"), "/live", "apache.excluded", False),
    ("apache", apache(f"ProxyPreserveHost Off\n{WS}"), "", "apache.host-not-preserved", True),
    ("apache", apache(f"ProxyPreserveHost On\n{WS}"), "", "apache.host-not-preserved", False),
    ("apache", apache(f"SSLEngine on\n{WS}", "*:443"), "", "apache.forwarded-proto-missing", True),
    ("apache", apache(f"RequestHeader set X-Forwarded-Proto https\n{WS}", "*:443"), "", "apache.forwarded-proto-missing", False),
    ("apache", apache(f"LimitRequestFieldSize 1024\n{WS}"), "", "apache.headers-limited", True),
    ("apache", apache(f"LimitRequestFieldSize 16380\n{WS}"), "", "apache.headers-limited", False),
    ("apache", f"MaxRequestWorkers 150\n{WS}", "", "apache.few-workers", True),
    ("apache", f"MaxRequestWorkers 4000\n{WS}", "", "apache.few-workers", False),
    ("apache", apache("ProxyPass /live ws://10.0.0.1:8000/"), "", "apache.prefix-stripped", True),
    ("apache", apache("ProxyPass /socket.io ws://10.0.0.1:8000/"), "", "apache.library-prefix-stripped", True),
    ("apache", apache("RewriteRule ^/socket.io/(.*) ws://10.0.0.1:1/$1 [P]"), "", "apache.library-prefix-stripped", True),
    ("apache", apache("ProxyPass /live ws://10.0.0.1:8000/live/"), "", "apache.slash-added", True),
    ("apache", apache(f"RequestHeader unset Cookie\n{WS}"), "", "proxy.drops-credential", True),
    ("apache", apache(f"<Location /admin>\nRequestHeader unset Cookie\n</Location>\n{WS}"), "", "proxy.drops-credential", False),
    ("apache", apache(f"SSLVerifyClient optional\n{WS}"), "", "proxy.client-certificate", True),
    ("apache", apache(f"SSLVerifyClient none\n{WS}"), "", "proxy.client-certificate", False),
    ("apache", apache(f"SSLProtocol -all +TLSv1.3\n{WS}"), "", "proxy.tls-versions", True),
    ("apache", apache(f"SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1\n{WS}"), "", "proxy.tls-versions", False),
    ("apache", apache(f"Header set {CSP} \"connect-src https://api.test\"\n{WS}"), "", "proxy.content-security-policy", True),
    ("apache", apache(f"Header set {CSP} \"default-src 'self'\"\n{WS}"), "", "proxy.content-security-policy", False),
    ("apache", apache(f"Header set {CSP} \"connect-src https://a wss:\"\n{WS}"), "", "proxy.content-security-policy", False),
    ("apache", f"{apache('Redirect permanent / https://a.test/')}{apache(WS, '*:443')}", "", "proxy.plain-redirected", True),
    ("apache", apache(f"RewriteCond %{{HTTP:Origin}} !^https://a.test$\nRewriteRule ^ - [F]\n{WS}"), "", "proxy.origin-checked", True),
    ("haproxy", haproxy(server="server s 10.0.0.1:8443"), "", "proxy.plain-to-usual-tls-port", True),
    ("haproxy", haproxy("acl a hdr(host) -i a.test", bind="bind :443,:9443"), "", "haproxy.host-with-port", True),
    ("haproxy", haproxy("acl a hdr_dom(host) -i a.test", bind="bind :443,:9443"), "", "haproxy.host-with-port", False),
    ("haproxy", "resolvers r\n  nameserver a 8.8.8.8:53\n" + haproxy(server="server s a.local:1"), "", "haproxy.public-resolver", True),
    ("haproxy", "resolvers r\n  nameserver a 10.0.0.2:53\n" + haproxy(server="server s a.local:1"), "", "haproxy.public-resolver", False),
    ("haproxy", haproxy(bind="bind 203.0.113.1:443"), "", "proxy.ipv4-only", True),
    ("haproxy", haproxy(bind="bind 203.0.113.1:443\n  bind [2001:db8::1]:443"), "", "proxy.ipv4-only", False),
    ("haproxy", haproxy("http-request deny if { hdr(User-Agent) -m sub bot }"), "", "haproxy.clients-filtered", True),
    ("apache", f"LoadModule proxy_module m\nLoadModule proxy_http_module m\n{WS}", "", "apache.tunnel-needs-version", True),
    ("apache", f"LoadModule proxy_module m\nLoadModule proxy_wstunnel_module m\n{WS}", "", "apache.tunnel-needs-version", False),
    ("apache", apache("ProxyPass /livereload !\nProxyPass / http://10.0.0.1:1/ upgrade=websocket"), "", "apache.excluded", True),
    ("apache", apache(f"ProxyPass /static !\n{WS}"), "", "apache.excluded", False),
    ("apache", apache(f"RewriteEngine On\nRewriteRule ^(.*[^/])$ $1/ [R=301,L]\n{WS}"), "", "apache.upgrade-redirected", True),
    ("apache", apache(f"RewriteEngine On\nRewriteRule ^/old$ /new [R=301,L]\n{WS}"), "", "apache.upgrade-redirected", False),
    ("apache", apache("SSLProxyEngine On\nProxyPass /live wss://10.0.0.1:8443/live"), "", "apache.upstream-address", True),
    ("apache", apache("SSLProxyEngine On\nProxyPass /live wss://app.internal:8443/live"), "", "apache.upstream-address", False),
    ("caddy", caddy("reverse_proxy unifi:8443"), "", "proxy.plain-to-usual-tls-port", True),
    ("caddy", caddy("reverse_proxy https://unifi:8443"), "", "proxy.plain-to-usual-tls-port", False),
    ("caddy", caddy("redir /ws /ws/ 308\nreverse_proxy b:1"), "/ws", "caddy.upgrade-redirected", True),
    ("caddy", caddy("redir /ws /ws/ 308\nreverse_proxy b:1"), "/ws/", "caddy.upgrade-redirected", False),
    ("caddy", caddy("respond /ws 403\nreverse_proxy b:1"), "/ws", "caddy.upgrade-refused", True),
    ("caddy", caddy("file_server\nreverse_proxy /ws b:1"), "/ws/a", "caddy.answered-here", True),
    ("caddy", caddy("try_files {path} /index.html\nreverse_proxy /ws* b:1\nfile_server"), "", "caddy.rewritten-before-proxy", True),
    ("caddy", caddy("handle /ws* {\nreverse_proxy b:1\n}\nhandle {\ntry_files {path} /i\n}"), "", "caddy.rewritten-before-proxy", False),
    ("caddy", caddy("route {\nfile_server\nreverse_proxy /ws* b:1\n}"), "", "caddy.after-catch-all", True),
    ("caddy", caddy("route {\nreverse_proxy /ws* b:1\nfile_server\n}"), "", "caddy.after-catch-all", False),
    ("caddy", caddy("file_server\nreverse_proxy /ws* b:1"), "", "caddy.after-catch-all", False),
    ("caddy", caddy("@ws {\npath /ws*\nmethod POST\n}\nreverse_proxy @ws b:1"), "", "caddy.condition-never-holds", True),
    ("caddy", caddy("@ws {\npath /ws*\nmethod GET\n}\nreverse_proxy @ws b:1"), "", "caddy.condition-never-holds", False),
    ("caddy", "a.test {\nproxy / b:1 {\ntransparent\n}\n}\n", "", "caddy.v1-without-websocket", True),
    ("caddy", "a.test {\nproxy / b:1 {\nwebsocket\n}\n}\n", "", "caddy.v1-without-websocket", False),
    ("caddy", caddy("reverse_proxy b:1 {\nheader_up Host {upstream_hostport}\n}"), "", "caddy.host-replaced", True),
    ("caddy", caddy("reverse_proxy b:1 {\nheader_up Host {host}\n}"), "", "caddy.host-replaced", False),
    ("caddy", caddy("reverse_proxy b:1 {\nheader_up X-Forwarded-Proto wss\n}"), "", "caddy.forwarded-proto-wrong", True),
    ("caddy", caddy("reverse_proxy b:1 {\nheader_up -Sec-WebSocket-Protocol\n}"), "", "proxy.drops-subprotocol", True),
    ("caddy", caddy("reverse_proxy https://b:80"), "", "caddy.tls-to-plain-port", True),
    ("caddy", caddy("reverse_proxy https://b.example.com"), "", "caddy.upstream-certificate", False),
    ("caddy", caddy("reverse_proxy https://10.0.0.1:8443"), "", "caddy.upstream-address", True),
    ("caddy", caddy("reverse_proxy /ws* b:1 {\nhealth_uri /ws\n}"), "", "caddy.health-check-of-endpoint", True),
    ("caddy", caddy("reverse_proxy /ws* b:1 {\nhealth_uri /up\n}"), "", "caddy.health-check-of-endpoint", False),
    ("caddy", "{\nauto_https off\n}\n" + caddy("reverse_proxy b:1", ":80"), "", "caddy.forwarded-not-trusted", True),
    ("caddy", caddy("reverse_proxy b:1"), "", "caddy.forwarded-not-trusted", False),
    ("caddy", caddy("handle_path /ws/* {\nreverse_proxy b:1\n}"), "", "caddy.prefix-stripped", True),
    ("caddy", caddy("forward_auth auth:1 {\nuri /v\n}\nreverse_proxy b:1"), "", "caddy.forward-auth", True),
    ("caddy", caddy("forward_auth /admin* auth:1 {\nuri /v\n}\nreverse_proxy /ws* b:1"), "", "caddy.forward-auth", False),
    ("caddy", caddy("tls internal\nreverse_proxy b:1"), "", "proxy.self-signed", True),
    ("caddy", caddy("# in docker\nreverse_proxy localhost:1"), "", "proxy.loopback-of-container", True),
]  # fmt: skip


@pytest.mark.parametrize(("product", "text", "path", "pattern", "there"), CASES, ids=lambda value: str(value)[-40:])
def test_a_defect_is_found_where_it_is(product: str, text: str, path: str, pattern: str, there: bool) -> None:
    assert (pattern in patterns(product, text, endpoint_path=path)) is there


HEALTHY = [
    ("haproxy", haproxy("http-request set-header X-Forwarded-Proto https", bind=TLS + " alpn h2,http/1.1")),
    ("haproxy", haproxy("option forwardfor", "stick on src\n  stick-table type ip size 1m", "server s 10.0.0.1:1 check")),
    ("haproxy", haproxy(server="server s app.internal:8443 ssl verify required ca-file @system-ca alpn h2,http/1.1")),
    ("haproxy", "defaults\n  mode tcp\n  timeout client 1h\n  timeout server 1h\nlisten t\n  bind :443\n  server s 10.0.0.1:443\n"),
    ("haproxy", haproxy("acl ws hdr(Upgrade) -i websocket\n  use_backend b if ws", "option httpchk GET /up", "server s 10.0.0.1:1 check")),
    ("apache", apache(f"ProxyPreserveHost On\n{WS}\nProxyPass / http://10.0.0.1:8000/")),
    ("apache", apache("ProxyPreserveHost On\nProxyPass / http://10.0.0.1:8000/ upgrade=websocket")),
    ("apache", apache(
        "RewriteEngine On\nRewriteCond %{HTTP:Upgrade} websocket [NC]\nRewriteCond %{HTTP:Connection} upgrade [NC]\n"
        "RewriteRule ^/?(.*) ws://10.0.0.1:8000/$1 [P,L]\nProxyPass / http://10.0.0.1:8000/"
    )),
    ("apache", apache("SSLProxyEngine On\nProxyPass /live wss://app.internal:8443/live")),
    ("caddy", caddy("reverse_proxy app:8000")),
    ("caddy", caddy("encode gzip\nhandle /api/* {\nreverse_proxy app:8000\n}\nhandle {\ntry_files {path} /i\nfile_server\n}")),
    ("caddy", caddy("reverse_proxy /socket.io/* a:1 b:1 {\nlb_policy cookie\nstream_close_delay 5m\n}")),
    ("caddy", caddy("@ws {\nheader Connection *Upgrade*\nheader Upgrade websocket\n}\nreverse_proxy @ws app:8000\nfile_server")),
]  # fmt: skip


@pytest.mark.parametrize(("product", "text"), HEALTHY, ids=lambda value: str(value)[-40:])
def test_what_is_right_has_no_defect(product: str, text: str) -> None:
    seen = [o.facts for o in parse_config(text, kind=KINDS[product], artifact="file")]
    assert [f.pattern for f in seen if isinstance(f, PatternFacts) and f.weight >= HINT] == []
    serving = [f for f in seen if isinstance(f, RouteFacts) and f.serves]
    assert serving
    assert all(f.upgrade and f.upgrade.value == "forwarded" for f in serving)


FOLDERS = {
    "haproxy": {
        "10-defaults.cfg": "defaults\n  mode http\n  timeout client 40s\n  timeout server 40s\n",
        "20-front.cfg": "frontend f\n  bind :80\n  use_backend %[path,map_beg(paths.map)]\n  default_backend page\n",
        "30-back.cfg": "backend live\n  timeout tunnel 1h\n  server s 10.0.0.1:1\nbackend page\n  server s 10.0.0.2:1\n",
        "paths.map": "/ws live\n",
        "main": "20-front.cfg",
    },
    "apache": {
        "httpd.conf": "IncludeOptional mods-enabled/*.load\nInclude sites/*.conf\n",
        "mods-enabled/proxy.load": "LoadModule proxy_module m/mod_proxy.so\nLoadModule proxy_http_module m/mod_proxy_http.so\n",
        "sites/a.conf": "ProxyPass /ws ws://10.0.0.1:1/ws timeout=3600\n",
        "main": "httpd.conf",
    },
    "caddy": {
        "Caddyfile": "import sites/*\n",
        "sites/a": "a.test {\n  reverse_proxy /ws* 10.0.0.1:1 {\n    transport http {\n      read_timeout 1h\n    }\n  }\n}\n",
        "main": "Caddyfile",
    },
}


@pytest.mark.parametrize("product", FOLDERS)
def test_files_of_one_configuration_are_read_together(product: str, tmp_path: Path) -> None:
    files = dict(FOLDERS[product])
    main = files.pop("main")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    given = {"kind": KINDS[product], "artifact": str(tmp_path / main), "endpoint_path": "/ws"}
    (route,) = [
        f
        for o in parse_config(files[main], **given, folder=str(tmp_path))
        if isinstance(f := o.facts, RouteFacts) and f.serves  # type: ignore[arg-type]
    ]
    assert route.upstream.endswith("10.0.0.1:1") or route.upstream == "ws://10.0.0.1:1/ws"
    assert route.idle_s
    assert (route.idle_s.value, Path(route.idle_s.file).name in {Path(name).name for name in files}) == ("3600", True)


@pytest.mark.parametrize("product", FOLDERS)
def test_nothing_outside_the_folder_is_read(product: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("SECRET live\n")
    (tmp_path / "secret.cfg").write_text("defaults\n  timeout tunnel 7s\nbackend SECRET\n  server s SECRET:1\n")
    (inside / "linked.cfg").symlink_to(tmp_path / "secret.cfg")
    (inside / "loop.conf").symlink_to(inside / "loop.conf")
    texts = {
        "haproxy": f"frontend f\n  use_backend %[path,map({tmp_path}/secret)]\n  use_backend b if {{ path -f ../secret }}\n",
        "apache": f"Include {tmp_path}/secret\nInclude ../secret\nInclude linked.cfg\nInclude *\nProxyPass /ws ws://a:1/ws\n",
        "caddy": f"import {tmp_path}/secret\nimport ../secret\nimport linked.cfg\nimport Caddyfile\na.test {{\n  reverse_proxy b:1\n}}\n",
    }
    (inside / "Caddyfile").write_text(texts["caddy"])
    seen = parse_config(texts[product], kind=KINDS[product], artifact=str(inside / "x"), endpoint_path="/ws", folder=str(inside))
    assert "SECRET" not in repr(seen)


def test_the_json_of_caddy_is_recognised_and_its_lines_are_known() -> None:
    text = """{
  "apps": {"http": {"servers": {"srv0": {"listen": [":443"], "routes": [
    {"match": [{"path": ["/ws/*"]}],
     "handle": [
      {"handler": "rewrite", "strip_path_prefix": "/ws"},
      {"handler": "reverse_proxy", "upstreams": [{"dial": "a:1"}],
       "headers": {"request": {"delete": ["Upgrade"]}}, "stream_timeout": 5000000000}]},
    {"handle": [{"handler": "file_server"}]}
  ]}}}}
}
"""
    assert detect_kind("caddy.json", text.encode()) == "caddyfile"
    seen = [o.facts for o in parse_config(text, kind="caddyfile", artifact="caddy.json", endpoint_path="/ws/a")]
    (route,) = [f for f in seen if isinstance(f, RouteFacts) and f.serves]
    assert (route.line, route.upstream_path, route.upstream) == (6, "/a", "a:1")
    assert route.upgrade and route.upgrade.value == "absent"
    assert route.lifetime_s and route.lifetime_s.value == "5"
    answered = [o.facts for o in parse_config(text, kind="caddyfile", artifact="caddy.json", endpoint_path="/x")]
    assert [f.pattern for f in answered if isinstance(f, PatternFacts)] == ["caddy.answered-here"]


WORDS = [
    "apps",
    "http",
    "servers",
    "routes",
    "match",
    "handle",
    "handler",
    "subroute",
    "reverse_proxy",
    "rewrite",
    "upstreams",
    "dial",
    "path",
]
WORDS += ["host", "header", "not", "file", "try_files", "group", "terminal", "headers", "request", "set", "delete", "transport", "versions"]
WORDS += [
    "listen",
    "uri",
    "uri_substring",
    "limit",
    "load_balancing",
    "selection_policy",
    "stream_timeout",
    "handle_response",
    "static_response",
]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS), inner, max_size=5)),
    max_leaves=30,
)


@settings(deadline=2000, max_examples=150)
@given(VALUES, VALUES, st.sampled_from(["", "/ws"]))
def test_any_json_is_read_or_refused(server: object, routes: object, path: str) -> None:
    for config in ({"apps": {"http": {"servers": {"s": server}}}}, {"apps": {"http": {"servers": {"s": {"routes": routes}}}}}):
        try:
            seen = parse_config(json.dumps(config), kind="caddyfile", artifact="c", endpoint_path=path, endpoint_port=80)
        except UnreadableInputError:
            continue
        assert isinstance(seen[0].facts, TextFacts)


LINES = {
    "haproxy": [
        "global", "defaults", "defaults x", "frontend f", "frontend f from x", "backend b", "listen l", " bind :80",
        " bind :443 ssl crt x alpn h2", " mode tcp", " mode", " timeout tunnel", " timeout tunnel 5s", " timeout client 1s",
        " timeout", " server", " server s", " server s h:1", " server s h:443 ssl", " server-template a 1-3 h:1", " server-template a",
        " use_backend", " use_backend b", " use_backend b if", " use_backend %[path,map(x)] if",
        " use_backend b if { path_beg /ws } or", " use_backend b unless { hdr(upgrade) -m", " acl", " acl a", " acl a path -f",
        " acl a hdr_cnt(x) gt", " http-request", " http-request deny", " http-request deny if", " http-request set-path",
        " http-request replace-path ( x", " http-request replace-path", " http-request set-header", " http-request set-header Upgrade",
        " http-request del-header", " http-request del-header -m", " http-request del-header x -m", " redirect",
        " redirect scheme https if", " cookie", " cookie S insert", " balance", " stick on src", " option httpchk",
        " option httpchk GET /ws", " http-check send", " reqrep", " reqrep ^a b", " reqidel", " reqidel (", " monitor-uri",
        " default_backend", " default_backend b", " maxconn", " maxconn 5", " default-server", " default-server check",
        " tcp-request connection reject if { src_conn_cur gt",
    ],
    "apache": [
        "<VirtualHost>", "<VirtualHost *:80>", "</VirtualHost>", "<Location>", "<Location /ws>", "<LocationMatch (>", "</Location>",
        "<If x>", "</If>", "<Proxy balancer://c>", "<Proxy *>", "</Proxy>", "BalancerMember", "BalancerMember ws://a:1",
        "BalancerMember balancer://c ws://a", "ProxyPass", "ProxyPass /", "ProxyPass / !", "ProxyPass /ws ws://a:1",
        "ProxyPass ws://a", "ProxyPass / http://a/ timeout= upgrade=", "ProxyPass / balancer://c", "ProxyPassMatch ( ws://a/$1",
        "ProxyPassMatch ^/(x) ws://a/$1", "RewriteRule", "RewriteRule (", "RewriteRule ^ -", "RewriteRule ^ - [F]",
        "RewriteRule ^/ws ws://a$1$9 [P", "RewriteRule ! ws://a [P]", "RewriteCond", "RewriteCond %{HTTP:Upgrade}",
        "RewriteCond %{HTTP:Upgrade} ( [NC,OR]", "RewriteCond %{HTTP:Connection} ^Upgrade$", "RewriteEngine", "RewriteEngine On",
        "ProxyTimeout", "ProxyTimeout x", "Timeout", "Timeout 5", "RequestHeader", "RequestHeader unset",
        "RequestHeader unset Upgrade", "RequestHeader set X-Forwarded-Proto", "RequestHeader set X-Forwarded-Proto ws", "Redirect",
        "Redirect /", "ServerName", "ServerAlias *", "LoadModule", "LoadModule proxy_module", "LoadModule proxy_module mod_proxy.so",
        "Require", "Deny", "ProxyPreserveHost", "ProxyPreserveHost Off", "SetEnv", "SetEnv force-proxy-request-1.0",
        "LimitRequestFieldSize", "MaxRequestWorkers 1", "SecRule", "SSLEngine on", "SSLProxyEngine", "ProxySet", "ProxyPassReverse",
        "\\", "ProxyPass /x ws://a:1 \\",
    ],
    "caddy": [
        "a.test {", "}", "{", "handle {", "handle /ws {", "handle_path /ws* {", "route {", "@w {", "@w path /ws",
        "@w header Connection Upgrade", "@w method", "@w not", "@w header !Upgrade", "not {", "reverse_proxy", "reverse_proxy {",
        "reverse_proxy @w", "reverse_proxy @w a:1 {", "reverse_proxy /ws https://a:1 h2c://b", "transport http {", "transport",
        "versions", "versions h2c", "read_timeout", "read_timeout x", "stream_timeout", "header_up", "header_up -", "header_up Host",
        "header_up Connection {>x}", "lb_policy", "lb_policy x {", "uri", "uri strip_prefix", "uri strip_prefix /ws", "rewrite",
        "rewrite /a", "rewrite @w /b", "try_files", "try_files x", "redir", "respond", "respond 403", "file_server", "request_header",
        "request_header -Up*", "import", "import s x", "import *", "(s) {", "proxy", "proxy /", "proxy / a {", "forward_auth",
        "health_uri", "health_uri /ws", "to", "to a:1", "handle_errors {", "tls", "tls internal",
    ],
}  # fmt: skip
ASKED = st.sampled_from([("", "", 0), ("/ws", "", 0), ("/ws?x=1", "a.test", 443)])


@pytest.mark.parametrize("product", LINES)
@settings(deadline=3000, max_examples=120)
@given(data=st.data(), asked=ASKED, version=st.sampled_from(["", "2.4.41", "2.6"]))
def test_any_lines_are_read_or_refused(product: str, data: st.DataObject, asked: tuple[str, str, int], version: str) -> None:
    text = "\n".join(data.draw(st.lists(st.sampled_from(LINES[product]), max_size=40)))
    given = {"endpoint_path": asked[0], "endpoint_host": asked[1], "endpoint_port": asked[2], "version": version}
    try:
        with patch("wsbook.validators.adapt_caddy", return_value=None):
            seen = parse_config(text, kind=KINDS[product], artifact="file", **given)  # type: ignore[arg-type]
    except UnreadableInputError:
        return
    assert isinstance(seen[0].facts, TextFacts)
