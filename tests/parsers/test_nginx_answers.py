"""nginx: which server answers, what becomes of a handshake, and what is not said when files are missing."""

from pathlib import Path
from typing import Any

import pytest

from wsbook.evidence import Evidence
from wsbook.facts import PatternFacts, RouteFacts, TextFacts
from wsbook.finding import Verdict
from wsbook.parsers.proxies import parse_config
from wsbook.parsers.read import read_artifact, read_text
from wsbook.rules import judge
from wsbook.target import parse_target

GOOD = """proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme; proxy_read_timeout 1h;"""


def facts(text: str, **given: Any) -> list[Any]:
    return [o.facts for o in parse_config(text, kind="nginx_conf", artifact="nginx.conf", **given)]


def serving(text: str, **given: Any) -> list[RouteFacts]:
    return [f for f in facts(text, **given) if isinstance(f, RouteFacts) and f.serves]


def patterns(text: str, **given: Any) -> list[str]:
    return [f.pattern for f in facts(text, **given) if isinstance(f, PatternFacts)]


def server(listen: str, name: str, upstream: str) -> str:
    lines = (f"listen {listen};" if listen else "") + (f"server_name {name};" if name else "")
    return f"server {{ {lines} location / {{ proxy_pass http://{upstream}; {GOOD} }} }}\n"


SERVERS = "http {" + "".join(
    (
        server("80", "first.example", "first"),
        server("443 ssl", "a.example www.a.example", "exact"),
        server("443 ssl default_server", "*.b.example", "leading"),
        server("443 ssl", "mail.*", "trailing"),
        server("443 ssl", r"~^(?<sub>\w+)\.c\.example$", "$sub"),
        server("443 ssl", ".d.example", "both"),
        server("127.0.0.1:8080", "inner", "inner"),
        "}",
    )
)


@pytest.mark.parametrize(
    ("host", "port", "upstreams"),
    [
        ("a.example", 443, ["exact"]),
        ("A.Example.", 443, ["exact"]),
        ("x.b.example", 443, ["leading"]),
        ("mail.q", 443, ["trailing"]),
        ("shop.c.example", 443, ["shop"]),
        ("d.example", 443, ["both"]),
        ("x.d.example", 443, ["both"]),
        ("other.example", 443, ["leading"]),
        ("a.example", 80, ["first"]),
        ("other.example", 8080, ["inner"]),
        ("a.example", 0, ["first", "exact", "inner"]),
        ("a.example", 30443, ["first", "exact", "inner"]),
    ],
)
def test_host_and_port_choose_the_server(host: str, port: int, upstreams: list[str]) -> None:
    routes = serving(SERVERS, endpoint_path="/ws", endpoint_host=host, endpoint_port=port)
    assert [route.upstream.removeprefix("http://").removesuffix("/ws") for route in routes] == upstreams


def test_a_server_of_another_file_may_have_the_name() -> None:
    """A fragment of a configuration is read for its only server, whatever the host is called."""
    fragment = server("443 ssl", "shop.example", "b")
    assert len(serving(fragment, endpoint_path="/ws", endpoint_host="app.example", endpoint_port=443)) == 1


def test_a_server_below_the_http_block_is_read_too() -> None:
    pasted = "http { map $http_upgrade $c { default upgrade; } } " + server("443 ssl", "shop.example", "b")
    assert len(serving(pasted, endpoint_path="/ws")) == 1
    both = "http { " + server("80", "a.example", "a") + " } " + server("443 ssl", "shop.example", "b")
    assert {route.upstream for route in serving(both, endpoint_path="/ws")} == {"http://a", "http://b"}


def test_a_redirect_to_https_is_a_fault_at_its_own_port_only() -> None:
    text = "http { server { listen 80; return 301 https://$host$request_uri; } " + server("443 ssl", "", "b") + "}"
    at_80 = {"endpoint_path": "/ws", "endpoint_host": "h", "endpoint_port": 80}
    assert patterns(text, **at_80) == ["nginx.redirected"]
    assert patterns(text, **at_80 | {"endpoint_port": 443}) == patterns(text, endpoint_path="/ws") == []


def test_a_redirect_to_https_behind_what_ends_tls_is_a_loop() -> None:
    whole = "http { server { listen 80; return 301 https://$host$request_uri; } }"
    at_443 = {"endpoint_path": "/ws", "endpoint_host": "h", "endpoint_port": 443}
    assert patterns(whole, **at_443) == ["nginx.redirected"]
    assert patterns(whole.removeprefix("http {").removesuffix("}"), **at_443) == []  # the server of 443 may stand in another file


@pytest.mark.parametrize(
    ("scheme", "servers", "pattern"),
    [
        ("https", "server app.example;", "nginx.tls-to-plain-port"),
        ("https", "server app.example:443; server [::1]:443;", ""),
        ("http", "server app.example:443;", "nginx.plain-to-tls-port"),
        ("http", "server app.example; server unix:/run/s;", ""),
        ("http", "server app.example:8443;", "nginx.plain-to-usual-tls-port"),
    ],
)
def test_the_ports_of_an_upstream_block_count(scheme: str, servers: str, pattern: str) -> None:
    text = f"upstream b {{ {servers} }} server {{ listen 80; location /ws {{ proxy_pass {scheme}://b; {GOOD} }} }}"
    assert [p for p in patterns(text) if "port" in p] == ([pattern] if pattern else [])


@pytest.mark.parametrize(
    ("body", "matcher", "upstream", "path"),
    [
        ("location / { try_files $uri @app; } location @app { proxy_pass http://b; }", "location @app", "http://b", "/ws/a"),
        ("location / { try_files $uri /hub; } location /hub { proxy_pass http://b; }", "location /hub", "http://b", "/hub"),
        ("error_page 418 = @w; location / { return 418; } location @w { proxy_pass http://w; }", "location @w", "http://w", "/ws/a"),
        ("rewrite ^/ws/(.*)$ /hub/$1; location /hub { proxy_pass http://b; }", "location /hub", "http://b", "/hub/a"),
        ("location /ws { rewrite ^/ws(.*)$ /x$1 break; proxy_pass http://b/ignored; }", "location /ws", "http://b/ignored", "/x/a"),
        ("location /ws { set $up c; if ($http_upgrade) { set $up w; } proxy_pass http://$up; }", "location /ws", "http://w/ws/a", "/ws/a"),
        ("location /ws { proxy_pass http://b/q?x=; }", "location /ws", "http://b/q?x=", "/q"),
        ("location /ws/ { proxy_pass http://b; location ^~ /ws/a { proxy_pass http://c; } }", "location ^~ /ws/a", "http://c", "/ws/a"),
        (
            "location /ws { if ($http_upgrade) { proxy_pass http://w; } if ($http_connection) { set $x 1; } proxy_pass http://b; }",
            *("location /ws", "http://b", "/ws/a"),
        ),
        ("location /ws { if ($http_upgrade) { proxy_pass http://w; } if ($scheme) { set $x 1; } }", "location /ws", "", None),
        ("location ~ ^/ws { internal; proxy_pass http://b; } location / { proxy_pass http://c; }", "location ~ ^/ws", "", None),
        ("location /ws { content_by_lua_block { ngx.say('}') } } location / { proxy_pass http://c; }", "location /ws", "", None),
    ],
)
def test_follows_a_handshake_to_its_end(body: str, matcher: str, upstream: str, path: str | None) -> None:
    (route,) = serving(f"server {{ {body} }}", endpoint_path="/ws/a")
    assert (route.matcher, route.upstream, route.upstream_path) == (matcher, upstream, path)


PAGES = "server { location / { try_files $uri /index.html; } location /api/ { proxy_pass http://api; } }"


@pytest.mark.parametrize("text", [PAGES, "location /a { proxy_pass http://b; } location /b { proxy_pass http://c; }"])
def test_without_a_path_and_a_sign_of_sockets_nothing_is_a_fault(text: str) -> None:
    findings, _ = judge(Evidence(parse_target(""), read_text(text, "nginx_conf")))
    assert findings
    assert Verdict.FAULT not in [finding.verdict for finding in findings]


DIRECTIVES = """add_header allow auth_basic auth_request break deny error_page geo hash if internal large_client_header_buffers limit_conn
limit_req limit_req_zone listen location map max_conns merge_slashes modsecurity proxy_buffering proxy_hide_header proxy_http_version
proxy_method proxy_pass proxy_pass_request_headers proxy_read_timeout proxy_set_header proxy_ssl_server_name resolver return rewrite satisfy
SecRulesEnabled server server_name set split_clients ssl ssl_certificate ssl_protocols ssl_verify_client try_files upstream
worker_connections worker_processes worker_rlimit_nofile worker_shutdown_timeout proxy_timeout proxy_protocol include fastcgi_pass"""


@pytest.mark.parametrize("name", DIRECTIVES.split())
@pytest.mark.parametrize("words", ["", " ''", " x", " x y", " $x ~ ((", " 1 2 3", " -1"])
def test_a_directive_with_any_words_is_read(name: str, words: str) -> None:
    lines = f"{name}{words}; {name}{words} {{ {name}{words}; default{words}; }}"
    inner = f"location /ws {{ {lines} proxy_pass http://b; {GOOD} }}"
    text = f"{lines} events {{ {lines} }} stream {{ server {{ {lines} proxy_pass b; }} }} http {{ {lines} server {{ {lines} {inner} }} }}"
    for path in ("", "/ws"):
        assert isinstance(facts(text, endpoint_path=path, endpoint_host="h", endpoint_port=443)[0], TextFacts)


def test_two_lines_of_a_header_are_both_sent() -> None:
    (route,) = serving(f"location /ws {{ proxy_pass http://b; {GOOD} proxy_set_header Connection close; }}")
    assert route.connection is not None
    assert route.connection.value == "upgrade, close"


@pytest.mark.parametrize(
    ("include", "upgrade", "idle"),
    [("", "absent", "60"), ("include proxy_params;", "absent", "60"), ("include snippets/ws.conf;", None, None)],
)
def test_what_a_missing_file_may_hold_is_not_said(include: str, upgrade: str | None, idle: str | None) -> None:
    (route,) = serving(f"server {{ location /ws {{ proxy_pass http://b; {include} }} }}")
    assert route.upgrade is not None
    assert route.idle_s is not None
    assert (route.upgrade.value, route.idle_s.value) == (upgrade, idle)


def test_a_missing_file_of_locations_makes_the_choice_unsure() -> None:
    text = "server { include locations/*.conf; location / { proxy_pass http://b; } location = /ws { proxy_pass http://c; } }"
    assert [f.serves for f in facts(text, endpoint_path="/a") if isinstance(f, RouteFacts)] == [None, False]
    assert [r.upstream for r in serving(text, endpoint_path="/ws")] == ["http://c"]


def test_the_files_of_packages_matter_little() -> None:
    text = "http { include mime.types; include /etc/letsencrypt/options-ssl-nginx.conf; include fastcgi_params; include app.conf; }"
    (total,) = [f for f in facts(text) if isinstance(f, TextFacts)]
    assert total.unparsed == 1


def test_streams_are_passed_on_as_they_come() -> None:
    (route,) = serving("stream { server { listen 8084; proxy_pass b:8084; } }")
    assert (route.upgrade.value if route.upgrade else "", route.idle_s.value if route.idle_s else "") == ("forwarded", "600")
    both = "http { " + server("127.0.0.1:8443 ssl", "a.example", "b") + "} stream { server { listen 443; proxy_pass 127.0.0.1:8443; } }"
    routes = serving(both, endpoint_path="/ws", endpoint_host="a.example", endpoint_port=443)
    assert [route.matcher for route in routes] == ["location /", "stream server 443"]


def test_a_folder_is_read_as_one_configuration(tmp_path: Path) -> None:
    """The headers are set where the servers are included, so a server read alone would be wrongly blamed."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "nginx.conf").write_text(f"events {{}}\nhttp {{\n{GOOD}\ninclude /etc/nginx/conf.d/*.conf;\n}}\n")
    (tmp_path / "conf.d" / "app.conf").write_text("server {\nlocation /ws { proxy_pass http://b; }\n}\n")
    seen = [o.facts for o in read_artifact(str(tmp_path), kind="nginx_conf", endpoint_path="/ws")]
    (route,) = [f for f in seen if isinstance(f, RouteFacts)]
    assert (Path(route.file).name, route.line, route.upgrade.value if route.upgrade else "") == ("app.conf", 2, "forwarded")


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "x.conf").write_text("location /ws { proxy_pass http://leaked; }")
    (inside / "link.conf").symlink_to(outside / "x.conf")
    (inside / "links").symlink_to(outside)
    names = [f"{outside}/x.conf", "../out/x.conf", "link.conf", "links/*.conf", "/etc/passwd", "**/x.conf", "l*/x.conf", "\\0", "a" * 5000]
    text = "server { " + " ".join(f"include {name};" for name in names) + " location / { proxy_pass http://b; } }"
    seen = facts(text, folder=str(inside), endpoint_path="/ws")
    assert "leaked" not in str(seen)
    assert seen[0].unparsed == len(names)
