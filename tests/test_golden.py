"""The golden records of data/records say the same again, and tell nothing of the machine that made them."""

import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wsbook.cli.comparing import read_judged
from wsbook.report import read_story, verdict_sentence

RECORDS = Path(__file__).parents[1] / "data" / "records"
GOLDEN = {"healthy": (), "proxy.upgrade-header-missing": ("proxy.upgrade-header-missing",)}
LONGEST_S = 150.0


def test_every_golden_record_is_tested() -> None:
    assert {path.name for path in RECORDS.iterdir()} == set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_record_is_whole_small_and_of_no_machine(name: str) -> None:
    folder = RECORDS / name
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert sum(map(len, texts.values())) < 200_000
    of_machine = re.compile(rf"/tmp/|/home/|/root|/Users/|wsbook-lab-|{re.escape(platform.node())}\b")
    assert {file: of_machine.findall(text) for file, text in texts.items() if of_machine.search(text)} == {}
    story = read_story(folder)
    assert tuple(root.cause for root in story.roots) == GOLDEN[name]
    assert verdict_sentence(story)
    assert read_judged(folder).lab == name


@pytest.mark.parametrize("path", sorted(RECORDS.glob("*/*.ipynb")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_is_kept_of_its_notebooks_but_verdicts(path: Path) -> None:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            verdict = cell["id"].endswith("-verdict") or cell["id"] == "roots-line"
            assert bool(cell["outputs"]) is verdict, cell["id"]
            assert (cell["execution_count"] is not None) is verdict, cell["id"]


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_record_says_the_same_again(name: str) -> None:
    words = [sys.executable, "-m", "wsbook", "replay", str(RECORDS / name), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    document = json.loads(done.stdout or "{}")
    assert done.returncode == 0, (document.get("cells"), document.get("incomplete"), done.stderr)
    assert document["same"] is True
    assert [row["step"] for row in document["replayed"]] == ["1.3", "2.2"]
    assert document["cells"]["compared"] >= 5
    assert document["cells"]["different"] == []
