"""Cloudflare: a zone's switch for WebSockets, and the ingress rules of a tunnel, of which the first that matches wins.

The edge closes what is silent for 100 seconds. Source: developers.cloudflare.com, WebSockets and Tunnel (origin parameters).
"""

from collections.abc import Iterator

from wsbook.facts import Facts, PatternFacts, Setting
from wsbook.parsers.proxies.artifact import Artifact, defect, loopback_of_container, try_regex
from wsbook.parsers.proxies.clouds.trees import resources
from wsbook.parsers.proxies.passing import FORWARDED, passing_route, set_at
from wsbook.parsers.proxies.routing import Candidate, choose
from wsbook.parsers.proxies.trees.edits import fix_of, reword
from wsbook.parsers.proxies.trees.yaml import Node
from wsbook.parsers.proxies.upstreams import port_defect

__all__ = ["judge_cloudflare"]

_DISABLED = ("proxy.websocket-support-disabled",)


def judge_cloudflare(trees: list[Node], artifact: Artifact) -> Iterator[Facts]:
    """Yield what a zone or a tunnel does with WebSockets."""
    for tree in trees:
        yield from _zone(tree, trees, artifact)
        rules = [one for one in tree.each("ingress") or tree.each("config", "ingress") if one.get("service") is not None]
        if rules:
            yield from _tunnel(rules, tree, artifact)


def _zone(tree: Node, trees: list[Node], artifact: Artifact) -> Iterator[Facts]:
    switches = []
    for key, node in tree.walk():
        if node.at("id") == "websockets" and node.get("value") is not None:
            switches.append(node.get("value") or node)
        elif key == "websockets" and node.text.lower() in ("on", "off"):
            switches.append(node)
    settings = [one for one in resources(trees, "cloudflare_zone_setting") if one.at("setting_id") == "websockets"]
    switches += [found for one in settings if (found := one.get("value")) is not None]
    for node in (one for _, one in tree.walk() if one.at("id") in ("security_level", "bot_fight_mode", "browser_check")):
        if node.at("value") in ("under_attack", "high"):
            yield defect("cloudflare.challenges", artifact.name, node.line, f"{node.at('id')}: {node.at('value')}")
    for node in (one for _, one in tree.walk() if one.at("id") == "ssl" or one.at("setting_id") == "ssl"):
        if node.at("value") in ("strict", "flexible"):
            pattern = "cloudflare.strict" if node.at("value") == "strict" else "cloudflare.flexible"
            yield defect(pattern, artifact.name, node.line, f"ssl: {node.at('value')}")
    for switch in switches[:1]:
        yield passing_route(
            artifact, product="cloudflare", line=switch.line, matcher="zone", upgrade=FORWARDED if switch.text == "on" else None
        )
        if switch.text == "off":
            fix = fix_of(artifact, _DISABLED, reword(artifact, switch.line, '"off"', '"on"')) if "resource" in tree.value else None
            yield defect("cloudflare.websockets-off", artifact.name, switch.line, "websockets: off", fix)


def _tunnel(rules: list[Node], tree: Node, artifact: Artifact) -> Iterator[Facts]:
    hosts = {rule.at("hostname") for rule in rules if rule.at("hostname")}
    groups = [rule.at("hostname") or (next(iter(hosts)) if len(hosts) == 1 else "") for rule in rules]
    candidates = [_candidate(rule, group) for rule, group in zip(rules, groups, strict=True)]
    path = artifact.endpoint_path.partition("?")[0]
    for rule, serves in zip(rules, choose(candidates, path, artifact.endpoint_host), strict=True):
        host = rule.get("origin_request", "http_host_header") or tree.get("origin_request", "http_host_header")
        yield passing_route(
            artifact,
            product="cloudflare",
            line=rule.line,
            matcher=f"ingress {rule.at('hostname')}{rule.at('path')}".strip(),
            serves=serves,
            upstream=rule.at("service"),
            upstream_path=path or None if serves else None,
            host=set_at(artifact, host) if host else FORWARDED,
            idle=Setting(value="100", default=True),
        )
        if serves is not False:
            yield from _rule_defects(rule, tree, path, artifact)


def _candidate(rule: Node, group: str) -> Candidate:
    pattern = rule.at("path")
    regex = try_regex(pattern) if pattern else None

    def fits(path: str) -> bool | None:
        if not pattern:
            return True
        return bool(regex.search(path[:500])) if regex else None

    return Candidate(
        fits=fits,
        words=f"{pattern} {rule.at('service')} {rule.at('hostname')}",
        group=group,
        open=not pattern,
        able=rule.at("service").startswith(("ws://", "wss://")),
        possible=not rule.at("service").startswith(("http_status", "ssh", "rdp", "hello")),
    )


def _rule_defects(rule: Node, tree: Node, path: str, artifact: Artifact) -> Iterator[PatternFacts]:
    service = rule.get("service") or rule
    if service.text.startswith("http_status"):
        if path:
            yield defect("cloudflare.no-rule", artifact.name, service.line, f"{path} reaches {service.text}")
        return
    if found := port_defect(service.text, artifact, service.line):
        yield found
    if loopback_of_container(artifact.text, service.text):
        yield defect("proxy.loopback-of-container", artifact.name, service.line, service.text)
    for owner in (rule.get("origin_request"), tree.get("origin_request")):
        if owner is None:
            continue
        host, h2 = owner.get("http_host_header"), owner.get("http2_origin")
        if host is not None:
            yield defect("k8s.host-replaced", artifact.name, host.line, f"httpHostHeader: {host.text}")
        if h2 is not None and h2.text == "true":
            fix = fix_of(artifact, ("proxy.h2-to-upstream",), reword(artifact, h2.line, "true", "false"))
            yield defect("cloudflare.h2-to-upstream", artifact.name, h2.line, "http2Origin: true", fix)
        if owner.at("access", "required") == "true":
            yield defect("traefik.auth-on-handshake", artifact.name, owner.line, "access required")
    verified = [
        o.at("no_tls_verify") for o in (rule.get("origin_request"), tree.get("origin_request")) if o is not None and o.get("no_tls_verify")
    ]
    local = service.text.startswith(("https://localhost", "https://127.", "https://10.", "https://192.168.", "wss://localhost"))
    if (
        local
        and "true" not in verified
        and not any(o.get("ca_pool") for o in (rule.get("origin_request"), tree.get("origin_request")) if o)
    ):
        yield defect("cloudflare.private-certificate", artifact.name, service.line, service.text)
