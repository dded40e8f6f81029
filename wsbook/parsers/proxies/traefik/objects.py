"""Traefik's Kubernetes objects, IngressRoute, IngressRouteTCP, Middleware and TraefikService, as its other configuration."""

from collections.abc import Iterator

from wsbook.facts import Facts
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.kubernetes.objects import World, name_of
from wsbook.parsers.proxies.traefik.model import lowered, read_config
from wsbook.parsers.proxies.traefik.parse import judge_config
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["judge_traefik_objects"]


def judge_traefik_objects(world: World, artifact: Artifact) -> Iterator[Facts]:
    """Yield routes and defects of Traefik's objects."""
    things = world.of("IngressRoute", "IngressRouteTCP")
    middlewares = {name_of(thing).lower(): lowered(spec) for thing in world.of("Middleware") if (spec := thing.get("spec")) and spec.pairs}
    if not things and not middlewares:
        return
    tree: dict[str, dict[str, Node]] = {"http": {}, "tcp": {}}
    services: dict[str, dict[str, Node]] = {"http": {}, "tcp": {}}
    for thing in things:
        kind = "tcp" if thing.at("kind").endswith("TCP") else "http"
        for number, route in enumerate(thing.each("spec", "routes")[:500]):
            name = f"{name_of(thing)}-{number}".lower()
            tree[kind][name] = _router(thing, route, name)
            services[kind][name] = _service(route, world)
    line = things[0].line if things else 1
    parts = {kind: _node({"routers": _node(dict(tree[kind]), line), "services": _node(dict(services[kind]), line)}, line) for kind in tree}
    if middlewares:
        parts["http"].value["middlewares"] = _node(middlewares, line)
    config = read_config(_node(parts, line))
    if things:
        yield from judge_config(config, artifact)
    else:
        yield from _alone(middlewares, artifact)


def _alone(middlewares: dict[str, Node], artifact: Artifact) -> Iterator[Facts]:
    """Yield what middlewares do to a router that is not in the file and uses them all."""
    line = next(iter(middlewares.values())).line
    names = _node([Node(value=name, line=line) for name in middlewares], line)
    router = _node(
        {"rule": Node(value="PathPrefix(`/`)", line=line), "middlewares": names, "service": Node(value="unknown@here", line=line)}, line
    )
    tree = _node({"http": _node({"routers": _node({"any": router}, line), "middlewares": _node(middlewares, line)}, line)}, line)
    yield from judge_config(read_config(tree), artifact)


def _node(value: object, line: int) -> Node:
    return Node(value=value, line=line)


def _router(thing: Node, route: Node, name: str) -> Node:
    value: dict[str, Node] = {"rule": route.get("match") or _node("", route.line), "service": _node(name, route.line)}
    names = [_node(one.at("name"), one.line) for one in route.each("middlewares") if one.at("name")]
    value["middlewares"] = _node(names, route.line)
    more = {"priority": route.get("priority"), "tls": thing.get("spec", "tls"), "entrypoints": thing.get("spec", "entryPoints")}
    return _node(value | {key: found for key, found in more.items() if found is not None}, route.line)


def _service(route: Node, world: World) -> Node:
    """Return the services of a route as one; each is a server, and so are the pods of a single one."""
    given = [one for one in route.each("services") if one.at("kind") != "TraefikService"]
    servers = [_server(one, i) for one in given for i in range(_replicas(one.at("name"), world) if len(given) == 1 else 1)]
    balancer: dict[str, Node] = {"servers": _node(servers, route.line)}
    for one in given:
        for key in ("passhostheader", "sticky"):
            found = lowered(one).get(key)
            if found is not None:
                balancer[key] = found
    weighted = [world.named("TraefikService", one.at("name")) for one in route.each("services")]
    if any(one is not None and one.get("spec", "weighted", "sticky") is not None for one in weighted):
        balancer["sticky"] = _node("true", route.line)
    return _node({"loadbalancer": _node(balancer, route.line)}, route.line)


def _server(one: Node, number: int) -> Node:
    port = one.at("port")
    scheme = one.get("scheme")
    kind = scheme.text if scheme else "https" if port == "443" or port.startswith("https") else "http"
    address = f"{kind}://{one.at('name')}{f'-{number}' if number else ''}:{port}"
    place = scheme or one.get("port") or one
    return _node({"url": Node(value=address, line=place.line)}, one.line)


def _replicas(name: str, world: World) -> int:
    from wsbook.parsers.proxies.kubernetes.annotations import replicas_of

    return min(replicas_of(name, world) or 1, 20)
