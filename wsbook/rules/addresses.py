"""The same upgrade at every address of one name: which one fails where the others work (area C)."""

from collections.abc import Iterator
from itertools import groupby

from wsbook.attempt import ONE_ADDRESS
from wsbook.evidence import Evidence
from wsbook.finding import Finding, Proof
from wsbook.observation import Reason
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import GATEWAY, Seen, say

__all__ = ["judge_addresses"]

_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED; openssl-verification-options(1)
_REFUSES_MORE = frozenset({429})
"""Says that we came too often, not that the address is bad."""


def judge_addresses(evidence: Evidence) -> Iterator[Finding]:
    """Judge the attempts that dialled one address each."""
    tried = {
        address: seen
        for seen in evidence.upgrades
        if seen[0].source.hop == "endpoint" and (address := _address(seen)) and seen[1].status not in _REFUSES_MORE
    }
    unseen = [address for address, seen in tried.items() if _is_without_route(seen)]
    if unseen and len(unseen) < len(tried):
        proofs = [proof(tried[address][0], f"{address}: {say(*tried[address])}") for address in unseen]
        summary = f"this machine has no route to {', '.join(unseen[:3])}: whether the upgrade works there is not known"
        yield unknown("net.ipv6", 0.1, summary, *proofs)
        tried = {address: seen for address, seen in tried.items() if address not in unseen}
    if len(tried) < 2:
        return
    good = [address for address, seen in tried.items() if seen[1].accepted]
    bad = [address for address in tried if address not in good]
    proofs = [proof(seen[0], f"{address}: {say(*seen)}") for address, seen in tried.items()]
    host = evidence.target.endpoint.host if evidence.target.endpoint else "the name"
    if not bad:
        yield clear("net.dns-wrong", f"all {len(good)} addresses of {host} accept the upgrade", *proofs)
    elif good:
        yield from _judge_split(host, tried, good, bad, proofs)
    elif odd := _odd_one(tried):
        summary = f"{odd} fails in another way than the other addresses of {host}: {say(*tried[odd])}"
        yield unknown("net.dns-wrong", 0.35, summary, *proofs)


def _is_without_route(seen: Seen) -> bool:
    """Whether the attempt got nowhere for want of a route, as on a machine without IPv6: nothing was asked then."""
    return seen[0].failure is not None and seen[0].failure.reason is Reason.UNREACHABLE


def _address(seen: Seen) -> str:
    label = next((label for label in seen[0].source.changed if label.startswith(ONE_ADDRESS)), "")
    return label.removeprefix(ONE_ADDRESS)


def _family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def _judge_split(host: str, tried: dict[str, Seen], good: list[str], bad: list[str], proofs: list[Proof]) -> Iterator[Finding]:
    """Some addresses work: is it a family that fails, or a single place?"""
    families = {_family(address) for address in bad}
    shown = ", ".join(f"{address} ({say(*tried[address])})" for address in bad[:3])
    summary = f"{len(bad)} of {len(tried)} addresses of {host} fail: {shown}"
    if len(families) == 1 and not families & {_family(address) for address in good}:
        family = families.pop()
        if host == "localhost":
            words = f"localhost also means {family}, where the upgrade fails: {shown}"
            yield unknown("net.ipv6", 0.3, words, *proofs)
        else:
            yield fault("net.ipv6", 0.8 if family == "IPv6" else 0.55, f"{host} works over the other family only; {summary}", *proofs)
    elif all(_has_old_certificate(tried[address]) for address in bad):
        yield fault("tls.cert-expired", 0.9, f"one place behind the name still shows an old certificate: {summary}", *proofs)
    elif all(tried[address][1].status in GATEWAY for address in bad):
        yield fault("proxy.upstream-unreachable", 0.75, f"one place behind the name is broken: {summary}", *proofs)
    else:
        yield fault("net.dns-wrong", 0.8, f"one place behind the name is broken or no longer it: {summary}", *proofs)


def _has_old_certificate(seen: Seen) -> bool:
    failure, tls = seen[0].failure, seen[1].tls
    return failure is not None and failure.reason is Reason.CERTIFICATE and tls is not None and tls.verify_code == _EXPIRED


def _odd_one(tried: dict[str, Seen]) -> str:
    """Return the one address that fails unlike all others, "" when there is none or it takes two to differ."""
    kinds = sorted((str(seen[1].status or (seen[0].failure and seen[0].failure.reason)), address) for address, seen in tried.items())
    groups = [[address for _, address in group] for _, group in groupby(kinds, key=lambda entry: entry[0])]
    alone = [group[0] for group in groups if len(group) == 1]
    return alone[0] if len(alone) == 1 and len(groups) == 2 and len(tried) > 2 else ""
