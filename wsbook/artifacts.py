"""Files that were handed over in a form, kept below a folder, and what each of them is. Reads no more of them than that needs."""

import hashlib
import re
from pathlib import Path

from msgspec import Struct

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.parsers.detect import HEAD_BYTES, detect_kind
from wsbook.parsers.lines import read_head
from wsbook.words import quantity, size_text

__all__ = ["LIMIT_BYTES", "PARAMETERS", "Kept", "keep_artifact"]

LIMIT_BYTES = 7 * 2**20
"""Of one file or text. A browser hands it over in one WebSocket message, of which Tornado takes 10 MiB (tornado/websocket.py), and a
message that is larger ends the connection to the kernel."""

PARAMETERS = {
    "configs": "configurations",
    "logs": "logs",
    "har": "recording",
    "console": "console",
    "frontend": "frontend",
    "backend": "backend",
}
"""Parameter that takes a file → its words."""

_KINDS = {
    "nginx_conf": ("nginx configuration", "configs", "nginx.conf"),
    "haproxy_cfg": ("HAProxy configuration", "configs", "haproxy.cfg"),
    "apache_conf": ("Apache configuration", "configs", "apache.conf"),
    "caddyfile": ("Caddyfile", "configs", "Caddyfile"),
    "traefik": ("Traefik configuration", "configs", "traefik.yml"),
    "envoy": ("Envoy configuration", "configs", "envoy.yaml"),
    "k8s_ingress": ("Kubernetes manifest", "configs", "ingress.yaml"),
    "alb_attributes": ("cloud load balancer's settings", "configs", "alb.json"),
    "backend_log": ("log of a server", "logs", "backend.log"),
    "access_log": ("access log", "logs", "access.log"),
    "browser_console": ("console of a browser", "console", "console.txt"),
    "har": ("HAR recording", "har", "recording.har"),
    "http_dump": ("dump of HTTP messages", "har", "messages.http"),
    "frontend_source": ("frontend's source", "frontend", "pasted.js"),
    "backend_source": ("backend's source", "backend", "pasted.py"),
}
"""Kind → its words, the parameter that takes it, and the name of a pasted text of it."""
_UNSAFE = re.compile(r"[^\w.+-]+", re.ASCII)
_NAME_CHARS = 80


class Kept(Struct, frozen=True, kw_only=True):
    """One file that was kept. kind: as in parsers.detect, "" unknown. lines: None when it is packed. parameter: which takes it."""

    path: Path
    kind: str
    size_bytes: int
    lines: int | None
    parameter: str

    @property
    def words(self) -> str:
        """What it is, in words: ``nginx configuration, 120 lines → configurations``."""
        kind = _KINDS[self.kind][0] if self.kind else "a file of no kind that is known"
        size = size_text(self.size_bytes) if self.lines is None else quantity(self.lines, "line")
        return f"{kind}, {size} → {PARAMETERS[self.parameter]}"


def _safe(name: str) -> str:
    """Return a file name that leads nowhere: no folder, no leading dot, letters of ASCII, at most 80 characters."""
    last = re.split(r"[/\\]", name)[-1]
    return _UNSAFE.sub("-", last).strip(".-")[-_NAME_CHARS:].lstrip(".-") or "artifact"


def _free(folder: Path, name: str, data: bytes) -> Path:
    """Return where a file can be kept: its own place when the same content lies there, another name when something else does."""
    path = folder / name
    if not path.exists() or (path.is_file() and path.read_bytes() == data):
        return path
    return folder / f"{path.stem}-{hashlib.sha256(data).hexdigest()[:8]}{path.suffix}"


def _lines(data: bytes) -> int | None:
    return None if b"\0" in data[:1024] else data.count(b"\n") + (not data.endswith(b"\n"))


def keep_artifact(folder: Path, name: str, data: bytes, *, parameter: str = "") -> Kept:
    """Write a file below a folder, readable by its owner only, and return what it is.

    name: as the browser tells it, "" for a pasted text. parameter: which shall take it, "" to tell by its content.

    Raises:
        UsageError: it is empty or too large, nobody can tell what it is, or it cannot be written.
    """
    shown = f"the file {_safe(name)}" if name else "the text"
    if not data.strip():
        raise UsageError(f"{shown} is empty")
    if len(data) > LIMIT_BYTES:
        raise UsageError(f"{shown} has {size_text(len(data))}; more than {size_text(LIMIT_BYTES)} is given as a path in its field")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kind = detect_kind(name, data[:HEAD_BYTES])
        path = _free(folder, _safe(name) if name else _KINDS[kind][2] if kind else "pasted.txt", data)
        path.touch(mode=0o600)
        path.write_bytes(data)
        kind = kind or detect_kind(name, read_head(path, HEAD_BYTES))
    except UnreadableInputError:
        kind = ""
    except OSError as error:
        raise UsageError(f"{shown} cannot be kept in {folder}: {error.strerror}") from error
    if not kind and not parameter:
        path.unlink()
        raise UsageError(f"nobody can tell what {shown} is; choose it in the list and give it again")
    taken = parameter or _KINDS[kind][1]
    return Kept(path=path, kind=kind, size_bytes=len(data), lines=_lines(data), parameter=taken)
