"""What stands beside the WebSockets of a recording: polls, event streams, snapshots, credentials. Must not judge it."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from wsbook.facts import Companion, RecordingFacts, Snapshot
from wsbook.parsers.instants import find_instant
from wsbook.parsers.recordings.har_format import Entry, Log, messages_of, raw_size, raw_text, seconds_of
from wsbook.wire.messages import number_of

__all__ = ["is_companion", "recording_facts"]

PARTS = (
    "socket.io",
    "engine.io",
    "sockjs",
    "/negotiate",
    "/longpoll",
    "signalr",
    "/cable",
    "transport=polling",
    "/xhr_streaming",
    "/poll?",
)
"""Parts of URLs of the HTTP requests that accompany a WebSocket."""
KEPT = 50
ENTRIES = 20_000
SNAPSHOT_BYTES = 262_144
CREDENTIALS = ("cookie", "authorization")
BROWSERS = ("webinspector", "firefox", "chrome", "edge", "safari", "webkit", "playwright", "chromium")
"""Recorders, in lower case, that see one browser; proxies see many clients."""


def is_companion(entry: Entry) -> bool:
    """Tell an HTTP request that belongs to a WebSocket library, or an event stream."""
    url = entry.request.url[:2000].lower()
    return any(part in url for part in PARTS) or _type(entry).startswith("text/event-stream")


def _type(entry: Entry) -> str:
    content = entry.response.content if entry.response else None
    return (content.mimeType or "").lower() if content else ""


def _companions(entries: Iterable[Entry]) -> list[Companion]:
    found: dict[str, list[tuple[float, int]]] = {}
    for entry in entries:
        address = entry.request.url[:2000].partition("?")[0]
        if address in found or len(found) < KEPT:
            status = int(entry.response.status) if entry.response and entry.response.status and 0 < entry.response.status < 1000 else 0
            found.setdefault(address, []).append((find_instant(entry.startedDateTime) or 0.0, status))
    return [
        Companion(
            url=address[:500],
            count=len(seen),
            first_s=min(seen)[0],
            last_s=max(seen)[0],
            statuses=tuple(sorted({status for _, status in seen if status})[:20]),
        )
        for address, seen in found.items()
    ]


def _snapshots(entries: Iterable[Entry]) -> list[Snapshot]:
    found: list[Snapshot] = []
    for entry in entries:
        content = entry.response.content if entry.response else None
        if content is None or "json" not in _type(entry) or raw_size(content.text) > SNAPSHOT_BYTES or len(found) >= KEPT:
            continue
        number = number_of(raw_text(content.text))
        if number is not None:
            at_s = find_instant(entry.startedDateTime)
            found.append(Snapshot(url=entry.request.url[:500].partition("?")[0], field=number[0][:100], number=number[1], at_s=at_s))
    return found


def _credentials(entries: Iterable[Entry]) -> tuple[tuple[str, str], ...]:
    found = {
        (_host(entry.request.url), pair.name.lower())
        for entry in entries
        for pair in (entry.request.headers or ())[:200]
        if pair.name.lower() in CREDENTIALS
    }
    return tuple(sorted(found)[:200])


def _host(url: str) -> str:
    try:
        return urlsplit(url[:2000]).hostname or ""
    except ValueError:
        return ""


def _instants(entries: Iterable[Entry]) -> list[float]:
    """Return the beginnings of entries, and the ends of those that lasted, in epoch seconds."""
    found = []
    for entry in entries:
        if (at := find_instant(entry.startedDateTime)) is not None:
            found += [at, at + max(0.0, min(entry.time or 0.0, 1e9)) / 1000]
            found += [max(at, seconds_of(message.time)) for message in messages_of(entry.messages, -1)]
    return found


def recording_facts(log: Log, sockets: int) -> RecordingFacts:
    """Return what a recording holds beside its sockets; the first 20,000 entries are looked at."""
    entries = log.entries[:ENTRIES]
    plain = [entry for entry in entries if not entry.request.url[:3].lower().startswith("ws") and entry.messages is None]
    instants = _instants(entries)
    names = " ".join(maker.name for maker in (log.browser, log.creator) if maker).lower()
    return RecordingFacts(
        program=log.program,
        first_s=min(instants, default=None),
        last_s=max(instants, default=None),
        entries=len(log.entries),
        sockets=sockets,
        broken=log.broken,
        credentials=_credentials(plain),
        one_browser=any(name in names for name in BROWSERS) if names.strip() else None,
        companions=tuple(_companions(entry for entry in plain if is_companion(entry))),
        snapshots=tuple(_snapshots(plain)),
    )
