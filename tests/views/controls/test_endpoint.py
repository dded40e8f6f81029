"""What is said of an endpoint while it is typed, and what was probably meant."""

import pytest

from wsbook.views.controls.endpoint import endpoint_parts, meant_endpoint


@pytest.mark.parametrize(
    ("url", "page", "parts"),
    [
        ("", "", {"endpoint": "–"}),
        ("wss://shop.example/ws", "", {"scheme": "✓", "host": "✓", "port": "✓ 443, the default", "path": "✓ /ws"}),
        ("ws://shop.example:81", "https://shop.example/", {"scheme": "✗ ws from an https page", "port": "✓ 81", "path": "? /"}),
        ("ws://127.0.0.1/ws", "https://shop.example/", {"scheme": "✓", "host": "✓ 127.0.0.1, this machine"}),
        ("http://shop.example/ws", "", {"endpoint": "✗"}),
        ("ws://shop.example:99999/ws", "", {"endpoint": "✗"}),
        ("ws://a b/", "", {"endpoint": "✗"}),
        ("ws://shop.example/ws#top", "", {"endpoint": "✗"}),
        ("wss://shop.example:80/ws", "", {"port": "! 80"}),
        ("ws://shop.example:443/ws", "", {"port": "! 443"}),
        ("ws://[::1]:8000/ws", "", {"host": "✓ ::1, IPv6, this machine", "port": "✓ 8000"}),
        ("ws://10.1.2.3/ws", "", {"host": "✓ 10.1.2.3, a private address"}),
        ("ws://0.0.0.0:8000/ws", "", {"host": "! 0.0.0.0 is an address to listen at; clients dial 127.0.0.1"}),
        ("wss://bücher.example/ws", "", {"host": "✓ xn--bcher-kva.example, the form that DNS knows"}),
        ("ws://backend:8000/ws", "", {"host": "? backend, a name without a dot"}),
        ("wss://shop.example//ws", "", {"path": "! //ws has an empty part"}),
        ("wss://shop.example/ws.", "", {"path": "! /ws. ends with ., which"}),
        ("wss://shop.example/ws%20", "", {"path": "! /ws%20 ends with %20, which"}),
        ("wss://shop.example/ws/", "", {"path": "✓ /ws/, with a slash at the end"}),
        ("wss://shop.example/index.html", "", {"path": "? /index.html is the name of a file"}),
        ("wss://shop.example/socket.io/", "", {"path": "? /socket.io/, Socket.IO"}),
        ("wss://shop.example/socket.io/?EIO=4&transport=websocket", "", {"path": "✓", "query": "✓ EIO=4"}),
        ("wss://me:pass1234@shop.example/ws", "", {"user": "! user and password"}),
        ("wss://shop.example/ws?token=abcdef12", "", {"query": "! token=***, a secret"}),
        ("wss://shop.example/ws?token=${env:T}", "", {"query": "✓ token=${env:T}, kept as a reference"}),
    ],
)
def test_an_endpoint_is_read_as_it_is_typed(url: str, page: str, parts: dict[str, str]) -> None:
    said = dict(endpoint_parts(url, page))
    assert all(said[name].startswith(words) for name, words in parts.items()), said
    assert not {"pass1234", "abcdef12"} & set(" ".join(said.values()).replace("=", " ").split())


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("http://shop.example/ws", "ws://shop.example/ws"),
        ("https://shop.example/ws#top", "wss://shop.example/ws"),
        ("shop.example/ws", "wss://shop.example/ws"),
        ("localhost:8000/ws", "ws://localhost:8000/ws"),
        ("//shop.example/ws", "wss://shop.example/ws"),
        ("ws:/shop.example/ws", "ws://shop.example/ws"),
        ("ws:\\\\shop.example\\ws", "ws://shop.example/ws"),
        ('"wss://shop.example/ws",', "wss://shop.example/ws"),
        (" wss://shop.example/ws ", "wss://shop.example/ws"),
        ("wss://shop.exam ple/ws", "wss://shop.example/ws"),
        ("ws.example.org/live", "wss://ws.example.org/live"),
        ("wss://shop.example/ws", ""),
        ("ws://[::1]:8000/ws", ""),
        ("wss://", ""),
        ("?!", ""),
        ("", ""),
    ],
)
def test_what_was_meant_is_offered(typed: str, meant: str) -> None:
    assert meant_endpoint(typed) == meant
