"""Conditions of HAProxy, asked about an opening handshake. Knows conditions, not what depends on them.

What depends on the client's address, on time, on variables or on the Host is not known: None.
Source: HAProxy configuration manual, chapter 7 (ACLs, sample fetches, predefined ACLs).
"""

import operator
import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from msgspec import Struct

from wsbook.parsers.proxies.artifact import try_regex
from wsbook.parsers.proxies.haproxy.sections import Line

__all__ = ["Handshake", "acl_lines", "fetched", "holds", "split_condition"]

_HEADERS = {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
_PREDEFINED = {"TRUE": True, "FALSE": False, "METH_GET": True, "HTTP": True, "HTTP_1.1": True, "HTTP_URL_SLASH": None}
_METHODS = frozenset(("beg", "end", "sub", "dir", "reg", "str", "found", "len", "dom", "bool", "int", "cnt"))
_ORDERS = {"eq": operator.eq, "ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}
_MAX_WORDS = 400

Acls = Mapping[str, Sequence[Line]]
"""The acl lines of a section by name."""


class Handshake(Struct, frozen=True, kw_only=True, dict=True):
    """What is asked about. path: None unknown; query without its question mark. host: "" unknown. port: in Host, 0 none. encrypted:
    whether TLS ends here, None unknown.

    patterns: words of a pattern file inside the folder by the name that the configuration uses.
    """

    path: str | None
    query: str = ""
    host: str = ""
    port: int = 0
    encrypted: bool | None = None
    patterns: Mapping[str, tuple[str, ...]] = {}

    @cached_property
    def _known(self) -> dict[tuple[str, int], bool | None]:
        return {}

    def holds(self, condition: str, acls: Acls) -> bool | None:
        """Whether a condition holds, asked once for each set of ACLs."""
        key = condition, id(acls) if acls else 0
        if key not in self._known:
            self._known[key] = _holds(condition, acls, self)
        return self._known[key]


def split_condition(words: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return the words before ``if`` or ``unless``, and the condition with that word, "" when there is none."""
    place = next((n for n, word in enumerate(words) if word in ("if", "unless")), len(words))
    return tuple(words[:place]), " ".join(words[place:])


def holds(condition: str, acls: Acls, asked: Handshake) -> bool | None:
    """Whether a condition, with its ``if`` or ``unless``, holds for the handshake; "" always does."""
    return asked.holds(condition, acls) if condition else True


def _holds(condition: str, acls: Acls, asked: Handshake) -> bool | None:
    words = condition.split()[:_MAX_WORDS]
    if not words:
        return True
    alternatives = [_all(part, acls, asked) for part in re.split(r"\s(?:or|OR|\|\|)\s", " ".join(words[1:]))]
    value = True if True in alternatives else None if None in alternatives else False
    return value if value is None or words[0] != "unless" else not value


def _all(text: str, acls: Acls, asked: Handshake) -> bool | None:
    values: list[bool | None] = []
    for negated, anonymous, name in re.findall(r"(!?)\s*(?:\{\s+(.*?)\s+\}(?=\s|$)|([^\s!{}]+))", text):
        value = _test(anonymous.split(), asked) if anonymous else _named(name, acls, asked)
        values.append(None if value is None else value != bool(negated))
    return False if False in values else None if None in values else True


def _named(name: str, acls: Acls, asked: Handshake) -> bool | None:
    if name not in acls:
        return _PREDEFINED.get(name, False if name.startswith("METH_") else None)
    results = [_test(list(line.words[2:]), asked) for line in acls[name][:100]]
    return True if True in results else None if None in results else False


def acl_lines(condition: str, acls: Acls) -> list[Line]:
    """Return the acl lines that a condition names."""
    names = set(re.findall(r"[\w.:-]+", condition))
    return [line for name in sorted(names) for line in acls.get(name, [])[:100]]


def fetched(fetch: str, asked: Handshake) -> str | bool | None:
    """Return what a sample fetch, without its matching method, gives for the handshake; None unknown."""
    name = re.match(r"[\w.]+", fetch)
    argument = re.search(r"\(([^),]*)", fetch)
    word, inner = (name[0].lower() if name else ""), (argument[1].strip().lower() if argument else "")
    if word in ("path", "url", "pathq", "query"):
        if asked.path is None:
            return None
        whole = f"{asked.path}?{asked.query}" if asked.query else asked.path
        return {"path": asked.path, "query": asked.query}.get(word, whole)
    if re.fullmatch(r"(?:req\.)?f?hdr|hdr", word):
        port = f":{asked.port}" if asked.port and "host_only" not in fetch else ""
        return (asked.host + port if asked.host else None) if inner == "host" else _HEADERS.get(inner)
    if word in ("base", "ssl_fc_sni", "req.ssl_sni", "req_ssl_sni"):
        base = f"{asked.host}{asked.path}" if asked.path is not None else None
        return (base if word == "base" else asked.host) if asked.host else None
    if word in ("url_param", "urlp", "urlp_val"):
        found = re.search(rf"(?:^|&){re.escape(inner)}=([^&]*)", asked.query, re.IGNORECASE)
        return None if asked.path is None else found[1] if found else False
    known = {"method": "GET", "ssl_fc": asked.encrypted, "always_true": True, "always_false": False, "req.proto_http": True}
    return known.get(word)


def _test(words: list[str], asked: Handshake) -> bool | None:
    if not words:
        return None
    fetch, method, folded, values = _parts(words, asked)
    seen = fetched(fetch, asked)
    if seen is None or values is None or re.search(r"\),|^\w+,", re.sub(r",(?:lower|host_only)", "", fetch)):
        return None
    if isinstance(seen, bool):
        return seen if not values else None if seen else False
    if method == "found":
        return True
    if method in ("cnt", "len", "int"):
        return _numbered(1 if method == "cnt" else len(seen), values) if method != "int" else None
    if ",lower" in fetch:
        seen = seen.lower()
    if folded:
        seen, values = seen.lower(), [v.lower() for v in values] if method != "reg" else values
    return _compared(method, seen, values, folded=folded)


def _parts(words: list[str], asked: Handshake) -> tuple[str, str, bool, list[str] | None]:
    """Return fetch, matching method, whether case is ignored, and the patterns; None for these when a file is not known."""
    values: list[str] = []
    fetch, method, folded = words[0], "str", False
    suffix = re.match(r"((?:req\.)?f?(?:hdr|path|url|pathq|urlp|url_param|method|base))_(\w+)(.*)$", fetch)
    if suffix and suffix[2].lower() in _METHODS:
        fetch, method = suffix[1] + suffix[3], suffix[2].lower()
    index = 1
    while index < len(words) and words[index].startswith("-"):
        flag = words[index]
        if flag == "-i":
            folded = True
        elif flag == "-m" and index + 1 < len(words):
            index, method = index + 1, words[index + 1]
        elif flag == "-f" and index + 1 < len(words):
            index += 1
            known = asked.patterns.get(words[index])
            if known is None:
                return fetch, method, folded, None
            values += known
        elif flag == "--":
            index += 1
            break
        index += 1
    return fetch, method, folded, values + words[index:]


def _numbered(count: int, values: list[str]) -> bool | None:
    if len(values) == 2 and values[0] in _ORDERS and values[1].isdigit():
        return bool(_ORDERS[values[0]](count, int(values[1][:9])))
    return str(count) in values if all(v.isdigit() for v in values) else None


def _compared(method: str, seen: str, values: list[str], *, folded: bool) -> bool | None:
    if method == "beg":
        return any(seen.startswith(v) for v in values)
    if method == "end":
        return any(seen.endswith(v) for v in values)
    if method == "sub":
        return any(v in seen for v in values)
    if method == "dir":
        return any(f"/{v.strip('/')}/" in f"{seen.partition('?')[0]}/" for v in values)
    if method == "reg":
        regexes = [try_regex(v, ignore_case=folded) for v in values]
        return any(r.search(seen[:500]) for r in regexes if r) if all(regexes) else None
    if method == "dom":
        return any(f".{v.strip('.')}." in f".{seen.partition(':')[0]}." for v in values)
    return seen in values if method == "str" else None
