"""Which of several routes serves a path, for every product that tries them in an order. Knows no product's notation."""

import re
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from wsbook.parsers.proxies.artifact import hints_at_websocket, plausible

__all__ = ["Candidate", "choose", "falls_through", "shadows"]


_PAGES = re.compile(
    r"(?:^|[^a-z])(?:front|frontend|web|website|site|spa|static|ui|www|pages?|cdn|s3|client|next|nuxt)(?:$|[^a-z])", re.IGNORECASE
)
_MEANT = 50
"""Routes whose shadows are looked for; real files have a few."""


class Candidate(Struct, frozen=True, kw_only=True):
    """One route.

    fits: whether it takes a path; None unknown. words: what may sound like a WebSocket. sample: a path that it is meant for, "" none.
    group: host or listener; routes of one group compete, in the order in which they stand. open: it takes every path. able: it says
    itself that it carries WebSockets. possible: it could carry one at all.
    """

    fits: Callable[[str], bool | None]
    words: str = ""
    sample: str = ""
    group: str = ""
    open: bool = False
    able: bool = False
    possible: bool = True


def choose(candidates: Sequence[Candidate], path: str, host: str = "", *, mixed: bool = False) -> list[bool | None]:
    """Return for each candidate, in order of precedence, whether it serves the WebSocket. path, host: "" unknown.

    mixed: routes of all groups that take the host compete; else those of the group that names it best.
    """
    ranks = [_rank(candidate.group, host) for candidate in candidates]
    best = max(ranks, default=0)
    taken = [i for i, rank in enumerate(ranks) if (rank > 0 if mixed else rank == best)] if host and best else range(len(candidates))
    if not path:
        return _likely(candidates, taken)
    groups = [""] if mixed and host and best else sorted({candidates[i].group for i in taken})
    chosen = sorted({first for group in groups for first in _first(candidates, taken, None if mixed and host and best else group, path)})
    if len(chosen) == 1:
        return [i in chosen for i in range(len(candidates))]
    return _likely(candidates, chosen)


def _rank(group: str, host: str) -> int:
    """Return how well a group's hosts fit: 3 by name, 2 by a wildcard, 1 a group for any, 0 not."""
    names = [name.partition(":")[0] for name in group.lower().split(",")]
    if group == "":
        return 1
    if host.lower() in names:
        return 3
    wide = [name for name in names if name.startswith("*.") and host.lower().endswith(name[1:])]
    return 2 if wide or any("{" in name or "^" in name or "(" in name for name in names) else 0


def _first(candidates: Sequence[Candidate], among: Sequence[int], group: str | None, path: str) -> list[int]:
    """Return the first of a group, None any, that surely fits and those before it of which nobody knows."""
    found = []
    for i in among:
        fits = candidates[i].fits(path) if group is None or candidates[i].group == group else False
        if fits is not False:
            found.append(i)
        if fits:
            break
    return found


def _likely(candidates: Sequence[Candidate], among: Sequence[int]) -> list[bool | None]:
    able = [i for i in among if candidates[i].possible]
    judged = plausible(
        [candidates[i].able for i in able], [hints_at_websocket(candidates[i].words) for i in able], [candidates[i].open for i in able]
    )
    result: list[bool | None] = [False] * len(candidates)
    for i, serves in zip(able, judged, strict=True):
        result[i] = serves
    return result


def falls_through(candidates: Sequence[Candidate], judged: Sequence[bool | None]) -> int | None:
    """Return the route for everything that gets the WebSocket though it sounds like one for pages, beside routes for certain paths."""
    serving = [i for i, serves in enumerate(judged) if serves]
    special = [candidate for candidate in candidates if not candidate.open and candidate.possible]
    if len(serving) != 1 or not special or any(candidate.able or hints_at_websocket(candidate.words) == 2 for candidate in candidates):
        return None
    found = candidates[serving[0]]
    return serving[0] if found.open and _PAGES.search(found.words) else None


def shadows(candidates: Sequence[Candidate]) -> Iterator[tuple[int, int]]:
    """Yield (route, the earlier route that takes its sample) for routes that are surely meant for a WebSocket and never get it."""
    meant = 0
    for i, candidate in enumerate(candidates):
        if meant == _MEANT:
            return
        if not candidate.sample or not (candidate.able or hints_at_websocket(candidate.words) == 2):
            continue
        meant += 1
        taker = next((j for j in range(i) if candidates[j].group in ("", candidate.group) and candidates[j].fits(candidate.sample)), None)
        if taker is not None:
            yield i, taker
