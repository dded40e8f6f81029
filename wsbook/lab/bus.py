"""The bus between the instances: each line that one of them sends goes to all the others.

It knows nothing of events and nothing of the lab; standard library only, so that it starts fast.
"""

import socket
import socketserver
import sys
import threading

MAX_LINE_BYTES = 1 << 20


class Instance(socketserver.StreamRequestHandler):
    """One connected instance."""

    members: set[socket.socket] = set()  # noqa: RUF012 - shared by the handlers on purpose
    lock = threading.Lock()

    def handle(self) -> None:
        """Pass on what this instance sends until it goes away."""
        with self.lock:
            self.members.add(self.connection)
        try:
            while (line := self.rfile.readline(MAX_LINE_BYTES)).endswith(b"\n"):
                self.pass_on(line)
        except ConnectionError:
            return
        finally:
            with self.lock:
                self.members.discard(self.connection)

    def pass_on(self, line: bytes) -> None:
        """Send one line to every other instance; one that is gone is left out."""
        with self.lock:
            others = self.members - {self.connection}
            for member in others:
                try:
                    member.sendall(line)
                except OSError:
                    self.members.discard(member)


class Hub(socketserver.ThreadingTCPServer):
    """Accepts the instances."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Hub(("127.0.0.1", int(sys.argv[1])), Instance) as hub:
        hub.serve_forever()
