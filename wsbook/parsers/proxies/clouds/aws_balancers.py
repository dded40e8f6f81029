"""AWS load balancers: application, network and classic, from the command line's JSON, Terraform, CloudFormation and lines of attributes.

An application load balancer closes what is silent for idle_timeout.timeout_seconds (60), a network one forgets a flow after
tcp.idle_timeout.seconds (350) without telling either side, a classic one tunnels upgrades through TCP and SSL listeners only.
Source: docs.aws.amazon.com, Elastic Load Balancing.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from wsbook.facts import Facts, Fix, PatternFacts, RouteFacts, Setting
from wsbook.parsers.proxies.artifact import Artifact, defect, hints_at_polling, hints_at_websocket
from wsbook.parsers.proxies.clouds.trees import attributes_of, blocks, first, places, resources
from wsbook.parsers.proxies.passing import passing_route, set_at
from wsbook.parsers.proxies.path_tests import fits_glob
from wsbook.parsers.proxies.routing import Candidate, choose, shadows
from wsbook.parsers.proxies.trees.edits import fix_of, reword
from wsbook.parsers.proxies.trees.yaml import Node
from wsbook.parsers.proxies.upstreams import tls_port_defect

__all__ = ["judge_balancers"]

_OF_GROUPS = ("target_group_name", "target_group_arn", "listener_arn", "vpc_id")
_IDLE = ("idle_timeout.timeout_seconds", "tcp.idle_timeout.seconds")
_WORDS = re.compile(
    r"load_?balanc|idle_timeout|stickiness|target_?(?:group|health)|deregistration|listener|routing\.http|client_keep_alive|aws_(?:lb|alb|elb)|describe-load"
    r"|instance_?protocol|protocol_?version|deletion_protection",
    re.IGNORECASE,
)


class _Rule(Struct, frozen=True, kw_only=True):
    """One listener rule. action: type of its last action. targets: names of its target groups."""

    node: Node
    priority: float
    paths: tuple[str, ...]
    hosts: tuple[str, ...]
    action: str
    targets: tuple[str, ...]
    unsure: bool

    def fits(self, path: str) -> bool | None:
        """Whether the rule takes a path; None when it has further conditions."""
        found = not self.paths or any(fits_glob(pattern[:128], path[:500]) for pattern in self.paths)
        return None if found and self.unsure else found


def judge_balancers(trees: list[Node], artifact: Artifact) -> Iterator[Facts]:
    """Yield the load balancer as a route, its rules as routes, and defects."""
    if not _WORDS.search(artifact.text[:200_000]):
        return
    attributes = attributes_of(trees)
    product = _product(trees, attributes)
    rules = _rules(trees)
    yield _route(product, trees, attributes, artifact)
    yield from _rule_facts(rules, product, artifact)
    yield from _balancer_defects(product, trees, attributes, artifact)
    yield from _group_defects(trees, attributes, rules, artifact)


def _product(trees: list[Node], attributes: dict[str, Node]) -> str:
    kinds = {node.text.lower() for tree in trees for key, node in tree.walk() if key in ("type", "load_balancer_type")}
    classic = first(trees, "instance_protocol", "load_balancer_descriptions", "connection_settings", "aws_elb")
    protocols = {node.text.upper() for key in _OF_GROUPS for place in places(trees, key) if (node := place.get("protocol")) is not None}
    if (
        (protocols and protocols <= {"TCP", "TLS", "UDP", "TCP_UDP"} and classic is None)
        or "network" in kinds
        or "tcp.idle_timeout.seconds" in attributes
        or first(trees, "tcp_idle_timeout_seconds")
    ):
        return "aws-nlb"
    if classic is not None or "aws::elasticloadbalancing::loadbalancer" in kinds:
        return "aws-elb"
    return "aws-alb"


def _group_only(trees: list[Node], attributes: dict[str, Node]) -> bool:
    """Tell whether a file is about target groups alone, so that it says nothing of the balancer's limit."""
    group = any(
        k.startswith(("stickiness.", "deregistration_delay", "load_balancing.", "target_group_health", "slow_start")) for k in attributes
    )
    group = (
        group
        or first(trees, "target_groups", "target_health_descriptions", "target_health", "aws_lb_target_group", "aws_alb_target_group")
        is not None
    )
    balancer = any(
        k.startswith(("idle_timeout", "tcp.idle", "routing.http", "access_logs", "deletion_protection", "client_keep")) for k in attributes
    )
    return group and not balancer and first(trees, "load_balancers", "aws_lb", "aws_alb", "idle_timeout", "load_balancer_type") is None


def _route(product: str, trees: list[Node], attributes: dict[str, Node], artifact: Artifact) -> RouteFacts:
    node = next((attributes[key] for key in _IDLE if key in attributes), None)
    if node is None:
        node = first(trees, "idle_timeout", "idle_timeout_in_seconds", "tcp_idle_timeout_seconds", *_IDLE)
    idle = set_at(artifact, node) if node is not None and node.text.isdigit() else None
    sticky = _sticky(trees, attributes)
    return passing_route(
        artifact,
        product=product,
        line=node.line if node is not None else 1,
        matcher="load balancer",
        idle=idle or (Setting(value=None) if _group_only(trees, attributes) else None),
        balance="cookie" if sticky else "roundrobin" if sticky is False else "",
        fixes=(_longer(node, artifact),) if "resource" in artifact.text and node is not None and (node.number or 1e9) <= 900 else (),
    )


def _longer(node: Node, artifact: Artifact) -> Fix | None:
    return fix_of(artifact, ("proxy.idle-timeout-cloud",), reword(artifact, node.line, node.text, "3600"))


def _sticky(trees: list[Node], attributes: dict[str, Node]) -> bool | None:
    node = attributes.get("stickiness.enabled")
    if node is not None:
        return node.text.lower() == "true"
    found = [one for tree in trees for key, one in tree.walk() if key == "stickiness" and one.pairs]
    switched = [one.at("enabled").lower() != "false" for one in found if one.get("type") or one.get("enabled")]
    return any(switched) if switched else None


def _rules(trees: list[Node]) -> list[_Rule]:
    nodes = [rule for place in places(trees, "rules") for rule in place.each("rules") if rule.get("conditions") is not None]
    nodes += resources(trees, "aws_lb_listener_rule", "aws_alb_listener_rule", "AWS::ElasticLoadBalancingV2::ListenerRule")
    found = [_rule(node, number) for number, node in enumerate(nodes[:1000])]
    return sorted(found, key=lambda rule: rule.priority)


def _rule(node: Node, number: int) -> _Rule:
    conditions = [*blocks(node, "conditions"), *blocks(node, "condition")]
    paths, hosts, others = [], [], 0
    for one in conditions:
        values = [
            v.text
            for key in ("values", "path_pattern_config", "path_pattern", "host_header_config", "host_header")
            for v in _values(one.get(key))
        ]
        field = one.at("field")
        is_path = field == "path-pattern" or one.get("path_pattern") is not None
        is_host = field == "host-header" or one.get("host_header") is not None
        paths += values if is_path else []
        hosts += values if is_host else []
        others += not is_path and not is_host
    actions = [*blocks(node, "actions"), *blocks(node, "action")]
    targets = [
        re.split(r"[/:]", t.text)[-2] if t.text.count("/") >= 2 else t.text
        for a in actions
        for k, t in a.walk()
        if k == "target_group_arn" and t.text
    ]
    priority = node.get("priority")
    return _Rule(
        node=node,
        priority=(1e6 if node.at("priority") == "default" else priority.number if priority and priority.number else number + 1.0),
        paths=tuple(paths),
        hosts=tuple(hosts),
        action=actions[-1].at("type") if actions else "",
        targets=tuple(targets),
        unsure=bool(others),
    )


def _values(node: Node | None) -> list[Node]:
    if node is None:
        return []
    return node.items or node.each("values") or ([node] if node.text else [])


def _rule_facts(rules: list[_Rule], product: str, artifact: Artifact) -> Iterator[Facts]:
    candidates = [_candidate(rule) for rule in rules]
    path = artifact.endpoint_path.partition("?")[0]
    judged = choose(candidates, path, artifact.endpoint_host, mixed=True) if rules else []
    for rule, serves in zip(rules, judged, strict=True):
        yield passing_route(
            artifact,
            product=product,
            line=rule.node.line,
            matcher=f"rule {', '.join(rule.paths) or 'any'}"[:200],
            serves=serves,
            upstream=", ".join(rule.targets)[:200],
            upstream_path=path or None if serves else None,
            idle=Setting(value=None),
        )
        if serves is not False:
            yield from _action_defects(rule, artifact)
    if rules and not path and not any(c.open or c.able or hints_at_websocket(c.words) for c in candidates):
        yield defect(
            "aws.no-rule-perhaps", artifact.name, rules[-1].node.line, f"rules for {', '.join(p for r in rules for p in r.paths)}"[:200]
        )
    for late, early in shadows(candidates):
        if rules[late].targets != rules[early].targets or rules[early].action != rules[late].action:
            words = f"the rule of priority {rules[early].priority:g} takes {', '.join(rules[late].paths)} first"
            yield defect("aws.rule-shadowed", artifact.name, rules[late].node.line, words)
    for rule in rules:
        yield from _pattern_defects(rule, path, artifact)


def _candidate(rule: _Rule) -> Candidate:
    sample = rule.paths[0].replace("*", "").replace("?", "x") if rule.paths else ""
    return Candidate(
        fits=rule.fits,
        words=" ".join((*rule.paths, *rule.targets, *rule.hosts)),
        sample=sample,
        group=",".join(sorted(rule.hosts)),
        open=not rule.paths or "/*" in rule.paths or "*" in rule.paths,
        possible=rule.action in ("forward", "") or rule.action.startswith("authenticate"),
    )


def _action_defects(rule: _Rule, artifact: Artifact) -> Iterator[PatternFacts]:
    kinds = {a.at("type") for a in [*blocks(rule.node, "actions"), *blocks(rule.node, "action")]}
    if "redirect" in kinds:
        yield defect("aws.rule-redirects", artifact.name, rule.node.line, f"rule {', '.join(rule.paths)}: redirect")
    elif "fixed-response" in kinds:
        yield defect("aws.rule-answers-itself", artifact.name, rule.node.line, f"rule {', '.join(rule.paths)}: fixed response")
    elif any(kind.startswith("authenticate") for kind in kinds):
        yield defect("aws.rule-authenticates", artifact.name, rule.node.line, f"rule {', '.join(rule.paths)}: {', '.join(sorted(kinds))}")


def _pattern_defects(rule: _Rule, path: str, artifact: Artifact) -> Iterator[PatternFacts]:
    for pattern in rule.paths:
        exact = "*" not in pattern
        missed = path and path.startswith(pattern.rstrip("/")) and rule.fits(path) is False
        if exact and (hints_at_polling(pattern) or missed):
            place = next(
                (v for c in [*blocks(rule.node, "conditions"), *blocks(rule.node, "condition")] for _, v in c.walk() if v.text == pattern),
                rule.node,
            )
            fix = fix_of(
                artifact, ("proxy.ws-location-missing",), reword(artifact, place.line, f'"{pattern}"', f'"{pattern.rstrip("/")}/*"')
            )
            yield defect("aws.exact-pattern", artifact.name, place.line, f"path pattern {pattern}", fix)
    for one in [*blocks(rule.node, "conditions"), *blocks(rule.node, "condition")]:
        methods = [v.text.upper() for v in _values(one.get("http_request_method") or one.get("http_request_method_config"))]
        if methods and "GET" not in methods and hints_at_websocket(" ".join(rule.paths)):
            yield defect("aws.rule-without-get", artifact.name, one.line, f"methods {', '.join(methods)}")


def _balancer_defects(product: str, trees: list[Node], attributes: dict[str, Node], artifact: Artifact) -> Iterator[PatternFacts]:
    if product == "aws-nlb":
        node = attributes.get("tcp.idle_timeout.seconds") or first(trees, "tcp_idle_timeout_seconds")
        if node is None or (node.number or 0) <= 3600:
            yield defect(
                "aws.nlb-forgets", artifact.name, node.line if node else 1, f"tcp.idle_timeout.seconds {node.text if node else '350'}"
            )
    if product == "aws-elb":
        yield from _classic_defects(trees, artifact)
    for tree in trees:
        for key, node in tree.walk():
            texts = [node.text, *(one.text for one in node.items)]
            if key == "alpn_policy" and "HTTP2Only" in texts:
                yield defect("aws.listener-h2-only", artifact.name, node.line, "ALPN policy HTTP2Only")
            elif key == "alpn_policy" and {"HTTP2Preferred", "HTTP2Optional"} & set(texts):
                yield defect("aws.listener-offers-h2", artifact.name, node.line, f"ALPN policy {', '.join(t for t in texts if t)}")
            elif key == "mutual_authentication" and node.at("mode") in ("verify", "passthrough"):
                yield defect("tls.client-certificate-requested", artifact.name, node.line, f"mutual authentication: {node.at('mode')}")
    for listener in [n for place in places(trees, "listeners") for n in place.each("listeners")]:
        if any(action.at("type") == "redirect" for action in listener.each("default_actions")):
            yield defect("gateway.plain-redirected", artifact.name, listener.line, f"listener of port {listener.at('port')}: redirect")
    drain = attributes.get("deregistration_delay.timeout_seconds") or first(trees, "deregistration_delay")
    if drain is not None and drain.number is not None and drain.number < 60:
        yield defect("aws.short-drain", artifact.name, drain.line, f"deregistration_delay {drain.text} s")


def _classic_defects(trees: list[Node], artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield the listeners that read HTTP; one that passes TCP may be the one for WebSockets."""
    listeners = [n for n in places(trees, "instance_protocol") if n.get("protocol") or n.get("lb_protocol") or n.get("instance_port")]
    found = [(n.get("protocol") or n.get("lb_protocol") or n, n) for n in listeners]
    if any(place.text.upper() in ("TCP", "SSL") for place, _ in found):
        return
    for place, node in found:
        if place.text.upper() in ("HTTP", "HTTPS"):
            new = "ssl" if place.text.upper() == "HTTPS" else "tcp"
            inner = node.get("instance_protocol")
            changes = [reword(artifact, place.line, f'"{place.text}"', f'"{new}"')]
            changes += [reword(artifact, inner.line, f'"{inner.text}"', '"tcp"')] if inner is not None and inner.line != place.line else []
            fix = fix_of(artifact, ("proxy.hop-lacks-websocket-support",), *changes) if "resource" in artifact.text else None
            yield defect("aws.classic-http-listener", artifact.name, place.line, f"Protocol {place.text}", fix)
            return


def _group_defects(trees: list[Node], attributes: dict[str, Node], rules: list[_Rule], artifact: Artifact) -> Iterator[PatternFacts]:
    groups = [g for place in places(trees, "target_groups") for g in place.each("target_groups")]
    groups += resources(trees, "aws_lb_target_group", "aws_alb_target_group", "AWS::ElasticLoadBalancingV2::TargetGroup")
    groups += [] if groups else list(places(trees, "protocol_version"))
    named = [g for g in groups if hints_at_websocket(g.at("target_group_name") + " " + g.at("name")) == 2]
    for group in named or (groups if len(groups) == 1 else []):
        yield from _one_group(group, artifact)
    sticky = attributes.get("stickiness.enabled")
    polled = hints_at_polling(f"{artifact.endpoint_path} {' '.join(p for rule in rules for p in rule.paths)}")
    if sticky is not None and sticky.text.lower() == "false":
        fix = fix_of(artifact, ("cluster.no-sticky-session",), reword(artifact, sticky.line, sticky.text, "true"))
        pattern = "aws.no-stickiness" if polled else "aws.no-stickiness-perhaps"
        yield defect(pattern, artifact.name, sticky.line, "stickiness.enabled false", fix)
    elif polled and _sticky(trees, attributes) is not True and groups:
        yield defect("aws.no-stickiness", artifact.name, groups[0].line, "no stickiness")
    yield from _health_defects(trees, artifact)


def _one_group(group: Node, artifact: Artifact) -> Iterator[PatternFacts]:
    version, port, protocol = group.get("protocol_version"), group.get("port"), group.at("protocol").upper()
    if version is not None and version.text.upper() in ("HTTP2", "GRPC"):
        fix = fix_of(artifact, ("proxy.h2-to-upstream",), reword(artifact, version.line, f'"{version.text}"', '"HTTP1"'))
        yield defect("aws.h2-to-upstream", artifact.name, version.line, f"ProtocolVersion {version.text}", fix)
    if port is not None and protocol in ("HTTP", "HTTPS") and (pattern := tls_port_defect(tls=protocol == "HTTPS", port=port.text)):
        yield defect(pattern, artifact.name, port.line, f"{protocol} to port {port.text}")
    check = group.get("health_check")
    path = group.get("health_check_path") or (check.get("path") if check is not None and check.pairs else None)
    matcher = group.at("matcher", "http_code") or (check.at("matcher") if check is not None and check.pairs else "") or group.at("matcher")
    if path is not None and hints_at_websocket(path.text) == 2 and not re.search(r"4\d\d|101|-4|-5", matcher):
        yield defect("aws.health-check-on-socket", artifact.name, path.line, f"health check {path.text}, matcher {matcher or '200'}")


def _health_defects(trees: list[Node], artifact: Artifact) -> Iterator[PatternFacts]:
    states = [
        node
        for node in places(trees, "state")
        if node.at("state") in ("healthy", "unhealthy", "unused", "draining", "initial", "unavailable")
    ]
    if states and all(node.at("state") in ("unhealthy", "unused", "draining") for node in states):
        words = f"{len(states)} targets, none healthy: {states[0].at('reason')} {states[0].at('description')}"
        yield defect("aws.no-healthy-target", artifact.name, states[0].line, words[:200])
