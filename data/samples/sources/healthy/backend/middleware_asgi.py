"""A plain ASGI middleware that looks at HTTP only and passes everything else on."""

import time


class Timing:
    def __init__(self, app, log):
        self.app = app
        self.log = log

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        await self.app(scope, receive, send)
        self.log(scope["method"], scope["path"], time.perf_counter() - started)
