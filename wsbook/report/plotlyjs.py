"""The plotly.js that stands in the installed plotly package, packed for a page that makes no request. Imports no plotly."""

import base64
import gzip
import hashlib
import importlib.util
from functools import cache
from pathlib import Path

from msgspec import Struct

__all__ = ["PackedLibrary", "packed_plotly", "script_hash"]


class PackedLibrary(Struct, frozen=True, kw_only=True):
    """gzip in base64, and the source expression that lets a Content-Security-Policy accept the unpacked script."""

    base64_gzip: str
    csp_source: str


def script_hash(script: str) -> str:
    """Return the hash source of an inline script (Content Security Policy Level 3, section 6.7.2)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@cache
def packed_plotly() -> PackedLibrary | None:
    """Return plotly.js packed, about 2 MB; None when plotly is not installed, so that plots stay still pictures."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or not spec.origin:
        return None
    path = Path(spec.origin).with_name("package_data") / "plotly.min.js"
    if not path.exists():
        return None
    source = path.read_text(encoding="utf-8")
    packed = gzip.compress(source.encode(), compresslevel=9, mtime=0)
    return PackedLibrary(base64_gzip=base64.b64encode(packed).decode(), csp_source=script_hash(source))
