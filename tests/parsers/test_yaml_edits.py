"""Changes of YAML and JSON line by line, and the fixes of routes that are made of them."""

import json

import pytest
import yaml

from wsbook.facts import Change, RouteFacts
from wsbook.parsers.proxies import parse_config
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.fixing import apply_changes
from wsbook.parsers.proxies.trees.edits import add_line_like, drop_pair, fix_of, put_pair, replace_value, reword
from wsbook.parsers.proxies.trees.yaml import Node, parse_documents

BLOCK = "a:\n  b: 1 # why\n  c:\n  - x: 1\n    y: 2\n  - z\nd: 'q'\n"


def tree(text: str) -> tuple[Artifact, Node]:
    artifact = Artifact(text=text, name="f")
    return artifact, parse_documents(artifact)[0]


def changed(text: str, change: Change | None) -> object:
    assert change is not None
    return yaml.safe_load(apply_changes(text, [change]))


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        (BLOCK, ("a",), {"a": {"b": 1, "c": [{"x": 1, "y": 2}, "z"], "n": "v"}, "d": "q"}),
        (BLOCK, (), {"a": {"b": 1, "c": [{"x": 1, "y": 2}, "z"]}, "d": "q", "n": "v"}),
        ("a: {b: 1}\n", ("a",), {"a": {"n": "v", "b": 1}}),
        ("a: {}\n", ("a",), {"a": {"n": "v"}}),
        ('{"a": {"b": 1}}', ("a",), {"a": {"n": "v", "b": 1}}),
        ('{\n  "a": {\n    "b": 1\n  }\n}', ("a",), {"a": {"n": "v", "b": 1}}),
        ("a:\n  b: |\n    text\n    more\nc: 1\n", ("a",), {"a": {"b": "text\nmore\n", "n": "v"}, "c": 1}),
        ("a:\n  n: old\n", ("a",), {"a": {"n": "v"}}),
    ],
)
def test_a_pair_is_put_into_a_mapping(text: str, where: tuple[str, ...], expected: object) -> None:
    artifact, top = tree(text)
    assert changed(text, put_pair(artifact, top.get(*where), "n", '"v"')) == expected


def test_a_pair_is_put_into_a_member_of_a_list() -> None:
    artifact, top = tree(BLOCK)
    assert changed(BLOCK, put_pair(artifact, top.each("a", "c")[0], "n", "", "  m: 1")) == {
        "a": {"b": 1, "c": [{"x": 1, "y": 2, "n": {"m": 1}}, "z"]},
        "d": "q",
    }


def test_values_are_replaced_and_pairs_dropped() -> None:
    artifact, top = tree(BLOCK)
    assert "b: 7 # why" in apply_changes(BLOCK, [replace_value(artifact, top.get("a", "b"), "7")])
    assert changed(BLOCK, replace_value(artifact, top.get("d"), '"r"'))["d"] == "r"
    assert changed(BLOCK, drop_pair(artifact, top.get("a"), "c")) == {"a": {"b": 1}, "d": "q"}


@pytest.mark.parametrize(
    "change",
    [
        replace_value(*tree("a: |\n  x\n  y\n")[:1], tree("a: |\n  x\n  y\n")[1].get("a"), "z"),
        put_pair(*tree("a: {b: 1}\n")[:1], tree("a: {b: 1}\n")[1].get("a"), "n", "", "  m: 1"),
        put_pair(*tree("a: x\n")[:1], tree("a: x\n")[1].get("a"), "n", "1"),
        drop_pair(*tree("a: {b: 1, c: 2}\n")[:1], tree("a: {b: 1, c: 2}\n")[1].get("a"), "b"),
        drop_pair(*tree("a:\n  b: 1\n")[:1], tree("a:\n  b: 1\n")[1].get("a"), "b"),
        reword(Artifact(text="x x\n", name="f"), 1, "x", "y"),
        reword(Artifact(text="x\n", name="f"), 9, "x", "y"),
        add_line_like(Artifact(text="x\n", name="f"), 1, "z", "y"),
    ],
)
def test_what_cannot_be_surely_right_is_not_changed(change: Change | None) -> None:
    assert change is None
    assert fix_of(Artifact(text="x", name="f"), ("c",), change) is None


def test_lines_are_repeated_and_reworded() -> None:
    artifact = Artifact(text="- a=1\n- b=2\n", name="f")
    assert apply_changes(artifact.text, [add_line_like(artifact, 1, "a=1", "c=3")]) == "- a=1\n- c=3\n- b=2\n"
    assert apply_changes(artifact.text, [reword(artifact, 2, "2", "5")]) == "- a=1\n- b=5\n"


INGRESS = (
    "kind: Ingress\nmetadata:\n  annotations:\n    kubernetes.io/ingress.class: {of}\n{more}spec:\n  rules:\n"
    "  - http: {{paths: [{{path: /ws, backend: {{service: {{name: app}}}}}}]}}\n"
)
ENVOY = (
    "stat_prefix: x\nupgrade_configs: [{{upgrade_type: websocket}}]\n{more}route_config:\n  virtual_hosts:\n  - routes:\n"
    "    - match: {{prefix: /ws}}\n      route:\n        cluster: a\n        timeout: 0s\n"
)
HEADERS = (
    "http:\n  routers:\n    a: {rule: 'PathPrefix(`/ws`)', middlewares: [m]}\n  middlewares:\n    m:\n      headers:\n"
    "        customRequestHeaders:\n          X-A: b\n          Connection: ''\n"
)


@pytest.mark.parametrize(
    ("kind", "text", "cause", "idle", "upgrade"),
    [
        ("k8s_ingress", INGRESS.format(of="nginx", more=""), "proxy.idle-timeout-nginx", "3600", "forwarded"),
        (
            "k8s_ingress",
            INGRESS.format(of="nginx", more='    nginx.ingress.kubernetes.io/proxy-read-timeout: "60"\n'),
            "proxy.idle-timeout-nginx",
            "3600",
            "forwarded",
        ),
        (
            "k8s_ingress",
            INGRESS.format(of="nginx", more="    nginx.org/proxy-read-timeout: 2h\n"),
            "proxy.upgrade-header-missing",
            "7200",
            "forwarded",
        ),
        (
            "k8s_ingress",
            INGRESS.format(of="haproxy", more="    haproxy-ingress.github.io/timeout-tunnel: 30s\n"),
            "proxy.idle-timeout-haproxy",
            "3600",
            "forwarded",
        ),
        (
            "k8s_ingress",
            INGRESS.format(of="alb", more="    alb.ingress.kubernetes.io/load-balancer-attributes: routing.http2.enabled=true\n"),
            "proxy.idle-timeout-cloud",
            "3600",
            "forwarded",
        ),
        (
            "k8s_ingress",
            INGRESS.format(of="alb", more="    alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds=30\n"),
            "proxy.idle-timeout-cloud",
            "3600",
            "forwarded",
        ),
        ("envoy", ENVOY.format(more=""), "proxy.idle-timeout-envoy", "3600", "forwarded"),
        ("envoy", ENVOY.format(more="stream_idle_timeout: 30s\n"), "proxy.idle-timeout-envoy", "3600", "forwarded"),
        ("alb_attributes", 'resource "aws_lb" "a" {\n  idle_timeout = 60\n}\n', "proxy.idle-timeout-cloud", "3600", "forwarded"),
        ("traefik", HEADERS, "proxy.upgrade-header-missing", None, "forwarded"),
    ],
)
def test_a_fix_makes_the_route_right(kind: str, text: str, cause: str, idle: str | None, upgrade: str) -> None:
    def route(text: str) -> RouteFacts:
        return next(o.facts for o in parse_config(text, kind=kind, artifact="f") if isinstance(o.facts, RouteFacts))

    (fix,) = [fix for fix in route(text).fixes if cause in fix.causes]
    fixed = route(apply_changes(text, fix.changes))
    assert (fixed.idle_s and fixed.idle_s.value, fixed.upgrade.value, fixed.connection.value) == (idle, upgrade, "forwarded")
    assert not [fix for fix in fixed.fixes if cause in fix.causes]


def test_json_stays_json() -> None:
    text = json.dumps(yaml.safe_load(ENVOY.format(more="").replace("{{", "{").replace("}}", "}")), indent=2)
    route = next(o.facts for o in parse_config(text, kind="envoy", artifact="f") if isinstance(o.facts, RouteFacts))
    assert (
        json.loads(apply_changes(text, route.fixes[0].changes))["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["idle_timeout"]
        == "3600s"
    )
