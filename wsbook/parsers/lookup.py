"""What names and members of a script stand for: definitions, imports, classes, parameters, location and the environment."""

import re
from typing import TYPE_CHECKING

from wsbook.parsers import conditions
from wsbook.parsers.locations import edited, location_part
from wsbook.parsers.scope import FUNCTIONS, Definition, Module, pair, short_name
from wsbook.parsers.values import HOST, NOTHING, UNKNOWN, Ref, Value, is_known, joined, unique

if TYPE_CHECKING:
    from ast_grep_py import SgNode

    from wsbook.parsers.evaluate import Evaluator, Frame

__all__ = ["location", "named", "required"]

_LOCATION = re.compile(r"(?:(?:window|document|self|globalThis|top|parent)\.)*(?:window\.)?location")
_ENVIRONMENT = re.compile(r"(?:globalThis\.|window\.)?(?:import\.meta\.env|process\.env|Deno\.env)")
_DOCUMENT = {"document.domain": "hostname", "document.URL": "href", "document.baseURI": "href"}
_HOST_NAME = re.compile(r"host|domain|server|addr|authority|(?:^|_)ip$", re.IGNORECASE)
_MEMBERS = ("protocol", "host", "hostname", "port", "pathname", "search", "href")
_URL_PARTS = (*_MEMBERS, "origin", "hash")
_HELD = ("current", "value")
_CLASSES = ("class_declaration", "class")
_BINDERS = ("method_definition", "public_field_definition", "function_expression")
_CONFIG_FILE = re.compile(r"""["'`][^"'`]*?([\w.-]+\.json)["'`]""")


def location(ev: "Evaluator", part: str) -> str:
    """Return a member of the page's location."""
    return location_part(part, ev.page)


def named(ev: "Evaluator", node: "SgNode", frame: "Frame") -> list[Value]:
    """Return what a name, a member or this stands for."""
    name = short_name(node)
    if name == "this":
        return _this(node, frame)
    if name in _DOCUMENT:
        return [Value(text=location(ev, _DOCUMENT[name]))]
    if special := _special(name, frame):
        return [Value(ref=special)]
    if node.kind() in ("member_expression", "subscript_expression"):
        return _member_expression(ev, node, name, frame)
    return _edits(ev, name, _plain(ev, node, name, frame), node, frame)


def _special(name: str, frame: "Frame") -> Ref | None:
    if _LOCATION.fullmatch(name):
        return Ref(kind="location")
    return Ref(kind="env", frame=frame) if _ENVIRONMENT.fullmatch(name) else None


def _plain(ev: "Evaluator", node: "SgNode", name: str, frame: "Frame") -> list[Value]:
    definitions = frame.module.visible(name, node)
    if definitions:
        return _united(ev, definitions, node, frame)
    if name in frame.module.imports:
        return _imported(ev, frame.module, *frame.module.imports[name], frame=frame)
    found = [(m, d) for m, d in ev.project.everywhere(name) if d.node is not None and m is not frame.module]
    values = [v for m, d in found for v in _defined(ev, d, _frame(frame, m))]
    return values or [Value(text=HOST if _HOST_NAME.search(name) else UNKNOWN)]


def _frame(frame: "Frame", module: Module) -> "Frame":
    return frame if frame.module is module else type(frame)(module)


def _imported(ev: "Evaluator", importer: Module, written: str, name: str, *, frame: "Frame", depth: int = 0) -> list[Value]:
    if written.startswith("$env/"):
        return _environment(ev, name, frame)
    module = ev.project.imported(importer, written)
    if module is None or depth > 6:
        found = [(m, d) for m, d in ev.project.everywhere(name) if d.node is not None and m is not importer] if module is None else []
        local = written.startswith((".", "@/", "~", "src/"))
        return [v for m, d in found[:1] for v in _defined(ev, d, _frame(frame, m))] if len(found) == 1 and local else NOTHING
    if name == "*":
        return [Value(ref=Ref(kind="module", frame=_frame(frame, module)))]
    exported = module.exports.get(name)
    if isinstance(exported, tuple):
        return _imported(ev, module, *exported, frame=frame, depth=depth + 1)
    if exported is not None:
        return ev.look(exported, _frame(frame, module))
    for star in module.stars:
        if values := [v for v in _imported(ev, module, star, name, frame=frame, depth=depth + 1) if v != Value()]:
            return values
    if name == "default":
        return [Value(ref=Ref(kind="module", frame=_frame(frame, module)))]
    return _default_member(ev, module, name, frame)


def required(ev: "Evaluator", written: str, frame: "Frame") -> list[Value]:
    """Return what ``require('…')`` of a file of the project gives."""
    module = ev.project.imported(frame.module, written)
    return [Value(ref=Ref(kind="module", frame=_frame(frame, module)))] if module is not None else NOTHING


def _default_member(ev: "Evaluator", module: Module, name: str, frame: "Frame") -> list[Value]:
    """CommonJS: a name taken out of module.exports = {…}."""
    whole = module.exports.get("default")
    if whole is None or isinstance(whole, tuple):
        return NOTHING
    return [v for base in ev.look(whole, _frame(frame, module)) for v in _member(ev, base, name)]


def _united(ev: "Evaluator", definitions: list[Definition], use: "SgNode", frame: "Frame") -> list[Value]:
    """Return the values of a name's definitions; += appends to what was before."""
    values: list[Value] = []
    for definition in definitions:
        if ev.exhausted:
            break
        if definition.node is not None and _contains(definition.node, use) and definition.function is None:
            continue
        test = conditions.around(ev, definition.at, frame) if definition.function is None else ""
        if test is None:
            continue
        mine = [v.also(test) for v in _defined(ev, definition, frame)]
        if definition.adds:
            values = joined(ev.texts(values) if values else [Value()], ev.texts(mine))
        elif definition.node is not None or definition.function is not None:
            values = _replacing(values, [v for v in mine if v.text != "" or v.ref is not None])
    return values or (NOTHING if definitions else [])


def _replacing(before: list[Value], mine: list[Value]) -> list[Value]:
    return before + [v for v in mine if v not in before]


def _contains(outer: "SgNode", inner: "SgNode") -> bool:
    return outer.kind() not in (*FUNCTIONS, *_CLASSES) and (outer == inner or outer in inner.ancestors())


def _defined(ev: "Evaluator", definition: Definition, frame: "Frame") -> list[Value]:
    values = _given(ev, definition, frame) if definition.function is not None else ev.look(definition.node, frame)
    if definition.default is not None and len(definition.keys) == 1 and values and all(_lacks(v, definition.keys[0]) for v in values):
        return ev.look(definition.default, frame)
    for key in definition.keys:
        values = unique([v.also(base.condition) for base in values for v in _member(ev, base, key)])
    if definition.default is None:
        return values
    known = [v for v in values if v.ref is not None or v.text not in ("", UNKNOWN, HOST)]
    if known:
        return known
    missing = "" if all(v.text == "" for v in values) else f"{definition.keys[-1]} is not set"
    return [v for v in values if v.text != ""] + [v.also(missing) for v in ev.look(definition.default, frame)]


def _lacks(value: Value, key: str) -> bool:
    """Whether a value is an object literal, complete as written, without a key."""
    node = value.ref.node if value.ref is not None and value.ref.kind == "node" else None
    if node is None or node.kind() != "object" or pair(node, key) is not None:
        return False
    return not any(c.kind() == "spread_element" for c in node.children())


def _given(ev: "Evaluator", definition: Definition, frame: "Frame") -> list[Value]:
    """Return what a parameter is: bound by the call that is followed, else what the callers give, else its default."""
    function = definition.function
    if function is None:
        return NOTHING
    start = hash(function)
    bound = frame.bindings.get((start, definition.parameter))
    if bound is not None:
        return bound
    default = ev.look(definition.node, frame) if definition.node is not None else []
    if (start, -1) in frame.bindings:
        return default or NOTHING
    values = _from_callers(ev, function, definition.parameter, frame)
    return unique(values + default) or NOTHING


def _from_callers(ev: "Evaluator", function: "SgNode", position: int, frame: "Frame") -> list[Value]:
    name = _called_as(function)
    modules = [frame.module, *(m for m in ev.project.modules if m is not frame.module)] if name else []
    values: list[Value] = []
    for module in modules:
        if module is not frame.module and name not in module.text:
            continue
        for call in module.calls.get(name, [])[:4]:
            given = [c for c in (call.field("arguments") or call).children() if c.is_named() and c.kind() != "comment"]
            if len(given) > position and not _contains(function, call):
                values += [v for v in ev.look(given[position], _frame(frame, module)) if v != Value()]
    return values


def _called_as(function: "SgNode") -> str:
    name = function.field("name")
    if name is not None and name.text() == "constructor":
        owner = next((a for a in function.ancestors() if a.kind() in _CLASSES), None)
        name = owner.field("name") if owner is not None else None
    parent = function.parent()
    while name is None and parent is not None and parent.kind() in ("parenthesized_expression", "arguments", "call_expression"):
        parent = parent.parent()  # const connect = useCallback((url) => …)
    if name is None and parent is not None and parent.kind() in ("variable_declarator", "public_field_definition"):
        name = parent.field("name")
    if name is None and parent is not None and parent.kind() == "pair":
        name = parent.field("key")
    return name.text() if name is not None else ""


def _this(node: "SgNode", frame: "Frame") -> list[Value]:
    """Return the class or object whose method, field or function property is nearest around; arrow functions do not bind this."""
    binder = next((a for a in node.ancestors() if a.kind() in _BINDERS), None)
    holder = next((a for a in binder.ancestors() if a.kind() in (*_CLASSES, "object")), None) if binder is not None else None
    return [Value(ref=Ref(kind="node", node=holder, frame=frame))] if holder is not None else NOTHING


def _member_expression(ev: "Evaluator", node: "SgNode", name: str, frame: "Frame") -> list[Value]:
    owner, index = node.field("object"), node.field("index")
    key = (node.field("property") or node).text() if index is None else ev.texts(ev.look(index, frame))[0].text
    assigned = [d for d in frame.module.names.get(name, ()) if not d.declares] if name and not name.startswith("this.") else []
    values: list[Value] = []
    if not assigned and re.match(r"(?:window|globalThis|self)\.\w+$", name):
        found = [(m, d) for m, d in ev.project.everywhere(name) if d.node is not None]
        values = [v for m, d in found for v in _defined(ev, d, _frame(frame, m))]
        return values or [Value(text=HOST if _HOST_NAME.search(key) else UNKNOWN)]
    bases = ev.look(owner, frame)
    if assigned and not _is_url(bases, key):
        return _united(ev, assigned, node, frame)
    values = [v.also(base.condition) for base in bases for v in _member(ev, base, key)]
    if all(v == Value() for v in values):
        values = _of_configuration(ev, key, frame) or [Value(text=HOST if _HOST_NAME.search(key) else UNKNOWN)]
    return _edits(ev, name, values, node, frame)


def _is_url(bases: list[Value], key: str) -> bool:
    return key in _URL_PARTS and any(v.ref is None and "//" in v.text for v in bases)


def _member(ev: "Evaluator", base: Value, key: str) -> list[Value]:
    """Return the member of a value."""
    ref = base.ref
    if ref is None:
        if key in _HELD:
            return [base]
        return [ev.url_member(base, key)] if key in _URL_PARTS and base.text != UNKNOWN else NOTHING
    if ref.kind == "location":
        return [Value(text=location(ev, key))]
    if ref.kind == "env":
        return _environment(ev, key, ref.frame)
    if ref.kind == "module":
        return _of_module(ev, ref, key)
    return _of_node(ev, ref, key)


def _of_module(ev: "Evaluator", ref: Ref, key: str) -> list[Value]:
    module: Module = ref.frame.module
    exported = module.exports.get(key)
    if isinstance(exported, tuple):
        return _imported(ev, module, *exported, frame=ref.frame)
    if exported is not None:
        return ev.look(exported, ref.frame)
    return _default_member(ev, module, key, ref.frame)


def _of_node(ev: "Evaluator", ref: Ref, key: str) -> list[Value]:
    node, kind = ref.node, ref.node.kind()
    if key in _HELD and kind not in ("object", "enum_declaration") and not (kind in _CLASSES or kind == "new_expression"):
        return [Value(ref=ref)]
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
    return _of_class(ev, node, key, ref.frame) if kind in _CLASSES else NOTHING


def _of_object(ev: "Evaluator", node: "SgNode", key: str, frame: "Frame") -> list[Value]:
    value = pair(node, key)
    if value is not None and value.kind() == "method_definition" and value.text().lstrip().startswith("get "):
        return ev.returned(value, frame)
    if value is not None:
        return ev.look(value, frame)
    spreads = [c.children()[-1] for c in node.children() if c.kind() == "spread_element"]
    return [v for spread in spreads[:4] for base in ev.look(spread, frame) for v in _member(ev, base, key)] or NOTHING


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
            values += [v.also(test) for v in _defined(ev, definition, frame)] if test is not None else []
    values = [v for v in values if v.text != "" or v.ref is not None]
    if not values and (constructor := _method(node, "constructor")) is not None:
        properties = [d for d in frame.module.names.get(key, ()) if d.function == constructor]
        values = [v for d in properties for v in _defined(ev, d, frame)]
    return unique(values) or _inherited(ev, node, key, frame)


def _inherited(ev: "Evaluator", node: "SgNode", key: str, frame: "Frame") -> list[Value]:
    heritage = next((c for c in node.children() if c.kind() == "class_heritage"), None)
    parent = heritage.find(kind="identifier") if heritage is not None else None
    bases = [v.ref for v in ev.look(parent, frame) if v.ref and v.ref.kind == "node"] if parent is not None else []
    return [v for base in bases[:1] for v in _of_node(ev, base, key)] or NOTHING


def _within(inner: "SgNode", outer: "SgNode") -> bool:
    return outer in inner.ancestors()


def _environment(ev: "Evaluator", key: str, frame: "Frame") -> list[Value]:
    """Return a variable of the build. With .env files at hand, one that they do not name is not set."""
    env = frame.module.env
    if env is not None and key in env:
        return [Value(text=env[key])]
    if key == "BASE_URL":
        return [Value(text="/")]
    if key in ("DEV", "PROD", "MODE", "NODE_ENV", "SSR") and ev.page is not None:
        local = ev.page.is_loopback
        mode = "development" if local else "production"
        return [Value(text={"DEV": "true" if local else "", "PROD": "" if local else "true", "SSR": ""}.get(key, mode))]
    return [Value(text="" if env and key not in ("DEV", "PROD", "MODE", "NODE_ENV", "PORT", "HOST") else UNKNOWN)]


def _of_configuration(ev: "Evaluator", key: str, frame: "Frame") -> list[Value]:
    """Return a key of the one JSON file that a module fetches at run time."""
    names = set(_CONFIG_FILE.findall(frame.module.text)) if ".json" in frame.module.text else set()
    files = [m for m in ev.project.modules if m.artifact.rpartition("/")[2] in names]
    if len(files) != 1 or (whole := files[0].exports.get("default")) is None or isinstance(whole, tuple):
        return []
    values = [v for base in ev.look(whole, _frame(frame, files[0])) for v in _member(ev, base, key)]
    return [v for v in values if v.text != UNKNOWN or v.ref is not None]


def _edits(ev: "Evaluator", name: str, values: list[Value], use: "SgNode", frame: "Frame") -> list[Value]:
    """Return URLs after assignments to the members of the URL object that a name stands for."""
    if not name or not any(v.ref is None and ("//" in v.text or not is_known(v.text)) for v in values):
        return values
    for part in _MEMBERS:
        for definition in frame.module.names.get(f"{name}.{part}", ())[:2]:
            right = definition.node
            if right is None or definition.declares or _contains(right, use) or _LOCATION.fullmatch(name):
                continue
            test = conditions.around(ev, definition.at, frame)
            if test is None:
                continue
            if part == "protocol" and f"{name}.protocol" in right.text()[:300]:  # its own scheme decides: https becomes wss
                values = [Value(text=re.sub(r"^http", "ws", v.text), condition=v.condition) for v in values if v.ref is None]
                continue
            new = ev.texts(ev.look(right, frame))
            changed = [Value(text=edited(v.text, part, n.text), condition=v.condition).also(n.condition).also(test)
                       for v in values if v.ref is None for n in new]  # fmt: skip
            values = changed + ([v.also(f"not ({test})") for v in values] if test else [])
    return unique(values)
