"""The table of patterns: reads patterns.toml once, answers by id. Knows neither a language nor a product."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from msgspec import Struct, convert

__all__ = ["ConfigPattern", "Rule", "SourcePattern", "config_patterns", "entry", "source_patterns"]

Rule = dict[str, Any]
"""An ast-grep configuration: rule, and where needed constraints and utils."""


class ConfigPattern(Struct, frozen=True, kw_only=True):
    """One defect of a configuration. weight: 0..1, how sure the file alone makes it; below 0.4 it is a hint, not a fault."""

    id: str
    cause: str
    weight: float
    note: str


class SourcePattern(Struct, frozen=True, kw_only=True):
    """One defect of source code.

    side: frontend or backend. languages: as ast-grep names them. rule: what to find. unless: rules that make a match healthy when
    they match around it or anywhere in the same file. around: the match's enclosing kinds within which unless is looked for;
    empty: the file. when: rules of which one must match in the file. once: report the first match of a file only.
    """

    id: str
    cause: str
    step: str
    side: str
    languages: tuple[str, ...]
    weight: float
    note: str
    rule: Rule
    unless: tuple[Rule, ...] = ()
    when: tuple[Rule, ...] = ()
    around: tuple[str, ...] = ()
    constraints: Rule = {}
    utils: Rule = {}
    once: bool = False


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("wsbook").joinpath("patterns.toml").read_text(encoding="utf-8"))


@cache
def config_patterns() -> dict[str, ConfigPattern]:
    """Return every configuration pattern by id."""
    return {key: convert({"id": key, **fields}, ConfigPattern) for key, fields in _table().get("config", {}).items()}


@cache
def source_patterns() -> tuple[SourcePattern, ...]:
    """Return every source pattern in the order of the table."""
    return tuple(convert({"id": key, **fields}, SourcePattern) for key, fields in _table().get("source", {}).items())


def entry(pattern: str) -> ConfigPattern:
    """Return one configuration pattern; its id is a constant of our code, so a missing one is our bug."""
    return config_patterns()[pattern]
