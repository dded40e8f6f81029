"""The tables of patterns, read once and answered by id. Knows neither a language nor a product.

patterns.toml and patterns/*.toml are about code, parsers/proxies/defects/*.toml about configurations.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.facts import PatternFacts

__all__ = [
    "ConfigPattern",
    "Dial",
    "Offer",
    "Rule",
    "SourcePattern",
    "config_patterns",
    "dials",
    "entry",
    "offers",
    "pattern_found",
    "shared_rules",
    "source_patterns",
]

_DEFECTS = "parsers/proxies/defects"
_SOURCES = "patterns"
Rule = dict[str, Any]
"""An ast-grep configuration: rule, and where needed constraints and utils."""


class ConfigPattern(Struct, frozen=True, kw_only=True):
    """One defect of a configuration. weight: 0..1, how sure the file alone makes it; below 0.4 it is a hint, not a fault.

    line: expression that finds it in one line of the products, whose words stand there with single spaces; "" our code finds it. somewhere,
    unless: expressions that the whole file must, and must not, match.
    """

    id: str
    cause: str
    weight: float
    note: str
    products: tuple[str, ...] = ()
    line: str = ""
    somewhere: str = ""
    unless: str = ""


class SourcePattern(Struct, frozen=True, kw_only=True):
    """One defect of source code.

    side: frontend or backend. languages: as ast-grep names them, "script" for JavaScript and TypeScript, "any" for all, also those
    that ast-grep does not read. rule, constraints: what to find, in ast-grep's words; the shared rules of the table's [utils] can be
    used by name. text: instead of a rule, an expression searched in the code without its comments. needs: expressions that the file
    must all match. somewhere: expressions that all files together must all match, comments included. unless: expressions of which
    none may match in the code around the match, comments left out; around: kinds of the nearest enclosing node that counts as around
    it, empty for the whole file. elsewhere: expressions of which none may match in any file. at_least: so many matches in one file,
    the first is reported. A match that a guard makes healthy is reported with ok=True.
    """

    id: str
    cause: str
    step: str
    side: str
    languages: tuple[str, ...]
    weight: float
    note: str
    rule: Rule = {}
    text: str = ""
    constraints: Rule = {}
    needs: tuple[str, ...] = ()
    somewhere: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    around: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    at_least: int = 1


class Offer(Struct, frozen=True, kw_only=True):
    """One way in which server code offers an endpoint.

    patterns: ast-grep patterns with $PATH, $PORT, $HOST (that it binds), $HANDLER and $OWNER (a router with a prefix). texts: regular
    expressions with the groups path and port, for languages that are not parsed. needs: expression that the file must match. handler:
    expression that the code of the handler, or what it calls, must match; where no handler can be found, hint must match the call. hint:
    expression that the match itself must satisfy. path: where the pattern has none. regex: the path is an expression. subtree: a path
    that ends with a slash stands for everything below it. suffix: what the library adds to the path.
    """

    library: str
    languages: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    needs: str = ""
    handler: str = ""
    hint: str = ""
    path: str = ""
    regex: bool = False
    subtree: bool = False
    suffix: str = ""


class Dial(Struct, frozen=True, kw_only=True):
    """One way in which a program that is no browser dials an endpoint.

    patterns: ast-grep patterns with $URL. texts: regular expressions with the group url, for languages that are not parsed. needs:
    expression that the file must match. suffix: what the library adds to the URL.
    """

    library: str
    languages: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    needs: str = ""
    suffix: str = ""


@cache
def _table() -> dict[str, Any]:
    return read_table("patterns.toml")


@cache
def config_patterns() -> dict[str, ConfigPattern]:
    """Return every pattern that a parser of configurations or of code recognises by itself, by id."""
    tables = [_table(), *_tables_in(_SOURCES), *_tables_in(_DEFECTS)]
    rows = [(key, fields) for table in tables for key, fields in table.get("config", {}).items()]
    return {key: convert({"id": key, **fields}, ConfigPattern) for key, fields in rows}


@cache
def source_patterns() -> tuple[SourcePattern, ...]:
    """Return every source pattern, file by file in the order of their names."""
    read = [table.get("source", {}) for table in _tables_in(_SOURCES)]
    return tuple(convert({"id": key, **fields}, SourcePattern) for table in read for key, fields in table.items())


@cache
def _tables_in(folder: str) -> tuple[dict[str, Any], ...]:
    """Return the tables of a folder in the order of their names."""
    names = sorted(file.name for file in files("wsbook").joinpath(folder).iterdir() if file.name.endswith(".toml"))
    return tuple(read_table(f"{folder}/{name}") for name in names)


@cache
def shared_rules(language: str) -> Rule:
    """Return the rules that patterns of a language use by name."""
    rules: Rule = _table()["utils"].get(language, {})
    return rules


@cache
def offers() -> tuple[Offer, ...]:
    """Return every way to offer an endpoint."""
    return convert(_table().get("offer", []), tuple[Offer, ...])


@cache
def dials() -> tuple[Dial, ...]:
    """Return every way in which programs dial."""
    return convert(_table().get("dial", []), tuple[Dial, ...])


def entry(pattern: str) -> ConfigPattern:
    """Return one configuration pattern; its id is a constant of our code, so a missing one is our bug."""
    return config_patterns()[pattern]


def pattern_found(pattern: ConfigPattern | SourcePattern, file: str, line: int, text: str, *, ok: bool = False) -> PatternFacts:
    """Return the fact that a pattern, or with ok its guard, was found. text: what matched, shortened to an excerpt here."""
    return PatternFacts(
        pattern=pattern.id,
        cause=pattern.cause,
        ok=ok,
        file=file,
        line=line,
        excerpt=" ".join(text[:400].split())[:200],
        weight=pattern.weight,
        note=pattern.note,
    )
