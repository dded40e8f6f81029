"""Step 3.2: what the backend's source says, and who misses a broadcast."""

from wsbook.steps.cluster import look_delivery
from wsbook.steps.looking import Looking, missing
from wsbook.steps.patterns import look_patterns

__all__ = ["look_backend"]


async def look_backend(look: Looking) -> None:
    """Read the backend's source; publish to several subscribers and see who misses what."""
    target = look.target
    await look_patterns(look, "3.2", "backend", target.backend)
    if not (target.trigger or "{marker}" in target.message):
        look.add(missing("3.2", "broadcast", "nothing given makes the application publish; give trigger or message with {marker}"))
        return
    await look.settled("3.4")  # broadcasts would break the silence that is measured there
    await look_delivery(look)
