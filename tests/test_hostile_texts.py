"""What a peer says, and what stands in a file that somebody sent, steers nothing: not the terminal, no page, no file of the record."""

import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hostile_texts import TEXTS, artifacts, greeting, refusing
from misbehaving import Behave, misbehaving
from rich.console import Console

from wsbook import cli
from wsbook.case import Case
from wsbook.cli.terminal import show_causes, show_head, show_steps
from wsbook.report import write_report

STEERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
MARKUP = re.compile(r"<(?:script>|img src=\"?(?:http|x)|iframe|svg/|b>bold|br onm|a href='java)", re.IGNORECASE)
LARGEST_BYTES = 4_000_000


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "<img src=x onerror=window.hit=13>\u202e"
    folder.mkdir()
    for name, content in artifacts().items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in artifacts()}


@pytest.fixture
async def case(tmp_path: Path, files: dict[str, str]) -> AsyncIterator[Case]:
    given = {"har": files["recording.har"], "console": files["console.txt"], "configs": files["nginx.conf"], "frontend": files["client.js"]}
    logs = "\n".join((files["app.log"], files["access.log"]))
    with Case.open(record=str(tmp_path / "record"), symptom=TEXTS[0], logs=logs, **given) as one:
        for step in ("0", "1.1", "1.2", "1.4", "2.2", "3.1"):
            await one.run(step)
        yield one


def texts(case: Case) -> dict[str, str]:
    assert case.record is not None
    case.judge()
    write_report(case.record.folder)
    return {path.name: path.read_text(encoding="utf-8") for path in case.record.folder.iterdir()}


def inert(written: dict[str, str]) -> None:
    """Assert what holds for every record, whoever was read for it."""
    assert all(json.loads(line) for line in written["observations.jsonl"].splitlines())
    assert sum(map(len, written.values())) < LARGEST_BYTES
    page = re.sub(r"<script.*?</script>", "", written["report.html"], flags=re.DOTALL)
    assert STEERS.findall(page) == []
    assert STEERS.findall(written["report.md"]) == []
    assert MARKUP.findall(page) == []
    assert MARKUP.findall(re.sub(r"(?s)```.*?```", "", written["report.md"])) == []


async def test_files_leave_an_inert_record(case: Case) -> None:
    written = texts(case)
    inert(written)
    assert "onerror" in written["observations.jsonl"]
    kinds = {seen.kind for seen in case.evidence.observations}
    assert {"upgrade", "signature", "access", "text"} <= kinds
    assert not [seen for seen in case.evidence.observations if seen.failure and "error in wsbook" in seen.failure.reason.value]


@pytest.mark.parametrize("behave", [refusing, greeting], ids=["refusing", "greeting"])
async def test_a_server_leaves_an_inert_record(behave: Behave, tmp_path: Path) -> None:
    async with misbehaving(way=behave) as server:
        with Case.open(url=server.url("/way"), record=str(tmp_path / "record")) as case:
            await case.run("1.3")
    written = texts(case)
    inert(written)
    assert "window.hit" in written["observations.jsonl"]


async def test_the_terminal_gets_no_control_character(case: Case) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=False, width=200, highlight=False)
    judgement = case.judge()
    show_head(console, judgement.target, case.evidence.observations, "quick", 1.0)
    show_steps(console, judgement.steps)
    show_causes(console, judgement.findings)
    assert len(shown.getvalue()) > 500
    assert STEERS.findall(shown.getvalue()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["load", "ws://a\x1b[31mb/"], "control character"),
        (["load", "ws://user:pa55w0rd99@h:99999/?token=Zq81LmXw02PvKr77"], "not valid"),
        (["read", "\u202enothing.log"], "does not exist"),
    ],
)
def test_mistakes_are_told_inertly(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["wsbook", *words])
    with pytest.raises(SystemExit):
        cli.main()
    shown = capsys.readouterr().err
    assert said in shown
    assert STEERS.findall(shown) == []
    assert "pa55w0rd99" not in shown and "Zq81LmXw" not in shown


def test_a_crash_is_told_without_secrets(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def crash() -> None:
        raise ValueError("broken at wss://h/ws?token=Zq81LmXw02PvKr77 \x1b[31m typed u7Kn0wNh3aDeR5Vx")

    monkeypatch.setenv("WSBOOK_SECRET_1", "u7Kn0wNh3aDeR5Vx")
    try:
        crash()
    except ValueError as error:
        cli._crashed(type(error), error, error.__traceback__)
    shown = capsys.readouterr().err
    assert "ValueError: broken at wss://h/ws?token=***" in shown
    assert STEERS.findall(shown) == []
    assert "Zq81LmXw" not in shown and "u7Kn0wN" not in shown
