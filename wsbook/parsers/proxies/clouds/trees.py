"""The files in which people have the settings of clouds, JSON, YAML, TOML, Terraform or lines of key and value, as one kind of tree.

Keys are in snake_case, so that IdleTimeout, idleTimeout and idle_timeout are one.
"""

import re
from collections.abc import Iterator

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.envoy.model import snaked
from wsbook.parsers.proxies.trees.hcl import looks_like_hcl, parse_hcl
from wsbook.parsers.proxies.trees.toml import looks_like_toml, parse_toml
from wsbook.parsers.proxies.trees.yaml import Node, parse_documents

__all__ = ["attributes_of", "blocks", "first", "places", "read_trees", "resources"]

_PAIR = re.compile(
    r"^[ \t\-*|]*[\"']?([A-Za-z][\w.-]{1,100})[\"']?[ \t]*(?:=>?|:|\|)[ \t]*[\"']?([^\"'#,|\n]{0,200}?)[\"']?,?[ \t|]*(?:#.*)?$",
    re.MULTILINE,
)
_COLUMNS = re.compile(r"(?:^|[\s|])([a-z]\w{1,60}(?:\.\w{1,60}){1,4})[ \t|]+([\w-]{1,60})(?=[\s|]|$)", re.MULTILINE)
_SHELL = re.compile(r"[Kk]ey=([\w.-]+),\s*[Vv]alue=([^\s\"',\\]+)")


def read_trees(artifact: Artifact) -> list[Node]:
    """Return the trees of a file, and for lines of key and value one flat tree.

    Raises:
        UnreadableInputError: broken JSON, or nothing that has a key and a value.
    """
    text = artifact.text.lstrip("\ufeff \t\r\n")
    if text[:1] in ("{", "["):
        return [snaked(document) for document in parse_documents(artifact)]
    if looks_like_hcl(text):
        return [snaked(parse_hcl(artifact))]
    if looks_like_toml(text) and "\n[" in "\n" + text:
        return [snaked(parse_toml(artifact))]
    try:
        found = [snaked(document) for document in parse_documents(artifact) if document.pairs or document.items]
    except UnreadableInputError:
        found = []
    return found or [_flat(artifact)]


def _flat(artifact: Artifact) -> Node:
    pairs = [(m[1], m[2].strip(), m.start(1)) for m in list(_PAIR.finditer(artifact.text))[:1000]]
    pairs += [(m[1], m[2], m.start(1)) for m in list(_SHELL.finditer(artifact.text))[:1000]]
    pairs += [(m[1], m[2], m.start(1)) for m in list(_COLUMNS.finditer(artifact.text))[:1000]]
    found = {key: Node(value=value, line=artifact.text.count("\n", 0, start) + 1) for key, value, start in pairs if value}
    if not found:
        raise UnreadableInputError(f"{artifact.name}: no setting of a load balancer in it")
    return snaked(Node(value=found, line=1))


def attributes_of(trees: list[Node]) -> dict[str, Node]:
    """Return what stands as ``{Key: …, Value: …}``, as dotted keys, or as ``Key=…,Value=…`` in a text; the first of a name counts."""
    found: dict[str, Node] = {}
    for tree in trees:
        for key, node in tree.walk():
            if node.at("key") and node.get("value") is not None:
                found.setdefault(node.at("key"), node.get("value") or node)
            elif "." in key and isinstance(node.value, str):
                found.setdefault(key, node)
            elif node.text and "=" in node.text and "." in node.text[:60]:
                for m in re.finditer(r"([\w.]+\.[\w.]+)\s*=\s*([^,\s]+)", node.text[:2000]):
                    found.setdefault(m[1], Node(value=m[2], line=node.line))
    return found


def places(trees: list[Node], *keys: str) -> Iterator[Node]:
    """Yield every mapping that has all of some keys."""
    for tree in trees:
        for _, node in tree.walk():
            if node.pairs and all(key in node.pairs for key in keys):
                yield node


def first(trees: list[Node], *keys: str) -> Node | None:
    """Return the first value that stands under one of some keys, None when there is none."""
    return next((node for tree in trees for key, node in tree.walk() if key in keys), None)


def blocks(node: Node, key: str) -> list[Node]:
    """Return what stands under a key, as a list: of one block, of several, or of a list."""
    found = node.get(key)
    return [] if found is None else found.items or [found]


def resources(trees: list[Node], *kinds: str) -> list[Node]:
    """Return the bodies of Terraform resources of some types, and the properties of CloudFormation's and ARM's."""
    found = [body for tree in trees for kind in kinds for body in tree.map("resource", kind).values()]
    for tree in trees:
        for _, node in tree.walk():
            if node.at("type") in kinds and node.get("properties") is not None:
                found.append(node.get("properties") or node)
    return [one for body in found for one in (body.items or [body])]
