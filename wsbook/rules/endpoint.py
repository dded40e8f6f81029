"""The URL that the frontend builds against what the backend offers, through the proxy (area A)."""

from collections.abc import Iterator

from wsbook.errors import UsageError
from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts, RouteFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof
from wsbook.rules.network import is_internal_name
from wsbook.rules.outcome import baseline
from wsbook.target import Endpoint, parse_endpoint

__all__ = ["judge_endpoint"]

Place = tuple[Observation, EndpointFacts]

_PLAIN = frozenset(
    {
        "native",
        "ws",
        "websockets",
        "fastapi",
        "starlette",
        "aiohttp",
        "tornado",
        "flask-sock",
        "channels",
        "gorilla",
        "nhooyr",
        "spring",
        "express-ws",
    }
)
"""Libraries that speak RFC 6455 with nothing of their own on top; anything else needs the same library on both sides."""


def judge_endpoint(evidence: Evidence) -> Iterator[Finding]:
    """Judge what the frontend dials, alone and against the backend."""
    dialled = [(seen, facts) for seen, facts in evidence.of(EndpointFacts) if facts.side == "frontend"]
    offered = [(seen, facts) for seen, facts in evidence.of(EndpointFacts) if facts.side == "backend"]
    for place in dialled:
        yield from _judge_url(evidence, place)
    yield from _judge_library(dialled, offered)
    yield from _judge_path(evidence, dialled, offered)


def _where(facts: EndpointFacts) -> str:
    return f"{facts.file}:{facts.line}"


def _parts(url: str | None) -> Endpoint | None:
    try:
        return parse_endpoint(url) if url else None
    except UsageError:
        return None


def _judge_url(evidence: Evidence, place: Place) -> Iterator[Finding]:
    seen, facts = place
    parts = _parts(facts.url)
    page = _parts(evidence.target.page_url.partition("#")[0])
    if parts is None or facts.condition:
        return
    evident = proof(seen, facts.expression, _where(facts))
    page_is_public = page is not None and not page.is_loopback
    if (
        (parts.is_loopback or is_internal_name(parts.host))
        and (page_is_public or is_internal_name(parts.host))
        and not (page and page.host == parts.host)
    ):
        summary = f"the page dials {parts.host}, which means another machine in every visitor's browser"
        yield fault("endpoint.localhost-or-internal-address", 0.85, summary, evident)
    if parts.scheme == "ws" and page is not None and page.secure:
        yield fault("endpoint.mixed-content", 0.9, f"an https page opens {facts.url}", evident)
    elif parts.scheme == "ws" and not parts.is_loopback and not is_internal_name(parts.host) and facts.expression.find("ws://") >= 0:
        yield fault("client.insecure-url", 0.6, f"the source dials {facts.url} without TLS", evident)


def _judge_library(dialled: list[Place], offered: list[Place]) -> Iterator[Finding]:
    families = {facts.library if facts.library not in _PLAIN else "plain" for _, facts in offered}
    for seen, facts in dialled:
        family = "plain" if facts.library in _PLAIN else facts.library
        if families and "socket.io" in families | {family} and family not in families:
            words = f"the page speaks {facts.library}, the backend {', '.join(sorted({other.library for _, other in offered}))}"
            proofs = [
                proof(seen, facts.expression, _where(facts)),
                *(proof(other, value.expression, _where(value)) for other, value in offered[:2]),
            ]
            yield fault("endpoint.protocol-library-mismatch", 0.8, words, *proofs)


def _judge_path(evidence: Evidence, dialled: list[Place], offered: list[Place]) -> Iterator[Finding]:
    """Compare paths, carried through the proxy where its configuration is known."""
    offers = [(seen, facts) for seen, facts in offered if facts.path is not None]
    dials = [
        (seen, facts)
        for seen, facts in dialled
        if facts.path is not None and facts.library in _PLAIN | {"reconnecting-websocket", "partysocket"}
    ]
    if not offers or not dials:
        return
    paths = {facts.path for _, facts in offers}
    if any(_matches(path, facts.path) for path in paths for _, facts in dials):
        yield clear(
            "endpoint.wrong-path",
            f"the page dials {dials[0][1].path}, the backend offers it",
            proof(dials[0][0], dials[0][1].expression, _where(dials[0][1])),
        )
        return
    rewritten = {facts.upstream_path for _, facts in evidence.of(RouteFacts) if facts.serves and facts.upstream_path}
    if any(_matches(path, carried) for path in paths for carried in rewritten):
        return
    tried = baseline(evidence)
    if (
        tried is not None
        and tried[1].accepted
        and any(_parts(tried[1].url) and parse_endpoint(tried[1].url).path == facts.path for _, facts in dials)
    ):
        return
    refused = tried is not None and tried[1].status in (403, 404, 500)
    words = f"the page dials {dials[0][1].path}, the backend offers {', '.join(sorted(str(path) for path in paths))}"
    proofs = [proof(seen, facts.expression, _where(facts)) for seen, facts in [*dials[:2], *offers[:3]]]
    yield fault("endpoint.wrong-path", 0.9 if refused else 0.75, words, *proofs)


def _matches(offered: str | None, dialled: str | None) -> bool:
    """Compare an offered route, which may hold {name}, :name or <name> parts, with a dialled path; a trailing slash counts."""
    if offered is None or dialled is None:
        return False
    left, right = offered.split("/"), dialled.split("?")[0].split("/")
    return len(left) == len(right) and all(
        a == b or (a[:1] in "{:<(" and a != "" and b != "") or a == "*" for a, b in zip(left, right, strict=True)
    )
