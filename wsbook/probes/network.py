"""What this machine's resolver says about a name. It must not dial the name's addresses."""

from wsbook.facts import NameFacts
from wsbook.observation import Failure, Observation, Source, observed
from wsbook.probes.names import look_up
from wsbook.probes.stopwatch import Stopwatch, shown_time

__all__ = ["probe_name"]


async def probe_name(host: str, *, step: str, timeout_s: float) -> Observation:
    """Ask this machine's resolver for a name; its failure says whether the name or the resolver is missing."""
    watch = Stopwatch(timeout_s)
    source = Source(step=step, probe="name")
    lookup = await look_up(host, 0, timeout_s)
    addresses = tuple((str(address.family), address.address) for address in lookup.addresses)
    failure = None
    if lookup.reason is not None:
        message = f"{host} was not resolved ({shown_time(lookup.duration_s)}): {lookup.message}"
        failure = Failure(stage="resolve", reason=lookup.reason, message=message)
    watch.add("resolve", lookup.started, lookup.duration_s, failure is None, lookup.message)
    facts = NameFacts(host=host, addresses=addresses, canonical=lookup.canonical)
    return observed(source, facts, duration_s=watch.spent_s, failure=failure, stages=tuple(watch.stages))
