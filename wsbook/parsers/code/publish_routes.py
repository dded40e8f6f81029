"""Where a backend's source lets somebody publish: HTTP routes whose handler sends, and channels of a broker that it subscribes to.

A guess that saves a person from searching; nothing is judged by it. It must not know how a trigger is set off.
"""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from wsbook.parsers.code.source_files import read_folder

__all__ = ["PublishRoute", "find_publish_routes"]

_MOST, _HANDLER_CHARS = 5, 1_500
_ROUTE = re.compile(
    r"""(?x)
    @(?P<java>Post|Put|Patch)Mapping\(\s*(?:value\s*=\s*|path\s*=\s*)?"(?P<a>/[^"\n]{0,120})"            # Spring
    | \[Http(?P<cs>Post|Put)\(\s*"(?P<b>[^"\n]{0,120})"                                                   # ASP.NET
    | \bHandle(?:Func)?\(\s*"(?:(?P<go>POST|PUT)\s)?(?P<c>/[^"\n]{0,120})"                                # net/http
    # Express, FastAPI, aiohttp, gin:
    | [\w)\]]\.(?:add_|Map)?(?P<verb>post|put|patch|POST|PUT|Post|Put)\(\s*[`'"](?P<d>/[^`'"\n]{0,120})[`'"]
    | @\w+\.route\(\s*['"](?P<e>/[^'"\n]{0,120})['"][^)\n]{0,120}\b(?P<flask>POST|PUT)\b                  # Flask
    """
)
_SENDS = re.compile(
    r"(?i)\b(?:emit|broadcast\w*|publish\w*|notify\w*|fan_?out|send_(?:text|json|str|bytes|all)|group_send|convertAndSend\w*|SendAsync|WriteMessage)\s*\("
    r"|\b(?:ws|socket|client|conn|peer|c|s)\.send\("
)
_CHANNEL = re.compile(r"(?i)(?:redis|sub\w*|pubsub|bus|ps)\w{0,20}(?:\(\))?\.p?subscribe\(\s*[`'\"](?P<channel>[\w:.*/-]{1,100})[`'\"]")
_NAMED = re.compile(r"(?i)publish|notif|event|message|broadcast|send|emit|trigger|push")


class PublishRoute(Struct, frozen=True, kw_only=True):
    """One way to publish. kind: http or redis. method: of a request, "" of a channel. path: of the route, or the channel's name."""

    kind: str
    method: str
    path: str
    file: str
    line: int


def find_publish_routes(paths: Iterable[str]) -> list[PublishRoute]:
    """Return at most five ways to publish that the source below paths shows, the likeliest first.

    Raises:
        UnreadableInputError: a path does not exist.
    """
    found: list[PublishRoute] = []
    for code in read_folder(paths).codes:
        found += _in_text(code.text, code.artifact, code.line)
    return sorted(found, key=lambda one: (_varies(one.path), not _NAMED.search(one.path)))[:_MOST]


def _varies(path: str) -> bool:
    return any(char in path for char in ":{<*") and path.startswith("/")


def _in_text(text: str, artifact: str, first: int) -> Iterator[PublishRoute]:
    for route in _ROUTE.finditer(text):
        following = _ROUTE.search(text, route.end())
        handler = text[route.end() : min(following.start() if following else len(text), route.end() + _HANDLER_CHARS)]
        path = next(filter(None, route.group("a", "b", "c", "d", "e")), "")
        if path and _SENDS.search(handler):
            method = next(filter(None, route.group("java", "cs", "go", "verb", "flask")), "POST").upper()
            line = first + text.count("\n", 0, route.start())
            yield PublishRoute(kind="http", method=method, path=f"/{path.lstrip('/')}", file=artifact, line=line)
    for found in _CHANNEL.finditer(text):
        line = first + text.count("\n", 0, found.start())
        yield PublishRoute(kind="redis", method="", path=found["channel"], file=artifact, line=line)
