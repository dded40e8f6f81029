"""Recorded sockets on their way to the frames view: which, in what order, what is told of them, and what is asked and answered."""

from typing import Any

import pytest

from views.samples import HOSTILE, seen
from wsbook.facts import Frame, SessionFacts
from wsbook.observation import Observation
from wsbook.views.recorded_frames import RecordedFrames, frame_row, sockets_of
from wsbook.views.show import WIDGET_MIME, bundle_widget


def session(count: int = 2, **fields: Any) -> Observation:
    frames = tuple(Frame(at_s=n / 10, direction="received", opcode=1, size_bytes=5, text="hello") for n in range(count))
    return seen("1.2", SessionFacts(**{"url": "ws://shop.example/ws", "frames": frames, "frame_count": count, **fields}))


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"text": "hello", "size_bytes": 5}, {"text": "hello", "cut": False, "hex": False}),
        ({"text": "hell", "size_bytes": 5}, {"cut": True}),
        ({"text": 'say "x"', "size_bytes": 9}, {"cut": False}),  # as a HAR counts its escapes
        ({"text": "", "size_bytes": 5}, {"cut": False}),
        ({"opcode": 2, "text": "AP9B", "size_bytes": 4}, {"text": "00ff41", "hex": True, "cut": False}),
        ({"opcode": 2, "text": "not base64 at all!", "size_bytes": 18}, {"text": "not base64 at all!", "hex": False}),
        ({"opcode": 8, "text": "1000 bye", "size_bytes": 5}, {"opcode": 8, "text": "1000 bye", "cut": False}),
        ({"direction": "sent", "text": "x", "size_bytes": 1, "wire_bytes": 7}, {"direction": "sent", "wire": 7}),
    ],
)
def test_a_frame_becomes_a_row(frame: dict[str, Any], expected: dict[str, Any]) -> None:
    row = frame_row(3, Frame(**{"at_s": 0.25, "direction": "received", "opcode": 1, **frame}))
    assert (row["n"], row["at_s"]) == (3, 0.25)
    assert {name: row[name] for name in expected} == expected


def test_the_busiest_socket_comes_first_and_one_without_frames_not_at_all() -> None:
    sockets = sockets_of([session(2), session(0), session(7)])
    assert [socket.facts.frame_count for socket in sockets] == [7, 2]
    assert sockets[0].name.startswith("1 ws://shop.example/ws, 7 frames, unknown")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ended": "close", "close_code": 1011, "closed_by": "peer", "close_reason": "bad"}, "ended: close with 1011 by peer (bad)"),
        ({"ended": "fin", "age_s": 60.1, "idle_s": 60.0}, "ended: fin; 60.1 s after the upgrade; silent for 60.0 s before"),
        ({"frame_count": 5000}, "the first 2 of 5,000 frames are kept"),
        ({"error_text": "net::ERR_X"}, "net::ERR_X"),
    ],
)
def test_what_is_told_of_a_socket(fields: dict[str, Any], words: str) -> None:
    assert words in sockets_of([session(**fields)])[0].about


def test_names_and_what_is_told_are_printable() -> None:
    (socket,) = sockets_of([session(url=f"ws://a/{HOSTILE}", close_reason=HOSTILE, error_text=HOSTILE)])
    assert not {"\x1b", "\u202e", "\n"} & set(socket.name + socket.about)


CLOSE = Frame(at_s=0.2, direction="received", opcode=8, size_bytes=2, text="1000")


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"age_s": 9.0, "ended": "fin"}, {"at_s": 9.0, "words": "fin"}),
        ({"age_s": 9.0, "ended": "close", "close_code": 1006}, {"at_s": 9.0, "words": "close 1006"}),
        ({"age_s": 9.0, "ended": "unknown"}, {"at_s": 9.0, "words": "end"}),
        ({"age_s": 9.0, "ended": "open"}, None),
        ({"age_s": None, "ended": "fin"}, None),
        ({"age_s": 9.0, "ended": "close", "frames": (CLOSE,)}, None),
    ],
)
def test_an_end_is_marked_where_no_frame_says_it(fields: dict[str, Any], end: dict[str, Any] | None) -> None:
    widget = RecordedFrames()
    widget.take(sockets_of([session(**fields)]))
    assert widget.socket(0)["end"] == end


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ({"kind": "ask", "view": "a", "socket": 1}, (1, "a")),
        ({"kind": "ask", "view": "b", "socket": 7}, (0, "b")),
        ({"kind": "ask", "view": "b", "socket": "1"}, (0, "b")),
        ({"kind": "other"}, None),
        ("ask", None),
    ],
)
def test_a_view_gets_the_socket_that_it_asks_for(monkeypatch: pytest.MonkeyPatch, asked: Any, answered: tuple[int, str] | None) -> None:
    widget, sent = RecordedFrames(), []
    monkeypatch.setattr(widget, "send", sent.append)
    widget.take(sockets_of([session(2), session(3)]))
    widget._answer(widget, asked, [])
    assert [(one["socket"], one["view"]) for one in sent] == ([answered] if answered else [])
    if answered:
        assert len(sent[0]["rows"]) == (3, 2)[answered[0]]
        assert len(sent[0]["names"]) == 2


def test_the_widget_keeps_no_frame_in_its_state_and_shows_something_without_it() -> None:
    widget = RecordedFrames()
    widget.take(sockets_of([session()]))
    assert "hello" not in str({name: value for name, value in widget.get_state().items() if not name.startswith("_")})
    bundle = bundle_widget(widget, {"text/plain": "2 frames"})
    assert bundle["text/plain"] == "2 frames"
    assert bundle[WIDGET_MIME]["model_id"] == widget.model_id
