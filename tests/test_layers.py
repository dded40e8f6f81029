"""The imports of the package point one way, and only the named folders do the named things."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "wsbook"

LAYERS = (
    {"errors", "secret", "target", "attempt", "observation", "facts", "evidence", "finding", "causes", "symptoms", "signatures", "words"}
    | {"datafile", "describe", "chain", "literals", "markup", "servers", "signs", "spacing", "precedents", "programs", "hosts"}
    | {"validators", "confined", "limits", "echoed", "hops", "load_plan", "load_split", "load_merge", "histogram", "clocks"}
    | {"timeline", "secret_forms", "accuracy", "difference", "shifts", "whole"},
    {"wire", "equivalents"},
    {"probes", "parsers", "rules"},
    {"lab"},
    {"record", "redact", "report", "case", "parameters", "steps", "folder", "artifacts", "inquiry", "found_hops"},
    {"views"},
    {"runner"},
    {"cli", "__main__"},
)
"""From the ground up. A module may import from its own layer and those below, with the exceptions of the tests."""

SIBLINGS = {"probes", "parsers", "rules"}
HEAVY = {"pandas", "plotly", "ipywidgets", "anywidget", "IPython"}
MAY_DIAL = {"probes", "lab", "programs"}


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py") if len(parts) == 1 else parts[0]


def imports(path: Path) -> set[str]:
    """Return the dotted names that a module imports, at its top or inside functions, those for type checkers excepted."""
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checked = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in checked:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def layer(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    own = module_of(path)
    for name in imports(path):
        if not name.startswith("wsbook."):
            continue
        other = name.split(".")[1]
        if not (PACKAGE / other).is_dir() and not (PACKAGE / f"{other}.py").is_file():
            continue
        if own == "case" and other == "lab":
            continue
        assert layer(other) <= layer(own), f"{own} imports {name}"
        assert not (own in SIBLINGS and other in SIBLINGS and own != other), f"{own} imports its sibling {name}"
        assert not (other == "lab" and own not in ("lab", "cli")), f"{own} knows the lab"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_named_folders_do_the_named_things(path: Path) -> None:
    own, names = module_of(path), {name.split(".")[0] for name in imports(path)}
    if own != "views":
        assert not names & HEAVY, f"{own} imports {names & HEAVY}"
    if own not in MAY_DIAL:
        assert not names & {"socket", "httpx", "playwright"}, f"{own} dials"


def test_every_module_has_a_layer_and_a_docstring() -> None:
    assert {module_of(path) for path in MODULES} <= set().union(*LAYERS)
    assert [str(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))] == []
