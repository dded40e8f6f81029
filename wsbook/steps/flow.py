"""Phase 4: what step 4.1 looks at."""

from wsbook.steps.looking import Looking, at_hops, missing, open_attempt, publishing

__all__ = ["look_trace"]


async def look_trace(look: Looking) -> None:
    """Follow one marked message from its trigger to the subscribers."""
    from wsbook.probes.trace import probe_trace

    target = look.target
    if not (target.trigger or "{marker}" in target.message):
        look.add(missing("4.1", "trace", "nothing given makes the application publish; give trigger or message with {marker}"))
        return
    attempt = await open_attempt(look, "4.1")
    if attempt is None:
        return
    look.progress("one marked message on its way", 0.3)
    message, subscribe = publishing(target)
    look.add(
        *await probe_trace(
            attempt,
            trigger=target.trigger,
            message=message,
            subscribe=subscribe,
            hops=at_hops(look),
            logs=target.logs,
            page_url=target.page_url,
            step="4.1",
            repeats=3,
            budget_s=0.6 * look.budget.attempt_s,
            on_progress=look.progress,
        )
    )
