"""Where an upgrade breaks in a chain of hops, who answers there, and which headers change on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from observations import answer, failed

from wsbook.attempt import AS_FORWARDED, NO_UPGRADE, THE_ENDPOINTS_HOST, UNVERIFIED
from wsbook.facts import UpgradeFacts
from wsbook.hops import (
    State,
    changes_on_the_way,
    changes_text,
    find_break,
    header_changes,
    instances,
    likeness,
    places,
    same_answer,
    writer,
)
from wsbook.observation import Observation, Reason

HOPS = ("app", "inner", "outer")

WORD = {
    "+": lambda hop: answer(101, hop=hop),
    "-": lambda hop: answer(400, hop=hop),
    "x": lambda hop: failed("upgrade", Reason.RESET, hop=hop),
    "?": lambda hop: failed("tcp", Reason.TIMEOUT, hop=hop),
    "c": lambda hop: failed("tls", Reason.CERTIFICATE, hop=hop),
}
"""One letter for what a place does: passes, refuses, resets, cannot be reached, has a certificate that we do not trust."""


def chain(word: str) -> list[Observation]:
    """Return the attempts of a chain, the application first and the endpoint last; a space is a place that was not tried."""
    names = [*HOPS[: len(word) - 1], "endpoint"]
    return [WORD[letter](name) for name, letter in zip(names, word, strict=True) if letter != " "]


@pytest.mark.parametrize(
    ("word", "good", "bad", "unreached"),
    [
        ("++", None, None, ()),
        ("++++", None, None, ()),
        ("+-", "app", "endpoint", ()),
        ("+--", "app", "inner", ()),
        ("++-", "inner", "endpoint", ()),
        ("+---", "app", "inner", ()),
        ("----", None, "app", ()),
        ("+-+-", "outer", "endpoint", ()),
        ("-+-", "inner", "endpoint", ()),
        ("-++", None, None, ()),
        ("?+", None, None, ()),
        ("?-", None, "endpoint", ("app",)),
        ("?--", None, "inner", ("app",)),
        ("+?-", "app", "endpoint", ("inner",)),
        ("+-?-", "app", "inner", ()),
        ("+c--", "app", "outer", ("inner",)),
        ("+x-", "app", "inner", ()),
        ("+?", "app", "endpoint", ()),
        ("+ -", "app", "endpoint", ()),
        (" -", None, "endpoint", ()),
    ],
)
def test_the_first_broken_place(word: str, good: str | None, bad: str | None, unreached: tuple[str, ...]) -> None:
    found = find_break(places(HOPS, chain(word)))
    if bad is None:
        assert found is None
        return
    assert found is not None
    assert (found.good.name if found.good else None, found.bad.name, found.unreached) == (good, bad, unreached)


@given(st.text("+-x?c ", min_size=1, max_size=4))
def test_the_broken_place_never_passes_and_the_good_one_does(word: str) -> None:
    tried = places(HOPS, chain(word))
    found = find_break(tried)
    assert (found is None) is (not tried or tried[-1].state is State.PASSES)
    if found is not None:
        assert found.bad.state is not State.PASSES
        assert found.good is None or found.good.state is State.PASSES


@pytest.mark.parametrize(
    ("changed", "needs"),
    [(AS_FORWARDED, (AS_FORWARDED,)), (THE_ENDPOINTS_HOST, (THE_ENDPOINTS_HOST,)), (UNVERIFIED, (UNVERIFIED,)), (NO_UPGRADE, None)],
)
def test_a_hop_that_wants_what_the_next_proxy_sends_is_good(changed: str, needs: tuple[str, ...] | None) -> None:
    tried = places(HOPS, [answer(403, hop="app"), answer(101, hop="app", changed=changed), answer(403)])
    assert (tried[0].state, tried[0].needs) == ((State.PASSES, needs) if needs else (State.REFUSES, ()))


def test_an_endpoint_is_judged_as_the_page_asks_it() -> None:
    assert places((), [answer(403), answer(101, changed=AS_FORWARDED)])[0].state is State.REFUSES


def said(body: str = "", status: int = 404, url: str = "ws://shop.test/ws", **headers: str) -> UpgradeFacts:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return UpgradeFacts(url=url, accepted=False, status=status, body=body, headers=named)


def asked(body: str, host: str) -> UpgradeFacts:
    return replace(said(body), request_headers=(("Host", host),))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (said("no route for /ws"), said("no route for /x9", url="ws://a/x9"), True),
        (said("no route for /elsewhere"), said("no route for /x9", url="ws://a/x9"), True),
        (said("no route for /"), said("no route for /x9", url="ws://a/x9"), True),
        (said("no route for /ws"), said("<h1>Not found</h1>"), False),
        (said("x"), said("x", status=400), False),
        (asked("no origin is allowed at 10.0.0.5:80", "10.0.0.5:80"), asked("no origin is allowed at shop.test", "shop.test"), True),
        (said("", content_type="text/html"), said("", content_type="text/plain"), False),
        (said("missing Sec-WebSocket-Key header"), said("invalid Connection header: close"), False),
        (said(status=301, location="/login"), said(status=301, location="/ws/"), False),
        (said(status=301, location="/ws/"), said(status=301, location="/x9/", url="ws://a/x9"), True),
        (UpgradeFacts(url="ws://a/", accepted=False), UpgradeFacts(url="ws://a/", accepted=False), False),
    ],
)
def test_same_answers(one: UpgradeFacts, other: UpgradeFacts, same: bool) -> None:
    assert same_answer(one, other) is same_answer(other, one) is same


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=40))
def test_likeness_is_bounded_and_whole_for_the_same(body: str, other: str, location: str) -> None:
    one = said(body, status=302, location=location)
    assert likeness(one, one) == 1.0
    assert 0.0 <= likeness(one, said(other, status=302)) <= 1.0


def test_header_changes_are_told_without_secrets_and_without_what_always_differs() -> None:
    inner = said(Server="app/1", X_Instance="a", Date="now", Set_Cookie="sid=secret; Path=/", Via="1.1 x")
    outer = said(server="nginx", Date="later", Set_Cookie="sid=other; Path=/", Alt_Svc='h3=":443"', Via="1.1 x")
    changes = header_changes(inner, outer)
    assert {(change.name, bool(change.inner), bool(change.outer)) for change in changes} == {
        ("server", True, True),
        ("X-Instance", True, False),
        ("Alt-Svc", False, True),
    }
    text = changes_text(changes)
    assert text == 'adds Alt-Svc: h3=":443"; removes X-Instance: a; changes server from app/1 to nginx'
    assert "secret" not in text
    assert header_changes(inner, said(status=200, Server="other")) == ()


def test_the_nearest_of_several_instances_is_compared() -> None:
    tried = places(
        ("app", "app-b"),
        [
            answer(101, hop="app", headers=(("X-Instance", "a"),)),
            answer(101, hop="app-b", headers=(("X-Instance", "b"),)),
            answer(101, headers=(("X-Instance", "b"), ("Via", "1.1 Caddy"))),
        ],
    )
    assert [(name, [change.name for change in changes]) for name, changes in changes_on_the_way(tried)] == [("endpoint", ["Via"])]


def test_a_refusal_is_compared_with_the_answer_that_was_passed_on() -> None:
    app = (("Server", "app"),)
    seen = [
        answer(101, hop="app"),
        answer(426, hop="app", changed=NO_UPGRADE, body="no upgrade", headers=app),
        answer(404, hop="app", changed="random path", body="no route", headers=(("X-Other", "1"),)),
        answer(426, body="no upgrade", headers=(*app, ("Via", "1.1 Caddy"))),
    ]
    tried = places(HOPS, seen)
    assert changes_on_the_way(tried) == [("endpoint", ())]
    ((name, changes),) = changes_on_the_way(tried, seen)
    assert (name, changes_text(changes)) == ("endpoint", "adds Via: 1.1 Caddy")


def test_consecutive_hops_of_one_name_are_no_instances() -> None:
    tried = places(
        ("proxy1", "proxy2"),
        [answer(101, hop="proxy1", headers=(("Server", "x"),)), answer(101, hop="proxy2", headers=(("Via", "y"), ("Server", "x")))],
    )
    assert instances(["proxy1", "proxy2", "proxy3"], tried) == [["proxy1", "proxy3"], ["proxy2"]]


def test_who_wrote_an_answer() -> None:
    refusal = {"body": "no upgrade", "headers": (("Server", "app"),)}
    seen = [answer(101, hop="app"), answer(426, hop="app", changed=NO_UPGRADE, **refusal), answer(426, **refusal)]
    tried = places(HOPS, seen)
    assert [writer(place, tried, seen) for place in tried] == ["app", "app"]
    own = [*seen[:2], answer(403, body="blocked")]
    assert writer(places(HOPS, own)[-1], places(HOPS, own), own) == "endpoint"
    silent = [answer(101, hop="app"), failed("upgrade", Reason.RESET)]
    assert writer(places(HOPS, silent)[-1], places(HOPS, silent), silent) == ""
