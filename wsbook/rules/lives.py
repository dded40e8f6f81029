"""Sockets as somebody watched them: each handshake with what followed, put into order, and alike addresses together. Judges nothing."""

import re
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.facts import Frame, SessionFacts, UpgradeFacts
from wsbook.observation import Observation, Reason
from wsbook.wire.messages import is_heartbeat, number_of

__all__ = ["Life", "data_of", "groups_of", "lives_of", "numbers_of"]

_WATCHED = frozenset({"har", "browser", "http_dump"})
"""Who watches sockets of others; our own probes' sockets tell nothing of a page."""
_DATELESS = 1970
_CHANGING = re.compile(
    r"(?i)(?<=[?&])(?:sid|t|ts|_|\w*token|ticket|nonce|\w*auth\w*|jwt|session\w*|connection_?id|client_?id|id|vsn|key|sig\w*)=[^&]*&?"
)


class Life(Struct, frozen=True, kw_only=True):
    """One socket from its handshake on. started_s, ended_s: epoch seconds; ended_s None unknown. session None: it never opened."""

    seen: Observation
    upgrade: UpgradeFacts
    session: SessionFacts | None = None

    @property
    def started_s(self) -> float:
        return self.seen.observed_at.timestamp()

    @property
    def watcher(self) -> tuple[str, str, str, str]:
        """Who watched: sockets of two browsers, or of two visits of a page, are not those of one page."""
        return watcher_of(self.seen)

    @property
    def timed(self) -> bool:
        """Whether its instants are those of the socket: most pasted texts tell only the order, some a time that counts from 1970."""
        return self.seen.source.probe != "http_dump" or self.seen.observed_at.year == _DATELESS

    @property
    def ended_s(self) -> float | None:
        """The end as far as known; a socket that never opened ends with its handshake."""
        if self.session is None:
            return self.started_s + self.seen.duration_s
        return None if self.session.age_s is None else self.started_s + self.session.age_s

    @property
    def last_s(self) -> float:
        """The last moment at which it is known to have been open."""
        frames = self.session.frames if self.session else ()
        return max(self.started_s, self.ended_s or 0.0, self.started_s + (frames[-1].at_s if frames else 0.0))

    @property
    def by_the_page(self) -> bool:
        """Whether the page itself ended or gave up the attempt."""
        if self.session is None:
            return self.seen.failure is not None and self.seen.failure.reason is Reason.SKIPPED
        return self.session.closed_by == "us" or self.session.close_code in (1000, 1001, 1005)

    @property
    def broke(self) -> bool:
        """Whether it was refused, or ended and not by the page."""
        return not self.by_the_page and (self.session is None or self.ended_s is not None) and not self.is_open

    @property
    def is_open(self) -> bool:
        """Whether it was still open when the watching ended."""
        return self.session is not None and self.session.ended == "open"


def watcher_of(seen: Observation) -> tuple[str, str, str, str]:
    """Return step, probe, hop and artifact of an observation."""
    return seen.source.step, seen.source.probe, seen.source.hop, seen.source.artifact


def lives_of(evidence: Evidence) -> list[Life]:
    """Return the watched sockets in order of their beginnings; a session belongs to the first opened socket of its address without one."""
    lives: list[Life] = []
    waiting: dict[tuple[tuple[str, str, str, str], str], deque[int]] = {}
    for seen in evidence.observations:
        if seen.source.probe not in _WATCHED or seen.source.changed or not isinstance(seen.facts, UpgradeFacts | SessionFacts):
            continue
        places = waiting.setdefault((watcher_of(seen), seen.facts.url), deque())
        if isinstance(seen.facts, UpgradeFacts):
            if seen.facts.accepted:
                places.append(len(lives))
            lives.append(Life(seen=seen, upgrade=seen.facts))
        elif places:
            index = places.popleft()
            lives[index] = replace(lives[index], session=seen.facts)
        elif seen.facts.frames:  # notes that tell frames and no handshake
            lives.append(Life(seen=seen, upgrade=UpgradeFacts(url=seen.facts.url, accepted=True), session=seen.facts))
    return sorted(lives, key=lambda life: life.started_s)


def groups_of(lives: list[Life]) -> Iterator[list[Life]]:
    """Yield the sockets of one address that one watcher saw; parts of a query that change with each attempt do not count."""
    found: dict[tuple[tuple[str, str, str, str], str], list[Life]] = {}
    for life in lives:
        parts = urlsplit(life.upgrade.url)
        query = _CHANGING.sub("", f"?{parts.query}").strip("?&")
        address = f"{parts.netloc}{parts.path}?{query}"
        found.setdefault((life.watcher, address), []).append(life)
    yield from found.values()


def data_of(frames: tuple[Frame, ...]) -> list[Frame]:
    """Return the received frames that are more than a heartbeat."""
    return [
        f for f in frames if f.direction == "received" and f.opcode in (0, 1, 2) and not is_heartbeat(f.text, f.opcode if f.text else 2)
    ]


def numbers_of(frames: tuple[Frame, ...]) -> dict[str, list[tuple[Frame, int]]]:
    """Return the received sequence numbers by field and channel, in order of arrival; only of fields that really count one by one."""
    found: dict[str, list[tuple[Frame, int]]] = {}
    for frame in frames:
        if frame.direction == "received" and frame.text and (number := number_of(frame.text)):
            found.setdefault(number[0], []).append((frame, number[1]))
    return {name: rows for name, rows in found.items() if _counts(sorted({number for _, number in rows}), name.lower().startswith("s"))}


def _counts(numbers: list[int], certain: bool) -> bool:
    """Tell whether most distinct numbers follow the one before; certain: the field's name says so, and a few are enough."""
    steps = sum(b - a == 1 for a, b in pairwise(numbers))
    if len(numbers) < 5:
        return certain and len(numbers) >= 2 and steps >= 0.6 * (len(numbers) - 1)
    return steps >= 0.75 * (len(numbers) - 1)
