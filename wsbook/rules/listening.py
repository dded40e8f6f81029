"""Addresses that a backend binds: a server on 127.0.0.1 inside a container is not reached from outside."""

import posixpath
from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts
from wsbook.finding import Finding
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import baseline, inner_hops

__all__ = ["judge_listening"]

_CONTAINER = frozenset({"docker", "compose"})
_LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


def judge_listening(evidence: Evidence) -> Iterator[Finding]:
    """Judge each listener that binds the loopback address, in the light of the containers around it."""
    offered = [(seen, facts) for seen, facts in evidence.of(EndpointFacts) if facts.side == "backend"]
    containers = [(seen, facts) for seen, facts in offered if facts.library in _CONTAINER]
    tried = [baseline(evidence), *(seen for _, seen in inner_hops(evidence))]
    if any(one is not None and one[1].accepted for one in tried):
        return
    open_ports = {facts.port for _, facts in offered if facts.bind and facts.bind not in _LOOPBACK}
    for seen, facts in offered:
        if facts.bind not in _LOOPBACK or facts.port in open_ports:
            continue
        inside = [(other, one) for other, one in containers if _holds(one, facts)]
        own = _is_container_file(facts.file)
        if not own and not inside:
            continue
        given = "binds" if facts.bind in facts.expression else "binds by default"
        words = f"{facts.library} {given} {facts.bind}:{facts.port or '?'} inside a container, where nothing outside reaches it"
        proofs = [proof(seen, facts.expression, f"{facts.file}:{facts.line}")]
        proofs += [proof(other, one.expression, f"{one.file}:{one.line}") for other, one in inside[:1]]
        if own or any(one.port == facts.port for _, one in inside):
            yield fault("net.not-listening-outside", 0.85 if own else 0.75, words, *proofs)
        else:
            yield unknown("net.not-listening-outside", 0.35, words, *proofs)


def _holds(container: EndpointFacts, listener: EndpointFacts) -> bool:
    """Whether a listener's code lies in the folder of a Dockerfile or compose file."""
    folder = posixpath.dirname(container.file)
    return not folder or listener.file.startswith(folder + "/")


def _is_container_file(file: str) -> bool:
    name = posixpath.basename(file).lower()
    return name.startswith(("dockerfile", "containerfile")) or name.endswith(".dockerfile")
