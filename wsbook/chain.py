"""The path of an update, from the page to the application, with each place's state: the picture that heads every view.

Pure: target, observations and findings in, links out. Knows nothing of how it is drawn.
"""

from collections.abc import Iterable

from msgspec import Struct

from wsbook.describe import outcome_text
from wsbook.facts import IdleFacts, PageFacts, RouteFacts, SessionFacts, UpgradeFacts
from wsbook.finding import Verdict
from wsbook.hops import Break, Place, State, find_break, instances, places
from wsbook.observation import Observation
from wsbook.target import Target, parse_endpoint
from wsbook.words import cap, duration_text

__all__ = ["Link", "chain", "chain_text", "first_broken"]


class Link(Struct, frozen=True, kw_only=True):
    """One place of the path. verdict: of the way to it; detail: a few words.

    broken: the first one that fails, seen from the application.
    """

    name: str
    verdict: Verdict
    detail: str = ""
    broken: bool = False


def _answered_s(seen: Observation) -> float:
    ends = [stage.started_s + stage.duration_s for stage in seen.stages if stage.name != "first-message"]
    return max(ends, default=seen.duration_s)


def _state(place: Place | None) -> tuple[Verdict, str]:
    """Return verdict and words of a place; what cannot be reached from here is not known to be broken."""
    if place is None:
        return Verdict.UNKNOWN, "not tried"
    seen, facts = place.seen, place.facts
    if place.state is State.UNREACHABLE and place.name != "endpoint":
        return Verdict.UNKNOWN, f"not reachable from here: {seen.failure.reason.value}" if seen.failure else "not reachable from here"
    words = outcome_text(facts) if facts.status or not seen.failure else seen.failure.reason.value
    needs = f" with {' and '.join(place.needs)}" if place.needs else ""
    return (Verdict.CLEAR if facts.accepted else Verdict.FAULT), f"{words}{needs} in {duration_text(_answered_s(seen))}"


def _page(observations: tuple[Observation, ...]) -> tuple[Verdict, str]:
    pages = [seen.facts for seen in observations if isinstance(seen.facts, PageFacts)]
    tried = [
        seen.facts
        for seen in observations
        if isinstance(seen.facts, UpgradeFacts)
        and seen.source.step == "1.2"
        and not seen.source.changed
        and seen.source.probe != "repeated"
    ]
    if tried:
        good = sum(facts.accepted for facts in tried)
        return (Verdict.CLEAR if good == len(tried) else Verdict.FAULT), f"{good} of {len(tried)} sockets opened"
    sessions = [seen.facts for seen in observations if isinstance(seen.facts, SessionFacts) and seen.source.step == "1.2"]
    if sessions:
        return Verdict.CLEAR, f"{len(sessions)} sockets opened"
    return Verdict.UNKNOWN, "no socket seen" if pages else "not looked at"


def _idle_limit(observations: tuple[Observation, ...]) -> str:
    dead = [s.facts.lived_s for s in observations if isinstance(s.facts, IdleFacts) and not s.facts.survived and s.facts.traffic == "none"]
    settings = [s.facts.idle_s for s in observations if isinstance(s.facts, RouteFacts) and s.facts.serves is not False and s.facts.idle_s]
    texts = [setting.value for setting in settings if setting.value]
    configured = [float(text) for text in texts if text.replace(".", "", 1).isdigit()]
    if dead:
        return f"idle limit {duration_text(min(dead))}"
    return f"idle limit {duration_text(min(configured))} configured" if configured else ""


def _outer_name(target: Target, observations: tuple[Observation, ...]) -> str:
    products = {seen.facts.product for seen in observations if isinstance(seen.facts, RouteFacts)}
    if len(products) == 1 and target.hops:
        return products.pop()
    return cap(parse_endpoint(target.url).authority, 28) if target.url else "endpoint"


def chain(target: Target, observations: Iterable[Observation]) -> tuple[Link, ...]:
    """Return the path from the page inwards: page, public endpoint, then the hops down to the application."""
    seen = tuple(observations)
    links = []
    if target.page_url or any(s.source.step == "1.2" for s in seen):
        verdict, words = _page(seen)
        links.append(Link(name="browser", verdict=verdict, detail=words))
    tried = places(target.hops, seen)
    known = {place.name: place for place in tried}
    verdict, words = _state(known.get("endpoint"))
    limit = _idle_limit(seen)
    links.append(Link(name=_outer_name(target, seen), verdict=verdict, detail=", ".join(filter(None, (words, limit)))))
    groups = instances([hop.name for hop in target.hops], tried)
    links += [_place(known, group) for group in reversed(groups)]
    return _marked(links, [["endpoint"], *reversed(groups)], find_break(tried))


def _place(known: dict[str, Place], names: list[str]) -> Link:
    """Return the link of one place; of several instances the one that is worst off speaks."""
    order = (Verdict.FAULT, Verdict.UNKNOWN, Verdict.CLEAR)
    verdict, words = min((_state(known.get(name)) for name in names), key=lambda state: order.index(state[0]))
    return Link(name=cap(", ".join(names), 28), verdict=verdict, detail=words)


def _marked(links: list[Link], groups: list[list[str]], broken: Break | None) -> tuple[Link, ...]:
    """Mark the first broken place seen from the application: what fails outside of it may fail only with it.

    groups: the names behind the last links, the endpoint first; a link before them is the browser's, marked when nothing else fails.
    """
    before = len(links) - len(groups)
    inner = next((index for index in range(len(links) - 1, -1, -1) if links[index].verdict is Verdict.FAULT), None)
    if broken is not None:
        inner = before + next(index for index, names in enumerate(groups) if broken.bad.name in names)
    return tuple(Link(name=x.name, verdict=x.verdict, detail=x.detail, broken=index == inner) for index, x in enumerate(links))


def first_broken(links: Iterable[Link]) -> Link | None:
    """Return the place that is broken, seen from the application; None when none is."""
    return next((link for link in links if link.broken), None)


def chain_text(links: Iterable[Link], marks: dict[Verdict, str]) -> str:
    """Return the chain on one line: ``browser ──✗── nginx ──✗── app ✓``; the mark stands before the place it is about."""
    shown = tuple(links)
    if not shown:
        return ""
    head, *rest = shown
    return f"{marks[head.verdict]} {head.name}" + "".join(f" ──{marks[link.verdict]}── {link.name}" for link in rest)
