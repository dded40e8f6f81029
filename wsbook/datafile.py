"""The tables of knowledge that lie beside the code. Must not know what is in them."""

from importlib.resources import files
from typing import Any

import tomli

__all__ = ["read_table"]


def read_table(path: str) -> dict[str, Any]:
    """Return a TOML file of this package. path: below it, with slashes."""
    return tomli.loads(files("wsbook").joinpath(path).read_text(encoding="utf-8"))
