"""The configurations in data/samples: each broken one shows its defect, no healthy one shows any."""

from pathlib import Path

import pytest

from wsbook.facts import PatternFacts, RouteFacts
from wsbook.parsers.proxies import parse_config

SAMPLES = Path(__file__).parents[2] / "data" / "samples" / "configs"
KINDS = {"nginx": "nginx_conf", "haproxy": "haproxy_cfg", "caddyfile": "caddyfile", "apache": "apache_conf", "ingress": "k8s_ingress"}
KINDS["alb"] = "alb_attributes"


def read(path: Path) -> tuple[list[RouteFacts], list[PatternFacts]]:
    kind = next(kind for word, kind in KINDS.items() if path.name.lower().startswith(word))
    facts = [o.facts for o in parse_config(path.read_text(), kind=kind, artifact=path.name)]
    return [f for f in facts if isinstance(f, RouteFacts)], [f for f in facts if isinstance(f, PatternFacts)]


@pytest.mark.parametrize(
    "path", sorted(path for path in (SAMPLES / "healthy").iterdir() if "-" not in path.name), ids=lambda path: path.name
)
def test_healthy_configurations_show_no_defect(path: Path) -> None:
    routes, patterns = read(path)
    serving = [r for r in routes if r.serves]
    assert serving
    assert patterns == []
    assert all(r.upgrade.value == "forwarded" and not (r.idle_s.value and float(r.idle_s.value) <= 60) for r in serving)


@pytest.mark.parametrize(
    ("name", "pattern", "upgrade", "idle"),
    [
        ("nginx_inheritance.conf", "", "absent", "60"),
        ("haproxy_no_tunnel.cfg", "", "forwarded", "30"),
        ("Caddyfile", "caddy.exact-matcher", "forwarded", None),
        ("apache_order.conf", "apache.proxypass-shadowed", "forwarded", "60"),
        ("ingress_prefix.yaml", "k8s.annotation-prefix", "forwarded", "60"),
        ("alb_default.json", "", "forwarded", "60"),
    ],
)
def test_broken_configurations_show_their_defect(name: str, pattern: str, upgrade: str, idle: str | None) -> None:
    routes, patterns = read(SAMPLES / "broken" / name)
    route = next((r for r in routes if r.serves), routes[-1])
    assert [p.pattern for p in patterns] == ([pattern] if pattern else [])
    assert (route.upgrade.value, route.idle_s.value, route.inheritance_lost) == (upgrade, idle, name.startswith("nginx"))
