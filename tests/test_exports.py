"""What the package offers at its top, and what importing it costs."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import wsbook

MODULES = sorted(
    ".".join(("wsbook", *path.relative_to(Path(wsbook.__file__).parent).with_suffix("").parts)).removesuffix(".__init__")
    for path in Path(wsbook.__file__).parent.rglob("*.py")
    if path.name != "__main__.py" and "frontend" not in path.parts and (path.parent.name != "servers" or path.name == "__init__.py")
)
"""What stands in lab/servers beside its __init__ are programs, which import what lies beside them where they are started."""


@pytest.mark.parametrize("name", wsbook.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(wsbook, name) is not None
    assert name in dir(wsbook)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        wsbook.nothing  # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_all_names_what_a_module_defines(name: str) -> None:
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), f"{name}.__all__ names {public}"


def test_import_costs_at_most_50_ms_of_cpu() -> None:
    code = (
        "import ssl, asyncio, time; before = time.process_time(); import wsbook; "
        "wsbook.parse_target, wsbook.Observation; print(time.process_time() - before)"
    )
    bare = code.replace("import wsbook; wsbook.parse_target, wsbook.Observation; ", "import wsbook; ")
    seconds = min(float(subprocess.run([sys.executable, "-c", bare], capture_output=True, text=True, check=True).stdout) for _ in range(3))
    assert seconds <= 0.05


def test_import_needs_no_display_kernel_or_browser() -> None:
    code = (
        "import sys; "
        + "; ".join(f"import {name}" for name in MODULES if name.startswith(("wsbook.probes", "wsbook.parsers", "wsbook.rules")))
        + "; print(sorted({name.split('.')[0] for name in sys.modules} & {'pandas', 'plotly', 'ipywidgets', 'playwright', 'IPython'}))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin"}).stdout
    assert shown.strip() == "[]"
