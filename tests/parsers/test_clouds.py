"""Clouds and platforms: balancers' rules and groups, gateways, content networks, tunnels, in JSON, YAML, TOML and Terraform."""

import json

import pytest

from wsbook.errors import UnreadableInputError
from wsbook.facts import PatternFacts, RouteFacts
from wsbook.parsers.proxies import parse_config
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.fixing import apply_changes
from wsbook.parsers.proxies.trees.hcl import parse_hcl


def read(text: str, path: str = "") -> tuple[list[RouteFacts], list[PatternFacts]]:
    facts = [o.facts for o in parse_config(text, kind="alb_attributes", artifact="c.tf", endpoint_path=path)]
    return [f for f in facts if isinstance(f, RouteFacts)], [f for f in facts if isinstance(f, PatternFacts)]


def patterns(text: str, path: str = "") -> set[str]:
    return {p.pattern for p in read(text, path)[1]}


def rule(priority: str, *paths: str, action: str = "forward", group: str = "app", more: str = "") -> dict[str, object]:
    conditions: list[object] = [{"Field": "path-pattern", "Values": list(paths)}] if paths else []
    conditions += [json.loads(more)] if more else []
    target = f"arn:aws:elasticloadbalancing:x:1:targetgroup/{group}/1"
    return {"Priority": priority, "Conditions": conditions, "Actions": [{"Type": action, "TargetGroupArn": target}]}


def rules(*listed: dict[str, object]) -> str:
    return json.dumps({"Rules": list(listed)}, indent=1)


METHODS = '{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["POST"]}}'


@pytest.mark.parametrize(
    ("text", "path", "served", "expected"),
    [
        (rules(rule("10", "/ws/*", group="ws"), rule("default")), "/ws/a", "ws", set()),
        (rules(rule("10", "/ws/*", group="ws"), rule("default")), "/api", "app", set()),
        (rules(rule("20", "/ws/*", group="ws"), rule("10", "/*")), "/ws/a", "app", {"aws.rule-shadowed"}),
        (rules(rule("10", "/socket.io", group="ws"), rule("default")), "/socket.io/", "app", {"aws.exact-pattern"}),
        (rules(rule("10", "/ws", group="ws"), rule("default")), "/ws", "ws", set()),
        (rules(rule("10", "/ws", group="ws"), rule("default")), "/ws/room", "app", {"aws.exact-pattern"}),
        (rules(rule("10", "/ws*", action="redirect"), rule("default")), "/ws", "app", {"aws.rule-redirects"}),
        (rules(rule("10", "/ws*", action="fixed-response"), rule("default")), "/ws", "app", {"aws.rule-answers-itself"}),
        (rules(rule("10", "/ws*", action="authenticate-oidc", group="ws"), rule("default")), "/ws", "ws", {"aws.rule-authenticates"}),
        (rules(rule("10", "/w?", group="ws"), rule("default")), "/ws", "ws", set()),
    ],
)
def test_the_rule_of_the_lowest_number_serves(text: str, path: str, served: str, expected: set[str]) -> None:
    routes, defects = read(text, path)
    assert [r.upstream for r in routes if r.serves and r.matcher.startswith("rule")] == [served]
    assert {d.pattern for d in defects} == expected


def test_a_rule_without_get_takes_no_handshake() -> None:
    assert patterns(rules(rule("10", "/ws*", more=METHODS), rule("default"))) == {"aws.rule-without-get"}


def group(**more: object) -> str:
    return json.dumps({"TargetGroups": [{"TargetGroupName": "ws", "Protocol": "HTTP", "Port": 8080, **more}]}, indent=1)


def health(*states: str) -> str:
    return json.dumps({"TargetHealthDescriptions": [{"Target": {"Id": "i"}, "TargetHealth": {"State": s, "Reason": "x"}} for s in states]})


def attributes(**pairs: str) -> str:
    return json.dumps({"Attributes": [{"Key": k.replace("__", "."), "Value": v} for k, v in pairs.items()]}, indent=1)


CLASSIC = {
    "LoadBalancerDescriptions": [
        {"ListenerDescriptions": [{"Listener": {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstanceProtocol": "HTTP"}}]}
    ]
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (group(), set()),
        (group(ProtocolVersion="HTTP1"), set()),
        (group(ProtocolVersion="HTTP2"), {"aws.h2-to-upstream"}),
        (group(ProtocolVersion="GRPC"), {"aws.h2-to-upstream"}),
        (group(Port=443), {"upstream.plain-to-tls-port"}),
        (group(HealthCheckPath="/ws", Matcher={"HttpCode": "200"}), {"aws.health-check-on-socket"}),
        (group(HealthCheckPath="/ws", Matcher={"HttpCode": "200,426"}), set()),
        (group(HealthCheckPath="/health", Matcher={"HttpCode": "200"}), set()),
        (json.dumps({"TargetGroups": [{"TargetGroupName": "web"}, {"TargetGroupName": "grpc", "ProtocolVersion": "GRPC"}]}), set()),
        (health("healthy", "healthy"), set()),
        (health("unhealthy", "healthy"), set()),
        (health("unhealthy", "unhealthy"), {"aws.no-healthy-target"}),
        (attributes(stickiness__enabled="false", stickiness__type="lb_cookie"), {"aws.no-stickiness-perhaps"}),
        (attributes(stickiness__enabled="true", deregistration_delay__timeout_seconds="300"), set()),
        (attributes(deregistration_delay__timeout_seconds="5", stickiness__enabled="true"), {"aws.short-drain"}),
        (attributes(idle_timeout__timeout_seconds="120"), {"limit.long-cloud"}),
        (attributes(idle_timeout__timeout_seconds="4000"), set()),
        (json.dumps({"LoadBalancers": [{"Type": "network"}]}), {"aws.nlb-forgets"}),
        (json.dumps(CLASSIC), {"aws.classic-http-listener"}),
        (json.dumps(CLASSIC).replace('"HTTP"', '"TCP"'), set()),
        (json.dumps({"Listeners": [{"Protocol": "TLS", "AlpnPolicy": ["HTTP2Only"], "LoadBalancerArn": "a"}]}), {"aws.listener-h2-only"}),
        (
            json.dumps({"Listeners": [{"Protocol": "TLS", "AlpnPolicy": ["HTTP2Preferred"], "LoadBalancerArn": "a"}]}),
            {"aws.listener-offers-h2"},
        ),
        (json.dumps({"Listeners": [{"Protocol": "TLS", "AlpnPolicy": ["None"], "LoadBalancerArn": "a"}]}), set()),
        (json.dumps({"CustomOriginConfig": {"OriginSslProtocols": {"Items": ["TLSv1", "TLSv1.1"]}}}), {"tls.only-outdated"}),
        (json.dumps({"CustomOriginConfig": {"OriginSslProtocols": {"Items": ["TLSv1.2"]}}}), set()),
        (json.dumps({"result": [{"id": "ssl", "value": "strict"}]}), {"cloudflare.strict"}),
        (json.dumps({"result": [{"id": "ssl", "value": "full"}]}), set()),
        ("aws elbv2 modify-load-balancer-attributes --attributes Key=idle_timeout.timeout_seconds,Value=300", {"limit.long-cloud"}),
        (json.dumps({"Items": [{"ProtocolType": "HTTP"}]}), {"aws.gateway-without-websocket"}),
        (json.dumps({"items": [{"name": "x", "apiKeySource": "HEADER"}]}), {"aws.gateway-without-websocket"}),
        (json.dumps({"Items": [{"ProtocolType": "WEBSOCKET"}]}), {"aws.gateway-lifetime", "limit.long-cloud"}),
        (
            json.dumps(
                {"Items": [{"RouteKey": "$connect", "RouteId": "a", "Target": "i"}, {"RouteKey": "send", "RouteId": "b", "Target": "i"}]}
            ),
            {"aws.gateway-lifetime", "limit.long-cloud", "aws.gateway-without-default"},
        ),
        (
            json.dumps(
                {
                    "Items": [
                        {"RouteKey": "$connect", "RouteId": "a", "Target": "i", "AuthorizationType": "AWS_IAM"},
                        {"RouteKey": "$default", "RouteId": "b"},
                    ]
                }
            ),
            {"aws.gateway-lifetime", "limit.long-cloud", "aws.gateway-signed-connect", "aws.gateway-route-without-target"},
        ),
    ],
)
def test_aws_json(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected


ALL = "216adef6-5c7f-47e4-b989-5492eafa07d3"


def distribution(behavior: dict[str, object], *, bucket: bool = True) -> str:
    origins = [{"Id": "alb", "DomainName": "a.test", "CustomOriginConfig": {}}] + (
        [{"Id": "s3", "DomainName": "b.s3.amazonaws.com"}] if bucket else []
    )
    default = {"TargetOriginId": "s3" if bucket else "alb", "OriginRequestPolicyId": ALL}
    ordered = [{"PathPattern": "/ws*", "TargetOriginId": "alb", **behavior}] if behavior else []
    return json.dumps(
        {"DistributionConfig": {"Origins": {"Items": origins}, "CacheBehaviors": {"Items": ordered}, "DefaultCacheBehavior": default}}
    )


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (distribution({"OriginRequestPolicyId": ALL}), "/ws", set()),
        (distribution({"OriginRequestPolicyId": ALL}), "", set()),
        (distribution({"CachePolicyId": "x"}), "/ws", {"aws.cloudfront-headers"}),
        (distribution({"OriginRequestPolicyId": "59781a5b-3903-41f3-afcb-af62929ccde1"}), "/ws", {"aws.cloudfront-headers"}),
        (distribution({"OriginRequestPolicyId": "b689b0a8-53d0-40ab-baf2-68738e2966ac"}), "/ws", {"aws.cloudfront-host"}),
        (distribution({"OriginRequestPolicyId": "own"}), "/ws", set()),
        (distribution({"ForwardedValues": {"Headers": {"Items": ["*"]}}}), "/ws", set()),
        (distribution({"ForwardedValues": {"Headers": {"Items": ["Host"]}}}), "/ws", {"aws.cloudfront-headers"}),
        (distribution({"ForwardedValues": {"Headers": {"Items": ["Sec-WebSocket-Key", "Sec-WebSocket-Version"]}}}), "/ws", set()),
        (distribution({"OriginRequestPolicyId": ALL}), "/live", {"aws.cloudfront-bucket"}),
        (distribution({}, bucket=False), "/ws", set()),
    ],
)
def test_cloudfront(text: str, path: str, expected: set[str]) -> None:
    assert patterns(text, path) - {"limit.long-cloud"} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('resource "aws_lb" "a" {\n  load_balancer_type = "application"\n  idle_timeout = 3600\n}\n', set()),
        ('resource "aws_lb" "a" {\n  load_balancer_type = "network"\n}\n', {"aws.nlb-forgets"}),
        (
            'resource "aws_lb_target_group" "a" {\n  name = "ws"\n  port = 80\n  protocol = "HTTP"\n  protocol_version = "HTTP2"\n}\n',
            {"aws.h2-to-upstream"},
        ),
        ('resource "aws_lb_target_group" "a" {\n  stickiness {\n    type = "lb_cookie"\n  }\n}\n', set()),
        (
            'resource "aws_elb" "a" {\n  listener {\n    instance_protocol = "http"\n    instance_port = 80\n'
            '    lb_protocol = "https"\n  }\n}\n',
            {"aws.classic-http-listener"},
        ),
        ('resource "aws_elb" "a" {\n  listener {\n    instance_protocol = "tcp"\n    lb_protocol = "ssl"\n  }\n}\n', set()),
        ('resource "aws_apigatewayv2_api" "a" {\n  protocol_type = "HTTP"\n}\n', {"aws.gateway-without-websocket"}),
        ('resource "aws_api_gateway_rest_api" "a" {\n  name = "x"\n}\n', {"aws.gateway-without-websocket"}),
        ('resource "google_compute_backend_service" "a" {\n  timeout_sec = 86400\n}\n', set()),
        ('resource "google_compute_backend_service" "a" {\n  timeout_sec = 30\n}\n', {"gcp.timeout-short"}),
        ('resource "google_compute_backend_service" "a" {\n  name = "x"\n}\n', {"gcp.timeout-default"}),
        ('resource "google_compute_backend_service" "a" {\n  timeout_sec = 86400\n  protocol = "HTTP2"\n}\n', {"gcp.h2-to-upstream"}),
        ('resource "google_cloud_run_v2_service" "a" {\n  template {\n    timeout = "300s"\n  }\n}\n', {"gcp.run-timeout"}),
        ('resource "azurerm_linux_web_app" "a" {\n  site_config {\n    websockets_enabled = true\n  }\n}\n', set()),
        ('resource "azurerm_linux_web_app" "a" {\n  site_config {\n    websockets_enabled = false\n  }\n}\n', {"azure.websockets-off"}),
        ('resource "azurerm_linux_web_app" "a" {\n  site_config {\n    http2_enabled = true\n  }\n}\n', {"azure.websockets-not-set"}),
        ('resource "azurerm_frontdoor" "a" {\n}\n', {"azure.front-door-classic"}),
        (
            'resource "cloudflare_zone_settings_override" "a" {\n  settings {\n    websockets = "off"\n  }\n}\n',
            {"cloudflare.websockets-off"},
        ),
        ('resource "cloudflare_zone_setting" "a" {\n  setting_id = "websockets"\n  value = "on"\n}\n', set()),
        (
            'resource "aws_security_group" "a" {\n  ingress {\n    from_port = 443\n    to_port = 443\n'
            '    cidr_blocks = ["0.0.0.0/0"]\n  }\n'
            '  ingress {\n    from_port = 8443\n    to_port = 8443\n    cidr_blocks = ["10.0.0.0/8"]\n  }\n}\n',
            {"firewall.port-not-public"},
        ),
        (
            'resource "aws_security_group" "a" {\n  ingress {\n    from_port = 443\n    to_port = 443\n'
            '    cidr_blocks = ["0.0.0.0/0"]\n  }\n'
            '  ingress {\n    from_port = 22\n    to_port = 22\n    cidr_blocks = ["10.0.0.0/8"]\n  }\n}\n',
            set(),
        ),
    ],
)
def test_terraform(text: str, expected: set[str]) -> None:
    assert patterns(text) - {"limit.long-cloud"} == expected


TUNNEL = "tunnel: t\ningress:\n- hostname: a.test\n  path: {path}\n  service: {service}\n{origin}- service: http_status:404\n"


def tunnel(service: str = "http://localhost:8080", *, path: str = "''", origin: str = "") -> str:
    return TUNNEL.format(service=service, path=path, origin=f"  originRequest: {{{origin}}}\n" if origin else "")


FLY = (
    'app = "a"\n[env]\n  PORT = "{told}"\n[http_service]\n  internal_port = 8080\n'
    '  [http_service.concurrency]\n    type = "connections"\n    hard_limit = {cap}\n'
)


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (tunnel(), "/ws", set()),
        (tunnel(path="^/ws"), "/ws", set()),
        (tunnel(path="^/app"), "/ws", {"cloudflare.no-rule"}),
        (tunnel(origin="httpHostHeader: app.internal"), "/ws", {"k8s.host-replaced"}),
        (tunnel(origin="http2Origin: true"), "/ws", {"cloudflare.h2-to-upstream"}),
        (tunnel("https://localhost:8443"), "/ws", {"cloudflare.private-certificate"}),
        (tunnel("https://localhost:8443", origin="noTLSVerify: true"), "/ws", set()),
        (tunnel("http://localhost:443"), "/ws", {"upstream.plain-to-tls-port"}),
        (json.dumps({"result": [{"id": "websockets", "value": "off"}]}), "", {"cloudflare.websockets-off"}),
        (json.dumps({"result": {"id": "websockets", "value": "on"}}), "", set()),
        (FLY.format(told=8080, cap=5000), "", set()),
        (FLY.format(told=3000, cap=5000), "", {"fly.port-mismatch"}),
        (FLY.format(told=8080, cap=25), "", {"fly.connection-cap"}),
        ("timeoutSec: 30\nbackends: []\nprotocol: HTTP\n", "", {"gcp.timeout-short"}),
        ("runtime: python311\ninstance_class: F2\n", "", {"gcp.app-engine-standard"}),
        ("runtime: python\nenv: flex\nautomatic_scaling: {min: 1}\n", "", set()),
        ("runtime: python\nenv: flex\n", "", None),
        (json.dumps({"type": "Microsoft.Web/sites/config", "properties": {"webSocketsEnabled": False}}), "", {"azure.websockets-off"}),
        (
            json.dumps({"backendHttpSettingsCollection": [{"name": "a", "requestTimeout": 3600, "cookieBasedAffinity": "Enabled"}]}),
            "",
            set(),
        ),
        (
            json.dumps({"backendHttpSettingsCollection": [{"name": "a", "requestTimeout": 3600, "cookieBasedAffinity": "Disabled"}]}),
            "",
            {"aws.no-stickiness-perhaps"},
        ),
        (
            json.dumps({"rewrites": [{"source": "/socket.io/:p*", "destination": "https://api.test/socket.io/:p*"}]}),
            "",
            {"host.rewrite-without-upgrade"},
        ),
        (json.dumps({"rewrites": [{"source": "/api/:p*", "destination": "https://api.test/:p*"}]}), "", set()),
    ],
)
def test_tunnels_and_platforms(text: str, path: str, expected: set[str] | None) -> None:
    if expected is None:
        with pytest.raises(UnreadableInputError):
            read(text, path)
    else:
        assert patterns(text, path) - {"limit.long-cloud"} == expected


@pytest.mark.parametrize(
    ("text", "product", "idle", "lifetime"),
    [
        (tunnel(), "cloudflare", "100", None),
        (json.dumps({"Items": [{"ProtocolType": "WEBSOCKET"}]}), "aws-api-gateway", "600", "7200"),
        ('resource "google_compute_backend_service" "a" {\n  name = "x"\n}\n', "gcp-backend", None, "30"),
        ('resource "google_cloud_run_v2_service" "a" {\n  template {\n    timeout = "900s"\n  }\n}\n', "cloud-run", None, "900"),
        (json.dumps({"backendHttpSettingsCollection": [{"name": "a", "requestTimeout": 20}]}), "azure-app-gateway", "20", None),
        (FLY.format(told=8080, cap=5000), "fly", "60", None),
        (group(), "aws-alb", None, None),
    ],
)
def test_limits_of_products(text: str, product: str, idle: str | None, lifetime: str | None) -> None:
    route = read(text)[0][0]
    assert (route.product, route.idle_s and route.idle_s.value, route.lifetime_s and route.lifetime_s.value) == (product, idle, lifetime)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (group(ProtocolVersion="HTTP2"), "aws.h2-to-upstream"),
        (attributes(stickiness__enabled="false"), "aws.no-stickiness-perhaps"),
        (
            'resource "aws_elb" "a" {\n  listener {\n    instance_protocol = "http"\n    lb_protocol = "https"\n  }\n}\n',
            "aws.classic-http-listener",
        ),
        ('resource "google_compute_backend_service" "a" {\n  timeout_sec = 30\n}\n', "gcp.timeout-short"),
        ('resource "azurerm_linux_web_app" "a" {\n  site_config {\n    websockets_enabled = false\n  }\n}\n', "azure.websockets-off"),
        ('resource "cloudflare_zone_settings_override" "a" {\n  settings {\n    websockets = "off"\n  }\n}\n', "cloudflare.websockets-off"),
        (tunnel(origin="http2Origin: true"), "cloudflare.h2-to-upstream"),
        (FLY.format(told=3000, cap=5000), "fly.port-mismatch"),
    ],
)
def test_a_fix_takes_the_defect_away(text: str, pattern: str) -> None:
    (defect,) = [d for d in read(text)[1] if d.pattern == pattern]
    assert defect.fix is not None
    assert pattern not in patterns(apply_changes(text, defect.fix.changes))


@pytest.mark.parametrize(
    ("text", "path", "value", "line"),
    [
        ('a = 1\nb = "x" # c\n', ("b",), "x", 2),
        ('r "t" "n" {\n  list = ["a", 2,\n "c"]\n}\n', ("r", "t", "n", "list"), ["a", "2", "c"], 2),
        ("b {\n k = 1\n}\nb {\n k = 2\n}\n", ("b",), 2, 1),
        ("a = merge(x, { y = 1 })\nb = 2\n", ("b",), "2", 2),
        ('t = { Name = "n", "q" = true }\n', ("t", "q"), "true", 1),
        ("d = <<EOF\n{ not = parsed\nEOF\nb = 1\n", ("b",), "1", 4),
    ],
)
def test_terraform_becomes_a_tree(text: str, path: tuple[str, ...], value: object, line: int) -> None:
    node = parse_hcl(Artifact(text=text, name="t")).get(*path)
    assert node is not None
    assert (len(node.items) if isinstance(value, int) else [one.text for one in node.items] or node.text) == value
    assert node.line == line or node.key_line == line


def test_terraform_nested_without_end_is_refused() -> None:
    with pytest.raises(UnreadableInputError):
        parse_hcl(Artifact(text="a {" * 100, name="t"))
    assert parse_hcl(Artifact(text="a = [" * 100, name="t")).pairs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stickiness.enabled\tfalse\nstickiness.type   source_ip\n", {"aws.no-stickiness-perhaps"}),
        (json.dumps({"TargetGroups": [{"TargetGroupName": "a", "Protocol": "TCP", "Port": 80}]}), {"aws.nlb-forgets"}),
        (rules(rule("10", "/api/*")), {"aws.no-rule-perhaps"}),
        (
            'resource "aws_apigatewayv2_stage" "a" {\n  default_route_settings {\n    throttling_rate_limit = 2\n  }\n}\n',
            {"aws.gateway-throttled", "limit.long-cloud"},
        ),
        ("ATTRIBUTES\tidle_timeout.timeout_seconds\t300\n", {"limit.long-cloud"}),
        (
            json.dumps({"Listeners": [{"LoadBalancerArn": "a", "Port": 80, "DefaultActions": [{"Type": "redirect"}]}]}),
            {"gateway.plain-redirected"},
        ),
        ("Resources:\n  A:\n    Type: AWS::Serverless::HttpApi\n    Properties: {StageName: p}\n", {"aws.gateway-without-websocket"}),
        ('resource "aws_apprunner_service" "a" {\n  service_name = "x"\n}\n', {"platform.without-upgrade"}),
        (
            'resource "azurerm_container_app" "a" {\n  ingress {\n    transport = "http2"\n  }\n}\n',
            {"gcp.h2-to-upstream", "limit.long-cloud"},
        ),
        ('resource "azurerm_container_app" "a" {\n  ingress {\n    transport = "auto"\n  }\n}\n', {"limit.long-cloud"}),
        (
            json.dumps({"result": [{"id": "security_level", "value": "under_attack"}, {"id": "websockets", "value": "on"}]}),
            {"cloudflare.challenges", "limit.long-cloud"},
        ),
        ('resource "aws_wafv2_web_acl_association" "a" {\n  web_acl_arn = "x"\n}\n', {"firewall.web-rules"}),
        ('resource "aws_vpc" "a" {\n  cidr_block = "10.0.0.0/16"\n}\n', set()),
    ],
)
def test_further_forms(text: str, expected: set[str]) -> None:
    assert patterns(text) == expected
