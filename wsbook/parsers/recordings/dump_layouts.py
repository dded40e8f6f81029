"""Layouts in which people paste HTTP exchanges, brought into raw HTTP lines. Must not know what an exchange means.

Known are Chrome's and Firefox's developer tools (name and value on one line or on two), a copied curl command with what it printed, and
tcpdump -A. Every line keeps the number that it has in the artifact.
"""

import re
import shlex
from collections.abc import Iterable, Iterator

__all__ = ["raw_lines"]

Line = tuple[int, str]
SECTIONS = re.compile(r"^(?:▼|▸|\s)*(General|(?:Response|Request) [Hh]eaders)\b.{0,40}$")
PAIR = re.compile(r"^(:?[A-Za-z][\w-]{0,80}(?: (?:URL|Method|Code|Address|Policy))?):\s*(.*)$")
CURL = re.compile(r"^(?:[$%>#]\s|PS [^>]*>\s?|[\w@~:/-]+\$ )?\s*curl(?:\.exe)?\s")
COMMAND_CHARS = 65_536
PACKET = re.compile(r"^\d\d:\d\d:\d\d\.\d+ (?:\S+ +(?:In|Out) +)?IP6? \S+ > \S+: ")
IN_PACKET = re.compile(r"(?:GET|POST|CONNECT) \S+ HTTP/1\.[01]\.?$|HTTP/1\.[01] [1-5]\d\d\b.*$")
STAMP = re.compile(
    r"^\[?(?:(?:t ?= ?|\+)?(?P<n>\d{1,6}(?:\.\d{1,6})?) ?(?P<unit>ms|s)?|(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d(?:\.\d{1,6})?))\]?:?\s+"
    r"(?=(?:GET|POST|ws|websocket|socket|conn\w{0,7}|tab|#\d)\b|#\d|->|<-|→|←|closed?\b|101 )"
)
"""Instants with which people begin the lines of a timeline."""
OPTIONS_WITH_VALUE = frozenset(
    ("-H", "--header", "-o", "-m", "--max-time", "-b", "--cookie", "-A", "--user-agent", "-u", "--user", "-X", "--request")
)


def raw_lines(lines: list[str]) -> Iterator[Line]:
    """Yield (number, line) in raw HTTP form where a layout is known, and as they are elsewhere."""
    if any(line.lstrip().startswith("Request URL:") for line in lines):
        yield from _from_tools(lines)
    elif sum(bool(PACKET.match(line)) for line in lines[:2000]) >= 2:
        yield from _from_packets(lines)
    else:
        yield from _stamped_last(_from_commands(lines))


def _stamped_last(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield lines of a timeline with their instant at the end, as t= in seconds (of clock times since the first); others as they are."""
    first_s: float | None = None
    for number, text in lines:
        found = STAMP.match(text)
        if found is None or (found["n"] and not found["unit"] and not found[0].lstrip("[").startswith(("t", "+"))):
            yield number, text
        elif found["n"]:
            yield number, f"{text[found.end() :]} t={float(found['n']) / (1000 if found['unit'] == 'ms' else 1):.3f}"
        else:
            at_s = int(found["h"]) * 3600 + int(found["m"]) * 60 + float(found["s"])
            first_s = at_s if first_s is None else first_s
            yield number, f"{text[found.end() :]} t={max(0.0, at_s - first_s):.3f}"


def _pairs(lines: list[str]) -> Iterator[tuple[int, str, str, str]]:
    """Yield (number, section, name, value); section "" for lines that are no pair, name then holds the line."""
    section, waiting = "", ""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith("Request URL:"):
            section, waiting = "General", ""
        if found := SECTIONS.match(line):
            section, waiting = found[1].capitalize(), ""
        elif waiting and text and not text.endswith(":"):
            yield number, section, waiting, text
            waiting = ""
        elif (pair := PAIR.match(text)) and section:
            waiting = "" if pair[2] else pair[1]
            if pair[2]:
                yield number, section, pair[1], pair[2]
        elif text:
            waiting = ""
            yield number, "", text, ""


def _from_tools(lines: list[str]) -> Iterator[Line]:
    """Put developer tools' sections into the order of the wire: request, its headers, status, answer's headers."""
    block: dict[str, list[tuple[int, str, str]]] = {}
    rest: list[Line] = []
    for number, section, name, value in _pairs(lines):
        if name == "Request URL" and block:
            yield from _block(block)
            yield from rest
            block, rest = {}, []
        if section:
            block.setdefault(section, []).append((number, name, value))
        else:
            rest.append((number, name))
    yield from _block(block)
    yield from rest


def _block(block: dict[str, list[tuple[int, str, str]]]) -> Iterator[Line]:
    general = {name: (number, value) for number, name, value in block.get("General", ())}
    first, url = general.get("Request URL", (1, ""))
    method = general.get("Request Method", (0, "GET"))[1]
    yield first, f"{method} {url} HTTP/1.1"
    for number, name, value in block.get("Request headers", ()):
        yield number, f"{name}: {value}"
    status = general.get("Status Code")
    answer = block.get("Response headers", [])
    if status is not None and status[1][:3].isdigit():
        yield status[0], f"HTTP/1.1 {status[1]}" if answer else f"Status Code: {status[1]}"
    for number, name, value in answer:
        yield number, f"{name}: {value}"
    yield first, ""


def _from_packets(lines: list[str]) -> Iterator[Line]:
    """Leave out packet summaries, and what stands before a request or status line; tcpdump shows the carriage return as a dot."""
    dotted = sum(line.endswith(".") for line in lines) > 0.3 * len(lines)
    for number, line in enumerate(lines, 1):
        if PACKET.match(line):
            continue
        found = IN_PACKET.search(line)
        text = found[0] if found else line
        yield number, text.removesuffix(".") if dotted else text


def _from_commands(lines: list[str]) -> Iterator[Line]:
    """Write a copied curl command as the request that it sends, unless the request itself follows, as with -v."""
    number = 0
    while number < len(lines):
        line = lines[number]
        if not CURL.match(line) or line.startswith("* "):
            yield number + 1, line
            number += 1
            continue
        first, command = number + 1, ""
        while number < len(lines) and len(command) < COMMAND_CHARS:
            part = lines[number].rstrip()
            number += 1
            command += part.rstrip("\\^`") + " "
            if not part.endswith(("\\", "^", "`")):
                break
        if not _shows_request(lines[number : number + 400]):
            yield from ((first, text) for text in _request(command))


def _shows_request(lines: Iterable[str]) -> bool:
    return any(re.match(r"^> (?:GET|POST|CONNECT) ", line) for line in lines)


def _request(command: str) -> list[str]:
    try:
        words = shlex.split(CURL.sub("", command, count=1).replace('^"', '"'))
    except ValueError:
        return []
    headers: list[str] = []
    url, position = "", 0
    while position < len(words):
        word = words[position]
        value = words[position + 1] if position + 1 < len(words) else ""
        if word in ("-H", "--header"):
            headers.append(value)
        elif not word.startswith("-") and not url:
            url = word
        position += 2 if word in OPTIONS_WITH_VALUE else 1
    return [f"GET {url} HTTP/1.1", *headers[:200], ""] if url else []
