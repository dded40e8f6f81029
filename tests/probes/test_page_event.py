"""What a page does with a marked message: pages with planted habits in a real browser, and the readings without one."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from conftest import needs
from page_sites import Site, serving

from wsbook.facts import PageEvent, Place
from wsbook.probes.browser import Page, open_page
from wsbook.probes.firefox import open_firefox
from wsbook.probes.marker import marker, run_marker
from wsbook.probes.page_event import PageWatcher

SHOW = "new WebSocket(url).onmessage = (event) => { const m = JSON.parse(event.data); SHOWN; };"


def _shows(how: str) -> str:
    return SHOW.replace("SHOWN", how)


PAGES = {
    "plain": _shows("shown.textContent = m.text"),
    "named": """
function onNews(event) { shown.textContent = JSON.parse(event.data).text; }
const socket = new WebSocket(url);
socket.addEventListener("message", onNews);
""",
    "two-sockets": 2 * _shows("shown.textContent = m.text"),
    "silent": "globalThis.socket = new WebSocket(url);",
    "throws": _shows("const row = document.querySelector('#absent'); row.textContent = m.text"),
    "swallows": """
const socket = new WebSocket(url);
socket.onmessage = function took(event) {
  try { JSON.parse(event.data.slice(1)); } catch { /* nothing */ }
};
setInterval(() => { try { null.x; } catch {} }, 40);
""",
    "swallows-later": """
const parse = async (data) => JSON.parse(data.slice(1));
new WebSocket(url).onmessage = async (event) => { try { await parse(event.data); } catch {} };
""",
    "other-name": _shows("switch (m.type) { case 'orders.created': shown.textContent = m.text; break; case 'order.deleted': break; }"),
    "bundle": "const load = document.createElement('script'); load.src = '/app.js'; document.head.append(load);",
    "socket-io": """
const heard = { 'news:added': (m) => { shown.textContent = m.text; } };
new WebSocket(url).onmessage = (event) => { const [name, m] = JSON.parse(event.data.slice(2)); heard[name]?.(m); };
""",
    "capitals": _shows("shown.textContent = m.text.toUpperCase()"),
    "cut": _shows("shown.textContent = m.text.slice(0, 16) + '…'"),
    "other-member": _shows("shown.textContent = m.price"),
    "ticking": _shows("") + "setInterval(() => { shown.textContent = Date.now(); }, 50);",
    "attribute": _shows("shown.dataset.id = m.text; shown.textContent = 'new'"),
    "child-attribute": _shows("shown.innerHTML = `<b><i data-id='${m.text}'>new</i></b>`"),
    "field": "const field = document.createElement('input'); shown.append(field);" + _shows("field.value = m.text"),
    "shadow": """
const host = document.createElement("div"); shown.append(host);
const root = host.attachShadow({ mode: "closed" }); root.innerHTML = "<p></p>";
"""
    + _shows("root.firstChild.textContent = m.text"),
    "hidden": "shown.style.display = 'none';" + _shows("shown.textContent = m.text"),
    "fades": "shown.style.opacity = 0;" + _shows("shown.textContent = m.text; setTimeout(() => { shown.style.opacity = 1; }, 150)"),
    "canvas": """
const canvas = document.createElement("canvas"); canvas.width = 400; canvas.height = 300; shown.append(canvas);
"""
    + _shows("canvas.getContext('2d').fillText(m.text, 10, 10)"),
    "bytes": """
const socket = new WebSocket(url); socket.binaryType = "arraybuffer";
socket.onmessage = (event) => { shown.textContent = new TextDecoder().decode(event.data); };
""",
    "blob": "new WebSocket(url).onmessage = async (event) => { shown.textContent = await event.data.text(); };",
    "marks": "const script = document.createElement('script'); script.src = '/passed.js'; document.head.append(script);"
    + _shows("passed('stored', m); setTimeout(() => { shown.textContent = m.text; }, 60)"),
    "late": "const late = new WebSocket(url); setTimeout(() => { late.onmessage = (event) => { shown.textContent = event.data; }; }, 900);",
    "worker": """
const code = `setTimeout(() => { new WebSocket("${url}").onmessage = (event) => postMessage(event.data); }, 400);`;
new Worker(URL.createObjectURL(new Blob([code]))).onmessage = (event) => { shown.textContent = event.data; };
""",
    "says": _shows("console.warn('no room for', m.text); console.log('noise'); console.error('lost')"),
    "stops": _shows("shown.textContent = m.text") + "setInterval(() => { debugger; }, 30);",
}
FILES = {
    "passed.js": (Path(__file__).parents[2] / "data/samples/pages/passed.js").read_text(encoding="utf-8"),
    "app.js": "const feed = `ws://${location.host}/feed`;"
    + _shows("if (m.type === 'order-created') shown.textContent = m.text;").replace("url", "feed"),
}


@asynccontextmanager
async def opened(selector: str = "") -> AsyncIterator[tuple[Site, Page]]:
    """Yield the site and a browser for its pages."""
    async with serving(PAGES, FILES) as site, open_page(f"{site.origin}/", selector=selector) as page:
        yield site, page


async def watcher_of(site: Site, page: Page, name: str, selector: str = "") -> tuple[PageWatcher, str]:
    """Load a page, wait for its socket, and return its watcher with the run that it follows."""
    before, run = page.capture.socket_count, run_marker()
    page.url = f"{site.origin}/{name}"
    await page.goto(5.0)
    await page.watch(5.0, until=lambda seen: any(socket.answered_at for socket in seen.sockets[before:]))
    watcher = PageWatcher(page, selector)
    await watcher.begin(run)
    return watcher, run


def _json(mark: str) -> str:
    return json.dumps({"type": "order.created", "text": mark, "price": len(mark)})


async def follow(
    site: Site,
    page: Page,
    name: str,
    *,
    deeper: bool = False,
    selector: str = "",
    write: Callable[[str], str | bytes] = _json,
    wait_s: float = 1.2,
) -> tuple[dict[str, Place], PageEvent, float]:
    """Send one marked message to a page; return its places, the event, and when it was sent."""
    watcher, run = await watcher_of(site, page, name, selector)
    if deeper:
        await watcher.look_deeper()
    sent_at, mark = time.perf_counter(), marker(run, 1)
    site.say(write(mark))
    event = await watcher.event(mark, wait_s)
    places = {place.name: place for place in watcher.places(mark)}
    await watcher.end()
    return places, event, sent_at


def _counts(places: dict[str, Place]) -> tuple[int, ...]:
    return tuple(min(1, places[f"page {kind}"].count) for kind in ("frame", "handler", "document", "screen"))


HOW_FAR = {
    "plain": (1, 1, 1, 1),
    "silent": (1, 0, 0, 0),
    "throws": (1, 1, 0, 0),
    "capitals": (1, 1, 1, 1),
    "cut": (1, 1, 1, 1),
    "attribute": (1, 1, 1, 1),
    "child-attribute": (1, 1, 1, 1),
    "field": (1, 1, 1, 1),
    "shadow": (1, 1, 1, 1),
    "hidden": (1, 1, 1, 0),
    "fades": (1, 1, 1, 1),
    "canvas": (1, 1, 0, 0),
    "stops": (1, 1, 1, 1),
}
"""The page → whether a message comes to its frame, handler, document and screen."""


@needs("chromium")
@pytest.mark.slow
async def test_how_far_a_message_gets_in_a_page() -> None:
    async with opened() as (site, page):
        for name, counts in HOW_FAR.items():
            places, event, sent_at = await follow(site, page, name, wait_s=1.2 if counts[3] or counts[2] else 0.4)
            assert _counts(places) == counts, name
            times = [place.at_s for place in places.values() if place.at_s is not None]
            assert all(sent_at - 0.02 < at < sent_at + 1.5 for at in times) and times == sorted(times), name
            assert ("canvas" in " ".join(event.unseen)) == (name == "canvas")


@needs("chromium")
@pytest.mark.slow
async def test_a_frame_that_holds_the_marker_twice_is_one_and_sockets_are_counted() -> None:
    async with opened() as (site, page):
        twice, _, _ = await follow(site, page, "plain", write=lambda mark: json.dumps({"text": mark, "copy": _json(mark)}))
        before = len(page.capture.sockets)
        watcher, run = await watcher_of(site, page, "two-sockets")
        await page.watch(5.0, until=lambda seen: sum(bool(one.answered_at) for one in seen.sockets[before:]) == 2)
        site.say(_json(marker(run, 1)))
        await watcher.event(marker(run, 1), 1.2)
        two = {place.name: place for place in watcher.places(marker(run, 1))}
        await watcher.end()
    told = [[(places[name].count, places[name].sockets) for name in ("page frame", "page handler")] for places in (twice, two)]
    assert told == [[(1, 1), (1, 0)], [(2, 2), (2, 0)]]


@needs("chromium")
async def test_a_binary_message_is_followed_as_well() -> None:
    async with opened() as (site, page):
        for name in ("bytes", "blob"):
            places, _, _ = await follow(site, page, name, write=lambda mark: f"\x00\x01{mark}\xff".encode("latin-1"))
            assert _counts(places) == (1, 1, 1, 1), name


@needs("chromium")
async def test_a_socket_of_a_worker_has_no_handler_to_be_seen() -> None:
    async with opened() as (site, page):
        places, event, _ = await follow(site, page, "worker")
    assert list(places) == ["page frame", "page document", "page screen"] and all(place.count for place in places.values())
    assert "worker" in event.unseen[0] and event.handlers == ()


@needs("chromium")
async def test_who_takes_a_message_is_named() -> None:
    async with opened() as (site, page):
        _, event, _ = await follow(site, page, "named")
        watcher, run = await watcher_of(site, page, "late")
        await asyncio.sleep(1.0)
        site.say(_json(marker(run, 1)))
        late = await watcher.event(marker(run, 1), 1.0)
        await watcher.end()
    (handler,) = event.handlers
    assert handler.startswith("onNews at http://127.0.0.1:") and handler.endswith("/named:6")
    assert not event.exceptions and not event.unseen and event.changes >= 1 and event.changes_else_per_s == 0
    assert [(one.member, one.value) for one in event.named] == [("type", "order.created")]
    assert len(late.handlers) == 1 and [place.name for place in watcher.places(marker(run, 1)) if not place.count] == []


@needs("chromium")
async def test_what_a_page_throws_is_told_with_its_place() -> None:
    async with opened() as (site, page):
        _, event, _ = await follow(site, page, "throws", wait_s=0.4)
    (one,) = event.exceptions
    assert "Cannot set properties of null" in one.text and one.in_handler and not one.swallowed
    assert one.where.rpartition("/")[2].startswith("throws:5:") and not event.looked_deeper and event.changes == 0


@needs("chromium")
@pytest.mark.slow
async def test_what_a_page_swallows_is_seen_in_a_second_look_only() -> None:
    async with opened() as (site, page):
        for name, function in (("swallows", "took"), ("swallows-later", "parse")):
            _, shallow, _ = await follow(site, page, name, wait_s=0.3)
            assert shallow.exceptions == () and not shallow.looked_deeper
            _, event, _ = await follow(site, page, name, deeper=True, wait_s=0.6)
            assert event.looked_deeper and event.exceptions
            first = event.exceptions[0]
            assert first.swallowed and first.in_handler and first.text.startswith("SyntaxError") and first.function == function
            assert not any(one.in_handler for one in event.exceptions if one.text.startswith("TypeError"))


@needs("chromium")
async def test_a_name_that_no_script_knows_has_its_like_beside_it() -> None:
    async with opened() as (site, page):
        for name, alike in (("other-name", "orders.created"), ("bundle", "order-created"), ("socket-io", "news:added")):

            def event_of(mark: str, name: str = name) -> str:
                return f"42{json.dumps(['news.added', {'text': mark}])}" if name == "socket-io" else _json(mark)

            places, event, _ = await follow(site, page, name, write=event_of, wait_s=0.4)
            assert _counts(places) == (1, 1, 0, 0) and event.changes == 0, name
            assert event.named[0].known is False and event.named[0].alike[0] == alike, name


@needs("chromium")
async def test_something_drawn_that_does_not_hold_the_marker_shows_in_the_changes() -> None:
    async with opened() as (site, page):
        _, drawn, _ = await follow(site, page, "other-member")
        _, ticking, _ = await follow(site, page, "ticking", wait_s=2.0)
    assert drawn.changes >= 1 and drawn.changes_else_per_s == 0 and drawn.named[0].known is False
    assert ticking.changes >= 1 and ticking.changes_else_per_s > 5


@needs("chromium")
async def test_an_application_may_mark_places_of_its_own() -> None:
    async with opened() as (site, page):
        places, _, _ = await follow(site, page, "marks")
    assert list(places) == ["page frame", "page handler", "mark stored", "page document", "page screen"]
    own, document = places["mark stored"], places["page document"]
    assert own.kind == "mark" and own.at_s is not None and document.at_s is not None
    assert document.at_s - own.at_s == pytest.approx(0.06, abs=0.05)


@needs("chromium")
async def test_the_console_of_that_time_is_kept() -> None:
    async with opened() as (site, page):
        _, event, _ = await follow(site, page, "says", wait_s=0.4)
    assert [level for level, _ in event.console] == ["warning", "error"] and event.console[0][1].startswith("no room for wsbook-")


@needs("chromium")
@pytest.mark.slow
async def test_a_selector_leads_to_its_part_of_the_page() -> None:
    async with opened("#shown") as (site, page):
        for name in ("plain", "shadow"):
            places, event, _ = await follow(site, page, name, selector="#shown")
            assert _counts(places) == (1, 1, 1, 1) and not event.unseen, name
    async with opened("#absent") as (site, page):
        places, event, _ = await follow(site, page, "plain", selector="#absent", wait_s=0.4)
    assert "#absent finds nothing" in " ".join(event.unseen) and _counts(places) == (1, 1, 0, 0)


@needs("chromium")
async def test_a_page_is_not_left_standing_when_we_are_cancelled() -> None:
    async with opened() as (site, page):
        watcher, run = await watcher_of(site, page, "swallows")
        await watcher.look_deeper()
        looking = asyncio.ensure_future(watcher.event(marker(run, 1), 0.5))
        site.say(_json(marker(run, 1)))
        await asyncio.sleep(0.05)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await watcher.end()
        begin = time.perf_counter()
        for _ in range(10):
            site.say('{"text": "x"}')
            assert await page.driver.evaluate("1 + 1") == 2
        assert time.perf_counter() - begin < 2.0


@needs("chromium")
async def test_a_page_that_throws_without_end_is_looked_at_within_bounds() -> None:
    async with opened() as (site, page):
        watcher, run = await watcher_of(site, page, "swallows")
        await page.driver.evaluate("setInterval(() => { for (let i = 0; i < 50; i += 1) { try { null.x; } catch {} } }, 10)")
        await watcher.look_deeper()
        mark = marker(run, 1)
        site.say(_json(mark))
        event = await watcher.event(mark, 1.5)
        assert event.looked_deeper and "after 60 exceptions" in " ".join(event.unseen) and len(event.exceptions) <= 20
        assert await page.driver.evaluate("1 + 1") == 2
        await watcher.end()


@needs("firefox")
async def test_firefox_tells_what_it_can_and_names_the_rest() -> None:
    async with serving(PAGES) as site, open_firefox(f"{site.origin}/plain") as page:
        await page.goto(10.0)
        await page.watch(5.0, until=lambda seen: any(socket.answered_at for socket in seen.sockets))
        watcher, run = PageWatcher(page), run_marker()
        await watcher.begin(run)
        site.say(_json(marker(run, 1)))
        await asyncio.sleep(0.8)
        event = await watcher.event(marker(run, 1), 0.1)
        await watcher.end()
    assert [(place.name, min(1, place.count)) for place in watcher.places(marker(run, 1))] == [
        ("page handler", 1),
        ("page document", 1),
        ("page screen", 1),
    ]
    assert "Firefox" in event.unseen[0] and event.changes >= 1
