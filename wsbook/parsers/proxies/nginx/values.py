"""What nginx's variables are worth during an opening handshake. Knows requests and maps, neither locations nor headers.

A value that the file does not tell is None, and UNKNOWN inside a longer text. Source: nginx.org, ngx_http_core_module (embedded
variables), ngx_http_map_module, ngx_http_rewrite_module (set, if); RFC 6455 section 4.1 for the handshake.
"""

import re
from urllib.parse import parse_qsl

from msgspec import Struct, field

from wsbook.parsers.proxies.artifact import try_regex
from wsbook.parsers.proxies.nginx.tree import Directive, Tree, walk

__all__ = ["UNKNOWN", "UNNAMED", "Request", "Variables", "compiled", "expand", "holds", "known", "match_text", "names_in", "test_text"]

UNKNOWN = "\0"
"""Stands in a text for the part that the file does not tell."""

UNNAMED = "\1"
"""Stands for the host when it is not known."""

_HANDSHAKE = {
    "http_upgrade": "websocket",
    "http_sec_websocket_version": "13",
    "http_sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ==",
    "request_method": "GET",
    "server_protocol": "HTTP/1.1",
    "content_length": "",
    "content_type": "",
    "http_content_type": "",
    "http_content_length": "",
    "http_te": "",
    "http_transfer_encoding": "",
}
"""What every browser sends."""

_BUILT_IN = re.compile(
    r"(?:http|sent_http|sent_trailer|upstream|arg|cookie|ssl|proxy|tcpinfo|realip|proxy_protocol|geoip2?|jwt|binary_remote|remote|request|server|uid|secure_link|memcached|date|time|msec|pid|pipe|status|bytes|body|document|content|nginx|limit|gzip|quic|invalid"
    r"|hostname|host|uri|args|query_string|is_args|is_request_port|scheme|https?2?|http3|realpath_root|slice_range|fastcgi|spdy|modern_browser"
    r"|ancient_browser|msie|session_log|otel|opentracing|lua|is_request)(?:_\w+)?|connection(?:_requests|_time)?"
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([1-9])|(\w+))")
_CLASS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_REPEATED_CHOICE = re.compile(r"\([^()]*(?:\([^()]*\)[^()]*)*\|[^()]*(?:\([^()]*\)[^()]*)*\)[*+{]")
_UNBOUNDED = re.compile(r"[*+]|\{\d*,?\d*\}")
_MAX_UNBOUNDED, _MAX_OPTIONAL = 5, 12
_NAMED = re.compile(r"\(\?<(?=[A-Za-z_])")
_MAX_TEXT = 1_000
_MAX_DEPTH = 12
_MAX_MATCHED = (500, 500, 500, 200, 80, 40, *(30,) * 300)
"""How much of a text an expression sees, by how many unbounded repetitions it has: backtracking costs their power of the length."""


class Variables:
    """The maps and other variables of one configuration.

    upstreams: names of upstream blocks. used: variables that anything uses. complete: the file is a whole configuration, so a variable
    that nothing defines is a defect. foreign: variables whose values are made elsewhere (geo, Lua, njs, a subrequest).
    """

    def __init__(self, tree: Tree) -> None:
        every = walk(tree.root)
        self.maps = {d.args[1].strip("${}"): d for d in every if d.name == "map" and d.block is not None and len(d.args) >= 2}
        self.settable = {d.args[0].strip("${}") for d in every if d.name == "set" and d.args}
        self.foreign = {a.strip("${}") for d in every if d.name in _FOREIGN and d.args for a in (d.args if d.block else d.args[:1])}
        self.captured = any(_NAMED.search(text) or "(?P<" in text for d in every for text in (d.name, *d.args[:3]))
        self.upstreams = {d.args[0] for d in every if d.name == "upstream" and d.args}
        self.used = {name for d in every for text in (*d.args, d.name) if "$" in text for name in names_in(text)}
        self.complete = bool(tree.root.all("http")) and not tree.missing

    def defines(self, name: str) -> bool:
        """Whether the file gives the variable a value somewhere."""
        return name in self.maps or name in self.settable or name in self.foreign

    def undefined(self, text: str) -> bool:
        """Whether a whole configuration uses a variable that nothing defines; nginx refuses it."""
        unknown = [n for n in names_in(text) if not n.isdigit() and not self.defines(n) and not _BUILT_IN.fullmatch(n)]
        return self.complete and not self.captured and bool(unknown)


_FOREIGN = frozenset(
    (
        "geo",
        "split_clients",
        "js_set",
        "js_var",
        "auth_request_set",
        "set_by_lua",
        "set_by_lua_block",
        "set_by_lua_file",
        "perl_set",
        "auth_jwt_claim_set",
    )
)


class Request(Struct, kw_only=True):
    """One handshake on its way through nginx; the phases change it.

    host: UNNAMED unknown, without port. raw: path and query as they were sent; without a question mark the query is not known. uri: the
    path as nginx sees it now, decoded. valid_raw, valid_location: as nginx's request has them (the raw path, and the part that the
    location's name matched, may still be used).
    connection: what the browser sends there; Firefox adds keep-alive. files: paths that are taken to exist, since the configuration
    itself names them.
    """

    variables: Variables
    raw: str
    uri: str
    args: str = ""
    host: str = UNNAMED
    port: int = 0
    scheme: str = "http"
    connection: str = "Upgrade"
    server_name: str = ""
    valid_raw: bool = True
    valid_location: bool = True
    internal: bool = False
    in_error: bool = False
    unsure: bool = False
    steps: int = 0
    groups: tuple[str, ...] = ()
    values: dict[str, str | None] = field(default_factory=dict)
    mapped: dict[str, str | None] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)


def names_in(text: str) -> list[str]:
    """Return the names of variables that a text uses."""
    return [a or b or c for a, b, c in _VARIABLE.findall(text)]


def compiled(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str] | None:
    """Return an expression in PCRE's notation for Python; None when it cannot be used, or might take long on a short text."""
    bare = _CLASS.sub("c", pattern)
    if _REPEATED_CHOICE.search(bare) or len(_UNBOUNDED.findall(bare)) > _MAX_UNBOUNDED or bare.count("?") > _MAX_OPTIONAL:
        return None
    return try_regex("(?a)" + _NAMED.sub("(?P<", pattern), ignore_case=ignore_case)


def match_text(request: Request, pattern: str, text: str, *, ignore_case: bool = False) -> re.Match[str] | None:
    """Return the match and keep its groups as nginx does; an expression that cannot be used makes the request unsure."""
    regex = compiled(pattern, ignore_case=ignore_case)
    if regex is None:
        request.unsure = True
        return None
    match = regex.search(text[: _MAX_MATCHED[len(_UNBOUNDED.findall(pattern))]])
    if match:
        request.groups = tuple(group or "" for group in match.groups())
        request.values.update({name: text or "" for name, text in match.groupdict().items()})
    return match


def test_text(request: Request, pattern: str, text: str, *, ignore_case: bool = False) -> re.Match[str] | None:
    """Return the match of a rewrite or an ``if``; without one, what was captured before is gone (ngx_http_script_regex_start_code)."""
    match = match_text(request, pattern, text, ignore_case=ignore_case)
    if match is None:
        request.groups = ()
    return match


def expand(request: Request, text: str, depth: int = 0) -> str:
    """Return a text with its variables filled in."""
    return _VARIABLE.sub(lambda m: _or_unknown(_value(request, m[1] or m[2] or m[3], depth)), text)[:_MAX_TEXT] if "$" in text else text


def known(request: Request, text: str) -> str | None:
    """Return a text with its variables filled in; None when the file does not tell one of them."""
    found = expand(request, text)
    return None if UNKNOWN in found else found


def _or_unknown(value: str | None) -> str:
    return UNKNOWN if value is None else value


def _value(request: Request, name: str, depth: int) -> str | None:
    if name.isdigit():
        return request.groups[int(name) - 1] if int(name) <= len(request.groups) else ""
    if name in request.values:
        return request.values[name]
    variables = request.variables
    if name in variables.maps:
        return _from_map(request, name, depth)
    if name in variables.settable:
        return ""
    return None if name in variables.foreign else _built_in(request, name)


def _built_in(request: Request, name: str) -> str | None:
    if name in _HANDSHAKE:
        return _HANDSHAKE[name]
    if name.startswith("arg_"):
        if "?" not in request.raw and not request.args:
            return None
        return next((v for k, v in parse_qsl(request.args, keep_blank_values=True) if k.lower() == name[4:].lower()), "")
    if name.startswith(("sent_http_", "sent_trailer_", "upstream_")):
        return ""
    return _of_request(request).get(name)


def _of_request(request: Request) -> dict[str, str | None]:
    usual = {"http": 80, "https": 443}[request.scheme]
    port = request.port or usual
    with_port = request.host if port == usual else f"{request.host}:{port}"
    return {
        "http_connection": request.connection,
        "uri": request.uri,
        "document_uri": request.uri,
        "request_uri": request.raw,
        "args": request.args,
        "query_string": request.args,
        "is_args": "?" if request.args else "",
        "host": request.host.lower(),
        "http_host": with_port,
        "is_request_port": "" if port == usual else ":",
        "request_port": "" if port == usual else str(port),
        "server_name": request.server_name,
        "server_port": str(request.port) if request.port else None,
        "scheme": request.scheme,
        "https": "on" if request.scheme == "https" else "",
        "request": f"GET {request.raw} HTTP/1.1",
    }


def _from_map(request: Request, name: str, depth: int) -> str | None:
    block = request.variables.maps[name]
    volatile = any(row.name == "volatile" and not row.args for row in block.block or ())
    if name in request.mapped and not volatile:
        return request.mapped[name]
    found = None if depth > _MAX_DEPTH else _looked_up(request, block, depth)
    request.mapped[name] = found
    return found


def _looked_up(request: Request, block: Directive, depth: int) -> str | None:
    source = expand(request, block.args[0], depth + 1)
    rows = [(row.name, row.args[0]) for row in block.block or () if len(row.args) == 1]
    if UNKNOWN in source:
        values = {value for _, value in rows}
        return values.pop() if len(values) == 1 and any(row == "default" for row, _ in rows) else None
    value = _row_for(request, rows, source, hostnames=bool(block.last("hostnames")))
    found = expand(request, value, depth + 1)
    return None if UNKNOWN in found else found


def _row_for(request: Request, rows: list[tuple[str, str]], source: str, *, hostnames: bool) -> str:
    """Return the value for a source: the text itself, wildcards of hostnames, expressions in order, default."""
    low = source.lower()
    texts = {row.removeprefix("\\").lower(): value for row, value in rows if not row.startswith("~") and row != "default"}
    if low in texts:
        return texts[low]
    if hostnames and (value := _wildcard(texts, low)) is not None:
        return value
    for row, value in rows:
        insensitive = row.startswith("~*")
        if row.startswith("~") and match_text(request, row[2 if insensitive else 1 :], source, ignore_case=insensitive):
            return value
    return next((value for row, value in reversed(rows) if row == "default"), "")


def _wildcard(texts: dict[str, str], host: str) -> str | None:
    """Return the value of ``*.example.com`` or ``.example.com``, the longest, else of ``example.*``, the longest."""
    if "." + host in texts:
        return texts["." + host]
    labels = host.split(".")
    for cut in range(1, len(labels)):
        ending = ".".join(labels[cut:])
        if (value := texts.get("*." + ending, texts.get("." + ending))) is not None:
            return value
    begun = [".".join(labels[:cut]) + ".*" for cut in range(len(labels) - 1, 0, -1)]
    return next((texts[name] for name in begun if name in texts), None)


def holds(request: Request, args: tuple[str, ...]) -> bool:
    """Whether the condition of an ``if`` holds; one that the file does not tell is taken not to. No file of this path exists."""
    words = _bare(args)
    if len(words) == 2 and words[0].lstrip("!") in ("-f", "-d", "-e", "-x"):
        return words[0].startswith("!")
    if len(words) == 1:
        return expand(request, words[0]) not in ("", "0", UNKNOWN)
    if len(words) != 3:
        return False
    left, operator, right = expand(request, words[0]), words[1], words[2]
    if UNKNOWN in left:
        return False
    if operator in ("=", "!="):
        return (left == expand(request, right)) == (operator == "=")
    found = test_text(request, right, left, ignore_case=operator.endswith("*"))
    return bool(found) != operator.startswith("!")


def _bare(args: tuple[str, ...]) -> list[str]:
    """Return the words of a condition without its parentheses."""
    words = list(args)
    if words and words[0].startswith("("):
        words[0] = words[0][1:]
    if words and words[-1].endswith(")"):
        words[-1] = words[-1][:-1]
    ends = (words[:1] == [""] and len(words) > 1, words[-1:] == [""] and len(words) > 1)
    return words[1 if ends[0] else 0 : len(words) - 1 if ends[1] else len(words)]
