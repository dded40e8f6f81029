"""The client's side of the opening handshake: the request in bytes, and separate checks of the answer (RFC 6455 section 4.1).

No I/O. It must not know about sockets, TLS or time, nor resolve secrets: references stay references here.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from websockets.exceptions import InvalidHandshake
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.headers import parse_extension

from wsbook import __version__
from wsbook.attempt import Attempt
from wsbook.facts import Check, Headers
from wsbook.secret import resolve
from wsbook.signs import agent_mark, mark_of_key
from wsbook.wire.answer import Answer

__all__ = [
    "URL_CREDENTIALS",
    "USER_AGENT",
    "accept_for",
    "agreed_extensions",
    "agreed_subprotocol",
    "check_answer",
    "connect_headers",
    "deflate_parameters",
    "is_accepted",
    "request_headers",
    "request_target",
    "write_request",
]

USER_AGENT = f"wsbook/{__version__}"
"""Marks our own requests in other people's logs."""
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
URL_CREDENTIALS = "Basic (user and password of the URL)"
"""Stands for the value in facts and records."""
_URL_CHARACTERS = "/?:@!$&'()*+,;=%-._~[]|{}^`\"<>\\"
"""Sent as they are; spaces and what is outside ASCII go out in percent form (RFC 3986 section 2.1)."""


def request_target(resource: str) -> str:
    """Return the path and query of a URL as they are sent."""
    return quote(resource, safe=_URL_CHARACTERS)


def accept_for(key: str) -> str:
    """Return the Sec-WebSocket-Accept value that answers a key (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def request_headers(attempt: Attempt, key: str) -> Headers:
    """Return the request's headers in the order sent, secret references unresolved.

    The User-Agent carries the mark of the attempt, by which its line in a log is found. A name in attempt.headers takes the place of the
    handshake's own header of that name. With attempt.exact those are all.
    """
    if attempt.exact is not None:
        return tuple((name, key if name.lower() == "sec-websocket-key" else value) for name, value in attempt.exact)
    agent = f"{USER_AGENT}{agent_mark(mark_of_key(key))}"
    own = [("Host", attempt.host_header or attempt.endpoint.authority), ("User-Agent", agent)]
    if attempt.upgrade:
        own += [("Upgrade", "websocket"), ("Connection", "Upgrade")]
    if attempt.endpoint.userinfo:
        own.append(("Authorization", URL_CREDENTIALS))
    if attempt.origin is not None:
        own.append(("Origin", attempt.origin))
    own += _websocket_headers(attempt, key) if attempt.upgrade else []
    replaced = {name.lower() for name, _ in attempt.headers} | set(attempt.omit)
    more = (header for header in attempt.headers if header[0].lower() not in attempt.omit)
    return (*(header for header in own if header[0].lower() not in replaced), *more)


def _websocket_headers(attempt: Attempt, key: str) -> list[tuple[str, str]]:
    headers = [("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", str(attempt.version))]
    if attempt.subprotocols:
        headers.append(("Sec-WebSocket-Protocol", ", ".join(attempt.subprotocols)))
    if attempt.extensions:
        headers.append(("Sec-WebSocket-Extensions", ", ".join(attempt.extensions)))
    return headers


def connect_headers(authority: str, credentials: str = "") -> Headers:
    """Return the headers of a CONNECT request (RFC 9110 section 9.3.6); credentials: the value of Proxy-Authorization, "" sends none."""
    own = (("Host", authority), ("User-Agent", USER_AGENT))
    return (*own, ("Proxy-Authorization", credentials)) if credentials else own


def write_request(method: str, resource: str, headers: Iterable[tuple[str, str]], version: str = "1.1") -> bytes:
    """Return the request in bytes; text outside ASCII goes out as UTF-8. version: of HTTP.

    Raises:
        ValueError: a line break or NUL in any part, which would smuggle another header.
    """
    lines = [f"{method} {resource} HTTP/{version}", *(f"{name}: {value}" for name, value in headers)]
    if any(c in line for line in lines for c in "\r\n\0"):
        raise ValueError("a request header or the URL holds a line break or NUL")
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


def _offer(text: str) -> tuple[str, list[tuple[str, str | None]]]:
    name, *parameters = [part.strip() for part in text.split(";")]
    pairs = [parameter.partition("=") for parameter in parameters if parameter]
    return name.lower(), [(key.strip(), value.strip().strip('"') if equals else None) for key, equals, value in pairs]


def _deflate(parameters: Sequence[tuple[str, str | None]]) -> ClientPerMessageDeflateFactory | None:
    """Return what checks the answer to an offer of permessage-deflate (RFC 7692), None when the offer itself is invalid."""
    offered = dict(parameters)
    client_bits = offered.get("client_max_window_bits", "")
    try:
        return ClientPerMessageDeflateFactory(
            server_no_context_takeover="server_no_context_takeover" in offered,
            client_no_context_takeover="client_no_context_takeover" in offered,
            server_max_window_bits=int(offered["server_max_window_bits"] or 15) if "server_max_window_bits" in offered else None,
            client_max_window_bits=(True if client_bits is None else int(client_bits)) if client_bits != "" else None,
        )
    except ValueError:
        return None


def deflate_parameters(agreed: str) -> dict[str, int | None]:
    """Return the parameters of permessage-deflate in an answer (RFC 7692 section 7.1); None for one without a number, {} without it."""
    for name, parameters in map(_offer, agreed.split(",")):
        if name == "permessage-deflate":
            return {key: int(value) if value and value.isdecimal() else None for key, value in parameters}
    return {}


def _match_extension(
    attempt: Attempt, name: str, parameters: Sequence[tuple[str, str | None]], agreed: Sequence[Extension]
) -> tuple[Extension | None, str]:
    """Return (extension, what is wrong); (None, "") for an offered extension that we let pass unchecked."""
    offers = [offer for offer in map(_offer, attempt.extensions) if offer[0] == name.lower()]
    if not offers:
        return None, f"{name} was not offered"
    if name.lower() != "permessage-deflate":
        return None, ""
    problem = f"{name} was offered in an invalid form"
    for factory in filter(None, (_deflate(parameters) for _, parameters in offers)):
        try:
            return factory.process_response_params(list(parameters), agreed), ""
        except InvalidHandshake as error:
            problem = str(error)[:200]
    return None, problem


def agreed_extensions(attempt: Attempt, answer: Answer) -> tuple[list[Extension], tuple[str, ...], str]:
    """Return the extensions to apply to frames, the names in the answer, and what is wrong with them ("" nothing)."""
    extensions: list[Extension] = []
    names: list[str] = []
    for value in answer.values("sec-websocket-extensions"):
        try:
            parsed = parse_extension(value)
        except InvalidHandshake as error:
            return [], tuple(names), f"Sec-WebSocket-Extensions cannot be parsed: {str(error)[:200]}"
        for name, parameters in parsed:
            names.append("; ".join([str(name), *(f"{k}={v}" if v is not None else k for k, v in parameters)]))
            extension, problem = _match_extension(attempt, str(name), parameters, extensions)
            if problem:
                return [], tuple(names), problem
            extensions += [extension] if extension is not None else []
    return extensions, tuple(names), ""


def agreed_subprotocol(answer: Answer) -> str | None:
    """Return the subprotocol that the answer names, None when it names none."""
    return next(iter(answer.values("sec-websocket-protocol")), None)


def _status(answer: Answer) -> Check:
    return Check(name="status", ok=answer.status == 101, detail=f"{answer.status} {answer.reason}".strip())


def _upgrade(answer: Answer) -> Check:
    values = answer.values("upgrade")
    if not values:
        return Check(name="upgrade", ok=False, detail="no Upgrade header")
    return Check(name="upgrade", ok=[v.lower() for v in values] == ["websocket"], detail=", ".join(values)[:200])


def _connection(answer: Answer) -> Check:
    tokens = answer.tokens("connection")
    if not tokens:
        return Check(name="connection", ok=False, detail="no Connection header")
    return Check(name="connection", ok="upgrade" in [token.lower() for token in tokens], detail=", ".join(tokens)[:200])


def _accept(answer: Answer, key: str) -> Check:
    values, expected = answer.values("sec-websocket-accept"), accept_for(key)
    if values == [expected]:
        return Check(name="accept", ok=True, detail=expected)
    if not values:
        return Check(name="accept", ok=False, detail="no Sec-WebSocket-Accept header")
    if len(values) > 1:
        return Check(name="accept", ok=False, detail=f"{len(values)} Sec-WebSocket-Accept headers: {', '.join(values)[:200]}")
    return Check(name="accept", ok=False, detail=f"{values[0][:200]} instead of {expected}")


def _subprotocol(attempt: Attempt, answer: Answer) -> Check:
    values, offered = answer.values("sec-websocket-protocol"), ", ".join(attempt.subprotocols)[:200]
    if not values:
        detail = f"{offered} offered, none selected; browsers refuse that" if offered else "none offered, none selected"
        return Check(name="subprotocol", ok=not offered, detail=detail)
    shown = ", ".join(values)[:200]
    if len(values) > 1 or "," in values[0]:
        return Check(name="subprotocol", ok=False, detail=f"more than one selected: {shown}")
    if values[0] not in map(resolve, attempt.subprotocols):
        return Check(name="subprotocol", ok=False, detail=f"{shown} selected, {offered or 'none'} offered")
    return Check(name="subprotocol", ok=True, detail=f"{shown} selected")


def _extensions(attempt: Attempt, answer: Answer) -> Check:
    _, names, problem = agreed_extensions(attempt, answer)
    return Check(name="extensions", ok=not problem, detail=problem or ", ".join(names)[:200] or "none agreed")


def _transfer_encoding(answer: Answer) -> Check:
    values = ", ".join(answer.values("transfer-encoding"))[:200]
    length = ", ".join(v for v in answer.values("content-length") if v.strip("0"))[:200]
    detail = f"Transfer-Encoding: {values}" if values else f"Content-Length: {length}" if length else "none"
    return Check(name="transfer-encoding", ok=detail == "none", detail=detail)


def check_answer(attempt: Attempt, key: str, answer: Answer) -> tuple[Check, ...]:
    """Return one verdict per requirement on the answer; only status and http-version when it is no 101.

    subprotocol is also not ok when one was offered and none selected: RFC 6455 allows that, browsers refuse it (WHATWG
    WebSockets section 2). transfer-encoding: RFC 9112 section 6 allows a 1xx neither Transfer-Encoding nor a body.
    """
    if answer.status is None:
        return ()
    version = Check(name="http-version", ok=answer.version == "1.1", detail=f"HTTP/{answer.version}")
    if answer.status != 101:
        return _status(answer), version
    return (
        _status(answer),
        _upgrade(answer),
        _connection(answer),
        _accept(answer, key),
        _subprotocol(attempt, answer),
        _extensions(attempt, answer),
        version,
        _transfer_encoding(answer),
    )


def is_accepted(checks: Sequence[Check], answer: Answer) -> bool:
    """Tell whether an answer with these checks opens a WebSocket: everything ok, or only the subprotocol left out."""
    failed = {check.name for check in checks if not check.ok}
    return bool(checks) and (not failed or (failed == {"subprotocol"} and agreed_subprotocol(answer) is None))
