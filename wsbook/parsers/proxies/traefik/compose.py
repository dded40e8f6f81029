"""Compose files as Traefik reads them: labels of containers, and what the containers themselves say about ports and instances."""

import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from wsbook.facts import PatternFacts
from wsbook.parsers.proxies.artifact import Artifact, defect
from wsbook.parsers.proxies.traefik.model import Config, Router, merge, planted, read_config
from wsbook.parsers.proxies.trees.edits import fix_of, reword
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["Compose", "container_defects", "read_compose"]

_PORT_FLAG = re.compile(r"(?:--(?:port|http-port|listen-port)[= ]|-p |--bind[= ]\S*?:|(?:0\.0\.0\.0|\[::\]|\*):)(\d{2,5})\b")
_LOOPBACK_FLAG = re.compile(r"--?(?:host|bind|b|h|address|listen|listen-address)[= ](?:127\.0\.0\.1|localhost|\[?::1\]?)\S*")
_PORT_NAMES = ("PORT", "HTTP_PORT", "APP_PORT", "SERVER_PORT", "LISTEN_PORT", "WS_PORT")


class Container(Struct, frozen=True, kw_only=True):
    """One container. ports: on which its program listens, () unknown; told: it is told so. labels: its own tree."""

    name: str
    node: Node
    labels: dict[str, Node]
    tree: Node
    ports: tuple[str, ...] = ()
    told: bool = False
    replicas: int = 1


class Compose(Struct, frozen=True, kw_only=True):
    """A compose file. shown: whether containers without traefik.enable are taken, None unknown."""

    config: Config
    containers: tuple[Container, ...]
    shown: bool | None


def read_compose(document: Node) -> Compose | None:
    """Return the labels and flags of a compose file; None when the document is none."""
    services = document.map("services")
    labelled = {
        name: node for name, node in services.items() if node.pairs and (node.get("image") or node.get("labels") or node.get("build"))
    }
    loose = document.get("labels")
    if not labelled and loose is not None:
        labelled = {"container": document}
    if not labelled:
        return None
    containers = tuple(_container(name, node) for name, node in list(labelled.items())[:500])
    flags = [pair for c in containers for pair in _flags(c.node)]
    static = merge(
        [planted(flags), *(Node(value={"image": c.node.value["image"]}, line=1) for c in containers if "traefik" in c.node.at("image"))]
    )
    config = read_config(merge([static, *(_completed(c) for c in containers)]))
    shown = config.tree.at("providers", "docker", "exposedbydefault") or config.tree.at("providers", "swarm", "exposedbydefault")
    copies = {name: c.replicas for c in containers for name in c.tree.map("http", "services")}
    services_found = {n: replace(s, replicas=copies.get(n, 1)) for n, s in config.services.items()}
    config = replace(config, services=services_found, routers=tuple(_hosted(r, containers) for r in config.routers))
    return Compose(config=config, containers=containers, shown={"false": False, "true": True}.get(shown.lower()))


def _hosted(router: Router, containers: tuple[Container, ...]) -> Router:
    """Return a router with the service of its own container where it names none."""
    if router.service:
        return router
    own = next((c for c in containers if router.name in c.tree.map("http", "routers")), None)
    names = list(own.tree.map("http", "services")) if own else []
    return replace(router, service=names[0] if len(names) == 1 else own.name.lower() if own else "")


def _completed(container: Container) -> Node:
    """Return a container's labels, with the service that Traefik makes where they define none."""
    http = container.tree.get("http")
    if http is None or http.get("services") is not None or not container.ports:
        return container.tree
    server = Node(value={"port": Node(value=container.ports[0], line=container.node.line)}, line=container.node.line)
    balancer = Node(value={"loadbalancer": Node(value={"server": server}, line=server.line)}, line=server.line)
    made = Node(value={container.name.lower(): balancer}, line=server.line)
    return merge([container.tree, Node(value={"http": Node(value={"services": made}, line=server.line)}, line=server.line)])


def _container(name: str, node: Node) -> Container:
    labels = {**_labels(node.get("labels")), **_labels(node.get("deploy", "labels"))}
    pairs = [(key[8:], value) for key, value in labels.items() if key.lower().startswith("traefik.")]
    copies = node.get("deploy", "replicas") or node.get("scale")
    return Container(
        name=name,
        node=node,
        labels={k.lower(): v for k, v in labels.items()},
        tree=planted(pairs),
        ports=tuple(_told(node) or _open(node)),
        told=bool(_told(node)),
        replicas=int(copies.number) if copies and copies.number else 1,
    )


def _labels(node: Node | None) -> dict[str, Node]:
    if node is None:
        return {}
    if node.pairs:
        return dict(list(node.pairs.items())[:500])
    split = [(one, *one.text.partition("=")) for one in node.items[:500]]
    return {key.strip(): Node(value=value.strip().replace("$$", "$"), line=one.line) for one, key, _, value in split if key}


def _flags(node: Node) -> Iterator[tuple[str, Node]]:
    command = node.get("command")
    words = (
        [(o.text, o.line) for o in command.items]
        if command and command.items
        else [(w, command.line) for w in command.text.split()]
        if command
        else []
    )
    if "traefik" not in node.at("image") and not any(text.lower().startswith("--entrypoints") for text, _ in words):
        return
    for text, line in words[:500]:
        if text.startswith("--"):
            key, _, value = text[2:].partition("=")
            yield key, Node(value=value or "true", line=line)


def _told(node: Node) -> list[str]:
    """Return the ports that the program of a container is told to listen on."""
    environment = node.get("environment")
    pairs = {k: v.text for k, v in environment.pairs.items()} if environment else {}
    pairs |= dict(one.text.partition("=")[::2] for one in (environment.items if environment else []))
    told = [pairs[name] for name in _PORT_NAMES if re.fullmatch(r"\d{2,5}", pairs.get(name, ""))]
    command = node.get("command")
    words = command.text if command and command.text else " ".join(o.text for o in command.items) if command else ""
    return list(dict.fromkeys([*told, *_PORT_FLAG.findall(words[:2000])]))


def _open(node: Node) -> list[str]:
    """Return the ports that a container exposes, else those that it publishes."""
    exposed = [m[0] for one in node.each("expose")[:50] if (m := re.match(r"\d{1,5}", one.text))]
    published = [m[1] for one in node.each("ports")[:50] if (m := re.search(r"(?:^|:)(\d{1,5})(?:/tcp)?$", one.text))]
    return list(dict.fromkeys(exposed or published))


def container_defects(compose: Compose, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield containers that Traefik does not take, and ports on which their program does not listen."""
    for container in compose.containers:
        yield from _old_labels(container, compose, artifact)
        has_rule = any(key.startswith(("traefik.http.routers.", "traefik.tcp.routers.")) for key in container.labels)
        if not has_rule:
            continue
        enabled = container.labels.get("traefik.enable")
        if (enabled is not None and enabled.text.lower() == "false") or (enabled is None and compose.shown is False):
            line = enabled.line if enabled else container.node.line
            yield defect("traefik.container-hidden", artifact.name, line, f"service {container.name}")
        yield from _port_defects(container, artifact)
        services = list(container.tree.map("http", "services"))
        for name, router in container.tree.map("http", "routers").items():
            if len(services) > 1 and router.get("service") is None:
                words = f"router {name}: {', '.join(services)}"
                yield defect("traefik.service-not-told", artifact.name, (router.get("rule") or router).line, words)
        yield from _network_defects(container, artifact)


def _old_labels(container: Container, compose: Compose, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield labels of version 1 where nothing else routes, unless the file starts a Traefik of that version."""
    old = next(
        (node for key, node in container.labels.items() if key.startswith(("traefik.frontend.", "traefik.backend", "traefik.port"))), None
    )
    image = compose.config.tree.at("image")
    if old is None or any(key.startswith("traefik.http.") for key in container.labels) or ":v1" in image or ":1." in image:
        return
    pattern = "traefik.old-labels" if image else "traefik.old-labels-perhaps"
    yield defect(pattern, artifact.name, old.line, f"service {container.name}: labels of version 1")


def _port_defects(container: Container, artifact: Artifact) -> Iterator[PatternFacts]:
    for key, node in container.labels.items():
        if key.endswith(".loadbalancer.server.port") and container.ports and node.text not in container.ports:
            fix = fix_of(artifact, ("proxy.upstream-unreachable",), reword(artifact, node.line, node.text, container.ports[0]))
            words = f"service {container.name}: port {node.text}, the container has {', '.join(container.ports)}"
            yield replace(
                defect("traefik.port-mismatch" if container.told else "traefik.port-mismatch-perhaps", artifact.name, node.line, words),
                fix=fix,
            )
    command = container.node.get("command")
    words = command.text or " ".join(one.text for one in command.items) if command is not None else ""
    if bound := _LOOPBACK_FLAG.search(words[:2000]):
        yield defect("container.binds-loopback", artifact.name, command.line if command else 1, f"service {container.name}: {bound[0]}")
    if len(container.ports) > 1 and not any(key.endswith(".loadbalancer.server.port") for key in container.labels):
        yield defect("traefik.port-not-told", artifact.name, container.node.line, f"service {container.name}: {', '.join(container.ports)}")


def _network_defects(container: Container, artifact: Artifact) -> Iterator[PatternFacts]:
    networks = container.node.get("networks")
    count = len(networks.items or networks.pairs) if networks else 0
    if count > 1 and not any(key in container.labels for key in ("traefik.docker.network", "traefik.swarm.network")):
        yield defect("traefik.network-not-told", artifact.name, container.node.line, f"service {container.name}: {count} networks")
