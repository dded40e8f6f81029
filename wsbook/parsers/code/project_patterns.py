"""Defects that show only when several files of a backend are read together: code beside the command that starts it."""

import re
from collections.abc import Iterable, Iterator

from wsbook.facts import PatternFacts
from wsbook.parsers.code.source_files import Code
from wsbook.parsers.pattern_table import entry, pattern_found

__all__ = ["project_patterns"]

_WORKERS = re.compile(
    r"\b(?:uvicorn|gunicorn|hypercorn|granian)\b[^\n]{0,300}?(?:--workers|--worker|-w)[ =\"',]+(?!1\b)(\d+)"
    r"|^[ \t]*workers[ \t]*=[ \t]*(?!1\b)\d+|WEB_CONCURRENCY\s*[=:]\s*[\"']?(?!1\b)\d+|uvicorn\.run\([^)]{0,500}?\bworkers\s*=\s*(?!1\b)\d+"
    r"|\bpm2\b[^\n]{0,300}-i[ =](?:max|(?!1\b)\d+)|cluster\.fork\(|^[ \t]*replicas[ \t]*:[ \t]*(?!1\b)\d+"
    r"|\binstances['\"]?[ \t]*:[ \t]*(?:['\"]?max|-1|(?!1\b)\d+)",
    re.MULTILINE,
)
_REGISTRY = re.compile(
    r"(?:active|connections|clients|sockets|subscribers|connected|rooms|peers)\w{0,30}[ \t]{0,9}(?::[^=\n]{0,100})?=[ \t]{0,9}"
    r"(?:\[\]|set\(\)|\{\}|dict\(\)|defaultdict\(|new (?:Set|Map)\(\))"
    r"|wss\.clients|InMemoryChannelLayer|uWS\.|Bun\.serve"
)
_BUS = re.compile(r"(?i)redis|broadcaster|\bnats\b|kafka|rabbit|\bpika\b|amqp|LISTEN \w|zmq|message_queue|mqtt|postgres_listen|pg_notify")
_POLLING = re.compile(r"\bSocketIO\(|socketio\.|require\(['\"]socket\.io['\"]\)|from ['\"]socket\.io['\"]|SockJS|sockjs")
_STICKY = re.compile(r"(?i)sticky|ip_hash|transports\s*[:=]\s*\[\s*['\"]websocket['\"]\s*\]")
_TYPE = re.compile(r"""group_send\((?:[^()]|\([^()]{0,200}\)){0,500}?["']type["']\s*:\s*["']([\w.]+)["']""", re.DOTALL)


def project_patterns(codes: Iterable[Code], commands: Iterable[Code]) -> Iterator[PatternFacts]:
    """Yield the defects of a whole backend."""
    sources, every = list(codes), [*codes, *commands]
    text = "\n".join(c.text for c in every)
    started = next(((c, m) for c in every if (m := _WORKERS.search(c.text))), None)
    registry = any(_REGISTRY.search(c.text) for c in sources)
    if started and registry and not _BUS.search(text):
        yield _fact("project.in-process-registry-workers", *started)
    if started and _POLLING.search(text) and not _STICKY.search(text):
        yield _fact("project.polling-workers", *started)
    for code in sources:
        for match in _TYPE.finditer(code.text[:200_000]):
            if "Consumer" in text and not re.search(rf"def {re.escape(match[1].replace('.', '_'))}\s*\(", text):
                yield _fact("project.channel-type-without-method", code, match)


def _fact(pattern: str, code: Code, match: "re.Match[str]") -> PatternFacts:
    return pattern_found(entry(pattern), code.artifact, code.text.count("\n", 0, match.start()) + code.line, match[0])
