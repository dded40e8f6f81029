"""What the README and CONTRIBUTING tell is so: commands can be typed, files are there, figures are those of the code."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from wsbook.causes import causes
from wsbook.cli import app
from wsbook.cli.accuracy_page import accuracy_page
from wsbook.cli.reference import ACCURACY_BEGIN, ACCURACY_END, BEGIN, END, main, reference, replaced
from wsbook.lab import FAULTS
from wsbook.steps import STEPS

ROOT = Path(__file__).parent.parent
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")}
README = PAGES["README.md"]
GROUP: Any = typer.main.get_command(app)


def blocks(text: str) -> Iterator[str]:
    """Yield the lines of the shell blocks, continued ones joined; of console blocks those that are typed."""
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if kind == "sh" or line.startswith("$ "):
                yield line.removeprefix("$ ")


TYPED = [line for text in PAGES.values() for line in blocks(text) if line.startswith("wsbook ")]
SPANS = sorted(set(re.findall(r"`(wsbook [a-z][^`]*)`", " ".join(PAGES.values()).replace("\n", " "))))


@pytest.mark.parametrize("line", TYPED)
def test_every_command_line_can_be_typed(line: str) -> None:
    name, *words = shlex.split(line, comments=True)[1:]
    context = GROUP.commands[name].make_context(name, words)
    if fault := context.params.get("fault"):
        assert fault in FAULTS


@pytest.mark.parametrize("span", SPANS)
def test_every_command_that_prose_names_is_there(span: str) -> None:
    name, *words = span.replace("…", "").split()[1:]
    command = GROUP.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert [word for word in words if word.startswith("--") and word not in known | {"--help"}] == []


def test_there_are_lines_to_check() -> None:
    assert len(TYPED) >= 15
    assert len(SPANS) >= 10


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_to_files(page: str) -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGES[page]) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_pictures_have_a_text_and_are_small() -> None:
    pictures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", README)
    assert len(pictures) == 2
    for alt, path in pictures:
        assert len(alt) > 60
        assert 4_000 < (ROOT / path).stat().st_size <= 200 * 1024


def test_the_picture_of_confidence_shows_what_was_measured() -> None:
    said = json.loads((ROOT / "data" / "accuracy.json").read_text())["reliability"]
    drawn = (ROOT / "data" / "pictures" / "reliability.svg").read_text()
    assert all(f"{one['true']} of {one['said']}" in drawn for one in said if one["said"])


def test_files_that_are_named_exist() -> None:
    named = set(re.findall(r"`((?:wsbook|tests|data|benchmarks|notebooks)/[\w./*-]+)`", " ".join(PAGES.values())))
    assert len(named) > 10
    assert sorted(name for name in named if "NAME" not in name and not list(ROOT.glob(name.rstrip("/")))) == []


def test_the_figures_are_those_of_the_code() -> None:
    assert {int(number) for number in re.findall(r"(\d+) causes", README)} == {len(causes())}
    rows = dict(re.findall(r"^\| (\d\.\d) \| ([^|]+) \|", README, re.MULTILINE))
    assert {number: title.strip() for number, title in rows.items()} == {
        number: step.title for number, step in STEPS.items() if number != "0"
    }


def test_the_reference_is_that_of_the_commands() -> None:
    assert replaced(README) == README, "run python -m wsbook.cli.reference README.md"
    assert all(f"<code>wsbook {name}" in README for name in GROUP.commands)


def test_the_reference_is_written_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    accuracy = f"{ACCURACY_BEGIN}\n\n{accuracy_page()}\n\n{ACCURACY_END}\n"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\n{accuracy}after\n")
    assert main([str(page), "--check"]) == 1
    assert "run python -m wsbook.cli.reference" in capsys.readouterr().out
    assert main([str(page)]) == 0
    assert main([str(page), "--check"]) == 0
    assert page.read_text() == f"before\n{BEGIN}\n\n{reference()}\n\n{END}\n{accuracy}after\n"
    with pytest.raises(ValueError, match="lacks"):
        replaced("no markers")


def test_the_reference_has_every_option() -> None:
    text = reference()
    options = {parameter.opts[0] for command in GROUP.commands.values() for parameter in command.params if parameter.opts[0][0] == "-"}
    assert [option for option in sorted(options) if f"`{option}" not in text] == []
    assert sys.modules["wsbook.cli.reference"].__doc__
