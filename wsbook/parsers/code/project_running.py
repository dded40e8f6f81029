"""How a backend is run: the server that is started, its limits, and how many run, against what its code needs."""

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from wsbook.facts import PatternFacts
from wsbook.parsers.code.source_files import Code, Folder
from wsbook.parsers.pattern_table import entry, pattern_found

__all__ = ["running_patterns"]

_SOCKET_ROUTES = re.compile(
    r"\.websocket\(|@websocket\w*\(|WebSocketRoute\(|WebSocketEndpoint|\.websocket_route\(|\bSocketIO\(|@sock\.route|\bSock\(|ProtocolTypeRouter\("
    r"|socketio\.ASGIApp|\bws_prepare\b|WebsocketConsumer"
)
_PLAIN_SERVERS = re.compile(
    r"\bwaitress-serve\b[^\n]*|\bmod_wsgi-express\b[^\n]*|\buwsgi\b(?![^\n]*(?:gevent|http-websockets))[^\n]*"
    r"|\bgunicorn\b(?![^\n]*(?:-k\b|worker-class|--threads|uvicorn|eventlet|gevent|gthread))[^\n]*"
)
"""Servers that answer requests only: WSGI in plain workers (gunicorn, Design; Waitress and mod_wsgi have no access to the socket)."""

_PLAIN_PART = re.compile(r"\b(?:hypercorn|uvicorn|daphne|granian|UvicornWorker)\b[^\n#]{0,200}\bwsgi:\w+")
"""An ASGI server that is given the part for requests only."""

_UPGRADING_SERVERS = re.compile(
    r"(?m)\b(?:daphne|uvicorn|hypercorn|granian)\b(?=[ '\",]+[\w./-]+:\w|[^\n]*--)|worker_class\s*=|GUNICORN_CMD_ARGS"
)
_INSTALLS = re.compile(r"^\s*(?:RUN\s+)?(?:pip|poetry|uv|apt\S*|conda)\b|^\s*#")
_FEW = re.compile(
    r"LimitNOFILE\s*=\s*(\d+)|ulimit\s+-[SH]?n\s+(\d+)|--ulimit[ =]nofile=(\d+)|nofile\s*:\s*(?:\n\s*soft\s*:\s*)?(\d+)"
    r"|\bminfds\s*=\s*(\d+)|worker_rlimit_nofile\s+(\d+)|RLIMIT_NOFILE\s*,\s*\(\s*(\d+)|\b(?:soft|-)\s+nofile\s+(\d+)"
)
_FEW_DESCRIPTORS = 2048
_ALIKE = 0.6
_RUN_BY_CODE = re.compile(r"\b(?:uvicorn|hypercorn|socketio|web)\.run(?:_app)?\(|\bserve\(")
_SOCKETS = re.compile(r"(?i)websocket|socket\.io|socketio|\bws\b|sockjs|stomp")

_LEAVES_OUT = re.compile(r"--omit[= ]dev|--production|--only[= ]prod|--prod\b|NODE_ENV[= ]production")
_PACKAGE = re.compile(
    r'"(ws|socket\.io|@fastify/websocket|express-ws|sockjs|uWebSockets\.js|koa-websocket|graphql-ws|@nestjs/websockets|faye-websocket)"\s*:'
)
_PUBLISHED = re.compile(r"\.(?:s?publish|Publish)\(\s*(?:ctx\s*,\s*)?(['\"`]?)([^'\"`,)\n]{1,80})\1\s*,")
_SUBSCRIBED = re.compile(r"\.(?:[ps]?[sS]ubscribe|PSubscribe)\(\s*(?:ctx\s*,\s*)?(['\"`]?)([^'\"`,)\n]{1,80})\1\s*[,)]")
_BROKER = re.compile(r"(?i)redis|valkey|\bnats\b")
_GIVEN = re.compile(r"\b(?:key|channel|prefix|streamName|stream_name|namespace)\s*[:=]\s*['\"]([^'\"\n]+)['\"]")
_MANAGER = re.compile(
    r"(?:createAdapter|redisAdapter|createShardedAdapter|new\s+Emitter|(?:Async)?RedisManager|KombuManager|SocketIO)"
    r"(\((?:[^()]|\([^()]*\)){0,400}\))"
)


def running_patterns(folder: Folder) -> Iterator[PatternFacts]:
    """Yield where what is started does not suit the code."""
    code = "\n".join(one.text for one in folder.codes)
    yield from _plain_server(folder, code)
    if _SOCKETS.search(code):
        yield from _few_descriptors([*folder.commands, *folder.codes])
    yield from _names_of_the_bus(folder.codes, code)
    yield from _for_development_only(folder, code)


def _plain_server(folder: Folder, code: str) -> Iterator[PatternFacts]:
    started = "\n".join(line for one in folder.commands for line in one.text.splitlines() if not _INSTALLS.search(line))
    settings = "\n".join(one.text for one in (*folder.codes, *folder.commands) if "gunicorn" in one.artifact)
    python = [one for one in folder.codes if one.language == "python"]
    needs = any(_SOCKET_ROUTES.search(one.text) for one in python) and not re.search(r"async_mode\s*=\s*['\"]threading", code)
    misled = next(((one, m) for one in folder.commands for m in _PLAIN_PART.finditer(one.text)), None)
    if needs and misled is not None:
        yield _fact("project.plain-server-under-sockets", *misled)
        return
    if not needs or _UPGRADING_SERVERS.search(f"{started}\n{settings}"):
        return
    for one in folder.commands:
        for match in _PLAIN_SERVERS.finditer(one.text):
            line = one.text[one.text.rfind("\n", 0, match.start()) + 1 : match.end()]
            if not _INSTALLS.search(line) and re.search(r"[\w.]+:\w+|wsgi|--call|\.ini", match[0]):
                if not _others_run(python, match[0]):
                    yield _fact("project.plain-server-under-sockets", one, match)
                return


def _others_run(python: "list[Code]", command: str) -> bool:
    """Tell whether a file other than the one that a command starts runs a server by itself: the sockets may be that one's."""
    target = re.search(r"([\w.]+):\w", command)
    started = f"{target[1].replace('.', '/')}.py" if target else ""
    return any(_RUN_BY_CODE.search(one.text) and not (started and one.artifact.endswith(started)) for one in python)


def _for_development_only(folder: Folder, code: str) -> Iterator[PatternFacts]:
    """A package that the server needs is installed for development only, and what is deployed leaves those out."""
    every = "\n".join(one.text for one in folder.commands)
    if not _LEAVES_OUT.search(every):
        return
    for one in folder.manifests:
        if not one.artifact.endswith("package.json"):
            continue
        for match in _PACKAGE.finditer(one.text):
            before = one.text[: match.start()]
            used = re.search(rf"(?:from|require\(|import)\s*\(?['\"]{re.escape(match[1])}['\"]", code)
            if used and before.rfind('"devDependencies"') > before.rfind('"dependencies"') >= -1:
                yield _fact("project.sockets-for-development-only", one, match)
                return


def _few_descriptors(given: Iterable[Code]) -> Iterator[PatternFacts]:
    for code in given:
        for match in _FEW.finditer(code.text[:200_000]):
            if int(next(filter(None, match.groups()))) <= _FEW_DESCRIPTORS:
                yield _fact("project.few-descriptors", code, match)
                return


def _names_of_the_bus(codes: Iterable[Code], text: str) -> Iterator[PatternFacts]:
    """What one process publishes to, nobody listens to: told only where all names are written out."""
    if not _BROKER.search(text):
        return
    given = list(codes)
    published, subscribed = ([(c, m) for c in given for m in names.finditer(c.text[:200_000])] for names in (_PUBLISHED, _SUBSCRIBED))
    plain = all(m[1] and "$" not in m[2] and "{" not in m[2] and "%" not in m[2] for _, m in (*published, *subscribed))
    heard = [m[2] for _, m in subscribed]
    met = any(_hears(name, m[2]) for _, m in published for name in heard)
    if published and heard and plain and not met and any(_is_like(name, m[2]) for _, m in published for name in heard):
        yield _fact("project.bus-names-differ", *published[0])
        return
    managers = [
        (c, m) for c in given for m in _MANAGER.finditer(c.text[:200_000]) if not m[0].startswith("SocketIO") or "message_queue" in m[0]
    ]
    names = {(found[1] if (found := _GIVEN.search(m[1])) else "") for _, m in managers}
    if len(managers) > 1 and len(names) > 1:
        yield _fact(
            "project.bus-names-differ", *next((c, m) for c, m in managers if not _GIVEN.search(m[1])) if "" in names else managers[1]
        )


def _is_like(first: str, second: str) -> bool:
    """Tell whether two names were meant to be one; those that have nothing in common belong to other programs."""
    return SequenceMatcher(None, first.strip("*>?"), second.strip("*>?")).ratio() >= _ALIKE


def _hears(pattern: str, name: str) -> bool:
    """Tell whether a subscription, which may hold ``*``, ``?`` or the wildcards of NATS, takes a name."""
    parts = (re.escape(part) for part in re.split(r"[*>?]", pattern))
    return re.fullmatch(".*".join(parts), name) is not None


def _fact(pattern: str, code: Code, match: "re.Match[str]") -> PatternFacts:
    return pattern_found(entry(pattern), code.artifact, code.text.count("\n", 0, match.start()) + code.line, match[0])
