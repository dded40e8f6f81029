"""Follow the redirects of an upgrade, one attempt for each, and carry no secret to anybody else. It must not judge them.

What a peer writes into Location is text of a stranger: secret references in it are never resolved, a target on this machine
or in its own network is not followed from outside, and what proves who we are stays at its own scheme, host and port.
"""

import ipaddress
import re
import time
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from msgspec.structs import replace

from wsbook import secret
from wsbook.attempt import REDIRECTED, Attempt
from wsbook.errors import SecretMissingError, UsageError
from wsbook.facts import RedirectFacts, RedirectHop, UpgradeFacts
from wsbook.observation import Observation, Source, observed
from wsbook.probes.upgrade import probe_upgrade
from wsbook.target import Endpoint, parse_endpoint

__all__ = ["follow_redirects", "next_attempt"]

REDIRECTS = frozenset({301, 302, 303, 307, 308})  # RFC 9110 section 15.4
_LIMIT = 5
_HOP = "redirect"
"""Where the attempts are made: what another place answers says nothing about the endpoint's own proxy."""
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_HARMLESS = frozenset({"user-agent", "accept", "accept-language", "accept-encoding", "cache-control", "pragma"})
_TOKEN_NAME = re.compile(r"token|secret|passw|pwd|api[_-]?key|auth|jwt|ticket|sess|sig|credential|^(?:key|code|sid)$", re.IGNORECASE)
_TOKEN_VALUE = re.compile(r"^eyJ|^[\w.~+/=-]{32,}$")
_LOCATION_KEPT = 2_000


class _Unfollowed(Exception):  # noqa: N818 (carries the reason up to the loop and never leaves the module)
    """The redirect is not followed, for the reason in its text."""


def _target(base: Endpoint, location: str) -> Endpoint:
    """Return where Location leads, as a WebSocket URL without userinfo and fragment (RFC 9110 section 10.2.2)."""
    if secret.has_reference(location) or any(secret.has_reference(part) for part in re.split(r"[/?&=#]", location)):
        raise _Unfollowed("the Location holds what would read one of our secrets")
    try:
        parts = urlsplit(urljoin(base.url.replace("ws", "http", 1), location))
    except ValueError as error:
        raise _Unfollowed(f"the Location is no URL: {str(error)[:80]}") from None
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise _Unfollowed(f"the Location has the scheme {parts.scheme[:40]!r}")
    url = urlunsplit((scheme, parts.netloc.rpartition("@")[2], parts.path.replace(" ", "%20"), parts.query.replace(" ", "%20"), ""))
    return parse_endpoint(url)


def _is_inside(endpoint: Endpoint) -> bool:
    """Tell whether a host is inner by what it is called; numbers that resolvers read as addresses, such as 0x7f.1, count."""
    try:
        address = ipaddress.ip_address(endpoint.host)
    except ValueError:
        name = endpoint.host.rstrip(".")
        last = name.rpartition(".")[2]
        return name == "localhost" or name.endswith(".localhost") or last.isdigit() or last.startswith("0x")
    return not address.is_global


def _same_place(one: Endpoint, other: Endpoint) -> bool:
    return (one.host, one.port) == (other.host, other.port) and not (one.secure and not other.secure)


def _secret_values(attempt: Attempt) -> set[str]:
    """Return the values in our own URL that look like tokens, as the server that echoes them would see them."""
    values = {value for name, value in parse_qsl(attempt.endpoint.query) if _TOKEN_NAME.search(name) or secret.has_reference(value)}
    try:
        return values | {secret.resolve(value) for value in values}
    except SecretMissingError:
        return values


def _clean_query(attempt: Attempt, endpoint: Endpoint) -> tuple[str, bool]:
    """Return the query without what looks like a token, and whether something was taken out."""
    ours = _secret_values(attempt)
    pairs = parse_qsl(endpoint.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not (_TOKEN_NAME.search(name) or _TOKEN_VALUE.search(value) or value in ours)]
    return (urlencode(kept), True) if len(kept) < len(pairs) else (endpoint.query, False)


def next_attempt(attempt: Attempt, location: str, number: int) -> tuple[Attempt, tuple[str, ...]]:
    """Return the attempt that follows a Location, and what of ours it does not carry.

    At another host or port, or without TLS where there was TLS, no header of the user's goes along but those that describe
    languages and formats, no userinfo, no token-like part of the query, and no subprotocol that looks like a token.

    Raises:
        UsageError: the Location is no URL.
        _Unfollowed: it must not be followed.
    """
    base = attempt.endpoint
    to = _target(base, location)
    if _is_inside(to) and not _is_inside(base):
        raise _Unfollowed(f"{to.host} is an address of an inner network")
    label = f"{REDIRECTED}{number}"
    followed = attempt.change(label, url=to.url, address=None, host_header=None, server_name=None, hop=_HOP)
    if _same_place(base, to):
        if base.userinfo:
            followed = replace(followed, url=to.url.replace("://", f"://{base.userinfo}@", 1))
        return followed, ()
    headers = tuple(header for header in attempt.headers if header[0].lower() in _HARMLESS and not secret.has_reference(header[1]))
    subprotocols = tuple(name for name in attempt.subprotocols if not (secret.has_reference(name) or _TOKEN_VALUE.search(name)))
    query, cleaned = _clean_query(attempt, to)
    withheld = [name for name, value in attempt.headers if (name, value) not in headers]
    withheld += ["the URL's user and password"] if base.userinfo else []
    withheld += ["a part of the query"] if cleaned else []
    withheld += ["a subprotocol"] if subprotocols != attempt.subprotocols else []
    url = replace(to, query=query).url
    return replace(followed, url=url, headers=headers, subprotocols=subprotocols), tuple(withheld)


def _ending(facts: UpgradeFacts) -> str:
    if facts.accepted:
        return "accepted"
    return "failed" if facts.status is None else "answered"


async def follow_redirects(attempt: Attempt, seen: Observation, *, step: str) -> list[Observation]:
    """Follow the redirects that began with what was seen of an attempt: an observation of each, then the chain as a whole.

    At most five, and no URL twice. Returns nothing when the attempt was not redirected.

    Raises:
        UsageError: as probe_upgrade().
    """
    found: list[Observation] = []
    hops: list[RedirectHop] = []
    started, tried, ended, detail = time.perf_counter(), {attempt.endpoint.url}, "", ""
    facts = seen.facts
    while not ended and isinstance(facts, UpgradeFacts) and facts.status in REDIRECTS and facts.header("location"):
        location = (facts.header("location") or "")[:_LOCATION_KEPT]
        hop = RedirectHop(url=attempt.endpoint.url, status=facts.status, location=location)
        try:
            attempt, withheld = next_attempt(replace(attempt, changed=()), location, len(hops) + 1)
        except (UsageError, _Unfollowed) as error:
            hops, ended, detail = [*hops, hop], "not followed", str(error)[:300]
            break
        hops.append(replace(hop, withheld=withheld))
        ended = "loop" if attempt.endpoint.url in tried else "too many" if len(hops) > _LIMIT else ""
        tried.add(attempt.endpoint.url)
        if not ended:
            found.append(await probe_upgrade(attempt, step=step))
            facts = found[-1].facts
    if not hops:
        return []
    return [*found, _chain(hops, attempt, facts, ended, detail, step, time.perf_counter() - started)]


def _chain(hops: list[RedirectHop], last: Attempt, facts: object, ended: str, detail: str, step: str, duration_s: float) -> Observation:
    final = facts if isinstance(facts, UpgradeFacts) else UpgradeFacts(url=last.endpoint.url, accepted=False)
    chain = RedirectFacts(
        hops=tuple(hops),
        ended=ended or _ending(final),
        final_url=last.endpoint.url,
        final_status=None if ended else final.status,
        final_type="" if ended else (final.header("content-type") or "")[:100],
        detail=detail,
    )
    return observed(Source(step=step, probe="redirects", hop="endpoint"), chain, duration_s=duration_s)
