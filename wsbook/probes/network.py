"""Single questions about the network: a name, a port, the environment's proxy variables. It must not speak HTTP."""

import ipaddress
from collections.abc import Mapping

from wsbook.attempt import Family
from wsbook.errors import UsageError
from wsbook.facts import NameFacts, PortFacts, ProxyVariablesFacts
from wsbook.observation import Failure, Observation, Reason, Source, Stage, observed
from wsbook.probes.dial import connect_address
from wsbook.probes.names import Address, is_address, look_up
from wsbook.probes.stopwatch import Stop, Stopwatch, shown_time
from wsbook.target import parse_endpoint

__all__ = ["observe_proxy_variables", "probe_name", "probe_port"]

_STATES = {
    Reason.REFUSED: "refused",
    Reason.TIMEOUT: "filtered",
    Reason.RESET: "reset",
    Reason.UNREACHABLE: "unreachable",
}
_PROXY_VARIABLES = ("ws_proxy", "wss_proxy", "http_proxy", "https_proxy", "all_proxy", "socks_proxy", "no_proxy")
_APPLYING = {"ws": ("ws_proxy", "http_proxy", "all_proxy"), "wss": ("wss_proxy", "https_proxy", "all_proxy")}
_KEPT = 500


async def probe_name(host: str, *, step: str, timeout_s: float) -> Observation:
    """Ask this machine's resolver for a name; its failure says whether the name or the resolver is missing."""
    watch = Stopwatch(timeout_s)
    source = Source(step=step, probe="name")
    lookup = await look_up(host, 0, timeout_s)
    addresses = tuple((str(address.family), address.address) for address in lookup.addresses)
    failure = None
    if lookup.reason is not None:
        message = f"{host} was not resolved ({shown_time(lookup.duration_s)}): {lookup.message}"
        failure = Failure(stage="resolve", reason=lookup.reason, message=message)
    watch.add("resolve", lookup.started, lookup.duration_s, failure is None, lookup.message)
    facts = NameFacts(host=host, addresses=addresses, canonical=lookup.canonical)
    return observed(source, facts, duration_s=watch.spent_s, failure=failure, stages=tuple(watch.stages))


async def probe_port(host: str, address: str, port: int, *, step: str, timeout_s: float) -> Observation:
    """Try one TCP connection to one address; every state is an answer, filtered means none within timeout_s.

    Raises:
        UsageError: address is no IP address.
    """
    if not is_address(address):
        raise UsageError(f"address {address[:80]!r} is no IP address")
    family = Family.IPV6 if ":" in address else Family.IPV4
    sockaddr: tuple[str | int, ...] = (address, port, 0, 0) if family is Family.IPV6 else (address, port)
    watch, state = Stopwatch(timeout_s), "open"
    try:
        (await connect_address(watch, Address(family=family, address=address, sockaddr=sockaddr), timeout_s)).close()
    except Stop as stop:
        state = _STATES[stop.failure.reason]
    stage: Stage = watch.stages[0]
    facts = PortFacts(host=host, address=address, port=port, state=state, rtt_s=stage.duration_s if state in ("open", "refused") else None)
    return observed(Source(step=step, probe="port"), facts, duration_s=watch.spent_s, stages=(stage,))


def _without_credentials(value: str) -> str:
    """Return a proxy URL without user and password."""
    head, separator, tail = value.rpartition("@")
    if not separator:
        return value[:_KEPT]
    scheme = f"{head.partition('://')[0]}://" if "://" in head else ""
    return f"{scheme}{tail}"[:_KEPT]


def _is_excepted(host: str, port: int, entry: str) -> bool:
    """Tell whether one entry of no_proxy covers the host: name, domain, address, CIDR, each with an optional port, or ``*``."""
    if entry == "*":
        return True
    name, separator, wanted = entry.rpartition(":")
    if separator and wanted.isdigit() and name.count(":") == 0:
        if int(wanted) != port:
            return False
        entry = name
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass  # one of them is a name
    domain = entry.lower().removeprefix("*").lstrip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def observe_proxy_variables(url: str, environ: Mapping[str, str], *, step: str) -> Observation:
    """Report the proxy variables and whether a client that honours them would send this URL through a proxy.

    Raises:
        UsageError: the URL is no ws, wss, http or https URL.
    """
    endpoint = parse_endpoint(url)
    found = [(name, value.strip()) for name, value in environ.items() if name.lower() in _PROXY_VARIABLES and value.strip()]
    lower = {name.lower(): value for name, value in sorted(found, key=lambda item: item[0].islower())}
    proxy = next((lower[name] for name in _APPLYING["wss" if endpoint.secure else "ws"] if name in lower), "")
    exceptions = [entry.strip() for entry in lower.get("no_proxy", "").split(",") if entry.strip()]
    excepted = any(_is_excepted(endpoint.host, endpoint.port, entry) for entry in exceptions[:1000])
    shown = tuple((name, _without_credentials(value)) for name, value in sorted(found))
    facts = ProxyVariablesFacts(variables=shown, applies=bool(proxy) and not excepted)
    return observed(Source(step=step, probe="environment"), facts)
