"""A JSON configuration of Caddy as handlers with their lines. Knows both notations, judges nothing."""

from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.caddy.json import (
    Answer,
    Json,
    answers,
    directive,
    lines_of,
    listens,
    load,
    matcher_nodes,
    proxies,
    request_headers,
    rewritten,
    servers_of,
)
from wsbook.parsers.proxies.caddy.leaves import Leaf, judged
from wsbook.parsers.proxies.caddy.tree import Node

__all__ = ["answered", "judged_json", "upstream_path"]

_WORDS = {"static_response": "respond", "file_server": "file_server", "error": "error"}


def judged_json(artifact: Artifact) -> list[tuple[Leaf, bool | None, str | None]]:
    """Return the handlers of a JSON configuration with whether they answer the handshake, and the path that an upstream gets."""
    config = load(artifact.text, artifact.name)
    lines = lines_of(config, artifact.text)
    leaves: dict[int, Leaf] = {}
    for proxy in proxies(config):
        line = lines.get(id(proxy.handler), 0)
        named = {node.name: node for node in matcher_nodes(proxy)}
        around = tuple(Node(words=("route", name), line=line) for name in named)
        before = tuple(request_headers(proxy, line))
        leaves[id(proxy.handler)] = Leaf(node=directive(proxy, line), around=around, named=named, site=proxy.site, before=before)
    if not artifact.endpoint_path.startswith("/"):
        return [(leaf, serves, None) for leaf, serves in judged(list(leaves.values()), artifact)]
    found = answered(config, artifact)
    others = [(leaf, False, None) for key, leaf in leaves.items() if key not in {id(a.handler) for a in found}]
    told = [(leaves.get(id(a.handler)) or _other(a.handler, lines), a.sure, upstream_path(a)) for a in found]
    return [*told, *others]


def answered(config: Json, artifact: Artifact) -> list[Answer]:
    """Return what answers the endpoint's handshake, at the servers that listen on its port where one does."""
    path, _, query = artifact.endpoint_path.partition("?")
    servers = servers_of(config)
    there = [s for s in servers if artifact.endpoint_port and listens(s, artifact.endpoint_port)]
    return [a for server in there or servers for a in answers(server, path, query, artifact.endpoint_host.lower())]


def upstream_path(answer: Answer) -> str | None:
    """Return the path that a handler passes on."""
    change = answer.handler.get("rewrite")
    return rewritten(change, answer.path) if isinstance(change, dict) else answer.path


def _other(handler: Json, lines: dict[int, int]) -> Leaf:
    kind = str(handler.get("handler"))
    status, headers = str(handler.get("status_code") or ""), handler.get("headers")
    moved = isinstance(headers, dict) and "Location" in headers
    words = ("redir", status) if moved else ("abort",) if handler.get("abort") else (_WORDS.get(kind, kind), status)
    return Leaf(node=Node(words=tuple(filter(None, words)), line=lines.get(id(handler), 0)), around=(), named={}, site="")
