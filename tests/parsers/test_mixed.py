"""Pastes that hold both code and what was printed."""

import pytest

from wsbook.facts import PatternFacts, SignatureFacts
from wsbook.parsers.mixed import code_in, printed_in
from wsbook.parsers.read import read_text

_GO = """package main

import "github.com/gorilla/websocket"

var upgrader = websocket.Upgrader{}

func live(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
}
"""
_ELIXIR = """config :live, LiveWeb.Endpoint,
  url: [host: "live.example.org"],
  check_origin: :conn,
  server: true,
  http: [port: 4000],

12:00:01.220 [error] Could not check origin for Phoenix.Socket transport.
"""


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("upgrade: websocket: request origin not allowed by Upgrader.CheckOrigin", True),
        ("// Error: Connection in subscriber mode, only subscriber commands may be used", True),
        ("2025-01-02 10:11:12,001 ERROR channels over capacity", True),
        ("java.lang.IllegalStateException: The remote endpoint was in state [TEXT_FULL_WRITING]", True),
        ("// concurrent writes are kept apart by the mutex", False),
        ("  websocket: true,", False),
        ("raise ValueError('no room')", False),
    ],
)
def test_printed_lines_are_told_from_code(line: str, printed: bool) -> None:
    assert any(printed_in(_GO + line)) is printed


def test_the_place_of_a_printed_line_stays() -> None:
    lines = printed_in(_GO + "panic: concurrent write to websocket connection")

    assert len(lines) == _GO.count("\n") + 1
    assert lines[-1].startswith("panic: ")


_JSON_LINES = '{"a": 1},\n{"a": 2},\n{"a": 3},\n{"a": 4},\n'


@pytest.mark.parametrize("text", ["", "10:00:00 open\n10:00:30 closed 1006\n", _JSON_LINES, "only words, and few\n"])
def test_what_is_no_code_stays_what_it_is(text: str) -> None:
    assert code_in(text) == ""


def test_a_message_below_code_is_read() -> None:
    read = read_text(_GO + "\nupgrade: websocket: request origin not allowed by Upgrader.CheckOrigin\n")

    assert [seen.facts.signature for seen in read if isinstance(seen.facts, SignatureFacts)] == ["origin-refused"]


def test_code_above_a_log_is_read() -> None:
    patterns = [seen.facts for seen in read_text(_ELIXIR) if isinstance(seen.facts, PatternFacts)]

    assert "any.origin-against-the-hop" in [facts.pattern for facts in patterns if not facts.ok]


def test_code_alone_gives_no_message() -> None:
    assert not any(isinstance(seen.facts, SignatureFacts) for seen in read_text(_GO))
