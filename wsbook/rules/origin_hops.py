"""The same Origins at every hop: does the application refuse the page's own, does it compare Origin with Host, or does a proxy meddle?

At a hop the page's own Origin is tried with the Host that a proxy should pass on, which is the public one, and with the hop's own.
"""

from collections.abc import Iterator

from msgspec import Struct

from wsbook import attempt as labels
from wsbook.evidence import Evidence
from wsbook.facts import CredentialFacts, RouteFacts
from wsbook.finding import Finding, Proof
from wsbook.hops import instances
from wsbook.rules.entry import Entry, Kind, entry_of
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import same_answer

__all__ = ["HopView", "judge_origin_hops", "view_hops"]

_PROBES = frozenset({"upgrade", "origin"})


class _Place(Struct, frozen=True):
    """One place. own: the page's Origin with the public Host, plain: with the place's own Host, elsewhere: with one that it does not know.

    None where it was not tried.
    """

    name: str
    own: Entry | None
    plain: Entry | None
    foreign: Entry | None
    elsewhere: Entry | None

    @property
    def accepts(self) -> bool:
        return any(entry is not None and entry.opened for entry in (self.own, self.plain))


class HopView(Struct, frozen=True):
    """What the hops tell of a refusal at the endpoint.

    kind: "host" (the application compares Origin with a Host that outer changes), "origin" (outer replaces Origin), "proxy" (outer keeps a
    list of its own), "inside" (the application refuses it too), "unclear" (accepted inside, and not known why not outside), "" (not seen).
    """

    kind: str
    inner: str = ""
    outer: str = ""
    proofs: tuple[Proof, ...] = ()


def _entry(evidence: Evidence, hop: str, *changed: str) -> Entry | None:
    """Return the latest attempt with exactly these changes."""
    found = [
        (seen, facts)
        for seen, facts in evidence.upgrades
        if seen.source.hop == hop and seen.source.probe in _PROBES and seen.source.changed == changed
    ]
    entry = entry_of(found[-1]) if found else None
    return None if entry is None or entry.kind in (Kind.NOTHING, Kind.BUSY) else entry


def _place(evidence: Evidence, name: str) -> _Place:
    host, plain = labels.THE_ENDPOINTS_HOST, _entry(evidence, name)
    public = name == "endpoint" or not any(host in seen.source.changed for seen, _ in evidence.upgrades if seen.source.hop == name)
    with_host: tuple[str, ...] = () if public else (host,)
    return _Place(
        name,
        plain if public else _entry(evidence, name, host),
        plain,
        _entry(evidence, name, *with_host, labels.FOREIGN_ORIGIN) or _entry(evidence, name, labels.FOREIGN_ORIGIN),
        _entry(evidence, name, labels.OTHER_HOST),
    )


def _places(evidence: Evidence) -> list[_Place]:
    """Return the places that answered, the application first."""
    every = [_place(evidence, name) for name in (*(hop.name for hop in evidence.target.hops), "endpoint")]
    return [place for place in every if place.own or place.plain]


def _said(place: _Place, entry: Entry, what: str) -> Proof:
    return proof(entry.seen, f"{place.name}, {what}: {entry.words}")


def view_hops(evidence: Evidence) -> HopView:
    """Return where and why the page's own Origin, which the endpoint refuses, stops being accepted."""
    places = _places(evidence)
    inside, outside = places[:-1], places[-1:]
    if not inside or not outside or outside[0].name != "endpoint":
        return HopView("")
    good = [place for place in inside if place.accepts]
    if not good:
        return HopView("inside", inside[0].name)
    inner = good[-1]
    outer = places[places.index(inner) + 1]
    return _between(inner, outer)


def _between(inner: _Place, outer: _Place) -> HopView:
    refused = outer.own or outer.plain
    assert refused is not None
    end = _said(outer, refused, "own Origin")
    if inner.own and inner.own.opened and inner.plain and inner.plain.refused:
        pair = _said(inner, inner.own, "own Origin with the public Host"), _said(inner, inner.plain, "own Origin with its own Host")
        return HopView("host", inner.name, outer.name, (end, *pair))
    opened = next(entry for entry in (inner.plain, inner.own) if entry is not None and entry.opened)
    if inner.elsewhere and inner.elsewhere.refused and same_answer(inner.elsewhere.facts, refused.facts):
        pair = _said(inner, opened, "own Origin"), _said(inner, inner.elsewhere, "own Origin with a Host that it does not know")
        return HopView("host", inner.name, outer.name, (end, *pair))
    proofs: tuple[Proof, ...] = (end, _said(inner, opened, "own Origin"))
    if inner.foreign is None:
        return HopView("unclear", inner.name, outer.name, proofs)
    proofs = (*proofs, _said(inner, inner.foreign, "foreign Origin"))
    if inner.foreign.refused and same_answer(inner.foreign.facts, refused.facts):
        return HopView("origin", inner.name, outer.name, proofs)
    return HopView("proxy", inner.name, outer.name, proofs)


def judge_origin_hops(evidence: Evidence) -> Iterator[Finding]:
    """Judge whether a check that the application makes is lost on the way: a proxy hides the Origin from it."""
    places = _places(evidence)
    for number, inner in enumerate(places[:-1]):
        outer = places[number + 1]
        if not (inner.foreign and inner.foreign.refused and inner.accepts and outer.foreign and outer.foreign.opened and outer.accepts):
            continue
        if _instance_of(inner, outer):
            continue
        words = f"{inner.name} refuses a foreign Origin, and {outer.name} in front of it lets it in: Origin does not arrive as it was sent"
        proofs = [
            _said(inner, inner.foreign, "foreign Origin"),
            _said(outer, outer.foreign, "foreign Origin"),
            *_configured(evidence),
        ]
        if _only_secrets(evidence):
            yield unknown("origin.not-checked", 0.3, f"{words}; what users are known by is no cookie", *proofs)
        else:
            remedy = "Pass Origin on unchanged: remove the proxy's line that sets or deletes it (proxy_set_header Origin, header_up Origin)"
            yield fault("origin.not-checked", 0.97, words, *proofs, remedy=remedy)


def _instance_of(inner: _Place, outer: _Place) -> bool:
    """Whether two neighbours are given as instances of one application rather than one behind the other."""
    return any(len(group) > 1 for group in instances([inner.name, outer.name], ()))


def _only_secrets(evidence: Evidence) -> bool:
    given = [one for _, facts in evidence.of(CredentialFacts) for one in facts.credentials]
    return bool(given) and all(one.ambient is False for one in given)


def _configured(evidence: Evidence) -> list[Proof]:
    """Return the lines of configurations that set or delete Origin."""
    found = []
    for seen, facts in evidence.of(RouteFacts):
        setting = facts.origin
        if setting is not None and setting.value not in (None, "forwarded") and not setting.default:
            where = f"{setting.file or facts.file}:{setting.line or facts.line}"
            found.append(proof(seen, f"{facts.product} sends Origin as {setting.value or 'nothing'}", where))
    return found[:2]
