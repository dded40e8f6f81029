"""What an nginx upstream receives in a header during an opening handshake. Knows headers, not locations.

Source: nginx.org, ngx_http_proxy_module (proxy_set_header, proxy_http_version) and ngx_http_map_module. Since 1.29.7 the default
HTTP version towards the upstream is 1.1 and Connection is no longer set to close.
"""

import re

from wsbook.facts import Setting
from wsbook.parsers.proxies.artifact import Artifact, try_regex
from wsbook.parsers.proxies.nginx_locations import Location
from wsbook.parsers.proxies.nginx_tree import Directive, walk

__all__ = ["CHANGED_DEFAULTS", "Variables", "header", "header_level", "http_version", "set_headers"]

CHANGED_DEFAULTS = (1, 29, 7)

_HANDSHAKE = {"$http_upgrade": "websocket", "$http_connection": "Upgrade", "$http_sec_websocket_version": "13"}
"""Request variables of an opening handshake (RFC 6455 section 4.1)."""

_VARIABLE = re.compile(r"\$\{?\w+\}?")


class Variables:
    """The maps and set variables of one configuration, evaluated for a handshake.

    complete: the file is a whole configuration, so a variable that nothing defines is a defect.
    """

    def __init__(self, root: Directive, *, missing_includes: int) -> None:
        every = walk(root)
        self.maps = {d.args[1]: d for d in every if d.name == "map" and d.block is not None and len(d.args) >= 2}
        self.defined = {d.args[0] for d in every if d.name in ("set", "geo", "split_clients") and d.args} | set(self.maps)
        self.complete = bool(root.all("http")) and not missing_includes

    def value(self, variable: str) -> str | None:
        """Return a variable's value during a handshake; None when the file does not tell."""
        name = "$" + variable.strip("${}")
        if name in _HANDSHAKE:
            return _HANDSHAKE[name]
        found = self.maps.get(name)
        source = _HANDSHAKE.get("$" + found.args[0].strip("${}")) if found else None
        return _mapped(found, source) if found and source is not None else None

    def undefined(self, text: str) -> bool:
        """Whether a whole configuration uses a variable for the connection that it never defines."""
        names = {"$" + v.strip("${}") for v in _VARIABLE.findall(text)}
        return self.complete and any("connection_upgrade" in n and n not in self.defined for n in names)


def _mapped(block: Directive, source: str) -> str | None:
    default: str | None = ""
    for row in block.block or ():
        if len(row.args) != 1:
            continue
        if row.name == "default":
            default = row.args[0]
        elif row.name.startswith("~"):
            regex = try_regex(row.name.lstrip("~*"), ignore_case=row.name.startswith("~*"))
            if regex is None or regex.search(source):
                return row.args[0] if regex else None
        elif row.name.lstrip("\\").lower() == source.lower():
            return row.args[0]
    return default


def header_level(location: Location) -> Directive | None:
    """Return the level whose proxy_set_header lines are in force: all or nothing, the innermost that has any."""
    return next((level for level in reversed(location.levels) if level.all("proxy_set_header")), None)


def set_headers(location: Location) -> dict[str, Directive]:
    """Return the headers in force by lower-case name."""
    level = header_level(location)
    return {d.args[0].lower(): d for d in level.all("proxy_set_header") if len(d.args) == 2} if level else {}


def header(location: Location, name: str, variables: Variables, artifact: Artifact) -> Setting:
    """Return what the upstream receives: "forwarded", "absent", or a literal."""
    line = set_headers(location).get(name.lower())
    if line is None:
        return _default(location, name, artifact)
    return Setting(value=_meaning(name.lower(), line.args[1], variables), file=line.file, line=line.line)


_FORWARDING = {"host": ("$http_host", "$host", "$host:$server_port", "$http_host:$server_port"), "upgrade": ("$http_upgrade",)}


def _meaning(name: str, text: str, variables: Variables) -> str:
    if text == "":
        return "absent"
    if text.replace("${", "$").replace("}", "") in _FORWARDING.get(name, (f"$http_{name}",)):
        return "forwarded"
    if text.startswith("$") and _VARIABLE.fullmatch(text):
        value = variables.value(text)
        return "absent" if value == "" else value if value is not None else "absent" if variables.undefined(text) else "forwarded"
    return text[:100]


def _default(location: Location, name: str, artifact: Artifact) -> Setting:
    if name.lower() == "host":
        target = location.directive.last("proxy_pass")
        host = re.sub(r"^https?://", "", target.args[0]).partition("/")[0] if target and target.args else ""
        return Setting(value=host[:100] or "absent", default=True)
    if name.lower() == "connection" and artifact.older_than(*CHANGED_DEFAULTS) is not False:
        return Setting(value="close", default=True)
    return Setting(value="absent", default=True)


def http_version(location: Location, artifact: Artifact) -> Setting:
    """Return the HTTP version towards the upstream; without a known program version the default is the older one, 1.0."""
    found = location.setting("proxy_http_version")
    if found and found.args:
        return Setting(value=found.args[0], file=found.file, line=found.line)
    return Setting(value="1.1" if artifact.older_than(*CHANGED_DEFAULTS) is False else "1.0", default=True)
