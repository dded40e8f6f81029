"""How nginx answers one handshake: its phases from the server's rewrites to the block that hands the request on.

Source: nginx.org, development guide (HTTP phases), ngx_http_rewrite_module, ngx_http_core_module (try_files, error_page, internal).
Files that a path names are taken not to exist, but for pages that the configuration falls back to; addresses are taken to be allowed
unless every one is denied.
"""

import posixpath
import re
from urllib.parse import quote, unquote

from msgspec import Struct

from wsbook.parsers.proxies.nginx.locations import PASSES, Location, select
from wsbook.parsers.proxies.nginx.servers import Server, capture_name
from wsbook.parsers.proxies.nginx.tree import Directive
from wsbook.parsers.proxies.nginx.values import UNKNOWN, UNNAMED, Request, Variables, expand, holds, test_text

__all__ = ["Ending", "answer", "begin", "settle", "upstream_url"]

_MAX_TURNS = 10
"""Internal redirects and changes of the path together; nginx gives up with 500 (NGX_HTTP_MAX_URI_CHANGES)."""

_MAX_STEPS = 1_000
"""Rewrite directives that one request is followed through."""

_REDIRECTS = ("http://", "https://", "$scheme")
_PAGE = re.compile(r"(?:\$document_root)?/[\w./-]*\.x?html?")
_CONTENT = frozenset(("content_by_lua_block", "content_by_lua", "content_by_lua_file", "js_content", "stub_status", "empty_gif", "perl"))


class Ending(Struct, frozen=True, kw_only=True):
    """What becomes of a handshake.

    location: where it ends, for an ``if`` that hands it on the ``if``. directive: what decides, None when a file would be served.
    status: of nginx's own answer, 0 when the request is handed on or a program inside nginx answers. request: as it is then.
    """

    server: Server
    location: Location
    request: Request
    directive: Directive | None = None
    status: int = 0

    @property
    def handed_on(self) -> bool:
        """Whether something behind nginx answers."""
        return self.status == 0


class _Answer(Struct, frozen=True):
    """An answer that a rewrite phase gives. paged: error_page may replace it."""

    status: int
    directive: Directive
    paged: bool


class _Phase(Struct):
    """What one rewrite phase did.

    branch: the last ``if`` that held; its settings are in force. handler: the last one of an ``if`` that held, which stays in force when
    another holds after it. changed: the path, so that its location is looked for again.
    """

    branch: Directive | None = None
    handler: Directive | None = None
    changed: bool = False
    over: bool = False
    answer: _Answer | None = None


class _Turn(Struct, frozen=True, kw_only=True):
    """Where a request goes next. location: a named one; None looks for it. again: from the server's rewrites on."""

    location: Location | None = None
    again: bool = False
    ending: Ending | None = None


def begin(variables: Variables, server: Server, path: str, host: str = UNNAMED, port: int = 0, *, usual: Server | None = None) -> Request:
    """Return the handshake for a path with its query as it reaches a server. usual: the default server of its address."""
    plain, _, args = path.partition("?")
    merged = (found := (usual or server).setting("merge_slashes")) is None or found.args != ("off",)
    scheme = "https" if _secure(server, port) else "http"
    request = Request(variables=variables, raw=path, uri=_normal(plain, merged=merged), args=args, host=host, port=port, scheme=scheme)
    capture_name(server, request)
    return request


def _secure(server: Server, port: int) -> bool:
    there = [listen for listen in server.listens if listen.port == port] or list(server.listens)
    return any(listen.secure for listen in there)


def _normal(path: str, *, merged: bool) -> str:
    """Return a path decoded and without dot segments; multiple slashes are merged unless merge_slashes is off."""
    text = unquote(path) or "/"
    text = re.sub(r"//+", "/", text) if merged else text
    if "/." not in text:
        return text
    tail = "/" if text.endswith(("/", "/.", "/..")) else ""
    plain = posixpath.normpath("/" + text.lstrip("/"))
    return plain if plain.endswith("/") else plain + tail


def answer(server: Server, request: Request) -> Ending:
    """Return what becomes of a request at a server."""
    turn = _Turn(again=True)
    for _ in range(3 * _MAX_TURNS):
        turn = _from_server(server, request) if turn.again else _at_location(server, turn.location, request)
        if turn.ending:
            return turn.ending
    found = select(server.index, request)
    return Ending(server=server, location=found.location if found else server.itself, request=request, status=500)


def _from_server(server: Server, request: Request) -> _Turn:
    phase = _Phase()
    _rewrite(server.block, request, phase)
    return _answered(server, server.itself, phase.answer, request) if phase.answer else _Turn()


def _at_location(server: Server, location: Location | None, request: Request) -> _Turn:
    if location is None:
        found = select(server.index, request)
        location = found.location if found else server.itself
        if not request.internal and any(level.last("internal") for level in location.levels):
            return _answered(server, location, _Answer(404, location.directive, paged=True), request)
        if found and found.redirects:
            return _ended(server, location, request, location.directive, 301)
    phase = _Phase()
    if location.levels != server.levels:  # the server's own rewrites have run
        _rewrite(location.directive, request, phase)
    if phase.answer:
        return _answered(server, _branch(location, phase), phase.answer, request)
    return _Turn() if phase.changed else _contents(server, location, phase, request)


def _branch(location: Location, phase: _Phase) -> Location:
    """Return the ``if`` that held, whose settings are in force, else the location."""
    return location if phase.branch is None else Location(operator="if", pattern=location.pattern, levels=(*location.levels, phase.branch))


def _contents(server: Server, location: Location, phase: _Phase, request: Request) -> _Turn:
    inside = _branch(location, phase)
    denied = _denied(inside)
    if denied:
        return _answered(server, inside, _Answer(403, denied, paged=True), request)
    tried = inside.directive.last("try_files")
    if tried and len(tried.args) > 1 and not any(expand(request, name) in request.files for name in tried.args[:-1]):
        return _fallback(server, inside, tried, request)
    left = phase.handler  # of an earlier if: without its address, which is set in that block ("no upstream configuration")
    if left and not inside.handler and (location.handler is None or location.handler.name != left.name):
        return _answered(server, inside, _Answer(500, left, paged=True), request)
    for place in (inside, location):
        if place.handler or (found := _program(place.directive)):
            return _ended(server, place, request, place.handler or found, 0)
    if request.uri in request.files:
        return _ended(server, inside, request, None, 200)
    return _answered(server, inside, _Answer(404, location.directive, paged=True), request, served=True)


def _program(block: Directive) -> Directive | None:
    return next((d for d in block.block or () if d.name in _CONTENT), None)


def _denied(location: Location) -> Directive | None:
    """Return the rule that refuses every address, unless a password lets in (satisfy any)."""
    level = next((level for level in reversed(location.levels) if level.all("allow") or level.all("deny")), None)
    first = next((d for d in (level.block if level else None) or () if d.name in ("allow", "deny")), None)
    any_of = location.setting("satisfy")
    refused = first is not None and first.name == "deny" and first.args == ("all",)
    return first if refused and not (any_of and any_of.args == ("any",)) else None


def _fallback(server: Server, location: Location, tried: Directive, request: Request) -> _Turn:
    last = tried.args[-1]
    if last.startswith("="):
        return _answered(server, location, _Answer(_status(last[1:]), tried, paged=True), request, served=True)
    return _jump(server, location, tried, last, request)


def _jump(server: Server, location: Location, directive: Directive, target: str, request: Request) -> _Turn:
    """Go on at a named location, or at another path from the server's rewrites on."""
    request.internal = True
    if target.startswith("@"):
        named = next((loc for loc in server.locations if loc.operator == "@" and loc.pattern == target), None)
        return _Turn(location=named) if named else _ended(server, location, request, directive, 500)
    path, _, args = expand(request, target).partition("?")
    if UNKNOWN in path or not path.startswith("/"):
        return _ended(server, location, request, directive, 404)
    request.uri, request.args = path, args
    if _PAGE.fullmatch(target):
        request.files.add(path)
    request.valid_raw, request.valid_location = False, True
    return _Turn(again=True)


def _ended(server: Server, location: Location, request: Request, directive: Directive | None, status: int) -> _Turn:
    """End at a location; an ``if`` is named only where it hands the request on itself."""
    if location.operator == "if" and not location.handler:
        location = Location(operator="", pattern=location.pattern, levels=location.levels[:-1])
    return _Turn(ending=Ending(server=server, location=location, request=request, directive=directive, status=status))


def _answered(server: Server, location: Location, given: _Answer, request: Request, *, served: bool = False) -> _Turn:
    """End with nginx's own answer, unless error_page sends its status elsewhere. served: a file would have been, had it been there."""
    page = _page(location, given.status) if given.paged and given.status >= 300 else None
    recursive = (found := location.setting("recursive_error_pages")) is not None and found.args == ("on",)
    if page and (not request.in_error or recursive):
        request.in_error = True
        target = page.args[-1]
        if not target.startswith(("http:", "https:", "$")):
            return _jump(server, location, page, target, request)
    return _ended(server, location, request, None if served else given.directive, given.status)


def _page(location: Location, status: int) -> Directive | None:
    level = next((level for level in reversed(location.levels) if level.all("error_page")), None)
    pages = level.all("error_page") if level else ()
    return next((d for d in pages if str(status) in d.args[:-1]), None)


def _status(text: str) -> int:
    return int(text) if text.isdigit() and len(text) <= 3 else 500


def _rewrite(block: Directive, request: Request, phase: _Phase) -> None:
    """Run the rewrite directives of one block in order."""
    if not block.named.keys() & _STEPS.keys():
        return
    for directive in block.block or ():
        request.steps += directive.name in _STEPS
        if request.steps > _MAX_STEPS:
            request.unsure = phase.over = True
            return
        if directive.name in _STEPS and (directive.args or directive.name == "break"):
            _STEPS[directive.name](directive, request, phase)
            if phase.over:
                return


def _set(directive: Directive, request: Request, _: _Phase) -> None:
    if len(directive.args) == 2:
        value = expand(request, directive.args[1])
        request.values[directive.args[0].strip("${}")] = None if UNKNOWN in value else value


def _if(directive: Directive, request: Request, phase: _Phase) -> None:
    if directive.block is not None and holds(request, directive.args):
        phase.branch = directive
        phase.handler = next((d for d in reversed(directive.block) if d.name in PASSES), phase.handler)
        _rewrite(directive, request, phase)


def _break(_: Directive, request: Request, phase: _Phase) -> None:
    if phase.changed:
        request.valid_location = phase.changed = False
    phase.over = True


def _return(directive: Directive, request: Request, phase: _Phase) -> None:
    code = directive.args[0]
    status = int(code) if code.isdigit() and len(code) <= 3 else 302
    phase.answer = _Answer(status, directive, paged=status >= 400 and len(directive.args) == 1)
    phase.over = True


def _rewrite_path(directive: Directive, request: Request, phase: _Phase) -> None:
    if len(directive.args) < 2 or not test_text(request, directive.args[0], request.uri):
        return
    replacement, flags = directive.args[1], directive.args[2:]
    if replacement.startswith(_REDIRECTS) or {"redirect", "permanent"} & set(flags):
        phase.answer = _Answer(301 if "permanent" in flags else 302, directive, paged=False)
        phase.over = True
        return
    _change(request, expand(request, replacement))
    request.internal = True
    request.valid_raw = False
    phase.over = "last" in flags or "break" in flags
    phase.changed = "break" not in flags
    request.valid_location = request.valid_location and "break" not in flags


def _change(request: Request, text: str) -> None:
    """Put a replacement in force: the old query is appended unless it ends with a question mark."""
    path, mark, args = text.partition("?")
    request.uri = path
    if mark and text.endswith("?"):
        request.args = args.removesuffix("?")
    elif mark:
        request.args = "&".join(filter(None, (args, request.args)))


_STEPS = {"set": _set, "if": _if, "break": _break, "return": _return, "rewrite": _rewrite_path}


def settle(location: Location, request: Request) -> None:
    """Give variables the values that the blocks around a location set, for a request whose path is not known."""
    for level in location.levels:
        for directive in level.all("set"):
            _set(directive, request, _Phase())


_URL = re.compile(r"(?P<scheme>\w+)://(?P<host>unix:[^:]*:?|[^/?]*)(?P<uri>.*)", re.DOTALL)


def upstream_url(ending: Ending) -> tuple[str, str | None]:
    """Return (scheme, host and port; path) that a handed-on request goes to; UNKNOWN and None where the file does not tell."""
    target, request = ending.directive, ending.request
    if target is None or not target.args:
        return "", None
    text = target.args[0]
    filled = expand(request, text)
    match = _URL.match(filled)
    if not match:
        return filled, None
    base, uri = f"{match['scheme']}://{match['host']}", match["uri"]
    if UNKNOWN in uri or filled == UNKNOWN:
        return base, None
    if "$" in text:
        path = uri if uri.startswith("/") else "/" + uri if uri else _own_path(request, 0)
    elif not uri:
        path = _own_path(request, 0)
    elif request.valid_location:
        path = uri + _escaped(request.uri[len(_name(ending.location)) :])
    else:
        path = _own_path(request, 0)
    return base, None if path is None or UNKNOWN in path else path.partition("?")[0]


def _name(location: Location) -> str:
    """Return the part of the path that proxy_pass with a path replaces."""
    named = next((level for level in reversed(location.levels) if level.name == "location"), None)
    return named.args[-1].removeprefix("=") if named and named.args else location.pattern


def _own_path(request: Request, start: int) -> str:
    return request.raw if request.valid_raw else _escaped(request.uri[start:])


def _escaped(path: str) -> str:
    return quote(path, safe="/!$&'()*+,;=:@~[]{}|\\^`<>") if UNKNOWN not in path else path
