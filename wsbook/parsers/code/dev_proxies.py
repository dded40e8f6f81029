"""What development servers pass on: the proxies of Vite, webpack, Create React App, Next.js and Angular. Knows their options."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from wsbook.facts import ForwardFacts
from wsbook.parsers.code.evaluate import Scope, strings
from wsbook.parsers.code.scope import Project, pair, short_name
from wsbook.parsers.code.source_files import Code
from wsbook.parsers.code.values import is_known

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["find_forwards"]

_LITERAL = re.compile(r"\^?((?:[\w/.-]|\\/)*)\$?")
_PRODUCTS = (("vite.config", "vite"), ("webpack.", "webpack"), ("vue.config", "webpack"), ("craco.", "webpack"), ("proxy.conf", "angular"))

_CONTENTS = (
    (re.compile(r"\bdefineConfig\(|from\s+['\"]vite['\"]"), "vite"),
    (re.compile(r"\bdevServer\s*:"), "webpack"),
    (re.compile(r"\Aexport default \{\s*['\"]/"), "angular"),
)
"""What tells the product where a piece has no file name."""


def _product(name: str, text: str) -> str:
    if "." in name:
        return next((product for start, product in _PRODUCTS if start in name), "")
    return next((product for content, product in _CONTENTS if content.search(text)), "")


def find_forwards(project: Project, manifests: Iterable[Code]) -> Iterator[ForwardFacts]:
    """Yield the rules of every development server of a project."""
    for module in project.modules:
        scope, name = Scope(module, project), module.artifact.rpartition("/")[2]
        product = _product(name, module.text)
        if product == "angular":
            whole = module.exports.get("default")
            if whole is not None and not isinstance(whole, tuple):
                yield from _rules(whole, "angular", scope)
        elif product:
            for proxy in module.root.find_all(kind="pair"):
                if (proxy.field("key") or proxy).text().strip("\"'") == "proxy" and proxy.field("value") is not None:
                    yield from _rules(proxy.field("value"), product, scope)
        elif name.startswith("next.config"):
            yield from _next(scope)
        elif "createProxyMiddleware" in module.text or "http-proxy-middleware" in module.text:
            yield from _middleware(scope)
    for code in manifests:
        found = re.search(r'"proxy"\s*:\s*"(https?://[^"]+)"', code.text) if code.artifact.endswith("package.json") else None
        if found:
            line = code.text.count("\n", 0, found.start()) + 1
            yield ForwardFacts(product="react-scripts", file=code.artifact, line=line, prefix="/", upstream=found[1].rstrip("/"))


def _text(node: "SgNode | None", scope: Scope) -> str:
    value = strings(node, scope)[0].text if node is not None else ""
    return value if is_known(value) else ""


def _rules(table: "SgNode | None", product: str, scope: Scope) -> Iterator[ForwardFacts]:
    """Yield a rule per key of an object, or per element of an array with context."""
    for child in table.children() if table is not None else ():
        key, options = child.field("key"), child.field("value")
        if child.kind() == "pair" and key is not None and options is not None:
            yield from _rule(key.text().strip("\"'`[]"), options, product, scope)
        elif child.kind() == "object":
            contexts = pair(child, "context")
            for context in contexts.children() if contexts is not None else ():
                if context.kind() == "string":
                    yield from _rule(context.text()[1:-1], child, product, scope)


def _rule(prefix: str, options: "SgNode", product: str, scope: Scope) -> Iterator[ForwardFacts]:
    is_object = options.kind() == "object"
    upstream = _text(pair(options, "target"), scope) if is_object else _text(options, scope)
    if not upstream:
        return
    removed, added = _rewrite(options) if is_object else ("", "")
    flag = pair(options, "ws") if is_object else None
    websocket = (flag is not None and flag.text() == "true") or upstream.startswith("ws")
    literal = _LITERAL.match(prefix)
    yield ForwardFacts(
        product=product,
        file=scope.module.artifact,
        line=options.range().start.line + scope.module.line,
        prefix=(literal[1] if literal else prefix).replace("\\", "") or "/",
        upstream=upstream.rstrip("/"),
        removed=removed,
        added=added,
        websocket=websocket,
    )


def _rewrite(options: "SgNode") -> tuple[str | None, str]:
    """Return (removed, added) of rewrite: (p) => p.replace(/^\\/api/, '') or pathRewrite: {'^/api': ''}; None when it is another."""
    table, function = pair(options, "pathRewrite"), pair(options, "rewrite")
    if table is not None and table.kind() == "object":
        for child in table.children():
            key, value = child.field("key"), child.field("value")
            if key is not None and value is not None and value.kind() == "string":
                return _plain(key.text()[1:-1]), value.text()[1:-1]
    if function is not None:
        call = re.search(
            r"\.replace(?:All)?\(\s*(?:/((?:[^/\\]|\\.)+)/\w*|[\"']([^\"']+)[\"'])\s*,\s*[\"']([^\"']*)[\"']", function.text()[:500]
        )
        return (_plain(call[1] or call[2]), call[3]) if call else (None, "")
    return (None, "") if table is not None else ("", "")


def _plain(expression: str) -> str | None:
    found = _LITERAL.fullmatch(expression.replace("\\/", "/"))
    return found[1] if found else None


def _next(scope: Scope) -> Iterator[ForwardFacts]:
    for rule in scope.module.root.find_all(kind="object"):
        source, destination = pair(rule, "source"), pair(rule, "destination")
        if source is None or destination is None:
            continue
        path, target = _text(source, scope), _text(destination, scope)
        split = re.match(r"(https?://[^/]+)(/.*)?$", target)
        if path.startswith("/") and split:
            prefix, rest = path.partition(":")[0], (split[2] or "/").partition(":")[0]
            line = rule.range().start.line + scope.module.line
            yield ForwardFacts(
                product="next", file=scope.module.artifact, line=line, prefix=prefix, upstream=split[1], removed=prefix, added=rest
            )


def _middleware(scope: Scope) -> Iterator[ForwardFacts]:
    """app.use('/ws', createProxyMiddleware({target, ws, pathRewrite})), or with the path as its first argument."""
    for call in scope.module.calls.get("createProxyMiddleware", []) + scope.module.calls.get("proxy", []):
        arguments = [c for c in (call.field("arguments") or call).children() if c.is_named()]
        options = next((a for a in arguments if a.kind() == "object"), None)
        outer = next(
            (a for a in call.ancestors() if a.kind() == "call_expression" and short_name(a.field("function")).endswith(".use")), None
        )
        first = [c for c in (outer.field("arguments") or outer).children() if c.is_named()][:1] if outer is not None else []
        given = (
            arguments[0] if arguments and arguments[0].kind() == "string" else first[0] if first and first[0].kind() == "string" else None
        )
        if options is not None:
            yield from _rule(_text(given, scope) or "/", options, "http-proxy-middleware", scope)
