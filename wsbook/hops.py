"""The hops that one upgrade was tried at, from the application outwards to the endpoint: how far it gets, who answers, and what changes.

Pure. It must not know causes: rules judge what this compares, views draw it.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import pairwise
from urllib.parse import urlsplit

from msgspec import Struct

from wsbook.attempt import AS_FORWARDED, FORWARDED_HTTPS, THE_ENDPOINTS_HOST, UNVERIFIED
from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation, Reason
from wsbook.target import Hop
from wsbook.words import cap

__all__ = [
    "Break",
    "HeaderChange",
    "Place",
    "State",
    "changes_on_the_way",
    "changes_text",
    "find_break",
    "header_changes",
    "instances",
    "likeness",
    "places",
    "same_answer",
    "writer",
]

_INSTANCE = re.compile(r"(?:[-_.](?:\d+|[a-z])|\d+)$")
"""What tells instances of one place apart at the end of a name."""
_ON_THE_WAY = frozenset({"resolve", "tcp", "proxy"})
_NOT_LOOKED = frozenset({Reason.OUR_BUG, Reason.TOOL_MISSING, Reason.SKIPPED, Reason.NOT_PERMITTED, Reason.CERTIFICATE})
_FITTING = frozenset({AS_FORWARDED, FORWARDED_HTTPS, THE_ENDPOINTS_HOST, UNVERIFIED})
"""Changes that make an attempt at a hop more like what the next proxy sends it; an attempt with them alone shows that the hop works."""
_ALIKE = 0.85
"""From this likeness on two bodies are the same page with other details."""
_PATH = re.compile(r"(?<![<\w])/[\w.~%/-]*")
"""A path in a text, which may be the one that the application saw; no end tag of HTML."""
_HOST = re.compile(r"\b(?:localhost|[\w-]{1,63}(?:\.[\w-]{1,63}){1,9})(?::\d+)?\b")
_ALWAYS_OTHER = frozenset({"date", "age", "sec-websocket-accept", "content-length", "etag", "last-modified", "expires"})
"""Headers whose values differ from answer to answer; Accept belongs to the key, and has its own check."""
_VALUE = 40
_SHOWN = 8


class State(StrEnum):
    """What became of the upgrade at one place."""

    PASSES = "passes"
    REFUSES = "refuses"
    SILENT = "no answer"
    UNREACHABLE = "not reachable from here"


class Place(Struct, frozen=True, kw_only=True):
    """One place that was tried. seen and facts: the attempt that counts.

    needs: the changes without which it refuses, which the proxy in front of it has to make; () when the plain attempt counts.
    """

    name: str
    state: State
    seen: Observation
    facts: UpgradeFacts
    needs: tuple[str, ...] = ()


class Break(Struct, frozen=True, kw_only=True):
    """Where the upgrade breaks. good: the nearest place inside of it that passes, None when none does.

    unreached: names of the places between the two, or inside of bad when there is no good one, that cannot be reached from here.
    """

    good: Place | None
    bad: Place
    unreached: tuple[str, ...] = ()


class HeaderChange(Struct, frozen=True, kw_only=True):
    """One header of an answer that a hop adds (inner is empty), removes (outer is empty) or changes."""

    name: str
    inner: str = ""
    outer: str = ""


def _attempts(observations: Iterable[Observation], name: str) -> list[tuple[Observation, UpgradeFacts]]:
    return [
        (seen, seen.facts)
        for seen in observations
        if isinstance(seen.facts, UpgradeFacts) and seen.source.hop == name and seen.source.probe == "upgrade"
    ]


def _state(seen: Observation, facts: UpgradeFacts) -> State:
    if facts.accepted:
        return State.PASSES
    if facts.status is not None or seen.failure is None:
        return State.REFUSES
    away = seen.failure.stage in _ON_THE_WAY or seen.failure.reason in _NOT_LOOKED
    return State.UNREACHABLE if away else State.SILENT


def _place(observations: Sequence[Observation], name: str) -> Place | None:
    """Return the place by its plain attempt, the direct test's before others, or by one that only fits it better; None untried."""
    tried = _attempts(observations, name)
    plain = [one for one in tried if not one[0].source.changed]
    if not plain:
        return None
    direct = [one for one in plain if one[0].source.step == "1.3"] if name == "endpoint" else []
    seen, facts = (direct or plain)[-1]
    state = _state(seen, facts)
    if state is not State.PASSES and name != "endpoint":
        fitting = [one for one in tried if one[0].source.changed and _FITTING.issuperset(one[0].source.changed) and one[1].accepted]
        for other, better in sorted(fitting, key=lambda one: (AS_FORWARDED in one[0].source.changed, len(one[0].source.changed))):
            return Place(name=name, state=State.PASSES, seen=other, facts=better, needs=other.source.changed)
    return Place(name=name, state=state, seen=seen, facts=facts)


def places(hops: Iterable[Hop] | Iterable[str], observations: Iterable[Observation]) -> tuple[Place, ...]:
    """Return the places that were tried, the application first and the endpoint last.

    hops: the target's, or their names, from the application outwards.
    """
    kept = tuple(observations)
    names = (hop if isinstance(hop, str) else hop.name for hop in hops)
    found = (_place(kept, name) for name in (*names, "endpoint"))
    return tuple(place for place in found if place is not None)


def instances(names: Iterable[str], chain: Iterable[Place]) -> list[list[str]]:
    """Return the names, instances of one place together: app and app-b, node1 and node2, unless their answers have other headers."""
    known = {place.name: place for place in chain}
    groups: list[list[str]] = []
    for name in names:
        like = next((group for group in groups if _stem(group[0]) == _stem(name) and _alike(known.get(group[0]), known.get(name))), None)
        if like is not None:
            like.append(name)
        else:
            groups.append([name])
    return groups


def _stem(name: str) -> str:
    return _INSTANCE.sub("", name) or name


def _alike(one: Place | None, other: Place | None) -> bool:
    """Tell whether two places may be instances of one program: the same names in the heads of their answers, where both answered alike."""
    if one is None or other is None or one.facts.status != other.facts.status:
        return True
    return {name.lower() for name, _ in one.facts.headers} == {name.lower() for name, _ in other.facts.headers}


def find_break(chain: Iterable[Place]) -> Break | None:
    """Return where the upgrade breaks; None when the outermost place that was tried passes, or nothing was tried.

    Going inwards from the outermost, the last place that fails before one passes is the first broken one. Places that cannot be
    reached from here are passed over: that says nothing about whoever stands in front of them.
    """
    bad: Place | None = None
    unreached: list[str] = []
    for place in reversed(tuple(chain)):
        if place.state is State.PASSES:
            return Break(good=place, bad=bad, unreached=tuple(reversed(unreached))) if bad else None
        if place.state is State.UNREACHABLE and bad is not None:
            unreached.append(place.name)
        else:
            bad, unreached = place, []
    return Break(good=None, bad=bad, unreached=tuple(reversed(unreached))) if bad else None


def likeness(one: UpgradeFacts, other: UpgradeFacts) -> float:
    """Return how much two refusals look like the same program's same answer, 0..1; 0 for another status or kind of body."""
    if one.status is None or one.status != other.status:
        return 0.0
    if (one.header("content-type") or "").lower() != (other.header("content-type") or "").lower():
        return 0.0
    left, right = _shape(one), _shape(other)
    same = 1.0 if left == right else SequenceMatcher(None, left, right, autojunk=False).ratio()
    return same if _destination(one) == _destination(other) else min(same, _ALIKE / 2)


def same_answer(one: UpgradeFacts, other: UpgradeFacts) -> bool:
    """Tell whether two refusals look like the same program's same answer: status, kind, and a body alike but for what was asked."""
    return likeness(one, other) >= _ALIKE


def _shape(facts: UpgradeFacts) -> str:
    """Return the beginning of a body without what changes from request to request: hosts, paths, digits and white space."""
    body = facts.body[:1000]
    path, host = urlsplit(facts.url).path, facts.request_header("host") or ""
    for text in (host, host.rpartition(":")[0]):
        body = body.replace(text, "") if len(text) > 3 else body
    if len(path) > 1:
        body = body.replace(path, "/").replace(path.strip("/"), "")
    body = _PATH.sub("/", _HOST.sub("", body))
    return "".join(c for c in body[:400] if not c.isdigit() and not c.isspace())


def _destination(facts: UpgradeFacts) -> str:
    """Return the path that a redirect leads to; "" for the path that was asked, with another scheme or slash, and for other answers."""
    location = facts.header("location") or ""
    if not 300 <= (facts.status or 0) < 400:
        return ""
    try:
        path = urlsplit(location[:2000]).path.rstrip("/")
    except ValueError:
        return location[:200]
    return "" if path == urlsplit(facts.url).path.rstrip("/") else path


def writer(place: Place, chain: Iterable[Place], observations: Iterable[Observation]) -> str:
    """Return the name of the place whose answer this is: the innermost one that answers some request like it, else the place itself."""
    kept = tuple(observations)
    if place.facts.status is None:
        return ""
    for inner in chain:
        if inner.name == place.name:
            break
        if place.state is State.PASSES and inner.state is State.PASSES:
            return inner.name
        if any(same_answer(facts, place.facts) for _, facts in _attempts(kept, inner.name)):
            return inner.name
    return place.name


def _values(facts: UpgradeFacts) -> dict[str, tuple[str, str]]:
    """Return lower-case name → (name as it came, values); of cookies only their names, which are no secret."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in facts.headers:
        shown = value.partition("=")[0] if name.lower() == "set-cookie" else value.strip()
        before = found.get(name.lower())
        found[name.lower()] = (name, f"{before[1]}, {shown}" if before else shown)
    return found


def header_changes(inner: UpgradeFacts, outer: UpgradeFacts) -> tuple[HeaderChange, ...]:
    """Return what is different in the head of the outer answer; () when the answers are not of the same status, so not of the same hand."""
    if inner.status is None or inner.status != outer.status:
        return ()
    inside, outside = _values(inner), _values(outer)
    names = [name for name in dict.fromkeys([*inside, *outside]) if inside.get(name, ("", ""))[1] != outside.get(name, ("", ""))[1]]
    return tuple(
        HeaderChange(name=(outside.get(name) or inside[name])[0], inner=inside.get(name, ("", ""))[1], outer=outside.get(name, ("", ""))[1])
        for name in names
        if name not in _ALWAYS_OTHER or (name in inside) != (name in outside)
    )


def _fewest_changes(inner: Iterable[Place], outer: Place, observations: Iterable[Observation]) -> tuple[HeaderChange, ...]:
    """Return what is changed between the likest answer inside, which may be one to another request, and the outer answer."""
    kept = tuple(observations)
    alike = [place.facts for place in inner if place.facts.status == outer.facts.status]
    if not alike:
        alike = [facts for place in inner for _, facts in _attempts(kept, place.name) if same_answer(facts, outer.facts)]
    return min((header_changes(facts, outer.facts) for facts in alike), key=len, default=())


def changes_on_the_way(chain: Iterable[Place], observations: Iterable[Observation] = ()) -> list[tuple[str, tuple[HeaderChange, ...]]]:
    """Return (place, what it changes in the answer of the next inner one), outwards; of several instances the likest counts.

    observations: where the inner place answers otherwise, its answers to other requests are looked through for the one passed on.
    """
    found: list[tuple[str, tuple[HeaderChange, ...]]] = []
    kept = tuple(observations)
    known = {place.name: place for place in chain}
    groups = instances(known, known.values())
    for inner, outer in pairwise(groups):
        found += [(name, _fewest_changes([known[one] for one in inner], known[name], kept)) for name in outer]
    return found


def changes_text(changes: Iterable[HeaderChange]) -> str:
    """Return the changes in words: ``adds Via: 1.1 Caddy; removes X-Instance; changes Server from a to b``; "" for none."""
    every = list(changes)
    added = [f"{c.name}: {cap(c.outer, _VALUE)}" for c in every if not c.inner]
    removed = [f"{c.name}: {cap(c.inner, _VALUE)}" for c in every if not c.outer]
    changed = [f"{c.name} from {cap(c.inner, _VALUE)} to {cap(c.outer, _VALUE)}" for c in every if c.inner and c.outer]
    parts = (("adds", added), ("removes", removed), ("changes", changed))
    return "; ".join(f"{verb} {_listed(names)}" for verb, names in parts if names)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
