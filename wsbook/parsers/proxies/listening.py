"""The ports that a configuration says it listens at, as far as its main file tells. Knows no routes."""

import re
from pathlib import Path

from wsbook.parsers.detect import detect_kind
from wsbook.parsers.lines import decode, is_folder, read_head

__all__ = ["listening_ports", "ports_of_file"]

_MOST = 200
_CHARS = 1_000_000
_HEAD_BYTES = 1_000_000
_WRITTEN = {
    "nginx_conf": r"(?:^|[;{])\s*listen\s+(?:\S*:)?(\d{1,5})\b",
    "haproxy_cfg": r"^\s*bind\s+(?:\S*,)*\S*:(\d{1,5})\b",
    "apache_conf": r"^\s*(?:Listen\s+(?:\S+:)?|<VirtualHost\s+\S*:)(\d{1,5})\b",
    "caddyfile": r"^(?:[^\s{}\"#]*:|[^\s{}\"#]*,\s+\S*:)(\d{1,5})(?=[\s,{])|\"listen\"\s*:\s*\[\s*\"[^\"]*:(\d{1,5})\"",
    "envoy": r"port_value\"?\s*:\s*(\d{1,5})\b",
    "traefik": r"(?:address\s*[:=]|entrypoints\.\w+\.address=)\s*[\"']?[\w.]*:(\d{1,5})\b",
}
"""Kind of configuration → an expression whose first group that matched is a port."""


def listening_ports(text: str, kind: str) -> frozenset[int]:
    """Return the ports; none where the kind has no such lines or the file leaves them to defaults."""
    regex = _WRITTEN.get(kind)
    found = re.finditer(regex, text[:_CHARS], re.MULTILINE | re.IGNORECASE) if regex else iter(())
    ports = [int(next(filter(None, match.groups()))) for _, match in zip(range(_MOST), found, strict=False)]
    return frozenset(port for port in ports if 0 < port < 65536)


def ports_of_file(path: str) -> frozenset[int]:
    """Return the ports of a configuration file; none of a folder.

    Raises:
        UnreadableInputError: it cannot be read, or is no text.
    """
    head = b"" if is_folder(Path(path)) else read_head(path, _HEAD_BYTES)
    return listening_ports(decode(head), detect_kind(path, head))
