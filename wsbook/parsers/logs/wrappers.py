"""What collectors put around a program's lines: Docker, Kubernetes, the journal, CloudWatch, Google Cloud, Azure. Must not read them.

Sources: docs.docker.com/engine/logging/drivers/json-file; kubernetes CRI logging format (kubernetes/design-proposals-archive,
node/kubelet-cri-logging.md); systemd.directives "Journal JSON Format"; CloudWatch Logs GetLogEvents; Google Cloud LogEntry; Azure Monitor
ContainerLogV2 and AppServiceConsoleLogs.
"""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from wsbook.parsers.instants import find_instant, parse_instant

__all__ = ["unwrap"]

CRI = re.compile(r"^(?P<time>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) (?:stdout|stderr) [FP] (?P<text>.*)$")
NAMED = re.compile(r"^(?:\[pod/[\w./-]{1,300}\] |[\w.-]{1,100} +\| )(?P<text>.*)$")
"""Names in front of lines: kubectl logs --prefix, docker compose logs."""
TEXT_KEYS = ("log", "MESSAGE", "textPayload", "LogMessage", "LogEntry", "ResultDescription", "resultDescription", "Log_s", "message")
TIME_KEYS = ("time", "__REALTIME_TIMESTAMP", "timestamp", "TimeGenerated", "@timestamp", "eventTime")
HINTS = tuple(f'"{key}"' for key in (*TEXT_KEYS, "jsonPayload"))
ENVELOPE = frozenset(
    (
        *("timestamp", "message", "ingestionTime", "eventId", "id", "logStreamName", "logStream", "logGroup", "logGroupName", "owner"),
        *("time", "stream", "log", "attrs", "docker", "kubernetes", "@timestamp", "@message", "@logStream", "@ptr"),
    )
)
"""Fields of entries that hold nothing of their own beside a message."""


def unwrap(line: str) -> str:
    """Return what the program itself printed; the line as it is where nothing is known to be around it.

    A text without an instant of its own gets that of the collector in front.
    """
    if line[:1] == "{":
        return _json(line) if any(hint in line for hint in HINTS) else line
    if line[:2] == "20" and (found := CRI.match(line)):
        return _timed(found["text"], find_instant(found["time"]))
    if (" | " in line[:110] or line[:5] == "[pod/") and (found := NAMED.match(line)):
        return unwrap(found["text"]) if found["text"][:1] != "|" else line
    return line


def _json(line: str) -> str:
    try:
        entry = msgspec.json.decode(line.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return line
    if not isinstance(entry, dict):
        return line
    if isinstance(entry.get("jsonPayload"), dict):
        return str(msgspec.json.encode({"timestamp": entry.get("timestamp"), **entry["jsonPayload"]}), "utf-8")
    key = next((key for key in TEXT_KEYS if key in entry), "")
    if not key or not _only_wraps(key, entry):
        return line
    text = _text(entry[key]).rstrip("\r\n").replace("\n", " ")
    time = next((at for name in TIME_KEYS if (at := parse_instant(entry.get(name))) is not None), None)
    return _timed(text, time)


def _only_wraps(key: str, entry: dict[str, Any]) -> bool:
    if key in ("log", "message"):
        return entry.keys() <= ENVELOPE
    return True


def _text(value: object) -> str:
    """Return a message; the journal exports one that is no UTF-8 as a list of bytes."""
    if isinstance(value, list) and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def _timed(text: str, time: float | None) -> str:
    if time is None or not text or text[:1] == "{" or find_instant(text) is not None:
        return text
    try:
        stamp = datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return text
    return f"{stamp.replace('+00:00', 'Z')} {text}"
