"""What is displayed: text first, HTML escaped, verdicts that only change when they change."""

import re

import pandas as pd
import pytest

from views.samples import HOSTILE
from wsbook import markup
from wsbook.finding import Finding, Severity, StepVerdict, Verdict
from wsbook.views import show
from wsbook.views.controls import endpoint_parts
from wsbook.views.workbook import is_interactive


def finding(**fields: object) -> Finding:
    values = {
        "cause": "net.refused",
        "step": "1.3",
        "verdict": Verdict.FAULT,
        "severity": Severity.ERROR,
        "confidence": 0.9,
        "summary": HOSTILE,
    }
    return Finding(**{**values, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "html",
    [
        markup.table([HOSTILE, "b"], [[HOSTILE, f"✗ {HOSTILE}"]]),
        markup.card(HOSTILE, [(HOSTILE, HOSTILE), ("fix", f"{HOSTILE}\n{HOSTILE}")]),
        markup.element("p", markup.text(HOSTILE), title=HOSTILE),
        markup.preformatted(HOSTILE),
        show.bundle_table(pd.DataFrame({HOSTILE: [HOSTILE]}), "")["text/html"],
        show.bundle_card(finding(remedy=HOSTILE, check=HOSTILE), HOSTILE)["text/html"],
    ],
)
def test_html_holds_no_tag_of_a_peer(html: str) -> None:
    assert not re.search(r"<(img|script|b)\b", html)
    assert "\x1b" not in html and "\u202e" not in html


def test_a_verdict_is_stable_text() -> None:
    steps = (StepVerdict(step="1.3", title="direct test", verdict=Verdict.FAULT, summary="after 3.1 ms"),)
    bundle = show.bundle_verdicts(steps, (finding(), finding(cause="a.b", verdict=Verdict.CLEAR)))
    assert bundle["text/plain"] == "1.3 direct test  fault  net.refused"
    assert bundle[show.VERDICT_MIME]["steps"] == {"1.3": {"verdict": "fault", "causes": ["net.refused"]}}


def test_an_empty_table_says_why() -> None:
    assert show.bundle_table(pd.DataFrame(), "no log was given") == {"text/plain": "no log was given"}


def test_a_long_table_says_how_long() -> None:
    bundle = show.bundle_table(pd.DataFrame({"n": range(100)}), "")
    assert bundle["text/plain"].endswith("first 60 of 100 rows")


@pytest.mark.parametrize(
    ("environ", "live"),
    [
        ({}, False),
        ({"JPY_SESSION_NAME": "x.ipynb"}, True),
        ({"JPY_SESSION_NAME": "x.ipynb", "WSBOOK_BATCH": "1"}, False),
        ({"JPY_PARENT_PID": "1"}, False),
    ],
)
def test_only_a_kernel_of_a_server_is_interactive(environ: dict[str, str], live: bool) -> None:
    assert is_interactive(environ) is live


@pytest.mark.parametrize(
    ("url", "page", "parts"),
    [
        ("", "", {"endpoint": "–"}),
        ("wss://shop.example/ws", "", {"scheme": "✓", "host": "✓", "port": "✓ 443, the default", "path": "✓ /ws"}),
        ("ws://shop.example:81", "https://shop.example/", {"scheme": "✗ ws from an https page", "port": "✓ 81", "path": "? /"}),
        ("http://shop.example/ws", "", {"endpoint": "✗"}),
        ("ws://shop.example:99999/ws", "", {"endpoint": "✗"}),
        ("ws://a b/", "", {"endpoint": "✗"}),
    ],
)
def test_the_form_reads_an_endpoint_as_it_is_typed(url: str, page: str, parts: dict[str, str]) -> None:
    said = dict(endpoint_parts(url, page))
    assert all(said[name].startswith(words) for name, words in parts.items()), said
