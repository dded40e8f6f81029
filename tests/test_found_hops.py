"""Hops that configurations name: of this machine, in order, and never where somebody gave them or the endpoint is elsewhere."""

from pathlib import Path

import pytest

from wsbook.found_hops import found_hops, with_found_hops
from wsbook.target import Target, parse_target

NGINX = """
events {}
http {
  upstream live { server 127.0.0.1:7001; server 127.0.0.1:7002 backup; server 10.0.0.9:7003; }
  server {
    listen 8080;
    location /stream/ { proxy_pass http://live/v2/; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; }
    location / { proxy_pass http://127.0.0.1:7009; }
  }
}
"""
CADDY = "http://:8080 {\n\treverse_proxy /ws 127.0.0.1:7001 localhost:7002\n}\n"
HAPROXY = "frontend f\n  mode http\n  bind :8080\n  default_backend b\nbackend b\n  mode http\n  server s 127.0.0.1:7001\n"
APACHE = (
    "Listen 8080\n<Proxy balancer://live>\n  BalancerMember http://127.0.0.1:7001\n  BalancerMember http://[::1]:7002\n</Proxy>\n"
    "ProxyPass /ws balancer://live/ws upgrade=websocket\n"
)
TLS = "events {}\nhttp { server { listen 8080; location /ws { proxy_pass https://127.0.0.1:7001; } } }\n"
STRANGE = "events {}\nhttp { server { listen 8080; location /ws { proxy_pass http://10.0.0.9:7001; } } }\n"
VARIABLE = "events {}\nhttp { server { listen 8080; location /ws { proxy_pass http://$backend; } } }\n"
ITSELF = "events {}\nhttp { server { listen 8080; location /ws { proxy_pass http://127.0.0.1:8080; } } }\n"
OUTER = "events {}\nhttp { server { listen 8080; location /ws { proxy_pass http://127.0.0.1:8081; } } }\n"
INNER = HAPROXY.replace(":8080", ":8081")


def told(tmp_path: Path, url: str, *configs: tuple[str, str], **more: object) -> Target:
    for name, text in configs:
        (tmp_path / name).write_text(text)
    return parse_target(url, configs=[str(tmp_path / name) for name, _ in configs], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "configs", "hops"),
    [
        ("ws://127.0.0.1:8080/stream/a", [("nginx.conf", NGINX)], ["app=ws://127.0.0.1:7001/v2/a", "app2=ws://127.0.0.1:7002/v2/a"]),
        ("ws://127.0.0.1:8080/ws?x=1", [("Caddyfile", CADDY)], ["app=ws://127.0.0.1:7001/ws?x=1", "app2=ws://localhost:7002/ws?x=1"]),
        ("ws://localhost:8080/ws", [("haproxy.cfg", HAPROXY)], ["app=ws://127.0.0.1:7001/ws"]),
        ("ws://127.0.0.1:8080/ws", [("httpd.conf", APACHE)], ["app=ws://127.0.0.1:7001/ws", "app2=ws://[::1]:7002/ws"]),
        ("ws://127.0.0.1:8080/ws", [("nginx.conf", TLS)], ["app=wss://127.0.0.1:7001/ws"]),
        (
            "ws://127.0.0.1:8080/ws",
            [("haproxy.cfg", INNER), ("nginx.conf", OUTER)],
            ["app=ws://127.0.0.1:7001/ws", "proxy2=ws://127.0.0.1:8081/ws"],
        ),
        ("ws://127.0.0.1:8080/ws", [("nginx.conf", STRANGE)], []),
        ("ws://127.0.0.1:8080/ws", [("nginx.conf", VARIABLE)], []),
        ("ws://127.0.0.1:8080/ws", [("nginx.conf", ITSELF)], []),
        ("ws://127.0.0.1:8082/ws", [("nginx.conf", TLS)], []),
        ("ws://shop.example:8080/ws", [("nginx.conf", TLS)], []),
        ("ws://127.0.0.1:8080/ws", [("nginx.conf", "server {"), ("notes.txt", "\x00\x01")], []),
        ("ws://127.0.0.1:8080/ws", [], []),
    ],
    ids=[
        *("nginx, a name and another path", "Caddy, two servers", "HAProxy", "Apache, a balancer", "TLS behind", "two proxies"),
        *("another machine", "a variable", "itself", "another port", "an endpoint elsewhere", "files that tell nothing", "no file"),
    ],
)
def test_configurations_name_the_places_behind(tmp_path: Path, url: str, configs: list[tuple[str, str]], hops: list[str]) -> None:
    assert [f"{hop.name}={hop.url}" for hop in found_hops(told(tmp_path, url, *configs))] == hops


def test_hops_that_are_given_stay(tmp_path: Path) -> None:
    given = told(tmp_path, "ws://127.0.0.1:8080/ws", ("haproxy.cfg", HAPROXY), hops=["mine=ws://127.0.0.1:9/ws"])
    assert with_found_hops(given) == given
    bare = told(tmp_path, "ws://127.0.0.1:8080/ws", ("haproxy.cfg", HAPROXY))
    assert [hop.name for hop in with_found_hops(bare).hops] == ["app"]
