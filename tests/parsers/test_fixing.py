"""Changes of configuration files: the diff says exactly what the changes do."""

import subprocess
from pathlib import Path

import pytest

from wsbook.facts import Change
from wsbook.parsers.proxies.fixing import apply_changes, make_fix

TEXT = "a\nb\nc\nd\ne\nf\n"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((Change(file="x", line=2, added=("new",)),), "a\nnew\nb\nc\nd\ne\nf\n"),
        ((Change(file="x", line=2, removed=2),), "a\nd\ne\nf\n"),
        (
            (Change(file="x", line=1, removed=1, added=("A", "B")), Change(file="x", line=6, removed=1, added=("F",))),
            "A\nB\nb\nc\nd\ne\nF\n",
        ),
        (
            (
                Change(file="x", line=2, removed=1, added=("B",)),
                Change(file="x", line=2, added=("1",)),
                Change(file="x", line=2, added=("2",)),
            ),
            "a\n1\n2\nB\nc\nd\ne\nf\n",
        ),
        ((Change(file="x", line=7, added=("end",)),), "a\nb\nc\nd\ne\nf\nend\n"),
        ((), TEXT),
    ],
)
def test_the_diff_does_what_the_changes_do(changes: tuple[Change, ...], expected: str, tmp_path: Path) -> None:
    assert apply_changes(TEXT, changes) == expected
    if changes:
        fix = make_fix(("proxy.upgrade-header-missing",), changes, {"x": TEXT})
        (tmp_path / "x").write_text(TEXT)
        subprocess.run(["patch", "-p0", "-s"], input=fix.diff + "\n", text=True, cwd=tmp_path, check=True)
        assert (tmp_path / "x").read_text() == expected
