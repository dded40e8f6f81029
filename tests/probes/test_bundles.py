"""What a page runs is fetched within its origin and within bounds, and a build that is older than its source shows."""

# ruff: noqa: E501 (a row is a program)

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts, TextFacts
from wsbook.finding import Verdict
from wsbook.observation import Reason
from wsbook.parsers.sources import parse_bundles, parse_source_text
from wsbook.probes.bundles import Limits, probe_bundles
from wsbook.rules import judge
from wsbook.target import parse_target

Pages = dict[str, bytes]


@asynccontextmanager
async def site(pages: Pages, asked: list[bytes]) -> AsyncIterator[str]:
    """Serve whole answers by path on loopback; what is not there is 404, and "slow" never answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked.append(head)
                path = head.split(b" ")[1].decode()
                if path == "/slow.js":
                    await asyncio.sleep(5)
                writer.write(pages.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def ok(body: str | bytes, *headers: str) -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(raw)}\r\n{lines}\r\n".encode() + raw


async def test_fetches_what_the_page_and_its_scripts_name() -> None:
    asked: list[bytes] = []
    pages = {
        "/": ok('<link rel="modulepreload" href="/assets/pre.js"><script type=module src=/assets/main.js></script><script src="https://cdn.test/x.js"></script>'
                '<script>var a = 1</script>', "Set-Cookie: s=1"),
        "/assets/main.js": ok('const d=["assets/lazy.js"];import("./other.js");new WebSocket("wss://h.test/ws")\n//# sourceMappingURL=main.js.map'),
        "/assets/main.js.map": ok('{"sources": ["webpack://app/./src/a.ts", "../node_modules/x/y.js"], "sourcesContent": ["new WebSocket(U)", "x"]}'),
        "/assets/pre.js": ok(gzip.compress(b"pre()"), "Content-Encoding: gzip"),
        "/assets/lazy.js": ok("lazy()"),
        "/assets/other.js": ok("other()"),
    }  # fmt: skip
    async with site(pages, asked) as origin:
        seen, scripts = await probe_bundles(origin + "/", step="1.1", headers=(("X-Key", "k"),))
    assert isinstance(seen.facts, TextFacts)
    assert (seen.facts.items, seen.facts.unparsed) == (6, 0)
    assert {s.url.removeprefix(origin): s.text for s in scripts if s.original} == {"src/a.ts": "new WebSocket(U)"}
    built = {s.url.removeprefix(origin) for s in scripts if not s.original}
    assert built == {"/", "/assets/main.js", "/assets/pre.js", "/assets/lazy.js", "/assets/other.js"}
    assert all(b"X-Key: k" in head and b"cookie" not in head.lower() for head in asked)


@pytest.mark.parametrize(
    ("pages", "limits", "reason", "items"),
    [
        ({}, Limits(), Reason.MALFORMED, 0),
        ({"/": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n"}, Limits(), Reason.NOT_PERMITTED, 0),
        ({"/": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"}, Limits(), Reason.MALFORMED, 0),
        ({"/": ok("x" * 5000)}, Limits(each_bytes=4999), Reason.TOO_LARGE, 0),
        ({"/": ok(gzip.compress(b"x" * 1_000_000), "Content-Encoding: gzip")}, Limits(each_bytes=4999), Reason.TOO_LARGE, 0),
        ({"/": ok(b"zzzz", "Content-Encoding: br")}, Limits(), Reason.UNREADABLE, 0),
        ({"/": b"garbage\r\n\r\n"}, Limits(), Reason.MALFORMED, 0),
        ({"/": ok("".join(f"<script src=/{i}.js></script>" for i in range(9))), **{f"/{i}.js": ok("x") for i in range(9)}}, Limits(count=4), None, 4),
        ({"/": ok("<script src=/a.js></script><script src=/slow.js></script>"), "/a.js": ok("a")}, Limits(total_s=0.5), None, 1),
        ({"/": ok("<script src=/a.js></script>"), "/a.js": ok("a" * 50)}, Limits(total_bytes=60), None, 1),
    ],
)  # fmt: skip
async def test_is_bounded(pages: Pages, limits: Limits, reason: Reason | None, items: int) -> None:
    async with site(pages, []) as origin:
        seen, scripts = await probe_bundles(origin + "/", step="1.1", limits=limits)
    assert (seen.failure.reason if seen.failure else None) is reason
    assert len(scripts) >= items


async def test_nothing_listens() -> None:
    seen, scripts = await probe_bundles("http://127.0.0.1:1/", step="1.1")
    assert seen.failure is not None
    assert (seen.failure.reason, scripts) == (Reason.REFUSED, ())


@pytest.mark.parametrize(
    ("bundle", "source", "cause"),
    [
        ('var e={u:"ws://localhost:8000/ws"};new WebSocket(e.u)', "new WebSocket('wss://h.test/ws')", "endpoint.localhost-or-internal-address"),
        ('!function(){var t="wss://h.test",n=t+"/old";new WebSocket(n)}()', "new WebSocket('wss://h.test/ws')", "endpoint.wrong-path"),
        ('new WebSocket("ws://h.test/ws")', "new WebSocket('wss://h.test/ws')", "endpoint.mixed-content"),
        ('function q(e){return new WebSocket("wss://"+e.host+"/ws")}q(location)', "new WebSocket('wss://h.test/ws')", None),
        ('new WebSocket(n.url)', "new WebSocket('wss://h.test/ws')", None),
        ('new WebSocket("wss://h.test/old")', "new WebSocket(props.url)", None),
    ],
)  # fmt: skip
def test_a_build_that_is_older_than_its_source(bundle: str, source: str, cause: str | None) -> None:
    page = "https://h.test/"
    seen = parse_source_text(source, artifact="a.ts", side="frontend", step="1.1", page_url=page)
    seen += parse_bundles([(page + "app.js", bundle)], page_url=page, step="1.1")
    evidence = Evidence(parse_target("", page_url=page), [replace(o, id=f"1.1-{n}") for n, o in enumerate(seen)])
    found = [f for f in judge(evidence)[0] if f.verdict is Verdict.FAULT]
    assert [f.cause for f in found if "rebuild" in f.summary] == ([cause] if cause else [])


def test_a_source_map_adds_what_the_build_does_not_tell() -> None:
    scripts = [
        ("https://h.test/a.js", "const q=Z(1);new WebSocket(q);new WebSocket('wss://h.test/a')"),
        ("src/live.ts", "import { BASE } from './base'; new WebSocket(BASE + '/b'); new WebSocket('wss://h.test/a')"),
        ("src/base.ts", "export const BASE = 'wss://h.test'"),
    ]
    found = [o.facts for o in parse_bundles(scripts, page_url="https://h.test/", step="1.1")]
    assert [(f.file, f.url) for f in found if isinstance(f, EndpointFacts)] == [
        ("https://h.test/a.js", "wss://h.test/a"),
        ("src/live.ts", "wss://h.test/b"),
    ]


def test_a_bundle_alone_is_what_is_dialled() -> None:
    text = '(()=>{const z={host:location.host};function J(e){return new WebSocket("wss://"+e.host+"/ws")}J(z);(0,a.io)("https://h.test",{transports:["websocket"],path:"/rt"})})()'
    found = [o.facts for o in parse_bundles([("https://h.test/a.js", text)], page_url="https://h.test/", step="1.1")]
    assert [(f.library, f.url, f.built) for f in found if isinstance(f, EndpointFacts)] == [
        ("native", "wss://h.test/ws", True),
        ("socket.io", "https://h.test/rt/", True),
    ]
