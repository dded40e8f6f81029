"""What rules of HAProxy do with an opening handshake on its way: answers, headers, paths. Knows rules, not which backend is reached.

Measured with 2.6: deleting or replacing Connection or Upgrade ends the tunnel in both directions; the path that set-path gives in a
frontend is the one that use_backend sees; tests of a header look at each element of its list.
Source: HAProxy configuration manual, http-request actions.
"""

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from wsbook.parsers.proxies.artifact import try_regex
from wsbook.parsers.proxies.haproxy.acls import Acls, Handshake, holds, split_condition
from wsbook.parsers.proxies.haproxy.sections import Line, Section

__all__ = ["NEEDED", "Way", "acls_of", "answer", "header_rules", "is_tcp", "path_after", "put_by", "rules_of"]

NEEDED = {"upgrade": "websocket", "connection": "upgrade"}
_ANSWERS = {
    "deny": "refused",
    "tarpit": "refused",
    "reject": "refused",
    "silent-drop": "refused",
    "redirect": "redirected",
    "return": "answered",
}


class Way(Struct, frozen=True, kw_only=True, eq=False):
    """One way into a backend. condition: with its if or unless, "" always. line: where it is written.

    acls: of the frontend by name. encrypted: whether TLS ends at the frontend, None unknown.
    """

    frontend: Section
    backend: Section
    condition: str
    line: Line
    acls: Acls = {}
    encrypted: bool | None = None

    @property
    def sections(self) -> list[Section]:
        """The sections on the way."""
        return [self.frontend] if self.frontend is self.backend else [self.frontend, self.backend]

    def acls_of(self, section: Section) -> Acls:
        """Return the ACLs that rules of a section may name."""
        return self.acls if section is self.frontend else acls_of(section)


def is_tcp(section: Section) -> bool:
    """Whether a section passes bytes and reads no requests. Fragments without a mode are read as HTTP."""
    mode = section.last("mode")
    return mode is not None and mode.words[1:2] == ("tcp",)


@lru_cache(maxsize=256)
def acls_of(section: Section) -> Acls:
    """Return the ACLs of a section by name."""
    found: dict[str, list[Line]] = {}
    for line in (*section.defaults, *section.lines):
        if line.words[0] != "acl":
            continue
        found.setdefault(line.words[1] if len(line.words) > 1 else "", []).append(line)
    return found


def rules_of(way: Way, *words: str) -> Iterator[tuple[Section, Line]]:
    """Yield the rules that begin with words, of the frontend first."""
    yield from ((section, line) for section in way.sections for line in section.every(*words))


def answer(section: Section, acls: Acls, asked: Handshake) -> tuple[str, Line] | None:
    """Return how a section surely answers the handshake by itself (refused, redirected, answered) and where; None when it does not."""
    for line in (*section.every("http-request"), *section.every("redirect")):
        action = line.words[1] if line.starts("http-request") and len(line.words) > 1 else line.words[0]
        if action in _ANSWERS and holds(split_condition(line.words[2:])[1], acls, asked):
            return _ANSWERS[action], line
    monitor = section.last("monitor-uri")
    return ("answered", monitor) if monitor and asked.path is not None and monitor.words[1:] == (asked.path,) else None


def header_rules(way: Way, name: str, asked: Handshake, kind: str = "http-request") -> Iterator[Line]:
    """Yield the rules that surely change a header of the request, or of the answer, in order."""
    for section, line in rules_of(way, kind):
        words, condition = split_condition(line.words)
        if put_by(words, name) is not None and holds(condition, way.acls_of(section), asked):
            yield line
    for word in ("reqidel", "reqdel") if kind == "http-request" else ():
        for _, line in rules_of(way, word):
            regex = try_regex(line.words[1], ignore_case=word == "reqidel") if len(line.words) > 1 else None
            if regex and regex.search(f"{name.title()}: {NEEDED.get(name, 'x')}"):
                yield line


def put_by(words: tuple[str, ...], name: str) -> str | None:
    """Return what a rule makes of a header: absent, forwarded, or a literal; None when it is about something else."""
    if words[0] in ("reqidel", "reqdel"):
        return "absent"
    if len(words) < 3:
        return None
    action, field = words[1], words[2].lower()
    if action == "del-header":
        return "absent" if _named(field, name, words[4] if words[3:4] == ("-m",) and len(words) > 4 else "str") else None
    if field != name or len(words) < 4:
        return None
    if action == "set-header":
        return "forwarded" if words[3].strip("%[]").lower() in (f"req.hdr({name})", f"hdr({name})", f"req.fhdr({name})") else words[3]
    if action in ("replace-header", "replace-value") and len(words) > 4:
        regex = try_regex(words[3])
        return words[4] if regex and regex.search(NEEDED.get(name, "")) else None
    return None


def _named(pattern: str, name: str, method: str) -> bool:
    regex = try_regex(pattern, ignore_case=True) if method == "reg" else None
    tests: dict[str, Callable[[], bool]] = {
        "beg": lambda: name.startswith(pattern),
        "end": lambda: name.endswith(pattern),
        "sub": lambda: pattern in name,
        "reg": lambda: bool(regex and regex.search(name)),
    }
    return tests.get(method, lambda: fnmatchcase(name, pattern) if "*" not in pattern else False)()


def path_after(section: Section, acls: Acls, asked: Handshake) -> str | None:
    """Return the path that a section's rules make of a path; None when it cannot be told."""
    path = asked.path
    for line in (*section.every("http-request"), *section.every("reqrep"), *section.every("reqirep")):
        action = line.words[1] if line.starts("http-request") and len(line.words) > 1 else line.words[0]
        if path is None or action not in (
            "set-path",
            "set-pathq",
            "replace-path",
            "replace-pathq",
            "set-uri",
            "replace-uri",
            "reqrep",
            "reqirep",
        ):
            continue
        words, condition = split_condition(line.words)
        value = holds(condition, acls, replace(asked, path=path))
        path = path if value is False else None if value is None else _rewritten(action, words, path)
    return path


def _rewritten(action: str, words: tuple[str, ...], path: str) -> str | None:
    if action in ("reqrep", "reqirep") and len(words) > 2:
        line = _replaced(words[1], words[2], f"GET {path} HTTP/1.1", folded=action == "reqirep")
        return line.split(" ")[1] if line and line.count(" ") == 2 else None
    if len(words) < 3:
        return None
    if action.startswith("replace-"):
        return _replaced(words[2], words[3] if len(words) > 3 else "", path, whole=True)
    folded = re.search(r"%\[path,regsub\(([^,]*),([^,)]*)(?:,\w*)?\)\]", " ".join(words[2:]))
    if folded:
        new = _replaced(folded[1].strip("'\""), folded[2].strip("'\""), path)
        return words[2].replace(folded[0], new) if new is not None and folded[0] in words[2] else new
    new = words[2].replace("%[path]", path)
    if "%" in new or len(words) > 3:
        return None
    return urlsplit(new).path or "/"


def _replaced(source: str, target: str, text: str, *, whole: bool = False, folded: bool = False) -> str | None:
    """Return a text with the first match of an expression replaced; whole: the target replaces all of the text, as in replace-path."""
    regex = try_regex(source, ignore_case=folded)
    match = regex.search(text[:500]) if regex else None
    if regex is None or match is None:
        return text if regex else None
    new = re.sub(r"\\(\d)", lambda m: (match[int(m[1])] or "") if int(m[1]) <= len(match.groups()) else "", target)
    return None if "%[" in new else new if whole else text[: match.start()] + new + text[match.end() :]
