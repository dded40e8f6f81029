"""The frames view on a bare page of Chromium: many rows, filter, search, picture, keyboard, and peers' text that stays text."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import find, needs

from wsbook.views.modules import css, esm
from wsbook.words import size_text

api = pytest.importorskip("playwright.sync_api")
pytestmark = needs("chromium")

NAMES = "framesView, pretty, hexDump, closeWords, plain, pattern, bytesOf, sizeText, durationText"
SHOWN = "[...document.querySelectorAll('.wsb-rows .wsb-row')].map((row) => [...row.children].map((cell) => cell.textContent))"
FRAME = """(changed) => ({
  n: 1, at_s: 0.5, direction: 'received', opcode: 1, size: 5, text: 'hello', cut: false, hex: false, wire: null, ...changed,
})"""
HOSTILE = "<img src=x onerror='window.hit=1'><script>window.hit=1</script>\u202e\x1b[31m\x00</div>"


def page_of(options: str = "{}") -> str:
    script = esm("frames.js", exports=NAMES).replace("export {", "window.api = {").replace("</", "<\\/")
    start = f"window.view = api.framesView(document.getElementById('place'), {options}); window.frame = {FRAME};"
    head = f"<!doctype html><meta charset=utf-8><style>{css('frames.css')}</style>"
    return f"{head}<div id=place></div><script type=module>{script}{start}</script>"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page without the view yet; at the end nothing was asked for, nothing failed, and no text of a peer ran."""
    page = chromium.new_page(viewport={"width": 1000, "height": 800})
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    yield page
    assert not page.evaluate("window.hit")
    page.close()
    assert (asked, failed) == ([], [])


def opened(page: Any, options: str = "{}") -> Any:
    page.set_content(page_of(options))
    page.wait_for_function("!!window.view")
    return page


def row(n: int, **changed: Any) -> dict[str, Any]:
    sent = n % 3 == 0
    made = {"n": n, "at_s": n / 100, "direction": "sent" if sent else "received", "opcode": 1, "size": n, "text": f'{{"id":{n}}}'}
    return {**made, "cut": False, "hex": False, "wire": None, **changed}


MIXED = [row(n) for n in range(1, 91)] + [
    row(91, opcode=9, size=4, text="", direction="sent"),
    row(92, opcode=10, size=4, text=""),
    row(93, opcode=2, size=3, text="00ff41", hex=True),
    row(94, opcode=8, size=14, text="1011 overloaded"),
]


def filled(page: Any, rows: list[dict[str, Any]] = MIXED, options: str = "{}") -> Any:
    opened(page, options).evaluate("(rows) => view.append(rows)", rows)
    settle(page)
    return page


def settle(page: Any) -> None:
    """Wait until the table and the picture are drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_selector(".wsb-canvas[aria-busy=false]")


def counts(page: Any) -> dict[str, int]:
    return dict(page.evaluate("view.counts()"))


def chosen(page: Any) -> int | None:
    found = page.locator(".wsb-rows .wsb-selected > :first-child")
    return int(found.inner_text()) if found.count() else None


# Words


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"a":1,"b":[]}', '{\n  "a": 1,\n  "b": []\n}'),
        ("[9007199254740993]", "[\n  9007199254740993\n]"),
        ('{"a":1,"a":{ }}', '{\n  "a": 1,\n  "a": {}\n}'),
        (r'["x\"]y", "\u00e9"]', '[\n  "x\\"]y",\n  "\\u00e9"\n]'),
        ('42["news",{}]', '42 [\n  "news",\n  {}\n]'),
        ('42/chat,7["x"]', '42/chat,7 [\n  "x"\n]'),
        ('a["{}"]', 'a [\n  "{}"\n]'),
        ('{"t":1}\x1e{"t":2}\x1e', '{\n  "t": 1\n}\n{\n  "t": 2\n}'),
        ("hello", None),
        ("17", None),
        ('{"a":', None),
        ("", None),
        ("[" * 3000 + "]" * 3000, None),
    ],
)
def test_json_is_shown_a_value_a_line_and_as_it_was_sent(page: Any, text: str, lines: str | None) -> None:
    assert opened(page).evaluate("(text) => api.pretty(text)", text) == lines


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1000", "1000 normal closure"),
        ("1011 overloaded", "1011 the server met an error"),
        ("4001 bye", "4001 the application's own code"),
        ("3500", "3500 registered by a library or framework"),
        ("2999", "2999 reserved, may not be sent"),
        ("", ""),
        ("bye", ""),
    ],
)
def test_a_close_code_is_told_in_words(page: Any, text: str, words: str) -> None:
    assert opened(page).evaluate("(text) => api.closeWords(text)", text) == words


def test_bytes_are_shown_in_hexadecimal_with_what_is_left_out(page: Any) -> None:
    opened(page)
    dump = page.evaluate("api.hexDump(api.bytesOf({hex: true, text: '00ff41'}))")
    assert dump.split() == ["000000", "00", "ff", "41", "..A"]
    long = page.evaluate("api.hexDump(new Uint8Array(5000))").splitlines()
    assert (len(long), long[-1]) == (257, "… 904 bytes more")


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (3_700, "3.61 KiB"), (5 << 20, "5 MiB"), (1023 << 10, "1023 KiB")]
)
def test_sizes_read_as_elsewhere(page: Any, size: int, words: str) -> None:
    assert opened(page).evaluate("(size) => api.sizeText(size)", size) == words
    assert size_text(size) == words


# Many rows


def test_a_hundred_thousand_rows_are_there_and_few_are_elements(page: Any) -> None:
    opened(page)
    took_ms = page.evaluate(
        """() => {
          const one = (n) => frame({n, at_s: n / 1000, size: n % 5000, text: `{"id":${n}}`});
          const rows = Array.from({length: 100000}, (_, at) => one(at + 1));
          const begin = performance.now();
          view.append(rows);
          return performance.now() - begin;
        }"""
    )
    settle(page)
    assert counts(page)["rows"] == 100_000
    assert page.locator(".wsb-rows .wsb-row").count() < 60
    page.locator(".wsb-grid").press("End")
    settle(page)
    assert page.evaluate(SHOWN)[-1][0] == "100000"
    page.evaluate("view.select(50000)")
    settle(page)
    assert chosen(page) == 50_000
    page.fill(".wsb-search", "99999")
    page.wait_for_function("view.counts().hits === 1")
    assert page.locator(".wsb-found").inner_text() == "1 match"
    assert took_ms < 3_000


def test_a_thousand_rows_a_second_are_all_there_in_order_and_the_page_stays_quick(page: Any) -> None:
    opened(page, "{live: true}")
    gap_ms, drawn = page.evaluate(
        """() => new Promise((done) => {
          let n = 0, last = performance.now(), gap = 0, drawn = 0;
          const begin = last;
          const tick = () => {
            const now = performance.now();
            gap = Math.max(gap, now - last);
            last = now;
            drawn++;
            if (n < 5000) requestAnimationFrame(tick);
            else done([gap, drawn]);
          };
          requestAnimationFrame(tick);
          const timer = setInterval(() => {
            const due = Math.min(5000, Math.round(performance.now() - begin));
            const rows = [];
            while (n < due) rows.push(frame({n: ++n, at_s: n / 1000, text: `{"seq":${n}}`}));
            view.append(rows);
            if (n >= 5000) clearInterval(timer);
          }, 50);
        })"""
    )
    settle(page)
    assert page.evaluate("view.rows().every((row, at) => row.n === at + 1)")
    assert counts(page) == {"rows": 5000, "shown": 5000, "hits": 0, "held": 0, "dropped": 0}
    assert page.evaluate(SHOWN)[-1][0] == "5000"
    assert gap_ms < 500
    assert drawn > 50


def test_the_oldest_rows_go_first_and_are_counted(page: Any) -> None:
    opened(page, "{live: true, limit: 1000}")
    page.fill(".wsb-search", "7}")
    for begin in range(0, 2500, 100):
        page.evaluate("(rows) => view.append(rows)", [row(n) for n in range(begin + 1, begin + 101)])
    settle(page)
    kept = counts(page)
    assert kept["rows"] + kept["dropped"] == 2500
    assert 700 <= kept["rows"] <= 1000
    assert page.evaluate("view.rows()[0].n") == kept["dropped"] + 1
    assert kept["hits"] == page.evaluate("view.rows().filter((row) => row.text.includes('7}')).length")
    assert f"the first {kept['dropped']:,} frames no longer kept" in page.locator(".wsb-status").inner_text()


@pytest.mark.parametrize("paused", [False, True])
def test_large_texts_are_kept_within_a_bound_of_their_own(page: Any, paused: bool) -> None:
    opened(page, "{live: true}")
    page.evaluate("(paused) => view.pause(paused)", paused)
    kept = page.evaluate(
        """() => {
          for (let n = 1; n <= 100; n++) view.append([frame({ n, size: 1 << 20, text: String(n % 10).repeat(1 << 20) })]);
          return view.counts();
        }"""
    )
    assert kept["held" if paused else "rows"] + kept["dropped"] == 100
    assert 48 <= kept["held" if paused else "rows"] <= 64
    page.evaluate("() => view.pause(false)")
    assert page.evaluate("view.rows()[0].n") == kept["dropped"] + 1
    assert page.evaluate("view.rows().length") == 100 - kept["dropped"]


def test_a_paused_view_holds_rows_back_and_shows_them_later(page: Any) -> None:
    filled(page, options="{live: true}")
    page.get_by_role("button", name="pause").click()
    page.evaluate("(rows) => view.append(rows)", [row(n) for n in range(95, 105)])
    assert counts(page)["rows"] == 94
    assert counts(page)["held"] == 10
    assert "paused, 10 waiting" in page.locator(".wsb-status").inner_text()
    page.get_by_role("button", name="pause").click()
    assert counts(page)["rows"] == 104
    assert page.evaluate("view.rows().every((row, at) => row.n === at + 1)")


def test_scrolling_up_ends_following_and_the_button_takes_it_up_again(page: Any) -> None:
    filled(page, options="{live: true}")
    follow = page.get_by_role("button", name="follow")
    assert follow.get_attribute("aria-pressed") == "true"
    page.locator(".wsb-grid").hover()
    page.mouse.wheel(0, -600)
    page.wait_for_function("document.querySelector('.wsb-grid').scrollTop < 1500")
    settle(page)
    assert follow.get_attribute("aria-pressed") == "false"
    page.evaluate("(rows) => view.append(rows)", [row(n) for n in range(95, 140)])
    settle(page)
    assert page.evaluate(SHOWN)[-1][0] != "139"
    follow.click()
    settle(page)
    assert page.evaluate(SHOWN)[-1][0] == "139"


def test_clear_leaves_nothing(page: Any) -> None:
    filled(page).evaluate("view.select(3)")
    page.evaluate("view.clear()")
    settle(page)
    assert counts(page) == {"rows": 0, "shown": 0, "hits": 0, "held": 0, "dropped": 0}
    assert page.evaluate(SHOWN) == []
    assert page.locator(".wsb-status").inner_text() == "no frame yet"


# Filter and search


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("Direction", "sent", 32),
        ("Direction", "received", 62),
        ("Kind", "data", 91),
        ("Kind", "control", 3),
        ("Kind", "text", 90),
        ("Kind", "binary", 1),
        ("Kind", "ping", 1),
        ("Kind", "close", 1),
        ("Smallest size in bytes", "80", 11),
        ("Largest size in bytes", "3", 4),
    ],
)
def test_a_filter_leaves_what_passes(page: Any, field: str, value: str, shown: int) -> None:
    place = filled(page).get_by_label(field, exact=True)
    place.fill(value) if "size" in field else place.select_option(value)
    settle(page)
    assert counts(page)["shown"] == shown
    assert f"; {shown} shown" in page.locator(".wsb-status").inner_text()


@pytest.mark.parametrize(
    ("query", "expression", "words"),
    [
        ('"id":9', False, "2 matches"),
        ('"ID":9', False, "2 matches"),
        (".*", False, "0 matches"),
        (r'"id":[12]\d\}', True, "20 matches"),
        ("id", False, "90 matches"),
        ("[", True, "not a regular expression"),
        ("^", True, "94 matches"),
    ],
)
def test_a_search_counts_and_marks_what_it_finds(page: Any, query: str, expression: bool, words: str) -> None:
    filled(page)
    if expression:
        page.get_by_role("button", name="Regular expression").click()
    page.fill(".wsb-search", query)
    settle(page)
    assert page.locator(".wsb-found").inner_text() == words
    assert page.locator(".wsb-search").get_attribute("aria-invalid") == str(words.startswith("not")).lower()
    assert counts(page)["shown"] == 94
    if words == "90 matches":
        assert set(page.locator(".wsb-rows mark").all_inner_texts()) == {"id"}


def test_enter_goes_from_match_to_match_and_around(page: Any) -> None:
    filled(page)
    search = page.locator(".wsb-search")
    search.fill('"id":9')
    seen = []
    for key in ("Enter", "Enter", "Enter", "Shift+Enter"):
        search.press(key)
        settle(page)
        seen.append(chosen(page))
    assert seen == [9, 90, 9, 90]
    assert page.locator(".wsb-found").inner_text() == "2 of 2 matches"
    page.get_by_role("button", name="only matches").click()
    settle(page)
    assert [cells[0] for cells in page.evaluate(SHOWN)] == ["9", "90"]
    search.press("Escape")
    settle(page)
    assert counts(page)["shown"] == 94
    assert page.evaluate("document.activeElement.getAttribute('role')") == "grid"


def test_a_match_far_inside_a_long_text_is_in_view(page: Any) -> None:
    filled(page, [row(1, text="x" * 5000 + "needle" + "y" * 5000)])
    page.fill(".wsb-search", "needle")
    settle(page)
    text = page.evaluate(SHOWN)[0][5]
    assert text.startswith("…xxx") and "needle" in text and len(text) < 400


# Picture


def test_a_range_drawn_in_the_picture_filters_the_table(page: Any) -> None:
    box = filled(page).locator(".wsb-canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 90, steps=4)
    page.mouse.up()
    settle(page)
    part = counts(page)["shown"]
    assert 20 < part < 40
    times = [float(cells[2]) for cells in page.evaluate(SHOWN)]
    words = page.locator(".wsb-span", has_text=" to ").inner_text().split()
    assert float(words[0]) <= min(times) and max(times) <= float(words[2]) + 0.001
    page.get_by_role("button", name="zoom").click()
    assert page.get_by_role("button", name="zoom").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Clear the range of time").click()
    settle(page)
    assert counts(page)["shown"] == 94


def test_the_silence_before_a_sockets_end_is_part_of_the_picture(page: Any) -> None:
    filled(page).evaluate("view.end({at_s: 10, words: 'fin'})")
    settle(page)
    box = page.locator(".wsb-canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 80, steps=3)
    page.mouse.up()
    settle(page)
    assert counts(page)["shown"] == 0
    begin, _, end, *_ = page.locator(".wsb-span", has_text=" to ").inner_text().split()
    assert 4 < float(begin) < 6 < 7 < float(end) < 9


def test_a_click_in_the_picture_chooses_the_frame_and_hovering_tells_it(page: Any) -> None:
    filled(page, [row(n, at_s=float(n), size=1000) for n in range(1, 11)])
    page.evaluate("view.onselect = (row) => { window.told = row?.n; }")
    box = page.locator(".wsb-canvas").bounding_box()
    room = box["width"] - 54 - 14
    left = box["x"] + 54 + room * 6 / 10.1  # frame 6, which was sent: above the line
    page.mouse.move(left, box["y"] + 50)
    assert page.locator(".wsb-tip").inner_text().startswith("▲ 6 sent text, 1000 B at 6.0000 s")
    page.mouse.click(left, box["y"] + 50)
    settle(page)
    assert (chosen(page), page.evaluate("told")) == (6, 6)
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    assert page.locator(".wsb-tip").is_hidden()


def test_the_picture_is_crisp_and_has_colour(chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 800, "height": 600}, device_scale_factor=2)
    filled(page)
    sized = page.evaluate("[document.querySelector('canvas').width, document.querySelector('canvas').clientWidth]")
    assert sized[0] == 2 * sized[1]
    found = page.evaluate(
        """() => {
          const canvas = document.querySelector('canvas');
          const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          const seen = new Set();
          for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) seen.add([data[at], data[at + 1], data[at + 2]].join());
          return ['0,114,178', '86,180,233', '204,121,167'].map((one) => seen.has(one));
        }"""
    )
    assert found == [True, True, True]
    page.close()


# Keyboard and what others hear of it


def test_keys_move_through_the_table_and_open_a_frame(page: Any) -> None:
    filled(page)
    grid = page.locator(".wsb-grid")
    grid.focus()
    seen = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "End", "Home", "PageDown", "PageUp"):
        grid.press(key)
        settle(page)
        seen.append(chosen(page))
    assert seen == [1, 2, 1, 94, 1, seen[5], 1]
    assert 5 < seen[5] < 30
    assert grid.get_attribute("aria-activedescendant") == page.locator(".wsb-selected").get_attribute("id")
    assert grid.get_attribute("aria-rowcount") == "95"
    detail = page.locator(".wsb-detail")
    assert detail.is_hidden()
    grid.press("Enter")
    assert page.locator(".wsb-payload").inner_text() == '{\n  "id": 1\n}'
    grid.press("Escape")
    assert detail.is_hidden()
    grid.press("/")
    assert page.evaluate("document.activeElement.type") == "search"


def test_keys_choose_and_range_in_the_picture(page: Any) -> None:
    filled(page)
    canvas = page.locator(".wsb-canvas")
    canvas.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        canvas.press(key)
    settle(page)
    assert chosen(page) == 2
    for _ in range(10):
        canvas.press("Shift+ArrowRight")
    settle(page)
    assert 10 < counts(page)["shown"] < 25
    canvas.press("Escape")
    settle(page)
    assert counts(page)["shown"] == 94


def test_keys_typed_here_reach_no_shortcut_of_the_page(page: Any) -> None:
    filled(page)
    page.evaluate("document.addEventListener('keydown', (event) => { window.heard = event.key; })")
    page.locator(".wsb-search").press("a")
    page.locator(".wsb-grid").press("ArrowDown")
    assert page.evaluate("window.heard") is None
    assert page.locator(".wsb-frames").get_attribute("data-lm-suppress-shortcuts") == "true"


@pytest.mark.parametrize(
    ("n", "about", "payload"),
    [
        (93, "sent binary, 3 B at 0.9300 s", "000000  00 ff 41"),
        (94, "1011 the server met an error", "1011 overloaded"),
        (91, "sent ping, 4 B", "the payload was not kept"),
    ],
)
def test_a_frame_is_shown_in_full(page: Any, n: int, about: str, payload: str) -> None:
    filled(page).evaluate("(n) => view.select(n)", n)
    page.locator(".wsb-grid").press("Enter")
    assert about in page.locator(".wsb-about").inner_text()
    assert page.locator(".wsb-payload").inner_text().startswith(payload)


def test_json_can_be_seen_as_text_and_as_bytes(page: Any) -> None:
    filled(page).evaluate("view.select(1)")
    page.locator(".wsb-grid").press("Enter")
    page.get_by_role("button", name="text", exact=True).click()
    assert page.locator(".wsb-payload").inner_text() == '{"id":1}'
    page.get_by_role("button", name="bytes").click()
    assert page.locator(".wsb-payload").inner_text().startswith("000000  7b 22 69 64")


# Peers' text


def test_text_of_a_peer_is_only_text(page: Any) -> None:
    filled(page, [row(1, text=HOSTILE), row(2, opcode=8, text=f"1000 {HOSTILE}"), row(3, text=json.dumps({HOSTILE: HOSTILE}))])
    for n in (1, 2, 3):
        page.evaluate("(n) => view.select(n)", n)
        page.locator(".wsb-grid").press("Enter")
        for query in ("onerror", "<", ""):
            page.fill(".wsb-search", query)
            settle(page)
        shown = page.locator(".wsb-frames").inner_text()
        assert "\u202e" not in shown and "\x1b" not in shown
    box = page.locator(".wsb-canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 25, box["y"] + 95)
    assert page.locator(".wsb-frames img, .wsb-frames script").count() == 0
    assert "\\x202e\\x1b[31m\\x00" in page.evaluate(SHOWN)[0][5]


def test_a_text_of_ten_megabytes_is_shown_by_its_begin(page: Any) -> None:
    opened(page)
    page.evaluate("view.append([frame({text: '[' + '1,'.repeat(5e6) + '1]', size: 10000003})])")
    page.evaluate("view.select(1)")
    begin = time.monotonic()
    page.locator(".wsb-grid").press("Enter")
    settle(page)
    assert len(page.evaluate(SHOWN)[0][5]) < 400
    assert len(page.locator(".wsb-payload").text_content()) < 300_000
    assert time.monotonic() - begin < 5
