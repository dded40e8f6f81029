"""The ports that configurations name."""

import pytest

from wsbook.parsers.proxies.listening import listening_ports

NGINX = """server {
  listen 8081;
  listen [::]:8443 ssl http2;
  listen 127.0.0.1:90 default_server;
  listen unix:/run/a;
}"""
CADDY = """:8080 {
  reverse_proxy localhost:9000
}
http://a.example:81, https://b.example {
}
example.com {
}
"""
ROWS = [
    ("nginx_conf", NGINX, {8081, 8443, 90}),
    ("caddyfile", CADDY, {8080, 81}),
    ("nginx_conf", "# listen 1;\nserver { server_name a; }\n", set()),
    ("haproxy_cfg", "frontend f\n  bind *:80\n  bind :443 ssl crt /etc/x.pem\n  bind 10.0.0.1:8080,10.0.0.2:8082\n", {80, 443, 8082}),
    ("apache_conf", "Listen 8080\nListen 127.0.0.1:81\n<VirtualHost *:443>\n", {8080, 81, 443}),
    (
        "caddyfile",
        ":8080 {\n  reverse_proxy localhost:9000\n}\nhttp://a.example:81, https://b.example:444 {\n}\nexample.com {\n}\n",
        {8080, 81},
    ),
    ("caddyfile", '{"apps": {"http": {"servers": {"a": {"listen": [":8443"]}}}}}', {8443}),
    ("envoy", "address: { socket_address: { address: 0.0.0.0, port_value: 10000 } }", {10000}),
    ("traefik", 'entryPoints:\n  web:\n    address: ":8000"\n', {8000}),
    ("k8s_ingress", "port: 80", set()),
    ("nginx_conf", "listen 99999;", set()),
]


@pytest.mark.parametrize(("kind", "text", "ports"), ROWS)
def test_ports(kind: str, text: str, ports: set[int]) -> None:
    assert listening_ports(text, kind) == ports
