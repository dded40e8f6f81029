"""What start commands, containers and settings offer: ports, the address that is bound, context paths. Reads no code."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from msgspec.structs import replace

from wsbook.facts import EndpointFacts
from wsbook.parsers.source_files import Code

__all__ = ["offered_by_command", "offered_by_text", "with_settings"]

_LOCAL_BY_DEFAULT = {"uvicorn": 8000, "hypercorn": 8000, "daphne": 8000, "gunicorn": 8000}
"""Servers that bind 127.0.0.1 when no address is given, and their default port (uvicorn.org/settings, docs.gunicorn.org, daphne --help)."""

_STARTED = re.compile(r"""(?<![\w./@-])(uvicorn|hypercorn|granian|gunicorn|daphne)(?=["', ])([^\n&|;]{0,300})""")
_PORT = re.compile(r"""(?:--port|--bind|-b|-p)[= "',]+(?:([\w.\[\]:-]*):)?\$?\{?(?:PORT:-)?(\d{2,5})""")
_HOST = re.compile(r"""(?:--host|-h)[= "',]+([\w.:\[\]-]+)|(?:--bind|-b)[= "',]+([\w.\[\]-]+)(?::\d+)?""")
_MAX_FOUND = 100
_EXPOSED = re.compile(r"^[ \t]*EXPOSE[ \t]+(\d{2,5})", re.MULTILINE)
_PUBLISHED = re.compile(
    r"^[ \t]*-[ \t]*[\"']?(?:([\d.]+):)?(?:\$\{\w+:-)?(\d{2,5})\}?:(\d{2,5})(?:/tcp)?[\"']?[ \t]*(?:#.*)?$", re.MULTILINE
)
_CONTEXT = re.compile(
    r"server\.servlet\.context-path\s*[=:]\s*(\S+)|spring\.webflux\.base-path\s*[=:]\s*(\S+)|quarkus\.http\.root-path\s*[=:]\s*(\S+)"
)
_SETTINGS_PORT = re.compile(r"(?:server|quarkus\.http)\.port\s*[=:]\s*(?:\$\{\w+:)?(\d{2,5})")


def offered_by_command(code: Code) -> Iterator[EndpointFacts]:
    """Yield the listeners that a Dockerfile, compose file, Procfile, unit or script starts."""
    for match in islice(_STARTED.finditer(code.text), _MAX_FOUND):
        yield from _started(code, match)
    for match in islice(_EXPOSED.finditer(code.text), _MAX_FOUND):
        yield _fact(code, "docker", match, int(match[1]))
    for match in islice(_PUBLISHED.finditer(code.text), _MAX_FOUND):
        yield replace(_fact(code, "compose", match, int(match[3])), published=int(match[2]), bind="")


def _started(code: Code, match: "re.Match[str]") -> Iterator[EndpointFacts]:
    library, rest = match[1], match[2]
    if not re.search(r"[\w.]+:[\w()]+|--bind|--port|-p\b|-b\b|--host", rest):
        return
    port, host = _PORT.search(rest), _HOST.search(rest)
    bound = (host[1] or host[2] if host else "") or (port[1] if port and port[1] else "")
    number = int(port[2]) if port else _LOCAL_BY_DEFAULT.get(library)
    if library in _LOCAL_BY_DEFAULT and not bound:
        bound = "127.0.0.1" if "--uds" not in rest and "--fd" not in rest and "unix:" not in rest else ""
    yield replace(_fact(code, library, match, number), bind=bound, tls=bool(re.search(r"--ssl|--certfile|--keyfile|-e ssl", rest)))


def _fact(code: Code, library: str, match: "re.Match[str]", port: int | None) -> EndpointFacts:
    line = code.text.count("\n", 0, match.start()) + code.line + (1 if match[0].startswith("\n") else 0)
    return EndpointFacts(side="backend", library=library, file=code.artifact, line=line, expression=match[0].strip()[:200], port=port)


def offered_by_text(code: Code, library: str, pattern: str, suffix: str) -> Iterator[EndpointFacts]:
    """Yield what a regular expression with the groups path and port finds in code that is not parsed; route blocks are prefixes."""
    from wsbook.parsers.route_paths import template

    for match in islice(re.finditer(pattern, code.text[:500_000], re.MULTILINE), _MAX_FOUND):
        groups = match.groupdict()
        path = groups.get("path")
        fact = _fact(code, library, match, int(groups["port"]) if groups.get("port") else None)
        yield replace(fact, path=template(_blocks(code.text, match.start()) + template(path)) + suffix if path is not None else None)


def _blocks(text: str, position: int) -> str:
    """Return the paths of the ``route("/x") {`` blocks that are open at a position."""
    depths: list[tuple[int, str]] = []
    prefix, depth = "", 0
    for found in re.finditer(r"""\b(?:route|scope|path)\(?\s*"([^"]*)"[^\n{]*\)?\s*\{|[{}]""", text[:position]):
        if found[0] == "}":
            depth -= 1
            if depths and depths[-1][0] == depth:
                depths.pop()
        else:
            if found[1] is not None:
                depths.append((depth, found[1]))
            depth += 1
    for _, path in depths:
        prefix += "/" + path.strip("/")
    return prefix


def with_settings(found: Iterable[EndpointFacts], manifests: Iterable[Code]) -> Iterator[EndpointFacts]:
    """Yield Java's and Kotlin's routes under their context path, and the ports of settings."""
    texts = [(code, _flat(code.text) if code.artifact.endswith(("yml", "yaml")) else code.text) for code in manifests]
    contexts = {_project(code.artifact): next(filter(None, m.groups())) for code, text in texts if (m := _CONTEXT.search(text))}
    for facts in found:
        context = next((path for place, path in contexts.items() if facts.file.startswith(place)), "")
        applies = facts.file.endswith((".java", ".kt")) and facts.path is not None
        yield replace(facts, path=context.strip("\"'").rstrip("/") + str(facts.path)) if context and applies else facts
    for code, text in texts:
        port = _SETTINGS_PORT.search(text)
        if port:
            yield EndpointFacts(
                side="backend", library="spring", file=code.artifact, line=_line(code.text, port[1]), expression=port[0], port=int(port[1])
            )


def _line(text: str, number: str) -> int:
    return text[: max(0, text.find(number))].count("\n") + 1


def _project(artifact: str) -> str:
    """Return the folder of a module: settings lie in src/main/resources."""
    folder = posixpath.dirname(artifact.replace("\\", "/"))
    return re.sub(r"(?:^|(?<=/))src/main/resources.*$", "", folder)


def _flat(text: str) -> str:
    """Return the scalar settings of YAML as dotted lines."""
    keys: list[tuple[int, str]] = []
    lines = []
    for line in text.splitlines()[:2000]:
        found = re.match(r"(\s*)([\w.-]+)\s*:\s*(.*?)\s*(?:#.*)?$", line)
        if found:
            depth = len(found[1])
            keys = [(d, k) for d, k in keys if d < depth] + [(depth, found[2])]
            if found[3]:
                lines.append(".".join(k for _, k in keys) + "=" + found[3])
    return "\n".join(lines)
