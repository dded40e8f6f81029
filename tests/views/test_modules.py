"""The files of a widget become one ES module: each once, in the order of need, nothing left to load from elsewhere."""

import re
from collections import Counter
from pathlib import Path

import pytest

import wsbook.views
from wsbook.views.modules import css, esm

FOLDER = Path(wsbook.views.__file__).parent / "web"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.js"))
FORBIDDEN = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "fetch(",
    "XMLHttpRequest",
    "http:",
    "https:",
)
DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_module_holds_what_its_file_imports_and_imports_nothing(name: str) -> None:
    joined = esm(name)
    assert not re.search(r"^\s*import\b|\bimport\(", joined, re.MULTILINE)
    assert not re.search(r"^export (?!default|\{)", joined, re.MULTILINE)
    declared = Counter(DECLARED.findall(joined))
    assert set(DECLARED.findall((FOLDER / name).read_text(encoding="utf-8"))) <= set(declared)
    assert [word for word, count in declared.items() if count > 1] == []


def test_what_is_needed_stands_before_what_needs_it() -> None:
    joined = esm("frames.js")
    places = [joined.index(f"function {name}") for name in ("pretty", "frameStore", "frameTable", "framesView")]
    assert places == sorted(places)


def test_files_that_share_an_import_hold_it_once() -> None:
    assert esm("frame_table.js", "frames.js").count("function pretty(") == 1


def test_the_names_asked_for_are_exported() -> None:
    assert esm("frames.js", exports="framesView, pretty").rstrip().endswith("export { framesView, pretty };")


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_writes_markup_or_asks_anybody(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "fetch(",
        "XMLHttpRequest",
        "http:",
        "https:",
    ):
        assert word not in text, word


def test_style_sheets_are_joined_and_load_nothing() -> None:
    style = css("frames.css")
    assert ".wsb-frames" in style
    assert "url(" not in style and "@import" not in style
