"""Names in scripts, those that resemble another, and the readings of a page's reports without a browser."""

import time

import pytest

from wsbook.probes.browser_capture import Capture
from wsbook.probes.browser_lately import Carrier, Lately, Spot, spots
from wsbook.probes.page_names import Names
from wsbook.probes.page_scripts import Listener, under_listener

SCRIPT = """
switch (m.type) { case 'orders:created': show(m); break; case "price": tick(m); }
const table = { orderShipped(m) { show(m); }, refund: (m) => show(m) };
if (kind === Kind.userJoined) greet(); socket.on('order.updated', draw); on(`App\\\\Events\\\\Shipped`, draw);
"""


@pytest.mark.parametrize(
    "value", ["orders:created", "price", "orderShipped", "refund", "userJoined", "order.updated", "App\\Events\\Shipped"]
)
def test_a_name_is_known_that_is_quoted_or_a_member(value: str) -> None:
    assert Names([SCRIPT]).knows(value)


@pytest.mark.parametrize(
    ("value", "alike"),
    [
        ("order.created", "orders:created"),
        ("ORDER_CREATED", "orders:created"),
        ("prices", "price"),
        ("order_shipped", "orderShipped"),
        (".order.updated", "order.updated"),
        ("updated", "order.updated"),
        ("user-joined", "userJoined"),
        ("created.order", "orders:created"),
    ],
)
def test_an_unknown_name_has_its_like(value: str, alike: str) -> None:
    names = Names([SCRIPT.replace("Kind.userJoined", "'userJoined'")])
    assert not names.knows(value) and names.alike(value)[0] == alike


@pytest.mark.parametrize("value", ["telemetry", "xyz", "", "…", "a" * 300])
def test_what_resembles_nothing_has_no_like(value: str) -> None:
    names = Names([SCRIPT])
    assert not names.knows(value) and names.alike(value) == ()


def test_large_scripts_are_searched_in_reasonable_time() -> None:
    names = Names([" ".join(f'"{chr(97 + n % 26)}{n}.ord{n % 97}er"' for n in range(60_000))])
    begin = time.process_time()
    names.alike("order.created")
    assert len(names.literals) <= 60_000 and time.process_time() - begin < 5.0


def _frame(payload: str, opcode: int = 1) -> dict[str, object]:
    return {"requestId": "1", "timestamp": 5.0, "response": {"payloadData": payload, "opcode": opcode}}


def test_what_carried_a_marker_is_kept_also_when_it_is_binary() -> None:
    capture = Capture()
    capture.on_event("Network.webSocketCreated", {"requestId": "1", "url": "ws://h/"})
    capture.on_event("Network.webSocketFrameReceived", _frame('{"text":"wsbook-0123456789ab-1"}'))
    capture.on_event("Network.webSocketFrameReceived", _frame("AAF3c2Jvb2stMDEyMzQ1Njc4OWFiLTL/", 2))
    capture.on_event("Network.webSocketFrameReceived", _frame("%%%", 2))
    assert [(place, mark) for place, mark, _ in capture.marks] == [("frame", "wsbook-0123456789ab-1"), ("frame", "wsbook-0123456789ab-2")]
    assert capture.lately.carried["wsbook-0123456789ab-1"] == Carrier(url="ws://h/", text='{"text":"wsbook-0123456789ab-1"}')


def test_the_latest_is_bounded() -> None:
    lately = Lately()
    for number in range(1000):
        lately.carry([f"wsbook-0123456789ab-{number}"], Carrier(url="ws://h/", text="x" * 100_000))
        lately.throw({"text": "y" * 5000} if number % 2 else {"text": "Uncaught", "lineNumber": 1}, 1.0)
    assert len(lately.carried) == 300 and all(len(one.text) == 16_384 for one in lately.carried.values())
    assert len(lately.thrown) <= 200 and all(len(one.text) <= 1000 for one in lately.thrown)


def test_positions_are_the_pages_own_and_tell_no_secret() -> None:
    frames = [
        {"functionName": "took", "url": "https://h/app.js?token=abc#x", "scriptId": "7", "lineNumber": 3, "columnNumber": 14},
        {"functionName": "", "url": "wsbook-page.js", "scriptId": "2", "lineNumber": 1, "columnNumber": 1},
        {"functionName": "f", "url": "", "location": {"scriptId": "9", "lineNumber": 0}},
    ]
    found = spots(frames, {"9": "https://h/b.js"})
    assert [spot.shown for spot in found] == ["https://h/app.js:4:15", "https://h/b.js:1:1"]


def test_a_position_is_inside_of_a_function_or_not() -> None:
    def spot(line: int, column: int, script: str = "7") -> Spot:
        return Spot(function="", url="", script_id=script, line=line, column=column)

    listener = Listener(url="ws://h/", state=1, spot=spot(4, 10), last_line=6, last_column=1)
    inside = [(4, 10), (5, 0), (6, 1)]
    assert all(under_listener([spot(*place)], [listener]) for place in inside)
    assert not any(under_listener([spot(*place)], [listener]) for place in [(4, 9), (6, 2), (3, 50)])
    assert not under_listener([spot(5, 0, "8")], [listener]) and not under_listener([], [listener])
