"""Envoy: which route serves a path, where the upgrade is switched on, limits, clusters, filters, in files and dumps."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.facts import PatternFacts, RouteFacts, TextFacts
from wsbook.parsers.proxies import parse_config
from wsbook.parsers.proxies.fixing import apply_changes


def read(text: str, path: str = "") -> tuple[list[RouteFacts], list[PatternFacts]]:
    facts = [o.facts for o in parse_config(text, kind="envoy", artifact="e.yaml", endpoint_path=path)]
    return [f for f in facts if isinstance(f, RouteFacts)], [f for f in facts if isinstance(f, PatternFacts)]


def patterns(text: str, path: str = "") -> set[str]:
    """Return what is found beside the cap of connections that every cluster has by default."""
    return {p.pattern for p in read(text, path)[1]} - {"envoy.connection-cap-default"}


MANAGER = """static_resources:
  listeners:
  - name: l
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: x
{manager}
          route_config:
            virtual_hosts:
            - name: v
              domains: ["*"]
              routes:
{routes}
          http_filters:
{filters}
          - name: envoy.filters.http.router
  clusters:
{clusters}
"""
UPGRADE = "upgrade_configs: [{upgrade_type: websocket}]"
CALM = "stream_idle_timeout: 3600s"
ADDRESS = "{{endpoint: {{address: {{socket_address: {{address: {0}, port_value: {1}}}}}}}}}"


def cluster(name: str = "app", *, more: str = "", addresses: tuple[str, ...] = ("a:8080",)) -> str:
    listed = ", ".join(ADDRESS.format(*address.split(":")) for address in addresses)
    assignment = f"load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{listed}]}}]}}"
    return f"  - name: {name}\n    type: STRICT_DNS\n    {assignment}\n" + "".join(f"    {line}\n" for line in more.split("|") if line)


def envoy(*routes: str, manager: str = f"{UPGRADE}|{CALM}", clusters: str = "", filters: str = "") -> str:
    return MANAGER.format(
        manager="\n".join(f"          {line}" for line in manager.split("|")),
        routes="\n".join(f"              - {route}" for route in routes),
        clusters=clusters or cluster(),
        filters="\n".join(f"          - {one}" for one in filters.split("|") if one),
    )


def route(match: str = 'prefix: "/"', action: str = "", **more: str) -> str:
    rest = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{{match: {{{match}}}, route: {{cluster: app, timeout: 0s{', ' + action if action else ''}}}{rest}}}"


@pytest.mark.parametrize(
    ("text", "path", "matcher", "behind"),
    [
        (envoy(route('prefix: "/ws"'), route()), "/ws/a", "route prefix /ws", "/ws/a"),
        (envoy(route('prefix: "/ws"'), route()), "/api", "route prefix /", "/api"),
        (envoy(route('path: "/ws"'), route()), "/ws/", "route prefix /", "/ws/"),
        (envoy(route("safe_regex: {regex: '/ws/[0-9]+'}"), route()), "/ws/12", "route safe_regex /ws/[0-9]+", "/ws/12"),
        (envoy(route("safe_regex: {regex: '/ws'}"), route()), "/ws/12", "route prefix /", "/ws/12"),
        (envoy(route("path_separated_prefix: /ws"), route()), "/wsx", "route prefix /", "/wsx"),
        (envoy(route('prefix: "/ws", headers: [{name: upgrade, exact_match: websocket}]'), route()), "/ws", "route prefix /ws", "/ws"),
        (envoy(route('prefix: "/WS", case_sensitive: false'), route()), "/ws", "route prefix /WS", "/ws"),
        (envoy(route('prefix: "/", grpc: {}'), route('prefix: "/w"')), "/ws", "route prefix /w", "/ws"),
        (envoy(route('prefix: "/ws/"', 'prefix_rewrite: "/"')), "/ws/a", "route prefix /ws/", "/a"),
        (envoy(route('prefix: "/ws"', 'prefix_rewrite: "/"')), "/ws/a", "route prefix /ws", "//a"),
        (
            envoy(route('prefix: "/ws"', "regex_rewrite: {pattern: {regex: '^/ws/(.*)$'}, substitution: '/v2/\\1'}")),
            "/ws/a",
            "route prefix /ws",
            "/v2/a",
        ),
        (envoy(route('prefix: "/live"'), route()), "", "route prefix /", None),
    ],
)
def test_the_first_route_that_matches_serves(text: str, path: str, matcher: str, behind: str | None) -> None:
    if not path:
        matcher = "route prefix /live"
    assert [(r.matcher, r.upstream_path) for r in read(text, path)[0] if r.serves] == [(matcher, behind)]


@pytest.mark.parametrize(
    ("manager", "action", "idle", "default", "lifetime"),
    [
        (UPGRADE, "", "300", True, None),
        (f"{UPGRADE}|stream_idle_timeout: 0s", "", "0", False, None),
        (f"{UPGRADE}|stream_idle_timeout: 60s", "idle_timeout: 1800s", "1800", False, None),
        (f"{UPGRADE}|stream_idle_timeout: {{seconds: 90}}", "", "90", False, None),
        (f"{UPGRADE}|common_http_protocol_options: {{max_stream_duration: 120s}}", "", "300", True, "120"),
        (f"{UPGRADE}|common_http_protocol_options: {{idle_timeout: 5s}}", "", "300", True, None),
        (UPGRADE, "max_stream_duration: {max_stream_duration: 30s}", "300", True, "30"),
    ],
)
def test_limits_and_where_they_come_from(manager: str, action: str, idle: str, default: bool, lifetime: str | None) -> None:
    (found,) = read(envoy(route(action=action), manager=manager))[0]
    assert (found.idle_s.value, found.idle_s.default) == (idle, default)
    assert (found.lifetime_s and found.lifetime_s.value) == lifetime


H2 = "typed_extension_protocol_options: {envoy.x: {explicit_http_config: {http2_protocol_options: {%s}}}}"
AUTHZ = "{name: envoy.filters.http.ext_authz}"
JWT = (
    "{name: envoy.filters.http.jwt_authn, typed_config: {providers: {p: {issuer: i%s}}, "
    "rules: [{match: {prefix: %s}, requires: {provider_name: p}}]}}"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (envoy(route()), set()),
        (envoy(route(), manager=CALM), {"envoy.upgrade-not-enabled"}),
        (envoy(route(action=UPGRADE), manager=CALM), set()),
        (envoy(route(action="upgrade_configs: [{upgrade_type: websocket, enabled: false}]")), {"envoy.upgrade-disabled"}),
        (envoy(route(), manager=f"upgrade_configs: [{{upgrade_type: websocket, enabled: false}}]|{CALM}"), {"envoy.upgrade-disabled"}),
        (envoy(route(action=UPGRADE), manager=f"upgrade_configs: [{{upgrade_type: websocket, enabled: false}}]|{CALM}"), set()),
        (envoy(route(), manager=f"upgrade_configs: [{{upgrade_type: CONNECT}}]|{CALM}"), {"envoy.upgrade-not-enabled"}),
        (envoy(route('prefix: "/"'), route('prefix: "/ws"', UPGRADE)), {"envoy.route-shadowed"}),
        (envoy(route('prefix: "/ws"', UPGRADE), route()), set()),
        (envoy("{match: {prefix: /ws}, route: {cluster: app}}"), {"envoy.route-timeout-default"}),
        (envoy("{match: {prefix: /ws}, route: {cluster: app, timeout: 30s}}"), {"envoy.route-timeout"}),
        (envoy("{match: {prefix: /ws}, route: {cluster: app, timeout: 86400s}}"), set()),
        (envoy(route(action="host_rewrite_literal: app.internal")), {"envoy.host-rewritten"}),
        (envoy(route(action="auto_host_rewrite: true")), {"envoy.host-rewritten"}),
        (envoy(route('prefix: "/socket.io/"', 'prefix_rewrite: "/"')), {"envoy.library-prefix-stripped"}),
        (envoy(route('prefix: "/ws"', 'prefix_rewrite: "/"')), {"envoy.slash-doubled"}),
        (envoy(route('prefix: "/ws/"', 'prefix_rewrite: "/rt"')), {"envoy.slash-glued"}),
        (envoy(route('prefix: "/gw/"', 'prefix_rewrite: "/"')), {"rewrite.prefix-replaced"}),
        (envoy(route('path: "/notify"')), {"route.exact-perhaps"}),
        (envoy(route(), clusters=cluster(more=H2 % "")), {"envoy.h2-to-upstream"}),
        (envoy(route(), clusters=cluster(more="http2_protocol_options: {}")), {"envoy.h2-to-upstream"}),
        (envoy(route(), clusters=cluster(more=H2 % "allow_connect: true")), {"envoy.h2-extended-connect"}),
        (envoy(route(), clusters=cluster() + cluster("grpc", more=H2 % "")), set()),
        (envoy(route(), clusters=cluster("other")), {"envoy.cluster-unknown"}),
        (envoy(route(), clusters=cluster(addresses=("a:443",))), {"upstream.plain-to-tls-port"}),
        (envoy(route(), clusters=cluster(addresses=("a:443",), more="transport_socket: {name: tls}")), set()),
        (envoy(route(), clusters=cluster(addresses=("a:80",), more="transport_socket: {name: tls}")), {"upstream.tls-to-plain-port"}),
        (envoy(route(), clusters=cluster(more="circuit_breakers: {thresholds: [{max_connections: 50}]}")), {"envoy.connection-cap"}),
        (envoy(route(), clusters=cluster(more="circuit_breakers: {thresholds: [{max_connections: 100000}]}")), set()),
        (envoy(route('prefix: "/socket.io/"'), clusters=cluster(addresses=("a:1", "b:1"))), {"envoy.no-stickiness"}),
        (envoy(route('prefix: "/ws"'), clusters=cluster(addresses=("a:1", "b:1"))), {"balance.no-stickiness-perhaps"}),
        (
            envoy(route('prefix: "/ws"'), clusters=cluster(addresses=("a:1", "b:1"), more="lb_policy: RING_HASH")),
            {"envoy.hash-without-policy"},
        ),
        (
            envoy(
                route('prefix: "/socket.io/"', "hash_policy: [{cookie: {name: n}}]"),
                clusters=cluster(addresses=("a:1", "b:1"), more="lb_policy: MAGLEV"),
            ),
            set(),
        ),
        (envoy(route(), filters=AUTHZ), {"envoy.auth-on-handshake"}),
        (envoy(route(typed_per_filter_config="{envoy.filters.http.ext_authz: {disabled: true}}"), filters=AUTHZ), set()),
        (envoy(route(), filters="{name: envoy.filters.http.cors}"), set()),
        (envoy(route(), filters="{name: envoy.filters.http.buffer}"), {"envoy.buffer-filter"}),
        (envoy(route('prefix: "/ws"'), filters=JWT % ("", "/ws")), {"envoy.token-in-header"}),
        (envoy(route('prefix: "/ws"'), filters=JWT % (", from_params: [t]", "/ws")), set()),
        (envoy(route('prefix: "/ws"'), filters=JWT % ("", "/api")), set()),
        (
            envoy(
                route(),
                filters="{name: envoy.filters.http.local_ratelimit, typed_config: {token_bucket: {max_tokens: 5, fill_interval: 1s}}}",
            ),
            {"envoy.rate-limit"},
        ),
        (
            envoy(
                route(),
                filters="{name: envoy.filters.http.local_ratelimit, typed_config: {token_bucket: {max_tokens: 5000, fill_interval: 1s}}}",
            ),
            set(),
        ),
        (envoy(route(), manager=f"{UPGRADE}|{CALM}|codec_type: HTTP2"), {"envoy.listener-h2-only"}),
        (envoy(route(), manager=f"{UPGRADE}|{CALM}|codec_type: AUTO"), set()),
        (envoy(route(), manager=f"{UPGRADE}|{CALM}|max_request_headers_kb: 4"), {"envoy.small-headers"}),
        (envoy(route(), manager=UPGRADE), {"limit.long-envoy"}),
        (envoy("{match: {prefix: /}, redirect: {https_redirect: true}}", route('prefix: "/ws"', UPGRADE)), {"envoy.route-shadowed"}),
        (envoy(route(request_headers_to_add="[{header: {key: X-Forwarded-Proto, value: http}}]")), {"header.forwarded-proto-http"}),
        (envoy(route(request_headers_to_remove="[cookie]")), {"proxy.drops-credential"}),
    ],
)
def test_names_defects(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected


def test_a_cluster_has_a_cap_of_connections() -> None:
    assert [p.weight < 0.2 for p in read(envoy(route()))[1] if p.pattern == "envoy.connection-cap-default"] == [True]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(20, {"envoy.rate-limit"}), (20000, set())],
)
def test_a_piece_without_routes_has_filters(tokens: int, expected: set[str]) -> None:
    config = f"typed_config: {{token_bucket: {{max_tokens: {tokens}, fill_interval: 10s}}}}"
    assert patterns(f"http_filters:\n- name: envoy.filters.http.local_ratelimit\n  {config}\n{UPGRADE}\n") == expected


def test_a_header_that_is_removed_does_not_arrive() -> None:
    (found,) = read(envoy(route(request_headers_to_remove="[Upgrade]")))[0]
    assert found.upgrade.value == "absent"


DUMP = {
    "configs": [
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
            "dynamic_listeners": [
                {
                    "active_state": {
                        "listener": {
                            "filterChains": [
                                {
                                    "filters": [
                                        {
                                            "typedConfig": {
                                                "@type": "x.HttpConnectionManager",
                                                "statPrefix": "a",
                                                "rds": {"routeConfigName": "r"},
                                                "httpFilters": [],
                                            }
                                        }
                                    ]
                                }
                            ]
                        }
                    }
                }
            ],
        },
        {
            "dynamic_route_configs": [
                {
                    "route_config": {
                        "name": "r",
                        "virtualHosts": [
                            {"domains": ["*"], "routes": [{"match": {"prefix": "/ws"}, "route": {"cluster": "c", "timeout": "0s"}}]}
                        ],
                    }
                }
            ]
        },
        {"dynamic_active_clusters": [{"cluster": {"name": "c", "type": "EDS", "http2ProtocolOptions": {}}}]},
    ]
}


def test_dumps_join_listener_routes_and_clusters() -> None:
    assert patterns(json.dumps(DUMP, indent=1)) == {"envoy.upgrade-not-enabled", "envoy.h2-to-upstream"}
    text = json.dumps(DUMP).replace('"statPrefix"', '"upgradeConfigs": [{"upgradeType": "websocket"}], "statPrefix"')
    assert patterns(text) == {"envoy.h2-to-upstream", "limit.long-envoy"}


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ("routes:\n- match: {prefix: /ws}\n  route: {cluster: a, timeout: 0s}\n", ["route prefix /ws"]),
        ("match: {prefix: /ws}\nroute: {cluster: a, timeout: 0s}\n", ["route prefix /ws"]),
        (
            "- match: {path: /a}\n  route: {cluster: a}\n- match: {prefix: /}\n  redirect: {https_redirect: true}\n",
            ["route path /a", "route prefix /"],
        ),
        ("filter_chains:\n- filters:\n  - typed_config: {'@type': x.TcpProxy, cluster: c}\n", ["tcp_proxy"]),
        ("clusters:\n- name: a\n", []),
    ],
)
def test_pieces_are_read(text: str, matchers: list[str]) -> None:
    assert [r.matcher for r in read(text)[0]] == matchers


BROKEN = [
    (envoy(route(), manager=CALM), "envoy.upgrade-not-enabled"),
    (envoy(route(action="upgrade_configs: [{upgrade_type: websocket, enabled: false}]")), "envoy.upgrade-disabled"),
    (envoy("{match: {prefix: /ws}, route: {cluster: app, timeout: 30s}}"), "envoy.route-timeout"),
    (envoy("{match: {prefix: /ws}, route: {cluster: app}}"), "envoy.route-timeout-default"),
    (envoy(route('prefix: "/ws"', 'prefix_rewrite: "/"')), "envoy.slash-doubled"),
    (envoy(route(), clusters=cluster(more="http2_protocol_options: {}")), "envoy.h2-to-upstream"),
    (envoy(route('path: "/notify"')), "route.exact-perhaps"),
    (json.dumps(DUMP, indent=1), "envoy.upgrade-not-enabled"),
    (json.dumps(DUMP), "envoy.upgrade-not-enabled"),
]


@pytest.mark.parametrize(("text", "pattern"), BROKEN)
def test_a_fix_takes_the_defect_away(text: str, pattern: str) -> None:
    (defect,) = [d for d in read(text)[1] if d.pattern == pattern]
    assert defect.fix is not None
    changed = apply_changes(text, defect.fix.changes)
    assert pattern not in patterns(changed)
    if text.startswith("{"):
        json.loads(changed)


@pytest.mark.parametrize("text", ["", "words", "a: [", "x" * 1_000_001, "a\0b", "a: {" * 100])
def test_refuses_what_is_no_configuration(text: str) -> None:
    with pytest.raises(UnreadableInputError):
        read(text)


@settings(deadline=2000, max_examples=100)
@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(
            st.sampled_from(
                [
                    "virtual_hosts:",
                    "- routes:",
                    "  - match: {prefix: /ws}",
                    "    route: {cluster: a, timeout: x}",
                    "stat_prefix: a",
                    "clusters: [{name: a}]",
                    "upgrade_configs: [x]",
                    "http_filters: {a: b}",
                ]
            ),
            max_size=12,
        ).map("\n".join),
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        observations = parse_config(text, kind="envoy", artifact="e", endpoint_path="/ws")
    except UnreadableInputError:
        return
    assert isinstance(observations[0].facts, TextFacts)
