"""What each of the twelve steps looks at: which probes and parsers, on what, within which budget. Judges nothing."""

from collections.abc import Awaitable, Callable

from wsbook.finding import STEP_TITLES
from wsbook.steps.backend import look_backend
from wsbook.steps.cluster import look_cluster
from wsbook.steps.frontend import look_frontend
from wsbook.steps.heartbeat import look_heartbeat
from wsbook.steps.infrastructure import look_proxies
from wsbook.steps.initial import look_browser, look_direct, look_endpoint, look_logs, look_triage
from wsbook.steps.looking import Looking, Step
from wsbook.steps.network import look_network
from wsbook.steps.origin import look_origin
from wsbook.steps.trace import look_trace
from wsbook.steps.volume import look_volume

__all__ = ["BESIDE", "PHASES", "STEPS", "Looking", "Step"]

PHASES = {"1": "Initial diagnosis", "2": "Network and infrastructure", "3": "Application logic", "4": "Real-time flow"}


def _steps(*rows: tuple[str, str, Callable[[Looking], Awaitable[None]]]) -> dict[str, Step]:
    titles = {"0": "triage", **STEP_TITLES}
    return {number: Step(number=number, title=titles[number], question=question, look=look) for number, question, look in rows}


def _in_turn(*looks: Callable[[Looking], Awaitable[None]]) -> Callable[[Looking], Awaitable[None]]:
    async def look_at_all(look: Looking) -> None:
        for one in looks:
            await one(look)

    return look_at_all


STEPS = _steps(
    ("0", "What do people see?", look_triage),
    ("1.1", "Does the frontend dial what the backend offers?", look_endpoint),
    ("1.2", "What does the browser see?", look_browser),
    ("1.3", "Does the endpoint accept an upgrade without its frontend?", look_direct),
    ("1.4", "What do the logs say about handshakes?", look_logs),
    ("2.1", "Is the way to the port open?", look_network),
    ("2.2", "Which hop breaks the upgrade?", _in_turn(look_proxies, look_cluster)),
    ("3.1", "What does the page do with its socket?", look_frontend),
    ("3.2", "Does every subscriber get every message?", look_backend),
    ("3.3", "Which origins may open the socket?", look_origin),
    ("3.4", "How long does a silent socket live?", look_heartbeat),
    ("4.1", "Where does one message go?", look_trace),
    ("4.2", "What happens as the rate rises?", look_volume),
)
"""The steps in the order of the investigation; "0" is triage."""

BESIDE = {"1.1": ("1.2",), "3.1": ("3.4",), "3.2": ("3.3",)}
"""Step → those that are begun before it, as they mostly wait: for a browser, for silence to last, for that silence to be over."""
