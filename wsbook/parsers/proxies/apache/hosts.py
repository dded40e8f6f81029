"""One virtual host of Apache with what is known of it. Judges nothing."""

import re

from msgspec import Struct

from wsbook.facts import Fix
from wsbook.parsers.proxies.apache.entries import Entry
from wsbook.parsers.proxies.apache.lines import Directive, Directives

__all__ = ["Found", "Host", "in_condition", "removed_header", "tunnel_modules"]

Found = tuple[str, Directive, Fix | None]
"""A defect: its pattern, where it is, and the change that removes it."""


class Host(Struct, frozen=True, kw_only=True):
    """One virtual host, or the main server with number 0. own: its directives; every: those of all files.

    judged: its ways to an upstream with whether they serve. shadowed: ways that get no request, each with the one that takes them.
    asked: whether requests for the endpoint may reach it. tunnels: whether any host passes upgrades. served: whether another host passes
    the endpoint's handshake on.
    """

    number: int
    own: Directives
    every: Directives
    judged: list[tuple[Entry, bool | None]]
    shadowed: list[tuple[Entry, Entry]]
    engine_off: bool
    asked: bool = True
    tunnels: bool = False
    served: bool = False

    @property
    def encrypted(self) -> bool:
        """Whether clients speak TLS to it."""
        address = next((a for d in self.own for n, a, k in d.sections if k == self.number and n == "virtualhost"), "")
        return any(d.name == "sslengine" and d.is_on for d in self.own) or bool(re.search(r":443(?:\s|$)", address))


def removed_header(entry: Entry, name: str, host: Host) -> Directive | None:
    """Return the RequestHeader that takes a header away from what an entry proxies."""
    for d in (*host.every.of(entry.directive.host, "requestheader"), *host.every.of(0, "requestheader")):
        if d.args[:1] and d.args[0].lower() == "unset":
            where = d.location[1]
            always = not any(a.lower().startswith(("env=", "expr=", '"expr=')) for a in d.args[2:])
            around = not where or where == entry.path or d.sections == entry.directive.sections or entry.path.startswith(where)
            if len(d.args) > 1 and d.args[1].lower() == name and always and around and not in_condition(d):
                return d
    return None


def in_condition(directive: Directive) -> bool:
    """Whether a directive holds under a condition that is not about the path."""
    return any(n in ("if", "elseif", "else", "ifdefine", "directory", "files", "locationmatch") for n, _, _ in directive.sections)


def tunnel_modules(every: Directives) -> set[str]:
    """Return the loaded modules that can tunnel."""
    loaded = {d.args[0].lower() for d in every.named("loadmodule") if d.args}
    return loaded & {"proxy_wstunnel_module", "proxy_http_module"}
