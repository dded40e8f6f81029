"""What is displayed: text first, HTML escaped, verdicts that only change when they change."""

import re

import ipywidgets as w
import pandas as pd
import pytest

from views.samples import HOSTILE
from wsbook import markup
from wsbook.finding import Finding, Severity, StepVerdict, Verdict
from wsbook.views import show
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
    ("environ", "namespace", "live"),
    [
        ({}, {}, False),
        ({"JPY_SESSION_NAME": "x.ipynb"}, {}, True),
        ({"JPY_SESSION_NAME": "x.ipynb", "WSBOOK_BATCH": "1"}, {}, False),
        ({"JPY_PARENT_PID": "1"}, {}, False),
        ({}, {"__vsc_ipynb_file__": "/x.ipynb"}, True),
        ({"WSBOOK_BATCH": "1"}, {"__vsc_ipynb_file__": "/x.ipynb"}, False),
    ],
)
def test_only_a_kernel_that_somebody_watches_is_interactive(environ: dict[str, str], namespace: dict[str, str], live: bool) -> None:
    assert is_interactive(environ, namespace) is live


def test_a_control_is_shown_with_a_sentence_in_its_place_and_never_with_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, object]] = []
    monkeypatch.setattr(show, "_display", lambda bundle, **_: shown.append(bundle))
    show.show_widget(w.Text(value="s3cr3t"), "form; run the cell")
    assert shown[0]["text/plain"] == "form; run the cell"
    assert "s3cr3t" not in str(shown)
