"""Conditions of mod_rewrite, asked about an opening handshake. Knows conditions, not where they stand.

Source: httpd.apache.org, mod_rewrite, RewriteCond: conditions are joined by AND unless the one before has the flag OR; "!" negates; "="
compares strings, "-" begins a test of files or numbers, everything else is an expression.
"""

import re

from wsbook.parsers.proxies.apache.lines import Directive
from wsbook.parsers.proxies.artifact import try_regex

__all__ = ["asks_for_upgrade", "flags_of", "holds", "keeps_upgrades_out"]

_HANDSHAKE = {"http:upgrade": "websocket", "http:connection": "Upgrade", "request_method": "GET", "http_method": "GET"}
_UPGRADE_TEST = re.compile(r"%\{HTTP:(?:Upgrade|Connection)\}|%\{QUERY_STRING\}", re.IGNORECASE)


def flags_of(directive: Directive, index: int) -> tuple[str, ...]:
    """Return the flags of a RewriteCond or RewriteRule in lower case; index: which argument holds them."""
    text = "".join(directive.args[index:]).strip("[]") if len(directive.args) > index else ""
    return tuple(flag.strip().lower() for flag in text.split(","))


def asks_for_upgrade(condition: Directive) -> bool:
    """Whether a condition lets opening handshakes through and others not."""
    pattern = condition.args[1] if len(condition.args) > 1 else ""
    test = _UPGRADE_TEST.search(condition.args[0]) if condition.args else None
    return (
        bool(test) and not pattern.startswith("!") and ("query" not in (test[0].lower() if test else "") or "websocket" in pattern.lower())
    )


def keeps_upgrades_out(condition: Directive) -> bool:
    """Whether a condition keeps opening handshakes out."""
    test, *pattern = condition.args or ("",)
    return bool(re.search(r"%\{HTTP:Upgrade\}", test, re.IGNORECASE)) and bool(pattern) and pattern[0].startswith("!")


def holds(conditions: tuple[Directive, ...], path: str, query: str) -> bool | None:
    """Whether conditions hold for an opening handshake to a path; None when that depends on something else."""
    values: list[bool | None] = []
    alternatives: list[bool | None] = []
    for condition in conditions[:100]:
        alternatives.append(_holds(condition, path, query))
        if not {"or", "ornext"} & set(flags_of(condition, 2)):
            values.append(True if True in alternatives else None if None in alternatives else False)
            alternatives = []
    if alternatives:
        values.append(True if True in alternatives else None if None in alternatives else False)
    return False if False in values else None if None in values else True


def _holds(condition: Directive, path: str, query: str) -> bool | None:
    if len(condition.args) < 2:
        return None
    seen = _seen(condition.args[0], path, query)
    pattern, folded = condition.args[1], bool({"nc", "nocase"} & set(flags_of(condition, 2)))
    negated, pattern = pattern.startswith("!"), pattern.removeprefix("!")
    if seen is None or pattern.startswith(("-", "<", ">")) or "%{" in pattern:
        return None
    value = _compared(seen, pattern, folded=folded)
    return value if value is None or not negated else not value


def _compared(seen: str, pattern: str, *, folded: bool) -> bool | None:
    if pattern.startswith("="):
        wanted = pattern[1:].strip("\"'")
        return seen.lower() == wanted.lower() if folded else seen == wanted
    regex = try_regex(pattern.strip("\"'"), ignore_case=folded)
    return bool(regex.search(seen[:500])) if regex else None


def _seen(text: str, path: str, query: str) -> str | None:
    """Return what a test string is for the handshake; None when it is not known."""
    name = re.fullmatch(r"%\{([\w:-]+)\}", text.strip("\"'"))
    if name is None:
        return None
    key = name[1].lower()
    if key == "request_uri":
        return path or None
    if key == "query_string":
        return query if path else None
    return _HANDSHAKE.get(key)
