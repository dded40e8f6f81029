"""Pairs what is dialled with what is offered, and says which part differs. Pure; judges nothing."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from msgspec import Struct

from wsbook.errors import UsageError
from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts, ForwardFacts, RouteFacts
from wsbook.hosts import is_inner_name, is_own_machine
from wsbook.observation import Observation
from wsbook.rules.libraries import LISTENERS, is_foreign, speaks, versions_meet
from wsbook.rules.route_paths import differing, likeness
from wsbook.target import Endpoint, parse_endpoint

__all__ = ["Pair", "Place", "listeners", "page_of", "pairs", "parts_of", "served_at_page"]

Place = tuple[Observation, EndpointFacts]
_DEFAULT_PORTS = (80, 443)


class Pair(Struct, frozen=True, kw_only=True):
    """One dialled endpoint with the offered one that it most plausibly means.

    offered: None when the backend's code has none that it could mean. path: what arrives at the backend, None unknown. via: the rule of a
    proxy that changes the path, "" none. differs: parts that differ: scheme, host, port, path, slash, case, library, version.
    ours: whether the host is one that this backend can be expected at.
    """

    dialled: Place
    offered: Place | None = None
    path: str | None = None
    via: str = ""
    differs: tuple[str, ...] = ()
    ours: bool = True


def pairs(evidence: Evidence) -> tuple[Pair, ...]:
    """Return one pair per dialled endpoint, in the order of the observations."""
    every = list(evidence.of(EndpointFacts))
    offered = [(seen, facts) for seen, facts in every if facts.side == "backend"]
    return tuple(_pair(evidence, (seen, facts), offered) for seen, facts in every if facts.side == "frontend" and facts.library != "sse")


def listeners(offered: Iterable[Place]) -> list[Place]:
    """Return what opens a port."""
    return [(seen, facts) for seen, facts in offered if facts.port is not None]


def parts_of(url: str | None) -> Endpoint | None:
    """Return a URL in its parts; None for none and for what is no URL."""
    try:
        return parse_endpoint(url) if url else None
    except UsageError:
        return None


def page_of(evidence: Evidence) -> Endpoint | None:
    """Return the page in its parts, None when it is not known."""
    return parts_of(evidence.target.page_url.partition("#")[0])


def served_at_page(evidence: Evidence, host: str) -> bool:
    """Whether a host is the page's or the target's, or one of the same site."""
    known = [one.host for one in (page_of(evidence), evidence.target.endpoint) if one is not None]
    return any(host == one or _site(host) == _site(one) for one in known)


def _site(host: str) -> str:
    return ".".join(host.rsplit(".", 2)[-2:]) if not host.replace(".", "").isdigit() else host


def _pair(evidence: Evidence, place: Place, offered: list[Place]) -> Pair:
    _, facts = place
    dialled = _host_and_port(facts)
    page = page_of(evidence)
    ours = dialled is None or _is_ours(evidence, dialled[0])
    own = _own_parts(evidence, facts, page)
    candidates = [] if is_foreign(facts.library) or facts.path is None or not ours else _meant(offered)
    best: tuple[float, Pair] | None = None
    for path, via in _carried(evidence, facts.path or "/"):
        for other in candidates:
            differs = _differences(facts, path, other[1])
            score = _score(facts, path, other[1], differs) - (0.5 if via else 0.0)
            if best is None or score > best[0]:
                best = score, Pair(dialled=place, offered=other, path=path, via=via, differs=differs, ours=ours)
    if best is None:
        return Pair(dialled=place, path=facts.path, differs=own, ours=ours)
    ports = _port_differs(evidence, facts, dialled, offered)
    pair = best[1]
    return Pair(dialled=place, offered=pair.offered, path=pair.path, via=pair.via, differs=(*own, *ports, *pair.differs), ours=ours)


def _host_and_port(facts: EndpointFacts) -> tuple[str, int | None] | None:
    try:
        parts = urlsplit(facts.url or facts.origin or "")
        return (parts.hostname, parts.port) if parts.hostname else None
    except ValueError:
        return None


def _is_ours(evidence: Evidence, host: str) -> bool:
    """Whether a host may be this backend's: local, internal, of the page's site; anything while neither page nor target is known."""
    if is_own_machine(host) or is_inner_name(host):
        return True
    if not evidence.target.page_url and not evidence.target.url:
        return True
    return served_at_page(evidence, host)


def _own_parts(evidence: Evidence, facts: EndpointFacts, page: Endpoint | None) -> tuple[str, ...]:
    """Return what is wrong with the URL whatever the backend offers, in the light of the page."""
    found = _host_and_port(facts)
    if found is None or page is None:
        return ()
    host, _ = found
    inside = is_own_machine(host) or is_inner_name(host)
    wrong = inside and not page.is_loopback and host != page.host and (not facts.condition or facts.condition.endswith("is not set"))
    scheme = (facts.url or facts.origin or "").partition(":")[0].lower()
    insecure = scheme in ("ws", "http") and page.secure and not is_own_machine(host) and not facts.condition
    return (*(("scheme",) if insecure else ()), *(("host",) if wrong else ()))


def _meant(offered: list[Place]) -> list[Place]:
    """Return what a client can mean: routes, and servers that take any path where no test of the path stands beside them."""
    with_path = {(facts.file, facts.library) for _, facts in offered if facts.path is not None}
    return [
        (seen, facts)
        for seen, facts in offered
        if facts.path is not None
        or (facts.library not in LISTENERS and (facts.file, facts.library) not in with_path and facts.library != "spring")
    ]


def _differences(facts: EndpointFacts, path: str, other: EndpointFacts) -> tuple[str, ...]:
    found = []
    if not speaks(facts.library, other.library, path):
        found.append("library")
    elif not versions_meet(facts.version, other.version):
        found.append("version")
    by_path = differing(_sockjs_paths(facts, other), path) if other.path is not None else ""
    return (*([by_path] if by_path else []), *found)


def _sockjs_paths(facts: EndpointFacts, other: EndpointFacts) -> str:
    """Return the offered path as the dialling library names it: a plain client of SockJS adds /websocket, Socket.IO's slash is its own."""
    path = other.path or ""
    if other.library == "sockjs" and facts.library not in ("sockjs", "socket.io") and (facts.path or "").rstrip("/").endswith("/websocket"):
        return path.rstrip("/") + "/websocket"
    return path.rstrip("/") + "/?" if other.library in ("sockjs", "socket.io", "phoenix", "signalr") or facts.library == "sockjs" else path


def _score(facts: EndpointFacts, path: str, other: EndpointFacts, differs: tuple[str, ...]) -> float:
    """Return how plausibly a client means an endpoint: the same path counts most, then the same library, then likeness and port."""
    score = 0.0 if {"path"} & set(differs) else 6.0 if {"slash", "case"} & set(differs) else 8.0
    score -= 3.0 if "library" in differs else 1.0 if "version" in differs else 0.0
    score += 2.0 if facts.library == other.library else 0.0
    score += 4.0 * likeness(other.path or "", path) - (1.0 if other.path is None else 0.0)
    return score + (0.5 if facts.port is not None and facts.port in (other.port, other.published) else 0.0)


def _carried(evidence: Evidence, path: str) -> list[tuple[str, str]]:
    """Return (path at the backend, rule that changes it) as it is dialled, through the proxy, and through development servers."""
    found = [(path, "")]
    endpoint = evidence.target.endpoint
    for _, route in evidence.of(RouteFacts):
        if route.serves and route.upstream_path and (endpoint is None or endpoint.path.rstrip("/") == path.partition("?")[0].rstrip("/")):
            found.append((route.upstream_path, f"{route.product} {route.matcher} at {route.file}:{route.line}"))
    for _, rule in evidence.of(ForwardFacts):
        if path.startswith(rule.prefix):
            changed = _changed(rule, path)
            found.append((changed if changed.startswith("/") else "/" + changed, f"{rule.product} at {rule.file}:{rule.line}"))
    return list(dict.fromkeys(found))


def _changed(rule: ForwardFacts, path: str) -> str:
    if rule.removed is None:
        return "/{…}"
    return rule.added + path[len(rule.removed) :] if path.startswith(rule.removed) else path


def _port_differs(
    evidence: Evidence, facts: EndpointFacts, dialled: tuple[str, int | None] | None, offered: list[Place]
) -> tuple[str, ...]:
    """Compare a port that is written in a URL with those that the backend opens or publishes; behind a known proxy any may be right."""
    known = {port for _, one in listeners(offered) for port in (one.published or one.port,) if port}
    if dialled is None or dialled[1] is None or not known or dialled[1] in _DEFAULT_PORTS:
        return ()
    published = {one.port for _, one in listeners(offered) if one.published is not None} - {one.published for _, one in listeners(offered)}
    hidden = dialled[1] in published
    proxied = any(True for _ in evidence.of(RouteFacts)) or any(True for _ in evidence.of(ForwardFacts))
    page = page_of(evidence)
    of_page = page is not None and page.port == dialled[1] and page.host == dialled[0]
    return ("port",) if (hidden or dialled[1] not in known) and not proxied and not of_page else ()
