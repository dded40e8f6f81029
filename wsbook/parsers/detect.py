"""Tells what kind of artifact a file is, from its content first and its name second. Must not parse anything.

The knowledge stands in kinds.toml.
"""

import re
from functools import cache

from wsbook.datafile import read_table
from wsbook.errors import UnreadableInputError
from wsbook.parsers.lines import decode, split_lines
from wsbook.signatures import matcher

__all__ = ["HEAD_BYTES", "KINDS", "detect_kind", "line_kinds", "scores"]

KINDS = (
    "nginx_conf",
    "haproxy_cfg",
    "apache_conf",
    "caddyfile",
    "traefik",
    "envoy",
    "k8s_ingress",
    "alb_attributes",
    "backend_log",
    "access_log",
    "browser_console",
    "frontend_source",
    "backend_source",
    "har",
    "http_dump",
)
HEAD_BYTES = 65_536
LINE_CHARS = 2_000
LINE_WEIGHT = 3.0
"""A rule that weighs less says nothing of a single line."""


@cache
def _rules() -> tuple[list[tuple[str, float, re.Pattern[str]]], dict[str, re.Pattern[str]], float, float]:
    table = read_table("parsers/kinds.toml")
    rules = [(rule["kind"], rule["weight"], re.compile(rule["regex"], re.IGNORECASE | re.MULTILINE)) for rule in table["rule"]]
    names = {kind: re.compile(regex, re.IGNORECASE) for kind, regex in table["names"].items()}
    return rules, names, table["name_weight"], table["least"]


def scores(name: str, text: str) -> dict[str, float]:
    """Return how well a text fits each kind, kinds that do not fit left out. name: "" unknown."""
    rules, names, name_weight, _ = _rules()
    text = "\n".join(line[:LINE_CHARS] for line in text[:HEAD_BYTES].splitlines())
    result: dict[str, float] = {}
    for kind, weight, pattern in rules:
        places = sum(1 for _, _ in zip(range(11), pattern.finditer(text), strict=False))
        if places:
            result[kind] = result.get(kind, 0.0) + weight * (1 + (places - 1) / 10)
    for kind, pattern in names.items():
        if name and pattern.search(name.replace("\\", "/")):
            result[kind] = result.get(kind, 0.0) + name_weight
    return result


def line_kinds(line: str) -> set[str]:
    """Return the kinds that a line alone speaks for, only those by which it begins where there are any."""
    text = line[:LINE_CHARS]
    found = [(kind, place.start()) for kind, weight, rule in _rules()[0] if weight >= LINE_WEIGHT and (place := rule.search(text))]
    return {kind for kind, start in found if start == 0} or {kind for kind, _ in found}


def detect_kind(name: str, head: bytes) -> str:
    """Return the kind of an artifact, "" when nothing fits or the bytes are no text.

    A text of no known form that holds a known message counts as a log. head: its first bytes, unpacked; name: "" unknown."""
    try:
        text = decode(head[:HEAD_BYTES])
    except UnreadableInputError:
        return ""
    found = scores(name, text)
    best = max(found, key=lambda kind: found[kind], default="")
    if best and found[best] >= _rules()[3]:
        return best
    return "backend_log" if next(matcher("backend_log").scan(split_lines(text)), None) else ""
