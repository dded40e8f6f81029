"""One hop's part of each proxy's configuration, healthy or broken in a named way; knows no chains.

A place says where a hop listens and where it passes requests on. Places such as @folder@ are filled in afterwards.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

from wsbook.lab.proxies import apache_modules


class Hop(NamedTuple):
    product: str
    broken: str = ""


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


def load_modules() -> str:
    folder, beside = apache_modules(tls=False)
    return "\n".join([beside, *(f"LoadModule {name}_module {folder}/mod_{name}.so" for name in _MODULES.split())])


def user_lines(product: str) -> str:
    """As root, nginx keeps our rights to the folder and Apache must give them up."""
    if os.geteuid() != 0:
        return ""
    return {"nginx": "user root root; ", "apache": "User nobody\nGroup nogroup"}.get(product, "")
