"""What a JavaScript or TypeScript expression can be as text, as far as constants, location and the environment tell. Never runs code.

A part that is not known is one private-use character, so that known parts around it stay usable: see values.UNKNOWN and the others.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from wsbook.parsers import conditions, lookup, members, methods
from wsbook.parsers.locations import resolved, url_part
from wsbook.parsers.scope import Module, Project, short_name
from wsbook.parsers.values import HOST, MAX_VALUES, NOTHING, ORIGIN, PROTOCOL, UNKNOWN, Ref, Value, joined, unique

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["HOST", "ORIGIN", "PROTOCOL", "UNKNOWN", "Evaluator", "Frame", "Scope", "Value", "strings"]

_MAX_DEPTH = 40
_MAX_STEPS = 3_000
"""Expressions looked at for one question; names that refer to one another would double the work with every level."""

_MAX_TOTAL = 60_000
"""The same for all questions about one project."""

_MAX_OPERANDS = 200
_WRAPPERS = (
    "parenthesized_expression",
    "as_expression",
    "non_null_expression",
    "satisfies_expression",
    "await_expression",
    "type_assertion",
)
_STRUCTURES = (
    "object",
    "array",
    "arrow_function",
    "function_expression",
    "function_declaration",
    "generator_function_declaration",
    "method_definition",
    "class",
    "class_declaration",
    "enum_declaration",
)
_NAMES = (
    "identifier",
    "member_expression",
    "shorthand_property_identifier",
    "subscript_expression",
    "this",
    "shorthand_property_identifier_pattern",
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": ""}


class Frame(Struct, frozen=True, eq=False):
    """Where an expression stands: its module, and what the parameters of the functions around it are bound to.

    bindings: (the function's hash, position of the parameter) → values.
    """

    module: Module
    bindings: dict[tuple[int, int], list[Value]] = {}


class Scope:
    """One module within its project: what a reader of calls evaluates arguments in."""

    def __init__(self, module: Module, project: Project) -> None:
        self.module = module
        self.project = project
        self.page = project.page


def strings(node: "SgNode | None", scope: Scope) -> list[Value]:
    """Return the texts that an expression can be, at most eight; what is not known is UNKNOWN."""
    evaluator = Evaluator(scope.project)
    return evaluator.texts(evaluator.look(node, Frame(scope.module)))


class Evaluator:
    """One question: it counts the expressions that it looks at, and gives up beyond a bound."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.page = project.page
        self._steps = 0
        self._depth = 0
        self._cuts = 0
        self._open: set[tuple[int, int]] = set()

    @property
    def exhausted(self) -> bool:
        """Whether as much was looked at as one question, or the project, is allowed."""
        return self._steps > _MAX_STEPS or self.project.total > _MAX_TOTAL

    def look(self, node: "SgNode | None", frame: Frame) -> list[Value]:
        """Return what an expression can be, at most eight values."""
        if node is None or self._depth > _MAX_DEPTH or self.exhausted:
            self._cuts += 1
            return NOTHING
        self._steps += 1
        self.project.total += 1
        key = id(frame.module), hash(node)
        if not frame.bindings:
            if key in self.project.known:
                return self.project.known[key]
            if key in self._open:
                self._cuts += 1
                return NOTHING
        return self._looked(node, frame, key)

    def _looked(self, node: "SgNode", frame: Frame, key: tuple[int, int]) -> list[Value]:
        """Evaluate an expression; what was found in full and without bindings is kept for the next question."""
        cuts, self._depth = self._cuts, self._depth + 1
        if not frame.bindings:
            self._open.add(key)
        try:
            values = unique(self._expression(node, node.kind(), frame)) or NOTHING
        finally:
            self._depth -= 1
            self._open.discard(key)
        if not frame.bindings and cuts == self._cuts:
            self.project.known[key] = values
        return values

    def _expression(self, node: "SgNode", kind: str, frame: Frame) -> list[Value]:
        if kind in ("string", "template_string"):
            return self._literal(node, frame)
        if kind == "number":
            return [Value(text=node.text())]
        if kind in _WRAPPERS:
            return self.look(next((c for c in node.children() if c.is_named()), None), frame)
        if kind == "binary_expression":
            return self._binary(node, frame)
        if kind == "ternary_expression":
            return self._ternary(node, frame)
        if kind in _NAMES:
            return lookup.named(self, node, frame)
        if kind in _STRUCTURES:
            return [Value(ref=Ref(kind="node", node=node, frame=frame))]
        if kind in ("call_expression", "new_expression"):
            return self._called(node, frame)
        if kind in ("undefined", "null", "false"):
            return [Value(text="")]
        if kind == "assignment_expression":
            return self.look(node.field("right"), frame)
        if kind == "sequence_expression":
            return self.look(node.children()[-1], frame)
        return NOTHING

    def member(self, base: Value, key: str) -> list[Value]:
        """Return what a member of a value can be."""
        return members.member(self, base, key)

    def texts(self, values: list[Value]) -> list[Value]:
        """Return values as text: a location or a URL object is its href, anything else that is no text is unknown."""
        return unique([v for value in values for v in self._text(value)]) or NOTHING

    def _text(self, value: Value) -> list[Value]:
        ref = value.ref
        if ref is None:
            return [value]
        if ref.kind == "location":
            return [Value(text=lookup.location(self, "href"), condition=value.condition)]
        if ref.kind == "node" and ref.node.kind() in ("arrow_function", "function_expression", "function_declaration", "method_definition"):
            return [v.also(value.condition) for v in self.texts(self.returned(ref.node, ref.frame))]
        return [Value(condition=value.condition)]

    def _literal(self, node: "SgNode", frame: Frame) -> list[Value]:
        values = [Value(text="")]
        for part in node.children()[:_MAX_OPERANDS]:
            if part.kind() == "string_fragment":
                values = joined(values, [Value(text=part.text())])
            elif part.kind() == "escape_sequence":
                letter = part.text()[1:]
                values = joined(values, [Value(text=_ESCAPES.get(letter, letter))])
            elif part.kind() == "template_substitution":
                inner = next((c for c in part.children() if c.is_named()), None)
                values = joined(values, self.texts(self.look(inner, frame)))
        return values

    def _binary(self, node: "SgNode", frame: Frame) -> list[Value]:
        operator = node.field("operator")
        sign = operator.text() if operator else ""
        if sign == "+":
            values = [Value(text="")]
            for operand in _operands(node):
                values = joined(values, self.texts(self.look(operand, frame)))
            return values
        if sign in ("||", "??"):
            return self._fallback(node, frame)
        if sign == "&&":
            return self._both(node, frame)
        return NOTHING

    def _both(self, node: "SgNode", frame: Frame) -> list[Value]:
        left, right = node.field("left"), node.field("right")
        holds = conditions.truth(self, left, frame)
        if holds is False:
            return [Value(text="")]
        values = self.look(right, frame)
        if holds or left is None or left.kind() != "binary_expression":
            return values
        test = conditions.words(left)
        return [v.also(test) for v in values] + [Value(text="", condition=f"not ({test})")]

    def _fallback(self, node: "SgNode", frame: Frame) -> list[Value]:
        left, right = node.field("left"), node.field("right")
        first = self.look(left, frame)
        known = [v for v in first if v.ref is not None or v.text not in ("", UNKNOWN, HOST)]
        if known and len(known) == len(first):
            return first
        absent = all(v.ref is None and v.text == "" for v in first)
        if absent:
            return self.look(right, frame)
        missing = f"{short_name(left)[:80] or 'the left side'} is not set"
        unsure = [v for v in first if v not in known and v.text != ""]
        return known + unsure[:1] + [v.also(missing) for v in self.look(right, frame)]

    def _ternary(self, node: "SgNode", frame: Frame) -> list[Value]:
        condition = node.field("condition")
        holds = conditions.truth(self, condition, frame)
        yes = self.look(node.field("consequence"), frame) if holds is not False else []
        no = self.look(node.field("alternative"), frame) if holds is not True else []
        if holds is not None:
            return yes or no
        test = conditions.words(condition)
        half = MAX_VALUES // 2
        return [v.also(test) for v in yes[:half]] + [v.also(f"not ({test})") for v in no[:half]]

    def _called(self, node: "SgNode", frame: Frame) -> list[Value]:
        function = node.field("function") or node.field("constructor")
        arguments = [c for c in (node.field("arguments") or node).children() if c.is_named() and c.kind() != "comment"]
        name = short_name(function)
        if node.kind() == "new_expression":
            if name in ("URL", "window.URL"):
                return self._url(arguments, frame)
            return [Value(ref=Ref(kind="node", node=node, frame=frame))]
        if name in ("require", "import"):
            return lookup.required(self, self.texts(self.look(arguments[0], frame))[0].text, frame) if arguments else NOTHING
        if name in ("useState", "React.useState"):
            return [Value(ref=Ref(kind="state", node=arguments[0] if arguments else None, frame=frame))]
        if name == "useRuntimeConfig":
            return lookup.runtime_config(self, frame)
        if name in methods.TRANSPARENT or name.rpartition(".")[2] in methods.TRANSPARENT_METHODS:
            return self._through(name, arguments, frame)
        owner = function.field("object") if function is not None and function.kind() == "member_expression" else None
        method = name.rpartition(".")[2] if name else _member_name(function)
        if owner is not None and method == "join" and owner.kind() == "array":
            return self._joined_array(owner, arguments, frame)
        if owner is not None and method in methods.TEXT_METHODS:
            texts = self.texts(self.look(owner, frame))
            if method in ("toString", "valueOf", "trim") or any(v.text != UNKNOWN for v in texts):
                return methods.applied(self, method, texts, arguments, frame)
        found = [v for v in self.look(function, frame) if v.ref is not None and v.ref.kind == "node"]
        results = [v.also(f.condition) for f in found[:4] if f.ref for v in self.applied(f.ref, arguments, frame)]
        return results or NOTHING

    def _through(self, name: str, arguments: "list[SgNode]", frame: Frame) -> list[Value]:
        """Calls that give back what they are given, or what the function that they are given returns: useMemo, ref, computed, freeze."""
        values = self.look(arguments[0], frame) if arguments else NOTHING
        functions = [v for v in values if v.ref and v.ref.kind == "node" and v.ref.node.kind() in ("arrow_function", "function_expression")]
        if functions and name not in ("useCallback", "React.useCallback"):
            return [v for f in functions if f.ref for v in self.returned(f.ref.node, f.ref.frame)]
        return values

    def _joined_array(self, array: "SgNode", arguments: "list[SgNode]", frame: Frame) -> list[Value]:
        between = self.texts(self.look(arguments[0], frame)) if arguments else [Value(text=",")]
        values: list[Value] = []
        for element in [c for c in array.children() if c.is_named()][:_MAX_OPERANDS]:
            mine = self.texts(self.look(element, frame))
            values = joined(joined(values, between), mine) if values else mine
        return values

    def applied(self, function: Ref, arguments: "list[SgNode]", frame: Frame) -> list[Value]:
        """Return what a function of the code returns for arguments."""
        if function.node.kind() not in _STRUCTURES or function.node.kind() in ("object", "array"):
            return NOTHING
        start = hash(function.node)
        given = {(start, index): self.look(argument, frame) for index, argument in enumerate(arguments[:8])}
        given.setdefault((start, -1), [Value(text=str(len(arguments)))])
        return self.returned(function.node, Frame(function.frame.module, {**function.frame.bindings, **given}))

    def returned(self, function: "SgNode", frame: Frame) -> list[Value]:
        """Return what a function returns, each value under the tests around its return."""
        body = function.field("body")
        if body is None or body.kind() != "statement_block":
            return self.look(body, frame)
        values: list[Value] = []
        own = [r for r in body.find_all(kind="return_statement")[:12] if _owner(r) == function]
        for statement in own:
            test = conditions.around(self, statement, frame)
            if test is None:
                continue
            found = self.look(next((c for c in statement.children() if c.is_named()), None), frame)
            values += [v.also(test) for v in found]
            if not test:
                break
        return values or NOTHING

    def _url(self, arguments: "list[SgNode]", frame: Frame) -> list[Value]:
        paths = self.texts(self.look(arguments[0], frame)) if arguments else NOTHING
        if len(arguments) < 2:
            return paths
        bases = self.texts(self.look(arguments[1], frame))
        return [Value(text=resolved(p.text, b.text), condition=b.condition).also(p.condition) for b in bases for p in paths]

    def url_member(self, value: Value, part: str) -> Value:
        """Return a member of a text that is used as a URL object."""
        return Value(text=url_part(value.text, part), condition=value.condition)


def _operands(node: "SgNode") -> "list[SgNode]":
    """Return the operands of a chain of +, from left to right, without recursion."""
    found: list[SgNode] = []
    current: SgNode | None = node
    while current is not None and len(found) < _MAX_OPERANDS:
        operator = current.field("operator") if current.kind() == "binary_expression" else None
        if operator is None or operator.text() != "+":
            found.append(current)
            break
        right = current.field("right")
        if right is not None:
            found.append(right)
        current = current.field("left")
    return found[::-1]


def _member_name(function: "SgNode | None") -> str:
    member = function.field("property") if function is not None and function.kind() == "member_expression" else None
    return member.text() if member is not None else ""


def _owner(node: "SgNode") -> "SgNode | None":
    return next((a for a in node.ancestors() if a.kind() in _STRUCTURES and a.kind() not in ("object", "array")), None)
