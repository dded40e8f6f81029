"""Step 3.1: what the frontend's source says, and what the page does when its socket ends."""

from wsbook.steps.looking import Looking
from wsbook.steps.patterns import look_patterns

__all__ = ["look_frontend"]


async def look_frontend(look: Looking) -> None:
    """Read the frontend's source for what breaks real-time updates."""
    await look_patterns(look, "3.1", "frontend", look.target.frontend)
