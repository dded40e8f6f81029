"""Defects that show only when several files of a backend are read together: code beside the command that starts it and its settings."""

import re
from collections.abc import Iterator

from wsbook.facts import PatternFacts
from wsbook.parsers.code.project_running import running_patterns
from wsbook.parsers.code.source_files import Code, Folder
from wsbook.parsers.pattern_table import entry, pattern_found

__all__ = ["project_patterns", "several_run"]

_SEVERAL = r"(?:(?!1\b)\d+|\$\(nproc|\$\{?\w+(?::?-(?!1\b)\d+)|auto\b|max\b)"
_WORKERS = re.compile(
    r"\b(?:uvicorn|gunicorn|hypercorn|granian|daphne|sanic|fastapi|litestar)\b[^\n]{0,300}?(?:--workers|--worker|--wc|-w)[ =\"',]+"
    rf"{_SEVERAL}"
    r"|^[ \t]*workers[ \t]*=[ \t]*(?:(?!1\b)\d+|[^\n#]{0,40}cpu_count\(\)[^\n]*)|WEB_CONCURRENCY\s*[=:]\s*[\"']?(?!1\b)\d+"
    r"|(?:uvicorn|app|web)\.run\([^)]{0,500}?\bworkers\s*=\s*(?:(?!1\b)\d+|[^,)]{0,40}cpu_count)|\bfast\s*=\s*True"
    rf"|\bpm2\b[^\n]{{0,300}}-i[ =](?:max|0|-1|(?!1\b)\d+)|cluster\.fork\(|^[ \t]*replicas[ \t]*:[ \t]*(?!1\b)\d+"
    r"|\binstances['\"]?[ \t]*:[ \t]*(?:['\"]?max|-1|(?!1\b)\d+)|--scale[ =]\w+=(?!1\b)\d+|\bnumReplicas['\"]?\s*[:=]\s*(?!1\b)\d+"
    r"|^[ \t]*(?:processes|numprocs)[ \t]*=[ \t]*(?!1\b)\d+|^\s*desired_count\s*=\s*(?!1\b)\d+|min(?:Replicas|_instances"
    r"|_machines_running)['\"]?\s*[:=]\s*(?!1\b)\d+"
    r"|worker_processes\s+(?!1\b|auto)\d+",
    re.MULTILINE,
)
_PLAIN = r"active|connections|clients|sockets|subscribers|connected|rooms|peers"
_NAMES = (
    rf"{_PLAIN}|listeners|members|sessions|users|viewers|watchers|online|lobby|players|queues|hubs?|by_user|by_id|by_room"
    rf"|channels|waiters|consumers|devices"
)
"""Names of collections of connections; the first ones are that wherever they stand."""

_REGISTRY = re.compile(
    rf"(?i:\b_?\w{{0,30}}(?:{_NAMES}))\w{{0,30}}[ \t]{{0,9}}(?::[^=\n]{{0,100}})?=[ \t]{{0,9}}"
    r"(?:\[\]|set\(\)|\{\}|dict\(\)|(?:collections\.)?defaultdict\(|new (?:Set|Map)(?:<[^>\n]*>)?\(\))"
    r"|wss\.clients|=\s*new EventEmitter\(|InMemoryChannelLayer|uWS\.|Bun\.serve|map\[\*?(?:websocket\.Conn|[cC]lient|Client|session)\]"
    r"|map\[string\]\*?(?:websocket\.Conn|[cC]lient)\b"
    r"|(?:Set|Map|List)<[^>\n]{0,40}\b(?:WebSocketSession|Session|WebSocket)>|enableSimpleBroker\(|\bConnectionManager\b"
)
_PLAIN_REGISTRY = re.compile(
    rf"\b(?:{_PLAIN})\w{{0,30}}[ \t]{{0,9}}(?::[^=\n]{{0,100}})?=[ \t]{{0,9}}(?:\[\]|set\(\)|\{{\}}|dict\(\)|defaultdict\("
    rf"|new (?:Set|Map)\(\))"
)
_SOCKETS = re.compile(r"(?i)websocket|socket\.io|socketio|sockjs|\bws\b|uWS|stomp")
_BUS = re.compile(
    r"(?i)redis|broadcaster|\bnats\b|kafka|rabbit|\bpika\b|amqp|LISTEN \w|zmq|message_queue|mqtt|postgres_listen|pg_notify"
    r"|hazelcast|StompBrokerRelay|pubsub_url"
    r"|createAdapter|setupMaster|cluster-adapter|centrifug|ably|pusher"
)
_POLLING = re.compile(r"\bSocketIO\(|socketio\.|require\(['\"]socket\.io['\"]\)|from ['\"]socket\.io['\"]|SockJS|sockjs")
_STICKY = re.compile(r"(?i)sticky|ip_hash|transports\s*[:=]\s*\[\s*['\"]websocket['\"]\s*\]|setupWorker|affinity|hash \$")
_TYPE = re.compile(r"""group_send\((?:[^()]|\([^()]{0,200}\)){0,500}?["']type["']\s*:\s*["']([\w.]+)["']""", re.DOTALL)
_PUBLIC = re.compile(r"^(?:VITE|MIX|NEXT_PUBLIC|NUXT_PUBLIC|REACT_APP|VUE_APP|PUBLIC)_(\w*APP_KEY|\w*PUSHER_KEY|\w*REVERB_KEY)$")
_SOCKET_PACKAGES = re.compile(
    r"(?i)\b(?:websockets|wsproto|python-socketio|python-engineio|flask-socketio|httpx-ws|channels|daphne|hypercorn|gradio"
    r"|sanic)\b|uvicorn\[|fastapi\["
)
_UVICORN_ONLY = re.compile(r"(?im)^\s*[\"']?uvicorn\b(?!\[)|[\"']uvicorn(?:[=<>~!][^\"']*)?[\"']")
_SOCKET_ROUTE = re.compile(
    r"\.websocket\(|@websocket\w*\(|WebsocketListener|WebSocketRoute\(|add_api_websocket_route|WebSocketEndpoint|\.websocket_route\("
)


def project_patterns(folder: Folder) -> Iterator[PatternFacts]:
    """Yield the defects of a whole backend."""
    sources, every = list(folder.codes), [*folder.codes, *folder.commands]
    text = "\n".join(c.text for c in every)
    yield from _workers(sources, every, text)
    yield from _channel_types(sources, text)
    yield from _keys(folder)
    yield from _library(folder, sources)
    yield from running_patterns(folder)


def _workers(sources: list[Code], every: list[Code], text: str) -> Iterator[PatternFacts]:
    started = next(((c, m) for c in every for m in _WORKERS.finditer(c.text) if not _is_others(c.text, m)), None)
    if started is None:
        return
    if not _BUS.search(text):
        registry = _REGISTRY if _SOCKETS.search(text) else _PLAIN_REGISTRY
        if any(registry.search(c.text) for c in sources):
            yield _fact("project.in-process-registry-workers", *started)
        elif _POLLING.search(text) and re.search(r"\.emit\(", text):
            yield _fact("project.emits-in-one-process", *started)
    if _POLLING.search(text) and not _STICKY.search(text):
        yield _fact("project.polling-workers", *started)


def several_run(folder: Folder) -> bool:
    """Tell whether what starts a backend starts several of it."""
    every = (*folder.codes, *folder.commands)
    return any(not _is_others(code.text, match) for code in every for match in _WORKERS.finditer(code.text))


def _is_others(text: str, match: "re.Match[str]") -> bool:
    """Tell whether a number of replicas is that of a service which takes no connections: of a queue's workers."""
    if "replicas" not in match[0]:
        return False
    before = list(re.finditer(r"(?m)^(?: {2}|\t)[\w-]+:\s*$", text[: match.start()]))
    after = re.search(r"(?m)^(?: {2}|\t)?[\w-]+:\s*$", text[match.end() :])
    block = text[before[-1].start() if before else 0 : match.end() + (after.start() if after else len(text))]
    return re.search(r"(?i)\b(?:celery|rq|sidekiq|dramatiq|arq|huey|bull\w*)\b|command:[^\n]*worker", block) is not None


def _channel_types(sources: list[Code], text: str) -> Iterator[PatternFacts]:
    for code in sources:
        for match in _TYPE.finditer(code.text[:200_000]):
            if "Consumer" in text and not re.search(rf"def {re.escape(match[1].replace('.', '_'))}\s*\(", text):
                yield _fact("project.channel-type-without-method", code, match)


def _keys(folder: Folder) -> Iterator[PatternFacts]:
    """The key that a page is built with is another than the server's. Keys are public, secrets are not looked at."""
    for file in folder.env:
        for name, value in file.variables.items():
            public = _PUBLIC.match(name)
            own = file.variables.get(public[1], "") if public else ""
            if value and own and "$" not in f"{value}{own}" and value != own and public:
                place = f"{file.folder}/{file.name}".lstrip("/") if not file.folder.startswith("/") else f"{file.folder}/{file.name}"
                yield pattern_found(entry("project.other-app-key"), place, 0, f"{name} differs from {public[1]}")
                return


def _library(folder: Folder, sources: list[Code]) -> Iterator[PatternFacts]:
    """uvicorn upgrades only where websockets or wsproto is installed; alone it brings neither (uvicorn, Installation)."""
    manifests = [code for code in folder.manifests if re.search(r"requirements|pyproject|Pipfile", code.artifact)]
    listed = "\n".join(code.text for code in manifests)
    installed = "\n".join([listed, *(code.text for code in folder.commands)])
    route = next((c for c in sources if c.language == "python" and _SOCKET_ROUTE.search(c.text)), None)
    found = next(((c, m) for c in manifests if (m := _UVICORN_ONLY.search(c.text))), None)
    imported = any(re.search(r"(?m)^\s*(?:import|from) (?:websockets|wsproto)\b", c.text) for c in sources)
    if route and found and not imported and not _SOCKET_PACKAGES.search(installed) and "-r " not in listed:
        yield _fact("project.uvicorn-without-sockets", *found)


def _fact(pattern: str, code: Code, match: "re.Match[str]") -> PatternFacts:
    return pattern_found(entry(pattern), code.artifact, code.text.count("\n", 0, match.start()) + code.line, match[0])
