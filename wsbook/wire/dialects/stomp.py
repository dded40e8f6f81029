"""STOMP 1.0 to 1.2 (https://stomp.github.io/stomp-specification-1.2.html): CONNECT, CONNECTED, ERROR, heart-beats."""

from msgspec import Struct

__all__ = ["SUBPROTOCOLS", "Frame", "beats", "connect_frame", "parse_frame"]

SUBPROTOCOLS = ("v12.stomp", "v11.stomp", "v10.stomp")
_HEADERS = 50
_ESCAPES = {"\\r": "\r", "\\n": "\n", "\\c": ":", "\\\\": "\\"}
_COMMANDS = frozenset({"CONNECTED", "MESSAGE", "RECEIPT", "ERROR", "CONNECT", "STOMP", "SEND", "SUBSCRIBE", "DISCONNECT"})


class Frame(Struct, frozen=True, kw_only=True):
    """One frame. command: "" for what is no frame, HEART-BEAT for a line end alone. Of repeated headers the first counts."""

    command: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def header(self, name: str) -> str:
        """Return a header's value, "" when absent."""
        return next((value for key, value in self.headers if key == name), "")


def connect_frame(host: str, heart_beat_ms: tuple[int, int] = (10_000, 10_000)) -> str:
    """Return the CONNECT frame. heart_beat_ms: (what we can send, what we want to receive), 0 none."""
    sends, wants = heart_beat_ms
    return f"CONNECT\naccept-version:1.0,1.1,1.2\nhost:{host}\nheart-beat:{sends},{wants}\n\n\x00"


def _unescaped(text: str) -> str:
    out, position = [], 0
    while position < len(text):
        pair = text[position : position + 2]
        out.append(_ESCAPES.get(pair, text[position]))
        position += 2 if pair in _ESCAPES else 1
    return "".join(out)


def parse_frame(text: str) -> Frame:
    """Return the first frame in a text."""
    if text and not text.strip("\r\n"):
        return Frame(command="HEART-BEAT")
    head, separator, rest = text.lstrip("\r\n").replace("\r\n", "\n").partition("\n\n")
    command, *lines = head.split("\n")
    if not separator or command not in _COMMANDS:
        return Frame(command="")
    pairs = [line.partition(":") for line in lines[:_HEADERS] if ":" in line]
    headers = tuple((_unescaped(name)[:60], _unescaped(value)[:200]) for name, _, value in pairs)
    return Frame(command=command, headers=headers, body=rest.partition("\x00")[0][:500])


def beats(value: str) -> tuple[int, int] | None:
    """Return (ms between what the server sends, ms at which it wants to hear) of a heart-beat header, None when it is none."""
    sends, comma, wants = value.partition(",")
    if not comma or not (sends.strip().isdecimal() and wants.strip().isdecimal()):
        return None
    return int(sends.strip()[:12]), int(wants.strip()[:12])
