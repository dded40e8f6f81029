"""Limits of the whole nginx: connections, files, and what a reload does to open tunnels.

Source: nginx.org, ngx_core_module (worker_connections counts those to backends too, so a tunnel takes two; worker_rlimit_nofile,
worker_shutdown_timeout, after which old workers close what is still open).
"""

from collections.abc import Iterator

from wsbook.facts import PatternFacts
from wsbook.parsers.proxies.nginx.answers import at
from wsbook.parsers.proxies.nginx.tree import Directive

__all__ = ["limits"]

_FEW = 1024


def limits(root: Directive) -> Iterator[PatternFacts]:
    """Yield what limits all tunnels together."""
    events = root.last("events")
    connections = events.last("worker_connections") if events else None
    workers, files = root.last("worker_processes"), root.last("worker_rlimit_nofile")
    each = _number(connections)
    many = _number(workers) if workers else 1
    if connections and each and many and each * many < _FEW:
        yield at("nginx.few-connections", connections)
    if connections and files and each and 0 < _number(files) < each:
        yield at("nginx.few-files", files)
    ending = root.last("worker_shutdown_timeout")
    if ending:
        yield at("nginx.reload-closes", ending)


def _number(directive: Directive | None) -> int:
    """Return a number; 0 when it is none, such as auto."""
    text = directive.args[0] if directive and directive.args else ""
    return int(text) if text.isdigit() and len(text) < 10 else 0
