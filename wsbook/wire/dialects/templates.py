"""Messages to begin with, dialect by dialect: reads templates.toml once. It must not know who sends them."""

import re
from functools import cache

from msgspec import Struct, convert

from wsbook.datafile import read_table

__all__ = ["Template", "open_places", "templates"]

_PLACE = re.compile("‹([^‹›\n]{1,60})›")


class Template(Struct, frozen=True, kw_only=True):
    """One message; fields as in templates.toml."""

    dialect: str
    name: str
    content: str
    means: str
    source: str
    form: str = "text"
    ending: str = ""
    needs: str = ""


@cache
def templates() -> tuple[Template, ...]:
    """Return every template, the dialects in the order of the file."""
    return convert(read_table("wire/dialects/templates.toml")["template"], tuple[Template, ...])


@cache
def _known_places() -> frozenset[str]:
    return frozenset(name for one in templates() for name in _PLACE.findall(one.content))


def open_places(content: str) -> tuple[str, ...]:
    """Return the places of templates that are still to be filled in, as they stand in a text; other text in such marks is none."""
    return tuple(f"‹{name}›" for name in dict.fromkeys(_PLACE.findall(content)) if name in _known_places())
