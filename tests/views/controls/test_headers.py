"""Headers as rows: a secret that is typed is a reference a moment later."""

import os

import pytest

from wsbook.views.controls.headers import header_rows


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("WSBOOK_SECRET_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WS_TOKEN", "the-token")
    for number in range(1, 5):  # what a test moves there goes away with it
        monkeypatch.setenv(f"WSBOOK_SECRET_{number}", "")
        monkeypatch.delenv(f"WSBOOK_SECRET_{number}")


@pytest.mark.parametrize(
    ("text", "kind", "shown", "said"),
    [
        ("Authorization: env:WS_TOKEN", "variable", "WS_TOKEN", "✓ a reference"),
        ("Authorization: ${env:WS_TOKEN}", "variable", "WS_TOKEN", "✓ a reference"),
        ("Authorization: ${env:NOT_THERE}", "variable", "NOT_THERE", "✗ env:NOT_THERE is not there"),
        ("Cookie: ${file:/not/there}", "file", "/not/there", "✗ file:/not/there is not there"),
        ("Authorization: Bearer ${env:WS_TOKEN}", "text", "Bearer ${env:WS_TOKEN}", "✓ a reference"),
        ("X-Debug: 1", "text", "1", "✓ sent as it stands"),
        ("X Debug: 1", "text", "1", "✗ header 'X Debug"),
        ("Authorization: Bearer abcdefghi", "text", "Bearer ${env:WSBOOK_SECRET_1}", "✓ a reference"),
        ("Cookie: a", "variable", "WSBOOK_SECRET_1", "✓ a reference"),
    ],
)
def test_a_header_is_shown_with_the_place_of_its_value(text: str, kind: str, shown: str, said: str) -> None:
    rows = header_rows(text)
    row = rows._rows[0]
    assert (row._kind.value, row._value.value) == (kind, shown)
    assert row._verdict.value.startswith(said)


def test_what_is_secret_is_moved_and_no_control_keeps_it() -> None:
    rows = header_rows("")
    rows._add("")
    rows._add("")
    rows._add("")
    typed, named, mistaken = rows._rows
    typed._name.value, typed._kind.value, typed._typed.value = "X-Mine", "secret", "hunter2hunter2"
    named._name.value, named._kind.value, named._value.value = "Authorization", "text", "opaque-opaque"
    mistaken._name.value, mistaken._value.value = "X-Other", "no name of a variable!"
    assert rows.value.splitlines() == [
        "X-Mine: ${env:WSBOOK_SECRET_1}",
        "Authorization: ${env:WSBOOK_SECRET_2}",
        "X-Other: ${env:WSBOOK_SECRET_3}",
    ]
    assert [os.environ[f"WSBOOK_SECRET_{n}"] for n in (1, 2, 3)] == ["hunter2hunter2", "opaque-opaque", "no name of a variable!"]
    states = str([control.get_state() for row in rows._rows for control in row.controls])
    assert not [secret for secret in ("hunter2", "opaque", "no name") if secret in states]


def test_a_cookie_keeps_its_semicolons() -> None:
    rows = header_rows("Cookie: a=1; b=2; X-Debug: 1")
    assert rows.value == "Cookie: ${env:WSBOOK_SECRET_1}\nX-Debug: 1"
    assert os.environ["WSBOOK_SECRET_1"] == "a=1; b=2"
