"""Phase 4: what step 4.2 looks at."""

from wsbook.facts import EchoFacts
from wsbook.observation import Outcome, Reason, Source, not_run
from wsbook.steps.looking import Looking, missing, open_attempt

__all__ = ["look_volume"]


async def look_volume(look: Looking) -> None:
    """Send at rising rates and count what comes back."""
    from wsbook.probes.load import probe_load

    if not look.target.may_burden:
        message = "load is sent only to loopback hosts, or when you state that the target is yours (owned, --i-own-this)"
        look.add(not_run(Source(step="4.2", probe="load"), Reason.NOT_PERMITTED, message))
        return
    attempt = await open_attempt(look, "4.2")
    if attempt is None:
        return
    echo = look.evidence.first(EchoFacts)
    if echo is not None and echo[0].outcome is Outcome.ANSWERED and echo[1].echoes is False:
        look.add(missing("4.2", "load", "the endpoint does not echo; a message that it answers is needed to count losses"))
        return
    look.progress("rates of 50, 200 and 500 messages per second", 0.3)
    load = await probe_load(
        attempt, rates=(50, 200, 500), size_bytes=64, connections=4, seconds=0.7, step="4.2", owned=look.target.may_burden
    )
    look.add(load)
