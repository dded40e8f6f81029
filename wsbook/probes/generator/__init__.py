"""The load engine: many connections opened and driven by one thread without an event loop, every message accounted.

One plan in, one run out, in the process where it is called. It imports numpy, so nothing but a process that makes load imports it.
"""

from wsbook.probes.generator.run import run_plan

__all__ = ["run_plan"]
