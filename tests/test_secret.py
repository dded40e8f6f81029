"""References to secrets are resolved only when asked, and what they name must be there."""

from pathlib import Path

import pytest

from wsbook.errors import SecretMissingError
from wsbook.secret import has_reference, reference_names, resolve

ROWS = [
    ("env:TOKEN", {"TOKEN": "t0p"}, "t0p"),
    ("Bearer ${env:TOKEN}", {"TOKEN": "t0p"}, "Bearer t0p"),
    ("${env:A}:${env:B}", {"A": "1", "B": "2"}, "1:2"),
    ("no reference env:TOKEN here", {}, "no reference env:TOKEN here"),
    ("$HOME ${HOME}", {"HOME": "/root"}, "$HOME ${HOME}"),
]


@pytest.mark.parametrize(("text", "environ", "value"), ROWS)
def test_references_are_replaced(text: str, environ: dict[str, str], value: str) -> None:
    assert resolve(text, environ) == value
    assert has_reference(text) is (value != text)


def test_a_file_can_hold_a_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    assert resolve(f"x=${{file:{tmp_path}/token}}") == "x=abc"
    assert reference_names(f"${{file:{tmp_path}/token}} ${{env:A}}") == (f"file:{tmp_path}/token", "env:A")


@pytest.mark.parametrize("text", ["env:WSBOOK_NOT_SET", "${file:/nowhere/at/all}"])
def test_what_is_missing_is_named(text: str) -> None:
    with pytest.raises(SecretMissingError, match=r"WSBOOK_NOT_SET|/nowhere/at/all"):
        resolve(text, {})
