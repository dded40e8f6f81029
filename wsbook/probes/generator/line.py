"""One open connection as the loops hold it. It must not know the account, nor what is sent."""

import socket
import ssl

from wsbook.probes.generator.reader import Reader

__all__ = ["Line"]


class Line:
    """One WebSocket whose opening handshake is done, non-blocking.

    index: in the plan. sock: plain or TLS; fd, send, recv_into: its own; secure: whether it is TLS. rest: bytes received and not yet read
    as a whole frame; reader: of a frame or message that is read carefully. waiting: bytes that the kernel did not take, owed: how many
    messages they end; blocked: whether nothing can be sent now; reset: whether sending found that a RST had come. offered: messages that
    were given to the kernel or begun, of a rate. ended: "open" or how it ended: fin, rst, close or garbage; close_code: of a close frame.
    """

    __slots__ = (
        "blocked",
        "close_code",
        "ended",
        "fd",
        "index",
        "offered",
        "owed",
        "reader",
        "recv_into",
        "reset",
        "rest",
        "secure",
        "send",
        "sock",
        "waiting",
    )

    def __init__(self, sock: socket.socket, index: int, rest: bytes = b"") -> None:
        self.sock, self.index, self.rest = sock, index, rest
        self.fd, self.send, self.recv_into = sock.fileno(), sock.send, sock.recv_into
        self.secure = isinstance(sock, ssl.SSLSocket)
        self.waiting = b""
        self.blocked = self.reset = False
        self.offered = self.owed = 0
        self.ended = "open"
        self.close_code: int | None = None
        self.reader: Reader | None = None
