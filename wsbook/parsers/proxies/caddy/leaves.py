"""Handlers of a Caddyfile in the order in which Caddy tries them. Knows which one answers, not what is wrong with it.

Handlers are tried in Caddy's directive order: handle and handle_path (longest path first), route, reverse_proxy; inside a route block in
the order written. What rewrites the path comes before all of them.
Source: caddyserver.com, Caddyfile directives (directive order, sorting) and reverse_proxy.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import Artifact, hints_at_websocket, plausible
from wsbook.parsers.proxies.caddy.matchers import asks_for_upgrade, matcher_of, matches, path_patterns
from wsbook.parsers.proxies.caddy.tree import Node, expand, parse_nodes

__all__ = ["PROXIES", "Leaf", "is_asked", "judged", "leaves_of", "path_seen", "put_by", "upstreams_of"]

PROXIES = ("reverse_proxy", "proxy")
"""Directives that pass requests on: of version 2, and of version 1."""

_CONTAINERS = ("handle", "handle_path", "route")
_TERMINAL = ("reverse_proxy", "file_server", "respond", "redir", "php_fastcgi", "error", "abort", "proxy")
_ORDER = {"redir": 0, "handle": 1, "handle_path": 1, "route": 2, "abort": 3, "error": 3, "respond": 3}
_ORDER |= {"reverse_proxy": 4, "proxy": 4, "php_fastcgi": 5, "file_server": 6}
_MAX_AROUND = 20
_REWRITES = ("uri", "rewrite", "try_files")
_BEFORE = ("request_header", "try_files", "basic_auth", "basicauth", "forward_auth", "rate_limit")
_OTHER = ("root", "encode", "log", "header", "import", "tls", "vars", "handle_errors", "request_body", "bind", *_REWRITES, *_BEFORE)


class Leaf(Struct, frozen=True, kw_only=True):
    """One handler that answers, with every block around it, outermost first. before: other directives of these blocks.

    behind: whether it stands in a route block behind a handler that takes everything.
    """

    node: Node
    around: tuple[Node, ...]
    named: dict[str, Node]
    site: str
    before: tuple[Node, ...] = ()
    behind: bool = False

    @property
    def matchers(self) -> list[tuple[Node, str]]:
        """The blocks and the handler itself that have a matcher."""
        return [
            (n, m) for n in (*self.around, self.node) if n.name not in _REWRITES and (m := matcher_of(n)) and (n.name, m) != ("proxy", "/")
        ]

    @property
    def is_proxy(self) -> bool:
        """Whether it passes requests on."""
        return self.node.name in PROXIES


def leaves_of(artifact: Artifact) -> Iterator[Leaf]:
    """Yield the handlers of every site.

    Raises:
        UnreadableInputError: nothing in it.
    """
    top = parse_nodes(artifact)
    if not top:
        raise UnreadableInputError(f"{artifact.name}: an empty Caddyfile")
    nodes = tuple(expand(top, {}, artifact.folder))
    snippets = {n.name: n for n in nodes if n.name.startswith("(") and n.block is not None}
    known = (*_CONTAINERS, *_TERMINAL, *_OTHER)
    loose = [n for n in nodes if n.name in known or n.name.startswith("@")]
    sites = [n for n in nodes if n.block is not None and n.words and n.name not in snippets and n not in loose]
    for site in sites:
        yield from _inside(site.block or (), _Around(snippets, " ".join(site.words), artifact.folder))
    if loose:
        yield from _inside(tuple(loose), _Around(snippets, "", artifact.folder))


class _Around:
    """What stays the same inside a site."""

    def __init__(self, snippets: dict[str, Node], site: str, folder: str) -> None:
        self.snippets, self.site, self.folder = snippets, site, folder


def _inside(
    block: tuple[Node, ...],
    within: _Around,
    around: tuple[Node, ...] = (),
    named: dict[str, Node] | None = None,
    before: tuple[Node, ...] = (),
    *,
    ordered: bool = False,
) -> Iterator[Leaf]:
    nodes = expand(block, within.snippets, within.folder)
    names = {**(named or {}), **{n.name: n for n in nodes if n.name.startswith("@")}}
    handlers = [n for n in nodes if n.name in _CONTAINERS or n.name in _TERMINAL]
    changing = [(n, n.name in _REWRITES) for n in nodes if n.name in _REWRITES or n.name in _BEFORE]
    outer = (*around, *(n for n, rewrites in changing if rewrites))
    passed = (*before, *(n for n, _ in changing if n.name in _BEFORE))
    if ordered:
        outer, passed = around, before
    closed = False
    for node in nodes if ordered else sorted(handlers, key=_rank):
        if ordered and node.name in _REWRITES:
            outer = (*outer, node)[-_MAX_AROUND:]
        if ordered and node.name in _BEFORE:
            passed = (*passed, node)[-_MAX_AROUND:]
        if node.name in _CONTAINERS and node.block is not None:
            inner = list(_inside(node.block, within, (*outer, node), names, passed, ordered=node.name == "route"))
            yield from inner or ([] if node.name == "route" else [Leaf(node=node, around=outer, named=names, site=within.site)])
        elif node.name in (*_CONTAINERS, *_TERMINAL):
            yield Leaf(node=node, around=outer, named=names, site=within.site, before=passed, behind=ordered and closed)
        closed = closed or (node.name in _TERMINAL and not matcher_of(node))


def _rank(node: Node) -> tuple[int, int, int]:
    matcher = matcher_of(node)
    return _ORDER.get(node.name, 9), 0 if matcher else 1, -len(matcher) if matcher.startswith("/") else -1000


def judged(leaves: list[Leaf], artifact: Artifact) -> list[tuple[Leaf, bool | None]]:
    """Return handlers with whether they answer the endpoint's handshake; when the path is not known, those that proxy alone."""
    path = artifact.endpoint_path.partition("?")[0]
    if path:
        there = [leaf for leaf in leaves if is_asked(leaf.site, artifact)]
        return [*_by_path(there or leaves, path), *((leaf, False) for leaf in leaves if there and leaf not in there)]
    found = [leaf for leaf in leaves if leaf.is_proxy]
    guessed = plausible(
        [any(asks_for_upgrade(m, leaf.named) for _, m in leaf.matchers) for leaf in found],
        [max((hints_at_websocket(" ".join((m, *path_patterns(m, leaf.named)))) for _, m in leaf.matchers), default=0) for leaf in found],
        [not leaf.matchers for leaf in found],
    )
    return list(zip(found, guessed, strict=True))


def is_asked(site: str, artifact: Artifact) -> bool:
    """Whether requests for the endpoint reach a site by its addresses; false when host and port are not known."""
    host, port = artifact.endpoint_host.lower(), artifact.endpoint_port
    for word in re.split(r"[,\s]+", site.lower()):
        parts = re.match(r"(?:(https?)://)?([^:/]*)(?::(\d+))?", word)
        if word and parts:
            own = int(parts[3] or {"http": 80, "https": 443}.get(parts[1] or "", 0))
            named = bool(host) and bool(parts[2]) and fnmatchcase(host, parts[2])
            if (named and (not own or not port or own == port)) or (not parts[2] and port and own == port):
                return True
    return False


def _by_path(leaves: list[Leaf], path: str) -> list[tuple[Leaf, bool | None]]:
    """Return per site the first handler that takes the path; after one that cannot be told, the rest are None."""
    taken: dict[str, bool | None] = {}
    found = []
    for leaf in leaves:
        done = taken.get(leaf.site, False)
        values = _matched(leaf, path)
        value = False if False in values else None if None in values else True
        here = False if done or value is False else None if done is None else value
        taken[leaf.site] = True if done or here else None if done is None or here is None else False
        found.append((leaf, here))
    return found


def _matched(leaf: Leaf, path: str) -> list[bool | None]:
    """Return what each matcher around a handler says of the path as it is there; sorted lists rewrite before they match."""
    values: list[bool | None] = []
    seen: str | None = path
    for node in (*leaf.around, leaf.node):
        matcher = "" if node.name in _REWRITES else matcher_of(node)
        if matcher:
            values.append(matches(matcher, leaf.named, seen) if seen is not None else None)
        seen = _changed(node, leaf, seen)
    return values


def _changed(node: Node, leaf: Leaf, path: str | None) -> str | None:
    """Return the path after a directive; None when it cannot be told."""
    if path is None:
        return None
    words = node.words
    if node.name == "handle_path":
        prefix = matcher_of(node).removesuffix("*").rstrip("/")
        path = path[len(prefix) :] if prefix and path.lower().startswith(prefix.lower()) else path
    elif node.name == "try_files":
        path = words[-1] if not re.match(r"[{=]", words[-1]) else path
    elif node.name in ("uri", "rewrite") and len(words) > 1:
        matcher = words[1] if words[1] == "*" or (len(words) > 2 and words[1].startswith(("/", "@"))) else ""
        value = matches(matcher, leaf.named, path) if matcher.startswith(("/", "@")) else True
        rest = words[2:] if matcher and len(words) > 2 else words[1:]
        path = path if value is False else None if value is None else _put_path(node.name, rest, path)
    return path if path is None or path.startswith("/") else "/" + path


def _put_path(name: str, words: tuple[str, ...], path: str) -> str | None:
    if name == "uri":
        return path.removeprefix(words[1]) if words[:1] == ("strip_prefix",) and len(words) > 1 else None
    plain = re.sub(r"\{(?:uri|path|http\.request\.uri(?:\.path)?)\}", lambda _: path, words[0].partition("?")[0])
    return plain if "{" not in plain else None


def path_seen(leaf: Leaf, path: str) -> str | None:
    """Return the path that the upstream gets for a path; None when it cannot be told."""
    seen: str | None = path
    inside = [n for n in leaf.node.block or () if n.name == "rewrite"]
    for node in (*leaf.around, *inside):
        seen = _changed(node, leaf, seen)
    return seen


def upstreams_of(node: Node) -> list[str]:
    """Return the addresses that a proxy passes requests to."""
    words = node.words[2:] if matcher_of(node) else node.words[1:]
    to = [w for child in node.block or () if child.name in ("to", "upstream") for w in child.words[1:]]
    return [w for w in (*words, *to) if w not in ("*", "/")]


def put_by(node: Node, name: str) -> str | None:
    """Return what a line makes of a header: absent, forwarded, or a literal; None when it is about another one."""
    words = node.words[2:] if matcher_of(node) else node.words[1:]
    if not words:
        return None
    field, values = words[0].lower(), words[1:]
    if field.startswith("-"):
        return "absent" if fnmatchcase(name, field[1:]) else None
    if field.lstrip("+>?") != name or not values:
        return None
    if len(values) > 1:
        return values[1]
    own = (
        f"{{http.request.header.{name}}}",
        f"{{header.{name}}}",
        "{host}",
        "{hostport}",
        "{http.request.host}",
        "{http.request.hostport}",
    )
    return "forwarded" if values[0].lower() in own else values[0]
