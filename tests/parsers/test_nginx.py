"""nginx: location selection, inheritance, defaults, defects, includes, and that junk is refused or read, never worse."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from conftest import find, needs
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.facts import PatternFacts, RouteFacts, TextFacts
from wsbook.parsers.proxies import parse_config

MAP = "map $http_upgrade $connection_upgrade { default upgrade; '' close; }\n"
GOOD = """proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme; proxy_read_timeout 1h;"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(*command: str, port: int) -> Iterator[None]:
    """Run a program until the block ends; return when its port answers."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(timeout=5)


def read(text: str, **given: str) -> tuple[list[RouteFacts], list[PatternFacts]]:
    facts = [o.facts for o in parse_config(text, kind="nginx_conf", artifact="nginx.conf", **given)]
    return [f for f in facts if isinstance(f, RouteFacts)], [f for f in facts if isinstance(f, PatternFacts)]


def serving(text: str, **given: str) -> RouteFacts:
    (route,) = [r for r in read(text, **given)[0] if r.serves]
    return route


@pytest.mark.parametrize(
    ("path", "matcher"),
    [
        ("/ws", "location = /ws"),
        ("/ws/a", "location /ws/"),
        ("/static/live.js", "location ^~ /static/"),
        ("/api/live.js", "location ~ \\.js$"),
        ("/api/LIVE.PNG", "location ~* \\.png$"),
        ("/other", "location /"),
    ],
)
def test_selects_the_location_by_the_documented_order(path: str, matcher: str) -> None:
    matchers = ["/", "= /ws", "/ws/", "^~ /static/", "~ \\.js$", "~* \\.png$"]
    text = "server { " + " ".join(f"location {m} {{ proxy_pass http://a; }}" for m in matchers) + " }"
    assert serving(text, endpoint_path=path).matcher == matcher


@pytest.mark.parametrize(
    ("location", "target", "path", "upstream"),
    [
        ("/ws", "http://b", "/ws/chat", "/ws/chat"),
        ("/ws/", "http://b/", "/ws/chat", "/chat"),
        ("/ws", "http://b/", "/ws/chat", "//chat"),
        ("/ws/", "http://b/x", "/ws/chat", "/xchat"),
        ("/ws", "http://b/live", "/ws", "/live"),
        ("/ws", "http://b$request_uri", "/ws/chat", "/ws/chat"),
        ("/ws", "http://unix:/run/a.sock:/live", "/ws", "/live"),
        ("~ ^/ws/(.*)$", "http://b/$1", "/ws/chat", "/chat"),
        ("~ ^/ws/(.*)$", "http://b", "/ws/chat", "/ws/chat"),
    ],
)
def test_computes_the_path_that_the_backend_sees(location: str, target: str, path: str, upstream: str) -> None:
    route = serving(f"server {{ location {location} {{ proxy_pass {target}; {GOOD} }} }}", endpoint_path=path)
    assert route.upstream_path == upstream


def test_rewrites_before_the_path_goes_upstream() -> None:
    text = "location /api/ { rewrite ^/api/(.*)$ /$1 break; proxy_pass http://b; }"
    assert serving(text, endpoint_path="/api/ws?x=1").upstream_path == "/ws"


@pytest.mark.parametrize(
    ("lines", "upgrade", "connection"),
    [
        (GOOD, "forwarded", "upgrade"),
        ('proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "Upgrade";', "forwarded", "Upgrade"),
        ("proxy_set_header Upgrade $http_upgrade;", "forwarded", "close"),
        ("proxy_set_header Upgrade websocket; proxy_set_header Connection $http_connection;", "websocket", "forwarded"),
        ("proxy_set_header Upgrade $http_connection;", "Upgrade", "close"),
        ('proxy_set_header Upgrade ""; proxy_set_header Connection "";', "absent", "absent"),
        ("", "absent", "close"),
    ],
)
def test_tells_what_the_backend_receives(lines: str, upgrade: str, connection: str) -> None:
    route = serving(MAP + f"server {{ location /ws {{ proxy_pass http://b; {lines} }} }}")
    assert (route.upgrade.value, route.connection.value) == (upgrade, connection)


@pytest.mark.parametrize(("version", "http", "connection"), [("", "1.0", "close"), ("1.22.1", "1.0", "close"), ("1.29.7", "1.1", "absent")])
def test_knows_the_defaults_of_the_version(version: str, http: str, connection: str) -> None:
    route = serving("location /ws { proxy_pass http://b; }", version=version)
    assert (route.http_version.value, route.http_version.default, route.connection.value) == (http, True, connection)


def test_headers_of_an_inner_level_replace_all_outer_ones() -> None:
    text = (
        MAP
        + f"server {{ {GOOD} location /ws {{ proxy_set_header X-A b; proxy_pass http://b; }} location /live {{ proxy_pass http://b; }} }}"
    )
    lost, kept = read(text)[0]
    assert (lost.upgrade.value, lost.inheritance_lost, lost.idle_s.value) == ("absent", True, "3600")
    assert (kept.upgrade.value, kept.inheritance_lost, kept.upgrade.line) == ("forwarded", False, 2)


@pytest.mark.parametrize(
    ("text", "serves"),
    [
        ("location / { proxy_pass http://b; }", [True]),
        ("location / { proxy_pass http://b; } location /ws { proxy_pass http://c; }", [False, True]),
        ("location /a { proxy_pass http://b; } location /b { proxy_pass http://c; }", [None, None]),
        ("location / { proxy_pass http://b; } location /b { proxy_pass http://c; }", [True, False]),
        (
            "location /a { proxy_pass http://b; } location /b { proxy_pass http://c; proxy_set_header Upgrade $http_upgrade; }",
            [False, True],
        ),
    ],
)
def test_judges_which_location_serves_without_a_path(text: str, serves: list[bool | None]) -> None:
    assert [r.serves for r in read(text)[0]] == serves


@pytest.mark.parametrize(
    ("text", "pattern", "cause"),
    [
        (
            MAP + "location /ws { proxy_pass http://b; proxy_set_header Upgrade $connection_upgrade; }",
            "nginx.upgrade-literal-wrong",
            "proxy",
        ),
        (
            "location /ws { proxy_pass http://b; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection keep-alive; }",
            "nginx.connection-literal-wrong",
            "proxy",
        ),
        (
            "http { server { location /ws { proxy_pass http://b; proxy_set_header Upgrade $http_upgrade;\n"
            "proxy_set_header Connection $connection_upgrade; } } }",
            "nginx.map-missing",
            "proxy",
        ),
        ("location /ws { proxy_pass http://b:443; }", "nginx.plain-to-tls-port", "endpoint"),
        ("location /ws { proxy_pass https://b:81; }\nlocation / { proxy_pass http://b:81; }", "proxy.tls-beside-plain", "endpoint.tls"),
        ("location /ws { proxy_pass http://b:81; }\nlocation / { proxy_pass https://b:81; }", "proxy.plain-beside-tls", "endpoint.plain"),
        ("location /ws/ { proxy_pass http://b/ws; }", "nginx.slash-glued", "proxy"),
        ("location /socket.io/ { proxy_pass http://b/; }", "nginx.library-prefix-stripped", "proxy"),
        (
            "upstream b { server x:1; server y:1; } server { location /socket.io/ { proxy_pass http://b; } }",
            "nginx.no-stickiness",
            "cluster",
        ),
        ("location /events { proxy_pass http://b; }", "nginx.stream-buffered", "proxy"),
        ("location /ws { proxy_pass http://b; proxy_set_header X-Forwarded-Proto wss; }", "nginx.forwarded-proto-wrong", "proxy"),
    ],
)
def test_names_defects_that_a_route_cannot_say(text: str, pattern: str, cause: str) -> None:
    found = {p.pattern: p.cause for p in read(text)[1]}
    assert found[pattern].startswith(cause)


@pytest.mark.parametrize(
    "text",
    [
        f"http {{ {MAP} server {{ listen 443 ssl; location / {{ proxy_pass http://127.0.0.1:8080; {GOOD} }} }} }}",
        f"http {{ {MAP} server {{ listen 80; {GOOD} location / {{ root /x; }} location /ws/ {{ proxy_pass http://b; }} }} }}",
        f"upstream b {{ ip_hash; server x; server y; }} server {{ location /socket.io/ {{ proxy_pass http://b; {GOOD} }} }}",
        "location /ws { proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;\n"
        "proxy_set_header Connection upgrade; proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme; }",
        "server {\n# proxy_pass https://b:81;\nlocation /api { proxy_pass http://b:81; } "
        f"location /ws {{ proxy_pass http://b:81; {GOOD} }} }}",
        f"server {{ location /events {{ proxy_pass http://b; proxy_buffering off; }} location /ws {{ proxy_pass http://b; {GOOD} }} }}",
    ],
)
def test_healthy_configurations_have_no_defect(text: str) -> None:
    routes, patterns = read(text)
    assert patterns == []
    assert all(r.upgrade.value == "forwarded" and r.http_version.value == "1.1" for r in routes if r.serves)


def test_follows_an_upgrade_branch_and_a_named_location() -> None:
    branch = "server { location / { if ($http_upgrade = websocket) { proxy_pass http://ws; } proxy_pass http://web; } }"
    assert serving(branch, endpoint_path="/x").upstream == "http://ws"
    named = "server { location / { try_files $uri @app; } location @app { proxy_pass http://app; } }"
    assert serving(named, endpoint_path="/x").upstream == "http://app"


def test_a_path_that_no_block_proxies_is_a_route_without_upstream() -> None:
    route = serving("server { location / { try_files $uri /index.html; } location /api { proxy_pass http://b; } }", endpoint_path="/ws")
    assert (route.matcher, route.upstream, route.upgrade) == ("location /", "", None)


@pytest.mark.parametrize(
    ("path", "matcher", "patterns"),
    [("/ws/", "location /ws/", []), ("/ws", "location /ws/", ["nginx.location-slash-redirect"]), ("/live", "location = /live", [])],
)
def test_a_proxied_location_with_a_slash_redirects_the_path_without(path: str, matcher: str, patterns: list[str]) -> None:
    names = ["/ws/", "/live/", "= /live", "/"]
    text = "server { " + " ".join(f"location {n} {{ proxy_pass http://b; {GOOD} }}" for n in names) + " }"
    assert serving(MAP + text, endpoint_path=path).matcher == matcher
    assert [p.pattern for p in read(MAP + text, endpoint_path=path)[1]] == patterns


LIVE = ["/", "/ws/", "^~ /ws/a", "~ ^/ws/(.*)$", "~* \\.JS$", "/live", "= /live/", "~ /a/"]


@needs("nginx")
@pytest.mark.parametrize("uris", [("", "", "", "", "", "", ""), ("/", "", "/x", "", "", "/y/", "/z")])
def test_agrees_with_a_running_nginx(tmp_path: Path, uris: tuple[str, ...]) -> None:
    """Every location names itself and what its upstream would see, by a second server of the same nginx."""
    port, echo = free_port(), free_port()
    targets = [f"http://127.0.0.1:{echo}{'' if name.startswith('~') else uri}" for name, uri in zip(LIVE, (*uris, ""), strict=True)]
    locations = " ".join(
        f'location {n} {{ proxy_pass {t}; proxy_set_header X-By "{i}"; }}' for i, (n, t) in enumerate(zip(LIVE, targets, strict=True))
    )
    server = f"server {{ listen 127.0.0.1:{port}; merge_slashes off; {locations} }}"
    folders = " ".join(f"{kind}_temp_path {tmp_path};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    answer = f'server {{ listen 127.0.0.1:{echo}; merge_slashes off; location / {{ return 200 "$http_x_by $request_uri"; }} }}'
    (tmp_path / "c").write_text(f"daemon off; pid {tmp_path}/p; events {{}} http {{ access_log off; {folders} {server} {answer} }}")
    with running(str(find("nginx")), "-c", str(tmp_path / "c"), "-e", str(tmp_path / "e"), port=port):
        for path in ("/", "/ws/", "/ws/a", "/ws/x/y", "/live", "/live/", "/live/x.js", "/q/a/z", "/wsx"):
            route = serving(server, endpoint_path=path)
            by, _, seen = httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).text.partition(" ")
            assert (route.matcher, route.upstream_path) == (f"location {LIVE[int(by)]}", seen)


def test_reads_includes_inside_the_folder_only(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "ws.conf").write_text("server { location /ws { proxy_pass http://b; } }")
    (tmp_path / "out.conf").symlink_to("/etc/hostname")
    text = "http { include /etc/nginx/conf.d/*.conf; include out.conf; include ../*.conf; include gone.conf; }"
    route = serving(text, folder=str(tmp_path))
    assert (route.file, route.line) == (str(tmp_path / "conf.d" / "ws.conf"), 1)
    total = parse_config(text, kind="nginx_conf", artifact="n", folder=str(tmp_path))[0].facts
    assert isinstance(total, TextFacts)
    assert total.unparsed == 3


def test_reads_the_dump_of_a_running_server() -> None:
    text = """# configuration file /etc/nginx/nginx.conf:
http {
  include conf.d/*.conf;
}
# configuration file /etc/nginx/conf.d/app.conf:
server {
  location /ws { proxy_pass http://b; }
}
"""
    route = serving(text)
    assert (route.file, route.line) == ("/etc/nginx/conf.d/app.conf", 2)


def test_an_include_of_itself_is_refused() -> None:
    with pytest.raises(UnreadableInputError, match="nested deeper"):
        read("# configuration file /etc/nginx/nginx.conf:\n" + "include nginx.conf;\n" * 50)


def test_refuses_what_is_nested_beyond_reason_or_binary() -> None:
    for text in ("a {" * 1000, "a\0b", "x" * 1_000_001):
        with pytest.raises(UnreadableInputError):
            read(text)


_WORDS = re.split(
    r"\s+",
    r"""server location /ws ~ (a+)+$ { } ; proxy_pass http://b/$1 ' \ # map $http_upgrade $c proxy_set_header Upgrade $c include *;
rewrite ^(.*)$ $1 break; if ($http_upgrade) @x = upstream http stream listen 80
server_name ~(?<a>.) *.h try_files error_page 404 return set ssl""",
)
_PIECES = st.lists(st.sampled_from([*_WORDS, "\n"]), max_size=60)


@settings(deadline=2000, max_examples=150)
@given(
    text=st.one_of(_PIECES.map(" ".join), st.text(max_size=300)),
    path=st.sampled_from(["", "/ws", "/ws?a=%", "/%zz/../" + "a" * 40]),
    host=st.sampled_from(["", "h", "::1"]),
)
def test_any_text_is_read_or_refused(text: str, path: str, host: str) -> None:
    try:
        observations = parse_config(text, kind="nginx_conf", artifact="n", endpoint_path=path, endpoint_host=host, endpoint_port=80)
    except UnreadableInputError:
        return
    assert isinstance(observations[0].facts, TextFacts)
