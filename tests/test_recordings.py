"""Recordings with one fault each, in the shapes of several tools, and notes of such: what a recording can show is found in it."""

# ruff: noqa: E501  (notes stay whole)

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.finding import Finding, Verdict
from wsbook.parsers.har import parse_har
from wsbook.parsers.http_dump import parse_http_dump
from wsbook.parsers.lines import split_lines
from wsbook.rules import judge
from wsbook.target import parse_target

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3
START = datetime(2026, 3, 12, 10, 0, tzinfo=UTC).timestamp()
HOST = "live.shop.test"
URL = f"wss://{HOST}/feed"
CHROME, FIREFOX, TOOLKIT, MITM = "WebInspector", "Firefox", "HTTP Toolkit", "mitmproxy"
Entry = dict[str, Any]
Row = tuple[float, str, str]


def pairs(headers: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def request(
    url: str,
    at_s: float,
    status: int,
    *,
    ask: dict[str, str] | None = None,
    say: dict[str, str] | None = None,
    body: str = "",
    ms: float = 20.0,
) -> Entry:
    """Return an entry of any recorder."""
    return {
        "startedDateTime": datetime.fromtimestamp(START + at_s, UTC).isoformat().replace("+00:00", "Z"),
        "time": ms,
        "request": {"method": "GET", "url": url, "httpVersion": "http/1.1", "headers": pairs(ask or {})},
        "response": {
            "status": status,
            "statusText": "",
            "httpVersion": "http/1.1",
            "headers": pairs(say or {}),
            "content": {"size": len(body), "mimeType": (say or {}).get("Content-Type", "text/plain"), "text": body},
        },
    }


def shake(
    status: int = 101,
    at_s: float = 0.0,
    *,
    url: str = URL,
    ask: dict[str, str] | None = None,
    say: dict[str, str] | None = None,
    body: str = "",
    ms: float = 20.0,
    error: str = "",
) -> Entry:
    """Return a handshake; say replaces the headers of the answer."""
    usual = {"Host": HOST, "Upgrade": "websocket", "Connection": "Upgrade", "Origin": f"https://{HOST}"}
    usual |= {"Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13", **(ask or {})}
    good = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT} if status == 101 else {}
    entry = request(url, at_s, status, ask=usual, say={**good, **(say or {})}, body=body, ms=ms)
    if error:
        entry["response"]["_error"] = error
    return {**entry, "_resourceType": "websocket", "_webSocketMessages": []}


def socket(rows: Iterable[Row] = (), *, at_s: float = 0.0, age_s: float = 100.0, **fields: Any) -> Entry:
    """Return an accepted handshake with messages. rows: (seconds, ▲ sent, ▼ received or ! of the browser, text)."""
    kinds = {"▲": "send", "▼": "receive", "!": "error"}
    entry = shake(101, at_s, ms=age_s * 1000, **fields)
    entry["_webSocketMessages"] = [
        {"type": kinds[way], "time": START + at_s + s, "opcode": -1 if way == "!" else 1, "data": text} for s, way, text in rows
    ]
    return entry


def found(entries: list[Entry], creator: str = CHROME) -> list[Finding]:
    data = json.dumps({"log": {"creator": {"name": creator, "version": "1"}, "entries": entries}}).encode()
    seen = [replace(one, id=f"1.2-{number}") for number, one in enumerate(parse_har(data, artifact="a.har"))]
    return list(judge(Evidence(parse_target(""), seen))[0])


DEFLATE = {"Sec-WebSocket-Extensions": "permessage-deflate"}
ASK = (0.1, "▲", '{"op":"subscribe","channel":"x"}')
PRICES: list[Row] = [(1.0 + i, "▼", f'{{"price":{i},"symbol":"ABC"}}') for i in range(8)]
TALK: list[Row] = [ASK, *PRICES]
PINGS: list[Row] = [row for i in range(1, 6) for row in ((20.0 * i, "▲", '{"op":"ping"}'), (20.0 * i + 0.1, "▼", '{"op":"pong"}'))]
NGINX = {"Server": "nginx/1.26", "Content-Type": "text/html"}


def numbers(*values: int) -> list[Row]:
    return [(0.5 + i, "▼", f'{{"type":"tick","seq":{n}}}') for i, n in enumerate(values)]


FAULTS: list[tuple[str, list[Entry], str]] = [
    # F: handshake, authentication, origin
    ("redirected to a slash", [shake(301, say={"Location": f"https://{HOST}/feed/"})], "handshake.redirected"),
    ("redirected to itself", [shake(308, say={"Location": f"https://{HOST}/feed"})], "proxy.forwarded-headers-wrong"),
    ("headers too large", [shake(431, ask={"Cookie": "x" * 9000})], "handshake.headers-too-large"),
    ("wrong accept", [{**shake(say={"Sec-WebSocket-Accept": "AAAA"}), "_webSocketMessages": []}], "handshake.invalid-exchange"),
    ("no upgrade in the answer", [shake(say={"Upgrade": "h2c"})], "handshake.invalid-exchange"),
    ("never answered", [shake(0, ms=61_000)], "handshake.timeout"),
    (
        "401 without the cookie that others carry",
        [request(f"https://{HOST}/api", 0, 200, ask={"Cookie": "a=b"}), shake(401, 1)],
        "auth.credential-not-sent",
    ),
    (
        "403 without the cookie that others carry",
        [request(f"https://{HOST}/api", 0, 200, ask={"Cookie": "a=b"}), shake(403, 1)],
        "auth.credential-not-sent",
    ),
    (
        "good, then 401 for ever",
        [socket(TALK, age_s=900), *(shake(401, 905 + 5 * i, ask={"Cookie": "a"}) for i in range(3))],
        "auth.token-expired-on-reconnect",
    ),
    (
        "app unknown",
        [socket([(0.1, "▼", '{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist"}}')])],
        "auth.app-key-mismatch",
    ),
    (
        "token expired in Socket.IO",
        [socket([(0.1, "▲", "40"), (0.2, "▼", '44{"message":"jwt expired"}')])],
        "auth.token-expired-on-reconnect",
    ),
    (
        "foreign subprotocol",
        [shake(ask={"Sec-WebSocket-Protocol": "graphql-transport-ws"}, say={"Sec-WebSocket-Protocol": "graphql-ws"})],
        "subprotocol.mismatch",
    ),
    (
        "subprotocol refused with a code",
        [{**socket(age_s=0.2), "_webSocketClose": {"code": 4406, "reason": "Subprotocol not acceptable"}}],
        "subprotocol.mismatch",
    ),
    ("the answer of another program", [shake(200, say=NGINX, body="<!doctype html><title>Shop</title>")], "proxy.upgrade-header-missing"),
    ("upgrade required", [shake(426, body="Upgrade Required")], "proxy.upgrade-header-missing"),
    # G: frames and messages
    ("invalid frame", [socket([(0.1, "!", "Invalid frame header")], age_s=0.1)], "frame.compression-broken"),
    (
        "broken at once with compression",
        [socket(age_s=0.05, ask=DEFLATE, say=DEFLATE)],
        "frame.compression-broken",
    ),
    (
        "masked frames",
        [socket([(0.1, "!", "A server must not mask any frames that it sends to the client.")], age_s=0.1)],
        "frame.protocol-violation",
    ),
    ("no UTF-8", [socket([(0.1, "!", "Could not decode a text frame as UTF-8.")], age_s=0.1)], "frame.protocol-violation"),
    ("too big, told", [{**socket(TALK), "_webSocketClose": {"code": 1009, "reason": ""}}], "frame.message-too-big"),
    ("too big, not told", [socket([*TALK, (20.0, "▲", "y" * 300_000)], age_s=20.4)], "frame.message-too-big"),
    ("two documents", [socket([(1.0, "▼", '{"a":1}{"a":2}')])], "message.format-mismatch"),
    ("out of order", [socket(numbers(1, 2, 4, 3, 5, 6, 7))], "message.out-of-order"),
    ("numbers lost", [socket(numbers(*range(1, 12), *range(15, 30)))], "message.lost"),
    ("a number twice", [socket(numbers(1, 2, 3, 3, 4, 5, 6))], "message.duplicated"),
    (
        "lost after the snapshot",
        [
            request(f"https://{HOST}/state", 0, 200, say={"Content-Type": "application/json"}, body='{"seq":40}'),
            socket(numbers(*range(46, 60)), at_s=1),
        ],
        "message.snapshot-subscribe-race",
    ),
    (
        "every message thrice",
        [socket([(1.0 + i + c / 100, "▼", f'{{"event":"order","id":"o-{i}"}}') for i in range(6) for c in range(3)])],
        "cluster.every-instance-publishes",
    ),
    # H, I, E: what recordings show of the other side
    ("channel crashed", [socket([(0.2, "▼", '["3","3","room:1","phx_error",{}]')])], "backend.exception-in-handler"),
    (
        "hub method unknown",
        [socket([(0.2, "▼", '{"type":3,"invocationId":"1","error":"Failed to invoke. Method does not exist."}\x1e')])],
        "client.wrong-event-name",
    ),
    ("server error", [{**socket(TALK), "_webSocketClose": {"code": 1011, "reason": "oops"}}], "backend.exception-in-handler"),
    ("restart", [{**socket(TALK), "_webSocketClose": {"code": 1012, "reason": ""}}], "lifecycle.restart-drops"),
    (
        "session unknown",
        [request(f"https://{HOST}/socket.io/?EIO=4&transport=polling&sid=x", 0, 400, body='{"code":1,"message":"Session ID unknown"}')],
        "cluster.no-sticky-session",
    ),
    (
        "raw client at Engine.IO",
        [socket([(0.1, "▼", '0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')])],
        "endpoint.protocol-library-mismatch",
    ),
    (
        "dead after a minute of silence, again and again",
        [socket([ASK], at_s=70.0 * i, age_s=60.2) for i in range(4)],
        "proxy.idle-timeout-nginx",
    ),
    (
        "dead at thirty seconds in the middle of traffic",
        [socket([(0.5 * j, "▼", f'{{"p":{j}}}') for j in range(60)], at_s=31.0 * i, age_s=30.0) for i in range(4)],
        "proxy.max-lifetime",
    ),
    (
        "over HTTP/2 refused, over HTTP/1.1 accepted",
        [{**shake(400), "response": {**shake(400)["response"], "httpVersion": "h2"}}, socket(TALK, at_s=1)],
        "tls.alpn-h2-negotiated",
    ),
    ("refused", [shake(0, error="net::ERR_CONNECTION_REFUSED")], "net.not-listening-outside"),
    (
        "unknown name of a container",
        [shake(0, url="ws://backend:8000/feed", error="net::ERR_NAME_NOT_RESOLVED")],
        "endpoint.localhost-or-internal-address",
    ),
    ("expired certificate", [shake(0, error="net::ERR_CERT_DATE_INVALID")], "tls.cert-expired"),
    ("blocked by an extension", [shake(0, error="net::ERR_BLOCKED_BY_CLIENT")], "browser.blocked-by-policy"),
    ("tunnel refused", [shake(0, error="net::ERR_TUNNEL_CONNECTION_FAILED")], "net.corporate-proxy-blocks"),
    # J: the page
    ("two sockets", [socket(TALK), socket(TALK, at_s=0.2)], "client.double-connect"),
    ("a storm", [shake(503, 0.2 * i) for i in range(12)], "client.reconnect-no-backoff"),
    ("no subscription after the reconnect", [socket(TALK, age_s=20), socket(PINGS, at_s=22)], "client.no-resubscribe-after-reconnect"),
    (
        "numbers missed during the reconnect",
        [socket(numbers(*range(1, 12)), age_s=15), socket(numbers(*range(20, 32)), at_s=20)],
        "client.no-catch-up-after-reconnect",
    ),
    # K: heartbeats
    (
        "we ask, nobody answers",
        [socket([*TALK, *PINGS, *((120.0 + 20 * i, "▲", '{"op":"ping"}') for i in range(4))], age_s=200)],
        "heartbeat.none-half-open",
    ),
    (
        "timers of a hidden page",
        [socket([*(((i + 1) * 25.0, "▲", "2") for i in range(6)), *((150.0 + (i + 1) * 60, "▲", "2") for i in range(4))], age_s=400)],
        "browser.background-tab-throttling",
    ),
]


@pytest.mark.parametrize(("entries", "cause"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_the_fault_comes_first(entries: list[Entry], cause: str) -> None:
    faults = [one.cause for one in found(entries) if one.verdict is Verdict.FAULT]
    assert faults[:1] == [cause]


NOTES: list[tuple[str, str]] = [
    ("auth.credential-not-sent", "GET wss://api.example.test/ws\nOrigin: https://app.example.test\n(no cookie)\n-> 401"),
    (
        "auth.credential-not-sent",
        "GET /ws HTTP/1.1\nHost: api.example.test\nUpgrade: websocket\nConnection: Upgrade\nOrigin: https://app.example.test\nSec-WebSocket-Key: abc==\nSec-WebSocket-Version: 13\n\nHTTP/1.1 401 Unauthorized\nWWW-Authenticate: Bearer\n",
    ),
    ("handshake.redirected", "GET /ws Upgrade -> 301 Location: https://app.example.test/ws/"),
    (
        "handshake.redirected",
        "> GET /ws HTTP/1.1\n> Host: a.test\n> Upgrade: websocket\n> Connection: Upgrade\n> Sec-WebSocket-Key: x\n> Sec-WebSocket-Version: 13\n>\n< HTTP/1.1 302 Found\n< Location: /login?next=/ws\n<\n",
    ),
    ("message.duplicated", '101 Switching Protocols\nws <- {"seq":6}\nws <- {"seq":7}\nws <- {"seq":7}\nws <- {"seq":8}'),
    (
        "cluster.every-instance-publishes",
        '101 Switching Protocols\nws <- {"event":"created","id":5}\nws <- {"event":"created","id":5}\nws <- {"event":"created","id":5}',
    ),
    (
        "client.no-resubscribe-after-reconnect",
        '101 Switching Protocols\nws -> {"subscribe":"prices"}\nws <- {"price":1}\nclosed 1006\n101 Switching Protocols\nws -> {"type":"ping"}\nws <- {"type":"pong"}\nws -> {"type":"ping"}\nws <- {"type":"pong"}',
    ),
    (
        "client.no-catch-up-after-reconnect",
        '101 Switching Protocols\nws <- {"seq":9}\nws <- {"seq":10}\nclosed 1006\n101 Switching Protocols\nws <- {"seq":15}\nws <- {"seq":16}',
    ),
    ("proxy.idle-timeout-nginx", '101 Switching Protocols\nws <- {"hello":1}  t=0.3\nclosed 1006 after 60.3 s'),
    (
        "auth.app-key-mismatch",
        '101 Switching Protocols\nws <- {"event":"pusher:error","data":{"message":"Application key x does not exist","code":4001}}',
    ),
    ("tls.alpn-h2-negotiated", ":method: CONNECT\n:protocol: websocket\n:path: /ws\n:authority: a.test\n\nHTTP/2 426\n"),
    (
        "tls.alpn-h2-negotiated",
        '$ curl -sI https://a.test/ws -H "Upgrade: websocket" -H "Connection: Upgrade"\nHTTP/2 400\n\n$ curl --http1.1 -sI https://a.test/ws -H "Upgrade: websocket" -H "Connection: Upgrade"\nHTTP/1.1 101 Switching Protocols\n',
    ),
    ("message.out-of-order", '101 Switching Protocols\nws <- {"seq":5}\nws <- {"seq":7}\nws <- {"seq":6}\nws <- {"seq":8}'),
    ("message.lost", '101 Switching Protocols\nws <- {"seq":5}\nws <- {"seq":6}\nws <- {"seq":9}\nws <- {"seq":10}'),
    (
        "subprotocol.mismatch",
        "GET /graphql HTTP/1.1\nHost: a.test\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\nSec-WebSocket-Protocol: graphql-transport-ws\n\nHTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n",
    ),
    (
        "endpoint.wrong-path",
        'GET /ws HTTP/1.1\nHost: a.test\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: x\nSec-WebSocket-Version: 13\n\nHTTP/1.1 404 Not Found\nserver: uvicorn\ncontent-type: application/json\n\n{"detail":"Not Found"}',
    ),
    ("frame.message-too-big", "101 Switching Protocols\nws -> (text, 1048700 bytes)\nclosed 1009"),
    ("message.format-mismatch", '101 Switching Protocols\nws <- {"a":1}{"b":2}'),
    (
        "frame.compression-broken",
        "101 Switching Protocols\nSec-WebSocket-Extensions: permessage-deflate\nclosed 1002 after 12 ms (Invalid frame header)",
    ),
    ("proxy.upgrade-header-missing", 'GET /socket.io/?EIO=4&transport=websocket -> 400 {"code":3,"message":"Bad request"}'),
    (
        "cluster.no-sticky-session",
        'GET /socket.io/?EIO=4&transport=polling -> 200\nGET /socket.io/?EIO=4&transport=polling&sid=x -> 400 {"code":1,"message":"Session ID unknown"}',
    ),
    ("origin.not-in-allowlist", "GET /ws (Origin: https://app.example.test) -> 403\nGET /ws (no Origin) -> 101"),
    (
        "origin.not-in-allowlist",
        '$ curl -i -H "Origin: https://app.test" -H "Upgrade: websocket" -H "Connection: Upgrade" -H "Sec-WebSocket-Key: x" -H "Sec-WebSocket-Version: 13" http://a.test/ws\nHTTP/1.1 403 Forbidden\n\n$ curl -i -H "Upgrade: websocket" -H "Connection: Upgrade" -H "Sec-WebSocket-Key: x" -H "Sec-WebSocket-Version: 13" http://a.test/ws\nHTTP/1.1 101 Switching Protocols\n',
    ),
    ("handshake.headers-too-large", "GET /ws Upgrade Cookie: 9 KB -> 431"),
    (
        "client.reconnect-no-backoff",
        "GET /ws -> 503 t=0.0\nGET /ws -> 503 t=0.1\nGET /ws -> 503 t=0.2\nGET /ws -> 503 t=0.3\nGET /ws -> 503 t=0.4\nGET /ws -> 503 t=0.5",
    ),
    ("handshake.timeout", "GET /ws Upgrade -> pending 60 s -> 504 Gateway Timeout"),
    ("backend.exception-in-handler", '101 Switching Protocols\nws -> {"type":"save","x":1}\nclosed 1011'),
    (
        "auth.token-expired-on-reconnect",
        "GET /ws?token=eyJ -> 101\nclosed 1006 after 15 min\nGET /ws?token=eyJ -> 401\nGET /ws?token=eyJ -> 401",
    ),
]
"""Excerpts as people write them down."""


@pytest.mark.parametrize(("cause", "text"), NOTES)
def test_the_fault_of_a_note_comes_first(cause: str, text: str) -> None:
    seen = [replace(one, id=f"1.2-{number}") for number, one in enumerate(parse_http_dump(split_lines(text), artifact="notes"))]
    assert judge(Evidence(parse_target(""), seen))[0][0].cause == cause


POSSIBLE: list[tuple[str, list[Entry], str]] = [
    ("dead once after a minute of silence", [socket([ASK], age_s=60.1)], "proxy.idle-timeout-nginx"),
    ("only heartbeats", [socket(PINGS, age_s=105)], "client.no-resubscribe-after-reconnect"),
    ("not tried again", [socket(TALK, age_s=30), request(f"https://{HOST}/other", 200, 200)], "client.no-reconnect"),
    ("no reason told", [shake(0)], "net.not-listening-outside"),
]


@pytest.mark.parametrize(("entries", "cause"), [row[1:] for row in POSSIBLE], ids=[row[0] for row in POSSIBLE])
def test_what_is_only_possible_is_no_fault(entries: list[Entry], cause: str) -> None:
    findings = found(entries)
    assert [one for one in findings if one.verdict is Verdict.FAULT] == []
    assert cause in [one.cause for one in findings if one.root]


def test_a_quiet_socket_that_is_still_open_is_no_broken_one() -> None:
    entry = socket([], age_s=0.03, ask=DEFLATE, say=DEFLATE)
    assert found([entry])[0].cause == "frame.compression-broken"
    assert found([{**entry, "timings": {"wait": 30.0, "receive": 0.0}}]) == []


def test_recorders_that_see_many_clients_do_not_blame_a_page() -> None:
    entries = [socket(TALK), socket(TALK, at_s=0.2), *(shake(503, 0.2 * i) for i in range(12))]
    assert {one.cause for one in found(entries, MITM)} & {"client.double-connect", "client.reconnect-no-backoff"} == set()


@pytest.mark.parametrize("creator", [CHROME, FIREFOX, TOOLKIT, MITM, ""])
def test_a_refusal_is_the_same_whoever_recorded_it(creator: str) -> None:
    entry = {key: value for key, value in shake(426, body="Upgrade Required").items() if not key.startswith("_")}
    assert found([entry], creator)[0].cause == "proxy.upgrade-header-missing"
