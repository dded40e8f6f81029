"""Envoy's connection managers, routes and clusters as values: from a bootstrap file, a configuration dump, or a piece of either.

Names count in snake_case and camelCase, as protobuf's JSON does. Judges nothing. Source: envoyproxy.io, v3 API reference.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from wsbook.parsers.proxies.artifact import seconds, try_regex
from wsbook.parsers.proxies.trees.yaml import Node, renamed

__all__ = ["Cluster", "Manager", "Route", "duration_s", "fits", "read_clusters", "read_managers", "read_routes", "snaked", "upgrade_switch"]

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MAX = 3_000
_OF_MANAGERS = ("stat_prefix", "route_config", "rds", "http_filters", "upgrade_configs", "stream_idle_timeout")


class Manager(Struct, frozen=True, kw_only=True):
    """An HTTP connection manager with the listener around it; node None: routes were given without one."""

    node: Node | None
    listener: Node | None = None


class Route(Struct, frozen=True, kw_only=True):
    """One route. host: the virtual host's domains, "" any. action: route, redirect, direct_response or ""."""

    node: Node
    host: str
    virtual_host: Node
    manager: Manager
    action: str
    cluster: str = ""

    @property
    def rule(self) -> str:
        """What it matches, in words."""
        match = self.node.get("match")
        kind = next((k for k in ("path", "prefix", "path_separated_prefix", "safe_regex", "regex") if match and match.get(k)), "")
        found = match.get(kind) if match and kind else None
        return f"{kind} {found.text or found.at('regex')}" if found else "any"


class Cluster(Struct, frozen=True, kw_only=True):
    """One cluster. http2: the node that makes it speak HTTP/2, None HTTP/1.1. auto: the protocol follows ALPN."""

    name: str
    node: Node
    http2: Node | None = None
    auto: Node | None = None
    endpoints: int | None = None
    tls: bool = False
    ports: tuple[str, ...] = ()
    address: str = ""


def snaked(node: Node) -> Node:
    """Return a tree with all keys in snake_case; places stay."""
    return renamed(node, lambda key: key if key[:1] == "@" else _CAMEL.sub("_", key).lower())


def duration_s(node: Node | None) -> float | None:
    """Return a duration such as ``3600s`` or ``{seconds: 3600}``; None when there is none."""
    if node is None:
        return None
    if node.pairs:
        whole, part = node.get("seconds"), node.get("nanos")
        return ((whole.number or 0) if whole else 0) + ((part.number or 0) / 1e9 if part else 0)
    return seconds(node.text)


def read_routes(documents: list[Node]) -> Iterator[Route]:
    """Yield the routes of every virtual host, in order. A dump's routes belong to the first manager that asks for them by name."""
    managers, loose = _managers(documents)
    for manager in managers:
        inline = manager.node.get("route_config") if manager.node else None
        if inline is not None:
            yield from _of_config(inline, manager)
    for config in loose:
        name = config.at("name")
        asking = [m for m in managers if m.node and m.node.at("rds", "route_config_name") in (name, "") and m.node.get("rds")]
        fallback = managers if len(managers) == 1 else []
        yield from _of_config(config, next(iter(asking or fallback), Manager(node=None)))


def read_managers(documents: list[Node]) -> list[Manager]:
    """Return the connection managers."""
    return _managers(documents)[0]


def _managers(documents: list[Node]) -> tuple[list[Manager], list[Node]]:
    """Return the connection managers, and the route configurations outside of them."""
    managers: list[Manager] = []
    configs: list[Node] = []
    inside: set[int] = set()
    listener = None
    for document in documents:
        for _, node in document.walk():
            if node.get("filter_chains") is not None or node.get("default_filter_chain") is not None:
                listener = node
            is_manager = node.at("@type").endswith("HttpConnectionManager") or sum(key in node.pairs for key in _OF_MANAGERS) > 1
            if is_manager:
                managers.append(Manager(node=node, listener=listener))
                inside.add(id(node.get("route_config")))
            elif node.get("virtual_hosts") is not None and id(node) not in inside:
                configs.append(node)
    if not managers and not configs:
        configs = [_wrapped(document) for document in documents if _bare_routes(document)]
    return managers[:_MAX], configs[:_MAX]


def _bare_routes(document: Node) -> list[Node]:
    for _, node in document.walk():
        if node.items and all(one.get("match") is not None for one in node.items):
            return node.items
        if node.get("match") is not None and any(node.get(k) is not None for k in ("route", "redirect", "direct_response")):
            return [node]
    return []


def _wrapped(document: Node) -> Node:
    host = Node(value={"routes": Node(value=_bare_routes(document), line=document.line)}, line=document.line)
    return Node(value={"virtual_hosts": Node(value=[host], line=document.line)}, line=document.line)


def _of_config(config: Node, manager: Manager) -> Iterator[Route]:
    for host in config.each("virtual_hosts")[:_MAX]:
        domains = sorted(one.text for one in host.each("domains"))
        name = "" if "*" in domains else ",".join(domains)
        for route in host.each("routes")[:_MAX]:
            action = next((kind for kind in ("route", "redirect", "direct_response") if route.get(kind) is not None), "")
            target = route.get("route")
            cluster = target.at("cluster") if target else ""
            weighted = target.each("weighted_clusters", "clusters") if target else []
            yield Route(
                node=route,
                host=name,
                virtual_host=host,
                manager=manager,
                action=action,
                cluster=cluster or (weighted[0].at("name") if weighted else ""),
            )


def fits(route: Route, path: str) -> bool | None:
    """Return whether a route takes an opening handshake for a path; None when it depends on what is not known."""
    match = route.node.get("match")
    if match is None or match.get("grpc") is not None or match.get("connect_matcher") is not None:
        return False
    by_path = _fits_path(match, path)
    if by_path is False:
        return False
    by_header = [_fits_header(header) for header in match.each("headers")]
    if False in by_header:
        return False
    unsure = match.each("query_parameters") or match.get("runtime_fraction") or match.get("dynamic_metadata")
    return None if unsure or None in by_header else by_path


def _fits_path(match: Node, path: str) -> bool | None:
    if match.at("case_sensitive") == "false":
        path = path.lower()
    exact, prefix, separated = match.get("path"), match.get("prefix"), match.get("path_separated_prefix")
    if exact is not None:
        return path == _cased(exact, match)
    if prefix is not None:
        return path.startswith(_cased(prefix, match))
    if separated is not None:
        wanted = _cased(separated, match)
        return path == wanted or path.startswith(wanted + "/")
    text = match.at("safe_regex", "regex") or match.at("regex")
    if not text:
        return None
    regex = try_regex(text)
    return bool(regex.fullmatch(path[:500])) if regex else None


def _cased(node: Node, match: Node) -> str:
    return node.text.lower() if match.at("case_sensitive") == "false" else node.text


def _fits_header(header: Node) -> bool | None:
    known = {"upgrade": "websocket", ":method": "GET", "sec-websocket-version": "13"}.get(header.at("name").lower())
    if known is None:
        return None
    inverted = header.at("invert_match") == "true"
    wanted = header.at("exact_match") or header.at("string_match", "exact")
    blind = header.at("string_match", "ignore_case") == "true"
    if wanted:
        return (wanted.lower() == known.lower() if blind else wanted == known) is not inverted
    if header.at("present_match") == "true":
        return not inverted
    return None


def upgrade_switch(node: Node | None) -> tuple[bool | None, Node | None]:
    """Return whether upgrade_configs of a manager or route switch WebSocket on, and where; None: they do not name it."""
    for one in node.each("upgrade_configs") if node else []:
        if one.at("upgrade_type").lower() == "websocket":
            enabled = one.get("enabled")
            value = (enabled.at("value") or enabled.text) if enabled else ""
            return value.lower() != "false", enabled or one
    return None, None


def read_clusters(documents: list[Node]) -> dict[str, Cluster]:
    """Return the clusters by name."""
    found: dict[str, Cluster] = {}
    for document in documents:
        for key, node in document.walk():
            listed = node.items if key == "clusters" else [node] if key == "cluster" and node.pairs else []
            for one in listed[:_MAX]:
                if one.at("name") and one.get("weight") is None:
                    found.setdefault(one.at("name"), _cluster(one))
    return found


def _cluster(node: Node) -> Cluster:
    options = next(iter(node.map("typed_extension_protocol_options").values()), Node(value={}, line=node.line))
    explicit = options.get("explicit_http_config", "http2_protocol_options")
    lists = [lb for group in node.each("load_assignment", "endpoints") for lb in group.each("lb_endpoints")]
    addresses = [a for lb in lists if (a := lb.get("endpoint", "address", "socket_address"))] + [
        one for host in node.each("hosts") if (one := host.get("socket_address"))
    ]
    static = (
        node.at("type").upper() in ("STATIC", "STRICT_DNS", "LOGICAL_DNS")
        and (node.get("load_assignment") or node.get("hosts")) is not None
    )
    return Cluster(
        name=node.at("name"),
        node=node,
        http2=explicit or node.get("http2_protocol_options"),
        auto=options.get("auto_config"),
        endpoints=len(addresses) if static and (addresses or not lists) else None,
        tls=node.get("transport_socket") is not None or node.get("tls_context") is not None,
        ports=tuple(a.at("port_value") for a in addresses),
        address=addresses[0].at("address") if addresses else "",
    )
