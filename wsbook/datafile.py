"""The tables of knowledge that lie beside the code, and the folders that are shipped with it. Must not know what is in them."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import tomli

from wsbook.errors import UsageError

__all__ = ["read_table", "shipped_folder"]


def read_table(path: str) -> dict[str, Any]:
    """Return a TOML file of this package. path: below it, with slashes."""
    return tomli.loads(files("wsbook").joinpath(path).read_text(encoding="utf-8"))


def shipped_folder(name: str) -> Path:
    """Return the folder notebooks or data: shipped inside the package, or beside it in a checkout.

    Raises:
        UsageError: it is in neither place.
    """
    package = Path(str(files("wsbook")))
    for folder in (package / "_shipped" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise UsageError(f"the folder {name} is not installed; install wsbook again")
