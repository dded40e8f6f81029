"""What an nginx upstream receives in a header during an opening handshake. Knows headers, not how a location is chosen.

Source: nginx.org, ngx_http_proxy_module (proxy_set_header, proxy_http_version). Since 1.29.7 the default HTTP version towards the
upstream is 1.1 and Connection is no longer set to close.
"""

import re

from wsbook.facts import Setting
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.nginx.locations import Location
from wsbook.parsers.proxies.nginx.tree import Directive
from wsbook.parsers.proxies.nginx.values import UNKNOWN, UNNAMED, Request, expand, names_in

__all__ = ["CHANGED_DEFAULTS", "header", "header_level", "http_version", "in_force", "lines_of", "may_hold", "proxy_host", "set_headers"]

CHANGED_DEFAULTS = (1, 29, 7)

_FORWARDING = {
    "host": (
        "$http_host",
        "$host",
        "$host:$server_port",
        "$http_host:$server_port",
        "$host:$request_port",
        "$host$is_request_port$request_port",
    )
}
_HEADERS_INSIDE = re.compile(r"proxy|header|ws|websocket|common|upstream|shared|snippet|default", re.IGNORECASE)


def header_level(location: Location) -> Directive | None:
    """Return the level whose proxy_set_header lines are in force: all or nothing, the innermost that has any."""
    return next((level for level in reversed(location.levels) if level.last("proxy_set_header")), None)


def lines_of(location: Location, name: str) -> list[Directive]:
    """Return the lines in force for a header; nginx sends one header for each that is not empty."""
    level = header_level(location)
    return [d for d in level.all("proxy_set_header") if len(d.args) == 2 and d.args[0].lower() == name.lower()] if level else []


def set_headers(location: Location) -> dict[str, Directive]:
    """Return the last line in force of each header by lower-case name."""
    level = header_level(location)
    return {d.args[0].lower(): d for d in level.all("proxy_set_header") if len(d.args) == 2} if level else {}


def may_hold(location: Location, level: Directive | None) -> bool:
    """Whether an include that could not be read may hold what is in force at a location: one at this level or further inside."""
    inner = location.levels[location.levels.index(level) :] if level is not None else location.levels
    return any(_is_open(d, block) for block in inner for d in block.all("include"))


def _is_open(include: Directive, block: Directive) -> bool:
    if block.name in ("location", "if"):
        return True
    return block.name == "server" and bool(_HEADERS_INSIDE.search(" ".join(include.args)))


def in_force(location: Location, name: str) -> tuple[Directive | None, bool]:
    """Return the directive in force, and whether it is known to be the one."""
    level = next((level for level in reversed(location.levels) if level.last(name)), None)
    return (level.last(name) if level else None), not may_hold(location, level)


def header(location: Location, name: str, request: Request, artifact: Artifact) -> Setting:
    """Return what the upstream receives: "forwarded", "absent", or a literal; None when the file does not tell."""
    lines = lines_of(location, name)
    if not lines:
        return Setting(value=None) if may_hold(location, header_level(location)) else _default(location, name, request, artifact)
    values = [_meaning(location, name.lower(), line.args[1], request) for line in lines]
    said = [value for value in values if value != "absent"]
    joined = None if None in said else ", ".join(value for value in said if value)[:200] or "absent"
    return Setting(value=joined, file=lines[-1].file, line=lines[-1].line)


def _meaning(location: Location, name: str, text: str, request: Request) -> str | None:
    plain = text.replace("${", "$").replace("}", "")
    if plain in _FORWARDING.get(name, (f"$http_{name.replace('-', '_')}",)):
        return "forwarded"
    value = expand(request, text.replace("$proxy_host", proxy_host(location, request)))
    if name == "host" and value.partition(":")[0].lower() == request.host.lower():
        return "forwarded"
    if UNKNOWN not in value:
        return value.replace(UNNAMED, "$host")[:100] or "absent"
    variables = request.variables
    if variables.undefined(text):
        return "absent"
    return None if any(variables.defines(n) for n in names_in(text)) or not _sounds_right(name, text) else "forwarded"


def _sounds_right(name: str, text: str) -> bool:
    """Whether a variable that another file defines is named for what it is used for."""
    return name in ("upgrade", "connection") and bool(re.fullmatch(r"\$\{?\w*(?:upgrade|connection)\w*\}?", text, re.IGNORECASE))


def proxy_host(location: Location, request: Request) -> str:
    """Return $proxy_host: host and port of proxy_pass, without the scheme's own port."""
    target = location.setting("proxy_pass")
    filled = expand(request, target.args[0]) if target and target.args else ""
    scheme, _, rest = filled.partition("://")
    if rest.startswith("unix:"):
        return "localhost"
    return rest.partition("/")[0].removesuffix(":443" if scheme == "https" else ":80")[:100]


def _default(location: Location, name: str, request: Request, artifact: Artifact) -> Setting:
    if name.lower() == "host":
        host = proxy_host(location, request)
        return Setting(value=None if UNKNOWN in host else host or "absent", default=True)
    if name.lower() == "connection" and artifact.older_than(*CHANGED_DEFAULTS) is not False:
        return Setting(value="close", default=True)
    if name.lower() in ("upgrade", "connection", "te", "expect", "keep-alive", "content-length", "transfer-encoding"):
        return Setting(value="absent", default=True)
    passed, sure = in_force(location, "proxy_pass_request_headers")
    return Setting(value=("absent" if passed and passed.args == ("off",) else "forwarded") if sure else None, default=True)


def http_version(location: Location, artifact: Artifact) -> Setting:
    """Return the HTTP version towards the upstream; without a known program version the default is the older one, 1.0."""
    found, sure = in_force(location, "proxy_http_version")
    if not sure:
        return Setting(value=None)
    if found and found.args:
        return Setting(value=found.args[0], file=found.file, line=found.line)
    return Setting(value="1.1" if artifact.older_than(*CHANGED_DEFAULTS) is False else "1.0", default=True)
