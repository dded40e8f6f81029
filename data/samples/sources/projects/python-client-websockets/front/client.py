import asyncio
import os

from websockets.asyncio.client import connect

URL = os.environ.get('FEED_URL', 'wss://app.example/feed')


async def main() -> None:
    async for socket in connect(URL):
        async for message in socket:
            print(message)


asyncio.run(main())
