"""Members of what names stand for: location, the environment, modules, objects, classes and their instances, enums."""

import re
from typing import TYPE_CHECKING

from wsbook.parsers import conditions
from wsbook.parsers.locations import URL_PARTS
from wsbook.parsers.lookup import default_member, defined, environment_value, imported, location
from wsbook.parsers.scope import CLASSES, Module, pair
from wsbook.parsers.values import NOTHING, UNKNOWN, Ref, Value, unique

if TYPE_CHECKING:
    from ast_grep_py import SgNode

    from wsbook.parsers.evaluate import Evaluator, Frame

__all__ = ["member"]

_HELD = ("current", "value")
"""Members of a React ref or a Vue ref: what it holds."""


def member(ev: "Evaluator", base: Value, key: str) -> list[Value]:
    """Return the member of a value."""
    ref = base.ref
    if ref is None:
        if key in _HELD:
            return [base]
        return [ev.url_member(base, key)] if key in URL_PARTS and base.text != UNKNOWN else NOTHING
    if ref.kind == "location":
        return [Value(text=location(ev, key))]
    if ref.kind == "env":
        return environment_value(ev, key, ref.frame)
    if ref.kind == "state":
        return ev.texts(ev.look(ref.node, ref.frame)) if key == "0" else NOTHING
    if ref.kind == "module":
        return _of_module(ev, ref, key)
    return _of_node(ev, ref, key)


def _of_module(ev: "Evaluator", ref: Ref, key: str) -> list[Value]:
    module: Module = ref.frame.module
    exported = module.exports.get(key)
    if isinstance(exported, tuple):
        return imported(ev, module, *exported, frame=ref.frame)
    if exported is not None:
        return ev.look(exported, ref.frame)
    return default_member(ev, module, key, ref.frame)


def _of_node(ev: "Evaluator", ref: Ref, key: str) -> list[Value]:
    node, kind = ref.node, ref.node.kind()
    if key in _HELD and kind not in ("object", "enum_declaration") and not (kind in CLASSES or kind == "new_expression"):
        return [Value(ref=ref)]
    if kind.startswith("jsx_"):
        return _of_element(ev, ref, key)
    if kind == "object":
        return _of_object(ev, node, key, ref.frame)
    if kind == "array" and key.isdigit():
        elements = [c for c in node.children() if c.is_named()]
        return ev.look(elements[int(key)], ref.frame) if int(key[:4]) < len(elements) else NOTHING
    if kind == "enum_declaration":
        found = node.find_all(kind="enum_assignment")
        return next((ev.look(e.field("value"), ref.frame) for e in found if (e.field("name") or e).text() == key), NOTHING)
    if kind == "new_expression":
        return _of_instance(ev, ref, key)
    return _of_class(ev, node, key, ref.frame) if kind in CLASSES else NOTHING


def _of_object(ev: "Evaluator", node: "SgNode", key: str, frame: "Frame") -> list[Value]:
    value = pair(node, key)
    if value is not None and value.kind() == "method_definition" and value.text().lstrip().startswith("get "):
        return ev.returned(value, frame)
    if value is not None:
        return ev.look(value, frame)
    data = pair(node, "data")  # Vue's options: this.url is what data() or computed returns
    if key != "data" and data is not None and data.kind() == "method_definition":
        held = [v for base in ev.returned(data, frame) for v in member(ev, base, key)]
        if any(v != Value() for v in held):
            return held
    computed = pair(pair(node, "computed"), key)
    if computed is not None:
        return ev.returned(computed, frame)
    spreads = [c.children()[-1] for c in node.children() if c.kind() == "spread_element"]
    return [v for spread in spreads[:4] for base in ev.look(spread, frame) for v in member(ev, base, key)] or NOTHING


def _of_element(ev: "Evaluator", ref: Ref, key: str) -> list[Value]:
    """Return an attribute of a JSX element: the properties of a component."""
    for attribute in ref.node.find_all(kind="jsx_attribute"):
        parts = [c for c in attribute.children() if c.is_named()]
        if attribute.parent() == ref.node and len(parts) == 2 and parts[0].text() == key:
            inner = next((c for c in parts[1].children() if c.is_named()), None) if parts[1].kind() == "jsx_expression" else parts[1]
            return ev.look(inner, ref.frame)
    return NOTHING


def _of_instance(ev: "Evaluator", ref: Ref, key: str) -> list[Value]:
    """Return a member of new Something(…), with the constructor's parameters bound."""
    classes = [v.ref for v in ev.look(ref.node.field("constructor"), ref.frame) if v.ref and v.ref.kind == "node"]
    arguments = [c for c in (ref.node.field("arguments") or ref.node).children() if c.is_named() and c.kind() != "comment"]
    found: list[Value] = []
    for one in classes[:2]:
        constructor = _method(one.node, "constructor")
        start = hash(constructor) if constructor is not None else -1
        given = {(start, index): ev.look(argument, ref.frame) for index, argument in enumerate(arguments[:8])}
        frame = type(ref.frame)(one.frame.module, {**one.frame.bindings, **given, (start, -1): [Value()]})
        found += _of_class(ev, one.node, key, frame)
    return found or NOTHING


def _method(node: "SgNode", name: str) -> "SgNode | None":
    body = node.field("body")
    members = body.children() if body is not None else []
    return next((c for c in members if c.kind() == "method_definition" and (c.field("name") or c).text() == name), None)


def _of_class(ev: "Evaluator", node: "SgNode", key: str, frame: "Frame") -> list[Value]:
    """Return a field, getter or method of a class, what its methods assign to it, or a parameter property of its constructor."""
    body = node.field("body")
    method = _method(node, key)
    if method is not None:
        is_getter = re.match(r"(?:(?:static|public|private|protected|override)\s+)*get\s", method.text()[:60])
        return ev.returned(method, frame) if is_getter else [Value(ref=Ref(kind="node", node=method, frame=frame))]
    values: list[Value] = []
    for field in body.children() if body is not None else []:
        if field.kind() == "public_field_definition" and (field.field("name") or field).text() == key and field.field("value") is not None:
            values += ev.look(field.field("value"), frame)
    for definition in frame.module.names.get(f"this.{key}", ()):
        if _within(definition.at, node):
            test = conditions.around(ev, definition.at, frame)
            values += [v.also(test) for v in defined(ev, definition, frame)] if test is not None else []
    values = [v for v in values if v.text != "" or v.ref is not None]
    if not values and (constructor := _method(node, "constructor")) is not None:
        properties = [d for d in frame.module.names.get(key, ()) if d.function == constructor]
        values = [v for d in properties for v in defined(ev, d, frame)]
    return unique(values) or _inherited(ev, node, key, frame)


def _inherited(ev: "Evaluator", node: "SgNode", key: str, frame: "Frame") -> list[Value]:
    heritage = next((c for c in node.children() if c.kind() == "class_heritage"), None)
    parent = heritage.find(kind="identifier") if heritage is not None else None
    bases = [v.ref for v in ev.look(parent, frame) if v.ref and v.ref.kind == "node"] if parent is not None else []
    return [v for base in bases[:1] for v in _of_node(ev, base, key)] or NOTHING


def _within(inner: "SgNode", outer: "SgNode") -> bool:
    return outer in inner.ancestors()
