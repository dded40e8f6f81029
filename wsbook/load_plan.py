"""One run of load, described completely: what a generator, a shard and a record agree on. No I/O."""

from msgspec import Struct

from wsbook.attempt import Attempt
from wsbook.errors import UsageError

__all__ = ["MOST_BYTES", "MOST_CONNECTIONS", "MOST_RATE", "LineFault", "LoadPlan", "check_plan"]

MOST_CONNECTIONS, MOST_RATE, MOST_BYTES, _MOST_SECONDS = 100_000, 5_000_000.0, 16_000_000, 86_400.0
LINE_FAULTS = ("refuse", "cut", "stall", "delay", "throttle")
"""What the relay can do to the connections; see probes/relay.py."""


class LineFault(Struct, frozen=True, kw_only=True):
    """One trouble on the way, at_s after the begin. how: refuse, cut, stall, delay or throttle; value: "fin" or "rst" of a cut, s of a
    delay, bytes per second of a throttle; for_s: how long it lasts, 0 to the end."""

    at_s: float
    how: str
    value: str = ""
    for_s: float = 0.0


class LoadPlan(Struct, frozen=True, kw_only=True):
    """Everything that defines one run against one endpoint. A grid, a ramp and a search are several plans; a shard has a part of one.

    rate: messages per second over all sending connections, sent by the clock; 0 with window: messages that each connection keeps in
    flight. size_bytes: of a message's payload. seconds: of sending; what is late is waited for drain_s more, at most.
    answered_by: "echo", "broadcast" or "sequence", as in facts.LoadRun. publishers: sending connections of a broadcast; 0
    listens only, to what another shard sends.
    template: text message, in which {marker} is replaced by what tells run, connection and number, and {padding} by what fills the
    size; "" sends binary messages with a header of 24 bytes. subscribe: text that every connection sends first; "" none.
    sequence: JSON path of the server's number, of a "sequence".
    slow_readers: connections beside the others that read slow_bytes_per_s, 0 nothing, and are not counted.
    faults: troubles on the way. connect_rate: connections per second, 0 as many as can be. engine: "auto", "compiled" or "numpy".
    run: eight hex digits that
    mark the messages of one run, "" draws some; first_connection: number of this shard's first connection; begin_at: epoch s when all
    shards begin to send, 0 when connected.
    """

    attempt: Attempt
    connections: int = 10
    rate: float = 0.0
    window: int = 0
    size_bytes: int = 64
    seconds: float = 10.0
    drain_s: float = 5.0
    answered_by: str = "echo"
    publishers: int = 1
    template: str = ""
    subscribe: str = ""
    sequence: str = ""
    slow_readers: int = 0
    slow_bytes_per_s: float = 0.0
    faults: tuple[LineFault, ...] = ()
    connect_rate: float = 0.0
    engine: str = "auto"
    run: str = ""
    first_connection: int = 0
    begin_at: float = 0.0


def check_plan(plan: LoadPlan) -> LoadPlan:
    """Return the plan.

    Raises:
        UsageError: it cannot be carried out, with the sentence why.
    """
    bounds = (
        ("connections", plan.connections, 1, MOST_CONNECTIONS),
        ("rate", plan.rate, 0, MOST_RATE),
        ("window", plan.window, 0, 4096),
        ("size", plan.size_bytes, 0, MOST_BYTES),
        ("seconds", plan.seconds, 0.01, _MOST_SECONDS),
        ("slow readers", plan.slow_readers, 0, MOST_CONNECTIONS),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            raise UsageError(f"{name} {value:g} is not within {least:g}..{most:g}")
    if plan.answered_by not in ("echo", "broadcast", "sequence"):
        raise UsageError(f"messages answered by {plan.answered_by!r}; one of echo, broadcast, sequence")
    if plan.answered_by != "sequence" and bool(plan.rate) == bool(plan.window):
        raise UsageError("give either a rate or a window")
    if plan.answered_by == "sequence" and not plan.sequence:
        raise UsageError("give the JSON path of the server's number, such as --sequence '$.seq'")
    if plan.template and "{marker}" not in plan.template:
        raise UsageError("put {marker} into the message, so that its answer can be recognised")
    if plan.answered_by == "broadcast" and plan.publishers and plan.connections < 2:
        raise UsageError("a broadcast needs two connections at least, one of which sends")
    for fault in plan.faults:
        if fault.how not in LINE_FAULTS:
            raise UsageError(f"trouble {fault.how!r} is not one of {', '.join(LINE_FAULTS)}")
    return plan
