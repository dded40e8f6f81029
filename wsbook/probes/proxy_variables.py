"""The proxy variables of the environment, and whether a program that honours them goes through one. It dials nothing."""

import ipaddress
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from wsbook.facts import ProxyVariablesFacts
from wsbook.observation import Observation, Source, observed
from wsbook.target import Endpoint, parse_endpoint

__all__ = ["observe_proxy_variables", "proxy_from"]

_NAMES = ("ws_proxy", "wss_proxy", "http_proxy", "https_proxy", "all_proxy", "socks_proxy", "no_proxy")
_APPLYING = {
    "ws": ("ws_proxy", "http_proxy", "all_proxy", "socks_proxy"),
    "wss": ("wss_proxy", "https_proxy", "all_proxy", "socks_proxy"),
}
"""What programs look at, the first that is set: those that know ws as a scheme, those that take it for http, and the rest."""
_KEPT = 500
_MOST = 1000
_SEPARATORS = re.compile(r"[,\s;]+")
_THIS_MACHINE = "loopback addresses"
_LOCAL = "<local>"
"""Windows' word for names without a dot."""


def _without_credentials(value: str) -> str:
    """Return a proxy URL without user and password."""
    head, separator, tail = value.rpartition("@")
    if not separator:
        return value[:_KEPT]
    scheme = f"{head.partition('://')[0]}://" if "://" in head else ""
    return f"{scheme}{tail}"[:_KEPT]


def _split_port(entry: str) -> tuple[str, str]:
    """Return (host, port or "") of an entry; an IPv6 address has a port only behind brackets."""
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
        return host, port.removeprefix(":")
    host, separator, port = entry.rpartition(":")
    return (host, port) if separator and port.isdigit() and ":" not in host else (entry, "")


def _covers_address(host: str, name: str) -> bool | None:
    """Tell whether an address or a network in CIDR covers the host, None when one of them is a name."""
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return None


def _is_excepted(endpoint: Endpoint, entry: str) -> bool:
    """Tell whether one entry of no_proxy covers the host: name, domain, pattern, address, CIDR, each with an optional port, or ``*``."""
    name, port = _split_port(entry.lower())
    if port and port != str(endpoint.port):
        return False
    if name == _LOCAL:
        return "." not in endpoint.host and ":" not in endpoint.host
    if (covered := _covers_address(endpoint.host, name)) is not None:
        return covered
    if "*" in name.lstrip("*."):
        return fnmatchcase(endpoint.host, name)
    domain = name.removeprefix("*").lstrip(".")
    return name == "*" or (bool(domain) and (endpoint.host == domain or endpoint.host.endswith(f".{domain}")))


def _exception(endpoint: Endpoint, entries: str) -> str:
    """Return what keeps the host from the proxy: an entry, or that it is this machine, which browsers never ask a proxy for."""
    if endpoint.is_loopback:
        return _THIS_MACHINE
    listed = [entry for entry in _SEPARATORS.split(entries) if entry][:_MOST]
    return next((entry for entry in listed if _is_excepted(endpoint, entry)), "")


def _chosen(url: str, environ: Mapping[str, str]) -> tuple[list[tuple[str, str]], str, str, str]:
    """Return (variables, name of the one that would apply, its value, the entry of no_proxy that excepts the host).

    Of two spellings the lower-case one counts.
    """
    endpoint = parse_endpoint(url)
    found = sorted((name, value.strip()) for name, value in environ.items() if name.lower() in _NAMES and value.strip())
    spelt = {name.lower(): (name, value) for name, value in sorted(found, key=lambda item: item[0].islower())}
    applying = _APPLYING["wss" if endpoint.secure else "ws"]
    variable, proxy = next((spelt[name] for name in applying if name in spelt), ("", ""))
    return found, variable, proxy, _exception(endpoint, spelt.get("no_proxy", ("", ""))[1])


def proxy_from(url: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return (variable, proxy URL with its credentials) that applies to a URL; two empty texts when none does.

    Raises:
        UsageError: the URL is no ws, wss, http or https URL.
    """
    _, variable, proxy, excepted = _chosen(url, environ)
    if not proxy or excepted:
        return "", ""
    return variable, proxy if "://" in proxy else f"http://{proxy}"


def observe_proxy_variables(url: str, environ: Mapping[str, str], *, step: str) -> Observation:
    """Report the proxy variables and whether a client that honours them would send this URL through a proxy.

    Raises:
        UsageError: the URL is no ws, wss, http or https URL.
    """
    found, variable, proxy, excepted = _chosen(url, environ)
    applies = bool(proxy) and not excepted
    facts = ProxyVariablesFacts(
        variables=tuple((name, _without_credentials(value)) for name, value in found),
        applies=applies,
        proxy=_without_credentials(proxy) if applies else "",
        variable=variable if applies else "",
        excepted=excepted if proxy else "",
    )
    return observed(Source(step=step, probe="environment"), facts)
