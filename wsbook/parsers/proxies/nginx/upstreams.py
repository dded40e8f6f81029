"""The upstream blocks of an nginx configuration: how they choose a server. Knows nothing of locations.

Source: nginx.org, ngx_http_upstream_module, ngx_stream_upstream_module.
"""

import re

from msgspec import Struct

from wsbook.parsers.proxies.nginx.tree import Directive, walk
from wsbook.parsers.proxies.nginx.values import UNKNOWN

__all__ = ["Upstream", "Upstreams"]

_BALANCE = {
    "ip_hash": "hash",
    "hash": "hash",
    "sticky": "cookie",
    "sticky_cookie_insert": "cookie",
    "least_conn": "least_conn",
    "least_time": "least_time",
    "random": "random",
}
_CHANGING = re.compile(r"\$\{?(?:request_uri|request_id|request|args|query_string|arg_\w+|connection|msec|remote_port|pid)\b")


class Upstream(Struct, frozen=True, kw_only=True):
    """Where a proxy_pass goes.

    block: None for an address. balance: hash_request is a hash over what changes with each request. servers: in use, None when the
    file does not tell.
    """

    block: Directive | None
    balance: str
    servers: int | None


def _method(directive: Directive) -> str:
    """Return the way in which servers are chosen; a hash over what changes with each request keeps nobody at a server."""
    changing = directive.name == "hash" and _CHANGING.search(directive.args[0] if directive.args else "")
    return "hash_request" if changing else _BALANCE[directive.name]


class Upstreams:
    """All upstream blocks by name."""

    def __init__(self, root: Directive) -> None:
        self._blocks = {d.args[0].lower(): d for d in walk(root) if d.name == "upstream" and d.args}

    def named(self, url: str) -> Upstream:
        """Return what a URL of proxy_pass (with or without a scheme) goes to."""
        host = url.rpartition("://")[2].partition("/")[0]
        block = self._blocks.get(host.lower())
        if block is None:
            return Upstream(block=None, balance="", servers=None if "$" in host or UNKNOWN in host else 1)
        usual = [d for d in block.all("server") if "down" not in d.args and "backup" not in d.args]
        spare = [d for d in block.all("server") if "backup" in d.args]
        method = next((_method(d) for d in block.block or () if d.name in _BALANCE), "roundrobin")
        known = not block.last("include") and not any("resolve" in d.args for d in usual)
        return Upstream(block=block, balance=method, servers=len(usual or spare) if known else None)

    def addresses(self, url: str) -> list[str]:
        """Return the addresses of the block that a URL names; [] when it names none."""
        block = self.named(url).block
        return [d.args[0] for d in block.all("server") if d.args] if block else []
