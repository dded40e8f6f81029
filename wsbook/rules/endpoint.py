"""The URL that the frontend builds against what the backend offers, through the proxy (area A)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts
from wsbook.finding import Finding, Proof
from wsbook.hosts import is_inner_name, is_own_machine
from wsbook.observation import Observation
from wsbook.rules.listening import judge_listening
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import baseline
from wsbook.rules.pairing import Pair, listeners, page_of, pairs, parts_of
from wsbook.target import Endpoint

__all__ = ["judge_endpoint"]

_PATHS = ("path", "slash", "case")


def judge_endpoint(evidence: Evidence) -> Iterator[Finding]:
    """Judge what the frontend dials, alone and against the backend."""
    every = pairs(evidence)
    found = [pair for pair in every if not pair.dialled[1].built] or list(every)
    for pair in found:
        yield from _judge_url(evidence, pair)
        yield from _judge_library(pair)
        yield from _judge_path(evidence, pair, found)
        yield from _judge_port(evidence, pair)
        yield from _judge_unresolved(pair)
    yield from _judge_stale_build(evidence)
    yield from judge_listening(evidence)


def _where(facts: EndpointFacts) -> str:
    return f"{facts.file}:{facts.line}"


def _proofs(pair: Pair) -> list[Proof]:
    """Return both sides with file and line."""
    sides = [pair.dialled, *([pair.offered] if pair.offered else [])]
    return [proof(seen, facts.expression, _where(facts)) for seen, facts in sides]


def _shown(facts: EndpointFacts) -> str:
    return facts.url or (f"{facts.origin}{facts.path or ''}" if facts.origin else facts.path) or facts.expression


def _judge_url(evidence: Evidence, pair: Pair) -> Iterator[Finding]:
    """What the page makes of the URL, whatever the backend offers."""
    _, facts = pair.dialled
    parts, page = parts_of(facts.url or facts.origin), page_of(evidence)
    if parts is None or facts.condition:
        return
    evident = _proofs(pair)[:1]
    if "host" in pair.differs or (is_inner_name(parts.host) and page is None):
        summary = f"the page dials {parts.host}, which means another machine in every visitor's browser"
        yield fault("endpoint.localhost-or-internal-address", 0.85, summary, *evident)
    if "scheme" in pair.differs:
        yield fault("endpoint.mixed-content", 0.9, f"an https page opens {_shown(facts)}", *evident)
    elif _is_plain_by_choice(facts, parts, page):
        yield fault("client.insecure-url", 0.6, f"the source dials {_shown(facts)} without TLS", *evident)
    yield from _judge_tls(evidence, pair)


def _is_plain_by_choice(facts: EndpointFacts, parts: Endpoint, page: Endpoint | None) -> bool:
    """Whether ws:// is written in the source and leads to another machine than the one that serves a plain page."""
    inside = parts.is_loopback or is_inner_name(parts.host) or (page is not None and page.host == parts.host and not page.secure)
    return parts.scheme == "ws" and "ws://" in facts.expression and not inside


def _judge_tls(evidence: Evidence, pair: Pair) -> Iterator[Finding]:
    """The scheme against the listener of the very port that is dialled, where the host is the listener's own."""
    _, facts = pair.dialled
    parts = parts_of(facts.url or facts.origin)
    if parts is None or pair.offered is None or parts.port in (80, 443):
        return
    offered = [(seen, one) for seen, one in evidence.of(EndpointFacts) if one.side == "backend"]
    at_port = [(seen, one) for seen, one in listeners(offered) if (one.published or one.port) == parts.port and one.tls is not None]
    if not at_port or any(one.tls == parts.secure for _, one in at_port):
        return
    seen, one = at_port[0]
    evident = [*_proofs(pair)[:1], proof(seen, one.expression, _where(one))]
    if parts.secure:
        summary = f"{_shown(facts)} asks for TLS, and port {parts.port} speaks none"
        yield fault("endpoint.tls-to-plain-port", 0.75 if is_own_machine(parts.host) else 0.6, summary, *evident)
    else:
        yield fault("endpoint.plain-to-tls-port", 0.75, f"{_shown(facts)} asks without TLS, and port {parts.port} speaks TLS", *evident)


def _judge_library(pair: Pair) -> Iterator[Finding]:
    if pair.offered is None or not {"library", "version"} & set(pair.differs):
        return
    client, server = pair.dialled[1], pair.offered[1]
    if "library" in pair.differs:
        words = f"the page speaks {client.library}, the backend {server.library}"
        yield fault("endpoint.protocol-library-mismatch", 0.6 if "path" in pair.differs else 0.85, words, *_proofs(pair))
    else:
        words = f"the page speaks Engine.IO {client.version}, the backend {server.version.replace(',', ' and ')}"
        yield fault("endpoint.protocol-library-mismatch", 0.85, words, *_proofs(pair))


def _judge_path(evidence: Evidence, pair: Pair, every: list[Pair]) -> Iterator[Finding]:
    """Compare paths, carried through the proxy where its rules are known."""
    part = next((part for part in _PATHS if part in pair.differs), "")
    if pair.offered is None or "library" in pair.differs:
        return
    client, server = pair.dialled[1], pair.offered[1]
    arrives = f", which arrives as {pair.path}" if pair.via and pair.path != client.path else ""
    if not part:
        if client.path is not None and not pair.differs:
            words = f"the page dials {_shown(client)}{arrives}, the backend offers {server.path or 'any path'}"
            yield clear("endpoint.wrong-path", words, *_proofs(pair))
        return
    tried = baseline(evidence)
    accepted = tried is not None and tried[1].accepted and (parts := parts_of(tried[1].url)) is not None and parts.path == client.path
    if accepted or (part == "path" and any(one.offered == pair.offered and not one.differs for one in every)):
        return  # it works, or another client fits this route: this one means a server that is not in the code
    refused = tried is not None and tried[1].status in (403, 404, 500)
    told = {"slash": ": only the slash at the end differs", "case": ": only upper and lower case differ"}.get(part, "")
    words = f"the page dials {client.path}{arrives}, the backend offers {server.path}{told}"
    sure = 0.9 if refused else 0.8 if part != "path" or not client.condition else 0.6
    slug = (
        "handshake.redirected" if part == "slash" and tried is not None and 300 <= (tried[1].status or 0) < 400 else "endpoint.wrong-path"
    )
    yield fault(slug, sure if pair.ours else 0.4, words, *_proofs(pair))


def _judge_port(evidence: Evidence, pair: Pair) -> Iterator[Finding]:
    """A port that nothing in the backend opens is a fault where the host is the backend's own machine, else a possibility."""
    parts = parts_of(pair.dialled[1].url or pair.dialled[1].origin)
    tried = baseline(evidence)
    if "port" not in pair.differs or parts is None or (tried is not None and tried[1].accepted):
        return
    offered = [(seen, facts) for seen, facts in evidence.of(EndpointFacts) if facts.side == "backend"]
    opened = {f"{facts.port} (published as {facts.published})" if facts.published else str(facts.port) for _, facts in listeners(offered)}
    words = f"the page dials port {parts.port}, the backend listens on {', '.join(sorted(opened))}"
    hidden = any(facts.port == parts.port for _, facts in listeners(offered))
    evident = [*_proofs(pair)[:1], *(proof(seen, facts.expression, _where(facts)) for seen, facts in listeners(offered)[:2])]
    page = page_of(evidence)
    own = is_own_machine(parts.host) and page is not None and page.is_loopback
    if hidden or own:
        yield fault("net.not-listening-outside", 0.7, words, *evident)
    else:
        yield unknown("net.not-listening-outside", 0.3, words, *evident)


def _judge_unresolved(pair: Pair) -> Iterator[Finding]:
    """What cannot be told is said, with the expression."""
    seen, facts = pair.dialled
    if facts.url is None and facts.path is None and facts.origin is None:
        words = f"the URL of {facts.expression[:120]} cannot be told from the source"
        yield unknown("endpoint.wrong-path", 0.0, words, proof(seen, facts.expression, _where(facts)))


def _judge_stale_build(evidence: Evidence) -> Iterator[Finding]:
    """What the deployed bundle dials against the source: where they differ, the build is older, or made for another place."""
    dialled: list[tuple[Observation, EndpointFacts]] = [
        (seen, facts) for seen, facts in evidence.of(EndpointFacts) if facts.side == "frontend" and facts.url
    ]
    source = [(seen, facts) for seen, facts in dialled if not facts.built and not facts.condition]
    known = {_comparable(facts.url) for _, facts in dialled if not facts.built}
    for seen, facts in dialled:
        if not facts.built or not source or _comparable(facts.url) in known:
            continue
        like = [(other, one) for other, one in source if one.library == facts.library or "native" in (one.library, facts.library)]
        if not like:
            continue
        other, one = like[0]
        words = f"the deployed bundle dials {facts.url}, the source says {one.url}: rebuild"
        evident = proof(seen, facts.expression, _where(facts)), proof(other, one.expression, _where(one))
        slug = _stale_cause(evidence, facts, one)
        yield fault(slug, 0.75 if slug == "endpoint.wrong-path" else 0.96, words, *evident)


def _comparable(url: str | None) -> str:
    return (url or "").partition("?")[0].rstrip("/")


def _stale_cause(evidence: Evidence, built: EndpointFacts, source: EndpointFacts) -> str:
    """Name what is wrong with the URL of an old bundle."""
    old, new = parts_of(built.url), parts_of(source.url)
    if old is None or new is None:
        return "endpoint.url-invalid"
    page = page_of(evidence)
    if old.scheme != new.scheme and not old.secure and page is not None and page.secure and not is_own_machine(old.host):
        return "endpoint.mixed-content"
    return "endpoint.wrong-path" if (old.host, old.port) == (new.host, new.port) else "endpoint.localhost-or-internal-address"
