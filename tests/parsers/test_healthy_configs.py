"""Configurations of every product that carry a WebSocket as they should: no rule finds a fault, whatever is known about them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from wsbook.errors import UnreadableInputError
from wsbook.evidence import Evidence
from wsbook.facts import RouteFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.parsers import proxies
from wsbook.parsers.read import read_artifact
from wsbook.rules import judge
from wsbook.target import parse_target

HEALTHY = Path(__file__).parents[2] / "data" / "samples" / "configs" / "healthy"

KINDS = {
    "nginx": "nginx_conf",
    "haproxy": "haproxy_cfg",
    "apache": "apache_conf",
    "caddy": "caddyfile",
    "traefik": "traefik",
    "envoy": "envoy",
    "istio": "envoy",
    "contour": "envoy",
    "ingress": "k8s_ingress",
    "gateway": "k8s_ingress",
}
"""First word of a file's name → its kind; every other word is a cloud or an edge."""

PATHS = {
    "alb-health.json": "",
    "alb-long-idle.json": "",
    "alb-redirecting-listener.json": "/ws",
    "alb-target-group-defaults.json": "/ws",
    "alb-target-group-http1.json": "/ws",
    "alb-target-group-sticky.json": "/socket.io/",
    "apache-balancer-sticky.conf": "/socket.io/",
    "apache-event-workers.conf": "/live",
    "apache-location-blocks.conf": "/terminals/1",
    "apache-modules-listed.conf": "/ws",
    "apache-prefork-of-a-small-site.conf": "/ws",
    "apache-redirect-and-tls.conf": "/bus",
    "apache-rewrite-by-header.conf": "/sockjs/744/abc/websocket",
    "apache-static-site-and-socket.conf": "/ws/cart",
    "apache-tunnel-before-the-rest.conf": "/ws",
    "apache-two-applications.conf": "/live",
    "apache-upgrade-parameter.conf": "/api/websocket",
    "apigw-websocket.json": "",
    "azure-webapp.json": "",
    "caddy-adapted.json": "/ws/quotes",
    "caddy-affinity-cookie.caddyfile": "/socket.io/",
    "caddy-behind-a-balancer.caddyfile": "/cable",
    "caddy-event-stream.caddyfile": "/events",
    "caddy-exact-path.caddyfile": "/ws",
    "caddy-foreign-upstream.caddyfile": "/ws",
    "caddy-handle-paths.caddyfile": "/rt/stream",
    "caddy-limits-of-the-transport.caddyfile": "/v1/stream",
    "caddy-matcher-for-sockets.caddyfile": "/hub/board-7",
    "caddy-one-line.caddyfile": "/ws",
    "caddy-own-authority.caddyfile": "/ws",
    "caddy-snippets-and-sites.caddyfile": "/live",
    "caddy-tls-upstream.caddyfile": "/agent",
    "cloudflare-zone.json": "",
    "cloudflared-tunnel.yml": "/ws",
    "cloudfront-all-viewer.json": "/ws/7",
    "cloudfront-forwards-all.json": "/ws/7",
    "contour-httpproxy.yaml": "/ws/room",
    "envoy-hash-by-cookie.yaml": "/socket.io/",
    "envoy-listener.json": "/graphql",
    "envoy-round-robin-plain.yaml": "/ws",
    "envoy-upgrade-for-all.yaml": "/anything",
    "envoy-upgrade-on-the-route.yaml": "/ws/7",
    "fly-service.toml": "/ws",
    "gateway-httproute.yaml": "/v2/ws",
    "gcp-backend-service.yaml": "",
    "haproxy-acl-on-header.cfg": "/anything",
    "haproxy-acl-on-path.cfg": "/ws/prices",
    "haproxy-by-host-with-map.cfg": "/ws",
    "haproxy-cookie-affinity.cfg": "/socket.io/",
    "haproxy-debian-defaults-with-pings.cfg": "/chat",
    "haproxy-foreign-upstream.cfg": "/ws",
    "haproxy-long-sides.cfg": "/push",
    "haproxy-named-defaults.cfg": "/live",
    "haproxy-path-rewritten-for-a-root-service.cfg": "/chat/ws",
    "haproxy-redirect-except-socket.cfg": "/device",
    "haproxy-round-robin-plain.cfg": "/ws",
    "haproxy-server-close.cfg": "/api/websocket",
    "haproxy-source-hash.cfg": "/hub",
    "haproxy-tcp-by-name.cfg": "/",
    "ingress-alb-attributes.yaml": "/rt",
    "ingress-default-limit-with-pings.yaml": "/socket.io/",
    "ingress-exact-path.yaml": "/ws",
    "ingress-gke-backendconfig.yaml": "/arena",
    "ingress-haproxy-tunnel.yaml": "/lines",
    "ingress-login-at-the-edge.yaml": "/desk",
    "ingress-nginx-affinity.yaml": "/socket.io/",
    "ingress-nginx-configmap.yaml": "",
    "ingress-nginx-inc-services.yaml": "/graphql",
    "ingress-nginx-rewrite-keeps-the-rest.yaml": "/rt/room/9",
    "ingress-nginx-timeouts.yaml": "/ws",
    "ingress-rewrite-to-the-root.yaml": "/rt",
    "ingress-routeless-service.yaml": "",
    "ingress-three-replicas-plain.yaml": "/ws",
    "ingress-traefik-class.yaml": "/push",
    "istio-gateway-redirect.yaml": "",
    "istio-virtualservice.yaml": "/ticker",
    "nginx-admin-only-by-address.conf": "/ws",
    "nginx-allowed-origins.conf": "/ws",
    "nginx-behind-a-balancer.conf": "/cable",
    "nginx-connection-of-the-client.conf": "/pty/7",
    "nginx-debian-file.conf": "/ws",
    "nginx-default-limit-with-pings.conf": "/socket.io/",
    "nginx-defaults-since-1.29.7.conf": "/ws",
    "nginx-devices-may-show-a-certificate.conf": "/agent",
    "nginx-dump-with-includes.conf": "/cable",
    "nginx-event-stream-beside-socket.conf": "/ws",
    "nginx-generous-limits.conf": "/ws",
    "nginx-grpc-beside-socket.conf": "/console/ws",
    "nginx-hash-of-cookie.conf": "/hubs/orders",
    "nginx-headers-at-server-level.conf": "/feed",
    "nginx-ip-hash-socketio.conf": "/socket.io/",
    "nginx-literal-upgrade.conf": "/ws/chat",
    "nginx-login-without-upgrade-headers.conf": "/ws",
    "nginx-many-applications.conf": "/notify/v1",
    "nginx-map-at-http-level.conf": "/socket",
    "nginx-map-keeps-upstream-alive.conf": "/api/subscribe",
    "nginx-nested-locations.conf": "/app/live/7",
    "nginx-pages-only.conf": "",
    "nginx-prefix-replaced.conf": "/tools/vnc/websockify",
    "nginx-published-container-port.conf": "/ws",
    "nginx-quoted-and-lua.conf": "/ws",
    "nginx-redirect-and-tls.conf": "/live",
    "nginx-regex-locations.conf": "/rooms/12/live",
    "nginx-resolves-at-run-time.conf": "/stream",
    "nginx-round-robin-plain.conf": "/ws",
    "nginx-short-limit-with-pings.conf": "/ws",
    "nginx-single-page-and-socket.conf": "/ws",
    "nginx-socketio-websocket-only.conf": "/socket.io/?EIO=4&transport=websocket",
    "nginx-stream-passthrough.conf": "/mqtt",
    "nginx-tls-on-an-unusual-port.conf": "/ws",
    "nginx-tls-upstream-with-name.conf": "/partner/ws",
    "nginx-upgrade-by-if.conf": "/api/stream",
    "nlb-description.json": "",
    "nlb-keepalive.json": "",
    "terraform-alb.tf": "",
    "terraform-security-group.tf": "",
    "traefik-exact-path.yml": "/ws",
    "traefik-file-v2.toml": "/cms/live",
    "traefik-file-v3.yml": "/ws/orders",
    "traefik-forward-auth.yml": "/ws",
    "traefik-ingressroute.yaml": "/ws",
    "traefik-labels.yml": "/chat/ws",
    "traefik-many-in-flight.yml": "/ws",
    "traefik-prefix-for-a-root-service.yml": "/grafana/api/live/ws",
    "traefik-redirects-pages.yml": "",
    "traefik-sticky-swarm.yml": "/socket.io/",
    "traefik-tls-upstream.yml": "/ws",
}
"""File → path of its WebSocket; "" for files that have none or do not name it."""

SINCE = {"nginx-defaults-since-1.29.7.conf": "1.29.7", "apache-upgrade-parameter.conf": "2.4.47", "haproxy-named-defaults.cfg": "2.4"}
"""File → first release of its program that it is right for, where that is not an old one."""

VERSIONS = {
    "nginx": ("1.4.7", "1.18.0", "1.28.0", "1.29.6", "1.29.7", "1.31.0"),
    "haproxy": ("1.8.30", "2.4.0", "2.6.12", "3.2.0"),
    "apache": ("2.4.10", "2.4.46", "2.4.47", "2.4.71"),
    "caddy": ("2.4.6", "2.10.2", "2.11.1"),
    "traefik": ("2.2.0", "3.0.0", "3.5.0"),
    "envoy": ("1.20.0", "1.35.0"),
}


def kind_of(name: str) -> str:
    return KINDS.get(name.partition("-")[0], "alb_attributes")


def faults(seen: Sequence[Observation], path: str) -> list[tuple[str, str]]:
    target = parse_target(f"wss://app.example.com{path}" if path else "")
    findings, _ = judge(Evidence(target, [replace(one, id=f"2.2-{number}") for number, one in enumerate(seen)]))
    return [(found.cause, found.summary) for found in findings if found.verdict is Verdict.FAULT]


def _row(*values: str, label: str) -> Any:
    return pytest.param(*values, id=label)


def _rows() -> list[Any]:
    """Every file with its path known and unknown, and with its kind given and detected."""
    return [
        _row(name, path, kind, label=f"{name}, path {'known' if path else 'unknown'}, kind {'given' if kind else 'detected'}")
        for name, known in PATHS.items()
        if SINCE.get(name) != "1.29.7"
        for path in dict.fromkeys((known, ""))
        for kind in (kind_of(name), "")
    ]


def _read(word: str, wanted: Callable[[str], bool]) -> list[Any]:
    """Rows of the files that a parser reads already."""
    return [_row(name, label=f"{name}, {word}") for name in PATHS if kind_of(name) in proxies.KINDS and wanted(name)]


@pytest.mark.parametrize(("name", "path", "kind"), _rows())
def test_a_healthy_configuration_has_no_fault(name: str, path: str, kind: str) -> None:
    try:
        seen = read_artifact(str(HEALTHY / name), kind=kind, endpoint_path=path)
    except UnreadableInputError as error:
        assert str(error).count("\n") == 0
        return
    assert faults(seen, path) == []


@pytest.mark.parametrize("name", _read("versions", lambda name: name.partition("-")[0] in VERSIONS))
def test_defaults_that_changed_make_no_fault(name: str) -> None:
    text, path, first = (HEALTHY / name).read_text(encoding="utf-8"), PATHS[name], SINCE.get(name, "0")
    for version in VERSIONS[name.partition("-")[0]]:
        if _numbers(version) >= _numbers(first):
            seen = proxies.parse_config(text, kind=kind_of(name), artifact=name, endpoint_path=path, version=version)
            assert (version, faults(seen, path)) == (version, [])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


@pytest.mark.parametrize("name", _read("served", lambda name: bool(PATHS[name])))
def test_the_path_is_served(name: str) -> None:
    """The other tests would be silent about a parser that sees nothing."""
    seen = proxies.parse_config((HEALTHY / name).read_text(encoding="utf-8"), kind=kind_of(name), artifact=name, endpoint_path=PATHS[name])
    assert any(isinstance(one.facts, RouteFacts) and one.facts.serves is not False for one in seen)


def test_each_file_has_its_row() -> None:
    assert {path.name for path in HEALTHY.iterdir() if "-" in path.name} == set(PATHS)
    assert len(PATHS) >= 60
