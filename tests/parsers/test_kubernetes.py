"""Kubernetes: annotations that count and those that do not, paths, affinity, limits, and YAML that is not what it seems."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.facts import PatternFacts, RouteFacts, TextFacts
from wsbook.parsers.proxies import parse_config


def read(text: str, **given: str) -> tuple[list[RouteFacts], list[PatternFacts]]:
    facts = [o.facts for o in parse_config(text, kind="k8s_ingress", artifact="ingress.yaml", **given)]
    return [f for f in facts if isinstance(f, RouteFacts)], [f for f in facts if isinstance(f, PatternFacts)]


def ingress(*annotations: str, paths: tuple[str, ...] = ("/",)) -> str:
    rules = "".join(f"      - path: {p}\n        backend: {{service: {{name: s{i}, port: {{number: 80}}}}}}\n" for i, p in enumerate(paths))
    lines = "".join(f"    {a}\n" for a in annotations) or "    {}\n"
    return f"kind: Ingress\nmetadata:\n  annotations:\n{lines}spec:\n  rules:\n  - http:\n      paths:\n{rules}"


NGINX = "nginx.ingress.kubernetes.io/"


@pytest.mark.parametrize(
    ("annotation", "product", "idle", "default"),
    [
        ("a: b", "ingress-nginx", "60", True),
        (f'{NGINX}proxy-read-timeout: "3600"', "ingress-nginx", "3600", False),
        (f'{NGINX}proxy-read-timeout: "3600s"', "ingress-nginx", "60", True),
        ('kubernetes.io/proxy-read-timeout: "3600"', "ingress-nginx", "60", True),
        ('nginx.org/proxy-read-timeout: "30m"', "nginx-inc-ingress", "1800", False),
        ("alb.ingress.kubernetes.io/scheme: internal", "aws-alb", "60", True),
        ("alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds=600", "aws-alb", "600", False),
    ],
)
def test_tells_how_long_a_tunnel_may_be_silent(annotation: str, product: str, idle: str, default: bool) -> None:
    (route,) = read(ingress(annotation))[0]
    assert (route.product, route.idle_s.value, route.idle_s.default) == (product, idle, default)


@pytest.mark.parametrize(
    ("annotation", "upgrade"),
    [
        ("a: b", "forwarded"),
        ('nginx.org/proxy-read-timeout: "1h"', "absent"),
        ('nginx.org/websocket-services: "s0"', "forwarded"),
        ('nginx.org/websocket-services: "other"', "absent"),
    ],
)
def test_the_controller_of_nginx_inc_needs_a_list_of_services(annotation: str, upgrade: str) -> None:
    (route,) = read(ingress(annotation))[0]
    assert route.upgrade.value == upgrade


def test_chooses_the_longest_path_and_rewrites_it() -> None:
    text = ingress(f"{NGINX}rewrite-target: /$2", paths=("/", "/live(/|$)(.*)"))
    serving = [r for r in read(text, endpoint_path="/live/ws?x=1")[0] if r.serves]
    assert [(r.upstream, r.upstream_path) for r in serving] == [("s1:80", "/ws")]
    assert [r.serves for r in read(ingress(paths=("/", "/ws")))[0]] == [False, True]


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        (ingress(f'{NGINX}proxy-read-timeout: "3600"', f'{NGINX}affinity: "cookie"', paths=("/socket.io",)), []),
        (ingress('kubernetes.io/proxy-read-timeout: "1800"'), ["k8s.annotation-prefix"]),
        (ingress('ingress.kubernetes.io/affinity: "cookie"'), ["k8s.annotation-prefix"]),
        (ingress(f"{NGINX}proxy-read-timeout: 3600"), ["k8s.annotation-not-a-string"]),
        (ingress(f'{NGINX}proxy-read-timeout: "1h"'), ["k8s.annotation-unit"]),
        (ingress(f'{NGINX}proxy-read-timeout: "60"', "nginx.org/websocket-services: s0"), ["k8s.annotation-needless"]),
        (ingress(f"{NGINX}backend-protocol: GRPC"), ["k8s.h2-to-upstream"]),
        (ingress(f"{NGINX}rewrite-target: /", paths=("/ws",)), ["k8s.rewrite-drops-path"]),
        (ingress(paths=("/socket.io",)), ["k8s.no-stickiness"]),
        (ingress("kubernetes.io/ingress.class: nginx", "cert-manager.io/cluster-issuer: le"), []),
        (f"kind: Service\nmetadata:\n  annotations:\n    {NGINX}proxy-read-timeout: '3600'\n", ["k8s.annotation-wrong-object"]),
        ("kind: Service\nspec: {sessionAffinity: ClientIP}\n", ["k8s.client-ip-affinity"]),
        ("kind: Service\nspec: {sessionAffinity: None}\n", []),
        ("kind: List\nitems:\n- kind: Service\n  spec: {sessionAffinity: ClientIP}\n", ["k8s.client-ip-affinity"]),
        ("a: 1\n---\nkind: Service\nspec: {sessionAffinity: ClientIP}\n", ["k8s.client-ip-affinity"]),
    ],
)
def test_names_defects_that_a_route_cannot_say(text: str, patterns: list[str]) -> None:
    assert [p.pattern for p in read(text)[1]] == patterns


def test_lines_and_lifetimes() -> None:
    (defect,) = read(ingress('kubernetes.io/proxy-read-timeout: "1800"'))[1]
    assert (defect.file, defect.line) == ("ingress.yaml", 4)
    (route,) = read("kind: BackendConfig\nspec:\n  timeoutSec: 30\n")[0]
    assert (route.lifetime_s.value, route.lifetime_s.line) == ("30", 3)


@pytest.mark.parametrize(
    "text",
    ["a: [", "a: {b: [" * 100, "\t\t:", "a: &x [*x, *x]\nb: !!python/object:os.system x" + "\n- a", "x" * 1_000_001, "a\0b"],
)
def test_refuses_what_is_no_yaml_or_nested_beyond_reason(text: str) -> None:
    with pytest.raises(UnreadableInputError):
        read(text)


def test_aliases_are_references() -> None:
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 30))
    assert read(f"l0: &l0 x\n{levels}")[0] == []


@settings(deadline=2000, max_examples=150)
@given(
    st.one_of(
        st.lists(
            st.sampled_from(
                ["kind: Ingress", "metadata:", " annotations:", f"  {NGINX}affinity: x", "spec:", " rules:", " - http:", "  paths: [x]"]
            ),
            max_size=12,
        ).map("\n".join),
        st.text(max_size=200),
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        observations = parse_config(text, kind="k8s_ingress", artifact="k", endpoint_path="/ws")
    except UnreadableInputError:
        return
    assert isinstance(observations[0].facts, TextFacts)
