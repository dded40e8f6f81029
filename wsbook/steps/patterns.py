"""What steps 3.1 and 3.2 read of source code."""

import asyncio

from wsbook.facts import EndpointFacts
from wsbook.steps.looking import Looking, missing

__all__ = ["look_patterns"]


async def look_patterns(look: Looking, step: str, side: str, folders: tuple[str, ...]) -> None:
    """Read the source of one side for defects and guards; where it is offered or dialled belongs to step 1.1."""
    from wsbook.parsers.code.sources import parse_sources

    if not folders:
        look.add(missing(step, f"{side} source", f"no {side} source was given; give its folder as {side}"))
        return
    beside = look.target.backend if side == "frontend" else ()
    seen = await asyncio.to_thread(parse_sources, folders, side=side, page_url=look.target.page_url, step=step, beside=beside)
    look.add(*(entry for entry in seen if not isinstance(entry.facts, EndpointFacts)))
