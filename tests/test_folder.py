"""The folder of an investigation: what is written is read again, and nobody's secret stands in it."""

from pathlib import Path

import pytest

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.folder import is_investigation, read_investigation, write_investigation
from wsbook.record import Record
from wsbook.redact import Redactor
from wsbook.target import Target, parse_target


def full(folder: Path) -> Target:
    return parse_target(
        "wss://shop.test/ws?token=${env:T}",
        page_url="https://shop.test/",
        subprotocols=["chat"],
        headers=["Cookie: env:SESSION"],
        hops=["app=ws://127.0.0.1:1/ws"],
        configs=[str(folder / "artifacts/nginx.conf"), "/etc/nginx/nginx.conf"],
        har=str(folder / "artifacts/a.har"),
        trigger="POST http://shop.test/p {marker}",
        owned=True,
    )


def test_what_is_written_is_read_again_wherever_the_folder_is_moved(tmp_path: Path) -> None:
    before = tmp_path / "before"
    write_investigation(before, full(before), budget="standard")
    text = (before / "target.toml").read_text()
    assert '"artifacts/nginx.conf"' in text and str(before) not in text
    after = before.rename(tmp_path / "after")
    read = read_investigation(after)
    assert read is not None
    assert (read.target, read.budget) == (full(after), "standard")


def test_a_folder_without_a_target_is_an_investigation_of_nothing_yet(tmp_path: Path) -> None:
    write_investigation(tmp_path, Target(url=""))
    read = read_investigation(tmp_path)
    assert read is not None and read.target == Target(url="")


def test_a_secret_in_clear_is_not_written(tmp_path: Path) -> None:
    target = parse_target("wss://shop.test/ws?token=abcdefgh1", headers=["Authorization: Bearer zyxwvuts", "X-Mine: s3cr3t"])
    text = write_investigation(tmp_path, target, redactor=Redactor(["s3cr3t"])).read_text()
    assert not [secret for secret in ("abcdefgh1", "zyxwvuts", "s3cr3t") if secret in text]


def test_a_record_is_no_investigation_and_is_left_alone(tmp_path: Path) -> None:
    Record.create(tmp_path / "r", Target(url="ws://127.0.0.1/ws"))
    assert not is_investigation(tmp_path / "r")
    assert read_investigation(tmp_path / "r") is None
    with pytest.raises(UsageError, match="belongs to a record"):
        write_investigation(tmp_path / "r", Target(url=""))
    assert read_investigation(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schema =", "cannot be read"),
        ('schema = "wsbook.investigation/1"\n[target]\nurl = 1', "does not describe a target"),
        ('schema = "wsbook.investigation/1"\ntarget = 1', "does not describe a target"),
        ('schema = "wsbook.investigation/1"\nbudget = "huge"', "budget 'huge' is not one of"),
    ],
)
def test_what_is_broken_is_said(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "target.toml").write_text(text)
    with pytest.raises((UnreadableInputError, UsageError), match=words):
        read_investigation(tmp_path)
