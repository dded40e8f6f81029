"""Where backend code offers a real-time endpoint: its path and port. Knows how the table of offers is applied; clients are in endpoints.py.

A path keeps its variable parts as {name}, whatever the framework writes; * stands for anything, where a prefix cannot be told or a route
takes all below it. A fact with a port and no path is a listener; one with a path and no port is a route; None in both means that any path
is taken or that it cannot be told.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING

from wsbook.facts import EndpointFacts
from wsbook.parsers.code.literals import ANY, Constants, keyword
from wsbook.parsers.code.mounts_go import GoMounts
from wsbook.parsers.code.mounts_python import PythonMounts
from wsbook.parsers.code.mounts_script import ScriptMounts
from wsbook.parsers.code.node_servers import node_servers
from wsbook.parsers.code.route_paths import template
from wsbook.parsers.code.scope import Module, Project
from wsbook.parsers.code.source_files import Code
from wsbook.parsers.pattern_table import Offer, offers

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["Backend", "find_offered"]

_WORD = re.compile(r"[A-Za-z_]\w*")
_FUNCTIONS = {
    "python": ("function_definition", "class_definition"),
    "go": ("function_declaration", "method_declaration"),
}


class Backend:
    """All code of a backend, with what is needed to tell the prefix of a route and what a handler does."""

    def __init__(self, parsed: "Iterable[tuple[Code, SgNode]]", project: Project) -> None:
        self.parsed = tuple(parsed)
        self.project = project
        self.constants = Constants(self.parsed)

    @cached_property
    def python(self) -> PythonMounts:
        return PythonMounts(self.parsed, self.constants)

    @cached_property
    def go(self) -> GoMounts:
        return GoMounts(self.parsed, self.constants)

    @cached_property
    def scripts(self) -> ScriptMounts:
        return ScriptMounts(self.project)

    @cached_property
    def functions(self) -> dict[str, list[str]]:
        """The source of functions and classes by name."""
        found: dict[str, list[str]] = {}
        for code, root in self.parsed:
            for kind in _FUNCTIONS.get(code.language, ()):
                for node in root.find_all(kind=kind):
                    name = node.field("name")
                    if name is not None:
                        found.setdefault(name.text(), []).append(node.text()[:20_000])
        return found

    def does(self, written: str, wanted: str, depth: int = 0) -> bool | None:
        """Whether code, or a function of the project that it names, matches an expression; None when it names none."""
        if re.search(wanted, written):
            return True
        named = [body for word in dict.fromkeys(_WORD.findall(written[:4000])) for body in self.functions.get(word, ())[:3]]
        if not named:
            return None
        return depth < 2 and any(self.does(body, wanted, depth + 1) for body in named[:20])


def find_offered(backend: Backend) -> Iterator[EndpointFacts]:
    """Yield what the code of a backend offers."""
    modules = {(module.artifact, module.line): module for module in backend.project.modules}
    for code, root in backend.parsed:
        module = modules.get((code.artifact.replace("\\", "/"), code.line))
        if module is not None:
            yield from node_servers(module, backend.project)
        for offer in offers():
            if code.language not in offer.languages or (offer.needs and not re.search(offer.needs, code.text)):
                continue
            seen: set[int] = set()
            for match in (m for written in offer.patterns for pattern in _variants(written) for m in root.find_all(pattern=pattern)):
                start = hash(match)
                if start not in seen:
                    found = list(_matched(offer, match, code, backend, module))
                    seen |= {start} if found else set()
                    yield from found


@cache
def _variants(pattern: str) -> tuple[str, ...]:
    """Return the pattern with and without the rest of an argument list: a comma before $$$ must otherwise be in the code."""
    shorter = re.sub(r", \$\$\$\w*([)}])", r"\1", pattern)
    return (pattern,) if shorter == pattern else (pattern, shorter)


def _matched(offer: Offer, match: "SgNode", code: Code, backend: Backend, module: Module | None) -> Iterator[EndpointFacts]:
    if not _is_meant(offer, match, backend):
        return
    path_node, port_node = match.get_match("PATH"), match.get_match("PORT")
    host, port = _address(port_node, match.get_match("HOST"), code, backend)
    if path_node is None:
        given = keyword(match, "path", "socketio_path") if code.language == "python" and offer.path else None
        path = template(backend.constants.text(given, code)).rstrip("/") + "/" if given is not None else offer.path or None
        if path is None and port is None and port_node is not None:
            return
        for prefix in _prefixes(match, code, backend, module) if offer.path else [""]:
            yield _fact(offer, match, code, ("*" if prefix else "") + path if path else None, port, host)
        return
    written = _path(path_node, code, backend, module)
    if written is None:
        return
    for prefix in _prefixes(match, code, backend, module):
        path = template(prefix + _stitch(prefix, written), regex=offer.regex)
        if offer.subtree and path.endswith("/") and "gorilla/mux" not in code.text:
            path += ANY
        yield _fact(offer, match, code, path + offer.suffix, port, host)


def _stitch(prefix: str, path: str) -> str:
    return path if not prefix or path.startswith("/") or not path or prefix.endswith("/") else "/" + path.removeprefix("^")


def _is_meant(offer: Offer, match: "SgNode", backend: Backend) -> bool:
    """Whether a match is a WebSocket's route: by what its handler does, else by how it looks."""
    if offer.handler:
        handler = match.get_match("HANDLER")
        around = match.parent() if handler is None else None
        decorated = around.parent() if around is not None and around.kind() == "decorator" else None
        code = handler.text()[:6000] if handler is not None else decorated.text()[:20_000] if decorated is not None else ""
        does = backend.does(code, offer.handler) if code else None
        if does is not None:
            return does
    return not offer.hint or bool(re.search(offer.hint, match.text()[:400]))


def _path(node: "SgNode", code: Code, backend: Backend, module: Module | None) -> str | None:
    """Return the path as written; None for what is no path."""
    if module is not None:
        from wsbook.parsers.code.evaluate import Scope, strings
        from wsbook.parsers.code.values import UNKNOWN

        text = strings(node, Scope(module, backend.project))[0].text.replace(UNKNOWN, ANY)
    else:
        text = backend.constants.text(node, code)
    if text == ANY and node.kind() not in ("identifier", "attribute", "selector_expression", "member_expression", "field_access"):
        return None
    if code.language == "go":
        text = re.sub(r"^(?:[A-Z]+ )?[\w.-]*(?=/)", "", text)
    return text


def _prefixes(match: "SgNode", code: Code, backend: Backend, module: Module | None) -> list[str]:
    owner = match.get_match("OWNER")
    if code.language == "python":
        return backend.python.of(owner.text() if owner is not None else "", match, code)
    if code.language == "go":
        return backend.go.of(owner, match, code)
    return backend.scripts.of(owner, module) if module is not None and owner is not None else [""]


def _address(port: "SgNode | None", host: "SgNode | None", code: Code, backend: Backend) -> tuple[str, int | None]:
    """Return (address that is bound, port) of a port, or of an address with one; numbers in fallbacks count."""
    bound = backend.constants.text(host, code) if host is not None else ""
    if port is None:
        return "" if bound == ANY else bound, None
    known = backend.constants.text(port, code)
    text = known if known != ANY else port.text()[:200]
    found = re.search(r"(?:^|[:\"',(|? ])(\d{2,5})[\"'`)]*$", text)
    address = re.match(r"[\"']?([\w.\[\]:-]*):\d+[\"']?$", text)
    bound = bound if bound not in ("", ANY) else address[1] if address else ""
    return bound, int(found[1]) if found and 0 < int(found[1]) < 65536 else None


def _fact(offer: Offer, node: "SgNode", code: Code, path: str | None, port: int | None, bind: str) -> EndpointFacts:
    library = offer.library
    if library == "stomp" and "withSockJS" in _statement(node):
        library = "sockjs"
    return EndpointFacts(
        side="backend",
        library=library,
        file=code.artifact,
        line=node.range().start.line + code.line,
        expression=re.sub(r"\s+", " ", node.text())[:200],
        path=path,
        port=port,
        bind=bind,
        tls=_speaks_tls(node.text()) if port is not None else None,
    )


def _speaks_tls(text: str) -> bool | None:
    """Whether the call that opens a port gives it a certificate; a variable number of options leaves it open."""
    if re.search(r"(?i)tls|\bssl\w*\s*=\s*(?!None)|certfile|keyfile", text):
        return True
    return None if "**" in text or "..." in text else False


def _statement(node: "SgNode") -> str:
    """Return the chain of calls around a node, without the statements beside it."""
    chain = node
    for ancestor in node.ancestors():
        if ancestor.kind() not in ("method_invocation", "call_expression", "field_access", "member_expression"):
            break
        chain = ancestor
    return chain.text()[:600]
