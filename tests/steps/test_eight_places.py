"""Eight places where an event can be lost: the trace alone names each, with the hop and the numbers, and nothing in the healthy lab."""

import asyncio
import re

import pytest
from conftest import needs
from lab.lab_client import http

from wsbook.case import Case
from wsbook.finding import Finding, Verdict
from wsbook.lab.faults import find_fault

pytestmark = needs("chromium")

PLACES = [
    ("message.never-published", r"the trigger was accepted after .*, and app \(instance a\).* the page got none of \d+ events"),
    ("cluster.no-pubsub-across-workers", r"of \d+ events?, instance a \(app.*\) got \d+; instance b \(app-b.*\) got \d+"),
    ("message.lost", r"single events pass, and of \d+ events within .* \d+ never came to app"),
    ("message.lost-on-the-way", r"events? reached (app|app-b|proxy) .* never endpoint"),
    ("backend.live-socket-not-registered", r"the page got none of \d+ events, although log [ab].log names \d+ of \d+ events"),
    ("client.wrong-event-name", r"calls itself type “event”, which stands in none of the page's scripts"),
    (
        "client.parse-error-swallowed",
        r"its handler, which threw “(Uncaught )?SyntaxError.*” in received at http.*app\.js:\d+:\d+",
    ),
    ("client.not-rendered", r"reached the page after .* and its handler, and the document never showed"),
    ("message.format-mismatch", r"\[object Blob\].* it takes binary data for text"),
]


def traced(fault: str) -> tuple[Case, list[Finding]]:
    """Return the case after step 4.1 alone, and the root causes that are faults."""
    with Case.open(fault=fault) as case:
        http(str(case.target.page_url))  # what Python and the proxy load for a first request is no part of the trace
        asyncio.run(case.run("4.1"))
        return case, [one for one in case.judge().findings if one.root and one.verdict is Verdict.FAULT]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "words"), PLACES, ids=[row[0] for row in PLACES])
def test_a_place_is_named_by_the_trace(fault: str, words: str) -> None:
    case, roots = traced(fault)
    assert [one.cause for one in roots][:1] == [find_fault(fault).named]
    assert re.search(words, roots[0].summary), roots[0].summary
    assert case.result("4.1").verdict.verdict is Verdict.FAULT


@pytest.mark.slow
def test_the_healthy_lab_loses_nothing() -> None:
    case, roots = traced("")
    assert roots == []
    assert case.result("4.1").verdict.verdict is Verdict.CLEAR
    assert re.match(r"\d+ of \d+ events? stood in the page", case.result("4.1").verdict.summary)
