"""What came of a configuration that was tried on loopback."""

from msgspec import Struct

from wsbook.facts.handshake import Headers

__all__ = ["Received", "RehearsalFacts", "Trial"]


class Received(Struct, frozen=True, kw_only=True):
    """What a stub in the application's place was sent. version: of HTTP, "2" for its preface. server: which of several stubs, from 0."""

    method: str
    resource: str
    version: str
    headers: Headers = ()
    secure: bool = False
    server: int = 0

    def header(self, name: str) -> str | None:
        """Return the first value of a header, None when it was not sent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Trial(Struct, frozen=True, kw_only=True):
    """One text of a configuration, as its program took it.

    valid: what the program's own check says; None, it could not be asked. complaint: its words, or why nothing was tried.
    accepted: whether the upgrade passed; None, none was tried. status: of the answer, None without one. received: what reached the
    stub, None when nothing did. servers: how many different stubs a few attempts of one client reached. watched_s: how long an upgrade
    was left silent, 0 not at all; closed_after_s: when it was closed meanwhile, None it was not.
    """

    valid: bool | None = None
    complaint: str = ""
    accepted: bool | None = None
    status: int | None = None
    received: Received | None = None
    servers: int = 0
    watched_s: float = 0.0
    closed_after_s: float | None = None


class RehearsalFacts(Struct, frozen=True, kw_only=True, tag="rehearsal"):
    """A configuration as given, and with one change, each started on loopback before a stub that accepts upgrades.

    file: the main one. causes, diff: of the change; none and "" when the file was tried as it is. parts: the diffs of the changes that
    were made together. after: of the changed text, None without a change. url: what was asked for; host and path are those of the
    endpoint. left_out: what could not be tried here. scale: by what every limit of both texts was shortened, 1 not at all.
    """

    product: str
    version: str
    file: str
    url: str
    before: Trial
    causes: tuple[str, ...] = ()
    diff: str = ""
    parts: tuple[str, ...] = ()
    after: Trial | None = None
    left_out: tuple[str, ...] = ()
    scale: float = 1.0
