"""Services: whether the chain Ingress → Service → pod fits together in one file, affinity, and load balancers that a Service asks for."""

import re
from collections.abc import Iterator

from wsbook.facts import Facts, PatternFacts, RouteFacts
from wsbook.parsers.proxies.artifact import Artifact, defect, hints_at_websocket
from wsbook.parsers.proxies.kubernetes.ingress import paths_of
from wsbook.parsers.proxies.kubernetes.objects import World, annotations_of, matches_labels, name_of, pods_of
from wsbook.parsers.proxies.passing import passing_route, set_at
from wsbook.parsers.proxies.trees.edits import fix_of, reword
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["judge_services"]

_LOOPBACK = re.compile(r"--?(?:host|bind|b|address|listen)[= ](?:127\.0\.0\.1|localhost)\S*")
_UNREACHABLE = ("proxy.upstream-unreachable",)
_AWS = "service.beta.kubernetes.io/aws-load-balancer-"
_AZURE = "service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout"


def judge_services(world: World, artifact: Artifact) -> Iterator[Facts]:
    """Yield what the services of a file say, and where the chain to the pods breaks."""
    yield from _rule_defects(world, artifact)
    yield from _workload_defects(world, artifact)
    for values in world.of(""):
        for _, node in values.walk():
            if any(key.startswith(_AWS) for key in node.pairs):
                yield from _aws(node.pairs, node, artifact)
    for policy in world.of("NetworkPolicy"):
        if policy.each("spec", "ingress") and any(rule.each("from") for rule in policy.each("spec", "ingress")):
            yield defect("k8s.network-policy", artifact.name, policy.get("spec", "ingress").line, f"NetworkPolicy {name_of(policy)}")  # type: ignore[union-attr]
    for service in world.of("Service"):
        affinity = service.get("spec", "sessionAffinity")
        if affinity is not None and affinity.text == "ClientIP" and not _sees_clients(service):
            yield defect("k8s.client-ip-affinity", artifact.name, affinity.line, f"sessionAffinity: {affinity.text}")
        yield from _pod_defects(service, world, artifact)
        yield from _balancer(service, artifact)


def _sees_clients(service: Node) -> bool:
    """Tell whether a service gets the addresses of clients: no proxy stands before it."""
    return service.at("spec", "type") == "LoadBalancer" and service.at("spec", "externalTrafficPolicy") == "Local"


def _rule_defects(world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield rules whose service is in the file and has no such port, or whose service nobody defines."""
    known = {name_of(service) for service in world.of("Service")}
    for path in (one for thing in world.of("Ingress") for one in paths_of(thing)):
        service = world.named("Service", path.service)
        if path.service and service is None and known and hints_at_websocket(path.path) == 2:
            yield defect(
                "k8s.service-missing",
                artifact.name,
                path.node.line,
                f"service {path.service} is not among {', '.join(sorted(known))}"[:200],
            )
        if service is None or not path.port or path.port_node is None:
            continue
        ports = service.each("spec", "ports")
        if path.port not in {value for port in ports for value in (port.at("port"), port.at("name"))} and ports:
            line, right = path.port_node.line, ports[0].at("port" if path.port.isdigit() else "name")
            fix = fix_of(artifact, _UNREACHABLE, reword(artifact, line, path.port, right) if right and len(ports) == 1 else None)
            words = f"service {path.service} has no port {path.port}"
            yield defect("k8s.service-port-unknown", artifact.name, line, words, fix)


def _pod_defects(service: Node, world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    selector = service.map("spec", "selector")
    if not selector or not world.workloads:
        return
    pods = [pods_of(work) for work in world.workloads]
    fitting = [pod for pod in pods if matches_labels(selector, pod.map("metadata", "labels"))]
    if not fitting and all(pod.map("metadata", "labels") for pod in pods) and _belongs(service, world, selector):
        words = ", ".join(f"{key}: {node.text}" for key, node in selector.items())
        yield defect("k8s.selector-matches-nothing", artifact.name, next(iter(selector.values())).line, f"selector {words}"[:200])
    for port in service.each("spec", "ports"):
        yield from _target_defects(service, port, fitting, artifact)


def _belongs(service: Node, world: World, selector: dict[str, Node]) -> bool:
    """Tell whether a workload of the file is surely meant by a service: it is the only one, or bears its name."""
    name = name_of(service)
    names = [name_of(work) for work in world.workloads]
    del selector
    return (len(names) == 1 and len(world.of("Service")) == 1) or any(n and (n in name or name in n) for n in names if name)


def _target_defects(service: Node, port: Node, pods: list[Node], artifact: Artifact) -> Iterator[PatternFacts]:
    target = port.get("targetPort") or port.get("port")
    declared = [one for pod in pods for box in pod.each("spec", "containers") for one in box.each("ports")]
    if target is None or not declared:
        return
    numbers, names = {one.at("containerPort") for one in declared}, {one.at("name") for one in declared}
    if target.text in numbers | names:
        return
    listens = [p for pod in pods for box in pod.each("spec", "containers") for p in _told_ports(box)]
    if target.text in listens:
        return
    fix = None
    if len(numbers) == 1:
        fix = fix_of(artifact, _UNREACHABLE, reword(artifact, target.line, f": {target.text}", f": {min(numbers)}"))
    words = f"service {name_of(service)} sends to {target.text}, the pod has {', '.join(sorted(numbers))}"
    yield defect("k8s.target-port-unknown" if target.text.isdigit() else "k8s.target-name-unknown", artifact.name, target.line, words, fix)


def _workload_defects(world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    for work in world.workloads:
        for box in pods_of(work).each("spec", "containers"):
            words = " ".join(one.text for one in [*box.each("command"), *box.each("args")])
            bound = _LOOPBACK.search(words[:2000])
            host = next((one for one in box.each("env") if one.at("name") in ("HOST", "BIND", "BIND_ADDRESS", "LISTEN_HOST")), None)
            alone = len(pods_of(work).each("spec", "containers")) == 1
            if (alone and bound) or (alone and host is not None and host.at("value") in ("127.0.0.1", "localhost")):
                yield defect("container.binds-loopback", artifact.name, box.line, bound[0] if bound else "HOST 127.0.0.1")
            for kind in ("readinessProbe", "livenessProbe", "startupProbe"):
                path = box.get(kind, "httpGet", "path")
                if path is not None and hints_at_websocket(path.text) == 2 and not re.search(r"health|ready|live", path.text):
                    yield defect("k8s.probe-on-socket", artifact.name, path.line, f"{kind} {path.text}")
        strategy = work.get("spec", "strategy", "type")
        if strategy is not None and strategy.text == "Recreate":
            yield defect("k8s.recreate", artifact.name, strategy.line, "strategy Recreate")
        grace = pods_of(work).get("spec", "terminationGracePeriodSeconds")
        if grace is not None and grace.number is not None and grace.number < 15:
            yield defect("k8s.short-grace", artifact.name, grace.line, f"terminationGracePeriodSeconds {grace.text}")


def _told_ports(container: Node) -> Iterator[str]:
    for one in container.each("env"):
        if "PORT" in one.at("name"):
            yield one.at("value")
    words = " ".join(o.text for o in container.each("args") + container.each("command"))
    yield from re.findall(r"\b\d{2,5}\b", words[:2000])


def _balancer(service: Node, artifact: Artifact) -> Iterator[Facts]:
    """Yield the load balancer that a cloud makes for a service of type LoadBalancer."""
    notes = annotations_of(service).pairs
    if service.at("spec", "type") != "LoadBalancer":
        return
    if any(key.startswith(_AWS) for key in notes):
        yield from _aws(notes, service, artifact)
    azure = notes.get(_AZURE)
    if azure is not None and azure.number:
        yield _silent("azure-load-balancer", artifact, azure, f"{azure.number * 60:g}")


def _silent(product: str, artifact: Artifact, node: Node, seconds: str) -> RouteFacts:
    return passing_route(
        artifact, product=product, line=node.line, matcher="load balancer", serves=None, idle=set_at(artifact, node, seconds)
    )


def _aws(notes: dict[str, Node], service: Node, artifact: Artifact) -> Iterator[Facts]:
    kind, protocol, idle = (notes.get(_AWS + name) for name in ("type", "backend-protocol", "connection-idle-timeout"))
    if kind is not None and kind.text.startswith(("nlb", "external")):
        yield passing_route(artifact, product="aws-nlb", line=service.line, matcher="load balancer", serves=None)
        yield defect("aws.nlb-forgets", artifact.name, kind.line, f"{_AWS}type: {kind.text}")
        return
    limit = set_at(artifact, idle) if idle is not None and idle.text.isdigit() else None
    yield passing_route(artifact, product="aws-elb", line=service.line, matcher="load balancer", serves=None, idle=limit)
    if protocol is not None and protocol.text.lower() in ("http", "https"):
        fix = fix_of(artifact, ("proxy.hop-lacks-websocket-support",), reword(artifact, protocol.line, protocol.text, "tcp"))
        yield defect("aws.classic-http-listener", artifact.name, protocol.line, f"backend-protocol: {protocol.text}", fix)
