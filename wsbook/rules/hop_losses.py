"""What a hop loses of the upgrade on its way in: the attempts at the place behind it that are answered as it answers.

The place behind accepts the upgrade. When it answers one that lacks X exactly as the hop in front of it does, X is lost at that hop.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from wsbook import attempt as labels
from wsbook.evidence import Evidence
from wsbook.facts import UpgradeFacts
from wsbook.hops import Place, likeness, same_answer
from wsbook.observation import Reason
from wsbook.rules.outcome import Seen

__all__ = ["Match", "find_losses", "find_silences", "judged_by_experiment", "tried_at"]

_ALIKE = 0.85
_OF_THE_HOP = frozenset({"date", "connection", "keep-alive", "transfer-encoding", "content-length", "content-type", "alt-svc"})
_SILENCES = frozenset({Reason.CLOSED, Reason.RESET, Reason.TIMEOUT})
_LONG_S = 0.4
"""A silence that lasted so long is told from a connection that is refused at once; also the part of it that may pass elsewhere."""
_TIED = 0.02
"""Answers this close in likeness cannot be told apart."""


class Loss(NamedTuple):
    """What an attempt stands for. what: completes "exactly as … answers"; lost: completes "the hop …"."""

    cause: str
    weight: float
    what: str
    lost: str


LOSSES: Mapping[str, Loss] = {
    labels.NO_UPGRADE: Loss("proxy.upgrade-header-missing", 0.95, "a GET without Upgrade", "does not pass Upgrade and Connection"),
    labels.NO_TOKENS: Loss("proxy.upgrade-header-missing", 0.95, "an upgrade without Upgrade and Connection", "does not pass them"),
    labels.CONNECTION_CLOSE: Loss("proxy.upgrade-header-missing", 0.93, "one with Connection: close", "changes Connection"),
    labels.HTTP_1_0: Loss("proxy.http-1.0-upstream", 0.95, "an upgrade in HTTP/1.0", "speaks HTTP/1.0 to it"),
    labels.RANDOM_PATH: Loss("proxy.path-rewrite-wrong", 0.93, "an unknown path", "changes the path"),
    labels.THE_ROOT_PATH: Loss("proxy.path-rewrite-wrong", 0.93, "an upgrade of /", "changes the path"),
    labels.NO_QUERY: Loss("proxy.path-rewrite-wrong", 0.88, "an upgrade without its query", "loses the query"),
    labels.NO_KEY: Loss("proxy.hop-lacks-websocket-support", 0.93, "one without Sec-WebSocket-Key", "loses headers of the handshake"),
    labels.NO_OWN_HEADERS: Loss("proxy.hop-lacks-websocket-support", 0.93, "one without Sec-WebSocket headers", "loses them"),
    labels.NO_CREDENTIALS: Loss("proxy.hop-lacks-websocket-support", 0.9, "one without cookies and tokens", "loses the credentials"),
    labels.NO_SUBPROTOCOL: Loss("subprotocol.mismatch", 0.88, "one that offers no subprotocol", "loses Sec-WebSocket-Protocol"),
    labels.NO_ORIGIN: Loss("proxy.hop-lacks-websocket-support", 0.85, "one without Origin", "loses Origin"),
    labels.FOREIGN_ORIGIN: Loss("origin.proxy-rewrites-host", 0.75, "one with a foreign Origin", "changes Origin or Host"),
    labels.OTHER_HOST: Loss("proxy.forwarded-headers-wrong", 0.9, "one with another Host", "changes Host"),
    labels.FORWARDED_HTTP: Loss("proxy.forwarded-headers-wrong", 0.9, "one with X-Forwarded-Proto: http", "says the wrong scheme"),
    labels.OTHER_SCHEME: Loss("endpoint.plain-to-tls-port", 0.93, "plain HTTP at its TLS port", "speaks plain HTTP to it"),
}
"""The one thing that an attempt lost → what that proves; the commoner first."""

_PLAIN: Mapping[str, Loss] = {
    labels.THE_ENDPOINTS_HOST: Loss("origin.proxy-rewrites-host", 0.95, "one without the public Host", "rewrites Host"),
    labels.FORWARDED_HTTPS: Loss("proxy.forwarded-headers-wrong", 0.95, "one without X-Forwarded-Proto: https", "does not say the scheme"),
    labels.AS_FORWARDED: Loss("proxy.forwarded-headers-wrong", 0.9, "one without the public Host and X-Forwarded-*", "does not send them"),
}
"""What the place behind needs to accept at all → what it proves that the hop is answered as the plain attempt is."""


class Match(NamedTuple):
    """One loss that explains the answer. seen: the attempt that is answered alike."""

    loss: Loss
    label: str
    score: float
    seen: Seen


def tried_at(evidence: Evidence, place: Place, label: str) -> list[Seen]:
    """Return the attempts at a place with this change and with what it needs to accept at all."""
    return [seen for seen in evidence.attempts(place.name, changed=label) if set(place.needs) <= set(seen[0].source.changed)]


def judged_by_experiment(evidence: Evidence, good: Place) -> bool:
    """Tell whether enough was asked of the place behind to say that an answer is none of its own."""
    return all(tried_at(evidence, good, label) for label in (labels.NO_UPGRADE, labels.RANDOM_PATH))


def _host_loss(loss: Loss, label: str, place: Place) -> Loss:
    """A Host that is minded together with Origin is the check of the same origin (403 in nearly all libraries)."""
    if label == labels.OTHER_HOST and place.facts.status == 403 and place.facts.request_header("origin"):
        return loss._replace(cause="origin.proxy-rewrites-host")
    if label == labels.THE_ENDPOINTS_HOST and place.facts.status != 403:
        return loss._replace(cause="proxy.forwarded-headers-wrong")
    return loss


def _candidates(evidence: Evidence, good: Place) -> Iterator[tuple[Loss, str, Seen]]:
    plain = evidence.attempts(good.name)
    for need in good.needs:
        if need in _PLAIN and plain:
            yield _PLAIN[need], need, plain[-1]
    for label, loss in LOSSES.items():
        for seen in tried_at(evidence, good, label)[-1:]:
            yield loss, label, seen


def _kept_headers(evidence: Evidence, good: Place, bad: Place) -> dict[str, str]:
    """Return the headers that both places answer a plain GET with: the hop leaves them in what it passes on; {} where it passes none.

    The value is "" where it is another one with each instance or request, as the answers of the same program at the hop show.
    """
    inside, outside = (tried_at(evidence, place, labels.NO_UPGRADE) for place in (good, bad))
    if not inside or not outside or not same_answer(inside[-1][1], outside[-1][1]):
        return {}
    program = outside[-1][1].header("server")
    alike = [facts for seen, facts in evidence.upgrades if seen.source.hop == bad.name and facts.header("server") == program]
    return {
        name.lower(): value if len({facts.header(name) for facts in alike if facts.header(name)}) <= 1 else ""
        for name, value in inside[-1][1].headers
        if name.lower() not in _OF_THE_HOP and value and value in (outside[-1][1].header(name) or "")
    }


def _is_passed_on(kept: Mapping[str, str], inner: UpgradeFacts, outer: UpgradeFacts) -> bool:
    """Tell whether the outer answer can be the inner one: what the hop leaves in other answers stands in this one too."""
    return all(
        (found := outer.header(name)) is not None and value in found
        for name, value in kept.items()
        if inner.header(name) and value in (inner.header(name), "")
    )


def find_losses(evidence: Evidence, good: Place, bad: Place) -> list[Match]:
    """Return the losses whose answer is most like the bad place's, the likeliest first; of each cause one, [] when none is alike."""
    kept_headers = _kept_headers(evidence, good, bad)
    found = [
        Match(loss=_host_loss(loss, label, bad), label=label, score=likeness(seen[1], bad.facts), seen=seen)
        for loss, label, seen in _candidates(evidence, good)
        if not seen[1].accepted and _is_passed_on(kept_headers, seen[1], bad.facts)
    ]
    best = max((match.score for match in found), default=0.0)
    kept: dict[str, Match] = {}
    for match in found:
        if match.score >= max(_ALIKE, best - _TIED):
            kept.setdefault(match.loss.cause, match)
    return list(kept.values())


def find_silences(evidence: Evidence, good: Place, bad: Place) -> list[Match]:
    """Return the losses that the place behind meets with silence, which becomes a proxy's own 502 or 504; the fitting first.

    score: 1.0 where the silence is a long one and the bad place answered just after it, 0.5 where it says nothing.
    """
    found = []
    for loss, label, (seen, facts) in _candidates(evidence, good):
        failure = seen.failure
        if facts.status is None and failure is not None and failure.stage == "upgrade" and failure.reason in _SILENCES:
            close = seen.duration_s >= _LONG_S and abs(seen.duration_s - bad.seen.duration_s) < _LONG_S * seen.duration_s
            found.append(Match(loss=loss, label=label, score=1.0 if close else 0.5, seen=(seen, facts)))
    kept: dict[str, Match] = {}
    for match in sorted(found, key=lambda one: -one.score):
        kept.setdefault(match.loss.cause, match)
    return list(kept.values())
