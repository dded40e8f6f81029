"""Users of Locust over websocket-client: each sends a message, waits for its echo and reports it.

LOAD in the environment: PORT WINDOW SIZE.

Locust runs it: ``locust -f locust_users.py --headless -u CONNECTIONS -r CONNECTIONS -t 4s``. Prints how many messages came back.
"""

import os
import time
from typing import Any

from locust import User, constant, events, task
from websocket import create_connection

PORT, WINDOW, SIZE = map(int, os.environ["LOAD"].split())
ANSWERED = [0]


class Client(User):  # type: ignore[misc]
    """One connection with WINDOW messages in flight."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Connect and fill the window."""
        self.line = create_connection(f"ws://127.0.0.1:{PORT}/", timeout=10)
        self.message = bytes(SIZE)
        for _ in range(WINDOW - 1):
            self.line.send_binary(self.message)

    @task
    def echo(self) -> None:
        """Send one more and take the next echo."""
        begin = time.perf_counter()
        self.line.send_binary(self.message)
        answer = self.line.recv()
        ANSWERED[0] += 1
        took_ms = (time.perf_counter() - begin) * 1000
        events.request.fire(request_type="WS", name="echo", response_time=took_ms, response_length=len(answer), exception=None)


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def tell(**_: Any) -> None:
    """Print the count, last."""
    print(ANSWERED[0], flush=True)
