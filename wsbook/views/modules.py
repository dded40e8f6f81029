"""The JavaScript and CSS of web/, joined to the one ES module and the one style sheet that a widget wants.

A file imports only names of other files of this folder, and exports declarations; joining leaves both words out, so each top-level
name may stand in one file only.
"""

import re
from functools import cache
from importlib.resources import files

__all__ = ["css", "esm"]

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|let|class)\b)", re.MULTILINE)


def _read(name: str) -> str:
    return files("wsbook.views").joinpath("web", name).read_text(encoding="utf-8")


def _needed(name: str, known: dict[str, str]) -> None:
    """Add a file and, before it, those that it imports."""
    if name in known:
        return
    text = _read(name)
    for other in _IMPORT.findall(text):
        _needed(other, known)
    known[name] = _EXPORT.sub("", _IMPORT.sub("", text))


@cache
def esm(*names: str, exports: str = "") -> str:
    """Return files with all that they import as one ES module, each once, in the order that they need each other.

    exports: names of functions that the module exports; an ``export default`` in a file stays as it is.
    """
    known: dict[str, str] = {}
    for name in names:
        _needed(name, known)
    last = f"\nexport {{ {exports} }};\n" if exports else ""
    return "\n".join(known.values()) + last


@cache
def css(*names: str) -> str:
    """Return style sheets joined."""
    return "\n".join(_read(name) for name in names)
