"""A Caddyfile judged by the JSON that Caddy itself makes of a marked copy. Knows how handlers are found again, not what they do."""

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.caddy.json import MARK, Answer, load
from wsbook.parsers.proxies.caddy.leaves import Leaf, is_asked, upstreams_of
from wsbook.parsers.proxies.caddy.native import answered, upstream_path
from wsbook.parsers.proxies.caddy.tree import Node
from wsbook.parsers.proxies.edits import Edits
from wsbook.parsers.proxies.fixing import apply_changes

__all__ = ["judged_by_caddy", "marked"]

Judged = tuple[Leaf, bool | None, str | None]


def marked(text: str, nodes: list[Node]) -> str:
    """Return a Caddyfile in which each proxy sets a header that tells its line."""
    edits, changes = Edits(file="", text=text), []
    for node in {n.line: n for n in nodes if not n.file}.values():
        raw = edits.line(node.line)
        bare, mark = raw.partition(" #")[0].rstrip(), f"header_up {MARK} {node.line}"
        if bare.endswith("\\") or not bare:
            continue
        opened = node.block is not None and bare.endswith("{")
        changes.append(edits.put(node.line, raw, mark) if opened else edits.put(node.line, f"{bare} {{", mark, "}"))
    return apply_changes(text, changes)


_LONGEST_CHARS = 200_000
"""Caddy needs seconds for more; our own reading does not."""


def judged_by_caddy(leaves: list[Leaf], artifact: Artifact) -> list[Judged] | None:
    """Return the handlers with whether they answer; None when Caddy is not there, or does not take the file."""
    from wsbook.validators import adapt_caddy

    if len(artifact.text) > _LONGEST_CHARS:
        return None
    copy = marked(artifact.text, [leaf.node for leaf in leaves if leaf.node.name == "reverse_proxy"])
    adapted = adapt_caddy(copy, artifact.folder)
    if adapted is None:
        return None
    try:
        found = answered(load(adapted, artifact.name), artifact)
    except UnreadableInputError:
        return None
    by_line: dict[int, list[Answer]] = {}
    for answer in found:
        by_line.setdefault(_line(answer), []).append(answer)
    there = [leaf for leaf in leaves if is_asked(leaf.site, artifact)] or leaves
    told = [_judged(leaf, by_line if leaf in there else {}) for leaf in leaves if leaf.is_proxy]
    return told + [(leaf, True, None) for a in by_line.get(0, []) if a.sure and (leaf := _other(a, leaves))]


def _line(answer: Answer) -> int:
    sets = answer.handler.get("headers", {}).get("request", {}).get("set", {}) if answer.handler.get("handler") == "reverse_proxy" else {}
    value = str(next(iter(sets.get(MARK) or ()), ""))
    return int(value) if value.isdigit() else 0


def _judged(leaf: Leaf, by_line: dict[int, list[Answer]]) -> Judged:
    """Return a handler as Caddy judges it. Those of imported files bear no mark and are known by their upstreams."""
    known = set(upstreams_of(leaf.node))
    own = by_line.get(leaf.node.line, []) if not leaf.node.file else [a for a in by_line.get(0, []) if _dials(a) and _dials(a) <= known]
    answer = next((a for a in own if a.sure), own[0] if own else None)
    return (leaf, answer.sure, upstream_path(answer)) if answer else (leaf, False, None)


def _dials(answer: Answer) -> set[str]:
    return {str(upstream.get("dial")) for upstream in answer.handler.get("upstreams") or () if isinstance(upstream, dict)}


def _other(answer: Answer, leaves: list[Leaf]) -> Leaf | None:
    """Return the handler of the Caddyfile that answers by itself: the one of its kind, by its status where there are several."""
    handler = answer.handler
    kind, status = handler.get("handler"), str(handler.get("status_code") or "")
    names = {"static_response": ("redir", "respond", "abort"), "file_server": ("file_server",), "error": ("error",)}.get(str(kind), ())
    found = [leaf for leaf in leaves if leaf.node.name in names]
    return next((leaf for leaf in found if status and status in leaf.node.words), found[0] if found else None)
