"""The report in Chromium: a timeline filtered without scripts and zoomed with them, links to the evidence, phone and paper."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import find, needs

from wsbook.facts import SignatureFacts, UpgradeFacts
from wsbook.finding import Finding, Proof, Severity, StepVerdict, Verdict
from wsbook.observation import Observation, Source
from wsbook.record import Record
from wsbook.report import write_report
from wsbook.steps import STEPS
from wsbook.target import parse_target

pytest.importorskip("playwright.async_api")
pytestmark = needs("chromium")

T0 = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
ROWS = ".events tbody tr"


def observations() -> list[Observation]:
    """Return ten attempts of ours, half of them refused, and a log of that time and of the day before."""
    tried = [
        Observation(
            source=Source(step="1.3", probe="upgrade", hop="endpoint"),
            observed_at=T0 + timedelta(seconds=number),
            duration_s=0.2,
            facts=UpgradeFacts(url="ws://shop.example/ws", accepted=number % 2 == 0, status=400 if number % 2 else 101),
            id=f"1.3-{number}",
        )
        for number in range(10)
    ]
    times = tuple(T0.timestamp() + at for at in (1.5, 2.5, -86_400.0))
    text = f"rejected {'x' * 90}"
    facts = SignatureFacts(signature="s", program="p", count=3, text=text, causes=(("proxy.upgrade-header-missing", 0.9),), times=times)
    source = Source(step="1.4", probe="backend_log", artifact="/var/log/app.log", line=7)
    return [*tried, Observation(source=source, observed_at=T0, facts=facts, id="1.4-1")]


@pytest.fixture
def address(tmp_path: Path) -> str:
    record = Record.create(tmp_path / "record", parse_target("ws://shop.example/ws"), command="wsbook run ws://shop.example/ws")
    for seen in observations():
        record.add(seen)
    root = Finding(
        cause="proxy.upgrade-header-missing",
        step="2.2",
        verdict=Verdict.FAULT,
        severity=Severity.ERROR,
        confidence=0.97,
        summary="nginx passes /ws on without Upgrade",
        root=True,
        evidence=tuple(Proof(text=f"proof {number}", where="upgrade at endpoint", observation=f"1.3-{number}") for number in range(6)),
        remedy="+ proxy_set_header Upgrade $http_upgrade;",
        check="wsbook run ws://shop.example/ws --steps 2.2",
    )
    verdicts = [StepVerdict(step=step, title=STEPS[step].title, verdict=Verdict.CLEAR, summary="a sentence " * 12) for step in STEPS]
    steps = {one.step: {"title": one.title, "verdict": one.verdict.value, "summary": one.summary} for one in verdicts}
    record.write_json("findings.json", {"schema": "wsbook.findings/1", "root_causes": [root.cause], "steps": steps, "findings": [root]})
    return write_report(record.folder).as_uri()


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=find("chromium"), args=["--no-sandbox"])
        yield started
        await started.close()


async def opened(browser: Any, address: str, width: int = 1000, **options: Any) -> Any:
    page = await (await browser.new_context(viewport={"width": width, "height": 900}, **options)).new_page()
    await page.goto(address)
    return page


async def visible_rows(period: Any) -> list[str]:
    return [await row.inner_text() for row in await period.locator(ROWS).all() if await row.is_visible()]


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_lane_without_its_tick_is_left_out_of_the_table(address: str, browser: Any, scripts: bool) -> None:
    page = await opened(browser, address, java_script_enabled=scripts)
    period = page.locator(".period").last
    await period.get_by_text("12 events in order of time").click()
    rows = await visible_rows(period)
    assert len(rows) == 12
    assert [row.split("\t")[0] for row in rows] == sorted(row.split("\t")[0] for row in rows)
    await period.get_by_role("checkbox", name="1.3 direct test").uncheck()
    assert len(await visible_rows(period)) == 2
    await period.get_by_role("checkbox", name="app.log").uncheck()
    assert await visible_rows(period) == []


async def test_another_day_has_a_strip_of_its_own(address: str, browser: Any) -> None:
    page = await opened(browser, address)
    titles = [await one.inner_text() for one in await page.locator(".period h3").all()]
    assert titles == ["2026-11-26 13:00:00 to 13:00:00, before or after the investigation", "2026-11-27 13:00:00 to 13:00:09"]


async def test_buttons_and_keys_zoom_every_strip_alike(address: str, browser: Any) -> None:
    page = await opened(browser, address)
    period = page.locator(".period").last
    shown = "(period) => [...new Set([...period.querySelectorAll('.lane svg')].map((one) => one.getAttribute('viewBox')))]"
    assert await period.evaluate(shown) == ["0 0 1000 12"]
    await period.get_by_role("button", name="zoom in").focus()
    await page.keyboard.press("Enter")
    assert await period.evaluate(shown) == ["250 0 500 12"]
    await period.get_by_role("button", name="earlier").click()
    assert await period.evaluate(shown) == ["0 0 500 12"]
    ticks = await period.locator(".ticks span").all_inner_texts()
    assert (ticks[0], ticks[-1]) == ("+0 s", "+4.6 s")
    await period.get_by_role("button", name="show all").click()
    assert await period.evaluate(shown) == ["0 0 1000 12"]


async def test_a_stretch_that_is_dragged_over_fills_the_strip(address: str, browser: Any) -> None:
    page = await opened(browser, address)
    strip = page.locator(".period").last.locator(".lane svg").first
    await strip.scroll_into_view_if_needed()
    box = await strip.bounding_box()
    await page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 5)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 5)
    await page.mouse.up()
    left, _, wide, _ = (float(part) for part in (await strip.get_attribute("viewBox")).split())
    assert left == pytest.approx(500, abs=5)
    assert wide == pytest.approx(250, abs=5)


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_proof_leads_to_its_observation(address: str, browser: Any, scripts: bool) -> None:
    page = await opened(browser, address, java_script_enabled=scripts)
    await page.locator("dd a", has_text="upgrade at endpoint").nth(3).click()
    row = page.locator("#o-1\\.3-3")
    await row.wait_for(state="visible")
    assert "400 refused" in await row.inner_text()


async def test_what_is_copied_is_the_fix_or_the_command(address: str, browser: Any) -> None:
    page = await opened(browser, address, permissions=["clipboard-read", "clipboard-write"])
    copied = []
    for copy in await page.locator("button.copy").all():
        await copy.click()
        await copy.get_by_text("copied").wait_for()
        copied.append(await page.evaluate("() => navigator.clipboard.readText()"))
    assert copied == ["proxy_set_header Upgrade $http_upgrade;", "wsbook run ws://shop.example/ws --steps 2.2"]


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("scripts", [True, False])
async def test_no_width_makes_the_page_scroll_sideways(address: str, browser: Any, width: int, scripts: bool) -> None:
    page = await opened(browser, address, width, java_script_enabled=scripts)
    for summary in await page.locator("summary").all():
        if await summary.is_visible():
            await summary.click()
    wide = await page.locator("html").evaluate("(page) => page.scrollWidth") if scripts else None
    boxes = [await part.bounding_box() for part in await page.locator("main > section, body > header, .lane, .copyable, .events").all()]
    assert all(box["x"] + box["width"] <= width for box in boxes if box)
    assert wide is None or wide <= width


@pytest.mark.parametrize("scripts", [True, False])
async def test_on_paper_steps_are_open_and_notebooks_and_buttons_left_out(address: str, browser: Any, scripts: bool) -> None:
    page = await opened(browser, address, java_script_enabled=scripts, color_scheme="dark")
    await page.emulate_media(media="print")
    if scripts:
        await page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert await page.locator("#step-1\\.3 .inside").first.is_visible()
    assert await page.get_by_text("proof 5").is_visible()
    for hidden in ("nav", "section.notebooks", *(("button.copy", ".zoom") if scripts else ())):
        assert not await page.locator(hidden).first.is_visible()
    assert await page.locator("body").evaluate("(body) => getComputedStyle(body).backgroundColor") == "rgb(255, 255, 255)"
    if scripts:
        await page.evaluate("() => dispatchEvent(new Event('afterprint'))")
        await page.emulate_media(media="screen")
        assert not await page.locator("#step-1\\.3 .inside").first.is_visible()


async def test_headings_are_in_order_and_every_picture_field_and_region_has_a_name(address: str, browser: Any) -> None:
    page = await opened(browser, address)
    levels = [int(await head.evaluate("(head) => head.tagName[1]")) for head in await page.locator("h1, h2, h3, h4").all()]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    assert await page.locator("main").count() == 1
    for part in await page.locator("svg[role=img], section, nav, .scroll").all():
        assert (await part.get_attribute("aria-label") or await part.get_attribute("aria-labelledby") or "").strip()
    assert await page.locator("input").count() == await page.locator("label input").count() > 0


async def test_every_link_within_the_page_leads_somewhere(address: str, browser: Any) -> None:
    page = await opened(browser, address)
    lost = """() => [...document.querySelectorAll('a[href^="#"]')].map((a) => a.getAttribute('href').slice(1))
      .filter((id) => !document.getElementById(id))"""
    assert await page.evaluate(lost) == []


def luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def colours(theme: str) -> dict[str, str]:
    """Return the variables of report.css in a theme, colours written out."""
    sheet = (Path(__file__).parents[2] / "wsbook/report/report.css").read_text(encoding="utf-8")
    light = sheet[: sheet.index("@media (prefers-color-scheme: dark)")]
    dark = sheet[sheet.index("@media (prefers-color-scheme: dark)") :].partition("} }")[0]
    told = dict(re.findall(r"--([a-z]+): (#[0-9A-Fa-f]+)", light))
    told |= dict(re.findall(r"--([a-z]+): (#[0-9A-Fa-f]+)", dark)) if theme == "dark" else {}
    return {name: value if len(value) == 7 else "#" + "".join(2 * part for part in value[1:]) for name, value in told.items()}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_and_marks_stand_out_in_both_themes(theme: str) -> None:
    told = colours(theme)
    for text in ("ink", "soft", "blue"):
        assert contrast(told[text], told["bg"]) >= 4.5, text
    for ground in ("box", "add", "del"):
        assert contrast(told["ink"], told[ground]) >= 4.5, ground
    for mark in ("clear", "fault", "grey", "bar"):  # marks stand beside their word: 3 : 1 (WCAG 2.2, 1.4.11)
        assert contrast(told[mark], told["bg"]) >= 3.0, mark
