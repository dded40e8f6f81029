"""Whether the figures of a run count, or show the generator. Pure.

Of a rate: latencies count from when messages were due, so whatever we were late is in them. They are spoilt where our own lag at the
99th percentile is a quarter of the latency there, and more than five milliseconds, which is what a shared machine of few processors does
to anybody. A slow peer makes latencies long and lags not, so it never makes a run void.

Of a window nothing is due: there a generator that used its whole processor could not show a faster peer, and one that did not run for
longer than half of what it measured, measured itself.
"""

from wsbook.facts.load import LoadRun

__all__ = ["why_void"]

_LAG_S, _LAG_SHARE = 0.005, 0.25
_TICK_LAG_S, _TICK_SHARE = 0.02, 0.5
_BUSY = 0.95


def why_void(run: LoadRun) -> str:
    """Return the sentence why the figures do not count, "" when they do."""
    generator = run.generator
    if not run.opened:
        return f"no connection was opened: {run.why_refused}" if run.why_refused else "no connection was opened"
    if generator is None:
        return ""
    p99_s = run.p99_s or 0.0
    lag_s, share = (_LAG_S, _LAG_SHARE) if run.rate and run.sent else (_TICK_LAG_S, _TICK_SHARE)
    if generator.lag_p99_s > max(lag_s, share * p99_s):
        late = f"{generator.lag_p99_s * 1000:.1f} ms late at the 99th percentile"
        return f"the generator itself was {late}, at {generator.busy:.0%} of a processor: the latencies are partly its own"
    if run.window and generator.busy > _BUSY:
        return f"the generator used {generator.busy:.0%} of its processor: the figure is a lower bound"
    return ""
