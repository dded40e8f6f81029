"""The picture of how sure was how right."""

import base64

import numpy as np
import pytest

from wsbook.accuracy import Reliability
from wsbook.views.charts_accuracy import plot_reliability


def said(low: float, high: float, count: int, true: int) -> Reliability:
    return Reliability(low=low, high=high, said=count, true=true)


def test_nothing_that_was_said_is_no_picture() -> None:
    assert plot_reliability([]) is None
    assert plot_reliability([said(0.9, 1.0, 0, 0)]) is None


@pytest.mark.parametrize(
    ("classes", "title"),
    [
        ([said(0.5, 0.7, 4, 2), said(0.9, 1.0, 40, 39)], "of 40 findings that were at least 90% sure, 39 were true (97.5%)"),
        ([said(0.5, 0.7, 4, 2), said(0.9, 1.0, 0, 0)], "no finding was 90% sure"),
    ],
)
def test_the_title_tells_how_right_the_sure_ones_were(classes: list[Reliability], title: str) -> None:
    drawn = plot_reliability(classes)
    assert drawn is not None and drawn.text == title
    line, bars = drawn.json["data"]
    assert list(line["x"]) == list(line["y"]) == [0, 1]
    assert list(bars["text"]) == [f"{one.true} of {one.said}" for one in classes if one.said]
    heights = np.frombuffer(base64.b64decode(bars["y"]["bdata"]), dtype=bars["y"]["dtype"])
    assert list(heights) == pytest.approx([one.true / one.said for one in classes if one.said])
