"""Ports and address families: who closes the way to the endpoint's port, and is it the same over IPv4 and IPv6? (area C)"""

import ipaddress
from collections.abc import Iterator

from msgspec import Struct

from wsbook.evidence import Evidence
from wsbook.facts import THIS_MACHINE, PortFacts
from wsbook.finding import Finding, Proof
from wsbook.hosts import is_inner_address
from wsbook.observation import Observation, Reason
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import Seen, baseline, inner_hops, say
from wsbook.target import Endpoint, parse_endpoint
from wsbook.words import duration_text

__all__ = ["family", "judge_ports", "says"]

_SLOW_S = 0.9
"""The first SYN is sent again after a second (RFC 6298 section 2.1); an answer that late belongs to the second one."""


class _Ways(Struct, frozen=True, kw_only=True):
    """What the ports showed. own: the endpoint's port at the endpoint's addresses; beside: its other ports there; elsewhere: the own
    port at other addresses of this machine, tried when the endpoint is this machine. Without what this machine itself cannot reach."""

    own: list[tuple[Observation, PortFacts]]
    beside: list[tuple[Observation, PortFacts]]
    elsewhere: list[tuple[Observation, PortFacts]]
    unseen: list[tuple[Observation, PortFacts]]


def judge_ports(evidence: Evidence) -> Iterator[Finding]:
    """Judge the states of the ports, with the direct test's failure to connect where there is one."""
    endpoint = evidence.target.endpoint
    if endpoint is None or evidence.target.forward_proxy:  # clients that use a proxy never go this way
        return
    ways = _ways(evidence, endpoint)
    failed = _tcp_failure(evidence)
    if failed is None and (any(facts.state == "open" for _, facts in ways.own) or not ways.own or baseline(evidence)):
        yield from _judge_open(evidence, endpoint, ways)
    else:
        yield from _judge_closed(evidence, endpoint, ways, failed)
    yield from _judge_families(evidence, endpoint, ways)


def family(address: str) -> str:
    """Return IPv4 or IPv6."""
    return f"IPv{ipaddress.ip_address(address.partition('%')[0]).version}"


def says(facts: PortFacts) -> str:
    """Return the state of a port in words: who said so, and how fast."""
    took = f" after {duration_text(facts.rtt_s)}" if facts.rtt_s is not None else ""
    how = f" ({facts.how})" if facts.how else ""
    return f"{facts.address} port {facts.port} {facts.state}{took}{how}{f', then {facts.afterwards}' if facts.afterwards else ''}"


def _is_unseen(facts: PortFacts) -> bool:
    """Whether this machine itself had no way there, as without IPv6: nothing was asked then."""
    return facts.state == "unreachable" and facts.by in ("", THIS_MACHINE)


def _ways(evidence: Evidence, endpoint: Endpoint) -> _Ways:
    found = list(evidence.of(PortFacts))
    seen = [entry for entry in found if not _is_unseen(entry[1])]
    named = [entry for entry in seen if entry[1].host == endpoint.host]
    return _Ways(
        own=[entry for entry in named if entry[1].port == endpoint.port],
        beside=[entry for entry in named if entry[1].port != endpoint.port],
        elsewhere=[entry for entry in seen if entry[1].host != endpoint.host and entry[1].port == endpoint.port],
        unseen=[entry for entry in found if _is_unseen(entry[1]) and entry[1].host == endpoint.host],
    )


def _tcp_failure(evidence: Evidence) -> tuple[Seen, Reason] | None:
    """Return the direct test that did not connect, and why."""
    tried = baseline(evidence)
    if tried and tried[0].failure and tried[0].failure.stage == "tcp":
        return tried, tried[0].failure.reason
    return None


def _proofs(entries: list[tuple[Observation, PortFacts]]) -> list[Proof]:
    return [proof(seen, says(facts)) for seen, facts in entries]


def _open(entries: list[tuple[Observation, PortFacts]]) -> list[tuple[Observation, PortFacts]]:
    return [entry for entry in entries if entry[1].state == "open"]


# Open


def _judge_open(evidence: Evidence, endpoint: Endpoint, ways: _Ways) -> Iterator[Finding]:
    opened = _open(ways.own)
    if not opened:
        return
    tried = baseline(evidence)
    ended = [entry for entry in opened if entry[1].afterwards in ("closed", "reset")]
    late = [entry for entry in opened if entry[1].retries and (entry[1].rtt_s or 0) >= _SLOW_S]
    if len(ended) == len(opened) and tried and tried[1].status is None and not tried[1].accepted:
        yield _taken_and_ended(endpoint, ended)
    elif late:
        again = f"only after {duration_text(late[0][1].rtt_s)} and {late[0][1].retries} more SYN"
        words = f"port {endpoint.port} answers {again}: packets are lost"
        yield unknown("load.kernel-network-limits", 0.25, f"{words}, or its queue of new connections is full", *_proofs(late))
    else:
        words = f"port {endpoint.port} is open at {len(opened)} of its addresses"
        yield clear("net.firewall-filtered", words, proof(opened[0][0], says(opened[0][1])))


def _taken_and_ended(endpoint: Endpoint, ended: list[tuple[Observation, PortFacts]]) -> Finding:
    """Somebody accepts in the application's place and finds nobody behind: a published container port, a balancer without targets."""
    how = ended[0][1].afterwards
    words = f"port {endpoint.port} takes the connection and has it {how} at once, before anything is said: nothing listens behind it"
    return fault("net.not-listening-outside", 0.6, words, *_proofs(ended))


# Closed


def _judge_closed(evidence: Evidence, endpoint: Endpoint, ways: _Ways, failed: tuple[Seen, Reason] | None) -> Iterator[Finding]:
    evident = [proof(failed[0][0], say(*failed[0]))] if failed else []
    if failed and (opened := _open(ways.own)):
        words = f"port {endpoint.port} of {endpoint.host} did not connect in the direct test and did a moment later"
        yield unknown("net.firewall-filtered", 0.4, words, *evident, *_proofs(opened))
        return
    states = {facts.state for _, facts in ways.own}
    rejected = [entry for entry in ways.own if entry[1].state == "rejected"]
    if rejected:
        words = f"port {endpoint.port} of {endpoint.host} is forbidden: {rejected[0][1].by} says so by ICMP, which a packet filter does"
        yield fault("net.firewall-filtered", 0.92, words, *evident, *_proofs(rejected), *_proofs(_open(ways.beside)))
    elif (failed and failed[1] is Reason.REFUSED) or (not failed and "refused" in states):
        yield from _judge_refused(evidence, endpoint, ways, evident)
    elif (failed and failed[1] is Reason.TIMEOUT) or "filtered" in states:
        yield from _judge_silence(evidence, endpoint, ways, evident)
    elif (failed and failed[1] is Reason.RESET) or "reset" in states:
        words = f"port {endpoint.port} of {endpoint.host} is reset while connecting, which no TCP without a listener does"
        yield fault("net.firewall-filtered", 0.5, words, *evident, *_proofs(ways.own[:3]))
    elif (failed and failed[1] is Reason.UNREACHABLE) or ways.unseen:
        yield from _judge_unreachable(evidence, endpoint, ways, evident)


def _inside(evidence: Evidence) -> list[str]:
    return [name for name, (_, hop) in inner_hops(evidence) if hop.accepted]


def _judge_refused(evidence: Evidence, endpoint: Endpoint, ways: _Ways, evident: list[Proof]) -> Iterator[Finding]:
    page, inside = evidence.target.page_url, _inside(evidence)
    if endpoint.is_loopback and page and not parse_endpoint(page.partition("#")[0]).is_loopback:
        yield fault("endpoint.localhost-or-internal-address", 0.85, f"the endpoint is {endpoint.host}, the page is not", *evident)
    elsewhere = _open(ways.elsewhere)
    if elsewhere and _is_other_loopback([facts.address for _, facts in ways.own] or [endpoint.host], elsewhere):
        yield _other_loopback(endpoint, ways, elsewhere, evident)
    words = f"nothing listens on {endpoint.host} port {endpoint.port}: refused at once"
    if elsewhere:
        words += f", while {elsewhere[0][1].address} of the same machine has it open"
    yield fault(
        "net.not-listening-outside",
        0.92 if elsewhere else 0.85 if inside else 0.7,
        words,
        *evident,
        *_proofs(ways.own[:2]),
        *_proofs(elsewhere),
        *_proofs(_open(ways.beside)),
    )


def _is_other_loopback(own: list[str], elsewhere: list[tuple[Observation, PortFacts]]) -> bool:
    """Whether the endpoint means the loopback address of one family, and the port is open at that of the other only."""
    try:
        mine = {family(address) for address in own if ipaddress.ip_address(address).is_loopback}
    except ValueError:  # a name that was not resolved
        return False
    return len(mine) == 1 and not mine & {family(facts.address) for _, facts in elsewhere}


def _other_loopback(endpoint: Endpoint, ways: _Ways, elsewhere: list[tuple[Observation, PortFacts]], evident: list[Proof]) -> Finding:
    """The two loopback addresses are two places: a server that binds one is not at the other."""
    there = elsewhere[0][1].address
    words = f"port {endpoint.port} is refused at {endpoint.host} and open at {there}: the server binds {family(there)} only"
    return fault("net.ipv6", 0.95, words, *evident, *_proofs(ways.own[:2]), *_proofs(elsewhere))


def _judge_silence(evidence: Evidence, endpoint: Endpoint, ways: _Ways, evident: list[Proof]) -> Iterator[Finding]:
    inside, answering = _inside(evidence), [entry for entry in ways.beside if entry[1].state in ("open", "refused")]
    words = f"port {endpoint.port} of {endpoint.host} does not answer"
    proofs = [*evident, *_proofs(ways.own[:3])]
    if answering:
        shown = ", ".join(dict.fromkeys(f"port {facts.port} is {facts.state}" for _, facts in answering[:3]))
        yield fault(
            "net.firewall-filtered", 0.9, f"{words}, while {shown} there: only this port is dropped", *proofs, *_proofs(answering[:3])
        )
        return
    if inside:
        words += f", while {inside[0]} accepts the upgrade from inside"
    elif ways.beside:
        tried = ", ".join(str(port) for port in sorted({facts.port for _, facts in ways.beside}))
        words += f", nor does port {tried}: everything is dropped, or no machine has this address"
    yield fault("net.firewall-filtered", 0.85 if inside else 0.65, words, *proofs, *_proofs(ways.beside[:2]))
    if inside and _is_private_hop(evidence):
        words = f"a machine in the application's own network may get no answer from {endpoint.host}: routers without hairpin NAT drop that"
        yield unknown("net.dns-wrong", 0.35, words, *proofs)
    elif ways.beside and not endpoint.is_loopback:
        yield unknown("net.dns-wrong", 0.3, f"no port of {endpoint.host} answers: its address may be an old one", *_proofs(ways.beside[:2]))


def _is_private_hop(evidence: Evidence) -> bool:
    """Whether a hop that answers has an address that only its own network knows."""
    hosts = [parse_endpoint(hop.url) for hop in evidence.target.hops if hop.name in _inside(evidence)]
    return any(is_inner_address(host.host) for host in hosts)


def _judge_unreachable(evidence: Evidence, endpoint: Endpoint, ways: _Ways, evident: list[Proof]) -> Iterator[Finding]:
    told = [entry for entry in ways.own if entry[1].state == "unreachable"]
    if told:
        by = told[0][1].by
        words = f"no way to {endpoint.host} port {endpoint.port}: {by} says by ICMP that it cannot be reached"
        yield fault("net.firewall-filtered", 0.6, words, *evident, *_proofs(told))
        yield unknown("net.dns-wrong", 0.35, f"{words}: the address may be an old one", *_proofs(told))
    elif ways.unseen and all(facts.by == THIS_MACHINE and ":" not in facts.address for _, facts in ways.unseen):
        words = f"nobody on the way answers for {endpoint.host}: no machine has its address, or it is switched off"
        yield fault("net.firewall-filtered", 0.5, words, *evident, *_proofs(ways.unseen[:3]))
        yield unknown("net.dns-wrong", 0.35, f"{words}; the address may be an old one", *_proofs(ways.unseen[:1]))
    elif ways.unseen:
        addresses = ", ".join(dict.fromkeys(facts.address for _, facts in ways.unseen))
        words = f"this machine has no way to {addresses[:120]}: whether {endpoint.host} answers there is not known"
        only_six = all(":" in facts.address for _, facts in ways.unseen)
        yield unknown("net.ipv6" if only_six else "net.firewall-filtered", 0.4, words, *evident, *_proofs(ways.unseen[:3]))
    else:
        words = f"port {endpoint.port} of {endpoint.host} does not answer"
        yield fault("net.firewall-filtered", 0.85 if _inside(evidence) else 0.65, words, *evident)


# Families


def _judge_families(evidence: Evidence, endpoint: Endpoint, ways: _Ways) -> Iterator[Finding]:
    """One family works and the other does not: dual-stack clients fail or wait."""
    states: dict[str, set[str]] = {}
    for _, facts in ways.own:
        states.setdefault(family(facts.address), set()).add(facts.state)
    if len(states) < 2:
        return
    broken, proofs = [name for name, seen in states.items() if "open" not in seen], _proofs(ways.own)
    if len(broken) == 1:
        how = " and ".join(sorted(states[broken[0]]))
        if endpoint.host == "localhost":
            yield unknown("net.ipv6", 0.3, f"localhost also means {broken[0]}, where port {endpoint.port} is {how}", *proofs)
        else:
            words = f"{endpoint.host} is announced over {broken[0]} too, where port {endpoint.port} is {how}"
            yield fault("net.ipv6", 0.75 if broken == ["IPv6"] else 0.55, words, *proofs)
    elif not broken:
        yield clear("net.ipv6", "IPv4 and IPv6 both answer", *proofs)
