"""Opening handshakes as recordings tell them, from parts that may be missing. Must not know any file format."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from wsbook.attempt import Attempt
from wsbook.facts import Check, Headers, SignatureFacts, UpgradeFacts
from wsbook.observation import Observation, Source, observed
from wsbook.signatures import Tally, matcher
from wsbook.wire.answer import Answer
from wsbook.wire.handshake import agreed_subprotocol, check_answer, is_accepted

__all__ = ["BODY_CHARS", "Exchange", "Known", "body_observations", "checks_of", "is_upgrade", "upgrade_facts"]

BODY_CHARS = 4096


class Exchange(Struct, frozen=True, kw_only=True):
    """One request and its answer. status None: no answer was recorded. http_version: "" unknown. proof: frames were seen after it.

    partial: only some headers of the answer are told, so that an absent one means nothing. at_s: in the artifact's own time.
    """

    url: str
    method: str = "GET"
    status: int | None = None
    reason: str = ""
    http_version: str = ""
    request_headers: Headers = ()
    headers: Headers = ()
    body: str = ""
    body_bytes: int | None = None
    error_text: str = ""
    peer: str | None = None
    proof: bool = False
    partial: bool = False
    at_s: float | None = None


def _values(headers: Headers, name: str) -> list[str]:
    return [value for key, value in headers if key.lower() == name]


def _tokens(headers: Headers, name: str) -> tuple[str, ...]:
    return tuple(part.strip() for value in _values(headers, name) for part in value.split(",") if part.strip())


def is_upgrade(exchange: Exchange) -> bool:
    """Tell whether a request asks for a WebSocket: by its scheme, its Upgrade header or extended CONNECT (RFC 8441)."""
    asked = any("websocket" in value.lower() for name in ("upgrade", ":protocol") for value in _values(exchange.request_headers, name))
    key = bool(_values(exchange.request_headers, "sec-websocket-key"))
    return exchange.url.lower().startswith(("ws:", "wss:")) or asked or key or exchange.status == 101


def checks_of(exchange: Exchange) -> tuple[tuple[Check, ...], bool]:
    """Return the checks of an answer (RFC 6455 section 4.1) and whether it opens a WebSocket.

    What was not recorded is not checked: Accept needs key and accept, the other headers need any header at all. Over HTTP/2 and 3 a
    status of 2xx opens (RFC 8441 section 5).
    """
    modern = _number(exchange.http_version)[:1] in ("2", "3") or exchange.method == "CONNECT"
    if exchange.status is None:
        return (), False
    if modern and exchange.status != 101:
        opened = 200 <= exchange.status < 300
        return (Check(name="status", ok=opened, detail=f"{exchange.status} over {exchange.http_version or 'extended CONNECT'}"),), opened
    key = next(iter(_values(exchange.request_headers, "sec-websocket-key")), "")
    answer = Answer(version=_version(exchange), status=exchange.status, reason=exchange.reason, headers=exchange.headers)
    attempt = Attempt(
        url=exchange.url,
        subprotocols=_tokens(exchange.request_headers, "sec-websocket-protocol"),
        extensions=tuple(_values(exchange.request_headers, "sec-websocket-extensions")),
    )
    checks = tuple(check for check in check_answer(attempt, key, answer) if _known(check.name, exchange, key))
    return checks, exchange.status == 101 and (exchange.proof or is_accepted(checks, answer))


def _number(version: str) -> str:
    """Return the number of HTTP/1.1, http/2.0, or of h2 and h3, as recorders write it."""
    return version.lower().removeprefix("http/").removeprefix("h")


def _version(exchange: Exchange) -> str:
    version = _number(exchange.http_version)
    return version if version in ("1.0", "1.1") else "1.1"


def _known(name: str, exchange: Exchange, key: str) -> bool:
    if name == "status":
        return True
    if name == "http-version":
        return bool(exchange.http_version)
    if name == "accept":
        return bool(key and _values(exchange.headers, "sec-websocket-accept"))
    if exchange.partial and name in ("upgrade", "connection"):
        return bool(_values(exchange.headers, name))
    if name in ("subprotocol", "extensions"):
        return bool(exchange.headers and exchange.request_headers)
    return bool(exchange.headers)


def upgrade_facts(exchange: Exchange) -> UpgradeFacts:
    """Return the handshake of an exchange."""
    checks, accepted = checks_of(exchange)
    answer = Answer(status=exchange.status, headers=exchange.headers)
    return UpgradeFacts(
        url=exchange.url[:2000],
        accepted=accepted,
        status=exchange.status,
        reason=exchange.reason[:200],
        http_version=_number(exchange.http_version) or None,
        peer=exchange.peer,
        request_headers=exchange.request_headers[:200],
        headers=exchange.headers[:200],
        body=exchange.body[:BODY_CHARS],
        body_bytes=exchange.body_bytes,
        checks=checks,
        subprotocol=agreed_subprotocol(answer),
        extensions=_tokens(exchange.headers, "sec-websocket-extensions"),
        error_text=exchange.error_text[:500],
    )


class Known(Struct, frozen=True):
    """A text that is already recognised. id: what it is called; causes: (slug, probability)."""

    id: str
    causes: tuple[tuple[str, float], ...]
    text: str


def body_observations(
    texts: list[tuple[int, str]], source: Source, known: Sequence[Known] = (), *, errors: Sequence[str] = ()
) -> list[Observation]:
    """Return the known texts in bodies and error texts. texts: (line in the artifact or 0, text); known: recognised elsewhere;
    errors: what a browser said, which consoles show as well."""
    tally = Tally()
    for search, rows in ((matcher("body"), texts), (matcher("body", "browser_console"), [(0, text) for text in errors])):
        for line, text in rows:
            for hit in search.scan([" ".join(text[: 2 * BODY_CHARS].split())]):
                tally.add(hit, line)
    return [
        observed(Source(step=source.step, probe=source.probe, artifact=source.artifact, line=first, line_end=last), facts)
        for first, last, facts in (*tally.facts(), *((0, 0, facts) for facts in _counted(known)))
    ]


def _counted(known: Sequence[Known]) -> Iterator[SignatureFacts]:
    for name in dict.fromkeys(one.id for one in known):
        same = [one for one in known if one.id == name]
        yield SignatureFacts(signature=name, program="", count=len(same), text=same[0].text[:500], causes=same[0].causes)
