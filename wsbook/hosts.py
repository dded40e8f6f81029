"""What a host means by its name or address alone: this machine, an inner network, or the public internet. Resolves nothing."""

import ipaddress
import re

__all__ = ["is_inner", "is_inner_address", "is_inner_name", "is_own_machine"]

_INNER = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
)
"""RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291. Addresses for examples (RFC 5737, RFC 3849) stand for public ones."""
_SUFFIXES = (".local", ".internal", ".svc", ".cluster.local", ".lan", ".docker", ".localdomain", ".home", ".home.arpa")
"""Names that no public resolver knows (RFC 6762, RFC 8375, ICANN's .internal) or that container networks give."""
_STANDS_FOR_A_NAME = re.compile(
    r"some(?:thing|where|host|server|domain)|x{2,}|(?:my|your)[-_]?(?:\w+[-_])*(?:host|server|domain|site|url|ip)|hostname|domain|foo|bar"
)
"""What people write where they hide or leave open the real name; nobody dials it."""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def is_own_machine(host: str) -> bool:
    """Tell whether a host means the machine that asks: localhost (RFC 6761), a loopback address, or the unspecified one."""
    address = _address(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def is_inner_name(host: str) -> bool:
    """Tell whether a name can only be meant for an inner network: one label, or a suffix that is not public."""
    name = host.rstrip(".").lower()
    if not name or _STANDS_FOR_A_NAME.fullmatch(name) or _address(name) is not None or is_own_machine(name):
        return False
    return "." not in name or name.endswith(_SUFFIXES)


def is_inner_address(host: str) -> bool:
    """Tell whether a host is an address of a private network."""
    address = _address(host)
    return address is not None and any(address in network for network in _INNER if network.version == address.version)


def is_inner(host: str) -> bool:
    """Tell whether only an inner network knows a host."""
    return is_inner_name(host) or is_inner_address(host)
