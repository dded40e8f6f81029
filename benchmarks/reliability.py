"""No benchmark: makes data/pictures/reliability.svg anew from data/accuracy.json, which `wsbook bench --write data/accuracy.json` writes.

    python benchmarks/reliability.py

Needs Chromium and the extra `browser`.
"""

import re
import sys
from pathlib import Path

import kaleido
from msgspec import convert
from msgspec.json import decode

from wsbook.accuracy import Reliability
from wsbook.views.charts_accuracy import plot_reliability

DATA = Path(__file__).parents[1] / "data"
PICTURE = DATA / "pictures" / "reliability.svg"
WIDTH, HEIGHT = 760, 320


def main() -> int:
    """Draw the picture; return 1 when the file holds nothing that was said."""
    drawn = plot_reliability(convert(decode((DATA / "accuracy.json").read_bytes())["reliability"], list[Reliability]))
    if drawn is None:
        print("nothing was said")
        return 1
    kaleido.start_sync_server(n=1, silence_warnings=True)
    try:
        figure = {"data": drawn.json["data"], "layout": {**drawn.json["layout"], "paper_bgcolor": "#ffffff"}}
        image = kaleido.calc_fig_sync(figure, opts={"format": "svg", "width": WIDTH, "height": HEIGHT})
    finally:
        kaleido.stop_sync_server(silence_warnings=True)
    PICTURE.write_text(re.sub(r"(clip|topdefs-|defs-|legend)[0-9a-f]{6}", r"\1", image.decode()) + "\n", encoding="utf-8")
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
