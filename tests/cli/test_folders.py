"""wsbook new: the folder, its target.toml, its repository; and what wsbook run takes from it."""

import io
import re
import shutil
import subprocess
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from rich.console import Console

from wsbook.cli.folders import make_folder
from wsbook.cli.from_folder import completed
from wsbook.errors import UnreadableInputError, UsageError
from wsbook.folder import read_investigation
from wsbook.parameters import parameters_of
from wsbook.target import Target

TEMPLATE = files("wsbook.cli").joinpath("new_target.toml").read_text(encoding="utf-8")
COMMENTED = re.compile(r"^# (?=[a-z_]+ = )", re.MULTILINE)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=140)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def made(folder: Path, url: str = "") -> Path:
    make_folder(folder, url, quiet())
    return folder


def test_the_template_names_every_part_of_a_target_and_all_of_it_can_be_used(tmp_path: Path) -> None:
    text = COMMENTED.sub("", TEMPLATE)
    assert set(tomllib.loads(text)["target"]) == set(Target.__struct_fields__)
    (tmp_path / "target.toml").write_text(text)
    found = read_investigation(tmp_path)
    assert found is not None
    assert found.target.hops[0].name == "app"
    assert found.target.trigger is not None
    assert found.target.configs == (str(tmp_path / "artifacts/nginx.conf"),)


def test_the_folder_has_everything_and_the_url(tmp_path: Path) -> None:
    folder = made(tmp_path / "case", "wss://shop.test/ws?room=1")
    names = {path.name for path in folder.iterdir()}
    assert {"00_start.ipynb", "05_findings.ipynb", "target.toml", "artifacts", ".gitignore"} <= names
    found = read_investigation(folder)
    assert found is not None
    assert found.target.url == "wss://shop.test/ws?room=1"
    assert found.budget == "quick"


@pytest.mark.parametrize(
    "url", ["http://shop.test/", "shop.test", "wss://shop.test/ws?token=abcdefgh12345", "wss://me:pa55word@shop.test/"]
)
def test_a_url_that_cannot_be_used_or_holds_a_secret_makes_nothing(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        made(tmp_path / "case", url)
    assert not (tmp_path / "case").exists()
    assert not re.search("abcdefgh12345|pa55word", str(refused.value))


def test_a_reference_in_the_url_is_kept(tmp_path: Path) -> None:
    found = read_investigation(made(tmp_path / "case", "wss://shop.test/ws?token=${env:WS_TOKEN}"))
    assert found is not None
    assert found.target.url == "wss://shop.test/ws?token=${env:WS_TOKEN}"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("named", [True, False], ids=["git knows who", "git knows nobody"])
def test_the_repository_begins_without_what_may_hold_secrets(named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (tmp_path / "gitconfig").write_text("[user]\n\tname = A\n\temail = a@shop.test\n" if named else "[user]\n\tuseConfigOnly = true\n")
    folder = made(tmp_path / "case")
    (folder / "artifacts" / "page.har").write_text("Cookie: session=1")
    (folder / ".env").write_text("WS_TOKEN=1")

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False).stdout

    assert len(git("log", "--oneline").splitlines()) == int(named)
    kept = git("ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    assert {"target.toml", "artifacts/README.md", "00_start.ipynb"} <= set(kept)
    assert not {"artifacts/page.har", ".env"} & set(kept)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_no_repository_is_made_inside_another(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    console = quiet()
    make_folder(tmp_path / "case", "", console)
    assert not (tmp_path / "case" / ".git").exists()
    assert "in a repository already" in shown(console)


def test_what_is_typed_wins_over_the_folder(tmp_path: Path) -> None:
    folder = made(tmp_path / "case", "wss://shop.test/ws")
    text = (folder / "target.toml").read_text().replace('budget = "quick"', 'budget = "standard"')
    (folder / "target.toml").write_text(text + '\nsymptom = "1006"\nlogs = ["artifacts/app.log"]\n')
    console = quiet()
    parameters, budget = completed({"symptom": "502"}, "", folder / "target.toml", console, lab=False)
    assert (parameters["url"], parameters["symptom"], budget) == ("wss://shop.test/ws", "502", "standard")
    assert parameters["logs"] == str(folder / "artifacts/app.log")
    assert f"that of {folder / 'target.toml'}" in shown(console).replace("\n", "")
    parameters, budget = completed({"url": "ws://other.test/"}, "quick", folder, quiet(), lab=False)
    assert (parameters["url"], budget) == ("ws://other.test/", "quick")


ASKED = [
    ({}, False, "wss://shop.test/ws"),
    ({"symptom": "1006"}, False, "wss://shop.test/ws"),
    ({"url": "ws://other.test/"}, False, "ws://other.test/"),
    ({"har": "page.har"}, False, ""),
    ({}, True, ""),
]


@pytest.mark.parametrize(("typed", "lab", "url"), ASKED, ids=["nothing", "a symptom", "a URL", "an artifact", "a fault of the lab"])
def test_the_current_folder_counts_when_nothing_to_look_at_is_typed(typed: dict, lab: bool, url: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(made(tmp_path / "case", "wss://shop.test/ws"))
    parameters, budget = completed(typed, "", None, quiet(), lab=lab)
    assert parameters.get("url", "") == url
    assert budget == "quick"


def test_a_folder_that_names_nothing_yet_says_that_the_lab_is_looked_at(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(made(tmp_path / "case"))
    console = quiet()
    assert completed({}, "", None, console, lab=False) == ({}, "quick")
    assert "no target is named yet" in shown(console)


def test_other_folders_are_none_of_an_investigation(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert completed({}, "", None, quiet(), lab=False) == ({}, "quick")
    with pytest.raises(UsageError, match=r"wsbook new DIR"):
        completed({}, "", tmp_path, quiet(), lab=False)
    (tmp_path / "target.toml").write_text("url = [")
    with pytest.raises(UnreadableInputError, match=r"target\.toml"):
        completed({}, "", tmp_path, quiet(), lab=False)


def test_a_made_folder_says_the_same_as_its_parameters(tmp_path: Path) -> None:
    found = read_investigation(made(tmp_path / "case", "ws://shop.test/ws"))
    assert found is not None
    assert {name: value for name, value in parameters_of(found.target).items() if value} == {"url": "ws://shop.test/ws"}


def test_a_command_in_the_current_folder_is_not_run_unless_the_folder_is_named(tmp_path: Path, monkeypatch) -> None:
    folder = made(tmp_path / "case", "wss://shop.test/ws")
    text = (folder / "target.toml").read_text()
    (folder / "target.toml").write_text(f'{text}\n[target.trigger]\nmethod = "RUN"\nurl = ""\nbody = "touch found"\n')
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match=r"runs a command on this machine: touch found; add --target target\.toml"):
        completed({}, "", None, quiet(), lab=False)
    assert completed({}, "", folder, quiet(), lab=False)[0]["trigger"] == "RUN touch found"
    assert completed({"trigger": "POST http://shop.test/publish"}, "", None, quiet(), lab=False)[0]["trigger"].startswith("POST")
