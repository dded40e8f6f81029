"""The websockets library: broadcast() never waits for a slow client and survives dead ones."""

import asyncio

from websockets.asyncio.server import broadcast, serve

connected = set()


async def handler(websocket):
    connected.add(websocket)
    try:
        async for message in websocket:
            broadcast(connected, message)
    finally:
        connected.remove(websocket)


async def main():
    async with serve(handler, "0.0.0.0", 8765, ping_interval=20, ping_timeout=20) as server:
        await server.serve_forever()


if __name__ == "__main__":
    import redis  # the other processes publish through it

    asyncio.run(main())
