"""What every configuration parser starts from, and what routes have in common. Knows no product."""

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from wsbook.errors import UnreadableInputError
from wsbook.facts import Facts, Fix, PatternFacts, RouteFacts, TextFacts
from wsbook.parsers.pattern_table import ConfigPattern, config_patterns, entry, pattern_found
from wsbook.parsers.proxies.backtracking import WAYS, ways

__all__ = [
    "DROPPED",
    "MAX_BYTES",
    "Artifact",
    "Parsed",
    "cause_of",
    "defect",
    "hints_at_polling",
    "hints_at_websocket",
    "line_defects",
    "loopback_of_container",
    "plausible",
    "require_small",
    "seconds",
    "spoken_otherwise",
    "tells_of_containers",
    "text_inside",
    "try_regex",
    "usually_plain",
    "usually_tls",
]

MAX_BYTES = 1_000_000
"""Larger configurations are refused."""

_TARGET = re.compile(r"(?P<scheme>https?|wss?)://(?P<address>[^/\s:\"']{1,255}:\d{1,5})(?!\d)", re.IGNORECASE)

MAX_DEPTH = 40
"""Blocks nested deeper than this are refused; real files stay under ten."""

DROPPED = {
    "sec-websocket-key": "proxy.drops-key",
    "sec-websocket-version": "proxy.drops-key",
    "sec-websocket-protocol": "proxy.drops-subprotocol",
    "cookie": "proxy.drops-credential",
    "authorization": "proxy.drops-credential",
    "origin": "proxy.changes-origin",
}
"""Headers of a handshake, other than Upgrade and Connection, that servers miss, and the defect of taking them away."""

_UNITS = {"us": 1e-6, "ms": 1e-3, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "M": 2592000.0, "y": 31536000.0}
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*(us|ms|s|m|h|d|w|M|y)?")
_SURE_WORDS = re.compile(
    r"(?:^|[^a-z])(?:wss?|cable|hubs?|signalr|graphql-ws|stomp|hmr)(?:$|[^a-z])|sockjs|signalr|socket|websock|engine\.io", re.IGNORECASE
)
_WORDS = re.compile(
    r"(?:^|[^a-z])(?:live|livereload|negotiate|stream|streams|streaming|realtime|real-time|rt|push|feed|subscriptions?|notifications?|events?|mqtt"
    r"|vnc|rpc|chat)(?:$|[^a-z])",
    re.IGNORECASE,
)
_POLLING = re.compile(
    r"socket\.?io|engine\.?io|sockjs|signalr|/hubs?(?:$|/|\b)|negotiate|(?:^|[^a-z0-9])(?:sio|eio)(?:$|[^a-z])", re.IGNORECASE
)
_CONTAINERS = re.compile(r"docker|compose|container|kubernetes|\bk8s\b|\bpod\b", re.IGNORECASE)
_LOOPBACK = re.compile(r"(?:^|//|@)(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::|/|$)", re.IGNORECASE)
_TLS_PORTS = frozenset(("4443", "6443", "8443", "9443", "10443"))
_PLAIN_PORTS = frozenset(("80", "3000", "3001", "4000", "5000", "8000", "8001", "8080", "8081", "8888", "9000"))


class Artifact(Struct, frozen=True, kw_only=True):
    """One configuration to read.

    name: as given, it stands in findings. endpoint_path, endpoint_host: "" unknown. endpoint_port: 0 unknown. version: of the program,
    "" unknown. folder: includes are followed inside it only, "" never.
    """

    text: str
    name: str
    endpoint_path: str = ""
    endpoint_host: str = ""
    endpoint_port: int = 0
    version: str = ""
    folder: str = ""

    def older_than(self, *numbers: int) -> bool | None:
        """Whether the version is below numbers; None when it is unknown."""
        found = re.search(r"\d+(?:\.\d+)*", self.version)
        return tuple(int(n) for n in found[0].split(".")[:4]) < numbers if found and len(found[0]) < 30 else None


class Parsed(Struct, frozen=True, kw_only=True):
    """What one parser says: routes and defects in the order of the file, and how much of the text it understood."""

    facts: tuple[Facts, ...]
    text: TextFacts

    @property
    def routes(self) -> tuple[RouteFacts, ...]:
        """The routes alone."""
        return tuple(f for f in self.facts if isinstance(f, RouteFacts))


def defect(pattern: str, file: str, line: int, excerpt: str, fix: Fix | None = None) -> PatternFacts:
    """Return a configuration defect with cause and weight from defects/*.toml, and the change that removes it."""
    return replace(pattern_found(entry(pattern), file, line, excerpt), fix=fix)


def cause_of(pattern: str) -> str:
    """Return the cause that a pattern stands for."""
    return entry(pattern).cause


def line_defects(product: str, artifact: Artifact, lines: Iterable[tuple[str, int, str]]) -> Iterator[PatternFacts]:
    """Yield the defects that one line alone shows, each at its first place. lines: file, number, and words with single spaces."""
    wanted = list(_of_lines(product))
    for file, number, text in lines:
        for pattern in [p for p in wanted if p.search(text[:1000])]:
            wanted.remove(pattern)
            row = _of_lines(product)[pattern]
            missing = row.somewhere and not re.search(row.somewhere, artifact.text, re.IGNORECASE | re.MULTILINE)
            if not missing and not (row.unless and re.search(row.unless, artifact.text, re.IGNORECASE | re.MULTILINE)):
                yield pattern_found(row, file, number, text)


@cache
def _of_lines(product: str) -> dict[re.Pattern[str], ConfigPattern]:
    rows = [row for row in config_patterns().values() if row.line and product in row.products]
    return {re.compile(row.line, re.IGNORECASE): row for row in rows}


def seconds(text: str, *, default_unit: str = "s") -> float | None:
    """Return a duration such as ``1h30m``, ``500ms``, ``60`` in seconds; None when it is none.

    default_unit: of a bare number (nginx counts seconds, HAProxy milliseconds).
    """
    parts = _DURATION.findall(text[:40])
    if not parts or "".join(f"{n}{u}" for n, u in parts) != re.sub(r"\s+", "", text[:40]):
        return None
    return sum(float(number) * _UNITS[unit or default_unit] for number, unit in parts)


def hints_at_websocket(text: str) -> int:
    """How much a path, block or name sounds like a WebSocket endpoint: 2 surely (ws, socket), 1 perhaps (live, feed), 0 not."""
    return 2 if _SURE_WORDS.search(text[:300]) else 1 if _WORDS.search(text[:300]) else 0


def plausible(able: list[bool], hints: list[int], catch_all: list[bool]) -> list[bool | None]:
    """Return for each proxied route whether it serves the WebSocket, when no path is known.

    able: it forwards upgrades by an explicit setting. hints: of hints_at_websocket. The able and the surely named serve it; else the
    perhaps named; else the only route or the catch-all. Where some serve it the others do not; where none can be told, all are None.
    """
    for judged in (
        [a or h == 2 for a, h in zip(able, hints, strict=True)],
        [h == 1 for h in hints],
        [len(able) == 1] * len(able),
        catch_all,
    ):
        if any(judged):
            return list(judged)
    return [None] * len(able)


def hints_at_polling(text: str) -> bool:
    """Whether a path belongs to a library that needs several requests for one session (Socket.IO, SockJS, SignalR)."""
    return bool(_POLLING.search(text[:300]))


@lru_cache(maxsize=4)
def tells_of_containers(text: str) -> bool:
    """Whether the comments of a configuration say that containers are involved."""
    return bool(_CONTAINERS.search(" ".join(re.findall(r"#[^\n]*", text)[:500])))


def loopback_of_container(text: str, address: str) -> bool:
    """Whether an address means the proxy's own container, where the application is not."""
    return bool(_LOOPBACK.search(address)) and tells_of_containers(text)


def usually_tls(port: str) -> bool:
    """Whether servers speak TLS on a port nearly always; 443 aside."""
    return port in _TLS_PORTS


def usually_plain(port: str) -> bool:
    """Whether applications speak plain HTTP on a port nearly always."""
    return port in _PLAIN_PORTS


def spoken_otherwise(text: str, target: str) -> bool:
    """Whether a configuration speaks TLS to a target's host and port in one place and plain HTTP in another: a port speaks one of them."""
    found = _TARGET.match(target)
    if found is None:
        return False
    others = "http|ws" if found["scheme"].lower() in ("https", "wss") else "https|wss"
    return re.search(rf"(?im)^[^#\n]*?(?<![\w+])(?:{others})://{re.escape(found['address'])}(?!\d)", text) is not None


@cache
def try_regex(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str] | None:
    """Return a compiled expression; None when it is invalid, long, or could take long on a short path."""
    if len(pattern) > 300:
        return None
    try:
        return None if ways(pattern) > WAYS else re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, RecursionError):
        return None


def text_inside(folder: str, path: Path) -> str | None:
    """Return the text of a regular file inside a folder; None for what is none, is too large, or whose links lead out or in circles."""
    try:
        root, real = Path(folder).resolve(), path.resolve()
        if not real.is_relative_to(root) or not real.is_file() or real.stat().st_size > MAX_BYTES:
            return None
        return real.read_text(encoding="utf-8", errors="replace")
    except (OSError, RuntimeError, ValueError):
        return None


def require_small(artifact: Artifact, product: str) -> None:
    """Refuse what is too large or holds NUL bytes.

    Raises:
        UnreadableInputError: either.
    """
    if len(artifact.text) > MAX_BYTES:
        raise UnreadableInputError(f"{artifact.name}: {len(artifact.text):,} characters are more than a {product} configuration has")
    if "\0" in artifact.text:
        raise UnreadableInputError(f"{artifact.name}: binary data, no {product} configuration")
