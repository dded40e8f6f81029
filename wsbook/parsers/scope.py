"""The names of JavaScript and TypeScript modules: what defines them, where they hold, and who imports them. Evaluates nothing."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from wsbook.parsers.values import Value
from wsbook.target import Endpoint

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["CLASSES", "FUNCTIONS", "Definition", "Module", "Project", "pair", "short_name"]

FUNCTIONS = ("function_declaration", "function_expression", "arrow_function", "method_definition", "generator_function_declaration")
CLASSES = ("class_declaration", "class")
_BLOCKS = (*FUNCTIONS, "program", "statement_block", "for_statement", "for_in_statement", "class_body")
_SUFFIXES = (
    "",
    ".ts",
    ".tsx",
    ".js",
    ".jsx",
    ".mjs",
    ".cjs",
    ".vue",
    ".svelte",
    ".json",
    "/index.ts",
    "/index.tsx",
    "/index.js",
    "/index.mjs",
)
_NAMED = (
    *("identifier", "member_expression", "property_identifier", "private_property_identifier", "this", "subscript_expression", "super"),
    *("shorthand_property_identifier", "shorthand_property_identifier_pattern", "non_null_expression", "call_expression", "import"),
    *("type_identifier", "parenthesized_expression"),
)
_MAX_NAME = 300
_MAX_DEFINITIONS = 24
_GLOBAL = re.compile(r"(?:window|globalThis|self|global)\.")
_SPACE = re.compile(r"\s+|\?(?=\.)|!(?=\.|$)")


class Definition(NamedTuple):
    """What a name stands for.

    node: the expression, None when nothing is assigned. keys: what destructuring takes out of it. default: what stands in its place when it
    has no such key. function, parameter: the function and the position when it is a parameter. adds: += appends it to what was before.
    """

    at: "SgNode"
    node: "SgNode | None"
    keys: tuple[str, ...] = ()
    default: "SgNode | None" = None
    function: "SgNode | None" = None
    parameter: int = -1
    adds: bool = False
    declares: bool = True


class Module:
    """One script. env: the variables of its folder's ``.env*`` files, None when there are none. line: of its first line in the file.

    has_markup: its grammar knows JSX.
    """

    def __init__(
        self, root: "SgNode", *, artifact: str = "", env: dict[str, str] | None = None, line: int = 1, has_markup: bool = False
    ) -> None:
        self.root = root
        self.artifact = artifact.replace("\\", "/")
        self.env = env
        self.line = line
        self.has_markup = has_markup
        self._known_homes: dict[str, dict[int, list[Definition]]] = {}

    @cached_property
    def text(self) -> str:
        return self.root.text()

    @cached_property
    def names(self) -> dict[str, list[Definition]]:
        """Every definition by name; members under their source, as ``this.url`` and ``window.CONFIG.url``."""
        found: dict[str, list[Definition]] = {}
        for name, definition in _definitions(self.root):
            found.setdefault(name, []).append(definition)
        return found

    @cached_property
    def imports(self) -> dict[str, tuple[str, str]]:
        """Local name → (module as written, exported name; "*" all of it)."""
        return dict(_imports(self.root))

    @cached_property
    def exports(self) -> "dict[str, SgNode | tuple[str, str]]":
        """Exported name → expression, or (module as written, its exported name); "" → star exports in one tuple of names."""
        return dict(_exports(self.root))

    @cached_property
    def stars(self) -> tuple[str, ...]:
        """Modules of which everything is exported."""
        found = self.root.find_all(kind="export_statement")
        return tuple(_quoted(e) for e in found if any(c.kind() in ("*", "namespace_export") for c in e.children()) and _quoted(e))

    @cached_property
    def calls(self) -> "dict[str, list[SgNode]]":
        """Calls and constructions by the last name of what is called."""
        found: dict[str, list[SgNode]] = {}
        for node in self.root.find_all(any=[{"kind": "call_expression"}, {"kind": "new_expression"}]):
            found.setdefault(short_name(node.field("function") or node.field("constructor")).rpartition(".")[2], []).append(node)
        return found

    @cached_property
    def elements(self) -> "dict[str, list[SgNode]]":
        """JSX elements by the name of their component."""
        found: dict[str, list[SgNode]] = {}
        if not self.has_markup:
            return found
        for node in self.root.find_all(any=[{"kind": "jsx_self_closing_element"}, {"kind": "jsx_opening_element"}]):
            found.setdefault(short_name(node.field("name")), []).append(node)
        return found

    def visible(self, name: str, use: "SgNode") -> list[Definition]:
        """Return the definitions of a plain name in the innermost scope around its use; what only assigns when nothing declares it."""
        homes = self._homes(name)
        return homes[_innermost(homes, use)][:_MAX_DEFINITIONS]

    def _homes(self, name: str) -> dict[int, list[Definition]]:
        """Return the definitions of a name by the scope in which they hold; 0 is outside of all."""
        if name not in self._known_homes:
            every = self.names.get(name, [])
            homes: dict[int, list[Definition]] = {_home(d): [] for d in every if d.declares}
            homes[0] = []
            for definition in every:
                homes[_home(definition) if definition.declares else _innermost(homes, definition.at)].append(definition)
            self._known_homes[name] = homes
        return self._known_homes[name]


class Project:
    """The modules of one side and the page that runs them."""

    def __init__(self, modules: Iterable[Module] = (), *, page: Endpoint | None = None) -> None:
        self.modules: Sequence[Module] = tuple(modules)
        self.page = page
        self.total = 0
        self.known: dict[tuple[int, int], list[Value]] = {}

    @cached_property
    def _by_path(self) -> dict[str, Module]:
        return {module.artifact: module for module in self.modules}

    def imported(self, importer: Module, written: str) -> Module | None:
        """Return the module of the project that an import names; None for packages."""
        if written.startswith("."):
            base = posixpath.normpath(posixpath.join(posixpath.dirname(importer.artifact), written))
            return self._at(base)
        rest = re.sub(r"^(?:@/|~/|#/?|\$lib/|@app/|src/)", "", written)
        if rest == written and "/" not in written:
            return None
        ends = tuple("/" + rest + suffix for suffix in _SUFFIXES)
        found = [module for module in self.modules if ("/" + module.artifact).endswith(ends)]
        return found[0] if found and (rest != written or len(found) == 1) else None

    def _at(self, base: str) -> Module | None:
        stem = re.sub(r"\.(?:js|mjs|jsx)$", "", base)
        production = [f"{stem}.prod.ts", f"{stem}.production.ts"] if stem.endswith("/environment") and not self._is_local else []
        tried = [*production, *(b + s for b in dict.fromkeys((base, stem)) for s in _SUFFIXES)]
        return next((self._by_path[path] for path in tried if path in self._by_path), None)

    @property
    def _is_local(self) -> bool:
        return self.page is not None and self.page.is_loopback

    def everywhere(self, name: str) -> list[tuple[Module, Definition]]:
        """Return what other scripts define at their top under a global name."""
        bare = _GLOBAL.sub("", name)
        found = [(m, d) for m in self.modules for d in self._top(m, bare)]
        return found if len(found) <= 4 else []

    @staticmethod
    def _top(module: Module, bare: str) -> list[Definition]:
        window = [d for prefix in ("window.", "globalThis.", "self.") for d in module.names.get(prefix + bare, ())]
        return window or [
            d for d in module.names.get(bare, ()) if d.declares and d.node is not None and d.function is None and _top_level(d)
        ]


def short_name(node: "SgNode | None") -> str:
    """Return the source of a name or member without white space, ? and !; "" for anything long."""
    if node is None:
        return ""
    if node.kind() not in _NAMED:
        return ""
    text = node.text()
    return _SPACE.sub("", text) if len(text) <= _MAX_NAME else ""


def pair(node: "SgNode | None", *keys: str) -> "SgNode | None":
    """Return the value of the first of the keys that an object literal has."""
    for key in keys:
        for child in node.children() if node is not None and node.kind() == "object" else ():
            name = child.field("key") or child.field("name")
            if child.kind() == "pair" and name is not None and name.text().strip("\"'`[]") == key:
                return child.field("value")
            if child.kind() == "shorthand_property_identifier" and child.text() == key:
                return child
            if child.kind() == "method_definition" and name is not None and name.text() == key:
                return child
    return None


def _top_level(definition: Definition) -> bool:
    return not any(a.kind() in FUNCTIONS or a.kind() == "class_body" for a in definition.at.ancestors())


def _home(definition: Definition) -> int:
    """Return the node, as its hash, in which a declaration holds: ranges would have to be counted from the beginning of the text."""
    if definition.function is not None:
        return hash(definition.function)
    parent = definition.at.parent()
    kinds = (*FUNCTIONS, "program") if parent is not None and parent.kind() == "variable_declaration" else _BLOCKS
    return hash(next((a for a in definition.at.ancestors() if a.kind() in kinds), definition.at))


def _innermost(homes: dict[int, list[Definition]], use: "SgNode") -> int:
    return next((mark for node in (use, *use.ancestors()) if (mark := hash(node)) in homes), 0)


_DEFINING = ("variable_declarator", "assignment_expression", "augmented_assignment_expression", "class_declaration", "enum_declaration")


def _definitions(root: "SgNode") -> "Iterator[tuple[str, Definition]]":
    """Yield what defines names, in the order of the code."""
    for node in root.find_all(any=[{"kind": kind} for kind in (*_DEFINING, *FUNCTIONS)]):
        kind = node.kind()
        if kind == "variable_declarator":
            yield from _bound(node.field("name"), Definition(at=node, node=node.field("value")))
        elif kind in ("assignment_expression", "augmented_assignment_expression"):
            operator = node.field("operator")
            adds = operator is not None and operator.text() == "+="
            yield from _bound(node.field("left"), Definition(at=node, node=node.field("right"), declares=False, adds=adds))
        elif kind in ("function_declaration", "class_declaration", "enum_declaration"):
            yield from _bound(node.field("name"), Definition(at=node, node=node))
        if kind in FUNCTIONS:
            yield from _parameters(node)


def _parameters(function: "SgNode") -> "Iterator[tuple[str, Definition]]":
    one = function.field("parameter")
    given = [one] if one is not None else [c for c in (function.field("parameters") or function).children() if c.is_named()]
    for index, parameter in enumerate(given if one is not None or function.field("parameters") is not None else ()):
        pattern = parameter.field("pattern") or parameter.field("left") or parameter
        default = parameter.field("value") or parameter.field("right")
        yield from _bound(pattern, Definition(at=parameter, node=default, function=function, parameter=index))


def _bound(pattern: "SgNode | None", whole: Definition) -> "Iterator[tuple[str, Definition]]":
    """Yield every name that a pattern binds."""
    kind = pattern.kind() if pattern is not None else ""
    if pattern is None or kind == "computed_property_name":
        return
    if kind in ("object_pattern", "array_pattern"):
        for index, child in enumerate(c for c in pattern.children() if c.is_named()):
            yield from _taken(child, whole, str(index) if kind == "array_pattern" else "")
    elif name := short_name(pattern):
        yield name, whole


def _taken(child: "SgNode", whole: Definition, key: str) -> "Iterator[tuple[str, Definition]]":
    default = None
    inner: SgNode | None = child
    if child.kind() == "pair_pattern":
        key, inner = (child.field("key") or child).text().strip("\"'"), child.field("value")
    if inner is not None and inner.kind() in ("object_assignment_pattern", "assignment_pattern"):
        default, inner = inner.field("right"), inner.field("left")
    if inner is not None and child.kind() != "rest_pattern":
        key = key or inner.text()
        yield from _bound(inner, whole._replace(keys=(*whole.keys, key), default=default))


def _quoted(node: "SgNode") -> str:
    source = node.field("source") or node.find(kind="string")
    return source.text()[1:-1] if source is not None else ""


def _imports(root: "SgNode") -> Iterator[tuple[str, tuple[str, str]]]:
    for node in root.find_all(kind="import_statement"):
        written = _quoted(node)
        clause = next((c for c in node.children() if c.kind() == "import_clause"), None)
        for part in clause.children() if clause is not None else ():
            if part.kind() == "identifier":
                yield part.text(), (written, "default")
            elif part.kind() == "namespace_import":
                yield part.children()[-1].text(), (written, "*")
            for one in part.children() if part.kind() == "named_imports" else ():
                names = [c.text() for c in one.children() if c.is_named()]
                if one.kind() == "import_specifier" and names:
                    yield names[-1], (written, names[0])
    for call in root.find_all(pattern="require($SPEC)"):
        declarator = next((a for a in call.ancestors() if a.kind() == "variable_declarator"), None)
        spec, name = call.get_match("SPEC"), declarator.field("name") if declarator is not None else None
        value = declarator.field("value") if declarator is not None else None
        member = value.field("property") if value is not None and value.field("object") == call else None
        if spec is not None and spec.kind() == "string" and name is not None and (value == call or member is not None):
            whole = member.text() if member is not None else "default"
            for local, definition in _bound(name, Definition(at=call, node=call)):
                yield local, (spec.text()[1:-1], definition.keys[0] if definition.keys else whole)


def _exports(root: "SgNode") -> "Iterator[tuple[str, SgNode | tuple[str, str]]]":
    for node in root.find_all(kind="export_statement"):
        written = _quoted(node) if node.field("source") is not None else ""
        value = node.field("value")
        if value is not None:
            yield "default", value
        declaration = node.field("declaration")
        if declaration is not None:
            yield from _declared(declaration, default=any(c.kind() == "default" for c in node.children()))
        clause = next((c for c in node.children() if c.kind() == "export_clause"), None)
        for one in clause.children() if clause is not None else ():
            names = [c for c in one.children() if c.is_named()]
            if one.kind() == "export_specifier" and names:
                yield names[-1].text(), (written, names[0].text()) if written else names[0]
    for node in root.find_all(kind="assignment_expression"):
        left, right = short_name(node.field("left")), node.field("right")
        if right is not None and (left == "module.exports" or re.fullmatch(r"(?:module\.)?exports\.\w+", left)):
            yield "default" if left == "module.exports" else left.rpartition(".")[2], right


def _declared(declaration: "SgNode", *, default: bool) -> "Iterator[tuple[str, SgNode]]":
    name = declaration.field("name")
    if name is not None:
        yield "default" if default else name.text(), declaration
    for one in declaration.children():
        if one.kind() == "variable_declarator" and (name := one.field("name")) is not None:
            yield name.text(), name
