"""The page of a fleet: thousands of rows that open fast, in one file that asks nobody, and that no text of a peer can steer."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from conftest import find, needs
from views.samples import HOSTILE

from wsbook.finding import Verdict
from wsbook.report.fleet import FleetRow, State, counts_by_cause, fleet_page, fleet_sentence

CAUSES = ("proxy.upgrade-header-missing", "endpoint.wrong-path", "net.refused", "auth.credential-not-sent")


def row(number: int, **fields: Any) -> FleetRow:
    """Return a result: every third a fault, every tenth not completed."""
    faulty = number % 3 == 0
    values: dict[str, Any] = {
        "line": number + 2,
        "key": f"shop-{number}.example-0badcafe{number:02}",
        "url": f"wss://shop-{number}.example/ws",
        "state": State.LATE if number % 10 == 9 else State.DONE,
        "verdict": Verdict.FAULT if faulty else Verdict.CLEAR,
        "causes": ((CAUSES[number // 3 % 4], 0.9), ("net.refused", 0.5)) if faulty else (),
        "summary": f"refused with 400 after {number} ms",
        "seconds": number / 7,
        "record": f"records/shop-{number}",
    }
    return FleetRow(**{**values, **fields})


def test_what_was_found_is_one_sentence() -> None:
    assert fleet_sentence([row(0), row(1), row(2), row(1, same_as=3)]) == "1 of 3 targets has a fault, 2 are clear"
    undecided = row(1, verdict=Verdict.UNKNOWN, state=State.CRASHED)
    said = "0 of 2 targets have a fault, 1 is clear, 1 could not be decided, 1 not completed"
    assert fleet_sentence([row(1), undecided]) == said
    assert fleet_sentence([]) == "0 of 0 targets have a fault, 0 are clear"


def test_causes_are_counted_once_a_target() -> None:
    assert counts_by_cause([row(0), row(3), row(12), row(0, same_as=2)]) == [
        ("proxy.upgrade-header-missing", 2),
        ("endpoint.wrong-path", 1),
    ]


def test_many_rows_are_little_text_with_every_target_once() -> None:
    page = fleet_page([row(number) for number in range(2_000)], source="targets.csv", command="wsbook fleet targets.csv", steps=("1.3",))
    assert len(page) < 1_500_000
    assert page.count('role="row"') == 2_001
    assert page.count('<a href="records/shop-') == 2_000
    assert "667 of 2,000 targets have a fault" in page
    assert page.index("shop-1998.example") < page.index("shop-1.example")  # faults come first
    assert "timed out" in page
    assert "wsbook fleet targets.csv" in page


def test_the_page_allows_its_own_script_and_style_alone() -> None:
    page = fleet_page([row(0)])
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert not re.search(r"\sstyle=|\son\w+=|https?:", page.split("<main>")[1].split("<script>")[0].replace("https://www.w3.org", ""))


def test_texts_of_peers_are_escaped() -> None:
    hostile = row(0, url=f"ws://{HOSTILE}/", summary=HOSTILE, problem=HOSTILE, key=HOSTILE, causes=((HOSTILE, 0.9),), record="")
    page = fleet_page([hostile], source=HOSTILE, command=HOSTILE)
    body = page.split("<main>")[1].rsplit("<script>", 1)[0]
    assert "<img" not in body
    assert "<script>window" not in body
    assert "\u202e" not in body and "\x1b" not in body


def test_a_fleet_that_still_runs_says_so() -> None:
    assert "still running, 2 of 5 rows are here" in fleet_page([row(0), row(1)], total=5)
    assert "still running" not in fleet_page([row(0), row(1)], total=2)


def test_more_causes_than_fit_fold_away() -> None:
    page = fleet_page([row(0, causes=((f"made.up-{number}", 0.9),)) for number in range(20)])
    assert "<summary>5 more</summary>" in page


@pytest.fixture
async def page() -> AsyncIterator[Any]:
    api = pytest.importorskip("playwright.async_api")
    async with api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find("chromium"), args=["--no-sandbox"])
        yield await browser.new_page(viewport={"width": 1000, "height": 900})
        await browser.close()


SHOWN = (
    "() => [...document.querySelectorAll('#rows tbody tr')].filter((one) => !one.hidden).map((one) => one.querySelector('.l').textContent)"
)


@needs("chromium")
@pytest.mark.parametrize("width", [1000, 380])
async def test_in_a_browser_it_sorts_and_filters_and_nothing_hostile_runs(tmp_path: Path, page: Any, width: int) -> None:
    rows = [row(number) for number in range(60)] + [row(61, summary=HOSTILE, url=f"ws://{HOSTILE}/")]
    (tmp_path / "fleet.html").write_text(fleet_page(rows, source="targets.csv"), encoding="utf-8")
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto((tmp_path / "fleet.html").as_uri())
    assert await page.evaluate("() => document.documentElement.scrollWidth") <= width
    await page.click("button[data-cause='endpoint.wrong-path']")
    assert await page.evaluate(SHOWN) == [str(number + 2) for number in range(3, 60, 12)]
    assert await page.inner_text("#shown") == "5 of 61 with endpoint.wrong-path"
    await page.click("#all")
    await page.fill("#find", "shop-5 clear")
    await page.wait_for_function("() => document.getElementById('shown').textContent.startsWith('7 of')")
    await page.fill("#find", "")
    await page.wait_for_function("() => document.getElementById('shown').textContent === '61 of 61'")
    for click, first in ((1, "2"), (2, "63")):
        await page.evaluate("() => document.querySelector('#rows th.l button').click()")
        assert (await page.evaluate(SHOWN))[0] == first, click
    await page.evaluate("() => document.querySelector('#rows th.c button').click()")
    assert await page.evaluate("() => document.querySelector('#rows tbody .c').textContent") != ""  # empty cells go last
    assert await page.get_attribute("#rows th.c", "aria-sort") == "ascending"
    assert await page.evaluate("() => window.hit") is None
    assert said == []
    assert [url for url in asked if not url.startswith("file:")] == []


@needs("chromium")
@pytest.mark.slow
async def test_five_thousand_rows_open_far_faster_than_one_table_would(tmp_path: Path, page: Any) -> None:
    """The grid rows against the same rows in one table, side by side, so that the load of the machine is in both."""
    text = fleet_page([row(number) for number in range(5_000)], source="targets.csv")
    (tmp_path / "fleet.html").write_text(text, encoding="utf-8")
    spent: dict[str, list[float]] = {"as it is": [], "laid out at once": []}
    lay_out_all = "() => { const t = performance.now(); const style = document.querySelector('style').sheet;"
    lay_out_all += " style.insertRule('#rows tbody tr { content-visibility: visible !important; }', style.cssRules.length);"
    measure = " document.querySelectorAll('#rows th.t button')[0].click(); document.body.offsetHeight; return performance.now() - t; }"
    for _ in range(3):
        await page.goto((tmp_path / "fleet.html").as_uri())
        spent["as it is"].append(await page.evaluate("() => { const t = performance.now();" + measure))
        spent["laid out at once"].append(await page.evaluate(lay_out_all + measure))
    assert min(spent["as it is"]) * 2 < min(spent["laid out at once"]), spent
