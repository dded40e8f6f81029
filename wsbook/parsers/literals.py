"""Constant texts of Python, Go and Java: literals, constants across files, concatenation, and the fallbacks of environment variables.

An unknown part is ``*``. Runs nothing.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wsbook.parsers.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["ANY", "Constants", "keyword"]

ANY = "*"
_MAX_DEPTH = 12
_STRINGS = ("string", "interpreted_string_literal", "raw_string_literal", "string_literal", "concatenated_string")
_NAMES = ("identifier", "attribute", "selector_expression", "field_access", "qualified_type", "field_identifier", "type_identifier")
_BINARY = ("binary_operator", "binary_expression")
_CALLS = ("call", "call_expression", "method_invocation")
_DEFINITIONS = {
    "python": (("assignment", "left", "right"), ("typed_default_parameter", "name", "value"), ("default_parameter", "name", "value")),
    "go": (("const_spec", "name", "value"), ("var_spec", "name", "value"), ("short_var_declaration", "left", "right")),
    "java": (("variable_declarator", "name", "value"),),
}
_ENVIRONMENT = re.compile(r"(?i)environ|getenv|env\.|\benv\w*\(|config\(|flag\.(?:String|Int)|getOrDefault|getProperty|Field\(|setting")
_ESCAPES = re.compile(r"\\([\\\"'/nrt])")


class Constants:
    """The constants of a backend: those of the file first, else one that has the name in exactly one place of the project."""

    def __init__(self, parsed: "Iterable[tuple[Code, SgNode]]") -> None:
        self._by_file: dict[str, dict[str, list[SgNode]]] = {}
        self._everywhere: dict[str, list[tuple[Code, SgNode]]] = {}
        for code, root in parsed:
            own = self._by_file.setdefault(code.artifact, {})
            for kind, left, right in _DEFINITIONS.get(code.language, ()):
                for node in root.find_all(kind=kind):
                    name, value = node.field(left), node.field(right)
                    if name is not None and value is not None:
                        own.setdefault(name.text(), []).append(value)
                        self._everywhere.setdefault(name.text(), []).append((code, value))

    def text(self, node: "SgNode | None", code: Code, depth: int = 0) -> str:
        """Return what an expression is as text, ANY for what is not known."""
        if node is None or depth > _MAX_DEPTH:
            return ANY
        kind = node.kind()
        if kind in _STRINGS:
            return self._literal(node, code, depth)
        if kind in ("integer", "int_literal", "decimal_integer_literal"):
            return node.text()
        if kind in _BINARY and "+" in [c.text() for c in node.children()]:
            return "".join(self.text(node.field(side), code, depth + 1) for side in ("left", "right"))
        if kind in _NAMES:
            return self._named(node.text(), code, depth)
        if kind in _CALLS:
            return self._called(node, code, depth)
        if kind == "unary_expression":  # *addr of flag.String
            return self.text(next((c for c in node.children() if c.is_named()), None), code, depth + 1)
        if kind == "composite_literal" and node.text().startswith("url.URL"):
            return self._go_url(node, code, depth)
        if kind in ("expression_list", "parenthesized_expression", "boolean_operator"):
            inner = [c for c in node.children() if c.is_named()]
            return self.text(inner[-1] if inner else None, code, depth + 1)
        return ANY

    def _literal(self, node: "SgNode", code: Code, depth: int) -> str:
        raw = node.text()[:2000]
        parts = node.children()
        if any(c.kind() == "interpolation" for c in parts):
            shown = [
                c.text()
                if c.kind() != "interpolation"
                else self.text(next((i for i in c.children() if i.is_named()), None), code, depth + 1)
                for c in parts
                if c.kind() in ("interpolation", "string_content")
            ]
            return "".join(shown)
        if node.kind() == "concatenated_string":
            return "".join(self.text(c, code, depth + 1) for c in parts if c.is_named())
        found = re.fullmatch(r"""[rRbBuUfF]{0,2}("{3}|'{3}|["'`])(.*)\1""", raw, re.DOTALL)
        if found is None:
            return ANY
        is_raw = raw[:1] in "rR`" or raw[1:2] in "rR"
        return found[2] if is_raw else _ESCAPES.sub(lambda m: m[1] if m[1] not in "nrt" else " ", found[2])

    def _named(self, name: str, code: Code, depth: int) -> str:
        own = self._by_file.get(code.artifact, {}).get(name, [])
        if len(own) == 1:
            return self.text(own[0], code, depth + 1)
        last = name.rpartition(".")[2]
        found = [] if own else self._everywhere.get(last, [])
        return self.text(found[0][1], found[0][0], depth + 1) if len(found) == 1 else ANY

    def _go_url(self, node: "SgNode", code: Code, depth: int) -> str:
        parts: dict[str, str] = {}
        for element in node.find_all(kind="keyed_element"):
            inner = [c for c in element.children() if c.is_named()]
            if len(inner) == 2:
                value = (
                    next((c for c in inner[1].children() if c.is_named()), inner[1]) if inner[1].kind() == "literal_element" else inner[1]
                )
                parts[inner[0].text()] = self.text(value, code, depth + 1)
        path = parts.get("Path", "")
        return f"{parts.get('Scheme', ANY)}://{parts.get('Host', ANY)}{path if path.startswith(('/', ANY)) or not path else '/' + path}"

    def _called(self, node: "SgNode", code: Code, depth: int) -> str:
        """A call that reads the environment is its fallback; one that only wraps a text is the text; re.compile is its expression."""
        head = node.text()[:120]
        arguments = [c for c in (node.field("arguments") or node).children() if c.is_named()]
        values = [a for a in arguments if a.kind() != "keyword_argument"]
        default = keyword(node, "default")
        if _ENVIRONMENT.search(head.partition("(")[0] + "("):
            return self.text(default if default is not None else values[1] if len(values) > 1 else None, code, depth + 1)
        owner = node.field("function")
        operand = owner.field("operand") if owner is not None and owner.kind() == "selector_expression" else None
        if operand is not None and owner is not None and owner.text().endswith(".String") and not values:
            return self.text(operand, code, depth + 1)
        if head.startswith("fmt.Sprintf(") and values:
            return _filled(self.text(values[0], code, depth + 1), [self.text(v, code, depth + 1) for v in values[1:]])
        if re.match(r"(?:str|int|Path|re\.compile|compile|string|strconv\.Itoa|String\.valueOf)\b", head) and values:
            return self.text(values[0], code, depth + 1)
        return ANY


def _filled(text: str, values: list[str]) -> str:
    """Return a format with its verbs replaced by values."""
    given = iter(values)
    return re.sub(r"%[svdq]", lambda _: next(given, ANY), text)


def keyword(call: "SgNode", *names: str) -> "SgNode | None":
    """Return the value of the first of the keyword arguments of a Python call that is given."""
    arguments = call.field("arguments") or next((c for c in call.children() if c.kind() == "argument_list"), None)
    for name in names:
        for child in arguments.children() if arguments is not None else ():
            key = child.field("name") if child.kind() == "keyword_argument" else None
            if key is not None and key.text() == name:
                return child.field("value")
    return None
