"""A load of the user's own choice, sent from a notebook's form; nothing of it is recorded."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from wsbook.attempt import attempt_for
from wsbook.load_plan import LoadPlan
from wsbook.observation import Observation
from wsbook.steps.looking import publishing
from wsbook.target import Target

__all__ = ["OwnLoad", "own_load_command", "send_own_load"]

_TIMEOUT_S = 10.0


class OwnLoad(Struct, frozen=True, kw_only=True):
    """What to send: messages per second over all connections, and for how long."""

    rate: float = 500.0
    connections: int = 10
    size_bytes: int = 64
    seconds: float = 5.0


def own_load_command(target: Target, wanted: OwnLoad | None = None) -> str:
    """Return the command line that sends the same."""
    load = wanted or OwnLoad()
    figures = f"--rate {load.rate:g} --connections {load.connections} --size {load.size_bytes} --seconds {load.seconds:g}"
    return f"wsbook load {target.url or 'ws://HOST/PATH'} {figures}"


async def send_own_load(target: Target, wanted: OwnLoad, on_progress: Callable[[str, float], None]) -> Observation:
    """Send it to the endpoint, and return what came back; a host that is not the user's is refused as everywhere.

    on_progress: called with what goes on, in words, and the share that is done.

    Raises:
        UsageError: it cannot be carried out, with the sentence why.
    """
    from wsbook.probes.joining import first_words
    from wsbook.probes.load import AUTO, probe_load

    attempt, (template, subscribe) = attempt_for(target, _TIMEOUT_S), publishing(target)
    subscribe = subscribe or "".join(first_words(attempt.endpoint.resource))
    plan = LoadPlan(
        attempt=attempt,
        rate=wanted.rate,
        connections=wanted.connections,
        size_bytes=wanted.size_bytes,
        seconds=wanted.seconds,
        answered_by=AUTO,
        template=template,
        subscribe=subscribe,
    )

    def say(_: LoadPlan, told: dict[str, Any]) -> None:
        words = f"{told.get('phase', '')}: {told.get('sent', 0):,} sent, {told.get('received', 0):,} came back"
        on_progress(words, min(0.99, float(told.get("at_s") or 0.0) / wanted.seconds))

    return await probe_load([plan], step="4.2", metrics=target.metrics, owned=target.owned, on_progress=say)
