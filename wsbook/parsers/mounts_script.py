"""Under which prefixes a router of a Node server is reachable: app.use, register with a prefix, route and mount."""

from typing import TYPE_CHECKING

from wsbook.parsers.evaluate import Scope, strings
from wsbook.parsers.literals import ANY
from wsbook.parsers.scope import Module, Project, pair
from wsbook.parsers.values import UNKNOWN

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["ScriptMounts"]

_MAX_DEPTH = 8
_METHODS = ("use", "register", "route", "mount", "group")
_Key = tuple[str, int]
"""Module and the hash of the declaration or function."""


class ScriptMounts:
    """Who mounts whom in the modules of a project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._edges: dict[_Key, list[tuple[_Key | None, str]]] = {}
        for module in project.modules:
            for method in _METHODS:
                for call in module.calls.get(method, [])[:200]:
                    self._add(call, module)

    def of(self, owner: "SgNode | None", module: Module) -> list[str]:
        """Return the prefixes of the router or server that a route is added to."""
        key = self._owner(owner, module)
        return self._prefixes(key, 0) if key is not None else [""]

    def _add(self, call: "SgNode", module: Module) -> None:
        function = call.field("function")
        parent = function.field("object") if function is not None and function.kind() == "member_expression" else None
        arguments = [c for c in (call.field("arguments") or call).children() if c.is_named() and c.kind() != "comment"]
        if parent is None or not arguments:
            return
        prefix = self._text(pair(next((a for a in arguments if a.kind() == "object"), None), "prefix"), module)
        children = arguments
        if not prefix and arguments[0].kind() in ("string", "template_string", "identifier", "binary_expression", "member_expression"):
            prefix = self._text(arguments[0], module)
            prefix, children = (prefix, arguments[1:]) if prefix.startswith(("/", ANY)) and prefix != ANY else ("", arguments)
        for child in children:
            key = self._child(child, module)
            if key is not None:
                self._edges.setdefault(key, []).append((self._owner(parent, module), prefix))

    def _text(self, node: "SgNode | None", module: Module) -> str:
        if node is None:
            return ""
        return strings(node, Scope(module, self._project))[0].text.replace(UNKNOWN, ANY)

    def _owner(self, node: "SgNode | None", module: Module) -> _Key | None:
        if node is None or node.kind() != "identifier":
            return None
        definitions = module.visible(node.text(), node)
        if not definitions:
            return None
        holder = definitions[0].function if definitions[0].function is not None else definitions[0].at
        return module.artifact, hash(holder)

    def _child(self, node: "SgNode", module: Module, depth: int = 0) -> _Key | None:
        if depth > _MAX_DEPTH:
            return None
        if node.kind() in ("arrow_function", "function_expression", "function_declaration"):
            return module.artifact, hash(node)
        if node.kind() in ("call_expression", "await_expression"):
            return self._called(node, module, depth)
        if node.kind() != "identifier":
            return None
        if node.text() in module.imports:
            return self._imported(module, *module.imports[node.text()], depth)
        definitions = module.visible(node.text(), node)
        value = definitions[0].node if definitions else None
        if value is not None and value.kind() in ("arrow_function", "function_expression", "function_declaration"):
            return module.artifact, hash(value)
        return (module.artifact, hash(definitions[0].at)) if definitions else None

    def _called(self, node: "SgNode", module: Module, depth: int) -> _Key | None:
        """require('./x'), import('./x'), and routes() of the project, which returns a router."""
        spec = node.find(kind="string")
        function = node.field("function")
        if function is not None and function.text() in ("require", "import") and spec is not None:
            return self._imported(module, spec.text()[1:-1], "default", depth)
        return self._child(function, module, depth + 1) if function is not None else None

    def _imported(self, module: Module, written: str, name: str, depth: int) -> _Key | None:
        other = self._project.imported(module, written)
        exported = other.exports.get(name) if other is not None else None
        if isinstance(exported, tuple) and other is not None:
            return self._imported(other, *exported, depth + 1)
        return (
            self._child(exported, other, depth + 1)
            if exported is not None and other is not None and not isinstance(exported, tuple)
            else None
        )

    def _prefixes(self, key: _Key, depth: int) -> list[str]:
        edges = self._edges.get(key, [])
        if depth > _MAX_DEPTH or not edges:
            return [""]
        return [
            above.rstrip("/") + prefix.rstrip("/")
            for parent, prefix in edges[:4]
            for above in (self._prefixes(parent, depth + 1) if parent is not None and parent != key else [""])
        ]
