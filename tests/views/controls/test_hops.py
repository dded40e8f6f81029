"""Hops as rows: added, checked while typed, removed; the parameter reads the same as before."""

import pytest

from wsbook.views.controls.hops import hop_rows


def test_the_rows_are_the_parameter() -> None:
    told: list[int] = []
    rows = hop_rows("app=ws://127.0.0.1:1/ws; nginx=ws://127.0.0.1:2/ws")
    rows.observe(lambda: told.append(1))
    assert rows.value == "app=ws://127.0.0.1:1/ws\nnginx=ws://127.0.0.1:2/ws"
    rows._add("")
    assert len(rows._box.children) == 3 and rows.value.count("\n") == 1
    rows._rows[2]._name.value, rows._rows[2]._url.value = "gate", "ws://127.0.0.1:3/ws"
    rows._remove(rows._rows[0])
    assert rows.value == "nginx=ws://127.0.0.1:2/ws\ngate=ws://127.0.0.1:3/ws"
    assert len(told) > 1
    rows.value = ""
    assert rows.value == "" and rows._box.children == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("app=ws://127.0.0.1:8000/ws", "✓ 127.0.0.1, port 8000, path /ws"),
        ("app=http://127.0.0.1:8000/ws", "✗ write ws://127.0.0.1:8000/ws"),
        ("a b=ws://127.0.0.1/ws", "✗ hop 'a b"),
        ("app=", "– empty"),
        ("=ws://127.0.0.1/ws", "✓"),
    ],
)
def test_a_hop_is_checked_as_it_is_typed(text: str, said: str) -> None:
    assert hop_rows(text)._rows[0]._verdict.value.startswith(said)
