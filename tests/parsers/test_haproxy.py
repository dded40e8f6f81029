"""HAProxy: sections and defaults, which backend a path reaches, timeouts, affinity, defects, junk."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parsers.fixed import HINT

from wsbook.errors import UnreadableInputError
from wsbook.facts import PatternFacts, RouteFacts, TextFacts
from wsbook.parsers.proxies import parse_config

HEAD = "defaults\n  mode http\n  timeout connect 5s\n  timeout client 50s\n  timeout server 50000\n"


def read(text: str, **given: str) -> tuple[list[RouteFacts], list[PatternFacts]]:
    facts = [o.facts for o in parse_config(text, kind="haproxy_cfg", artifact="haproxy.cfg", **given)]
    return [f for f in facts if isinstance(f, RouteFacts)], [f for f in facts if isinstance(f, PatternFacts) and f.weight >= HINT]


@pytest.mark.parametrize(
    ("text", "idle", "line"),
    [
        (HEAD + "listen a\n  server s 127.0.0.1:80", "50", 4),
        (HEAD + "  timeout tunnel 1h\nlisten a\n  server s 127.0.0.1:80", "3600", 6),
        (HEAD + "frontend f\n  timeout client 30s\n  default_backend b\nbackend b\n  server s h:80", "30", 7),
        (HEAD + "frontend f\n  timeout client 30s\n  default_backend b\nbackend b\n  timeout tunnel 2m\n  server s h:80", "120", 10),
        ("defaults\n  timeout client 1h30m\nlisten a\n  server s h:80", "5400", 2),
        ("listen a\n  server s h:80", None, 0),
        ("defaults x\n timeout tunnel 10s\ndefaults y\n timeout tunnel 20s\nbackend b from x\n server s h:80", "10", 2),
        ("defaults\n  timeout client 60s", "60", 2),
    ],
)
def test_tells_how_long_a_tunnel_may_be_silent(text: str, idle: str | None, line: int) -> None:
    (route,) = read(text)[0]
    assert (route.idle_s.value, route.idle_s.line) == (idle, line)


@pytest.mark.parametrize(
    ("condition", "path", "backend"),
    [
        ("if { path_beg /ws }", "/ws/chat", "w"),
        ("if { path_beg /ws }", "/other", "d"),
        ("if { path /ws }", "/ws/chat", "d"),
        ("if { path -m beg /ws }", "/ws/chat", "w"),
        ("if { path_reg ^/ws(/|$) }", "/ws", "w"),
        ("if is_ws", "/any", "w"),
        ("if is_ws !{ path_beg /api }", "/api/x", "d"),
        ("if { path_end .js } or is_ws", "/any", "w"),
        ("unless is_ws", "/any", "d"),
    ],
)
def test_follows_the_conditions_to_a_backend(condition: str, path: str, backend: str) -> None:
    text = HEAD + (
        f"frontend f\n  acl is_ws hdr(Upgrade) -i WebSocket\n  use_backend w {condition}\n  default_backend d\n"
        "backend w\n  server s h:1\nbackend d\n  server s h:2"
    )
    (route,) = [r for r in read(text, endpoint_path=path)[0] if r.serves]
    assert route.matcher.endswith(f"backend {backend}")


def test_a_condition_that_cannot_be_told_leaves_everything_after_it_open() -> None:
    text = "frontend f\n  use_backend w if { src 10.0.0.0/8 }\n  default_backend d\nbackend w\n  server s h:1\nbackend d\n  server s h:2"
    assert [r.serves for r in read(text, endpoint_path="/ws")[0]] == [None, None]


@pytest.mark.parametrize(
    ("lines", "balance"),
    [
        ("balance roundrobin\n server a h:1\n server b h:2", "roundrobin"),
        ("balance source\n server a h:1\n server b h:2", "hash"),
        ("cookie SRV insert\n server a h:1 cookie a\n server b h:2 cookie b", "cookie"),
        ("cookie SRV insert\n server a h:1\n server b h:2", "roundrobin"),
        ("stick on src\n server a h:1\n server b h:2", "hash"),
    ],
)
def test_tells_how_connections_are_balanced(lines: str, balance: str) -> None:
    (route,) = read(f"backend b\n {lines}")[0]
    assert (route.balance, route.servers) == (balance, 2)


@pytest.mark.parametrize(
    ("line", "path", "upstream"),
    [
        ("http-request replace-path /api(/.*)? \\1", "/api/ws", "/ws"),
        ("http-request set-path %[path,regsub(^/api,)]", "/api/ws", "/ws"),
        ("http-request set-path /live", "/api/ws", "/live"),
        ("http-request set-path %[var(txn.p)]", "/api/ws", None),
        ("", "/api/ws?x=1", "/api/ws"),
    ],
)
def test_computes_the_path_that_the_backend_sees(line: str, path: str, upstream: str | None) -> None:
    (route,) = read(f"listen a\n  {line}\n  server s h:1", endpoint_path=path)[0]
    assert route.upstream_path == upstream


def test_deleted_and_replaced_headers() -> None:
    (route,) = read("listen ws\n http-request del-header Upgrade\n http-request set-header Connection close\n server s h:1")[0]
    assert (route.upgrade.value, route.upgrade.line, route.connection.value) == ("absent", 2, "close")


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("listen ws\n server s h:1 proto h2", "haproxy.h2-to-upstream"),
        ("listen ws\n server s h:8443 ssl verify none alpn h2", "haproxy.h2-to-upstream"),
        ("listen ws\n server s h:8443 ssl verify none alpn h2,http/1.1", ""),
        ("listen ws\n server s h:1 proto h2 ws h1", ""),
        ("listen ws\n server s h:1 ws h2", "haproxy.h2-to-upstream"),
        ("listen ws\n server s h:443", "haproxy.plain-to-tls-port"),
        ("listen ws\n acl sio path_beg /socket.io\n server s h:1\n server t h:2\nbackend socket.io\n server a h:1", ""),
        ("frontend f\n use_backend b if { path_beg /socket.io }\nbackend b\n server s h:1\n server t h:2", "haproxy.no-stickiness"),
        ("frontend f\n acl u hdr(Upgrade) WebSocket\n use_backend b if u\nbackend b\n server s h:1", "haproxy.upgrade-acl-case"),
        ("frontend f\n acl u hdr(Upgrade) -i WebSocket\n use_backend b if u\nbackend b\n server s h:1", ""),
        (HEAD + "  timeout tunnel 1h\nfrontend f\n default_backend b\nbackend b\n balance source\n server s h:1\n server t h:2", ""),
        ("listen ws\n http-request set-header X-Forwarded-Proto wss\n server s h:1", "haproxy.forwarded-proto-wrong"),
    ],
)
def test_names_defects_that_a_route_cannot_say(text: str, pattern: str) -> None:
    assert [p.pattern for p in read(text)[1]] == ([pattern] if pattern else [])


def test_refuses_what_has_no_section() -> None:
    with pytest.raises(UnreadableInputError, match="no HAProxy configuration"):
        read("server { }")


@settings(deadline=2000, max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["frontend f", "backend f", "defaults", " acl a path_beg", " use_backend f if a !a { } or", " timeout tunnel x"]
            ),
            st.sampled_from(
                [" server", " http-request set-path", " http-request replace-path (a+)+ x", " default_backend f", " bind", " cookie"]
            ),
            st.text(max_size=40),
        ),
        max_size=40,
    ),
    st.sampled_from(["", "/ws", "/" + "a" * 40]),
)
def test_any_text_is_read_or_refused(lines: list[str], path: str) -> None:
    try:
        observations = parse_config("\n".join(lines), kind="haproxy_cfg", artifact="h", endpoint_path=path)
    except UnreadableInputError:
        return
    assert isinstance(observations[0].facts, TextFacts)
