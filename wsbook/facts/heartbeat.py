"""What keeps an open socket alive: silence and traffic over time, and the heartbeats of the peer."""

from msgspec import Struct

__all__ = ["HalfOpenFacts", "HeartbeatFacts", "IdleFacts"]


class IdleFacts(Struct, frozen=True, kw_only=True, tag="idle"):
    """One rung of the idle ladder; observed_at is when it began.

    silence_s: of a silent rung the longest silence that was reached, or for which it was planned when it died; of others how long it was
    planned to last. traffic: none; client (we send messages), ping (we send pings), pong (pongs that nobody asked for: bytes of ours
    alone), listen (we asked the peer to speak, and only listen), server (the peer spoke by itself where silence was tried). survived:
    still usable at the end. lived_s: of a silent rung the silence before the end, of others the age at the end; silence_s when it
    survived. ended: as in SessionFacts, silence when only our ping showed it. age_s: of the connection at the end, None in old records.
    quiet_s: the longest silence that it survived. interval_s: between what we sent. sent_quiet_s, received_quiet_s: how long that
    direction was silent before the end. peer_every_s: usual time between what the peer sent, None when it sent too little. delay_s: how
    long after the first connection of the ladder this one was opened.
    """

    silence_s: float
    traffic: str
    survived: bool
    lived_s: float
    ended: str
    close_code: int | None = None
    close_reason: str = ""
    age_s: float | None = None
    quiet_s: float | None = None
    interval_s: float | None = None
    sent_quiet_s: float | None = None
    received_quiet_s: float | None = None
    peer_every_s: float | None = None
    delay_s: float = 0.0


class HeartbeatFacts(Struct, frozen=True, kw_only=True, tag="heartbeat"):
    """The heartbeats that a peer sent on one connection on which we said nothing by ourselves but what its dialect's client says.

    answered: whether we answered them; a connection that does not answer shows the peer's patience. kind: ping (RFC 6455 section 5.5.2), a
    dialect's own heartbeat by the dialect's name, or text; "" none came. beats: how many. first_s: age at the first. interval_s: usual
    time between two, None with fewer. announced_s, announced_patience_s, announced_wanted_s: how often the peer says that it beats, how
    long it says that it waits for an answer, how often it says that it wants to hear of us; 0 never, None not said. age_s: of the
    connection when it ended or was left. ended, closed_by, close_code, close_reason: as in SessionFacts. patience_s: from the first beat
    that was not answered to the end, None when there was no such end.
    """

    answered: bool
    dialect: str = ""
    kind: str = ""
    beats: int = 0
    first_s: float | None = None
    interval_s: float | None = None
    announced_s: float | None = None
    announced_patience_s: float | None = None
    announced_wanted_s: float | None = None
    age_s: float = 0.0
    ended: str = "open"
    closed_by: str = ""
    close_code: int | None = None
    close_reason: str = ""
    patience_s: float | None = None


class HalfOpenFacts(Struct, frozen=True, kw_only=True, tag="half_open"):
    """A connection on which nothing passed any more in either direction, and nobody was told. Times count from then on.

    noticed_s: when the server ended its side by FIN or RST, None not within watched_s. last_heard_s: the last that it sent, None nothing.
    """

    watched_s: float
    noticed_s: float | None = None
    last_heard_s: float | None = None
