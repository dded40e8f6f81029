"""Step 3.1: whose sockets may be accepted in their server's place."""

import pytest
from observations import seen

from wsbook.case import Case
from wsbook.facts import EndpointFacts
from wsbook.steps.frontend import _waits_for_greeting
from wsbook.target import Budget, parse_target


@pytest.mark.parametrize(
    ("url", "library", "waits"),
    [
        ("ws://shop.test/live", "native", False),
        ("ws://shop.test/live", "", False),
        ("ws://shop.test/live", "socket.io", True),
        ("ws://shop.test/socket.io/?EIO=4&transport=websocket", "", True),
        ("wss://shop.test/cable", "native", True),
    ],
)
def test_clients_of_dialects_wait_for_a_greeting(url: str, library: str, waits: bool) -> None:
    case = Case(parse_target(url), Budget.named("quick"))
    if library:
        found = EndpointFacts(side="frontend", library=library, file="app.js", line=1, expression="connect()", url=url)
        case.add(seen(found, step="1.1", probe="sources", hop=""))
    assert _waits_for_greeting(case, url) is waits
