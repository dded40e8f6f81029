"""Kubernetes objects beyond one Ingress: controllers, wiring of services, Istio, Gateway API, Contour, Emissary, OpenShift, Google."""

import pytest

from wsbook.facts import PatternFacts, RouteFacts
from wsbook.parsers.proxies import parse_config
from wsbook.parsers.proxies.fixing import apply_changes

NGINX = "nginx.ingress.kubernetes.io/"


def read(text: str, path: str = "") -> tuple[list[RouteFacts], list[PatternFacts]]:
    facts = [o.facts for o in parse_config(text, kind="k8s_ingress", artifact="k.yaml", endpoint_path=path)]
    return [f for f in facts if isinstance(f, RouteFacts)], [f for f in facts if isinstance(f, PatternFacts)]


def patterns(text: str, path: str = "") -> set[str]:
    return {p.pattern for p in read(text, path)[1]}


def ingress(
    notes: str = "{}", *, path: str = "/", kind: str = "Prefix", of: str = "nginx", service: str = "app", port: str = "80", tls: str = "[]"
) -> str:
    backend = f"backend: {{service: {{name: {service}, port: {{number: {port}}}}}}}"
    rule = f"{{host: a.test, http: {{paths: [{{path: '{path}', pathType: {kind}, {backend}}}]}}}}"
    return (
        f"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i\n  annotations: {notes}\n"
        f"spec:\n  ingressClassName: {of}\n  tls: {tls}\n  rules:\n  - {rule}\n"
    )


def note(name: str, value: str, prefix: str = NGINX) -> str:
    return f"{{{prefix}{name}: '{value}'}}"


def service(
    more: str = "", *, name: str = "app", ports: str = "[{port: 80, targetPort: 8080}]", notes: str = "{}", selector: str = "{app: app}"
) -> str:
    return f"---\nkind: Service\nmetadata: {{name: {name}, annotations: {notes}}}\nspec:\n  selector: {selector}\n  ports: {ports}\n" + more


def deployment(
    replicas: int = 1, *, ports: str = "[{containerPort: 8080, name: http}]", labels: str = "{app: app}", args: str = "[]"
) -> str:
    box = f"{{name: c, args: {args}, ports: {ports}}}"
    return (
        f"---\nkind: Deployment\nmetadata: {{name: app}}\nspec:\n  replicas: {replicas}\n"
        f"  template:\n    metadata: {{labels: {labels}}}\n    spec: {{containers: [{box}]}}\n"
    )


CALM = note("proxy-read-timeout", "3600")


@pytest.mark.parametrize(
    ("text", "product", "idle", "balance"),
    [
        (ingress(of="nginx"), "ingress-nginx", "60", "roundrobin"),
        (ingress(CALM), "ingress-nginx", "3600", "roundrobin"),
        (ingress(note("upstream-hash-by", "$arg_room")), "ingress-nginx", "60", "hash"),
        (ingress(note("websocket-services", "app", "nginx.org/")), "nginx-inc-ingress", "60", "roundrobin"),
        (ingress(note("timeout-tunnel", "2h", "haproxy.org/"), of="haproxy"), "haproxytech-ingress", "7200", "roundrobin"),
        (ingress(note("timeout-tunnel", "30s", "haproxy-ingress.github.io/"), of="haproxy"), "haproxy-ingress", "30", "roundrobin"),
        (ingress(of="haproxy"), "haproxy-ingress", "3600", "roundrobin"),
        (ingress(of="traefik"), "traefik", "", "roundrobin"),
        (ingress(of="kong"), "kong", "60", "roundrobin"),
        (ingress(of="alb"), "aws-alb", "60", "roundrobin"),
        (
            ingress(note("target-group-attributes", "stickiness.enabled=true", "alb.ingress.kubernetes.io/"), of="alb"),
            "aws-alb",
            "60",
            "cookie",
        ),
        (
            ingress(note("cookie-based-affinity", "true", "appgw.ingress.kubernetes.io/"), of="azure-application-gateway"),
            "azure-app-gateway",
            "240",
            "cookie",
        ),
        (ingress() + "---\nkind: ConfigMap\ndata: {proxy-read-timeout: '900'}\n", "ingress-nginx", "900", "roundrobin"),
        ("kind: ConfigMap\nmetadata: {name: c}\ndata: {proxy-read-timeout: '45', use-gzip: 'true'}\n", "ingress-nginx", "45", ""),
    ],
)
def test_each_controller_has_its_own_annotations_and_defaults(text: str, product: str, idle: str, balance: str) -> None:
    (route,) = read(text)[0]
    assert (route.product, route.idle_s.value if route.idle_s else "", route.balance) == (product, idle, balance)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ingress(CALM), set()),
        (ingress(note("timeout-tunnel", "2h", "haproxy.org/"), of="nginx"), {"k8s.annotation-other-controller"}),
        (ingress(CALM, of="traefik"), {"k8s.annotation-other-controller"}),
        (ingress(note("ssl-redirect", "false"), of="traefik"), {"k8s.annotation-other-controller"}),
        (ingress(note("upstream-vhost", "app.svc")), {"k8s.host-replaced"}),
        (ingress(note("upstream-vhost", "$host")), set()),
        (
            ingress("{nginx.ingress.kubernetes.io/affinity: cookie, nginx.ingress.kubernetes.io/service-upstream: 'true'}"),
            {"k8s.affinity-without-endpoints"},
        ),
        (ingress(note("permanent-redirect", "https://b.test")), {"k8s.redirects"}),
        (ingress(note("auth-url", "https://sso")), {"k8s.auth-on-handshake"}),
        (ingress(note("enable-owasp-core-rules", "true")), {"k8s.firewall-on-handshake"}),
        (ingress(note("limit-rps", "2")), {"k8s.rate-limit"}),
        (ingress(note("limit-rps", "500")), set()),
        (ingress(note("limit-connections", "3")), {"k8s.connection-cap"}),
        (ingress(note("force-ssl-redirect", "true")), {"k8s.forced-redirect"}),
        (ingress(note("force-ssl-redirect", "true"), tls="[{hosts: [a.test], secretName: s}]"), set()),
        (ingress(note("configuration-snippet", "proxy_set_header Upgrade $http_upgrade;")), {"k8s.snippet-perhaps-refused"}),
        (
            ingress(note("configuration-snippet", "proxy_set_header Upgrade $http_upgrade;"))
            + "---\nkind: ConfigMap\ndata: {allow-snippet-annotations: 'false'}\n",
            {"k8s.snippet-refused"},
        ),
        (
            ingress(note("configuration-snippet", "proxy_set_header Upgrade $http_upgrade;"))
            + "---\nkind: ConfigMap\ndata: {allow-snippet-annotations: 'true'}\n",
            set(),
        ),
        (
            ingress(note("configuration-snippet", 'proxy_set_header Connection "";')),
            {"k8s.snippet-perhaps-refused", "k8s.snippet-drops-upgrade"},
        ),
        (ingress(note("configuration-snippet", "more_set_headers X-A: b;")), set()),
        (ingress(path="/socket.io", kind="Exact") + service() + deployment(), {"k8s.exact-path"}),
        (ingress(path="/socket.io/", kind="Prefix") + service() + deployment(1), set()),
        (ingress(path="/socket.io/", kind="Prefix") + service() + deployment(2), {"k8s.no-stickiness"}),
        (ingress(note("affinity", "cookie"), path="/socket.io/") + service() + deployment(2), set()),
        (ingress(path="/ws") + service() + deployment(2), {"balance.no-stickiness-perhaps"}),
        (ingress(note("rewrite-target", "/"), path="/socket.io"), {"k8s.library-path-rewritten", "k8s.no-stickiness"}),
        (ingress(note("rewrite-target", "/$2"), path="/chat(/|$)(.*)"), set()),
        (ingress(note("rewrite-target", "/$2"), path="/ws(.*)"), {"k8s.rewrite-drops-path"}),
        (ingress(note("rewrite-target", "/"), path="/"), {"k8s.rewrite-drops-path"}),
        (ingress(note("backend-protocol-version", "HTTP2", "alb.ingress.kubernetes.io/"), of="alb"), {"k8s.h2-to-upstream"}),
        (ingress(note("backend-protocol-version", "HTTP1", "alb.ingress.kubernetes.io/"), of="alb"), set()),
        (ingress(note("server-proto", "h2", "haproxy.org/"), of="haproxy"), {"k8s.h2-to-upstream"}),
    ],
)
def test_annotations_that_break_or_do_not_count(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ingress() + service() + deployment(), set()),
        (ingress(port="8080") + service() + deployment(), {"k8s.service-port-unknown"}),
        (ingress() + service(ports="[{port: 80, targetPort: 3000}]") + deployment(), {"k8s.target-port-unknown"}),
        (ingress() + service(ports="[{port: 80, targetPort: http}]") + deployment(), set()),
        (ingress() + service(ports="[{port: 80, targetPort: web}]") + deployment(), {"k8s.target-name-unknown"}),
        (ingress() + service(ports="[{port: 80, targetPort: 3000}]") + deployment(args="['--port', '3000']"), set()),
        (ingress() + service(selector="{app: other}") + deployment(), {"k8s.selector-matches-nothing"}),
        (ingress(path="/ws", service="gone") + service() + deployment(), {"k8s.service-missing"}),
        (ingress() + service() + service(name="db", selector="{app: db}") + deployment(), set()),
        (service("  sessionAffinity: ClientIP\n"), {"k8s.client-ip-affinity"}),
        (service("  sessionAffinity: ClientIP\n  type: LoadBalancer\n  externalTrafficPolicy: Local\n"), set()),
    ],
)
def test_the_chain_from_rule_to_pod(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected


AWS = "service.beta.kubernetes.io/aws-load-balancer-"


@pytest.mark.parametrize(
    ("notes", "product", "idle", "expected"),
    [
        (note("backend-protocol", "http", AWS), "aws-elb", "60", {"aws.classic-http-listener"}),
        (note("backend-protocol", "tcp", AWS), "aws-elb", "60", set()),
        (note("connection-idle-timeout", "3600", AWS), "aws-elb", "3600", set()),
        (note("type", "nlb", AWS), "aws-nlb", "350", {"aws.nlb-forgets"}),
        ("{service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout: '5'}", "azure-load-balancer", "300", {"limit.long-silent"}),
    ],
)
def test_load_balancers_of_services(notes: str, product: str, idle: str, expected: set[str]) -> None:
    routes, defects = read(service("  type: LoadBalancer\n", notes=notes))
    assert [(r.product, r.idle_s.value) for r in routes] == [(product, idle)]
    assert {d.pattern for d in defects} == expected


def virtual_service(*http: str) -> str:
    routes = "".join(f"  - {one}\n" for one in http)
    return f"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v}}\nspec:\n  hosts: [a.test]\n  http:\n{routes}"


def http(match: str = "", more: str = "") -> str:
    uri = f"match: [{{uri: {{{match}}}}}], " if match else ""
    return f"{{{uri}route: [{{destination: {{host: app, port: {{number: 80}}}}}}]{', ' + more if more else ''}}}"


RULE = "---\nkind: DestinationRule\nmetadata: {{name: d}}\nspec:\n  host: app\n  trafficPolicy: {{{0}}}\n"
GATEWAY = "---\nkind: Gateway\nmetadata: {{name: g}}\nspec:\n  servers:\n  - {{port: {{number: 80, protocol: HTTP}}, hosts: [{0}]{1}}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (virtual_service(http()), set()),
        (virtual_service(http("prefix: /ws"), http()), set()),
        (virtual_service(http(), http("prefix: /ws")), {"envoy.route-shadowed"}),
        (virtual_service(http("prefix: /ws", "timeout: 15s")), {"envoy.route-timeout"}),
        (virtual_service(http("prefix: /ws", "timeout: 0s")), set()),
        (virtual_service(http("prefix: /ws", "rewrite: {authority: app.internal}")), {"envoy.host-rewritten"}),
        (virtual_service(http("prefix: /ws", "rewrite: {uri: /}")), {"rewrite.slash-doubled"}),
        (virtual_service(http("prefix: /socket.io", "rewrite: {uri: /}")), {"rewrite.library-prefix-replaced", "istio.no-stickiness"}),
        (virtual_service(http("exact: /notify")), {"route.exact-perhaps"}),
        (virtual_service(http("prefix: /ws", "headers: {request: {set: {x-forwarded-proto: http}}}")), {"header.forwarded-proto-http"}),
        (virtual_service(http()) + RULE.format("connectionPool: {http: {h2UpgradePolicy: UPGRADE}}"), {"istio.h2-upgrade-policy"}),
        (virtual_service(http()) + RULE.format("connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}"), set()),
        (virtual_service(http()) + RULE.format("connectionPool: {tcp: {maxConnections: 20}}"), {"envoy.connection-cap"}),
        (virtual_service(http()) + RULE.format("connectionPool: {tcp: {maxConnectionDuration: 60s}}"), {"istio.connection-duration"}),
        (virtual_service(http("prefix: /socket.io")), {"istio.no-stickiness"}),
        (virtual_service(http("prefix: /socket.io")) + RULE.format("loadBalancer: {consistentHash: {httpCookie: {name: n}}}"), set()),
        (virtual_service(http()) + service(ports="[{port: 80, name: grpc-ws}]"), {"istio.port-name-h2"}),
        (virtual_service(http()) + service(ports="[{port: 80, name: http-ws}]"), set()),
        (virtual_service(http()) + service(ports="[{port: 80, name: ws, appProtocol: http2}]"), {"istio.port-name-h2"}),
        (virtual_service(http()) + service(ports="[{port: 80, name: tcp-ws}]"), {"istio.port-name-tcp"}),
        (
            virtual_service(http()).replace("hosts: [a.test]", "hosts: [a.test]\n  gateways: [g]") + GATEWAY.format("b.test", ""),
            {"gateway.hosts-differ"},
        ),
        (virtual_service(http()).replace("hosts: [a.test]", "hosts: [a.test]\n  gateways: [g]") + GATEWAY.format("'*.test'", ""), set()),
        (virtual_service(http()) + GATEWAY.format("a.test", ", tls: {httpsRedirect: true}"), {"gateway.plain-redirected"}),
        (
            "kind: EnvoyFilter\nspec:\n  configPatches:\n  - patch: {value: {typed_config: {stream_idle_timeout: 60s}}}\n",
            set(),
        ),
    ],
)
def test_istio(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected


def test_istio_limits_come_from_filters() -> None:
    assert [r.idle_s for r in read(virtual_service(http()))[0]] == [None]
    text = "---\nkind: EnvoyFilter\nspec:\n  configPatches:\n  - patch: {value: {typed_config: {stream_idle_timeout: 60s}}}\n"
    assert [r.idle_s.value for r in read(virtual_service(http()) + text)[0]] == ["60"]
    assert [r.idle_s.value for r in read(text)[0]] == ["60"]


def http_route(rule: str, gateway: str = "") -> str:
    return f"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: h}}\nspec:\n  rules:\n  - {rule}\n{gateway}"


REFS = "backendRefs: [{name: app, port: 80}]"
WS = "matches: [{path: {type: PathPrefix, value: /ws}}]"
EG = "---\nkind: Gateway\nspec: {gatewayClassName: eg}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (http_route(f"{{{WS}, {REFS}}}"), set()),
        (http_route(f"{{{WS}, {REFS}, timeouts: {{request: 10s}}}}"), {"gateway.request-timeout"}),
        (http_route(f"{{{WS}, {REFS}, timeouts: {{request: 10s}}}}", EG), {"envoy.route-timeout", "limit.long-envoy"}),
        (http_route(f"{{{WS}, {REFS}, timeouts: {{request: 0s}}}}"), set()),
        (http_route(f"{{{WS}, {REFS}, filters: [{{type: URLRewrite, urlRewrite: {{hostname: x.internal}}}}]}}"), {"k8s.host-replaced"}),
        (
            http_route(
                f"{{{WS}, {REFS}, filters: [{{type: URLRewrite, urlRewrite: {{path: {{type: ReplacePrefixMatch, "
                f"replacePrefixMatch: /}}}}}}]}}"
            ),
            {"rewrite.prefix-replaced"},
        ),
        (
            http_route(f"{{{WS}, {REFS}, filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{remove: [Cookie]}}}}]}}"),
            {"proxy.drops-credential"},
        ),
        (http_route(f"{{matches: [{{path: {{type: Exact, value: /ws}}}}], {REFS}}}"), {"route.exact-perhaps"}),
        (http_route(f"{{{WS}, {REFS}}}") + service(ports="[{port: 8080}]"), {"k8s.service-port-unknown"}),
        (http_route(f"{{{WS}, {REFS}}}") + service(ports="[{port: 80, appProtocol: kubernetes.io/h2c}]"), {"istio.port-name-h2"}),
        (http_route(f"{{{WS}, {REFS}}}") + service(ports="[{port: 80, appProtocol: kubernetes.io/ws}]"), set()),
        (
            http_route(f"{{{WS}, {REFS}}}", EG + "---\nkind: BackendTrafficPolicy\nspec: {httpUpgrade: [{type: CONNECT}]}\n"),
            {"envoy.upgrade-disabled", "limit.long-envoy"},
        ),
    ],
)
def test_gateway_api(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected


def proxy(route: str) -> str:
    return (
        f"apiVersion: projectcontour.io/v1\nkind: HTTPProxy\nspec:\n  virtualhost: {{fqdn: a.test}}\n  routes:\n"
        f"  - conditions:\n    - prefix: /ws\n{route}    services:\n    - {{name: app, port: 80}}\n"
    )


MAPPING = "apiVersion: getambassador.io/v3alpha1\nkind: Mapping\nmetadata: {name: m}\nspec:\n  prefix: %s\n  service: app:80\n%s"
OPENSHIFT = (
    "apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: r, annotations: %s}\n"
    "spec: {host: a.test, to: {kind: Service, name: app}%s}\n"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (proxy("    enableWebsockets: true\n    timeoutPolicy: {idle: infinity}\n"), set()),
        (proxy(""), {"envoy.upgrade-not-enabled"}),
        (proxy("    enableWebsockets: false\n"), {"envoy.upgrade-not-enabled"}),
        (proxy("    enableWebsockets: true\n    timeoutPolicy: {response: 30s, idle: infinity}\n"), {"envoy.route-timeout"}),
        (proxy("    enableWebsockets: true\n    timeoutPolicy: {idle: 5m}\n"), {"limit.long-envoy"}),
        (MAPPING % ("/ws", "  allow_upgrade: [websocket]\n  rewrite: ''\n  idle_timeout_ms: 0\n"), set()),
        (MAPPING % ("/ws", "  rewrite: ''\n  idle_timeout_ms: 0\n"), {"envoy.upgrade-not-enabled"}),
        (MAPPING % ("/ws", "  use_websocket: true\n  rewrite: ''\n  idle_timeout_ms: 0\n"), set()),
        (
            MAPPING % ("/socket.io/", "  allow_upgrade: [websocket]\n  idle_timeout_ms: 0\n  load_balancer: {cookie: {name: a}}\n"),
            {"rewrite.library-prefix-replaced"},
        ),
        (OPENSHIFT % ("{}", ""), set()),
        (OPENSHIFT % ("{haproxy.router.openshift.io/timeout-tunnel: 5m}", ""), {"limit.long-haproxy"}),
        (
            "kind: VirtualServer\nspec:\n  upstreams: [{name: a, service: app, port: 80, read-timeout: 1h}]\n"
            "  routes: [{path: /ws, action: {pass: a}}]\n",
            set(),
        ),
        (
            "kind: VirtualServer\nspec:\n  upstreams: [{name: a, service: app, port: 80, type: grpc}]\n"
            "  routes: [{path: /ws, action: {pass: a}}]\n",
            {"k8s.h2-to-upstream"},
        ),
    ],
)
def test_contour_emissary_openshift_and_virtual_servers(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected


def test_paths_behind_and_limits_of_further_controllers() -> None:
    (mapping,) = read(MAPPING % ("/ws/", "  allow_upgrade: [websocket]\n"), "/ws/a")[0]
    assert (mapping.product, mapping.upstream_path, mapping.idle_s.value) == ("emissary", "/a", "300")
    (route,) = read(OPENSHIFT % ("{haproxy.router.openshift.io/timeout: 30s}", ", tls: {termination: passthrough}"))[0]
    assert (route.product, route.idle_s.value, route.balance) == ("openshift-router", "30", "cookie")
    (route,) = read(OPENSHIFT % ("{haproxy.router.openshift.io/timeout: 30s, haproxy.router.openshift.io/disable_cookies: 'true'}", ""))[0]
    assert (route.idle_s.value, route.balance) == ("3600", "roundrobin")


CONFIG = "---\nkind: BackendConfig\nmetadata: {{name: b}}\nspec: {0}\n"
NAMED = "{{cloud.google.com/backend-config: '{0}'}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ingress(of="gce") + service(), {"gcp.timeout-default"}),
        (ingress(of="gce") + service(notes=NAMED.format('{"default": "b"}')) + CONFIG.format("{timeoutSec: 86400}"), set()),
        (ingress(of="gce") + service(notes=NAMED.format('{"default": "b"}')) + CONFIG.format("{timeoutSec: 60}"), {"gcp.timeout-short"}),
        (
            ingress(of="gce") + service(notes=NAMED.format('{"ports": {"80": "b"}}')) + CONFIG.format("{connectionDraining: {}}"),
            {"gcp.timeout-default"},
        ),
        (
            ingress(of="gce") + service(notes=NAMED.format("b")) + CONFIG.format("{timeoutSec: 86400}"),
            {"gcp.backend-config-unreadable", "gcp.backend-config-unused"},
        ),
        (ingress(of="gce") + service() + CONFIG.format("{timeoutSec: 86400}"), {"gcp.backend-config-unused"}),
        (ingress(NAMED.format('{"default": "b"}'), of="gce") + CONFIG.format("{timeoutSec: 86400}"), {"gcp.backend-config-misplaced"}),
        ("kind: GCPBackendPolicy\nspec: {default: {timeoutSec: 40}}\n", {"gcp.timeout-short"}),
    ],
)
def test_google(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected


def block(notes: str) -> str:
    return (
        f"kind: Ingress\nmetadata:\n  annotations:\n    {notes}\nspec:\n  rules:\n  - http:\n      paths:\n"
        f"      - {{path: /, backend: {{service: {{name: app, port: {{number: 80}}}}}}}}\n"
    )


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (block(f"{NGINX}proxy-read-timeout: 3600"), "k8s.annotation-not-a-string"),
        (block(f'{NGINX}proxy-read-timeout: "1h"'), "k8s.annotation-unit"),
        (block('kubernetes.io/proxy-read-timeout: "3600"'), "k8s.annotation-prefix"),
        (block(f"{NGINX}backend-protocol: GRPC"), "k8s.h2-to-upstream"),
        (block(f'{NGINX}proxy-read-timeout: "3600"').replace("/,", "/socket.io,"), "k8s.no-stickiness"),
        (ingress(port="8080") + service(), "k8s.service-port-unknown"),
        (ingress() + service(ports="\n  - port: 80\n    targetPort: 3000") + deployment(), "k8s.target-port-unknown"),
        (ingress(path="/socket.io", kind="Exact"), "k8s.exact-path"),
        (virtual_service(http("prefix: /ws", "timeout: 15s")), "envoy.route-timeout"),
        (virtual_service(http()) + RULE.format("connectionPool: {http: {h2UpgradePolicy: UPGRADE}}"), "istio.h2-upgrade-policy"),
        (virtual_service(http()) + service(ports="\n  - port: 80\n    name: grpc-ws"), "istio.port-name-h2"),
        (proxy(""), "envoy.upgrade-not-enabled"),
        (proxy("    enableWebsockets: false\n"), "envoy.upgrade-not-enabled"),
        (MAPPING % ("/ws", "  rewrite: ''\n"), "envoy.upgrade-not-enabled"),
        ("kind: BackendConfig\nspec:\n  timeoutSec: 60\n", "gcp.timeout-short"),
        ("kind: BackendConfig\nspec:\n  cdn: {enabled: false}\n", "gcp.timeout-default"),
    ],
)
def test_a_fix_takes_the_defect_away(text: str, pattern: str) -> None:
    (defect,) = [d for d in read(text)[1] if d.pattern == pattern]
    assert defect.fix is not None
    assert pattern not in patterns(apply_changes(text, defect.fix.changes))


def test_templates_of_charts_are_read() -> None:
    text = block(f'{NGINX}proxy-read-timeout: "1h"').replace("spec:", "{{- if .Values.on }}\nspec:") + "{{- end }}\n"
    assert patterns(text) == {"k8s.annotation-unit"}
    values = (
        f"ingress:\n  enabled: true\n  className: nginx\n  annotations:\n    {NGINX}affinity: cookie\n  hosts:\n"
        f"  - host: a.test\n    paths: [{{path: /ws, pathType: Prefix}}]\n"
    )
    assert [(r.matcher, r.balance) for r in read(values)[0]] == [("path /ws", "cookie")]


def config_map(**data: str) -> str:
    pairs = ", ".join(f"{key.replace('_', '-')}: '{value}'" for key, value in data.items())
    return f"---\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{{pairs}}}\n"


POLICY = "---\nkind: AuthorizationPolicy\nspec:\n  action: {0}\n  rules: [{{to: [{{operation: {{{1}}}}}]}}]\n"
TLS = "[{hosts: [%s], secretName: s}]"


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (ingress(CALM, tls=TLS % "a.test"), "", set()),
        (ingress(CALM, tls=TLS % "'*.test'"), "", set()),
        (ingress(CALM, tls=TLS % "b.test"), "", {"k8s.tls-host-missing"}),
        (ingress(CALM, port="443"), "", {"upstream.plain-to-tls-port"}),
        (ingress(note("backend-protocol", "HTTPS"), port="443"), "", set()),
        (ingress(note("backend-protocol", "HTTPS"), port="80"), "", {"upstream.tls-to-plain-port"}),
        (ingress(note("proxy-read-timeouts", "3600")), "", {"k8s.annotation-misspelt"}),
        (ingress(note("proxy-next-upstream-timeout", "5")), "", set()),
        (ingress(note("websocket-services", "app")), "", {"k8s.annotation-of-another"}),
        (ingress("{%scanary: 'true', %scanary-weight: '20'}" % (NGINX, NGINX)), "", {"balance.no-stickiness-perhaps"}),  # noqa: UP031
        (service() + deployment().replace("name: c,", "name: c, readinessProbe: {httpGet: {path: /ws}},"), "", {"k8s.probe-on-socket"}),
        (service() + deployment().replace("name: c,", "name: c, readinessProbe: {httpGet: {path: /healthz}},"), "", set()),
        (OPENSHIFT % ("{haproxy.router.openshift.io/timeout: 30s}", ""), "", {"openshift.server-timeout"}),
        (ingress(note("healthcheck-path", "/ws", "alb.ingress.kubernetes.io/"), of="alb"), "", {"aws.health-check-on-socket"}),
        (ingress(note("healthcheck-path", "/health", "alb.ingress.kubernetes.io/"), of="alb"), "", set()),
        (ingress(note("auth-type", "oidc", "alb.ingress.kubernetes.io/"), of="alb"), "", {"aws.rule-authenticates"}),
        (
            virtual_service(http().replace("host: app,", "host: app, subset: v2,")) + RULE.format("tls: {}") + "  subsets: [{name: v1}]\n",
            "",
            {"istio.subset-unknown"},
        ),
        (
            virtual_service(http("prefix: /api"), http().replace("host: app", "host: web")),
            "",
            {"route.catch-all"},
        ),
        (ingress(note("auth-tls-secret", "ns/ca")), "", {"tls.client-certificate-required"}),
        (ingress(note("connection-idle-timeout", "1800", "alb.ingress.kubernetes.io/"), of="alb"), "", {"k8s.annotation-unknown"}),
        (ingress(note("group.name", "shared", "alb.ingress.kubernetes.io/"), of="alb"), "", set()),
        (virtual_service(http()) + RULE.format("tls: {mode: SIMPLE}"), "", {"istio.tls-to-service"}),
        (virtual_service(http()) + RULE.format("tls: {mode: ISTIO_MUTUAL}"), "", set()),
        (virtual_service(http()) + GATEWAY.format("a.test", ", tls: {mode: MUTUAL}"), "", {"tls.client-certificate-required"}),
        (config_map(proxy_read_timeout="3600"), "", set()),
        (config_map(large_client_header_buffers="4 1k"), "", {"envoy.small-headers"}),
        (config_map(large_client_header_buffers="4 16k", client_header_buffer_size="1k"), "", set()),
        (config_map(max_worker_connections="1024"), "", {"k8s.worker-connections"}),
        (config_map(worker_shutdown_timeout="10s"), "", {"k8s.short-drain"}),
        (config_map(worker_shutdown_timeout="240s"), "", set()),
        (config_map(use_forwarded_headers="false"), "", {"k8s.forwarded-not-trusted"}),
        (config_map(proxy_http_version="1.0"), "", {"k8s.http-1.0"}),
        (service() + deployment(args="['uvicorn', 'a:app', '--host', '127.0.0.1']"), "", {"container.binds-loopback"}),
        (service() + deployment(args="['--host', '0.0.0.0']"), "", set()),
        (deployment().replace("template:", "strategy: {type: Recreate}\n  template:"), "", {"k8s.recreate"}),
        ("kind: NetworkPolicy\nmetadata: {name: n}\nspec: {ingress: [{from: [{podSelector: {}}]}]}\n", "", {"k8s.network-policy"}),
        ("kind: NetworkPolicy\nmetadata: {name: n}\nspec: {ingress: [{}]}\n", "", set()),
        (service(ports="[{port: 80, name: http2-chat, targetPort: 8080}]"), "", {"istio.port-name-h2-perhaps"}),
        (virtual_service(http()) + POLICY.format("ALLOW", "paths: ['/api/*']"), "/ws", {"istio.policy-without-path"}),
        (virtual_service(http()) + POLICY.format("ALLOW", "paths: ['/api/*', '/ws*']"), "/ws", set()),
        (virtual_service(http()) + POLICY.format("ALLOW", "methods: [POST]"), "/ws", {"istio.policy-without-path"}),
        (virtual_service(http()) + POLICY.format("DENY", "paths: ['/ws*']"), "/ws", {"istio.policy-without-path"}),
        (virtual_service(http()) + POLICY.format("DENY", "paths: ['/admin*']"), "/ws", set()),
        (
            virtual_service(http())
            + "---\nkind: RequestAuthentication\nspec: {jwtRules: [{issuer: i}]}\n"
            + "---\nkind: AuthorizationPolicy\nspec: {rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}\n",
            "/ws",
            {"envoy.token-in-header"},
        ),
        (
            "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {template: {spec: {timeoutSeconds: 300}}}\n",
            "",
            {"gcp.run-timeout"},
        ),
        (f"controller:\n  service:\n    annotations: {{{AWS}backend-protocol: http}}\n", "", {"aws.classic-http-listener"}),
    ],
)
def test_settings_around_the_route(text: str, path: str, expected: set[str]) -> None:
    assert patterns(text, path) == expected


def test_the_host_tells_which_rules_compete() -> None:
    text = ingress(service="a") + "---\n" + ingress(service="b").replace("a.test", "b.test")
    facts = [o.facts for o in parse_config(text, kind="k8s_ingress", artifact="k", endpoint_path="/ws", endpoint_host="b.test")]
    assert [f.upstream for f in facts if isinstance(f, RouteFacts) and f.serves] == ["b:80"]


def test_an_annotation_can_replace_connection() -> None:
    assert [r.connection.value for r in read(ingress(note("connection-proxy-header", "keep-alive")))[0]] == ["keep-alive"]


def test_limits_of_kong_stand_on_the_service() -> None:
    text = ingress(of="kong") + service(notes="{konghq.com/read-timeout: '30000'}")
    assert [r.idle_s.value for r in read(text)[0]] == ["30"]
