"""Names, ports and proxy variables."""

from msgspec import Struct

__all__ = ["NameFacts", "PortFacts", "ProxyVariablesFacts"]


class NameFacts(Struct, frozen=True, kw_only=True, tag="name"):
    """What a name resolves to. addresses: (family, address) with family ipv4 or ipv6, in the resolver's order."""

    host: str
    addresses: tuple[tuple[str, str], ...] = ()
    canonical: str = ""


class PortFacts(Struct, frozen=True, kw_only=True, tag="port"):
    """One TCP port at one address. state: open, refused, filtered (no answer in time), reset, unreachable."""

    host: str
    address: str
    port: int
    state: str
    rtt_s: float | None = None


class ProxyVariablesFacts(Struct, frozen=True, kw_only=True, tag="proxy_variables"):
    """Proxy variables of the environment, credentials removed: (name, value); applies: the URL would go through one."""

    variables: tuple[tuple[str, str], ...] = ()
    applies: bool = False
