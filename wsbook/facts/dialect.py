"""What a library's own protocol on top of WebSocket made of our client."""

from msgspec import Struct

__all__ = ["DialectFacts", "DialectStep"]


class DialectStep(Struct, frozen=True, kw_only=True):
    """One thing that a client of the dialect does. ok: None when it could not be told.

    status: of an HTTP answer; code: the dialect's or a close code; both None when there was none. refusal: id in refusals.toml, ""
    for one that is not known.
    """

    name: str
    ok: bool | None
    detail: str = ""
    status: int | None = None
    code: int | None = None
    refusal: str = ""
    duration_s: float | None = None


class DialectFacts(Struct, frozen=True, kw_only=True, tag="dialect"):
    """An endpoint asked as a client of its dialect asks.

    dialect: engine.io, sockjs, signalr, graphql, stomp, phoenix, actioncable, mqtt. why: what it was recognised by. basis: said (the
    endpoint's own words), asked (a subprotocol or the client's library), path. spoken: the endpoint speaks it, None when nothing
    answered. versions: those that it accepts. settings: (name, value) that the server announced. pairs: sessions begun by one request
    and used by the next over another connection; pairs_lost: those that were not known there.
    """

    url: str
    dialect: str
    why: str = ""
    basis: str = "path"
    spoken: bool | None = None
    versions: tuple[str, ...] = ()
    steps: tuple[DialectStep, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    pairs: int = 0
    pairs_lost: int = 0
