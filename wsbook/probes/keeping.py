"""A client that says nothing but what its dialect's library says by itself. It must not know how long it is kept, nor judge."""

import asyncio
import math
from itertools import pairwise
from statistics import median

from wsbook.facts import Frame, HeartbeatFacts
from wsbook.probes.connection import Socket
from wsbook.wire.dialects.detect import recognise
from wsbook.wire.heartbeats import Announced, Manner, announced, answer_to, dialect_of, heartbeat_kind, manner_of

__all__ = ["Keeping", "usual_gap"]

_FASTEST_S = 0.5
"""We beat no more often, whatever a server wants."""


def usual_gap(times: list[float]) -> float | None:
    """Return the median time between neighbours, None with fewer than two."""
    gaps = [later - earlier for earlier, later in pairwise(sorted(times))]
    return median(gaps) if gaps else None


class Keeping:
    """One open socket and what its client says by itself.

    dialect: "" is learnt from the first message. answers: False answers no heartbeat and sends none, once it has greeted. own: what the
    caller says itself after opening, which is not said twice.
    """

    def __init__(self, socket: Socket, dialect: str = "", *, answers: bool = True, own: str = "") -> None:
        self.socket, self.own = socket, own
        self.dialect = dialect
        self.announced = Announced()
        self.answers = answers
        self._heard = False
        if not answers:
            socket.stay_mute()

    @property
    def manner(self) -> Manner:
        """What a client of the dialect says."""
        return manner_of(self.dialect, self.socket.attempt.url)

    async def greet(self) -> None:
        """Say what the dialect's client says after opening."""
        for text in self.manner.hello:
            await self._say(text.replace("{host}", self.socket.attempt.endpoint.host))

    async def _say(self, text: str) -> None:
        await self.socket.send(text + self.manner.record)

    async def read(self, for_s: float) -> None:
        """Read for some time, or until the socket ends, and say what is due meanwhile."""
        end = self.socket.now_s + for_s
        while self.socket.ended == "open" and (left := end - self.socket.now_s) > 0:
            due_s = self._due_s()
            message = await self.socket.receive(max(0.001, min(left, due_s)))
            if message is not None:
                await self.hear(message)
                await asyncio.sleep(0)  # a peer that floods us must not stop everybody else
            elif self._due_s() <= 0 and self.socket.ended == "open":
                await self._say(self.manner.beat)

    def _due_s(self) -> float:
        """Return the time until our own next beat."""
        manner = self.manner
        every_s = manner.beat_s or self.announced.wanted_s or 0.0
        if not (self.answers and manner.beat and every_s):
            return math.inf
        return self.socket.last_sent_s + max(_FASTEST_S, every_s) - self.socket.now_s

    async def hear(self, message: str | bytes) -> None:
        """Take one message that somebody read, and say what a client says to it."""
        if not self._heard:
            self._heard = True
            await self._learn(message)
        if isinstance(message, str):
            self.announced = announced(self.dialect, message, self.socket.attempt.url) or self.announced
        reply = answer_to(self.manner, message) if self.answers else None
        if reply is not None:
            await self._say(reply)

    async def _learn(self, message: str | bytes) -> None:
        """Take the dialect from the first message, and say what its client says then."""
        if isinstance(message, str) and not self.dialect:
            said = next((clue.dialect for clue in recognise("", first_message=message)), "")
            self.dialect = said or dialect_of(message)
        for text in self.manner.after_first:
            if not self.own.startswith(text):
                await self._say(text)

    def beats(self) -> list[tuple[Frame, str]]:
        """Return the peer's heartbeats with their kinds, in order."""
        received = (frame for frame in self.socket.frames if frame.direction == "received")
        kinds = ((frame, heartbeat_kind(self.dialect, frame.text, frame.opcode)) for frame in received)
        return [(frame, kind) for frame, kind in kinds if kind]

    def facts(self) -> HeartbeatFacts:
        """Return the peer's heartbeats so far."""
        socket, found = self.socket, self.beats()
        kinds = [kind for _, kind in found]
        kind = max(kinds, key=kinds.count) if kinds else ""
        times = [frame.at_s for frame, one in found if one == kind]
        ended = socket.ended != "open" and socket.closed_by != "us"
        return HeartbeatFacts(
            answered=self.answers,
            dialect=self.dialect,
            kind=kind,
            beats=len(times),
            first_s=times[0] if times else None,
            interval_s=usual_gap(times),
            announced_s=self.announced.beats_s,
            announced_patience_s=self.announced.patience_s,
            announced_wanted_s=self.announced.wanted_s,
            age_s=socket.age_s,
            ended=socket.ended,
            closed_by=socket.closed_by,
            close_code=socket.close_code,
            close_reason=socket.close_reason,
            patience_s=socket.age_s - times[0] if times and ended and not self.answers else None,
        )
