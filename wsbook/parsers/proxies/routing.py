"""Which of several routes serves a path, for every product that tries them in an order. Knows no product's notation."""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from wsbook.parsers.proxies.artifact import hints_at_websocket, plausible

__all__ = ["Candidate", "choose", "shadows"]


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


def choose(candidates: Sequence[Candidate], path: str) -> list[bool | None]:
    """Return for each candidate, in order of precedence, whether it serves the WebSocket. path: "" unknown."""
    if not path:
        return _likely(candidates, range(len(candidates)))
    chosen = sorted({first for group in {c.group for c in candidates} for first in _first(candidates, group, path)})
    if len(chosen) == 1:
        return [i in chosen for i in range(len(candidates))]
    return _likely(candidates, chosen)


def _first(candidates: Sequence[Candidate], group: str, path: str) -> list[int]:
    """Return the first that surely fits and those before it of which nobody knows."""
    found = []
    for i, candidate in enumerate(candidates):
        fits = candidate.fits(path) if candidate.group == group else False
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


def shadows(candidates: Sequence[Candidate]) -> Iterator[tuple[int, int]]:
    """Yield (route, the earlier route that takes its sample) for routes that are surely meant for a WebSocket and never get it."""
    for i, candidate in enumerate(candidates):
        if not candidate.sample or not (candidate.able or hints_at_websocket(candidate.words) == 2):
            continue
        taker = next((j for j in range(i) if candidates[j].group in ("", candidate.group) and candidates[j].fits(candidate.sample)), None)
        if taker is not None:
            yield i, taker
