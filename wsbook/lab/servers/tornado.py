"""The ticker on Tornado."""

import asyncio
import json
from collections import deque
from typing import Any, ClassVar

from ticker import Bus, arguments, parse_command, ticks
from tornado.log import enable_pretty_logging
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler


class Named(RequestHandler):
    """A handler that names its instance in each answer."""

    def set_default_headers(self) -> None:
        """Called by Tornado before each answer."""
        self.set_header("X-Instance", self.settings["instance"])


class LiveHandler(WebSocketHandler, Named):
    """GET /ws."""

    waiters: ClassVar[set["LiveHandler"]] = set()
    recent: ClassVar[deque[str]] = deque(maxlen=12)
    subscribed = False

    def check_origin(self, origin: str) -> bool:
        """Let in our own pages alone."""
        return origin in self.settings["origins"]

    def open(self, *_args: str, **_kwargs: str) -> None:
        """Take in a new socket."""
        self.waiters.add(self)

    def on_close(self) -> None:
        """Forget one that has gone."""
        self.waiters.discard(self)

    def on_message(self, message: str | bytes) -> None:
        """Act on one message."""
        command = parse_command(message) if isinstance(message, str) else {}
        if command.get("type") == "subscribe":
            self.subscribed = True
            self.tell(json.dumps({"type": "subscribed", "topic": command.get("topic")}))
        elif command.get("type") == "publish":
            self.settings["bus"].publish(message)
        else:
            self.tell(message)

    def tell(self, message: str | bytes) -> None:
        """Send one message, unless the socket is closing."""
        try:
            self.write_message(message, binary=isinstance(message, bytes))
        except WebSocketClosedError:
            self.waiters.discard(self)

    @classmethod
    def deliver(cls, text: str) -> None:
        """Tell everybody on this instance."""
        cls.recent.append(text)
        for waiter in list(cls.waiters):
            waiter.tell(text)

    @classmethod
    async def tick(cls) -> None:
        """Send prices to the subscribers."""
        async for tick in ticks():
            for waiter in list(cls.waiters):
                if waiter.subscribed:
                    waiter.tell(json.dumps(tick))


class PublishHandler(Named):
    """GET and POST /publish."""

    def get(self) -> None:
        """Return the latest events, for a page that was away."""
        self.write({"events": [json.loads(text) for text in LiveHandler.recent]})

    def post(self) -> None:
        """Tell everybody the JSON body."""
        try:
            json.loads(self.request.body)
        except ValueError:
            self.send_error(400, reason="the body is not JSON")
            return
        self.settings["bus"].publish(self.request.body.decode())
        self.set_status(202)
        self.write({"instance": self.settings["instance"]})


class HealthHandler(Named):
    """GET /healthz."""

    def get(self) -> None:
        """Tell whether this instance can serve."""
        self.set_status(200 if self.settings["bus"].ready else 503)
        self.write({"instance": self.settings["instance"], "sockets": len(LiveHandler.waiters)})


async def main() -> None:
    """Serve until the process is stopped."""
    options = arguments()
    settings: dict[str, Any] = {"instance": options.name, "origins": options.allow_origin, "bus": Bus(options.bus, LiveHandler.deliver)}
    handlers = [(r"/ws", LiveHandler), (r"/publish", PublishHandler), (r"/healthz", HealthHandler)]
    app = Application(handlers, websocket_ping_interval=25, **settings)
    app.listen(options.port, options.host)
    app.listen(options.http_port, options.host)
    await asyncio.gather(settings["bus"].run(), LiveHandler.tick())


if __name__ == "__main__":
    enable_pretty_logging()
    asyncio.run(main())
