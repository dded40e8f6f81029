"""The endpoint's name: does it exist, and do its addresses make sense? (area C of the catalogue)"""

import ipaddress
from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import NameFacts, PortFacts
from wsbook.finding import Finding
from wsbook.hosts import is_inner_address, is_inner_name
from wsbook.observation import Reason
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import baseline, say

__all__ = ["judge_network"]


def judge_network(evidence: Evidence) -> Iterator[Finding]:
    """Judge the endpoint's name and the addresses that it has."""
    yield from _judge_name(evidence)
    yield from _judge_silent_resolver(evidence)
    yield from _judge_meaningless(evidence)


def _judge_name(evidence: Evidence) -> Iterator[Finding]:
    tried = baseline(evidence)
    failed = [seen for seen, _ in evidence.of(NameFacts) if seen.failure and seen.failure.reason is Reason.NAME_NOT_FOUND]
    if tried and tried[0].failure and tried[0].failure.reason is Reason.NAME_NOT_FOUND:
        failed.append(tried[0])
    if not failed or evidence.target.endpoint is None or _resolves_elsewhere(evidence):
        return
    host = evidence.target.endpoint.host
    proofs = [proof(seen, seen.failure.message) for seen in failed if seen.failure]
    if is_inner_name(host):
        summary = f"the endpoint names {host}, which only exists inside its own network"
        yield fault("endpoint.localhost-or-internal-address", 0.75, summary, *proofs)
    yield fault("net.dns-wrong", 0.9 if not is_inner_name(host) else 0.45, f"the name {host} does not exist", *proofs)


def _resolves_elsewhere(evidence: Evidence) -> bool:
    """Whether a forward proxy resolves the name in this machine's place: behind one, public names are often not known."""
    return bool(evidence.target.forward_proxy)


def _judge_silent_resolver(evidence: Evidence) -> Iterator[Finding]:
    """No answer about the name is not the answer that there is none."""
    failed = [seen for seen, _ in evidence.of(NameFacts) if seen.failure and seen.failure.reason is Reason.NAME_FAILED]
    if failed and failed[0].failure and not _connects(evidence) and not _resolves_elsewhere(evidence):
        words = failed[0].failure.message[:300] or "nobody answered the question for the name"
        yield unknown("net.dns-wrong", 0.45, words, proof(failed[0], words))


def _connects(evidence: Evidence) -> bool:
    """Whether the direct test found the peer: then a resolver's lapse is over."""
    tried = baseline(evidence)
    return tried is not None and (tried[0].failure is None or tried[0].failure.stage not in ("resolve", "tcp"))


def _is_nobodys(address: str) -> bool:
    """Tell the unspecified address, which filtering resolvers and hosts files give for names that shall not be reached."""
    return ipaddress.ip_address(address.partition("%")[0]).is_unspecified


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _judge_meaningless(evidence: Evidence) -> Iterator[Finding]:
    """A public name with the address of nobody, or of a private network that does not answer."""
    endpoint, tried = evidence.target.endpoint, baseline(evidence)
    if endpoint is None or endpoint.is_loopback or _connects(evidence) or is_inner_name(endpoint.host):
        return
    for seen, facts in evidence.of(NameFacts):
        if not facts.addresses or facts.host != endpoint.host or _is_literal(facts.host):
            continue
        addresses = [address for _, address in facts.addresses]
        shown = ", ".join(addresses[:3])
        evident = [proof(seen, f"{facts.host} is {shown}"), *([proof(tried[0], say(*tried))] if tried else [])]
        if all(_is_nobodys(address) for address in addresses):
            words = f"{facts.host} resolves to {shown}, which is nobody's address: a hosts file or a filtering resolver says so"
            yield fault("net.dns-wrong", 0.93, words, *evident)
        elif all(map(_is_loopback, addresses)):
            words = (
                f"{facts.host} resolves to {shown}, this machine, where nothing answers: right for development, a wrong record elsewhere"
            )
            yield unknown("net.dns-wrong", 0.45, words, *evident)
        elif all(map(is_inner_address, addresses)) and _all_silent(evidence):
            words = f"{facts.host} resolves to {shown}, which is a private address, and nothing answers there from here"
            yield unknown("net.dns-wrong", 0.4, words, *evident)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _all_silent(evidence: Evidence) -> bool:
    states = {facts.state for _, facts in evidence.of(PortFacts)}
    return bool(states) and states <= {"filtered", "unreachable"}
