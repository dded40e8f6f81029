"""Under which prefixes a Go router is reachable: groups, sub-routers, mounts, and routers given to functions."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wsbook.parsers.code.literals import Constants
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["GoMounts"]

_MAX_DEPTH = 8
_GROUPS = ("Group", "PathPrefix", "Party", "Route", "Subrouter")
_MOUNTS = ("Mount", "Handle", "PathPrefix", "Any")
_FUNCTIONS = ("function_declaration", "method_declaration", "func_literal")


class GoMounts:
    """The functions of a project and what is called in them."""

    def __init__(self, parsed: "Iterable[tuple[Code, SgNode]]", constants: Constants) -> None:
        self._constants = constants
        self._pieces = [(code, root) for code, root in parsed if code.language == "go"]
        self._calls: dict[str, list[tuple[Code, SgNode]]] = {}
        for code, root in self._pieces:
            for call in root.find_all(kind="call_expression"):
                name = (call.field("function") or call).text()[-80:].rpartition(".")[2]
                self._calls.setdefault(name, []).append((code, call))

    def of(self, owner: "SgNode | None", match: "SgNode", code: Code) -> list[str]:
        """Return the prefixes of the router that a route is added to."""
        return self._prefix(owner, match, code, 0) if owner is not None else [""]

    def _prefix(self, router: "SgNode | None", use: "SgNode", code: Code, depth: int) -> list[str]:
        if router is None or depth > _MAX_DEPTH:
            return [""]
        if router.kind() == "call_expression":
            return self._of_call(router, code, depth)
        name = router.text()
        for function in (a for a in use.ancestors() if a.kind() in _FUNCTIONS):
            assigned = _assigned(function, name)
            if assigned is not None:
                return [
                    m + p for m in self._mounted(name, function, code, depth) for p in self._prefix(assigned, function, code, depth + 1)
                ]
            position = _parameter(function, name)
            if position is not None:
                return self._of_parameter(function, position, code, depth)
        return self._mounted(name, None, code, depth)

    def _of_call(self, call: "SgNode", code: Code, depth: int) -> list[str]:
        function = call.field("function")
        owner = function.field("operand") if function is not None and function.kind() == "selector_expression" else None
        method = function.text()[-40:].rpartition(".")[2] if function is not None else ""
        if owner is None or method not in _GROUPS:
            return [""]
        arguments = _arguments(call)
        own = self._constants.text(arguments[0], code) if arguments and arguments[0].kind() != "func_literal" else ""
        return [above.rstrip("/") + own.rstrip("/") for above in self._prefix(owner, call, code, depth + 1)]

    def _of_parameter(self, function: "SgNode", position: int, code: Code, depth: int) -> list[str]:
        if function.kind() == "func_literal":  # r.Route("/api", func(r chi.Router) { … })
            call = next((a for a in function.ancestors() if a.kind() == "call_expression"), None)
            return self._of_call(call, code, depth + 1) if call is not None else [""]
        name = function.field("name")
        found: list[str] = []
        for other, call in self._calls.get(name.text() if name is not None else "", [])[:4]:
            arguments = _arguments(call)
            if len(arguments) > position:
                found += self._prefix(arguments[position], call, other, depth + 1)
        return found or [""]

    def _mounted(self, name: str, function: "SgNode | None", code: Code, depth: int) -> list[str]:
        """Return where a router is mounted: by its name, or by the name of the function that makes it."""
        maker = function.field("name") if function is not None and function.kind() != "func_literal" else None
        names = [rf"\b{re.escape(name)}\b"] + ([rf"\b{re.escape(maker.text())}\("] if maker is not None else [])
        for method in _MOUNTS:
            for other, call in self._calls.get(method, [])[:50]:
                arguments = _arguments(call)
                held = arguments[1].text()[:300] if len(arguments) > 1 else ""
                wanted = names if other.artifact == code.artifact else names[1:]
                if any(re.search(one, held) for one in wanted) and ("StripPrefix" in held or method == "Mount"):
                    owner = (call.field("function") or call).field("operand")
                    own = self._constants.text(arguments[0], other).rstrip("/")
                    above = self._prefix(owner, call, other, depth + 1) if owner is not None and owner.text() != name else [""]
                    return [a + own for a in above]
        return [""]


def _arguments(call: "SgNode") -> "list[SgNode]":
    return [c for c in (call.field("arguments") or call).children() if c.is_named() and c.kind() != "comment"]


def _assigned(function: "SgNode", name: str) -> "SgNode | None":
    for kind in ("short_var_declaration", "assignment_statement", "var_spec"):
        for node in function.find_all(kind=kind):
            left, right = node.field("left") or node.field("name"), node.field("right") or node.field("value")
            if left is not None and right is not None and left.text().partition(",")[0].strip() == name:
                inner = [c for c in right.children() if c.is_named()]
                return inner[0] if inner else right
    return None


def _parameter(function: "SgNode", name: str) -> int | None:
    parameters = function.field("parameters")
    names = (
        [p.text().partition(" ")[0] for p in parameters.children() if p.kind() == "parameter_declaration"] if parameters is not None else []
    )
    return names.index(name) if name in names else None
