"""Kubernetes objects to routes and defects. Which module reads a kind stands in _READERS; objects of a file are read together.

An annotation counts only with the right prefix, as a string, on the right object, and for the controller that takes the Ingress.
"""

from collections.abc import Callable, Iterator

from wsbook.facts import Facts, RouteFacts, TextFacts
from wsbook.parsers.proxies.artifact import Artifact, Parsed, require_small
from wsbook.parsers.proxies.kubernetes.contour import judge_contour
from wsbook.parsers.proxies.kubernetes.gateway_api import judge_gateway
from wsbook.parsers.proxies.kubernetes.google import judge_google
from wsbook.parsers.proxies.kubernetes.ingress import judge_ingresses, judge_pieces
from wsbook.parsers.proxies.kubernetes.istio import judge_istio
from wsbook.parsers.proxies.kubernetes.objects import World, objects_of
from wsbook.parsers.proxies.kubernetes.services import judge_services
from wsbook.parsers.proxies.passing import limited, with_long_limits
from wsbook.parsers.proxies.traefik.objects import judge_traefik_objects
from wsbook.parsers.proxies.trees.yaml import parse_documents

__all__ = ["parse_kubernetes"]

_READERS: tuple[Callable[[World, Artifact], Iterator[Facts]], ...] = (
    judge_ingresses,
    judge_services,
    judge_traefik_objects,
    judge_istio,
    judge_gateway,
    judge_contour,
    judge_google,
)


def parse_kubernetes(artifact: Artifact) -> Parsed:
    """Return routes and defects of Kubernetes objects, or of a piece of one that holds annotations.

    Raises:
        UnreadableInputError: too large, binary, no YAML, nested too deeply.
    """
    require_small(artifact, "Kubernetes")
    world = objects_of(parse_documents(artifact))
    facts = [one for reader in _READERS for one in limited(reader(world, artifact))] or list(judge_pieces(world, artifact))
    routes = sum(isinstance(f, RouteFacts) for f in facts)
    return Parsed(
        facts=tuple(with_long_limits(facts, artifact)),
        text=TextFacts(kind="k8s_ingress", program="kubernetes", size_bytes=len(artifact.text.encode()), items=routes),
    )
