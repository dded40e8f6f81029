"""Log formats of configurations compiled to notations: nginx log_format, Apache LogFormat and CustomLog, HAProxy log-format; W3C #Fields.

Knows what variables print (log_variables.toml) and nothing of what a line means.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from wsbook.datafile import read_table
from wsbook.parsers.logs.access_line import Format

__all__ = ["find_formats", "w3c_format"]

FORMATS = 50
"""Formats taken of one configuration."""
FORMAT_CHARS = 4_000
NGINX = re.compile(r"^\s*log_format\s+[\w.-]+\s+(?:escape=(?P<escape>\w+)\s+)?(?P<text>(?:'[^']*'|\"[^\"]*\"|\s)+);", re.MULTILINE)
APACHE = re.compile(r"^\s*(?:LogFormat|CustomLog\s+\S+)\s+\"(?P<text>(?:[^\"\\]|\\.)*)\"", re.MULTILINE | re.IGNORECASE)
HAPROXY = re.compile(r"^\s*log-format\s+(?P<text>\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?:\\.|\S)+)", re.MULTILINE)
QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
ESCAPED = re.compile(r"\\(.)")
TOUCHING = 2
"""Values without a literal between them that a format may have; where one ends could only be guessed, at a price."""
VARIABLES = {
    "nginx": re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<name>\w+))"),
    "apache": re.compile(r"%[!\d,]*[<>]?(?:\{(?P<argument>[^}]*)\})?(?P<name>\^?[A-Za-z]{1,3}?(?![A-Za-z])|[A-Za-z])"),
    "haproxy": re.compile(r"%(?:\{(?P<flags>[^}]*)\})?(?P<name>\[[^\]]*\]|[A-Za-z]{1,4}|%)"),
}
GROUPS = ("method", "path", "version", "status", "time", "duration", "upstream", "termination", "upgrade", "request")
UNITS = {"duration": "s", "duration_ms": "ms", "duration_us": "us"}
W3C = {
    "cs-method": ("method", r"\S+"),
    "cs-uri-stem": ("path", r"\S+"),
    "sc-status": ("status", r"\d{3}"),
    "cs-protocol-version": ("protocol", r"HTTP/[\d.]+|-"),
    "cs-protocol": ("scheme", r"\w+"),
    "x-edge-detailed-result-type": ("termination", r"\S+"),
}
"""Fields of W3C extended logs as IIS and CloudFront name them."""


@cache
def _variables(language: str) -> dict[str, tuple[str, str]]:
    table = read_table("parsers/logs/log_variables.toml")
    return {name: (group, regex) for name, (group, regex) in table[language]["variables"].items()}


def find_formats(texts: Iterable[str]) -> tuple[Format, ...]:
    """Return the notations of all log formats in configurations, those that name a path or request and a status."""
    return tuple(form for text in texts for form in _formats_of(text))


def _formats_of(text: str) -> Iterator[Format]:
    found = [
        *(("nginx", "".join(a or b for a, b in QUOTED.findall(entry["text"])).replace("\\t", "\t")) for entry in NGINX.finditer(text)),
        *(("apache", ESCAPED.sub(_unescaped, entry["text"])) for entry in APACHE.finditer(text)),
        *(("haproxy", ESCAPED.sub(_unescaped, entry["text"].strip("\"'"))) for entry in HAPROXY.finditer(text)),
    ]
    for language, notation in found[:FORMATS]:
        if form := _compile(language, notation[:FORMAT_CHARS]):
            yield form


def _unescaped(found: re.Match[str]) -> str:
    return "\t" if found[1] == "t" else found[1]


def _compile(language: str, notation: str) -> Format | None:
    """Return the notation of a format, None when it has no status, no path, or nothing that tells it from other lines."""
    pieces, literals, groups, position = [], [], dict[str, str](), 0
    matches = list(VARIABLES[language].finditer(notation))
    for index, found in enumerate(matches):
        literal = notation[position : found.start()]
        literals.append(literal)
        position = found.end()
        following = notation[position : matches[index + 1].start() if index + 1 < len(matches) else len(notation)]
        quoted = "Q" in (found.groupdict().get("flags") or "")
        pieces += [re.escape(literal), _piece(*_meaning(language, found), following, groups, quoted)]
    literals.append(notation[position:])
    pieces.append(re.escape(notation[position:]))
    if pieces.count(r"\S*") > TOUCHING or "status" not in groups.values() or groups.keys().isdisjoint(("path", "request")):
        return None
    unit = next((UNITS[kind] for kind in groups.values() if kind in UNITS), "s")
    start = r"(?:^|\s)" if language == "haproxy" else "^"
    contains = max((text.strip() for text in literals), key=len)
    return Format(language, contains, re.compile(f"{start}{''.join(pieces)}\\s*$"), unit, language == "haproxy" and "duration" in groups)


def _meaning(language: str, found: re.Match[str]) -> tuple[str, str]:
    """Return (group, expression) of a variable, ("", "") when nothing is known of it."""
    part = found.groupdict()
    name = part.get("braced") or part["name"]
    if language == "apache" and part.get("argument") is not None:
        name = f"{name}:{part['argument'].lower()}"
    group, regex = _variables(language).get(name, ("", ""))
    return group, regex


def _piece(kind: str, regex: str, following: str, groups: dict[str, str], quoted: bool) -> str:
    """Return the expression of a value, and note its group; a group's second occurrence is not kept."""
    if quoted:
        return f'"{_piece(kind, regex, chr(34), groups, False)}"'
    anything = f"[^{re.escape(following[0])}\n]*" if following else r"\S*"
    if not kind:
        return anything
    if kind == "protocol":
        return f"(?:{regex}|-)"
    group = "duration" if kind in UNITS else kind
    if group not in GROUPS or group in groups:
        return f"(?:{regex})"
    groups[group] = kind
    return f"(?P<{group}>{regex})" if group in ("request", "status", "time") else f"(?:(?P<{group}>{regex})|-)"


def w3c_format(line: str) -> Format | None:
    """Return the notation that a #Fields line of a W3C extended log declares, None when it declares no status or path."""
    if not line.startswith("#Fields:"):
        return None
    names = line[8:].split()[:100]
    pieces, timed = [], "date" in names and "time" in names
    for name in names:
        group, regex = W3C.get(name, ("", r"\S+"))
        if name == "date" and timed and names.index("time") == names.index("date") + 1:
            pieces.append(r"(?P<time>\d{4}-\d\d-\d\d\s\d\d:\d\d:\d\d)")
        elif name == "time" and pieces and "<time>" in pieces[-1]:
            continue
        elif name == "time-taken":
            pieces.append(r"(?P<duration>[\d.]+)")
        else:
            pieces.append(f"(?P<{group}>{regex})" if group and group != "protocol" else regex)
    if not {"sc-status", "cs-uri-stem"} <= set(names):
        return None
    edge = "x-edge-location" in names
    return Format("cloudfront" if edge else "iis", "", re.compile("^" + r"\s".join(pieces) + r"\s*$"), "s" if edge else "ms", False)
