"""Changes of a Caddyfile that remove a defect. Knows how lines are written, not how defects are found.

Source: caddyserver.com, request matchers (path, header) and reverse_proxy (header_up, lb_policy, transport http versions, stream_timeout).
"""

import re
from collections.abc import Callable

from wsbook.facts import Fix
from wsbook.parsers.proxies.caddy.tree import Node
from wsbook.parsers.proxies.edits import Edits

__all__ = [
    "fix_exact_matcher",
    "fix_handle_path",
    "fix_handshake_matcher",
    "fix_headers",
    "fix_lifetime",
    "fix_line",
    "fix_plain_to_tls",
    "fix_read_timeout",
    "fix_spa",
    "fix_stickiness",
    "fix_tls_to_plain",
    "fix_v1",
    "fix_versions",
    "fix_without",
]

_LONG = "1h"


def _alone(edits: Edits, node: Node) -> bool:
    """Whether a directive without block has its line for itself."""
    line = edits.line(node.line).split()
    return node.block is None and line[:1] == [node.name] and "}" not in line


def fix_headers(edits: Edits, nodes: list[Node]) -> Fix | None:
    """Take away the directives that delete or replace handshake headers."""
    kept = {node.line: node for node in nodes if _alone(edits, node)}
    return edits.fix("proxy.upgrade-header-missing", *(edits.remove(line) for line in sorted(kept)))


def fix_lifetime(edits: Edits, node: Node) -> Fix | None:
    """Let streams live without limit."""
    return edits.fix("proxy.max-lifetime", edits.remove(node.line)) if _alone(edits, node) else None


def fix_read_timeout(edits: Edits, node: Node) -> Fix | None:
    """Let the upstream be silent for an hour."""
    changed = edits.edited(node.line, lambda raw: re.sub(rf"(\bread_timeout\s+){re.escape(node.words[1])}(?=\s|$)", rf"\g<1>{_LONG}", raw))
    return edits.fix("proxy.idle-timeout", changed)


def fix_exact_matcher(edits: Edits, node: Node, pattern: str) -> Fix | None:
    """Let a path matcher take what is below it too. node: the directive or the matcher's line that holds the pattern."""
    cause, below = "proxy.ws-location-missing", pattern.rstrip("/") + "/*"
    if node.name == "path" or node.name.startswith("@"):
        return edits.fix(
            cause, edits.edited(node.line, lambda raw: _once(raw, pattern, f"{pattern} {below}" if below != f"{pattern}*" else below))
        )
    if pattern.endswith("/"):
        return edits.fix(cause, edits.edited(node.line, lambda raw: _once(raw, pattern, below)))
    name = _free_name(edits.text, pattern)
    matcher = edits.insert(node.line, f"{name} path {pattern} {below}", like=node.line)
    return edits.fix(cause, matcher, edits.edited(node.line, lambda raw: _once(raw, pattern, name)))


def _once(raw: str, word: str, new: str) -> str:
    """Replace the first occurrence of a word that stands for itself."""
    return re.sub(rf"(?<!\S){re.escape(word)}(?!\S)", lambda _: new, raw, count=1)


def _free_name(text: str, pattern: str) -> str:
    base = "@" + (re.sub(r"\W+", "_", pattern.strip("/")).strip("_").lower() or "all")
    return next(name for name in (base, *(f"{base}{n}" for n in range(2, 1000))) if not re.search(rf"{re.escape(name)}\b", text))


def fix_handshake_matcher(edits: Edits, places: list[tuple[Node, str, str]]) -> Fix | None:
    """Let header matchers hold for what every browser sends. places: the line, the header, and its value there."""
    changes = []
    for node, name, value in places:
        right = "*Upgrade*" if name.lower() == "connection" else "websocket"
        pattern = re.compile(rf"(?<!\S)({re.escape(name)}\s+)[\"'`]?{re.escape(value)}[\"'`]?(?!\S)")
        changes.append(edits.edited(node.line, lambda raw, p=pattern, r=right: p.sub(lambda m: m[1] + r, raw, count=1)))  # type: ignore[misc]
    return edits.fix("proxy.ws-location-missing", *changes)


def fix_handle_path(edits: Edits, node: Node) -> Fix | None:
    """Keep the prefix."""
    return edits.fix("proxy.path-rewrite-wrong", edits.edited(node.line, lambda raw: re.sub(r"\bhandle_path\b", "handle", raw, count=1)))


def fix_versions(edits: Edits, versions: Node | None, proxy: Node) -> Fix | None:
    """Speak HTTP/1.1 to the upstream."""
    cause = "proxy.h2-to-upstream"
    plain = [edits.edited(number, lambda raw: raw.replace("h2c://", "http://")) for number in range(proxy.line, _last_line(proxy) + 1)]
    if versions is None:
        return edits.fix(cause, *plain)
    right = edits.edited(versions.line, lambda raw: re.sub(r"\bversions\b[^#}]*?(?=\s*(?:#|}|$))", "versions 1.1", raw, count=1))
    return edits.fix(cause, *(change for change in plain if change and change.line != versions.line), right)


def _last_line(node: Node) -> int:
    return max([node.line, *(_last_line(child) for child in node.block or ())])


def fix_plain_to_tls(edits: Edits, proxy: Node) -> Fix | None:
    """Speak TLS to upstreams on port 443."""
    words = (*proxy.words, *(w for child in proxy.block or () if child.name == "to" for w in child.words[1:]))
    if any(":" in w and not re.match(r"http://\S+:443$", w) for w in words):
        return None  # all upstreams of one proxy must have one scheme
    numbers = range(proxy.line, _last_line(proxy) + 1)
    right = [edits.edited(number, lambda raw: re.sub(r"\bhttp://(\S+:443)(?!\d)", r"https://\1", raw)) for number in numbers]
    return edits.fix("endpoint.plain-to-tls-port", *right)


def fix_stickiness(edits: Edits, proxy: Node) -> Fix | None:
    """Keep a client on its upstream by a cookie."""
    cause, policy = "cluster.no-sticky-session", proxy.child("lb_policy")
    if policy is not None:
        pattern = rf"\blb_policy\s+{re.escape(policy.words[1])}" if len(policy.words) > 1 else r"\blb_policy\b"
        changed = edits.edited(policy.line, lambda raw: re.sub(pattern, "lb_policy cookie", raw, count=1)) if policy.block is None else None
        return edits.fix(cause, changed)
    raw, indent = edits.line(proxy.line), edits.indent(proxy.line)
    step = "\t" if "\t" in indent or not indent else indent[: len(indent) // 2] or "  "
    if proxy.block is None:
        bare, _, comment = raw.partition(" #")
        head = f"{bare.rstrip()} {{" + (f" #{comment}" if comment else "")
        return edits.fix(cause, edits.put(proxy.line, head, f"{indent}{step}lb_policy cookie", f"{indent}}}"))
    if not raw.rstrip().endswith("{"):
        return None
    like = proxy.block[0].line if proxy.block and proxy.block[0].line > proxy.line else 0
    return edits.fix(cause, edits.insert(proxy.line + 1, ("" if like else indent + step) + "lb_policy cookie", like=like))


def fix_line(edits: Edits, cause: str, node: Node, change: Callable[[str], str]) -> Fix | None:
    """Replace a directive's line by what a function makes of it."""
    return edits.fix(cause, edits.edited(node.line, change))


def fix_without(edits: Edits, cause: str, node: Node) -> Fix | None:
    """Take a directive without block away."""
    return edits.fix(cause, edits.remove(node.line)) if _alone(edits, node) else None


def fix_tls_to_plain(edits: Edits, proxy: Node) -> Fix | None:
    """Speak plain HTTP to the upstreams; one with TLS settings of its own is left alone."""
    transport = proxy.child("transport")
    if transport and any(n.name.startswith("tls") for n in transport.block or ()):
        return None
    numbers = range(proxy.line, _last_line(proxy) + 1)
    return edits.fix("endpoint.tls-to-plain-port", *(edits.edited(n, lambda raw: raw.replace("https://", "http://")) for n in numbers))


def fix_v1(edits: Edits, proxy: Node) -> Fix | None:
    """Let Caddy 1 pass upgrades."""
    cause, indent = "proxy.upgrade-header-missing", edits.indent(proxy.line)
    step = "\t" if "\t" in indent or not indent else "  "
    if proxy.block is None:
        return edits.fix(cause, edits.put(proxy.line, f"{edits.line(proxy.line).rstrip()} {{", f"{indent}{step}websocket", f"{indent}}}"))
    like = proxy.block[0].line if proxy.block and proxy.block[0].line > proxy.line else 0
    return edits.fix(cause, edits.insert(proxy.line + 1, ("" if like else indent + step) + "websocket", like=like))


def fix_spa(edits: Edits, node: Node) -> Fix | None:
    """Let a fallback to the page leave handshakes alone: as a rewrite with a matcher of its own."""
    if not _alone(edits, node):
        return None
    indent, name = edits.indent(node.line), _free_name(edits.text, "/page")
    step = "\t" if "\t" in indent or not indent else "  "
    lines = (
        f"{indent}{name} {{",
        f"{indent}{step}not header Connection *Upgrade*",
        f"{indent}{step}file {{",
        f"{indent}{step}{step}try_files {' '.join(node.words[1:])}",
        f"{indent}{step}}}",
        f"{indent}}}",
        f"{indent}rewrite {name} {{file_match.relative}}",
    )
    return edits.fix("proxy.ws-location-missing", edits.put(node.line, *lines))
