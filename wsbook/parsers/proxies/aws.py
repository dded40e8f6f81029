"""Attributes of AWS load balancers and API gateways to routes and defects.

Reads the JSON of describe-load-balancer-attributes, describe-load-balancers, describe-target-group-attributes, classic load balancers and
API gateways, ``key = value`` lines, and Terraform arguments. An ALB closes what is silent for idle_timeout.timeout_seconds (60
by default); an
NLB forgets a flow after tcp.idle_timeout.seconds (350) without telling either side.
Source: docs.aws.amazon.com, load balancer attributes; API Gateway quotas for WebSocket APIs (10 minutes idle, 2 hours in all).
"""

import re

from wsbook.errors import UnreadableInputError
from wsbook.facts import Facts, RouteFacts, Setting, TextFacts
from wsbook.parsers.proxies.artifact import Artifact, Parsed, defect, require_small
from wsbook.parsers.proxies.yaml_tree import parse_documents

__all__ = ["parse_aws"]

_PAIR = re.compile(r"^[ \t]*[\"']?([\w.-]{1,100})[\"']?[ \t]*[=:][ \t]*[\"']?([^\"'#,\n]{0,200}?)[\"']?,?[ \t]*(?:#.*)?$", re.MULTILINE)
_JSON_PAIR = re.compile(r'"Key"\s*:\s*"([\w.-]+)"\s*,\s*"Value"\s*:\s*"([^"]*)"|"Value"\s*:\s*"([^"]*)"\s*,\s*"Key"\s*:\s*"([\w.-]+)"')
_IDLE = ("idle_timeout.timeout_seconds", "tcp.idle_timeout.seconds", "idle_timeout", "IdleTimeout", "idle_timeout_in_seconds")


def parse_aws(artifact: Artifact) -> Parsed:
    """Return routes and defects of load balancer attributes.

    Raises:
        UnreadableInputError: too large, binary, broken JSON, or without any attribute.
    """
    require_small(artifact, "load balancer")
    if artifact.text.lstrip()[:1] in ("{", "["):
        parse_documents(artifact)
    pairs = _pairs(artifact.text)
    if not pairs:
        raise UnreadableInputError(f"{artifact.name}: no load balancer attribute in it")
    facts: list[Facts] = [_route(pairs, artifact)]
    said = {key.lower(): (value.lower(), line) for key, value, line in pairs}
    if _is_classic(said) and said.get("protocol", ("", 0))[0] in ("http", "https"):
        facts.append(defect("aws.classic-http-listener", artifact.name, said["protocol"][1], f"Protocol {said['protocol'][0]}"))
    if said.get("protocoltype", ("", 0))[0] == "http" or "apikeysource" in said:
        facts.append(defect("aws.gateway-without-websocket", artifact.name, 1, "API without ProtocolType WEBSOCKET"))
    if said.get("protocolversion", said.get("protocol_version", ("", 0)))[0] in ("http2", "grpc"):
        line = said.get("protocolversion", said.get("protocol_version", ("", 0)))[1]
        facts.append(defect("aws.h2-to-upstream", artifact.name, line, "ProtocolVersion HTTP2"))
    text = TextFacts(kind="alb_attributes", program="aws", size_bytes=len(artifact.text.encode()), items=1)
    return Parsed(facts=tuple(facts), text=text)


def _pairs(text: str) -> list[tuple[str, str, int]]:
    found = [(m[1] or m[4], m[2] if m[1] else m[3], text.count("\n", 0, m.start()) + 1) for m in list(_JSON_PAIR.finditer(text))[:1000]]
    if '"Key"' not in text:
        found += [(m[1], m[2].strip(), text.count("\n", 0, m.start(1)) + 1) for m in list(_PAIR.finditer(text))[:1000]]
    inline = re.finditer(r'"(Type|Protocol|ProtocolType|ProtocolVersion|IdleTimeout|Scheme|apiKeySource)"\s*:\s*"?([\w.-]+)', text)
    return found + [(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in list(inline)[:1000]]


def _is_classic(said: dict[str, tuple[str, int]]) -> bool:
    return "idletimeout" in said or "instanceprotocol" in said or "instance_protocol" in said


def _route(pairs: list[tuple[str, str, int]], artifact: Artifact) -> RouteFacts:
    said = {key: (value, line) for key, value, line in pairs}
    kind = said.get("Type", said.get("load_balancer_type", ("", 0)))[0].lower()
    network = kind == "network" or "tcp.idle_timeout.seconds" in said
    gateway = said.get("ProtocolType", ("", 0))[0].upper() == "WEBSOCKET"
    product = (
        "aws-nlb"
        if network
        else "aws-api-gateway"
        if gateway
        else "aws-elb"
        if _is_classic({k.lower(): v for k, v in said.items()})
        else "aws-alb"
    )
    idle = next(((v, line) for k in _IDLE if k in said for v, line in [said[k]] if v.isdigit()), None)
    default = {"aws-nlb": "350", "aws-api-gateway": "600"}.get(product, "60")
    sticky = said.get("stickiness.enabled", ("", 0))[0].lower()
    forwarded = Setting(value="forwarded", default=True)
    return RouteFacts(
        product=product,
        file=artifact.name,
        line=idle[1] if idle else 1,
        matcher="load balancer" if product != "aws-api-gateway" else "WebSocket API",
        serves=True,
        upgrade=forwarded,
        connection=forwarded,
        host=forwarded,
        http_version=Setting(value="1.1", default=True),
        idle_s=Setting(value=idle[0], file=artifact.name, line=idle[1]) if idle else Setting(value=default, default=True),
        lifetime_s=Setting(value="7200", default=True) if gateway else None,
        balance="cookie" if sticky == "true" else "roundrobin" if sticky == "false" else "",
    )
