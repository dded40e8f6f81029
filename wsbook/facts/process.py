"""A server while connections open, end and wait: what it holds, and how soon it answers."""

from msgspec import Struct

__all__ = ["CrowdFacts", "CycleFacts", "Neighbour", "PulseFacts", "Pulses", "Sample", "Spell", "Watched"]


class Sample(Struct, frozen=True, kw_only=True):
    """One reading of a server. None: not told.

    at_s: from the start of the probe. ended: connections of ours that have opened and ended so far; held: those that are open.
    memory_bytes: resident, shared pages of several processes counted once each. cpu_s: processor time so far, user and system.
    waiting_s: time so far that the main thread was ready to run and had no processor (Linux).
    """

    at_s: float
    ended: int
    held: int
    memory_bytes: int | None = None
    descriptors: int | None = None
    sockets: int | None = None
    close_wait: int | None = None
    threads: int | None = None
    cpu_s: float | None = None
    waiting_s: float | None = None


class Watched(Struct, frozen=True, kw_only=True):
    """One server over the whole probe.

    how: "process" (of this machine) or "metrics" (a URL). place: the hop whose port it listens on, or "metrics". collected: whether its
    runtime frees memory late, so that growth may be garbage. descriptor_limit: None not told. events_s: processor time for each of some
    published messages, in turns: after the warm-up, when half of the waves are over, and after all, while nobody else of ours listened;
    empty where that is not told.
    """

    how: str
    place: str
    name: str
    processes: int
    samples: tuple[Sample, ...]
    collected: bool = False
    descriptor_limit: int | None = None
    events_s: tuple[tuple[float, ...], ...] = ()


class CycleFacts(Struct, frozen=True, kw_only=True, tag="cycles"):
    """Connections that opened and ended in waves, and the servers meanwhile.

    warm_up: connections of the first wave, which are not judged. closed, hung_up, broken: how the others ended: with the closing
    handshake, with a FIN alone, with a RST. at_once: most that were open together. refused: those that did not open, with the first
    reason in why_refused. after_pause: whether one more opened a little later beside those that were open; after_leaving: whether one more
    opened when one had left; None not tried. blind: why no server was watched, "" when one was.
    """

    warm_up: int
    closed: int
    hung_up: int
    broken: int
    at_once: int
    connect_s: float
    servers: tuple[Watched, ...] = ()
    refused: int = 0
    why_refused: str = ""
    after_pause: bool | None = None
    after_leaving: bool | None = None
    blind: str = ""


class Pulses(Struct, frozen=True, kw_only=True):
    """The pings of one quiet connection: when each left and when its pong came back, from the start of the probe; None never.

    instance: what identifies the process at the other end, "" unknown. acknowledged: for each ping whether the peer's system had taken it
    well before its pong came, None where that is not told.
    """

    place: str
    instance: str
    sent_s: tuple[float, ...]
    answered_s: tuple[float | None, ...]
    acknowledged: tuple[bool | None, ...]


class Spell(Struct, frozen=True, kw_only=True):
    """What else we did from one moment to another: idle, publishing, or a word for a burden."""

    name: str
    begin_s: float
    end_s: float


class PulseFacts(Struct, frozen=True, kw_only=True, tag="pulses"):
    """Pings at a steady pace on unrelated, quiet connections.

    lags: (moment, s) of our own loop where it was late by more than a few milliseconds. local: places on this machine, where no
    network lies between. servers: what the processes at local places waited for a processor, as far as told.
    """

    every_s: float
    duration_s: float
    connections: tuple[Pulses, ...]
    spells: tuple[Spell, ...] = ()
    lags: tuple[tuple[float, float], ...] = ()
    local: tuple[str, ...] = ()
    servers: tuple[Watched, ...] = ()


class Neighbour(Struct, frozen=True, kw_only=True):
    """One subscriber beside a badly behaving one: how long each message took to reach it, in s, None never.

    before: of the messages while all behaved; during: of those after. instance: "" unknown. ended: how its own socket ended, "" when it
    did not.
    """

    index: int
    instance: str
    before: tuple[float | None, ...]
    during: tuple[float | None, ...]
    ended: str = ""


class CrowdFacts(Struct, frozen=True, kw_only=True, tag="crowd"):
    """Subscribers, one of which misbehaves: "reads nothing" or "floods".

    size_bytes: of each message; padded: whether they were made large enough to fill buffers. sent_s: when each message of during left;
    released_s: when the odd one behaved again, both from the start of during. odd_sent: messages that it flooded with. odd_got: messages
    of during that reached it at last; odd_caught_up: whether the last one is among them. odd_ended, odd_code: how its connection ended
    meanwhile, "open" and None when it did not.
    servers: their samples before, at the height, and at the end.
    """

    kind: str
    size_bytes: int
    padded: bool
    neighbours: tuple[Neighbour, ...]
    sent_s: tuple[float, ...]
    released_s: float
    odd_sent: int = 0
    odd_got: int = 0
    odd_caught_up: bool = False
    odd_ended: str = "open"
    odd_code: int | None = None
    servers: tuple[Watched, ...] = ()
