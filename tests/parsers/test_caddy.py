"""Caddyfile: handler order, matchers, stripped prefixes, headers, limits, defects, junk."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parsers.fixed import HINT

from wsbook.errors import UnreadableInputError
from wsbook.facts import PatternFacts, RouteFacts, TextFacts
from wsbook.parsers.proxies import parse_config


def read(text: str, **given: str) -> tuple[list[RouteFacts], list[PatternFacts]]:
    facts = [o.facts for o in parse_config(text, kind="caddyfile", artifact="Caddyfile", **given)]
    return [f for f in facts if isinstance(f, RouteFacts)], [f for f in facts if isinstance(f, PatternFacts) and f.weight >= HINT]


def serving(text: str, **given: str) -> RouteFacts:
    (route,) = [r for r in read(text, **given)[0] if r.serves]
    return route


SITE = """{
  email a@b.test
}
example.test, www.example.test {
  # comment
  @ws {
    header Connection *Upgrade*
    header Upgrade websocket
    path /up/*
  }
  reverse_proxy localhost:1
  handle @ws {
    reverse_proxy localhost:2
  }
  handle_path /api/* {
    reverse_proxy localhost:3
  }
  handle /api/live/* {
    reverse_proxy localhost:4
  }
  route /r/* {
    uri strip_prefix /r
    reverse_proxy localhost:5
  }
  handle /static/* {
    file_server
  }
}
"""


@pytest.mark.parametrize(
    ("path", "upstream", "seen"),
    [
        ("/", "localhost:1", "/"),
        ("/up/x", "localhost:2", "/up/x"),
        ("/api/x?y=1", "localhost:3", "/x"),
        ("/api/live/x", "localhost:4", "/api/live/x"),
        ("/API/LIVE/x", "localhost:4", "/API/LIVE/x"),
        ("/API/x", "localhost:3", "/x"),
        ("/r/x", "localhost:5", "/x"),
        ("/static/x", "", None),
    ],
)
def test_follows_a_path_to_its_handler(path: str, upstream: str, seen: str | None) -> None:
    route = serving(SITE, endpoint_path=path)
    assert (route.upstream, route.upstream_path) == (upstream, seen)


@pytest.mark.parametrize(
    ("text", "upstream"),
    [
        ("localhost\nreverse_proxy 127.0.0.1:9", "127.0.0.1:9"),
        ("reverse_proxy /ws 127.0.0.1:9", "127.0.0.1:9"),
        ("(p) {\n reverse_proxy 127.0.0.1:9\n}\na.test {\n import p\n}", "127.0.0.1:9"),
        (":80 {\n reverse_proxy {\n  to a:1 b:2\n }\n}", "a:1, b:2"),
    ],
)
def test_reads_the_ways_to_write_a_site(text: str, upstream: str) -> None:
    assert serving(text).upstream == upstream


def test_a_matcher_on_something_else_leaves_the_rest_open() -> None:
    text = "a.test {\n @lan remote_ip 10.0.0.0/8\n handle @lan {\n reverse_proxy a:1\n }\n handle {\n reverse_proxy b:1\n }\n}"
    assert [r.serves for r in read(text, endpoint_path="/ws")[0]] == [None, None]


def test_headers_limits_and_balance() -> None:
    text = """a.test {
  reverse_proxy a:1 b:1 {
    header_up -Upgrade
    header_up Connection close
    header_up Host {upstream_hostport}
    transport http {
      read_timeout 1m30s
    }
    stream_timeout 1h
    lb_policy ip_hash
  }
}"""
    route = serving(text)
    assert (route.upgrade.value, route.connection.value, route.host.value) == ("absent", "close", "{upstream_hostport}")
    assert (route.idle_s.value, route.idle_s.line, route.lifetime_s.value) == ("90", 7, "3600")
    assert (route.balance, route.servers) == ("hash", 2)


@pytest.mark.parametrize(("version", "host"), [("", "forwarded"), ("2.10.2", "forwarded"), ("2.11.0", "b.test")])
def test_host_towards_a_tls_upstream_depends_on_the_version(version: str, host: str) -> None:
    assert serving("reverse_proxy https://b.test", version=version).host.value == host


@pytest.mark.parametrize(
    ("body", "path", "pattern"),
    [
        ("route /feed/ {\n reverse_proxy a:1\n}\nhandle {\n reverse_proxy b:1\n}", "", "caddy.exact-matcher"),
        ("handle /feed {\n reverse_proxy a:1\n}", "", ""),
        ("handle /feed {\n reverse_proxy a:1\n}", "/feed", ""),
        ("handle /feed {\n reverse_proxy a:1\n}", "/feed/7", "caddy.exact-matcher"),
        ("reverse_proxy /socket.io a:1", "", "caddy.exact-matcher"),
        ("handle_path /socket.io/* {\n reverse_proxy a:1\n}", "", "caddy.library-prefix-stripped"),
        ("@w {\n header Upgrade WebSocket\n}\nreverse_proxy @w a:1", "", "caddy.handshake-matcher-too-strict"),
        ("@w {\n header Connection Upgrade\n}\nreverse_proxy @w a:1", "", "caddy.handshake-matcher-too-strict"),
        ("@w {\n header Connection *Upgrade*\n header Upgrade websocket\n}\nreverse_proxy @w a:1", "", ""),
        ("reverse_proxy h2c://a:1", "", "caddy.h2-to-upstream"),
        ("reverse_proxy a:1 {\n transport http {\n versions 1.1 2\n }\n}", "", ""),
        ("reverse_proxy http://a:443", "", "caddy.plain-to-tls-port"),
        ("reverse_proxy /socket.io/* a:1 b:1", "", "caddy.no-stickiness"),
        ("reverse_proxy /socket.io/* a:1 b:1 {\n lb_policy cookie\n}", "", ""),
        ("encode gzip\nroot * /srv\nreverse_proxy /ws/* a:1\nfile_server", "", ""),
    ],
)
def test_names_defects_that_a_route_cannot_say(body: str, path: str, pattern: str) -> None:
    assert [p.pattern for p in read(f"a.test {{\n{body}\n}}", endpoint_path=path)[1]] == ([pattern] if pattern else [])


def test_refuses_nothing_and_too_much() -> None:
    for text in ("", "a {\n" * 100):
        with pytest.raises(UnreadableInputError):
            read(text)


@settings(deadline=2000, max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["a.test {\n", "handle /x* {\n", "@w {\n", "}\n", "reverse_proxy @w a\n", "import (s)\n", "(s) {\n", "`", '"']),
            st.sampled_from(
                ["not {\n", "header Upgrade\n", "path_regexp (a+)+\n", "uri strip_prefix\n", "rewrite\n", "handle_path\n", "to\n"]
            ),
            st.text(max_size=30),
        ),
        max_size=40,
    ),
    st.sampled_from(["", "/ws"]),
)
def test_any_text_is_read_or_refused(parts: list[str], path: str) -> None:
    try:
        with patch("wsbook.validators.adapt_caddy", return_value=None):
            observations = parse_config("".join(parts), kind="caddyfile", artifact="c", endpoint_path=path)
    except UnreadableInputError:
        return
    assert isinstance(observations[0].facts, TextFacts)


GRPC_BESIDE = """:9000 {
    @grpc %s
    reverse_proxy @grpc h2c://127.0.0.1:50051
    reverse_proxy 127.0.0.1:8080
}
"""


@pytest.mark.parametrize("condition", ["protocol grpc", "header Content-Type application/grpc*"])
def test_a_handshake_is_no_grpc(condition: str) -> None:
    for path in ("/ws", ""):
        seen = parse_config(GRPC_BESIDE % condition, kind="caddyfile", artifact="Caddyfile", endpoint_path=path)
        routes = {one.facts.upstream: one.facts.serves for one in seen if isinstance(one.facts, RouteFacts)}
        assert routes["h2c://127.0.0.1:50051"] is False
        assert not any(isinstance(one.facts, PatternFacts) and one.facts.cause == "proxy.h2-to-upstream" for one in seen)
