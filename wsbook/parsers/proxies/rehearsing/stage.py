"""What every configuration needs to be tried on loopback: ports, a question, and the result of adapting. Knows no product. Pure.

An adapted text is written anew from what was understood: only what is known to run no program, to dial nobody else and to touch no file
is carried over; of the rest what cannot matter for an upgrade is left out, and anything else is the reason why nothing is tried.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from wsbook.parsers.proxies.artifact import seconds, try_regex

__all__ = ["CERTIFICATE", "Adapted", "Ask", "Refusal", "Stage", "Stubs", "host_of", "sample_path", "scaled"]

CERTIFICATE = "@folder@/stand-in.pem"
"""Certificate and key that stand in for every other."""


class Stage(Struct, frozen=True, kw_only=True):
    """Free ports of loopback. listen: for the proxy; plain, secure: of the stub that stands for all upstreams, one for each server."""

    listen: tuple[int, ...]
    plain: tuple[int, ...]
    secure: tuple[int, ...]


class Ask(Struct, frozen=True, kw_only=True):
    """Which route is tried, and with what.

    line: of the route in the text that is adapted; door: the listener that was found for it before, "" not yet. host, port, resource: of
    the endpoint, "" and 0 unknown. secure: addresses that speak TLS, whatever the text says; None: those that the text speaks TLS to.
    scale: by what every limit on silence is shortened.
    """

    file: str
    line: int
    matcher: str = ""
    host: str = ""
    port: int = 0
    resource: str = ""
    door: str = ""
    secure: frozenset[str] | None = None
    scale: float = 1.0


class Adapted(Struct, frozen=True, kw_only=True):
    """A configuration for loopback.

    files: the main one first, with @folder@ for the private folder. door: the listener's own name; port: where it is on the stage.
    secure: addresses that the text speaks TLS to. texts: of all files read, as they are. left_out: what was taken out and may matter.
    """

    files: dict[str, str]
    door: str
    port: int
    tls: bool
    stage: Stage
    host: str
    resource: str
    secure: frozenset[str] = frozenset()
    texts: Mapping[str, str] = {}
    left_out: tuple[str, ...] = ()


class Refusal(Exception):  # noqa: N818 - a reason, not an error
    """Why a configuration cannot be tried here, in words."""


class Stubs:
    """Gives each address of an upstream a port of the stub: the same address the same port."""

    def __init__(self, stage: Stage, secure: frozenset[str] | None = None) -> None:
        self._stage, self._known = stage, secure
        self._numbers: dict[str, int] = {}
        self.secure: set[str] = set()

    def port(self, address: str, *, tls: bool) -> int:
        """Return the port for an address; tls: the text speaks TLS to it."""
        number = self._numbers.setdefault(address, len(self._numbers))
        if tls:
            self.secure.add(address)
        speaks = tls if self._known is None else address in self._known
        ports = self._stage.secure if speaks else self._stage.plain
        return ports[number % len(ports)]


def scaled(text: str, scale: float, default_unit: str = "s") -> str:
    """Return a duration shortened, in whole milliseconds and at least one; what is none stays as it is."""
    value = seconds(text, default_unit=default_unit)
    return text if value is None or scale == 1.0 else f"{max(1, round(value * scale * 1000))}ms" if value else text


_SIMPLE = re.compile(r"/[\w./~%@:-]*\Z")


_PARTS = (
    (re.compile(r"\(\?<\w+>|\(\?:"), "("),
    (re.compile(r"\(([^()|]*)(?:\|[^()]*)*\)[?*+]?"), r"\1"),
    (re.compile(r"\\d(?:[+*]|\{[^}]*\})?|\[0-9\](?:[+*]|\{[^}]*\})?"), "1"),
    (re.compile(r"(?:\\w|\[[^\]]*\])(?:[+*]|\{[^}]*\})?"), "x"),
    (re.compile(r"\.[*+]\??"), ""),
    (re.compile(r"/\?"), ""),
    (re.compile(r"\\([./-])"), r"\1"),
)
"""Parts of an expression, and what may stand in their place."""


def sample_path(pattern: str) -> str:
    """Return a path that a prefix or a simple expression matches; "" when none can be told."""
    if _SIMPLE.match(pattern):
        return pattern
    path = pattern.removeprefix("^").removesuffix("$")
    for part, example in _PARTS:
        path = part.sub(example, path)
    regex = try_regex(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern))
    return path if _SIMPLE.match(path) and regex is not None and regex.search(path) else ""


def host_of(names: Iterable[str]) -> str:
    """Return the first plain name of a server, "localhost" when all have wildcards or none is said."""
    return next(_plain(names), "localhost")


def _plain(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if re.fullmatch(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?", name))
