"""Tables say what was seen, with units in the column names, and never break on what peers say."""

import pytest
from msgspec.structs import replace

from views.samples import URL, attempt, everything, seen
from wsbook.facts import (
    Cookie,
    CookieFacts,
    EndpointFacts,
    InquiryFacts,
    Look,
    PageFacts,
    Place,
    RehearsalFacts,
    RouteFacts,
    Setting,
    SignatureFacts,
    TraceFacts,
    Trial,
)
from wsbook.finding import Finding, Severity, StepVerdict, Verdict
from wsbook.observation import Failure, Observation, Reason
from wsbook.target import parse_target
from wsbook.views import show, tables
from wsbook.views.charts_origin import plot_origin
from wsbook.views.step_offers import TABLES
from wsbook.views.workbook import PARAMETERS


@pytest.mark.parametrize(("step", "name"), [(step, name) for step, named in TABLES.items() for name in named])
def test_every_table_holds_its_step_and_only_printable_text(step: str, name: str) -> None:
    seen_there = [one for one in everything() if one.source.step == step]
    table = TABLES[step][name](seen_there)
    texts = [str(value) for row in table.itertuples(index=False) for value in row]
    assert not any("\x1b" in text or "\u202e" in text for text in texts)
    assert table.columns.is_unique
    assert TABLES[step][name]([]).empty


def test_the_experiment_marks_the_change_that_flips_the_baseline() -> None:
    table = tables.table_attempts([attempt(400), attempt(101, "no Origin"), attempt(400, "no extensions")])
    assert table["flips"].tolist() == ["", "◀ flips", ""]
    assert table["result"].tolist() == ["400 refused", "101 accepted", "400 refused"]


def limited(product: str, value: str, *, default: bool = False) -> Observation:
    setting = Setting(value=value, file="" if default else f"{product}.conf", line=0 if default else 9, default=default)
    return seen("2.2", RouteFacts(product=product, file=f"{product}.conf", line=3, matcher="/ws", serves=True, idle_s=setting))


def test_the_shortest_idle_limit_of_the_chain_is_marked() -> None:
    table = tables.table_idle_limits([limited("nginx", "60", default=True), limited("haproxy", "50"), limited("envoy", "0")])
    assert table["shortest"].tolist() == ["", "← shortest", ""]
    assert table["seconds"].tolist() == ["60", "50", "none"]
    assert table["place"].tolist() == ["nginx.conf:3", "haproxy.conf:9", "envoy.conf:9"]


def test_a_trial_stands_beside_the_one_of_its_change() -> None:
    refused, passed = Trial(valid=True, accepted=False, status=426), Trial(valid=True, accepted=True, status=101)
    facts = RehearsalFacts(
        product="nginx", version="1.22.1", file="a", url="ws://x/", before=refused, after=passed, causes=("c",), diff="d"
    )
    (row,) = tables.table_rehearsals([seen("2.2", facts)]).to_dict("records")
    assert (row["program"], row["as it is"], row["changed"], row["change for"]) == ("nginx 1.22.1", "426", "upgraded", "c")


def browser_attempts(text: str, *, changed: str = "no Origin", flips: bool = True) -> list[Observation]:
    """Return a browser's refused handshake, its repetition, one variant, and its cookies."""
    kept = Cookie(name=text, domain="shop.example", path="/", sent=False, held_back=(text,))

    def told(probe: str, status: int, *changed: str) -> Observation:
        made = attempt(status, *changed, hop="browser", step="1.2", error_text=text)
        return replace(made, source=replace(made.source, probe=probe))

    return [
        told("browser", 403),
        told("browser", 403),
        seen("1.2", CookieFacts(url=URL, cookies=(kept,)), hop="browser"),
        told("repeated", 403),
        told("repeated", 101 if flips else 403, changed),
    ]


def test_what_a_browser_showed_stands_beside_what_was_answered() -> None:
    page = seen("1.2", PageFacts(url="https://shop.example/", browser="Chromium 156.0.1", status=200), hop="browser")
    (row,) = tables.table_browser([page, *browser_attempts("1006")]).to_dict("records")
    assert row == {
        "browser": "Chromium 156, 2 times",
        "URL": "ws://shop.example/ws",
        "it showed": "1006",
        "really answered": row["really answered"],
        "cookies held back": "1006 (1006)",
        "what flips it": "no Origin → 101 accepted",
    }
    assert row["really answered"].startswith("403 refused by nginx")
    assert tables.table_browser(browser_attempts("x", flips=False))["what flips it"].tolist() == ["none of 1 changes"]
    assert tables.table_browser(browser_attempts("x")[:1])["really answered"].tolist() == [""]


def test_a_page_that_did_not_load_has_a_row() -> None:
    failed = Failure(stage="page", reason=Reason.CERTIFICATE, message="the page did not load")
    page = replace(seen("1.2", PageFacts(url="https://a/", browser="Firefox 153.7"), hop="firefox"), failure=failed)
    assert tables.table_browser([page]).iloc[0].tolist()[:3] == ["Firefox 153", "https://a/", "the page did not load"]


def endpoint(side: str, **fields: object) -> Observation:
    known = {"library": "native", "file": "a.ts", "line": 1, "expression": "new WebSocket(url)"}
    return seen("1.1", EndpointFacts(side=side, **{**known, **fields}))


@pytest.mark.parametrize(
    ("dialled", "offered", "expected"),
    [
        ({"url": "wss://h.test/ws", "origin": "wss://h.test", "path": "/ws"}, {"library": "fastapi", "path": "/ws"},
         ("wss://h.test/ws", "/ws", "nothing")),
        ({"url": "wss://h.test/ws", "origin": "wss://h.test", "path": "/ws"}, {"library": "fastapi", "path": "/api/ws"},
         ("wss://h.test»/ws«", "»/api/ws«", "path")),
        ({"origin": "ws://h.test:9", "path": "/r/{…}"}, {"library": "ws", "path": None}, ("ws://h.test:9/r/{…}", "any path", "nothing")),
        ({"path": "/socket.io/", "library": "socket.io", "version": "3"}, {"library": "socket.io", "path": "/socket.io/", "version": "4"},
         ("page's host/socket.io/", "/socket.io/", "version")),
        ({}, {"library": "ws", "path": "/ws"}, ("? new WebSocket(url)", "", "")),
    ],
)  # fmt: skip
def test_pairs_mark_the_part_that_differs(dialled: dict[str, str], offered: dict[str, str], expected: tuple[str, str, str]) -> None:
    (row,) = tables.table_pairs([endpoint("frontend", **dialled), endpoint("backend", **offered)]).to_dict("records")
    assert (row["dialled"], row["offered"], row["differs"]) == expected


def test_another_hop_is_compared_with_the_endpoint() -> None:
    table = tables.table_attempts([attempt(400), attempt(101, hop="app")])
    assert table["flips"].tolist() == ["", "◀ flips"]


def test_waiting_for_a_first_message_is_no_part_of_the_answer() -> None:
    assert tables.table_attempts([attempt(101)])["time (ms)"].tolist() == [33.0]
    assert tables.table_stages([attempt(101)])["failed"].tolist() == [""]


def test_not_looked_names_reason_and_remedy() -> None:
    table = tables.table_not_looked(everything("give it"))
    assert table.to_dict("records") == [{"step": "3.1", "what": "frontend source", "why": "not given", "detail": "give it"}]


def test_inputs_say_what_is_missing() -> None:
    table = tables.table_inputs(parse_target("wss://shop.example/ws", headers=["Authorization: Bearer abc"]), "quick")
    assert "abc" not in table.to_string()
    assert table["input"].tolist()[-1] == "not given"


def test_a_trace_counts_from_the_trigger_and_from_the_place_before() -> None:
    facts = TraceFacts(
        marker="m", places=(Place(name="a", at_s=0.01, count=1), Place(name="b", at_s=None), Place(name="c", at_s=0.03, count=2))
    )
    table = tables.table_trace([seen("4.1", facts)])
    assert [value for value in table["step (ms)"] if value == value] == [10.0, 20.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (float("nan"), ""), (0.0234, "0.023"), (3.14159, "3.14"), (42.25, "42.2"), (1234.5, "1,234"), (1500, "1,500"), ("x", "x")],
)
def test_cells_have_as_many_digits_as_they_need(value: object, text: str) -> None:
    assert show._cell(value) == text


def test_findings_and_steps_keep_their_order() -> None:
    finding = Finding(cause="a.b", step="1.3", verdict=Verdict.FAULT, severity=Severity.ERROR, confidence=0.97, summary="s", root=True)
    assert tables.table_findings([finding])["sure"].tolist() == ["97%"]
    verdict = StepVerdict(step="1.3", title="direct test", verdict=Verdict.UNKNOWN, summary="s")
    assert tables.table_steps([verdict])["verdict"].tolist() == ["? unknown"]


def test_suspects_have_their_test_and_looks_their_reason() -> None:
    table = tables.table_suspects({"origin.not-in-allowlist": 0.4, "net.ipv6": 0.1, "tls.cert-expired": 0.05}, limit=2)
    assert table["suspect"].tolist() == ["origin.not-in-allowlist", "net.ipv6"]
    assert table["of all suspicion"].tolist() == ["40%", "10%"] and table["step"].tolist() == ["3.3", "2.1"]
    assert "Origin" in table["cheapest test"][0]
    look = Look(step="2.2", share=0.387, separates=("a.b", "c.d"), began_s=1.0, took_s=2.5, first="a.b")
    looks = tables.table_looks([seen("0", InquiryFacts(looks=(look,), sure="a.b"))])
    assert looks.iloc[0].tolist() == ["2.2", "39%", "a.b, c.d", "2.5 s", "a.b"]


def test_every_parameter_has_a_default() -> None:
    assert {type(value) for value in PARAMETERS.values()} == {str, bool}


def test_a_text_that_we_provoked_stands_for_ourselves_and_comes_last() -> None:
    texts = [
        SignatureFacts(signature=name, program="nginx", count=1, text=name, causes=(("proxy.upstream-unreachable", weight),), marks=marks)
        for name, weight, marks in [("provoked", 0.9, ("50954edd",)), ("real", 0.4, ()), ("surer", 0.6, ())]
    ]
    table = tables.table_signatures([seen("1.4", text) for text in texts])
    assert table["text"].tolist() == ["surer", "real", "provoked"]
    assert table["stands for"].tolist()[-1] == "our own attempt"


def test_the_matrix_has_an_origin_a_row_and_a_place_a_column() -> None:
    tried = [
        attempt(101, step="3.3"),
        attempt(403, "foreign Origin", step="3.3", origin="https://foreign.test"),
        attempt(401, "foreign Origin", "no credentials", step="3.3", origin="https://foreign.test"),
        attempt(101, "the endpoint's Host", "foreign Origin", step="3.3", origin="https://foreign.test", hop="app", close_code=1008),
        attempt(101, "the endpoint's Host", step="3.3", hop="app"),
        attempt(403, step="3.3", hop="app"),
    ]
    table = tables.table_origin(tried)
    assert table["Origin"].tolist() == ["https://shop.example", "https://foreign.test"]
    assert table["which"].tolist() == ["the page's own", "foreign Origin"]
    assert table["endpoint"].tolist() == ["✓ 101", "✗ 403"]
    assert table["endpoint, no credentials"].tolist() == ["", "✗ 401"]
    assert table["app"].tolist() == ["✓ 101", "✗ 101, closed 1008"]
    assert table["app, its own Host"].tolist() == ["✗ 403", ""]
    picture = plot_origin(tried)
    assert picture is not None
    assert picture.text == "the page's own Origin is accepted; 0 of 1 other let in at endpoint"
