"""A TaskGroup owns the background tasks, so that no exception goes unseen; gather collects exceptions."""

import asyncio


async def fan_out(sockets, text):
    results = await asyncio.gather(*(socket.send(text) for socket in sockets), return_exceptions=True)
    return [r for r in results if isinstance(r, Exception)]


async def main(source, sockets):
    async with asyncio.TaskGroup() as group:
        group.create_task(pump(source, sockets))


async def pump(source, sockets):
    async for text in source:
        await fan_out(tuple(sockets), text)
