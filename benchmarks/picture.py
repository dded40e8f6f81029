"""No benchmark: makes data/pictures/record.png anew, the top of the report of the lab with a fault, as the README shows it.

    python benchmarks/picture.py [RECORD]

Without a record the lab is investigated first, which takes a minute. Needs Chromium and the extra `browser`.
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from wsbook.programs import find_program

FAULT = "proxy.upgrade-header-missing"
SYMPTOM = "the page stays empty, close code 1006"
PICTURE = Path(__file__).parents[1] / "data" / "pictures" / "record.png"
MOST_BYTES = 200 * 1024
WIDTH, HEIGHT = 820, 1500


async def shoot(address: str) -> None:
    """Write the report from its top to the end of the first change that it proposes, in the light theme."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_program("chromium"), args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        await page.goto(address)
        await page.wait_for_load_state("networkidle")
        change = await page.locator("pre:visible").first.bounding_box() or {"y": HEIGHT, "height": 0}
        bottom = min(change["y"] + change["height"], HEIGHT)
        await page.screenshot(path=str(PICTURE), clip={"x": 8, "y": 16, "width": WIDTH - 16, "height": bottom - 16}, full_page=True)
        await browser.close()


def main(arguments: list[str]) -> int:
    """Make the picture; return 1 when it is larger than a README should carry."""
    with tempfile.TemporaryDirectory() as scratch:
        record = Path(arguments[0]) if arguments else Path(scratch) / "record"
        if not arguments:
            command = [sys.executable, "-m", "wsbook", "run", "--fault", FAULT, "--symptom", SYMPTOM, "--out", str(record)]
            subprocess.run(command, check=False)  # ends with 1, since it finds the fault
        PICTURE.parent.mkdir(exist_ok=True)
        asyncio.run(shoot((record / "report.html").absolute().as_uri()))
    size = PICTURE.stat().st_size
    print(f"{PICTURE}: {size / 1024:.0f} KiB, at most {MOST_BYTES // 1024}")
    return int(size > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
