"""Under which prefixes a Python router is reachable: include_router, mount, sub-applications, blueprints, nested URLRouters."""

import posixpath
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from wsbook.parsers.code.literals import ANY, Constants, keyword
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["PythonMounts"]

_MAX_DEPTH = 8
_OWN = ("$CHILD = APIRouter($$$)", "$CHILD = Blueprint($$$)", "$CHILD = Router($$$)", "$CHILD = SubRouter($$$)")
_ALIAS = ("$CHILD = Sock($PARENT)", "$CHILD = Sockets($PARENT)", "$CHILD = SocketIO($PARENT, $$$)", "$CHILD = $PARENT.router")
_EDGES = (
    "$PARENT.include_router($CHILD, $$$)",
    "$PARENT.include_router($CHILD)",
    "$PARENT.mount($PATH, $CHILD, $$$)",
    "$PARENT.mount($PATH, $CHILD)",
    "$PARENT.add_subapp($PATH, $CHILD)",
    "$PARENT.register_blueprint($CHILD, $$$)",
    "$PARENT.register_blueprint($CHILD)",
    "$PARENT.blueprint($CHILD, $$$)",
    "Mount($PATH, routes=$CHILD)",
    "Mount($PATH, app=$CHILD)",
    "Mount($PATH, $CHILD)",
    "Include($PATH, routes=$CHILD)",
    "path($PATH, URLRouter($CHILD))",
    "re_path($PATH, URLRouter($CHILD))",
)
_NESTING = re.compile(r"(?:\w+\.)?(?:Mount|Include|path|re_path|mount)\(")


class _Key(NamedTuple):
    file: str
    name: str


class _Edge(NamedTuple):
    parent: _Key | None
    prefix: str


class PythonMounts:
    """The routers of a project, who includes whom, and where."""

    def __init__(self, parsed: "Iterable[tuple[Code, SgNode]]", constants: Constants) -> None:
        self._constants = constants
        pieces = [(code, root) for code, root in parsed if code.language == "python"]
        self._files = {code.artifact.replace("\\", "/") for code, _ in pieces}
        self._imports = {code.artifact.replace("\\", "/"): _imports(root) for code, root in pieces}
        self._own: dict[_Key, str] = {}
        self._edges: dict[_Key, list[_Edge]] = {}
        for code, root in pieces:
            self._read(code, root)

    def of(self, owner: str, match: "SgNode", code: Code) -> list[str]:
        """Return the prefixes of a route: of the calls that it is written inside of, of the list that it belongs to, of its router."""
        inner = self._nested(match, code)
        name = owner.removesuffix(".router") or _assigned_to(match)
        outer = self._prefixes(_Key(code.artifact.replace("\\", "/"), name), 0) if name else [""]
        return [_join(prefix, inner) for prefix in outer][:8]

    def _read(self, code: Code, root: "SgNode") -> None:
        file = code.artifact.replace("\\", "/")
        for pattern in _OWN:
            for match in root.find_all(pattern=pattern):
                given = keyword(match.field("right") or match, "prefix", "url_prefix", "path")
                child = match.get_match("CHILD")
                if child is not None and given is not None:
                    self._own[_Key(file, child.text())] = self._constants.text(given, code)
        for pattern in _ALIAS:
            for match in root.find_all(pattern=pattern):
                self._add(match, code, "")
        for pattern in _EDGES:
            for match in root.find_all(pattern=pattern):
                path = match.get_match("PATH")
                given = path if path is not None else keyword(match, "prefix", "url_prefix")
                self._add(match, code, self._constants.text(given, code) if given is not None else "")

    def _add(self, match: "SgNode", code: Code, prefix: str) -> None:
        child, parent = match.get_match("CHILD"), match.get_match("PARENT")
        if child is None or child.kind() in ("list", "call"):
            return
        file = code.artifact.replace("\\", "/")
        name = parent.text() if parent is not None else _assigned_to(match)
        above = self._key(file, name) if name else None
        for key in self._keys(file, child.text()):
            self._edges.setdefault(key, []).append(_Edge(above, prefix.removeprefix("^")))

    def _keys(self, file: str, written: str) -> list[_Key]:
        return [self._key(file, part.strip("* ")) for part in written.split("+")[:4] if part.strip()]

    def _key(self, file: str, written: str, depth: int = 0) -> _Key:
        """Return the place in which a name, as written in a file, is defined."""
        first, _, rest = written.partition(".")
        target = self._imports.get(file, {}).get(first)
        if target is None or depth > 4:
            return _Key(file, written)
        module, symbol = target
        parts = [p for p in (symbol, *rest.split(".")) if p]
        for cut in range(len(parts), -1, -1):
            found = self._file(
                file, ".".join((module, *parts[:cut])).strip(".") if not module.endswith(".") else module + ".".join(parts[:cut])
            )
            if found is not None and cut < len(parts):
                return self._key(found, ".".join(parts[cut:]), depth + 1)
        return _Key(file, written)

    def _file(self, importer: str, module: str) -> str | None:
        dots = len(module) - len(module.lstrip("."))
        path = module.lstrip(".").replace(".", "/")
        if dots:
            base = posixpath.dirname(importer)
            for _ in range(dots - 1):
                base = posixpath.dirname(base)
            tried = [posixpath.join(base, path + ".py") if path else "", posixpath.join(base, path, "__init__.py")]
            return next((one for one in tried if one in self._files), None)
        ends = (f"/{path}.py", f"/{path}/__init__.py")
        return next((one for one in sorted(self._files, key=len) if ("/" + one).endswith(ends)), None) if path else None

    def _prefixes(self, key: _Key, depth: int) -> list[str]:
        own = self._own.get(key, "")
        edges = self._edges.get(key, [])
        if depth > _MAX_DEPTH or not edges:
            return [own]
        return [
            _join(above, _join(edge.prefix, own))
            for edge in edges[:4]
            for above in (self._prefixes(edge.parent, depth + 1) if edge.parent is not None and edge.parent != key else [""])
        ]

    def _nested(self, match: "SgNode", code: Code) -> str:
        prefix = ""
        for ancestor in match.ancestors():
            if ancestor.kind() == "call" and _NESTING.match(ancestor.text()[:40]):
                arguments = [c for c in (ancestor.field("arguments") or ancestor).children() if c.is_named()]
                if arguments:
                    prefix = _join(self._constants.text(arguments[0], code).removeprefix("^"), prefix)
        return prefix


def _join(left: str, right: str) -> str:
    """Return two prefixes one after the other, as frameworks do: a missing slash is not added between texts, a double one is dropped."""
    if not left or not right:
        return left or right
    return left.rstrip("/") + "/" + right.lstrip("/") if left.endswith(("/", ANY)) or right.startswith("/") else left + "/" + right


def _assigned_to(node: "SgNode") -> str:
    found = next((a for a in node.ancestors() if a.kind() in ("assignment", "augmented_assignment")), None)
    left = found.field("left") if found is not None else None
    return left.text() if left is not None else ""


def _imports(root: "SgNode") -> dict[str, tuple[str, str]]:
    """Return local name → (module, symbol; "" the module itself)."""
    found: dict[str, tuple[str, str]] = {}
    for node in root.find_all(kind="import_from_statement"):
        module = node.field("module_name")
        for name in node.field_children("name"):
            original = name.field("name") or name
            alias = name.field("alias") or original
            found[alias.text()] = (module.text() if module is not None else "", original.text())
    for node in root.find_all(kind="import_statement"):
        for name in node.field_children("name"):
            original, renamed = name.field("name") or name, name.field("alias")
            local = renamed.text() if renamed is not None else original.text().partition(".")[0]
            found[local] = (original.text() if renamed is not None else local, "")
    return found
