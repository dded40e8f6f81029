"""Majors of the protocols that libraries speak, from the packages that manifests name. Knows releases, no code."""

import json
import posixpath
import re
from collections.abc import Iterable

from msgspec.structs import replace

from wsbook.facts import EndpointFacts
from wsbook.parsers.code.source_files import Code

__all__ = ["with_versions"]

_LINE = re.compile(
    r"""^[\s"']*([A-Za-z][\w.-]*)(?:\[[\w,-]*\])?["']?\s*(?:[=~<>!^]{1,2}=?|\s=\s)\s*["']?[\^~=v]*(\d[\w.]*)""", re.MULTILINE
)
_SCRIPT = re.compile(r"""(socket\.io(?:-client)?)[@/]v?(\d[\w.]*)(?:/|["'])""")

_ENGINE = {
    "frontend": (("socket.io-client", 3), ("socket.io", 3), ("vue-socket.io", 99), ("ngx-socket-io", 4)),
    "backend": (("socket.io", 3), ("python-socketio", 5), ("flask-socketio", 5), ("@nestjs/platform-socket.io", 8)),
}
"""Package → the first major that speaks Engine.IO 4; those before speak 3.

Sources: https://socket.io/docs/v4/migrating-from-2-x-to-3-0/, https://python-socketio.readthedocs.io/en/stable/intro.html#version-compatibility,
https://flask-socketio.readthedocs.io/en/latest/intro.html#version-compatibility.
"""


def with_versions(found: Iterable[EndpointFacts], manifests: Iterable[Code]) -> list[EndpointFacts]:
    """Return the endpoints with the Engine.IO major that the nearest manifest tells, or the URL of the script that a page loads."""
    given = list(manifests)
    packages: dict[str, dict[str, str]] = {}
    for code in given:
        packages.setdefault(posixpath.dirname(code.artifact.replace("\\", "/")), {}).update(_packages(code))
    loaded = {name: version for code in given for name, version in _SCRIPT.findall(code.text[:200_000])}
    return [_known(facts, packages, loaded) for facts in found]


def _known(facts: EndpointFacts, packages: dict[str, dict[str, str]], loaded: dict[str, str]) -> EndpointFacts:
    if facts.library != "socket.io" or facts.version:
        return facts
    folder = posixpath.dirname(facts.file.replace("\\", "/"))
    near = sorted((place for place in packages if place in ("", folder) or folder.startswith(place + "/")), key=len, reverse=True)
    for known in [*(packages[place] for place in near), loaded if facts.side == "frontend" else {}]:
        for package, first in _ENGINE[facts.side]:
            major = re.match(r"\d+", known.get(package, ""))
            if major:
                return replace(facts, version="4" if int(major[0]) >= first else "3")
    return facts


def _packages(code: Code) -> dict[str, str]:
    """Return package → version, without the signs of a range."""
    if code.artifact.endswith("package.json"):
        try:
            whole = json.loads(code.text)
        except (ValueError, RecursionError):
            return {}
        parts = [whole.get(key) for key in ("dependencies", "devDependencies")] if isinstance(whole, dict) else []
        named = {k: v for part in parts if isinstance(part, dict) for k, v in part.items() if isinstance(v, str)}
        return {name: re.sub(r"^[^\d]*", "", version) for name, version in named.items()}
    return {name.lower().replace("_", "-"): version for name, version in _LINE.findall(code.text[:200_000])}
