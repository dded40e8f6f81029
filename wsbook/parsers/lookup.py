"""What names and members of a script stand for: definitions, imports, classes, parameters, location and the environment."""

import re
from typing import TYPE_CHECKING

from wsbook.parsers import conditions
from wsbook.parsers.locations import URL_PARTS, edited, location_part
from wsbook.parsers.scope import CLASSES, FUNCTIONS, Definition, Module, pair, short_name
from wsbook.parsers.values import HOST, NOTHING, UNKNOWN, Ref, Value, is_known, joined, unique

if TYPE_CHECKING:
    from ast_grep_py import SgNode

    from wsbook.parsers.evaluate import Evaluator, Frame

__all__ = ["default_member", "defined", "environment_value", "imported", "location", "named", "required", "runtime_config"]

_LOCATION = re.compile(r"(?:(?:window|document|self|globalThis|top|parent)\.)*(?:window\.)?location")
_ENVIRONMENT = re.compile(r"(?:globalThis\.|window\.)?(?:import\.meta\.env|process\.env|Deno\.env)")
_DOCUMENT = {
    "window.origin": "origin",
    "self.origin": "origin",
    "document.domain": "hostname",
    "document.URL": "href",
    "document.baseURI": "href",
}
_HOST_NAME = re.compile(r"host|domain|server|addr|authority|(?:^|_)ip$", re.IGNORECASE)
_MEMBERS = ("protocol", "host", "hostname", "port", "pathname", "search", "href")
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
        return imported(ev, frame.module, *frame.module.imports[name], frame=frame)
    found = [(m, d) for m, d in ev.project.everywhere(name) if d.node is not None and m is not frame.module]
    values = [v for m, d in found for v in defined(ev, d, _frame(frame, m))]
    return values or [Value(text=HOST if _HOST_NAME.search(name) else UNKNOWN)]


def _frame(frame: "Frame", module: Module) -> "Frame":
    return frame if frame.module is module else type(frame)(module)


def imported(ev: "Evaluator", importer: Module, written: str, name: str, *, frame: "Frame", depth: int = 0) -> list[Value]:
    """Return what an import of a module, as written, gives under a name."""
    if written.startswith("$env/"):
        return environment_value(ev, name, frame)
    module = ev.project.imported(importer, written)
    if module is None or depth > 6:
        found = [(m, d) for m, d in ev.project.everywhere(name) if d.node is not None and m is not importer] if module is None else []
        local = written.startswith((".", "@/", "~", "src/"))
        return [v for m, d in found[:1] for v in defined(ev, d, _frame(frame, m))] if len(found) == 1 and local else NOTHING
    if name == "*":
        return [Value(ref=Ref(kind="module", frame=_frame(frame, module)))]
    exported = module.exports.get(name)
    if isinstance(exported, tuple):
        return imported(ev, module, *exported, frame=frame, depth=depth + 1)
    if exported is not None:
        return ev.look(exported, _frame(frame, module))
    for star in module.stars:
        if values := [v for v in imported(ev, module, star, name, frame=frame, depth=depth + 1) if v != Value()]:
            return values
    if name == "default":
        return [Value(ref=Ref(kind="module", frame=_frame(frame, module)))]
    return default_member(ev, module, name, frame)


def runtime_config(ev: "Evaluator", frame: "Frame") -> list[Value]:
    """Return runtimeConfig of a Nuxt project's configuration (https://nuxt.com/docs/guide/going-further/runtime-config)."""
    for module in ev.project.modules:
        if module.artifact.rpartition("/")[2].startswith("nuxt.config"):
            for found in module.root.find_all(kind="pair"):
                if (found.field("key") or found).text() == "runtimeConfig":
                    return ev.look(found.field("value"), _frame(frame, module))
    return NOTHING


def required(ev: "Evaluator", written: str, frame: "Frame") -> list[Value]:
    """Return what ``require('…')`` of a file of the project gives."""
    module = ev.project.imported(frame.module, written)
    return [Value(ref=Ref(kind="module", frame=_frame(frame, module)))] if module is not None else NOTHING


def default_member(ev: "Evaluator", module: Module, name: str, frame: "Frame") -> list[Value]:
    """CommonJS: a name taken out of module.exports = {…}."""
    whole = module.exports.get("default")
    if whole is None or isinstance(whole, tuple):
        return NOTHING
    return [v for base in ev.look(whole, _frame(frame, module)) for v in ev.member(base, name)]


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
        mine = [v.also(test) for v in defined(ev, definition, frame)]
        if definition.adds:
            values = joined(ev.texts(values) if values else [Value()], ev.texts(mine))
        elif definition.node is not None or definition.function is not None:
            values = _replacing(values, [v for v in mine if v.text != "" or v.ref is not None])
    return values or (NOTHING if definitions else [])


def _replacing(before: list[Value], mine: list[Value]) -> list[Value]:
    return before + [v for v in mine if v not in before]


def _contains(outer: "SgNode", inner: "SgNode") -> bool:
    return outer.kind() not in (*FUNCTIONS, *CLASSES) and (outer == inner or outer in inner.ancestors())


def defined(ev: "Evaluator", definition: Definition, frame: "Frame") -> list[Value]:
    """Return what a definition gives its name: the key that destructuring takes, or its default."""
    values = _given(ev, definition, frame) if definition.function is not None else ev.look(definition.node, frame)
    if definition.default is not None and len(definition.keys) == 1 and values and all(_lacks(v, definition.keys[0]) for v in values):
        return ev.look(definition.default, frame)
    for key in definition.keys:
        values = unique([v.also(base.condition) for base in values for v in ev.member(base, key)])
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
    if position == 0 and (iterated := _iterated(function)) is not None:
        return [v for array in ev.look(iterated, frame) for v in _elements(ev, array)]
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
        if position == 0 and name[:1].isupper():
            elements = module.elements.get(name, [])[:4]
            values += [Value(ref=Ref(kind="node", node=element, frame=_frame(frame, module))) for element in elements]
    return values


def _iterated(function: "SgNode") -> "SgNode | None":
    """Return the array whose elements a callback is given: URLS.map((url) => …)."""
    arguments = function.parent()
    call = arguments.parent() if arguments is not None and arguments.kind() == "arguments" else None
    callee = call.field("function") if call is not None else None
    member = callee.field("property") if callee is not None and callee.kind() == "member_expression" else None
    return callee.field("object") if callee is not None and member is not None and member.text() in ("map", "forEach", "flatMap") else None


def _elements(ev: "Evaluator", array: Value) -> list[Value]:
    node = array.ref.node if array.ref is not None and array.ref.kind == "node" else None
    if node is None or array.ref is None or node.kind() != "array":
        return []
    return [v for child in node.children()[:16] if child.is_named() for v in ev.look(child, array.ref.frame)]


def _split(ev: "Evaluator", owner: "SgNode", index: str, frame: "Frame") -> list[Value]:
    """Return a part of a known text: location.host.split(':')[0]; [] for any other subscript."""
    function = owner.field("function") if owner.kind() == "call_expression" else None
    member = function.field("property") if function is not None and function.kind() == "member_expression" else None
    arguments = [c for c in (owner.field("arguments") or owner).children() if c.is_named()] if member is not None else []
    if function is None or member is None or member.text() != "split" or not arguments or not index.isdigit():
        return []
    between = ev.texts(ev.look(arguments[0], frame))[0].text
    found = []
    for value in ev.texts(ev.look(function.field("object"), frame)):
        parts = value.text.split(between) if between and is_known(between) and is_known(value.text) else []
        found.append(Value(text=parts[int(index[:3])] if int(index[:3]) < len(parts) else UNKNOWN, condition=value.condition))
    return found


def _called_as(function: "SgNode") -> str:
    name = function.field("name")
    if name is not None and name.text() == "constructor":
        owner = next((a for a in function.ancestors() if a.kind() in CLASSES), None)
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
    holder = next((a for a in binder.ancestors() if a.kind() in (*CLASSES, "object")), None) if binder is not None else None
    return [Value(ref=Ref(kind="node", node=holder, frame=frame))] if holder is not None else NOTHING


def _member_expression(ev: "Evaluator", node: "SgNode", name: str, frame: "Frame") -> list[Value]:
    owner, index = node.field("object"), node.field("index")
    key = (node.field("property") or node).text() if index is None else ev.texts(ev.look(index, frame))[0].text
    if index is not None and owner is not None and (parts := _split(ev, owner, key, frame)):
        return parts
    assigned = [d for d in frame.module.names.get(name, ()) if not d.declares] if name and not name.startswith("this.") else []
    values: list[Value] = []
    if not assigned and re.match(r"(?:window|globalThis|self)\.\w+$", name):
        found = [(m, d) for m, d in ev.project.everywhere(name) if d.node is not None]
        values = [v for m, d in found for v in defined(ev, d, _frame(frame, m))]
        return values or [Value(text=HOST if _HOST_NAME.search(key) else UNKNOWN)]
    bases = ev.look(owner, frame)
    if assigned and not _is_url(bases, key):
        return _united(ev, assigned, node, frame)
    values = [v.also(base.condition) for base in bases for v in ev.member(base, key)]
    if all(v == Value() for v in values):
        values = _of_configuration(ev, key, frame) or [Value(text=HOST if _HOST_NAME.search(key) else UNKNOWN)]
    return _edits(ev, name, values, node, frame)


def _is_url(bases: list[Value], key: str) -> bool:
    return key in URL_PARTS and any(v.ref is None and "//" in v.text for v in bases)


def environment_value(ev: "Evaluator", key: str, frame: "Frame") -> list[Value]:
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
    values = [v for base in ev.look(whole, _frame(frame, files[0])) for v in ev.member(base, key)]
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
