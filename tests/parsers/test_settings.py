"""The table of settings that can hurt: complete, true to its examples, quick on hostile text, silent about what parsers judge."""

import time
from pathlib import Path

import pytest

from wsbook.causes import causes
from wsbook.facts import PatternFacts, SuspicionFacts
from wsbook.parsers import proxies
from wsbook.parsers.proxies import parse_config
from wsbook.parsers.proxies.backtracking import WAYS, ways
from wsbook.parsers.proxies.settings import MOST, hazards, suspect, suspicions
from wsbook.parsers.proxies.statements import said_in

HEALTHY = Path(__file__).parents[2] / "data" / "samples" / "configs" / "healthy"


def found(text: str, kind: str) -> set[str]:
    return {one.setting for one in suspicions(text, kind)}


def test_each_row_is_complete() -> None:
    for name, row in hazards().items():
        assert set(row.causes) <= set(causes()), name
        assert set(row.kinds) <= set(proxies.KINDS) and row.kinds, name
        assert all(0.1 <= weight < 0.4 for weight in row.causes.values()), name
        assert row.note.endswith(".") and row.source.startswith("http"), name
        assert row.words and all(word and word == word.lower() for word in row.words), name
    assert len(hazards()) >= 250


def test_each_row_finds_its_example_and_not_its_healthy_twin() -> None:
    for name, row in hazards().items():
        for kind in row.kinds:
            assert name in found(row.example, kind), f"{name} does not find its example as {kind}"
            assert name not in found(row.healthy, kind), f"{name} finds its healthy twin as {kind}"


def test_no_expression_takes_long_on_hostile_text() -> None:
    for name, row in hazards().items():
        assert ways(row.line) <= WAYS and (not row.unless or ways(row.unless) <= WAYS), name
    for kind in proxies.KINDS:
        words = sorted({word for row in hazards().values() if kind in row.kinds for word in row.words})
        lines = [f"{word} {word * (300 // len(word))}{' a:/.' * 60}" for word in words]
        text = "\n".join((lines * 20)[: 100_000 // 600])
        began = time.process_time()
        suspect(text, kind, "a", ())
        assert time.process_time() - began < 0.5, kind


def test_a_large_configuration_costs_little() -> None:
    text = (HEALTHY / "nginx-many-applications.conf").read_text(encoding="utf-8")
    text = text * (100_000 // len(text))
    suspect("warm", "nginx_conf", "a", ())
    spent = []
    for _ in range(3):
        began = time.process_time()
        suspect(text, "nginx_conf", "a", ())
        spent.append(time.process_time() - began)
    assert min(spent) < 0.06


@pytest.mark.parametrize(
    ("kind", "text", "row"),
    [
        ("nginx_conf", "server { location /a { auth_request /check; } }", "nginx-auth-request"),
        ("nginx_conf", "server {\n  # auth_request /check;\n}", ""),
        ("haproxy_cfg", "frontend a\n    bind 127.0.0.1:80 # why", "haproxy-bind-loopback"),
        ("haproxy_cfg", "    # bind 127.0.0.1:80", ""),
        ("apache_conf", "RewriteCond %{HTTP_REFERER} \\\n  !example", "apache-referer"),
        ("caddyfile", "a.example {\n\tbasic_auth {\n\t}\n}", "caddy-basic-auth"),
        ("caddyfile", "# basic_auth", ""),
        ("traefik", "labels:\n  - 'traefik.http.middlewares.x.basicauth.users=a:b'", "traefik-basic-auth"),
        ("traefik", "[http.middlewares.x.basicAuth]\nusers = ['a:b']", "traefik-basic-auth"),
        ("envoy", '{"name":"envoy.filters.http.jwt_authn","typed_config":{}}', "envoy-jwt"),
        ("envoy", "# name: envoy.filters.http.jwt_authn", ""),
    ],
)
def test_settings_are_found_in_every_notation_and_not_in_comments(kind: str, text: str, row: str) -> None:
    assert (row in found(text, kind)) if row else (found(text, kind) == set())


def test_the_line_is_that_of_the_file() -> None:
    (facts,) = suspect('{\n "a": 1,\n "b": {"timeout": "30s"}\n}', "envoy", "a.json", ())
    assert (facts.file, {one.line for one in facts.suspicions}) == ("a.json", {3})


@pytest.mark.parametrize("kind", ["k8s_ingress", "alb_attributes", "envoy"])
def test_a_name_and_its_value_are_read_together(kind: str) -> None:
    assert (2, "idle: 60") in said_in('[{"Key": "idle",\n"Value": "60"}]', kind)


def test_what_the_parser_speaks_about_is_left_to_it() -> None:
    known = PatternFacts(pattern="x", cause="auth.credential-not-sent", ok=False, file="", line=1, excerpt="")
    (facts,) = suspect("auth_request /a;", "nginx_conf", "a", [known])
    assert {one.cause for one in facts.suspicions} == {"proxy.security-layer-blocks"}


def test_a_parsed_configuration_ends_with_its_possibilities() -> None:
    seen = parse_config("server { location / { proxy_pass http://app:3000; auth_request /a; } }", kind="nginx_conf", artifact="a.conf")
    facts = seen[-1].facts
    assert isinstance(facts, SuspicionFacts)
    assert 0 < len(facts.suspicions) <= MOST
    assert len({one.cause for one in facts.suspicions}) == len(facts.suspicions)
