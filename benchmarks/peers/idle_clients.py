"""Open idle connections with one library, hold them, and print what each cost: bytes of resident memory and CPU microseconds.

    python idle_clients.py LIBRARY PORT CONNECTIONS

LIBRARY: wsbook, websockets or picows. The first hundred connections are not counted: they pay for what all share.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FIRST = 100


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def told(before: tuple[int, float], count: int) -> None:
    """Print the cost of each connection since before."""
    bytes_each, cpu_each = (resident() - before[0]) / count, (time.process_time() - before[1]) / count
    print(f"{count} {bytes_each:.0f} {cpu_each * 1e6:.2f}", flush=True)


def wsbook_client(port: int, count: int) -> None:
    """The load generator's own opening."""
    from wsbook.attempt import Attempt
    from wsbook.probes.generator.connect import abort, make_room, open_lines
    from wsbook.probes.generator.place import place_of
    from wsbook.probes.generator.progress import Watch

    make_room(count)
    place = place_of(Attempt(url=f"ws://127.0.0.1:{port}/", timeout_s=60.0))
    lines = open_lines(place, FIRST, Watch()).lines
    before = resident(), time.process_time()
    opened = open_lines(place, count, Watch(), first=FIRST)
    if len(opened.lines) != count:
        raise SystemExit(f"{len(opened.lines)} of {count} opened: {opened.why}")
    told(before, count)
    for line in lines + opened.lines:
        abort(line.sock)


async def _hold(connect: Callable[[], Any], count: int) -> None:
    held = [await connect() for _ in range(FIRST)]
    before = resident(), time.process_time()
    for _ in range(0, count, 50):
        held += await asyncio.gather(*(connect() for _ in range(50)))
    told(before, len(held) - FIRST)


def websockets_client(port: int, count: int) -> None:
    """``websockets.connect`` without compression and pings."""
    from websockets.asyncio.client import connect

    options: dict[str, Any] = {"compression": None, "ping_interval": None, "open_timeout": 60}
    asyncio.run(_hold(lambda: connect(f"ws://127.0.0.1:{port}/", **options), count))


def picows_client(port: int, count: int) -> None:
    """``picows.ws_connect`` on uvloop where it is installed."""
    from picows import WSListener, ws_connect

    def connecting() -> Any:
        return ws_connect(WSListener, f"ws://127.0.0.1:{port}/", websocket_handshake_timeout=60)

    try:
        import uvloop
    except ImportError:
        asyncio.run(_hold(connecting, count))
    else:
        uvloop.run(_hold(connecting, count))


CLIENTS = {"wsbook": wsbook_client, "websockets": websockets_client, "picows": picows_client}

if __name__ == "__main__":
    import os

    CLIENTS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
    os._exit(0)  # connections of a library need no farewell
