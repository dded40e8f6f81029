"""What an attempt came to: refusals in all their forms, greetings that are none, and who was greeted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observations import answer, failed

from wsbook.facts import UpgradeFacts
from wsbook.observation import Reason
from wsbook.rules.entry import Kind, entry_of, names_origin, same_visitor


def facts(**more: object) -> UpgradeFacts:
    return UpgradeFacts(url="ws://shop.test/ws", **{"accepted": True, "status": 101, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (facts(), Kind.OPEN),
        (facts(first_message="hello"), Kind.OPEN),
        (facts(first_message='{"type": "welcome", "error": null}'), Kind.OPEN),
        (facts(first_message='{"type": "chat", "text": "access denied, said the door"}'), Kind.OPEN),
        (facts(first_message='0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'), Kind.OPEN),
        (facts(first_message='{"error": "unauthorized"}'), Kind.DENIED),
        (facts(first_message='{"type": "error", "message": "Origin not allowed"}'), Kind.DENIED),
        (facts(first_message='{"type":"disconnect","reason":"unauthorized","reconnect":false}'), Kind.DENIED),
        (facts(first_message='{"type": "error", "message": "no such topic"}'), Kind.OPEN),
        (facts(first_message="Forbidden"), Kind.DENIED),
        (facts(first_message="403 " + "the forbidden forest " * 20), Kind.OPEN),
        (facts(ended="close", close_code=1008), Kind.CLOSED),
        (facts(ended="fin"), Kind.CLOSED),
        (facts(ended="close", close_code=1013), Kind.BUSY),
        (facts(accepted=False, status=403), Kind.REFUSED),
        (facts(accepted=False, status=404), Kind.REFUSED),
        (facts(accepted=False, status=503), Kind.BUSY),
        (facts(accepted=False, status=None), Kind.NOTHING),
    ],
)
def test_kinds(seen: UpgradeFacts, kind: Kind) -> None:
    assert entry_of((answer(101), seen)).kind is kind


def test_what_never_got_there_is_no_refusal() -> None:
    lost = failed("tcp", Reason.REFUSED)
    assert isinstance(lost.facts, UpgradeFacts)
    assert not entry_of((lost, lost.facts)).refused


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ticker: origin https://a.test is not allowed on shop", True),
        ("Failed to open a WebSocket connection: invalid Origin header: https://a.test.", True),
        ("Cross origin websockets not allowed", True),
        ('"Not an accepted origin."', True),
        ("Request origin not allowed: https://a.test", True),
        ("Invalid CORS request: origin mismatch", True),
        ("websocket: request origin not allowed by Upgrader.CheckOrigin", True),
        ("", False),
        ("Access denied", False),
        ("the origin server did not answer, bad gateway", False),
        ("Origin DNS error", False),
        ("original page not found", False),
    ],
)
def test_a_refusal_that_names_origin(text: str, named: bool) -> None:
    assert bool(names_origin(text)) is named


def test_who_is_greeted() -> None:
    own, again = facts(first_message='{"user": "ann", "at": 1}'), facts(first_message='{"user": "ann", "at": 2}')
    assert same_visitor(facts(first_message='{"user": "ann", "at": 9}'), own, again) is True
    assert same_visitor(facts(first_message='{"user": null, "at": 9}'), own, again) is False
    assert same_visitor(facts(first_message="guest"), own, again) is False
    assert same_visitor(facts(), own, again) is None
    assert same_visitor(facts(first_message='{"at": 1}'), facts(first_message='{"at": 1}'), facts(first_message='{"at": 2}')) is None
    numbered = facts(first_message="welcome, visitor 17"), facts(first_message="welcome, visitor 18")
    assert same_visitor(facts(first_message="welcome, visitor 99"), *numbered) is True


trees = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | (
    st.dictionaries(st.text(max_size=4), inner, max_size=3)
), max_leaves=8)  # fmt: skip


@given(st.one_of(trees.map(json.dumps), st.text(max_size=60)))
def test_whoever_is_greeted_twice_alike_is_oneself(text: str) -> None:
    seen = facts(first_message=text)
    assert same_visitor(seen, seen, seen) in (True, None)
    assert entry_of((answer(101), seen)).kind in (Kind.OPEN, Kind.DENIED)
