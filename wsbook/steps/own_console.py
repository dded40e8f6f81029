"""The console of a notebook: what it dials, and what it writes when it is asked to. Nothing of it is recorded otherwise."""

import base64
import os
from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.json import encode
from msgspec.structs import replace

from wsbook.attempt import Attempt, attempt_for
from wsbook.describe import describe
from wsbook.errors import UsageError
from wsbook.facts import SessionFacts
from wsbook.observation import Observation
from wsbook.probes.console_session import ConsoleSession
from wsbook.probes.frame_ring import FrameRow
from wsbook.redact import Redactor, seal
from wsbook.target import Target, parse_endpoint, parse_target
from wsbook.wire.closing import close_words
from wsbook.wire.har import HarMessage, har_of
from wsbook.words import cap, duration_text, quantity

__all__ = ["Dialled", "attempt_of", "console_har", "end_words", "places", "refusal_words", "session_words"]

_TIMEOUT_S = 10.0
_TEXT, _BINARY, _CLOSE = 1, 2, 8


class Dialled(Struct, frozen=True, kw_only=True):
    """What a person wants to dial. own_headers: with the headers of the target. origin, subprotocols: "" sends none."""

    url: str
    origin: str = ""
    subprotocols: str = ""
    own_headers: bool = True
    compression: bool = True
    heartbeats: bool = False


def places(target: Target) -> list[tuple[str, str]]:
    """Return (name, URL) of every place where the target's upgrade can be tried, the endpoint first."""
    return [*([("endpoint", target.url)] if target.url else []), *((hop.name, hop.url) for hop in target.hops)]


def attempt_of(target: Target, wanted: Dialled) -> Attempt:
    """Return the attempt that a person wants; a secret in the URL is moved into the environment, and a reference stands for it.

    Raises:
        UsageError: it cannot be dialled, with the sentence why.
    """
    url = seal(wanted.url.strip(), os.environ)
    if not url:
        raise UsageError("no endpoint; write ws://host[:port]/path")
    parse_endpoint(url, ("ws", "wss"))
    names = [name.strip() for name in wanted.subprotocols.replace(";", ",").split(",") if name.strip()]
    checked = parse_target(url, subprotocols=names)
    if any(ord(character) < 0x20 for character in wanted.origin):
        raise UsageError("the Origin holds a control character")
    attempt = replace(
        attempt_for(replace(target, url=url), _TIMEOUT_S),
        origin=wanted.origin.strip() or None,
        subprotocols=checked.subprotocols,
        headers=target.headers if wanted.own_headers else (),
    )
    hop = next((hop for hop in target.hops if hop.url == url), None)
    attempt = replace(attempt, hop=hop.name, via=None) if hop is not None else attempt
    return attempt if wanted.compression else replace(attempt, extensions=())


def refusal_words(seen: Observation) -> str:
    """Return how an attempt failed, and what the answer says to that."""
    body = getattr(seen.facts, "body", "")
    said = f": {cap(body, 160)}" if body.strip() else ""
    return f"{describe(seen)} after {duration_text(seen.duration_s)}{said}"


def end_words(session: SessionFacts) -> str:
    """Return how a socket ended: by whom, with which code, and after how long."""
    after = f"after {duration_text(session.age_s)}"
    who = {"peer": "by the server", "us": "by us"}.get(session.closed_by, "")
    if session.ended == "close":
        means = close_words(session.close_code)
        code = "without a code (1005)" if session.close_code == 1005 else f"with {session.close_code}{f' ({means})' if means else ''}"
        said = f": {cap(session.close_reason, 130)}" if session.close_reason else ""
        why = f"; {cap(session.error_text, 160)}" if session.error_text else ""
        return " ".join(filter(None, ["closed", who, code, after])) + said + why
    how = {"fin": "ended without a close frame", "rst": "was reset", "silence": "fell silent"}.get(session.ended, session.ended)
    why = f": {cap(session.error_text, 160)}" if session.error_text else ""
    return " ".join(filter(None, ["the connection", how, who, after])) + f"{why}; a browser reports 1006"


def session_words(session: ConsoleSession) -> str:
    """Return the state of a session as one sentence, which stays as it is while frames come and go."""
    upgrade, life = session.upgrade, session.facts()
    if life is None:
        return refusal_words(session.seen) if session.seen is not None else "not connected"
    if life.ended != "open":
        return end_words(life)
    with_what = [upgrade.subprotocol, "compressed" if upgrade.extensions else ""] if upgrade is not None else []
    means = ", ".join(filter(None, with_what))
    return f"{'closing' if session.state == 'closing' else 'open'}{f', {means}' if means else ''}"


def console_har(session: ConsoleSession, redactor: Redactor) -> bytes:
    """Return what was seen of a connection as a HAR file without secrets.

    Raises:
        UsageError: nothing was dialled yet.
    """
    if session.seen is None or session.upgrade is None:
        raise UsageError("nothing to export; connect first")
    seen = redactor.value(session.seen)
    facts, life = redactor.value(session.upgrade), session.facts()
    messages = list(_messages(session.ring.kept, redactor))
    cut, dropped = sum(message.cut for message in messages), session.ring.dropped
    notes = [f"the first {quantity(dropped, 'frame')} were no longer kept" if dropped else ""]
    notes += [f"of {quantity(cut, 'message')} only the beginning was kept" if cut else ""]
    archive = har_of(seen, facts, redactor.value(life) if life is not None else None, messages, "; ".join(filter(None, notes)))
    return encode(archive)


def _messages(rows: Iterable[FrameRow], redactor: Redactor) -> Iterator[HarMessage]:
    """Yield whole messages, their fragments (RFC 6455 section 5.4) put together, and control frames between them."""
    parts: dict[str, list[FrameRow]] = {"sent": [], "received": []}
    for row in rows:
        if row.opcode >= _CLOSE:
            yield _whole([row], redactor)
            continue
        open_parts = parts[row.direction]
        if row.opcode != 0:
            open_parts.clear()
        open_parts.append(row)
        if row.fin:
            yield _whole(open_parts, redactor)
            open_parts.clear()


def _whole(rows: list[FrameRow], redactor: Redactor) -> HarMessage:
    """Return one message; what follows a part of which only the beginning was kept is left out."""
    first, last = rows[0], rows[-1]
    content, cut = "", False
    for row in rows:
        content, cut = content + row.text, cut or row.cut
        if cut:
            break
    text = first.opcode in (_TEXT, _CLOSE) or (first.opcode == 0 and not first.is_hex)
    return HarMessage(
        at_s=last.at_s,
        sent=first.direction == "sent",
        opcode=first.opcode or (_TEXT if text else _BINARY),
        data=redactor.text(content) if text else _base64(content, redactor),
        size_bytes=sum(row.size_bytes for row in rows),
        cut=cut,
    )


def _base64(digits: str, redactor: Redactor) -> str:
    """Return bytes in base64; what they spell in text is redacted first, because base64 hides it from every later search."""
    spelled = bytes.fromhex(digits).decode("latin-1")
    return base64.b64encode(redactor.text(spelled).encode("latin-1", "replace")).decode()
