"""Faults that only a browser meets, in a real one: step 1.2 alone names them, and the table shows what the browser hid."""

import asyncio

import pytest
from conftest import needs

from wsbook.case import Case, StepResult
from wsbook.finding import Verdict
from wsbook.views.tables import table_browser

pytestmark = needs("chromium")


def look(fault: str) -> tuple[StepResult, list[str]]:
    with Case.open(fault=fault) as case:
        result = asyncio.run(case.run("1.2"))
        return result, [one.cause for one in case.judge().findings if one.root and one.verdict is Verdict.FAULT]


@pytest.mark.parametrize(
    ("fault", "answered", "flips"),
    [
        ("auth.credential-not-sent", "401 refused", "with the held-back cookies → 101 accepted"),
        ("handshake.headers-too-large", "431 refused", "no cookies → 101 accepted"),
        ("origin.not-in-allowlist", "403 refused", "no Origin → 101 accepted"),
        ("browser.csp-connect-src", "", ""),
        ("browser.connection-limit", "", ""),
        ("endpoint.mixed-content", "", ""),
    ],
)
def test_a_browser_alone_names_it(fault: str, answered: str, flips: str) -> None:
    result, causes = look(fault)
    assert causes[:1] == [fault]
    assert result.duration_s < 15
    row = table_browser(result.observations).iloc[-1]
    assert row["browser"].startswith("Chromium ") and row["it showed"] not in ("", "open")
    assert row["really answered"].startswith(answered) and bool(row["really answered"]) is bool(answered)
    assert row["what flips it"] == flips
