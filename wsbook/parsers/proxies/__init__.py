"""Configurations of reverse proxies and load balancers, each said as RouteFacts, and defects beyond that as PatternFacts.

A PatternFacts of weight below 0.4 is a hint that needs other evidence; from there on the file alone shows a defect.
"""

from collections.abc import Callable
from importlib import import_module

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.facts import Facts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.proxies.artifact import Artifact, Parsed
from wsbook.parsers.proxies.settings import suspect

__all__ = ["KINDS", "parse_config"]

KINDS = {
    "nginx_conf": ("nginx", "nginx.parse", "parse_nginx"),
    "haproxy_cfg": ("haproxy", "haproxy.parse", "parse_haproxy"),
    "caddyfile": ("caddy", "caddy.parse", "parse_caddy"),
    "apache_conf": ("apache", "apache.parse", "parse_apache"),
    "traefik": ("traefik", "traefik.parse", "parse_traefik"),
    "envoy": ("envoy", "envoy.parse", "parse_envoy"),
    "k8s_ingress": ("kubernetes", "kubernetes.parse", "parse_kubernetes"),
    "alb_attributes": ("aws", "clouds.aws", "parse_aws"),
}
"""Kind of configuration → product, module of this folder, and its function."""


def parse_config(
    text: str,
    *,
    kind: str,
    artifact: str,
    endpoint_path: str = "",
    endpoint_host: str = "",
    endpoint_port: int = 0,
    version: str = "",
    step: str = "2.2",
    folder: str = "",
) -> list[Observation]:
    """Return what a configuration does with a WebSocket: one TextFacts, then routes and defects in the order of the file.

    artifact: name of the file, it stands in findings. endpoint_path, endpoint_host: "" unknown. endpoint_port: 0 unknown. version: of the
    program, "" unknown, in which case the defaults of the older releases hold. folder: includes are followed inside it only; "" never.

    Raises:
        UsageError: kind is not in KINDS.
        UnreadableInputError: the text is no such configuration.
    """
    if kind not in KINDS:
        raise UsageError(f"configuration kind {kind!r} is not one of {', '.join(KINDS)}")
    product, module, name = KINDS[kind]
    parse: Callable[[Artifact], Parsed] = getattr(import_module(f"wsbook.parsers.proxies.{module}"), name)
    given = Artifact(
        text=text,
        name=artifact,
        endpoint_path=endpoint_path,
        endpoint_host=endpoint_host,
        endpoint_port=endpoint_port,
        version=version,
        folder=folder,
    )
    try:
        parsed = parse(given)
    except RecursionError as error:
        raise UnreadableInputError(f"{artifact}: nested too deeply") from error
    possible = suspect(text, kind, artifact, parsed.facts)
    return [observed(_source(product, step, artifact, facts), facts) for facts in (parsed.text, *parsed.facts, *possible)]


def _source(product: str, step: str, artifact: str, facts: Facts) -> Source:
    return Source(step=step, probe=product, artifact=str(getattr(facts, "file", "")) or artifact, line=int(getattr(facts, "line", 0)))
