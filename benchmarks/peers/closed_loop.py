"""A closed-loop client, as most load scripts are: each connection sends when the last echo came, at its pace, and times from then.

python closed_loop.py PORT CONNECTIONS RATE SECONDS        prints messages and the 99th percentile in seconds
"""

import asyncio
import sys
import time
from typing import Any

from websockets.asyncio.client import connect


async def main(port: int, connections: int, rate: float, seconds: float) -> None:
    """Run and print."""
    options: dict[str, Any] = {"compression": None, "ping_interval": None, "open_timeout": 30}
    lines = [await connect(f"ws://127.0.0.1:{port}/", **options) for _ in range(connections)]
    print("sending", flush=True)
    latencies: list[float] = []
    pause, begin = connections / rate, time.perf_counter()

    async def run(line: Any) -> None:
        while (sent := time.perf_counter()) < begin + seconds:
            await line.send(bytes(64))
            await line.recv()
            now = time.perf_counter()
            latencies.append(now - sent)
            await asyncio.sleep(max(0.0, pause - (now - sent)))

    await asyncio.gather(*map(run, lines))
    latencies.sort()
    print(f"{len(latencies)} {latencies[len(latencies) * 99 // 100]:.6f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
