"""Origins that a backend names: found by their form, in whatever language the list is written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.parsers.code.listed_origins import find_listed, listed_origins


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ('serve(h, origins=["https://a.example", None])', ["https://a.example"]),
        ("cors: { origin: 'http://localhost:3000', credentials: true }", ["http://localhost:3000"]),
        ('check_origin: [\n  "https://a.example",\n  "//b.example"\n]\nurl: "https://c.example"', ["https://a.example"]),
        ("ALLOWED_HOSTS = ['shop.example', '.example.org']", ["https://shop.example", "https://example.org"]),
        ("config.action_cable.allowed_request_origins = ['https://a.example/']", ["https://a.example/"]),
        ("web: python server.py --allow-origin https://a.example --port 1", ["https://a.example"]),
        ("CORS_ORIGINS=https://a.example,https://b.example:8443", ["https://a.example", "https://b.example:8443"]),
        ("# see https://docs.example/origin/page", []),
        ("originPatterns: https://*.example", []),
        ("fetch('https://a.example/')", []),
        ("origin = f'https://{host}'", []),
        ("", []),
    ],
)
def test_lists(text: str, origins: list[str]) -> None:
    assert [one.origin for one in find_listed(text, "app.py")] == origins


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x = 1\nORIGINS = ['https://a.example', 'https://b.example']\n")
    (tmp_path / ".env").write_text("CORS_ORIGIN=https://c.example\n")
    found = {one.origin: one.where.removeprefix(f"{tmp_path}/") for one in listed_origins([str(tmp_path)])}
    assert found == {"https://a.example": "app.py:2", "https://b.example": "app.py:2", "https://c.example": ".env:1"}
    assert listed_origins([str(tmp_path / "nothing")]) == ()


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    assert all(one.origin.lower().startswith("http") for one in find_listed(f"origins = [{text}", "a.py"))
