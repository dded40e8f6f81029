"""What a JavaScript or TypeScript expression can be as text, as far as constants, location and the environment tell. Never runs code.

A part that is not known is one private-use character, so that known parts around it stay usable: see UNKNOWN and the others.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from msgspec import Struct

from wsbook.parsers.proxies.artifact import try_regex
from wsbook.parsers.scope import FUNCTIONS, MAX_VALUES, Scope
from wsbook.target import Endpoint

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["HOST", "ORIGIN", "PROTOCOL", "UNKNOWN", "Scope", "Value", "pair", "strings"]

UNKNOWN = "\ue000"
"""Anything."""
HOST = "\ue001"
"""A host with or without port: location.host, or a variable that says so by its name."""
PROTOCOL = "\ue002"
"""The page's protocol, http: or https:."""
ORIGIN = "\ue003"
"""The page's protocol, two slashes and host."""

_MAX_DEPTH = 30
_MAX_STEPS = 3_000

"""Expressions looked at for one question; names that refer to one another would double the work with every level."""

_MAX_TOTAL = 20_000
"""The same for all questions about one piece of code."""

_LOCATION = re.compile(r"(?:(?:window|document|self|globalThis|top|parent)\.)*(?:window\.)?location(?:\.(\w+))?$")
_ENVIRONMENT = re.compile(r"(?:import\.meta\.env|process\.env|import\.meta\.env\?|window\.__ENV__|Deno\.env)\??\.(\w+)$|\$env/\w+/\w+")
_HOST_NAME = re.compile(r"host|domain|server|addr|authority|(?:^|_)ip$", re.IGNORECASE)
_WRAPPERS = (
    "parenthesized_expression",
    "as_expression",
    "non_null_expression",
    "satisfies_expression",
    "await_expression",
    "type_assertion",
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": ""}


class Value(Struct, frozen=True, kw_only=True):
    """One possible text. condition: source of the tests under which it holds, "" always."""

    text: str
    condition: str = ""

    def also(self, condition: str) -> "Value":
        """Return the same text under one more condition."""
        joined = " and ".join(filter(None, (self.condition, condition)))
        return Value(text=self.text, condition=joined[:200])


def strings(node: "SgNode | None", scope: Scope, depth: int = 0) -> list[Value]:
    """Return what an expression can be, at most eight values; what is not known is UNKNOWN."""
    scope.steps = scope.steps + 1 if depth else 0
    scope.total += 1
    if node is None or depth > _MAX_DEPTH or scope.steps > _MAX_STEPS or scope.total > _MAX_TOTAL:
        return [Value(text=UNKNOWN)]
    kind = node.kind()
    if kind in ("string", "template_string", "number"):
        return _literal(node, scope, depth) if kind != "number" else [Value(text=node.text())]
    if kind in _WRAPPERS:
        inner = next((c for c in node.children() if c.is_named()), None)
        return strings(inner, scope, depth + 1)
    if kind == "binary_expression":
        return _binary(node, scope, depth)
    if kind == "ternary_expression":
        return _ternary(node, scope, depth)
    if kind in ("identifier", "member_expression", "shorthand_property_identifier", "subscript_expression"):
        return _named(node, scope, depth)
    if kind in ("call_expression", "new_expression"):
        return _called(node, scope, depth)
    if kind in ("statement_block", "arrow_function", "function_expression"):
        return _returned(node, scope, depth)
    return [Value(text=UNKNOWN)]


def _literal(node: "SgNode", scope: Scope, depth: int) -> list[Value]:
    values = [Value(text="")]
    for part in node.children():
        if part.kind() == "string_fragment":
            values = [Value(text=v.text + part.text(), condition=v.condition) for v in values]
        elif part.kind() == "escape_sequence":
            letter = part.text()[1:]
            values = [Value(text=v.text + _ESCAPES.get(letter, letter), condition=v.condition) for v in values]
        elif part.kind() == "template_substitution":
            inner = next((c for c in part.children() if c.is_named()), None)
            values = _joined(values, strings(inner, scope, depth + 1))
    return values


def _joined(left: list[Value], right: list[Value]) -> list[Value]:
    pairs = [Value(text=(a.text + b.text)[:4000], condition=a.condition).also(b.condition) for a in left for b in right if _agree(a, b)]
    return pairs[:MAX_VALUES] or [Value(text=UNKNOWN)]


def _agree(one: Value, other: Value) -> bool:
    """Whether two conditions can hold together: not a test and its own negation."""
    return not (
        one.condition and other.condition and (one.condition == f"not ({other.condition})" or other.condition == f"not ({one.condition})")
    )


def _binary(node: "SgNode", scope: Scope, depth: int) -> list[Value]:
    left, right, operator = node.field("left"), node.field("right"), node.field("operator")
    sign = operator.text() if operator else ""
    if sign == "+":
        return _joined(strings(left, scope, depth + 1), strings(right, scope, depth + 1))
    if sign in ("||", "??"):
        first = strings(left, scope, depth + 1)
        known = [v for v in first if v.text and v.text != UNKNOWN]
        if known and len(known) == len(first):
            return first
        missing = f"{left.text()[:80]} is not set" if left else ""
        if left and (match := _ENVIRONMENT.search(left.text())) and match[1] and scope.env:
            return known + strings(right, scope, depth + 1)
        return (known or [Value(text=UNKNOWN)]) + [v.also(missing) for v in strings(right, scope, depth + 1)]
    if sign == "&&":
        return strings(right, scope, depth + 1)
    return [Value(text=UNKNOWN)]


def _ternary(node: "SgNode", scope: Scope, depth: int) -> list[Value]:
    condition = node.field("condition")
    holds = _truth(condition, scope, depth + 1) if condition else None
    test = re.sub(r"\s+", " ", condition.text())[:80].strip("()") if condition else ""
    yes = strings(node.field("consequence"), scope, depth + 1) if holds is not False else []
    no = strings(node.field("alternative"), scope, depth + 1) if holds is not True else []
    if holds is not None:
        return (yes or no)[:MAX_VALUES]
    return [v.also(test) for v in yes[:4]] + [v.also(f"not ({test})") for v in no[:4]]


def _truth(node: "SgNode", scope: Scope, depth: int) -> bool | None:
    """Evaluate an equality of known texts; None when it cannot be told."""
    while node.kind() == "parenthesized_expression" and depth < _MAX_DEPTH:
        node, depth = next((c for c in node.children() if c.is_named()), node), depth + 1
    operator = node.field("operator")
    if node.kind() != "binary_expression" or operator is None or operator.text() not in ("==", "===", "!=", "!=="):
        return None
    left, right = (strings(node.field(side), scope, depth + 1) for side in ("left", "right"))
    if len(left) != 1 or len(right) != 1 or any(re.search("[\ue000-\ue003]", v.text) for v in (*left, *right)):
        return None
    return (left[0].text == right[0].text) == operator.text().startswith("=")


def _named(node: "SgNode", scope: Scope, depth: int) -> list[Value]:
    text = re.sub(r"\s+|\?(?=\.)|!(?=\.|$)", "", node.text())[:200]
    if location := _LOCATION.match(text):
        return [Value(text=_location(location[1] or "href", scope.page))]
    if environment := _ENVIRONMENT.search(text):
        return [Value(text=scope.env.get(environment[1] or "", UNKNOWN))]
    definitions = scope.definitions(text)
    if definitions:
        return _edited(text, _united(definitions, node, scope, depth), scope, depth)
    if "." in text:
        return _property(text, scope, depth)
    given = _argument(node, text, scope, depth)
    return given or [Value(text=HOST if _HOST_NAME.search(text) else UNKNOWN)]


def _united(definitions: "list[SgNode]", use: "SgNode", scope: Scope, depth: int) -> list[Value]:
    """Return the values of a name's definitions in force where it is used; += appends to what was before."""
    values: list[Value] = []
    for expression in definitions:
        parent = expression.parent()
        if _contains(expression, use):
            continue
        mine = [v.also(_branch(expression)) for v in strings(expression, scope, depth + 2)]
        if parent is not None and parent.kind() == "augmented_assignment_expression":
            values = _joined(values or [Value(text=UNKNOWN)], mine)
        else:
            values += [v for v in mine if v.text != "" and v not in values]
    return values[:MAX_VALUES] or [Value(text=UNKNOWN)]


def _contains(outer: "SgNode", inner: "SgNode") -> bool:
    a, b = outer.range(), inner.range()
    same = outer.get_root().root().range().end.index == inner.get_root().root().range().end.index
    return same and a.start.index <= b.start.index and b.end.index <= a.end.index


def _branch(expression: "SgNode") -> str:
    """Return the condition of the nearest if around an assignment, "" outside of one."""
    inner = expression
    for ancestor in expression.ancestors():
        if ancestor.kind() in FUNCTIONS:
            return ""
        if ancestor.kind() == "if_statement":
            condition = ancestor.field("condition")
            otherwise = ancestor.field("alternative")
            test = re.sub(r"\s+", " ", condition.text())[:80].strip("()") if condition else ""
            return f"not ({test})" if otherwise is not None and _contains(otherwise, inner) else test
    return ""


def _location(part: str, page: Endpoint | None) -> str:
    if page is None:
        unknown = {"host": HOST, "hostname": HOST, "protocol": PROTOCOL, "origin": ORIGIN, "href": ORIGIN + "/" + UNKNOWN, "port": UNKNOWN}
        return unknown.get(part, UNKNOWN)
    default = page.authority.endswith(page.host) or page.authority.endswith("]")
    known = {
        "host": page.authority,
        "hostname": f"[{page.host}]" if ":" in page.host else page.host,
        "protocol": page.scheme + ":",
        "origin": page.origin,
        "href": page.url,
        "port": "" if default else str(page.port),
        "pathname": page.path,
        "search": f"?{page.query}" if page.query else "",
    }
    return known.get(part, UNKNOWN)


def _property(text: str, scope: Scope, depth: int) -> list[Value]:
    """Return the value of ``name.key`` where name is an object literal."""
    name, _, key = text.rpartition(".")
    for definition in scope.definitions(name):
        if definition.kind() == "object" and (value := pair(definition, key)) is not None:
            return strings(value, scope, depth + 2)
        if definition.kind() == "new_expression" and key == "href":
            return _edited(name, strings(definition, scope, depth + 2), scope, depth)
    return [Value(text=HOST if _HOST_NAME.search(key) else UNKNOWN)]


def _edited(name: str, values: list[Value], scope: Scope, depth: int) -> list[Value]:
    """Return URLs after assignments to the protocol and path of the URL object that a name stands for."""
    for right in scope.names.get(f"{name}.protocol", [])[:1]:
        own = "replace" in right.text()
        schemes = [Value(text="")] if own else strings(right, scope, depth + 2)
        values = [
            Value(
                text=re.sub(r"^http", "ws", v.text) if own else re.sub(r"^\w+:?", s.text.rstrip(":") + ":", v.text), condition=v.condition
            ).also(s.condition)
            for v in values
            for s in schemes
        ]
    for right in scope.names.get(f"{name}.pathname", [])[:1]:
        path = strings(right, scope, depth + 2)[0].text.replace("\\", "")
        values = [Value(text=re.sub(rf"^(\w+://[^/?#]*|{ORIGIN})[^?#]*", rf"\g<1>{path}", v.text), condition=v.condition) for v in values]
    return values[:MAX_VALUES]


def pair(node: "SgNode | None", *keys: str) -> "SgNode | None":
    """Return the value of the first of the keys that an object literal has."""
    for key in keys:
        for child in node.children() if node is not None and node.kind() == "object" else ():
            name = child.field("key")
            if child.kind() == "pair" and name is not None and name.text().strip("\"'") == key:
                return child.field("value")
            if child.kind() == "shorthand_property_identifier" and child.text() == key:
                return child
    return None


def _argument(node: "SgNode", name: str, scope: Scope, depth: int) -> list[Value]:
    """Return what callers in the same file give for a parameter of the enclosing function or constructor."""
    for function in (a for a in node.ancestors() if a.kind() in FUNCTIONS):
        parameters = function.field("parameters") or function.field("parameter")
        names = [p.text() for p in _parameters(parameters)]
        if name not in names:
            continue
        calls = scope.calls.get(_called_as(function), [])
        given = [g for call in calls[:4] if len(g := [c for c in call.children() if c.is_named()]) > names.index(name)]
        return [v for g in given for v in strings(g[names.index(name)], scope, depth + 3)][:MAX_VALUES]
    return []


def _parameters(parameters: "SgNode | None") -> "Iterator[SgNode]":
    if parameters is None:
        return
    if parameters.kind() == "identifier":
        yield parameters
    for child in parameters.children():
        if child.is_named():
            yield child.field("pattern") or child.field("left") or child


def _called_as(function: "SgNode") -> str:
    name = function.field("name")
    if name is not None and name.text() == "constructor":
        owner = next((a for a in function.ancestors() if a.kind() in ("class_declaration", "class")), None)
        name = owner.field("name") if owner is not None else None
    parent = function.parent()
    if name is None and parent is not None and parent.kind() == "variable_declarator":
        name = parent.field("name")
    return name.text() if name is not None else ""


def _called(node: "SgNode", scope: Scope, depth: int) -> list[Value]:
    function = node.field("function") or node.field("constructor")
    arguments = [c for c in (node.field("arguments") or node).children() if c.is_named()]
    name = re.sub(r"\s+", "", function.text())[:200] if function is not None else ""
    if name in ("URL", "window.URL") and node.kind() == "new_expression":
        return _url(arguments, scope, depth)
    if name in ("String", "encodeURI") and arguments:
        return strings(arguments[0], scope, depth + 1)
    method = name.rpartition(".")[2]
    owner = function.field("object") if function is not None else None
    if method in ("toString", "replace", "concat", "trim", "valueOf", "replaceAll") and owner is not None:
        return _method(method, strings(owner, scope, depth + 1), arguments, scope, depth)
    definitions = scope.definitions(name) or scope.definitions("this." + method)
    return _united(definitions, node, scope, depth) if definitions else [Value(text=UNKNOWN)]


def _url(arguments: "list[SgNode]", scope: Scope, depth: int) -> list[Value]:
    paths = strings(arguments[0], scope, depth + 1) if arguments else [Value(text=UNKNOWN)]
    if len(arguments) < 2:
        return paths
    found = []
    for base in strings(arguments[1], scope, depth + 1):
        for path in paths:
            known = not re.search("[\ue000-\ue003]", base.text)
            text = urljoin(base.text, path.text) if known else ORIGIN + path.text if path.text.startswith("/") else UNKNOWN
            found.append(Value(text=path.text if "://" in path.text else text, condition=base.condition).also(path.condition))
    return found[:MAX_VALUES]


def _method(method: str, owners: list[Value], arguments: "list[SgNode]", scope: Scope, depth: int) -> list[Value]:
    if method in ("toString", "trim", "valueOf"):
        return owners
    if method == "concat":
        for argument in arguments:
            owners = _joined(owners, strings(argument, scope, depth + 1))
        return owners
    if len(arguments) < 2:
        return [Value(text=UNKNOWN)]
    new = strings(arguments[1], scope, depth + 1)[0].text
    return [Value(text=_replaced(v.text, arguments[0], new, scope, depth), condition=v.condition) for v in owners]


def _replaced(text: str, pattern: "SgNode", new: str, scope: Scope, depth: int) -> str:
    if text.startswith((PROTOCOL, ORIGIN)):
        return text
    if pattern.kind() != "regex":
        return text.replace(strings(pattern, scope, depth + 1)[0].text, new, 1)
    body = pattern.field("pattern")
    regex = try_regex(body.text().replace("\\/", "/")) if body is not None else None
    return regex.sub(re.sub(r"\$(\d)", r"\\\1", new.replace("\\", "")), text[:500], count=1) if regex and new != UNKNOWN else UNKNOWN


def _returned(node: "SgNode", scope: Scope, depth: int) -> list[Value]:
    body = node.field("body") if node.kind() != "statement_block" else node
    if body is not None and body.kind() != "statement_block":
        return strings(body, scope, depth + 1)
    values: list[Value] = []
    for statement in body.find_all(kind="return_statement")[:4] if body is not None else ():
        expression = next((c for c in statement.children() if c.is_named()), None)
        values += [v.also(_branch(statement)) for v in strings(expression, scope, depth + 2)]
    return values[:MAX_VALUES] or [Value(text=UNKNOWN)]
