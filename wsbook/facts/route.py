"""What a proxy's configuration does."""

from msgspec import Struct

__all__ = ["RouteFacts", "Setting"]


class Setting(Struct, frozen=True, kw_only=True):
    """One effective value of a configuration and where it comes from; value None: not set and no known default."""

    value: str | None
    file: str = ""
    line: int = 0
    default: bool = False


class RouteFacts(Struct, frozen=True, kw_only=True, tag="route"):
    """What one proxy does with requests for one path, said the same way for every product.

    matcher: the location, ACL or route in the product's words. serves: it is the route that serves the endpoint; None unknown.
    upstream: where it goes. upstream_path: path the backend sees for the endpoint's path, None unknown.
    upgrade, connection, host: what the backend receives in these headers: "forwarded", "absent", or a literal.
    idle_s, lifetime_s: Setting with seconds as text. level: which block set the headers. balance: hash, cookie, roundrobin, …
    """

    product: str
    file: str
    line: int
    matcher: str
    serves: bool | None = None
    upstream: str = ""
    upstream_path: str | None = None
    upgrade: Setting | None = None
    connection: Setting | None = None
    host: Setting | None = None
    http_version: Setting | None = None
    idle_s: Setting | None = None
    lifetime_s: Setting | None = None
    balance: str = ""
    servers: int | None = None
    inheritance_lost: bool = False
