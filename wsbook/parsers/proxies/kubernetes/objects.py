"""Kubernetes objects and how they name one another. Judges nothing, knows no controller but by its class and annotations."""

import re
from functools import cache

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = [
    "Controller",
    "World",
    "annotations_of",
    "controller_of",
    "controllers",
    "kind_of",
    "matches_labels",
    "name_of",
    "objects_of",
    "pods_of",
]

_MAX_OBJECTS = 2_000
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Rollout")


class Controller(Struct, frozen=True, kw_only=True):
    """A kind of ingress controller, as controllers.toml says."""

    product: str
    prefix: str
    classes: tuple[str, ...]
    idle: tuple[str, ...]
    unit: str
    sticky: tuple[tuple[str, str], ...]
    http2: tuple[str, ...]
    source: str
    known: tuple[str, ...] = ()
    complete: bool = False


@cache
def controllers() -> tuple[Controller, ...]:
    """Return the known controllers; the first is taken where nothing tells."""
    return convert(read_table("parsers/proxies/controllers.toml")["controller"], tuple[Controller, ...])


class World(Struct, frozen=True, kw_only=True):
    """All objects of a file. things: by kind, in order."""

    things: dict[str, list[Node]]

    def of(self, *kinds: str) -> list[Node]:
        """Return the objects of some kinds."""
        return [thing for kind in kinds for thing in self.things.get(kind, [])]

    def named(self, kind: str, name: str) -> Node | None:
        """Return the object of a name, None when it is not in the file."""
        return next((thing for thing in self.things.get(kind, []) if name_of(thing) == name), None)

    @property
    def workloads(self) -> list[Node]:
        """The objects that make pods."""
        return self.of(*_WORKLOADS)


def objects_of(documents: list[Node]) -> World:
    """Return the objects of all documents, those of lists too; without a kind they stand under ""."""
    things: dict[str, list[Node]] = {}
    listed = [one for document in documents for one in (document.each("items") or document.items or [document])]
    for one in listed[:_MAX_OBJECTS]:
        things.setdefault(kind_of(one), []).append(one)
    return World(things=things)


def kind_of(thing: Node) -> str:
    """Return the kind, "" when it has none."""
    return thing.at("kind")


def name_of(thing: Node) -> str:
    """Return the name, "" when it has none."""
    return thing.at("metadata", "name")


def annotations_of(thing: Node) -> Node:
    """Return the mapping of annotations, an empty one when there is none."""
    found = thing.get("metadata", "annotations") or thing.get("annotations")
    return found if found is not None and isinstance(found.value, dict) else Node(value={}, line=thing.line)


def controller_of(thing: Node) -> tuple[Controller, bool]:
    """Return the controller that an Ingress is for, and whether its class says so; the annotations decide where the class does not."""
    notes = annotations_of(thing).pairs
    named = notes.get("kubernetes.io/ingress.class") or thing.get("spec", "ingressClassName") or thing.get("className")
    said = named.text.lower() if named else ""
    counts = [(sum(key.startswith(c.prefix) for key in notes), c) for c in controllers()]
    used = [c for count, c in sorted(counts, key=lambda pair: -pair[0]) if count]
    by_class = [c for c in controllers() if said in c.classes]
    both_nginx = [c for c in used if c.product.endswith(("nginx", "nginx-inc-ingress"))]
    if by_class and by_class[0].product == "ingress-nginx":
        return (both_nginx[0] if both_nginx else by_class[0]), True
    if by_class and said == "haproxy":
        return (next((c for c in used if "haproxy" in c.product), by_class[0])), True
    if by_class:
        return by_class[0], True
    loose = next((c for c in controllers() if said and re.search(rf"(?:^|-){re.escape(c.classes[0])}(?:$|-)", said)), None)
    return loose or (used[0] if used else controllers()[0]), bool(loose)


def matches_labels(selector: dict[str, Node], labels: dict[str, Node]) -> bool:
    """Tell whether every label of a selector is there."""
    return bool(selector) and all(key in labels and labels[key].text == node.text for key, node in selector.items())


def pods_of(thing: Node) -> Node:
    """Return the pod that a workload makes, itself for a Pod."""
    return thing.get("spec", "template") or thing
