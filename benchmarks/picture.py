"""No benchmark: makes data/pictures/record.png anew, the top of the report of the lab with a fault, as the README shows it.

    python benchmarks/picture.py [RECORD]

Without a record the lab is investigated first, which takes a minute. Needs Chromium and the extra `browser`.
"""

import asyncio
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np

from wsbook.programs import find_program

FAULT = "proxy.upgrade-header-missing"
SYMPTOM = "the page stays empty, close code 1006"
PICTURE = Path(__file__).parents[1] / "data" / "pictures" / "record.png"
MOST_BYTES = 150 * 1024
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


def packed(png: bytes) -> bytes:
    """Return an RGB picture with a palette of at most 256 colours; the pages that are shown have few."""
    width, height, chunks = *struct.unpack(">II", png[16:24]), b""
    place = 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        chunks += png[place + 8 : place + 8 + length] if png[place + 4 : place + 8] == b"IDAT" else b""
        place += length + 12
    pixels = _unfiltered(zlib.decompress(chunks), width * 3, height).reshape(-1, 3)
    colours, places, counts = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    palette = colours[np.argsort(-counts)[:256]]
    nearest = np.abs(colours[:, None, :].astype(int) - palette[None, :, :].astype(int)).sum(axis=2).argmin(axis=1)
    indexes = nearest[places.reshape(-1)].astype(np.uint8).reshape(height, width)
    rows = np.hstack([np.zeros((height, 1), np.uint8), indexes]).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = {b"IHDR": head, b"PLTE": palette.astype(np.uint8).tobytes(), b"IDAT": zlib.compress(rows, 9), b"IEND": b""}
    return png[:8] + b"".join(_chunk(name, data) for name, data in parts.items())


def _unfiltered(data: bytes, row_bytes: int, height: int) -> np.ndarray:
    """Undo the filters of PNG (RFC 2083 section 6) of 24-bit pixels."""
    above, rows = bytearray(row_bytes), bytearray()
    for number in range(height):
        start = number * (row_bytes + 1)
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + row_bytes])
        for i in range(row_bytes):
            left, up, corner = (row[i - 3], above[i], above[i - 3]) if i > 2 else (0, above[i], 0)
            row[i] = (row[i] + _guess(kind, left, up, corner)) & 255
        rows += row
        above = row
    return np.frombuffer(bytes(rows), np.uint8)


def _guess(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    away = [abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)]
    return (left, up, corner)[away.index(min(away))]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def main(arguments: list[str]) -> int:
    """Make the picture; return 1 when it is larger than a README should carry."""
    with tempfile.TemporaryDirectory() as scratch:
        record = Path(arguments[0]) if arguments else Path(scratch) / "record"
        if not arguments:
            command = [sys.executable, "-m", "wsbook", "run", "--fault", FAULT, "--symptom", SYMPTOM, "--out", str(record)]
            subprocess.run(command, check=False)  # ends with 1, since it finds the fault
        PICTURE.parent.mkdir(exist_ok=True)
        asyncio.run(shoot((record / "report.html").absolute().as_uri()))
    PICTURE.write_bytes(packed(PICTURE.read_bytes()))
    size = PICTURE.stat().st_size
    print(f"{PICTURE}: {size / 1024:.0f} KiB, at most {MOST_BYTES // 1024}")
    return int(size > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
