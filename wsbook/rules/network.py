"""Names, addresses, ports and forward proxies: is there a way to the port at all? (areas C of the catalogue)"""

import ipaddress
from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import NameFacts, PortFacts, ProxyVariablesFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Outcome, Reason
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import Seen, baseline, inner_hops, say
from wsbook.target import parse_endpoint

__all__ = ["judge_network"]

_INTERNAL_SUFFIXES = (".local", ".internal", ".svc", ".cluster.local", ".lan", ".docker")


def judge_network(evidence: Evidence) -> Iterator[Finding]:
    """Judge name, ports, families and forward proxy."""
    yield from _judge_name(evidence)
    yield from _judge_ports(evidence)
    yield from _judge_families(evidence)
    yield from _judge_forward_proxy(evidence)


def is_internal_name(host: str) -> bool:
    """Tell whether a host name can only be meant for the inside: one label, or a private suffix."""
    name = host.rstrip(".").lower()
    return name != "localhost" and (("." not in name and ":" not in name) or name.endswith(_INTERNAL_SUFFIXES))


def _judge_name(evidence: Evidence) -> Iterator[Finding]:
    tried = baseline(evidence)
    failed = [seen for seen, _ in evidence.of(NameFacts) if seen.failure and seen.failure.reason is Reason.NAME_NOT_FOUND]
    if tried and tried[0].failure and tried[0].failure.reason is Reason.NAME_NOT_FOUND:
        failed.append(tried[0])
    if not failed or evidence.target.endpoint is None:
        return
    host = evidence.target.endpoint.host
    proofs = [proof(seen, seen.failure.message) for seen in failed if seen.failure]
    if is_internal_name(host):
        summary = f"the endpoint names {host}, which only exists inside its own network"
        yield fault("endpoint.localhost-or-internal-address", 0.75, summary, *proofs)
    yield fault("net.dns-wrong", 0.9 if not is_internal_name(host) else 0.45, f"the name {host} does not exist", *proofs)


def _others_open(evidence: Evidence, port: int) -> list[Proof]:
    return [
        proof(seen, f"port {facts.port} is open") for seen, facts in evidence.of(PortFacts) if facts.state == "open" and facts.port != port
    ]


def _tcp_failure(evidence: Evidence) -> tuple[Seen, Reason] | None:
    tried = baseline(evidence)
    if tried and tried[0].failure and tried[0].failure.stage == "tcp" and evidence.target.forward_proxy == "":
        return tried, tried[0].failure.reason
    return None


def _judge_ports(evidence: Evidence) -> Iterator[Finding]:
    endpoint = evidence.target.endpoint
    failed = _tcp_failure(evidence)
    if endpoint is None:
        return
    if failed is None:
        opened = [(seen, facts) for seen, facts in evidence.of(PortFacts) if facts.port == endpoint.port and facts.state == "open"]
        if opened:
            yield clear(
                "net.firewall-filtered", f"port {endpoint.port} is open at {len(opened)} of its addresses", proof(opened[0][0], "open")
            )
        return
    (seen, facts), reason = failed
    inside = [name for name, (_, hop) in inner_hops(evidence) if hop.accepted]
    evident = proof(seen, say(seen, facts))
    if reason is Reason.REFUSED:
        page = evidence.target.page_url
        if endpoint.is_loopback and page and not parse_endpoint(page.partition("#")[0]).is_loopback:
            yield fault("endpoint.localhost-or-internal-address", 0.85, f"the endpoint is {endpoint.host}, the page is not", evident)
        words = f"nothing listens on {endpoint.host} port {endpoint.port}"
        yield fault(
            "net.not-listening-outside",
            0.85 if inside else 0.7,
            f"{words}: refused at once",
            evident,
            *_others_open(evidence, endpoint.port),
        )
    elif reason in (Reason.TIMEOUT, Reason.UNREACHABLE):
        others = _others_open(evidence, endpoint.port)
        confidence = 0.85 if others or inside else 0.65
        yield fault("net.firewall-filtered", confidence, f"port {endpoint.port} of {endpoint.host} does not answer", evident, *others)


def _judge_families(evidence: Evidence) -> Iterator[Finding]:
    """One family works and the other does not: dual-stack clients fail or wait."""
    endpoint = evidence.target.endpoint
    if endpoint is None:
        return
    states: dict[str, set[str]] = {}
    proofs = []
    for seen, facts in evidence.of(PortFacts):
        if facts.port == endpoint.port and facts.state != "unreachable":  # this machine may lack the family
            family = "IPv6" if ipaddress.ip_address(facts.address.partition("%")[0]).version == 6 else "IPv4"
            states.setdefault(family, set()).add(facts.state)
            proofs.append(proof(seen, f"{family} {facts.address} port {facts.port}: {facts.state}"))
    if len(states) < 2:
        return
    broken = [family for family, seen in states.items() if "open" not in seen]
    if len(broken) == 1:
        confidence = 0.75 if broken == ["IPv6"] else 0.55
        if endpoint.host == "localhost":
            yield unknown("net.ipv6", 0.3, f"localhost also means {broken[0]}, where nothing answers port {endpoint.port}", *proofs)
        else:
            summary = f"{endpoint.host} is announced over {broken[0]} too, and does not answer there"
            yield fault("net.ipv6", confidence, summary, *proofs)
    elif not broken:
        yield clear("net.ipv6", "IPv4 and IPv6 both answer", *proofs)


def _judge_forward_proxy(evidence: Evidence) -> Iterator[Finding]:
    tried = baseline(evidence)
    if tried and tried[0].failure and tried[0].failure.reason is Reason.PROXY_REFUSED:
        status = tried[1].proxy_status
        summary = f"the forward proxy answered {status} to CONNECT" if status else "the forward proxy did not open a tunnel"
        yield fault("net.corporate-proxy-blocks", 0.9, summary, proof(tried[0], tried[0].failure.message))
        return
    for seen, facts in evidence.of(ProxyVariablesFacts):
        if seen.outcome is Outcome.ANSWERED and facts.applies and tried and not tried[1].accepted and tried[1].status is None:
            names = ", ".join(name for name, _ in facts.variables)
            yield unknown(
                "net.corporate-proxy-blocks", 0.3, f"the environment names a proxy ({names}); the direct way failed", proof(seen, names)
            )
