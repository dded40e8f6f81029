import asyncio

from websockets.asyncio.server import serve


async def handler(socket) -> None:
    if socket.request.path != '/feed':
        await socket.close(1008, 'no such feed')
        return
    await socket.wait_closed()


async def main() -> None:
    async with serve(handler, '0.0.0.0', 8765) as server:
        await server.serve_forever()


asyncio.run(main())
