"""A recording of a browser or an intercepting proxy as a whole."""

from msgspec import Struct

__all__ = ["Companion", "RecordingFacts", "Snapshot"]


class Companion(Struct, frozen=True, kw_only=True):
    """HTTP requests of one address, without its query, that accompany WebSockets: polls, negotiations, event streams.

    statuses: those seen, each once. first_s, last_s: epoch seconds of their beginnings.
    """

    url: str
    count: int
    first_s: float
    last_s: float
    statuses: tuple[int, ...] = ()


class Snapshot(Struct, frozen=True, kw_only=True):
    """An HTTP answer that carries a sequence number, as an application fetches before it subscribes. at_s: epoch seconds, None unknown."""

    url: str
    field: str
    number: int
    at_s: float | None = None


class RecordingFacts(Struct, frozen=True, kw_only=True, tag="recording"):
    """What a recording holds beside its WebSockets.

    program: who recorded it, "" unknown. first_s, last_s: epoch seconds of the first and the last thing seen, None unknown. entries,
    sockets: counted. broken: entries of another shape, left out. credentials: (host, header name in lower case) of HTTP requests that
    carried one, values never. one_browser: everything comes from one browser; None unknown. companions: first 50. snapshots: first 50.
    """

    program: str = ""
    first_s: float | None = None
    last_s: float | None = None
    entries: int = 0
    sockets: int = 0
    broken: int = 0
    credentials: tuple[tuple[str, str], ...] = ()
    one_browser: bool | None = None
    companions: tuple[Companion, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
