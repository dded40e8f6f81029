"""Traefik: which router serves a path, what its middlewares do to it, and defects, in files, labels, flags and objects."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.facts import PatternFacts, RouteFacts, TextFacts
from wsbook.parsers.proxies import parse_config
from wsbook.parsers.proxies.fixing import apply_changes
from wsbook.parsers.proxies.traefik.rules import parse_rule


def read(text: str, path: str = "") -> tuple[list[RouteFacts], list[PatternFacts]]:
    facts = [o.facts for o in parse_config(text, kind="traefik", artifact="t.yml", endpoint_path=path)]
    return [f for f in facts if isinstance(f, RouteFacts)], [f for f in facts if isinstance(f, PatternFacts)]


def patterns(text: str, path: str = "") -> set[str]:
    return {p.pattern for p in read(text, path)[1]}


def routers(*rules: str, services: str = "", middlewares: str = "", uses: str = "") -> str:
    lines = "".join(f'    r{i}:\n      rule: "{rule}"\n      service: s{i}\n{uses if i == 0 else ""}' for i, rule in enumerate(rules))
    known = services or "".join(f"    s{i}: {{loadBalancer: {{servers: [{{url: 'http://s{i}:80'}}]}}}}\n" for i in range(len(rules)))
    return f"http:\n  routers:\n{lines}  services:\n{known}" + (f"  middlewares:\n{middlewares}" if middlewares else "")


def used(middleware: str, rule: str = "PathPrefix(`/ws`)") -> str:
    return routers(rule, middlewares=f"    m: {middleware}\n", uses="      middlewares: [m]\n")


@pytest.mark.parametrize(
    ("rule", "path", "fits"),
    [
        ("PathPrefix(`/ws`)", "/ws/a", True),
        ("PathPrefix(`/ws`)", "/wsx", True),
        ("Path(`/ws`)", "/ws/", False),
        ("Path(`/a`, `/ws`)", "/ws", True),
        ("Host(`a.test`) && PathPrefix(`/ws`)", "/ws", True),
        ("PathPrefix(`/a`) || Path(`/ws`)", "/ws", True),
        ("!PathPrefix(`/api`)", "/ws", True),
        ("!(PathPrefix(`/api`) || PathPrefix(`/ws`))", "/ws", False),
        ("Headers(`Upgrade`, `websocket`)", "/ws", True),
        ("Headers(`Upgrade`, `WebSocket`)", "/ws", False),
        ("HeadersRegexp(`Connection`, `(?i)upgrade`)", "/ws", True),
        ("Method(`POST`)", "/ws", False),
        ("PathPrefix(`/{tenant:[a-z]+}/ws`)", "/acme/ws", True),
        ("PathRegexp(`^/rt/[0-9]+$`)", "/rt/12", True),
        ("Query(`token`, `x`)", "/ws", None),
        ("ClientIP(`10.0.0.0/8`) && Path(`/no`)", "/ws", False),
        ("Host(`a`", "/ws", None),
        ("nonsense", "/ws", None),
        ("(" * 200, "/ws", None),
    ],
)
def test_rules_match_as_traefik_does(rule: str, path: str, fits: bool | None) -> None:
    assert parse_rule(rule).fits(path) is fits


@pytest.mark.parametrize(
    ("text", "path", "upstream"),
    [
        (routers("PathPrefix(`/`)", "PathPrefix(`/ws`)"), "/ws", "http://s1:80"),
        (routers("PathPrefix(`/ws`)", "PathPrefix(`/`)"), "/api", "http://s1:80"),
        (routers("PathPrefix(`/`)", "PathPrefix(`/socket`)"), "", "http://s1:80"),
        (routers("Host(`a.test`)"), "/ws", "http://s0:80"),
        (routers("Host(`a.test`)", "Host(`a.test`) && Path(`/live`)"), "/live", "http://s1:80"),
    ],
)
def test_the_longest_rule_serves(text: str, path: str, upstream: str) -> None:
    assert [r.upstream for r in read(text, path)[0] if r.serves] == [upstream]


@pytest.mark.parametrize(
    ("middleware", "path", "behind"),
    [
        ("{stripPrefix: {prefixes: [/ws]}}", "/ws/a", "/a"),
        ("{stripPrefix: {prefixes: [/ws]}}", "/ws", "/"),
        ("{addPrefix: {prefix: /rt}}", "/ws", "/rt/ws"),
        ("{replacePath: {path: /socket}}", "/ws", "/socket"),
        ("{replacePathRegex: {regex: '^/ws/(.*)', replacement: '/v2/$1'}}", "/ws/a", "/v2/a"),
        ("{stripPrefixRegex: {regex: ['/w.']}}", "/ws/a", "/a"),
        ("{replacePathRegex: {regex: '(a+)+$', replacement: x}}", "/ws", None),
        ("{compress: {}}", "/ws", "/ws"),
    ],
)
def test_says_which_path_the_backend_sees(middleware: str, path: str, behind: str | None) -> None:
    (route,) = read(used(middleware), path)[0]
    assert route.upstream_path == behind


@pytest.mark.parametrize(
    ("headers", "upgrade", "connection"),
    [
        ("{Connection: ''}", "forwarded", "absent"),
        ("{upgrade: ''}", "absent", "forwarded"),
        ("{Connection: keep-alive}", "forwarded", "keep-alive"),
        ("{X-Real-Ip: a}", "forwarded", "forwarded"),
    ],
)
def test_says_what_the_backend_gets(headers: str, upgrade: str, connection: str) -> None:
    (route,) = read(used(f"{{headers: {{customRequestHeaders: {headers}}}}}"))[0]
    assert (route.upgrade.value, route.connection.value) == (upgrade, connection)


COMPOSE = """services:
  traefik:
    image: traefik:{version}
    command: [--providers.docker.exposedbydefault={shown}, "--entrypoints.web.address=:80"]
  app:
    image: app
    environment: {{PORT: "{port}"}}
    deploy: {{replicas: {replicas}}}
    labels:
{labels}
"""


def compose(*labels: str, version: str = "v3.1", shown: str = "false", port: str = "3000", replicas: int = 1) -> str:
    return COMPOSE.format(
        labels="".join(f'      - "{one}"\n' for one in labels), version=version, shown=shown, port=port, replicas=replicas
    )


ON, RULE, PORT = "traefik.enable=true", "traefik.http.routers.a.rule=PathPrefix(`/ws`)", "traefik.http.services.a.loadbalancer.server.port="


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (compose(ON, RULE, f"{PORT}3000"), set()),
        (compose(ON, RULE), set()),
        (compose(RULE, f"{PORT}3000"), {"traefik.container-hidden"}),
        (compose(RULE, f"{PORT}3000", shown="true"), set()),
        (compose("traefik.enable=false", RULE, shown="true"), {"traefik.container-hidden"}),
        (compose(ON, RULE, f"{PORT}8080"), {"traefik.port-mismatch"}),
        (compose(ON, RULE, f"{PORT}8080").replace('environment: {PORT: "3000"}', "expose: [3000]"), {"traefik.port-mismatch-perhaps"}),
        (compose(ON, RULE, f"{PORT}3000", "traefik.http.services.a.loadbalancer.server.scheme=h2c"), {"traefik.h2-to-upstream"}),
        (compose(ON, RULE, f"{PORT}3000", replicas=3), {"balance.no-stickiness-perhaps"}),
        (compose(ON, RULE, f"{PORT}3000", "traefik.http.services.a.loadbalancer.sticky.cookie=true", replicas=3), set()),
        (compose(ON, "traefik.http.routers.a.rule=PathPrefix(`/socket.io`)", f"{PORT}3000", replicas=2), {"traefik.no-stickiness"}),
        (compose(ON, RULE, f"{PORT}3000", version="v2.11.1"), {"traefik.broken-release"}),
        (compose(ON, RULE, f"{PORT}3000", version="v2.11.2"), set()),
        (compose(ON, RULE, f"{PORT}3000", "traefik.http.routers.a.middlewares=gone"), set()),
        (
            compose(
                ON,
                RULE,
                f"{PORT}3000",
                "traefik.http.routers.a.middlewares=h",
                "traefik.http.middlewares.h.headers.customrequestheaders.Host=x",
            ),
            {"header.host-replaced"},
        ),
    ],
)
def test_labels_of_containers(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (routers("PathPrefix(`/ws`)", "PathPrefix(`/`)"), set()),
        (routers("Host(`a.test`) && PathPrefix(`/socket.io`)"), set()),
        (routers("Path(`/socket.io`)"), {"traefik.exact-path"}),
        (routers("Path(`/notify`)"), {"route.exact-perhaps"}),
        (routers("Headers(`Connection`, `Upgrade`)"), {"traefik.handshake-matcher-too-strict"}),
        (routers("Headers(`Upgrade`, `websocket`)"), set()),
        (used("{stripPrefix: {prefixes: [/socket.io]}}", "PathPrefix(`/socket.io`)"), {"traefik.library-prefix-stripped"}),
        (used("{stripPrefix: {prefixes: [/chat]}}", "PathPrefix(`/chat`)"), {"rewrite.prefix-replaced"}),
        (used("{rateLimit: {average: 2, burst: 3}}"), {"traefik.rate-limit"}),
        (used("{rateLimit: {average: 100}}"), set()),
        (used("{rateLimit: {average: 100, period: 1m}}"), {"traefik.rate-limit"}),
        (used("{inFlightReq: {amount: 10}}"), {"traefik.in-flight-cap"}),
        (used("{inFlightReq: {amount: 100000}}"), set()),
        (used("{forwardAuth: {address: 'http://auth'}}"), {"traefik.auth-on-handshake"}),
        (used("{headers: {customRequestHeaders: {X-Forwarded-Proto: ws}}}"), {"header.forwarded-proto-wrong"}),
        (used("{headers: {customRequestHeaders: {X-Forwarded-Proto: https}}}"), set()),
        (used("{headers: {customResponseHeaders: {X-Frame-Options: ''}}}"), set()),
        (
            routers("PathPrefix(`/ws`)", uses="      middlewares: [gone]\n", middlewares="    m: {compress: {}}\n"),
            {"traefik.middleware-unknown"},
        ),
        (routers("PathPrefix(`/ws`)", uses="      middlewares: ['gone@docker']\n", middlewares="    m: {compress: {}}\n"), set()),
        (routers("PathPrefix(`/ws`)", services="    other: {loadBalancer: {servers: []}}\n"), {"traefik.service-unknown"}),
        (
            routers("PathPrefix(`/ws`)", services="    s0: {loadBalancer: {passHostHeader: false, servers: []}}\n"),
            {"traefik.host-not-passed"},
        ),
        (
            routers("PathPrefix(`/ws`)", services="    s0: {loadBalancer: {servers: [{url: 'http://a:443'}]}}\n"),
            {"upstream.plain-to-tls-port"},
        ),
        (
            routers("PathPrefix(`/ws`)", services="    s0: {loadBalancer: {servers: [{url: 'https://a:80'}]}}\n"),
            {"upstream.tls-to-plain-port"},
        ),
        (
            routers("PathPrefix(`/ws`)", services="    s0: {loadBalancer: {servers: [{url: 'https://10.0.0.1:8123'}]}}\n"),
            {"upstream.tls-to-unusual-port"},
        ),
        (routers("PathPrefix(`/ws`)", services="    s0: {loadBalancer: {servers: [{url: 'https://a.test:8443'}]}}\n"), set()),
        (
            "tcp:\n  routers:\n    a: {rule: 'HostSNI(`a.test`)', service: s}\n  services:\n"
            "    s: {loadBalancer: {servers: [{address: 'a:1'}]}}\n",
            {"traefik.sni-without-tls"},
        ),
        (
            "tcp:\n  routers:\n    a: {rule: 'HostSNI(`*`)', service: s}\n  services:\n"
            "    s: {loadBalancer: {servers: [{address: 'a:1'}]}}\n",
            set(),
        ),
        ("entryPoints:\n  web: {address: ':80', transport: {respondingTimeouts: {readTimeout: 5s, idleTimeout: 10s}}}\n", set()),
    ],
)
def test_names_defects_of_files(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected


def test_a_priority_that_shadows_is_named_at_its_place() -> None:
    text = routers("PathPrefix(`/`)", "PathPrefix(`/socket`)", uses="      priority: 1000\n")
    (defect,) = read(text)[1]
    assert (defect.pattern, defect.line) == ("traefik.router-shadowed", 8)
    assert patterns(text.replace("1000", "1")) == set()
    assert (
        patterns(
            text.replace("priority: 1000", "priority: 1000\n      entryPoints: [other]").replace(
                "service: s1", "service: s1\n      entryPoints: [web]"
            )
        )
        == set()
    )


def test_a_path_that_no_router_takes_is_a_possibility() -> None:
    (defect,) = read(routers("PathPrefix(`/app`)", "Path(`/ws`)"), "/ws/orders")[1]
    assert (defect.pattern, defect.weight < 0.5) == ("traefik.no-router", True)


TOML = """[http.routers.a]
  rule = "PathPrefix(`/ws`)"
  service = "a"
[http.services.a.loadBalancer]
  passHostHeader = false
  [[http.services.a.loadBalancer.servers]]
    url = "http://10.0.0.1:80"
  [[http.services.a.loadBalancer.servers]]
    url = "h2c://10.0.0.2:80"
"""


def test_toml_has_lines() -> None:
    routes, defects = read(TOML)
    assert [(r.line, r.servers) for r in routes] == [(2, 2)]
    assert [(d.pattern, d.line) for d in defects] == [
        ("traefik.h2-to-upstream", 9),
        ("traefik.host-not-passed", 5),
        ("balance.no-stickiness-perhaps", 4),
    ]


OBJECTS = """apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: strip}
spec:
  stripPrefix:
    prefixes: [/ws]
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: a}
spec:
  routes:
  - match: PathPrefix(`/ws`)
    kind: Rule
    middlewares: [{name: strip}]
    services:
    - {name: app, port: 80, scheme: h2c}
  - match: PathPrefix(`/`)
    kind: Rule
    services: [{name: web, port: 80}]
"""


def test_objects_are_read_like_files() -> None:
    routes, defects = read(OBJECTS, "/ws/a")
    assert [(r.upstream, r.upstream_path) for r in routes if r.serves] == [("h2c://app:80", "/a")]
    assert {d.pattern for d in defects} == {"traefik.h2-to-upstream", "rewrite.prefix-replaced"}


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (compose(ON, RULE, f"{PORT}8080"), "traefik.port-mismatch"),
        (compose(ON, RULE, f"{PORT}3000", "traefik.http.services.a.loadbalancer.server.scheme=h2c"), "traefik.h2-to-upstream"),
        (routers("Path(`/socket.io`)"), "traefik.exact-path"),
        (
            routers("PathPrefix(`/ws`)", services="    s0:\n      loadBalancer:\n        passHostHeader: false\n        servers: []\n"),
            "traefik.host-not-passed",
        ),
        (
            routers(
                "PathPrefix(`/socket.io`)",
                services="    s0:\n      loadBalancer:\n        servers:\n        - url: http://a:1\n        - url: http://b:1\n",
            ),
            "traefik.no-stickiness",
        ),
        (TOML, "traefik.h2-to-upstream"),
        (TOML, "traefik.host-not-passed"),
        (OBJECTS, "traefik.h2-to-upstream"),
        (used("{headers: {customRequestHeaders: {X-Forwarded-Proto: wss}}}"), "header.forwarded-proto-wrong"),
    ],
)
def test_a_fix_takes_the_defect_away(text: str, pattern: str) -> None:
    (defect,) = [d for d in read(text)[1] if d.pattern == pattern]
    assert defect.fix is not None
    assert defect.fix.diff.startswith("--- t.yml.orig")
    assert pattern not in patterns(apply_changes(text, defect.fix.changes))


@pytest.mark.parametrize(
    "text", ["", "just words", "[a\nb = 1", "http: [", "x" * 1_000_001, "a\0b", "http:\n" + "".join(" " * n + "a:\n" for n in range(1, 80))]
)
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
                    "http:",
                    "  routers:",
                    "    a:",
                    "      rule: Host(`a`) && !Path(`/`",
                    "      service: a",
                    "  services:",
                    "      loadBalancer: {servers: [{url: x}]}",
                    "labels: [traefik.http.routers..rule=x]",
                    "services: {a: {image: b, labels: [traefik.x=1]}}",
                ]
            ),
            max_size=12,
        ).map("\n".join),
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        observations = parse_config(text, kind="traefik", artifact="t", endpoint_path="/ws")
    except UnreadableInputError:
        return
    assert isinstance(observations[0].facts, TextFacts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (routers("PathPrefix(`/ws`)", uses="      entryPoints: [websecure]\n"), {"traefik.tls-not-told"}),
        (routers("PathPrefix(`/ws`)", uses="      entryPoints: [websecure]\n      tls: {}\n"), set()),
        (
            routers("PathPrefix(`/ws`)", uses="      entryPoints: [websecure]\n")
            + "entryPoints: {websecure: {http: {tls: {certResolver: le}}}}\n",
            set(),
        ),
        (routers("Host:a.test;PathPrefix:/ws"), {"traefik.old-rule"}),
        (compose(ON, "traefik.http.routers.a.rule=Host(`a.test`, `b.test`)", f"{PORT}3000"), {"traefik.rule-of-version-2"}),
        (compose(ON, "traefik.http.routers.a.rule=Host(`a.test`, `b.test`)", f"{PORT}3000", version="v2.9"), set()),
        (compose(ON, RULE, f"{PORT}3000", "traefik.http.services.b.loadbalancer.server.port=3000"), {"traefik.service-not-told"}),
        (
            compose(ON, RULE, f"{PORT}3000", "traefik.http.services.b.loadbalancer.server.port=3000", "traefik.http.routers.a.service=a"),
            set(),
        ),
        (
            routers("PathPrefix(`/ws`)", services="    s0: {loadBalancer: {servers: [{url: 'https://10.0.0.1'}]}}\n"),
            {"upstream.private-certificate"},
        ),
        (
            routers("PathPrefix(`/ws`)", services="    s0: {loadBalancer: {serversTransport: t, servers: [{url: 'https://10.0.0.1'}]}}\n"),
            set(),
        ),
        (
            "# runs in docker compose\n"
            + routers("PathPrefix(`/ws`)", services="    s0: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}]}}\n"),
            {"proxy.loopback-of-container"},
        ),
        (used("{redirectScheme: {scheme: https}}"), {"traefik.router-redirects"}),
        (
            routers(
                "PathPrefix(`/ws`)",
                "PathPrefix(`/ws`)",
                middlewares="    m: {redirectScheme: {scheme: https}}\n",
                uses="      middlewares: [m]\n",
            ),
            set(),
        ),
        (
            routers("PathPrefix(`/ws`)", services="    s0: {loadBalancer: {healthCheck: {path: /ws}, servers: []}}\n"),
            {"traefik.health-check-on-socket"},
        ),
        (routers("PathPrefix(`/ws`)", services="    s0: {loadBalancer: {healthCheck: {path: /health}, servers: []}}\n"), set()),
        (
            compose(ON, RULE, f"{PORT}3000", "traefik.http.services.a.loadbalancer.sticky.cookie.secure=true", replicas=2),
            {"traefik.secure-cookie-on-plain"},
        ),
        (
            compose(
                ON,
                RULE,
                f"{PORT}3000",
                "traefik.http.services.a.loadbalancer.sticky.cookie.secure=true",
                "traefik.http.routers.a.tls=true",
                replicas=2,
            ),
            set(),
        ),
        (used("{addPrefix: {prefix: /ws}}"), {"traefik.prefix-doubled"}),
        (used("{addPrefix: {prefix: /rt}}"), {"rewrite.prefix-added"}),
        (
            "tls:\n  options:\n    default: {clientAuth: {clientAuthType: RequireAndVerifyClientCert}}\n",
            {"tls.client-certificate-required"},
        ),
        ("tls:\n  options:\n    default: {clientAuth: {clientAuthType: VerifyClientCertIfGiven}}\n", {"tls.client-certificate-requested"}),
        ("tls:\n  options:\n    default: {minVersion: VersionTLS13}\n", {"tls.only-newest"}),
        ("tls:\n  options:\n    default: {minVersion: VersionTLS12}\n", set()),
        (used("{plugin: {simplecache: {path: /tmp}}}"), {"traefik.plugin"}),
        (used("{buffering: {}}", "PathPrefix(`/events`)"), {"traefik.buffering"}),
        (used("{buffering: {}}", "PathPrefix(`/ws`)"), set()),
        ("tls:\n  options:\n    default: {alpnProtocols: [h2]}\n", {"envoy.listener-h2-only"}),
        ("tls:\n  options:\n    default: {alpnProtocols: [h2, http/1.1]}\n", set()),
        (
            "services:\n  a:\n    image: app\n    labels: ['traefik.frontend.rule=Host:a.test']\n  t: {image: 'traefik:v2.10'}\n",
            {"traefik.old-labels"},
        ),
        ("services:\n  a:\n    image: app\n    labels: ['traefik.frontend.rule=Host:a.test']\n  t: {image: 'traefik:v1.7'}\n", set()),
        ("services:\n  a:\n    image: app\n    labels: ['traefik.port=80']\n", {"traefik.old-labels-perhaps"}),
        (
            compose(ON, RULE, f"{PORT}3000").replace(
                "environment:", "command: uvicorn a:app --host 127.0.0.1 --port 3000\n    environment:"
            ),
            {"container.binds-loopback"},
        ),
        (
            routers("PathPrefix(`/api`)", "PathPrefix(`/`)", services="    s0: {loadBalancer: {}}\n    s1: {loadBalancer: {}}\n").replace(
                "r1:", "frontend:"
            ),
            {"route.catch-all"},
        ),
    ],
)
def test_settings_around_the_router(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected


def test_a_static_file_has_a_route_that_nobody_can_judge() -> None:
    assert [r.serves for r in read("entryPoints:\n  web: {address: ':80'}\n")[0]] == [None]
