"""What a widget asks for is done in the event loop of the cells, whichever thread brings it. It must not know what is asked.

JupyterLab has the messages of widgets delivered in a subshell of the kernel, a thread with a loop of its own, so that they arrive while a
cell is busy (setting commsOverSubshells; https://github.com/jupyter/enhancement-proposals, JEP 91); sockets, locks and tasks of a case
belong to the loop of the cells.
"""

import asyncio
from collections.abc import Callable
from typing import ParamSpec

__all__ = ["in_cell_loop"]

P = ParamSpec("P")


def in_cell_loop(call: Callable[P, None]) -> Callable[P, None]:
    """Return what makes this call in the loop that runs now: at once when it is asked for there, soon when elsewhere.

    Where no loop runs now the call is made as it comes.
    """
    loop = _running()
    if loop is None:
        return call

    def made(*args: P.args, **kwargs: P.kwargs) -> None:
        if _running() is loop:
            call(*args, **kwargs)
        else:
            loop.call_soon_threadsafe(lambda: call(*args, **kwargs))

    return made


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
