"""Step 2.2: the proxies between the page and the application."""

from functools import partial

from wsbook.steps.hops import look_hops
from wsbook.steps.looking import Looking, read
from wsbook.steps.rehearsing import rehearse

__all__ = ["look_proxies"]


async def look_proxies(look: Looking) -> None:
    """Read the proxies' configurations; make the same attempt at every hop."""
    from wsbook.parsers.read import read_artifact

    target, endpoint = look.target, look.target.endpoint
    for path in target.configs:
        call = partial(read_artifact, path, step="2.2")
        if endpoint:
            call = partial(call, endpoint_path=endpoint.path, endpoint_host=endpoint.host, endpoint_port=endpoint.port)
        await read(look, "2.2", path, call)
    await rehearse(look, look.evidence.observations)
    await look_hops(look)
