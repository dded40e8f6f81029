"""Settings of clouds to routes and defects: load balancers, gateways, content networks and platforms, in whatever form people have them.

Each module of _READERS knows one family and yields nothing for a file that is not about it; a load balancer is what remains.
"""

from collections.abc import Callable, Iterator

from wsbook.errors import UnreadableInputError
from wsbook.facts import Facts, TextFacts
from wsbook.parsers.proxies.artifact import Artifact, Parsed, require_small
from wsbook.parsers.proxies.clouds.aws_balancers import judge_balancers
from wsbook.parsers.proxies.clouds.aws_gateways import judge_cloudfront, judge_gateways
from wsbook.parsers.proxies.clouds.azure import judge_azure
from wsbook.parsers.proxies.clouds.cloudflare import judge_cloudflare
from wsbook.parsers.proxies.clouds.firewalls import judge_firewalls
from wsbook.parsers.proxies.clouds.google import judge_google_backends
from wsbook.parsers.proxies.clouds.platforms import judge_platforms
from wsbook.parsers.proxies.clouds.trees import read_trees
from wsbook.parsers.proxies.passing import limited, with_long_limits
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["parse_aws"]

_MAX_PARTS = 30_000
_READERS: tuple[Callable[[list[Node], Artifact], Iterator[Facts]], ...] = (
    judge_cloudflare,
    judge_cloudfront,
    judge_gateways,
    judge_google_backends,
    judge_azure,
    judge_platforms,
    judge_firewalls,
)


def parse_aws(artifact: Artifact) -> Parsed:
    """Return routes and defects of a cloud's settings.

    Raises:
        UnreadableInputError: too large, binary, broken JSON, or without any setting.
    """
    require_small(artifact, "load balancer")
    trees = read_trees(artifact)
    if sum(1 for tree in trees for _ in tree.walk()) > _MAX_PARTS:
        raise UnreadableInputError(f"{artifact.name}: more parts than the settings of a load balancer have")
    if any(tree.at("kind") and tree.get("metadata") is not None for tree in trees):
        from wsbook.parsers.proxies.kubernetes.parse import parse_kubernetes

        return parse_kubernetes(artifact)
    facts = [one for reader in _READERS for one in limited(reader(trees, artifact))]
    facts = facts or list(limited(judge_balancers(trees, artifact)))
    if not facts and not any(node.value for tree in trees for node in tree.pairs.values() if not node.text):
        raise UnreadableInputError(f"{artifact.name}: no setting of a load balancer or platform that is known")
    text = TextFacts(kind="alb_attributes", program="aws", size_bytes=len(artifact.text.encode()), items=len(facts))
    return Parsed(facts=tuple(with_long_limits(facts, artifact)), text=text)
