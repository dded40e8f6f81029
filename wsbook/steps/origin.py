"""Step 3.3: which origins may open the socket."""

from wsbook.observation import Reason, Source, not_run
from wsbook.steps.looking import Looking, baseline, missing, shorter

__all__ = ["look_origin"]


async def look_origin(look: Looking) -> None:
    """Try the same upgrade with other Origins."""
    from wsbook.probes.experiment import experiment, origin_variants

    if not look.target.url:
        look.add(missing("3.3", "upgrade", "no endpoint was given; give a ws:// or wss:// URL"))
        return
    tried = look.evidence.attempts(step="1.3")
    if tried and tried[-1][1].status is None:
        why = "the endpoint gives no HTTP answer at all (step 1.3), so its judgement of origins cannot be seen"
        look.add(not_run(Source(step="3.3", probe="upgrade"), Reason.SKIPPED, why))
        return
    first = baseline(look)
    look.add(*await experiment(first, shorter(origin_variants(first)), step="3.3", apart=bool(look.target.logs)))
