"""AWS API Gateway and CloudFront. REST and HTTP APIs tunnel nothing; CloudFront needs the handshake's headers forwarded.

Source: docs.aws.amazon.com, API Gateway (WebSocket APIs, quotas) and CloudFront (WebSockets, managed origin request policies).
"""

from collections.abc import Iterator

from wsbook.facts import Facts, PatternFacts, RouteFacts
from wsbook.parsers.proxies.artifact import Artifact, defect, hints_at_websocket
from wsbook.parsers.proxies.clouds.trees import blocks, places, resources
from wsbook.parsers.proxies.passing import passing_route
from wsbook.parsers.proxies.path_tests import fits_glob
from wsbook.parsers.proxies.routing import Candidate, choose
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["judge_cloudfront", "judge_gateways"]

_ALL_VIEWER = ("216adef6-5c7f-47e4-b989-5492eafa07d3", "33f36d7e-f396-46d9-90e0-52428a34d9dc")
_ALL_BUT_HOST = ("b689b0a8-53d0-40ab-baf2-68738e2966ac",)
_WITHOUT_HEADERS = (
    "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf",
    "59781a5b-3903-41f3-afcb-af62929ccde1",
    "acba4595-bd28-49b8-b9fe-13317c0390fa",
    "775133bc-15f2-49f9-abea-afb2e0bf67d2",
)
"""Identifiers of managed origin request policies, the same in every account."""
_PLAIN_APIS = ("aws_api_gateway_rest_api", "AWS::ApiGateway::RestApi", "AWS::Serverless::HttpApi", "AWS::Serverless::Api")
_FEW_PER_S = 50
_DISTRIBUTION = ("default_cache_behavior", "cache_behaviors", "ordered_cache_behavior")


def judge_gateways(trees: list[Node], artifact: Artifact) -> Iterator[Facts]:
    """Yield API gateways as routes, and those that tunnel nothing as defects."""
    for key in ("throttling_rate_limit", "throttling_burst_limit"):
        rate = next((node for tree in trees for k, node in tree.walk() if k == key and node.number is not None), None)
        if rate is not None and (rate.number or 0) < _FEW_PER_S:
            yield passing_route(artifact, product="aws-api-gateway", line=rate.line, matcher="stage")
            yield defect("aws.gateway-throttled", artifact.name, rate.line, f"{key} {rate.text}")
            break
    kinds = [node for tree in trees for key, node in tree.walk() if key == "protocol_type" and node.text]
    rest = list(places(trees, "api_key_source")) + resources(trees, *_PLAIN_APIS)
    routes = [node for node in places(trees, "route_key") if node.at("route_key").startswith("$") or "/" not in node.at("route_key")]
    if any(node.text.upper() == "WEBSOCKET" for node in kinds) or routes:
        yield passing_route(artifact, product="aws-api-gateway", line=kinds[0].line if kinds else routes[0].line, matcher="WebSocket API")
        yield defect(
            "aws.gateway-lifetime",
            artifact.name,
            kinds[0].line if kinds else routes[0].line,
            "WebSocket API: 10 minutes of silence, 2 hours in all",
        )
        yield from _message_routes(trees, artifact)
        return
    for node in [*kinds, *rest][:1]:
        yield passing_route(
            artifact, product="aws-api-gateway", line=node.line, matcher="API without WebSockets", upgrade=None, connection=None
        )
        yield defect("aws.gateway-without-websocket", artifact.name, node.line, f"API of type {node.text or 'REST'}")


def _message_routes(trees: list[Node], artifact: Artifact) -> Iterator[PatternFacts]:
    routes = list(places(trees, "route_key"))
    keys = {node.at("route_key") for node in routes}
    if routes and "$default" not in keys:
        yield defect("aws.gateway-without-default", artifact.name, routes[0].line, f"routes {', '.join(sorted(keys))}"[:200])
    for node in routes:
        if node.get("route_id") is not None and not node.at("target"):
            yield defect("aws.gateway-route-without-target", artifact.name, node.line, f"route {node.at('route_key')}")
        sources = [one.text for one in node.each("identity_source")]
        if node.at("route_key") == "$connect" and any("header.authorization" in source.lower() for source in sources):
            yield defect("aws.gateway-signed-connect", artifact.name, node.line, f"$connect authorized by {', '.join(sources)}")
        if node.at("route_key") == "$connect" and node.at("authorization_type").upper() == "AWS_IAM":
            yield defect("aws.gateway-signed-connect", artifact.name, node.line, "$connect with AWS_IAM")


def judge_cloudfront(trees: list[Node], artifact: Artifact) -> Iterator[Facts]:
    """Yield the behaviors of a distribution as routes, in order, and what their policies leave out."""
    for listed in [node for tree in trees for key, node in tree.walk() if key == "origin_ssl_protocols"]:
        names = [one.text for one in (listed.items or listed.each("items"))]
        if names and not {"TLSv1.2", "TLSv1.3"} & set(names):
            yield defect("tls.only-outdated", artifact.name, listed.line, f"OriginSslProtocols {', '.join(names)}")
    place = next((p for key in _DISTRIBUTION for p in places(trees, key)), None)
    if place is None:
        return
    ordered = [one for key in ("cache_behaviors", "ordered_cache_behavior") for one in _listed(place.get(key))]
    behaviors = [*ordered, *blocks(place, "default_cache_behavior")]
    origins = {node.at("id") or node.at("origin_id"): node for key in ("origins", "origin") for node in _listed(place.get(key))}
    path = artifact.endpoint_path.partition("?")[0]
    judged = choose([_candidate(one, origins) for one in behaviors], path)
    for one, serves in zip(behaviors, judged, strict=True):
        yield _behavior(one, serves, artifact)
        if serves is not False:
            yield from _behavior_defects(one, origins, bool(path), trees, artifact)


def _listed(node: Node | None) -> list[Node]:
    if node is None:
        return []
    return node.items or node.each("items") or ([node] if node.get("target_origin_id") or node.get("domain_name") else [])


def _candidate(one: Node, origins: dict[str, Node]) -> Candidate:
    pattern = one.at("path_pattern")
    return Candidate(
        fits=lambda path: not pattern or fits_glob("/" + pattern.lstrip("/")[:255], path[:500]),
        words=f"{pattern} {one.at('target_origin_id')}",
        open=not pattern,
        possible=bool(pattern) or not _is_bucket(origins.get(one.at("target_origin_id"))) or len(origins) < 2,
    )


def _is_bucket(origin: Node | None) -> bool:
    return origin is not None and (origin.get("s3_origin_config") is not None or ".s3" in origin.at("domain_name"))


def _behavior(one: Node, serves: bool | None, artifact: Artifact) -> RouteFacts:
    return passing_route(
        artifact,
        product="aws-cloudfront",
        line=one.line,
        matcher=f"behavior {one.at('path_pattern') or 'default'}",
        serves=serves,
        upstream=one.at("target_origin_id"),
    )


def _behavior_defects(one: Node, origins: dict[str, Node], known: bool, trees: list[Node], artifact: Artifact) -> Iterator[PatternFacts]:
    name = one.at("path_pattern") or "default"
    if _is_bucket(origins.get(one.at("target_origin_id"))) and (known or hints_at_websocket(name) == 2):
        yield defect("aws.cloudfront-bucket", artifact.name, one.line, f"behavior {name} goes to a bucket")
        return
    policy = one.get("origin_request_policy_id")
    if policy is not None:
        yield from _policy_defects(policy, name, trees, artifact)
        return
    forwarded = one.get("forwarded_values")
    headers = forwarded.get("headers") if forwarded is not None else None
    names = {n.text.lower() for n in (headers.items or headers.each("items"))} if headers is not None else set()
    if "*" not in names and not {"sec-websocket-key", "sec-websocket-version"} <= names:
        yield defect(
            "aws.cloudfront-headers",
            artifact.name,
            (headers or one).line,
            f"behavior {name} forwards {', '.join(sorted(names)) or 'no headers'}"[:200],
        )


def _policy_defects(policy: Node, name: str, trees: list[Node], artifact: Artifact) -> Iterator[PatternFacts]:
    words = f"behavior {name}: {policy.text}"
    if policy.text in _WITHOUT_HEADERS:
        yield defect("aws.cloudfront-headers", artifact.name, policy.line, words)
    elif policy.text in _ALL_BUT_HOST or "except" in policy.text.lower():
        yield defect("aws.cloudfront-host", artifact.name, policy.line, words)
    elif policy.text not in _ALL_VIEWER:
        for own in [
            *resources(trees, "aws_cloudfront_origin_request_policy", "AWS::CloudFront::OriginRequestPolicy"),
            *places(trees, "headers_config"),
        ][:1]:
            config = own.get("headers_config") or own
            listed = {n.text.lower() for key, n in config.walk() if n.text and key != "header_behavior"}
            every = config.at("header_behavior").lower().startswith("allviewer")
            if not every and not {"sec-websocket-key", "sec-websocket-version"} <= listed:
                yield defect("aws.cloudfront-headers", artifact.name, config.line, f"{words} forwards {', '.join(sorted(listed))}"[:200])
