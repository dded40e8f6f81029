"""Runs of load: what left, what came back, when, and what the generator and the servers did meanwhile."""

from msgspec import Struct

from wsbook.facts.process import Spell, Watched

__all__ = ["Generator", "Knee", "LoadFacts", "LoadRun", "LossyConnection", "Moment", "PageLoadFacts", "PageMoment", "Threshold"]


class Moment(Struct, frozen=True, kw_only=True):
    """One interval of a run. at_s: its end, from the begin. sent: due in it; lost: of these, never arrived. Latencies of what was
    due in it, in s from the intended sending; None when nothing of it came. histogram: these in ns, as that of a run, in the parts of a
    run that was shared among processes, so that they merge; "" elsewhere."""

    at_s: float
    sent: int
    received: int
    lost: int = 0
    p50_s: float | None = None
    p99_s: float | None = None
    max_s: float | None = None
    histogram: str = ""


class LossyConnection(Struct, frozen=True, kw_only=True):
    """One connection that did not get everything exactly once and in order. ended: "open" or how it ended; lost_numbers: the first 20."""

    number: int
    expected: int
    lost: int
    duplicated: int
    reordered: int
    ended: str = "open"
    close_code: int | None = None
    lost_numbers: tuple[int, ...] = ()


class Generator(Struct, frozen=True, kw_only=True):
    """What sent the load. engine: compiled or numpy. cpu_s: user and system over the run; busy: its share of the run's wall time, of one
    processor. lag_p99_s, lag_max_s: how late messages were offered to the kernel by our own fault, after they were due. shards: processes
    that shared the work, each of which had these at worst."""

    engine: str
    cpu_s: float
    busy: float
    lag_p99_s: float
    lag_max_s: float
    shards: int = 1


class LoadRun(Struct, frozen=True, kw_only=True):
    """One run at one rate, size and number of connections.

    rate: messages per second due over all sending connections; 0 with window, which keeps so many messages of each connection in flight
    (then nothing is known of the time before a message could leave). answered_by: "echo" (each message comes back on its connection),
    "broadcast" (each comes to every listening connection) or "sequence" (the server numbers its own messages). publishers: connections
    that send; of a broadcast the others listen.
    sent: that left. unsent: that were due and never could leave, because the peer took no more. received: distinct ones; of a broadcast
    over all listeners, each of which should get every message. lost: expected and never received. duplicated: further copies.
    reordered: first copies that came after a later number of their connection. foreign: messages that are none of ours.
    Latencies count from the intended instant of sending, in s; None when nothing came back. histogram: all of them in ns, HdrHistogram
    V2, compressed, Base64; "" none. lag_s: the generator's own, 99th percentile.
    asked, opened: connections wanted and made; connect_s: time for all of them; connect_p50_s, connect_p99_s: of one.
    ended: connections that ended meanwhile, by how. searched: whether it was made to find the rate at which something breaks, so that
    breaking is no fault. void: why the figures do not count, "" when they do.
    missing_shards: parts of the run that did not report, in words; the figures are those of the others. clock_error_s: of a broadcast
    between machines, by how much their clocks differ at most, and so its latencies err; None when one clock measured both ends.
    """

    rate: float
    size_bytes: int
    connections: int
    duration_s: float
    sent: int
    received: int
    lost: int
    duplicated: int
    reordered: int
    p50_s: float | None = None
    p99_s: float | None = None
    max_s: float | None = None
    lag_s: float = 0.0
    p90_s: float | None = None
    p999_s: float | None = None
    window: int = 0
    answered_by: str = "echo"
    publishers: int = 0
    slow_readers: int = 0
    unsent: int = 0
    foreign: int = 0
    histogram: str = ""
    moments: tuple[Moment, ...] = ()
    lossy: tuple[LossyConnection, ...] = ()
    lossy_count: int = 0
    asked: int = 0
    opened: int = 0
    why_refused: str = ""
    connect_s: float = 0.0
    connect_p50_s: float | None = None
    connect_p99_s: float | None = None
    ended: tuple[tuple[str, int], ...] = ()
    generator: Generator | None = None
    servers: tuple[Watched, ...] = ()
    spells: tuple[Spell, ...] = ()
    missing_shards: tuple[str, ...] = ()
    clock_error_s: float | None = None
    searched: bool = False
    void: str = ""


class Knee(Struct, frozen=True, kw_only=True):
    """Where a server stops to keep up. rate: the highest that held, messages per second; broke_at: the lowest that did not, None when the
    highest tried held; why: what did not hold there. bound_s: the latency that was asked for, None when none was; at: which percentile."""

    rate: float
    broke_at: float | None = None
    why: str = ""
    bound_s: float | None = None
    at: str = "p99"


class Threshold(Struct, frozen=True, kw_only=True):
    """One demand on the figures, such as "p99 < 50 ms", the worst value found, and whether it holds; None when it could not be told."""

    text: str
    value: str
    holds: bool | None


class LoadFacts(Struct, frozen=True, kw_only=True, tag="load"):
    """Runs of load, in the order in which they were made. void: why none of the figures count, "" when some do. errors: in words."""

    runs: tuple[LoadRun, ...]
    void: str = ""
    errors: tuple[str, ...] = ()
    knee: Knee | None = None
    thresholds: tuple[Threshold, ...] = ()


class PageMoment(Struct, frozen=True, kw_only=True):
    """One interval of a page under load. at_s: its end. due: messages that reached a subscriber beside the page in it, or were set off
    when there was none. frames: messages that the browser gave to the page; handled: of these, to a function of the page's own; shown:
    distinct marked ones that came into the document; changes: batches of changes to the document; pictures: animation frames;
    long_tasks, long_s: tasks of more than 50 ms on the main thread and their time (W3C Long Tasks); heap_bytes: None not told.
    busy_s, script_s, layout_s: time of the main thread, of it in scripts, in style and layout (layout that a script asks for counts in
    both); None when the browser did not tell in this interval."""

    at_s: float
    frames: int
    handled: int
    shown: int
    changes: int
    pictures: int
    long_tasks: int = 0
    long_s: float = 0.0
    heap_bytes: int | None = None
    due: int = 0
    busy_s: float | None = None
    script_s: float | None = None
    layout_s: float | None = None


class PageLoadFacts(Struct, frozen=True, kw_only=True, tag="page-load"):
    """A page while messages come at a rate. sent: that were set off; due: distinct ones that reached a subscriber beside the page, or were
    set off when there was none. copies: messages of the same length and marker that reached the subscriber once more.

    behind_s: how long after the last of these came the page still handled or showed some, None when it was not done when the watching
    ended. delay_p50_s, delay_p99_s: from that arrival to the page's handler: the browser holds back what the main thread has no time for,
    so that frames are late as well. draw_p50_s, draw_p99_s: from the handler to the document; None when nothing was shown.
    listeners: functions of the page on the socket, None not known. last_shown: whether the last message stood in the document.
    nodes_before, nodes_after: elements of the document. own_s: what our measuring took of the page's main thread.
    unseen: what could not be looked at, and why. void: why the figures do not count, "" when they do.
    """

    rate: float
    sent: int
    browser: str
    moments: tuple[PageMoment, ...]
    behind_s: float | None = None
    delay_p50_s: float | None = None
    delay_p99_s: float | None = None
    nodes_before: int = 0
    nodes_after: int = 0
    due: int = 0
    copies: int = 0
    handled: int = 0
    shown: int = 0
    draw_p50_s: float | None = None
    draw_p99_s: float | None = None
    listeners: int | None = None
    last_shown: bool | None = None
    own_s: float | None = None
    unseen: tuple[str, ...] = ()
    void: str = ""
