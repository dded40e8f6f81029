"""What a proxy's configuration does."""

from msgspec import Struct

__all__ = ["Change", "Fix", "RouteFacts", "Setting"]


class Setting(Struct, frozen=True, kw_only=True):
    """One effective value of a configuration and where it comes from; value None: not set and no known default.

    level: the outer block that it is inherited from, such as "server"; "" the route's own.
    """

    value: str | None
    file: str = ""
    line: int = 0
    default: bool = False
    level: str = ""


class Change(Struct, frozen=True, kw_only=True):
    """Lines of one file that are replaced. line: the first of them, 1-based; added: what stands there then, without line ends.

    removed: how many lines go; 0 inserts before the line.
    """

    file: str
    line: int
    removed: int = 0
    added: tuple[str, ...] = ()


class Fix(Struct, frozen=True, kw_only=True):
    """A change of configuration files that removes causes. diff: the changes as a unified diff, which ``patch -p0`` takes."""

    causes: tuple[str, ...]
    changes: tuple[Change, ...]
    diff: str


class RouteFacts(Struct, frozen=True, kw_only=True, tag="route"):
    """What one proxy does with requests for one path, said the same way for every product.

    matcher: the location, ACL or route in the product's words. serves: it is the route that serves the endpoint; None unknown.
    upstream: where it goes. addresses: host:port of each server behind a name in it; () where upstream says it all. upstream_path: path
    the backend sees for the endpoint's path, None unknown. upgrade, connection, host, origin: what the backend receives in these headers:
    "forwarded", "absent", or a literal. idle_s, lifetime_s: Setting with seconds as text. level: which block set the headers. balance:
    hash, cookie, roundrobin, … fixes: what would make the route right, one for each group of causes that one change removes.
    """

    product: str
    file: str
    line: int
    matcher: str
    serves: bool | None = None
    upstream: str = ""
    addresses: tuple[str, ...] = ()
    upstream_path: str | None = None
    upgrade: Setting | None = None
    connection: Setting | None = None
    host: Setting | None = None
    origin: Setting | None = None
    http_version: Setting | None = None
    idle_s: Setting | None = None
    lifetime_s: Setting | None = None
    balance: str = ""
    servers: int | None = None
    inheritance_lost: bool = False
    fixes: tuple[Fix, ...] = ()
