"""Who may open a socket: what a client proves itself with, and what the requests beside the socket permit to pages."""

from msgspec import Struct

from wsbook.facts.handshake import Headers

__all__ = ["CorsFacts", "CorsTrial", "Credential", "CredentialFacts"]


class Credential(Struct, frozen=True, kw_only=True):
    """One thing that a client proves itself with; never its value.

    place: header, query, URL (its userinfo) or subprotocol. name: of the header, cookie or parameter. scheme: of an Authorization header.
    ambient: a browser adds it to the socket of any page; None where that depends on the browser. expires_at: epoch seconds of a JWT's
    exp claim (RFC 7519 section 4.1.4), None when there is none.
    """

    place: str
    name: str
    scheme: str = ""
    ambient: bool | None = False
    expires_at: float | None = None


class CredentialFacts(Struct, frozen=True, kw_only=True, tag="credentials"):
    """The credentials that were given for an endpoint; at: epoch seconds when they were looked at."""

    url: str
    credentials: tuple[Credential, ...]
    at: float = 0.0


class CorsTrial(Struct, frozen=True, kw_only=True):
    """One request of a page beside the socket. kind: preflight or request; whose: own or foreign page.

    headers: of the answer, those that CORS reads and Vary. asked: what a preflight asks permission for. carries: the page sends cookies
    on purpose. credentials: whether the target's own were sent. refused: why a browser keeps the answer from the page, "" when it does
    not. speaks: the body is an answer of the dialect. said: the first 200 characters of another body.
    """

    kind: str
    whose: str
    origin: str
    method: str
    status: int | None = None
    headers: Headers = ()
    asked: tuple[str, ...] = ()
    carries: bool = False
    credentials: bool = False
    refused: str = ""
    speaks: bool = False
    said: str = ""
    error: str = ""


class CorsFacts(Struct, frozen=True, kw_only=True, tag="cors"):
    """The HTTP requests beside a socket, asked as the pages of two sites would. dialect: whose requests these are.

    same_origin: the page and the endpoint are of one origin, so that CORS is not asked for the own page. preflighted: the dialect's client
    sends a request that needs a preflight.
    """

    url: str
    dialect: str
    page_origin: str
    same_origin: bool = False
    preflighted: bool = False
    trials: tuple[CorsTrial, ...] = ()
