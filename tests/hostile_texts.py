"""Texts with which a peer, or the author of a file, attacks whoever reads them; and artifacts that hold one in every place.

Whatever runs sets ``window.hit``; whatever is fetched asks 192.0.2.1 (RFC 5737), which nobody else does.
"""

import json

from misbehaving import Peer, head

__all__ = ["TEXTS", "artifacts", "greeting", "refusing"]

SCRIPT = '</script></style></pre></textarea>--><script>window.hit=1</script>"\'><img src="http://192.0.2.1/i.png" onerror="window.hit=2">'
TEXTS = (
    SCRIPT,
    "<svg/onload=window.hit=3><iframe srcdoc='<script>parent.hit=4</script>'></iframe>",
    "![a](http://192.0.2.1/m.png) [b](javascript:window.hit=5) <a href='javascript:window.hit=6'>c</a>",
    "]]></script><b>bold</b>{{constructor.constructor('window.hit=7')()}} ${window.hit=8}",
    "\x1b[2J\x1b]8;;http://192.0.2.1/\x07link\x1b]8;;\x07\x1b]0;title\x07\x9b31m",
    "\u202egpj.exe\u202c \u2066a\u2069 \u200bzero\ufeff width\u2028line\u0000nul",
    '=HYPERLINK("http://192.0.2.1/","x")',
    "$$\\href{javascript:window.hit=9}{x}$$ \\(\\require{x}\\) <br onmouseover=window.hit=10>",
)


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", "").replace("\u2028", " ").split())


def artifacts() -> dict[str, bytes]:
    """Return file name → content, each with every text in every place that its author can choose."""
    console = log = access = nginx = source = ""
    entries = []
    for number, text in enumerate(TEXTS):
        line = _one_line(text)
        quoted = line.replace('"', "'").replace("\\", "/")
        console += (
            f"WebSocket connection to 'wss://h/{line}' failed: Error during WebSocket handshake: Unexpected response code: 40{number}\n"
        )
        log += f"2026-03-12T10:00:0{number}Z ERROR WebSocket handshake failed: Unexpected server response: 403 {text}\n"
        access += f'10.0.0.4 - - [12/Mar/2026:10:00:0{number} +0000] "GET /ws?{line} HTTP/1.1" 403 12 "{quoted}" "{quoted}"\n'
        nginx += f'  location /ws{number} {{ proxy_set_header X-{number} "{quoted}"; proxy_pass http://b{number}; }} # {line}\n'
        source += f"const s{number} = new WebSocket({json.dumps('wss://h.test/' + text)});\n"
        entries.append(_entry(number, text))
    har = {"log": {"version": "1.2", "creator": {"name": TEXTS[0], "version": TEXTS[5]}, "pages": [], "entries": entries}}
    long_line = "2026-03-12T10:00:09Z ERROR websocket failed " + "<img src=x onerror=window.hit=11>" * 300_000
    return {
        "console.txt": console.encode(),
        "app.log": (log + long_line + "\n").encode() + b"2026-03-12T10:00:09Z ERROR websocket failed \xff\xfe\xc3\x28\n",
        "access.log": access.encode(),
        "nginx.conf": f"server {{\n  listen 80;\n{nginx}}}\n".encode(),
        "client.js": source.encode(),
        "recording.har": json.dumps(har).encode(),
    }


def _entry(number: int, text: str) -> dict[str, object]:
    headers = [{"name": "X-Text", "value": text}, {"name": text, "value": "x"}, {"name": "Server", "value": text}]
    frames = [
        {"type": "receive", "time": 1773309600.0 + number, "opcode": 1, "data": text},
        {"type": text, "time": 0, "opcode": 1, "data": ""},
    ]
    return {
        "startedDateTime": "2026-03-12T10:00:00.000Z", "time": 1, "_resourceType": "websocket", "serverIPAddress": text, "comment": text,
        "request": {
            "method": "GET", "url": f"wss://h.test/ws{number}?{_one_line(text)}", "httpVersion": text, "headers": headers,
            "queryString": [], "cookies": [{"name": text, "value": text}], "headersSize": -1, "bodySize": -1,
        },
        "response": {
            "status": 101 if number % 2 else 403, "statusText": text, "httpVersion": "HTTP/1.1", "headers": headers, "cookies": [],
            "content": {"size": 1, "mimeType": text, "text": text}, "redirectURL": text, "headersSize": -1, "bodySize": -1,
            "_failureText": text, "_error": text + "\ud800",
        },
        "cache": {}, "timings": {}, "_webSocketMessages": frames,
    }  # fmt: skip


async def refusing(peer: Peer) -> None:
    """Refuse with hostile texts in reason, headers, redirect and body."""
    headers = "".join(f"X-{number}: {_one_line(text)}\r\n" for number, text in enumerate(TEXTS) if "\r" not in text)
    reason = _one_line(SCRIPT)
    body = "\n".join(TEXTS)
    answer = (
        f"HTTP/1.1 403 {reason}\r\nServer: {reason}\r\nLocation: javascript:window.hit=12\r\nContent-Type: text/html\r\n{headers}\r\n{body}"
    )
    await peer.send(answer.encode("utf-8", "surrogatepass") + b"\xff\xfe")


async def greeting(peer: Peer) -> None:
    """Accept, send each text as a message, and close with one as reason."""
    more = (f"Server: {_one_line(SCRIPT)}".encode(), f"X-Text: {_one_line(TEXTS[4])}".encode())
    await peer.send(head(more=more).replace(b"ACCEPT", peer.accept))
    for text in TEXTS:
        data = text.encode()
        size = bytes([len(data)]) if len(data) < 126 else bytes([126]) + len(data).to_bytes(2, "big")
        await peer.send(b"\x81" + size + data)
    reason = TEXTS[0].encode()[:120]
    await peer.send(bytes([0x88, len(reason) + 2]) + (4000).to_bytes(2, "big") + reason)
