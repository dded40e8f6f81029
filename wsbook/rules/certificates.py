"""What is wrong with a certificate that was not accepted: which one of the chain, and why (area D)."""

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

from wsbook.attempt import OTHER_PORT, UNVERIFIED
from wsbook.evidence import Evidence
from wsbook.facts import Certificate, TlsFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown

__all__ = ["judge_accepted", "judge_certificate"]

_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_*; openssl-verification-options(1)
_SELF_SIGNED = frozenset({18, 19})
_INCOMPLETE = frozenset({2, 20, 21})
_HOSTNAME = frozenset({62, 64})
_SOON_DAYS = 7


def judge_certificate(evidence: Evidence, seen: Observation, tls: TlsFacts, endpoint: str) -> Iterator[Finding]:
    """Judge a certificate that OpenSSL refused. endpoint: host and port as people write them."""
    proofs = [*([proof(seen, seen.failure.message)] if seen.failure else []), *_chain_proofs(seen, tls)]
    proofs += [*_works_unverified(evidence), *_beside_proofs(evidence, tls)]
    code = tls.verify_code
    if code in (_NOT_YET_VALID, _EXPIRED):
        yield _judge_dates(evidence, seen, tls, endpoint, proofs)
    elif code in _HOSTNAME:
        yield fault("tls.hostname-mismatch", 0.96, _name_words(tls, endpoint), *proofs)
    elif code in _SELF_SIGNED:
        yield fault("tls.self-signed", 0.93, _self_signed_words(tls, endpoint), *proofs)
    elif code in _INCOMPLETE:
        yield from _judge_issuer(tls, endpoint, proofs)
    else:
        yield fault("tls.self-signed", 0.4, f"the certificate of {endpoint} is not accepted: {tls.verify_message[:80]}", *proofs)


def _works_unverified(evidence: Evidence) -> list[Proof]:
    tried = evidence.attempts(changed=UNVERIFIED)
    return [proof(seen, "accepted with 101 when the certificate is not checked") for seen, facts in tried if facts.accepted]


def _chain_proofs(seen: Observation, tls: TlsFacts) -> list[Proof]:
    return [
        proof(seen, f"certificate {number} of {len(tls.chain)}: {one.subject}, issued by {one.issuer}, valid to {one.not_after[:10]}")
        for number, one in enumerate(tls.chain, start=1)
        if len(tls.chain) > 1
    ]


def _beside_proofs(evidence: Evidence, tls: TlsFacts) -> list[Proof]:
    """Return what port 443 shows: another process may serve another certificate, and an exception there does not count here."""
    found = []
    for seen, other in evidence.of(TlsFacts, where=lambda entry: OTHER_PORT in entry.source.changed):
        same = bool(tls.chain and other.chain) and tls.chain[0].fingerprint == other.chain[0].fingerprint
        shown = "the same certificate" if same else f"{other.subject}, issued by {other.issuer}, valid to {other.not_after[:10]}"
        found.append(proof(seen, f"port 443 shows {shown}"))
    return found


# Dates


def _moment(stamp: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _is_past(stamp: str, at: datetime) -> bool:
    moment = _moment(stamp)
    return moment is not None and moment < at


def _sent(tls: TlsFacts) -> tuple[Certificate, ...]:
    """Return the chain; of facts without one, the leaf."""
    leaf = Certificate(subject=tls.subject, issuer=tls.issuer, names=tls.names, not_before=tls.not_before, not_after=tls.not_after)
    return tls.chain or (leaf,)


def _judge_dates(evidence: Evidence, seen: Observation, tls: TlsFacts, endpoint: str, proofs: list[Proof]) -> Finding:
    """Name the certificate whose dates are wrong: the leaf, one that is sent with it, or one in the trust store of this machine."""
    at, early = seen.observed_at, tls.verify_code == _NOT_YET_VALID
    chain = _sent(tls)
    wrong = [n for n, one in enumerate(chain) if (not _is_past(one.not_before, at) if early else _is_past(one.not_after, at))]
    word, date = ("is not valid before", tls.not_before) if early else ("expired on", tls.not_after)
    if not wrong and len(chain) > 1:
        summary = f"an issuer of the certificate of {endpoint} {word.split(' on')[0]}, and is none of the {len(chain)} that it sends"
        return fault("tls.cert-expired", 0.8, f"{summary}: the trust store of this machine holds it", *proofs)
    if wrong and wrong[0] > 0:
        one = chain[wrong[0]]
        date = one.not_before if early else one.not_after
        summary = (
            f"{endpoint} sends along the issuer {_short(one.subject)}, which {word} {date[:10]}; its own is valid to {tls.not_after[:10]}"
        )
        return fault("tls.cert-expired", 0.95, summary, *proofs)
    summary = f"the certificate of {endpoint} {word} {date[:10]}"
    newer = _newer_beside(evidence, tls)
    if newer is not None:
        summary += f", while port 443 serves one valid to {newer.not_after[:10]}: this process still holds the old one"
    return fault("tls.cert-expired", 0.98 if newer else 0.97, summary, *proofs)


def _newer_beside(evidence: Evidence, tls: TlsFacts) -> TlsFacts | None:
    """Return what port 443 of the host shows, when that is another certificate for the same names that ends later."""
    for _, other in evidence.of(TlsFacts, where=lambda entry: OTHER_PORT in entry.source.changed):
        if other.not_after > tls.not_after and set(other.names) & set(tls.names):
            return other
    return None


def judge_accepted(seen: Observation, tls: TlsFacts) -> Iterator[Finding]:
    """Judge a certificate that was accepted here: is it so for others, and for how long?"""
    names = ", ".join(tls.names[:3]) or tls.subject
    evident = proof(seen, f"issuer {tls.issuer}, valid to {tls.not_after}")
    old = [one for one in tls.chain[1:] if _is_past(one.not_after, seen.observed_at)]
    end = _moment(tls.not_after)
    days = (end - seen.observed_at).days if end else None
    if old:
        summary = f"the chain holds {_short(old[0].subject)}, which expired on {old[0].not_after[:10]}: accepted here, not by older clients"
        yield unknown("tls.cert-expired", 0.35, summary, evident)
    elif days is not None and 0 <= days < _SOON_DAYS:
        yield unknown("tls.cert-expired", 0.3, f"the certificate for {names} ends in {days} days, on {tls.not_after[:10]}", evident)
    else:
        yield clear("tls.cert-expired", f"{tls.version} with a certificate for {names}, valid to {tls.not_after[:10]}", evident)


# Names


def _name_words(tls: TlsFacts, endpoint: str) -> str:
    shown = ", ".join(tls.names[:4]) or tls.subject or "nobody"
    return f"the certificate of {endpoint} is for {shown}{_why_not(tls.names, endpoint)}"


def _why_not(names: tuple[str, ...], endpoint: str) -> str:
    """Return the rule of RFC 9525 section 6.3 that a near miss runs into, "" for names that are simply others."""
    host = endpoint.rpartition(":")[0].strip("[]") if endpoint.rpartition(":")[2].isdigit() else endpoint.strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        deeper = [name for name in names if name.startswith("*.") and host.endswith(name[1:])]
        if deeper:
            return f"; a wildcard covers one label, and {host} has more"
        return f"; {names[0]} itself is not covered by its wildcard" if f"*.{host}" in names else ""
    return "; an address needs an IP entry" if not any(_is_address(name) for name in names) else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


# Issuers


def _short(name: str) -> str:
    """Return the common name of a distinguished name, or its beginning."""
    common = next((part[3:] for part in name.split(",") if part.startswith("CN=")), "")
    return (common or name)[:80]


def _self_signed_words(tls: TlsFacts, endpoint: str) -> str:
    if tls.verify_code == 19 and tls.chain:
        return f"the certificate of {endpoint} leads to {_short(tls.chain[-1].subject)}, an authority that is not trusted here"
    return f"the certificate of {endpoint} is issued by {tls.issuer or 'itself'}, which is not trusted"


def _judge_issuer(tls: TlsFacts, endpoint: str, proofs: list[Proof]) -> Iterator[Finding]:
    """No trusted issuer was found. Either one between leaf and root is missing, or the authority is a private one: the likelier is named.

    A public authority writes into each certificate where its issuer can be fetched (AIA), a private one seldom does.
    """
    chain = _sent(tls)
    gap = next((n for n, (one, after) in enumerate(pairwise(chain)) if one.issuer != after.subject), None)
    last = chain[gap if gap is not None else -1]
    missing = _short(last.issuer) or "its issuer"
    if last.subject == last.issuer:
        incomplete, words = 0.4, f"the certificate of {endpoint} is its own issuer"
    elif gap is not None:
        incomplete, words = 0.85, f"{endpoint} sends {len(chain)} certificates that do not belong together: {missing} is missing"
    elif len(chain) == 1:
        incomplete = 0.88 if last.issuer_url else 0.6
        words = f"{endpoint} sends its own certificate only; that of its issuer {missing} is missing"
    else:
        incomplete = 0.6 if last.issuer_url else 0.4
        words = f"{endpoint} sends {len(chain)} certificates, and none of this machine's authorities is {missing}"
    if last.issuer_url:
        words += f" (offered at {last.issuer_url[:80]})"
    private = 0.6 if incomplete < 0.5 else 0.4 if incomplete < 0.7 else 0.15
    is_gap = incomplete > private
    yield (fault if is_gap else unknown)("tls.incomplete-chain", incomplete, words, *proofs)
    alone = f"no trusted issuer for the certificate of {endpoint}: {missing} is unknown here"
    yield (unknown if is_gap else fault)("tls.self-signed", private, alone, *proofs)
