"""Cloud firewalls: ports that are open to the inside only, while another of the same group is open to everybody.

A port that drops what comes from outside shows as a timeout, never as a refusal.
Source: docs.aws.amazon.com, security groups; cloud.google.com, VPC firewall rules; learn.microsoft.com, network security groups.
"""

from collections.abc import Iterator

from wsbook.facts import Facts
from wsbook.parsers.proxies.artifact import Artifact, defect
from wsbook.parsers.proxies.clouds.trees import blocks, places, resources
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["judge_firewalls"]

_EVERYBODY = ("0.0.0.0/0", "::/0", "*", "internet", "any")
_INSIDE = frozenset(("22", "3389", "3306", "5432", "6379", "27017", "9200", "9090", "2379", "10250"))
"""Ports that are rightly not open to everybody."""


def judge_firewalls(trees: list[Node], artifact: Artifact) -> Iterator[Facts]:
    """Yield ports of groups that are not open to everybody."""
    groups = [blocks(group, "ingress") for group in resources(trees, "aws_security_group")]
    groups += [group.each("ip_permissions") for group in places(trees, "ip_permissions")]
    groups += [group.each("security_group_ingress") for group in resources(trees, "AWS::EC2::SecurityGroup")]
    groups += [blocks(group, "security_rule") for group in resources(trees, "azurerm_network_security_group")]
    for rules in groups:
        yield from _group(rules, artifact)
    for web in resources(
        trees, "aws_wafv2_web_acl_association", "azurerm_web_application_firewall_policy", "google_compute_security_policy"
    ):
        yield defect("firewall.web-rules", artifact.name, web.line, "a web application firewall stands before it")
    for rule in resources(trees, "google_compute_firewall"):
        yield from _group([rule], artifact)


def _group(rules: list[Node], artifact: Artifact) -> Iterator[Facts]:
    closed = [rule for rule in rules if not _is_open(rule) and _port(rule) and _port(rule) not in _INSIDE]
    for rule in closed[:3]:
        yield defect("firewall.port-not-public", artifact.name, rule.line, f"port {_port(rule)} is not open to everybody")
    ports = {_port(rule) for rule in rules}
    if rules and not closed and not ports & {"443", "80", "0", "-1", "*", ""}:
        yield defect("firewall.port-not-open", artifact.name, rules[0].line, f"open ports: {', '.join(sorted(ports))}"[:200])


def _is_open(rule: Node) -> bool:
    return any(node.text.lower() in _EVERYBODY for _, node in rule.walk())


def _port(rule: Node) -> str:
    ends = rule.at("from_port"), rule.at("to_port")
    if ends[0] and ends[0] == ends[1]:
        return ends[0]
    allowed = [port.text for allow in blocks(rule, "allow") for port in allow.each("ports")]
    return rule.at("destination_port_range") or (allowed[0] if len(allowed) == 1 else "") or ("-".join(ends) if any(ends) else "")
