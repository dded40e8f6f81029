"""Pages that do different things with a message, and the server that sends it to all of them."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

__all__ = ["Site", "serving", "serving_apart"]

_PAGE = """<!doctype html><title>{name}</title><body><p id=shown></p>
<script>
const shown = document.getElementById("shown");
const url = `ws://${{location.host}}/feed`;
{script}
</script>"""


class Site:
    """A running server: each page at its name, files at theirs, the socket at /feed; say() sends to every page."""

    def __init__(self, pages: Mapping[str, str], files: Mapping[str, str]) -> None:
        self.pages, self.files = pages, files
        self.peers: set[ServerConnection] = set()
        self.origin = ""

    def say(self, message: str | bytes) -> None:
        broadcast(self.peers, message)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        name = request.path.strip("/")
        if name == "feed":
            return None
        if name in self.files:
            return _response(self.files[name], "text/javascript")
        page = _PAGE.format(name=name, script=self.pages[name]) if name in self.pages else ""
        return _response(page, "text/html; charset=utf-8", 200 if page else 404)

    async def session(self, peer: ServerConnection) -> None:
        self.peers.add(peer)
        with contextlib.suppress(Exception):
            async for message in peer:
                self.say(message)
        self.peers.discard(peer)


def _response(body: str, kind: str, status: int = 200) -> Response:
    data = body.encode()
    return Response(status, "OK", Headers({"Content-Type": kind, "Content-Length": str(len(data)), "Connection": "close"}), data)


@contextlib.asynccontextmanager
async def serving(pages: Mapping[str, str], files: Mapping[str, str] | None = None) -> AsyncIterator[Site]:
    """Yield the site, whose origin is set; what a page sends goes to everybody."""
    site = Site(pages, files or {})
    async with serve(site.session, "127.0.0.1", 0, process_request=site.answer, ping_interval=None, compression=None) as listening:
        site.origin = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield site
        await asyncio.sleep(0)


@contextlib.contextmanager
def serving_apart(pages: Mapping[str, str]) -> Iterator[str]:
    """Yield the origin of a site in a process of its own, for messages that come fast."""
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(pages) + "\n")
        process.stdin.flush()
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


async def _main() -> None:
    async with serving(json.loads(sys.stdin.readline())) as site:
        print(site.origin, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
