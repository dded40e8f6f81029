"""Several processes behind one endpoint: which of them answered, and whether what belongs together reaches the same one."""

from msgspec import Struct

__all__ = ["AffinityFacts", "Conversation", "Visit"]


class Visit(Struct, frozen=True, kw_only=True):
    """One connection, made to see which process answers it.

    series: plain (no cookie of a balancer goes along), cookie (the cookies that the first answer set do), source (from another address of
    ours), direct (at a hop, around the balancer). instance: what identifies the process, "" unknown. source: the address dialled from, ""
    the usual one. status: None when no answer came; stage, error: where and why the connection did not open, "" when it did.
    """

    series: str
    place: str
    accepted: bool
    instance: str = ""
    status: int | None = None
    source: str = ""
    duration_s: float = 0.0
    stage: str = ""
    error: str = ""


class Conversation(Struct, frozen=True, kw_only=True):
    """One session of a transport that needs several requests, each sent over a new connection.

    series: plain or cookie, as of a Visit. requests: those after the first that were answered; lost: those to which the session was not
    known. upgraded: whether a WebSocket with the session's id opened, None when it was not tried. said: the refusal's words. instance: the
    hop that knows the session, "" unknown.
    """

    dialect: str
    series: str
    requests: int
    lost: int
    upgraded: bool | None = None
    said: str = ""
    instance: str = ""


class AffinityFacts(Struct, frozen=True, kw_only=True, tag="affinity"):
    """N connections of one client to one endpoint, and sessions of several requests where it has such.

    known_by: what identifies instances: "header x-instance", "cookie route", "server-timing host", "first message pid", "" nothing does.
    cookies: names of the cookies that the first answer set; bound: those known to bind a client to an instance. withheld: those that do
    not go along with the next handshake because of their attributes (RFC 6265 section 5.4), with the attribute.
    """

    url: str
    known_by: str = ""
    cookies: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    visits: tuple[Visit, ...] = ()
    conversations: tuple[Conversation, ...] = ()
