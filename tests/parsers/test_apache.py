"""Apache: order of rules, tunnelling, modules and versions, paths, limits, defects, junk."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parsers.fixed import HINT

from wsbook.errors import UnreadableInputError
from wsbook.facts import PatternFacts, RouteFacts, TextFacts
from wsbook.parsers.proxies import parse_config

REWRITE = """RewriteEngine On
RewriteCond %{HTTP:Upgrade} websocket [NC]
RewriteCond %{HTTP:Connection} upgrade [NC]
RewriteRule ^/?(.*) "ws://127.0.0.1:5000/$1" [P,L]
"""


def read(text: str, **given: str) -> tuple[list[RouteFacts], list[PatternFacts]]:
    facts = [o.facts for o in parse_config(text, kind="apache_conf", artifact="site.conf", **given)]
    return [f for f in facts if isinstance(f, RouteFacts)], [f for f in facts if isinstance(f, PatternFacts) and f.weight >= HINT]


@pytest.mark.parametrize(
    ("text", "path", "upgrade", "upstream"),
    [
        ("ProxyPass / http://a:1/", "", "absent", "http://a:1/"),
        ("ProxyPass / http://a:1/ upgrade=websocket", "", "forwarded", "http://a:1/"),
        ("ProxyPass /ws ws://a:1/ws\nProxyPass / http://a:1/", "/ws", "forwarded", "ws://a:1/ws"),
        ("ProxyPass /ws ws://a:1/ws\nProxyPass / http://a:1/", "/live", "absent", "http://a:1/"),
        (REWRITE + "ProxyPass / http://127.0.0.1:5000/", "/hub", "forwarded", "ws://127.0.0.1:5000/$1"),
        ("ProxyPassMatch ^/rt/(.*)$ ws://a:1/$1\nProxyPass / http://a:1/", "/rt/x", "forwarded", "ws://a:1/$1"),
        ("ProxyPass / http://a:1/\n<Location /ws>\nProxyPass ws://a:1/ws\n</Location>", "/ws", "forwarded", "ws://a:1/ws"),
        ("<Proxy balancer://c>\nBalancerMember ws://a:1\nBalancerMember ws://b:1\n</Proxy>\nProxyPass /ws balancer://c/ws",
         "/ws", "forwarded", "balancer://c/ws"),
        ("RewriteEngine On\nRewriteCond %{HTTP:Upgrade} !=websocket [NC]\nRewriteRule /(.*) http://a:1/$1 [P,L]\n"
         "RewriteCond %{HTTP:Upgrade} =websocket [NC]\nRewriteRule /(.*) ws://a:1/$1 [P,L]", "/x", "forwarded", "ws://a:1/$1"),
        ("ProxyPass \\\n  /ws ws://a:1/ws", "/ws", "forwarded", "ws://a:1/ws"),
    ],
)  # fmt: skip
def test_finds_the_rule_that_takes_an_upgrade(text: str, path: str, upgrade: str, upstream: str) -> None:
    (route,) = [r for r in read(text, endpoint_path=path)[0] if r.serves]
    assert (route.upgrade.value, route.upstream) == (upgrade, upstream)


@pytest.mark.parametrize(
    ("text", "path", "seen"),
    [
        ("ProxyPass /ws ws://a:1/live", "/ws/7", "/live/7"),
        ("ProxyPass /ws/ ws://a:1/", "/ws/7?x=1", "/7"),
        ("ProxyPassMatch ^/rt/(.*)$ ws://a:1/$1", "/rt/x", "/x"),
        (REWRITE, "/hub", "/hub"),
        ("ProxyPass /ws balancer://c", "/ws", "/"),
    ],
)
def test_computes_the_path_that_the_backend_sees(text: str, path: str, seen: str) -> None:
    (route,) = [r for r in read(text, endpoint_path=path)[0] if r.serves]
    assert route.upstream_path == seen


@pytest.mark.parametrize(
    ("lines", "idle", "default"),
    [
        ("", "60", True),
        ("Timeout 300", "300", False),
        ("Timeout 300\nProxyTimeout 90", "300", False),
        ("Timeout 30\nProxyTimeout 90", "90", False),
        ("ProxyTimeout 30", "60", True),
    ],
)
def test_tells_how_long_a_tunnel_may_be_silent(lines: str, idle: str, default: bool) -> None:
    (route,) = read(f"{lines}\nProxyPass /ws ws://a:1/ws")[0]
    assert (route.idle_s.value, route.idle_s.default) == (idle, default)
    (own,) = read(f"{lines}\nProxyPass /ws ws://a:1/ws timeout=900")[0]
    assert own.idle_s.value == "900"


@pytest.mark.parametrize(
    ("text", "version", "patterns"),
    [
        ("ProxyPass / http://a:1/\nProxyPass /ws ws://a:1/ws", "", ["apache.proxypass-shadowed"]),
        ("ProxyPass /ws ws://a:1/ws\nProxyPass / http://a:1/", "", []),
        ("ProxyPass /api http://a:1/\nProxyPass /ws ws://a:1/ws", "", []),
        (REWRITE + "ProxyPass / http://127.0.0.1:5000/", "", []),
        (f"<VirtualHost *:80>\n{REWRITE}ProxyPass / http://a:1/\n</VirtualHost>", "", []),
        ("<VirtualHost *:80>\n" + REWRITE.replace("RewriteEngine On\n", "") + "ProxyPass / http://a:1/\n</VirtualHost>", "",
         ["apache.rewrite-engine-off"]),
        (REWRITE.replace("$1", "x") + "ProxyPass / http://a:1/", "", ["apache.rewrite-drops-path"]),
        (REWRITE.replace("/$1", "/{REQUEST_URI}") + "ProxyPass / http://127.0.0.1:5000/", "", ["apache.variable-unmarked"]),
        (REWRITE.replace("/$1", "%{REQUEST_URI}") + "ProxyPass / http://127.0.0.1:5000/", "", []),
        ("ProxyPass /ws wss://a:81/ws\nProxyPass / http://a:81/", "", ["proxy.tls-beside-plain"]),
        ("ProxyPass /ws ws://a:81/ws\nProxyPass / https://a:81/", "", ["proxy.plain-beside-tls"]),
        ("ProxyPass /ws wss://a:81/ws\nProxyPass / https://a:81/\n# ProxyPass / http://a:81/", "", []),
        ("ProxyPass /ws wss://a:81/ws\nProxyPass / http://a:811/", "", []),
        (REWRITE.replace("websocket [NC]", "^WebSocket$") + "ProxyPass / http://a:1/", "", ["apache.handshake-test-too-strict"]),
        (REWRITE.replace("upgrade [NC]", "^upgrade$ [NC]") + "ProxyPass / http://a:1/", "", ["apache.handshake-test-too-strict"]),
        (REWRITE, "", ["apache.upgrade-rewrite-catch-all"]),
        ("ProxyPass / http://a:1/ upgrade=websocket", "2.4.46", ["apache.upgrade-parameter-too-new"]),
        ("ProxyPass / http://a:1/ upgrade=websocket", "2.4.57", []),
        ("ProxyPass / h2c://a:1/", "", ["apache.h2-to-upstream"]),
        ("LoadModule proxy_module m.so\nProxyPass /ws ws://a:1/ws", "", ["apache.tunnel-module-missing"]),
        ("LoadModule proxy_module m.so\n#LoadModule proxy_wstunnel_module m.so\nProxyPass /ws ws://a:1/ws", "",
         ["apache.tunnel-module-missing"]),
        ("LoadModule proxy_module m.so\nLoadModule proxy_wstunnel_module m.so\nProxyPass /ws ws://a:1/ws", "", []),
        ("LoadModule proxy_module m.so\nLoadModule proxy_http_module m.so\nProxyPass /ws ws://a:1/ws", "2.4.62", []),
        ("LoadModule proxy_module m.so\nLoadModule proxy_http_module m.so\nProxyPass /ws ws://a:1/ws", "2.4.41",
         ["apache.tunnel-module-missing"]),
    ],
)  # fmt: skip
def test_names_defects_that_a_route_cannot_say(text: str, version: str, patterns: list[str]) -> None:
    assert [p.pattern for p in read(text, version=version)[1]] == patterns


def test_a_shadowed_rule_serves_nothing() -> None:
    routes, _ = read("ProxyPass / http://a:1/\nProxyPass /ws ws://a:1/ws")
    assert [r.serves for r in routes] == [False, False]


def test_balancers_and_the_host_header() -> None:
    text = (
        "ProxyPreserveHost On\n<Proxy balancer://c>\nBalancerMember ws://a:1\nBalancerMember ws://b:1\nProxySet stickysession=R\n</Proxy>\n"
    )
    (route,) = read(text + "ProxyPass /ws balancer://c/ws")[0]
    assert (route.servers, route.balance, route.host.value, route.host.line) == (2, "cookie", "forwarded", 1)


def test_refuses_what_has_no_directive() -> None:
    for text in ("", "<a>\n" * 100 + "x", "# nothing"):
        with pytest.raises(UnreadableInputError):
            read(text)


_LINES = [*REWRITE.splitlines(), "<VirtualHost *:80>", "</VirtualHost>", "ProxyPass", "ProxyPass /", "ProxyPassMatch ^(a+)+$ ws://$1"]
_LINES += [
    "<Location /x>",
    "</Location>",
    "ProxyPass ws://x",
    "RewriteRule (",
    "RewriteCond",
    "Timeout x",
    "BalancerMember",
    "<Proxy balancer://c>",
    "\\",
]


@settings(deadline=2000, max_examples=150)
@given(st.lists(st.one_of(st.sampled_from(_LINES), st.text(max_size=40)), max_size=40), st.sampled_from(["", "/ws", "/" + "a" * 40]))
def test_any_text_is_read_or_refused(lines: list[str], path: str) -> None:
    try:
        observations = parse_config("\n".join(lines), kind="apache_conf", artifact="a", endpoint_path=path)
    except UnreadableInputError:
        return
    assert isinstance(observations[0].facts, TextFacts)
