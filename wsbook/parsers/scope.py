"""The names of one piece of JavaScript or TypeScript: what defines them and who calls them. Evaluates nothing."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wsbook.target import Endpoint

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["FUNCTIONS", "MAX_VALUES", "Scope"]

MAX_VALUES = 8
FUNCTIONS = ("function_declaration", "function_expression", "arrow_function", "method_definition", "generator_function_declaration")


class Scope:
    """The names of one piece of code, of its neighbours, of the environment, and the page that runs it."""

    def __init__(
        self, root: "SgNode", *, page: Endpoint | None = None, env: dict[str, str] | None = None, others: "Iterable[SgNode]" = ()
    ) -> None:
        self.page = page
        self.env = env or {}
        self.steps = 0
        self.total = 0
        self.names = _definitions(root)
        self.calls = _calls(root)
        self.others: dict[str, list[SgNode]] = {}
        for other in others:
            for name, values in _definitions(other).items():
                self.others.setdefault(name, []).extend(v for v in values if _top_level(v))

    def definitions(self, name: str) -> "list[SgNode]":
        """Return the expressions a name stands for here; in other files only when there is exactly one."""
        if name in self.names:
            return self.names[name][:MAX_VALUES]
        found = self.others.get(name, [])
        return found if len(found) == 1 else []


def _top_level(node: "SgNode") -> bool:
    return not any(a.kind() in FUNCTIONS or a.kind() == "class_body" for a in node.ancestors())


def _definitions(root: "SgNode") -> "dict[str, list[SgNode]]":
    found: dict[str, list[SgNode]] = {}
    for kind, key, value in (
        ("variable_declarator", "name", "value"),
        ("assignment_expression", "left", "right"),
        ("augmented_assignment_expression", "left", "right"),
        ("public_field_definition", "name", "value"),
        ("required_parameter", "pattern", "value"),
        ("assignment_pattern", "left", "right"),
        ("function_declaration", "name", "body"),
        ("method_definition", "name", "body"),
    ):
        for node in root.find_all(kind=kind):
            name, expression = node.field(key), node.field(value)
            if name is not None and expression is not None:
                text = name.text()
                prefix = "this." if kind in ("public_field_definition", "method_definition") else ""
                found.setdefault(prefix + text, []).append(expression)
    return found


def _calls(root: "SgNode") -> "dict[str, list[SgNode]]":
    """Return argument lists by the name of what is called or constructed."""
    found: dict[str, list[SgNode]] = {}
    for kind, key in (("call_expression", "function"), ("new_expression", "constructor")):
        for node in root.find_all(kind=kind):
            name, arguments = node.field(key), node.field("arguments")
            if name is not None and arguments is not None:
                found.setdefault(name.text()[:100].rpartition(".")[2], []).append(arguments)
    return found
