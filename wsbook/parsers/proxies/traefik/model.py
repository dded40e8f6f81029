"""Traefik's routers, services and middlewares as values, from files, labels and command lines alike. Judges nothing.

Keys count in any capitals, as Traefik reads them. Source: doc.traefik.io, configuration reference of versions 2 and 3.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from wsbook.parsers.proxies.traefik.rules import Rule, parse_rule
from wsbook.parsers.proxies.trees.yaml import Node, renamed

__all__ = ["Config", "Router", "Service", "lowered", "merge", "planted", "read_config", "words_of"]

_INDEXED = re.compile(r"\[(\d{1,3})\]")
_MAX_NAMES = 2_000
_MERGED = 5


class Router(Struct, frozen=True, kw_only=True):
    """One router. priority: as it counts. entry_points: () all. middlewares, service: names without their provider."""

    name: str
    rule: Rule
    node: Node
    line: int
    priority: float
    service: str = ""
    service_line: int = 0
    middlewares: tuple[tuple[str, Node], ...] = ()
    entry_points: tuple[str, ...] = ()
    tls: bool = False
    tcp: bool = False


class Service(Struct, frozen=True, kw_only=True):
    """One service. servers: address and its place. node: of its load balancer. replicas: how many instances run, at least."""

    name: str
    node: Node
    servers: tuple[tuple[str, Node], ...] = ()
    sticky: bool = False
    parts: tuple[str, ...] = ()
    replicas: int = 1


class Config(Struct, frozen=True, kw_only=True):
    """One configuration, dynamic and static part."""

    routers: tuple[Router, ...]
    services: dict[str, Service]
    middlewares: dict[str, tuple[str, Node]]
    tree: Node


def lowered(node: Node) -> Node:
    """Return a tree with all keys in small letters; places stay."""
    return renamed(node, str.lower)


def planted(pairs: list[tuple[str, Node]]) -> Node:
    """Return the tree that dotted keys stand for, such as a label's or a flag's; ``name[0]`` is a member of a list."""
    top = Node(value={}, line=pairs[0][1].line if pairs else 1)
    for key, node in pairs[:_MAX_NAMES]:
        parts = [part for part in _INDEXED.sub(r".\1", key).split(".") if part][:20]
        place = top
        for part in parts[:-1]:
            inner = place.value.get(part.lower()) if isinstance(place.value, dict) else None
            if inner is None or not isinstance(inner.value, dict):
                inner = Node(value={}, line=node.line, key_line=node.line)
                place.value[part.lower()] = inner
            place = inner
        place.value.setdefault(parts[-1].lower(), node) if parts else None
    return top


def merge(trees: list[Node], depth: int = 0) -> Node:
    """Return one tree with the keys of all, down to the settings of a router; of values the first counts."""
    value: dict[str, Node] = {}
    for tree in trees:
        for key, node in tree.pairs.items():
            both = key in value and value[key].pairs and node.pairs and depth < _MERGED
            value[key] = merge([value[key], node], depth + 1) if both else value.get(key, node)
    return Node(value=value, line=trees[0].line if trees else 1)


def read_config(tree: Node) -> Config:
    """Return what a tree in small letters holds."""
    routers = [*_routers(tree, "http"), *_routers(tree, "tcp")]
    services = {name: _service(name, node) for name, node in list(tree.map("http", "services").items())[:_MAX_NAMES]}
    services |= {name: _service(name, node) for name, node in list(tree.map("tcp", "services").items())[:_MAX_NAMES]}
    middlewares = {
        name: (next(iter(node.pairs), ""), next(iter(node.pairs.values()), node)) for name, node in tree.map("http", "middlewares").items()
    }
    return Config(routers=tuple(routers), services=services, middlewares=middlewares, tree=tree)


def words_of(node: Node | None) -> list[tuple[str, Node]]:
    """Return a list's texts with their places, also from ``a,b``."""
    if node is None:
        return []
    if node.text:
        return [(part.strip(), node) for part in node.text.split(",") if part.strip()]
    return [(one.text, one) for one in node.items] or [(one.text, one) for one in node.pairs.values() if one.text]


def _routers(tree: Node, kind: str) -> Iterator[Router]:
    for name, node in list(tree.map(kind, "routers").items())[:_MAX_NAMES]:
        rule = parse_rule(node.at("rule"))
        place = node.get("rule") or node
        given = node.get("priority")
        service = node.get("service")
        tls = node.get("tls")
        yield Router(
            name=name,
            rule=rule,
            node=node,
            line=place.line,
            priority=(given.number if given and given.number else None) or len(rule.text),
            service=service.text.partition("@")[0].lower() if service else "",
            service_line=service.line if service else place.line,
            middlewares=tuple((word.partition("@")[0].lower(), one) for word, one in words_of(node.get("middlewares"))),
            entry_points=tuple(word.lower() for word, _ in words_of(node.get("entrypoints"))),
            tls=tls is not None and tls.text != "false",
            tcp=kind == "tcp",
        )


def _service(name: str, node: Node) -> Service:
    balancer = node.get("loadbalancer") or Node(value={}, line=node.line)
    servers = [(one.at("url") or one.at("address"), one.get("url") or one.get("address") or one) for one in balancer.each("servers")]
    servers += [(one.at("url") or one.at("address"), one.get("url") or one) for one in balancer.map("servers").values()]
    single = balancer.get("server")
    if single is not None and single.pairs:
        port, scheme = single.at("port"), single.at("scheme") or "http"
        place = single.get("scheme") or single.get("port") or single
        servers.append((single.at("url") or f"{scheme}://container:{port}", single.get("url") or place))
    sticky = balancer.get("sticky")
    parts = [one.at("name").partition("@")[0].lower() for one in node.each("weighted", "services")]
    return Service(
        name=name,
        node=balancer,
        servers=tuple(servers),
        sticky=(sticky is not None and sticky.text != "false") or node.get("weighted", "sticky") is not None,
        parts=tuple(parts),
    )
