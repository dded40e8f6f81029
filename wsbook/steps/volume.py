"""Step 4.2: what comes back as the rate rises, where the server stops to keep up, and what the page makes of it."""

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.load_plan import LoadPlan
from wsbook.observation import Reason, Source, not_run
from wsbook.steps.looking import Looking, at_hops, open_attempt, publishing
from wsbook.target import Target, parse_endpoint

__all__ = ["look_volume"]

_SIZE_BYTES = 64


class _Effort(Struct, frozen=True, kw_only=True):
    """What a budget allows: the runs, how long the search may take (0 none is made), and what the page is given."""

    rates: tuple[float, ...]
    sizes: tuple[int, ...]
    connections: tuple[int, ...]
    seconds: float
    drain_s: float
    search_s: float = 0.0
    page_rate: float
    page_s: float


_EFFORTS = {
    "quick": _Effort(rates=(100, 500), sizes=(_SIZE_BYTES,), connections=(4,), seconds=1.5, drain_s=1.0, page_rate=100, page_s=1.5),
    "standard": _Effort(
        rates=(50, 200, 1000),
        sizes=(_SIZE_BYTES,),
        connections=(10,),
        seconds=2.0,
        drain_s=2.0,
        search_s=25.0,
        page_rate=100,
        page_s=5.0,
    ),
    "thorough": _Effort(
        rates=(100, 1000),
        sizes=(_SIZE_BYTES, 4096),
        connections=(10, 100),
        seconds=5.0,
        drain_s=5.0,
        search_s=90.0,
        page_rate=200,
        page_s=15.0,
    ),
}


async def look_volume(look: Looking) -> None:
    """Send at rising rates and count what comes back, while the servers are watched; then the page, while messages come."""
    if not look.target.may_burden:
        message = "load is sent only to loopback hosts, or when you state that the target is yours (owned, --i-own-this)"
        look.add(not_run(Source(step="4.2", probe="load"), Reason.NOT_PERMITTED, message))
        return
    attempt = await open_attempt(look, "4.2")
    if attempt is None:
        return
    await look.settled("3.4")  # what comes back, or goes to everybody, would break the silence that is measured there
    effort = _EFFORTS[look.budget.name]
    await _look_load(look, attempt, effort)
    await _look_page(look, attempt, effort)


async def _look_load(look: Looking, attempt: Attempt, effort: _Effort) -> None:
    from wsbook.probes.joining import first_words
    from wsbook.probes.load import AUTO, grid, probe_load
    from wsbook.probes.load_search import Search

    template, subscribe = publishing(look.target)
    subscribe = subscribe or "".join(first_words(attempt.endpoint.resource))
    plan = LoadPlan(
        attempt=replace(attempt, first_message_s=0.0),
        seconds=effort.seconds,
        drain_s=effort.drain_s,
        answered_by=AUTO,
        template=template,
        subscribe=subscribe,
        sequence=look.target.sequence,
    )
    passive = bool(look.target.sequence and not template)
    plans = grid(plan, rates=(0.0,) if passive else effort.rates, sizes=effort.sizes, connections=effort.connections)
    search = Search(start=2 * effort.rates[-1], total_s=effort.search_s, seconds=1.5) if effort.search_s and not passive else None
    done: set[LoadPlan] = set()

    def say(plan: LoadPlan, _: object) -> None:
        done.add(replace(plan, attempt=attempt, seconds=0.0))
        words = f"{plan.rate:g} messages per second over {plan.connections} connections"
        look.progress(words, min(0.9, 0.1 + 0.8 * len(done) / (len(plans) + (12 if search else 0))))

    look.progress(f"rates from {effort.rates[0]:g} to {effort.rates[-1]:g} messages per second", 0.05)
    seen = await probe_load(
        plans,
        step="4.2",
        search=search,
        watched=at_hops(look),
        metrics=look.target.metrics,
        owned=look.target.owned,
        on_progress=say,
    )
    look.add(seen)


async def _look_page(look: Looking, attempt: Attempt, effort: _Effort) -> None:
    """Look at the page while the application publishes at a rate, where both are given and may be burdened."""
    target = look.target
    message, subscribe = publishing(target)
    if not target.page_url or not (target.trigger or message) or not _may_publish(target):
        return
    from wsbook.probes.page_load import probe_page_load
    from wsbook.probes.publish import publisher_for

    look.progress(f"the page at {effort.page_rate:g} messages per second", 0.9)
    async with publisher_for(target.trigger, message, attempt, step="4.2") as publisher:
        seen = await probe_page_load(
            attempt,
            page_url=target.page_url,
            publish=publisher.publish,
            rate=effort.page_rate,
            seconds=effort.page_s,
            step="4.2",
            subscribe=subscribe,
            drain_s=effort.drain_s,
            owned=target.owned,
            on_progress=lambda text, fraction: look.progress(text, 0.9 + 0.09 * fraction),
        )
    look.add(seen)


def _may_publish(target: Target) -> bool:
    """Tell whether a trigger may be pulled again and again: a place on this machine, or stated to be the user's own; a command never."""
    if target.trigger is None:
        return True
    if target.trigger.kind == "command":
        return False
    place = parse_endpoint(target.trigger.url, ("http", "https", "ws", "wss", "redis", "rediss"))
    return target.owned or place.is_loopback
