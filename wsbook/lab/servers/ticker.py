"""What the ticker is on every library: its options, its prices, and the line to the other instances.

A copy of this file stands beside each of these programs. It knows nothing of sockets to clients.
"""

import argparse
import asyncio
import json
import logging
import math
import time
from collections.abc import AsyncIterator, Callable

TICK_S = 0.5
SYMBOLS = {"ALDER": 184.0, "BIRCH": 62.5, "CEDAR": 917.0}
RETRY_S = 0.1

log = logging.getLogger("ticker")


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="The ticker service.")
    parser.add_argument("--name", default="a")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--http-port", type=int, default=8002)
    parser.add_argument("--bus", default="", metavar="HOST:PORT")
    parser.add_argument("--allow-origin", action="append", default=[])
    return parser.parse_args()


async def ticks() -> AsyncIterator[dict[str, object]]:
    """Yield the prices twice a second; the numbers never skip, and every instance computes the same."""
    number = int(time.time() / TICK_S)
    while True:
        number += 1
        await asyncio.sleep(number * TICK_S - time.time())
        yield {"type": "tick", "topic": "ticks", "seq": number, "prices": prices(number)}


def prices(number: int) -> dict[str, float]:
    """Return the price of each symbol at one tick."""
    return {symbol: round(base * (1 + 0.01 * math.sin(number / 17 + 2 * i)), 2) for i, (symbol, base) in enumerate(SYMBOLS.items())}


class Bus:
    """The line to the other instances; without an address there are none."""

    def __init__(self, address: str, deliver: Callable[[str], None]) -> None:
        self.address, self.deliver = address, deliver
        self.writer: asyncio.StreamWriter | None = None

    @property
    def ready(self) -> bool:
        """Whether what is published reaches every instance that there is."""
        return not self.address or self.writer is not None

    async def run(self) -> None:
        """Stay connected; deliver what another instance published."""
        host, _, port = self.address.rpartition(":")
        while self.address:
            try:
                reader, self.writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
                async for line in reader:
                    self.deliver(json.loads(line))
            except (OSError, ValueError) as error:
                log.warning("bus unavailable: %s", error)
            self.writer = None
            await asyncio.sleep(RETRY_S)

    def publish(self, text: str) -> None:
        """Deliver one event here and on every other instance."""
        self.deliver(text)
        if self.writer:
            self.writer.write(json.dumps(text).encode() + b"\n")


def parse_command(message: str) -> dict[str, object]:
    """Return the JSON object in a message; empty when it is something else."""
    try:
        command = json.loads(message)
    except ValueError:
        return {}
    return command if isinstance(command, dict) else {}
