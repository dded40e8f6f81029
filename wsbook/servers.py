"""HTTP servers that cannot carry a WebSocket: reads servers.toml once, answers by Server header. Judges nothing."""

from functools import cache

from msgspec import Struct, convert

from wsbook.datafile import read_table

__all__ = ["PlainServer", "plain_server"]


class PlainServer(Struct, frozen=True, kw_only=True):
    """A server without WebSockets. weight: 0..1, how likely its kind explains an upgrade that is answered like a plain GET."""

    token: str
    weight: float
    note: str
    source: str


@cache
def _servers() -> tuple[PlainServer, ...]:
    table = read_table("servers.toml")
    return convert(table["server"], tuple[PlainServer, ...])


def plain_server(header: str) -> PlainServer | None:
    """Return the server that a Server header (RFC 9110 section 10.2.4) names when it cannot carry a WebSocket, None for all others."""
    products = header[:200].lower().split()
    return next((known for known in _servers() if any(product.startswith(known.token) for product in products)), None)
